//! Durations as people write them, within bounds.  From: `raw`.  To: `checked`, `policy`, `status`.

use std::time::Duration;

use toml::Spanned;

use super::checked::Checker;
use super::error::ConfigError;

/// Shortest and longest accepted, as values and as people write them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DurationBounds {
    pub(super) min: Duration,
    pub(super) max: Duration,
    pub(super) min_text: &'static str,
    pub(super) max_text: &'static str,
}

impl Checker<'_> {
    /// What `text` says, if it is within the bounds of this key.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        text: &Spanned<String>,
        bounds: DurationBounds,
    ) -> Option<Duration> {
        let Some(duration) = parse_duration(text.get_ref()) else {
            self.problem(
                text.span(),
                ConfigError::Duration {
                    text: text.get_ref().clone(),
                },
            );
            return None;
        };
        if !(bounds.min..=bounds.max).contains(&duration) {
            self.problem(
                text.span(),
                ConfigError::DurationRange {
                    key,
                    min: bounds.min_text,
                    max: bounds.max_text,
                },
            );
            return None;
        }
        Some(duration)
    }
}

/// A whole number and a unit: `500ms`, `30s`, `5m`, `12h`, `7d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit_start = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_start);
    let number = number.parse::<u64>().ok()?;
    let seconds: u64 = match unit.trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}
