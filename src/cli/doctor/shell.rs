//! Commands as a person copies them into a shell.

/// One word: as it is where nothing in it means anything to a shell, else in single quotes.
pub(in super::super) fn quote(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Several words.
pub(super) fn quote_all<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// sed's command that replaces the first `old` in this line.
pub(super) fn replace(line: usize, old: &str, new: &str) -> String {
    format!("{line}s/{}/{}/", escaped(old, r"\/.*[]^$"), escaped(new, r"\/&"))
}

/// sed's command that puts another line in the place of this one.
pub(super) fn change(line: usize, text: &str) -> String {
    // GNU sed takes the rest of the line; a backslash keeps blanks at its beginning.
    format!(r"{line}c\{}", escaped(text, r"\"))
}

/// sed's command that puts a line after this one.
pub(super) fn append(line: usize, text: &str) -> String {
    format!(r"{line}a\{}", escaped(text, r"\"))
}

/// sed's command that puts a line before this one.
pub(super) fn insert(line: usize, text: &str) -> String {
    format!(r"{line}i\{}", escaped(text, r"\"))
}

/// sed's command that deletes this line.
pub(super) fn delete(line: usize) -> String {
    format!("{line}d")
}

fn escaped(text: &str, special: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if special.contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// What sed makes of three lines.
    fn sed(script: &str, text: &str) -> String {
        let mut child = Command::new("sh")
            .args(["-c", &format!("sed {}", quote(script))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_word_comes_out_of_a_shell_as_it_went_in() {
        for word in ["plain", "", "a b", "it's", "$HOME `id` \"x\" \\", "*;&|<>(){}", "ä\nb"] {
            let printed = Command::new("sh").args(["-c", &format!("printf %s {}", quote(word))]).output().unwrap();
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), word);
        }
    }

    #[test]
    fn sed_replaces_changes_and_adds_what_was_meant_whatever_is_in_it() {
        let text = "one\n  a/b.*[c]^$ & \\1 rest\nthree\n";
        assert_eq!(sed(&replace(2, "a/b.*[c]^$ & \\1", "x/&\\y"), text), "one\n  x/&\\y rest\nthree\n");
        assert_eq!(sed(&change(2, "  new \\ line"), text), "one\n  new \\ line\nthree\n");
        assert_eq!(sed(&append(3, "four"), text), format!("{text}four\n"));
        assert_eq!(sed(&insert(1, "zero"), text), format!("zero\n{text}"));
        assert_eq!(sed(&delete(2), text), "one\nthree\n");
    }
}
