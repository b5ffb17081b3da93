//! What a row of django-ca's database says: certificates, times, reasons, URLs, CRL numbers, in the forms that its versions
//! have had.  From: `ocspry_ledger::DjangoCaDatabase`.  To: `authorities`, `mod`.

use anyhow::{Context as _, Result, anyhow, bail};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{CrlNumber, DjangoAuthority, DjangoCertificate, Setting};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::{SerialNumber, pem};
use serde_json::Value;

use crate::cmd::cert::{Reason, reason_from_text};
use crate::time_text::time_from_text;

/// Whose row it is, to begin a message with.
pub(super) fn place(table: &str, row: &DjangoCertificate) -> String {
    format!(
        "row {} of {table} ({}, serial {})",
        row.row, row.common_name, row.serial
    )
}

/// The certificate of a row, whose serial is the one that stands beside it.
///
/// # Errors
/// There is none, or another serial stands beside it.
pub(super) fn certificate(row: &DjangoCertificate) -> Result<OwnedCertificate> {
    let der = match pem::is_pem(&row.certificate) {
        false => row.certificate.clone(),
        true => {
            let blocks = pem::blocks(&row.certificate).map_err(|_| anyhow!("its PEM is broken"))?;
            let block = blocks.into_iter().next();
            block.context("its PEM holds nothing")?.der
        }
    };
    let certificate = OwnedCertificate::from_der(der).map_err(|error| {
        let (kind, offset) = (error.kind, error.offset);
        anyhow!("its certificate cannot be read ({kind:?} at octet {offset})")
    })?;
    let serial = certificate.view().serial_number;
    if !is_beside(&row.serial, &serial) {
        bail!("its certificate has another serial, {serial}");
    }
    Ok(certificate)
}

/// Is that the serial as django-ca writes it?  In hex without colons; in older versions with one after each two digits from the
/// front, of an odd number of digits too, and the first versions left out the last digit of these.
fn is_beside(text: &str, serial: &SerialNumber) -> bool {
    let found = text.replace(':', "");
    let found = found.trim_start_matches('0');
    let hex = to_hex(serial.minimal());
    let hex = hex.trim_start_matches('0');
    let first_versions = &hex[..hex.len() / 2 * 2];
    found.eq_ignore_ascii_case(hex) || found.eq_ignore_ascii_case(first_versions)
}

/// Its revocation; a reason that nobody knows is counted and left out.
///
/// # Errors
/// A time is none, missing, or still to come.
pub(super) fn revocation(
    row: &DjangoCertificate,
    now: Time,
    unknown_reasons: &mut u64,
) -> Result<Option<RevokedInfo>> {
    if !row.is_revoked {
        return Ok(None);
    }
    let Some(date) = &row.revoked_date else {
        bail!("it is revoked, and has no time since when");
    };
    let revocation_time = time(date)?;
    if revocation_time > now {
        bail!("it is revoked as of {date} (UTC), which is still to come");
    }
    let reason = match row.revoked_reason.as_deref() {
        None | Some("") => None,
        Some(text) => match reason_from_text(text) {
            Ok(Reason(reason)) => reason,
            // removeFromCRL too: django-ca answers that it is revoked.
            Err(_) => {
                *unknown_reasons += 1;
                None
            }
        },
    };
    let compromised = row.compromised.as_deref().filter(|text| !text.is_empty());
    Ok(Some(RevokedInfo {
        revocation_time,
        reason,
        invalidity_date: compromised.map(time).transpose()?,
    }))
}

/// As Django writes a time to SQLite: `2016-04-21 20:39:00.123456`, in UTC.
fn time(text: &str) -> Result<Time> {
    let whole = text.split(['.', '+']).next().unwrap_or(text);
    time_from_text(&format!("{whole}Z")).map_err(|_| anyhow!("{text:?} is no time of Django"))
}

/// The profile here that does what django-ca's does; None for one of its user.
pub(super) fn profile(row: &DjangoCertificate) -> Option<&'static str> {
    match row.profile.as_deref() {
        Some("webserver") => Some("server"),
        Some("client") => Some("client"),
        Some("ocsp") => Some("ocsp"),
        Some(_) | None => None,
    }
}

/// The URLs that it puts into what it issues, each with where it belongs.
///
/// # Errors
/// The JSON of it is none.
pub(super) fn urls(row: &DjangoAuthority) -> Result<Vec<(Setting, String)>> {
    let mut urls = Vec::new();
    for (setting, text) in [
        (Setting::OcspUrl, &row.ocsp_url),
        (Setting::IssuerUrl, &row.issuer_url),
        (Setting::CrlUrl, &row.crl_url),
    ] {
        let lines = text.as_deref().unwrap_or_default().lines();
        let named = lines.map(str::trim).filter(|line| !line.is_empty());
        urls.extend(named.map(|url| (setting, url.to_owned())));
    }
    let access = json(
        "sign_authority_information_access",
        &row.sign_authority_information_access,
    )?;
    for description in items(&access["value"]) {
        let setting = match description["access_method"].as_str() {
            Some("1.3.6.1.5.5.7.48.1" | "ocsp") => Setting::OcspUrl,
            Some("1.3.6.1.5.5.7.48.2" | "ca_issuers") => Setting::IssuerUrl,
            Some(_) | None => continue,
        };
        urls.extend(uri(&description["access_location"]).map(|url| (setting, url)));
    }
    let points = json(
        "sign_crl_distribution_points",
        &row.sign_crl_distribution_points,
    )?;
    for point in items(&points["value"]) {
        let names = items(&point["full_name"]).iter().filter_map(uri);
        urls.extend(names.map(|url| (Setting::CrlUrl, url)));
    }
    Ok(urls)
}

/// Where its key is, as it stands there.
///
/// # Errors
/// The JSON of it is none.
pub(super) fn key_path(row: &DjangoAuthority) -> Result<Option<String>> {
    let options = json("key_backend_options", &row.key_backend_options)?;
    let path = options["path"].as_str().map(str::to_owned);
    let path = path.or_else(|| row.private_key_path.clone());
    Ok(path.filter(|path| !path.is_empty()))
}

/// The last CRL number that it may have used, over all scopes.
///
/// # Errors
/// The JSON of it is none.
pub(super) fn crl_number(row: &DjangoAuthority) -> Result<Option<CrlNumber>> {
    // The next ones; a CRL may be on its way.
    let counters = json("crl_number", &row.crl_number)?;
    let scopes = counters["scope"].as_object();
    let next = scopes
        .into_iter()
        .flatten()
        .filter_map(|(_, number)| number.as_u64());
    Ok(next.chain(row.crl_number_max).max().map(CrlNumber::from))
}

/// Null for nothing.
fn json(column: &str, text: &Option<String>) -> Result<Value> {
    match text.as_deref() {
        None | Some("") => Ok(Value::Null),
        Some(text) => {
            serde_json::from_str(text).with_context(|| format!("its {column} is no JSON"))
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn uri(name: &Value) -> Option<String> {
    let is_uri = name["type"].as_str() == Some("URI");
    name["value"].as_str().filter(|_| is_uri).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocspry_wire::ocsp::CrlReason;

    fn revoked(date: &str, reason: &str) -> DjangoCertificate {
        DjangoCertificate {
            row: 7,
            common_name: "web".into(),
            serial: "01".into(),
            certificate: Vec::new(),
            is_revoked: true,
            revoked_date: Some(date.into()),
            revoked_reason: Some(reason.into()),
            compromised: None,
            profile: None,
        }
    }

    #[test]
    fn a_revocation_is_read_as_any_version_of_django_ca_wrote_it() {
        let now = Time::from_unix(1_800_000_000);
        let since = Time::from_civil(2016, 4, 21, 20, 39, 1).unwrap();
        for (date, reason, expected) in [
            ("2016-04-21 20:39:01.123456", "", None),
            ("2016-04-21 20:39:01", "unspecified", None),
            (
                "2016-04-21 20:39:01+00:00",
                "keyCompromise",
                Some(CrlReason::KeyCompromise),
            ),
            (
                "2016-04-21T20:39:01",
                "key_compromise",
                Some(CrlReason::KeyCompromise),
            ),
            (
                "2016-04-21 20:39:01",
                "CACompromise",
                Some(CrlReason::CaCompromise),
            ),
            (
                "2016-04-21 20:39:01",
                "ca_compromise",
                Some(CrlReason::CaCompromise),
            ),
            (
                "2016-04-21 20:39:01",
                "certificate_hold",
                Some(CrlReason::CertificateHold),
            ),
            (
                "2016-04-21 20:39:01",
                "aa_compromise",
                Some(CrlReason::AaCompromise),
            ),
            (
                "2016-04-21 20:39:01",
                "privilege_withdrawn",
                Some(CrlReason::PrivilegeWithdrawn),
            ),
        ] {
            let mut unknown = 0;
            let info = revocation(&revoked(date, reason), now, &mut unknown)
                .unwrap()
                .unwrap();
            assert_eq!(
                (info.revocation_time, info.reason),
                (since, expected),
                "{date} {reason}"
            );
            assert_eq!(unknown, 0, "{reason}");
        }
        let mut unknown = 0;
        for reason in ["remove_from_crl", "bored"] {
            let row = revoked("2016-04-21 20:39:01", reason);
            let info = revocation(&row, now, &mut unknown).unwrap().unwrap();
            assert_eq!(info.reason, None, "{reason}: revoked all the same");
        }
        assert_eq!(unknown, 2);
    }

    #[test]
    fn a_serial_is_known_as_any_version_of_django_ca_wrote_it() {
        let serial = |octets: &[u8]| SerialNumber::from_content(octets).unwrap();
        let even = serial(&[0x00, 0xBC, 0x61, 0x4E]);
        let odd = serial(&[0x0C, 0x61, 0x4E]);
        for text in ["BC:61:4E", "BC614E", "bc614e"] {
            assert!(is_beside(text, &even), "{text}");
        }
        for text in ["C6:14:E", "C6:14", "C614E", "0C:61:4E"] {
            assert!(is_beside(text, &odd), "{text}");
        }
        assert!(!is_beside("BC:61", &even), "cut where nobody cut it");
        assert!(!is_beside("C6:15", &odd));
    }

    #[test]
    fn a_revocation_without_a_time_or_in_the_future_is_refused() {
        let now = Time::from_unix(1_800_000_000);
        let mut row = revoked("2099-01-01 00:00:00", "");
        assert!(revocation(&row, now, &mut 0).is_err());
        for date in ["2016-04-21", "2016-04-21 20:39:01-05:00", "soon"] {
            assert!(
                revocation(&revoked(date, ""), now, &mut 0).is_err(),
                "{date}"
            );
        }
        row.revoked_date = None;
        assert!(revocation(&row, now, &mut 0).is_err());
        row.is_revoked = false;
        assert_eq!(revocation(&row, now, &mut 0).unwrap(), None);
    }
}
