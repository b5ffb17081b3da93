//! Makes one step of a write fail, before it is done or after.

use std::cell::Cell;
use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Fails,
    FailsAfterTakingEffect,
}

thread_local! {
    static PLAN: Cell<Option<(usize, Fault)>> = const { Cell::new(None) };
}

/// The step that comes after `steps` others fails; those after it work again.
pub(crate) fn plan(steps: usize, fault: Fault) {
    PLAN.set(Some((steps, fault)));
}

/// Whether the planned fault has not come yet; forgets it.
pub(crate) fn clear() -> bool {
    PLAN.take().is_some()
}

pub(super) fn around<T>(action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let full = || Err(io::Error::from(io::ErrorKind::StorageFull));
    match PLAN.get() {
        None => action(),
        Some((0, fault)) => {
            PLAN.set(None);
            match fault {
                Fault::Fails => full(),
                Fault::FailsAfterTakingEffect => action().and_then(|_| full()),
            }
        }
        Some((steps, fault)) => {
            PLAN.set(Some((steps - 1, fault)));
            action()
        }
    }
}
