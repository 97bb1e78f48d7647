//! What a vault is, for every front end and every backend.
//!
//! A front end (`pkcs11`, `cli`) knows the traits [`Vault`] and [`VaultAdmin`] and the types beside them, never a
//! backend's inside; a backend implements them and knows nothing of handles, sessions or arguments. Everything here is
//! synchronous and does its work on the caller's thread.

mod ability;
mod backup;
mod call;
mod certificate;
mod chain;
mod deletion;
mod error;
mod image;
mod name;
mod object;
mod pin;
mod taken;

use std::path::Path;
use std::sync::Arc;

use crate::crypto;
use crate::crypto::{CipherScheme, Direction, KeyWrapScheme};
pub use crate::crypto::{EncryptScheme, KeyAlgorithm, SecretBytes, SignScheme};
pub use ability::{Ability, Matter};
pub use backup::{
    BackupKey, BackupLabel, BackupRequest, BackupSource, BackupWay, Losses, MIN_PASSPHRASE_LEN, NamedInBackup,
    RestoreWish, Restored, Rollback, Tally,
};
pub use call::Call;
pub use certificate::CertificateFields;
pub use deletion::{RETENTION_DAYS, Retention, delete_softly, ended_by, ended_with, is_due, purge, purge_due, recover};
pub use error::VaultError;
pub use image::Image;
pub use name::Name;
pub use object::{
    AttributeMap, Change, Class, Collection, Content, Deletion, Draft, KEPT_ON_ROTATION, KeyDescription,
    MAX_SECRET_LEN, NOTES_OF_ONE_VERSION, Naming, Object, ObjectNumber, RestoredAs, UniqueId, Usage, Version,
    VersionId,
};
pub use pin::{Pin, RecoveryKey, Role, Unlock};

/// What a vault answers that leaves a method of [`VaultAdmin`] out.
const ONLY_LOCAL: VaultError = VaultError::OnlyThere;

/// A result of the vault layer.
pub type Result<T> = std::result::Result<T, VaultError>;

/// One collection of objects with one root key: a token in PKCS#11, a vault in Key Vault.
pub trait Vault: Send + Sync {
    /// What is known without unlocking: label, serial, slot, state of the PINs. Reads no objects.
    fn info(&self) -> Result<VaultInfo>;

    /// Where it is, for people and to tell vaults apart; the same as [`VaultInfo::location`]. Needs no I/O.
    fn location(&self) -> String;

    /// Opens the vault for this process and loads and verifies every object.
    ///
    /// A wrong PIN is [`VaultError::PinIncorrect`]; too many are [`VaultError::PinLocked`]. Unlocking an unlocked vault
    /// checks the PIN and changes nothing else.
    fn unlock(&self, how: &Unlock) -> Result<()>;

    /// Whether this process holds what opens private objects. False again after [`lock`](Vault::lock) and after another
    /// process replaced the root key. A memory load.
    fn is_unlocked(&self) -> bool;

    /// Forgets the root key, the parsed keys and what is private. Keys handed out before stay usable by their holder
    /// only as long as it keeps them.
    fn lock(&self);

    /// The objects as this process last saw them. Takes no lock and doesn't touch the disk. Before [`unlock`] it holds
    /// the public objects, unverified; afterwards all of them.
    ///
    /// [`unlock`]: Vault::unlock
    fn image(&self) -> Arc<Image>;

    /// Brings [`image`](Vault::image) up to date with what other processes did. Costs a memory load when nothing did.
    fn refresh(&self) -> Result<()>;

    /// Whether [`refresh`](Vault::refresh) would have nothing to do: for who may not wait for it.
    fn is_fresh(&self) -> bool;

    /// Whether keys of this vault do this. A vault whose keys are used in this process does whatever [`crypto`] does.
    fn offers(&self, _ability: &Ability<'_>) -> bool {
        true
    }

    /// Random bytes: of this process, unless the vault's own are configured.
    fn random(&self, out: &mut [u8]) -> Result<()> {
        Ok(crypto::random(out)?)
    }

    /// The private key, parsed and checked once in a process. Allocates nothing when it was handed out before.
    ///
    /// [`VaultError::Deleted`], [`VaultError::Disabled`], [`VaultError::NotYetValid`], [`VaultError::Expired`] are
    /// found here and again at each use of the key.
    fn private_key(&self, number: ObjectNumber) -> Result<Arc<dyn PrivateKey>>;

    /// The secret key; otherwise as [`private_key`](Vault::private_key).
    fn secret_key(&self, number: ObjectNumber) -> Result<Arc<dyn SecretKey>>;

    /// As [`private_key`](Vault::private_key), but for what may be undone after a key's time too: `nbf` and `exp` don't
    /// count.
    fn private_key_at_any_time(&self, number: ObjectNumber) -> Result<Arc<dyn PrivateKey>>;

    /// As [`secret_key`](Vault::secret_key), but `nbf` and `exp` don't count.
    fn secret_key_at_any_time(&self, number: ObjectNumber) -> Result<Arc<dyn SecretKey>>;

    /// The secret part of an object: PKCS#8 of a private key, the value of a secret key or of a private data object.
    ///
    /// For front ends that have checked [`Content::exportable`], or that use a value without handing it out. What another
    /// process deleted or disabled a moment ago is refused.
    fn secret(&self, number: ObjectNumber) -> Result<SecretBytes>;

    /// As [`secret`](Vault::secret), also of a key that is disabled: for copies that stay what it is.
    fn secret_in_any_state(&self, number: ObjectNumber) -> Result<SecretBytes>;

    /// Creates objects in one transaction, in the given order. Drafts in one call that name the same key or secret
    /// make one version.
    fn create(&self, drafts: Vec<Draft>) -> Result<Vec<Arc<Object>>>;

    /// Generates a key pair inside the vault and creates its halves, the private one first, in one transaction. Fills
    /// [`Content::key`] of both, [`Content::local`], and [`Content::id`] where it is empty.
    fn generate_pair(&self, algorithm: KeyAlgorithm, private: Draft, public: Draft) -> Result<[Arc<Object>; 2]>;

    /// Generates a secret key (AES, generic secret) inside the vault.
    fn generate_secret(&self, algorithm: KeyAlgorithm, draft: Draft) -> Result<Arc<Object>>;

    /// Applies `edit` to the newest state of each object, in one transaction. `edit` may run again when another
    /// process was faster. A changed label goes to all versions of the object. What was deleted softly
    /// is [`VaultError::Deleted`].
    fn change(
        &self,
        numbers: &[ObjectNumber],
        edit: &mut dyn FnMut(&mut Content) -> Result<()>,
    ) -> Result<Vec<Arc<Object>>>;

    /// Deletes objects for good, in one transaction. They are refused at once in every process. What was deleted softly
    /// is [`VaultError::Deleted`]: only a [`transact`](Vault::transact) that has seen it so ends it.
    fn delete(&self, numbers: &[ObjectNumber]) -> Result<()>;

    /// Carries out what `decide` makes of the newest state, in one transaction: what it checked there still holds when
    /// the changes are made. It sees all objects, whatever this host is configured to see, and may run again when another
    /// process was faster.
    fn transact(&self, decide: &mut dyn FnMut(&Image) -> Result<Vec<Change>>) -> Result<Vec<Arc<Object>>>;

    /// This vault in a child that was forked off: shares nothing with the parent that a fork breaks. Called once in
    /// the child, before anything else.
    fn in_forked_child(&self) -> Result<Arc<dyn VaultAdmin>>;
}

/// What only some vaults can do by themselves; each may leave out what it can't.
pub trait VaultAdmin: Vault {
    /// Makes the vault with a security officer's PIN and no user PIN yet (`C_InitToken`). An existing vault is
    /// initialised again only if `so_pin` is its own and it holds nothing, or its configuration says `reinitialize`: then it is
    /// moved aside.
    fn initialize(&self, _label: &str, _so_pin: &Pin) -> Result<()> {
        Err(ONLY_LOCAL)
    }

    /// Lets the contents of a file, of 32 bytes or more, open what the user PIN opens. The vault must be unlocked.
    fn add_key_file(&self, _contents: &SecretBytes) -> Result<()> {
        Err(ONLY_LOCAL)
    }

    /// Adds a recovery key, that opens what the user PIN opens. Printed once, kept by the operator.
    fn add_recovery_key(&self) -> Result<RecoveryKey> {
        Err(ONLY_LOCAL)
    }

    /// Sets the PIN of `role` without knowing the old one. The vault must be unlocked, by the security officer or the
    /// recovery key when it is another role's PIN.
    fn set_pin(&self, _role: Role, _new: &Pin) -> Result<()> {
        Err(ONLY_LOCAL)
    }

    /// Changes the PIN of `role`.
    fn change_pin(&self, _role: Role, _old: &Pin, _new: &Pin) -> Result<()> {
        Err(ONLY_LOCAL)
    }

    /// Replaces the root key: every record is sealed anew and every way to unlock that isn't in `keep` is dropped. With
    /// `renumber` keys get new places in what other processes see of them; those refuse every key until they load again.
    fn rekey(&self, _keep: &[Unlock], _renumber: bool, _progress: &mut dyn FnMut(usize, usize)) -> Result<()> {
        Err(ONLY_LOCAL)
    }

    /// Whether the secret part of an object is this value, also of an object that may not be used now. Compared in
    /// constant time; nothing of it comes out.
    fn is_secret_of(&self, _number: ObjectNumber, _value: &SecretBytes) -> Result<bool> {
        Err(ONLY_LOCAL)
    }

    /// Creates objects as [`create`](Vault::create) does and deletes others in the same transaction: a half of a key
    /// that lay alone comes again beside its other half, under one name.
    fn create_in_place_of(&self, _drafts: Vec<Draft>, _replaced: &[ObjectNumber]) -> Result<Vec<Arc<Object>>> {
        Err(ONLY_LOCAL)
    }

    /// Overwrites what deleted objects left in the vault's file.
    fn purge(&self) -> Result<()> {
        Err(ONLY_LOCAL)
    }

    /// Writes the whole vault, as it is at one moment and found whole, into one sealed file. The vault must be unlocked;
    /// others may go on using it.
    fn back_up(&self, _request: &BackupRequest<'_>, _progress: &mut dyn FnMut(usize, usize)) -> Result<BackupLabel> {
        Err(ONLY_LOCAL)
    }

    /// What a backup says of itself without being opened.
    fn backup_label(&self, _file: &Path) -> Result<BackupLabel> {
        Err(ONLY_LOCAL)
    }

    /// Makes a vault of a backup in `scratch`, where nothing lies yet, and unlocks it: to try what is in it. Nothing
    /// happens to this vault, which need not exist.
    fn try_backup(&self, _source: &BackupSource<'_>, _scratch: &Path) -> Result<Arc<dyn VaultAdmin>> {
        Err(ONLY_LOCAL)
    }

    /// Brings the vault to what it was when the backup was made, all of it or nothing, and unlocks it.
    ///
    /// Where no vault lies it comes back with its ids, its PINs and its objects' numbers. Where it lies itself, its
    /// objects become the backup's, in one transaction that running processes follow; its present ways to unlock stay.
    /// `agree` is asked before something is lost. [`VaultError::Locked`]: the present vault has another root key by
    /// now and must be unlocked first.
    fn restore(
        &self,
        _source: &BackupSource<'_>,
        _wish: &RestoreWish<'_>,
        _agree: &mut dyn FnMut(&Losses) -> bool,
        _progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Restored> {
        Err(ONLY_LOCAL)
    }

    /// What [`restore`](Self::restore) would take from the vault that lies there, found out as it does, and nothing else
    /// happens. What keeps it from restoring is answered as it would answer it.
    fn preview_restore(&self, _source: &BackupSource<'_>, _wish: &RestoreWish<'_>) -> Result<(BackupLabel, Losses)> {
        Err(ONLY_LOCAL)
    }

    /// Creates what has one name in a backup, all versions of it, in this vault, which must be unlocked. A certificate
    /// comes with the key that was made as one with it.
    fn restore_named(&self, _source: &BackupSource<'_>, _named: &NamedInBackup<'_>) -> Result<Vec<Arc<Object>>> {
        Err(ONLY_LOCAL)
    }

    /// Goes on with a vault that was put back in time ([`VaultError::RolledBack`]), after `agree` has heard what is
    /// missing, and unlocks it.
    fn accept_rollback(&self, _how: &Unlock, _agree: &mut dyn FnMut(&Rollback) -> bool) -> Result<Rollback> {
        Err(ONLY_LOCAL)
    }
}

/// A private key inside a vault. Checks the object's state and validity before every operation.
pub trait PrivateKey: Send + Sync {
    /// What kind of key it is.
    fn algorithm(&self) -> KeyAlgorithm;

    /// Fails as a signature would if the key may not be used now; what `C_SignInit` asks.
    fn check_usable(&self) -> Result<()>;

    /// Signs `input` as `scheme` defines it into `out`, which has at least
    /// [`KeyAlgorithm::signature_len`] bytes, and returns the length.
    fn sign(&self, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> Result<usize>;

    /// Decrypts `input` into `out`, which has at least [`EncryptScheme::decrypted_len`] bytes, and returns the length.
    fn decrypt(&self, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> Result<usize>;

    /// Decrypts a key that was wrapped with the public half: the same bytes as [`decrypt`](Self::decrypt), but another right
    /// where a vault tells them apart.
    fn unwrap(&self, scheme: &EncryptScheme<'_>, wrapped: &[u8], out: &mut [u8]) -> Result<usize> {
        self.decrypt(scheme, wrapped, out)
    }

    /// The secret that this key and the other side's public key (a bare point) agree on.
    fn agree(&self, peer: &[u8]) -> Result<SecretBytes>;
}

/// A secret key inside a vault: AES, or a generic secret.
pub trait SecretKey: Send + Sync {
    /// The key, if it may be used now: asked for at the beginning of every operation, and at each of its steps.
    fn usable(&self) -> Result<UsableKey<'_>>;
}

/// A secret key where it is used.
#[derive(Clone, Copy)]
pub enum UsableKey<'a> {
    /// Its value is in this process.
    Here(&'a crypto::SecretKey),
    /// The vault alone has it, and does the work.
    There(&'a dyn RemoteKey),
}

impl<'a> UsableKey<'a> {
    /// The key, for what only its value can do.
    pub fn here(self) -> Result<&'a crypto::SecretKey> {
        match self {
            Self::Here(key) => Ok(key),
            Self::There(_) => Err(VaultError::Unsupported("the key's value never leaves its vault")),
        }
    }
}

/// A secret key whose value stays where its vault is. Each call is a request, with the whole input: what comes in parts is
/// collected by the caller. What a vault doesn't do exactly so, its [`Vault::offers`] denies.
pub trait RemoteKey: Send + Sync {
    /// Encrypts or decrypts all of `input`.
    fn apply(&self, scheme: &CipherScheme<'_>, direction: Direction, input: &[u8]) -> Result<SecretBytes>;

    /// Wraps a key's value.
    fn wrap(&self, scheme: &KeyWrapScheme, value: &[u8]) -> Result<Vec<u8>>;

    /// Undoes [`wrap`](Self::wrap).
    fn unwrap(&self, scheme: &KeyWrapScheme, wrapped: &[u8]) -> Result<SecretBytes>;
}

/// What a vault says of itself before it is unlocked.
#[derive(Clone, Debug, Default)]
pub struct VaultInfo {
    /// False for a place where a vault could be made ([`VaultAdmin::initialize`]).
    pub initialized: bool,
    /// The token's label, at most 32 bytes.
    pub label: String,
    /// 16 hexadecimal digits.
    pub serial: String,
    /// Stable across processes and restarts, below 2³¹.
    pub slot_id: u32,
    /// Where it is, for people: a directory or a URL.
    pub location: String,
    /// Nothing can be written (read-only mount, missing rights).
    pub read_only: bool,
    /// State of the user's PIN; `None` while it was never set.
    pub user_pin: Option<PinState>,
    /// State of the security officer's PIN.
    pub so_pin: Option<PinState>,
    /// A recovery key opens it.
    pub has_recovery_key: bool,
    /// Shortest and longest PIN, in bytes.
    pub pin_len: (usize, usize),
    /// The configuration says how to unlock it, so that no PIN has to be typed.
    pub unlock_configured: bool,
    /// All enabled versions are shown to a template that names no id (`show_versions = "all"`).
    pub show_all_versions: bool,
    /// A secret key may have usages that together give keys away (`allow_conflicting_usage`): wrap and decrypt, unwrap
    /// and encrypt, MACs and derivation by a template.
    pub allow_conflicting_usage: bool,
}

/// How many wrong PINs were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PinState {
    /// Wrong attempts since the last good one.
    pub failed: u32,
    /// Attempts after which it locks.
    pub limit: u32,
}
