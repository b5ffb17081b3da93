//! Writes a CRL of any size as it goes: DER or PEM (RFC 5280 §5.1, RFC 7468).
//!
//! From: `list`.  To: a file.  Lengths come first in DER, and the signature's is one of them, so the entries are made three
//! times: counted, hashed, written.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ocspry_testkit::{Authority, KeyKind, TestKey, element, extension, sequence};
use ocspry_wire::Time;
use ocspry_wire::der::write::{header_length, push, push_header};
use ocspry_wire::der::{oid, tag};
use ocspry_wire::x509::SubjectPublicKeyInfo;

use crate::list::{Entry, ListSpec};

/// How the file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armour {
    /// As it is.
    Der,
    /// In base64, 64 characters a line.
    Pem,
}

/// Writes the list, signed by `ca`, and gives the octets of the file.
pub fn write(list: &ListSpec, ca: &Authority, armour: Armour, path: &Path) -> Result<u64> {
    let file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
    let mut out = BufWriter::with_capacity(1 << 18, file);
    match armour {
        Armour::Der => write_der(list, ca, &mut out)?,
        Armour::Pem => {
            let mut pem = PemWriter::begin(&mut out)?;
            write_der(list, ca, &mut pem)?;
            pem.end()?;
        }
    }
    let file = out.into_inner().context("the last octets")?;
    // What is measured later must not share the disk with these octets on their way.
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn write_der(list: &ListSpec, ca: &Authority, out: &mut impl Write) -> Result<()> {
    let tbs = Tbs::count(list, ca);
    let mut hash = digest::Context::new(&digest::SHA256);
    tbs.each_part(|octets| {
        hash.update(octets);
        Ok(())
    })?;
    let mut signature = vec![0];
    signature.extend(sign(&ca.key, &hash.finish())?);
    let algorithm = ca.key.kind().signature_algorithm().der();
    let end = [algorithm, &element(tag::BIT_STRING, &signature)].concat();

    let mut header = Vec::new();
    push_header(&mut header, tag::SEQUENCE, tbs.length() + end.len());
    out.write_all(&header)?;
    tbs.each_part(|octets| out.write_all(octets))?;
    out.write_all(&end)?;
    Ok(())
}

/// What is signed, in three parts.
struct Tbs<'a> {
    list: &'a ListSpec,
    before: Vec<u8>,
    entries_length: usize,
    after: Vec<u8>,
}

/// Entries go out when so many octets are there.
const PART: usize = 1 << 16;

impl<'a> Tbs<'a> {
    fn count(list: &'a ListSpec, ca: &Authority) -> Tbs<'a> {
        let mut one = Vec::new();
        let mut entries_length = 0;
        for index in list.listed() {
            one.clear();
            push_entry(&mut one, &list.entry(index));
            entries_length += one.len();
        }
        let before = [
            &element(tag::INTEGER, &[1]),
            ca.key.kind().signature_algorithm().der(),
            &ca.name,
            &utc_time(list.this_update),
            &utc_time(list.next_update),
        ]
        .concat();
        let mut number = vec![0];
        number.extend(list.number.to_be_bytes());
        let zeros = number
            .windows(2)
            .take_while(|pair| pair[0] == 0 && pair[1] & 0x80 == 0)
            .count();
        let extensions = [
            extension(oid::AUTHORITY_KEY_IDENTIFIER, false, &key_identifier(ca)),
            extension(
                oid::CRL_NUMBER,
                false,
                &element(tag::INTEGER, &number[zeros..]),
            ),
        ];
        let after = element(
            tag::context(0),
            &element(tag::SEQUENCE, &extensions.concat()),
        );
        Tbs {
            list,
            before,
            entries_length,
            after,
        }
    }

    /// Octets of the whole element.
    fn length(&self) -> usize {
        let content = self.content_length();
        header_length(content) + content
    }

    fn content_length(&self) -> usize {
        // revokedCertificates is absent when there is none (RFC 5280 §5.1.2.6).
        let entries = match self.entries_length {
            0 => 0,
            length => header_length(length) + length,
        };
        self.before.len() + entries + self.after.len()
    }

    fn each_part(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut part = Vec::with_capacity(PART + 128);
        push_header(&mut part, tag::SEQUENCE, self.content_length());
        part.extend_from_slice(&self.before);
        if self.entries_length > 0 {
            push_header(&mut part, tag::SEQUENCE, self.entries_length);
        }
        for index in self.list.listed() {
            push_entry(&mut part, &self.list.entry(index));
            if part.len() >= PART {
                take(&part)?;
                part.clear();
            }
        }
        part.extend_from_slice(&self.after);
        take(&part)
    }
}

fn push_entry(out: &mut Vec<u8>, entry: &Entry) {
    /// A reasonCode extension and its list around it, but for the code at its end.
    const REASON: [u8; 13] = [
        0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01,
    ];
    const UTC_TIME_LENGTH: usize = 15;
    let serial = entry.serial.content();
    let reason_length = entry.revoked.reason.map_or(0, |_| REASON.len() + 1);
    push_header(
        out,
        tag::SEQUENCE,
        2 + serial.len() + UTC_TIME_LENGTH + reason_length,
    );
    push(out, tag::INTEGER, serial);
    let time = entry.revoked.revocation_time.to_generalized();
    push(out, tag::UTC_TIME, &time[2..]);
    if let Some(reason) = entry.revoked.reason {
        out.extend_from_slice(&REASON);
        out.push(reason.code());
    }
}

fn utc_time(time: Time) -> Vec<u8> {
    element(tag::UTC_TIME, &time.to_generalized()[2..])
}

/// AuthorityKeyIdentifier with SHA-1 of the key bits, as the CA's certificate has it (RFC 5280 §4.2.1.2).
fn key_identifier(ca: &Authority) -> Vec<u8> {
    let info = ca.key.public_key_info();
    let info = SubjectPublicKeyInfo::from_der(&info).expect("the CA's own key");
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, info.key_bits);
    sequence(&[&element(tag::context_primitive(0), hash.as_ref())])
}

fn sign(key: &TestKey, hash: &Digest) -> Result<Vec<u8>> {
    let der = key.pkcs8_der();
    match key.kind() {
        KeyKind::P256 => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der)
                .context("the CA's key")?;
            let signature = pair.sign_digest(hash).context("the CA's key signs")?;
            Ok(signature.as_ref().to_vec())
        }
        KeyKind::Rsa2048 => {
            let pair = rsa::KeyPair::from_pkcs8(&der).context("the CA's key")?;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign_digest(&RSA_PKCS1_SHA256, hash, &mut signature)
                .context("the CA's key signs")?;
            Ok(signature)
        }
        other => bail!("{other:?}: these lists are signed by P-256 or RSA keys"),
    }
}

/// PEM armour around what is written.
struct PemWriter<'a, W: Write> {
    out: &'a mut W,
    line: Vec<u8>,
}

/// Octets that make a line of 64 characters.
const LINE: usize = 48;

impl<'a, W: Write> PemWriter<'a, W> {
    fn begin(out: &'a mut W) -> io::Result<PemWriter<'a, W>> {
        out.write_all(b"-----BEGIN X509 CRL-----\n")?;
        Ok(PemWriter {
            out,
            line: Vec::with_capacity(LINE),
        })
    }

    fn end(mut self) -> io::Result<()> {
        self.flush_line()?;
        self.out.write_all(b"-----END X509 CRL-----\n")
    }

    fn flush_line(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        let mut text = [0; LINE / 3 * 4 + 1];
        let length = STANDARD
            .encode_slice(&self.line, &mut text)
            .map_err(io::Error::other)?;
        text[length] = b'\n';
        self.line.clear();
        self.out.write_all(&text[..=length])
    }
}

impl<W: Write> Write for PemWriter<'_, W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = octets.len().min(LINE - self.line.len());
        self.line.extend_from_slice(&octets[..taken]);
        if self.line.len() == LINE {
            self.flush_line()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use ocspry_testkit::{now, pem_to_der};

    use super::*;
    use crate::list::Shape;

    fn made(kind: KeyKind, entries: u64, armour: Armour) -> (Authority, Vec<u8>, String) {
        let directory = tempfile::tempdir().unwrap();
        let ca = Authority::root("List CA", kind);
        let list = ListSpec::new(Shape::Random, 1, entries, 300, now());
        let path = directory.path().join("crl");
        let length = write(&list, &ca, armour, &path).unwrap();
        let octets = std::fs::read(&path).unwrap();
        assert_eq!(octets.len() as u64, length);
        std::fs::write(directory.path().join("ca.pem"), ca.certificate_pem()).unwrap();
        let output = std::process::Command::new("openssl")
            .args(["crl", "-noout", "-text", "-verify", "-CAfile"])
            .arg(directory.path().join("ca.pem"))
            .arg("-in")
            .arg(&path)
            .args(["-inform", if armour == Armour::Der { "DER" } else { "PEM" }])
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (ca, octets, String::from_utf8_lossy(&text).into_owned())
    }

    #[test]
    fn openssl_reads_and_verifies_what_is_written() {
        for kind in [KeyKind::P256, KeyKind::Rsa2048] {
            for (armour, entries) in [(Armour::Der, 20_000), (Armour::Pem, 777)] {
                let (_, _, text) = made(kind, entries, armour);
                assert!(
                    text.contains("verify OK"),
                    "{kind:?} {armour:?}: {text:.300}"
                );
                let listed = text.matches("Serial Number:").count() as u64;
                // Number 300: 299 times sixteen more, and as many holds fewer, where there are as many.
                assert!(listed > entries, "{listed}");
                assert!(text.contains("X509v3 Authority Key Identifier"));
                assert!(text.contains("300"));
            }
        }
    }

    #[test]
    fn the_product_of_the_pem_writer_is_the_der() {
        let (_, octets, _) = made(KeyKind::P256, 100, Armour::Pem);
        let text = String::from_utf8(octets).unwrap();
        assert!(text.lines().all(|line| line.len() <= 64));
        assert_eq!(pem_to_der(&text)[0], tag::SEQUENCE);
    }

    #[test]
    fn an_entry_has_the_octets_that_the_writer_of_elements_makes() {
        let list = ListSpec::new(Shape::Sequential, 9, 400, 1, now());
        for index in list.listed() {
            let entry = list.entry(index);
            let mut out = Vec::new();
            push_entry(&mut out, &entry);
            let reason = entry.revoked.reason.map(|reason| {
                let value = element(tag::ENUMERATED, &[reason.code()]);
                element(tag::SEQUENCE, &extension(oid::REASON_CODE, false, &value))
            });
            let expected = sequence(&[
                &element(tag::INTEGER, entry.serial.content()),
                &utc_time(entry.revoked.revocation_time),
                &reason.unwrap_or_default(),
            ]);
            assert_eq!(out, expected);
        }
    }
}
