//! Words of a command line that can be pasted into a shell.  From: paths.  To: the lines that `demo` prints.

use std::path::Path;

/// The path as one shell word, quoted only when it must be.
pub(crate) fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+=:@,".contains(letter);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text;
    }
    // Inside single quotes everything is itself but the single quote.
    let quoted = text.replace('\'', r"'\''");
    if quoted.starts_with('-') {
        format!("'./{quoted}'")
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_only_when_a_shell_would_take_it_apart() {
        for (path, expected) in [
            ("ocspry-demo/root_ca.pem", "ocspry-demo/root_ca.pem"),
            ("/tmp/my demo/ca.pem", "'/tmp/my demo/ca.pem'"),
            ("it's", r"'it'\''s'"),
            ("$HOME/x", "'$HOME/x'"),
            ("-dir/ca.pem", "'./-dir/ca.pem'"),
            ("~/ca.pem", "'~/ca.pem'"),
        ] {
            assert_eq!(word(Path::new(path)), expected);
        }
    }
}
