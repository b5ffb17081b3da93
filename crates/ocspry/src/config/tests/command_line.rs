//! The flags of the old command line: what they mean, and which files belong together.

use super::*;

#[test]
fn the_old_command_line_is_one_issuer_with_a_delegate() {
    let files = Files::new();
    let config = files
        .load_flags(&[
            "--port 8888",
            "--crl one.crl",
            "--ocsp-cert one-ocsp.pem",
            "--ocsp-key one-ocsp.key",
            "--ca one.pem",
        ])
        .unwrap();
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 8888))]);
    let [issuer] = config.issuers.as_slice() else {
        panic!("one issuer")
    };
    assert_eq!(issuer.name, "one");
    assert_eq!(crl(issuer), files.path("one.crl"));
    assert_eq!(issuer.policy.validity, None);
    assert_eq!(
        issuer.responder,
        ResponderConfig::Files(ResponderFiles::Delegated {
            certificate: files.path("one-ocsp.pem"),
            key: files.path("one-ocsp.key"),
            passphrase: None
        })
    );
}

#[test]
fn flags_say_the_same_as_keys() {
    let files = Files::new();
    let flags = [
        "--host ::1",
        "--port 1234",
        "--ca one.pem",
        "--crl one.crl",
        "--ca-key one.key",
        "--next-update 5",
        "--cache-ttl 60",
        "--log-file log",
        "--log-format json",
        "--state-dir state",
        "--ocsp-key-passphrase-file pass",
    ];
    let by_flags = files.load_flags(&flags).unwrap();
    let by_file = files
        .load(
            "version = 1\nstate-dir = \"state\"\ncheck-interval = \"60s\"\nlog-file = \"log\"\nlog-format = \"json\"\n[listen]\nocsp = [\"[::1]:1234\"]\n\
             [issuer.one]\ncertificate = \"one.pem\"\nstatus = [{ crl = \"one.crl\" }]\n\
             responder = { ca-key = \"one.key\", passphrase-file = \"pass\" }\nvalidity = \"5h\"\n",
        )
        .unwrap();
    assert_eq!(by_flags.listen, by_file.listen);
    assert_eq!(by_flags.state, by_file.state);
    assert_eq!(by_flags.check_interval, by_file.check_interval);
    assert_eq!(by_flags.log_file, by_file.log_file);
    assert_eq!(by_flags.log_format, by_file.log_format);
    let ([one], [other]) = (by_flags.issuers.as_slice(), by_file.issuers.as_slice()) else {
        panic!("one issuer each")
    };
    assert_eq!(
        (&one.name, crl(one), &one.responder, &one.policy),
        (&other.name, crl(other), &other.responder, &other.policy)
    );
}

#[test]
fn repeated_files_find_each_other_in_any_order() {
    let files = Files::new();
    let config = files
        .load_flags(&[
            "--ocsp-key two-ocsp.key",
            "--crl two.crl",
            "--ca one.pem",
            "--ocsp-cert one-ocsp.pem",
            "--crl one.crl",
            "--ca three.pem",
            "--ca-key three.key",
            "--ca two.pem",
            "--ocsp-key one-ocsp.key",
            "--crl three.crl",
            "--ocsp-cert two-ocsp.pem",
        ])
        .unwrap();
    assert_eq!(
        names(&config),
        ["one", "three", "two"],
        "in the order of --ca"
    );
    for issuer in &config.issuers {
        assert_eq!(crl(issuer), files.path(&format!("{}.crl", issuer.name)));
        let expected = match issuer.name.as_str() {
            "three" => ResponderConfig::Files(ResponderFiles::Issuer {
                key: files.path("three.key"),
                passphrase: None,
            }),
            name => ResponderConfig::Files(ResponderFiles::Delegated {
                certificate: files.path(&format!("{name}-ocsp.pem")),
                key: files.path(&format!("{name}-ocsp.key")),
                passphrase: None,
            }),
        };
        assert_eq!(issuer.responder, expected);
    }
}

#[test]
fn a_crl_that_cannot_be_read_goes_to_the_one_ca_that_is_left() {
    let files = Files::new();
    let config = files
        .load_flags(&[
            "--ca one.pem",
            "--ca two.pem",
            "--crl two.crl",
            "--crl gone.crl",
            "--ca-key one.key",
            "--ca-key two.key",
        ])
        .unwrap();
    assert_eq!(crl(&config.issuers[0]), files.path("gone.crl"));
}

#[test]
fn crls_that_cannot_be_read_go_to_the_cas_that_last_used_them() {
    let files = Files::new();
    let flags = [
        "--ca one.pem",
        "--ca two.pem",
        "--crl two.crl",
        "--crl one.crl",
        "--ca-key one.key",
        "--ca-key two.key",
        "--state-dir state",
    ];
    let config = files.load_flags(&flags).unwrap();
    let state = Arc::new(StateDirectory::open(&files.path("state")).unwrap());
    for issuer in &config.issuers {
        let (mut running, _) = assemble::build(issuer, Some(&state), None, None, &[], NOW);
        assert!(running.issuer.table().is_some());
        running.refresher.keep_now(NOW);
    }
    fs::write(files.path("one.crl"), "damaged").unwrap();
    fs::remove_file(files.path("two.crl")).unwrap();
    let crls: Vec<PathBuf> = files
        .load_flags(&flags)
        .unwrap()
        .issuers
        .iter()
        .map(crl)
        .collect();
    assert_eq!(crls, [files.path("one.crl"), files.path("two.crl")]);
}

#[test]
fn cas_of_one_name_are_told_apart_by_their_keys() {
    let files = Files::new();
    files.ca("twin-a", "twin");
    files.ca("twin-b", "twin");
    let config = files
        .load_flags(&[
            "--ca twin-a.pem",
            "--ca twin-b.pem",
            "--crl twin-b.crl",
            "--crl twin-a.crl",
            "--ca-key twin-b.key",
            "--ca-key twin-a.key",
        ])
        .unwrap();
    assert_eq!(crl(&config.issuers[0]), files.path("twin-a.crl"));
    assert_eq!(crl(&config.issuers[1]), files.path("twin-b.crl"));
}

#[test]
fn files_that_do_not_belong_together_are_refused_by_name() {
    let files = Files::new();
    files.ca("twin", "one");
    let one = [
        "--ca one.pem",
        "--crl one.crl",
        "--ocsp-cert one-ocsp.pem",
        "--ocsp-key one-ocsp.key",
    ];
    let with = |more: &[&'static str]| [one.as_slice(), more].concat();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (
            with(&["--crl two.crl"]),
            "CRL DIR/two.crl belongs to none of CN=one (DIR/one.pem): it is from CN=two: give the CA's certificate with --ca, or leave the CRL out",
        ),
        (
            with(&["--crl twin.crl"]),
            "CRL DIR/twin.crl belongs to none of CN=one (DIR/one.pem): it names CN=one as its issuer, but that CA's key did not sign it: give the CA's certificate with --ca, or leave the CRL out",
        ),
        (
            with(&["--crl one.crl"]),
            "CRLs DIR/one.crl and DIR/one.crl are both for CN=one (DIR/one.pem): keep one of them",
        ),
        (
            with(&["--ca one.pem"]),
            "DIR/one.pem and DIR/one.pem are the same CA: CN=one: give each CA once",
        ),
        (
            with(&["--ca two.pem", "--ca-key two.key"]),
            "no CRL for CN=two (DIR/two.pem): add its list with --crl FILE",
        ),
        (
            with(&["--ca two.pem", "--crl two.crl"]),
            "no responder certificate for CN=two (DIR/two.pem): add --ocsp-cert and --ocsp-key (a delegate of this CA), or --ca-key (the CA signs itself)",
        ),
        (
            with(&["--ocsp-cert two-ocsp.pem"]),
            "responder certificate DIR/two-ocsp.pem belongs to none of CN=one (DIR/one.pem): it is from CN=two: give the certificate of the CA that issued it with --ca, or leave it out",
        ),
        (
            with(&["--ocsp-key two-ocsp.key"]),
            "responder key DIR/two-ocsp.key belongs to none of CN=one-ocsp (DIR/one-ocsp.pem): its public key is another one: give its certificate with --ocsp-cert, or leave the key out",
        ),
        (
            with(&["--ca-key one.key"]),
            "both a CA key (DIR/one.key) and a responder certificate (DIR/one-ocsp.pem) for CN=one (DIR/one.pem): keep --ocsp-cert with --ocsp-key (better: the CA's key can stay elsewhere), or --ca-key",
        ),
        (
            one[..2].to_vec(),
            "no responder certificate for CN=one (DIR/one.pem): add --ocsp-cert and --ocsp-key (a delegate of this CA), or --ca-key (the CA signs itself)",
        ),
        (
            one[..3].to_vec(),
            "no responder key for CN=one-ocsp (DIR/one-ocsp.pem): add --ocsp-key FILE",
        ),
        (
            with(&["--ca none.pem"]),
            "CA certificate DIR/none.pem cannot be read: No such file or directory (os error 2): check the path and its permissions",
        ),
    ];
    for (flags, expected) in cases {
        let problems = files.load_flags(&flags).unwrap_err();
        let expected = expected.replace("DIR", &files.directory.path().display().to_string());
        assert_eq!(
            problems.lines(),
            std::slice::from_ref(&expected),
            "for {flags:?}"
        );
        assert_eq!(problems.render(), format!("error: {expected}"));
    }
}

#[test]
fn of_several_certificates_in_a_ca_file_the_first_counts_and_the_others_are_mentioned() {
    let files = Files::new();
    let read = |name: &str| fs::read_to_string(files.path(name)).unwrap();
    fs::write(files.path("chain.pem"), read("one.pem") + &read("two.pem")).unwrap();
    let flags = ["--ca chain.pem", "--crl one.crl", "--ca-key one.key"];
    let config = files.load_flags(&flags).unwrap();
    assert_eq!(
        config.issuers[0].certificate,
        files.load(GOOD).unwrap().issuers[0].certificate
    );
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    let expected = format!(
        "{}: only the first certificate (CN=one) is used, 1 more ignored: give each CA in a file of its own",
        files.path("chain.pem").display()
    );
    assert_eq!(warnings, [expected]);

    let problems = files
        .load_flags(&[flags.as_slice(), &["--crl two.crl"]].concat())
        .unwrap_err();
    assert!(
        problems.lines()[0].contains("behind another certificate and needs a file of its own"),
        "{problems:?}"
    );
}
