//! Keys that the environment says: which variable says which, what wins, and what is refused by name.

use super::*;

/// These variables.
fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter();
    Environment {
        variables: variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Environment::default()
    }
}

impl Files {
    fn load_in(&self, text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
        self.origin(text).load(&environment(variables), NOW)
    }
}

#[test]
fn a_variable_wins_over_the_file_and_a_flag_over_both() {
    let files = Files::new();
    let text = format!("check-interval = \"1h\"\n{GOOD}");
    let variables = [
        ("OCSPRY__CHECK_INTERVAL", "30s"),
        ("OCSPRY__LISTEN__OCSP", "[\"127.0.0.1:7\"]"),
        ("OCSPRY__LISTEN__ADMIN", "127.0.0.1:9560"),
        ("OCSPRY__ISSUER__ONE__VALIDITY", "6h"),
    ];
    let config = files.load_in(&text, &variables).unwrap();
    assert_eq!(config.check_interval, Duration::from_secs(30));
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 7))]);
    assert_eq!(config.admin, Some(SocketAddr::from(([127, 0, 0, 1], 9560))));
    let validity = config.issuers[0].policy.validity;
    assert_eq!(validity, Some(Duration::from_secs(6 * 3600)));

    let path = files.path("c.toml");
    let flags = [
        "-c",
        path.to_str().unwrap(),
        "--port",
        "9",
        "--cache-ttl",
        "8",
    ];
    let origin = ConfigOrigin::from_flags(parse(&flags));
    let config = origin.load(&environment(&variables), NOW).unwrap();
    assert_eq!(config.check_interval, Duration::from_secs(8));
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 9))]);
    assert_eq!(config.admin, Some(SocketAddr::from(([127, 0, 0, 1], 9560))));
}

#[test]
fn a_variable_counts_beside_flags_that_do_not_say_the_same() {
    let files = Files::new();
    let given = |name: &str| files.path(name).display().to_string();
    let (ca, crl, key) = (given("one.pem"), given("one.crl"), given("one.key"));
    let flags = [
        "--ca",
        &ca,
        "--crl",
        &crl,
        "--ca-key",
        &key,
        "--next-update",
        "5",
    ];
    let variables = environment(&[
        ("OCSPRY__LISTEN__OCSP", "[\"127.0.0.1:7\"]"),
        ("OCSPRY__ISSUER__ONE__NONCE", "required"),
        ("OCSPRY__ISSUER__ONE__VALIDITY", "1h"),
        ("OCSPRY__ISSUER__ONE__RESPONDER__PASSPHRASE_FILE", "pass"),
    ]);
    let config = ConfigOrigin::from_flags(parse(&flags))
        .load(&variables, NOW)
        .unwrap();
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 7))]);
    let policy = &config.issuers[0].policy;
    assert_eq!(policy.nonce, NoncePolicy::Required);
    assert_eq!(policy.validity, Some(Duration::from_secs(5 * 3600)));
    let ResponderConfig::Files(files) = &config.issuers[0].responder else {
        panic!("files")
    };
    assert!(files.paths().contains(&Path::new("pass")), "{files:?}");
}

#[test]
fn a_value_is_toml_and_else_a_string() {
    let files = Files::new();
    let config = files
        .load_in(
            GOOD,
            &[
                ("OCSPRY__ISSUER__ONE__CERT_IDS_MAX", "3"),
                ("OCSPRY__ISSUER__ONE__NONCE", "\"ignore\""),
                ("OCSPRY__ISSUER__ONE__STALE_UNTIL", "2026-11-21T07:00:00Z"),
                ("OCSPRY__ISSUER__ONE__STATUS", "[{ crl-dir = \"lists\" }]"),
                ("OCSPRY__ISSUER__ONE__RESPONDER", "{ ca-key = \"one.key\" }"),
                ("OCSPRY__LEDGER__URL", "x.db"),
            ],
        )
        .unwrap();
    let [one] = config.issuers.as_slice() else {
        panic!("one issuer")
    };
    assert_eq!(one.policy.cert_ids_max, 3);
    assert_eq!(one.policy.nonce, NoncePolicy::Ignore);
    // A relative path is one of the file's folder, as in the file.
    assert_eq!(crl(one), files.path("lists"));
    assert!(config.ledger.is_some());
}

#[test]
fn an_issuer_is_meant_by_its_name_in_capitals_and_no_two_by_one() {
    let files = Files::new();
    let two = "[issuer.two-b]\ncertificate = \"two.pem\"\nstatus = [{ crl = \"two.crl\" }]\nresponder = { ca-key = \"two.key\" }\n";
    let variable = ("OCSPRY__ISSUER__TWO_B__NONCE", "ignore");
    let config = files.load_in(&format!("{GOOD}{two}"), &[variable]).unwrap();
    assert_eq!(config.issuers[0].policy.nonce, NoncePolicy::Echo);
    assert_eq!(config.issuers[1].policy.nonce, NoncePolicy::Ignore);
    let three = two
        .replace("two-b", "two.b")
        .replace("two.b]", "\"two.b\"]")
        .replace("two", "three");
    let three = three.replace("three.b", "two.b");
    let problems = files
        .load_in(&format!("{GOOD}{two}{three}"), &[variable])
        .unwrap_err();
    let lines = problems.lines();
    assert_eq!(
        lines,
        [
            "environment variable OCSPRY__ISSUER__TWO_B__NONCE: `OCSPRY__ISSUER__TWO_B__NONCE` is a key of issuer `two-b` and of issuer `two.b`: give one of them another name, or write the key in the file"
        ]
    );
}

#[test]
fn what_is_wrong_with_a_variable_is_said_with_its_name() {
    let files = Files::new();
    let cases = [
        (
            "OCSPRY__LISTEN__ADMN",
            "x",
            "unknown variable `OCSPRY__LISTEN__ADMN`: did you mean `OCSPRY__LISTEN__ADMIN`?",
        ),
        (
            "OCSPRY__listen__admin",
            "x",
            "unknown variable `OCSPRY__listen__admin`: did you mean `OCSPRY__LISTEN__ADMIN`?",
        ),
        (
            "OCSPRY__ISSUER__ON__NONCE",
            "echo",
            "unknown variable `OCSPRY__ISSUER__ON__NONCE`: did you mean `OCSPRY__ISSUER__ONE__NONCE`?",
        ),
        (
            "OCSPRY__ZZZ",
            "x",
            "unknown variable `OCSPRY__ZZZ`: it is OCSPRY__ and a key in capitals, `__` between tables: `ocspry config explain` lists them",
        ),
        (
            "OCSPRY__LISTEN",
            "{}",
            "unknown variable `OCSPRY__LISTEN`: it is OCSPRY__ and a key in capitals, `__` between tables: `ocspry config explain` lists them",
        ),
        (
            "OCSPRY__ISSUER__ONE__VALIDITY",
            "6",
            "this key takes a string, not integer `6`",
        ),
        (
            "OCSPRY__ISSUER__ONE__VALIDITY",
            "6 hours",
            "`6 hours` is not a duration: write a whole number and a unit: 30s, 5m, 12h or 7d",
        ),
        (
            "OCSPRY__ISSUER__ONE__NONCE",
            "ecko",
            "`nonce` cannot be `ecko`: did you mean `echo`?",
        ),
        (
            "OCSPRY__ISSUER__ONE__STATUS",
            "[{ crll = \"x\" }]",
            "unknown key `crll`: did you mean `crl`?",
        ),
        (
            "OCSPRY__ISSUER__ONE__CERTIFICATE",
            "",
            "the path of `certificate` is empty: give the path of a file",
        ),
        (
            "OCSPRY__LISTEN__OCSP",
            "127.0.0.1:1",
            "this key takes a list in brackets, not string \"127.0.0.1:1\"",
        ),
        (
            "OCSPRY__LEDGER__PUBLISHED",
            "x",
            "`ledger` has no `url`: add `url = \"sqlite:/var/lib/ocspry/ledger.db\"`",
        ),
        (
            "OCSPRY__VERSION",
            "2",
            "version 2 of the configuration is not known to this program: write `version = 1`",
        ),
    ];
    for (name, value, expected) in cases {
        let problems = files.load_in(GOOD, &[(name, value)]).unwrap_err();
        let expected = format!("environment variable {name}: {expected}");
        assert_eq!(problems.lines(), [expected], "{name}={value}");
    }
    let problems = files
        .load_in(GOOD, &[("OCSPRY__ISSUER__ONE__NONCE", "ecko")])
        .unwrap_err();
    let text = anstream::adapter::strip_str(&problems.render()).to_string();
    let line = "OCSPRY__ISSUER__ONE__NONCE=ecko";
    assert!(text.contains("--> environment:1:"), "{text}");
    assert!(text.contains(line) && text.contains("^^^^"), "{text}");
}

#[test]
fn a_mistake_at_the_end_of_the_file_is_one_of_the_file_also_beside_a_variable() {
    let files = Files::new();
    let problems = files
        .load_in(
            &format!("{GOOD}[issuer"),
            &[("OCSPRY__CHECK_INTERVAL", "1m")],
        )
        .unwrap_err();
    let expected = format!(
        "{}:12: unclosed table, expected `]`",
        files.path("c.toml").display()
    );
    assert_eq!(problems.lines(), [expected]);
}

#[test]
fn a_variable_that_is_no_text_is_refused_by_name() {
    let files = Files::new();
    let environment = Environment {
        not_utf8: vec!["OCSPRY__LOG_FILE".to_owned()],
        ..Environment::default()
    };
    let problems = files.origin(GOOD).load(&environment, NOW).unwrap_err();
    let lines = problems.lines();
    assert!(
        lines[0].contains("`OCSPRY__LOG_FILE` is not UTF-8"),
        "{lines:?}"
    );
}

#[test]
fn the_commands_that_look_for_the_state_directory_find_the_one_of_the_variable() {
    let systemd = environment(&[]);
    let systemd = Environment {
        state_directory: Some("/var/lib/o".into()),
        ..systemd
    };
    for value in ["/srv/state", "\"/srv/state\"", "'/srv/state'"] {
        let environment = Environment {
            variables: environment(&[("OCSPRY__STATE_DIR", value)]).variables,
            ..systemd.clone()
        };
        let found = usual_state(&environment);
        assert_eq!(found, StateChoice::Named("/srv/state".into()), "{value}");
        let sockets = usual_sockets(&environment);
        let socket = PathBuf::from("/srv/state/control.sock");
        assert_eq!(sockets.last(), Some(&socket), "{value}");
    }
    let named = environment(&[("OCSPRY__CONTROL_SOCKET", "\"/run/c.sock\"")]);
    assert_eq!(usual_sockets(&named), [PathBuf::from("/run/c.sock")]);
}

#[test]
fn the_commands_of_the_ca_find_the_ledger_that_a_variable_names() {
    let files = Files::new();
    files.origin(&format!("{GOOD}[ledger]\nurl = \"of-file.db\"\n"));
    let place = |variables: &[(&str, &str)]| {
        let found = ledger_of(&files.path("c.toml"), &environment(variables)).unwrap();
        format!("{:?}", found.unwrap())
    };
    assert!(place(&[]).contains("/of-file.db"));
    let named = place(&[("OCSPRY__LEDGER__URL", "sqlite:/of-variable.db")]);
    assert!(named.contains("\"/of-variable.db\""), "{named}");
}

#[test]
fn a_value_that_may_be_a_secret_is_not_shown() {
    let files = Files::new();
    let name = "OCSPRY__ISSUER__ONE__RESPONDER__PASSPHRASE";
    let problems = files.load_in(GOOD, &[(name, "hunter2")]).unwrap_err();
    let said = problems.render();
    assert!(said.contains(name) && !said.contains("hunter2"), "{said}");
}
