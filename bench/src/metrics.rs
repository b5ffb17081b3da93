//! What ocspry counts of itself, from its admin listener.

use anyhow::{Context as _, Result, ensure};
use ocspry_testkit::HttpClient;

/// The sum over all series of a metric.
///
/// # Errors
/// It is not there.
pub fn total(admin_port: u16, metric: &str) -> Result<f64> {
    let response = HttpClient::connect(admin_port)?.get("/metrics")?;
    ensure!(response.status == 200, "HTTP {}", response.status);
    let text = String::from_utf8(response.body)?;
    total_in(&text, metric).with_context(|| format!("no {metric}"))
}

fn total_in(text: &str, metric: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?;
        let is_its_own = rest.starts_with(['{', ' ']);
        let value = rest.rsplit(' ').next()?;
        is_its_own.then(|| value.parse::<f64>().ok())?
    });
    values.reduce(|sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_series_of_a_metric_are_added_and_none_of_another_one() {
        let text = "# TYPE made_total counter\nmade_total{result=\"ok\"} 3\nmade_total{result=\"failed\"} 4\nmade_total_of 9\nalone 2\n";
        assert_eq!(total_in(text, "made_total"), Some(7.0));
        assert_eq!(total_in(text, "alone"), Some(2.0));
        assert_eq!(total_in(text, "made"), None);
    }
}
