//! Watches files by watching the directories that decide what a path leads to; of a directory, all that is in it.
//!
//! From: the system's file events (inotify on Linux).  To: the control thread, as "these paths may have changed".
//! Tools replace a file by a rename over it, and Kubernetes turns the symlink `..data` two levels above: so every
//! directory entry on the way to the file is watched, each link's target too, and never the file itself.  Events are a
//! hint and may be lost (network file systems, a bind-mounted single file): polling goes on beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::SourceError;

/// How long events must have been quiet before they are delivered: tools write several times.
const QUIET: Duration = Duration::from_millis(150);
/// How long a stream of events can hold delivery back.
const QUIET_MAX: Duration = Duration::from_millis(500);
/// How long until a directory that could not be watched is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Links followed on the way to one file, as many as Linux follows.
const LINKS_MAX: usize = 40;

/// Some of the watched paths may have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// Which, as they were given to [`FileWatch::start`], in that order.
    pub paths: Vec<PathBuf>,
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct FileWatch {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

impl FileWatch {
    /// Watches these paths and calls `deliver` on a thread of its own, once events have been quiet for 150 ms (after
    /// 500 ms at most).
    ///
    /// Start it before the files are first read, so that no change falls in between.  A path need not exist.  The errors
    /// name directories that cannot be watched now: there, polling alone is left, and they are tried again.
    pub fn start(
        paths: &[PathBuf],
        deliver: impl Fn(WatchEvent) + Send + 'static,
    ) -> (FileWatch, Vec<SourceError>) {
        let shared = Arc::new(Shared::default());
        let mut watch = FileWatch {
            shared: Arc::clone(&shared),
            worker: None,
        };
        let failed = |problem: String| SourceError::Watch {
            path: paths.first().cloned().unwrap_or_default(),
            problem,
        };
        let listener = Arc::clone(&shared);
        let watcher = match notify::recommended_watcher(move |event| {
            let _end = EndProcessOnPanic;
            listener.note(event);
        }) {
            Ok(watcher) => watcher,
            Err(error) => return (watch, vec![failed(problem_of(&error))]),
        };
        let mut directories = Directories {
            watcher,
            paths: paths.to_vec(),
            shared,
            watched: BTreeSet::new(),
            unwatched: BTreeSet::new(),
        };
        let mut problems = directories.follow();
        let worker = thread::Builder::new().name("file-watch".to_owned());
        match worker.spawn(move || {
            let _end = EndProcessOnPanic;
            directories.run(&deliver);
        }) {
            Ok(handle) => watch.worker = Some(handle),
            Err(error) => problems = vec![failed(error.to_string())],
        }
        (watch, problems)
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        if let Some(worker) = self.worker.take()
            && worker.thread().id() != thread::current().id()
        {
            // A panic in there has ended the process.
            let _ = worker.join();
        }
    }
}

/// A program that no longer sees changes must not go on as if it did.  The message of the panic is out by then.
pub(crate) struct EndProcessOnPanic;

impl Drop for EndProcessOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::abort();
        }
    }
}

/// Between the system's event thread and ours.  Bounded: one mark per path or directory, however many events come.
#[derive(Debug, Default)]
struct Shared {
    noted: Mutex<Noted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Noted {
    /// Directory entries that lead to watched paths (by index).
    entries: BTreeMap<PathBuf, BTreeSet<usize>>,
    /// Directories that are watched, and the paths they lead to.
    directories: BTreeMap<PathBuf, BTreeSet<usize>>,
    /// Directories of which everything in them matters, and the paths that they are.
    contents: BTreeMap<PathBuf, BTreeSet<usize>>,
    /// Paths with events that were not delivered yet.
    touched: BTreeSet<usize>,
    /// Watched directories that were removed or renamed.
    lost: BTreeSet<PathBuf>,
    /// Grows with every event that matters.
    event_count: u64,
    stopping: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: notify::Result<Event>) {
        let mut noted = self.lock();
        let is_noted = match &event {
            Ok(event) if event.need_rescan() => noted.note_all(),
            Ok(event) if is_change(&event.kind) => {
                let removed = is_removal(&event.kind);
                let noted_paths = event
                    .paths
                    .iter()
                    .filter(|path| noted.note_path(path, removed));
                noted_paths.count() > 0
            }
            Ok(_) => false,
            Err(_) => noted.note_all(),
        };
        if is_noted {
            noted.event_count += 1;
            drop(noted);
            self.changed.notify_all();
        }
    }
}

impl Noted {
    /// Events were lost: anything may have changed.
    fn note_all(&mut self) -> bool {
        self.touched = self.entries.values().flatten().copied().collect();
        true
    }

    fn note_path(&mut self, path: &Path, removed: bool) -> bool {
        let entry = self.entries.get(path);
        let directory = self.directories.get(path).filter(|_| removed);
        let within = path.parent().and_then(|parent| self.contents.get(parent));
        if directory.is_some() {
            self.lost.insert(path.to_owned());
        }
        let is_noted = entry.is_some() || directory.is_some() || within.is_some();
        self.touched
            .extend(entry.into_iter().chain(directory).chain(within).flatten());
        is_noted
    }
}

/// Reading a file is no change; our own reads would wake us for ever.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

fn is_removal(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From))
    )
}

/// The worker: collects events, follows links anew, delivers.
struct Directories {
    watcher: RecommendedWatcher,
    paths: Vec<PathBuf>,
    shared: Arc<Shared>,
    watched: BTreeSet<PathBuf>,
    unwatched: BTreeSet<PathBuf>,
}

impl Directories {
    fn run(mut self, deliver: &dyn Fn(WatchEvent)) {
        while let Some((mut touched, lost)) = self.wait() {
            for directory in &lost {
                // Its watch, if there still is one, follows the directory to wherever it was moved.
                let _ = self.watcher.unwatch(directory);
                self.watched.remove(directory);
            }
            let missing = &std::mem::take(&mut self.unwatched) | &lost;
            self.follow();
            // What happened in a directory before it was watched was not seen.
            let found = missing.difference(&self.unwatched);
            let noted = self.shared.lock();
            touched.extend(
                found
                    .filter_map(|directory| noted.directories.get(directory))
                    .flatten(),
            );
            drop(noted);
            if !touched.is_empty() {
                let paths = touched
                    .iter()
                    .map(|index| self.paths[*index].clone())
                    .collect();
                deliver(WatchEvent { paths });
            }
        }
    }

    /// Until events came and went quiet, or it is time to try again: the paths touched, the directories lost.
    /// None = stop.
    fn wait(&self) -> Option<(BTreeSet<usize>, BTreeSet<PathBuf>)> {
        let shared = &self.shared;
        let is_idle = |noted: &mut Noted| noted.touched.is_empty() && !noted.stopping;
        let noted = shared.lock();
        let mut noted = if self.unwatched.is_empty() {
            shared
                .changed
                .wait_while(noted, is_idle)
                .unwrap_or_else(PoisonError::into_inner)
        } else {
            let waited = shared.changed.wait_timeout_while(noted, RETRY, is_idle);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        let first = Instant::now();
        let mut seen = None;
        while !noted.stopping
            && !noted.touched.is_empty()
            && seen != Some(noted.event_count)
            && first.elapsed() < QUIET_MAX
        {
            let pause = QUIET.min(QUIET_MAX.saturating_sub(first.elapsed()));
            let count = noted.event_count;
            seen = Some(count);
            let is_quiet = |noted: &mut Noted| noted.event_count == count && !noted.stopping;
            let waited = shared.changed.wait_timeout_while(noted, pause, is_quiet);
            noted = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if noted.stopping {
            return None;
        }
        Some((
            std::mem::take(&mut noted.touched),
            std::mem::take(&mut noted.lost),
        ))
    }

    /// Watches the directories that matter now, and no others; the errors are those of this time.
    fn follow(&mut self) -> Vec<SourceError> {
        let mut entries: BTreeMap<PathBuf, BTreeSet<usize>> = BTreeMap::new();
        let mut directories: BTreeMap<PathBuf, BTreeSet<usize>> = BTreeMap::new();
        for (index, path) in self.paths.iter().enumerate() {
            for (directory, name) in entries_towards(path) {
                entries
                    .entry(directory.join(name))
                    .or_default()
                    .insert(index);
                directories.entry(directory).or_default().insert(index);
            }
        }
        let mut contents: BTreeMap<PathBuf, BTreeSet<usize>> = BTreeMap::new();
        for (index, path) in self.paths.iter().enumerate() {
            // Without links, as the events name it.
            if path.is_dir()
                && let Ok(directory) = path.canonicalize()
            {
                contents.entry(directory.clone()).or_default().insert(index);
                directories.entry(directory).or_default().insert(index);
            }
        }
        // Known before they are watched, so that no event comes too early.
        let wanted: BTreeSet<PathBuf> = directories.keys().cloned().collect();
        let mut noted = self.shared.lock();
        noted.entries = entries;
        noted.directories = directories;
        noted.contents = contents;
        drop(noted);
        for gone in self.watched.difference(&wanted) {
            // It may be gone from the disk, and its watch with it.
            let _ = self.watcher.unwatch(gone);
        }
        self.watched.retain(|directory| wanted.contains(directory));
        self.unwatched.clear();
        let mut problems = Vec::new();
        for directory in wanted.difference(&self.watched.clone()) {
            match self.watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(directory.clone());
                }
                Err(error) => {
                    self.unwatched.insert(directory.clone());
                    problems.push(SourceError::Watch {
                        path: directory.clone(),
                        problem: problem_of(&error),
                    });
                }
            }
        }
        problems
    }
}

fn problem_of(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "no more watches are allowed (raise fs.inotify.max_user_watches)".to_owned()
        }
        notify::ErrorKind::Io(error) => error.to_string(),
        notify::ErrorKind::PathNotFound => "no such directory".to_owned(),
        notify::ErrorKind::Generic(_)
        | notify::ErrorKind::WatchNotFound
        | notify::ErrorKind::InvalidConfig(_) => error.to_string(),
    }
}

/// Every directory entry that decides what `path` leads to: each link on the way, and the last name.  The directories
/// themselves are free of links, so that a link turned elsewhere gives another directory.
fn entries_towards(path: &Path) -> Vec<(PathBuf, OsString)> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut entries = Vec::new();
    let mut directory = PathBuf::from("/");
    let mut ahead: Vec<OsString> = reversed(&absolute);
    while let Some(name) = ahead.pop() {
        match Path::new(&name).components().next() {
            Some(Component::RootDir) => directory = PathBuf::from("/"),
            Some(Component::ParentDir) => {
                directory.pop();
            }
            Some(Component::Normal(_)) => {
                let entry = directory.join(&name);
                let target = std::fs::read_link(&entry)
                    .ok()
                    .filter(|_| entries.len() < LINKS_MAX);
                if target.is_some() || ahead.is_empty() {
                    entries.push((directory.clone(), name));
                }
                match target {
                    Some(target) => ahead.extend(reversed(&target)),
                    None => directory = entry,
                }
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
    }
    entries
}

fn reversed(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .map(|component| component.as_os_str().to_owned())
        .collect()
}
