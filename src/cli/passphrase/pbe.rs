//! Encryption under a passphrase: PBES2 (RFC 8018 §6.2) and PKCS#12's own (RFC 7292 Appendix B and C), which is broken
//! or weak, and is what old programs write. Only reading: nothing is ever encrypted so.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyInit};
use pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::der::asn1::{ObjectIdentifier, OctetStringRef};
use pkcs8::der::{self, Decode, Reader, SliceReader};
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::super::{Error, Result};
use crate::crypto::{DigestAlgorithm, KeyAlgorithm, MacScheme, SecretBytes, SecretKey};

/// How something is encrypted: an `AlgorithmIdentifier`.
pub(in super::super) struct Algorithm<'a> {
    pub oid: ObjectIdentifier,
    /// DER.
    pub parameters: &'a [u8],
}

/// Why a code isn't the right one.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum MacFailure {
    /// The passphrase is wrong or the file was changed: nobody can tell.
    Mismatch,
    Unsupported,
    Damaged,
}

/// What `encrypted` was, in memory that is wiped. `what` names it for the error's text.
pub(in super::super) fn decrypt(
    what: &str,
    algorithm: &Algorithm<'_>,
    encrypted: &[u8],
    passphrase: &str,
) -> Result<Zeroizing<Vec<u8>>> {
    let wrong = || does_not_open(what);
    let damaged = || Error::refused(format!("{what} is damaged: how it is encrypted doesn't parse."));
    if algorithm.oid == pkcs5::pbes2::PBES2_OID {
        let parameters = Parameters::from_der(algorithm.parameters).map_err(|_| unsupported(what, algorithm.oid))?;
        check_cost(what, &parameters.kdf)?;
        return parameters.decrypt(passphrase, encrypted).map(Zeroizing::new).map_err(|error| match error {
            pkcs5::Error::UnsupportedAlgorithm { oid } => unsupported(what, oid),
            _ => wrong(),
        });
    }
    let Some((_, cipher)) = OLD.iter().find(|(oid, _)| *oid == algorithm.oid) else {
        return Err(unsupported(what, algorithm.oid));
    };
    let (salt, rounds) = old_parameters(algorithm.parameters).map_err(|_| damaged())?;
    check_rounds(what, rounds)?;
    let derive = |kind, len| {
        derive_key_utf8::<Sha1>(passphrase, salt, kind, rounds as i32, len).map(Zeroizing::new).map_err(|_| wrong())
    };
    let (key_len, iv) = (cipher.key_len(), derive(Pkcs12KeyType::Iv, OLD_BLOCK)?);
    let key = derive(Pkcs12KeyType::EncryptionKey, key_len)?;
    cipher.decrypt(&key, &iv, encrypted).ok_or_else(wrong)
}

/// There is no telling which of the two it is.
pub(in super::super) fn does_not_open(what: &str) -> Error {
    Error::refused(format!("{what} doesn't open: the passphrase is wrong, or the file is damaged."))
}

/// Checks PKCS#12's code over a file (RFC 7292 Appendix B), in constant time.
pub(in super::super) fn is_authentic(
    digest: ObjectIdentifier,
    (salt, rounds): (&[u8], u32),
    contents: &[u8],
    code: &[u8],
    passphrase: &str,
) -> std::result::Result<(), MacFailure> {
    let Some((_, algorithm)) = MACS.iter().find(|(oid, _)| *oid == digest) else {
        return Err(MacFailure::Unsupported);
    };
    if salt.is_empty() || rounds > MOST_ROUNDS {
        return Err(MacFailure::Damaged);
    }
    let (kind, rounds) = (Pkcs12KeyType::Mac, rounds as i32);
    let key = match algorithm {
        DigestAlgorithm::Sha1 => derive_key_utf8::<Sha1>(passphrase, salt, kind, rounds, 20),
        DigestAlgorithm::Sha224 => derive_key_utf8::<Sha224>(passphrase, salt, kind, rounds, 28),
        DigestAlgorithm::Sha256 => derive_key_utf8::<Sha256>(passphrase, salt, kind, rounds, 32),
        DigestAlgorithm::Sha384 => derive_key_utf8::<Sha384>(passphrase, salt, kind, rounds, 48),
        _ => derive_key_utf8::<Sha512>(passphrase, salt, kind, rounds, 64),
    };
    let key = key.map(Zeroizing::new).map_err(|_| MacFailure::Mismatch)?;
    let own = mac(*algorithm, &key, contents).ok_or(MacFailure::Damaged)?;
    if own == SecretBytes::from_slice(code) { Ok(()) } else { Err(MacFailure::Mismatch) }
}

/// HMAC; compared as [`SecretBytes`] are, in constant time.
fn mac(algorithm: DigestAlgorithm, key: &[u8], contents: &[u8]) -> Option<SecretBytes> {
    let key = SecretKey::new(KeyAlgorithm::Generic { bytes: key.len() as u32 }, SecretBytes::from_slice(key)).ok()?;
    let mut mac = key.mac(MacScheme::Hmac(algorithm)).ok()?;
    mac.update(contents);
    SecretBytes::filled(key.value().ok()?.len(), |code| mac.finish(code).map(drop)).ok()
}

/// A file must not make us work for hours or take all memory.
fn check_cost(what: &str, kdf: &Kdf) -> Result<()> {
    match kdf {
        Kdf::Pbkdf2(parameters) => check_rounds(what, parameters.iteration_count),
        Kdf::Scrypt(parameters) => {
            // RFC 7914 §6; the crate counts on it.
            if !parameters.cost_parameter.is_power_of_two() {
                return Err(Error::refused(format!("{what} is damaged: its cost for scrypt is no power of two.")));
            }
            let memory = 128 * u128::from(parameters.cost_parameter) * u128::from(parameters.block_size);
            if memory <= MOST_MEMORY && parameters.parallelization <= MOST_LANES {
                return Ok(());
            }
            Err(Error::refused(format!("{what} asks for more than 1 GiB of memory to be opened: that is refused.")))
        }
        _ => Ok(()),
    }
}

fn check_rounds(what: &str, rounds: u32) -> Result<()> {
    if rounds <= MOST_ROUNDS {
        return Ok(());
    }
    Err(Error::refused(format!("{what} asks for more than {MOST_ROUNDS} rounds to be opened: that is refused.")))
}

fn unsupported(what: &str, oid: ObjectIdentifier) -> Error {
    Error::refused(format!(
        "{what} is encrypted in a way that isn't supported ({oid}): write it anew with `openssl pkcs8 -topk8` or `openssl \
         pkcs12 -export`."
    ))
}

/// Salt and rounds (RFC 7292 Appendix C).
fn old_parameters(parameters: &[u8]) -> der::Result<(&[u8], u32)> {
    let mut reader = SliceReader::new(parameters)?;
    let parsed = reader.sequence(|reader| -> der::Result<_> {
        let salt = <&OctetStringRef>::decode(reader)?.as_bytes();
        Ok((salt, u32::decode(reader)?))
    })?;
    if parsed.0.is_empty() { Err(der::ErrorKind::Failed.into()) } else { reader.finish().map(|()| parsed) }
}

/// PKCS#12's own ciphers.
#[derive(Clone, Copy)]
enum Old {
    TripleDes,
    /// Of two keys, the first of which is used twice.
    DoubleDes,
    Rc2 {
        bits: usize,
    },
}

impl Old {
    fn key_len(self) -> usize {
        match self {
            Self::TripleDes => 24,
            Self::DoubleDes => 16,
            Self::Rc2 { bits } => bits / 8,
        }
    }

    fn decrypt(self, key: &[u8], iv: &[u8], encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::TripleDes => cbc_decrypt(des::TdesEde3::new_from_slice(key).ok()?, iv, encrypted),
            Self::DoubleDes => cbc_decrypt(des::TdesEde2::new_from_slice(key).ok()?, iv, encrypted),
            Self::Rc2 { bits } => cbc_decrypt(rc2::Rc2::new_with_eff_key_len(key, bits), iv, encrypted),
        }
    }
}

fn cbc_decrypt<C: BlockCipherDecrypt>(cipher: C, iv: &[u8], encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let cipher = cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?;
    cipher.decrypt_padded_vec::<Pkcs7>(encrypted).ok().map(Zeroizing::new)
}

/// RFC 7292 Appendix C; its two forms of RC4 are nobody's.
const OLD: [(ObjectIdentifier, Old); 4] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.3"), Old::TripleDes),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.4"), Old::DoubleDes),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.5"), Old::Rc2 { bits: 128 }),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1.6"), Old::Rc2 { bits: 40 }),
];
/// Of DES and RC2.
const OLD_BLOCK: usize = 8;

const MACS: [(ObjectIdentifier, DigestAlgorithm); 5] = [
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.26"), DigestAlgorithm::Sha1),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.4"), DigestAlgorithm::Sha224),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"), DigestAlgorithm::Sha256),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"), DigestAlgorithm::Sha384),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"), DigestAlgorithm::Sha512),
];

const MOST_ROUNDS: u32 = 10_000_000;
const MOST_MEMORY: u128 = 1 << 30;
const MOST_LANES: u16 = 16;

#[cfg(test)]
mod tests {
    use pkcs8::der::Encode;

    use super::*;

    /// Why this isn't even tried.
    fn refusal(parameters: &Parameters) -> String {
        let der = parameters.to_der().unwrap();
        let algorithm = Algorithm { oid: pkcs5::pbes2::PBES2_OID, parameters: &der };
        decrypt("the file", &algorithm, &[0; 16], "passphrase").unwrap_err().to_string()
    }

    #[test]
    fn a_file_that_asks_for_hours_or_for_all_memory_is_refused() {
        let mut parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[1; 16], [2; 16]).unwrap();
        assert!(refusal(&parameters).contains("passphrase is wrong"), "one round is done");
        if let Kdf::Pbkdf2(pbkdf2) = &mut parameters.kdf {
            pbkdf2.iteration_count = MOST_ROUNDS + 1;
        }
        assert!(refusal(&parameters).contains("rounds"));
        let scrypt = pkcs5::scrypt::Params::new(4, 8, 1).unwrap();
        let mut parameters = Parameters::generate_scrypt_aes256cbc(scrypt, &[1; 16], [2; 16]).unwrap();
        assert!(refusal(&parameters).contains("passphrase is wrong"), "16 KiB are taken");
        if let Kdf::Scrypt(scrypt) = &mut parameters.kdf {
            scrypt.cost_parameter = 1 << 21;
        }
        assert!(refusal(&parameters).contains("memory"));
        for cost in [0, 3, u64::MAX] {
            if let Kdf::Scrypt(scrypt) = &mut parameters.kdf {
                scrypt.cost_parameter = cost;
            }
            assert!(refusal(&parameters).contains("power of two"), "{cost}");
        }
        let many_rounds = b"\x30\x0E\x04\x08saltsalt\x02\x02\x7F\xFF";
        let old = |parameters| Algorithm { oid: OLD[0].0, parameters };
        let refused = |parameters| decrypt("the file", &old(parameters), &[0; 16], "x").unwrap_err().to_string();
        assert!(refused(&many_rounds[..]).contains("passphrase is wrong"));
        assert!(refused(b"\x30\x10\x04\x08saltsalt\x02\x04\x7F\xFF\xFF\xFF").contains("rounds"));
        assert!(refused(b"\x30\x06\x04\x00\x02\x02\x7F\xFF").contains("damaged"), "no salt");
    }

    #[test]
    fn a_code_by_an_unknown_digest_is_no_wrong_passphrase() {
        let md5 = ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
        assert_eq!(is_authentic(md5, (b"salt", 1), b"", b"", "x"), Err(MacFailure::Unsupported));
        assert_eq!(is_authentic(MACS[0].0, (b"", 1), b"", b"", "x"), Err(MacFailure::Damaged));
        assert_eq!(is_authentic(MACS[0].0, (b"salt", u32::MAX), b"", b"", "x"), Err(MacFailure::Damaged));
        assert_eq!(is_authentic(MACS[0].0, (b"salt", 1), b"", &[0; 20], "x"), Err(MacFailure::Mismatch));
    }
}
