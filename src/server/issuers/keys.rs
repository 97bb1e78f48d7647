//! The public keys of an issuer (RFC 7517): those of its set that can check signatures in the ways that it is allowed.

use std::collections::HashSet;

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::crypto::{Digest, DigestAlgorithm};

/// Keys that a set may have: an issuer publishes a few, and one that publishes thousands is broken or not what it is taken for.
pub const MOST_KEYS: usize = 256;

/// Modulus of an RSA key, in bytes.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Longest public exponent, in bytes.
const EXPONENT_BYTES: usize = 8;

/// Longest name of a key, in bytes.
const MAX_KID: usize = 512;

/// One key.
pub struct Key {
    /// What tokens call it.
    pub kid: String,
    /// SHA-256 over what it is: another key under the same name is another key.
    pub fingerprint: [u8; 32],
    /// For the check.
    pub decoding: DecodingKey,
    algorithms: Vec<Algorithm>,
}

/// The keys that an issuer had at one moment.
pub struct KeySet {
    keys: Vec<Key>,
    /// Seconds since 1970.
    pub fetched: i64,
}

/// A key as it stands in a set; of other kinds and for other uses there may be more.
#[derive(Deserialize)]
struct Jwk {
    kid: String,
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. The text of a refusal ends a sentence.
    pub fn read(json: &[u8], allowed: &[Algorithm], fetched: i64) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let Set { keys: listed } =
            serde_json::from_slice(json).map_err(|_| "what it answers is no JSON Web Key Set".to_owned())?;
        if listed.len() > MOST_KEYS {
            return Err(format!("it has {} keys, and at most {MOST_KEYS} are taken", listed.len()));
        }
        let usable = listed.into_iter().filter_map(|key| Key::read(serde_json::from_value(key).ok()?, allowed));
        // Two keys under one name that check the same signatures: the first one counts.
        let mut known = HashSet::new();
        let mut is_new = |key: &Key| known.insert((key.kid.clone(), key.algorithms[0]));
        let keys: Vec<Key> = usable.filter(|key| is_new(key)).collect();
        match keys.is_empty() {
            true => Err("it has no key for the algorithms that the configuration allows it".to_owned()),
            false => Ok(Self { keys, fetched }),
        }
    }

    /// The key with this name, for signatures of this kind.
    pub fn find(&self, kid: &str, algorithm: Algorithm) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid && key.algorithms.contains(&algorithm))
    }

    /// Whether this very key is among them.
    pub fn has(&self, fingerprint: &[u8; 32]) -> bool {
        self.keys.iter().any(|key| key.fingerprint == *fingerprint)
    }
}

impl Key {
    fn read(jwk: Jwk, allowed: &[Algorithm]) -> Option<Self> {
        let checks = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        if !checks || jwk.kid.is_empty() || jwk.kid.len() > MAX_KID {
            return None;
        }
        let (decoding, can, parts) = jwk.material()?;
        let own: Option<Algorithm> = jwk.alg.as_deref().map(str::parse).transpose().ok()?;
        let fits = |algorithm: &&Algorithm| allowed.contains(algorithm) && own.is_none_or(|own| own == **algorithm);
        let algorithms: Vec<Algorithm> = can.iter().filter(fits).copied().collect();
        let fingerprint = fingerprint(&[jwk.kid.as_bytes(), jwk.kty.as_bytes(), &parts[0], &parts[1]]);
        (!algorithms.is_empty()).then_some(Self { kid: jwk.kid, fingerprint, decoding, algorithms })
    }
}

/// A key, the algorithms that it can do, and the bytes that it is made of.
type Material = (DecodingKey, &'static [Algorithm], [Vec<u8>; 2]);

impl Jwk {
    fn material(&self) -> Option<Material> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => self.rsa(),
            ("EC", Some("P-256")) => self.ec(32, &[Algorithm::ES256]),
            ("EC", Some("P-384")) => self.ec(48, &[Algorithm::ES384]),
            ("OKP", Some("Ed25519")) => {
                let x = bytes(self.x.as_deref()?).filter(|x| x.len() == 32)?;
                Some((DecodingKey::from_ed_der(&x), &[Algorithm::EdDSA], [x, Vec::new()]))
            }
            _ => None,
        }
    }

    fn rsa(&self) -> Option<Material> {
        const RSA: &[Algorithm] = &[
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ];
        let (n, e) = (number(self.n.as_deref()?)?, number(self.e.as_deref()?)?);
        let fits = RSA_BYTES.contains(&n.len()) && (1..=EXPONENT_BYTES).contains(&e.len());
        fits.then(|| (DecodingKey::from_rsa_raw_components(&n, &e), RSA, [n, e]))
    }

    fn ec(&self, len: usize, can: &'static [Algorithm]) -> Option<Material> {
        let coordinate = |text: &Option<String>| bytes(text.as_deref()?).filter(|bytes| bytes.len() == len);
        let (x, y) = (coordinate(&self.x)?, coordinate(&self.y)?);
        let point = [&[4], &*x, &*y].concat();
        Some((DecodingKey::from_ec_der(&point), can, [x, y]))
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    // Some issuers pad it.
    Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')).ok()
}

/// Without zeros before it.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = bytes(text)?;
    let start = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[start..].to_vec())
}

/// SHA-256 over these parts, which no others give.
pub fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Digest::new(DigestAlgorithm::Sha256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut out = [0; 32];
    // The output has the digest's length.
    let _ = digest.finish(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn b64(bytes: &[u8]) -> String {
        Base64UrlUnpadded::encode_string(bytes)
    }

    fn rsa(kid: &str, bytes: usize) -> Value {
        json!({ "kid": kid, "kty": "RSA", "n": b64(&vec![0xAB; bytes]), "e": "AQAB" })
    }

    fn ec(kid: &str) -> Value {
        json!({ "kid": kid, "kty": "EC", "crv": "P-256", "x": b64(&[1; 32]), "y": b64(&[2; 32]) })
    }

    fn read(keys: &[Value], allowed: &[Algorithm]) -> Result<KeySet, String> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), allowed, 0)
    }

    #[test]
    fn a_key_checks_what_its_kind_its_own_word_and_the_configuration_allow() {
        let mut of_one = rsa("one", 256);
        of_one["alg"] = json!("PS256");
        let set = read(&[of_one, rsa("two", 256), ec("three")], &[Algorithm::RS256, Algorithm::PS256]).unwrap();
        let finds = |kid, algorithm| set.find(kid, algorithm).is_some();
        assert!(finds("one", Algorithm::PS256) && !finds("one", Algorithm::RS256));
        assert!(finds("two", Algorithm::PS256) && finds("two", Algorithm::RS256) && !finds("two", Algorithm::RS512));
        assert!(!finds("three", Algorithm::ES256) && !finds("four", Algorithm::RS256));
    }

    #[test]
    fn keys_of_other_kinds_sizes_and_uses_are_left_out() {
        let mut encrypts = rsa("encrypts", 256);
        encrypts["use"] = json!("enc");
        let secret = json!({ "kid": "secret", "kty": "oct", "alg": "HS256", "k": b64(&[7; 32]) });
        let mut short_point = ec("short");
        short_point["x"] = json!(b64(&[1; 31]));
        let wrong = [rsa("small", 128), rsa("large", 2048), encrypts, secret, short_point, json!(7), json!({})];
        let all = [Algorithm::RS256, Algorithm::ES256, Algorithm::HS256];
        assert!(read(&wrong, &all).err().unwrap().contains("no key"));
        let with_one = [&wrong[..], &[ec("good")]].concat();
        assert_eq!(read(&with_one, &all).unwrap().keys.len(), 1);
    }

    #[test]
    fn a_set_of_more_keys_than_are_taken_is_refused_whole() {
        let keys: Vec<Value> = (0..10_000).map(|number| ec(&number.to_string())).collect();
        assert!(read(&keys, &[Algorithm::ES256]).err().unwrap().contains("10000"));
        assert!(read(&keys[..MOST_KEYS], &[Algorithm::ES256]).is_ok());
        assert!(KeySet::read(b"<html>", &[Algorithm::ES256], 0).is_err());
    }

    #[test]
    fn another_key_under_the_same_name_is_another_key() {
        let first = read(&[rsa("a", 256)], &[Algorithm::RS256]).unwrap();
        let other = read(&[rsa("a", 300)], &[Algorithm::RS256]).unwrap();
        let key = first.find("a", Algorithm::RS256).unwrap();
        assert!(first.has(&key.fingerprint) && !other.has(&key.fingerprint));
    }
}
