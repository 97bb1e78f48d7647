//! What PKCS#11 knows of a key and the interface has no field for, in the key's tags: `p11_pri_…` for the private half and
//! a secret key, `p11_pub_…` for the public half, as Azure's own library for TLS names them, so that keys made by either are
//! found by both.
//!
//! Only what differs from what follows anyway is written: a label that is the name and an id that is the public key's take
//! no tag. Texts stand as text, bytes as hexadecimal digits. A service keeps 15 tags of 256 characters; what doesn't fit is
//! refused, never dropped.

use super::wire::Tags;
use crate::vault::{Content, Result, Usage, VaultError};

/// Which half of a pair the tags are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The private one; a secret key too.
    Private,
    /// The public one; a certificate too.
    Public,
}

impl Half {
    fn prefix(self) -> &'static str {
        match self {
            Self::Private => "p11_pri_",
            Self::Public => "p11_pub_",
        }
    }
}

/// How an attribute reads in a tag.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Digits,
    Truth,
}

/// An attribute that may stand in a tag. Usages and the like, which have fields of their own, are not read from one.
struct Row {
    number: u64,
    name: &'static str,
    form: Form,
}

const fn row(number: u64, name: &'static str, form: Form) -> Row {
    Row { number, name, form }
}

const LABEL: u64 = 0x3;
const ID: u64 = 0x102;

const TABLE: [Row; 13] = [
    row(LABEL, "CKA_LABEL", Form::Text),
    row(ID, "CKA_ID", Form::Digits),
    row(0x10, "CKA_APPLICATION", Form::Text),
    row(0x12, "CKA_OBJECT_ID", Form::Digits),
    row(0x101, "CKA_SUBJECT", Form::Digits),
    row(0x110, "CKA_START_DATE", Form::Text),
    row(0x111, "CKA_END_DATE", Form::Text),
    row(0x170, "CKA_MODIFIABLE", Form::Truth),
    row(0x171, "CKA_COPYABLE", Form::Truth),
    row(0x172, "CKA_DESTROYABLE", Form::Truth),
    row(0x202, "CKA_ALWAYS_AUTHENTICATE", Form::Truth),
    row(0x210, "CKA_WRAP_WITH_TRUSTED", Form::Truth),
    row(0x4000_0600, "CKA_ALLOWED_MECHANISMS", Form::Digits),
];

/// Whether the key was made there, which no field says: in the private half's tag, and not for anybody to change.
pub const LOCAL_TAG: (&str, &str) = ("p11_pri_CKA_LOCAL", "true");

/// What is true of every key whose value never leaves, or follows from what it is: CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE,
/// CKA_NEVER_EXTRACTABLE, CKA_EC_PARAMS, CKA_CHECK_VALUE.
const NOT_KEPT: [u64; 5] = [0x103, 0x165, 0x164, 0x180, 0x90];

/// Attributes of vendors begin here; their number is their name.
const VENDOR: u64 = 0x8000_0000;

/// A service's limits.
const MOST_TAGS: usize = 15;
const LONGEST_TAG: usize = 256;

/// Takes what the tags say into the content, in which label and id are what they are without a tag.
pub fn read(tags: &Tags, half: Half, content: &mut Content) {
    content.local = tags.get(LOCAL_TAG.0).is_some_and(|value| value == LOCAL_TAG.1);
    for (tag, value) in tags {
        let Some(name) = tag.get(..half.prefix().len()).filter(|prefix| prefix.eq_ignore_ascii_case(half.prefix()))
        else {
            continue;
        };
        let Some((number, form)) = named(&tag[name.len()..]) else { continue };
        let Some(bytes) = bytes_of(form, value) else { continue };
        match number {
            LABEL => content.label = bytes,
            ID => content.id = bytes,
            _ => {
                content.attributes.insert(number, bytes.into());
            }
        }
    }
}

/// Puts what the content says into the tags, in place of what stood there of this half. `plain` is the content as it would
/// be without a tag.
pub fn write(content: &Content, plain: &Content, half: Half, tags: &mut Tags) -> Result<()> {
    tags.retain(|tag, _| {
        let prefix = tag.get(..half.prefix().len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(half.prefix()));
        !prefix || named(&tag[half.prefix().len()..]).is_none()
    });
    let mut put = |number: u64, bytes: &[u8]| -> Result<()> {
        let (name, text) = text_of(number, bytes)?;
        if text.len() > LONGEST_TAG {
            return Err(VaultError::Unsupported("an attribute of more than 256 characters in its tag"));
        }
        tags.insert(format!("{}{name}", half.prefix()), text);
        Ok(())
    };
    // That of a key which nobody sees before a login anyway goes without saying.
    if content.private && !plain.private {
        return Err(VaultError::Unsupported("a public key or certificate that is hidden before a login (CKA_PRIVATE)"));
    }
    if content.label != plain.label {
        put(LABEL, &content.label)?;
    }
    if content.id != plain.id {
        put(ID, &content.id)?;
    }
    for (number, bytes) in content.attributes.iter().filter(|(number, _)| !NOT_KEPT.contains(number)) {
        if plain.attributes.get(number) != Some(bytes) {
            put(*number, bytes)?;
        }
    }
    if tags.len() > MOST_TAGS {
        return Err(VaultError::Unsupported("more than 15 tags, of which each attribute takes one"));
    }
    Ok(())
}

/// The attribute with this name: `CKA_LABEL`, `label`, or a vendor's number.
fn named(name: &str) -> Option<(u64, Form)> {
    let bare = |name: &'static str| name.strip_prefix("CKA_").unwrap_or(name);
    let is = |row: &&Row| row.name.eq_ignore_ascii_case(name) || bare(row.name).eq_ignore_ascii_case(name);
    if let Some(row) = TABLE.iter().find(is) {
        return Some((row.number, row.form));
    }
    let number = u64::from_str_radix(name.strip_prefix("0x")?, 16).ok()?;
    (number >= VENDOR).then_some((number, Form::Digits))
}

fn text_of(number: u64, bytes: &[u8]) -> Result<(String, String)> {
    let known = TABLE.iter().find(|row| row.number == number);
    let (name, form) = match known {
        Some(row) => (row.name.to_owned(), row.form),
        None if number >= VENDOR => (format!("{number:#x}"), Form::Digits),
        None => return Err(VaultError::Unsupported("an attribute that has neither a field nor a tag there")),
    };
    let text = match form {
        Form::Truth => if bytes == [1] { "true" } else { "false" }.to_owned(),
        Form::Digits => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Form::Text => std::str::from_utf8(bytes)
            .map_err(|_| VaultError::Unsupported("a label or date that isn't text"))?
            .to_owned(),
    };
    Ok((name, text))
}

fn bytes_of(form: Form, text: &str) -> Option<Vec<u8>> {
    match form {
        Form::Text => Some(text.into()),
        Form::Truth => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(vec![1]),
            "false" | "0" => Some(vec![0]),
            _ => None,
        },
        // Whoever wrote an id that is none of digits meant its bytes.
        Form::Digits => Some(digits(text).unwrap_or_else(|| text.into())),
    }
}

fn digits(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.chunks_exact(2).map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8)).collect()
}

/// Every operation with its usage.
const OPERATIONS: [(&str, Usage); 6] = [
    ("encrypt", Usage::ENCRYPT),
    ("decrypt", Usage::DECRYPT),
    ("sign", Usage::SIGN),
    ("verify", Usage::VERIFY),
    ("wrapKey", Usage::WRAP),
    ("unwrapKey", Usage::UNWRAP),
];

/// What a pair's public half does.
const PUBLIC: Usage = Usage::ENCRYPT.union(Usage::VERIFY).union(Usage::WRAP);
/// What its private half does.
const PRIVATE: Usage = Usage::DECRYPT.union(Usage::SIGN).union(Usage::UNWRAP);

/// What one half of a pair with these `key_ops` may do.
pub fn usage_of_half(key_ops: &[String], half: Half) -> Usage {
    usage(key_ops) & if half == Half::Private { PRIVATE } else { PUBLIC }
}

/// What a secret key with these `key_ops` may do.
pub fn usage(key_ops: &[String]) -> Usage {
    let named = OPERATIONS.iter().filter(|(name, _)| key_ops.iter().any(|given| given == name));
    named.fold(Usage::empty(), |all, (_, usage)| all | *usage)
}

/// What stands in these `key_ops` and is no usage here: whoever gave the key that keeps it.
pub fn other_ops(key_ops: &[String]) -> impl Iterator<Item = &str> {
    key_ops.iter().map(String::as_str).filter(|given| OPERATIONS.iter().all(|(name, _)| name != given))
}

/// `key_ops` for a usage. What has no operation there isn't asked for: the key says of itself that it doesn't do it.
pub fn key_ops(usage: Usage) -> Vec<&'static str> {
    OPERATIONS.iter().filter(|(_, operation)| usage.contains(*operation)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Class;

    fn plain() -> Content {
        Content { label: b"www".to_vec(), id: vec![7; 20], ..Content::new(Class::PrivateKey) }
    }

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_follows_anyway_takes_no_tag_and_anothers_tags_stay() {
        let mut kept = tags(&[("team", "web"), ("p11_pri_CKA_LABEL", "old"), ("p11_pub_CKA_LABEL", "other half")]);
        write(&plain(), &plain(), Half::Private, &mut kept).unwrap();
        assert_eq!(kept, tags(&[("team", "web"), ("p11_pub_CKA_LABEL", "other half")]));
    }

    #[test]
    fn attributes_come_back_as_they_were_written() {
        let mut content = plain();
        content.label = "Müller's key".into();
        content.id = vec![0, 0xAB];
        content.attributes.insert(0x101, [0x30, 0].into());
        content.attributes.insert(0x172, [0].into());
        content.attributes.insert(0x8000_0001, [1, 2, 3].into());
        let mut written = Tags::new();
        write(&content, &plain(), Half::Private, &mut written).unwrap();
        assert_eq!(written["p11_pri_CKA_ID"], "00ab");
        assert_eq!(written["p11_pri_0x80000001"], "010203");
        let mut back = plain();
        read(&written, Half::Public, &mut back);
        assert_eq!(back, plain());
        read(&written, Half::Private, &mut back);
        assert_eq!(back, content);
    }

    #[test]
    fn tags_of_other_programs_are_read_in_their_spelling_and_usages_are_not() {
        let mut content = plain();
        let given = tags(&[("p11_pri_label", "web"), ("P11_PRI_id", "not hex"), ("p11_pri_CKA_DECRYPT", "true")]);
        read(&given, Half::Private, &mut content);
        assert_eq!((content.label.as_slice(), content.id.as_slice()), (&b"web"[..], &b"not hex"[..]));
        assert!(content.attributes.is_empty() && content.usage.is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let with = |change: &dyn Fn(&mut Content)| {
            let mut content = plain();
            change(&mut content);
            write(&content, &plain(), Half::Private, &mut Tags::new())
        };
        assert!(with(&|content| content.id = vec![1; 129]).is_err());
        assert!(with(&|content| content.label = vec![0xFF]).is_err());
        assert!(with(&|content| drop(content.attributes.insert(0x4000_0211, [1].into()))).is_err());
        assert!(
            with(&|content| (0..16).for_each(|n| drop(content.attributes.insert(VENDOR + n, [1].into())))).is_err()
        );
        assert!(with(&|content| drop(content.attributes.insert(0x103, [1].into()))).is_ok());
    }

    #[test]
    fn key_ops_are_shared_between_the_halves() {
        let ops: Vec<String> = key_ops(Usage::all()).into_iter().map(str::to_owned).collect();
        assert_eq!(ops.len(), 6);
        assert_eq!(usage_of_half(&ops, Half::Private), PRIVATE);
        assert_eq!(usage_of_half(&ops, Half::Public), PUBLIC);
        assert_eq!(key_ops(Usage::DERIVE | Usage::SIGN), ["sign"]);
        assert_eq!(other_ops(&ops).count(), 0);
        let given = ["sign", "import", "export"].map(str::to_owned);
        assert_eq!(other_ops(&given).collect::<Vec<_>>(), ["import", "export"]);
    }
}
