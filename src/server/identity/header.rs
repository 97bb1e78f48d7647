//! Secret headers: what a program of the server's machine sends to say which identity's token it wants, as one does at Azure's
//! App Service. Each is 256 random bits, kept as client secrets are.

use std::collections::HashMap;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::{Client, NewSecret, change, hash, hash_key, new_secret};
use crate::crypto;
use crate::vault::{Result, Vault};

/// Gives an identity a new secret header, and says it this once.
pub fn add_header(vault: &dyn Vault, oid: &str, now: i64, expires: Option<i64>) -> Result<NewSecret> {
    let (new, kept) = new_secret(&hash_key(vault)?, now, expires)?;
    change(vault, oid, &mut |identity| identity.headers.push(kept.clone()))?;
    Ok(new)
}

/// Whose header is whose, by its keyed hash.
#[derive(Default)]
pub(super) struct Headers(HashMap<Box<str>, Arc<Client>>);

impl Headers {
    pub(super) fn of<'a>(clients: impl Iterator<Item = &'a Arc<Client>>) -> Self {
        let all = clients.flat_map(|client| client.identity.headers.iter().map(move |header| (header, client)));
        Self(all.map(|(header, client)| (header.hash.as_str().into(), Arc::clone(client))).collect())
    }

    /// The identity whose header this is. Nobody without the key can tell a hash from what was sent, so that how it is looked up
    /// tells nothing; what is found is compared in constant time all the same.
    pub(super) fn find(&self, key: &crypto::SecretKey, given: &str, now: i64) -> Option<&Arc<Client>> {
        let hashed = hash(key, given).ok()?;
        let client = self.0.get(hashed.as_str())?;
        let mut valid = client.identity.headers.iter().filter(|header| header.expires.is_none_or(|end| now < end));
        valid.any(|header| bool::from(header.hash.as_bytes().ct_eq(hashed.as_bytes()))).then_some(client)
    }
}
