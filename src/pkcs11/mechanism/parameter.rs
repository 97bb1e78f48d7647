//! Parameters of mechanisms: what `pParameter` points to, and what it asks for.
//!
//! The C side ([`abi`](super::super::abi)) turns the structure into a [`Parameter`] by the [`Shape`] that the table gives
//! the mechanism; the functions here make of it what the cryptography takes, or `CKR_MECHANISM_PARAM_INVALID`.

use cryptoki_sys::*;

use super::{DerivePlan, Hkdf, Salt, TransformPlan};
use crate::crypto::{CipherScheme, DigestAlgorithm, EncryptScheme, IvForm, IvSource, Kdf, KeyWrapScheme, SignScheme};
use crate::pkcs11::error::Rv;

const WRONG: Rv = Rv(CKR_MECHANISM_PARAM_INVALID);
const ULONG: usize = size_of::<CK_ULONG>();

/// What structure a mechanism's parameter is, as far as it holds pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// None, or one without pointers.
    Plain,
    /// `CK_RSA_PKCS_OAEP_PARAMS`
    Oaep,
    /// `CK_RSA_AES_KEY_WRAP_PARAMS`
    RsaAes,
    /// `CK_GCM_PARAMS`
    Gcm,
    /// `CK_ECDH1_DERIVE_PARAMS`
    Ecdh1,
    /// `CK_HKDF_PARAMS`
    Hkdf,
}

/// A parameter, with every pointer in it followed.
#[derive(Clone, Copy, Debug)]
pub enum Parameter<'a> {
    /// The bytes of a structure without pointers; empty for none.
    Plain(&'a [u8]),
    /// `CK_RSA_PKCS_OAEP_PARAMS`
    Oaep(Oaep<'a>),
    /// `CK_RSA_AES_KEY_WRAP_PARAMS`
    RsaAes {
        /// Bits of the AES key that is made for one wrapping.
        aes_bits: CK_ULONG,
        /// How that key is encrypted.
        oaep: Oaep<'a>,
    },
    /// `CK_GCM_PARAMS`
    Gcm {
        /// Initialisation vector.
        iv: &'a [u8],
        /// Data that is authenticated and not encrypted.
        aad: &'a [u8],
        /// Bits of the tag.
        tag_bits: CK_ULONG,
    },
    /// `CK_ECDH1_DERIVE_PARAMS`
    Ecdh1 {
        /// `CKD_*`
        kdf: CK_EC_KDF_TYPE,
        /// SharedInfo of X9.63.
        shared_data: &'a [u8],
        /// The other side's public key.
        public_data: &'a [u8],
    },
    /// `CK_HKDF_PARAMS`
    Hkdf {
        /// `bExtract`, `bExpand`
        stages: (CK_BBOOL, CK_BBOOL),
        /// `CKM_*` of the hash.
        hash: CK_MECHANISM_TYPE,
        /// `CKF_HKDF_SALT_*`
        salt_type: CK_ULONG,
        /// The salt, if it is data.
        salt: &'a [u8],
        /// The salt, if it is a key.
        salt_key: CK_OBJECT_HANDLE,
        /// Info of the second stage.
        info: &'a [u8],
    },
}

/// `CK_RSA_PKCS_OAEP_PARAMS`
#[derive(Clone, Copy, Debug)]
pub struct Oaep<'a> {
    /// `CKM_*` of the hash.
    pub hash: CK_MECHANISM_TYPE,
    /// `CKG_*`
    pub mgf: CK_RSA_PKCS_MGF_TYPE,
    /// `CKZ_*`; 0 with no data is what many callers give for an empty label.
    pub source: CK_RSA_PKCS_OAEP_SOURCE_TYPE,
    /// The label.
    pub source_data: &'a [u8],
}

/// What `CK_GCM_MESSAGE_PARAMS` says beside what its pointers lead to.
#[derive(Clone, Copy, Debug)]
pub struct GcmNumbers {
    /// Bits at the front of the initialisation vector that the caller chooses.
    pub iv_fixed_bits: CK_ULONG,
    /// `CKG_*`: how the others are made.
    pub iv_generator: CK_GENERATOR_FUNCTION,
    /// Bits of the tag.
    pub tag_bits: CK_ULONG,
}

impl<'a> Parameter<'a> {
    /// The bytes, of a structure without pointers.
    pub fn plain(&self) -> Result<&'a [u8], Rv> {
        match self {
            Self::Plain(bytes) => Ok(bytes),
            _ => Err(WRONG),
        }
    }

    /// Fails if there is one.
    pub fn expect_none(&self) -> Result<(), Rv> {
        if self.plain()?.is_empty() { Ok(()) } else { Err(WRONG) }
    }

    fn array<const N: usize>(&self) -> Result<[u8; N], Rv> {
        self.plain()?.try_into().map_err(|_| WRONG)
    }

    /// None, or exactly so many bytes.
    fn optional_array<const N: usize>(&self) -> Result<Option<[u8; N]>, Rv> {
        match self.plain()? {
            [] => Ok(None),
            bytes => bytes.try_into().map(Some).map_err(|_| WRONG),
        }
    }

    /// A bare `CK_ULONG`: `CK_MAC_GENERAL_PARAMS`, or the bits of SHA-512/t.
    pub fn number(&self) -> Result<CK_ULONG, Rv> {
        self.array().map(CK_ULONG::from_ne_bytes)
    }
}

// ---- signatures

pub(super) fn rsa_pkcs(digest: Option<DigestAlgorithm>, parameter: &Parameter<'_>) -> Result<SignScheme, Rv> {
    parameter.expect_none()?;
    Ok(digest.map_or(SignScheme::RsaPkcs1, SignScheme::RsaPkcs1Digest))
}

pub(super) fn rsa_x_509(_: Option<DigestAlgorithm>, parameter: &Parameter<'_>) -> Result<SignScheme, Rv> {
    parameter.expect_none()?;
    Ok(SignScheme::RsaRaw)
}

pub(super) fn ecdsa(_: Option<DigestAlgorithm>, parameter: &Parameter<'_>) -> Result<SignScheme, Rv> {
    parameter.expect_none()?;
    Ok(SignScheme::Ecdsa)
}

/// `CK_RSA_PKCS_PSS_PARAMS`: hash, mask generation function, length of the salt.
pub(super) fn rsa_pss(digest: Option<DigestAlgorithm>, parameter: &Parameter<'_>) -> Result<SignScheme, Rv> {
    let parameter = parameter.plain()?;
    if parameter.len() != size_of::<CK_RSA_PKCS_PSS_PARAMS>() {
        return Err(WRONG);
    }
    let hash = hash_of_mechanism(number_at(parameter, 0))?;
    let mgf = hash_of_mgf(number_at(parameter, 1))?;
    let salt_len = usize::try_from(number_at(parameter, 2)).map_err(|_| WRONG)?;
    if digest.is_some_and(|own| own != hash) {
        return Err(WRONG);
    }
    Ok(SignScheme::RsaPss { digest: hash, mgf, salt_len })
}

/// `CK_EDDSA_PARAMS` (PKCS#11 v3.2 §6.3.14, table "Mapping to RFC 8032 signature schemes"): none means Ed25519. With
/// parameters, no prehash and no context is taken as the same; Ed25519ph and Ed25519ctx are not done.
pub(super) fn eddsa(_: Option<DigestAlgorithm>, parameter: &Parameter<'_>) -> Result<SignScheme, Rv> {
    let parameter = parameter.plain()?;
    if parameter.is_empty() {
        return Ok(SignScheme::Ed25519);
    }
    if parameter.len() != size_of::<CK_EDDSA_PARAMS>() {
        return Err(WRONG);
    }
    let prehash = parameter[std::mem::offset_of!(CK_EDDSA_PARAMS, phFlag)];
    let context_len = number_at(parameter, std::mem::offset_of!(CK_EDDSA_PARAMS, ulContextDataLen) / ULONG);
    if prehash == CK_FALSE && context_len == 0 { Ok(SignScheme::Ed25519) } else { Err(WRONG) }
}

// ---- encryption and wrapping

pub(super) fn rsa_pkcs_encryption<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    parameter.expect_none()?;
    Ok(TransformPlan::Rsa(EncryptScheme::RsaPkcs1))
}

pub(super) fn rsa_x_509_encryption<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    parameter.expect_none()?;
    Ok(TransformPlan::Rsa(EncryptScheme::RsaRaw))
}

pub(super) fn rsa_oaep<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    let Parameter::Oaep(oaep) = parameter else { return Err(WRONG) };
    oaep.scheme().map(TransformPlan::Rsa)
}

pub(super) fn rsa_aes<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    let Parameter::RsaAes { aes_bits, oaep } = parameter else { return Err(WRONG) };
    let aes_bits = match aes_bits {
        128 | 192 | 256 => *aes_bits as u32,
        _ => return Err(WRONG),
    };
    Ok(TransformPlan::RsaAes { aes_bits, oaep: oaep.scheme()? })
}

impl<'a> Oaep<'a> {
    fn scheme(&self) -> Result<EncryptScheme<'a>, Rv> {
        let no_label = self.source == 0 && self.source_data.is_empty();
        if self.source != CKZ_DATA_SPECIFIED && !no_label {
            return Err(WRONG);
        }
        let (digest, mgf) = (hash_of_mechanism(self.hash)?, hash_of_mgf(self.mgf)?);
        Ok(EncryptScheme::RsaOaep { digest, mgf, label: self.source_data })
    }
}

pub(super) fn aes_ecb<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    parameter.expect_none()?;
    Ok(TransformPlan::Cipher(CipherScheme::AesEcb))
}

pub(super) fn aes_cbc<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    Ok(TransformPlan::Cipher(CipherScheme::AesCbc { iv: parameter.array()? }))
}

pub(super) fn aes_cbc_pad<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    Ok(TransformPlan::Cipher(CipherScheme::AesCbcPad { iv: parameter.array()? }))
}

/// `CK_AES_CTR_PARAMS`: bits of the counter, first block.
pub(super) fn aes_ctr<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    let parameter: [u8; size_of::<CK_AES_CTR_PARAMS>()] = parameter.array()?;
    let counter_bits = u32::try_from(number_at(&parameter, 0)).map_err(|_| WRONG)?;
    if !(1..=128).contains(&counter_bits) {
        return Err(WRONG);
    }
    let block = parameter[ULONG..].try_into().map_err(|_| WRONG)?;
    Ok(TransformPlan::Cipher(CipherScheme::AesCtr { counter_bits, block }))
}

pub(super) fn aes_gcm<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    let Parameter::Gcm { iv, aad, tag_bits } = *parameter else { return Err(WRONG) };
    let tag_len = gcm_tag_len(tag_bits)?;
    // An empty one would be the same for every message.
    if iv.is_empty() {
        return Err(WRONG);
    }
    Ok(TransformPlan::Cipher(CipherScheme::AesGcm { iv, aad, tag_len }))
}

fn gcm_tag_len(bits: CK_ULONG) -> Result<usize, Rv> {
    match bits {
        96 | 104 | 112 | 120 | 128 => Ok(bits as usize / 8),
        _ => Err(WRONG),
    }
}

impl GcmNumbers {
    /// Bytes of the tag.
    pub fn tag_len(&self) -> Result<usize, Rv> {
        gcm_tag_len(self.tag_bits)
    }

    /// How an initialisation vector is made for what is encrypted; `None` if the caller gives it.
    pub fn iv_form(&self) -> Result<Option<IvForm>, Rv> {
        let source = match self.iv_generator {
            CKG_NO_GENERATE => return Ok(None),
            CKG_GENERATE => IvSource::Module,
            CKG_GENERATE_COUNTER => IvSource::Counter,
            CKG_GENERATE_RANDOM => IvSource::Random,
            CKG_GENERATE_COUNTER_XOR => IvSource::CounterXor,
            _ => return Err(WRONG),
        };
        let fixed_bits = u32::try_from(self.iv_fixed_bits).map_err(|_| WRONG)?;
        Ok(Some(IvForm { source, fixed_bits }))
    }
}

pub(super) fn aes_kw<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    Ok(TransformPlan::KeyWrap(KeyWrapScheme::AesKw { iv: parameter.optional_array()? }))
}

pub(super) fn aes_kwp<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    Ok(TransformPlan::KeyWrap(KeyWrapScheme::AesKwp { iv: parameter.optional_array()? }))
}

pub(super) fn aes_kw_pkcs7<'a>(parameter: &Parameter<'a>) -> Result<TransformPlan<'a>, Rv> {
    Ok(TransformPlan::KeyWrap(KeyWrapScheme::AesKwPkcs7 { iv: parameter.optional_array()? }))
}

// ---- derivation

pub(super) fn ecdh1<'a>(parameter: &Parameter<'a>) -> Result<DerivePlan<'a>, Rv> {
    let Parameter::Ecdh1 { kdf, shared_data, public_data } = *parameter else { return Err(WRONG) };
    let kdf = match kdf {
        CKD_NULL if shared_data.is_empty() => Kdf::None,
        CKD_NULL => return Err(WRONG),
        other => Kdf::X963 { digest: hash_of_kdf(other)?, shared_info: shared_data },
    };
    Ok(DerivePlan::Agreement { kdf, public: public_data })
}

pub(super) fn hkdf_key<'a>(parameter: &Parameter<'a>) -> Result<DerivePlan<'a>, Rv> {
    hkdf(parameter).map(DerivePlan::HkdfKey)
}

pub(super) fn hkdf_data<'a>(parameter: &Parameter<'a>) -> Result<DerivePlan<'a>, Rv> {
    hkdf(parameter).map(DerivePlan::HkdfData)
}

fn hkdf<'a>(parameter: &Parameter<'a>) -> Result<Hkdf<'a>, Rv> {
    let Parameter::Hkdf { stages, hash, salt_type, salt, salt_key, info } = *parameter else { return Err(WRONG) };
    let (extract, expand) = (stages.0 != CK_FALSE, stages.1 != CK_FALSE);
    if !extract && !expand {
        return Err(WRONG);
    }
    let salt = match salt_type {
        _ if !extract => Salt::None,
        CKF_HKDF_SALT_NULL => Salt::None,
        CKF_HKDF_SALT_DATA => Salt::Data(salt),
        CKF_HKDF_SALT_KEY => Salt::Key(salt_key),
        _ => return Err(WRONG),
    };
    Ok(Hkdf { extract, expand, digest: hash_of_mechanism(hash)?, salt, info })
}

// ---- hashes by their several numbers

/// The `index`th `CK_ULONG`; the caller has checked the length.
fn number_at(bytes: &[u8], index: usize) -> CK_ULONG {
    let mut number = [0; ULONG];
    number.copy_from_slice(&bytes[index * ULONG..][..ULONG]);
    CK_ULONG::from_ne_bytes(number)
}

fn hash_of_mechanism(number: CK_MECHANISM_TYPE) -> Result<DigestAlgorithm, Rv> {
    super::find(number).ok().and_then(|mechanism| mechanism.fixed_digest()).ok_or(WRONG)
}

fn hash_of_mgf(number: CK_RSA_PKCS_MGF_TYPE) -> Result<DigestAlgorithm, Rv> {
    Ok(match number {
        CKG_MGF1_SHA1 => DigestAlgorithm::Sha1,
        CKG_MGF1_SHA224 => DigestAlgorithm::Sha224,
        CKG_MGF1_SHA256 => DigestAlgorithm::Sha256,
        CKG_MGF1_SHA384 => DigestAlgorithm::Sha384,
        CKG_MGF1_SHA512 => DigestAlgorithm::Sha512,
        CKG_MGF1_SHA3_224 => DigestAlgorithm::Sha3_224,
        CKG_MGF1_SHA3_256 => DigestAlgorithm::Sha3_256,
        CKG_MGF1_SHA3_384 => DigestAlgorithm::Sha3_384,
        CKG_MGF1_SHA3_512 => DigestAlgorithm::Sha3_512,
        _ => return Err(WRONG),
    })
}

fn hash_of_kdf(number: CK_EC_KDF_TYPE) -> Result<DigestAlgorithm, Rv> {
    Ok(match number {
        CKD_SHA1_KDF => DigestAlgorithm::Sha1,
        CKD_SHA224_KDF => DigestAlgorithm::Sha224,
        CKD_SHA256_KDF => DigestAlgorithm::Sha256,
        CKD_SHA384_KDF => DigestAlgorithm::Sha384,
        CKD_SHA512_KDF => DigestAlgorithm::Sha512,
        CKD_SHA3_224_KDF => DigestAlgorithm::Sha3_224,
        CKD_SHA3_256_KDF => DigestAlgorithm::Sha3_256,
        CKD_SHA3_384_KDF => DigestAlgorithm::Sha3_384,
        CKD_SHA3_512_KDF => DigestAlgorithm::Sha3_512,
        _ => return Err(WRONG),
    })
}
