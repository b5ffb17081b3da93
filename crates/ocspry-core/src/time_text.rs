//! Times as people read them: `2026-11-21 06:00:00Z`, `in 6 d 23 h`.  From: `Time`.  To: summaries, logs and pages.

use ocspry_wire::Time;

/// `2026-11-21 06:00:00Z`.
pub fn utc(time: Time) -> String {
    let (year, month, day, hour, minute, second) = time.civil();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// `in 6 d 23 h` or `2 h 5 min ago`.
pub fn distance(time: Time, now: Time) -> String {
    let seconds = time.seconds_since(now);
    if seconds == 0 {
        return "now".to_owned();
    }
    if seconds > 0 {
        format!("in {}", span(seconds))
    } else {
        format!("{} ago", span(-seconds))
    }
}

/// `2026-11-21 06:00:00Z (in 6 d 23 h)`.
pub fn utc_and_distance(time: Time, now: Time) -> String {
    format!("{} ({})", utc(time), distance(time, now))
}

/// The two largest units that matter: nobody plans by the second a week ahead.
pub fn span(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let (large, small) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds} s"),
        (0, 0, minutes) => ((minutes, "min"), (seconds % 60, "s")),
        (0, hours, minutes) => ((hours, "h"), (minutes, "min")),
        (days, hours, _) => ((days, "d"), (hours, "h")),
    };
    match small {
        (0, _) => format!("{} {}", large.0, large.1),
        (count, unit) => format!("{} {} {count} {unit}", large.0, large.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_its_distance() {
        let now = Time::from_unix(1_795_240_800);
        assert_eq!(utc(now), "2026-11-21 06:00:00Z");
        assert_eq!(
            utc_and_distance(now.plus_seconds(604_799), now),
            "2026-11-28 05:59:59Z (in 6 d 23 h)"
        );
    }

    #[test]
    fn a_distance_shows_its_two_largest_units() {
        let now = Time::from_unix(0);
        for (seconds, text) in [
            (0, "now"),
            (59, "in 59 s"),
            (61, "in 1 min 1 s"),
            (3_599, "in 59 min 59 s"),
            (7_500, "in 2 h 5 min"),
            (86_400, "in 1 d"),
            (-59, "59 s ago"),
            (-90_000, "1 d 1 h ago"),
        ] {
            assert_eq!(distance(now.plus_seconds(seconds), now), text);
        }
    }
}
