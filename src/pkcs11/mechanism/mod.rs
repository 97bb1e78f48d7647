//! The one table of mechanisms, and what a caller's mechanism asks for.
//!
//! `C_GetMechanismList`, `C_GetMechanismInfo`, the checks of keys, `strongroom pkcs11 mechanisms` and the documentation's
//! table come from [`table`](mod@table). Another hash of what is there is one line in it; what its parameter says is read
//! by [`parameter`]. Whether a key fits, by kind and by size, is judged here for every function alike.

mod allowed;
mod offer;
pub mod parameter;
mod table;

use cryptoki_sys::*;

pub use allowed::Allowed;
pub use parameter::{Parameter, Shape};

use self::parameter::GcmNumbers;
use super::error::Rv;
use super::template::{PairKind, SecretKind};
use crate::crypto::{
    CipherScheme, DigestAlgorithm, EncryptScheme, Kdf, KeyAlgorithm, KeyWrapScheme, MacScheme, SignScheme,
};

/// A mechanism as a caller names it: the number and its parameter.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `CKM_*`.
    pub number: CK_MECHANISM_TYPE,
    /// The parameter.
    pub parameter: Parameter<'a>,
}

/// A mechanism as a caller names it for messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageRequest {
    /// `CKM_*`.
    pub number: CK_MECHANISM_TYPE,
    /// What the parameter says, if there is one.
    pub numbers: Option<GcmNumbers>,
}

/// One line of the table.
#[derive(Debug)]
pub struct Mechanism {
    /// `CKM_*`.
    pub number: CK_MECHANISM_TYPE,
    /// Its name in the specification.
    pub name: &'static str,
    /// What keys it works with.
    pub keys: KeyKind,
    /// Smallest and largest key, in the unit that the specification gives this mechanism.
    pub sizes: (CK_ULONG, CK_ULONG),
    /// `CKF_*` of `CK_MECHANISM_INFO`: which functions it serves.
    pub flags: CK_FLAGS,
    /// What it does there.
    pub services: &'static [Service],
    /// What its parameter is.
    pub shape: Shape,
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// None: a digest.
    None,
    /// `CKK_RSA`.
    Rsa,
    /// `CKK_EC`.
    Ec,
    /// `CKK_EC_EDWARDS`.
    Edwards,
    /// `CKK_EC_MONTGOMERY`.
    Montgomery,
    /// `CKK_EC` and `CKK_EC_MONTGOMERY`: keys that agree on a secret.
    Agreeing,
    /// `CKK_AES`.
    Aes,
    /// `CKK_GENERIC_SECRET`, and the types for one HMAC or HKDF only.
    Generic,
}

/// What a mechanism does. One of a kind at most.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// `C_GenerateKeyPair`.
    GeneratePair(PairKind),
    /// `C_GenerateKey`.
    GenerateSecret(SecretKind),
    /// `C_Digest*`; `None` for the one whose length the parameter gives.
    Digest(Option<DigestAlgorithm>),
    /// `C_Sign*` and `C_Verify*` with a key pair, over the digest that it makes first, if any, as the parameter says.
    Sign(Option<DigestAlgorithm>, SignParser),
    /// `C_Sign*` and `C_Verify*` with a secret key.
    Mac(MacScheme, MacLen),
    /// `C_Encrypt*`, `C_Decrypt*`, `C_WrapKey`, `C_UnwrapKey`, as the flags say.
    Transform(TransformParser),
    /// `C_MessageEncrypt*`, `C_MessageDecrypt*`: AES-GCM, with [`GcmNumbers`] for each message.
    Messages,
    /// `C_DeriveKey`.
    Derive(DeriveParser),
}

/// Makes the scheme from the digest of the table's line and the parameter.
pub type SignParser = fn(Option<DigestAlgorithm>, &Parameter<'_>) -> Result<SignScheme, Rv>;
/// Makes the plan from the parameter.
pub type TransformParser = for<'a> fn(&Parameter<'a>) -> Result<TransformPlan<'a>, Rv>;
/// Makes the plan from the parameter.
pub type DeriveParser = for<'a> fn(&Parameter<'a>) -> Result<DerivePlan<'a>, Rv>;

/// How much of a MAC is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacLen {
    /// All.
    Whole,
    /// As many bytes as the parameter says.
    Given,
}

/// How `C_Sign*` and `C_Verify*` treat their input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignPlan {
    /// With a key pair.
    Signature(SignaturePlan),
    /// With a secret key: this MAC, of which so many bytes are given out.
    Mac(MacScheme, usize),
}

/// A signature with a key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignaturePlan {
    /// The digest to make of the input.
    pub digest: Option<DigestAlgorithm>,
    /// What is done with the digest, or with the input.
    pub scheme: SignScheme,
}

/// How bytes, or a key's value, are encrypted and decrypted.
#[derive(Clone, Copy, Debug)]
pub enum TransformPlan<'a> {
    /// An AES mode, in any number of parts.
    Cipher(CipherScheme<'a>),
    /// AES key wrap: one part.
    KeyWrap(KeyWrapScheme),
    /// RSA: one part.
    Rsa(EncryptScheme<'a>),
    /// A fresh AES key under RSA, and the bytes under that (`CKM_RSA_AES_KEY_WRAP`): keys only.
    RsaAes {
        /// Bits of the AES key.
        aes_bits: u32,
        /// How it is encrypted.
        oaep: EncryptScheme<'a>,
    },
}

/// How a key is derived from another.
#[derive(Clone, Copy, Debug)]
pub enum DerivePlan<'a> {
    /// `CKM_ECDH1_DERIVE` and its kin.
    Agreement {
        /// What is made of the agreed secret.
        kdf: Kdf<'a>,
        /// The other side's public key, as the caller gave it: a point, bare or in an OCTET STRING.
        public: &'a [u8],
    },
    /// `CKM_HKDF_DERIVE`.
    HkdfKey(Hkdf<'a>),
    /// `CKM_HKDF_DATA`: makes a data object.
    HkdfData(Hkdf<'a>),
}

/// HKDF (RFC 5869).
#[derive(Clone, Copy, Debug)]
pub struct Hkdf<'a> {
    /// The first stage is done.
    pub extract: bool,
    /// The second stage is done.
    pub expand: bool,
    /// The hash.
    pub digest: DigestAlgorithm,
    /// The first stage's salt.
    pub salt: Salt<'a>,
    /// The second stage's info.
    pub info: &'a [u8],
}

/// HKDF's salt.
#[derive(Clone, Copy, Debug)]
pub enum Salt<'a> {
    /// As many zeros as the hash has bytes.
    None,
    /// These bytes.
    Data(&'a [u8]),
    /// A key's value.
    Key(CK_OBJECT_HANDLE),
}

/// Every mechanism.
pub fn table() -> impl Iterator<Item = &'static Mechanism> {
    table::TABLE.iter()
}

/// The mechanism with this number.
pub fn find(number: CK_MECHANISM_TYPE) -> Result<&'static Mechanism, Rv> {
    table::find(number).ok_or(Rv(CKR_MECHANISM_INVALID))
}

/// What the parameter of this mechanism is; of one that we don't have it isn't looked at.
pub fn shape(number: CK_MECHANISM_TYPE) -> Shape {
    find(number).map_or(Shape::Plain, |mechanism| mechanism.shape)
}

impl<'a> Request<'a> {
    /// For `C_DigestInit`.
    pub fn digest(&self) -> Result<DigestAlgorithm, Rv> {
        let fixed = find(self.number)?.service(|service| match service {
            Service::Digest(algorithm) => Some(*algorithm),
            _ => None,
        })?;
        match fixed {
            Some(algorithm) => self.parameter.expect_none().map(|()| algorithm),
            None => {
                let bits = u16::try_from(self.parameter.number()?).map_err(|_| Rv(CKR_MECHANISM_PARAM_INVALID))?;
                Ok(DigestAlgorithm::sha512_t(bits)?)
            }
        }
    }

    /// For `C_SignInit` and `C_VerifyInit` with a key of this kind and size; `function` is its `CKF_*`.
    pub fn sign_plan(&self, function: CK_FLAGS, key: KeyAlgorithm) -> Result<SignPlan, Rv> {
        let mechanism = find(self.number)?;
        match mechanism
            .service(|service| matches!(service, Service::Sign(..) | Service::Mac(..)).then_some(*service))?
        {
            Service::Mac(scheme, len) => {
                mechanism.check_key(function, key)?;
                self.mac_len(scheme, len).map(|len| SignPlan::Mac(scheme, len))
            }
            _ => self.signature_plan(function, key).map(SignPlan::Signature),
        }
    }

    /// For `C_SignRecoverInit` and `C_VerifyRecoverInit`.
    pub fn recover_plan(&self, function: CK_FLAGS, key: KeyAlgorithm) -> Result<SignScheme, Rv> {
        find(self.number)?.expect_flag(function)?;
        self.signature_plan(function, key).map(|plan| plan.scheme)
    }

    /// For `C_EncryptInit` and its kin; `function` is its `CKF_*`.
    pub fn transform_plan(&self, function: CK_FLAGS, key: KeyAlgorithm) -> Result<TransformPlan<'a>, Rv> {
        let mechanism = find(self.number)?;
        mechanism.expect_flag(function)?;
        let parse = mechanism.service(|service| match service {
            Service::Transform(parse) => Some(*parse),
            _ => None,
        })?;
        mechanism.check_key(function, key)?;
        parse(&self.parameter)
    }

    /// For `C_DeriveKey`.
    pub fn derive_plan(&self, key: KeyAlgorithm) -> Result<DerivePlan<'a>, Rv> {
        let mechanism = find(self.number)?;
        let parse = mechanism.service(|service| match service {
            Service::Derive(parse) => Some(*parse),
            _ => None,
        })?;
        mechanism.check_key(CKF_DERIVE, key)?;
        parse(&self.parameter)
    }

    /// For `C_GenerateKeyPair`.
    pub fn pair_kind(&self) -> Result<PairKind, Rv> {
        let kind = find(self.number)?.service(|service| match service {
            Service::GeneratePair(kind) => Some(*kind),
            _ => None,
        })?;
        self.parameter.expect_none().map(|()| kind)
    }

    /// For `C_GenerateKey`.
    pub fn secret_kind(&self) -> Result<SecretKind, Rv> {
        let kind = find(self.number)?.service(|service| match service {
            Service::GenerateSecret(kind) => Some(*kind),
            _ => None,
        })?;
        self.parameter.expect_none().map(|()| kind)
    }

    fn signature_plan(&self, function: CK_FLAGS, key: KeyAlgorithm) -> Result<SignaturePlan, Rv> {
        let mechanism = find(self.number)?;
        let (digest, parse) = mechanism.service(|service| match service {
            Service::Sign(digest, parse) => Some((*digest, *parse)),
            _ => None,
        })?;
        mechanism.check_key(function, key)?;
        let plan = SignaturePlan { digest, scheme: parse(digest, &self.parameter)? };
        plan.check_salt(key)?;
        Ok(plan)
    }

    fn mac_len(&self, scheme: MacScheme, len: MacLen) -> Result<usize, Rv> {
        match len {
            MacLen::Whole => self.parameter.expect_none().map(|()| scheme.len()),
            MacLen::Given => match usize::try_from(self.parameter.number()?) {
                Ok(len) if (SHORTEST_MAC..=scheme.len()).contains(&len) => Ok(len),
                _ => Err(Rv(CKR_MECHANISM_PARAM_INVALID)),
            },
        }
    }
}

impl MessageRequest {
    /// For `C_MessageEncryptInit` and its kin, before the key is looked at; `function` is its `CKF_*`.
    pub fn check(&self, function: CK_FLAGS) -> Result<(), Rv> {
        let mechanism = find(self.number)?;
        mechanism.expect_flag(function)?;
        mechanism.service(|service| matches!(service, Service::Messages).then_some(()))
    }

    /// The same, with a key of this kind and size.
    pub fn check_key(&self, function: CK_FLAGS, key: KeyAlgorithm) -> Result<(), Rv> {
        find(self.number)?.check_key(function, key)?;
        let Some(numbers) = &self.numbers else { return Ok(()) };
        numbers.tag_len()?;
        // Whoever decrypts has it ignored.
        if function == CKF_MESSAGE_ENCRYPT { numbers.iv_form().map(drop) } else { Ok(()) }
    }
}

impl Mechanism {
    /// What `pick` takes from one of its services; `CKR_MECHANISM_INVALID` if it has no such service.
    fn service<T>(&self, pick: impl Fn(&Service) -> Option<T>) -> Result<T, Rv> {
        self.services.iter().find_map(pick).ok_or(Rv(CKR_MECHANISM_INVALID))
    }

    /// The digest that it makes, always with the same length.
    fn fixed_digest(&self) -> Option<DigestAlgorithm> {
        match self.services {
            [Service::Digest(algorithm)] => *algorithm,
            _ => None,
        }
    }

    /// Whether it serves one of these functions (`CKF_*`).
    pub fn expect_flag(&self, function: CK_FLAGS) -> Result<(), Rv> {
        if self.flags & function != 0 { Ok(()) } else { Err(Rv(CKR_MECHANISM_INVALID)) }
    }

    /// Whether a key of this kind and size fits the function with this `CKF_*`. RSA keys that are too short for anything
    /// else still check signatures that were made long ago.
    pub fn check_key(&self, function: CK_FLAGS, key: KeyAlgorithm) -> Result<(), Rv> {
        self.check_key_type(key)?;
        let Some(size) = size(key) else { return Ok(()) };
        let checks = matches!(function, CKF_VERIFY | CKF_VERIFY_RECOVER);
        let too_short = size < self.sizes.0 && !(checks && self.keys == KeyKind::Rsa);
        if too_short || size > self.sizes.1 { Err(Rv(CKR_KEY_SIZE_RANGE)) } else { Ok(()) }
    }

    /// Whether it works with keys of this kind.
    pub fn check_key_type(&self, key: KeyAlgorithm) -> Result<(), Rv> {
        let kind = KeyKind::of(key);
        let agreeing = self.keys == KeyKind::Agreeing && matches!(kind, KeyKind::Ec | KeyKind::Montgomery);
        let for_something_else =
            matches!(key, KeyAlgorithm::Other(number) if self.own_key_type() != Some(number.into()));
        let fits = (kind == self.keys || agreeing) && !for_something_else;
        if fits { Ok(()) } else { Err(Rv(CKR_KEY_TYPE_INCONSISTENT)) }
    }

    /// The key type that is for this mechanism alone, beside the generic secret that is for every one of its kind.
    fn own_key_type(&self) -> Option<CK_KEY_TYPE> {
        self.services.iter().find_map(|service| match service {
            Service::Mac(MacScheme::Hmac(digest), _) => {
                HMAC_KEY_TYPES.iter().find(|(_, own)| own == digest).map(|(key_type, _)| *key_type)
            }
            Service::Derive(_) => Some(CKK_HKDF),
            _ => None,
        })
    }

    /// The functions that it serves, in words.
    pub fn functions(&self) -> Vec<&'static str> {
        functions(self.flags)
    }

    /// What `C_GetMechanismInfo` answers.
    pub fn info(&self) -> CK_MECHANISM_INFO {
        CK_MECHANISM_INFO { ulMinKeySize: self.sizes.0, ulMaxKeySize: self.sizes.1, flags: self.flags }
    }
}

/// The functions among these `CKF_*`, in words.
pub fn functions(flags: CK_FLAGS) -> Vec<&'static str> {
    FUNCTIONS.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, name)| *name).collect()
}

/// `CKF_*` of `CK_MECHANISM_INFO` that name functions.
const FUNCTIONS: &[(CK_FLAGS, &str)] = &[
    (CKF_GENERATE, "generate"),
    (CKF_GENERATE_KEY_PAIR, "generate-pair"),
    (CKF_SIGN, "sign"),
    (CKF_VERIFY, "verify"),
    (CKF_SIGN_RECOVER, "sign-recover"),
    (CKF_VERIFY_RECOVER, "verify-recover"),
    (CKF_ENCRYPT, "encrypt"),
    (CKF_DECRYPT, "decrypt"),
    (CKF_DIGEST, "digest"),
    (CKF_WRAP, "wrap"),
    (CKF_UNWRAP, "unwrap"),
    (CKF_DERIVE, "derive"),
    (CKF_MESSAGE_ENCRYPT, "message-encrypt"),
    (CKF_MESSAGE_DECRYPT, "message-decrypt"),
    (CKF_MULTI_MESSAGE, "multi-message"),
];

impl KeyKind {
    /// Its name.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::Rsa => "rsa",
            Self::Ec => "ec",
            Self::Edwards => "edwards",
            Self::Montgomery => "montgomery",
            Self::Agreeing => "ec, montgomery",
            Self::Aes => "aes",
            Self::Generic => "generic",
        })
    }

    /// The kind of a key.
    pub fn of(key: KeyAlgorithm) -> Self {
        match key {
            KeyAlgorithm::Rsa { .. } => Self::Rsa,
            KeyAlgorithm::Ec(_) => Self::Ec,
            KeyAlgorithm::Ed25519 => Self::Edwards,
            KeyAlgorithm::X25519 => Self::Montgomery,
            KeyAlgorithm::Aes { .. } => Self::Aes,
            KeyAlgorithm::Generic { .. } => Self::Generic,
            KeyAlgorithm::Other(key_type) if is_generic_by_another_name(key_type.into()) => Self::Generic,
            KeyAlgorithm::Other(_) => Self::None,
        }
    }
}

/// Key types that are generic secrets under the name of what they are for (PKCS#11 v3.2 §6.20 to §6.31, §6.62).
fn is_generic_by_another_name(key_type: CK_KEY_TYPE) -> bool {
    key_type == CKK_HKDF || HMAC_KEY_TYPES.iter().any(|(own, _)| *own == key_type)
}

/// The size of a key in the unit of the table's lines that use keys. A key that is only named for what it does has no size
/// here: it was held to a generic secret's when it was made.
fn size(key: KeyAlgorithm) -> Option<CK_ULONG> {
    Some(match key {
        KeyAlgorithm::Rsa { bits } => bits.into(),
        KeyAlgorithm::Ec(curve) => curve.bits().into(),
        KeyAlgorithm::Ed25519 | KeyAlgorithm::X25519 => 255,
        KeyAlgorithm::Aes { bits } => (bits / 8).into(),
        KeyAlgorithm::Generic { bytes } => bytes.into(),
        KeyAlgorithm::Other(_) => return None,
    })
}

/// Key types for one HMAC each.
const HMAC_KEY_TYPES: [(CK_KEY_TYPE, DigestAlgorithm); 11] = [
    (CKK_SHA_1_HMAC, DigestAlgorithm::Sha1),
    (CKK_SHA224_HMAC, DigestAlgorithm::Sha224),
    (CKK_SHA256_HMAC, DigestAlgorithm::Sha256),
    (CKK_SHA384_HMAC, DigestAlgorithm::Sha384),
    (CKK_SHA512_HMAC, DigestAlgorithm::Sha512),
    (CKK_SHA512_224_HMAC, DigestAlgorithm::Sha512_224),
    (CKK_SHA512_256_HMAC, DigestAlgorithm::Sha512_256),
    (CKK_SHA3_224_HMAC, DigestAlgorithm::Sha3_224),
    (CKK_SHA3_256_HMAC, DigestAlgorithm::Sha3_256),
    (CKK_SHA3_384_HMAC, DigestAlgorithm::Sha3_384),
    (CKK_SHA3_512_HMAC, DigestAlgorithm::Sha3_512),
];

/// Bytes of a MAC that at least are given out or compared. Fewer can be tried out, and who checks MACs one byte longer
/// each time finds a whole one; PKCS#11 v3.2 lets tokens ask for as many as FIPS 198-1 and SP 800-107 do.
const SHORTEST_MAC: usize = 4;

impl SignaturePlan {
    /// A salt that the modulus has no room for is a wrong parameter (RFC 8017 §9.1.1 step 3), found before any input.
    fn check_salt(&self, key: KeyAlgorithm) -> Result<(), Rv> {
        let (SignScheme::RsaPss { digest, salt_len, .. }, KeyAlgorithm::Rsa { bits }) = (self.scheme, key) else {
            return Ok(());
        };
        let encoded = (bits as usize).saturating_sub(1).div_ceil(8);
        let room = encoded.checked_sub(digest.len() + 2).ok_or(Rv(CKR_KEY_SIZE_RANGE))?;
        if salt_len <= room { Ok(()) } else { Err(Rv(CKR_MECHANISM_PARAM_INVALID)) }
    }
}

#[cfg(test)]
mod tests;
