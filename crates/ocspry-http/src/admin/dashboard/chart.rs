//! The requests of the last hour as pictures, drawn on the server: bars for spans of time, their parts by what became of them.
//!
//! From: `request_history`.  To: the pages, beside numbers that say the same.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::admin::request_history::{AnswerCounts, AnswerKind, RequestHistory, sum};

/// Where bars stand, in the units of the picture.
struct Bars {
    /// How many there is room for; the last one stands at the right.
    count: usize,
    /// From the left of one to the left of the next.
    step: usize,
    /// Of these, the bar; the rest is a gap.
    width: usize,
    height: u64,
    /// Room on the left, and above.
    left: usize,
    above: u64,
}

/// A bar for each minute, beside numbers and above words.
const OF_MINUTES: Bars = Bars {
    count: RequestHistory::MINUTES,
    step: 12,
    width: 10,
    height: 300,
    left: 58,
    above: 10,
};
/// Room for words below.
const BELOW: u64 = 22;

/// A bar for each five minutes, and nothing else.
const SMALL: Bars = Bars {
    count: RequestHistory::MINUTES / MINUTES_OF_SMALL,
    step: 12,
    width: 10,
    height: 32,
    left: 0,
    above: 0,
};
const MINUTES_OF_SMALL: usize = 5;

/// The picture with its scale; `minutes` the oldest first.
pub(super) fn of_minutes(minutes: &[AnswerCounts]) -> Markup {
    let bars = OF_MINUTES;
    let most = most_of(minutes);
    let top = round_up(most);
    let width = bars.right();
    let height = bars.above + bars.height + BELOW;
    html! {
        svg.chart role="img" viewBox=(format!("0 0 {width} {height}"))
            aria-label=(format!("Requests in each of the last 60 minutes; the most in one minute is {most}")) {
            defs {
                pattern #hatch width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect width="1.6" height="4" {}
                }
            }
            @for (share, label) in [(0, top), (1, top / 2), (2, 0)] {
                @let y = bars.above + bars.height * share / 2;
                line x1=(bars.left) x2=(width) y1=(y) y2=(y) {}
                text x=(bars.left - 8) y=(y + 5) text-anchor="end" { (label) }
            }
            @for kind in AnswerKind::ALL { (bars.parts(kind, minutes, top)) }
            text x=(bars.left) y=(height - 4) { "60 min ago" }
            text x=(width) y=(height - 4) text-anchor="end" { "now" }
        }
    }
}

/// The shape of the hour, to its own scale, for a cell that says the numbers.  On a page that has the larger one, too, whose
/// hatching it uses.
pub(super) fn small(minutes: &[AnswerCounts]) -> Markup {
    // The last span ends now, as the last minute does.
    let mut spans: Vec<AnswerCounts> = minutes.rchunks(MINUTES_OF_SMALL).map(sum).collect();
    spans.reverse();
    let top = most_of(&spans);
    let bars = SMALL;
    let (width, height) = (bars.right(), bars.height);
    html! {
        svg.spark viewBox=(format!("0 0 {width} {height}")) preserveAspectRatio="none" aria-hidden="true" {
            line x1="0" x2=(width) y1=(height) y2=(height) {}
            @for kind in AnswerKind::OF_ISSUER { (bars.parts(kind, &spans, top)) }
        }
    }
}

fn most_of(spans: &[AnswerCounts]) -> u64 {
    spans
        .iter()
        .map(|span| span.iter().sum())
        .max()
        .unwrap_or(0)
}

impl Bars {
    fn right(&self) -> usize {
        self.left + self.count * self.step
    }

    /// The parts of all bars that are of one kind: one path, which weighs little.
    fn parts(&self, kind: AnswerKind, spans: &[AnswerCounts], top: u64) -> Markup {
        let first = self.count.saturating_sub(spans.len());
        let width = self.width;
        let scaled = |count| scaled(count, top, self.height);
        let mut path = String::new();
        for (place, span) in spans.iter().enumerate() {
            let (below, count) = (span[..kind as usize].iter().sum(), span[kind as usize]);
            if count == 0 {
                continue;
            }
            let (start, end) = (scaled(below), scaled(below + count));
            // What is there is seen, however little it is.
            let tall = (end - start).max(1);
            let x = self.left + (first + place) * self.step;
            let y = self.above + (self.height - start).saturating_sub(tall);
            // A String takes whatever is written.
            let _ = write!(path, "M{x} {y}h{width}v{tall}h-{width}z");
        }
        html! {
            @if !path.is_empty() {
                path class=(kind.class()) d=(path) {}
                @if kind == AnswerKind::TryLater { path fill="url(#hatch)" d=(path) {} }
            }
        }
    }
}

fn scaled(count: u64, top: u64, height: u64) -> u64 {
    let scaled = u128::from(count) * u128::from(height) / u128::from(top.max(1));
    u64::try_from(scaled).unwrap_or(height).min(height)
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
        let text = |kind| OF_MINUTES.parts(kind, &minutes, 100).into_string();
        let (first, last) = (58 + 57 * 12, 58 + 59 * 12);
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
        let text = OF_MINUTES.parts(AnswerKind::Good, &[minute(1, 0)], 1_000_000);
        let text = text.into_string();
        assert!(text.contains(" 309h10v1h-10z"), "{text}");
    }

    #[test]
    fn the_small_one_has_a_bar_for_five_minutes_and_the_last_one_ends_now() {
        let minute = |good| {
            let mut minute = AnswerCounts::default();
            minute[AnswerKind::Good as usize] = good;
            minute
        };
        let minutes: Vec<AnswerCounts> = [8, 1, 1, 1, 1, 0].map(minute).to_vec();
        let text = small(&minutes).into_string();
        // Twice as high as the one behind it, which has five of the six minutes.
        let path = "<path class=\"good\" d=\"M120 0h10v32h-10zM132 16h10v16h-10z\"></path>";
        assert!(text.contains(path), "{text}");
        assert!(!small(&[]).into_string().contains("<path"));
    }
}
