//! The table itself. Columns of a line: mechanism, kind of key, sizes of keys, flags, services, and where the parameter
//! holds pointers its shape.

use cryptoki_sys::*;

use super::Service::{Derive, Digest, GeneratePair, GenerateSecret, Mac, Messages, Sign, Transform};
use super::parameter::{self, Shape};
use super::{KeyKind, MacLen, Mechanism};
use crate::crypto::{self, DigestAlgorithm, MacScheme};
use crate::pkcs11::template::{MAX_GENERIC_LEN, PairKind, SecretKind};

const SIGN: CK_FLAGS = CKF_SIGN | CKF_VERIFY;
const CIPHER: CK_FLAGS = CKF_ENCRYPT | CKF_DECRYPT;
/// In one call or in parts.
const MESSAGES: CK_FLAGS = CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE;
const WRAP: CK_FLAGS = CKF_WRAP | CKF_UNWRAP;
const RECOVER: CK_FLAGS = CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER;
const EC: CK_FLAGS = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;
const NONE: (CK_ULONG, CK_ULONG) = (0, 0);
const RSA_BITS: (CK_ULONG, CK_ULONG) = (*crypto::RSA_BITS.start() as CK_ULONG, *crypto::RSA_BITS.end() as CK_ULONG);
const EC_BITS: (CK_ULONG, CK_ULONG) = (256, 521);
const EDWARDS_BITS: (CK_ULONG, CK_ULONG) = (255, 255);
const AES_BYTES: (CK_ULONG, CK_ULONG) = (16, 32);
const GENERIC_BYTES: (CK_ULONG, CK_ULONG) = (1, MAX_GENERIC_LEN as CK_ULONG);
const GENERIC_BITS: (CK_ULONG, CK_ULONG) = (8, 8 * MAX_GENERIC_LEN as CK_ULONG);

macro_rules! line {
    ($number:ident, $keys:ident, $sizes:expr, $flags:expr, [$($service:expr),*]) => {
        line!($number, $keys, $sizes, $flags, [$($service),*], Plain)
    };
    ($number:ident, $keys:ident, $sizes:expr, $flags:expr, [$($service:expr),*], $shape:ident) => {
        Mechanism {
            number: $number,
            name: stringify!($number),
            keys: KeyKind::$keys,
            sizes: $sizes,
            flags: $flags,
            services: &[$($service),*],
            shape: Shape::$shape,
        }
    };
}

/// PKCS#1 v1.5 over this digest.
macro_rules! rsa_pkcs {
    ($number:ident, $digest:ident) => {
        line!($number, Rsa, RSA_BITS, SIGN, [Sign(Some(DigestAlgorithm::$digest), parameter::rsa_pkcs)])
    };
}

/// PSS over this digest.
macro_rules! rsa_pss {
    ($number:ident, $digest:ident) => {
        line!($number, Rsa, RSA_BITS, SIGN, [Sign(Some(DigestAlgorithm::$digest), parameter::rsa_pss)])
    };
}

/// ECDSA over this digest.
macro_rules! ecdsa {
    ($number:ident, $digest:ident) => {
        line!($number, Ec, EC_BITS, SIGN | EC, [Sign(Some(DigestAlgorithm::$digest), parameter::ecdsa)])
    };
}

/// HMAC with this digest.
macro_rules! hmac {
    ($number:ident, $digest:ident, $len:ident) => {
        line!($number, Generic, GENERIC_BYTES, SIGN, [Mac(MacScheme::Hmac(DigestAlgorithm::$digest), MacLen::$len)])
    };
}

/// This digest.
macro_rules! digest {
    ($number:ident, $digest:ident) => {
        line!($number, None, NONE, CKF_DIGEST, [Digest(Some(DigestAlgorithm::$digest))])
    };
}

/// An AES mode that encrypts and decrypts.
macro_rules! aes {
    ($number:ident, $flags:expr, $parse:ident) => {
        line!($number, Aes, AES_BYTES, $flags, [Transform(parameter::$parse)])
    };
}

#[rustfmt::skip]
pub(super) static TABLE: &[Mechanism] = &[
    line!(CKM_ECDSA, Ec, EC_BITS, SIGN | EC, [Sign(None, parameter::ecdsa)]),
    line!(CKM_RSA_PKCS, Rsa, RSA_BITS, SIGN | CIPHER | WRAP | RECOVER,
        [Sign(None, parameter::rsa_pkcs), Transform(parameter::rsa_pkcs_encryption)]),
    line!(CKM_RSA_X_509, Rsa, RSA_BITS, SIGN | CIPHER | RECOVER,
        [Sign(None, parameter::rsa_x_509), Transform(parameter::rsa_x_509_encryption)]),
    line!(CKM_RSA_PKCS_PSS, Rsa, RSA_BITS, SIGN, [Sign(None, parameter::rsa_pss)]),
    line!(CKM_EDDSA, Edwards, EDWARDS_BITS, SIGN | EC, [Sign(None, parameter::eddsa)]),
    line!(CKM_RSA_PKCS_OAEP, Rsa, RSA_BITS, CIPHER | WRAP, [Transform(parameter::rsa_oaep)], Oaep),
    line!(CKM_RSA_AES_KEY_WRAP, Rsa, RSA_BITS, WRAP, [Transform(parameter::rsa_aes)], RsaAes),
    rsa_pkcs!(CKM_SHA1_RSA_PKCS, Sha1),
    rsa_pkcs!(CKM_SHA224_RSA_PKCS, Sha224),
    rsa_pkcs!(CKM_SHA256_RSA_PKCS, Sha256),
    rsa_pkcs!(CKM_SHA384_RSA_PKCS, Sha384),
    rsa_pkcs!(CKM_SHA512_RSA_PKCS, Sha512),
    rsa_pkcs!(CKM_SHA3_224_RSA_PKCS, Sha3_224),
    rsa_pkcs!(CKM_SHA3_256_RSA_PKCS, Sha3_256),
    rsa_pkcs!(CKM_SHA3_384_RSA_PKCS, Sha3_384),
    rsa_pkcs!(CKM_SHA3_512_RSA_PKCS, Sha3_512),
    rsa_pss!(CKM_SHA1_RSA_PKCS_PSS, Sha1),
    rsa_pss!(CKM_SHA224_RSA_PKCS_PSS, Sha224),
    rsa_pss!(CKM_SHA256_RSA_PKCS_PSS, Sha256),
    rsa_pss!(CKM_SHA384_RSA_PKCS_PSS, Sha384),
    rsa_pss!(CKM_SHA512_RSA_PKCS_PSS, Sha512),
    rsa_pss!(CKM_SHA3_224_RSA_PKCS_PSS, Sha3_224),
    rsa_pss!(CKM_SHA3_256_RSA_PKCS_PSS, Sha3_256),
    rsa_pss!(CKM_SHA3_384_RSA_PKCS_PSS, Sha3_384),
    rsa_pss!(CKM_SHA3_512_RSA_PKCS_PSS, Sha3_512),
    ecdsa!(CKM_ECDSA_SHA1, Sha1),
    ecdsa!(CKM_ECDSA_SHA224, Sha224),
    ecdsa!(CKM_ECDSA_SHA256, Sha256),
    ecdsa!(CKM_ECDSA_SHA384, Sha384),
    ecdsa!(CKM_ECDSA_SHA512, Sha512),
    ecdsa!(CKM_ECDSA_SHA3_224, Sha3_224),
    ecdsa!(CKM_ECDSA_SHA3_256, Sha3_256),
    ecdsa!(CKM_ECDSA_SHA3_384, Sha3_384),
    ecdsa!(CKM_ECDSA_SHA3_512, Sha3_512),
    line!(CKM_ECDH1_DERIVE, Agreeing, EC_BITS_OR_X25519, CKF_DERIVE | EC, [Derive(parameter::ecdh1)], Ecdh1),
    line!(CKM_ECDH1_COFACTOR_DERIVE, Ec, EC_BITS, CKF_DERIVE | EC, [Derive(parameter::ecdh1)], Ecdh1),
    line!(CKM_HKDF_DERIVE, Generic, GENERIC_BYTES, CKF_DERIVE, [Derive(parameter::hkdf_key)], Hkdf),
    line!(CKM_HKDF_DATA, Generic, GENERIC_BYTES, CKF_DERIVE, [Derive(parameter::hkdf_data)], Hkdf),
    aes!(CKM_AES_ECB, CIPHER, aes_ecb),
    aes!(CKM_AES_CBC, CIPHER, aes_cbc),
    aes!(CKM_AES_CBC_PAD, CIPHER | WRAP, aes_cbc_pad),
    aes!(CKM_AES_CTR, CIPHER, aes_ctr),
    line!(CKM_AES_GCM, Aes, AES_BYTES, CIPHER | MESSAGES, [Transform(parameter::aes_gcm), Messages], Gcm),
    aes!(CKM_AES_KEY_WRAP, CIPHER | WRAP, aes_kw),
    aes!(CKM_AES_KEY_WRAP_PAD, CIPHER | WRAP, aes_kwp),
    aes!(CKM_AES_KEY_WRAP_KWP, CIPHER | WRAP, aes_kwp),
    aes!(CKM_AES_KEY_WRAP_PKCS7, CIPHER | WRAP, aes_kw_pkcs7),
    line!(CKM_AES_CMAC, Aes, AES_BYTES, SIGN, [Mac(MacScheme::AesCmac, MacLen::Whole)]),
    line!(CKM_AES_CMAC_GENERAL, Aes, AES_BYTES, SIGN, [Mac(MacScheme::AesCmac, MacLen::Given)]),
    hmac!(CKM_SHA_1_HMAC, Sha1, Whole),
    hmac!(CKM_SHA_1_HMAC_GENERAL, Sha1, Given),
    hmac!(CKM_SHA224_HMAC, Sha224, Whole),
    hmac!(CKM_SHA224_HMAC_GENERAL, Sha224, Given),
    hmac!(CKM_SHA256_HMAC, Sha256, Whole),
    hmac!(CKM_SHA256_HMAC_GENERAL, Sha256, Given),
    hmac!(CKM_SHA384_HMAC, Sha384, Whole),
    hmac!(CKM_SHA384_HMAC_GENERAL, Sha384, Given),
    hmac!(CKM_SHA512_HMAC, Sha512, Whole),
    hmac!(CKM_SHA512_HMAC_GENERAL, Sha512, Given),
    hmac!(CKM_SHA512_224_HMAC, Sha512_224, Whole),
    hmac!(CKM_SHA512_224_HMAC_GENERAL, Sha512_224, Given),
    hmac!(CKM_SHA512_256_HMAC, Sha512_256, Whole),
    hmac!(CKM_SHA512_256_HMAC_GENERAL, Sha512_256, Given),
    hmac!(CKM_SHA3_224_HMAC, Sha3_224, Whole),
    hmac!(CKM_SHA3_224_HMAC_GENERAL, Sha3_224, Given),
    hmac!(CKM_SHA3_256_HMAC, Sha3_256, Whole),
    hmac!(CKM_SHA3_256_HMAC_GENERAL, Sha3_256, Given),
    hmac!(CKM_SHA3_384_HMAC, Sha3_384, Whole),
    hmac!(CKM_SHA3_384_HMAC_GENERAL, Sha3_384, Given),
    hmac!(CKM_SHA3_512_HMAC, Sha3_512, Whole),
    hmac!(CKM_SHA3_512_HMAC_GENERAL, Sha3_512, Given),
    digest!(CKM_SHA_1, Sha1),
    digest!(CKM_SHA224, Sha224),
    digest!(CKM_SHA256, Sha256),
    digest!(CKM_SHA384, Sha384),
    digest!(CKM_SHA512, Sha512),
    digest!(CKM_SHA512_224, Sha512_224),
    digest!(CKM_SHA512_256, Sha512_256),
    line!(CKM_SHA512_T, None, NONE, CKF_DIGEST, [Digest(None)]),
    digest!(CKM_SHA3_224, Sha3_224),
    digest!(CKM_SHA3_256, Sha3_256),
    digest!(CKM_SHA3_384, Sha3_384),
    digest!(CKM_SHA3_512, Sha3_512),
    line!(CKM_RSA_PKCS_KEY_PAIR_GEN, Rsa, RSA_BITS, CKF_GENERATE_KEY_PAIR, [GeneratePair(PairKind::Rsa)]),
    line!(CKM_EC_KEY_PAIR_GEN, Ec, EC_BITS, CKF_GENERATE_KEY_PAIR | EC, [GeneratePair(PairKind::Ec)]),
    line!(CKM_EC_EDWARDS_KEY_PAIR_GEN, Edwards, EDWARDS_BITS, CKF_GENERATE_KEY_PAIR | EC,
        [GeneratePair(PairKind::Edwards)]),
    line!(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, Montgomery, EDWARDS_BITS, CKF_GENERATE_KEY_PAIR | EC,
        [GeneratePair(PairKind::Montgomery)]),
    line!(CKM_AES_KEY_GEN, Aes, AES_BYTES, CKF_GENERATE, [GenerateSecret(SecretKind::Aes)]),
    line!(CKM_GENERIC_SECRET_KEY_GEN, Generic, GENERIC_BITS, CKF_GENERATE, [GenerateSecret(SecretKind::Generic)]),
];

/// Curves from 255 bits (X25519) to 521.
const EC_BITS_OR_X25519: (CK_ULONG, CK_ULONG) = (255, 521);

/// The line of this mechanism. Asked for several times in every operation, so it is not searched line by line.
pub(super) fn find(number: CK_MECHANISM_TYPE) -> Option<&'static Mechanism> {
    let place = BY_NUMBER.binary_search_by_key(&number, |line| TABLE[usize::from(*line)].number).ok()?;
    Some(&TABLE[usize::from(BY_NUMBER[place])])
}

/// The table's lines in the order of their numbers.
static BY_NUMBER: [u8; TABLE.len()] = {
    let mut lines = [0; TABLE.len()];
    let mut next = 0;
    while next < lines.len() {
        let mut place = next;
        while place > 0 && TABLE[lines[place - 1] as usize].number > TABLE[next].number {
            lines[place] = lines[place - 1];
            place -= 1;
        }
        lines[place] = next as u8;
        next += 1;
    }
    lines
};
