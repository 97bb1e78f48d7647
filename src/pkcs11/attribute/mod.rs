//! The table of attributes, and the words it is written in.
//!
//! For each attribute and kind of object the table says who may set it and when, what form its value has, what it reads
//! as while nobody set it, and whether it is sensitive. [`template`](super::template) asks it about everything a caller
//! wants to write, [`object`](super::object) about everything a caller wants to read; neither has rules of its own about
//! single attributes beyond what their values mean.

pub mod array;
mod form;
mod table;

use cryptoki_sys::*;

pub use form::{Form, MAX_LEN, boolean, ulong};
pub use table::{KEPT, TABLE};

use crate::vault::{Class, Content, KeyAlgorithm, Usage};

bitflags::bitflags! {
    /// Kinds of objects, as far as they differ in their attributes: classes, with key types and certificate types.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Kinds: u32 {
        /// `CKO_DATA`
        const DATA = 1;
        /// `CKC_X_509`
        const X509 = 1 << 1;
        /// `CKC_X_509_ATTR_CERT`
        const ATTRIBUTE_CERTIFICATE = 1 << 2;
        /// `CKC_WTLS`
        const WTLS = 1 << 3;
        /// Public key, `CKK_RSA`
        const RSA_PUBLIC = 1 << 4;
        /// Public key, `CKK_EC`
        const EC_PUBLIC = 1 << 5;
        /// Public key, `CKK_EC_EDWARDS`
        const EDWARDS_PUBLIC = 1 << 6;
        /// Public key of a type that is only kept
        const OTHER_PUBLIC = 1 << 7;
        /// Private key, `CKK_RSA`
        const RSA_PRIVATE = 1 << 8;
        /// Private key, `CKK_EC`
        const EC_PRIVATE = 1 << 9;
        /// Private key, `CKK_EC_EDWARDS`
        const EDWARDS_PRIVATE = 1 << 10;
        /// Private key of a type that we don't know
        const OTHER_PRIVATE = 1 << 11;
        /// Secret key, `CKK_AES`
        const AES = 1 << 12;
        /// Secret key, `CKK_GENERIC_SECRET`
        const GENERIC = 1 << 13;
        /// Secret key of any other type: for one HMAC or HKDF, which are used, or only kept
        const OTHER_SECRET = 1 << 14;
        /// `CKO_OTP_KEY`
        const OTP = 1 << 15;
        /// Any other class
        const OTHER = 1 << 16;
        /// A certificate of a type that is only kept
        const OTHER_CERTIFICATE = 1 << 17;
        /// Public key, `CKK_EC_MONTGOMERY`
        const MONTGOMERY_PUBLIC = 1 << 18;
        /// Private key, `CKK_EC_MONTGOMERY`
        const MONTGOMERY_PRIVATE = 1 << 19;

        /// `CKO_CERTIFICATE`
        const CERTIFICATE = Self::X509.bits() | Self::ATTRIBUTE_CERTIFICATE.bits() | Self::WTLS.bits()
            | Self::OTHER_CERTIFICATE.bits();
        /// `CKO_PUBLIC_KEY`
        const PUBLIC = Self::RSA_PUBLIC.bits() | Self::EC_PUBLIC.bits() | Self::EDWARDS_PUBLIC.bits()
            | Self::MONTGOMERY_PUBLIC.bits() | Self::OTHER_PUBLIC.bits();
        /// `CKO_PRIVATE_KEY`
        const PRIVATE = Self::RSA_PRIVATE.bits() | Self::EC_PRIVATE.bits() | Self::EDWARDS_PRIVATE.bits()
            | Self::MONTGOMERY_PRIVATE.bits() | Self::OTHER_PRIVATE.bits();
        /// `CKO_SECRET_KEY`
        const SECRET = Self::AES.bits() | Self::GENERIC.bits() | Self::OTHER_SECRET.bits();
        /// Keys of every class
        const KEY = Self::PUBLIC.bits() | Self::PRIVATE.bits() | Self::SECRET.bits() | Self::OTP.bits();
        /// Keys whose value is secret
        const HIDDEN = Self::PRIVATE.bits() | Self::SECRET.bits() | Self::OTP.bits();
        /// What is kept with every attribute of the specification, whether it fits or not
        const OPEN = Self::OTHER_PUBLIC.bits() | Self::OTHER_SECRET.bits() | Self::OTP.bits() | Self::OTHER.bits()
            | Self::OTHER_CERTIFICATE.bits();
    }
}

impl Kinds {
    /// The one kind that an object of this content is.
    pub fn of(content: &Content) -> Self {
        match content.class {
            Class::Data => Self::DATA,
            Class::Certificate => {
                let stored = content.attributes.get(&CKA_CERTIFICATE_TYPE);
                Self::of_certificate(stored.map_or(CKC_X_509, |bytes| ulong(bytes).unwrap_or(CKC_VENDOR_DEFINED)))
            }
            Class::PublicKey | Class::PrivateKey | Class::SecretKey => {
                let algorithm = content.key.as_ref().map_or(KeyAlgorithm::Other(u32::MAX), |key| key.algorithm);
                Self::of_key(content.class, key_type(algorithm))
            }
            Class::Other(number) if CK_OBJECT_CLASS::from(number) == CKO_OTP_KEY => Self::OTP,
            Class::Service | Class::CertificateRequest | Class::Other(_) => Self::OTHER,
        }
    }

    /// The kind of a certificate of this `CKA_CERTIFICATE_TYPE`.
    pub fn of_certificate(certificate_type: CK_CERTIFICATE_TYPE) -> Self {
        match certificate_type {
            CKC_X_509 => Self::X509,
            CKC_X_509_ATTR_CERT => Self::ATTRIBUTE_CERTIFICATE,
            CKC_WTLS => Self::WTLS,
            _ => Self::OTHER_CERTIFICATE,
        }
    }

    /// The kind of a key of this class and `CKA_KEY_TYPE`.
    pub fn of_key(class: Class, key_type: CK_KEY_TYPE) -> Self {
        match (class, key_type) {
            (Class::PublicKey, CKK_RSA) => Self::RSA_PUBLIC,
            (Class::PublicKey, CKK_EC) => Self::EC_PUBLIC,
            (Class::PublicKey, CKK_EC_EDWARDS) => Self::EDWARDS_PUBLIC,
            (Class::PublicKey, CKK_EC_MONTGOMERY) => Self::MONTGOMERY_PUBLIC,
            (Class::PublicKey, _) => Self::OTHER_PUBLIC,
            (Class::PrivateKey, CKK_RSA) => Self::RSA_PRIVATE,
            (Class::PrivateKey, CKK_EC) => Self::EC_PRIVATE,
            (Class::PrivateKey, CKK_EC_EDWARDS) => Self::EDWARDS_PRIVATE,
            (Class::PrivateKey, CKK_EC_MONTGOMERY) => Self::MONTGOMERY_PRIVATE,
            (Class::PrivateKey, _) => Self::OTHER_PRIVATE,
            (_, CKK_AES) => Self::AES,
            (_, CKK_GENERIC_SECRET) => Self::GENERIC,
            _ => Self::OTHER_SECRET,
        }
    }
}

/// `CKA_KEY_TYPE` of a key.
pub fn key_type(algorithm: KeyAlgorithm) -> CK_KEY_TYPE {
    match algorithm {
        KeyAlgorithm::Rsa { .. } => CKK_RSA,
        KeyAlgorithm::Ec(_) => CKK_EC,
        KeyAlgorithm::Ed25519 => CKK_EC_EDWARDS,
        KeyAlgorithm::X25519 => CKK_EC_MONTGOMERY,
        KeyAlgorithm::Aes { .. } => CKK_AES,
        KeyAlgorithm::Generic { .. } => CKK_GENERIC_SECRET,
        KeyAlgorithm::Other(number) => number.into(),
    }
}

/// The flag that a usage attribute (`CKA_SIGN` and its kin) stands for.
pub fn usage_flag(number: CK_ATTRIBUTE_TYPE) -> Option<Usage> {
    Some(match number {
        CKA_ENCRYPT => Usage::ENCRYPT,
        CKA_DECRYPT => Usage::DECRYPT,
        CKA_SIGN => Usage::SIGN,
        CKA_SIGN_RECOVER => Usage::SIGN_RECOVER,
        CKA_VERIFY => Usage::VERIFY,
        CKA_VERIFY_RECOVER => Usage::VERIFY_RECOVER,
        CKA_WRAP => Usage::WRAP,
        CKA_UNWRAP => Usage::UNWRAP,
        CKA_DERIVE => Usage::DERIVE,
        _ => return None,
    })
}

/// When an attribute is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// `C_CreateObject`
    Create,
    /// `C_GenerateKey`, `C_GenerateKeyPair`
    Generate,
    /// `C_UnwrapKey`, `C_DeriveKey`
    Unwrap,
    /// `C_CopyObject`
    Copy,
    /// `C_SetAttributeValue`
    Set,
}

impl Phase {
    /// Every phase, in the order of the table's columns.
    pub const ALL: [Self; 5] = [Self::Create, Self::Generate, Self::Unwrap, Self::Copy, Self::Set];
}

/// Whether an attribute may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It has to be (`CKR_TEMPLATE_INCOMPLETE`).
    Must,
    /// It may be.
    May,
    /// It may not be (`CKR_ATTRIBUTE_READ_ONLY`).
    Never,
    /// It may become `CK_TRUE`, and then stays so.
    Raise,
    /// It may become `CK_FALSE`, and then stays so.
    Lower,
    /// Only the security officer may say `CK_TRUE`.
    Officer,
}

/// What an attribute reads as while nobody set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// A value of length 0.
    Empty,
    /// `CK_FALSE`
    False,
    /// `CK_TRUE`
    True,
    /// This number.
    Number(CK_ULONG),
    /// It always has a value: the vault acts on it, or it follows from the object's value.
    Derived,
    /// The object doesn't have it (`CKR_ATTRIBUTE_TYPE_INVALID`).
    Absent,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// `CKA_*`
    pub number: CK_ATTRIBUTE_TYPE,
    /// Its name in the specification.
    pub name: &'static str,
    /// What its values are.
    pub form: Form,
    /// The kinds of objects that this line is about.
    pub kinds: Kinds,
    /// Who may set it, for each of [`Phase::ALL`].
    pub rules: [Rule; 5],
    /// What it reads as while nobody set it.
    pub unset: Unset,
    /// It isn't revealed while the key is sensitive or not extractable (`CKR_ATTRIBUTE_SENSITIVE`).
    pub sensitive: bool,
}

impl Attribute {
    /// Whether it may be given in this phase.
    pub fn rule(&self, phase: Phase) -> Rule {
        self.rules[phase as usize]
    }
}

/// What the table says of an attribute.
#[derive(Clone, Copy, Debug)]
pub enum Lookup {
    /// This.
    Row(&'static Attribute),
    /// It exists, but not for this kind of object.
    Inapplicable,
    /// There is no such attribute.
    Unknown,
}

/// What the table says of attribute `number` of an object of `kind`.
pub fn lookup(kind: Kinds, number: CK_ATTRIBUTE_TYPE) -> Lookup {
    if let Some(row) = TABLE.iter().find(|row| row.number == number && row.kinds.intersects(kind)) {
        return Lookup::Row(row);
    }
    match lookup_any(number) {
        Lookup::Row(row) if row.number == CKA_VENDOR_DEFINED => Lookup::Row(row),
        // A sensitive value is never kept among the attributes, where the vault doesn't treat it as one.
        Lookup::Row(row) if kind.intersects(Kinds::OPEN) && !row.sensitive => Lookup::Row(match row.form {
            Form::AttributeArray => &table::KEPT_ARRAY,
            _ => &table::KEPT_BYTES,
        }),
        Lookup::Row(_) => Lookup::Inapplicable,
        other => other,
    }
}

/// What some line of the table says of attribute `number`, whatever the object.
pub fn lookup_any(number: CK_ATTRIBUTE_TYPE) -> Lookup {
    if number & CKA_VENDOR_DEFINED != 0 {
        return Lookup::Row(&table::VENDOR);
    }
    match TABLE.iter().find(|row| row.number == number) {
        Some(row) => Lookup::Row(row),
        None if KEPT.contains(&number) => Lookup::Row(&table::KEPT_BYTES),
        None => Lookup::Unknown,
    }
}

#[cfg(test)]
mod tests;
