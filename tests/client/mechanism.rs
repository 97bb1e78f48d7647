//! Mechanisms with their parameters.

use std::ffi::c_void;
use std::ptr::null_mut;

use cryptoki_sys::*;

use super::{len, pointer};

/// A mechanism and its parameter.
#[derive(Clone, Copy, Debug)]
pub struct Mechanism<'a> {
    pub number: CK_MECHANISM_TYPE,
    pub parameter: Parameter<'a>,
}

/// A mechanism's parameter.
#[derive(Clone, Copy, Debug)]
pub enum Parameter<'a> {
    /// NULL.
    None,
    /// The bytes themselves: an initialisation vector, or what a test makes up.
    Bytes(&'a [u8]),
    /// One number: `CK_MAC_GENERAL_PARAMS`, or a key's handle.
    Number(CK_ULONG),
    /// `CK_GCM_PARAMS`
    Gcm { iv: &'a [u8], aad: &'a [u8], tag_bits: CK_ULONG },
    /// `CK_AES_CTR_PARAMS`
    Ctr { bits: CK_ULONG, block: [u8; 16] },
    /// `CK_RSA_PKCS_OAEP_PARAMS`
    Oaep(Oaep<'a>),
    /// `CK_RSA_PKCS_PSS_PARAMS`
    Pss { hash: CK_MECHANISM_TYPE, mgf: CK_RSA_PKCS_MGF_TYPE, salt_len: CK_ULONG },
    /// `CK_EDDSA_PARAMS`
    Eddsa { prehash: bool, context: &'a [u8] },
    /// `CK_ECDH1_DERIVE_PARAMS`
    Ecdh { kdf: CK_EC_KDF_TYPE, shared: &'a [u8], public: &'a [u8] },
    /// `CK_HKDF_PARAMS`; without a salt, or with its bytes.
    Hkdf { extract: bool, expand: bool, hash: CK_MECHANISM_TYPE, salt: Option<&'a [u8]>, info: &'a [u8] },
    /// `CK_HKDF_PARAMS` whose salt is a key.
    HkdfSaltKey { extract: bool, expand: bool, hash: CK_MECHANISM_TYPE, salt: CK_OBJECT_HANDLE, info: &'a [u8] },
    /// `CK_RSA_AES_KEY_WRAP_PARAMS`
    RsaAesWrap { aes_bits: CK_ULONG, oaep: Oaep<'a> },
    /// `CK_KEY_DERIVATION_STRING_DATA`
    Derivation(&'a [u8]),
}

/// The choices of OAEP.
#[derive(Clone, Copy, Debug)]
pub struct Oaep<'a> {
    pub hash: CK_MECHANISM_TYPE,
    pub mgf: CK_RSA_PKCS_MGF_TYPE,
    pub label: &'a [u8],
}

impl<'a> Mechanism<'a> {
    /// One with a parameter.
    pub fn with(number: CK_MECHANISM_TYPE, parameter: Parameter<'a>) -> Self {
        Self { number, parameter }
    }

    /// Runs a call with the mechanism as C knows it.
    pub fn in_c<T>(&self, call: impl FnOnce(*mut CK_MECHANISM) -> T) -> T {
        match self.parameter {
            Parameter::None => self.over(null_mut(), 0, call),
            Parameter::Bytes(bytes) => self.over(pointer(bytes).cast(), bytes.len(), call),
            Parameter::Number(number) => self.over_struct(number, call),
            Parameter::Gcm { iv, aad, tag_bits } => self.over_struct(gcm(iv, aad, tag_bits), call),
            Parameter::Ctr { bits, block } => {
                self.over_struct(CK_AES_CTR_PARAMS { ulCounterBits: bits, cb: block }, call)
            }
            Parameter::Oaep(oaep) => self.over_struct(oaep.params(), call),
            Parameter::Pss { hash, mgf, salt_len } => {
                self.over_struct(CK_RSA_PKCS_PSS_PARAMS { hashAlg: hash, mgf, sLen: salt_len }, call)
            }
            Parameter::Eddsa { prehash, context } => self.over_struct(eddsa(prehash, context), call),
            Parameter::Ecdh { kdf, shared, public } => self.over_struct(ecdh(kdf, shared, public), call),
            Parameter::Hkdf { extract, expand, hash, salt, info } => {
                let mut params = hkdf(extract, expand, hash, info);
                params.ulSaltType = if salt.is_some() { CKF_HKDF_SALT_DATA } else { CKF_HKDF_SALT_NULL };
                params.pSalt = salt.map_or(null_mut(), pointer);
                params.ulSaltLen = salt.map_or(0, len);
                self.over_struct(params, call)
            }
            Parameter::HkdfSaltKey { extract, expand, hash, salt, info } => {
                let mut params = hkdf(extract, expand, hash, info);
                params.ulSaltType = CKF_HKDF_SALT_KEY;
                params.hSaltKey = salt;
                self.over_struct(params, call)
            }
            Parameter::RsaAesWrap { aes_bits, oaep } => {
                let mut oaep = oaep.params();
                self.over_struct(CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: aes_bits, pOAEPParams: &mut oaep }, call)
            }
            Parameter::Derivation(bytes) => {
                self.over_struct(CK_KEY_DERIVATION_STRING_DATA { pData: pointer(bytes), ulLen: len(bytes) }, call)
            }
        }
    }

    fn over_struct<P, T>(&self, mut parameter: P, call: impl FnOnce(*mut CK_MECHANISM) -> T) -> T {
        self.over((&raw mut parameter).cast(), size_of::<P>(), call)
    }

    fn over<T>(&self, parameter: *mut c_void, len: usize, call: impl FnOnce(*mut CK_MECHANISM) -> T) -> T {
        let mut mechanism =
            CK_MECHANISM { mechanism: self.number, pParameter: parameter, ulParameterLen: len as CK_ULONG };
        call(&mut mechanism)
    }
}

/// A mechanism without a parameter.
impl From<CK_MECHANISM_TYPE> for Mechanism<'_> {
    fn from(number: CK_MECHANISM_TYPE) -> Self {
        Self { number, parameter: Parameter::None }
    }
}

impl Oaep<'_> {
    fn params(&self) -> CK_RSA_PKCS_OAEP_PARAMS {
        CK_RSA_PKCS_OAEP_PARAMS {
            hashAlg: self.hash,
            mgf: self.mgf,
            source: CKZ_DATA_SPECIFIED,
            pSourceData: or_null(self.label).cast(),
            ulSourceDataLen: len(self.label),
        }
    }
}

fn gcm(iv: &[u8], aad: &[u8], tag_bits: CK_ULONG) -> CK_GCM_PARAMS {
    CK_GCM_PARAMS {
        pIv: or_null(iv),
        ulIvLen: len(iv),
        ulIvBits: 8 * len(iv),
        pAAD: or_null(aad),
        ulAADLen: len(aad),
        ulTagBits: tag_bits,
    }
}

fn eddsa(prehash: bool, context: &[u8]) -> CK_EDDSA_PARAMS {
    CK_EDDSA_PARAMS { phFlag: CK_BBOOL::from(prehash), ulContextDataLen: len(context), pContextData: or_null(context) }
}

fn ecdh(kdf: CK_EC_KDF_TYPE, shared: &[u8], public: &[u8]) -> CK_ECDH1_DERIVE_PARAMS {
    CK_ECDH1_DERIVE_PARAMS {
        kdf,
        ulSharedDataLen: len(shared),
        pSharedData: or_null(shared),
        ulPublicDataLen: len(public),
        pPublicData: or_null(public),
    }
}

fn hkdf(extract: bool, expand: bool, hash: CK_MECHANISM_TYPE, info: &[u8]) -> CK_HKDF_PARAMS {
    CK_HKDF_PARAMS {
        bExtract: CK_BBOOL::from(extract),
        bExpand: CK_BBOOL::from(expand),
        prfHashMechanism: hash,
        ulSaltType: CKF_HKDF_SALT_NULL,
        pSalt: null_mut(),
        ulSaltLen: 0,
        hSaltKey: CK_INVALID_HANDLE,
        pInfo: or_null(info),
        ulInfoLen: len(info),
    }
}

/// Where bytes lie; NULL for none, as C programs have it.
fn or_null(bytes: &[u8]) -> *mut CK_BYTE {
    if bytes.is_empty() { null_mut() } else { pointer(bytes) }
}
