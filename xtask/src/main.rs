//! The project's own verbs, run as `cargo xtask VERB`.
//!
//! One place says how the project is checked, tested, measured and built, so that a person and CI run the same lines.
//! It compiles before everything else and therefore depends on little.  From: the command line.  To: cargo, the tests'
//! peers and the tools of docs/style.md section 6.

mod bench;
mod ci;
mod conformance;
mod counts;
mod coverage;
mod deny;
mod dist;
mod docs;
mod fuzz;
mod interop;
mod layers;
mod rust_text;
mod setup;
mod step;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::interop::Document;
use crate::step::Steps;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the verb that the command line names; without one, lists them.
fn run(words: &[&str]) -> Result<()> {
    let mut steps = Steps::new();
    match words {
        [] | ["help" | "--help" | "-h"] => {
            print!("{VERBS}");
            return Ok(());
        }
        ["check"] => ci::check(&mut steps)?,
        ["test"] => ci::test(&mut steps)?,
        ["layers"] => steps.run("layers", layers::check)?,
        ["deny"] => deny::install_and_check(&mut steps)?,
        ["setup"] => steps.run("setup", setup::install_missing)?,
        ["interop"] => interop::run(&mut steps, Document::Compare)?,
        ["interop", "--write"] => interop::run(&mut steps, Document::Write)?,
        ["fuzz", target] => fuzz::run(&mut steps, target, fuzz::SECONDS_DEFAULT)?,
        ["fuzz", target, seconds] => {
            let Ok(seconds) = seconds.parse() else {
                bail!("`{seconds}` is no number of seconds; cargo xtask fuzz <target> [seconds]");
            };
            fuzz::run(&mut steps, target, seconds)?;
        }
        ["conformance"] => conformance::write(&mut steps, None)?,
        ["conformance", "--results", file] => {
            conformance::write(&mut steps, Some(Path::new(file)))?;
        }
        ["conformance", "--check"] => conformance::check(&mut steps, None)?,
        ["conformance", "--check", "--results", file] => {
            conformance::check(&mut steps, Some(Path::new(file)))?;
        }
        ["conformance", "--mutants", rules @ ..] => conformance::try_mutants(&mut steps, rules)?,
        ["kills"] => ci::kills(&mut steps, ci::KILLS_DEFAULT)?,
        ["kills", count] => {
            let Ok(count) = count.parse() else {
                bail!("`{count}` is no number of kills; cargo xtask kills [COUNT]");
            };
            ci::kills(&mut steps, count)?;
        }
        ["counts"] => counts::run(&mut steps, counts::Then::Compare)?,
        ["counts", "--write"] => counts::run(&mut steps, counts::Then::Write)?,
        ["agreement"] => fuzz::agreement(&mut steps)?,
        ["corpus"] => fuzz::merge(&mut steps)?,
        ["coverage"] => coverage::measure(&mut steps)?,
        ["docs"] => docs::check(&mut steps)?,
        ["docs", "--write"] => {
            steps.run("documents made from the table of keys", docs::write_made)?
        }
        ["bench", "--page"] => bench::write_page(&mut steps)?,
        ["bench", flags @ ..] => bench::run(&mut steps, flags)?,
        ["ci"] => ci::ci(&mut steps)?,
        ["nightly"] => ci::nightly(&mut steps)?,
        ["dist"] => dist::build(&mut steps)?,
        other => {
            bail!(
                "`{}` is no verb, or lacks an argument; these are:\n{VERBS}",
                other.join(" ")
            )
        }
    }
    steps.finish();
    Ok(())
}

const VERBS: &str = "\
cargo xtask VERB

  check                     fmt, clippy, layers, and deny when cargo-deny is installed
  test                      cargo test of the whole workspace
  layers                    who may import whom, and the other rules of docs/style.md a program can check
  deny                      bans, licences and sources of every dependency; installs cargo-deny when missing
  setup                     installs by apt and pip, when missing, the programs that tests use as peers (needs root)
  interop [--write]         other people's OCSP clients against the program, as a matrix; compares docs/interop.md or writes it
  fuzz TARGET [SECONDS]     runs one fuzz target; without SECONDS, one minute
  conformance               runs every test and writes docs/conformance.md from the results
  conformance --check       compares that page with the last run, and fails on what is open or does not fit
                            (both take --results FILE: the saved output of a run)
  conformance --mutants [RULE…]
                            shows that each defect of conformance/mutants turns its test red
  kills [COUNT]             kills commands of the CA at each write, fsync and rename, and shows that nothing is lost;
                            without COUNT, 5000 times
  counts [--write]          instructions of the hit path, beside bench/instructions.toml: more than 5 % above it fails;
                            or writes that file
  agreement                 our OCSP decoder beside another one, on every test vector and the fuzz corpus
  corpus                    takes what fuzz runs found into fuzz/corpus, no more than leads somewhere new
  coverage                  how much of the decoder's lines the fuzz corpus reaches; installs LLVM's tools when missing
  docs                      rustdoc without warnings, documents in step with the program, example configurations valid
  docs --write              make anew what is made from the table of keys
  bench [FLAG…]             ocspry beside other servers, in less than 25 minutes; installs them when missing (needs root), keeps
                            the raw results and writes docs/performance.md; --quick tries it in a minute and keeps nothing,
                            other flags are in bench/README.md
  bench --page              writes that page anew from the results that are there
  ci                        everything that a change must pass
  nightly                   everything that is run before a milestone is closed: ci, oldest Rust, kills, long fuzz, dist
  dist                      the binary as it ships: optimised, stripped, its size checked
";
