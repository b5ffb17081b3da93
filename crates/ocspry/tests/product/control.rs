//! The control socket of a running responder, and the verbs that use it: who may, what is done, what is said.

use crate::site::{CONFIGURATION, GOOD, LATER, NOTICE_WAIT_MAX, REVOKED, Site};
use ocspry_testkit::{CrlSpec, OcspryProcess, Peer, Run, now, run_bounded};
use ocspry_wire::ocsp::CertStatus;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Where it is without being named: in the state directory.
fn socket(site: &Site) -> PathBuf {
    site.file("state").join("control.sock")
}

/// A responder that is fed by a configuration file.
fn serve_by_file(site: &Site) -> OcspryProcess {
    site.write("ocspry.toml", CONFIGURATION);
    site.ocspry().args(["serve", "-c", "ocspry.toml"]).start()
}

/// A verb of the client, which finds the socket as `serve` does.
fn ask(site: &Site, arguments: &[&str]) -> Run {
    site.ocspry().args(arguments).run()
}

/// One exchange by hand: what comes back, up to the end of the connection.
fn exchange(path: &Path, octets: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(NOTICE_WAIT_MAX)).unwrap();
    // Refused in the middle of it: the reply counts.
    let _ = stream.write_all(octets);
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn a_reload_reads_everything_again_and_answers_with_the_lines_of_the_log() {
    let site = Site::new();
    let process = serve_by_file(&site);
    // Where the watch sees nothing, so that no look comes by itself.
    let unseen = site.other_name_of("crl.pem");
    let mark = process.log_mark();
    fs::write(unseen, site.ca.crl(&CrlSpec::new(11).revoke(LATER, None))).unwrap();
    let reload = ask(&site, &["reload", "-c", "ocspry.toml"]);
    assert_eq!(reload.code, Some(0), "{reload:?}");
    // No wait: it is done when the verb ends.
    assert!(matches!(
        site.status(&process, LATER),
        CertStatus::Revoked(_)
    ));
    assert!(
        reload.stdout.ends_with("reloaded: 1 issuer(s)\n"),
        "{reload:?}"
    );
    process.wait_for_log_after(mark, "reloaded: 1 issuer(s)", NOTICE_WAIT_MAX);
}

#[test]
fn a_reload_that_is_refused_says_why_on_stderr_and_by_its_exit_code() {
    let site = Site::new();
    let process = serve_by_file(&site);
    site.write("ocspry.toml", format!("{CONFIGURATION}validty = \"1h\"\n"));
    let reload = ask(&site, &["reload", "-c", "ocspry.toml"]);
    assert_eq!(reload.code, Some(1), "{reload:?}");
    for part in ["error: not reloaded", "validty"] {
        assert!(reload.stderr.contains(part), "no {part:?} in {reload:?}");
    }
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    let reload = ask(&site, &["reload", "--json"]);
    assert_eq!(reload.code, Some(1), "{reload:?}");
    assert!(
        reload.stdout.contains("\"verdict\": \"refused\"") && reload.stdout.contains("validty"),
        "{reload:?}"
    );
    assert_eq!(reload.stderr, "");
}

#[test]
fn a_reload_in_part_is_told_from_a_whole_one() {
    let site = Site::new();
    let process = serve_by_file(&site);
    site.write("ocsp.key", "no key");
    let reload = ask(&site, &["reload", "--json"]);
    assert_eq!(reload.code, Some(1), "{reload:?}");
    assert!(
        reload.stdout.contains("\"verdict\": \"in-part\"") && reload.stdout.contains("ocsp.key"),
        "{reload:?}"
    );
    let reload = ask(&site, &["reload"]);
    assert_eq!(reload.code, Some(1), "{reload:?}");
    for part in [
        "error: issuer site: not reloaded",
        "warning: reloaded in part",
    ] {
        assert!(reload.stderr.contains(part), "no {part:?} in {reload:?}");
    }
    // The signer in use goes on.
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn a_log_level_that_hides_lines_hides_none_from_who_asks() {
    let site = Site::new();
    let process = site.serve().env("OCSPRY_LOG", "error").start();
    let reload = ask(&site, &["reload"]);
    assert!(
        reload.stdout.contains("reloaded: 1 issuer(s)"),
        "{reload:?}"
    );
    assert_eq!(process.stop().stderr, "");
}

#[test]
fn a_held_list_is_used_when_it_is_accepted_and_who_did_it_is_in_the_log() {
    let site = Site::new();
    site.write_crl(&site.first_crl().made_at(now().plus_seconds(-600)));
    let process = serve_by_file(&site);
    let accept = ["crl", "accept", "site"];
    let finished = ask(&site, &accept);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stdout.contains("nothing is held for issuer site"),
        "{finished:?}"
    );
    site.write_crl(&CrlSpec::new(1).revoke(LATER, None));
    process.wait_for_log("number 1 is below", NOTICE_WAIT_MAX);
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    let mark = process.log_mark();
    let finished = ask(&site, &[&accept[..], &["--json"]].concat());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    for part in [
        "\"verdict\": \"ok\"",
        "\"crl_number\": \"1\"",
        "crl.pem",
        "\"sha256\": \"",
    ] {
        assert!(
            finished.stdout.contains(part),
            "no {part:?} in {finished:?}"
        );
    }
    assert!(matches!(
        site.status(&process, LATER),
        CertStatus::Revoked(_)
    ));
    assert_eq!(site.status(&process, REVOKED), CertStatus::Good);
    let line = process.wait_for_log_after(mark, "uid=", NOTICE_WAIT_MAX);
    for part in [
        "pid=",
        "command=\"crl accept\"",
        "issuer=\"site\"",
        "verdict=\"ok\"",
    ] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
}

#[test]
fn an_issuer_that_is_not_there_is_refused_with_the_names_that_are() {
    let site = Site::new();
    let _process = serve_by_file(&site);
    let finished = ask(&site, &["crl", "accept", "elsewhere"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("elsewhere") && finished.stderr.contains("there is site"),
        "{finished:?}"
    );
    let reply = exchange(
        &socket(&site),
        b"{\"command\":\"state reset\",\"issuer\":\"elsewhere\"}\n",
    );
    assert!(
        reply.contains("\"verdict\":\"refused\"") && reply.contains("there is site"),
        "{reply}"
    );
}

#[test]
fn a_state_reset_lets_a_running_serve_take_an_older_list() {
    let site = Site::new();
    let process = serve_by_file(&site);
    let older = CrlSpec::new(9)
        .revoke(LATER, None)
        .made_at(now().plus_seconds(-3600));
    site.write_crl(&older);
    let line = process.wait_for_log("ocspry state reset", NOTICE_WAIT_MAX);
    assert!(line.contains(" in use stays"), "{line}");
    assert_eq!(site.status(&process, LATER), CertStatus::Good);
    let reply = exchange(
        &socket(&site),
        b"{\"command\":\"state reset\",\"issuer\":\"site\"}\n",
    );
    assert!(reply.contains("\"verdict\":\"ok\""), "{reply}");
    assert!(reply.contains("CRL 9 in use"), "{reply}");
    assert!(matches!(
        site.status(&process, LATER),
        CertStatus::Revoked(_)
    ));
    // Not only until the next start.
    assert_eq!(process.stop().code, Some(0));
    let process = serve_by_file(&site);
    assert!(matches!(
        site.status(&process, LATER),
        CertStatus::Revoked(_)
    ));
}

#[test]
fn the_socket_is_for_its_owner_alone_and_gone_after_the_end() {
    let site = Site::new();
    let process = site.serve().start();
    let metadata = fs::symlink_metadata(socket(&site)).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    process.wait_for_log("control socket at ", NOTICE_WAIT_MAX);
    assert_eq!(process.stop().code, Some(0));
    assert!(!socket(&site).exists());
}

#[test]
fn another_user_is_refused_even_where_the_file_would_let_him() {
    let site = Site::new();
    let Some(other_user) = OtherUser::here() else {
        return;
    };
    let process = serve_by_file(&site);
    let open = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(site.path(), 0o755);
    open(&site.file("state"), 0o755);
    // By the file's mode.
    let run = other_user.connect(&socket(&site));
    assert!(run.stderr.contains("Permission denied"), "{run:?}");
    // By the kernel's word for the peer.
    open(&socket(&site), 0o666);
    let run = other_user.connect(&socket(&site));
    assert!(
        run.stdout.contains("\"verdict\":\"refused\"") && run.stdout.contains("may not use"),
        "{run:?}"
    );
    assert_eq!(process.log_count("reloaded"), 0, "{}", process.log());
    process.wait_for_log("refused at the control socket", NOTICE_WAIT_MAX);
}

/// Somebody who is neither root nor the user that the tests run as.
pub(crate) struct OtherUser {
    pub(crate) setpriv: PathBuf,
    socat: PathBuf,
}

impl OtherUser {
    /// None where programs are missing, or where only root could become somebody else, said aloud.
    pub(crate) fn here() -> Option<OtherUser> {
        let (setpriv, socat) = (Peer::Setpriv.find()?, Peer::Socat.find()?);
        let run = run_bounded(
            std::process::Command::new(&setpriv)
                .args(Self::BECOME)
                .arg("true"),
        );
        if run.code != Some(0) {
            assert!(std::env::var_os("CI").is_none(), "{run:?}");
            eprintln!("skipped: only root can become another user: {}", run.stderr);
            return None;
        }
        Some(OtherUser { setpriv, socat })
    }

    pub(crate) const BECOME: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

    /// Asks for a reload; then only listens, since who is refused while still writing may not hear why.
    fn connect(&self, socket: &Path) -> Run {
        let script = format!(
            "printf '%s\\n' '{{\"command\":\"reload\"}}' | '{socat}' -t 10 - '{socket}'; '{socat}' -u '{socket}' -",
            socat = self.socat.display(),
            socket = format_args!("UNIX-CONNECT:{}", socket.display()),
        );
        run_bounded(
            std::process::Command::new(&self.setpriv)
                .args(Self::BECOME)
                .args(["/bin/sh", "-c", &script])
                .current_dir("/"),
        )
    }
}

#[test]
fn garbage_is_refused_and_changes_nothing() {
    let site = Site::new();
    let process = serve_by_file(&site);
    let path = socket(&site);
    let mark = process.log_mark();
    for garbage in [
        &b"\n"[..],
        b"reload\n",
        b"{\"command\":\"stop\"}\n",
        b"{\"command\":\"reload\",\"force\":true}\n",
        b"GET / HTTP/1.1\r\n",
        b"\x00\xff\xfe\n",
    ] {
        let reply = exchange(&path, garbage);
        assert!(
            reply.contains("\"verdict\":\"refused\"") && reply.contains("this is no command"),
            "{garbage:?}: {reply}"
        );
    }
    let reply = exchange(&path, &[b'['; 100_000]);
    assert!(reply.contains("longer than 65536 octets"), "{reply}");
    // Gone without a whole line: no reply, and nothing done.
    let mut cut = UnixStream::connect(&path).unwrap();
    cut.write_all(b"{\"command\":\"reload\"}").unwrap();
    cut.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    cut.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, "");
    let reply = exchange(&path, b"{\"command\":\"reload\"}\n");
    assert!(reply.contains("\"verdict\":\"ok\""), "{reply}");
    process.wait_for_log_after(mark, "reloaded", NOTICE_WAIT_MAX);
    assert_eq!(process.log_count("reloaded"), 1, "{}", process.log());
}

#[test]
fn silent_clients_hold_up_neither_others_nor_the_end() {
    let site = Site::new();
    let process = serve_by_file(&site);
    let path = socket(&site);
    let _silent: Vec<UnixStream> = (0..7)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let reload = ask(&site, &["reload"]);
    assert_eq!(reload.code, Some(0), "{reload:?}");
    // One more than there may be is told so at once.
    let _eighth = UnixStream::connect(&path).unwrap();
    let reload = ask(&site, &["reload", "--json"]);
    assert_eq!(reload.code, Some(1), "{reload:?}");
    assert!(
        reload.stdout.contains("\"verdict\": \"busy\""),
        "{reload:?}"
    );
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert_eq!(process.stop().code, Some(0));
}

#[test]
fn a_client_that_leaves_does_not_undo_what_it_asked_for() {
    let site = Site::new();
    let process = serve_by_file(&site);
    let mark = process.log_mark();
    let mut stream = UnixStream::connect(socket(&site)).unwrap();
    stream.write_all(b"{\"command\":\"reload\"}\n").unwrap();
    drop(stream);
    process.wait_for_log_after(mark, "reloaded: 1 issuer(s)", NOTICE_WAIT_MAX);
    // The next one finds a responder that works.
    assert_eq!(ask(&site, &["reload"]).code, Some(0));
}

#[test]
fn the_socket_of_a_dead_process_is_replaced() {
    let site = Site::new();
    fs::create_dir(site.file("state")).unwrap();
    drop(UnixListener::bind(socket(&site)).unwrap());
    let reload = ask(&site, &["reload"]);
    assert_eq!(reload.code, Some(1), "{reload:?}");
    assert!(reload.stderr.contains("nobody listens"), "{reload:?}");
    let _process = site.serve().start();
    assert_eq!(ask(&site, &["reload"]).code, Some(0));
}

#[test]
fn a_second_responder_takes_no_socket_that_is_in_use() {
    let site = Site::new();
    let first = site.serve().start();
    // Found by itself: it serves without.
    let second = site.serve().start();
    let line = second.wait_for_log("no control socket", NOTICE_WAIT_MAX);
    assert!(
        line.contains("WARN") && line.contains("control.sock is in use"),
        "{line}"
    );
    assert_eq!(site.status(&second, GOOD), CertStatus::Good);
    assert_eq!(second.stop().code, Some(0));
    // Named: it does not start.
    let path = socket(&site);
    let named = site
        .serve()
        .args([Path::new("--control-socket"), &path])
        .run();
    assert_eq!(named.code, Some(1), "{named:?}");
    assert!(named.stderr.contains("control.sock is in use"), "{named:?}");
    // Neither took it from the first.
    let mark = first.log_mark();
    assert_eq!(ask(&site, &["reload"]).code, Some(0));
    first.wait_for_log_after(mark, "reloaded", NOTICE_WAIT_MAX);
}

#[test]
fn the_socket_is_where_flag_file_or_systemd_says() {
    let site = Site::new();
    let named = site.file("named.sock");
    let process = site
        .serve()
        .args([Path::new("--control-socket"), &named])
        .start();
    assert!(!socket(&site).exists());
    let by_flag = ask(&site, &["reload", "--control-socket", "named.sock"]);
    assert_eq!(by_flag.code, Some(0), "{by_flag:?}");
    drop(process);
    site.write(
        "ocspry.toml",
        format!("control-socket = \"file.sock\"\n{CONFIGURATION}"),
    );
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let by_file = ask(&site, &["reload", "-c", "ocspry.toml"]);
    assert_eq!(by_file.code, Some(0), "{by_file:?}");
    drop(process);
    let runtime = site.file("run");
    fs::create_dir(&runtime).unwrap();
    let _process = site.serve().env("RUNTIME_DIRECTORY", &runtime).start();
    assert!(runtime.join("control.sock").exists());
    // As in ExecReload=, where systemd sets the same variable.
    let by_systemd = site
        .ocspry()
        .env("RUNTIME_DIRECTORY", &runtime)
        .arg("reload")
        .run();
    assert_eq!(by_systemd.code, Some(0), "{by_systemd:?}");
}

#[test]
fn where_nothing_runs_every_place_that_was_tried_is_named() {
    let site = Site::new();
    let finished = ask(&site, &["reload"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for part in [
        "is it running?",
        "/run/ocspry/control.sock",
        "state/control.sock is not there",
    ] {
        assert!(
            finished.stderr.contains(part),
            "no {part:?} in {finished:?}"
        );
    }
    let finished = ask(
        &site,
        &["crl", "accept", "site", "--control-socket", "absent.sock"],
    );
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("absent.sock is not there"),
        "{finished:?}"
    );
    assert_eq!(ask(&site, &["crl", "accept"]).code, Some(2));
}

#[test]
fn a_verb_that_gets_no_verdict_in_time_ends_and_says_what_that_means() {
    let site = Site::new();
    // Connected by the kernel, and never accepted.
    let path = site.file("hung.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let finished = ask(
        &site,
        &["reload", "--timeout", "1", "--control-socket", "hung.sock"],
    );
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("within 1 s") && finished.stderr.contains("--timeout"),
        "{finished:?}"
    );
}
