//! Mechanisms: their numbers, the keys that fit them, and their parameters, whole or spoilt.

use std::ffi::c_void;
use std::ptr;

use cryptoki_sys::*;

use crate::caller::Caller;
use crate::keys::Family::{self, Aes, AesWrap, Ec, Edwards, Hkdf, Mac, Montgomery, Rsa, Without};

/// What a mechanism's parameter is.
#[derive(Clone, Copy)]
pub enum Parameter {
    Nothing,
    Iv,
    Counter,
    Gcm,
    /// The initialisation vector's bits that are given, its generator, the tag's bits.
    GcmMessage,
    Ccm,
    Oaep,
    /// With the hash that the mechanism itself names, if it does.
    Pss(Option<CK_MECHANISM_TYPE>),
    Eddsa,
    Number,
    Ecdh,
    EcdhWrap,
    Hkdf,
    RsaAes,
    CbcData,
    Text,
}
use Parameter::*;

/// A mechanism, the keys that fit it and its parameter.
pub type Mechanism = (CK_MECHANISM_TYPE, Family, Parameter);

#[rustfmt::skip]
pub const SIGNING: &[Mechanism] = &[
    (CKM_RSA_PKCS, Rsa, Nothing), (CKM_RSA_X_509, Rsa, Nothing), (CKM_RSA_PKCS_PSS, Rsa, Pss(None)),
    (CKM_SHA1_RSA_PKCS, Rsa, Nothing), (CKM_SHA224_RSA_PKCS, Rsa, Nothing), (CKM_SHA256_RSA_PKCS, Rsa, Nothing),
    (CKM_SHA384_RSA_PKCS, Rsa, Nothing), (CKM_SHA512_RSA_PKCS, Rsa, Nothing),
    (CKM_SHA3_224_RSA_PKCS, Rsa, Nothing), (CKM_SHA3_256_RSA_PKCS, Rsa, Nothing),
    (CKM_SHA3_384_RSA_PKCS, Rsa, Nothing), (CKM_SHA3_512_RSA_PKCS, Rsa, Nothing),
    (CKM_SHA1_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA_1))), (CKM_SHA224_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA224))),
    (CKM_SHA256_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA256))), (CKM_SHA384_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA384))),
    (CKM_SHA512_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA512))), (CKM_SHA3_224_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA3_224))),
    (CKM_SHA3_256_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA3_256))), (CKM_SHA3_384_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA3_384))),
    (CKM_SHA3_512_RSA_PKCS_PSS, Rsa, Pss(Some(CKM_SHA3_512))),
    (CKM_ECDSA, Ec, Nothing), (CKM_ECDSA_SHA1, Ec, Nothing), (CKM_ECDSA_SHA224, Ec, Nothing),
    (CKM_ECDSA_SHA256, Ec, Nothing), (CKM_ECDSA_SHA384, Ec, Nothing), (CKM_ECDSA_SHA512, Ec, Nothing),
    (CKM_ECDSA_SHA3_224, Ec, Nothing), (CKM_ECDSA_SHA3_256, Ec, Nothing), (CKM_ECDSA_SHA3_384, Ec, Nothing),
    (CKM_ECDSA_SHA3_512, Ec, Nothing), (CKM_EDDSA, Edwards, Eddsa),
    (CKM_SHA_1_HMAC, Mac, Nothing), (CKM_SHA224_HMAC, Mac, Nothing), (CKM_SHA256_HMAC, Mac, Nothing),
    (CKM_SHA384_HMAC, Mac, Nothing), (CKM_SHA512_HMAC, Mac, Nothing), (CKM_SHA512_224_HMAC, Mac, Nothing),
    (CKM_SHA512_256_HMAC, Mac, Nothing), (CKM_SHA3_224_HMAC, Mac, Nothing), (CKM_SHA3_256_HMAC, Mac, Nothing),
    (CKM_SHA3_384_HMAC, Mac, Nothing), (CKM_SHA3_512_HMAC, Mac, Nothing), (CKM_SHA512_T_HMAC, Mac, Number),
    (CKM_SHA_1_HMAC_GENERAL, Mac, Number), (CKM_SHA224_HMAC_GENERAL, Mac, Number),
    (CKM_SHA256_HMAC_GENERAL, Mac, Number), (CKM_SHA384_HMAC_GENERAL, Mac, Number),
    (CKM_SHA512_HMAC_GENERAL, Mac, Number), (CKM_SHA512_224_HMAC_GENERAL, Mac, Number),
    (CKM_SHA512_256_HMAC_GENERAL, Mac, Number), (CKM_SHA3_224_HMAC_GENERAL, Mac, Number),
    (CKM_SHA3_256_HMAC_GENERAL, Mac, Number), (CKM_SHA3_384_HMAC_GENERAL, Mac, Number),
    (CKM_SHA3_512_HMAC_GENERAL, Mac, Number), (CKM_AES_CMAC, Aes, Nothing), (CKM_AES_CMAC_GENERAL, Aes, Number),
    (CKM_AES_GMAC, Aes, Iv), (CKM_AES_MAC, Aes, Nothing), (CKM_SHA256, Without, Nothing), (0xFFFF, Rsa, Nothing),
];

#[rustfmt::skip]
pub const CIPHERS: &[Mechanism] = &[
    (CKM_AES_CBC, Aes, Iv), (CKM_AES_CBC_PAD, Aes, Iv), (CKM_AES_ECB, Aes, Nothing), (CKM_AES_CTR, Aes, Counter),
    (CKM_AES_GCM, Aes, Gcm), (CKM_RSA_PKCS, Rsa, Nothing), (CKM_RSA_PKCS_OAEP, Rsa, Oaep), (CKM_RSA_X_509, Rsa, Nothing),
    (CKM_AES_CCM, Aes, Ccm), (CKM_AES_CTS, Aes, Iv), (CKM_AES_OFB, Aes, Iv), (CKM_AES_XTS, Aes, Iv),
    (CKM_AES_KEY_WRAP, AesWrap, Nothing), (CKM_SHA256, Without, Nothing), (0xFFFF, Aes, Nothing),
];

#[rustfmt::skip]
pub const MESSAGES: &[Mechanism] = &[
    (CKM_AES_GCM, Aes, Nothing), (CKM_AES_GCM, Aes, GcmMessage), (CKM_AES_CCM, Aes, Ccm), (CKM_AES_CTR, Aes, Counter),
    (CKM_RSA_PKCS, Rsa, Nothing), (CKM_AES_GCM, AesWrap, Nothing), (0xFFFF, Aes, Nothing),
];

#[rustfmt::skip]
pub const WRAPPING: &[Mechanism] = &[
    (CKM_AES_KEY_WRAP, AesWrap, Nothing), (CKM_AES_KEY_WRAP_PAD, AesWrap, Nothing), (CKM_AES_KEY_WRAP_KWP, AesWrap, Nothing),
    (CKM_AES_KEY_WRAP_PKCS7, AesWrap, Nothing), (CKM_AES_CBC_PAD, AesWrap, Iv), (CKM_AES_CBC, AesWrap, Iv),
    (CKM_AES_GCM, AesWrap, Gcm), (CKM_AES_ECB, AesWrap, Nothing), (CKM_RSA_PKCS, Rsa, Nothing), (CKM_RSA_PKCS_OAEP, Rsa, Oaep),
    (CKM_RSA_X_509, Rsa, Nothing), (CKM_RSA_AES_KEY_WRAP, Rsa, RsaAes), (CKM_ECDH_AES_KEY_WRAP, Ec, EcdhWrap),
    (CKM_SHA256, Without, Nothing), (0xFFFF, AesWrap, Nothing),
];

#[rustfmt::skip]
pub const DERIVING: &[Mechanism] = &[
    (CKM_ECDH1_DERIVE, Ec, Ecdh), (CKM_ECDH1_COFACTOR_DERIVE, Ec, Ecdh), (CKM_ECDH1_DERIVE, Montgomery, Ecdh),
    (CKM_HKDF_DERIVE, Family::Hkdf, Parameter::Hkdf), (CKM_HKDF_DATA, Hkdf, Parameter::Hkdf),
    (CKM_EXTRACT_KEY_FROM_KEY, Mac, Number), (CKM_XOR_BASE_AND_DATA, Mac, Text), (CKM_CONCATENATE_BASE_AND_DATA, Mac, Text),
    (CKM_CONCATENATE_DATA_AND_BASE, Mac, Text), (CKM_CONCATENATE_BASE_AND_KEY, Mac, Number),
    (CKM_AES_ECB_ENCRYPT_DATA, Aes, Text), (CKM_AES_CBC_ENCRYPT_DATA, Aes, CbcData), (CKM_SHA256_KEY_DERIVATION, Mac, Nothing),
    (CKM_SHA256, Without, Nothing), (0xFFFF, Ec, Nothing),
];

#[rustfmt::skip]
pub const DIGESTS: &[Mechanism] = &[
    (CKM_SHA256, Without, Nothing), (CKM_SHA_1, Without, Nothing), (CKM_SHA224, Without, Nothing), (CKM_SHA384, Without, Nothing),
    (CKM_SHA512, Without, Nothing), (CKM_SHA512_224, Without, Nothing), (CKM_SHA512_256, Without, Nothing),
    (CKM_SHA512_T, Without, Number), (CKM_SHA3_224, Without, Nothing), (CKM_SHA3_256, Without, Nothing),
    (CKM_SHA3_384, Without, Nothing), (CKM_SHA3_512, Without, Nothing), (CKM_MD5, Without, Nothing), (0xFFFF, Without, Nothing),
    (CKM_AES_ECB, Without, Nothing),
];

#[rustfmt::skip]
pub const GENERATING: &[Mechanism] = &[
    (CKM_AES_KEY_GEN, Aes, Nothing), (CKM_GENERIC_SECRET_KEY_GEN, Mac, Nothing), (CKM_HKDF_KEY_GEN, Hkdf, Nothing),
    (CKM_SHA256_KEY_GEN, Mac, Nothing), (CKM_SHA_1_KEY_GEN, Mac, Nothing), (CKM_SHA3_224_KEY_GEN, Mac, Nothing),
    (CKM_AES_XTS_KEY_GEN, Aes, Nothing), (CKM_SHA256, Without, Nothing), (0xFFFF, Aes, Nothing),
];

#[rustfmt::skip]
pub const PAIRS: &[Mechanism] = &[
    (CKM_EC_KEY_PAIR_GEN, Ec, Nothing), (CKM_EC_EDWARDS_KEY_PAIR_GEN, Edwards, Nothing),
    (CKM_EC_MONTGOMERY_KEY_PAIR_GEN, Montgomery, Nothing), (CKM_RSA_PKCS_KEY_PAIR_GEN, Rsa, Nothing),
    (CKM_SHA256, Without, Nothing), (0xFFFF, Ec, Nothing),
];

#[rustfmt::skip]
const HASHES: [CK_MECHANISM_TYPE; 12] = [
    CKM_SHA256, CKM_SHA_1, CKM_SHA224, CKM_SHA384, CKM_SHA512, CKM_SHA3_224, CKM_SHA3_256, CKM_SHA3_384, CKM_SHA3_512,
    CKM_SHA512_256, CKM_MD5, 0,
];

#[rustfmt::skip]
const MASKS: [CK_RSA_PKCS_MGF_TYPE; 10] = [
    CKG_MGF1_SHA256, CKG_MGF1_SHA1, CKG_MGF1_SHA224, CKG_MGF1_SHA384, CKG_MGF1_SHA512, CKG_MGF1_SHA3_224,
    CKG_MGF1_SHA3_256, CKG_MGF1_SHA3_384, CKG_MGF1_SHA3_512, 0,
];

#[rustfmt::skip]
const KDFS: [CK_EC_KDF_TYPE; 12] = [
    CKD_NULL, CKD_SHA1_KDF, CKD_SHA224_KDF, CKD_SHA256_KDF, CKD_SHA384_KDF, CKD_SHA512_KDF, CKD_SHA3_224_KDF,
    CKD_SHA3_256_KDF, CKD_SHA3_384_KDF, CKD_SHA3_512_KDF, CKD_SHA256_KDF_SP800, 0xFF,
];

impl Caller<'_> {
    /// One of these mechanisms, and the family of the keys that fit it. NULL and strange numbers too.
    pub fn mechanism(&mut self, choices: &[Mechanism]) -> (*mut CK_MECHANISM, Family) {
        let choice = usize::from(self.bytes.byte());
        if choice == 255 {
            return (ptr::null_mut(), choices[0].1);
        }
        let (mechanism, family, parameter) = choices[choice % choices.len()];
        let (pointer, len) = self.parameter(parameter);
        let mechanism = CK_MECHANISM { mechanism, pParameter: pointer.cast(), ulParameterLen: len };
        (self.arena.keep(vec![mechanism]), family)
    }

    /// The parameter; or a beginning of it, more than it, nothing, or NULL with a length.
    fn parameter(&mut self, parameter: Parameter) -> (*mut c_void, CK_ULONG) {
        let spoil = self.bytes.byte();
        let (pointer, len) = self.whole(parameter);
        match spoil {
            0..=199 => (pointer, len as CK_ULONG),
            200..=219 => (pointer, len.saturating_sub(usize::from(spoil - 199)) as CK_ULONG),
            220..=229 if len > 0 => {
                let mut more = vec![0u64; len.div_ceil(8) + 2];
                // SAFETY: both are at least `len` long.
                unsafe { ptr::copy_nonoverlapping(pointer.cast::<u8>(), more.as_mut_ptr().cast::<u8>(), len) };
                (self.arena.keep(more).cast(), (len + usize::from(spoil - 219)) as CK_ULONG)
            }
            230..=239 => (ptr::null_mut(), len as CK_ULONG),
            240..=247 => (ptr::null_mut(), self.bytes.number()),
            _ => (ptr::null_mut(), 0),
        }
    }

    fn kept<T: 'static>(&mut self, value: T) -> (*mut c_void, usize) {
        (self.arena.keep(vec![value]).cast(), size_of::<T>())
    }

    fn whole(&mut self, parameter: Parameter) -> (*mut c_void, usize) {
        match parameter {
            Nothing => (ptr::null_mut(), 0),
            Iv => {
                let len = self.or(16) % 1024;
                let iv = self.bytes.take(len);
                (self.arena.keep(iv).cast(), len)
            }
            Counter => {
                let bits = self.or(128) as CK_ULONG;
                let cb = self.bytes.take(16).try_into().expect("sixteen bytes were taken");
                self.kept(CK_AES_CTR_PARAMS { ulCounterBits: bits, cb })
            }
            Gcm => self.gcm(),
            GcmMessage => {
                let message = self.gcm_message();
                self.kept(message)
            }
            Ccm => self.ccm(),
            Oaep => {
                let oaep = self.oaep();
                self.kept(oaep)
            }
            Pss(own) => {
                let hash = self.hash(own);
                let mgf = self.bytes.one_of(&MASKS);
                let salt = self.or(32) as CK_ULONG;
                self.kept(CK_RSA_PKCS_PSS_PARAMS { hashAlg: hash, mgf, sLen: salt })
            }
            Eddsa => self.eddsa(),
            Number => {
                let number = self.or(16) as CK_ULONG;
                self.kept(number)
            }
            Ecdh => self.ecdh(),
            EcdhWrap => {
                let (pointer, len) = self.short_text();
                let kdf = self.bytes.one_of(&KDFS);
                self.kept(CK_ECDH_AES_KEY_WRAP_PARAMS {
                    ulAESKeyBits: 256,
                    kdf,
                    ulSharedDataLen: len,
                    pSharedData: pointer,
                })
            }
            Parameter::Hkdf => self.hkdf(),
            RsaAes => {
                let bits = self.bytes.one_of(&[256, 192, 128, 0, 64, CK_ULONG::MAX]);
                let oaep = self.oaep();
                let oaep = if self.bytes.byte() > 250 { ptr::null_mut() } else { self.arena.keep(vec![oaep]) };
                self.kept(CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: bits, pOAEPParams: oaep })
            }
            CbcData => {
                let (pointer, len) = self.short_text();
                self.kept(CK_AES_CBC_ENCRYPT_DATA_PARAMS { iv: [0; 16], pData: pointer, length: len })
            }
            Text => {
                let (pointer, len) = self.short_text();
                self.kept(CK_KEY_DERIVATION_STRING_DATA { pData: pointer, ulLen: len })
            }
        }
    }

    /// The ordinary number, if the next byte is 0, or any.
    fn or(&mut self, ordinary: usize) -> usize {
        match self.bytes.byte() {
            0 => ordinary,
            255 => self.bytes.number() as usize & 0xFFFF_FFFF_0000_03FF,
            small => usize::from(small),
        }
    }

    fn hash(&mut self, own: Option<CK_MECHANISM_TYPE>) -> CK_MECHANISM_TYPE {
        match (self.bytes.byte(), own) {
            (0, Some(own)) => own,
            (choice, _) => HASHES[usize::from(choice) % HASHES.len()],
        }
    }

    /// A short text with its length: none, some bytes, or NULL with a length.
    pub fn short_text(&mut self) -> (*mut u8, CK_ULONG) {
        match self.bytes.byte() {
            0 => (ptr::null_mut(), 0),
            len @ 1..=240 => {
                let text = self.bytes.take(len.into());
                (self.arena.keep(text), len.into())
            }
            _ => (ptr::null_mut(), self.bytes.number()),
        }
    }

    fn gcm(&mut self) -> (*mut c_void, usize) {
        let len = self.or(12) % 1024;
        let iv = self.bytes.take(len);
        let (aad, aad_len) = self.short_text();
        let tag = self.or(128) as CK_ULONG;
        let params = CK_GCM_PARAMS {
            pIv: self.arena.keep(iv),
            ulIvLen: len as CK_ULONG,
            ulIvBits: 8 * len as CK_ULONG,
            pAAD: aad,
            ulAADLen: aad_len,
            ulTagBits: tag,
        };
        self.kept(params)
    }

    /// With a vector and a place for the tag that are as long as it says, or the tag's is NULL.
    pub fn gcm_message(&mut self) -> CK_GCM_MESSAGE_PARAMS {
        let len = self.or(12) % 1024;
        let iv = self.bytes.take(len);
        let (fixed_bits, generator) = (self.or(0) as CK_ULONG, self.bytes.byte() % 6);
        let tag_bits = self.or(128) as CK_ULONG;
        let tag = if tag_bits < 1024 { self.arena.keep(vec![0u8; tag_bits.div_ceil(8) as usize]) } else { ptr::null_mut() };
        CK_GCM_MESSAGE_PARAMS {
            pIv: self.arena.keep(iv),
            ulIvLen: len as CK_ULONG,
            ulIvFixedBits: fixed_bits,
            ivGenerator: generator.into(),
            pTag: tag,
            ulTagBits: tag_bits,
        }
    }

    fn ccm(&mut self) -> (*mut c_void, usize) {
        let (nonce, nonce_len) = self.short_text();
        let (aad, aad_len) = self.short_text();
        let (data_len, mac_len) = (self.bytes.number(), self.or(16) as CK_ULONG);
        self.kept(CK_CCM_PARAMS {
            ulDataLen: data_len,
            pNonce: nonce,
            ulNonceLen: nonce_len,
            pAAD: aad,
            ulAADLen: aad_len,
            ulMACLen: mac_len,
        })
    }

    fn oaep(&mut self) -> CK_RSA_PKCS_OAEP_PARAMS {
        let hash = self.hash(None);
        let mgf = self.bytes.one_of(&MASKS);
        let source = if self.bytes.byte() < 250 { CKZ_DATA_SPECIFIED } else { 0 };
        let (label, len) = self.short_text();
        CK_RSA_PKCS_OAEP_PARAMS { hashAlg: hash, mgf, source, pSourceData: label.cast(), ulSourceDataLen: len }
    }

    fn eddsa(&mut self) -> (*mut c_void, usize) {
        if self.bytes.byte() == 0 {
            return (ptr::null_mut(), 0);
        }
        let flag = self.bytes.byte();
        let (context, len) = self.short_text();
        self.kept(CK_EDDSA_PARAMS { phFlag: flag, ulContextDataLen: len, pContextData: context })
    }

    fn ecdh(&mut self) -> (*mut c_void, usize) {
        let kdf = self.bytes.one_of(&KDFS);
        let (shared, shared_len) = self.short_text();
        let choice = usize::from(self.bytes.byte());
        let point = match self.world.points.get(choice) {
            Some(point) => point.clone(),
            None => self.bytes.take(choice),
        };
        let len = point.len() as CK_ULONG;
        let params = CK_ECDH1_DERIVE_PARAMS {
            kdf,
            ulSharedDataLen: shared_len,
            pSharedData: shared,
            ulPublicDataLen: len,
            pPublicData: self.arena.keep(point),
        };
        self.kept(params)
    }

    fn hkdf(&mut self) -> (*mut c_void, usize) {
        let steps = self.bytes.byte();
        let hash = self.hash(None);
        let salt_type = self.bytes.one_of(&[CKF_HKDF_SALT_NULL, CKF_HKDF_SALT_DATA, CKF_HKDF_SALT_KEY, 9]);
        let (salt, salt_len) = self.short_text();
        let salt_key = if salt_type == CKF_HKDF_SALT_KEY { self.object(Hkdf, true) } else { 0 };
        let (info, info_len) = self.short_text();
        self.kept(CK_HKDF_PARAMS {
            bExtract: u8::from(steps & 1 == 0),
            bExpand: u8::from(steps & 2 == 0),
            prfHashMechanism: hash,
            ulSaltType: salt_type,
            pSalt: salt,
            ulSaltLen: salt_len,
            hSaltKey: salt_key,
            pInfo: info,
            ulInfoLen: info_len,
        })
    }
}
