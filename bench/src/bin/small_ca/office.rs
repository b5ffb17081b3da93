//! A CA in a directory of its own, with its ledger and a responder that is fed from it.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use ocspry_bench::child::{self, Ended};
use ocspry_bench::server::Server;
use ocspry_testkit::{
    Authority, HttpClient, KeyKind, RequestSpec, TestKey, base64_path, cert_id, now, pem_to_der,
};
use ocspry_wire::ocsp::{CertStatus, HashAlgorithm, OcspResponse};

use crate::options::{Options, Serials};

/// The CA's name in the ledger.
pub(crate) const CA: &str = "issuing";

/// The directory and what is in it.
pub(crate) struct Office {
    ocspry: PathBuf,
    directory: PathBuf,
    ca: Authority,
    serials: Serials,
}

impl Office {
    /// A new one; what was in the directory is gone.
    pub(crate) fn open(options: &Options, name: &str) -> Result<Office> {
        let directory = options.directory.join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let run = |arguments: &[&str]| run(&options.ocspry, &directory, arguments);
        run(&[
            "ca",
            "init",
            CA,
            "--no-passphrase",
            "--key=ca.key",
            "--out=ca.pem",
        ])?;
        run(&[
            "cert",
            "sign",
            CA,
            "--new-key",
            "--key=ocsp.key",
            "--ocsp",
            "--subject=/CN=responder",
            "--out=ocsp.pem",
        ])?;
        let read = |name: &str| std::fs::read_to_string(directory.join(name));
        let key = TestKey::from_pkcs8_der(&pem_to_der(&read("ca.key")?), KeyKind::P256);
        let ca = Authority::existing(pem_to_der(&read("ca.pem")?), key);
        Ok(Office {
            ocspry: options.ocspry.clone(),
            directory,
            ca,
            serials: options.serials,
        })
    }

    /// One of its files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// `ocspry` with these arguments.
    ///
    /// # Errors
    /// When it fails: what it said is in `commands.log`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Ended> {
        run(&self.ocspry, &self.directory, arguments)
    }

    /// Another program, in the same directory.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory);
        command
    }

    /// Starts the responder, fed from the ledger.
    pub(crate) fn serve(&self) -> Result<Served> {
        // Free now; whoever takes it before the server does makes the run fail, and not lie.
        let admin_port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let configuration = format!(
            "version = 1\nstate-dir = \"state\"\nlog-file = \"serve.log\"\n\
             [listen]\nocsp = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:{admin_port}\"\n\
             [ledger]\nurl = \"sqlite:ledger.db\"\n\
             [issuer.{CA}]\ncertificate = \"ca.pem\"\nstatus = [{{ ledger = \"{CA}\" }}]\n\
             responder = {{ certificate = \"ocsp.pem\", key = \"ocsp.key\" }}\n"
        );
        std::fs::write(self.path("ocspry.toml"), configuration)?;
        let arguments = ["serve", "--config=ocspry.toml"].map(str::to_owned);
        let server = Server::ocspry_everywhere(&self.ocspry, &arguments, &self.directory)?;
        Ok(Served { server, admin_port })
    }

    /// Records so many certificates, by way of an index; returns what the import took.
    pub(crate) fn import(&self, count: u64) -> Result<Ended> {
        let file = std::fs::File::create(self.path("index.txt"))?;
        let mut index = BufWriter::new(file);
        let not_after = now().plus_seconds(300 * 86_400);
        for number in 0..count {
            let not_after = String::from_utf8(not_after.to_generalized().to_vec())?;
            let serial = self.serial_hex(number);
            writeln!(
                index,
                "V\t{}\t\t{serial}\tunknown\t/CN=host-{number}.example.com",
                &not_after[2..]
            )?;
        }
        index.flush()?;
        self.run(&["index", "import", CA, "index.txt", "--json"])
    }

    /// The serial number of one of the certificates of [`Office::import`]: sixteen octets.
    pub(crate) fn serial_hex(&self, number: u64) -> String {
        // Odd factors: different numbers, different serials.
        let high = match self.serials {
            Serials::Random => number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1,
            Serials::Ascending => number << 30,
        } | 0x4000_0000_0000_0000;
        let low = number.wrapping_mul(0xd1b5_4a32_d192_ed03);
        format!("{high:016X}{low:016X}")
    }

    /// The path of a GET for a serial number.
    pub(crate) fn path_of_get(&self, serial: &str) -> Result<String> {
        let octets = octets(serial)?;
        let cert_id = cert_id(HashAlgorithm::Sha1, &self.ca, &octets);
        Ok(base64_path(&RequestSpec::one(cert_id).der()))
    }

    /// Size of the ledger and the files beside it.
    pub(crate) fn ledger_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for name in ["ledger.db", "ledger.db-wal"] {
            if let Ok(metadata) = std::fs::metadata(self.path(name)) {
                bytes += metadata.len();
            }
        }
        ensure!(bytes > 0, "no ledger in {}", self.directory.display());
        Ok(bytes)
    }
}

/// A responder that runs.
pub(crate) struct Served {
    /// The process.
    pub(crate) server: Server,
    admin_port: u16,
}

impl Served {
    /// The sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<u64> {
        let page = HttpClient::connect(self.admin_port)?.get("/metrics")?;
        let text = String::from_utf8(page.body)?;
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' '])
                .then(|| rest.rsplit(' ').next())?
        });
        values
            .map(|value| Ok(value.parse::<f64>()? as u64))
            .sum::<Result<u64>>()
            .with_context(|| name.to_owned())
    }
}

/// Is it revoked?
///
/// # Errors
/// When the answer is none, or says neither good nor revoked.
pub(crate) fn is_revoked(client: &mut HttpClient, path: &str) -> Result<bool> {
    let response = client.get(path)?;
    ensure!(response.status == 200, "HTTP {}", response.status);
    let response = OcspResponse::from_der(&response.body)
        .map_err(|error| anyhow::anyhow!("not DER: {error:?}"))?;
    let Some(basic) = response.basic else {
        bail!("{:?}", response.status);
    };
    match basic.responses.first().map(|single| &single.cert_status) {
        Some(CertStatus::Good) => Ok(false),
        Some(CertStatus::Revoked(_)) => Ok(true),
        other => bail!("{other:?}"),
    }
}

fn octets(hex: &str) -> Result<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect()
}

fn run(ocspry: &Path, directory: &Path, arguments: &[&str]) -> Result<Ended> {
    let ledger = directory.join("ledger.db");
    let told = directory.join("commands.log");
    let stderr = OpenOptions::new().create(true).append(true).open(&told)?;
    let mut command = Command::new(ocspry);
    command
        .args(arguments)
        .env("OCSPRY_LEDGER", ledger)
        .stderr(stderr)
        .current_dir(directory);
    let ended = child::run(&mut command)?;
    ensure!(
        ended.success,
        "ocspry {} failed: see {}",
        arguments.join(" "),
        told.display()
    );
    Ok(ended)
}
