//! The keys that sign tokens: P-256, in the vault, a new one every thirty days, the old ones kept until the last token
//! that they signed has ended.

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

use super::issue::LIFETIME;
use crate::crypto::{Curve, KeyAlgorithm, PrivateKey};
use crate::server::guid;
use crate::server::record::{self, Record};
use crate::vault::{Change, Image, Result, Vault, VaultError};

/// Seconds for which a key signs.
const SIGNS_FOR: i64 = 30 * 24 * 3600;

/// What is public of one key; the private part is the record's.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SigningKey {
    /// `kid` in the header of tokens.
    kid: String,
    /// Coordinates of the point, in base64url.
    x: String,
    y: String,
    /// Seconds since 1970.
    created: i64,
}

impl Record for SigningKey {
    const KIND: &'static str = "signing-key";

    fn id(&self) -> &str {
        &self.kid
    }
}

impl SigningKey {
    fn signs_at(&self, now: i64) -> bool {
        now < self.created.saturating_add(SIGNS_FOR)
    }

    fn verifies_at(&self, now: i64) -> bool {
        now < self.created.saturating_add(SIGNS_FOR + LIFETIME)
    }
}

/// What the labels of their records begin with.
pub fn labels() -> Vec<u8> {
    record::labels::<SigningKey>()
}

/// The signing keys of one image.
pub struct SigningKeys {
    keys: Vec<(SigningKey, DecodingKey)>,
}

/// One public key in a JSON Web Key Set (RFC 7517).
#[derive(Serialize)]
pub struct PublicJwk {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    crv: &'static str,
    kid: String,
    x: String,
    y: String,
}

impl SigningKeys {
    /// Those that lie in this image, the newest first.
    pub fn of(image: &Image) -> Self {
        let mut keys: Vec<_> = record::all::<SigningKey>(image).map(|stored| stored.record).collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.created));
        let decoding = |key: &SigningKey| DecodingKey::from_ec_components(&key.x, &key.y).ok();
        Self { keys: keys.into_iter().filter_map(|key| decoding(&key).map(|decoding| (key, decoding))).collect() }
    }

    /// The key with this id, if tokens that it signed may still live.
    pub fn verifying(&self, kid: &str, now: i64) -> Option<&DecodingKey> {
        self.keys.iter().find(|(key, _)| key.kid == kid && key.verifies_at(now)).map(|(_, decoding)| decoding)
    }

    /// For who checks tokens by themselves.
    pub fn public(&self, now: i64) -> Vec<PublicJwk> {
        let keys = self.keys.iter().map(|(key, _)| key).filter(|key| key.verifies_at(now));
        keys.map(|key| PublicJwk {
            kty: "EC",
            usage: "sig",
            alg: "ES256",
            crv: "P-256",
            kid: key.kid.clone(),
            x: key.x.clone(),
            y: key.y.clone(),
        })
        .collect()
    }
}

/// The key that signs now, made if there is none that may; keys whose last token has ended are deleted then.
pub fn current(vault: &dyn Vault, now: i64) -> Result<(String, EncodingKey)> {
    let newest = |image: &Image| {
        let keys = record::all::<SigningKey>(image).filter(|stored| stored.record.signs_at(now));
        keys.max_by_key(|stored| stored.record.created)
    };
    if newest(&vault.image()).is_none() {
        vault.transact(&mut |image| if newest(image).is_some() { Ok(Vec::new()) } else { renew(image, now) })?;
    }
    let stored = newest(&vault.image()).ok_or(VaultError::NotFound)?;
    let pkcs8 = vault.secret(stored.number)?;
    Ok((stored.record.kid, EncodingKey::from_ec_der(pkcs8.expose())))
}

fn renew(image: &Image, now: i64) -> Result<Vec<Change>> {
    let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256))?;
    let point = key.public_key().value();
    let record = SigningKey {
        kid: guid::random()?,
        x: Base64UrlUnpadded::encode_string(&point[1..33]),
        y: Base64UrlUnpadded::encode_string(&point[33..65]),
        created: now,
    };
    let ended = record::all::<SigningKey>(image).filter(|stored| !stored.record.verifies_at(now));
    let mut changes: Vec<_> = ended.map(|stored| Change::Delete(stored.number)).collect();
    changes.push(record::create(&record, Some(pkcs8)));
    Ok(changes)
}
