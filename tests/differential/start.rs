//! The objects that both modules begin with, and what templates are made of. Every use of a key is written out: what a
//! token adds by itself is its own choice (PKCS#11 v3.2 §4.2, footnote 9).

use cryptoki_sys::*;

use crate::client::{Attribute, attribute};

/// Kinds of objects, as far as mechanisms ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Aes,
    Wrapping,
    Generic,
    /// The private half.
    Rsa,
    RsaPublic,
    /// The private half.
    Ec,
    EcPublic,
    Data,
}

impl Kind {
    /// The half of a pair that is asked for; what is no pair is both.
    pub fn half(self, private: bool) -> Self {
        match self {
            Self::Rsa if !private => Self::RsaPublic,
            Self::Ec if !private => Self::EcPublic,
            other => other,
        }
    }

    /// Its name in a difference.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes => "an AES key",
            Self::Wrapping => "an AES key that wraps",
            Self::Generic => "a generic secret",
            Self::Rsa => "an RSA private key",
            Self::RsaPublic => "an RSA public key",
            Self::Ec => "an EC private key",
            Self::EcPublic => "an EC public key",
            Self::Data => "data",
        }
    }
}

pub const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

/// The base point of P-256 as a `CKA_EC_POINT`: everybody's public key, if the private one is 1.
#[rustfmt::skip]
pub const PEER: &[u8] = &[
    0x04, 0x41, 0x04,
    0x6B, 0x17, 0xD1, 0xF2, 0xE1, 0x2C, 0x42, 0x47, 0xF8, 0xBC, 0xE6, 0xE5, 0x63, 0xA4, 0x40, 0xF2,
    0x77, 0x03, 0x7D, 0x81, 0x2D, 0xEB, 0x33, 0xA0, 0xF4, 0xA1, 0x39, 0x45, 0xD8, 0x98, 0xC2, 0x96,
    0x4F, 0xE3, 0x42, 0xE2, 0xFE, 0x1A, 0x7F, 0x9B, 0x8E, 0xE7, 0xEB, 0x4A, 0x7C, 0x0F, 0x9E, 0x16,
    0x2B, 0xCE, 0x33, 0x57, 0x6B, 0x31, 0x5E, 0xCE, 0xCB, 0xB6, 0x40, 0x68, 0x37, 0xBF, 0x51, 0xF5,
];

const USES: [CK_ATTRIBUTE_TYPE; 7] = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP, CKA_DERIVE];

fn uses(class_has: &[CK_ATTRIBUTE_TYPE], wanted: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    class_has.iter().map(|number| attribute(*number, wanted.contains(number))).collect()
}

fn guarded(extractable: bool) -> Vec<Attribute> {
    vec![
        attribute(CKA_TOKEN, false),
        attribute(CKA_PRIVATE, true),
        attribute(CKA_SENSITIVE, !extractable),
        attribute(CKA_EXTRACTABLE, extractable),
    ]
}

/// What a secret key is made with that is for everything but wrapping.
pub fn secret_uses() -> Vec<Attribute> {
    let wanted = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_DERIVE];
    [guarded(true), uses(&USES, &wanted)].concat()
}

pub fn private_uses(extractable: bool) -> Vec<Attribute> {
    let has = [CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP, CKA_DERIVE];
    [guarded(extractable), uses(&has, &[CKA_SIGN, CKA_DERIVE])].concat()
}

fn secret(key_type: CK_KEY_TYPE, len: usize, extractable: bool, wanted: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    let own = vec![
        attribute(CKA_CLASS, CKO_SECRET_KEY),
        attribute(CKA_KEY_TYPE, key_type),
        attribute(CKA_VALUE, vec![7u8; len]),
    ];
    [own, guarded(extractable), uses(&USES, wanted)].concat()
}

fn data() -> Vec<Attribute> {
    vec![
        attribute(CKA_CLASS, CKO_DATA),
        attribute(CKA_TOKEN, false),
        attribute(CKA_PRIVATE, true),
        attribute(CKA_LABEL, "data"),
        attribute(CKA_VALUE, "value"),
    ]
}

const CIPHER: [CK_ATTRIBUTE_TYPE; 4] = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY];

/// How many [`objects`] there are, with the RSA and EC pairs.
pub const COUNT: usize = 11;

/// Objects that are created: with kinds.
pub fn objects() -> Vec<(Kind, Vec<Attribute>)> {
    let may_little = [secret(CKK_AES, 16, true, &[]), vec![attribute(CKA_MODIFIABLE, false)]].concat();
    vec![
        (Kind::Aes, secret(CKK_AES, 16, true, &CIPHER)),
        (Kind::Aes, secret(CKK_AES, 32, false, &CIPHER)),
        (Kind::Aes, may_little),
        (Kind::Wrapping, secret(CKK_AES, 32, false, &[CKA_WRAP, CKA_UNWRAP])),
        (Kind::Generic, secret(CKK_GENERIC_SECRET, 64, true, &[CKA_SIGN, CKA_VERIFY])),
        (Kind::Generic, secret(CKK_GENERIC_SECRET, 64, false, &[CKA_SIGN, CKA_VERIFY])),
        (Kind::Data, data()),
    ]
}

/// Attributes that hold the value of a key.
pub const RSA_PARTS: [CK_ATTRIBUTE_TYPE; 8] = [
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
];

/// A key pair that is generated once and then made in both modules: kinds of the halves, how it is generated, and how each
/// half is made.
pub struct Pair {
    pub kinds: [Kind; 2],
    pub mechanism: CK_MECHANISM_TYPE,
    pub generated: Vec<Attribute>,
    /// Templates without the value, and the attributes that hold it.
    pub public: (Vec<Attribute>, &'static [CK_ATTRIBUTE_TYPE]),
    pub private: (Vec<Attribute>, &'static [CK_ATTRIBUTE_TYPE]),
}

pub fn pairs() -> [Pair; 2] {
    let half = |class, key_type: CK_KEY_TYPE, rest: Vec<Attribute>| {
        [vec![attribute(CKA_CLASS, class), attribute(CKA_KEY_TYPE, key_type)], rest].concat()
    };
    let public = |key_type, uses: &[CK_ATTRIBUTE_TYPE]| {
        let uses = uses.iter().map(|number| attribute(*number, true)).collect::<Vec<_>>();
        half(CKO_PUBLIC_KEY, key_type, [vec![attribute(CKA_TOKEN, false)], uses].concat())
    };
    let private_has = [CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP];
    let rsa_private = half(CKO_PRIVATE_KEY, CKK_RSA, [guarded(false), uses(&private_has, &private_has)].concat());
    [
        Pair {
            kinds: [Kind::RsaPublic, Kind::Rsa],
            mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN,
            generated: vec![attribute(CKA_MODULUS_BITS, 2048u64)],
            public: (public(CKK_RSA, &[CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP]), &RSA_PARTS[..2]),
            private: (rsa_private, &RSA_PARTS),
        },
        Pair {
            kinds: [Kind::EcPublic, Kind::Ec],
            mechanism: CKM_EC_KEY_PAIR_GEN,
            generated: vec![attribute(CKA_EC_PARAMS, P256)],
            public: (public(CKK_EC, &[CKA_VERIFY]), &[CKA_EC_PARAMS, CKA_EC_POINT]),
            private: (half(CKO_PRIVATE_KEY, CKK_EC, private_uses(false)), &[CKA_EC_PARAMS, CKA_VALUE]),
        },
    ]
}

/// Templates for `C_CreateObject`.
pub fn templates() -> Vec<Vec<Attribute>> {
    objects().into_iter().map(|(_, template)| template).collect()
}

fn without_value(key_type: CK_KEY_TYPE) -> Vec<Attribute> {
    let own = vec![attribute(CKA_CLASS, CKO_SECRET_KEY), attribute(CKA_KEY_TYPE, key_type)];
    [own, secret_uses()].concat()
}

/// Templates for `C_UnwrapKey`.
pub fn unwrapped() -> Vec<Vec<Attribute>> {
    vec![without_value(CKK_GENERIC_SECRET), without_value(CKK_AES)]
}

/// Templates for `C_DeriveKey`.
pub fn derived() -> Vec<Vec<Attribute>> {
    let with_len = |key_type, len: CK_ULONG| [without_value(key_type), vec![attribute(CKA_VALUE_LEN, len)]].concat();
    vec![
        with_len(CKK_GENERIC_SECRET, 32),
        with_len(CKK_AES, 16),
        with_len(CKK_AES, 32),
        without_value(CKK_GENERIC_SECRET),
    ]
}

const YES_NO: &[&[u8]] = &[&[1], &[0], &[2], &[1, 1]];
const TEXTS: &[&[u8]] = &[b"", b"text", b"data"];

/// Attributes that are asked for and changed, with values, impossible ones among them.
#[rustfmt::skip]
pub const ATTRIBUTES: &[(CK_ATTRIBUTE_TYPE, &[&[u8]])] = &[
    (CKA_CLASS, &[&CKO_DATA.to_ne_bytes(), &CKO_SECRET_KEY.to_ne_bytes(), &CKO_PRIVATE_KEY.to_ne_bytes(), &[1]]),
    (CKA_KEY_TYPE, &[&CKK_AES.to_ne_bytes(), &CKK_RSA.to_ne_bytes(), &[1]]),
    (CKA_LABEL, TEXTS), (CKA_ID, TEXTS), (CKA_VALUE, TEXTS), (CKA_APPLICATION, TEXTS), (CKA_SUBJECT, TEXTS),
    (CKA_PRIVATE, YES_NO), (CKA_MODIFIABLE, YES_NO), (CKA_COPYABLE, YES_NO), (CKA_DESTROYABLE, YES_NO),
    (CKA_SENSITIVE, YES_NO), (CKA_EXTRACTABLE, YES_NO), (CKA_ALWAYS_SENSITIVE, YES_NO), (CKA_NEVER_EXTRACTABLE, YES_NO),
    (CKA_LOCAL, YES_NO), (CKA_ENCRYPT, YES_NO), (CKA_DECRYPT, YES_NO), (CKA_SIGN, YES_NO), (CKA_VERIFY, YES_NO),
    (CKA_WRAP, YES_NO), (CKA_UNWRAP, YES_NO), (CKA_DERIVE, YES_NO), (CKA_TRUSTED, YES_NO), (CKA_WRAP_WITH_TRUSTED, YES_NO),
    (CKA_VALUE_LEN, &[&16u64.to_ne_bytes(), &[16]]), (CKA_KEY_GEN_MECHANISM, &[&CKM_AES_KEY_GEN.to_ne_bytes()]),
    (CKA_START_DATE, &[b"20260131", b"", b"2026"]), (CKA_MODULUS, TEXTS), (CKA_EC_POINT, TEXTS), (CKA_PRIME_1, TEXTS),
    (0x7777, TEXTS),
];
