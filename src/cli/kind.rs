//! Kinds of keys and what they may be used for, as they are written on the command line and in JSON.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::crypto::Curve;
use crate::vault::{KeyAlgorithm, Usage};

/// Kinds by their names. Secrets of other sizes are `generic-BITS`.
const KINDS: &[(&str, KeyAlgorithm)] = &[
    ("rsa-2048", KeyAlgorithm::Rsa { bits: 2048 }),
    ("rsa-3072", KeyAlgorithm::Rsa { bits: 3072 }),
    ("rsa-4096", KeyAlgorithm::Rsa { bits: 4096 }),
    ("p-256", KeyAlgorithm::Ec(Curve::P256)),
    ("p-384", KeyAlgorithm::Ec(Curve::P384)),
    ("p-521", KeyAlgorithm::Ec(Curve::P521)),
    ("p-256k", KeyAlgorithm::Ec(Curve::Secp256k1)),
    ("ed25519", KeyAlgorithm::Ed25519),
    ("x25519", KeyAlgorithm::X25519),
    ("aes-128", KeyAlgorithm::Aes { bits: 128 }),
    ("aes-192", KeyAlgorithm::Aes { bits: 192 }),
    ("aes-256", KeyAlgorithm::Aes { bits: 256 }),
];

const USAGES: &[(&str, Usage)] = &[
    ("encrypt", Usage::ENCRYPT),
    ("decrypt", Usage::DECRYPT),
    ("sign", Usage::SIGN),
    ("verify", Usage::VERIFY),
    ("wrap", Usage::WRAP),
    ("unwrap", Usage::UNWRAP),
    ("derive", Usage::DERIVE),
    ("sign-recover", Usage::SIGN_RECOVER),
    ("verify-recover", Usage::VERIFY_RECOVER),
];

/// What the private half of a pair does; the rest is the public half's.
const PRIVATE_SIDE: Usage =
    Usage::DECRYPT.union(Usage::SIGN).union(Usage::SIGN_RECOVER).union(Usage::UNWRAP).union(Usage::DERIVE);

/// Longest generic secret that is generated, in bits.
const GENERIC_MAX_BITS: u32 = 4096;

/// Reads a kind; shells complete it from the names.
pub(super) fn parser() -> Words<KeyAlgorithm> {
    let generic = PossibleValue::new("generic-256").help("generic-BITS: a secret of so many bits");
    let kinds = KINDS.iter().map(|(name, _)| PossibleValue::new(*name));
    Words { parse, words: kinds.chain([generic]).collect() }
}

/// Reads a kind that is a secret's.
pub(super) fn secret_parser() -> Words<KeyAlgorithm> {
    let is_pair = |value: &PossibleValue| KINDS.iter().any(|(name, kind)| *name == value.get_name() && is_pair(*kind));
    let Words { parse, words } = parser();
    Words { parse, words: words.into_iter().filter(|value| !is_pair(value)).collect() }
}

/// Reads one usage; shells complete it from the names.
pub(super) fn usage_parser() -> Words<Usage> {
    Words { parse: parse_usage, words: USAGES.iter().map(|(name, _)| PossibleValue::new(*name)).collect() }
}

/// A value of an option that is mostly one of a few words. clap's own parsers know either words or a function.
#[derive(Clone)]
pub(super) struct Words<T> {
    parse: fn(&str) -> Result<T, String>,
    words: Vec<PossibleValue>,
}

impl<T> Words<T> {
    pub(super) fn new(parse: fn(&str) -> Result<T, String>, words: Vec<PossibleValue>) -> Self {
        Self { parse, words }
    }
}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Words<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        self.parse.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().cloned()))
    }
}

/// The kind that is called so.
fn parse(text: &str) -> Result<KeyAlgorithm, String> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == lower) {
        return Ok(*kind);
    }
    let generic = lower.strip_prefix("generic-").and_then(|bits| bits.parse::<u32>().ok());
    if let Some(bits) = generic.filter(|bits| bits % 8 == 0 && (8..=GENERIC_MAX_BITS).contains(bits)) {
        return Ok(KeyAlgorithm::Generic { bytes: bits / 8 });
    }
    let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
    Err(format!("kinds are {}, generic-BITS", names.join(", ")))
}

/// What a kind is called.
pub(super) fn text(kind: KeyAlgorithm) -> String {
    if let Some((name, _)) = KINDS.iter().find(|(_, known)| *known == kind) {
        return (*name).to_owned();
    }
    match kind {
        KeyAlgorithm::Rsa { bits } => format!("rsa-{bits}"),
        KeyAlgorithm::Aes { bits } => format!("aes-{bits}"),
        KeyAlgorithm::Generic { bytes } => format!("generic-{}", u64::from(bytes) * 8),
        KeyAlgorithm::Other(number) => format!("ckk-{number:#x}"),
        KeyAlgorithm::Ec(_) => "ec".to_owned(),
        KeyAlgorithm::Ed25519 => "ed25519".to_owned(),
        KeyAlgorithm::X25519 => "x25519".to_owned(),
    }
}

/// One usage.
fn parse_usage(text: &str) -> Result<Usage, String> {
    let names: Vec<&str> = USAGES.iter().map(|(name, _)| *name).collect();
    USAGES
        .iter()
        .find(|(name, _)| *name == text.to_ascii_lowercase())
        .map(|(_, usage)| *usage)
        .ok_or_else(|| format!("usages are {}", names.join(", ")))
}

/// Their names, in a fixed order.
pub(super) fn usage_names(usage: Usage) -> Vec<&'static str> {
    USAGES.iter().filter(|(_, one)| usage.contains(*one)).map(|(name, _)| *name).collect()
}

/// Whether a key of this kind has a private and a public half.
pub(super) fn is_pair(kind: KeyAlgorithm) -> bool {
    matches!(kind, KeyAlgorithm::Rsa { .. } | KeyAlgorithm::Ec(_) | KeyAlgorithm::Ed25519 | KeyAlgorithm::X25519)
}

/// What a key may be used for if nothing is said: for RSA all six of Key Vault's; for AES no wrapping beside decryption,
/// because together they would let another key out.
pub(super) fn default_usage(kind: KeyAlgorithm) -> Usage {
    match kind {
        KeyAlgorithm::Rsa { .. } => {
            Usage::ENCRYPT | Usage::DECRYPT | Usage::SIGN | Usage::VERIFY | Usage::WRAP | Usage::UNWRAP
        }
        KeyAlgorithm::Ec(_) | KeyAlgorithm::Ed25519 | KeyAlgorithm::Generic { .. } => Usage::SIGN | Usage::VERIFY,
        KeyAlgorithm::X25519 => Usage::DERIVE,
        KeyAlgorithm::Aes { .. } => Usage::ENCRYPT | Usage::DECRYPT,
        KeyAlgorithm::Other(_) => Usage::empty(),
    }
}

/// The usage of the private and of the public half.
pub(super) fn halves(usage: Usage) -> (Usage, Usage) {
    (usage & PRIVATE_SIDE, usage - PRIVATE_SIDE)
}

/// Refuses a usage that the kind has not, and for secret keys combinations by which another key gets out.
pub(super) fn check_usage(kind: KeyAlgorithm, usage: Usage, allow_conflicting: bool) -> Result<(), String> {
    let pair_possible = match kind {
        KeyAlgorithm::Rsa { .. } => Usage::all() - Usage::DERIVE,
        KeyAlgorithm::Ec(_) => Usage::SIGN | Usage::VERIFY | Usage::DERIVE,
        KeyAlgorithm::Ed25519 => Usage::SIGN | Usage::VERIFY,
        KeyAlgorithm::X25519 => Usage::DERIVE,
        KeyAlgorithm::Generic { .. } => Usage::SIGN | Usage::VERIFY | Usage::DERIVE,
        KeyAlgorithm::Aes { .. } => Usage::all() - Usage::SIGN_RECOVER - Usage::VERIFY_RECOVER,
        KeyAlgorithm::Other(_) => Usage::all(),
    };
    if let Some(wrong) = usage_names(usage - pair_possible).first() {
        return Err(format!("A key of kind {} can't {wrong}.", text(kind)));
    }
    let conflicts = usage.contains(Usage::WRAP | Usage::DECRYPT) || usage.contains(Usage::UNWRAP | Usage::ENCRYPT);
    if conflicts && !is_pair(kind) && !allow_conflicting {
        return Err(
            "A secret key that both wraps and decrypts, or unwraps and encrypts, lets other keys out: make two \
                    keys, or set `allow_conflicting_usage = true` in the vault's configuration."
                .to_owned(),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_what_it_is_called() {
        for (name, kind) in KINDS {
            assert_eq!(parse(&name.to_uppercase()).as_ref(), Ok(kind));
            assert_eq!(text(*kind), *name);
        }
        assert_eq!(parse("generic-256"), Ok(KeyAlgorithm::Generic { bytes: 32 }));
        assert_eq!(text(KeyAlgorithm::Generic { bytes: 32 }), "generic-256");
        for wrong in ["rsa-1024", "generic-7", "generic-", "p256"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_usage_reads_back_its_name() {
        for (name, usage) in USAGES {
            assert_eq!(parse_usage(name), Ok(*usage));
        }
        assert_eq!(usage_names(Usage::all()).len(), USAGES.len());
    }

    #[test]
    fn an_rsa_key_may_by_default_do_all_six_and_its_halves_share_them() {
        let (private, public) = halves(default_usage(KeyAlgorithm::Rsa { bits: 2048 }));
        assert_eq!(private, Usage::DECRYPT | Usage::SIGN | Usage::UNWRAP);
        assert_eq!(public, Usage::ENCRYPT | Usage::VERIFY | Usage::WRAP);
    }

    #[test]
    fn defaults_are_allowed_and_conflicting_usages_are_not() {
        for (_, kind) in KINDS {
            assert_eq!(check_usage(*kind, default_usage(*kind), false), Ok(()));
        }
        let aes = KeyAlgorithm::Aes { bits: 256 };
        assert!(check_usage(aes, Usage::WRAP | Usage::DECRYPT, false).is_err());
        assert!(check_usage(aes, Usage::WRAP | Usage::DECRYPT, true).is_ok());
        assert!(check_usage(KeyAlgorithm::Ed25519, Usage::DECRYPT, false).is_err());
    }
}
