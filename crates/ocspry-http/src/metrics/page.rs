//! One family after the other, in the text format of Prometheus.  From: `metrics`.  To: the page.

use std::fmt;
use std::time::Duration;

use ocspry_core::Durations;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The page in the making: one family after the other.
pub(super) struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Page<'a> {
    /// Nothing is on it yet.
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Page<'a> {
        Page { encoder }
    }

    /// A counter; `_total` is added to its name.
    pub(super) fn counter<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, rows, |mut row, value| {
            row.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        })
    }

    pub(super) fn gauge<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], i64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, rows, |mut row, value| {
            row.encode_gauge(&value)
        })
    }

    /// A counter of seconds; `_total` is added to its name.
    pub(super) fn seconds<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], Duration)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, rows, |mut row, value| {
            row.encode_counter::<NoLabelSet, f64, f64>(&value.as_secs_f64(), None)
        })
    }

    /// A histogram.
    pub(super) fn histogram<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], &'l Durations)>,
    ) -> fmt::Result {
        let bounds = Durations::BOUNDS_US.map(|bound| Duration::from_micros(bound).as_secs_f64());
        let kind = MetricType::Histogram;
        self.family(name, help, kind, rows, |mut row, durations| {
            let (counts, sum) = durations.read();
            let bounds = bounds.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
            let (sum, count) = (sum.as_secs_f64(), counts.iter().sum());
            row.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        })
    }

    /// A family's head, and a row for each of its labels.
    fn family<'l, const LABELS: usize, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], V)>,
        write: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            write(family.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

/// A gauge's value; no count here comes near the end of it.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
