//! Two CAs and one configuration, written from the sample and nothing else: served, read again, broken and repaired while
//! clients ask.

use crate::load::under_load_of;
use crate::site::{GOOD, NOTICE_WAIT_MAX, REVOKED, Site};
use ocspry_testkit::{
    CrlSpec, KeyKind, OcspryProcess, Reply, RequestSpec, Run, cert_id, pem, wait_until,
};
use ocspry_wire::ocsp::{CrlReason, HashAlgorithm};

/// The heading of the one issuer of the sample.
const ISSUER: &str = "[issuer.intermediate]";

/// The sample with a free port, and its issuer once more for another CA, by the names of the files alone.
fn for_two_cas(site: &Site) -> String {
    let run = site.ocspry().args(["config", "sample"]).run();
    assert_eq!(run.code, Some(0), "{run:?}");
    let sample = run.stdout;
    let listen = "#ocsp = [\"127.0.0.1:8888\"]";
    assert!(sample.contains(listen), "{sample}");
    let sample = sample.replace(listen, "ocsp = [\"127.0.0.1:0\"]");
    let start = sample.find(ISSUER).expect("an issuer in the sample");
    let length = sample[start..].find("#[ledger]").expect("a table after it");
    let issuer = &sample[start..start + length];
    let other = issuer
        .replace(ISSUER, "[issuer.root]")
        .replace("\"intermediate_ca.pem\"", "\"root_ca.pem\"")
        .replace("\"crl.pem\"", "\"root.crl\"")
        .replace("\"ocsp.pem\"", "\"root-ocsp.pem\"")
        .replace("\"ocsp.key\"", "\"root-ocsp.key\"");
    sample.replace(issuer, &format!("{issuer}{other}"))
}

fn reload(site: &Site) -> Run {
    site.ocspry().arg("reload").run()
}

/// How long an answer about a certificate of the root lives, in seconds.
fn life_at_root(site: &Site, process: &OcspryProcess) -> i64 {
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &site.root, GOOD)).der();
    let body = process.connect().post(&request).unwrap().body;
    let signed = Reply::check(&body, &site.root).signed();
    signed.singles[0]
        .next_update
        .seconds_since(signed.produced_at)
}

#[test]
fn a_configuration_for_two_cas_is_served_reloaded_broken_and_repaired_and_no_request_fails() {
    let site = Site::new();
    let responder = site.root.responder(KeyKind::P256);
    let list = CrlSpec::new(1).revoke(REVOKED, Some(CrlReason::Superseded));
    let root_list = pem("X509 CRL", &site.root.crl(&list));
    site.write("root.crl", &root_list);
    site.write("root-ocsp.pem", responder.certificate_pem());
    site.write("root-ocsp.key", responder.key.pkcs8_pem());
    let configuration = for_two_cas(&site);
    site.write("ocspry.toml", &configuration);
    let check = ["config", "check", "ocspry.toml"];
    let run = site.ocspry().args(check).run();
    assert_eq!(run.code, Some(0), "{run:?}");

    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    under_load_of(&[&site.ca, &site.root], process.port(), |load| {
        load.wait_for_more(20);
        let run = reload(&site);
        assert_eq!(run.code, Some(0), "{run:?}");

        // Each is refused, with what is wrong and where, by the check and by the program that runs.
        let uncommented = |line: &str, new: &str| {
            let last = configuration.rfind(line).expect("a line of the sample");
            let mut broken = configuration.clone();
            broken.replace_range(last..last + line.len(), new);
            broken
        };
        let hours = "#validity = \"12h\"";
        for (broken, reason) in [
            (uncommented(hours, "validty = \"12h\""), "validty"),
            (uncommented(hours, "validity = 12"), "takes a string"),
            (
                configuration.replace("[issuer.root]", ISSUER),
                "each issuer has a name of its own",
            ),
            (
                configuration.replace("\"root_ca.pem\"", "\"nowhere.pem\""),
                "nowhere.pem",
            ),
            (
                configuration.replace(", key = \"root-ocsp.key\" }", " }"),
                "key",
            ),
        ] {
            site.replace("ocspry.toml", &broken);
            for run in [site.ocspry().args(check).run(), reload(&site)] {
                assert_eq!(run.code, Some(1), "{reason}: {run:?}");
                let told = format!("{}{}", run.stdout, run.stderr);
                assert!(told.contains(reason), "{reason}: {run:?}");
            }
            load.wait_for_more(20);
        }
        assert!(life_at_root(&site, &process) > 12 * 3600);

        // Repaired, with a change that clients see.
        site.replace("ocspry.toml", uncommented(hours, "validity = \"12h\""));
        let run = reload(&site);
        assert_eq!(run.code, Some(0), "{run:?}");
        wait_until("the repaired configuration", NOTICE_WAIT_MAX, || {
            life_at_root(&site, &process) == 12 * 3600
        });

        // What is damaged beside the configuration is not taken either, and said.
        site.replace("root.crl", "no list");
        site.replace("root-ocsp.key", "no key");
        let run = reload(&site);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stdout.contains("root-ocsp.key") || run.stderr.contains("root-ocsp.key"));
        load.wait_for_more(20);
        site.replace("root.crl", &root_list);
        site.replace("root-ocsp.key", responder.key.pkcs8_pem());
        let run = reload(&site);
        assert_eq!(run.code, Some(0), "{run:?}");
        load.wait_for_more(20);
    });
}
