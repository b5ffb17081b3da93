//! Measures ocspry beside its peers and floors, in turn and repeatedly in one run, and keeps the raw results.
//!
//! The server under test runs on core 0, this program and its load on core 1.  Rates alone say little about a machine,
//! so every table also gives the ratio to nginx answering with as many octets by `return`, and with the very same ones from a
//! file, in the same run.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml -- [--seconds N] [--rounds N] [--ocspry PATH] [--out FILE]`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ocspry_bench::flags;
use ocspry_bench::load::{self, Measured, Nonce, Same, Traffic};
use ocspry_bench::nginx::{self, Nginx};
use ocspry_bench::server::{self, Server};
use ocspry_testkit::{
    Authority, CrlSpec, HttpClient, KeyKind, Reply, RequestSpec, base64_path, cert_id, now, pem,
};
use ocspry_wire::ocsp::{CrlReason, HashAlgorithm};
use serde_json::{Value, json};

/// Connections of every load, kept alive.
const CONNECTIONS: usize = 32;
/// The load whose every request has a nonce of its own.
const NONCE_LOAD: &str = "post-nonce";

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    server::pin_this_thread(1)?;
    let directory = tempfile::tempdir()?;
    let pki = Pki::make(directory.path())?;

    let binary_bytes = std::fs::metadata(&options.ocspry)
        .with_context(|| {
            format!(
                "{}: build it first: cargo build --release",
                options.ocspry.display()
            )
        })?
        .len();
    let mut starts_ms = Vec::new();
    for _ in 0..options.rounds {
        starts_ms.push(start_to_first_answer_ms(&options, &pki)?);
    }
    let ocspry = Server::ocspry(&options.ocspry, &pki.arguments, directory.path())?;
    let idle_kib = ocspry.resident_kib()?;
    let body = pki.checked_answer(ocspry.port)?;
    let nginx = Nginx::start(directory.path(), &body)?;

    let get = pki.get_request();
    let post = pki.post_request();
    let post_nonce = pki.post_prefix();
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        // nginx serves no file for a POST.
        for (request, name, servers) in [
            (
                &get,
                "get",
                &[&ocspry, &nginx.returning, &nginx.serving][..],
            ),
            (&post, "post", &[&ocspry, &nginx.returning]),
            (&post_nonce, NONCE_LOAD, &[&ocspry, &nginx.returning]),
        ] {
            for server in servers {
                let wanted = Duration::from_secs(options.seconds);
                let mut same = Same { request, wanted };
                let mut nonce = Nonce {
                    request,
                    wanted,
                    echoed: server.name == ocspry.name,
                    counter: 0,
                };
                let traffic: &mut dyn Traffic = match name {
                    NONCE_LOAD => &mut nonce,
                    _ => &mut same,
                };
                let measured = load::run(server, traffic, CONNECTIONS)?.without_failures()?;
                println!("round {round} {name:<10} {:<12} {measured}", server.name);
                rounds.push((name, server.name, measured));
            }
        }
    }
    let raw_signatures = raw_signatures_per_second(&pki, options.seconds);
    let header_octets = pki.header_octets(ocspry.port)?;
    let loaded_kib = ocspry.resident_kib()?;
    // The load did not spoil it.
    pki.checked_answer(ocspry.port)?;

    let report = json!({
        "machine": server::machine(),
        "commit": server::commit(),
        "connections": CONNECTIONS,
        "seconds": options.seconds,
        "binary_bytes": binary_bytes,
        "start_to_first_answer_ms": starts_ms,
        "resident_kib_idle": idle_kib,
        "resident_kib_after_load": loaded_kib,
        "answer_octets": body.len(),
        "header_octets": header_octets,
        "raw_p256_signatures_per_second": raw_signatures,
        "rounds": rounds.iter().map(|(load, server, measured)| measured.to_json(load, server)).collect::<Vec<_>>(),
        "ratios": ratios(&rounds),
    });
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    if let Some(out) = &options.out {
        std::fs::write(out, text + "\n")?;
    }
    Ok(())
}

/// Median of ocspry over median of a peer, for each load.
fn ratios(rounds: &[(&str, &str, Measured)]) -> Value {
    let median = |load: &str, server: &str, of: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = rounds
            .iter()
            .filter(|(a, b, _)| *a == load && *b == server)
            .map(|(_, _, measured)| of(measured))
            .collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ratio = |load: &str, peer: &str, of: fn(&Measured) -> f64| {
        median(load, "ocspry", of) / median(load, peer, of)
    };
    let both = |load: &str, peer: &str| {
        json!({
            "rate": ratio(load, peer, Measured::requests_per_second),
            "cpu": ratio(load, peer, Measured::cpu_us_per_request),
        })
    };
    json!({
        "get_to_nginx_return": both("get", nginx::RETURNING),
        "get_to_nginx_file": both("get", nginx::SERVING),
        "post_to_nginx_return": both("post", nginx::RETURNING),
        "post_nonce_to_nginx_return": both("post-nonce", nginx::RETURNING),
    })
}

/// From `exec` to the first answer that a client accepts, in milliseconds.
fn start_to_first_answer_ms(options: &Options, pki: &Pki) -> Result<f64> {
    let started = Instant::now();
    let server = Server::ocspry(&options.ocspry, &pki.arguments, pki.directory.as_path())?;
    pki.checked_answer(server.port)?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

/// What one core signs with the library alone, as the floor for fresh answers.
fn raw_signatures_per_second(pki: &Pki, seconds: u64) -> f64 {
    let started = Instant::now();
    let mut count = 0u32;
    while started.elapsed().as_secs() < seconds {
        for _ in 0..100 {
            std::hint::black_box(pki.responder.key.sign(&[7; 200]));
        }
        count += 100;
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

/// A CA, its P-256 delegate and a CRL of a thousand entries, as files.
struct Pki {
    ca: Authority,
    responder: ocspry_testkit::Credential,
    directory: PathBuf,
    arguments: Vec<String>,
}

/// The certificate that is asked about.
const SERIAL: &[u8] = &[
    0x4a, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x08, 0x19, 0x2a, 0x3b, 0x4c, 0x5d, 0x6e, 0x7f,
];

impl Pki {
    fn make(directory: &std::path::Path) -> Result<Pki> {
        let ca = Authority::root("Bench CA", KeyKind::P256);
        let responder = ca.responder(KeyKind::P256);
        let mut crl = CrlSpec::new(1);
        for index in 0..1000u16 {
            let [high, low] = index.to_be_bytes();
            let mut serial = SERIAL.to_vec();
            (serial[14], serial[15]) = (high, low);
            crl = crl.revoke(&serial, Some(CrlReason::Superseded));
        }
        let write = |name: &str, text: String| -> Result<String> {
            let path = directory.join(name);
            std::fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let arguments = vec![
            "serve".to_owned(),
            "--port=0".to_owned(),
            format!("--ca={}", write("ca.pem", ca.certificate_pem())?),
            format!(
                "--crl={}",
                write("crl.pem", pem("X509 CRL", &ca.crl(&crl)))?
            ),
            format!(
                "--ocsp-cert={}",
                write("ocsp.pem", responder.certificate_pem())?
            ),
            format!(
                "--ocsp-key={}",
                write("ocsp.key", responder.key.pkcs8_pem())?
            ),
            format!("--state-dir={}", directory.join("state").display()),
        ];
        Ok(Pki {
            ca,
            responder,
            directory: directory.to_owned(),
            arguments,
        })
    }

    fn request(&self) -> RequestSpec {
        RequestSpec::one(cert_id(HashAlgorithm::Sha1, &self.ca, SERIAL))
    }

    /// One answer, checked as a client does.
    fn checked_answer(&self, port: u16) -> Result<Vec<u8>> {
        let mut client = HttpClient::connect(port)?;
        let response = client.post(&self.request().der())?;
        ensure!(response.status == 200, "HTTP {}", response.status);
        let reply = Reply::try_check(&response.body, &self.ca).map_err(anyhow::Error::msg)?;
        ensure!(matches!(reply, Reply::Signed(_)), "not signed: {reply:?}");
        ensure!(reply.single().next_update > now(), "over");
        Ok(response.body)
    }

    /// Octets of the HTTP head of one answer, status line and empty line included, by kind of answer.
    fn header_octets(&self, port: u16) -> Result<Value> {
        let head = |request: &[u8]| -> Result<usize> {
            let mut client = HttpClient::connect(port)?;
            client.send(request)?;
            let headers = client.receive(true)?.headers;
            let lines = headers
                .iter()
                .map(|(name, value)| name.len() + ": ".len() + value.len() + "\r\n".len());
            Ok("HTTP/1.1 200 OK\r\n\r\n".len() + lines.sum::<usize>())
        };
        Ok(json!({
            "get": head(&self.get_request())?,
            "post": head(&self.post_request())?,
            "post-nonce": head(&self.post_prefix())?,
        }))
    }

    fn get_request(&self) -> Vec<u8> {
        let path = base64_path(&self.request().der());
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
    }

    fn post_request(&self) -> Vec<u8> {
        Self::post(self.request().der())
    }

    /// A POST whose last 16 octets are the nonce.
    fn post_prefix(&self) -> Vec<u8> {
        let nonce = ocspry_testkit::nonce_extension(&[0; 16]);
        Self::post(self.request().with_extension(nonce).der())
    }

    fn post(body: Vec<u8>) -> Vec<u8> {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ocsp-request\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body].concat()
    }
}

struct Options {
    seconds: u64,
    rounds: usize,
    ocspry: PathBuf,
    out: Option<PathBuf>,
}

impl Options {
    fn from_arguments() -> Result<Options> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            seconds: 5,
            rounds: 5,
            ocspry: root.join("../target/release/ocspry"),
            out: None,
        };
        flags::each(|flag, value| {
            match flag {
                "--seconds" => options.seconds = value.parse()?,
                "--rounds" => options.rounds = value.parse()?,
                "--ocspry" => options.ocspry = value.into(),
                "--out" => options.out = Some(value.into()),
                _ => anyhow::bail!("unknown flag {flag}: --seconds, --rounds, --ocspry or --out"),
            }
            Ok(())
        })?;
        ensure!(
            options.rounds > 0 && options.seconds > 0,
            "--rounds and --seconds begin at 1"
        );
        Ok(options)
    }
}
