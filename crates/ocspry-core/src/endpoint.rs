//! Which issuer a URL names: `/ocsp/root/` is the endpoint of the issuer `root` alone (docs/design.md §4).
//!
//! From: the listener, with what stands behind the base path.  To: `responder`.  A name is the configured one, or the
//! serial number of the CA's certificate in hex.  Nothing is allocated for a look-up.

use std::collections::HashMap;
use std::sync::Arc;

use ocspry_wire::x509::SerialNumber;
use ocspry_wire::x509::serial::SERIAL_OCTETS_MAX;

use crate::{Issuer, IssuerId};

/// Whom a request is put to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// Every issuer: the CertID decides.
    All,
    /// The issuer of this name, and no other.
    Named(&'a [u8]),
}

/// What issuers are called in URLs.
#[derive(Default)]
pub(crate) struct EndpointNames {
    by_name: HashMap<Box<[u8]>, IssuerId>,
    /// None: two certificates have that serial number, which then names neither.
    by_serial: HashMap<SerialNumber, Option<IssuerId>>,
}

impl EndpointNames {
    pub(crate) fn of<'a>(issuers: impl Iterator<Item = (IssuerId, &'a Arc<Issuer>)>) -> Self {
        let mut names = EndpointNames::default();
        for (id, issuer) in issuers {
            names.by_name.insert(issuer.name().as_bytes().into(), id);
            let serial = issuer.certificate().view().serial_number;
            // In a URL there are no numbers below zero.
            if !serial.is_negative()
                && let Some(serial) = minimal(serial.content())
            {
                let found = names.by_serial.entry(serial).or_insert(Some(id));
                if *found != Some(id) {
                    *found = None;
                }
            }
        }
        names
    }

    /// The issuer of this name; a name that looks like a serial number is a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<IssuerId> {
        let by_name = self.by_name.get(name).copied();
        by_name.or_else(|| *self.by_serial.get(&serial(name)?)?)
    }
}

/// `34d6:02b5` and `34:D6:02:B5` are the same.
fn serial(text: &[u8]) -> Option<SerialNumber> {
    let mut octets = [0; SERIAL_OCTETS_MAX];
    let digits = || text.iter().filter(|letter| **letter != b':');
    let count = digits().count();
    if count == 0 || count > 2 * SERIAL_OCTETS_MAX {
        return None;
    }
    let length = count.div_ceil(2);
    // An odd number of digits begins with half an octet.
    for (place, digit) in (count % 2..).zip(digits()) {
        let value = char::from(*digit).to_digit(16)?;
        octets[place / 2] = (octets[place / 2] << 4) | value as u8;
    }
    minimal(&octets[..length])
}

/// A positive number without needless zeros in front.
fn minimal(content: &[u8]) -> Option<SerialNumber> {
    let zeros = content.iter().take_while(|octet| **octet == 0).count();
    let digits = &content[zeros..];
    SerialNumber::from_content(if digits.is_empty() { &[0] } else { digits })
}
