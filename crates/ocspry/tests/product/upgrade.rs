//! An upgrade that nobody notices: clients ask all the time while the process is replaced, by way of sockets that stay open
//! or of two processes at once on one port, and none is refused, cut off or told anything wrong.

use crate::load::under_load;
use crate::site::{CONFIGURATION, NOTICE_WAIT_MAX, Site};
use ocspry_testkit::{Ocspry, OcspryProcess};
use std::net::TcpListener;

/// Answers that are waited for between two steps.
const MORE: usize = 60;

#[test]
fn sockets_that_are_handed_over_stay_open_over_a_restart() {
    let site = Site::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    // Its own port is another one: what is handed over counts.
    let serve = || site.serve().socket(&socket).start();
    let mut process = serve();
    assert_eq!(process.port(), port);
    under_load(&site, port, |load| {
        for _ in 0..3 {
            load.wait_for_more(MORE);
            let finished = process.stop();
            assert_eq!(finished.code, Some(0), "{finished:?}");
            process = serve();
        }
        load.wait_for_more(MORE);
        // It lives until nobody asks any more.
        process
    });
}

#[test]
fn what_is_handed_over_and_is_no_socket_that_listens_is_refused_in_one_line() {
    let site = Site::new();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = std::net::TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let socket = TcpListener::from(std::os::fd::OwnedFd::from(connected));
    let finished = site.serve().socket(&socket).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let lines: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{finished:?}");
    assert!(lines[0].contains("LISTEN_FDS"), "{finished:?}");
}

/// Two units, each with a state directory of its own, as blue and green.
struct Pair {
    site: Site,
}

impl Pair {
    fn serve(&self, name: &str, port: u16, shares: bool) -> Ocspry<'static> {
        let listen = format!("127.0.0.1:{port}\"]\nshare-port = {shares}\n");
        let configuration = CONFIGURATION.replace("127.0.0.1:0\"]\n", &listen);
        let file = format!("{name}.toml");
        self.site.write(&file, configuration);
        self.site
            .ocspry()
            .env("STATE_DIRECTORY", self.site.file(&format!("state-{name}")))
            .env("OCSPRY_LOG", "info,ocspry_http=debug")
            .args(["serve", "-c", &file])
    }
}

#[test]
fn two_at_once_share_a_port_by_consent_and_the_older_one_leaves_unnoticed() {
    let pair = Pair { site: Site::new() };
    let mut process: OcspryProcess = pair.serve("blue", 0, true).start();
    let port = process.port();
    under_load(&pair.site, port, |load| {
        for name in ["green", "blue", "green"] {
            load.wait_for_more(MORE);
            let next = pair.serve(name, port, true).start();
            assert_eq!(next.port(), port);
            // Both answer now.
            next.wait_for_log("answered", NOTICE_WAIT_MAX);
            let mark = process.log_mark();
            process.wait_for_log_after(mark, "answered", NOTICE_WAIT_MAX);
            let finished = process.stop();
            assert_eq!(finished.code, Some(0), "{finished:?}");
            assert!(!finished.stderr.contains(" cut"), "{}", finished.stderr);
            process = next;
        }
        load.wait_for_more(MORE);
        process
    });
}

#[test]
fn who_does_not_consent_is_told_that_the_port_is_in_use() {
    let pair = Pair { site: Site::new() };
    let process = pair.serve("blue", 0, true).start();
    let port = process.port();
    let finished = pair.serve("green", port, false).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("address in use"), "{finished:?}");
}
