//! The response verifier: it takes any octets, believes nothing that was not signed by one who may, and reads what it
//! believes as another decoder does.
//!
//! Three kinds of input: octets as they come; a true response with some octets changed; and a response whose inside was
//! changed *before* it was signed, so that the fuzzer gets past the signature.

#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ocspry_core::verify::{MissingNextUpdate, MissingNonce};
use ocspry_core::{CredentialKind, OwnedCertificate, ResponseCheck, VerifiedResponse, crypto};
use ocspry_fuzz::ask;
use ocspry_fuzz::pki::{CertificateSpec, Key, NOW, issuer_certificate, name};
use ocspry_wire::Time;
use ocspry_wire::der::write::{push, push_nested};
use ocspry_wire::der::{oid, tag};
use ocspry_wire::ocsp::{CertStatus, HashAlgorithm, OcspResponse};
use ocspry_wire::x509::SignatureAlgorithm;

fuzz_target!(|input: Input<'_>| {
    let client = &CLIENTS[usize::from(input.client) % CLIENTS.len()];
    match input.response {
        Response::Octets(octets) => {
            if let Ok(verified) = client.check().run(octets) {
                believed(octets, &verified, None);
            }
        }
        Response::Changed { which, changes } => {
            let original = &TRUE_RESPONSES[usize::from(which) % TRUE_RESPONSES.len()];
            let changed = apply(original, &changes);
            if let Ok(verified) = client.check().run(&changed) {
                believed(&changed, &verified, None);
            }
        }
        Response::Signed {
            signer,
            data,
            changes,
        } => {
            let data = &DATA[usize::from(data) % DATA.len()];
            let signer = &SIGNERS[usize::from(signer) % SIGNERS.len()];
            let data = apply(&signer.response_data(data), &changes);
            let response = signer.response(&data);
            if let Ok(verified) = client.check().run(&response) {
                assert!(signer.may_answer, "{} may not answer", signer.what);
                believed(&response, &verified, Some(&data));
                client.would_believe(&response, &verified);
            }
        }
    }
});

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    client: u8,
    response: Response<'a>,
}

#[derive(Arbitrary, Debug)]
enum Response<'a> {
    Octets(&'a [u8]),
    Changed {
        which: u8,
        changes: Vec<Change<'a>>,
    },
    Signed {
        signer: u8,
        data: u8,
        changes: Vec<Change<'a>>,
    },
}

#[derive(Arbitrary, Debug)]
enum Change<'a> {
    /// Flips bits of one octet.
    Flip { place: u16, bits: u8 },
    /// Puts octets in place of some.
    Splice {
        place: u16,
        removed: u8,
        added: &'a [u8],
    },
}

fn apply(original: &[u8], changes: &[Change<'_>]) -> Vec<u8> {
    let mut octets = original.to_vec();
    for change in changes {
        match change {
            Change::Flip { place, bits } => {
                let place = usize::from(*place) % octets.len().max(1);
                if let Some(octet) = octets.get_mut(place) {
                    *octet ^= bits;
                }
            }
            Change::Splice {
                place,
                removed,
                added,
            } => {
                let start = usize::from(*place) % (octets.len() + 1);
                let end = (start + usize::from(*removed)).min(octets.len());
                octets.splice(start..end, added.iter().copied());
            }
        }
    }
    octets
}

/// What is believed was really signed, octet for octet, by the one it is put down to.
fn believed(response: &[u8], verified: &VerifiedResponse, also_signed: Option<&[u8]>) {
    let response = OcspResponse::from_der(response).expect("it was read before");
    let basic = response.basic.expect("an error is not believed");
    let signed = basic.tbs_response_data;
    let is_true = TRUE_DATA.iter().any(|data| data == signed) || also_signed == Some(signed);
    assert!(is_true, "nobody signed this: {signed:02x?}");
    assert_eq!(verified.signature_algorithm, SignatureAlgorithm::Ed25519);
    let signers: &[Signer] = &SIGNERS;
    let by_it = signers.iter().find(|signer| {
        let view = signer.certificate.view();
        let algorithm = Some(SignatureAlgorithm::Ed25519);
        signer.may_answer
            && crypto::verify(algorithm, &view.public_key, signed, basic.signature).is_ok()
    });
    let by_it = by_it.expect("one who may answer signed it");
    assert_eq!(verified.signer, by_it.kind);
}

/// A client: what it asked, and when it looks at the answer.
struct Client {
    issuer: OwnedCertificate,
    cert_ids: Vec<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    missing_nonce: MissingNonce,
    missing_next_update: MissingNextUpdate,
    now: Time,
}

const TOLERANCE: i64 = 60;

impl Client {
    fn check(&self) -> Check<'_> {
        Check {
            client: self,
            cert_ids: self.cert_ids.iter().map(Vec::as_slice).collect(),
        }
    }

    /// The other decoder's reading of a response that was believed: is every rule kept?
    fn would_believe(&self, response: &[u8], verified: &VerifiedResponse) {
        let outer: rasn_ocsp::OcspResponse = rasn::der::decode(response).expect("outer");
        let bytes = outer.bytes.expect("a body");
        let Ok(basic) = rasn::der::decode::<rasn_ocsp::BasicOcspResponse>(&bytes.response) else {
            // It opens names and certificates, which our decoder leaves closed.
            return;
        };
        let data = basic.tbs_response_data;
        let (now, tolerance) = (self.now.unix_seconds(), TOLERANCE);
        assert!(data.produced_at.timestamp() <= now + tolerance);
        assert_eq!(
            data.produced_at.timestamp(),
            verified.produced_at.unix_seconds()
        );
        let cert_id = |single: &rasn_ocsp::SingleResponse| {
            rasn::der::encode(&single.cert_id).expect("it was decoded")
        };
        for single in &data.responses {
            assert!(self.cert_ids.contains(&cert_id(single)));
            assert!(single.this_update.timestamp() <= now + tolerance);
            let end = match (&single.next_update, self.missing_next_update) {
                (Some(next_update), _) => next_update.timestamp(),
                (None, MissingNextUpdate::AgeMax(age)) => {
                    single.this_update.timestamp() + i64::try_from(age.as_secs()).expect("short")
                }
                (None, MissingNextUpdate::Refused) => panic!("no nextUpdate"),
            };
            assert!(end >= now - tolerance);
        }
        assert_eq!(verified.singles.len(), self.cert_ids.len());
        for (asked, verified) in self.cert_ids.iter().zip(&verified.singles) {
            let about_it = |single: &&rasn_ocsp::SingleResponse| cert_id(single) == *asked;
            let mut singles = data.responses.iter().filter(about_it).peekable();
            assert!(
                singles.peek().is_some(),
                "nothing is said of what was asked"
            );
            for single in singles {
                match (&single.cert_status, verified.cert_status) {
                    (rasn_ocsp::CertStatus::Good, CertStatus::Good)
                    | (rasn_ocsp::CertStatus::Unknown(()), CertStatus::Unknown) => {}
                    (rasn_ocsp::CertStatus::Revoked(info), CertStatus::Revoked(ours)) => {
                        let time = info.revocation_time.timestamp();
                        assert_eq!(time, ours.revocation_time.unix_seconds());
                    }
                    (theirs, ours) => panic!("{theirs:?}, but {ours:?}"),
                }
            }
        }
        let nonce = data.response_extensions.and_then(|extensions| {
            let nonce = extensions.iter().find(|extension| {
                let identifier = rasn::der::encode(&extension.extn_id).expect("it was decoded");
                identifier[2..] == *oid::OCSP_NONCE
            })?;
            let nonce: rasn::types::OctetString =
                rasn::der::decode(&nonce.extn_value).expect("a nonce");
            Some(nonce.to_vec())
        });
        match (&nonce, &self.nonce) {
            (None, None) => {}
            (None, Some(_)) => assert_eq!(self.missing_nonce, MissingNonce::Accepted),
            (nonce, sent) => assert_eq!(nonce, sent),
        }
        assert_eq!(verified.has_nonce, nonce.is_some());
    }
}

/// A client's check, with its CertIDs as slices.
struct Check<'a> {
    client: &'a Client,
    cert_ids: Vec<&'a [u8]>,
}

impl Check<'_> {
    fn run(&self, response: &[u8]) -> Result<VerifiedResponse, ocspry_core::ResponseDefect> {
        ResponseCheck {
            cert_ids: &self.cert_ids,
            nonce: self.client.nonce.as_deref(),
            missing_nonce: self.client.missing_nonce,
            missing_next_update: self.client.missing_next_update,
            issuer: &self.client.issuer,
            now: self.client.now,
            tolerance: Duration::from_secs(TOLERANCE.unsigned_abs()),
        }
        .run(response)
    }
}

static CLIENTS: LazyLock<Vec<Client>> = LazyLock::new(|| {
    let issuer = issuer_certificate();
    let cert_ids = [(HashAlgorithm::Sha1, 1), (HashAlgorithm::Sha256, 2)]
        .map(|(hash, serial)| ask::cert_id(&issuer, hash, true, &[serial]));
    let strict = |cert_ids: &[Vec<u8>], nonce: Option<&[u8]>| Client {
        issuer: issuer.clone(),
        cert_ids: cert_ids.to_vec(),
        nonce: nonce.map(<[u8]>::to_vec),
        missing_nonce: MissingNonce::Refused,
        missing_next_update: MissingNextUpdate::Refused,
        now: NOW,
    };
    let lenient = Client {
        missing_nonce: MissingNonce::Accepted,
        missing_next_update: MissingNextUpdate::AgeMax(Duration::from_secs(600)),
        ..strict(&cert_ids[..1], Some(NONCE))
    };
    vec![
        strict(&cert_ids[..1], None),
        strict(&cert_ids, None),
        strict(&cert_ids[..1], Some(NONCE)),
        lenient,
        strict(&[], None),
    ]
});

const NONCE: &[u8] = b"0123456789abcdef";

/// Somebody who signs responses.
struct Signer {
    what: &'static str,
    key: Key,
    certificate: OwnedCertificate,
    kind: CredentialKind,
    may_answer: bool,
}

/// One who may, in person and by delegate, and all those who may not.
static SIGNERS: LazyLock<Vec<Signer>> = LazyLock::new(|| {
    let issuer = issuer_certificate();
    let subject = issuer.view().subject.to_vec();
    let stranger = name("A stranger");
    let delegate = |what, issuer: &[u8], by: &Key, seed, begins: i64, ends: i64, ocsp_signing| {
        let spec = CertificateSpec {
            subject: "A delegate",
            issuer,
            not_before: NOW.plus_seconds(begins),
            not_after: NOW.plus_seconds(ends),
            ocsp_signing,
        };
        Signer {
            what,
            certificate: spec.certify(&Key::from_seed(seed), by),
            key: Key::from_seed(seed),
            kind: CredentialKind::Delegated,
            may_answer: false,
        }
    };
    let (own, other) = (Key::of_the_issuer(), Key::from_seed(9));
    let (past, soon, late) = (-86_400, 3_600, 86_400);
    vec![
        Signer {
            what: "the issuer",
            key: Key::of_the_issuer(),
            certificate: issuer.clone(),
            kind: CredentialKind::Issuer,
            may_answer: true,
        },
        Signer {
            may_answer: true,
            ..delegate("a delegate", &subject, &own, 1, past, late, true)
        },
        delegate("no OCSPSigning", &subject, &own, 2, past, late, false),
        delegate("over", &subject, &own, 3, past, -soon, true),
        delegate("not begun", &subject, &own, 4, soon, late, true),
        delegate("another CA's", &stranger, &other, 5, past, late, true),
        delegate("another key's", &subject, &other, 6, past, late, true),
    ]
});

impl Signer {
    /// ResponseData by this signer, of what stands behind the ResponderID.
    fn response_data(&self, behind: &[u8]) -> Vec<u8> {
        let view = self.certificate.view();
        let key_hash = crypto::digest(HashAlgorithm::Sha1, view.public_key.key_bits);
        let mut data = Vec::new();
        push_nested(&mut data, tag::SEQUENCE, |out| {
            push_nested(out, tag::context(2), |out| {
                push(out, tag::OCTET_STRING, key_hash.as_ref());
            });
            out.extend_from_slice(behind);
        });
        data
    }

    /// A whole response with this ResponseData, signed.
    fn response(&self, data: &[u8]) -> Vec<u8> {
        let signature = [&[0][..], &self.key.sign(data)].concat();
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push(out, tag::ENUMERATED, &[0]);
            push_nested(out, tag::context(0), |out| {
                push_nested(out, tag::SEQUENCE, |out| {
                    push(out, tag::OID, oid::OCSP_BASIC);
                    push_nested(out, tag::OCTET_STRING, |out| {
                        push_nested(out, tag::SEQUENCE, |out| {
                            out.extend_from_slice(data);
                            out.extend_from_slice(SignatureAlgorithm::Ed25519.der());
                            push(out, tag::BIT_STRING, &signature);
                            if self.kind == CredentialKind::Delegated {
                                push_nested(out, tag::context(0), |out| {
                                    push(out, tag::SEQUENCE, self.certificate.der());
                                });
                            }
                        });
                    });
                });
            });
        });
        der
    }
}

/// What stands behind the ResponderID: producedAt, the answers, extensions.  One for each client but the last.
static DATA: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let time = |out: &mut Vec<u8>, seconds: i64| {
        let time = NOW.plus_seconds(seconds).to_generalized();
        push(out, tag::GENERALIZED_TIME, &time);
    };
    let data = |client: &Client, has_next_update: bool, nonce: bool| {
        let mut data = Vec::new();
        time(&mut data, -5);
        push_nested(&mut data, tag::SEQUENCE, |out| {
            for (place, cert_id) in client.cert_ids.iter().enumerate() {
                push_nested(out, tag::SEQUENCE, |out| {
                    out.extend_from_slice(cert_id);
                    if place == 0 {
                        push(out, tag::context_primitive(0), &[]);
                    } else {
                        push_nested(out, tag::context(1), |out| {
                            time(out, -500);
                            push(out, tag::context(0), &[tag::ENUMERATED, 1, 1]);
                        });
                    }
                    time(out, -30);
                    if has_next_update {
                        push_nested(out, tag::context(0), |out| time(out, 600));
                    }
                });
            }
        });
        if nonce {
            push_nested(&mut data, tag::context(1), |out| {
                push(out, tag::SEQUENCE, &ask::nonce_extension(NONCE));
            });
        }
        data
    };
    vec![
        data(&CLIENTS[0], true, false),
        data(&CLIENTS[1], true, false),
        data(&CLIENTS[2], true, true),
        data(&CLIENTS[3], false, false),
    ]
});

/// ResponseData that those who may have signed.
static TRUE_DATA: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let by = |signer: &'static Signer| DATA.iter().map(|data| signer.response_data(data));
    let may_answer = SIGNERS.iter().filter(|signer| signer.may_answer);
    may_answer.flat_map(by).collect()
});

/// What every one of the signers has signed, the true responses first.
static TRUE_RESPONSES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let responses: Vec<Vec<u8>> = SIGNERS
        .iter()
        .flat_map(|signer| {
            DATA.iter()
                .map(|data| signer.response(&signer.response_data(data)))
        })
        .collect();
    // Each is believed by the client that it is for, exactly where its signer may answer.
    for (place, response) in responses.iter().enumerate() {
        let client = &CLIENTS[place % DATA.len()];
        let is_believed = client.check().run(response).is_ok();
        assert_eq!(
            is_believed,
            SIGNERS[place / DATA.len()].may_answer,
            "{place}"
        );
    }
    responses
});
