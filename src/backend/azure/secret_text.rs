//! A text of an answer that may be a secret.
//!
//! It stays in the answer's own buffer, which is wiped, where it stands there as it is. One with escapes, as every PEM and
//! every JSON within JSON has, is unescaped here: the parser would do it in memory that isn't wiped, twice.

use std::ops::Deref;
use std::str::Chars;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// Such a text.
pub enum SecretStr<'a> {
    /// A part of the answer.
    AsItStands(&'a str),
    /// Without the escapes that it had there.
    Unescaped(Zeroizing<String>),
}

impl Deref for SecretStr<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::AsItStands(text) => text,
            Self::Unescaped(text) => text,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for SecretStr<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(from)?.get();
        let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"'));
        let text = text.ok_or_else(|| D::Error::custom("it is no text"))?;
        if !text.contains('\\') {
            return Ok(Self::AsItStands(text));
        }
        unescaped(text).map(Self::Unescaped).ok_or_else(|| D::Error::custom("its escapes are wrong"))
    }
}

/// What stands between the quotes, without escapes (RFC 8259 §7): never longer than with them.
fn unescaped(text: &str) -> Option<Zeroizing<String>> {
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                letter @ ('"' | '\\' | '/') => letter,
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => numbered(&mut letters)?,
                _ => return None,
            },
            letter => letter,
        });
    }
    Some(plain)
}

/// The letter of one number, or of two that are a surrogate pair.
fn numbered(letters: &mut Chars<'_>) -> Option<char> {
    let first = number(letters)?;
    if let Some(letter) = char::from_u32(first.into()) {
        return Some(letter);
    }
    let is_pair = letters.next()? == '\\' && letters.next()? == 'u';
    let second = number(letters).filter(|_| is_pair)?;
    char::decode_utf16([first, second]).next()?.ok()
}

fn number(letters: &mut Chars<'_>) -> Option<u16> {
    (0..4).try_fold(0, |number, _| Some(number << 4 | letters.next()?.to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        serde_json::from_str::<SecretStr<'_>>(json).ok().map(|text| text.to_owned())
    }

    #[test]
    fn a_text_is_read_as_the_parser_itself_reads_it() {
        for json in [
            r#""plain ä""#,
            r#""""#,
            r#""-----BEGIN\n\"\\\/\b\f\r\t\u00e4\u0000\uD834\uDD1E end""#,
            r#""\uD834""#,
            r#""\uDD1E\uD834""#,
            r#""\uD834\n""#,
            r#""\x""#,
            r#""\u12g4""#,
            "null",
            "1",
        ] {
            assert_eq!(read(json), serde_json::from_str::<String>(json).ok(), "{json}");
        }
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        assert!(matches!(serde_json::from_str(r#""hush""#).unwrap(), SecretStr::AsItStands("hush")));
    }
}
