//! How far the load of a big list is, on a terminal.  From: `ocspry_source::Progress`.  To: standard error.
//!
//! Most lists are there before anybody looks: nothing is drawn for them, nor where nobody watches.  Lines of the log that
//! come meanwhile stand above the bar, whole.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use indicatif::{
    BinaryBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use ocspry_source::{Progress, ShowLoad};

/// A bar that comes when a load takes long, and leaves nothing behind.
pub(crate) struct LoadBar {
    path: PathBuf,
    started: Instant,
    is_wanted: bool,
    bar: Option<Arc<ProgressBar>>,
    /// Where it is drawn.
    target: fn() -> ProgressDrawTarget,
}

impl LoadBar {
    /// For the file at `path`.  Drawn only if wanted, and only where standard error is a terminal.
    pub(crate) fn new(path: &Path, is_wanted: bool) -> LoadBar {
        LoadBar {
            path: path.to_owned(),
            started: Instant::now(),
            is_wanted,
            bar: None,
            // By itself it draws nothing where that is no terminal.
            target: ProgressDrawTarget::stderr,
        }
    }

    /// Draws how far it is, if it is time to.
    pub(crate) fn show(&mut self, progress: Progress) {
        if !self.is_wanted || (self.bar.is_none() && self.started.elapsed() < SILENT) {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, (self.target)())
                .with_style(style(READING))
                .with_message(self.path.display().to_string())
                .with_elapsed(self.started.elapsed());
            let bar = Arc::new(bar);
            SHOWN.store(Some(Arc::clone(&bar)));
            bar
        });
        match progress {
            Progress::Reading { read, of } => {
                if bar.length() != Some(of) {
                    bar.set_length(of);
                }
                bar.set_position(read);
            }
            Progress::Sorting => {
                bar.set_style(style(SORTING));
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
            SHOWN.store(None);
        }
    }
}

/// A bar for each file that is loaded, one after the other.
pub(crate) fn of_each() -> Box<ShowLoad> {
    let shown: Mutex<Option<LoadBar>> = Mutex::new(None);
    Box::new(move |path, progress| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.take_if(|bar| bar.path != path);
        let bar = shown.get_or_insert_with(|| LoadBar::new(path, true));
        bar.show(progress);
        if progress == Progress::Done {
            *shown = None;
        }
    })
}

/// Writes to standard error while the bar is out of the way.
pub(crate) fn aside<T>(write: impl FnOnce() -> T) -> T {
    match SHOWN.load_full() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// The one that is drawn.  No lock: a panic while it is drawn is a line too.
static SHOWN: ArcSwapOption<ProgressBar> = ArcSwapOption::const_empty();

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
            // A terminal that takes no more text has its own trouble.
            let _ = write!(text, "{}/s", BinaryBytes(rate(state) as u64));
        })
        .with_key("left", |state: &ProgressState, text: &mut dyn Write| {
            let unread = state.len().unwrap_or(0).saturating_sub(state.pos());
            let left = Duration::from_secs_f64((unread as f64 / rate(state)).min(A_DAY));
            let _ = write!(text, "{:#} left", HumanDuration(left));
        })
}

/// Octets in a second since the load began, with what was read before the bar came.  At least one.
fn rate(state: &ProgressState) -> f64 {
    (state.pos() as f64 / state.elapsed().as_secs_f64().max(0.001)).max(1.0)
}

/// The path takes what room there is.
const READING: &str =
    "{bar:20} {percent:>3} %, {bytes} of {total_bytes}, {rate}, {left}: {wide_msg}";
const SORTING: &str = "{spinner} sorting: {wide_msg}";

/// No longer wait is named, in seconds.
const A_DAY: f64 = 86_400.0;

/// No bar before a load has taken so long.
const SILENT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A terminal with one line.
    #[derive(Debug)]
    struct Screen;

    static LINE: Mutex<String> = Mutex::new(String::new());

    fn line() -> String {
        LINE.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            LINE.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            LINE.lock().unwrap().clear();
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn bar(started: Instant) -> LoadBar {
        let mut bar = LoadBar::new(Path::new("/etc/ca.crl"), true);
        bar.started = started;
        bar.target = || ProgressDrawTarget::term_like(Box::new(Screen));
        bar
    }

    #[test]
    fn a_load_that_takes_long_is_shown_with_its_path_and_log_lines_stand_above_it() {
        let reading = |read| Progress::Reading { read, of: 4 << 20 };
        let mut quick = bar(Instant::now() + SILENT);
        quick.show(reading(1 << 20));
        assert_eq!(line(), "");
        let mut slow = bar(Instant::now().checked_sub(SILENT).unwrap());
        slow.show(reading(1 << 20));
        let shown = line();
        for part in [" 25 %", "1.00 MiB of 4.00 MiB", "B/s", "left: /etc/ca.crl"] {
            assert!(shown.contains(part), "no {part:?} in {shown:?}");
        }
        assert_eq!(aside(line), "", "it makes room for a line of the log");
        assert!(line().contains(" 25 %"), "it comes back: {:?}", line());
        slow.show(Progress::Sorting);
        assert!(line().contains("sorting: /etc/ca.crl"), "{:?}", line());
        drop(slow);
        assert_eq!(line(), "", "nothing is left behind");
        aside(|| ());
        assert_eq!(line(), "");
    }
}
