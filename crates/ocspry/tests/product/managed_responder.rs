//! A managed responder: `serve` makes the key, `ca tick` signs, the ledger brings the certificate.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::admin::Watched;
use crate::control::OtherUser;
use crate::ledger_site::LedgerSite;
use crate::site::{NOTICE_WAIT_MAX, OCSPRY};
use ocspry_testkit::{Ocspry, OcspryProcess, Run, now, wait_for_some, wait_until};
use serde_json::{Value, json};

/// A CA in a ledger with a certificate, and a responder that gets its own from there.
struct Scene {
    site: LedgerSite,
}

const CONFIGURATION: &str = "\
version = 1

[listen]
ocsp = [\"127.0.0.1:0\"]

[issuer.site]
certificate = \"root.pem\"
status = [{ ledger = \"root\" }]
responder = { managed = true }

[ledger]
url = \"sqlite:ledger.db\"
responder-requests = \"requests\"
";

const TICK: &str = "ca tick --responder-requests requests --json";

impl Scene {
    fn new() -> Scene {
        Scene::with_key("p-256")
    }

    fn with_key(algorithm: &str) -> Scene {
        let site = LedgerSite::empty();
        site.done(&format!(
            "ca init root --subject /CN=Root --no-passphrase --key root.key --out root.pem --algorithm {algorithm} \
             --ocsp-url http://ocsp.example/ --crl-url http://crl.example/root.crl"
        ));
        site.done("cert sign root --new-key --key www.key --subject /CN=www.example --out www.pem");
        site.write("ocspry.toml", CONFIGURATION);
        Scene { site }
    }

    fn serve(&self) -> Ocspry<'static> {
        self.site
            .ocspry()
            .env("STATE_DIRECTORY", self.site.file("state"))
            .args(["serve", "-c", "ocspry.toml"])
    }

    /// What has become of the one request that is there.
    fn tick(&self) -> Value {
        let told = self.site.json(TICK);
        let requests = told["requests"].as_array().unwrap();
        assert_eq!(requests.len(), 1, "{told}");
        requests[0].clone()
    }

    fn request(&self) -> PathBuf {
        self.site.file("requests/root.csr")
    }

    fn wait_for_request(&self) {
        wait_until("the request is there", NOTICE_WAIT_MAX, || {
            self.request().exists()
        });
    }

    /// A file of the responder's own.
    fn kept(&self, name: &str) -> PathBuf {
        let mut issuers = fs::read_dir(self.site.file("state/issuers")).unwrap();
        let issuer = issuers.next().unwrap().unwrap().path();
        issuer.join("responder").join(name)
    }

    /// What the openssl client makes of the answer; None = not installed.
    fn ask(&self, process: &OcspryProcess, more: &str) -> Option<Run> {
        let url = process.url();
        self.site.openssl(&format!(
            "ocsp -issuer root.pem -cert www.pem -CAfile root.pem -url {url} {more}"
        ))
    }

    /// Asks until a verified answer says good; None = openssl is not installed.
    fn wait_for_good(&self, process: &OcspryProcess, more: &str) -> Option<Run> {
        self.ask(process, more)?;
        let said = wait_for_some(NOTICE_WAIT_MAX, || {
            self.ask(process, more)
                .filter(|said| said.stdout.contains("www.pem: good"))
        });
        let said = said.unwrap_or_else(|| panic!("no good answer; log:\n{}", process.log()));
        assert!(said.stderr.contains("Response verify OK"), "{said:?}");
        Some(said)
    }

    /// A certificate for the request that is there, of which half of the life is over: it is dated back by ten minutes.
    fn sign_an_old_one(&self) {
        let end = now().plus_seconds(540);
        self.site.done(&format!(
            "cert sign root --csr requests/root.csr --ocsp --subject /CN=old --expires {end}"
        ));
    }

    fn responder_certificates(&self) -> usize {
        let listed = self.site.json("cert list --json");
        let listed = listed.as_array().unwrap();
        listed
            .iter()
            .filter(|listed| listed["profile"] == "ocsp")
            .count()
    }
}

fn mode(path: &PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_responder_gets_its_certificate_from_the_ca_without_a_restart_and_keeps_it_over_one() {
    let scene = Scene::new();
    let watched = Watched::of(scene.serve());
    let process = &watched.process;
    let line = process.wait_for_log("has no certificate yet", NOTICE_WAIT_MAX);
    for part in [
        "ERROR".to_owned(),
        format!(
            "as the CA's user, run `ocspry ca tick --responder-requests {}`",
            scene.site.file("requests").display()
        ),
        format!("the request is {}", scene.request().display()),
        "answers are tryLater".to_owned(),
    ] {
        assert!(line.contains(&part), "no {part} in {line}");
    }
    let issuer = watched.issuer();
    assert_eq!(issuer["can_answer"], false, "{issuer}");
    let message = issuer["signer"]["last_error"]["message"].as_str().unwrap();
    assert!(message.contains("ocspry ca tick"), "{issuer}");
    if let Some(said) = scene.ask(process, "-no_nonce") {
        assert!(said.stdout.contains("trylater"), "{said:?}");
    }
    assert_eq!(mode(&scene.request()), 0o644);
    assert_eq!(mode(&scene.kept("next.key")), 0o600);
    assert_eq!(mode(&scene.kept("")), 0o700);

    let told = scene.tick();
    assert_eq!(told["outcome"], "signed", "{told}");
    process.wait_for_log("signer in use: CN=root OCSP responder", NOTICE_WAIT_MAX);
    scene.wait_for_good(process, "-no_nonce");
    wait_until("nothing is wrong", NOTICE_WAIT_MAX, || {
        let issuer = watched.issuer();
        issuer["can_answer"] == true && issuer["signer"]["last_error"].is_null()
    });
    assert!(!scene.request().exists(), "nothing is asked for");
    assert!(!scene.kept("next.key").exists());
    assert_eq!(mode(&scene.kept("in-use.pem")), 0o600);
    assert_eq!(scene.site.json(TICK)["requests"], json!([]));

    let pair = fs::read(scene.kept("in-use.pem")).unwrap();
    watched.process.stop();
    let process = scene.serve().start();
    scene.wait_for_good(&process, "");
    assert_eq!(fs::read(scene.kept("in-use.pem")).unwrap(), pair);
    assert_eq!(scene.responder_certificates(), 1);
}

#[test]
fn the_certificate_says_what_a_responders_says_and_the_key_is_of_the_cas_kind() {
    for (algorithm, named) in [
        ("p-384", "P-384"),
        ("rsa-2048", "2048 bit"),
        ("ed25519", "ED25519"),
    ] {
        let scene = Scene::with_key(algorithm);
        let process = scene.serve().start();
        scene.tick();
        process.wait_for_log("signer in use", NOTICE_WAIT_MAX);
        fs::copy(scene.kept("in-use.pem"), scene.site.file("responder.pem")).unwrap();
        let Some(text) = scene
            .site
            .openssl_done("x509 -in responder.pem -noout -text")
        else {
            return;
        };
        for part in [
            "OCSP Signing",
            "OCSP No Check",
            "Digital Signature",
            "CN=root OCSP responder",
            named,
        ] {
            let spaced = part.replace('=', " = ");
            assert!(
                text.contains(part) || text.contains(&spaced),
                "no {part} in {text}"
            );
        }
        for part in ["Authority Information", "Distribution", "Alternative"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
        scene.wait_for_good(&process, "-no_nonce");
    }
}

#[test]
fn a_request_is_signed_once_however_often_the_timer_comes() {
    let scene = Scene::new();
    scene.serve().start().stop();
    let first = scene.tick();
    assert_eq!(first["outcome"], "signed", "{first}");
    let again = scene.tick();
    assert_eq!(again["outcome"], "certified", "{again}");
    assert_eq!(again["serial"], first["serial"]);
    assert_eq!(scene.responder_certificates(), 1);
    // What was signed while nobody served is in use at the start.
    let process = scene.serve().start();
    assert_eq!(process.log_count("ERROR"), 0, "{}", process.log());
    scene.wait_for_good(&process, "-no_nonce");
}

#[test]
fn at_half_life_a_new_key_takes_over_once_it_is_certified_and_what_the_old_one_signed_stays_good() {
    let scene = Scene::new();
    let process = scene.serve().start();
    scene.wait_for_request();
    let first = fs::read(scene.request()).unwrap();
    scene.sign_an_old_one();
    process.wait_for_log("signer in use: CN=old", NOTICE_WAIT_MAX);
    let line = process.wait_for_log("half of the life", NOTICE_WAIT_MAX);
    assert!(
        line.contains("INFO") && line.contains("the signer in use goes on"),
        "{line}"
    );
    scene.wait_for_request();
    assert_ne!(fs::read(scene.request()).unwrap(), first, "another key");
    let old = fs::read(scene.kept("in-use.pem")).unwrap();
    // By the old pair, and kept.
    scene.wait_for_good(&process, "-no_nonce -respout old.der");

    let told = scene.tick();
    assert_eq!(told["outcome"], "signed", "{told}");
    process.wait_for_log("signer in use: CN=root OCSP responder", NOTICE_WAIT_MAX);
    assert_eq!(fs::read(scene.kept("before.pem")).unwrap(), old);
    assert_ne!(fs::read(scene.kept("in-use.pem")).unwrap(), old);
    assert!(!scene.request().exists());
    let by = |more: &str| {
        let said = scene.wait_for_good(&process, &format!("{more} -resp_text"))?;
        Some(said.stdout.replace(" = ", "="))
    };
    if let Some(said) = by("") {
        assert!(said.contains("Subject: CN=root OCSP responder"), "{said}");
        // What was cached is no worse for that.
        let said = by("-no_nonce -respout new.der").unwrap();
        assert!(said.contains("Subject: CN=old"), "{said}");
        assert_eq!(scene.site.read("new.der"), scene.site.read("old.der"));
        let line = "ocsp -respin old.der -issuer root.pem -cert www.pem -CAfile root.pem -no_nonce";
        let said = scene.site.openssl(line).unwrap();
        assert!(said.stderr.contains("Response verify OK"), "{said:?}");
    }
    assert_eq!(scene.responder_certificates(), 2);
}

#[test]
fn a_revoked_certificate_is_followed_by_another_key_and_its_own_key_gets_no_other() {
    let scene = Scene::new();
    let process = scene.serve().start();
    scene.wait_for_request();
    fs::copy(scene.request(), scene.site.file("first.csr")).unwrap();
    let serial = scene.tick()["serial"].as_str().unwrap().to_owned();
    process.wait_for_log("signer in use", NOTICE_WAIT_MAX);
    scene.site.done(&format!(
        "cert revoke {serial} --reason keyCompromise --yes"
    ));
    // A look notices it: here the one after a reload.
    wait_for_some(NOTICE_WAIT_MAX, || {
        scene.reload();
        scene.request().exists().then_some(())
    });
    process.wait_for_log("is revoked", NOTICE_WAIT_MAX);
    let told = scene.tick();
    assert_eq!(told["outcome"], "signed", "{told}");
    wait_until("the next is in use", NOTICE_WAIT_MAX, || {
        process.log_count("signer in use") == 2
    });
    scene.wait_for_good(&process, "");
    assert!(
        !scene.kept("before.pem").exists(),
        "what is revoked signs nothing more"
    );

    fs::rename(scene.site.file("first.csr"), scene.request()).unwrap();
    let said = scene.site.refused(TICK);
    assert!(said.contains("which is revoked"), "{said}");
}

impl Scene {
    fn reload(&self) -> Option<i32> {
        let reload = self.site.ocspry().args(["reload", "-c", "ocspry.toml"]);
        let state = self.site.file("state");
        reload.env("STATE_DIRECTORY", state).run().code
    }
}

#[test]
fn what_is_no_request_for_a_responder_is_refused_and_nothing_is_signed() {
    let scene = Scene::new();
    let site = &scene.site;
    fs::create_dir(site.file("requests")).unwrap();
    let request = "req -new -nodes -keyout any.key -subj /CN=any -newkey";
    let p256 = format!("{request} ec -pkeyopt ec_paramgen_curve:P-256");
    if site
        .openssl_done(&format!("{p256} -outform DER -out good.der"))
        .is_none()
    {
        return;
    }
    site.openssl_done(&format!(
        "{p256} -addext basicConstraints=critical,CA:TRUE -out ca.csr"
    ));
    site.openssl_done(&format!("{request} rsa:2048 -out rsa.csr"));
    let mut changed = site.read("good.der");
    let last = changed.len() - 1;
    changed[last] ^= 1;
    site.write("changed.der", changed);
    site.write("giant.csr", vec![b'x'; 8 << 20]);
    site.write("text.csr", "give me a certificate");
    let refused = |said: &str| {
        let told = site.refused(TICK);
        let line = format!("responder request requests/root.csr was not signed: {said}");
        assert!(told.contains(&line), "no {line:?} in {told}");
    };
    for (file, said) in [
        (
            "changed.der",
            "the signature of the certification request is wrong",
        ),
        (
            "ca.csr",
            "it asks for basicConstraints CA:TRUE (to be a CA), and a responder does not get that",
        ),
        ("rsa.csr", "its key is RSA 2048"),
        ("giant.csr", "this has more than 65536 octets"),
        ("text.csr", "this is no certification request"),
        ("root.key", "this holds no certification request"),
    ] {
        fs::copy(site.file(file), scene.request()).unwrap();
        refused(said);
        fs::remove_file(scene.request()).unwrap();
    }
    symlink(site.file("good.der"), scene.request()).unwrap();
    refused("it cannot be read: it is a link, not a file");
    fs::remove_file(scene.request()).unwrap();
    fs::create_dir(scene.request()).unwrap();
    refused("it cannot be read: it is a directory, not a file");
    fs::remove_dir_all(site.file("requests")).unwrap();
    refused("it cannot be read: No such file or directory");
    assert_eq!(scene.responder_certificates(), 0);

    // And the good one is signed, under the CA's own name for it.
    fs::create_dir(site.file("requests")).unwrap();
    fs::copy(site.file("good.der"), scene.request()).unwrap();
    assert_eq!(scene.tick()["outcome"], "signed");
    let listed = site.json("cert list --json").to_string();
    assert!(listed.contains("root OCSP responder") && !listed.contains("CN=any"));
}

#[test]
fn a_pair_that_cannot_be_read_is_named_and_nothing_is_put_in_its_place() {
    let scene = Scene::new();
    let process = scene.serve().start();
    scene.wait_for_request();
    scene.tick();
    process.wait_for_log("signer in use", NOTICE_WAIT_MAX);
    process.stop();
    fs::write(scene.kept("in-use.pem"), "no key").unwrap();
    let run = scene.serve().run();
    assert_eq!(run.code, Some(1), "{run:?}");
    for part in ["in-use.pem", "remove the file"] {
        assert!(run.stderr.contains(part), "no {part} in {run:?}");
    }
    assert_eq!(fs::read(scene.kept("in-use.pem")).unwrap(), b"no key");
    assert!(!scene.request().exists());

    fs::remove_file(scene.kept("in-use.pem")).unwrap();
    let process = scene.serve().start();
    scene.wait_for_request();
    scene.tick();
    scene.wait_for_good(&process, "-no_nonce");
}

#[test]
fn two_users_hand_over_a_request_and_nothing_else() {
    let Some(other) = OtherUser::here() else {
        return;
    };
    let scene = Scene::new();
    let line = "chmod 755 . && chgrp 65534 ledger.db* && chmod 640 ledger.db* && chmod 600 root.key \
                && chmod 644 *.pem ocspry.toml && mkdir state requests && chown 65534 state requests \
                && chmod 700 state && chmod 750 requests";
    let done = std::process::Command::new("/bin/sh")
        .args(["-c", line])
        .current_dir(scene.site.file("."))
        .status();
    assert!(done.unwrap().success());
    let serve = || {
        Ocspry::new(&other.setpriv)
            .args(OtherUser::BECOME)
            // As a service does.
            .args(["/bin/sh", "-c", "umask 077; exec \"$0\" \"$@\"", OCSPRY])
            .args(["serve", "-c", "ocspry.toml"])
            .directory(&scene.site.file("."))
            .env("STATE_DIRECTORY", scene.site.file("state"))
    };
    let process = serve().start();
    scene.wait_for_request();
    assert_eq!(mode(&scene.request()), 0o644);
    assert_eq!(scene.tick()["outcome"], "signed");
    scene.wait_for_good(&process, "-no_nonce");
    process.stop();

    // Somebody ran something as root.
    std::os::unix::fs::chown(scene.kept("in-use.pem"), Some(0), Some(0)).unwrap();
    let run = serve().run();
    assert_eq!(run.code, Some(1), "{run:?}");
    let said = "cannot read the private key: Permission denied";
    assert!(run.stderr.contains(said), "{run:?}");
}

#[test]
fn a_reload_changes_to_a_managed_responder_when_its_certificate_is_there() {
    let scene = Scene::new();
    scene
        .site
        .done("cert sign root --new-key --key ocsp.key --ocsp --subject /CN=own --out ocsp.pem");
    let files = CONFIGURATION.replace(
        "{ managed = true }",
        "{ certificate = \"ocsp.pem\", key = \"ocsp.key\" }",
    );
    scene.site.write("ocspry.toml", files);
    let process = scene.serve().start();
    scene.wait_for_good(&process, "");
    scene.site.write("ocspry.toml", CONFIGURATION);
    assert_eq!(scene.reload(), Some(1));
    let line = process.wait_for_log("not reloaded", NOTICE_WAIT_MAX);
    assert!(line.contains("ocspry ca tick"), "{line}");
    scene.wait_for_good(&process, "");

    assert_eq!(scene.tick()["outcome"], "signed");
    assert_eq!(scene.reload(), Some(0));
    process.wait_for_log("signer in use: CN=root OCSP responder", NOTICE_WAIT_MAX);
    scene.wait_for_good(&process, "");
}

#[test]
fn a_check_of_the_configuration_makes_nothing_and_a_reset_of_the_state_keeps_the_key() {
    let scene = Scene::new();
    let check = scene.site.done("config check ocspry.toml");
    assert!(
        check.stderr.contains("its responder is managed"),
        "{check:?}"
    );
    assert!(!scene.site.file("requests").exists());

    let process = scene.serve().start();
    scene.wait_for_request();
    scene.tick();
    process.wait_for_log("signer in use", NOTICE_WAIT_MAX);
    process.stop();
    let pair = fs::read(scene.kept("in-use.pem")).unwrap();
    let reset = ["state", "reset", "site", "-c", "ocspry.toml", "--yes"];
    let state = scene.site.file("state");
    let run = scene
        .site
        .ocspry()
        .args(reset)
        .env("STATE_DIRECTORY", state)
        .run();
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(fs::read(scene.kept("in-use.pem")).unwrap(), pair);
}

#[test]
fn the_timer_of_the_examples_is_one_that_systemd_takes_and_its_line_does_what_is_due() {
    let scene = Scene::new();
    let example = |name: &str| {
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/");
        fs::read_to_string(format!("{examples}{name}")).unwrap()
    };
    let service = example("ocspry-tick.service");
    let installed = "/usr/local/bin/ocspry";
    let line = service
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let line = line.and_then(|line| line.strip_prefix(installed)).unwrap();
    let here = |path: &str| scene.site.file(path).display().to_string();
    let line = line
        .replace("/var/lib/ocspry-ca/", &here(""))
        .replace("/var/lib/ocspry-requests", &here("requests"));
    scene.serve().start().stop();
    let finished = scene.site.done(&line);
    assert!(finished.stdout.contains(": signed, serial"), "{finished:?}");

    let service = service.replace(installed, OCSPRY);
    scene.site.write("ocspry-tick.service", service);
    scene
        .site
        .write("ocspry-tick.timer", example("ocspry-tick.timer"));
    let verified = std::process::Command::new("systemd-analyze")
        .args(["verify", "./ocspry-tick.service", "./ocspry-tick.timer"])
        .current_dir(scene.site.file("."))
        .output();
    // Where there is no systemd there is nothing to ask.
    let Ok(verified) = verified else { return };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(
        verified.status.success() && !said.contains("ocspry-tick"),
        "{said}"
    );
}
