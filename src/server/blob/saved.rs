//! What lies inside a blob: every version and half of one object, with its secret parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use postcard::ser_flavors::Size;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::crypto::KeyAlgorithm;
use crate::server::error::{Result, ServiceError};
use crate::vault::{
    Class, Content, Draft, KeyDescription, Name, Naming, Object, RestoredAs, SecretBytes, Usage, Vault, Version,
};

/// One object with all its versions. A new field is a new format of the blob.
#[derive(Serialize, Deserialize)]
pub struct Saved {
    name: String,
    parts: Vec<Part>,
}

/// One half of one version. Service records and what is deleted never come here.
#[derive(Serialize, Deserialize)]
struct Part {
    class: u32,
    version: ([u8; 16], u32),
    created: i64,
    updated: i64,
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
    notes: BTreeMap<String, String>,
    attributes: BTreeMap<u64, Vec<u8>>,
    secret: Option<Zeroizing<Vec<u8>>>,
}

impl Saved {
    /// Of these objects, which have one name.
    pub fn of(vault: &dyn Vault, objects: &[&Arc<Object>]) -> Result<Self> {
        let name = objects.first().and_then(|object| object.name.as_ref()).map(Name::to_string).unwrap_or_default();
        let parts = objects.iter().filter_map(|object| Some((object, object.version?)));
        let parts = parts.map(|(object, version)| Part::of(vault, object, version)).collect::<Result<_>>()?;
        Ok(Self { name, parts })
    }

    /// As bytes, in memory of exactly their length: none of it stays behind in a buffer that grew.
    pub fn written(&self) -> Result<Zeroizing<Vec<u8>>> {
        let failed = |_| ServiceError::bad_parameter("The object can't be backed up.");
        let len = postcard::serialize_with_flavor(self, Size::default()).map_err(failed)?;
        let mut bytes = Zeroizing::new(vec![0; len]);
        postcard::to_slice(self, &mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// Reads what [`written`](Self::written) gave; `None` if it is anything else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (saved, rest) = postcard::take_from_bytes(bytes).ok()?;
        rest.is_empty().then_some(saved)
    }

    /// What makes the objects again; `None` if one of them doesn't belong here.
    pub fn drafts(self, is_part: impl Fn(&Content) -> bool) -> Option<Vec<Draft>> {
        let name = Name::new(&self.name).ok()?;
        let drafts: Option<Vec<_>> = self.parts.into_iter().map(|part| part.draft(&name)).collect();
        drafts.filter(|drafts| drafts.iter().all(|draft| is_part(&draft.content)))
    }
}

impl Part {
    fn of(vault: &dyn Vault, object: &Object, version: Version) -> Result<Self> {
        let content = &object.content;
        let secret = match object.has_secret {
            true => Some(Zeroizing::new(vault.secret_in_any_state(object.number)?.expose().to_vec())),
            false => None,
        };
        Ok(Self {
            class: content.class.number(),
            version: (version.id, version.ordinal),
            created: object.created,
            updated: object.updated,
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
            notes: content.notes.clone(),
            attributes: content.attributes.iter().map(|(number, value)| (*number, value.to_vec())).collect(),
            secret,
        })
    }

    fn draft(self, name: &Name) -> Option<Draft> {
        let key = match self.key {
            Some((code, public)) => {
                Some(KeyDescription { algorithm: KeyAlgorithm::from_code(code)?, public: public.into() })
            }
            None => None,
        };
        let content = Content {
            class: Class::from_number(self.class),
            private: self.private,
            label: self.label,
            id: self.id,
            enabled: self.enabled,
            not_before: self.not_before,
            expires: self.expires,
            exportable: self.exportable,
            usage: Usage::from_bits_truncate(self.usage),
            local: self.local,
            key,
            value: self.value.map(Arc::from),
            content_type: self.content_type,
            tags: self.tags,
            notes: self.notes,
            deleted: None,
            attributes: self.attributes.into_iter().map(|(number, value)| (number, value.into())).collect(),
        };
        let (id, ordinal) = self.version;
        let naming = Naming::Restored(Box::new(RestoredAs {
            name: name.clone(),
            version: Version { id, ordinal },
            created: self.created,
            updated: self.updated,
        }));
        Some(Draft { content, naming, secret: self.secret.map(|secret| SecretBytes::from_slice(&secret)) })
    }
}
