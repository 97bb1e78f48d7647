//! Identities: the programs and people that this server knows, and how each proves who it is.
//!
//! They are records of one vault, the first that a server serves. A client secret is 256 random bits, so that a keyed
//! hash of it is enough: nobody guesses it, and checking one costs a microsecond.

mod caller;
mod certificate;
mod federated;
pub mod group;
mod header;
mod known;
mod peer;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

pub use caller::Caller;
pub use certificate::LoginCertificate;
pub use federated::{EXCHANGE_AUDIENCE, FederatedCredential};
pub use group::{ForeignGroup, Group};
pub use header::add_header;
pub use known::{Client, Known};
pub use peer::{LocalPeer, NOBODY, Owner, certificate_name, local_owner, name_owner};

use super::access::{Identities, Less, keep_an_administrator};
use super::guid;
use super::record::{self, Record, Stored};
use crate::config::Manner;
use crate::crypto::{self, DigestAlgorithm, Mac, MacScheme};
use crate::vault::{Change, Image, Result, Vault, VaultError};

/// Somebody who can be given roles.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Identity {
    /// Its object id (`oid`), a GUID: what roles are assigned to.
    pub oid: String,
    /// Its client id (`appid`), a GUID.
    pub appid: String,
    /// What people call it; unique without regard to case.
    pub name: String,
    /// One that isn't gets no tokens, and those that it has count no longer.
    pub enabled: bool,
    /// Client secrets that are valid.
    #[serde(default)]
    pub secrets: Vec<ClientSecret>,
    /// Certificates with which it may sign assertions, and which it may show in TLS handshakes.
    #[serde(default)]
    pub certificates: Vec<ClientCertificate>,
    /// Whose tokens say that it is who it says.
    #[serde(default)]
    pub federated: Vec<FederatedCredential>,
    /// Secret headers with which programs of the server's machine get its tokens.
    #[serde(default)]
    pub headers: Vec<ClientSecret>,
    /// Names in certificates of the clients' authorities, as [`certificate_name`] writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Users and groups of this machine whose processes it is, on the Unix socket.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<LocalPeer>,
    /// Seconds since 1970.
    pub created: i64,
}

/// What is kept of a client secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientSecret {
    /// A GUID, to tell it from others.
    pub id: String,
    /// HMAC-SHA-256 of the secret's text under the vault's key for this, in base64url.
    pub hash: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Seconds since 1970 from which on it is refused.
    pub expires: Option<i64>,
}

/// A certificate whose key signs assertions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientCertificate {
    /// The certificate, DER in base64url.
    pub der: String,
    /// Seconds since 1970.
    pub created: i64,
}

impl Record for Identity {
    const KIND: &'static str = "identity";

    fn id(&self) -> &str {
        &self.oid
    }
}

impl Identity {
    /// Whether this is its name, object id or client id.
    pub fn is_called(&self, text: &str) -> bool {
        [&self.oid, &self.appid, &self.name].iter().any(|known| known.eq_ignore_ascii_case(text))
    }
}

/// The label of the record whose secret part is the key under which client secrets are hashed.
pub(super) const HASH_KEY: &[u8] = b"secret-hash-key/1";

/// Makes an identity without any way to log in yet. [`VaultError::NameTaken`] if an identity or a group has this name.
pub fn create(vault: &dyn Vault, name: &str, now: i64) -> Result<Identity> {
    let identity = Identity {
        oid: guid::random()?,
        appid: guid::random()?,
        name: name.to_owned(),
        enabled: true,
        created: now,
        ..Identity::default()
    };
    vault.transact(&mut |image| match is_called(image, name) {
        true => Err(VaultError::NameTaken(name.to_owned())),
        false => Ok(vec![record::create(&identity, None)]),
    })?;
    Ok(identity)
}

/// Whether an identity or a group is called so: who gives a role names either.
pub fn is_called(image: &Image, name: &str) -> bool {
    find(image, name).is_some() || group::find(image, name).is_some()
}

/// All identities.
pub fn all(image: &Image) -> Vec<Identity> {
    record::all(image).map(|stored| stored.record).collect()
}

/// The identity with this name, object id or client id.
pub fn find(image: &Image, text: &str) -> Option<Stored<Identity>> {
    record::all::<Identity>(image).find(|stored| stored.record.is_called(text))
}

/// Changes an identity, which must exist. Whether it may log in stays as it is: that is [`set_enabled`]'s.
pub fn change(vault: &dyn Vault, oid: &str, edit: &mut dyn FnMut(&mut Identity)) -> Result<Identity> {
    let keep_enabled = &mut |identity: &mut Identity| {
        let enabled = identity.enabled;
        edit(identity);
        identity.enabled = enabled;
    };
    change_if(vault, oid, keep_enabled, &|_| Ok(()))
}

/// Lets an identity log in, or refuses it. The last enabled administrator of the vault, which is served in this manner, stays.
pub fn set_enabled(vault: &dyn Vault, manner: Manner, oid: &str, enabled: bool) -> Result<Identity> {
    let allowed = |image: &Image| if enabled { Ok(()) } else { keep_without(image, manner, oid) };
    change_if(vault, oid, &mut |identity| identity.enabled = enabled, &allowed)
}

fn change_if(
    vault: &dyn Vault,
    oid: &str,
    edit: &mut dyn FnMut(&mut Identity),
    allowed: &dyn Fn(&Image) -> Result<()>,
) -> Result<Identity> {
    let mut changed = None;
    vault.transact(&mut |image| {
        let Stored { number, mut record } = record::find::<Identity>(image, oid).ok_or(VaultError::NotFound)?;
        allowed(image)?;
        edit(&mut record);
        let changes = vec![record::replace(number, &record)];
        changed = Some(record);
        Ok(changes)
    })?;
    changed.ok_or(VaultError::NotFound)
}

/// Deletes an identity; its role assignments stay and mean nothing. The last enabled administrator stays.
pub fn delete(vault: &dyn Vault, manner: Manner, oid: &str) -> Result<()> {
    vault.transact(&mut |image| {
        let stored = record::find::<Identity>(image, oid).ok_or(VaultError::NotFound)?;
        keep_without(image, manner, oid)?;
        let mut changes = group::leave_all(image, oid);
        changes.push(Change::Delete(stored.number));
        Ok(changes)
    })?;
    Ok(())
}

/// Refuses to do without an identity that is the last administrator.
fn keep_without(image: &Image, manner: Manner, oid: &str) -> Result<()> {
    keep_an_administrator(image, manner, Identities::Own, Less::Identity(oid))
}

/// A client secret that was just made.
pub struct NewSecret {
    /// Its id, a GUID.
    pub id: String,
    /// The secret itself, which nothing can show again.
    pub text: Zeroizing<String>,
}

/// Gives an identity a new client secret, and says it this once.
pub fn add_secret(vault: &dyn Vault, oid: &str, now: i64, expires: Option<i64>) -> Result<NewSecret> {
    let (new, kept) = new_secret(&hash_key(vault)?, now, expires)?;
    change(vault, oid, &mut |identity| identity.secrets.push(kept.clone()))?;
    Ok(new)
}

/// A secret, and what is kept of it.
fn new_secret(key: &crypto::SecretKey, now: i64, expires: Option<i64>) -> Result<(NewSecret, ClientSecret)> {
    let mut bytes = Zeroizing::new([0; 32]);
    crypto::random(&mut *bytes)?;
    let text = Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes));
    let kept = ClientSecret { id: guid::random()?, hash: hash(key, &text)?, created: now, expires };
    Ok((NewSecret { id: kept.id.clone(), text }, kept))
}

/// Whether this is a valid client secret of the identity. Compared in constant time.
pub fn check_secret(key: &crypto::SecretKey, identity: &Identity, given: &str, now: i64) -> bool {
    let Ok(hashed) = hash(key, given) else { return false };
    let valid = identity.secrets.iter().filter(|secret| secret.expires.is_none_or(|end| now < end));
    valid.fold(false, |found, secret| found | bool::from(secret.hash.as_bytes().ct_eq(hashed.as_bytes())))
}

/// The key under which this vault's client secrets are hashed; made when it is first asked for.
pub fn hash_key(vault: &dyn Vault) -> Result<crypto::SecretKey> {
    let value = record::own_secret(vault, HASH_KEY)?;
    Ok(crypto::SecretKey::new(crypto::KeyAlgorithm::Generic { bytes: 32 }, value)?)
}

fn hash(key: &crypto::SecretKey, text: &str) -> Result<String> {
    let mut mac: Mac = key.mac(MacScheme::Hmac(DigestAlgorithm::Sha256))?;
    mac.update(text.as_bytes());
    let mut out = [0; 32];
    mac.finish(&mut out)?;
    Ok(Base64UrlUnpadded::encode_string(&out))
}
