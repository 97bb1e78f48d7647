//! Backups of single objects: all versions of a key, secret or certificate in one sealed text that this server alone can open.
//!
//! A blob is sealed with AES-256-GCM under a key that is a record of the server's first vault: it comes back wherever that
//! vault does, also after a rekey or out of a backup of the whole vault, and nowhere else. What it is (its format and kind)
//! is bound to it, so that a key is never taken for a secret.

mod saved;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::saved::Saved;
use super::call::{Call, Reply};
use super::certificates::secret::managed;
use super::deleted::{Kind, refuse_another_s};
use super::error::{Result, ServiceError};
use super::keys::Base64Url;
use super::record;
use crate::crypto::{self, CipherScheme, Direction, KeyAlgorithm};
use crate::vault::{Change, Collection, SecretBytes, Vault, VaultError};

/// The label of the record whose secret part is the key of the blobs.
pub(super) const KEY: &[u8] = b"blob-key/1";

/// The format that is written.
const FORMAT: u8 = 1;

/// What the seal is for: authenticated before format and kind.
const PURPOSE: &[u8] = b"strongroom object backup";

/// Format and kind, then the initialisation vector.
const HEAD_LEN: usize = 2;
const IV_LEN: usize = 12;
const TAG_LEN: usize = 16;

/// Longest blob, in bytes: in base64url it still fits the body of a restore.
const MAX_BLOB: usize = RESTORE_BODY / 4 * 3 - 1024;

/// Longest body of a restore, in bytes.
pub const RESTORE_BODY: usize = 8 * 1024 * 1024;

/// The answer of a backup.
#[derive(Serialize)]
struct BackupResult {
    value: Base64Url,
}

/// The body of a restore.
#[derive(Deserialize, JsonSchema)]
pub struct RestoreParameters {
    /// What a backup answered.
    value: Base64Url,
}

/// POST `/keys/{name}/backup` and its kin: all versions; with a certificate its key's.
pub fn back_up<K: Kind>(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let versions = K::whole(&call.image, name);
    K::bundle(call, &call.image, &versions)?.ok_or_else(|| K::not_found(name))?;
    refuse_another_s::<K>(&versions, name)?;
    if K::COLLECTION == Collection::Keys && versions.iter().any(|object| object.content.is_managed()) {
        return Err(managed(name));
    }
    let too_large = || {
        let what = format!("{name} has too many versions for one backup: back the whole vault up instead.");
        Err(ServiceError::bad_parameter(what))
    };
    if versions.iter().map(|object| object.secret_len).sum::<usize>() > MAX_BLOB {
        return too_large();
    }
    let saved = Saved::of(&*call.served.vault, &versions)?.written()?;
    if saved.len() > MAX_BLOB {
        return too_large();
    }
    Reply::json(&BackupResult { value: Base64Url(seal(&*call.home.vault, K::COLLECTION, &saved)?) })
}

/// POST `/keys/restore` and its kin: all versions with their ids, dates, attributes and tags.
pub fn restore<K: Kind>(call: &Call) -> Result<Reply> {
    let given: RestoreParameters = call.read()?;
    let opened = open(&*call.home.vault, K::COLLECTION, &given.value.0)?;
    let created = call.transact(&mut |image| {
        let parts = Saved::read(opened.expose()).and_then(|saved| saved.drafts(K::is_part)).ok_or_else(foreign)?;
        let beside = K::beside(image, &parts)?;
        Ok(parts.into_iter().map(Change::Create).chain(beside).collect())
    })?;
    let created: Vec<_> = created.iter().filter(|object| object.name.is_some()).collect();
    let bundle = K::bundle(call, &call.served.vault.image(), &created)?.ok_or_else(foreign)?;
    Reply::json(&bundle)
}

fn seal(home: &dyn Vault, collection: Collection, saved: &[u8]) -> Result<Vec<u8>> {
    let key = key(home)?;
    let head = [FORMAT, kind(collection)];
    let mut blob = vec![0; HEAD_LEN + IV_LEN + saved.len() + TAG_LEN];
    blob[..HEAD_LEN].copy_from_slice(&head);
    let (iv, sealed) = blob[HEAD_LEN..].split_at_mut(IV_LEN);
    crypto::random(iv).map_err(VaultError::from)?;
    let scheme = CipherScheme::AesGcm { iv, aad: &bound(&head), tag_len: TAG_LEN };
    let mut cipher = key.cipher(&scheme, Direction::Encrypt).map_err(VaultError::from)?;
    cipher.whole(saved, sealed).map_err(VaultError::from)?;
    Ok(blob)
}

fn open(home: &dyn Vault, collection: Collection, blob: &[u8]) -> Result<SecretBytes> {
    let (head, rest) = blob.split_at_checked(HEAD_LEN).ok_or_else(foreign)?;
    let (iv, sealed) = rest.split_at_checked(IV_LEN).ok_or_else(foreign)?;
    if head != [FORMAT, kind(collection)] || sealed.len() < TAG_LEN {
        return Err(foreign());
    }
    let scheme = CipherScheme::AesGcm { iv, aad: &bound(head), tag_len: TAG_LEN };
    let mut cipher = key(home)?.cipher(&scheme, Direction::Decrypt).map_err(VaultError::from)?;
    let mut opened = Zeroizing::new(vec![0; cipher.whole_len(sealed.len())]);
    let len = cipher.whole(sealed, &mut opened).map_err(|_| foreign())?;
    Ok(SecretBytes::from_slice(&opened[..len]))
}

fn key(home: &dyn Vault) -> Result<crypto::SecretKey> {
    let value = record::own_secret(home, KEY)?;
    Ok(crypto::SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, value).map_err(VaultError::from)?)
}

fn bound(head: &[u8]) -> Vec<u8> {
    [PURPOSE, head].concat()
}

fn kind(collection: Collection) -> u8 {
    match collection {
        Collection::Keys => 1,
        Collection::Secrets => 2,
        Collection::Certificates => 3,
    }
}

/// Says the same whatever was wrong with a blob.
fn foreign() -> ServiceError {
    ServiceError::bad_parameter(
        "The backup can't be restored here: it was changed, is of another kind of object, or was made by another server.",
    )
}
