//! One download: ask, follow redirects, write what comes into a file, all within bounds.
//!
//! From: `worker`, which says when.  To: a spool file, or why there is none.  Every hop is a connection of its own, so that
//! every hop's address is checked.  Nothing is decoded: what a CA signed is what must arrive, and a compressed answer could
//! grow to any size (RFC 9110, RFC 9112; RFC 5280 §4.2.1.13 names http for CRLs).

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, LOCATION,
    TRANSFER_ENCODING,
};
use reqwest::{Client, ClientBuilder, Response, Url, redirect};
use tokio::time::{Instant, timeout_at};

use super::FetchLimits;
use super::address::{Reach, RefusedAddress};
use super::problem::{FetchProblem, shown};
use super::spool::SpoolFile;
use super::url::{CrlUrl, literal_address, redirected};
use super::validators::Validators;

/// What a download came to.
#[derive(Debug)]
pub(super) enum Downloaded {
    NotModified,
    New {
        file: SpoolFile,
        validators: Validators,
    },
}

/// The HTTP client of one hop.  It keeps nothing, so a new one costs little; one for https reads the system's CA
/// certificates, which may have changed since the last time.  One for http trusts nobody, and works in a container
/// without any.
fn client(limits: &FetchLimits, reach: Reach, hop: &Url) -> Result<Client, FetchProblem> {
    let builder = builder(limits, reach);
    if hop.scheme() == "https" {
        let built = builder.build();
        built.map_err(|error| FetchProblem::NoTrustStore {
            problem: innermost(&error),
        })
    } else {
        let built = builder.tls_certs_only([]).build();
        built.map_err(|error| FetchProblem::Connect {
            problem: innermost(&error),
        })
    }
}

fn builder(limits: &FetchLimits, reach: Reach) -> ClientBuilder {
    let identity = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
    Client::builder()
        .user_agent(concat!("ocspry/", env!("CARGO_PKG_VERSION")))
        .default_headers(identity)
        .dns_resolver(CheckingResolver { reach })
        .connect_timeout(limits.connect_timeout)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        // A kept connection would be one whose address was checked for another hop.
        .pool_max_idle_per_host(0)
}

/// Downloads the list, if it is another one than that of the validators.
///
/// Bounded by every field of the limits.  Dropping the future ends the connection and removes the file.
///
/// # Errors
/// [`FetchProblem`]; no file is left then.
pub(super) async fn download(
    limits: &FetchLimits,
    url: &CrlUrl,
    known: &Validators,
    directory: &Path,
) -> Result<Downloaded, FetchProblem> {
    let mut download = Download {
        limits,
        url,
        known,
        end: Instant::now() + limits.total_timeout,
        bytes: 0,
    };
    let mut hop = url.first_hop().clone();
    let mut redirects_left = limits.redirects_max;
    loop {
        let step = download.hop(&hop, directory).await;
        let next = match step {
            Ok(Step::Done(downloaded)) => return Ok(downloaded),
            Ok(Step::Redirect(_)) if redirects_left == 0 => Err(FetchProblem::Redirects {
                redirects_max: limits.redirects_max,
            }),
            Ok(Step::Redirect(to)) => Ok(to),
            Err(problem) if &hop == url.first_hop() => Err(problem),
            Err(problem) => Err(FetchProblem::Redirected {
                to: shown(hop.as_str()),
                problem: Box::new(problem),
            }),
        };
        hop = next?;
        redirects_left -= 1;
    }
}

struct Download<'a> {
    limits: &'a FetchLimits,
    url: &'a CrlUrl,
    known: &'a Validators,
    end: Instant,
    /// Octets of the list so far.
    bytes: u64,
}

enum Step {
    Redirect(Url),
    Done(Downloaded),
}

impl Download<'_> {
    async fn hop(&mut self, hop: &Url, directory: &Path) -> Result<Step, FetchProblem> {
        let response = self.ask(hop).await?;
        match response.status().as_u16() {
            200 => {
                let downloaded = self.take(response, directory).await?;
                Ok(Step::Done(downloaded))
            }
            304 if self.known.is_empty() => Err(FetchProblem::NotModifiedUnasked),
            304 => Ok(Step::Done(Downloaded::NotModified)),
            status @ (301 | 302 | 303 | 307 | 308) => match response.headers().get(LOCATION) {
                Some(location) => redirected(hop, location.as_bytes()).map(Step::Redirect),
                None => Err(FetchProblem::Status { status }),
            },
            status => Err(FetchProblem::Status { status }),
        }
    }

    /// Asks; what comes back is the head of the answer.
    async fn ask(&self, hop: &Url) -> Result<Response, FetchProblem> {
        let reach = self.url.reach(hop);
        if let Some(address) = literal_address(hop) {
            // No name to resolve: the resolver would not be asked.
            reach
                .check(address)
                .map_err(|refused| FetchProblem::Address { refused })?;
        }
        let request = client(self.limits, reach, hop)?
            .get(hop.clone())
            .headers(self.known.conditions());
        // Connecting has a limit of its own, within this one.
        let silence = self.limits.connect_timeout + self.limits.silence_timeout;
        match self.within(silence, request.send()).await? {
            Ok(response) => Ok(response),
            Err(error) => Err(self.no_response(&error)),
        }
    }

    /// Writes the answer's body to a file.  The response goes last: a connection that is seen to end tells that the file
    /// is gone.
    async fn take(
        &mut self,
        mut response: Response,
        directory: &Path,
    ) -> Result<Downloaded, FetchProblem> {
        let headers = response.headers();
        refuse_encoded(headers)?;
        let validators = Validators::from_headers(headers);
        let announced = response.content_length();
        self.refuse_too_large(announced.unwrap_or(0))?;
        let mut file = SpoolFile::create(directory)?;
        loop {
            let chunk = match self
                .within(self.limits.silence_timeout, response.chunk())
                .await?
            {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    return Err(FetchProblem::BrokeOff {
                        bytes: self.bytes,
                        problem: innermost(&error),
                    });
                }
            };
            self.bytes += chunk.len() as u64;
            self.refuse_too_large(self.bytes)?;
            file.write(&chunk)?;
        }
        if self.bytes == 0 {
            return Err(FetchProblem::Empty);
        }
        Ok(Downloaded::New { file, validators })
    }

    fn refuse_too_large(&self, bytes: u64) -> Result<(), FetchProblem> {
        let bytes_max = self.limits.bytes_max;
        if bytes > bytes_max {
            return Err(FetchProblem::TooLarge { bytes, bytes_max });
        }
        Ok(())
    }

    /// Waits for something to come, until this much silence or the end of the whole download.
    async fn within<T>(
        &self,
        silence: Duration,
        coming: impl Future<Output = T>,
    ) -> Result<T, FetchProblem> {
        let silent_at = Instant::now() + silence;
        let until = silent_at.min(self.end);
        timeout_at(until, coming).await.map_err(|_| {
            let bytes = self.bytes;
            if silent_at < self.end {
                let after = silence;
                FetchProblem::Silent { after, bytes }
            } else {
                let after = self.limits.total_timeout;
                FetchProblem::Slow { after, bytes }
            }
        })
    }

    fn no_response(&self, error: &reqwest::Error) -> FetchProblem {
        if let Some(refused) = cause::<RefusedAddress>(error) {
            FetchProblem::Address { refused: *refused }
        } else if error.is_dns() {
            FetchProblem::Unresolved {
                problem: innermost(error),
            }
        } else if error.is_connect() && error.is_timeout() {
            FetchProblem::ConnectTime {
                after: self.limits.connect_timeout,
            }
        } else if let Some(problem) = untrusted(error) {
            FetchProblem::Untrusted { problem }
        } else if error.is_connect() {
            FetchProblem::Connect {
                problem: innermost(error),
            }
        } else {
            FetchProblem::NoAnswer {
                problem: innermost(error),
            }
        }
    }
}

/// Compressed octets are not a list, and unpacking them is not bounded by what came.
fn refuse_encoded(headers: &HeaderMap) -> Result<(), FetchProblem> {
    let is_plain = |name: HeaderName, plain: &str| {
        headers
            .get_all(&name)
            .iter()
            .find(|value| !value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
            .map(|value| shown(&String::from_utf8_lossy(value.as_bytes())))
    };
    let encoding =
        is_plain(CONTENT_ENCODING, "identity").or_else(|| is_plain(TRANSFER_ENCODING, "chunked"));
    match encoding {
        Some(encoding) => Err(FetchProblem::Encoded { encoding }),
        None => Ok(()),
    }
}

/// The system's resolver, without the addresses that are out of reach.
struct CheckingResolver {
    reach: Reach,
}

impl Resolve for CheckingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let host = (name.as_str(), 0);
            let found: Vec<SocketAddr> = tokio::net::lookup_host(host).await?.collect();
            let within = within_reach(reach, found.iter().map(SocketAddr::ip))?;
            let addresses = within
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// The addresses that may be connected to.
///
/// # Errors
/// There are addresses, and none of them may.
fn within_reach(
    reach: Reach,
    found: impl Iterator<Item = IpAddr>,
) -> Result<Vec<IpAddr>, RefusedAddress> {
    let mut within = Vec::new();
    let mut last_refused = None;
    for address in found {
        match reach.check(address) {
            Ok(()) => within.push(address),
            Err(refused) => last_refused = Some(refused),
        }
    }
    match last_refused {
        Some(refused) if within.is_empty() => Err(refused),
        Some(_) | None => Ok(within),
    }
}

/// What is wrong with the server's certificate, if that is it; by rustls's words, whose type is none of our dependencies.
fn untrusted(error: &reqwest::Error) -> Option<String> {
    let text = innermost(error);
    let problem = text.strip_prefix("invalid peer certificate: ")?;
    Some(problem.to_owned())
}

fn cause<T: Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// The first cause, which says what happened; those around it say where in the library.
fn innermost(error: &reqwest::Error) -> String {
    let text = causes(error).last().map(ToString::to_string);
    shown(&text.unwrap_or_else(|| error.to_string()))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| {
        (*cause).source()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split_whitespace()
            .map(|address| address.parse().unwrap())
            .collect()
    }

    #[test]
    fn crl_28_of_a_names_addresses_only_those_within_reach_are_connected_to() {
        let within = |reach, found| within_reach(reach, addresses(found).into_iter());
        let mixed = "10.0.0.1 8.8.8.8 169.254.169.254 ::1";
        assert_eq!(within(Reach::Public, mixed), Ok(addresses("8.8.8.8")));
        assert_eq!(
            within(Reach::Inside, mixed),
            Ok(addresses("10.0.0.1 8.8.8.8 ::1"))
        );
        let refused = within(Reach::Inside, "169.254.169.254").unwrap_err();
        assert!(refused.to_string().contains("link-local"), "{refused}");
        assert_eq!(within(Reach::Public, ""), Ok(Vec::new()));
    }
}
