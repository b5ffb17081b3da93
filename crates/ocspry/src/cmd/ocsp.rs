//! `ocspry ocsp`: the line that starts the responder of `openssl ocsp`, one word changed.  From: `main`.  To: `serve`, with
//! the configuration that the flags amount to.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use ocspry_http::Limits;

use super::serve::{self, Manner, StartLines};
use crate::config::{ConfigOrigin, OpensslFlagError, OpensslFlags};
use crate::exchange_printer::ExchangePrinter;

/// The words behind `ocsp`: OpenSSL's flags have one dash, which is none of the spellings that the other verbs have.
#[derive(Debug, clap::Args)]
pub(crate) struct OcspArguments {
    /// See `ocspry ocsp -help`
    #[arg(
        value_name = "FLAGS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) words: Vec<OsString>,
}

/// Serves until told to stop, or until `-nrequest` requests have been answered.
///
/// # Errors
/// One line for each thing that keeps it from starting.
pub(crate) fn run(words: &[OsString]) -> Result<ExitCode> {
    let flags = match OpensslFlags::parse(words) {
        Ok(flags) => flags,
        Err(OpensslFlagError::Help) => {
            // Nobody may be reading.
            let _ = io::stdout().write_all(HELP.as_bytes());
            return Ok(ExitCode::SUCCESS);
        }
        Err(error) => {
            let help = error.help(words);
            let help = help.map(|help| format!("\n  help: {help}"));
            let _ = writeln!(io::stderr(), "error: {error}{}", help.unwrap_or_default());
            return Ok(ExitCode::from(WRONG_USAGE));
        }
    };
    let manner = Manner {
        workers: flags.workers,
        limits: limits(&flags),
        printer: printer(&flags)?,
        start: StartLines::Accept,
    };
    serve::serve_in(ConfigOrigin::Openssl(Box::new(flags)), manner, |_| {
        String::new()
    })
}

/// As for every other verb.
const WRONG_USAGE: u8 = 2;

fn limits(flags: &OpensslFlags) -> Limits {
    let usual = Limits::DEFAULT;
    Limits {
        idle: flags.timeout.unwrap_or(usual.idle),
        request: flags.timeout.unwrap_or(usual.request),
        ..usual
    }
}

/// Only where something is to be printed or counted.
fn printer(flags: &OpensslFlags) -> Result<Option<ExchangePrinter>> {
    let prints = flags.prints_requests || flags.prints_responses || flags.out.is_some();
    if !prints && flags.requests_max.is_none() {
        return Ok(None);
    }
    let out: Box<dyn Write + Send> = match &flags.out {
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("{} cannot be written", path.display()))?,
        ),
        None => Box::new(io::stdout()),
    };
    Ok(Some(ExchangePrinter {
        out,
        prints_requests: flags.prints_requests,
        prints_responses: flags.prints_responses,
        requests_max: flags.requests_max,
    }))
}

pub(crate) const HELP: &str = "\
Serves what an OpenSSL index says, with the flags that `openssl ocsp` has for its responder

Usage: ocspry ocsp -index FILE -port PORT -rsigner FILE -rkey FILE -CA FILE [flags]

  -index FILE       index.txt of `openssl ca`; followed when it changes
  -port PORT        port, on all addresses of this machine; 0 takes a free one
  -CA FILE          the CA's certificate; several CAs share the index
  -rsigner FILE     certificate that answers are signed with: of the CA, or from it with OCSPSigning
  -rkey FILE        its private key [default: in the file of -rsigner]
  -passin SOURCE    passphrase of the key: file:FILE, fd:NUMBER, env:VARIABLE or stdin
  -rother FILE      more certificates to enclose in answers
  -resp_no_certs    enclose no certificates
  -resp_key_id      name the signer by its key, not by its subject
  -ndays DAYS       how long an answer holds, together with
  -nmin MINUTES     [default: 12 hours]
  -rmd HASH         weakest hash to sign with: sha256, sha384 or sha512
  -rsigopt OPTION   only rsa_padding_mode:pkcs1, which is what is done
  -nrequest COUNT   end after so many requests
  -timeout SECONDS  how long a client may take for its request
  -multi COUNT      threads that answer [default: one for each processor]
  -ignore_err       accepted: nothing that a client sends ends the program
  -text             print requests and answers; -req_text, -resp_text: the ones or the others
  -out FILE         print there, not on standard output; what was in the file is lost

To ask a responder, use `openssl ocsp` itself.  Exit codes: 0 done, 1 failed, 2 wrong usage.
";
