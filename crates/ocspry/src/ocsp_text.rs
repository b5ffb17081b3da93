//! Requests and answers in the words and the layout of `openssl ocsp -text`.  From: `exchange_printer`.  To: people, and the
//! scripts that read OpenSSL's text.
//!
//! What OpenSSL prints of each enclosed certificate in full is left to `openssl x509`: here it is subject, issuer and PEM.

use std::fmt::Write as _;

use ocspry_ca::certificate_to_pem;
use ocspry_core::OwnedCertificate;
use ocspry_http::Exchange;
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{
    BasicOcspResponse, CertId, CertStatus, ErrorStatus, HashAlgorithm, OcspRequest, OcspResponse,
    ResponderId, ResponseStatus, SingleResponse,
};
use ocspry_wire::x509::SignatureAlgorithm;
use ocspry_wire::x509::certificate::display_name;

/// One request and its answer, as far as they are wanted; an answer that is an error has its line in any case.
pub(crate) fn exchange(exchange: &Exchange, with_request: bool, with_response: bool) -> String {
    let mut out = String::new();
    if with_request && let Ok(request) = OcspRequest::from_der(&exchange.request) {
        write_request(&mut out, &request);
    }
    let Some(response) = &exchange.response else {
        out.push_str("Responder Error: HTTP 503\n");
        return out;
    };
    // It is ours, so it decodes.
    let Ok(response) = OcspResponse::from_der(response) else {
        return out;
    };
    let (status, code) = status_and_code(response.status);
    if response.basic.is_none() {
        let _ = writeln!(out, "Responder Error: {status} ({code})");
    }
    if with_response {
        let _ = writeln!(
            out,
            "OCSP Response Data:\n    OCSP Response Status: {status} (0x{code:x})"
        );
        if let Some(basic) = &response.basic {
            write_basic(&mut out, basic);
        }
    }
    out
}

fn write_request(out: &mut String, request: &OcspRequest<'_>) {
    out.push_str("OCSP Request Data:\n    Version: 1 (0x0)\n    Requestor List:\n");
    for single in request.single_requests() {
        write_cert_id(out, &single.cert_id, 8);
    }
    if let Some(nonce) = request.nonce {
        out.push_str("    Request Extensions:\n");
        write_nonce(out, nonce.octets());
    }
}

fn write_basic(out: &mut String, basic: &BasicOcspResponse<'_>) {
    out.push_str("    Response Type: Basic OCSP Response\n    Version: 1 (0x0)\n");
    let responder = match basic.responder_id {
        ResponderId::ByName(name) => display_name(name),
        ResponderId::ByKeyHash(hash) => folded_hex(hash),
    };
    let _ = writeln!(out, "    Responder Id: {responder}");
    let _ = writeln!(out, "    Produced At: {}", time(basic.produced_at));
    out.push_str("    Responses:\n");
    for single in &basic.responses {
        write_single(out, single);
    }
    if let Some(nonce) = basic.nonce {
        out.push_str("    Response Extensions:\n");
        write_nonce(out, nonce);
    }
    let algorithm = match SignatureAlgorithm::from_der(basic.signature_algorithm) {
        Some(SignatureAlgorithm::Ed25519) => "ED25519",
        Some(algorithm) => algorithm.name(),
        None => "unknown",
    };
    let _ = writeln!(
        out,
        "    Signature Algorithm: {algorithm}\n    Signature Value:"
    );
    for line in basic.signature.chunks(SIGNATURE_LINE_OCTETS) {
        let pairs: Vec<String> = line.iter().map(|octet| format!("{octet:02x}")).collect();
        let is_last = line.as_ptr_range().end == basic.signature.as_ptr_range().end;
        let colon = if is_last { "" } else { ":" };
        let _ = writeln!(out, "        {}{colon}", pairs.join(":"));
    }
    for der in &basic.certificates {
        if let Ok(certificate) = OwnedCertificate::from_der(der.to_vec()) {
            let view = certificate.view();
            let _ = writeln!(
                out,
                "Certificate:\n    Issuer: {}\n    Subject: {}",
                display_name(view.issuer),
                display_name(view.subject)
            );
        }
        out.push_str(&certificate_to_pem(der).unwrap_or_default());
    }
}

fn write_single(out: &mut String, single: &SingleResponse<'_>) {
    write_cert_id(out, &single.cert_id, 4);
    let mut invalidity_date = None;
    match single.cert_status {
        CertStatus::Good => out.push_str("    Cert Status: good\n"),
        CertStatus::Unknown => out.push_str("    Cert Status: unknown\n"),
        CertStatus::Revoked(info) => {
            let _ = writeln!(
                out,
                "    Cert Status: revoked\n    Revocation Time: {}",
                time(info.revocation_time)
            );
            if let Some(reason) = info.reason {
                let _ = writeln!(
                    out,
                    "    Revocation Reason: {} (0x{:x})",
                    reason.name(),
                    reason.code()
                );
            }
            invalidity_date = info.invalidity_date;
        }
    }
    let _ = writeln!(out, "    This Update: {}", time(single.this_update));
    if let Some(next_update) = single.next_update {
        let _ = writeln!(out, "    Next Update: {}", time(next_update));
    }
    if let Some(date) = invalidity_date {
        let _ = writeln!(
            out,
            "        Response Single Extensions:\n            Invalidity Date: \n                {}",
            time(date)
        );
    }
    out.push('\n');
}

fn write_cert_id(out: &mut String, cert_id: &CertId<'_>, indent: usize) {
    let algorithm = match cert_id.hash_algorithm {
        Some(HashAlgorithm::Sha1) => "sha1",
        Some(HashAlgorithm::Sha256) => "sha256",
        Some(HashAlgorithm::Sha384) => "sha384",
        Some(HashAlgorithm::Sha512) => "sha512",
        None => "unknown",
    };
    let inner = indent + 2;
    let _ = writeln!(out, "{:indent$}Certificate ID:", "");
    let _ = writeln!(out, "{:inner$}Hash Algorithm: {algorithm}", "");
    let _ = writeln!(
        out,
        "{:inner$}Issuer Name Hash: {}",
        "",
        folded_hex(cert_id.issuer_name_hash)
    );
    let _ = writeln!(
        out,
        "{:inner$}Issuer Key Hash: {}",
        "",
        folded_hex(cert_id.issuer_key_hash)
    );
    let _ = writeln!(
        out,
        "{:inner$}Serial Number: {}",
        "",
        serial(cert_id.serial_number.content())
    );
}

/// With the OCTET STRING around it, as OpenSSL shows it.
fn write_nonce(out: &mut String, nonce: &[u8]) {
    // At most 128 octets: one length octet below 128, two from there.
    let mut der = vec![OCTET_STRING];
    if nonce.len() > 0x7f {
        der.push(0x81);
    }
    der.push(u8::try_from(nonce.len()).unwrap_or(u8::MAX));
    der.extend_from_slice(nonce);
    let _ = writeln!(
        out,
        "        OCSP Nonce: \n            {}",
        folded_hex(&der)
    );
}

/// A number: without the zero octet in front that only keeps it positive, and with a minus sign where it is negative.
fn serial(content: &[u8]) -> String {
    match content {
        [0, rest @ ..] if !rest.is_empty() => folded_hex(rest),
        [first, ..] if *first >= 0x80 => {
            let mut magnitude: Vec<u8> = content.iter().map(|octet| !octet).collect();
            for octet in magnitude.iter_mut().rev() {
                let (sum, carries) = octet.overflowing_add(1);
                *octet = sum;
                if !carries {
                    break;
                }
            }
            let zeros = magnitude.iter().take_while(|octet| **octet == 0).count();
            format!(
                "-{}",
                folded_hex(&magnitude[zeros.min(magnitude.len() - 1)..])
            )
        }
        content => folded_hex(content),
    }
}

/// In capitals, 35 octets to a line, with a backslash at the end of each line but the last.
fn folded_hex(octets: &[u8]) -> String {
    let lines: Vec<String> = octets
        .chunks(HEX_LINE_OCTETS)
        .map(|line| to_hex(line).to_uppercase())
        .collect();
    lines.join("\\\n")
}

/// `Nov  1 06:00:00 2026 GMT`.
fn time(time: Time) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (year, month, day, hour, minute, second) = time.civil();
    let month = MONTHS[usize::from(month.clamp(1, 12)) - 1];
    format!("{month} {day:2} {hour:02}:{minute:02}:{second:02} {year} GMT")
}

/// RFC 6960 §4.2.1, in OpenSSL's spelling.
fn status_and_code(status: ResponseStatus) -> (&'static str, u8) {
    match status {
        ResponseStatus::Successful => ("successful", 0),
        ResponseStatus::Error(ErrorStatus::MalformedRequest) => ("malformedrequest", 1),
        ResponseStatus::Error(ErrorStatus::InternalError) => ("internalerror", 2),
        ResponseStatus::Error(ErrorStatus::TryLater) => ("trylater", 3),
        ResponseStatus::Error(ErrorStatus::SigRequired) => ("sigrequired", 5),
        ResponseStatus::Error(ErrorStatus::Unauthorized) => ("unauthorized", 6),
    }
}

/// Tag of an OCTET STRING.
const OCTET_STRING: u8 = 0x04;
const HEX_LINE_OCTETS: usize = 35;
const SIGNATURE_LINE_OCTETS: usize = 18;
