//! What the commands print for people and programs.  To: standard output, where nobody may be reading.

use std::io::{self, Write as _};

use serde_json::Value;

/// Prints a text.
pub(crate) fn print(text: &str) {
    let _ = write!(io::stdout(), "{text}");
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &Value) {
    let _ = writeln!(io::stdout(), "{value:#}");
}

/// Says something beside the output.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}
