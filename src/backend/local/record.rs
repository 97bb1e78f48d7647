//! Records: what a row says once it is opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::KeyAlgorithm;
use crate::vault::{Class, Content, Deletion, KeyDescription, Name, Object, Usage, Version, VersionId};

/// The kind of a row whose object was deleted: only its id is left, so that other processes learn of it.
pub const TOMBSTONE: u32 = u32::MAX - 1;

/// A byte of `changes`: never written. Refused.
pub const STATE_UNKNOWN: u8 = 0;
/// The key may be used.
pub const STATE_ENABLED: u8 = 1;
/// The key is disabled.
pub const STATE_DISABLED: u8 = 2;
/// The key was deleted.
pub const STATE_DELETED: u8 = 3;

/// The attributes as they are sealed. A new variant is a new format.
#[derive(Serialize, Deserialize)]
enum Encoded {
    V1(Body),
    /// With what only few objects have.
    V2(Body, More),
}

/// What came after [`Body`].
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct More {
    notes: BTreeMap<String, String>,
    /// When it was deleted softly and when it is purged.
    deleted: Option<(i64, i64)>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    name: Option<String>,
    version: Option<(VersionId, u32)>,
    created: i64,
    updated: i64,
    has_secret: bool,
    secret_len: u64,
    private: bool,
    label: Vec<u8>,
    id: Vec<u8>,
    enabled: bool,
    not_before: Option<i64>,
    expires: Option<i64>,
    exportable: bool,
    usage: u32,
    local: bool,
    key: Option<((u8, u32), Vec<u8>)>,
    value: Option<Vec<u8>>,
    content_type: Option<String>,
    tags: BTreeMap<String, String>,
    attributes: BTreeMap<u64, Vec<u8>>,
}

/// Writes an object's attributes.
pub fn encode(object: &Object) -> Zeroizing<Vec<u8>> {
    let content = &object.content;
    let body = Body {
        name: object.name.as_ref().map(|name| name.as_str().to_owned()),
        version: object.version.map(|version| (version.id, version.ordinal)),
        created: object.created,
        updated: object.updated,
        has_secret: object.has_secret,
        secret_len: object.secret_len as u64,
        private: content.private,
        label: content.label.clone(),
        id: content.id.clone(),
        enabled: content.enabled,
        not_before: content.not_before,
        expires: content.expires,
        exportable: content.exportable,
        usage: content.usage.bits(),
        local: content.local,
        key: content.key.as_ref().map(|key| (key.algorithm.code(), key.public.to_vec())),
        value: content.value.as_ref().map(|value| value.to_vec()),
        content_type: content.content_type.clone(),
        tags: content.tags.clone(),
        attributes: content.attributes.iter().map(|(number, value)| (*number, value.to_vec())).collect(),
    };
    let more =
        More { notes: content.notes.clone(), deleted: content.deleted.map(|deletion| (deletion.at, deletion.purge)) };
    let encoded = if more == More::default() { Encoded::V1(body) } else { Encoded::V2(body, more) };
    // Writing plain values into memory can't fail.
    Zeroizing::new(postcard::to_stdvec(&encoded).unwrap_or_default())
}

/// Reads what [`encode`] wrote; `None` if it is anything else.
pub fn decode(bytes: &[u8], unique_id: [u8; 16], number: u64, class: Class) -> Option<Object> {
    let (encoded, rest) = postcard::take_from_bytes(bytes).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let (body, more) = match encoded {
        Encoded::V1(body) => (body, More::default()),
        Encoded::V2(body, more) => (body, more),
    };
    let key = match body.key {
        Some((code, public)) => {
            Some(KeyDescription { algorithm: KeyAlgorithm::from_code(code)?, public: public.into() })
        }
        None => None,
    };
    let name = match body.name {
        Some(name) => Some(Name::new(&name).ok()?),
        None => None,
    };
    Some(Object {
        number,
        unique_id,
        name,
        version: body.version.map(|(id, ordinal)| Version { id, ordinal }),
        created: body.created,
        updated: body.updated,
        has_secret: body.has_secret,
        secret_len: body.secret_len as usize,
        content: Content {
            class,
            private: body.private,
            label: body.label,
            id: body.id,
            enabled: body.enabled,
            not_before: body.not_before,
            expires: body.expires,
            exportable: body.exportable,
            usage: Usage::from_bits_truncate(body.usage),
            local: body.local,
            key,
            value: body.value.map(Arc::from),
            content_type: body.content_type,
            tags: body.tags,
            notes: more.notes,
            deleted: more.deleted.map(|(at, purge)| Deletion { at, purge }),
            attributes: body.attributes.into_iter().map(|(number, value)| (number, value.into())).collect(),
        },
    })
}

/// The byte that a key's row asks for in `changes`.
pub fn state_of(object: &Object) -> u8 {
    match (&object.content.deleted, object.content.enabled) {
        (Some(_), _) => STATE_DELETED,
        (None, true) => STATE_ENABLED,
        (None, false) => STATE_DISABLED,
    }
}

/// Keys with something to refuse have a number in `changes`.
pub fn has_key_number(class: Class) -> bool {
    matches!(class, Class::PrivateKey | Class::SecretKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Curve;

    #[test]
    fn an_object_reads_back_as_it_was_written() {
        let mut content = Content::new(Class::PrivateKey);
        content.label = b"www".to_vec();
        content.usage = Usage::SIGN | Usage::DERIVE;
        content.expires = Some(7);
        content.key = Some(KeyDescription { algorithm: KeyAlgorithm::Ec(Curve::P521), public: vec![1, 2].into() });
        content.tags.insert("owner".into(), "ops".into());
        content.attributes.insert(0x8000_0001, vec![9].into());
        let mut deleted = content.clone();
        deleted.notes.insert("kty".into(), "EC-HSM".into());
        deleted.deleted = Some(Deletion { at: 8, purge: 9 });
        let object = Object {
            number: 5,
            unique_id: [3; 16],
            name: Some(Name::new("www").unwrap()),
            version: Some(Version { id: [4; 16], ordinal: 2 }),
            created: 1,
            updated: 2,
            has_secret: true,
            secret_len: 138,
            content,
        };
        let deleted = Object { content: deleted, ..object.clone() };
        assert_eq!(decode(&encode(&deleted), [3; 16], 5, Class::PrivateKey), Some(deleted));
        let bytes = encode(&object);
        assert_eq!(decode(&bytes, [3; 16], 5, Class::PrivateKey), Some(object));
        assert_eq!(decode(&bytes[..bytes.len() - 1], [3; 16], 5, Class::PrivateKey), None);
    }
}
