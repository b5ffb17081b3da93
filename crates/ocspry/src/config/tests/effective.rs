//! What is in force, and where it comes from.

use super::*;

fn of<'a>(settings: &'a [Setting], name: &str) -> &'a Setting {
    let found = settings.iter().find(|setting| setting.key.name == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn each_value_names_its_line_its_variable_or_its_flag() {
    let files = Files::new();
    let path = files.path("c.toml");
    fs::write(&path, GOOD).unwrap();
    let flags = parse(&["-c", path.to_str().unwrap(), "--cache-ttl", "7"]);
    let environment = Environment {
        variables: [("OCSPRY__ISSUER__ONE__VALIDITY".to_owned(), "6h".to_owned())].into(),
        ..Environment::default()
    };
    let settings = ConfigOrigin::from_flags(flags)
        .settings(&environment, NOW)
        .unwrap();
    let value = |name: &str| of(&settings, name).value.as_ref().map(ToString::to_string);
    let origin = |name: &str| of(&settings, name).origin.clone();
    assert_eq!(origin("listen.ocsp"), Origin::Line(4));
    assert_eq!(value("listen.ocsp").unwrap(), "[\"127.0.0.1:0\"]");
    assert_eq!(origin("check-interval"), Origin::Flag);
    assert_eq!(value("check-interval").unwrap(), "\"7s\"");
    let variable = Origin::Variable("OCSPRY__ISSUER__ONE__VALIDITY".to_owned());
    assert_eq!(origin("issuer.*.validity"), variable);
    assert_eq!(value("issuer.*.validity").unwrap(), "\"6h\"");
    assert_eq!(origin("issuer.*.nonce"), Origin::Line(11));
    assert_eq!(origin("issuer.*.guard"), Origin::Default);
    assert_eq!(value("issuer.*.guard").unwrap(), "\"alarm\"");
    assert_eq!(value("listen.admin"), None);
    let key = files.path("one-ocsp.key").display().to_string();
    assert_eq!(
        value("issuer.*.responder.key").unwrap(),
        format!("\"{key}\"")
    );
}

#[test]
fn every_key_is_shown() {
    let files = Files::new();
    let status = "[{ crl = \"one.crl\" }, { crl-dir = \"d\" }, { crl-url = \"http://h.example/c\" }, { issued = \"i\" }, { overlay = \"o\" }, { ledger = \"x\" }]";
    let tables = "[ledger]\nurl = \"x.db\"\n[audit]\nfile = \"a\"\n[request-log]\nfile = \"r\"\n";
    let text = GOOD.replace("[{ crl = \"one.crl\" }]", status) + tables;
    let settings = files
        .origin(&text)
        .settings(&Environment::default(), NOW)
        .unwrap();
    let sources = settings
        .iter()
        .flat_map(|setting| setting.sources.iter().flatten());
    let mut shown: Vec<&str> = settings
        .iter()
        .chain(sources)
        .map(|setting| setting.key.name)
        .collect();
    // Its keys are shown, in a table of their own.
    shown.push("issuer.*.responder");
    for key in KEYS {
        assert!(shown.contains(&key.name), "{} is not shown", key.name);
    }
}
