//! What an error line says is to be done.
//!
//! From: `error`, with the facts of an error.  To: the end of its sentence.

use std::path::Path;

use ocspry_wire::Time;

use crate::noted::Notes;

/// How to make an issuer forget which lists were used.
pub(super) fn forget_hint(state_folder: Option<&Path>) -> String {
    match state_folder {
        None => "restart the service, which forgets the lists used so far".to_owned(),
        Some(folder) => format!(
            "`ocspry state reset ISSUER` forgets the lists used so far ({})",
            folder.display()
        ),
    }
}

/// How to see what is wrong with a list; `path` may be its URL.
pub(super) fn look_hint(path: &Path) -> String {
    match path.to_str() {
        Some(url) if url.contains("://") => {
            "fetch it, and check it with: openssl crl -noout -text".to_owned()
        }
        Some(_) | None => format!(
            "check it with: openssl crl -in {} -noout -text",
            path.display()
        ),
    }
}

pub(super) fn in_brackets(notes: &Notes) -> String {
    if notes.found().is_empty() {
        String::new()
    } else {
        format!(" ({notes})")
    }
}

pub(super) fn lower_number_hint(held_until: Option<Time>) -> String {
    match held_until {
        None => "put the newest list there".to_owned(),
        Some(until) => format!(
            "the list in use stays until it runs out at {until}; if the CA began to count anew, wait, or say so with \
             `ocspry crl accept ISSUER`"
        ),
    }
}
