//! What of a mechanism a token's keys do: the table's functions, less those that the vault can't do with any parameter.
//!
//! A vault in this process does everything; one that is reached over a network does what its interface has exactly so. What
//! needs only a public key is done here whatever the vault does, and so are digests.

use cryptoki_sys::*;

use super::parameter::Oaep;
use super::{FUNCTIONS, Mechanism, Parameter, Service, TransformPlan};
use crate::crypto::{Curve, DigestAlgorithm, Direction, KeyAlgorithm, SignScheme};
use crate::pkcs11::template::{PairKind, SecretKind};
use crate::vault::{Ability, Matter};

/// What is asked of the vault.
pub(super) type Offers<'a> = &'a dyn Fn(&Ability<'_>) -> bool;

/// The mechanism's `CKF_*`, without the functions that the vault doesn't serve.
pub(super) fn flags(mechanism: &Mechanism, offers: Offers<'_>) -> CK_FLAGS {
    let served = mechanism.services.iter().fold(0, |served, service| served | of_service(mechanism, service, offers));
    mechanism.flags & (served | !functions_of_all())
}

/// Whether any function is left.
pub(super) fn serves(flags: CK_FLAGS) -> bool {
    flags & functions_of_all() != 0
}

/// Flags that are functions.
fn functions_of_all() -> CK_FLAGS {
    FUNCTIONS.iter().fold(0, |all, (flag, _)| all | flag)
}

fn of_service(mechanism: &Mechanism, service: &Service, offers: Offers<'_>) -> CK_FLAGS {
    let if_offered = |ability: Ability<'_>, flags| if offers(&ability) { flags } else { 0 };
    match service {
        Service::Digest(_) => CKF_DIGEST,
        Service::GeneratePair(kind) => {
            let any = pair_kinds(*kind).iter().any(|kind| offers(&Ability::Generate(*kind)));
            if any { CKF_GENERATE_KEY_PAIR } else { 0 }
        }
        Service::GenerateSecret(kind) => {
            let kind = match kind {
                SecretKind::Aes => KeyAlgorithm::Aes { bits: 256 },
                SecretKind::Generic => KeyAlgorithm::Generic { bytes: 32 },
            };
            if_offered(Ability::Generate(kind), CKF_GENERATE)
        }
        Service::Sign(digest, parse) => {
            let signs = match parse(*digest, &Parameter::Plain(&[])) {
                Ok(scheme) => signs(mechanism, scheme, offers),
                // Only PSS has a parameter without which there is no scheme.
                Err(_) => {
                    let own = PSS_DIGESTS.into_iter().filter(|own| digest.is_none_or(|digest| digest == *own));
                    let mut schemes =
                        own.map(|digest| SignScheme::RsaPss { digest, mgf: digest, salt_len: digest.len() });
                    schemes.any(|scheme| signs(mechanism, scheme, offers))
                }
            };
            CKF_VERIFY | CKF_VERIFY_RECOVER | if signs { CKF_SIGN | CKF_SIGN_RECOVER } else { 0 }
        }
        Service::Mac(..) => if_offered(Ability::Mac, CKF_SIGN | CKF_VERIFY),
        Service::Transform(parse) => samples()
            .iter()
            .filter_map(|sample| parse(sample).ok())
            .fold(0, |flags, plan| flags | of_plan(&plan, offers)),
        Service::Messages => {
            if_offered(Ability::Messages, CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT | CKF_MULTI_MESSAGE)
        }
        Service::Derive(_) => if_offered(Ability::Derive, CKF_DERIVE),
    }
}

fn signs(mechanism: &Mechanism, scheme: SignScheme, offers: Offers<'_>) -> bool {
    let kinds = [PairKind::Rsa, PairKind::Ec, PairKind::Edwards].into_iter().flat_map(pair_kinds);
    let mut fitting = kinds.filter(|kind| mechanism.check_key_type(**kind).is_ok());
    fitting.any(|kind| offers(&Ability::Sign(*kind, scheme)))
}

fn of_plan(plan: &TransformPlan<'_>, offers: Offers<'_>) -> CK_FLAGS {
    let if_offered = |ability: Ability<'_>, flags| if offers(&ability) { flags } else { 0 };
    match *plan {
        TransformPlan::Rsa(scheme) => {
            CKF_ENCRYPT | CKF_WRAP | if_offered(Ability::Decrypt(scheme), CKF_DECRYPT | CKF_UNWRAP)
        }
        TransformPlan::RsaAes { oaep, .. } => CKF_WRAP | if_offered(Ability::Decrypt(oaep), CKF_UNWRAP),
        TransformPlan::Cipher(scheme) => {
            let offered = |direction, matter, flag| if_offered(Ability::Cipher(scheme, direction, matter), flag);
            offered(Direction::Encrypt, Matter::Bytes, CKF_ENCRYPT)
                | offered(Direction::Decrypt, Matter::Bytes, CKF_DECRYPT)
                | offered(Direction::Encrypt, Matter::Key, CKF_WRAP)
                | offered(Direction::Decrypt, Matter::Key, CKF_UNWRAP)
        }
        TransformPlan::KeyWrap(scheme) => {
            if_offered(Ability::KeyWrap(scheme, Matter::Bytes), CKF_ENCRYPT | CKF_DECRYPT)
                | if_offered(Ability::KeyWrap(scheme, Matter::Key), CKF_WRAP | CKF_UNWRAP)
        }
    }
}

/// Parameters of which each mechanism that encrypts takes one at least.
fn samples() -> [Parameter<'static>; 7] {
    let oaep = |hash, mgf| Oaep { hash, mgf, source: CKZ_DATA_SPECIFIED, source_data: &[] };
    let [sha1, sha256] = [oaep(CKM_SHA_1, CKG_MGF1_SHA1), oaep(CKM_SHA256, CKG_MGF1_SHA256)];
    [
        Parameter::Plain(&[]),
        Parameter::Plain(&[0; 16]),
        Parameter::Plain(&CTR),
        Parameter::Gcm { iv: &[0; 12], aad: &[], tag_bits: 128 },
        Parameter::Oaep(sha1),
        Parameter::Oaep(sha256),
        Parameter::RsaAes { aes_bits: 256, oaep: sha1 },
    ]
}

/// The hashes of PSS.
const PSS_DIGESTS: [DigestAlgorithm; 9] = [
    DigestAlgorithm::Sha256,
    DigestAlgorithm::Sha384,
    DigestAlgorithm::Sha512,
    DigestAlgorithm::Sha1,
    DigestAlgorithm::Sha224,
    DigestAlgorithm::Sha3_224,
    DigestAlgorithm::Sha3_256,
    DigestAlgorithm::Sha3_384,
    DigestAlgorithm::Sha3_512,
];

/// `CK_AES_CTR_PARAMS` whose whole block counts.
const CTR: [u8; size_of::<CK_AES_CTR_PARAMS>()] = {
    let mut parameters = [0; size_of::<CK_AES_CTR_PARAMS>()];
    let bits = (128 as CK_ULONG).to_ne_bytes();
    let mut at = 0;
    while at < bits.len() {
        parameters[at] = bits[at];
        at += 1;
    }
    parameters
};

/// One of each kind of pair; the size doesn't count but on curves.
fn pair_kinds(kind: PairKind) -> &'static [KeyAlgorithm] {
    match kind {
        PairKind::Rsa => &[KeyAlgorithm::Rsa { bits: 2048 }],
        PairKind::Ec => &[
            KeyAlgorithm::Ec(Curve::P256),
            KeyAlgorithm::Ec(Curve::P384),
            KeyAlgorithm::Ec(Curve::P521),
            KeyAlgorithm::Ec(Curve::Secp256k1),
        ],
        PairKind::Edwards => &[KeyAlgorithm::Ed25519],
        PairKind::Montgomery => &[KeyAlgorithm::X25519],
    }
}
