//! Objects of a vault: keys, secrets, certificates, and what PKCS#11 keeps besides.
//!
//! A key pair is two objects that share name, version and id. What a vault itself acts on is a typed field; everything
//! else that a PKCS#11 caller gave lies in [`Content::attributes`] and is kept as it came.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{KeyAlgorithm, Name, SecretBytes, VaultError};

/// Number of an object within its vault, given at creation and never used again: its handle in PKCS#11.
pub type ObjectNumber = u64;

/// 128 random bits that name an object for ever (`CKA_UNIQUE_ID`, as hexadecimal digits).
pub type UniqueId = [u8; 16];

/// The name of a version: 128 random bits, 32 hexadecimal digits in Key Vault.
pub type VersionId = [u8; 16];

/// PKCS#11 attribute number to its bytes. A `CK_ULONG` is kept as 8 bytes, little-endian; `CK_BBOOL` as one.
pub type AttributeMap = BTreeMap<u64, Box<[u8]>>;

/// What kind of object it is (`CKA_CLASS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// `CKO_DATA`; a private one is a secret in Key Vault's words.
    Data,
    /// `CKO_CERTIFICATE`.
    Certificate,
    /// `CKO_PUBLIC_KEY`.
    PublicKey,
    /// `CKO_PRIVATE_KEY`.
    PrivateKey,
    /// `CKO_SECRET_KEY`.
    SecretKey,
    /// What a service keeps for itself in the vault (identities, role assignments, signing keys of tokens): sealed like
    /// every object, and shown by no front end as one.
    Service,
    /// A certificate that is still to be issued: its value is the request (PKCS#10), its secret part the key, if that is to
    /// become a key of the vault with it. It holds a certificate's name and is shown by no front end as an object.
    CertificateRequest,
    /// Any other class, kept whole.
    Other(u32),
}

impl Class {
    /// The number of [`Service`](Self::Service); no caller of PKCS#11 may use it.
    pub const SERVICE: u32 = u32::MAX - 2;

    /// The number of [`CertificateRequest`](Self::CertificateRequest); no caller of PKCS#11 may use it.
    pub const CERTIFICATE_REQUEST: u32 = u32::MAX - 3;

    /// Its number in PKCS#11 v3.2 (`CKO_*`).
    pub fn number(self) -> u32 {
        match self {
            Self::Service => Self::SERVICE,
            Self::CertificateRequest => Self::CERTIFICATE_REQUEST,
            Self::Data => 0,
            Self::Certificate => 1,
            Self::PublicKey => 2,
            Self::PrivateKey => 3,
            Self::SecretKey => 4,
            Self::Other(number) => number,
        }
    }

    /// The class with this number.
    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Data,
            1 => Self::Certificate,
            2 => Self::PublicKey,
            3 => Self::PrivateKey,
            4 => Self::SecretKey,
            Self::SERVICE => Self::Service,
            Self::CERTIFICATE_REQUEST => Self::CertificateRequest,
            other => Self::Other(other),
        }
    }
}

/// The name spaces of Key Vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Collection {
    /// Private, public and secret keys.
    Keys,
    /// Private data objects.
    Secrets,
    /// Certificates.
    Certificates,
}

impl Collection {
    /// Its part of an object's path: `keys`, `secrets`, `certificates`.
    pub fn segment(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Secrets => "secrets",
            Self::Certificates => "certificates",
        }
    }

    /// The collection with this part of a path.
    pub fn from_segment(segment: &str) -> Option<Self> {
        [Self::Keys, Self::Secrets, Self::Certificates].into_iter().find(|collection| collection.segment() == segment)
    }

    /// Where an object of this content is listed; `None` for what has no counterpart in a vault.
    pub fn of(content: &Content) -> Option<Self> {
        match content.class {
            Class::PrivateKey | Class::PublicKey | Class::SecretKey => Some(Self::Keys),
            Class::Data if content.private => Some(Self::Secrets),
            Class::Certificate | Class::CertificateRequest => Some(Self::Certificates),
            Class::Data | Class::Service | Class::Other(_) => None,
        }
    }
}

bitflags::bitflags! {
    /// What a key may be used for (`CKA_SIGN` and its kin; `key_ops`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Usage: u32 {
        /// `CKA_ENCRYPT`
        const ENCRYPT = 1;
        /// `CKA_DECRYPT`
        const DECRYPT = 1 << 1;
        /// `CKA_SIGN`
        const SIGN = 1 << 2;
        /// `CKA_SIGN_RECOVER`
        const SIGN_RECOVER = 1 << 3;
        /// `CKA_VERIFY`
        const VERIFY = 1 << 4;
        /// `CKA_VERIFY_RECOVER`
        const VERIFY_RECOVER = 1 << 5;
        /// `CKA_WRAP`
        const WRAP = 1 << 6;
        /// `CKA_UNWRAP`
        const UNWRAP = 1 << 7;
        /// `CKA_DERIVE`
        const DERIVE = 1 << 8;
    }
}

/// What a key is made of, as far as it is public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDescription {
    /// Kind and size.
    pub algorithm: KeyAlgorithm,
    /// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of a private or public key; empty for a secret key, or where it isn't known.
    pub public: Arc<[u8]>,
}

/// A version of a named object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its name.
    pub id: VersionId,
    /// 1 for the first, growing.
    pub ordinal: u32,
}

/// What an object is and says, apart from what the vault assigns. The secret part is never in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What kind of object.
    pub class: Class,
    /// Visible only after login (`CKA_PRIVATE`).
    pub private: bool,
    /// `CKA_LABEL`: any bytes.
    pub label: Vec<u8>,
    /// `CKA_ID`: any bytes.
    pub id: Vec<u8>,
    /// Versions that are not enabled are refused and not found.
    pub enabled: bool,
    /// `nbf`: seconds since 1970 before which the key refuses.
    pub not_before: Option<i64>,
    /// `exp`: seconds since 1970 from which on the key refuses.
    pub expires: Option<i64>,
    /// The secret part may leave (`CKA_EXTRACTABLE`).
    pub exportable: bool,
    /// What the key may be used for.
    pub usage: Usage,
    /// Made inside the vault (`CKA_LOCAL`).
    pub local: bool,
    /// For keys.
    pub key: Option<KeyDescription>,
    /// The value of a certificate (DER) or of a public data object.
    pub value: Option<Arc<[u8]>>,
    /// Key Vault's content type of a secret.
    pub content_type: Option<String>,
    /// Key Vault's tags.
    pub tags: BTreeMap<String, String>,
    /// What a front end keeps beside the object and the vault doesn't act on (Key Vault's rotation policy, the kind of
    /// key as it was asked for). PKCS#11 shows none of it.
    pub notes: BTreeMap<String, String>,
    /// It was deleted softly: refused and hidden, but its name is taken until it is purged.
    pub deleted: Option<Deletion>,
    /// Other PKCS#11 attributes, kept as they came.
    pub attributes: AttributeMap,
}

/// `CKA_ALWAYS_AUTHENTICATE`.
const ALWAYS_AUTHENTICATE: u64 = 0x202;
/// `CKA_ALLOWED_MECHANISMS`.
const ALLOWED_MECHANISMS: u64 = 0x4000_0600;
/// `CKA_SENSITIVE`, kept where it is set beside `CKA_EXTRACTABLE`.
const SENSITIVE: u64 = 0x103;
/// `CKA_WRAP_WITH_TRUSTED`.
const WRAP_WITH_TRUSTED: u64 = 0x210;

/// Notes that the server keeps about one version of a certificate: how it was asked for, which version of its key it has,
/// in which order its chain came. The next version, whoever makes it, doesn't have them.
pub const NOTES_OF_ONE_VERSION: [&str; 3] = ["certificate-operation", "key-version", "preserve-order"];

/// Longest value of a secret that every front end shows, in bytes (Key Vault's limit).
pub const MAX_SECRET_LEN: usize = 25 * 1024;

/// The note of a secret whose value is text; without it the value is bytes.
const TEXT_VALUE: (&str, &str) = ("value", "text");

/// The note of a certificate and of its key's private half that were made as one.
const MANAGED: (&str, &str) = ("managed", "certificate");

impl Content {
    /// Whether a secret's value is text: noted when it was set, because bytes may look like it.
    pub fn has_text_value(&self) -> bool {
        self.notes.get(TEXT_VALUE.0).is_some_and(|value| value == TEXT_VALUE.1)
    }

    /// Whether a PKCS#11 program that made the key bound its use to what only PKCS#11 has: the PIN at each use, or a list of
    /// mechanisms.
    pub fn is_bound_to_pkcs11(&self) -> bool {
        let of = |attribute: u64| self.attributes.get(&attribute).map_or(&[][..], |value| &value[..]);
        of(ALWAYS_AUTHENTICATE).iter().any(|byte| *byte != 0) || !of(ALLOWED_MECHANISMS).is_empty()
    }

    /// Whether the secret part may leave as it is. A PKCS#11 program may let it leave wrapped alone (`CKA_SENSITIVE` beside
    /// `CKA_EXTRACTABLE`), or for trusted keys alone.
    pub fn may_leave_in_clear(&self) -> bool {
        self.may_leave_wrapped() && !self.is_set(SENSITIVE)
    }

    /// Whether the secret part may leave wrapped by a key that nobody calls trusted.
    pub fn may_leave_wrapped(&self) -> bool {
        self.exportable && !self.is_set(WRAP_WITH_TRUSTED)
    }

    fn is_set(&self, attribute: u64) -> bool {
        self.attributes.get(&attribute).is_some_and(|value| value.iter().any(|byte| *byte != 0))
    }

    /// Notes that a secret's value is text.
    pub fn note_text_value(&mut self) {
        self.notes.insert(TEXT_VALUE.0.into(), TEXT_VALUE.1.into());
    }

    /// Leaves out what front ends keep beside this object alone: all but how its value reads. A copy is another object.
    pub fn forget_notes(&mut self) {
        self.notes.retain(|name, _| name == TEXT_VALUE.0);
    }

    /// Whether it is a certificate with a key of its own, or such a key: one goes nowhere without the other.
    pub fn is_managed(&self) -> bool {
        self.notes.get(MANAGED.0).is_some_and(|value| value == MANAGED.1)
    }

    /// Makes it one half of a certificate and its key.
    pub fn set_managed(&mut self) {
        self.notes.insert(MANAGED.0.into(), MANAGED.1.into());
    }

    /// An enabled, non-exportable object of this class with nothing in it. Keys' private halves, secret keys, a service's
    /// records, requests and nothing else are private.
    pub fn new(class: Class) -> Self {
        Self {
            class,
            private: matches!(class, Class::PrivateKey | Class::SecretKey | Class::Service | Class::CertificateRequest),
            label: Vec::new(),
            id: Vec::new(),
            enabled: true,
            not_before: None,
            expires: None,
            exportable: false,
            usage: Usage::empty(),
            local: false,
            key: None,
            value: None,
            content_type: None,
            tags: BTreeMap::new(),
            notes: BTreeMap::new(),
            deleted: None,
            attributes: AttributeMap::new(),
        }
    }

    /// Whether `nbf` and `exp` allow a private operation at `now` (all in seconds since 1970).
    pub fn validity(not_before: Option<i64>, expires: Option<i64>, now: i64) -> Result<(), VaultError> {
        match (not_before, expires) {
            (Some(start), _) if now < start => Err(VaultError::NotYetValid(start)),
            (_, Some(end)) if now >= end => Err(VaultError::Expired(end)),
            _ => Ok(()),
        }
    }
}

/// PKCS#11 attributes that restrict a key rather than describe one version of it: a new version has them too.
pub const KEPT_ON_ROTATION: [u64; 9] = [
    ALLOWED_MECHANISMS,
    ALWAYS_AUTHENTICATE,
    // CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE
    0x170,
    0x171,
    0x172,
    // CKA_WRAP_WITH_TRUSTED, CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE
    0x210,
    0x4000_0211,
    0x4000_0212,
    0x4000_0213,
];

/// When an object was deleted softly, and when it goes for good; in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was deleted.
    pub at: i64,
    /// From when on it is purged.
    pub purge: i64,
}

/// How a new object gets its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It has none (a CA certificate, a public key alone).
    None,
    /// From the label: the label itself if it is a valid and free name, else [`Name::derived`].
    FromLabel,
    /// This name, which must be free.
    New(Name),
    /// A new version of the object with this name, which must exist.
    VersionOf(Name),
    /// This name, free or not: a first or a further version.
    Set(Name),
    /// This name, free or not, for a version of this id, which is new: a certificate and its key have it in common.
    As(Name, VersionId),
    /// As a backup of the object says; the name must be free.
    Restored(Box<RestoredAs>),
}

/// What the vault assigns to an object, as it was when the object was backed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredAs {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// Seconds since 1970.
    pub created: i64,
    /// Seconds since 1970.
    pub updated: i64,
}

/// An object to be created.
#[derive(Debug)]
pub struct Draft {
    /// What it says.
    pub content: Content,
    /// How it is named.
    pub naming: Naming,
    /// PKCS#8 of a private key, value of a secret key or of a private data object.
    pub secret: Option<SecretBytes>,
}

/// One step of a transaction.
#[derive(Debug)]
pub enum Change {
    /// A new object. Drafts in one transaction that name the same key or secret make one version.
    Create(Draft),
    /// This object says this from now on.
    Set(ObjectNumber, Content),
    /// This object is gone for good.
    Delete(ObjectNumber),
}

/// An object of a vault as it stands in one image; never changed, replaced by a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its handle.
    pub number: ObjectNumber,
    /// Its unique id.
    pub unique_id: UniqueId,
    /// Its name, if it has one.
    pub name: Option<Name>,
    /// Its version, if it has a name.
    pub version: Option<Version>,
    /// Seconds since 1970.
    pub created: i64,
    /// Seconds since 1970.
    pub updated: i64,
    /// It has a secret part in the vault.
    pub has_secret: bool,
    /// Length of the secret part in bytes; 0 without one.
    pub secret_len: usize,
    /// What it says.
    pub content: Content,
}

impl Object {
    /// Where it is listed, if it has a name.
    pub fn collection(&self) -> Option<Collection> {
        self.name.as_ref().and_then(|_| Collection::of(&self.content))
    }
}
