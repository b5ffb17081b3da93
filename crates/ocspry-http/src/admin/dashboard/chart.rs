//! The requests of the last hour as a picture, drawn on the server: a bar for each minute, its parts by what became of them.
//!
//! From: `request_history`.  To: the overview, beside a table that says the same in numbers.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::admin::request_history::{AnswerCounts, AnswerKind, RequestHistory};

const WIDTH: usize = 12;
/// Of these, the bar; the rest is a gap.
const BAR: usize = 10;
const HEIGHT: u64 = 300;
/// Room for the numbers at the side, and for the words below.
const SIDE: usize = 58;
const BELOW: u64 = 22;
/// Room above for half a line of text.
const ABOVE: u64 = 10;

/// The picture; `minutes` as of [`RequestHistory::minutes`].
pub(super) fn chart(minutes: &[AnswerCounts]) -> Markup {
    let most = minutes.iter().map(|minute| minute.iter().sum()).max();
    let top = round_up(most.unwrap_or(0));
    let width = SIDE + RequestHistory::MINUTES * WIDTH;
    let height = ABOVE + HEIGHT + BELOW;
    html! {
        svg.chart role="img" viewBox=(format!("0 0 {width} {height}"))
            aria-label=(format!("Requests in each of the last 60 minutes; the most in one minute is {}", most.unwrap_or(0))) {
            defs {
                pattern #hatch width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="1.6" height="4" {}
                }
            }
            @for (share, label) in [(0, top), (1, top / 2), (2, 0)] {
                @let y = ABOVE + HEIGHT * share / 2;
                line x1=(SIDE) x2=(width) y1=(y) y2=(y) {}
                text x=(SIDE - 8) y=(y + 5) text-anchor="end" { (label) }
            }
            @for kind in AnswerKind::ALL { (parts(kind, minutes, top)) }
            text x=(SIDE) y=(height - 4) { "60 min ago" }
            text x=(width) y=(height - 4) text-anchor="end" { "now" }
        }
    }
}

/// The parts of all bars that are of one kind: one path, which weighs little.
fn parts(kind: AnswerKind, minutes: &[AnswerCounts], top: u64) -> Markup {
    let first = RequestHistory::MINUTES.saturating_sub(minutes.len());
    let mut path = String::new();
    for (place, minute) in minutes.iter().enumerate() {
        let (below, count) = (minute[..kind as usize].iter().sum(), minute[kind as usize]);
        if count == 0 {
            continue;
        }
        let (start, end) = (scaled(below, top), scaled(below + count, top));
        // What is there is seen, however little it is.
        let tall = (end - start).max(1);
        let x = SIDE + (first + place) * WIDTH;
        let y = ABOVE + (HEIGHT - start).saturating_sub(tall);
        // A String takes whatever is written.
        let _ = write!(path, "M{x} {y}h{BAR}v{tall}h-{BAR}z");
    }
    html! {
        @if !path.is_empty() {
            path class=(kind.class()) d=(path) {}
            @if kind == AnswerKind::TryLater { path fill="url(#hatch)" d=(path) {} }
        }
    }
}

fn scaled(count: u64, top: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(HEIGHT) / u128::from(top.max(1));
    u64::try_from(scaled).unwrap_or(HEIGHT).min(HEIGHT)
}

/// To the next of 2, 4, 6, 8, 10, 20, 40 …: halves are whole numbers.
fn round_up(most: u64) -> u64 {
    let mut power = 1_u64;
    loop {
        for step in [2, 4, 6, 8, 10] {
            let top = power.saturating_mul(step);
            if top >= most {
                return top;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number_that_nothing_exceeds() {
        for (most, top) in [
            (0, 2),
            (2, 2),
            (3, 4),
            (5, 6),
            (11, 20),
            (399, 400),
            (401, 600),
        ] {
            assert_eq!(round_up(most), top, "{most}");
        }
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_bar_has_a_part_for_each_kind_that_came_one_above_the_other() {
        let minute = |good, later| {
            let mut minute = AnswerCounts::default();
            minute[AnswerKind::Good as usize] = good;
            minute[AnswerKind::TryLater as usize] = later;
            minute
        };
        let minutes = [minute(50, 50), minute(0, 0), minute(0, 100)];
        let text = |kind| parts(kind, &minutes, 100).into_string();
        let (first, last) = (SIDE + 57 * WIDTH, SIDE + 59 * WIDTH);
        assert_eq!(
            text(AnswerKind::Good),
            format!("<path class=\"good\" d=\"M{first} 160h10v150h-10z\"></path>")
        );
        let later = format!("d=\"M{first} 10h10v150h-10zM{last} 10h10v300h-10z\"></path>");
        assert_eq!(
            text(AnswerKind::TryLater),
            format!("<path class=\"later\" {later}<path fill=\"url(#hatch)\" {later}")
        );
        assert_eq!(text(AnswerKind::Refused), "");
        // One among a million is seen.
        let text = parts(AnswerKind::Good, &[minute(1, 0)], 1_000_000).into_string();
        assert!(text.contains(" 309h10v1h-10z"), "{text}");
    }
}
