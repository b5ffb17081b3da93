//! What ships for Prometheus and Grafana: metrics and rules are right, the rules' tests pass, each alert leads to its runbook,
//! and nothing asks for a metric that does not exist.

use crate::admin::Watched;
use crate::site::{GOOD, Site};
use ocspry_testkit::{Peer, run_bounded};
use ocspry_wire::ocsp::CertStatus;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

const RULES: &str = include_str!("../../../../contrib/prometheus/ocspry.rules.yml");
const RULE_TESTS: &str = include_str!("../../../../contrib/prometheus/ocspry.rules.test.yml");
const DASHBOARD: &str = include_str!("../../../../contrib/grafana/ocspry.json");
const REFERENCE: &str = include_str!("../../../../docs/reference/metrics.md");
const GUIDE: &str = include_str!("../../../../docs/guide/monitoring.md");

fn alerts() -> Vec<&'static str> {
    let lines = RULES.lines().map(str::trim);
    let alerts: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    alerts
}

/// The names of metrics in a text: words of ours, and of every process.
fn metrics_named(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("ocspry_") || word.starts_with("process_"))
        .collect()
}

/// The metrics of the reference, as samples are called.
fn metrics_that_exist() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in REFERENCE.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let name = cells.next().unwrap().trim_matches('`');
        match cells.next().unwrap() {
            "histogram" => {
                names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}")))
            }
            "counter" | "gauge" => drop(names.insert(name.to_owned())),
            _ => {}
        }
    }
    assert!(names.len() > 40, "{names:?}");
    names
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../contrib/prometheus"
    ));
    for arguments in [
        ["check", "rules", "ocspry.rules.yml"],
        ["test", "rules", "ocspry.rules.test.yml"],
    ] {
        let Some(mut promtool) = Peer::Promtool.command() else {
            return;
        };
        let run = run_bounded(promtool.args(arguments).current_dir(&folder));
        assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
    }
}

#[test]
fn promtool_takes_the_metrics_of_a_responder_that_has_answered() {
    let Some(promtool) = Peer::Promtool.find() else {
        return;
    };
    let site = Site::new();
    let watched = Watched::of(site.serve());
    assert_eq!(site.status(&watched.process, GOOD), CertStatus::Good);
    site.write("metrics", watched.text("/metrics"));
    let line = format!("{} check metrics < metrics", promtool.display());
    let run = site.shell(None, &line);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(format!("{}{}", run.stdout, run.stderr), "");
}

#[test]
fn every_alert_is_tested_both_ways_and_has_its_runbook() {
    for alert in alerts() {
        let silent = format!("alertname: {alert}\n      - eval_time");
        let silent_last = format!("alertname: {alert}\n\n");
        assert!(
            RULE_TESTS.contains(&silent) || RULE_TESTS.contains(&silent_last),
            "{alert} is not tested to be silent"
        );
        let fires = format!("alertname: {alert}\n        exp_alerts");
        assert!(RULE_TESTS.contains(&fires), "{alert} is not tested to fire");
        let anchor = alert.to_lowercase();
        let link = format!("runbook: docs/guide/monitoring.md#{anchor}\n");
        assert_eq!(RULES.matches(&link).count(), 1, "{link}");
        let heading = format!("\n### {alert}\n");
        assert!(GUIDE.contains(&heading), "no runbook for {alert}");
    }
    assert_eq!(GUIDE.matches("\n### Ocspry").count(), alerts().len());
}

#[test]
fn rules_and_dashboard_ask_for_nothing_that_does_not_exist() {
    let exist = metrics_that_exist();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut expressions = Vec::new();
    collect(&dashboard, &mut expressions);
    assert!(expressions.len() > 30, "{expressions:?}");
    let in_rules = RULES.lines().filter(|line| !line.trim().starts_with('#'));
    expressions.extend(in_rules.map(str::to_owned));
    for expression in &expressions {
        for name in metrics_named(expression) {
            assert!(exist.contains(name), "{name} in {expression}");
        }
    }
}

/// Every PromQL expression and every query of a variable.
fn collect(value: &Value, expressions: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" || key == "query" => {
                        expressions.push(text.to_owned());
                    }
                    _ => collect(value, expressions),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, expressions)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
