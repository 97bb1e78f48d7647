//! PKCS#11 URIs (RFC 7512), as far as a key is named by one.

use zeroize::Zeroizing;

/// What a URI says.
#[derive(Default)]
pub(super) struct Uri {
    pub token: Option<Vec<u8>>,
    pub object: Option<Vec<u8>>,
    pub id: Option<Vec<u8>>,
    pub kind: Option<String>,
    /// A PIN, in the URI itself.
    pub pin_value: Option<Zeroizing<Vec<u8>>>,
    /// The file that holds the PIN.
    pub pin_source: Option<String>,
}

/// What is wrong with a URI: the piece of it, what it should be if that can be told, and a sentence. None of them holds
/// a PIN.
pub(super) struct Problem {
    pub old: String,
    pub new: Option<String>,
    pub text: String,
}

/// Attributes of the path and of the query (RFC 7512 §2.3).
const PATH: &[&str] = &[
    "token",
    "manufacturer",
    "serial",
    "model",
    "library-manufacturer",
    "library-version",
    "library-description",
    "object",
    "type",
    "id",
    "slot-manufacturer",
    "slot-description",
    "slot-id",
];
const QUERY: &[&str] = &["pin-source", "pin-value", "module-name", "module-path"];

impl Uri {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let Some(rest) = text.strip_prefix("pkcs11:") else {
            let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme).to_owned();
            // Without one it may be anything, a PIN in it too.
            if scheme.is_empty() || !scheme.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
                let text = "the key's name is no URI, which begins with \"pkcs11:\"".to_owned();
                return Err(Problem { old: String::new(), new: None, text });
            }
            let text = format!("the key's name begins with {scheme:?}, a URI with \"pkcs11:\"");
            // With the colon before it, which ends the engine's name.
            return Err(Problem { new: Some(":pkcs11:".into()), old: format!(":{scheme}:"), text });
        };
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            uri.path(attribute)?;
        }
        for attribute in query.split('&').filter(|attribute| !attribute.is_empty()) {
            uri.query(attribute)?;
        }
        Ok(uri)
    }

    fn path(&mut self, attribute: &str) -> Result<(), Problem> {
        let (name, text) = named(attribute, PATH)?;
        let value = decoded(text).ok_or_else(|| Problem {
            old: text.to_owned(),
            new: Some(text.replace('%', "%25")),
            text: format!("{name}={text}: after `%` come two hexadecimal digits"),
        })?;
        match name {
            "token" => self.token = Some(value.to_vec()),
            "object" => self.object = Some(value.to_vec()),
            "id" => self.id = Some(value.to_vec()),
            "type" => self.kind = Some(String::from_utf8_lossy(&value).into_owned()),
            _ => {}
        }
        Ok(())
    }

    fn query(&mut self, attribute: &str) -> Result<(), Problem> {
        // It may be the rest of a PIN with a `&` in it.
        if !attribute.contains('=') {
            let text = "in the query of the URI something has no `=`: `&` in a PIN is written `%26`".to_owned();
            return Err(Problem { old: String::new(), new: None, text });
        }
        let (name, text) = named(attribute, QUERY)?;
        // Neither the text nor a part of it is said: it is a PIN.
        let wrong = || Problem { old: String::new(), new: None, text: format!("{name} isn't percent-encoded rightly") };
        let value = decoded(text).ok_or_else(wrong)?;
        match name {
            "pin-value" => self.pin_value = Some(value),
            "pin-source" => {
                let source = String::from_utf8_lossy(&value).into_owned();
                let file = source.strip_prefix("file://").or_else(|| source.strip_prefix("file:")).unwrap_or(&source);
                self.pin_source = Some(file.to_owned()).filter(|file| !file.starts_with('|'));
            }
            _ => {}
        }
        Ok(())
    }
}

/// An attribute's name and value, if the name is known.
fn named<'a>(attribute: &'a str, known: &[&str]) -> Result<(&'a str, &'a str), Problem> {
    let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
    // Names of vendors' own begin so (RFC 7512 §2.3).
    if known.contains(&name) || name.starts_with("x-") {
        return Ok((name, value));
    }
    let new = nearest(name, known.iter().copied()).map(|nearest| format!("{nearest}="));
    let hint = new.as_ref().map_or(String::new(), |new| format!(": did you mean `{}`?", new.trim_end_matches('=')));
    Err(Problem { old: format!("{name}="), new, text: format!("a URI has no attribute {name:?}{hint}") })
}

fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push((high * 16 + low) as u8);
    }
    Some(bytes)
}

/// Whether a URI has an attribute of this name.
pub(super) fn is_attribute(name: &str) -> bool {
    PATH.contains(&name) || QUERY.contains(&name)
}

/// Whether it is a URI but for the scheme at its beginning.
pub(super) fn lacks_scheme(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| PATH.contains(&name))
}

/// The one of these that differs by one or two letters.
pub(super) fn slip<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.map(|known| (strsim::damerau_levenshtein(word, known), known));
    distances.filter(|(distance, _)| (1..=2).contains(distance)).min().map(|(_, known)| known)
}

/// What a slip of the pen stands for.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, nearest) = known.map(|known| (strsim::damerau_levenshtein(word, known), known)).min()?;
    (distance <= 1 + nearest.len().max(word.len()) / 3).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> (String, Option<String>) {
        let problem = Uri::parse(text).err().unwrap_or_else(|| panic!("{text} is well-formed"));
        assert!(!problem.text.contains("1234"), "{}", problem.text);
        (problem.old, problem.new)
    }

    #[test]
    fn what_a_uri_says_is_decoded() {
        let text = "pkcs11:token=My%20vault;object=a%3Bb;id=%00%fF;type=private;x-own=1?pin-source=file:/p%20q&pin-value=1%3234";
        let uri = Uri::parse(text).unwrap_or_else(|problem| panic!("{}", problem.text));
        assert_eq!((uri.token.as_deref(), uri.object.as_deref()), (Some(&b"My vault"[..]), Some(&b"a;b"[..])));
        assert_eq!((uri.id.as_deref(), uri.kind.as_deref()), (Some(&[0, 255][..]), Some("private")));
        assert_eq!(uri.pin_source.as_deref(), Some("/p q"));
        assert_eq!(uri.pin_value.as_ref().map(|pin| &***pin), Some(&b"1234"[..]));
    }

    #[test]
    fn a_slip_is_told_with_what_was_meant_and_never_a_pin() {
        assert_eq!(problem("pkcs11:tokn=a"), ("tokn=".into(), Some("token=".into())));
        assert_eq!(problem("pkcs11:object=100%"), ("100%".into(), Some("100%25".into())));
        assert_eq!(problem("pkcs1:object=a"), (":pkcs1:".into(), Some(":pkcs11:".into())));
        assert_eq!(problem("pkcs11:object=a?pin-value=a&1234"), (String::new(), None));
        assert_eq!(problem("pkcs11:object=a?pin-value=1234%"), (String::new(), None));
        // All of it stands before the first colon.
        assert_eq!(problem("token=a;object=b?pin-value=1234"), (String::new(), None));
        assert_eq!(problem("pkcs11:object=a?pin-valeu=1234").1, Some("pin-value=".into()));
    }
}
