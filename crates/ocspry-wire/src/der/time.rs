//! Wall time in whole seconds, UTC, and its two DER spellings (X.690 §11.7, §11.8; RFC 5280 §4.1.2.5).
//!
//! From: certificates, CRLs and requests' answers, or the edge that read a clock.  To: every rule about freshness.
//! There is one type for time, and it cannot hold what GeneralizedTime cannot say.

use core::fmt;

use super::{DerError, DerErrorKind, Tlv, tag};

/// A point in time, whole seconds, UTC, years 0000 to 9999 (what GeneralizedTime can say).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    unix_seconds: i64,
}

impl Time {
    /// 0000-01-01T00:00:00Z.
    pub const MIN: Time = Time {
        unix_seconds: -62_167_219_200,
    };
    /// 9999-12-31T23:59:59Z.
    pub const MAX: Time = Time {
        unix_seconds: 253_402_300_799,
    };

    /// Seconds since 1970-01-01T00:00:00Z; clamped into MIN..=MAX.
    pub const fn from_unix(unix_seconds: i64) -> Time {
        if unix_seconds < Time::MIN.unix_seconds {
            Time::MIN
        } else if unix_seconds > Time::MAX.unix_seconds {
            Time::MAX
        } else {
            Time { unix_seconds }
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[inline]
    pub const fn unix_seconds(self) -> i64 {
        self.unix_seconds
    }

    /// Later by so many seconds (earlier if negative); clamped.
    pub const fn plus_seconds(self, seconds: i64) -> Time {
        Time::from_unix(self.unix_seconds.saturating_add(seconds))
    }

    /// `self - earlier` in seconds.
    pub const fn seconds_since(self, earlier: Time) -> i64 {
        self.unix_seconds - earlier.unix_seconds
    }

    /// From (year, month, day, hour, minute, second); None when there is no such second (leap seconds included).
    #[inline]
    pub fn from_civil(
        year: u16,
        month: u8,
        day: u8,
        hour: u8,
        minute: u8,
        second: u8,
    ) -> Option<Time> {
        // Every month has 28 days: of the others few are asked for.
        let is_day = day >= 1 && (day <= 28 || day <= days_in_month(year, month));
        if year > 9999 || !(1..=12).contains(&month) || !is_day {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Some(Time {
            unix_seconds: days_since_epoch(year, month, day) * SECONDS_PER_DAY + of_day,
        })
    }

    /// (year, month, day, hour, minute, second)
    pub fn civil(self) -> (u16, u8, u8, u8, u8, u8) {
        // Days since 0000-03-01, so that a leap day is the last day of its year and every 400 years are alike.
        let days = self.unix_seconds.div_euclid(SECONDS_PER_DAY) + DAYS_FROM_MARCH_0000_TO_EPOCH;
        let of_day = self.unix_seconds.rem_euclid(SECONDS_PER_DAY);
        let era = days.div_euclid(DAYS_PER_400_YEARS);
        let day_of_era = days.rem_euclid(DAYS_PER_400_YEARS);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        // Each value is in the range of its type, because MIN..=MAX spans the years 0000 to 9999.
        (
            year as u16,
            month as u8,
            day as u8,
            (of_day / 3600) as u8,
            (of_day / 60 % 60) as u8,
            (of_day % 60) as u8,
        )
    }

    /// `YYYYMMDDHHMMSSZ`.
    pub fn to_generalized(self) -> [u8; 15] {
        let (year, month, day, hour, minute, second) = self.civil();
        let mut out = [b'Z'; 15];
        let pairs = [
            (year / 100) as u8,
            (year % 100) as u8,
            month,
            day,
            hour,
            minute,
            second,
        ];
        for (digits, pair) in out.chunks_exact_mut(2).zip(pairs) {
            digits[0] = b'0' + pair / 10;
            digits[1] = b'0' + pair % 10;
        }
        out
    }

    /// From `YYYYMMDDHHMMSSZ` exactly.
    #[inline]
    pub fn from_generalized(value: &[u8]) -> Option<Time> {
        let value: &[u8; 15] = value.try_into().ok()?;
        if value[14] != b'Z' {
            return None;
        }
        let year = u16::from(two_digits(value, 0)?) * 100 + u16::from(two_digits(value, 2)?);
        Time::from_civil(
            year,
            two_digits(value, 4)?,
            two_digits(value, 6)?,
            two_digits(value, 8)?,
            two_digits(value, 10)?,
            two_digits(value, 12)?,
        )
    }

    /// From `YYMMDDHHMMSSZ`, 50..99 being 19xx (RFC 5280 §4.1.2.5.1).
    #[inline]
    pub fn from_utc_time(value: &[u8]) -> Option<Time> {
        let value: &[u8; 13] = value.try_into().ok()?;
        if value[12] != b'Z' {
            return None;
        }
        let [year, month, ..] = four_numbers(value.first_chunk()?)?;
        let [day, hour, minute, second] = four_numbers(value[4..].first_chunk()?)?;
        Time::from_civil(full_year(year), month, day, hour, minute, second)
    }

    /// From a UTCTime that X.690 §11.8 does not allow but X.680 does and old CAs write: seconds left out, or an offset
    /// (`+hhmm`, `-hhmm`) instead of `Z`.  Only for CRLs, which count it.
    pub fn from_odd_utc_time(value: &[u8]) -> Option<Time> {
        let (local, offset_seconds) = match value {
            [local @ .., b'Z'] => (local, 0),
            [local @ .., sign @ (b'+' | b'-'), _, _, _, _] => {
                let offset = &value[value.len() - 4..];
                let (hours, minutes) = (two_digits(offset, 0)?, two_digits(offset, 2)?);
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
                (local, if *sign == b'+' { seconds } else { -seconds })
            }
            _ => return None,
        };
        let second = match local.len() {
            10 => 0,
            12 => two_digits(local, 10)?,
            _ => return None,
        };
        let local = Time::from_civil(
            full_year(two_digits(local, 0)?),
            two_digits(local, 2)?,
            two_digits(local, 4)?,
            two_digits(local, 6)?,
            two_digits(local, 8)?,
            second,
        )?;
        Some(local.plus_seconds(-offset_seconds))
    }

    /// From a GeneralizedTime element: the only spelling in OCSP (RFC 6960 §4.2.2.1).
    ///
    /// # Errors
    /// `UnexpectedTag` or `Value`.
    pub fn from_generalized_tlv(tlv: Tlv<'_>) -> Result<Time, DerError> {
        if tlv.tag != tag::GENERALIZED_TIME {
            return Err(tlv.error(DerErrorKind::UnexpectedTag));
        }
        Time::from_generalized(tlv.value).ok_or(tlv.error(DerErrorKind::Value))
    }

    /// From the CHOICE of RFC 5280 §4.1: UTCTime or GeneralizedTime.
    ///
    /// # Errors
    /// `UnexpectedTag` or `Value`.
    pub fn from_choice_tlv(tlv: Tlv<'_>) -> Result<Time, DerError> {
        if tlv.tag != tag::UTC_TIME {
            return Time::from_generalized_tlv(tlv);
        }
        Time::from_utc_time(tlv.value).ok_or(tlv.error(DerErrorKind::Value))
    }
}

/// `2026-11-21T06:00:00Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.civil();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Days from 1970-01-01 to a day that exists.
#[inline]
fn days_since_epoch(year: u16, month: u8, day: u8) -> i64 {
    let (month, day) = (u32::from(month), u32::from(day));
    // The year starts in March, so that the leap day comes last; 400 years more keep the year 0 above zero.
    let year = u32::from(year) + 400 - u32::from(month <= 2);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (153 * month_from_march + 2) / 5 + day - 1;
    i64::from(days) - DAYS_PER_400_YEARS - DAYS_FROM_MARCH_0000_TO_EPOCH
}

#[inline]
fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn full_year(year: u8) -> u16 {
    u16::from(year) + if year >= 50 { 1900 } else { 2000 }
}

#[inline]
fn two_digits(digits: &[u8], at: usize) -> Option<u8> {
    let (tens, ones) = (
        digits.get(at)?.wrapping_sub(b'0'),
        digits.get(at + 1)?.wrapping_sub(b'0'),
    );
    if tens > 9 || ones > 9 {
        None
    } else {
        Some(tens * 10 + ones)
    }
}

/// Eight digits as four numbers of two, at once: a long list has millions of times.
#[inline]
fn four_numbers(digits: &[u8; 8]) -> Option<[u8; 4]> {
    let values = u64::from_le_bytes(*digits) ^ u64::from_le_bytes([b'0'; 8]);
    // Neither a digit's value nor six more reaches the upper half of its octet; anything else does.
    let six_more = values.wrapping_add(u64::from_le_bytes([6; 8]));
    if (values | six_more) & u64::from_le_bytes([0xf0; 8]) != 0 {
        return None;
    }
    let low = u64::from_le_bytes([0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0]);
    let numbers = (values & low) * 10 + (values >> 8 & low);
    let [first, _, second, _, third, _, fourth, _] = numbers.to_le_bytes();
    Some([first, second, third, fourth])
}

const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_PER_400_YEARS: i64 = 146_097;
const DAYS_FROM_MARCH_0000_TO_EPOCH: i64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments_have_their_unix_seconds() {
        for (text, unix_seconds) in [
            ("00000101000000Z", -62_167_219_200),
            ("19691231235959Z", -1),
            ("19700101000000Z", 0),
            ("20000229120000Z", 951_825_600),
            ("20260101000000Z", 1_767_225_600),
            ("20380119031408Z", 2_147_483_648),
            ("99991231235959Z", 253_402_300_799),
        ] {
            let time = Time::from_generalized(text.as_bytes()).unwrap();
            assert_eq!(time.unix_seconds(), unix_seconds, "{text}");
            assert_eq!(time.to_generalized(), text.as_bytes());
        }
    }

    #[test]
    fn a_time_prints_as_people_write_it() {
        assert_eq!(
            Time::from_unix(1_795_154_400).to_string(),
            "2026-11-20T06:00:00Z"
        );
        assert_eq!(Time::MIN.to_string(), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn times_that_do_not_exist_or_are_not_der_are_refused() {
        for text in [
            "20260229000000Z",
            "20261301000000Z",
            "20260001000000Z",
            "20260100000000Z",
            "20260132000000Z",
            "21000229000000Z",
            "20260101240000Z",
            "20260101006000Z",
            "20260101000060Z",
            "20260101000000",
            "202601010000Z",
            "20260101000000.5Z",
            "20260101000000+0100",
            "2026010100000 Z",
            "20260101000000z",
            "",
        ] {
            assert_eq!(Time::from_generalized(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2601010000Z",
            "260101000000+0000",
            "260101000000",
            "20260101000000Z",
            "26010100000/Z",
        ] {
            assert_eq!(Time::from_utc_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn two_digit_years_from_50_on_are_of_the_last_century() {
        assert_eq!(
            Time::from_utc_time(b"491231235959Z").unwrap().to_string(),
            "2049-12-31T23:59:59Z"
        );
        assert_eq!(
            Time::from_utc_time(b"500101000000Z").unwrap().to_string(),
            "1950-01-01T00:00:00Z"
        );
        assert_eq!(
            Time::from_utc_time(b"991231235958Z").unwrap().to_string(),
            "1999-12-31T23:59:58Z"
        );
    }

    #[test]
    fn odd_utc_times_of_old_cas_are_understood() {
        let odd =
            |text: &str| Time::from_odd_utc_time(text.as_bytes()).map(|time| time.to_string());
        assert_eq!(odd("2601020304Z").as_deref(), Some("2026-01-02T03:04:00Z"));
        assert_eq!(
            odd("2601020304+0200").as_deref(),
            Some("2026-01-02T01:04:00Z")
        );
        assert_eq!(
            odd("260102030405-0130").as_deref(),
            Some("2026-01-02T04:34:05Z")
        );
        for text in [
            "26010203Z",
            "2601020304",
            "260102030405+01",
            "260102030405+2400",
            "260102030405+0060",
            "+0000",
            "Z",
            "",
        ] {
            assert_eq!(odd(text), None, "{text}");
        }
    }

    #[test]
    fn arithmetic_stays_within_what_can_be_written() {
        assert_eq!(Time::MAX.plus_seconds(1), Time::MAX);
        assert_eq!(Time::MAX.plus_seconds(i64::MAX), Time::MAX);
        assert_eq!(Time::MIN.plus_seconds(i64::MIN), Time::MIN);
        assert_eq!(Time::from_unix(i64::MAX), Time::MAX);
        assert_eq!(Time::from_unix(100).plus_seconds(-30), Time::from_unix(70));
        assert_eq!(Time::MAX.seconds_since(Time::MIN), 315_569_519_999);
    }

    proptest! {
        #[test]
        fn every_second_survives_a_round_trip(unix_seconds in Time::MIN.unix_seconds..=Time::MAX.unix_seconds) {
            let time = Time::from_unix(unix_seconds);
            prop_assert_eq!(Time::from_generalized(&time.to_generalized()), Some(time));
            let (year, month, day, hour, minute, second) = time.civil();
            prop_assert_eq!(Time::from_civil(year, month, day, hour, minute, second), Some(time));
            if (1950..2050).contains(&year) {
                prop_assert_eq!(Time::from_utc_time(&time.to_generalized()[2..]), Some(time));
                prop_assert_eq!(Time::from_odd_utc_time(&time.to_generalized()[2..]), Some(time));
            }
        }

        #[test]
        fn any_bytes_are_a_time_or_refused(value in "[0-9Z+. -]{0,20}") {
            let bytes = value.as_bytes();
            if let Some(time) = Time::from_generalized(bytes) {
                prop_assert_eq!(&time.to_generalized()[..], bytes);
            }
            let _ = (Time::from_utc_time(bytes), Time::from_odd_utc_time(bytes));
        }
    }
}
