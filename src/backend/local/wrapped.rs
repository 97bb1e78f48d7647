//! Ways to unlock: the root key, wrapped once for each.
//!
//! A PIN goes through Argon2id, whose memory a fork wipes; keys of full strength don't. A machine key, kept outside the
//! directory, is mixed into every way if the vault was made with one. Changing a PIN re-wraps one key.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::seal::{self, KEY_LEN, PartKey, RootKey, TAG_LEN};
use crate::crypto::{CryptoError, SecretBytes};
use crate::sys::memory::{AfterFork, SecretPages};
use crate::vault::{Result, Role, VaultError};

/// One way to unlock, by its number in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// The user's PIN.
    UserPin = 1,
    /// The security officer's PIN.
    SoPin = 2,
    /// The recovery key.
    Recovery = 3,
    /// The contents of a file, or a systemd credential.
    KeyFile = 4,
    /// A backup's own passphrase; in no vault.
    Passphrase = 5,
}

impl Way {
    /// Those that a vault may have.
    const OF_VAULT: [Self; 4] = [Self::UserPin, Self::SoPin, Self::Recovery, Self::KeyFile];

    /// The way by this role's PIN.
    pub fn pin(role: Role) -> Self {
        match role {
            Role::User => Self::UserPin,
            Role::SecurityOfficer => Self::SoPin,
        }
    }

    /// As errors call what opens it.
    pub fn text(self) -> &'static str {
        match self {
            Self::UserPin => "the user's PIN",
            Self::SoPin => "the security officer's PIN",
            Self::Recovery => "the recovery key",
            Self::KeyFile => "the key file",
            Self::Passphrase => "the passphrase",
        }
    }

    /// Whether what opens it is weak enough to be guessed: stretched, and counted when it is wrong.
    pub fn is_pin(self) -> bool {
        matches!(self, Self::UserPin | Self::SoPin | Self::Passphrase)
    }
}

/// What opens one way.
pub struct Opener<'a> {
    /// Which way.
    pub way: Way,
    /// The PIN or key.
    pub secret: &'a [u8],
    /// The machine key, if the configuration names one.
    pub machine_key: Option<&'a SecretBytes>,
}

/// Costs of Argon2id: RFC 9106 §4's second option with one lane, since a host lends no threads.
#[derive(Clone, Copy)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[cfg(not(debug_assertions))]
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
/// No release is built with debug assertions.
#[cfg(debug_assertions)]
const COST: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
/// Whoever changes the file may not make us spend more than this.
const HIGHEST: Cost = Cost { memory_kib: 1024 * 1024, passes: 64, lanes: 16 };
/// A backup comes from anywhere, and nobody chose its cost in a configuration.
const HIGHEST_OF_BACKUP: Cost = Cost { memory_kib: 256 * 1024, passes: 8, lanes: 4 };

/// Every wrapped key has this size, so that a new one overwrites the old one in place.
const BODY_LEN: usize = 128;
const VERSION: u8 = 1;
const PARAMETERS_LEN: usize = 14;
const SALT_END: usize = PARAMETERS_LEN + 32;
const WRAPPED_END: usize = SALT_END + KEY_LEN + TAG_LEN;
const CHECK_END: usize = WRAPPED_END + 32;

/// Wraps `root` for one way.
pub fn wrap(root: &RootKey, opener: &Opener<'_>, vault: &[u8; 16], root_number: u64) -> Result<Vec<u8>> {
    let mut body = vec![0; BODY_LEN];
    body[0] = VERSION;
    body[1] = u8::from(opener.machine_key.is_some());
    if opener.way.is_pin() {
        for (place, number) in [COST.memory_kib, COST.passes, COST.lanes].into_iter().enumerate() {
            body[2 + 4 * place..6 + 4 * place].copy_from_slice(&number.to_le_bytes());
        }
    }
    body[PARAMETERS_LEN..SALT_END].copy_from_slice(&seal::fresh_salt()?);
    let (key, _) = wrapping_key(&body, opener)?;
    let wrapped = key.seal(&binding(&body, opener.way, vault, root_number), root.expose())?;
    body[SALT_END..WRAPPED_END].copy_from_slice(&wrapped);
    let check = check(&body, opener.way, vault, root_number);
    body[WRAPPED_END..CHECK_END].copy_from_slice(&check);
    Ok(body)
}

/// Refuses keys that were damaged: the right one of them would look like a wrong PIN, or like one that was never set.
pub fn check_all(stored: &[(u8, Vec<u8>)], vault: &[u8; 16], root_number: u64, file: &str) -> Result<()> {
    if stored.is_empty() {
        return Err(VaultError::Damaged { file: file.to_owned(), what: "every wrapped key is gone".into() });
    }
    for (kind, body) in stored {
        let Some(way) = Way::OF_VAULT.into_iter().find(|way| *way as u8 == *kind) else {
            let what = format!("there is a wrapped key of an unknown kind {kind}");
            return Err(VaultError::Damaged { file: file.to_owned(), what });
        };
        check_one(way, body, vault, root_number, file)?;
    }
    Ok(())
}

fn check_one(way: Way, body: &[u8], vault: &[u8; 16], root_number: u64, file: &str) -> Result<()> {
    if body.len() == BODY_LEN
        && body[0] == VERSION
        && body[WRAPPED_END..CHECK_END] == check(body, way, vault, root_number)
    {
        return Ok(());
    }
    let what = format!("the wrapped key of {}, or the header, is damaged", way.text());
    Err(VaultError::Damaged { file: file.to_owned(), what })
}

/// Whether a machine key is mixed in.
pub fn needs_machine_key(body: &[u8]) -> bool {
    body.get(1) == Some(&1)
}

/// What trying one way gave.
pub struct Tried {
    /// The root key, if it was the right secret.
    pub root: Option<RootKey>,
    /// 32 bits that tell this wrong PIN from another wrong PIN, and tell nothing of the right one.
    pub fingerprint: u32,
}

/// Tries to unwrap a key that was checked.
pub fn unwrap(body: &[u8], opener: &Opener<'_>, vault: &[u8; 16], root_number: u64, file: &str) -> Result<Tried> {
    check_one(opener.way, body, vault, root_number, file)?;
    if needs_machine_key(body) && opener.machine_key.is_none() {
        return Err(VaultError::Unsafe {
            path: file.to_owned(),
            problem: "this vault was made with a machine key: name its file as `machine_key` in the configuration"
                .into(),
        });
    }
    let (key, fingerprint) = wrapping_key(body, opener)?;
    let opened = key.open(&binding(body, opener.way, vault, root_number), &body[SALT_END..WRAPPED_END])?;
    let root = match opened.as_ref().and_then(|bytes| bytes.expose().first_chunk::<KEY_LEN>()) {
        Some(bytes) => Some(RootKey::from_bytes(bytes, root_number)?),
        None => None,
    };
    Ok(Tried { root, fingerprint })
}

/// Wrapped keys as they are stored, in the order of their ways' numbers.
pub type Stored = Vec<(u8, Vec<u8>)>;

/// `stored` after some were wrapped anew.
pub fn with(mut stored: Stored, changed: &[(Way, Vec<u8>)]) -> Stored {
    for (way, body) in changed {
        stored.retain(|(kind, _)| *kind != *way as u8);
        stored.push((*way as u8, body.clone()));
    }
    stored.sort_by_key(|(kind, _)| *kind);
    stored
}

/// SHA-256 over all wrapped keys.
pub fn digest_of(wrapped: &[(u8, Vec<u8>)]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for (kind, body) in wrapped {
        context.update(&[*kind]);
        context.update(&(body.len() as u64).to_le_bytes());
        context.update(body);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn binding(body: &[u8], way: Way, vault: &[u8; 16], root_number: u64) -> Vec<u8> {
    let mut bound = Vec::new();
    seal::bind(&mut bound, &[b"root key", vault, &[way as u8], &root_number.to_le_bytes(), &body[..SALT_END]]);
    bound
}

/// A checksum over what anybody may read, so that a damaged file isn't taken for a wrong PIN. It keeps nobody from
/// changing anything: the seals do.
fn check(body: &[u8], way: Way, vault: &[u8; 16], root_number: u64) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&binding(body, way, vault, root_number));
    context.update(&body[SALT_END..WRAPPED_END]);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The key that wraps, and a fingerprint of the PIN's Argon2 output.
fn wrapping_key(body: &[u8], opener: &Opener<'_>) -> Result<(PartKey, u32)> {
    let salt = &body[PARAMETERS_LEN..SALT_END];
    let stretched = if opener.way.is_pin() {
        stretch(&cost_of(body, opener.way)?, opener.secret, salt)?
    } else {
        Zeroizing::new(opener.secret.to_vec())
    };
    let mut secret = Zeroizing::new(Vec::with_capacity(stretched.len() + KEY_LEN));
    secret.extend_from_slice(&stretched);
    if needs_machine_key(body) {
        secret.extend_from_slice(opener.machine_key.map_or(&[], SecretBytes::expose));
    }
    let mut key = Zeroizing::new([0; KEY_LEN]);
    seal::derive(&secret, salt, &[b"wrap", &[opener.way as u8]], &mut *key)?;
    let mut fingerprint = [0; 4];
    seal::derive(&secret, salt, &[b"fingerprint"], &mut fingerprint)?;
    Ok((PartKey::from_bytes(&key), u32::from_le_bytes(fingerprint)))
}

fn cost_of(body: &[u8], way: Way) -> Result<Cost> {
    let highest = if way == Way::Passphrase { HIGHEST_OF_BACKUP } else { HIGHEST };
    let number = |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
    let cost = Cost { memory_kib: number(2), passes: number(6), lanes: number(10) };
    let too_high = cost.memory_kib > highest.memory_kib || cost.passes > highest.passes || cost.lanes > highest.lanes;
    let too_low = cost.memory_kib < COST.memory_kib || cost.passes < COST.passes || cost.lanes < 1;
    if too_high || too_low {
        return Err(VaultError::Unsupported("a wrapped key's cost is outside of what this build accepts"));
    }
    Ok(cost)
}

fn stretch(cost: &Cost, pin: &[u8], salt: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN))
        .map_err(|_| VaultError::Unsupported("a wrapped key's cost is impossible"))?;
    let blocks = SecretPages::filled(Block::default(), params.block_count(), AfterFork::Wiped);
    let blocks = blocks.map_err(seal::no_memory)?;
    let mut out = Zeroizing::new(vec![0; KEY_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(pin, salt, &mut out, blocks)
        .map_err(|_| CryptoError::Internal("Argon2"))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opener(secret: &'static [u8]) -> Opener<'static> {
        Opener { way: Way::UserPin, secret, machine_key: None }
    }

    #[test]
    fn only_the_right_pin_for_the_right_vault_unwraps() {
        let root = RootKey::generate(1).unwrap();
        let body = wrap(&root, &opener(b"12345678"), &[1; 16], 1).unwrap();
        assert_eq!(body.len(), BODY_LEN);
        let good = unwrap(&body, &opener(b"12345678"), &[1; 16], 1, "f").unwrap();
        assert_eq!(good.root.unwrap().expose(), root.expose());
        let wrong = unwrap(&body, &opener(b"12345679"), &[1; 16], 1, "f").unwrap();
        assert!(wrong.root.is_none());
        assert_eq!(wrong.fingerprint, unwrap(&body, &opener(b"12345679"), &[1; 16], 1, "f").unwrap().fingerprint);
        assert_ne!(wrong.fingerprint, unwrap(&body, &opener(b"x2345679"), &[1; 16], 1, "f").unwrap().fingerprint);
        assert!(unwrap(&body, &opener(b"12345678"), &[2; 16], 1, "f").is_err());
        assert!(unwrap(&body, &opener(b"12345678"), &[1; 16], 2, "f").is_err());
        // Whoever changes the vault's id can make the checksum fit, but not the seal.
        let forged = with_check(body, &[2; 16]);
        assert!(unwrap(&forged, &opener(b"12345678"), &[2; 16], 1, "f").unwrap().root.is_none());
    }

    fn with_check(mut body: Vec<u8>, vault: &[u8; 16]) -> Vec<u8> {
        let check = check(&body, Way::UserPin, vault, 1);
        body[WRAPPED_END..CHECK_END].copy_from_slice(&check);
        body
    }

    #[test]
    fn a_damaged_key_is_not_taken_for_a_wrong_pin() {
        let root = RootKey::generate(1).unwrap();
        let body = wrap(&root, &opener(b"12345678"), &[1; 16], 1).unwrap();
        for at in 0..CHECK_END {
            let mut damaged = body.clone();
            damaged[at] ^= 0x10;
            let tried = unwrap(&damaged, &opener(b"12345678"), &[1; 16], 1, "f");
            assert!(matches!(tried, Err(VaultError::Damaged { .. })), "byte {at}");
        }
    }

    #[test]
    fn a_machine_key_is_needed_where_it_was_used() {
        let root = RootKey::generate(1).unwrap();
        let machine = SecretBytes::from_slice(&[8; 32]);
        let with = Opener { machine_key: Some(&machine), ..opener(b"12345678") };
        let body = wrap(&root, &with, &[1; 16], 1).unwrap();
        assert!(unwrap(&body, &with, &[1; 16], 1, "f").unwrap().root.is_some());
        assert!(unwrap(&body, &opener(b"12345678"), &[1; 16], 1, "f").is_err());
        let other = SecretBytes::from_slice(&[9; 32]);
        let other = Opener { machine_key: Some(&other), ..opener(b"12345678") };
        assert!(unwrap(&body, &other, &[1; 16], 1, "f").unwrap().root.is_none());
    }

    #[test]
    fn a_cost_that_somebody_changed_is_refused() {
        let root = RootKey::generate(1).unwrap();
        let body = wrap(&root, &opener(b"12345678"), &[1; 16], 1).unwrap();
        for (at, value) in [(2, 1u32), (2, u32::MAX), (6, 1 << 20), (10, 0)] {
            let mut forged = body.clone();
            forged[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let forged = with_check(forged, &[1; 16]);
            assert!(unwrap(&forged, &opener(b"12345678"), &[1; 16], 1, "f").is_err(), "{at} {value}");
        }
    }
    #[test]
    fn a_backup_may_cost_less_than_a_vault() {
        let mut body = vec![0; BODY_LEN];
        let mut cost = |memory_kib: u32, passes: u32, lanes: u32, way| {
            for (place, number) in [memory_kib, passes, lanes].into_iter().enumerate() {
                body[2 + 4 * place..6 + 4 * place].copy_from_slice(&number.to_le_bytes());
            }
            cost_of(&body, way).is_ok()
        };
        assert!(cost(256 * 1024, 8, 4, Way::Passphrase) && cost(1024 * 1024, 64, 16, Way::UserPin));
        for (memory_kib, passes, lanes) in [(256 * 1024 + 1, 8, 4), (256 * 1024, 9, 4), (256 * 1024, 8, 5)] {
            assert!(!cost(memory_kib, passes, lanes, Way::Passphrase), "{memory_kib} {passes} {lanes}");
        }
    }
}
