//! Command lines of the programs here: flags, most with a value.

use anyhow::{Context as _, Result};

/// Gives every flag and its value to `set`, in order.
///
/// # Errors
/// A flag without a value, and what `set` says.
pub fn each(set: impl FnMut(&str, String) -> Result<()>) -> Result<()> {
    each_or_switch(&[], set)
}

/// The same; these flags have no value, and an empty one is given.
///
/// # Errors
/// As [`each`].
pub fn each_or_switch(
    switches: &[&str],
    mut set: impl FnMut(&str, String) -> Result<()>,
) -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        if switches.contains(&flag.as_str()) {
            set(&flag, String::new())?;
            continue;
        }
        let value = arguments
            .next()
            .with_context(|| format!("{flag} needs a value"))?;
        set(&flag, value)?;
    }
    Ok(())
}
