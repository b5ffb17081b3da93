//! Many reloads at once, and reloads that concern one issuer of several.

use crate::admin::Watched;
use crate::load::under_load;
use crate::site::{CONFIGURATION, GOOD, NOTICE_WAIT_MAX, Site};
use ocspry_testkit::{
    Authority, CrlSpec, KeyKind, Reply, RequestSpec, TerminationSignal, base64_path, cert_id, pem,
    wait_until,
};
use ocspry_wire::ocsp::HashAlgorithm;
use std::thread;

#[test]
fn a_hundred_reloads_at_once_fail_no_request_and_end_with_the_last_configuration() {
    let site = Site::new();
    let write = |hours: usize| {
        let configuration = format!("{CONFIGURATION}validity = \"{hours}h\"\n");
        site.replace("ocspry.toml", configuration);
    };
    write(1);
    let watched = Watched::of(site.ocspry().args(["serve", "-c", "ocspry.toml"]));
    let process = &watched.process;
    let socket = site.file("state/control.sock");
    let reload = || {
        let reload = site.ocspry().args(["reload", "--json", "--control-socket"]);
        reload.arg(&socket).run()
    };
    let asked = 100;
    let verdicts = under_load(&site, process.port(), |load| {
        load.wait_for_more(20);
        let verdicts = thread::scope(|scope| {
            let storm: Vec<_> = (0..asked)
                .map(|number| {
                    if number % 10 == 0 {
                        write(2 + number / 10);
                    }
                    process.signal(TerminationSignal::Reload);
                    scope.spawn(reload)
                })
                .collect();
            let ended = storm.into_iter().map(|one| one.join().unwrap());
            ended.collect::<Vec<_>>()
        });
        load.wait_for_more(20);
        verdicts
    });
    // Whoever was not heard, since too many waited, was told so; no one else failed.
    let done = verdicts.iter().filter(|run| run.code == Some(0)).count();
    assert!(done > 0, "{verdicts:?}");
    for run in verdicts.iter().filter(|run| run.code != Some(0)) {
        let is_told = run.stdout.contains("\"verdict\": \"busy\"")
            || run.stderr.contains("takes no connection now");
        assert!(is_told, "{run:?}");
    }
    let request = site.request(GOOD);
    wait_until("the last configuration", NOTICE_WAIT_MAX, || {
        let reply = site.ask(&mut process.connect(), &request);
        let Reply::Signed(signed) = &reply else {
            panic!("{reply:?}");
        };
        let next_update = signed.singles[0].next_update;
        next_update.seconds_since(signed.produced_at) == 11 * 3600
    });
    let page = watched.text("/metrics");
    let reloads = |result: &str| -> f64 {
        let sample = format!("ocspry_reloads_total{{result=\"{result}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&sample));
        line.unwrap().parse().unwrap()
    };
    assert_eq!(reloads("refused") + reloads("in-part"), 0.0);
    // Signals that come together are one, and so are commands; each change of the file may be one more.
    assert!(reloads("ok") <= (2 * asked + 11) as f64, "{page}");
}

#[test]
fn a_reload_that_adds_or_removes_an_issuer_leaves_the_answers_and_tables_of_the_others() {
    let site = Site::new();
    let other = Authority::root("Other CA", KeyKind::P256);
    let responder = other.responder(KeyKind::P256);
    site.write("other.pem", other.certificate_pem());
    site.write("other.crl", pem("X509 CRL", &other.crl(&CrlSpec::new(3))));
    site.write("other-ocsp.pem", responder.certificate_pem());
    site.write("other-ocsp.key", responder.key.pkcs8_pem());
    // Before the one that stays, so that this one changes its place.
    let added = "[issuer.another]\ncertificate = \"other.pem\"\nstatus = [{ crl = \"other.crl\" }]\n\
                 responder = { certificate = \"other-ocsp.pem\", key = \"other-ocsp.key\" }\n\n";
    let alone = CONFIGURATION.to_owned();
    let beside = CONFIGURATION.replace("[issuer.site]", &format!("{added}[issuer.site]"));
    site.write("ocspry.toml", &alone);
    let watched = Watched::of(site.ocspry().args(["serve", "-c", "ocspry.toml"]));
    let process = &watched.process;
    let reload = |configuration: &str, issuers: &str| {
        let mark = process.log_mark();
        site.replace("ocspry.toml", configuration);
        process.signal(TerminationSignal::Reload);
        process.wait_for_log_after(mark, issuers, NOTICE_WAIT_MAX);
    };
    // The look that follows every start is over then.
    reload(&alone, "reloaded: 1 issuer");
    let target = base64_path(&site.request(GOOD));
    let ours = || process.connect().get(&target).unwrap().body;
    let theirs = || {
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &other, GOOD)).der();
        let body = process.connect().post(&request).unwrap().body;
        Reply::check(&body, &other)
    };
    let generation = || {
        let status: serde_json::Value = serde_json::from_str(&watched.text("/status")).unwrap();
        let issuers = status["issuers"].as_array().unwrap().clone();
        let site = issuers.iter().find(|issuer| issuer["name"] == "site");
        site.unwrap()["generation"].clone()
    };
    let (answer, table) = (ours(), generation());
    assert_eq!(ours(), answer, "the answer is cached");
    for _ in 0..2 {
        reload(&beside, "reloaded: 2 issuer");
        theirs().single();
        assert_eq!((ours(), generation()), (answer.clone(), table.clone()));
        reload(&alone, "reloaded: 1 issuer");
        assert!(matches!(theirs(), Reply::Error(_)));
        assert_eq!((ours(), generation()), (answer.clone(), table.clone()));
    }
}
