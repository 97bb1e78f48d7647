//! Encryption under a passphrase: PBES2 (RFC 8018 §6.2), and for reading also PKCS#12's own (RFC 7292 Appendix B and C),
//! which is broken or weak, and is what old programs write.
//!
//! A file says itself how much work opening it is, and a stranger's file may say anything: 10 million rounds of PBKDF2 hold a
//! processor for seconds, and a file may ask for that once for each of its bags. So reading has a budget over all of it,
//! which is smaller where strangers' files are read.

use std::cell::Cell;

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyInit};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader};
use pkcs5::pbes2::{Kdf, Parameters};
use pkcs12::kdf::{Pkcs12KeyType, derive_key};
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::{Error, Result};
use crate::crypto::{DigestAlgorithm, KeyAlgorithm, MacScheme, SecretBytes, SecretKey};

/// How much a file may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rounds of a key derivation, all of them in a file together.
    pub rounds: u64,
    /// Bytes of memory at one time.
    pub memory: u64,
    /// Keys, certificates and other things in a file.
    pub things: usize,
}

impl Limits {
    /// For files that an operator gives to the command: he may wait, and can interrupt it.
    pub const COMMAND: Self = Self { rounds: 40_000_000, memory: 1 << 30, things: 10_000 };

    /// For files that strangers send to a server: one to two seconds of one thread. It has room for the most that a program
    /// writes by itself, GnuTLS' 600,000 rounds each for the code, the certificates and the key; the old ciphers take them
    /// twice, and the code is tried in two ways where there is no passphrase.
    pub const SERVER: Self = Self { rounds: 4_000_000, memory: 64 << 20, things: 64 };
}

/// What is left of the limits while one file is read.
pub(super) struct Budget {
    limits: Limits,
    rounds: Cell<u64>,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: *limits, rounds: Cell::new(limits.rounds) }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn take_rounds(&self, rounds: u64) -> Result<()> {
        match self.rounds.get().checked_sub(rounds) {
            Some(left) => {
                self.rounds.set(left);
                Ok(())
            }
            None => Err(Error::TooCostly(format!("{} rounds", self.limits.rounds))),
        }
    }

    /// A file must not make us work for hours or take all memory.
    fn take(&self, kdf: &Kdf) -> Result<()> {
        let Kdf::Scrypt(parameters) = kdf else {
            let Kdf::Pbkdf2(parameters) = kdf else { return Ok(()) };
            return self.take_rounds(parameters.iteration_count.into());
        };
        // RFC 7914 §6; the crate counts on it.
        if !parameters.cost_parameter.is_power_of_two() {
            return Err(Error::Damaged("its cost for scrypt (no power of two)"));
        }
        // A block of its large table, and one for each lane.
        let (cost, lanes) = (u128::from(parameters.cost_parameter), u128::from(parameters.parallelization));
        let block = u128::from(parameters.block_size);
        if 128 * block * (cost + lanes) > self.limits.memory.into() {
            return Err(Error::TooCostly(format!("{} MiB of memory", self.limits.memory >> 20)));
        }
        self.take_rounds(u64::try_from(block * cost * lanes).unwrap_or(u64::MAX))
    }
}

/// A passphrase, and how PKCS#12's own derivation takes it.
#[derive(Clone, Copy)]
pub(super) struct Password<'a> {
    text: &'a str,
    /// No bytes at all instead of an empty text's two zeros: programs differ in what no passphrase is.
    absent: bool,
}

impl<'a> Password<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, absent: false }
    }

    /// The ways in which a file may have been made with it.
    pub(super) fn forms(text: &'a str) -> Vec<Self> {
        let mut forms = vec![Self::new(text)];
        if text.is_empty() {
            forms.push(Self { text, absent: true });
        }
        forms
    }

    /// UTF-16, big-endian, with two zeros behind it (RFC 7292 Appendix B.1).
    fn utf16(self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * self.text.len() + 2));
        if !self.absent {
            self.text.encode_utf16().for_each(|unit| bytes.extend(unit.to_be_bytes()));
            bytes.extend([0, 0]);
        }
        bytes
    }
}

/// How something is encrypted: an `AlgorithmIdentifier`.
pub(super) struct Algorithm<'a> {
    pub oid: ObjectIdentifier,
    /// DER.
    pub parameters: &'a [u8],
}

/// What `encrypted` was, in memory that is wiped.
pub(super) fn decrypt(
    algorithm: &Algorithm<'_>,
    encrypted: &[u8],
    password: Password<'_>,
    budget: &Budget,
) -> Result<Zeroizing<Vec<u8>>> {
    if algorithm.oid == pkcs5::pbes2::PBES2_OID {
        let parameters = Parameters::from_der(algorithm.parameters).map_err(|_| unsupported(algorithm.oid))?;
        budget.take(&parameters.kdf)?;
        return parameters.decrypt(password.text, encrypted).map(Zeroizing::new).map_err(|error| match error {
            pkcs5::Error::UnsupportedAlgorithm { oid } => unsupported(oid),
            _ => Error::DoesNotOpen,
        });
    }
    let Some((_, cipher)) = OLD.iter().find(|(oid, _)| *oid == algorithm.oid) else {
        return Err(unsupported(algorithm.oid));
    };
    let damaged = |_| Error::Damaged("how it is encrypted");
    let (salt, rounds) = old_parameters(algorithm.parameters).map_err(damaged)?;
    budget.take_rounds(2 * u64::from(rounds))?;
    let rounds = i32::try_from(rounds).map_err(|_| Error::Damaged("how it is encrypted"))?;
    let password = password.utf16();
    let derive = |kind, len| Zeroizing::new(derive_key::<Sha1>(&password, salt, kind, rounds, len));
    let (key, iv) = (derive(Pkcs12KeyType::EncryptionKey, cipher.key_len()), derive(Pkcs12KeyType::Iv, OLD_BLOCK));
    cipher.decrypt(&key, &iv, encrypted).ok_or(Error::DoesNotOpen)
}

/// Whether PKCS#12's code over a file is right (RFC 7292 Appendix B), found in constant time.
pub(super) fn is_authentic(
    digest: ObjectIdentifier,
    (salt, rounds): (&[u8], u32),
    contents: &[u8],
    code: &[u8],
    password: Password<'_>,
    budget: &Budget,
) -> Result<bool> {
    let Some((_, algorithm)) = MACS.iter().find(|(oid, _)| *oid == digest) else {
        return Err(Error::Unsupported(format!(
            "it has a code that isn't supported ({digest}): write it anew with `openssl pkcs12 -export -macalg sha256`"
        )));
    };
    if salt.is_empty() {
        return Err(Error::Damaged("its code"));
    }
    budget.take_rounds(rounds.into())?;
    let key = mac_key(*algorithm, password, salt, rounds)?;
    Ok(mac(*algorithm, &key, contents)? == SecretBytes::from_slice(code))
}

/// The key of such a code.
pub(super) fn mac_key(
    algorithm: DigestAlgorithm,
    password: Password<'_>,
    salt: &[u8],
    rounds: u32,
) -> Result<Zeroizing<Vec<u8>>> {
    let (kind, len) = (Pkcs12KeyType::Mac, algorithm.len());
    let rounds = i32::try_from(rounds).map_err(|_| Error::Damaged("its code"))?;
    let password = password.utf16();
    Ok(Zeroizing::new(match algorithm {
        DigestAlgorithm::Sha1 => derive_key::<Sha1>(&password, salt, kind, rounds, len),
        DigestAlgorithm::Sha224 => derive_key::<Sha224>(&password, salt, kind, rounds, len),
        DigestAlgorithm::Sha256 => derive_key::<Sha256>(&password, salt, kind, rounds, len),
        DigestAlgorithm::Sha384 => derive_key::<Sha384>(&password, salt, kind, rounds, len),
        _ => derive_key::<Sha512>(&password, salt, kind, rounds, 64),
    }))
}

/// HMAC; compared as [`SecretBytes`] are, in constant time.
pub(super) fn mac(algorithm: DigestAlgorithm, key: &[u8], contents: &[u8]) -> Result<SecretBytes> {
    let key = SecretKey::new(KeyAlgorithm::Generic { bytes: key.len() as u32 }, SecretBytes::from_slice(key))?;
    let mut mac = key.mac(MacScheme::Hmac(algorithm))?;
    mac.update(contents);
    Ok(SecretBytes::filled(algorithm.len(), |code| mac.finish(code).map(drop))?)
}

fn unsupported(oid: ObjectIdentifier) -> Error {
    Error::Unsupported(format!(
        "it is encrypted in a way that isn't supported ({oid}): write it anew with `openssl pkcs8 -topk8` or `openssl \
         pkcs12 -export`"
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

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    const FEW: Limits = Limits { rounds: 50_000, memory: 1 << 20, things: 1 };

    fn opened(oid: ObjectIdentifier, parameters: &[u8]) -> String {
        let algorithm = Algorithm { oid, parameters };
        let password = Password::new("passphrase");
        decrypt(&algorithm, &[0; 16], password, &Budget::new(&FEW)).unwrap_err().to_string()
    }

    /// Why this isn't even tried.
    fn refusal(parameters: &Parameters) -> String {
        opened(pkcs5::pbes2::PBES2_OID, &parameters.to_der().unwrap())
    }

    #[test]
    fn a_file_that_asks_for_hours_or_for_all_memory_is_refused() {
        let mut parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(1, &[1; 16], [2; 16]).unwrap();
        assert!(refusal(&parameters).contains("passphrase is wrong"), "one round is done");
        if let Kdf::Pbkdf2(pbkdf2) = &mut parameters.kdf {
            pbkdf2.iteration_count = 50_001;
        }
        assert!(refusal(&parameters).contains("rounds"));
        let scrypt = pkcs5::scrypt::Params::new(4, 8, 1).unwrap();
        let mut parameters = Parameters::generate_scrypt_aes256cbc(scrypt, &[1; 16], [2; 16]).unwrap();
        assert!(refusal(&parameters).contains("passphrase is wrong"), "16 KiB are taken");
        if let Kdf::Scrypt(scrypt) = &mut parameters.kdf {
            scrypt.cost_parameter = 1 << 11;
        }
        assert!(refusal(&parameters).contains("memory"));
        if let Kdf::Scrypt(scrypt) = &mut parameters.kdf {
            (scrypt.cost_parameter, scrypt.parallelization) = (2, u16::MAX);
        }
        assert!(refusal(&parameters).contains("memory"), "lanes take it too");
        for cost in [0, 3, u64::MAX] {
            if let Kdf::Scrypt(scrypt) = &mut parameters.kdf {
                scrypt.cost_parameter = cost;
            }
            assert!(refusal(&parameters).contains("power of two"), "{cost}");
        }
        let old = |parameters| opened(OLD[0].0, parameters);
        assert!(old(&b"\x30\x0E\x04\x08saltsalt\x02\x02\x07\xFF"[..]).contains("passphrase is wrong"));
        assert!(old(b"\x30\x10\x04\x08saltsalt\x02\x04\x7F\xFF\xFF\xFF").contains("rounds"));
        assert!(old(b"\x30\x06\x04\x00\x02\x02\x7F\xFF").contains("damaged"), "no salt");
    }

    #[test]
    fn many_small_asks_are_one_large_one() {
        let budget = Budget::new(&FEW);
        let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(20_000, &[1; 16], [2; 16]).unwrap();
        let tried = [(); 3].map(|()| budget.take(&parameters.kdf).is_ok());
        assert_eq!(tried, [true, true, false]);
    }

    #[test]
    fn a_code_by_an_unknown_digest_is_no_wrong_passphrase() {
        let md5 = ObjectIdentifier::new_unwrap("1.2.840.113549.2.5");
        let checked = |digest, salt: &[u8], rounds| {
            let code = [0; 20];
            is_authentic(digest, (salt, rounds), b"", &code, Password::new("x"), &Budget::new(&FEW))
        };
        assert!(matches!(checked(md5, b"salt", 1), Err(Error::Unsupported(_))));
        assert!(matches!(checked(MACS[0].0, b"", 1), Err(Error::Damaged(_))));
        assert!(matches!(checked(MACS[0].0, b"salt", u32::MAX), Err(Error::TooCostly(_))));
        assert!(matches!(checked(MACS[0].0, b"salt", 1), Ok(false)));
    }
}
