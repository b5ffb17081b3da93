//! `ocspry demo`: a throw-away PKI, served, with lines to paste that do what is printed beside them.

use crate::site::{NOTICE_WAIT_MAX, OCSPRY};
use ocspry_testkit::{Namespace, Ocspry, OcspryProcess, Peer, run_bounded, wait_for_some};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// A line that a person would paste, and the `FILE: STATUS` that is printed below it.
struct PrintedLine {
    line: String,
    promise: String,
}

fn printed_lines(process: &OcspryProcess) -> Vec<PrintedLine> {
    let text = process.stdout();
    let mut lines = text.lines().map(str::trim);
    let mut printed = Vec::new();
    while let Some(line) = lines
        .by_ref()
        .find(|line| line.starts_with("openssl ocsp "))
    {
        assert_eq!(lines.next(), Some("Response verify OK"), "{text}");
        let promise = lines.next().unwrap_or_default().to_owned();
        printed.push(PrintedLine {
            line: line.to_owned(),
            promise,
        });
    }
    printed
}

/// Runs the printed lines with a shell in `directory`: each must answer what was promised, one good and one revoked.
fn paste(lines: &[PrintedLine], directory: &Path, namespace: Option<&Namespace>) {
    for PrintedLine { line, promise } in lines {
        let mut command = match namespace {
            Some(namespace) => namespace.command(Path::new("/bin/sh")),
            None => Command::new("/bin/sh"),
        };
        let run = run_bounded(command.args(["-c", line]).current_dir(directory));
        assert!(run.stderr.contains("Response verify OK"), "{line}: {run:?}");
        let (status, reason) = promise.split_once(", ").unwrap_or((promise, ""));
        assert!(
            run.stdout.lines().any(|seen| seen == status),
            "{promise}: {run:?}"
        );
        assert!(run.stdout.contains(reason), "{promise}: {run:?}");
    }
    let promised = |status| {
        lines
            .iter()
            .filter(|line| line.promise.contains(status))
            .count()
    };
    assert_eq!(
        (
            promised(": good"),
            promised(": revoked, Reason: keyCompromise")
        ),
        (1, 1)
    );
}

/// Every regular file of a directory (the control socket is none), by its path, with its content.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.is_file() {
                found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_printed_lines_answer_good_and_revoked_when_pasted() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let process = start(directory.path());
    let lines = printed_lines(&process);
    paste(&lines, directory.path(), None);
    assert_eq!(process.stop().code, Some(0));
}

#[test]
fn sig_11_the_responder_of_the_demo_draws_no_warning() {
    let directory = tempfile::tempdir().unwrap();
    let process = start(directory.path());
    // By then everything that is loaded has been looked at.
    assert_eq!(process.stop().stderr.matches("WARN").count(), 0);
}

#[test]
fn a_second_run_uses_the_same_files() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let pki = directory.path().join("pki");
    start(directory.path()).stop();
    let before = files(&pki);
    let process = start(directory.path());
    let after = files(&pki);
    for (path, content) in &before {
        if path.ends_with(".pem") || path.ends_with(".key") || path.ends_with(".crt") {
            assert!(after.get(path) == Some(content), "{path} changed");
        }
    }
    paste(&printed_lines(&process), directory.path(), None);
}

#[test]
fn what_is_gone_is_renewed_and_the_rest_stays() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let pki = directory.path().join("pki");
    start(directory.path()).stop();
    let before = files(&pki);
    std::fs::remove_file(pki.join("published/intermediate.crl")).unwrap();
    std::fs::remove_file(pki.join("server.pem")).unwrap();
    let process = start(directory.path());
    let after = files(&pki);
    for name in [
        "root_ca.pem",
        "intermediate_ca.pem",
        "ocsp.pem",
        "revoked.pem",
    ] {
        let path = pki.join(name).display().to_string();
        assert!(after[&path] == before[&path], "{name} changed");
    }
    let path = pki.join("published/intermediate.crl").display().to_string();
    assert!(after[&path] != before[&path], "the same CRL");
    let published = wait_for_some(NOTICE_WAIT_MAX, || {
        let crl = process.connect().get("/crl/intermediate.crl").unwrap();
        (crl.body == after[&path]).then_some(())
    });
    assert!(published.is_some(), "the new CRL is not handed out");
    paste(&printed_lines(&process), directory.path(), None);
}

#[test]
fn the_line_that_revokes_does_so_and_the_next_run_has_a_good_one_again() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let process = start(directory.path());
    let text = process.stdout();
    let mut lines = text.lines().map(str::trim);
    let revoke = lines
        .find(|line| line.contains("ocspry cert revoke "))
        .unwrap();
    let run = |script: &str| {
        let mut command = Command::new("/bin/sh");
        run_bounded(command.args(["-c", script]).current_dir(directory.path()))
    };
    let asked = printed_lines(&process).remove(0).line;
    let revoked = run(revoke);
    assert_eq!(revoked.code, Some(0), "{revoke}: {revoked:?}");
    let seen = wait_for_some(NOTICE_WAIT_MAX, || {
        let seen = run(&asked);
        seen.stdout
            .contains("pki/server.pem: revoked")
            .then_some(seen)
    });
    assert!(seen.unwrap().stdout.contains("Reason: superseded"));
    process.stop();
    paste(
        &printed_lines(&start(directory.path())),
        directory.path(),
        None,
    );
}

#[test]
fn a_directory_with_files_of_somebody_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("root_ca.pem"), "mine").unwrap();
    let finished = Ocspry::new(OCSPRY)
        .args(["demo", "--port", "0", "--dir"])
        .arg(directory.path())
        .run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("--dir"), "{finished:?}");
    assert_eq!(files(directory.path()).len(), 1);
}

#[test]
fn private_keys_of_the_demo_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let process = start(directory.path());
    let mut keys = 0;
    for (path, content) in files(&directory.path().join("pki")) {
        if content.windows(11).any(|window| window == b"PRIVATE KEY") {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{path}");
            keys += 1;
        }
    }
    assert!(keys >= 1);
    drop(process);
}

#[test]
fn without_flags_it_listens_where_the_documentation_says() {
    let (Some(namespace), Some(_)) = (Namespace::new(), Peer::Openssl.find()) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let process = Ocspry::new(OCSPRY)
        .directory(directory.path())
        .namespace(&namespace)
        .arg("demo")
        .start();
    assert_eq!(process.port(), 8888);
    wait_for_lines(&process);
    let lines = printed_lines(&process);
    // The README shows the first of them as it is printed.
    let readme = crate::documented_lines::readme();
    assert!(
        readme.contains(&lines[0].line),
        "README.md lacks: {}",
        lines[0].line
    );
    paste(&lines, directory.path(), Some(&namespace));
}

/// The demo in `pki` below this directory, on a free port, when it has printed its lines.
fn start(directory: &Path) -> OcspryProcess {
    let process = Ocspry::new(OCSPRY)
        .directory(directory)
        .args(["demo", "--dir", "pki", "--port", "0"])
        .start();
    wait_for_lines(&process);
    process
}

/// The lines come after the address; the one that revokes is the last of them.
fn wait_for_lines(process: &OcspryProcess) {
    process.wait_for_stdout(" cert revoke ", Duration::from_secs(20));
}
