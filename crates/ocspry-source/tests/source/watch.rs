//! Changes are noticed: each kind of replacement that tools use, with the watch as its users start it.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ocspry_source::{FileWatch, SourceError};
use tempfile::TempDir;

/// Long enough for any machine; reached only when the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Watched {
    directory: TempDir,
    events: Receiver<Vec<PathBuf>>,
    _watch: FileWatch,
    problems: Vec<SourceError>,
}

impl Watched {
    fn new(names: &[&str], prepare: impl FnOnce(&Path)) -> Watched {
        let directory = TempDir::new().unwrap();
        prepare(directory.path());
        let paths: Vec<PathBuf> = names
            .iter()
            .map(|name| directory.path().join(name))
            .collect();
        let (sender, events) = channel();
        let (watch, problems) = FileWatch::start(&paths, move |event| {
            let _ = sender.send(event.paths);
        });
        Watched {
            directory,
            events,
            _watch: watch,
            problems,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The next event names this path and no other.
    #[track_caller]
    fn assert_noticed(&self, name: &str) {
        let paths = self.events.recv_timeout(PATIENCE).expect("an event");
        assert_eq!(paths, [self.path(name)]);
    }

    /// Other files change nothing: the next event is the one that is made here.
    #[track_caller]
    fn assert_nothing_before(&self, name: &str) {
        std::fs::write(self.path(name), "mark").unwrap();
        self.assert_noticed(name);
    }
}

#[test]
fn a_rename_over_the_file_is_noticed() {
    let watched = Watched::new(&["a.crl", "b.crl"], |directory| {
        std::fs::write(directory.join("a.crl"), "old").unwrap();
        std::fs::write(directory.join("new"), "new").unwrap();
    });
    assert!(watched.problems.is_empty());
    std::fs::rename(watched.path("new"), watched.path("a.crl")).unwrap();
    watched.assert_noticed("a.crl");
}

#[test]
fn writing_in_place_making_and_removing_are_noticed() {
    let watched = Watched::new(&["a.crl"], |_| {});
    std::fs::write(watched.path("a.crl"), "new").unwrap();
    watched.assert_noticed("a.crl");
    std::fs::write(watched.path("a.crl"), "newer").unwrap();
    watched.assert_noticed("a.crl");
    std::fs::remove_file(watched.path("a.crl")).unwrap();
    watched.assert_noticed("a.crl");
}

#[test]
fn other_files_and_our_own_reads_are_not_noticed() {
    let watched = Watched::new(&["a.crl", "b.crl"], |directory| {
        std::fs::write(directory.join("a.crl"), "old").unwrap();
    });
    std::fs::write(watched.path("c.crl"), "other").unwrap();
    std::fs::read(watched.path("a.crl")).unwrap();
    watched.assert_nothing_before("b.crl");
}

#[test]
fn a_burst_of_writes_is_one_event() {
    let watched = Watched::new(&["a.crl", "b.crl"], |_| {});
    for _ in 0..50 {
        std::fs::write(watched.path("a.crl"), "again").unwrap();
    }
    watched.assert_noticed("a.crl");
    watched.assert_nothing_before("b.crl");
}

#[test]
fn a_symlink_turned_to_another_file_is_noticed() {
    let watched = Watched::new(&["ca.crl"], |directory| {
        std::fs::write(directory.join("one"), "1").unwrap();
        std::fs::write(directory.join("two"), "2").unwrap();
        symlink("one", directory.join("ca.crl")).unwrap();
        symlink("two", directory.join("next")).unwrap();
    });
    std::fs::rename(watched.path("next"), watched.path("ca.crl")).unwrap();
    watched.assert_noticed("ca.crl");
    // The new target counts now.
    std::fs::write(watched.path("two"), "3").unwrap();
    watched.assert_noticed("ca.crl");
}

#[test]
fn a_change_of_the_target_in_another_directory_is_noticed() {
    let watched = Watched::new(&["ca.crl"], |directory| {
        std::fs::create_dir(directory.join("store")).unwrap();
        std::fs::write(directory.join("store/real"), "1").unwrap();
        std::fs::write(directory.join("store/new"), "2").unwrap();
        symlink("store/real", directory.join("ca.crl")).unwrap();
    });
    std::fs::rename(watched.path("store/new"), watched.path("store/real")).unwrap();
    watched.assert_noticed("ca.crl");
}

#[test]
fn kubernetes_style_swaps_are_noticed_one_after_the_other() {
    let volume = |directory: &Path, name: &str| {
        std::fs::create_dir(directory.join(name)).unwrap();
        std::fs::write(directory.join(name).join("ca.crl"), name).unwrap();
        symlink(name, directory.join("..data_tmp")).unwrap();
    };
    let watched = Watched::new(&["ca.crl"], |directory| {
        volume(directory, "..1");
        std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
        symlink("..data/ca.crl", directory.join("ca.crl")).unwrap();
    });
    for (old, new) in [("..1", "..2"), ("..2", "..3")] {
        volume(watched.directory.path(), new);
        std::fs::rename(watched.path("..data_tmp"), watched.path("..data")).unwrap();
        watched.assert_noticed("ca.crl");
        assert_eq!(
            std::fs::read_to_string(watched.path("ca.crl")).unwrap(),
            new
        );
        std::fs::remove_dir_all(watched.path(old)).unwrap();
    }
}

#[test]
fn everything_in_a_watched_directory_is_noticed_also_behind_a_link() {
    for name in ["lists", "link"] {
        let watched = Watched::new(&[name], |directory| {
            std::fs::create_dir(directory.join("lists")).unwrap();
            symlink("lists", directory.join("link")).unwrap();
        });
        std::fs::write(watched.path("lists/a.crl"), "1").unwrap();
        watched.assert_noticed(name);
        std::fs::rename(watched.path("lists/a.crl"), watched.path("lists/b.crl")).unwrap();
        watched.assert_noticed(name);
        std::fs::remove_file(watched.path("lists/b.crl")).unwrap();
        watched.assert_noticed(name);
    }
}

#[test]
fn a_directory_that_is_not_there_is_a_problem_and_watched_once_it_is() {
    let watched = Watched::new(&["later/ca.crl"], |_| {});
    assert_eq!(watched.problems.len(), 1);
    let sentence = watched.problems[0].to_string();
    assert!(sentence.contains("later: no such directory"), "{sentence}");
    assert!(
        sentence.ends_with("changes there are seen at the next poll only"),
        "{sentence}"
    );
    std::fs::create_dir(watched.path("later")).unwrap();
    watched.assert_noticed("later/ca.crl");
    std::fs::write(watched.path("later/ca.crl"), "1").unwrap();
    watched.assert_noticed("later/ca.crl");
}

#[test]
fn a_directory_that_is_made_anew_is_watched_again() {
    let watched = Watched::new(&["crls/ca.crl"], |directory| {
        std::fs::create_dir(directory.join("crls")).unwrap();
    });
    std::fs::remove_dir(watched.path("crls")).unwrap();
    watched.assert_noticed("crls/ca.crl");
    std::fs::create_dir(watched.path("crls")).unwrap();
    watched.assert_noticed("crls/ca.crl");
    std::fs::write(watched.path("crls/ca.crl"), "1").unwrap();
    watched.assert_noticed("crls/ca.crl");
}

#[test]
fn dropping_the_watch_ends_it() {
    let directory = TempDir::new().unwrap();
    let (sender, events) = channel();
    let (watch, _) = FileWatch::start(&[directory.path().join("a")], move |event| {
        let _ = sender.send(event);
    });
    drop(watch);
    assert!(events.recv().is_err(), "the callback is gone");
}

/// In a process of its own, which the panic ends.
#[test]
fn a_panic_in_the_thread_that_delivers_ends_the_process() {
    const DIRECTORY: &str = "OCSPRY_TEST_PANIC_DIRECTORY";
    const NAME: &str = "watch::a_panic_in_the_thread_that_delivers_ends_the_process";
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let path = PathBuf::from(directory).join("file");
        let (panicking, panicked) = channel::<()>();
        let (_watch, problems) = FileWatch::start(std::slice::from_ref(&path), move |_| {
            let _until_unwound = &panicking;
            panic!("the message of the panic");
        });
        assert!(problems.is_empty(), "{problems:?}");
        std::fs::write(&path, "").unwrap();
        // The sender is gone when the thread is.
        let _ = panicked.recv();
        return;
    }
    let directory = TempDir::new().unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([NAME, "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("the message of the panic"), "{text}");
    let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
    assert!(signal.is_some(), "{:?}", output.status);
}
