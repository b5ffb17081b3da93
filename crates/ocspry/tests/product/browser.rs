//! A real browser, driven by the WebDriver protocol (W3C): Chromium without a window, in an empty profile.
//!
//! From: `dashboard`.  To: chromedriver, one JSON message for each command.  Theme and JavaScript are set by Chromium's own
//! commands (CDP), which chromedriver hands on.

use ocspry_testkit::{ForegroundPeer, HttpClient, Peer};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

/// A browser on a machine that is busy with other tests takes its time to start.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// One window; gone when dropped.
pub(crate) struct Browser {
    port: u16,
    session: String,
    _driver: ForegroundPeer,
    _profile: TempDir,
}

impl Browser {
    /// None = browser or driver are not here, said aloud, and the test is to return.
    pub(crate) fn start() -> Option<Browser> {
        let (chromium, driver) = (Peer::Chromium.find()?, Peer::Chromedriver.command()?);
        let mut driver = driver;
        let driver = ForegroundPeer::start(driver.arg("--port=0"));
        let line = driver
            .wait_for_line(STARTED, WAIT_MAX)
            .unwrap_or_else(|| panic!("chromedriver does not start\n{driver}"));
        let (_, port) = line.split_once(STARTED).unwrap();
        let port = port.trim_end_matches('.').parse().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let profile_flag = format!("--user-data-dir={}", profile.path().display());
        let flags: Vec<&str> = FLAGS
            .iter()
            .copied()
            .chain([profile_flag.as_str()])
            .collect();
        let options = json!({ "binary": chromium, "args": flags });
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let began = command(port, "POST", "/session", &wanted);
        let session = began["sessionId"].as_str().unwrap().to_owned();
        Some(Browser {
            port,
            session,
            _driver: driver,
            _profile: profile,
        })
    }

    /// Loads a page, whole.
    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Runs a script in the page, as a user's tools would; what it returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs one that calls its last argument when it is done.
    pub(crate) fn run_until_done(&self, script: &str) -> Value {
        self.post("execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The operator's system is set to `light` or `dark`.
    pub(crate) fn prefer_colour_scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.chromium(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// Scripts of pages are not run from the next page on, or are again.
    pub(crate) fn let_pages_run_scripts(&self, is_allowed: bool) {
        let off = json!({ "value": !is_allowed });
        self.chromium("Emulation.setScriptExecutionDisabled", &off);
    }

    /// Types into what has the focus.
    pub(crate) fn press(&self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let event = json!({ "type": kind, "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": match key { "Tab" => 9, "Enter" => 13, _ => 0 } });
            self.chromium("Input.dispatchKeyEvent", &event);
        }
    }

    fn chromium(&self, name: &str, parameters: &Value) {
        let message = json!({ "cmd": name, "params": parameters });
        self.post("goog/cdp/execute", &message);
    }

    fn post(&self, what: &str, message: &Value) -> Value {
        let path = format!("/session/{}/{what}", self.session);
        command(self.port, "POST", &path, message)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Closes the browser, which is the driver's child and not ours.
        let path = format!("/session/{}", self.session);
        let _ = send(self.port, "DELETE", &path, "");
    }
}

/// One command; its value.
fn command(port: u16, method: &str, path: &str, message: &Value) -> Value {
    let (status, text) = send(port, method, path, &message.to_string()).unwrap();
    let mut reply: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 200, "{path}: {text}");
    reply["value"].take()
}

fn send(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut client = HttpClient::connect_patiently(port, WAIT_MAX)?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    client.send(head.as_bytes())?;
    client.send(body.as_bytes())?;
    let response = client.receive(true)?;
    let text = String::from_utf8_lossy(&response.body).into_owned();
    Ok((response.status, text))
}

/// Before the port in chromedriver's own words.
const STARTED: &str = "ChromeDriver was started successfully on port ";
/// No window, as root, nothing from elsewhere.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
