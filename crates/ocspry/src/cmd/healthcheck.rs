//! `ocspry healthcheck`: one line and an exit code for containers, load balancers and people.  From: `main`.  To: the admin
//! listener of a running `serve`, or any URL.
//!
//! Without `--strict` it asks what a load balancer should: can it answer?  With it, also what a person should know before
//! that changes: a list or a signer is in the last fifth of its time (design.md §7, the staleness ladder).

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueHint};
use serde_json::{Value, json};

use crate::config::{Environment, admin_of};
use crate::output::{print, print_json};

/// Whom to ask for what.
#[derive(Debug, Args)]
pub(crate) struct HealthcheckFlags {
    /// Also fail while an issuer cannot answer, or not for every certificate, answers come from a list that is over, or a
    /// list or a signer's certificate is in the last fifth of its time
    #[arg(long)]
    strict: bool,

    /// Admin listener of the running `serve` [default: $OCSPRY__LISTEN__ADMIN, else 127.0.0.1:9560]
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["url", "config"])]
    admin: Option<String>,

    /// Ask this URL: healthy is HTTP 200; with --strict it must be the /status of an admin listener
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, conflicts_with = "config")]
    url: Option<HttpUrl>,

    /// Configuration file of the running `serve`, to find its admin listener by
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,

    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

/// A URL of http.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HttpUrl {
    /// Host and port, for the Host header.
    authority: String,
    /// From the first slash on.
    target: String,
}

/// What is no URL for us.
#[derive(Debug, thiserror::Error)]
#[error("write http://HOST[:PORT]/PATH")]
struct NoHttpUrl;

impl FromStr for HttpUrl {
    type Err = NoHttpUrl;

    fn from_str(text: &str) -> Result<HttpUrl, NoHttpUrl> {
        let is_plain = |letter: char| letter.is_ascii_graphic() && letter != '@' && letter != '#';
        let rest = text.strip_prefix("http://").ok_or(NoHttpUrl)?;
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, target) = rest.split_at(at);
        if authority.is_empty() || !rest.chars().all(is_plain) {
            return Err(NoHttpUrl);
        }
        let target = if target.is_empty() { "/" } else { target };
        Ok(HttpUrl {
            authority: authority.to_owned(),
            target: target.to_owned(),
        })
    }
}

impl HttpUrl {
    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let has_port = self
            .authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let found = if has_port {
            self.authority.to_socket_addrs()
        } else {
            format!("{}:80", self.authority).to_socket_addrs()
        };
        // Who listens on all addresses is asked here.
        let here = |address: SocketAddr| match address.ip().is_unspecified() {
            true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
            false => address,
        };
        Ok(found?.map(here).collect())
    }
}

/// Asks, prints the verdict, and tells it by the exit code.
///
/// # Errors
/// The configuration file says nothing of an admin listener.
pub(crate) fn run(flags: &HealthcheckFlags) -> Result<ExitCode> {
    let url = match (&flags.url, &flags.admin) {
        (Some(url), _) => url.clone(),
        (None, Some(address)) => page_of(address, flags.strict)?,
        (None, None) => {
            let environment = Environment::of_process();
            let address = admin_of(flags.config.as_deref(), &environment)?;
            page_of(&address, flags.strict)?
        }
    };
    let text = format!("http://{}{}", url.authority, url.target);
    let problems = match get(&url, Duration::from_secs(flags.timeout)) {
        Ok(page) => problems(&page, flags.strict),
        Err(error) => vec![format!("{text} is not reached: {error}")],
    };
    let is_healthy = problems.is_empty();
    if flags.json {
        print_json(&json!({
            "healthy": is_healthy,
            "strict": flags.strict,
            "url": text,
            "problems": problems,
        }));
    } else if is_healthy {
        print("healthy\n");
    } else {
        print(&format!("unhealthy: {}\n", problems.join("; ")));
    }
    Ok(match is_healthy {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Which page of an admin listener says enough.
fn page_of(admin: &str, is_strict: bool) -> Result<HttpUrl> {
    let page = if is_strict { "status" } else { "readyz" };
    format!("http://{admin}/{page}")
        .parse()
        .with_context(|| format!("{admin} is no address: HOST:PORT is one"))
}

/// What a page says.
struct Page {
    status: u16,
    body: Vec<u8>,
}

/// More than `/status` of a thousand issuers.
const PAGE_BYTES_MAX: u64 = 16 << 20;

/// Reads one page by HTTP/1.0, which ends with the connection.
fn get(url: &HttpUrl, wait_max: Duration) -> io::Result<Page> {
    let deadline = Instant::now() + wait_max;
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut result = Err(io::Error::from(io::ErrorKind::NotFound));
    for address in url.addresses()? {
        result = TcpStream::connect_timeout(&address, left()?);
        if result.is_ok() {
            break;
        }
    }
    let mut stream = result?;
    stream.set_write_timeout(Some(left()?))?;
    let HttpUrl { authority, target } = url;
    write!(stream, "GET {target} HTTP/1.0\r\nHost: {authority}\r\n\r\n")?;
    let mut octets = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => octets.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
        if octets.len() as u64 > PAGE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
    parse(&octets).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

fn parse(octets: &[u8]) -> Option<Page> {
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = octets.split_at(end + 4);
    let head = std::str::from_utf8(head).ok()?;
    let mut words = head.lines().next()?.split(' ');
    words.next().filter(|word| word.starts_with("HTTP/1."))?;
    Some(Page {
        status: words.next()?.parse().ok()?,
        body: body.to_vec(),
    })
}

/// What is wrong, by what the page says.
fn problems(page: &Page, is_strict: bool) -> Vec<String> {
    let text = String::from_utf8_lossy(&page.body);
    if page.status != 200 {
        let reason = text.lines().next().unwrap_or_default();
        return vec![match reason {
            "" => format!("HTTP {}", page.status),
            reason => reason.to_owned(),
        }];
    }
    if !is_strict {
        return Vec::new();
    }
    match serde_json::from_slice::<Value>(&page.body) {
        Ok(status) if status["issuers"].is_array() => problems_of_status(&status),
        Ok(_) | Err(_) => vec!["that page is no /status of an admin listener".to_owned()],
    }
}

fn problems_of_status(status: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(why) = status["not_ready_because"].as_str() {
        problems.push(format!("not ready: {why}"));
    }
    for issuer in status["issuers"].as_array().into_iter().flatten() {
        let name = issuer["name"].as_str().unwrap_or_default();
        let mut add = |what: String| problems.push(format!("{name}: {what}"));
        if let Some(why) = issuer["cannot_answer_because"].as_str() {
            add(format!("cannot answer: {why}"));
        }
        if let Some(why) = issuer["unproven"].as_str() {
            add(format!(
                "certificates that no list names get tryLater: {why}"
            ));
        }
        let (list, signer) = (&issuer["source"]["list"], &issuer["signer"]["in_use"]);
        if issuer["stale"] == true {
            add("answers come from a list that is over, by stale-until".to_owned());
        } else if list["ending"] == true {
            add(format!("the list {}", ending(&list["seconds_left"])));
        }
        if signer["ending"] == true {
            let ending = ending(&signer["seconds_left"]);
            add(format!("the signer's certificate {ending}"));
        }
    }
    problems
}

fn ending(seconds_left: &Value) -> String {
    match seconds_left.as_i64() {
        Some(left) if left > 0 => format!("ends in {left} s, the last fifth of its time"),
        Some(_) | None => "is over".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_http_with_a_host() {
        let url = |text: &str| text.parse::<HttpUrl>().ok();
        let expected = |authority: &str, target: &str| {
            Some(HttpUrl {
                authority: authority.to_owned(),
                target: target.to_owned(),
            })
        };
        assert_eq!(url("http://a/healthz"), expected("a", "/healthz"));
        assert_eq!(url("http://[::1]:80"), expected("[::1]:80", "/"));
        for text in [
            "https://a/",
            "a:80",
            "http:///x",
            "http://a b/",
            "http://a/\r\nx",
            "http://u@a/",
        ] {
            assert_eq!(url(text), None, "{text:?}");
        }
        let all = url("http://0.0.0.0:9560/readyz").unwrap();
        assert_eq!(
            all.addresses().unwrap(),
            ["127.0.0.1:9560".parse().unwrap()]
        );
    }

    #[test]
    fn a_page_is_healthy_by_its_status_and_strictly_by_what_it_says() {
        let page = |text: &str| parse(text.as_bytes()).unwrap();
        let ready = page("HTTP/1.1 200 OK\r\na: b\r\n\r\nready\n");
        assert_eq!(problems(&ready, false), [""; 0]);
        assert_eq!(problems(&ready, true).len(), 1);
        let starts = page("HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready: starting\n");
        assert_eq!(problems(&starts, false), ["not ready: starting"]);
        assert_eq!(
            problems(&page("HTTP/1.0 404 x\r\n\r\n"), false),
            ["HTTP 404"]
        );
        assert!(parse(b"SSH-2.0\r\n\r\n").is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }

    #[test]
    fn strictly_each_issuers_list_and_signer_count() {
        let issuer = |stale: bool, list: bool, signer: bool, left: i64| {
            json!({
                "name": "root", "stale": stale, "cannot_answer_because": null,
                "source": { "list": { "ending": list, "seconds_left": left } },
                "signer": { "in_use": { "ending": signer, "seconds_left": left } },
            })
        };
        let said = |issuer: Value| problems_of_status(&json!({ "issuers": [issuer] }));
        assert_eq!(said(issuer(false, false, false, 9)), [""; 0]);
        let ends = "ends in 9 s, the last fifth of its time";
        assert_eq!(
            said(issuer(false, true, true, 9)),
            [
                format!("root: the list {ends}"),
                format!("root: the signer's certificate {ends}")
            ]
        );
        assert_eq!(
            said(issuer(true, true, false, -9)),
            ["root: answers come from a list that is over, by stale-until"]
        );
        assert_eq!(
            said(issuer(false, true, false, 0)),
            ["root: the list is over"]
        );
        let nothing = json!({ "name": "root", "cannot_answer_because": "no list" });
        assert_eq!(said(nothing), ["root: cannot answer: no list"]);
        let in_part = json!({ "name": "root", "unproven": "an overlay is missing" });
        assert_eq!(
            said(in_part),
            ["root: certificates that no list names get tryLater: an overlay is missing"]
        );
    }
}
