//! Installs what the tests need: Debian's packages, a Python environment with packages of PyPI, and a package of npm.
//!
//! A fresh machine has a Rust toolchain and git; the product's tests talk to real peers.  From: `cargo xtask setup` and
//! `ci`.  To: apt, pip, npm.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{find_program, output_of, root, status_of};

/// Installs the packages whose programs or files are missing, and the Python packages when they are not those of
/// requirements.txt; says what it does, and does nothing when none is.
///
/// # Errors
/// When packages are missing and this is not root or apt is not there, with the line to run instead; when a package
/// cannot be installed.
pub(crate) fn install_missing() -> Result<()> {
    remove_leftover(Path::new(SERVICE_POLICY))?;
    install_packages(NEEDS)?;
    make_python_environment(&python_environment(), REQUIREMENTS)?;
    install_axe_core()
}

/// The same for those that ocspry is measured beside; nothing but `cargo xtask bench` needs them.
///
/// # Errors
/// As [`install_missing`].
pub(crate) fn install_rivals() -> Result<()> {
    remove_leftover(Path::new(SERVICE_POLICY))?;
    install_packages(RIVALS)?;
    make_python_environment(&root().join(RIVALS_PYTHON), RIVALS_REQUIREMENTS)
}

fn install_packages(needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !need.is_met()).collect();
    if missing.is_empty() {
        let places: Vec<&str> = needs.iter().map(|need| need.place.name()).collect();
        println!("nothing to install: found {}", places.join(", "));
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.dedup();
    for need in &missing {
        println!(
            "missing: {} ({}), from package {}",
            need.place.name(),
            need.purpose,
            need.package
        );
    }
    install(&packages)
}

/// Installs Debian packages.
///
/// # Errors
/// When this is not root or apt is not there, with the line to run instead.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let line = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if find_program("apt-get").is_none() {
        bail!("apt-get is not on this machine; install the programs above by other means");
    }
    if output_of(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("installing needs root; run: sudo {line}");
    }
    println!("apt-get update, then {line}");
    status_of(apt().args(["update", "-q"]))?;
    let _no_services = NoServices::begin(Path::new(SERVICE_POLICY))?;
    status_of(
        apt()
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(packages),
    )
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    // A fresh machine may be installing something by itself: seconds to wait for it.
    apt.args(["-o", "DPkg::Lock::Timeout=120"]);
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// While this lives, no package that is installed starts its service: tests start daemons of their own, and one that
/// runs already would hold a port of the machine for nothing.
///
/// Debian asks /usr/sbin/policy-rc.d; a machine that has one keeps its own.
struct NoServices<'a> {
    written: Option<&'a Path>,
}

impl NoServices<'_> {
    fn begin(policy: &Path) -> Result<NoServices<'_>> {
        let name = policy.display();
        if policy.exists() {
            println!("{name} is there and decides whether services are started");
            return Ok(NoServices { written: None });
        }
        println!("{name} is written for this run of apt: no service is started");
        // 101: the action is forbidden.
        let writer = std::process::id();
        fs::write(
            policy,
            format!("#!/bin/sh\n{POLICY_MARK}{writer}\nexit 101\n"),
        )
        .with_context(|| format!("cannot write {name}"))?;
        let written = NoServices {
            written: Some(policy),
        };
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {name} executable"))?;
        Ok(written)
    }
}

impl Drop for NoServices<'_> {
    fn drop(&mut self) {
        if let Some(policy) = self.written
            && let Err(error) = fs::remove_file(policy)
        {
            let policy = policy.display();
            eprintln!("cannot remove {policy}, which forbids to start services: {error}");
        }
    }
}

/// Removes the policy of a run of ours that was killed: it would forbid services for ever.
///
/// # Errors
/// When it cannot be removed, with what it is.
fn remove_leftover(policy: &Path) -> Result<()> {
    // One that is there and cannot be read as text is not ours.
    let text = fs::read_to_string(policy).unwrap_or_default();
    let writer = text.lines().find_map(|line| line.strip_prefix(POLICY_MARK));
    let Some(writer) = writer else { return Ok(()) };
    if Path::new("/proc").join(writer).exists() {
        return Ok(());
    }
    let name = policy.display();
    println!("{name} is left of a run that was interrupted, and is removed");
    fs::remove_file(policy)
        .with_context(|| format!("cannot remove {name}, which forbids to start services"))
}

/// Where the Python of the tests lies.
pub(crate) fn python_environment() -> PathBuf {
    root().join(PYTHON_ENVIRONMENT)
}

/// Makes a Python environment, again when its requirements.txt is another than it was made from.
fn make_python_environment(folder: &Path, requirements_name: &str) -> Result<()> {
    let requirements = root().join(requirements_name);
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let made_from = folder.join("requirements.txt");
    if fs::read_to_string(&made_from).is_ok_and(|found| found == wanted) {
        println!(
            "{} has the packages of {requirements_name}",
            folder.display()
        );
        return Ok(());
    }
    println!("{}: the packages of {requirements_name}", folder.display());
    // Debian's own first: another that comes first on PATH may lack what a package built for Debian's takes for granted.
    let python = Some(PathBuf::from("/usr/bin/python3"))
        .filter(|debian| debian.is_file())
        .or_else(|| find_program("python3"))
        .context("python3 is not on this machine")?;
    status_of(
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    status_of(
        Command::new(folder.join("bin/python3"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", "--only-binary", ":all:"])
            .arg("--requirement")
            .arg(&requirements),
    )?;
    // Last, so that an installation that broke off is made again.
    fs::write(&made_from, wanted).with_context(|| format!("cannot write {}", made_from.display()))
}

/// Brings the script that checks pages in a browser; it has no dependencies, and nothing of it runs here.
fn install_axe_core() -> Result<()> {
    let folder = root().join(NPM_FOLDER);
    let manifest = folder.join("node_modules/axe-core/package.json");
    let version = format!("\"version\": \"{AXE_CORE_VERSION}\"");
    if fs::read_to_string(&manifest).is_ok_and(|found| found.contains(&version)) {
        println!("{NPM_FOLDER} has axe-core {AXE_CORE_VERSION}");
        return Ok(());
    }
    println!("{NPM_FOLDER}: axe-core {AXE_CORE_VERSION}");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    status_of(
        Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund"])
            .args(["--ignore-scripts", "--prefix"])
            .arg(&folder)
            .arg(format!("axe-core@{AXE_CORE_VERSION}")),
    )
}

/// What a test starts or needs beside it, and the package it comes in.
struct Need {
    place: Place,
    package: &'static str,
    purpose: &'static str,
}

/// How one sees that it is there.
enum Place {
    /// A program on PATH.
    Program(&'static str),
    /// A file.
    File(&'static str),
}

impl Place {
    fn name(&self) -> &'static str {
        match self {
            Place::Program(name) | Place::File(name) => name,
        }
    }
}

impl Need {
    fn is_met(&self) -> bool {
        match self.place {
            Place::Program(name) => find_program(name).is_some(),
            Place::File(path) => Path::new(path).exists(),
        }
    }
}

const fn program(name: &'static str, package: &'static str, purpose: &'static str) -> Need {
    Need {
        place: Place::Program(name),
        package,
        purpose,
    }
}

const fn file(path: &'static str, package: &'static str, purpose: &'static str) -> Need {
    Need {
        place: Place::File(path),
        package,
        purpose,
    }
}

/// One package's needs stand together.
const NEEDS: &[Need] = &[
    program("openssl", "openssl", "OCSP client"),
    program("ocsptool", "gnutls-bin", "OCSP client of GnuTLS"),
    program("gnutls-cli", "gnutls-bin", "TLS client that asks by OCSP"),
    program(
        "nginx",
        "nginx-light",
        "caching proxy, TLS server that staples",
    ),
    program(
        "haproxy",
        "haproxy",
        "caching proxy, TLS server that staples",
    ),
    program("varnishd", "varnish", "caching proxy"),
    program("curl", "curl", "HTTP client"),
    program("promtool", "prometheus", "check of metrics"),
    program("ip", "iproute2", "network namespaces of tests"),
    program("c++", "g++", "libFuzzer"),
    program("java", "default-jre-headless", "OCSP client of the JDK"),
    program("certutil", "libnss3-tools", "certificate databases of NSS"),
    program("ocspclnt", "libnss3-tools", "OCSP client of NSS"),
    program("pki", "strongswan-pki", "OCSP client of strongSwan"),
    file(
        "/usr/lib/ipsec/plugins/libstrongswan-openssl.so",
        "libstrongswan-standard-plugins",
        "strongSwan's elliptic curves",
    ),
    file(
        "/usr/lib/ipsec/plugins/libstrongswan-curl.so",
        "libstrongswan-extra-plugins",
        "strongSwan's HTTP client",
    ),
    file(
        "/var/lib/dpkg/info/python3-venv.list",
        "python3-venv",
        "environment of the tests that run Python",
    ),
    program("socat", "socat", "hands answers to HAProxy"),
    program("apache2", "apache2-bin", "TLS server that staples"),
    program(
        "freeradius",
        "freeradius",
        "EAP-TLS server that asks by OCSP",
    ),
    program("eapol_test", "eapoltest", "EAP-TLS client"),
    program("strace", "strace", "kills at a system call"),
    program("valgrind", "valgrind", "counts instructions"),
    program("chromium", "chromium", "browser for the dashboard"),
    program("chromedriver", "chromium-driver", "drives the browser"),
    program("npm", "npm", "brings axe-core, which checks pages"),
    program(
        "systemd-analyze",
        "systemd",
        "whether systemd takes the units",
    ),
];

/// Who ocspry is measured beside.
const RIVALS: &[Need] = &[
    program("nginx", "nginx-light", "web server and cache"),
    program("cfssl", "golang-cfssl", "hands out answers signed before"),
    program("openssl", "openssl", "responder over an index"),
    file(
        "/var/lib/dpkg/info/python3-venv.list",
        "python3-venv",
        "the environment of the responders in Python",
    ),
    program("taskset", "util-linux", "keeps a server on one core"),
];

/// What Debian's packages ask before they start a service.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";
/// Before the process id of the run that wrote one, by which a leftover is known.
const POLICY_MARK: &str = "# For one run of `cargo xtask setup`, process ";
/// Where the testkit looks for Python.
const PYTHON_ENVIRONMENT: &str = "target/xtask/python";
/// What is to be in it.
const REQUIREMENTS: &str = "crates/ocspry/tests/interop/requirements.txt";
/// Where the testkit looks for axe-core.
const NPM_FOLDER: &str = "target/xtask/npm";
/// Where bench/ looks for the Python of its responders.
const RIVALS_PYTHON: &str = "bench/target/python";
/// What is to be in it.
const RIVALS_REQUIREMENTS: &str = "bench/rivals/requirements.txt";
const AXE_CORE_VERSION: &str = "4.14.1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_forbidden_for_a_while_and_a_policy_that_is_there_is_left_alone() {
        let folder = root().join("target/xtask/no-services");
        fs::create_dir_all(&folder).unwrap();
        let policy = folder.join("policy-rc.d");
        let _ = fs::remove_file(&policy);
        {
            let _forbidden = NoServices::begin(&policy).unwrap();
            let status = Command::new("/bin/sh").arg(&policy).status().unwrap();
            assert_eq!(status.code(), Some(101));
        }
        assert!(!policy.exists());
        fs::write(&policy, "own").unwrap();
        drop(NoServices::begin(&policy).unwrap());
        assert_eq!(fs::read_to_string(&policy).unwrap(), "own");
    }

    #[test]
    fn a_policy_of_a_run_that_was_interrupted_is_removed_and_no_other() {
        let folder = root().join("target/xtask/leftover");
        fs::create_dir_all(&folder).unwrap();
        let policy = folder.join("policy-rc.d");
        let _ = fs::remove_file(&policy);
        remove_leftover(&policy).unwrap();
        // Written as above, by a process that has ended since.
        let mut ended = Command::new("/bin/true").spawn().unwrap();
        ended.wait().unwrap();
        let forbidden = NoServices::begin(&policy).unwrap();
        let own = fs::read_to_string(&policy).unwrap();
        remove_leftover(&policy).unwrap();
        assert!(policy.exists(), "its run has not ended");
        drop(forbidden);
        let left = own.replace(&std::process::id().to_string(), &ended.id().to_string());
        fs::write(&policy, left).unwrap();
        remove_leftover(&policy).unwrap();
        assert!(!policy.exists());
        fs::write(&policy, "#!/bin/sh\nexit 101\n").unwrap();
        remove_leftover(&policy).unwrap();
        assert!(policy.exists(), "somebody else's");
    }
}
