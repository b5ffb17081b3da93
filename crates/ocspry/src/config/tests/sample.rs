//! The sample: it loads, every key is in it, and each of them can be uncommented as it stands.

use super::*;
use crate::config::sample::OPTIONAL;

/// The directory with the files that the sample names.
fn files() -> Files {
    let files = Files::new();
    for (own, named) in [
        ("one.pem", "intermediate_ca.pem"),
        ("two.pem", "root_ca.pem"),
        ("one-ocsp.pem", "server.pem"),
    ] {
        fs::copy(files.path(own), files.path(named)).unwrap();
    }
    files
}

/// The commented lines that are keys or tables, without their mark.
fn commented() -> Vec<String> {
    let text = sample();
    let lines = text.lines().filter_map(|line| line.strip_prefix('#'));
    let lines = lines.filter(|line| !line.starts_with(' '));
    lines.map(str::to_owned).collect()
}

/// The sample with these of its commented lines in force, in place of others of the same key.
fn with(lines: &[&str]) -> String {
    let key = |line: &str| line.split(" =").next().unwrap_or_default().to_owned();
    let keys: Vec<String> = lines.iter().map(|line| key(line)).collect();
    let text = sample();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if lines.contains(&rest) => rest.to_owned(),
        None if keys.contains(&key(line)) && line.contains(" = ") => format!("#{line}"),
        Some(_) | None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The heading and the keys without which the table that a commented line belongs to is none; nothing for other lines.
fn needed_by(line: &str) -> Vec<String> {
    let is_its_line = |key: &Key| {
        let default = match key.default {
            Absent::Value(value) => format!("{} = {value}", key.last()),
            Absent::Means(_) | Absent::Refused => key.example.to_owned(),
        };
        line == default || line == format!("[{}]", key.table())
    };
    let mut of_tables = KEYS.iter().filter(|key| OPTIONAL.contains(&key.table()));
    let Some(key) = of_tables.find(|key| is_its_line(key)) else {
        return Vec::new();
    };
    let required = KEYS
        .iter()
        .filter(|other| other.table() == key.table() && other.default == Absent::Refused);
    let required = required.map(|key| key.example.to_owned());
    std::iter::once(format!("[{}]", key.table()))
        .chain(required)
        .collect()
}

#[test]
fn the_sample_that_ships_is_the_one_that_is_printed() {
    let shipped = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/ocspry.sample.toml"
    ));
    assert_eq!(shipped, sample());
}

#[test]
fn the_sample_loads_as_it_is_and_says_what_holds_without_it() {
    let files = files();
    let config = files.load(&sample()).unwrap();
    let bare = "version = 1\n[issuer.intermediate]\ncertificate = \"intermediate_ca.pem\"\n\
        status = [{ crl = \"crl.pem\" }]\nresponder = { certificate = \"ocsp.pem\", key = \"ocsp.key\" }\n";
    let bare = files.load(bare).unwrap();
    assert_same(&config, &bare, "the sample");
    // So does each default that is written out.
    for line in commented() {
        let key = KEYS.iter().find(|key| {
            matches!(key.default, Absent::Value(value) if line == format!("{} = {value}", key.last()))
        });
        if key.is_some() {
            let needed = needed_by(&line);
            let mut lines: Vec<&str> = needed.iter().map(String::as_str).collect();
            let without = files.load(&with(&lines)).unwrap();
            lines.push(&line);
            assert_same(&files.load(&with(&lines)).unwrap(), &without, &line);
        }
    }
    let issued = |more: &str| {
        let status = format!("[{{ issued = \"serials.txt\"{more} }}]");
        files
            .load(&GOOD.replace("[{ crl = \"one.crl\" }]", &status))
            .unwrap()
    };
    let defaults = ", role = \"export\", max-age = \"24h\", lag = \"try-later\"";
    assert_same(&issued(defaults), &issued(""), "the defaults of a source");
}

/// Wherever it stands in the file.
#[track_caller]
fn assert_same(one: &Config, other: &Config, what: &str) {
    let facts = |config: &Config| {
        let Config {
            listen,
            admin,
            endpoint_paths,
            state,
            check_interval,
            patience,
            trusted,
            ..
        } = config;
        format!(
            "{listen:?} {admin:?} {endpoint_paths:?} {state:?} {check_interval:?} {patience:?} {trusted:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            config.log_file,
            config.log_format,
            config.control_socket,
            config.ledger,
            config.audit_file,
            config.request_log
        )
    };
    assert_eq!(facts(one), facts(other), "{what}");
    let ([one], [other]) = (one.issuers.as_slice(), other.issuers.as_slice()) else {
        panic!("one issuer each")
    };
    assert!(one.makes_the_same_as(other), "{what}: {one:?}\n{other:?}");
}

#[test]
fn every_key_is_in_the_sample_with_its_meaning_and_each_can_be_uncommented() {
    let files = files();
    let text = sample();
    let lines = commented();
    let ledger = needed_by("[ledger]");
    assert_eq!(ledger.len(), 2);
    let source = "status = [{ ledger = \"intermediate\" }]";
    let requests = "responder-requests = \"requests\"";
    for key in KEYS {
        assert!(text.contains(key.meaning), "{}", key.name);
        assert!(
            text.lines().any(|line| line
                .trim_start_matches('#')
                .contains(&format!("{} =", key.last()))),
            "{}",
            key.name
        );
    }
    for line in lines.iter().map(String::as_str) {
        let mut uncommented = vec![line];
        let of_its_table = needed_by(line);
        uncommented.extend(of_its_table.iter().map(String::as_str));
        if line.contains("ledger =") || line.contains("managed") {
            uncommented.extend(ledger.iter().map(String::as_str));
        }
        if line.contains("managed") {
            uncommented.extend([source, requests]);
        }
        let text = with(&uncommented);
        if let Err(problems) = files.load(&text) {
            panic!("{line}: {:?}\n{text}", problems.lines());
        }
    }
}
