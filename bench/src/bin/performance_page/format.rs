//! Numbers as the page writes them.

use ocspry_bench::spread::Spread;

/// Three digits that say something; thousands apart.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = value.abs().max(1e-9).log10().floor() as i32;
    if digits >= 3 {
        return thousands(value.round() as i64);
    }
    let places = usize::try_from(2 - digits).unwrap_or(0).min(3);
    format!("{value:.places$}")
}

fn thousands(value: i64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The median, and the ends where they are others.
pub fn spread(spread: Option<Spread>) -> String {
    match spread {
        None => "–".to_owned(),
        Some(one) if number(one.min) == number(one.max) => number(one.median),
        Some(one) => format!(
            "{} ({}–{})",
            number(one.median),
            number(one.min),
            number(one.max)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_three_digits_that_say_something() {
        let cases = [
            (0.0123, "0.012"),
            (0.987, "0.987"),
            (1.0, "1.00"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.5, "1,235"),
            (102_433.3, "102,433"),
            (1_234_567.0, "1,234,567"),
            (f64::NAN, "–"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn ends_are_said_where_there_are_any() {
        assert_eq!(spread(Spread::of([2.0, 1.0, 3.0])), "2.00 (1.00–3.00)");
        assert_eq!(spread(Spread::of([2.0])), "2.00");
        assert_eq!(spread(None), "–");
    }
}
