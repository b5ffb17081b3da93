//! What tells the version of a list that we have from the next one: ETag and Last-Modified, as the server sent them
//! (RFC 9110 §8.8, §13.1).
//!
//! From: the head of a download, and the state directory, which may keep them.  To: the next request, which asks for the
//! list only if it is another one.

use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use serde::{Deserialize, Serialize};

/// The validators of one version of a list; visible ASCII and spaces, 1 KiB each at most, or absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "AsKept")]
pub struct Validators {
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
}

impl Validators {
    /// What cannot stand in a header, or is longer than any real one, is left out: then the whole list is asked for.
    pub fn new(etag: Option<String>, last_modified: Option<String>) -> Validators {
        let usable = |text: &String| is_usable(text.as_bytes());
        Validators {
            etag: etag.filter(usable),
            last_modified: last_modified.filter(usable),
        }
    }

    /// The entity tag, with its quotes, and `W/` if the server wrote that.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The date, as the server wrote it.
    pub fn last_modified(&self) -> Option<&str> {
        self.last_modified.as_deref()
    }

    /// Whether there is nothing to ask by.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    pub(super) fn from_headers(headers: &HeaderMap) -> Validators {
        let text = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        Validators::new(text(ETAG), text(LAST_MODIFIED))
    }

    /// The conditions of a request for the next version.
    pub(super) fn conditions(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let texts = [
            (IF_NONE_MATCH, &self.etag),
            (IF_MODIFIED_SINCE, &self.last_modified),
        ];
        for (name, text) in texts {
            let value = text
                .as_ref()
                .and_then(|text| HeaderValue::from_str(text).ok());
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// As it lies in a file that somebody may have edited.
#[derive(Deserialize)]
struct AsKept {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl From<AsKept> for Validators {
    fn from(kept: AsKept) -> Validators {
        Validators::new(kept.etag, kept.last_modified)
    }
}

fn is_usable(text: &[u8]) -> bool {
    (1..=VALIDATOR_BYTES_MAX).contains(&text.len())
        && text.iter().all(|octet| matches!(octet, b' '..=b'~'))
}

const VALIDATOR_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_survive_a_file_as_they_were() {
        let validators = Validators::new(
            Some("W/\"a\"".to_owned()),
            Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        );
        let text = serde_json::to_string(&validators).unwrap();
        assert_eq!(
            serde_json::from_str::<Validators>(&text).unwrap(),
            validators
        );
        let none: Validators = serde_json::from_str("{}").unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn what_cannot_stand_in_a_header_or_is_too_long_is_left_out() {
        for text in ["", "a\r\nHost: b", "a\u{7f}", "ä", &"a".repeat(1025)] {
            let json = serde_json::json!({ "etag": text, "last_modified": text });
            let validators: Validators = serde_json::from_value(json).unwrap();
            assert!(validators.is_empty(), "{text:?}");
        }
        assert!(!Validators::new(Some("a".repeat(1024)), None).is_empty());
    }
}
