//! The table of keys says what serde reads and what the flags say, no more and no less.

use std::collections::BTreeSet;

use clap::Args;

use super::super::diagnostics::ConfigText;
use super::super::error::ConfigError;
use super::super::{Environment, ServeFlags, layers};
use super::*;

/// The keys that serde reads in a table, by its complaint about one that it does not.
fn read_in(text: &str) -> BTreeSet<String> {
    let text = ConfigText::new(None, text.to_owned(), []);
    let problems = layers::read(&text, &Environment::default(), &[]).unwrap_err();
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}")
    };
    let ConfigError::UnknownKey { known, .. } = &problem.error else {
        panic!("{problem:?}")
    };
    known.iter().cloned().collect()
}

#[test]
fn the_table_has_the_keys_that_are_read_and_no_others() {
    let tables = [
        (
            "",
            "zzz = 1",
            &["listen", "issuer", "ledger", "audit", "request-log"][..],
        ),
        ("listen", "[listen]\nzzz = 1", &[]),
        ("issuer.*", "[issuer.a]\nzzz = 1", &[]),
        ("issuer.*.status", "[issuer.a]\nstatus = [{ zzz = 1 }]", &[]),
        (
            "issuer.*.responder",
            "[issuer.a]\nresponder = { zzz = 1 }",
            &[],
        ),
        ("ledger", "[ledger]\nzzz = 1", &[]),
        ("audit", "[audit]\nzzz = 1", &[]),
        ("request-log", "[request-log]\nzzz = 1", &[]),
    ];
    for (table, text, tables_in_it) in tables {
        let own = KEYS
            .iter()
            .filter(|key| key.table() == table)
            .map(Key::last);
        let listed: BTreeSet<String> = own
            .chain(tables_in_it.iter().copied())
            .map(str::to_owned)
            .collect();
        assert_eq!(listed, read_in(text), "[{table}]");
    }
    let known: Vec<&str> = tables.iter().map(|(table, _, _)| *table).collect();
    for key in KEYS {
        assert!(known.contains(&key.table()), "{}", key.name);
    }
}

#[test]
fn every_flag_of_serve_is_a_key_and_what_stands_above_all_tables_is_a_flag() {
    let command = ServeFlags::augment_args(clap::Command::new("serve"));
    let flags: BTreeSet<String> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        // It names the file that the keys stand in.
        .filter(|flag| *flag != "config")
        .map(|flag| format!("--{flag}"))
        .collect();
    let of_keys = KEYS.iter().flat_map(|key| key.flags.iter());
    let of_keys: BTreeSet<String> = of_keys.map(|flag| (*flag).to_owned()).collect();
    assert_eq!(flags, of_keys);
    for key in KEYS {
        // What differs between issuers is said where each has its name; the ledger is one of their sources.
        let is_of_all = ["", "listen"].contains(&key.table());
        assert!(
            !is_of_all || key.name == "version" || !key.flags.is_empty(),
            "{} has no flag",
            key.name
        );
    }
}

#[test]
fn a_secret_is_named_by_its_file_only() {
    for key in KEYS {
        let words: Vec<&str> = key.last().split('-').collect();
        let is_secret = words
            .iter()
            .any(|word| ["key", "passphrase", "password", "pin", "secret", "token"].contains(word));
        assert!(
            !is_secret || matches!(key.takes, Takes::File),
            "{} takes {}",
            key.name,
            key.takes.text()
        );
    }
}

#[test]
fn a_meaning_is_one_short_line_of_its_own() {
    let mut seen = BTreeSet::new();
    for key in KEYS {
        let is_short = (10..=75).contains(&key.meaning.chars().count());
        assert!(is_short && !key.meaning.ends_with('.'), "{}", key.name);
        assert!(seen.insert((key.table(), key.meaning)), "{}", key.name);
        assert!(key.example.starts_with(key.last()) || key.example.contains(key.last()));
    }
}

#[test]
fn a_key_is_found_by_its_name_by_the_end_of_it_and_with_its_table() {
    let names =
        |typed: &str| -> Vec<&str> { find(typed).unwrap().iter().map(|key| key.name).collect() };
    for (typed, expected) in [
        ("listen.admin", &["listen.admin"][..]),
        ("admin", &["listen.admin"]),
        ("issuer.NAME.validity", &["issuer.*.validity"]),
        ("issuer.*.validity", &["issuer.*.validity"]),
        ("issuer.my-ca.responder.key", &["issuer.*.responder.key"]),
        (
            "certificate",
            &["issuer.*.certificate", "issuer.*.responder.certificate"],
        ),
        (
            "[ledger]",
            &[
                "ledger.url",
                "ledger.published",
                "ledger.responder-requests",
            ],
        ),
        ("version", &["version"]),
    ] {
        assert_eq!(names(typed), expected, "{typed}");
    }
    for (typed, near) in [
        ("listen.admn", Some("listen.admin")),
        ("validty", Some("validity")),
        ("issuer.root.validty", Some("issuer.NAME.validity")),
        ("quite-something-else", None),
        ("", None),
    ] {
        assert_eq!(find(typed).unwrap_err().as_deref(), near, "{typed}");
    }
}

#[test]
fn a_variable_is_the_key_in_capitals_and_none_says_a_part_of_a_list() {
    let variable = |name: &str| {
        let key = KEYS.iter().find(|key| key.name == name).unwrap();
        key.variable("my-ca.1")
    };
    for (name, expected) in [
        ("check-interval", Some("OCSPRY__CHECK_INTERVAL")),
        ("listen.admin", Some("OCSPRY__LISTEN__ADMIN")),
        (
            "issuer.*.validity",
            Some("OCSPRY__ISSUER__MY_CA_1__VALIDITY"),
        ),
        (
            "issuer.*.responder.ca-key",
            Some("OCSPRY__ISSUER__MY_CA_1__RESPONDER__CA_KEY"),
        ),
        ("issuer.*.status", Some("OCSPRY__ISSUER__MY_CA_1__STATUS")),
        ("issuer.*.status.crl", None),
    ] {
        assert_eq!(variable(name).as_deref(), expected, "{name}");
    }
}
