//! Command lines of the programs here: flags, each with a value.

use anyhow::{Context as _, Result};

/// Gives every flag and its value to `set`, in order.
///
/// # Errors
/// A flag without a value, and what `set` says.
pub fn each(mut set: impl FnMut(&str, String) -> Result<()>) -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments
            .next()
            .with_context(|| format!("{flag} needs a value"))?;
        set(&flag, value)?;
    }
    Ok(())
}
