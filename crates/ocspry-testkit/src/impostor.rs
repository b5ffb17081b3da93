//! An OCSP responder that lies as it is told, so that a client's refusal can be seen (RFC 6960 §3.2).
//!
//! A client that says `good` to our answers proves little until it has refused one that it must refuse.  [`Lie::None`]
//! is the control: the same server, the same bytes but for the lie, and the client is satisfied.  From: a test.  To: any
//! client that asks over HTTP ([`Impostor`]), or a file that is stapled ([`crafted_response`]).

use crate::authority::{Authority, CertificateSpec, Credential, now};
use crate::crl::forge;
use crate::encode::{bit_string, element, generalized_time, oid, sequence};
use crate::key::{KeyKind, TestKey};
use crate::request::nonce_extension;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ocspry_wire::der::{oid as known, tag};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, OcspRequest};
use ocspry_wire::x509::{Certificate, SubjectPublicKeyInfo};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is wrong with an answer; everything else about it is right.
#[derive(Clone, Debug)]
pub enum Lie {
    /// Nothing: a client must accept it.
    None,
    /// One bit of the signature is turned.
    ForgedSignature,
    /// Its window ended a day ago.  Whoever signed it could then and can now: only the window is wrong.
    Expired,
    /// Signed by a delegate with OCSPSigning that a CA nobody knows has issued; its certificate is enclosed.
    ForeignDelegate,
    /// Signed by this delegate of another CA, with these certificates enclosed: one whose chain a client may trust,
    /// and which has no authority over the issuer all the same (RFC 6960 §4.2.2.2).
    DelegateOf(Arc<OtherDelegate>),
    /// This status, whatever is asked; no lie in itself.
    Status(CertStatus),
    /// This error, unsigned.
    ErrorStatus(ErrorStatus),
    /// The nonce of the request is left out.
    WithoutNonce,
    /// This HTTP status and no body.
    HttpStatus(u16),
    /// No answer at all, and the connection stays open.
    Hang,
}

/// A delegate of a CA that is not the issuer's.
#[derive(Debug)]
pub struct OtherDelegate {
    credential: Credential,
    chain: Vec<Vec<u8>>,
}

impl OtherDelegate {
    /// A delegate of `authority`, whose certificate is enclosed too.
    pub fn of(authority: &Authority) -> OtherDelegate {
        OtherDelegate {
            credential: authority
                .issue_with_key(&CertificateSpec::responder("Other delegate"), KeyKind::P256),
            chain: vec![authority.certificate.clone()],
        }
    }

    /// A delegate of a root that nobody knows, alone.
    fn of_a_stranger() -> OtherDelegate {
        let stranger = Authority::root("A stranger's root", KeyKind::P256);
        OtherDelegate {
            credential: stranger.responder(KeyKind::P256),
            chain: Vec::new(),
        }
    }
}

/// An OCSPResponse for these CertIDs (whole SEQUENCEs), signed by `credential`, with this nonce, and this lie in it.
///
/// A credential that is the issuer's own is not enclosed.  The status is good unless the lie says otherwise; the window
/// is from a minute ago to an hour ahead.  Panics for the lies that are told by HTTP alone.
pub fn crafted_response(
    issuer: &Authority,
    credential: &Credential,
    cert_ids: &[Vec<u8>],
    nonce: Option<&[u8]>,
    lie: &Lie,
) -> Vec<u8> {
    Mask::new(issuer, credential, lie).response(cert_ids, nonce)
}

/// Who signs, what is enclosed and what is wrong.
#[derive(Debug)]
struct Mask {
    key: TestKey,
    certificates: Vec<Vec<u8>>,
    key_hash: Vec<u8>,
    lie: Lie,
}

impl Mask {
    fn new(issuer: &Authority, credential: &Credential, lie: &Lie) -> Mask {
        let other = match lie {
            Lie::ForeignDelegate => Some(Arc::new(OtherDelegate::of_a_stranger())),
            Lie::DelegateOf(other) => Some(Arc::clone(other)),
            _ => None,
        };
        let signer = other.as_ref().map_or(credential, |other| &other.credential);
        let mut certificates = Vec::new();
        if signer.certificate != issuer.certificate {
            certificates.push(signer.certificate.clone());
        }
        if let Some(other) = &other {
            certificates.extend(other.chain.iter().cloned());
        }
        let certificate = Certificate::from_der(&signer.certificate).expect("a certificate");
        Mask {
            key: signer.key.clone(),
            certificates,
            key_hash: key_hash(&certificate.public_key),
            lie: lie.clone(),
        }
    }

    fn response(&self, cert_ids: &[Vec<u8>], nonce: Option<&[u8]>) -> Vec<u8> {
        let (age, life, status, nonce) = match &self.lie {
            Lie::ErrorStatus(status) => return status.der().to_vec(),
            Lie::HttpStatus(_) | Lie::Hang => panic!("{:?} is no answer", self.lie),
            Lie::Expired => (2 * DAY, DAY, CertStatus::Good, nonce),
            Lie::Status(status) => (MINUTE, 61 * MINUTE, *status, nonce),
            Lie::WithoutNonce => (MINUTE, 61 * MINUTE, CertStatus::Good, None),
            Lie::None | Lie::ForgedSignature | Lie::ForeignDelegate | Lie::DelegateOf(_) => {
                (MINUTE, 61 * MINUTE, CertStatus::Good, nonce)
            }
        };
        let this_update = now().plus_seconds(-age);
        let next_update = this_update.plus_seconds(life);
        let singles: Vec<u8> = cert_ids
            .iter()
            .flat_map(|cert_id| {
                sequence(&[
                    cert_id,
                    &cert_status_der(status),
                    &generalized_time(this_update),
                    &element(tag::context(0), &generalized_time(next_update)),
                ])
            })
            .collect();
        let responder_id = element(tag::context(2), &element(tag::OCTET_STRING, &self.key_hash));
        let extensions = nonce.map_or_else(Vec::new, |nonce| {
            element(tag::context(1), &sequence(&[&nonce_extension(nonce)]))
        });
        let data = sequence(&[
            &responder_id,
            &generalized_time(this_update),
            &element(tag::SEQUENCE, &singles),
            &extensions,
        ]);
        let mut signature = self.key.sign(&data);
        if matches!(self.lie, Lie::ForgedSignature) {
            signature = forge(&signature);
        }
        let enclosed = if self.certificates.is_empty() {
            Vec::new()
        } else {
            let list = element(tag::SEQUENCE, &self.certificates.concat());
            element(tag::context(0), &list)
        };
        let basic = sequence(&[
            &data,
            self.key.kind().signature_algorithm().der(),
            &bit_string(&signature),
            &enclosed,
        ]);
        let bytes = sequence(&[&oid(known::OCSP_BASIC), &element(tag::OCTET_STRING, &basic)]);
        sequence(&[
            &element(tag::ENUMERATED, &[0]),
            &element(tag::context(0), &bytes),
        ])
    }
}

/// An HTTP server on a free port of 127.0.0.1 that answers OCSP by POST and GET as it was told.
#[derive(Debug)]
pub struct Impostor {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    mask: Mask,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    streams: Vec<TcpStream>,
    /// Method and OCSPRequest.
    requests: Vec<(String, Vec<u8>)>,
}

impl Impostor {
    /// Starts it; `credential` is who would sign if there were no lie: a delegate of `issuer`, or the issuer itself
    /// ([`Authority::credential`]).
    pub fn start(issuer: &Authority, credential: &Credential, lie: Lie) -> Impostor {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            mask: Mask::new(issuer, credential, &lie),
            state: Mutex::default(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Impostor {
            address,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The OCSP requests that have come, in order: a client that never asked has refused nothing.
    pub fn requests(&self) -> Vec<Vec<u8>> {
        let state = self.shared.lock();
        let requests = state.requests.iter().map(|(_, request)| request.clone());
        requests.collect()
    }

    /// The HTTP methods by which they have come.
    pub fn methods(&self) -> Vec<String> {
        let state = self.shared.lock();
        let methods = state.requests.iter().map(|(method, _)| method.clone());
        methods.collect()
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.stopped = true;
            for stream in &state.streams {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        // Whatever it is, the next connection makes the acceptor look at `stopped`.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic under this lock")
    }
}

/// One thread for each connection; returns when all of them have ended.
fn accept(listener: &TcpListener, shared: &Shared) {
    std::thread::scope(|scope| {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let mut state = shared.lock();
            if state.stopped {
                return;
            }
            let Ok(other_end) = stream.try_clone() else {
                continue;
            };
            state.streams.push(other_end);
            drop(state);
            scope.spawn(move || {
                // What a client does to its own connection is its own affair.
                let _ = serve(&stream, shared);
                // The other end in the list would keep it open, and some clients read to the end.
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    });
}

/// Answers what comes over one connection, until one side has had enough.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_MAX))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = Head::read(&mut reader)? {
        if head.expects_continue {
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; head.content_length.min(BODY_BYTES_MAX)];
        reader.read_exact(&mut body)?;
        let request = match head.method.as_str() {
            "POST" => Some(body),
            "GET" => request_in_path(&head.target),
            _ => None,
        };
        let Some(request) = request else {
            respond(reader.get_mut(), &head, 404, &[])?;
            continue;
        };
        let asked = (head.method.clone(), request.clone());
        shared.lock().requests.push(asked);
        match &shared.mask.lie {
            Lie::HttpStatus(status) => respond(reader.get_mut(), &head, *status, &[])?,
            Lie::Hang => {
                // Until the client goes, or this server does.
                io::copy(&mut reader, &mut io::sink())?;
                return Ok(());
            }
            _ => {
                let body = match OcspRequest::from_der(&request) {
                    Err(_) => ErrorStatus::MalformedRequest.der().to_vec(),
                    Ok(request) => {
                        let cert_ids: Vec<Vec<u8>> = request
                            .single_requests()
                            .map(|single| single.cert_id.der.to_vec())
                            .collect();
                        let nonce = request.nonce.map(|nonce| nonce.octets());
                        shared.mask.response(&cert_ids, nonce)
                    }
                };
                respond(reader.get_mut(), &head, 200, &body)?;
            }
        }
        if !head.keeps_alive {
            return Ok(());
        }
    }
    Ok(())
}

fn respond(stream: &mut &TcpStream, head: &Head, status: u16, body: &[u8]) -> io::Result<()> {
    let connection = if head.keeps_alive {
        "keep-alive"
    } else {
        "close"
    };
    let mut message = format!(
        "HTTP/1.1 {status} As told\r\nContent-Type: application/ocsp-response\r\n\
         Content-Length: {}\r\nConnection: {connection}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    stream.write_all(&message)
}

/// What the first lines of an HTTP request say.
struct Head {
    method: String,
    target: String,
    content_length: usize,
    expects_continue: bool,
    keeps_alive: bool,
}

impl Head {
    /// None = the client has closed between two requests.
    fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Head>> {
        let mut lines = Vec::new();
        let mut head = reader.by_ref().take(HEAD_BYTES_MAX);
        loop {
            let mut line = String::new();
            if head.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            lines.push(line.to_owned());
        }
        let mut lines = lines.into_iter();
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let mut head = Head {
            method: method.unwrap_or_default().to_owned(),
            target: target.unwrap_or_default().to_owned(),
            content_length: 0,
            expects_continue: false,
            keeps_alive: version == Some("HTTP/1.1"),
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim().to_ascii_lowercase();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.content_length = value.parse().unwrap_or(0),
                "expect" => head.expects_continue = value == "100-continue",
                "connection" if value.contains("close") => head.keeps_alive = false,
                "connection" if value.contains("keep-alive") => head.keeps_alive = true,
                _ => {}
            }
        }
        Ok(Some(head))
    }
}

/// The request that a GET path ends in, whatever stands before it (RFC 6960 §A.1).
fn request_in_path(target: &str) -> Option<Vec<u8>> {
    let starts = target.match_indices('/').map(|(at, _)| at + 1);
    starts
        .filter_map(|start| STANDARD.decode(percent_decoded(&target[start..])).ok())
        .find(|request| OcspRequest::from_der(request).is_ok())
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| behind.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            &behind[2..]
        } else {
            behind
        };
    }
    decoded
}

/// CertStatus (RFC 6960 §4.2.1).
fn cert_status_der(status: CertStatus) -> Vec<u8> {
    match status {
        CertStatus::Good => element(tag::context_primitive(0), &[]),
        CertStatus::Unknown => element(tag::context_primitive(2), &[]),
        CertStatus::Revoked(info) => {
            let reason = info.reason.map_or_else(Vec::new, |reason| {
                let code = element(tag::ENUMERATED, &[reason.code()]);
                element(tag::context(0), &code)
            });
            let content = [generalized_time(info.revocation_time), reason].concat();
            element(tag::context(1), &content)
        }
    }
}

/// KeyHash of a ResponderID: SHA-1 of the key bits.
fn key_hash(key: &SubjectPublicKeyInfo<'_>) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.key_bits)
        .as_ref()
        .to_vec()
}

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// Longest silence of a client between two octets: longer than any client's own patience in these tests.
const IDLE_MAX: Duration = Duration::from_secs(60);
const HEAD_BYTES_MAX: u64 = 64 << 10;
const BODY_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Reply;
    use crate::http::{HttpClient, base64_path, percent_encoded};
    use crate::request::{RequestSpec, cert_id};
    use ocspry_wire::ocsp::HashAlgorithm;

    #[test]
    fn without_a_lie_the_answer_is_accepted_by_post_and_get_and_with_each_it_is_not_what_it_was() {
        let ca = Authority::root("Site", KeyKind::P256);
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &ca, &[7]))
            .with_extension(nonce_extension(&[9; 16]))
            .der();
        for signer in [ca.credential(), ca.responder(KeyKind::P256)] {
            let honest = Impostor::start(&ca, &signer, Lie::None);
            let mut client = HttpClient::connect(honest.port()).expect("it listens");
            let path = base64_path(&request);
            let bodies = [
                client.post(&request).expect("an answer").body,
                client.get(&path).expect("an answer").body,
                client.get(&percent_encoded(&path)).expect("an answer").body,
                client.get(&format!("/a{path}")).expect("an answer").body,
            ];
            for body in bodies {
                let reply = Reply::check(&body, &ca).signed();
                assert_eq!(reply.nonce, Some(vec![9; 16]));
                assert_eq!(reply.singles[0].status, CertStatus::Good);
            }
            assert_eq!(honest.requests().len(), 4);

            let sibling = Arc::new(OtherDelegate::of(&Authority::root("B", KeyKind::P256)));
            for lie in [
                Lie::ForgedSignature,
                Lie::ForeignDelegate,
                Lie::DelegateOf(sibling),
            ] {
                let impostor = Impostor::start(&ca, &signer, lie.clone());
                let mut client = HttpClient::connect(impostor.port()).expect("it listens");
                let body = client.post(&request).expect("an answer").body;
                assert!(Reply::try_check(&body, &ca).is_err(), "{lie:?}");
            }
            let told = |lie: Lie| {
                let body = crafted_response(
                    &ca,
                    &signer,
                    &[cert_id(HashAlgorithm::Sha1, &ca, &[7])],
                    Some(&[9; 16]),
                    &lie,
                );
                Reply::check(&body, &ca)
            };
            assert!(told(Lie::WithoutNonce).signed().nonce.is_none());
            let unknown = told(Lie::Status(CertStatus::Unknown)).single().status;
            assert_eq!(unknown, CertStatus::Unknown);
            let error = told(Lie::ErrorStatus(ErrorStatus::TryLater));
            assert_eq!(error, Reply::Error(ErrorStatus::TryLater));
        }
    }

    #[test]
    fn a_server_that_hangs_ends_when_it_is_dropped() {
        let ca = Authority::root("Site", KeyKind::P256);
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &ca, &[7])).der();
        let impostor = Impostor::start(&ca, &ca.credential(), Lie::Hang);
        let mut client = HttpClient::connect(impostor.port()).expect("it listens");
        client
            .send(
                format!(
                    "POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
                    request.len()
                )
                .as_bytes(),
            )
            .expect("it reads");
        client.send(&request).expect("it reads");
        crate::wait::wait_until("the request came", Duration::from_secs(20), || {
            !impostor.requests().is_empty()
        });
        drop(impostor);
        assert!(client.is_closed().expect("the end"));
    }

    #[test]
    fn a_client_of_http_1_0_sees_the_end_of_the_answer() {
        let ca = Authority::root("Site", KeyKind::P256);
        let path = base64_path(&RequestSpec::one(cert_id(HashAlgorithm::Sha1, &ca, &[7])).der());
        let impostor = Impostor::start(&ca, &ca.credential(), Lie::None);
        let mut client = HttpClient::connect(impostor.port()).expect("it listens");
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        client.send(request.as_bytes()).expect("it reads");
        client.receive(true).expect("an answer");
        assert!(client.is_closed().expect("the end"));
    }

    #[test]
    fn an_http_status_comes_without_a_body() {
        let ca = Authority::root("Site", KeyKind::P256);
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &ca, &[7])).der();
        let impostor = Impostor::start(&ca, &ca.credential(), Lie::HttpStatus(503));
        let mut client = HttpClient::connect(impostor.port()).expect("it listens");
        let response = client.post(&request).expect("an answer");
        assert_eq!((response.status, response.body.len()), (503, 0));
    }
}
