//! What a source holds, before it is judged: objects as PKCS#11 describes them, and what can't be had.

use std::collections::BTreeMap;

use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_TRUE, CK_ULONG, CKA_CLASS, CKA_ID, CKA_KEY_TYPE, CKA_LABEL};

use crate::pkcs11::attribute;
use crate::vault::{Class, Draft, SecretBytes};

/// An object of a source, by its attributes. All of them are kept like secrets, for among them are values of keys.
#[derive(Default)]
pub(super) struct Found {
    pub attributes: BTreeMap<CK_ATTRIBUTE_TYPE, SecretBytes>,
    /// What of it couldn't be read.
    pub remarks: Vec<String>,
}

impl Found {
    pub(super) fn get(&self, attribute: CK_ATTRIBUTE_TYPE) -> Option<&[u8]> {
        self.attributes.get(&attribute).map(SecretBytes::expose)
    }

    pub(super) fn set(&mut self, attribute: CK_ATTRIBUTE_TYPE, value: &[u8]) {
        self.attributes.insert(attribute, SecretBytes::from_slice(value));
    }

    pub(super) fn boolean(&self, attribute: CK_ATTRIBUTE_TYPE) -> bool {
        self.get(attribute) == Some(&[CK_TRUE])
    }

    pub(super) fn number(&self, attribute: CK_ATTRIBUTE_TYPE) -> Option<CK_ULONG> {
        self.get(attribute).and_then(|value| attribute::ulong(value).ok())
    }

    pub(super) fn class(&self) -> Option<Class> {
        self.number(CKA_CLASS).and_then(|number| u32::try_from(number).ok()).map(Class::from_number)
    }

    pub(super) fn what(&self) -> What {
        What {
            class: self.class(),
            kind: self.number(CKA_KEY_TYPE).map(key_type_name),
            label: self.get(CKA_LABEL).unwrap_or_default().to_vec(),
            id: self.get(CKA_ID).unwrap_or_default().to_vec(),
        }
    }
}

/// By what people know an object.
#[derive(Clone)]
pub(super) struct What {
    pub class: Option<Class>,
    /// Of a key whose kind isn't one of ours.
    pub kind: Option<String>,
    pub label: Vec<u8>,
    pub id: Vec<u8>,
}

impl What {
    pub(super) fn of(draft: &Draft) -> Self {
        let content = &draft.content;
        let kind = content.key.as_ref().map(|key| super::super::kind::text(key.algorithm));
        Self { class: Some(content.class), kind, label: content.label.clone(), id: content.id.clone() }
    }

    pub(super) fn class_text(&self) -> &'static str {
        match self.class {
            Some(Class::Data) => "data object",
            Some(Class::Certificate) => "certificate",
            Some(Class::PublicKey) => "public key",
            Some(Class::PrivateKey) => "private key",
            Some(Class::SecretKey) => "secret key",
            Some(Class::Service | Class::CertificateRequest | Class::Other(_)) | None => "object",
        }
    }

    pub(super) fn label_text(&self) -> String {
        String::from_utf8_lossy(&self.label).into_owned()
    }

    pub(super) fn id_text(&self) -> String {
        hexadecimal(&self.id)
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} {:?} (id {})", self.class_text(), self.label_text(), self.id_text())
    }
}

/// What doesn't come, why, and what can be done.
pub(super) struct LeftBehind {
    pub what: What,
    pub reason: String,
    pub remedy: String,
}

/// What comes, and what of it isn't as it was.
pub(super) struct Candidate {
    pub draft: Draft,
    pub remarks: Vec<String>,
    /// A certificate that takes the id of its key in the vault, if there is one: in its file it had none.
    pub adopts_id: bool,
}

/// Everything that was read from the sources of one call.
#[derive(Default)]
pub(super) struct Harvest {
    pub candidates: Vec<Candidate>,
    pub left: Vec<LeftBehind>,
    /// Of the token that was read, if it was one.
    pub token_label: Option<String>,
    /// About the source as a whole.
    pub remarks: Vec<String>,
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names that people meet for key types; others by number.
pub(super) fn key_type_name(number: CK_ULONG) -> String {
    use cryptoki_sys::*;
    let name = match number {
        CKK_RSA => "rsa",
        CKK_DSA => "dsa",
        CKK_DH => "dh",
        CKK_X9_42_DH => "x9.42-dh",
        CKK_EC => "ec",
        CKK_EC_EDWARDS => "ec-edwards",
        CKK_EC_MONTGOMERY => "ec-montgomery",
        CKK_GOSTR3410 => "gost-r-34.10",
        CKK_AES => "aes",
        CKK_DES => "des",
        CKK_DES2 => "des2",
        CKK_DES3 => "des3",
        CKK_GENERIC_SECRET => "generic",
        other => return format!("ckk-{other:#x}"),
    };
    name.to_owned()
}
