//! Times as people type and read them.  From: command lines, and `Time`.  To: the commands, summaries and logs.

pub(crate) use ocspry_core::time_text::{utc, utc_and_distance};
use ocspry_wire::Time;

use crate::config;

/// From what people type: `2026-12-01T12:00:00Z`, `2026-12-01 12:00:00Z`, or the beginning of a day, `2026-12-01`.
///
/// # Errors
/// It is no time, or in another form.
pub(crate) fn time_from_text(text: &str) -> Result<Time, &'static str> {
    let text = text.trim();
    let text = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.replacen(' ', "T", 1),
    };
    config::parse_time(&text).ok_or("write it in UTC, as 2026-12-01T12:00:00Z or 2026-12-01")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written_and_a_day_from_its_beginning() {
        for (text, seconds) in [
            ("2026-11-21T06:00:00Z", 1_795_240_800),
            ("2026-11-21 06:00:00Z", 1_795_240_800),
            ("2026-11-21", 1_795_219_200),
        ] {
            assert_eq!(time_from_text(text), Ok(Time::from_unix(seconds)), "{text}");
        }
        for text in ["", "tomorrow", "2026-13-01", "2026-11-21T06:00:00+01:00"] {
            assert!(time_from_text(text).is_err(), "{text}");
        }
    }
}
