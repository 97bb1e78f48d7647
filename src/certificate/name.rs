//! Distinguished names, as people write them and as certificates hold them.

use der::asn1::{Any, Ia5StringRef, ObjectIdentifier, PrintableStringRef};
use der::{Decode, Encode, Tag};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

use super::{Error, Result};

pub use x509_cert::name::Name;

/// An attribute that a name may have, by the words that people use (RFC 4514 §3, RFC 4519, and what certificates hold
/// besides).
struct Attribute {
    words: &'static [&'static str],
    oid: ObjectIdentifier,
    form: Form,
    /// Most characters (RFC 5280 Appendix A.1, "Upper Bounds").
    most: usize,
}

/// How a value is encoded: RFC 5280 §4.1.2.4 wants UTF-8 but where an attribute's own definition says otherwise.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Utf8,
    Printable,
    Ascii,
}

const fn utf8(words: &'static [&'static str], oid: &str, most: usize) -> Attribute {
    Attribute { words, oid: ObjectIdentifier::new_unwrap(oid), form: Form::Utf8, most }
}

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const COUNTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.6");

const ATTRIBUTES: &[Attribute] = &[
    utf8(&["CN"], "2.5.4.3", 64),
    Attribute { words: &["C"], oid: COUNTRY, form: Form::Printable, most: 2 },
    utf8(&["L"], "2.5.4.7", 128),
    utf8(&["ST", "S"], "2.5.4.8", 128),
    utf8(&["O"], "2.5.4.10", 64),
    utf8(&["OU"], "2.5.4.11", 64),
    Attribute {
        words: &["DC"],
        oid: ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"),
        form: Form::Ascii,
        most: 63,
    },
    Attribute {
        words: &["SERIALNUMBER"],
        oid: ObjectIdentifier::new_unwrap("2.5.4.5"),
        form: Form::Printable,
        most: 64,
    },
    Attribute {
        words: &["EMAILADDRESS", "E", "EMAIL"],
        oid: ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1"),
        form: Form::Ascii,
        most: 255,
    },
    utf8(&["UID"], "0.9.2342.19200300.100.1.1", 256),
    utf8(&["STREET"], "2.5.4.9", 128),
    utf8(&["POSTALCODE"], "2.5.4.17", 40),
    utf8(&["TITLE", "T"], "2.5.4.12", 64),
    utf8(&["GN", "GIVENNAME"], "2.5.4.42", 32768),
    utf8(&["SN", "SURNAME"], "2.5.4.4", 32768),
];

/// `CN=www,O=Example` (RFC 4514: the last is encoded first), or OpenSSL's `/O=Example/CN=www` (the first is).
pub fn parse(text: &str) -> Result<Name> {
    let mut parts = match text.strip_prefix('/') {
        Some(rest) => split(rest, '/')?.into_iter().map(|part| Ok(vec![attribute(part)?])).collect(),
        None => split(text, ',')?.into_iter().map(several).collect::<Result<Vec<_>>>(),
    }?;
    if !text.starts_with('/') {
        parts.reverse();
    }
    let mut sequence = RdnSequence::default();
    for part in parts {
        let part = RelativeDistinguishedName::try_from(part).map_err(|_| wrong("a part names one value twice"))?;
        sequence.push(part);
    }
    Name::from_der(&sequence.to_der()?).map_err(Error::from)
}

/// As RFC 4514 writes it; [`parse`] reads it back.
pub fn text(name: &Name) -> String {
    name.to_string()
}

/// The CN, the last of several.
pub fn common_name(name: &Name) -> Option<String> {
    let names = name.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    names.last().and_then(|name| value_text(&name.value)).filter(|text| !text.is_empty())
}

/// The CN, if it could be a host's name: browsers look for hosts in the alternative names only.
pub fn host(name: &Name) -> Option<String> {
    let host = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '*' | ':');
    common_name(name).filter(|name| name.chars().all(host))
}

fn value_text(value: &Any) -> Option<String> {
    match der::Tagged::tag(value) {
        Tag::BmpString => der::asn1::BmpString::from_ucs2(value.value().to_vec()).ok().map(|text| text.to_string()),
        _ => String::from_utf8(value.value().to_vec()).ok(),
    }
}

/// A part with one attribute or several, between which plus signs stand.
fn several(part: &str) -> Result<Vec<AttributeTypeAndValue>> {
    split(part, '+')?.into_iter().map(attribute).collect()
}

fn attribute(text: &str) -> Result<AttributeTypeAndValue> {
    let (word, written) = text
        .split_once('=')
        .ok_or_else(|| Error::Name(format!("{:?} is no NAME=VALUE, e.g. CN=www.example.org", text.trim())))?;
    let word = word.trim();
    let upper = word.to_ascii_uppercase();
    let Some(known) = ATTRIBUTES.iter().find(|known| known.words.contains(&upper.as_str())) else {
        return by_number(word, written.trim());
    };
    let value = value(written)?;
    if value.is_empty() {
        return Err(Error::Name(format!("{word} has no value")));
    }
    if known.oid == COUNTRY && value.len() != 2 {
        return Err(wrong("C is a country's two letters"));
    }
    if value.chars().count() > known.most {
        return Err(Error::Name(format!("{word} has more than {} characters", known.most)));
    }
    Ok(AttributeTypeAndValue { oid: known.oid, value: known.form.encoded(word, &value)? })
}

/// An attribute by its object identifier, or by a name that RFC 4514's own texts have.
fn by_number(word: &str, value: &str) -> Result<AttributeTypeAndValue> {
    let unknown = || {
        let words: Vec<&str> = ATTRIBUTES.iter().map(|known| known.words[0]).collect();
        Error::Name(format!("{word:?} is not known: {} are, and object identifiers", words.join(", ")))
    };
    if word.is_empty() || value.is_empty() {
        return Err(unknown());
    }
    format!("{word}={value}").parse().map_err(|_| unknown())
}

impl Form {
    fn encoded(self, word: &str, value: &str) -> Result<Any> {
        let (tag, fits, what) = match self {
            Self::Utf8 => (Tag::Utf8String, true, ""),
            Self::Printable => (
                Tag::PrintableString,
                PrintableStringRef::new(value).is_ok(),
                "letters, digits, spaces and '()+,-./:=?",
            ),
            Self::Ascii => (Tag::Ia5String, Ia5StringRef::new(value).is_ok(), "ASCII (write IDNs as xn--…)"),
        };
        if !fits {
            return Err(Error::Name(format!("{word} takes {what} only")));
        }
        Any::new(tag, value.as_bytes()).map_err(Error::from)
    }
}

/// Splits at the separator, unless a backslash stands before it or, between commas, quotation marks around it.
fn split(text: &str, separator: char) -> Result<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if separator != '/' => quoted = !quoted,
            _ if letter == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    if escaped {
        return Err(wrong("a backslash ends the subject"));
    }
    if quoted {
        return Err(wrong("a quotation mark is missing"));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

/// Without quotation marks around it, and with backslashes undone: before a letter, or before two hexadecimal digits of a
/// byte (RFC 4514 §2.4).
fn value(written: &str) -> Result<String> {
    let trimmed = written.trim();
    let inner = trimmed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(trimmed);
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            // What was cut off before it: a space that belongs to the value.
            bytes.push(after.first().copied().unwrap_or(b' '));
            rest = after.get(1..).unwrap_or_default();
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong("a value isn't UTF-8"))
}

fn wrong(what: &str) -> Error {
    Error::Name(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        self::text(&parse(text).unwrap())
    }

    #[test]
    fn both_ways_to_write_a_subject_are_encoded_in_the_same_order() {
        assert_eq!(parse("CN=www, O=Ex\\, Inc").unwrap(), parse("/O=Ex, Inc/CN=www").unwrap());
        assert_eq!(round("/O=Ex, Inc/CN=www"), "CN=www,O=Ex\\, Inc");
        assert_eq!(round("CN=www, O=\"Ex, Inc\""), "CN=www,O=Ex\\, Inc");
    }

    #[test]
    fn attributes_may_come_several_times_and_together() {
        assert_eq!(round("CN=a,OU=x,OU=y,DC=example,DC=org"), "CN=a,OU=x,OU=y,DC=example,DC=org");
        assert_eq!(parse("CN=a+UID=7,O=o").unwrap().iter_rdn().map(|part| part.len()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_name_that_is_written_is_read_back() {
        for text in [
            "CN=ä",
            "CN=a\\+b\\\\",
            "CN=\\ a\\ ",
            "CN=a\\00b",
            "emailAddress=a@example.org,serialNumber=5,C=DE",
            "2.5.4.97=#0c0141,CN=x",
            "STREET=s,UID=u,title=t,givenName=g,sn=n,postalCode=1",
        ] {
            let name = parse(text).unwrap();
            assert_eq!(parse(&self::text(&name)).unwrap(), name, "{text}: {}", self::text(&name));
        }
    }

    #[test]
    fn what_is_no_subject_says_why() {
        let long = format!("CN={}", "x".repeat(65));
        for wrong in
            ["www", "CN=", "X=1", "C=Germany", "CN=a\\", "", "CN=\"a", "CN=a,", "DC=ä", "1.2=", "CN=\\ff", &long]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_common_name_that_is_a_host_is_offered_as_one() {
        assert_eq!(host(&parse("CN=www.example.org").unwrap()).as_deref(), Some("www.example.org"));
        assert_eq!(host(&parse("CN=Some Body").unwrap()), None);
    }
}
