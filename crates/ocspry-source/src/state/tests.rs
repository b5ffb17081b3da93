//! Writes of the state directory: whole, in order, never back, whatever fails.

use ocspry_wire::Time;

use super::faults::Fault;
use super::*;
use crate::list::CrlNumber;
use tempfile::TempDir;

const IDENTITY: &str = "ab12";

fn marks(number: u8) -> Marks {
    let this_update = Time::from_unix(1_800_000_000 + i64::from(number) * 60);
    Marks {
        this_update,
        next_update: this_update.plus_seconds(86_400),
        crl_number: Some(CrlNumber::from_content(&[number])),
        digest: [number; 32],
        written: this_update.plus_seconds(5),
        source: "/etc/\"odd\"\npath".to_owned(),
    }
}

fn list(number: u8) -> Vec<u8> {
    [&[0x30, 0x82][..], &[number; 10_000]].concat()
}

/// The series of one issuer.
fn series(directory: &Path) -> KeptSeries {
    let state = Arc::new(StateDirectory::open(directory).unwrap());
    state.series(IDENTITY, "", SeriesKind::Complete)
}

/// Keeps a list that lies in a file beside.
fn keep(series: &KeptSeries, list: &[u8], marks: &Marks) -> Result<(), SourceError> {
    let source = TempDir::new().unwrap();
    let path = source.path().join("list");
    std::fs::write(&path, list).unwrap();
    let original = Original {
        path: &path,
        der_bytes: list.len() as u64,
        signature: &list[list.len() - 64..],
    };
    series.keep(original, marks)
}

fn last_good(series: &KeptSeries) -> Option<Vec<u8>> {
    std::fs::read(series.list_path()).ok()
}

#[test]
fn what_was_kept_is_read_again() {
    let directory = TempDir::new().unwrap();
    let state = series(&directory.path().join("a/b"));
    assert_eq!(state.marks().unwrap(), None);
    let without_number = Marks {
        crl_number: None,
        ..marks(3)
    };
    for kept in [marks(1), marks(2), without_number] {
        keep(&state, &list(1), &kept).unwrap();
        assert_eq!(state.marks().unwrap(), Some(kept));
    }
}

#[test]
fn marks_never_go_back_whoever_writes_them() {
    let directory = TempDir::new().unwrap();
    let state = series(directory.path());
    keep(&state, &list(2), &marks(2)).unwrap();
    let another = series(directory.path());
    keep(&another, &list(1), &marks(1)).unwrap();
    assert_eq!(state.marks().unwrap(), Some(marks(2)));
    assert_eq!(last_good(&state), Some(list(2)));
}

#[test]
fn a_folder_that_another_process_writes_is_not_waited_for() {
    let directory = TempDir::new().unwrap();
    let state = series(directory.path());
    keep(&state, &list(1), &marks(1)).unwrap();
    let held = lock(state.folder()).unwrap();
    let error = keep(&state, &list(2), &marks(2)).unwrap_err();
    assert!(
        matches!(
            error,
            SourceError::StateWrite {
                step: StateStep::Lock,
                ..
            }
        ),
        "{error}"
    );
    drop(held);
    keep(&state, &list(2), &marks(2)).unwrap();
}

/// Each step of a write fails, or is done and then reported as failed.  What must hold: the failure is reported; the
/// list and the marks are each the old or the new one, whole; the next write succeeds and leaves nothing behind.
#[test]
fn a_write_that_fails_at_any_step_leaves_old_or_new_and_heals() {
    for fault in [Fault::Fails, Fault::FailsAfterTakingEffect] {
        for is_first in [true, false] {
            let steps = (0..)
                .take_while(|&steps| a_write_fails_after(steps, fault, is_first))
                .count();
            assert_eq!(steps, if is_first { 14 } else { 11 }, "{fault:?}");
        }
    }
}

/// Whether the fault came at all.
fn a_write_fails_after(steps: usize, fault: Fault, is_first: bool) -> bool {
    let directory = TempDir::new().unwrap();
    let state = series(directory.path());
    if !is_first {
        keep(&state, &list(1), &marks(1)).unwrap();
    }
    faults::plan(steps, fault);
    let result = keep(&state, &list(2), &marks(2));
    if faults::clear() {
        result.unwrap();
        return false;
    }
    let error = result.unwrap_err();
    let case = format!("step {steps}, {fault:?}, first {is_first}: {error}");
    assert!(matches!(error, SourceError::StateWrite { .. }), "{case}");
    assert!(
        error
            .to_string()
            .contains(directory.path().to_str().unwrap()),
        "{case}"
    );

    let (old_marks, old_list) = if is_first {
        (None, None)
    } else {
        (Some(marks(1)), Some(list(1)))
    };
    let now_there = (state.marks().unwrap(), last_good(&state));
    let (new_marks, new_list) = (Some(marks(2)), Some(list(2)));
    let allowed = [
        (old_marks.clone(), old_list.clone()),
        (new_marks.clone(), old_list),
        (old_marks, new_list.clone()),
        (new_marks.clone(), new_list.clone()),
    ];
    assert!(allowed.contains(&now_there), "{case}");
    let temporary = [LAST_GOOD, MARKS].map(|name| format!(".{name}.tmp"));
    assert!(
        !temporary
            .iter()
            .any(|name| state.folder().join(name).exists()),
        "{case}"
    );

    keep(&state, &list(2), &marks(2)).unwrap();
    assert_eq!(
        (state.marks().unwrap(), last_good(&state)),
        (new_marks, new_list),
        "{case}"
    );
    let count = std::fs::read_dir(state.folder()).unwrap().count();
    assert_eq!(count, 2, "{case}");
    true
}

#[test]
fn a_list_that_cannot_be_kept_does_not_keep_the_marks_back() {
    // After lock, the list's temporary file cannot be created.
    const BEFORE_CREATE: usize = 1;
    let directory = TempDir::new().unwrap();
    let state = series(directory.path());
    keep(&state, &list(1), &marks(1)).unwrap();
    faults::plan(BEFORE_CREATE, Fault::Fails);
    keep(&state, &list(2), &marks(2)).unwrap_err();
    assert!(!faults::clear());
    assert_eq!(state.marks().unwrap(), Some(marks(2)));
    assert_eq!(last_good(&state), Some(list(1)), "older than its marks");

    let tied = Marks {
        digest: [9; 32],
        ..marks(2)
    };
    keep(&state, &list(2), &marks(2)).unwrap();
    faults::plan(BEFORE_CREATE, Fault::Fails);
    keep(&state, &list(9), &tied).unwrap_err();
    assert!(!faults::clear());
    assert_eq!(state.marks().unwrap(), Some(tied));
    assert_eq!(last_good(&state), None, "not known to be older");
}

#[test]
fn damaged_marks_are_replaced_when_a_list_is_kept() {
    let directory = TempDir::new().unwrap();
    let state = series(directory.path());
    keep(&state, &list(1), &marks(1)).unwrap();
    std::fs::write(state.folder().join(MARKS), "{").unwrap();
    state.keep_marks(&marks(2)).unwrap();
    assert_eq!(state.marks().unwrap(), Some(marks(2)));
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = StateDirectory::open(&path).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("state directory {}: ", path.display())),
            "{error}"
        );
    }
}
