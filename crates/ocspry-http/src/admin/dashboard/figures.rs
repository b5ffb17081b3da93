//! How numbers and times look: for people as text, for programs as the same number that `/status` has.  From: the pages.

use maud::{Markup, html};
use ocspry_core::time_text::{distance, span, utc};
use ocspry_wire::Time;

/// A whole number, its thousands apart: `1 234 567`.
pub(super) fn count(value: u64) -> Markup {
    html! { data value=(value) { (grouped(value)) } }
}

/// The same of a length.
pub(super) fn length(value: usize) -> Markup {
    count(value as u64)
}

fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            // Narrow, and no place to break a line.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A span of time: `6 d 23 h`.
pub(super) fn seconds(value: i64) -> Markup {
    html! { data value=(value) { (span(value)) } }
}

/// What is left of a life: a bar and words; once it is over, since when.
pub(super) fn left(seconds_left: i64, life: i64, is_soon: bool) -> Markup {
    let share = if life > 0 {
        (seconds_left.clamp(0, life) * 100) / life
    } else {
        0
    };
    let level = match (seconds_left, is_soon) {
        (..=0, _) => "bad",
        (_, true) => "warn",
        (_, false) => "fine",
    };
    html! {
        span class={ "left " (level) } {
            svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                rect.track width="100" height="4" {}
                rect.share width=(share) height="4" {}
            }
            @if seconds_left > 0 {
                data value=(seconds_left) { (span(seconds_left)) } " left"
            } @else {
                "over for " data value=(seconds_left) { (span(-seconds_left)) }
            }
        }
    }
}

/// A moment: `2026-11-21 06:00:00Z`.
pub(super) fn moment(time: Time) -> Markup {
    html! { time datetime=(time) { (utc(time)) } }
}

/// The same, by how far off it is.
pub(super) fn point(time: Time, now: Time) -> Markup {
    html! { time datetime=(time) title=(utc(time)) { (distance(time, now)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart_and_the_number_is_there_for_programs() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1\u{202f}000"),
            (12_345_678, "12\u{202f}345\u{202f}678"),
        ] {
            let expected = format!("<data value=\"{value}\">{text}</data>");
            assert_eq!(count(value).into_string(), expected);
        }
    }

    #[test]
    fn what_is_left_is_drawn_and_said_and_never_beyond_the_bar() {
        let text = |seconds_left, is_soon| left(seconds_left, 1_000, is_soon).into_string();
        for (seconds_left, is_soon, share, level, said) in [
            (1_000, false, 100, "fine", ">16 min 40 s</data> left"),
            (9_999, false, 100, "fine", " left"),
            (150, true, 15, "warn", ">2 min 30 s</data> left"),
            (0, true, 0, "bad", "over for "),
            (
                -61,
                false,
                0,
                "bad",
                "over for <data value=\"-61\">1 min 1 s</data>",
            ),
        ] {
            let text = text(seconds_left, is_soon);
            assert!(
                text.contains(&format!("class=\"share\" width=\"{share}\"")),
                "{text}"
            );
            assert!(text.contains(&format!("left {level}")), "{text}");
            assert!(text.contains(said), "{text}");
        }
    }
}
