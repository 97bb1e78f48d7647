//! The one table of mechanisms.
//!
//! `C_GetMechanismList`, `C_GetMechanismInfo`, the checks of keys and `strongroom pkcs11 mechanisms` come from it. Another
//! hash or padding of what is there is one line in [`TABLE`]; a new way to sign is a variant of
//! [`SignScheme`] besides.

use cryptoki_sys::*;

use super::error::Rv;
use super::template::{MAX_GENERIC_LEN, PairKind, SecretKind};
use crate::crypto::{self, DigestAlgorithm, KeyAlgorithm, SignScheme};

/// A mechanism as a caller names it: the number and the bytes of its parameter.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `CKM_*`.
    pub number: CK_MECHANISM_TYPE,
    /// The parameter's bytes; empty for none.
    pub parameter: &'a [u8],
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
    pub service: Service,
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
    /// `CKK_AES`.
    Aes,
    /// `CKK_GENERIC_SECRET`.
    Generic,
}

/// What a mechanism does.
#[derive(Clone, Copy, Debug)]
pub enum Service {
    /// `C_GenerateKeyPair`.
    GeneratePair(PairKind),
    /// `C_GenerateKey`.
    GenerateSecret(SecretKind),
    /// `C_Digest*`.
    Digest(DigestAlgorithm),
    /// `C_Sign*` and `C_Verify*`, over the digest that it makes first, if any, as the parameter says.
    Sign(Option<DigestAlgorithm>, Parser),
}

/// Makes the scheme from the digest of the table's line and the parameter's bytes.
pub type Parser = fn(Option<DigestAlgorithm>, &[u8]) -> Result<SignScheme, Rv>;

/// How `C_Sign*` and `C_Verify*` treat their input, and how they sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignPlan {
    /// The digest to make of the input.
    pub digest: Option<DigestAlgorithm>,
    /// What is done with the digest, or with the input.
    pub scheme: SignScheme,
}

/// Every mechanism.
pub fn table() -> impl Iterator<Item = &'static Mechanism> {
    TABLE.iter()
}

/// The mechanism with this number.
pub fn find(number: CK_MECHANISM_TYPE) -> Result<&'static Mechanism, Rv> {
    TABLE.iter().find(|mechanism| mechanism.number == number).ok_or(Rv(CKR_MECHANISM_INVALID))
}

impl Request<'_> {
    /// For `C_DigestInit`.
    pub fn digest(&self) -> Result<DigestAlgorithm, Rv> {
        let Service::Digest(algorithm) = find(self.number)?.service else { return Err(Rv(CKR_MECHANISM_INVALID)) };
        self.without_parameter()?;
        Ok(algorithm)
    }

    /// For `C_SignInit` and `C_VerifyInit` with a key of this kind and size.
    pub fn sign_plan(&self, key: KeyAlgorithm) -> Result<SignPlan, Rv> {
        let mechanism = find(self.number)?;
        let Service::Sign(digest, parse) = mechanism.service else { return Err(Rv(CKR_MECHANISM_INVALID)) };
        mechanism.check_kind(key)?;
        let plan = SignPlan { digest, scheme: parse(digest, self.parameter)? };
        plan.check_salt(key)?;
        Ok(plan)
    }

    /// For `C_GenerateKeyPair`.
    pub fn pair_kind(&self) -> Result<PairKind, Rv> {
        let Service::GeneratePair(kind) = find(self.number)?.service else { return Err(Rv(CKR_MECHANISM_INVALID)) };
        self.without_parameter()?;
        Ok(kind)
    }

    /// For `C_GenerateKey`.
    pub fn secret_kind(&self) -> Result<SecretKind, Rv> {
        let Service::GenerateSecret(kind) = find(self.number)?.service else { return Err(Rv(CKR_MECHANISM_INVALID)) };
        self.without_parameter()?;
        Ok(kind)
    }

    fn without_parameter(&self) -> Result<(), Rv> {
        if self.parameter.is_empty() { Ok(()) } else { Err(Rv(CKR_MECHANISM_PARAM_INVALID)) }
    }
}

impl Mechanism {
    /// Whether a key of this kind fits.
    pub fn check_kind(&self, key: KeyAlgorithm) -> Result<(), Rv> {
        if KeyKind::of(key) == self.keys { Ok(()) } else { Err(Rv(CKR_KEY_TYPE_INCONSISTENT)) }
    }

    /// What `C_GetMechanismInfo` answers.
    pub fn info(&self) -> CK_MECHANISM_INFO {
        CK_MECHANISM_INFO { ulMinKeySize: self.sizes.0, ulMaxKeySize: self.sizes.1, flags: self.flags }
    }
}

impl KeyKind {
    /// The kind of a key.
    pub fn of(key: KeyAlgorithm) -> Self {
        match key {
            KeyAlgorithm::Rsa { .. } => Self::Rsa,
            KeyAlgorithm::Ec(_) => Self::Ec,
            KeyAlgorithm::Ed25519 => Self::Edwards,
            KeyAlgorithm::Aes { .. } => Self::Aes,
            KeyAlgorithm::Generic { .. } => Self::Generic,
            KeyAlgorithm::Other(_) => Self::None,
        }
    }
}

impl SignPlan {
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

// ---- parameters

fn rsa_pkcs(digest: Option<DigestAlgorithm>, parameter: &[u8]) -> Result<SignScheme, Rv> {
    none(parameter, digest.map_or(SignScheme::RsaPkcs1, SignScheme::RsaPkcs1Digest))
}

fn rsa_x_509(_: Option<DigestAlgorithm>, parameter: &[u8]) -> Result<SignScheme, Rv> {
    none(parameter, SignScheme::RsaRaw)
}

fn ecdsa(_: Option<DigestAlgorithm>, parameter: &[u8]) -> Result<SignScheme, Rv> {
    none(parameter, SignScheme::Ecdsa)
}

fn none(parameter: &[u8], scheme: SignScheme) -> Result<SignScheme, Rv> {
    if parameter.is_empty() { Ok(scheme) } else { Err(Rv(CKR_MECHANISM_PARAM_INVALID)) }
}

/// `CK_RSA_PKCS_PSS_PARAMS`: hash, mask generation function, length of the salt.
fn rsa_pss(digest: Option<DigestAlgorithm>, parameter: &[u8]) -> Result<SignScheme, Rv> {
    let wrong = Rv(CKR_MECHANISM_PARAM_INVALID);
    if parameter.len() != size_of::<CK_RSA_PKCS_PSS_PARAMS>() {
        return Err(wrong);
    }
    let hash = hash_of_mechanism(number_at(parameter, 0)).ok_or(wrong)?;
    let mgf = hash_of_mgf(number_at(parameter, 1)).ok_or(wrong)?;
    let salt_len = usize::try_from(number_at(parameter, 2)).map_err(|_| wrong)?;
    if digest.is_some_and(|own| own != hash) {
        return Err(wrong);
    }
    Ok(SignScheme::RsaPss { digest: hash, mgf, salt_len })
}

/// `CK_EDDSA_PARAMS` (PKCS#11 v3.2 §6.3.14, table "Mapping to RFC 8032 signature schemes"): none means Ed25519. With
/// parameters, no prehash and no context is taken as the same; Ed25519ph and Ed25519ctx are not done.
fn eddsa(_: Option<DigestAlgorithm>, parameter: &[u8]) -> Result<SignScheme, Rv> {
    let wrong = Rv(CKR_MECHANISM_PARAM_INVALID);
    if parameter.is_empty() {
        return Ok(SignScheme::Ed25519);
    }
    if parameter.len() != size_of::<CK_EDDSA_PARAMS>() {
        return Err(wrong);
    }
    let prehash = parameter[std::mem::offset_of!(CK_EDDSA_PARAMS, phFlag)];
    let context_len = number_at(parameter, std::mem::offset_of!(CK_EDDSA_PARAMS, ulContextDataLen) / ULONG);
    if prehash == CK_FALSE && context_len == 0 { Ok(SignScheme::Ed25519) } else { Err(wrong) }
}

const ULONG: usize = size_of::<CK_ULONG>();

/// The `index`th `CK_ULONG`; the caller has checked the length.
fn number_at(bytes: &[u8], index: usize) -> CK_ULONG {
    let mut number = [0; ULONG];
    number.copy_from_slice(&bytes[index * ULONG..][..ULONG]);
    CK_ULONG::from_ne_bytes(number)
}

fn hash_of_mechanism(number: CK_MECHANISM_TYPE) -> Option<DigestAlgorithm> {
    match find(number).ok()?.service {
        Service::Digest(algorithm) => Some(algorithm),
        _ => None,
    }
}

fn hash_of_mgf(number: CK_RSA_PKCS_MGF_TYPE) -> Option<DigestAlgorithm> {
    Some(match number {
        CKG_MGF1_SHA1 => DigestAlgorithm::Sha1,
        CKG_MGF1_SHA224 => DigestAlgorithm::Sha224,
        CKG_MGF1_SHA256 => DigestAlgorithm::Sha256,
        CKG_MGF1_SHA384 => DigestAlgorithm::Sha384,
        CKG_MGF1_SHA512 => DigestAlgorithm::Sha512,
        _ => return None,
    })
}

// ---- the table

const SIGN: CK_FLAGS = CKF_SIGN | CKF_VERIFY;
const EC: CK_FLAGS = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;
const RSA_BITS: (CK_ULONG, CK_ULONG) = (*crypto::RSA_BITS.start() as CK_ULONG, *crypto::RSA_BITS.end() as CK_ULONG);
const EC_BITS: (CK_ULONG, CK_ULONG) = (256, 521);
const GENERIC_BITS: (CK_ULONG, CK_ULONG) = (8, 8 * MAX_GENERIC_LEN as CK_ULONG);
const EDWARDS_BITS: (CK_ULONG, CK_ULONG) = (255, 255);
const SHA1: Option<DigestAlgorithm> = Some(DigestAlgorithm::Sha1);
const SHA224: Option<DigestAlgorithm> = Some(DigestAlgorithm::Sha224);
const SHA256: Option<DigestAlgorithm> = Some(DigestAlgorithm::Sha256);
const SHA384: Option<DigestAlgorithm> = Some(DigestAlgorithm::Sha384);
const SHA512: Option<DigestAlgorithm> = Some(DigestAlgorithm::Sha512);

macro_rules! line {
    ($number:ident, $keys:ident, $sizes:expr, $flags:expr, $service:expr) => {
        Mechanism {
            number: $number,
            name: stringify!($number),
            keys: KeyKind::$keys,
            sizes: $sizes,
            flags: $flags,
            service: $service,
        }
    };
}

#[rustfmt::skip]
static TABLE: &[Mechanism] = &[
    line!(CKM_RSA_PKCS_KEY_PAIR_GEN, Rsa, RSA_BITS, CKF_GENERATE_KEY_PAIR, Service::GeneratePair(PairKind::Rsa)),
    line!(CKM_RSA_PKCS,              Rsa, RSA_BITS, SIGN, Service::Sign(None, rsa_pkcs)),
    line!(CKM_RSA_X_509,             Rsa, RSA_BITS, SIGN, Service::Sign(None, rsa_x_509)),
    line!(CKM_RSA_PKCS_PSS,          Rsa, RSA_BITS, SIGN, Service::Sign(None, rsa_pss)),
    line!(CKM_SHA1_RSA_PKCS,         Rsa, RSA_BITS, SIGN, Service::Sign(SHA1, rsa_pkcs)),
    line!(CKM_SHA224_RSA_PKCS,       Rsa, RSA_BITS, SIGN, Service::Sign(SHA224, rsa_pkcs)),
    line!(CKM_SHA256_RSA_PKCS,       Rsa, RSA_BITS, SIGN, Service::Sign(SHA256, rsa_pkcs)),
    line!(CKM_SHA384_RSA_PKCS,       Rsa, RSA_BITS, SIGN, Service::Sign(SHA384, rsa_pkcs)),
    line!(CKM_SHA512_RSA_PKCS,       Rsa, RSA_BITS, SIGN, Service::Sign(SHA512, rsa_pkcs)),
    line!(CKM_SHA1_RSA_PKCS_PSS,     Rsa, RSA_BITS, SIGN, Service::Sign(SHA1, rsa_pss)),
    line!(CKM_SHA224_RSA_PKCS_PSS,   Rsa, RSA_BITS, SIGN, Service::Sign(SHA224, rsa_pss)),
    line!(CKM_SHA256_RSA_PKCS_PSS,   Rsa, RSA_BITS, SIGN, Service::Sign(SHA256, rsa_pss)),
    line!(CKM_SHA384_RSA_PKCS_PSS,   Rsa, RSA_BITS, SIGN, Service::Sign(SHA384, rsa_pss)),
    line!(CKM_SHA512_RSA_PKCS_PSS,   Rsa, RSA_BITS, SIGN, Service::Sign(SHA512, rsa_pss)),
    line!(CKM_EC_KEY_PAIR_GEN, Ec, EC_BITS, CKF_GENERATE_KEY_PAIR | EC, Service::GeneratePair(PairKind::Ec)),
    line!(CKM_ECDSA,           Ec, EC_BITS, SIGN | EC, Service::Sign(None, ecdsa)),
    line!(CKM_ECDSA_SHA1,      Ec, EC_BITS, SIGN | EC, Service::Sign(SHA1, ecdsa)),
    line!(CKM_ECDSA_SHA224,    Ec, EC_BITS, SIGN | EC, Service::Sign(SHA224, ecdsa)),
    line!(CKM_ECDSA_SHA256,    Ec, EC_BITS, SIGN | EC, Service::Sign(SHA256, ecdsa)),
    line!(CKM_ECDSA_SHA384,    Ec, EC_BITS, SIGN | EC, Service::Sign(SHA384, ecdsa)),
    line!(CKM_ECDSA_SHA512,    Ec, EC_BITS, SIGN | EC, Service::Sign(SHA512, ecdsa)),
    line!(CKM_EC_EDWARDS_KEY_PAIR_GEN, Edwards, EDWARDS_BITS, CKF_GENERATE_KEY_PAIR | EC, Service::GeneratePair(PairKind::Edwards)),
    line!(CKM_EDDSA,                   Edwards, EDWARDS_BITS, SIGN | EC, Service::Sign(None, eddsa)),
    line!(CKM_AES_KEY_GEN,            Aes,     (16, 32),  CKF_GENERATE, Service::GenerateSecret(SecretKind::Aes)),
    line!(CKM_GENERIC_SECRET_KEY_GEN, Generic, GENERIC_BITS, CKF_GENERATE, Service::GenerateSecret(SecretKind::Generic)),
    line!(CKM_SHA_1,  None, (0, 0), CKF_DIGEST, Service::Digest(DigestAlgorithm::Sha1)),
    line!(CKM_SHA224, None, (0, 0), CKF_DIGEST, Service::Digest(DigestAlgorithm::Sha224)),
    line!(CKM_SHA256, None, (0, 0), CKF_DIGEST, Service::Digest(DigestAlgorithm::Sha256)),
    line!(CKM_SHA384, None, (0, 0), CKF_DIGEST, Service::Digest(DigestAlgorithm::Sha384)),
    line!(CKM_SHA512, None, (0, 0), CKF_DIGEST, Service::Digest(DigestAlgorithm::Sha512)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Curve;

    fn pss(hash: CK_ULONG, mgf: CK_ULONG, salt: CK_ULONG) -> Vec<u8> {
        [hash, mgf, salt].iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    const KEY: KeyAlgorithm = KeyAlgorithm::Rsa { bits: 2048 };

    #[test]
    fn every_number_stands_once_in_the_table() {
        for mechanism in table() {
            assert_eq!(table().filter(|other| other.number == mechanism.number).count(), 1, "{}", mechanism.name);
        }
    }

    #[test]
    fn a_salt_may_fill_the_modulus_and_no_more() {
        let request = |salt| {
            let parameter = pss(CKM_SHA256, CKG_MGF1_SHA1, salt);
            Request { number: CKM_RSA_PKCS_PSS, parameter: &parameter }.sign_plan(KEY).map(|plan| plan.scheme)
        };
        assert_eq!(
            request(222),
            Ok(SignScheme::RsaPss { digest: DigestAlgorithm::Sha256, mgf: DigestAlgorithm::Sha1, salt_len: 222 })
        );
        assert_eq!(request(223), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
        assert_eq!(request(CK_ULONG::MAX), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
    }

    #[test]
    fn the_hash_of_a_hashing_mechanism_and_of_its_parameter_are_the_same() {
        let parameter = pss(CKM_SHA384, CKG_MGF1_SHA384, 48);
        let request = Request { number: CKM_SHA256_RSA_PKCS_PSS, parameter: &parameter };
        assert_eq!(request.sign_plan(KEY), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
    }

    #[test]
    fn a_key_of_another_kind_is_inconsistent() {
        let request = Request { number: CKM_ECDSA, parameter: &[] };
        assert_eq!(request.sign_plan(KEY), Err(Rv(CKR_KEY_TYPE_INCONSISTENT)));
        assert!(request.sign_plan(KeyAlgorithm::Ec(Curve::P256)).is_ok());
        assert_eq!(request.digest(), Err(Rv(CKR_MECHANISM_INVALID)));
    }

    #[test]
    fn parameters_where_none_belong_are_refused() {
        let request = Request { number: CKM_RSA_PKCS, parameter: &[0] };
        assert_eq!(request.sign_plan(KEY), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
    }

    #[test]
    fn an_edwards_key_takes_empty_parameters_and_no_context() {
        let mut parameter = vec![0; size_of::<CK_EDDSA_PARAMS>()];
        let plan = |parameter: &[u8]| Request { number: CKM_EDDSA, parameter }.sign_plan(KeyAlgorithm::Ed25519);
        assert!(plan(&[]).is_ok());
        assert!(plan(&parameter).is_ok());
        parameter[0] = CK_TRUE;
        assert_eq!(plan(&parameter), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
    }
}
