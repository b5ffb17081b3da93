//! `[request-log]`: which requests are written down, and where.  From: `raw`.  To: `checked`.

use std::num::NonZeroU64;
use std::path::PathBuf;

use ocspry_http::RecordedAddresses;
use toml::Spanned;

use super::checked::Checker;
use super::error::ConfigError;
use super::raw::RawRequestLog;

/// The log of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestLogConfig {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// One request in so many.
    pub(crate) every: NonZeroU64,
    /// Whether it says who asked.
    pub(crate) addresses: RecordedAddresses,
}

/// One request in so many, unless told otherwise.
const EVERY: NonZeroU64 = NonZeroU64::new(1000).unwrap();

/// The words of `addresses`.
pub(super) const ADDRESSES: &[(&str, RecordedAddresses)] = &[
    ("none", RecordedAddresses::None),
    ("peer", RecordedAddresses::Peer),
];

impl Checker<'_> {
    pub(super) fn request_log(&mut self, raw: Spanned<RawRequestLog>) -> Option<RequestLogConfig> {
        let place = raw.span();
        let RawRequestLog {
            file,
            sample,
            addresses,
        } = raw.into_inner();
        let every = sample.map_or(Some(EVERY), |sample| self.sample(&sample));
        let addresses = self.choice(
            "addresses",
            addresses.as_ref(),
            ADDRESSES,
            RecordedAddresses::None,
        );
        let example = "file = \"/var/log/ocspry/requests.jsonl\"";
        Some(RequestLogConfig {
            file: self.file_of("`request-log`", place, file, example)?,
            every: every?,
            addresses,
        })
    }

    /// `1/1000`.
    fn sample(&mut self, sample: &Spanned<String>) -> Option<NonZeroU64> {
        let text = sample.get_ref();
        let every = text.strip_prefix("1/").and_then(|every| every.parse().ok());
        if every.is_none() {
            let text = text.clone();
            self.problem(sample.span(), ConfigError::Sample { text });
        }
        every
    }
}
