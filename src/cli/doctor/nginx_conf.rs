//! nginx's configuration as far as it concerns keys: words, blocks, includes, and who said what where.
//!
//! Of nginx's own grammar: words in single or double quotes or bare, `;`, `{`, `}`, comments, `include` with a pattern
//! in the last part of its path. Values may hold a PIN (`pin-value` in a URI), so that they are wiped.

use std::io;
use std::path::{Path, PathBuf};

use globset::Glob;
use zeroize::Zeroizing;

use super::file;

/// A directive that isn't a block.
pub(super) struct Directive {
    pub file: PathBuf,
    pub line: usize,
    pub words: Vec<Zeroizing<String>>,
    /// The block that it stands in: blocks are numbered as they open, the file itself is 0.
    pub block: usize,
}

/// Every directive, includes resolved.
#[derive(Default)]
pub(super) struct Conf {
    pub directives: Vec<Directive>,
    /// Where relative paths start: the directory of the main file.
    pub base: PathBuf,
    /// The block around each block; the file itself is in itself.
    parents: Vec<usize>,
}

/// Why it can't be read.
pub(super) struct Problem {
    pub file: PathBuf,
    pub text: String,
    /// Another user could read it.
    pub is_permission: bool,
}

/// How deep files include each other at most.
const DEPTH: u8 = 16;

impl Conf {
    pub(super) fn read(path: &Path) -> Result<Self, Problem> {
        let base = path.parent().unwrap_or(Path::new("/")).to_owned();
        let mut conf = Self { directives: Vec::new(), parents: vec![0], base };
        conf.read_into(path, 0, DEPTH)?;
        Ok(conf)
    }

    fn read_into(&mut self, path: &Path, outside: usize, depth: u8) -> Result<(), Problem> {
        let problem = |text: String| Problem { file: path.to_owned(), text, is_permission: false };
        let text = file::text(path).map_err(|error| Problem {
            is_permission: error.kind() == io::ErrorKind::PermissionDenied,
            ..problem(error.to_string())
        })?;
        let mut block = outside;
        let mut words: Vec<(Zeroizing<String>, usize)> = Vec::new();
        for (token, line) in tokens(&text) {
            match token {
                Token::Word(word) => words.push((word, line)),
                Token::Open => {
                    words.clear();
                    self.parents.push(block);
                    block = self.parents.len() - 1;
                }
                Token::Close if block == outside => return Err(problem(format!("line {line}: unexpected \"}}\""))),
                Token::Close => block = self.parents[block],
                Token::End => self.directive(path, block, std::mem::take(&mut words), depth)?,
            }
        }
        if block != outside || !words.is_empty() {
            return Err(problem("unexpected end of file, expecting \";\" or \"}\"".into()));
        }
        Ok(())
    }

    fn directive(
        &mut self,
        path: &Path,
        block: usize,
        words: Vec<(Zeroizing<String>, usize)>,
        depth: u8,
    ) -> Result<(), Problem> {
        let Some(line) = words.first().map(|(_, line)| *line) else { return Ok(()) };
        let words: Vec<Zeroizing<String>> = words.into_iter().map(|(word, _)| word).collect();
        if words[0].as_str() == "include" && depth > 0 {
            let pattern = words.get(1).map(|word| word.as_str()).unwrap_or_default();
            for file in included(&self.base, pattern) {
                self.read_into(&file, block, depth - 1)?;
            }
            return Ok(());
        }
        self.directives.push(Directive { file: path.to_owned(), line, words, block });
        Ok(())
    }

    /// Directives of this name.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Directive> {
        self.directives.iter().filter(move |directive| directive.words[0].as_str() == name)
    }

    /// Those of this name that hold in a block: its own, else those of the nearest block around it that has some.
    pub(super) fn in_force<'a>(&'a self, name: &'a str, block: usize) -> Vec<&'a Directive> {
        let own: Vec<&Directive> = self.named(name).filter(|directive| directive.block == block).collect();
        match block {
            _ if !own.is_empty() => own,
            0 => own,
            _ => self.in_force(name, self.parents[block]),
        }
    }
}

impl Directive {
    /// Its first argument.
    pub(super) fn value(&self) -> &str {
        self.words.get(1).map(|word| word.as_str()).unwrap_or_default()
    }
}

/// The files that a pattern names. A file that is named without one must be there, and is read to say so.
fn included(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let path = base.join(pattern);
    let last = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !last.contains(['*', '?', '[']) {
        return vec![path];
    }
    let Ok(glob) = Glob::new(&last) else { return Vec::new() };
    let matcher = glob.compile_matcher();
    let directory = path.parent().unwrap_or(base);
    let fits = |file: &PathBuf| file.file_name().is_some_and(|name| matcher.is_match(name));
    file::files_in(directory).into_iter().filter(fits).collect()
}

enum Token {
    Word(Zeroizing<String>),
    Open,
    Close,
    End,
}

/// Each token with its line.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    let mut line = 1;
    while let Some((start, letter)) = rest.next() {
        match letter {
            '\n' => line += 1,
            '#' => while rest.next_if(|(_, letter)| *letter != '\n').is_some() {},
            ';' => tokens.push((Token::End, line)),
            '{' => tokens.push((Token::Open, line)),
            '}' => tokens.push((Token::Close, line)),
            '"' | '\'' => {
                let (word, lines) = quoted(&text[start + 1..], letter);
                let end = start + 1 + word.1;
                while rest.next_if(|(at, _)| *at < end).is_some() {}
                tokens.push((Token::Word(word.0), line));
                line += lines;
            }
            letter if letter.is_whitespace() => {}
            _ => {
                let length = bare_length(&text[start..]);
                while rest.next_if(|(at, _)| *at < start + length).is_some() {}
                tokens.push((Token::Word(Zeroizing::new(text[start..start + length].to_owned())), line));
            }
        }
    }
    tokens
}

/// A quoted word, how long it is with its closing quote, and how many lines it goes on.
fn quoted(text: &str, quote: char) -> ((Zeroizing<String>, usize), usize) {
    let mut word = Zeroizing::new(String::with_capacity(text.len()));
    let mut escaped = false;
    let mut lines = 0;
    for (index, letter) in text.char_indices() {
        lines += usize::from(letter == '\n');
        match letter {
            '\\' if !escaped => escaped = true,
            letter if letter == quote && !escaped => return ((word, index + 1), lines),
            letter => {
                if escaped && letter != quote && letter != '\\' {
                    word.push('\\');
                }
                word.push(letter);
                escaped = false;
            }
        }
    }
    ((word, text.len()), lines)
}

/// A bare word ends at a blank, `;` or `{`; `${name}` belongs to it.
fn bare_length(text: &str) -> usize {
    let mut before = ' ';
    for (index, letter) in text.char_indices() {
        if letter.is_whitespace() || letter == ';' || letter == '{' && before != '$' {
            return index;
        }
        before = letter;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(text: &str, included: &str) -> Result<Conf, Problem> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sites")).unwrap();
        std::fs::write(folder.path().join("sites/a.conf"), included).unwrap();
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        Conf::read(&folder.path().join("nginx.conf"))
    }

    #[test]
    fn words_quotes_comments_blocks_and_includes_are_read_with_their_lines() {
        let text = "user www-data; # who\nhttp {\n  log_format x '{a;\n b}';\n  ssl_certificate /http.crt;\n  include sites/*.conf;\n}\n";
        let included = "server {\n ssl_certificate_key \"engine:pkcs11:a\\\"b;c\";\n root ${x}/y;\n}\n";
        let conf = conf(text, included).unwrap_or_else(|problem| panic!("{}", problem.text));
        assert_eq!(conf.named("user").next().unwrap().value(), "www-data");
        let key = conf.named("ssl_certificate_key").next().unwrap();
        assert_eq!((key.value(), key.line), ("engine:pkcs11:a\"b;c", 2));
        assert!(key.file.ends_with("sites/a.conf"));
        let certificate = conf.in_force("ssl_certificate", key.block);
        assert_eq!((certificate[0].value(), certificate[0].line), ("/http.crt", 5));
        assert_eq!(conf.named("root").next().unwrap().value(), "${x}/y");
    }

    #[test]
    fn what_nginx_would_refuse_is_refused() {
        for (text, problem) in [("http {", "end of file"), ("a b", "end of file"), ("a; }", "unexpected \"}\"")] {
            assert!(conf(text, "").err().unwrap().text.contains(problem), "{text}");
        }
        assert!(conf("include gone.conf;", "").err().unwrap().file.ends_with("gone.conf"));
    }
}
