//! How far the load of a big list is, on a terminal.  From: `ocspry_source::Progress`.  To: standard error.
//!
//! Most lists are there before anybody looks: nothing is drawn for them, nor where nobody watches.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use ocspry_source::Progress;

/// A bar that comes when a load takes long, and leaves nothing behind.
pub(crate) struct LoadBar {
    started: Instant,
    is_wanted: bool,
    bar: Option<ProgressBar>,
}

impl LoadBar {
    /// Drawn only if wanted, and only where standard error is a terminal.
    pub(crate) fn new(is_wanted: bool) -> LoadBar {
        LoadBar {
            started: Instant::now(),
            is_wanted,
            bar: None,
        }
    }

    /// Draws how far it is, if it is time to.
    pub(crate) fn show(&mut self, progress: Progress) {
        if !self.is_wanted || (self.bar.is_none() && self.started.elapsed() < SILENT) {
            return;
        }
        // By itself it draws nothing where standard error is no terminal.
        let bar = self.bar.get_or_insert_with(|| ProgressBar::new(0));
        match progress {
            Progress::Reading { read, of } => {
                if bar.length() != Some(of) {
                    bar.set_style(style("{bar:40} {bytes} of {total_bytes} read, {eta} left"));
                    bar.set_length(of);
                }
                bar.set_position(read);
            }
            Progress::Sorting => {
                bar.set_style(style("{spinner} sorting"));
                bar.tick();
            }
            Progress::Done => bar.finish_and_clear(),
        }
    }
}

impl Drop for LoadBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// No bar before a load has taken so long.
const SILENT: Duration = Duration::from_millis(500);
