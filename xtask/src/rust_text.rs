//! Rust source with its comments and literals blanked, so that a word in them is not taken for code.
//!
//! A scanner of some sixty lines, not a parser: it knows line and nested block comments, strings, raw strings, and
//! characters as against lifetimes.  From: `layers`, which reads source files.  To: `layers`, which looks for words.

/// The source with every comment, string and character blanked by spaces; line breaks stay.
pub(crate) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            code.push(bytes[at]);
            at += 1;
        } else {
            code.extend(
                bytes[at..end]
                    .iter()
                    .map(|&b| if b == b'\n' { b'\n' } else { b' ' }),
            );
            at = end;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Whether the code has this word: not as a part of a longer name.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_name_character) && !after.is_some_and(is_name_character)
    })
}

fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let in_name = at > 0 && is_name_character(char::from(bytes[at - 1]));
    match rest {
        [b'/', b'/', ..] => at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => at + block_comment_length(rest),
        [b'"', ..] => at + string_length(rest),
        [b'r', b'"' | b'#', ..] if !in_name => at + raw_string_length(rest),
        [b'b', b'r', b'"' | b'#', ..] if !in_name => match raw_string_length(&rest[1..]) {
            0 => at,
            length => at + 1 + length,
        },
        [b'\'', b'\\', ..] => {
            // The octet after the backslash may itself be a quote.
            let closing = rest.iter().skip(3).position(|&b| b == b'\'');
            closing.map_or(at, |closing| at + closing + 4)
        }
        [b'\'', tail @ ..] => {
            let text = String::from_utf8_lossy(&tail[..tail.len().min(5)]);
            let first = text.chars().next().map_or(0, char::len_utf8);
            if tail.get(first) == Some(&b'\'') {
                at + first + 2
            } else {
                at
            }
        }
        _ => at,
    }
}

fn block_comment_length(rest: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of `r"…"` or `r#"…"#`; 0 when it is a raw name such as `r#type`.
fn raw_string_length(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&b| b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    let body = 2 + hashes;
    rest[body..]
        .windows(closing.len())
        .position(|window| window == closing.as_bytes())
        .map_or(rest.len(), |found| body + found + closing.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_comments_and_literals_are_not_code() {
        for hidden in [
            "// unsafe",
            "/* a /* nested unsafe */ unsafe */",
            "\"unsafe \\\" unsafe\"",
            "r#\"unsafe \" unsafe\"#",
            "br\"unsafe\"",
        ] {
            let code = code_only(&format!("let a = 1; {hidden}\nlet b = 2;"));
            assert!(!has_word(&code, "unsafe"), "{hidden}");
            assert!(code.ends_with("\nlet b = 2;"), "{hidden}");
        }
    }

    #[test]
    fn a_quote_in_a_character_or_lifetime_hides_no_code_after_it() {
        for literal in ["'\"'", "'\\''", "'\\\\'", "'é'", "x::<'static>()", "r#type"] {
            let code = code_only(&format!("let a = {literal}; unsafe {{}}"));
            assert!(has_word(&code, "unsafe"), "{literal}");
        }
    }

    #[test]
    fn a_part_of_a_longer_name_is_not_the_word() {
        assert!(!has_word("new_unchecked_unsafe_name", "unsafe"));
        assert!(has_word("std::thread::sleep(wait)", "thread::sleep"));
    }
}
