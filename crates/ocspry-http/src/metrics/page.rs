//! One family after the other, in the text format of Prometheus.  From: `metrics`.  To: the page.

use std::fmt;
use std::time::Duration;

use ocspry_core::Durations;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
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
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        Ok(())
    }

    pub(super) fn gauge<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], i64)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// A counter of seconds; `_total` is added to its name.
    pub(super) fn seconds<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], Duration)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, f64, f64>(&value.as_secs_f64(), None)?;
        }
        Ok(())
    }

    /// A histogram.
    pub(super) fn histogram<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], &'l Durations)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, durations) in rows {
            let (counts, sum) = durations.read();
            let bounds =
                Durations::BOUNDS_US.map(|bound| Duration::from_micros(bound).as_secs_f64());
            let buckets: Vec<(f64, u64)> = bounds
                .into_iter()
                .chain([f64::INFINITY])
                .zip(counts)
                .collect();
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(
                    sum.as_secs_f64(),
                    counts.iter().sum(),
                    &buckets,
                    None,
                )?;
        }
        Ok(())
    }
}

/// A gauge's value; no count here comes near the end of it.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
