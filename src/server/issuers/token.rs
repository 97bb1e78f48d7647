//! A token of another issuer: what is read of it once its signature is right.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::keys::fingerprint;
use super::{Provider, Refusal};
use crate::server::guid;
use crate::server::identity::FederatedCredential;
use crate::server::token::signature_only;

/// Longest token.
pub const MAX_LEN: usize = 16 * 1024;

/// Audiences, and groups, that a token may have.
const MOST_AUDIENCES: usize = 64;
const MOST_GROUPS: usize = 512;

/// Longest name of somebody at their issuer, in bytes.
const MAX_SUBJECT: usize = 1024;

/// Seconds by which clocks may differ.
const SKEW: f64 = 300.0;

/// Seconds that a token may live from now.
const LONGEST: f64 = 24.0 * 3600.0;

/// A token that its issuer signed.
pub struct ForeignToken {
    /// Who signed it.
    pub provider: Arc<Provider>,
    /// Who it is about.
    pub subject: String,
    /// The object id of who has no identity here.
    pub stranger: String,
    /// What it is for.
    pub audiences: Vec<String>,
    /// Their groups, as the issuer calls them.
    pub groups: Vec<Box<str>>,
    key: [u8; 32],
    expires: f64,
    from: f64,
}

/// The issuer that a token names, unproven.
pub fn issuer_named(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        iss: String,
    }
    jsonwebtoken::dangerous::insecure_decode_claims::<Named>(token).ok().map(|named| named.iss)
}

/// Reads a token by the keys of this issuer.
pub async fn read(provider: &Arc<Provider>, token: &str) -> Result<ForeignToken, Refusal> {
    if token.len() > MAX_LEN {
        return Err(Refusal::TooLong);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Malformed)?;
    if !provider.trust.algorithms.contains(&header.alg) || header.crit.is_some() {
        return Err(Refusal::Malformed);
    }
    let kid = header.kid.ok_or(Refusal::Malformed)?;
    let keys = provider.keys_with(&kid, header.alg).await?;
    // There, as was just seen.
    let key = keys.find(&kid, header.alg).ok_or(Refusal::UnknownKey)?;
    let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &signature_only(header.alg));
    let claims = decoded.map_err(|error| match error.kind() {
        ErrorKind::Json(_) | ErrorKind::Utf8(_) => Refusal::Claims,
        _ => Refusal::Signature,
    })?;
    let claims = claims.claims;
    ForeignToken::of(provider, key.fingerprint, Value::Object(claims))
}

impl ForeignToken {
    fn of(provider: &Arc<Provider>, key: [u8; 32], claims: Value) -> Result<Self, Refusal> {
        let trust = &provider.trust;
        if claims["iss"].as_str() != Some(&*provider.url) {
            return Err(Refusal::Claims);
        }
        if let Some(tenant) = &trust.tenant
            && !claims["tid"].as_str().is_some_and(|given| given.eq_ignore_ascii_case(tenant))
        {
            return Err(Refusal::Tenant);
        }
        let fits = |text: &&str| (1..=MAX_SUBJECT).contains(&text.len());
        let subject = claim(&claims, &trust.subject_claim).and_then(Value::as_str).filter(fits);
        let subject = subject.ok_or(Refusal::Claims)?.to_owned();
        let audiences = texts(&claims["aud"]);
        let groups = trust.groups_claim.as_deref().and_then(|name| claim(&claims, name)).map(texts).unwrap_or_default();
        if audiences.len() > MOST_AUDIENCES || groups.len() > MOST_GROUPS {
            return Err(Refusal::TooMany);
        }
        let date = |name: &str| match &claims[name] {
            Value::Null => Ok(None),
            value => value.as_f64().map(Some).ok_or(Refusal::Claims),
        };
        let from = [date("nbf")?, date("iat")?].into_iter().flatten().fold(f64::NEG_INFINITY, f64::max);
        Ok(Self {
            stranger: stranger(&provider.url, &subject),
            provider: Arc::clone(provider),
            subject,
            audiences,
            groups: groups.into_iter().map(String::into_boxed_str).collect(),
            key,
            expires: date("exp")?.ok_or(Refusal::Claims)?,
            from,
        })
    }

    /// Whether the key that signed it is still its issuer's, as far as is known without waiting.
    pub fn still_stands(&self) -> bool {
        self.provider.still_has(&self.key)
    }

    /// Whether it counts at this moment.
    pub fn check_dates(&self, now: i64) -> Result<(), Refusal> {
        let now = now as f64;
        if now >= self.expires + SKEW {
            return Err(Refusal::Expired);
        }
        if self.from > now + SKEW {
            return Err(Refusal::NotYetValid);
        }
        if self.expires > now + LONGEST + SKEW {
            return Err(Refusal::TooLasting);
        }
        Ok(())
    }

    /// Bytes that it takes in memory, roughly: each text has a place of its own.
    pub fn weight(&self) -> u64 {
        let texts = self.audiences.iter().map(String::len).chain(self.groups.iter().map(|group| group.len()));
        let bytes: usize = texts.map(|len| len + 48).sum();
        (512 + self.subject.len() + bytes) as u64
    }

    /// Whether it is what this federated credential asks for.
    pub fn fits(&self, credential: &FederatedCredential) -> bool {
        credential.is_of(&self.provider.url, &self.subject) && self.is_for(&credential.audience)
    }

    /// Whether it is for this.
    pub fn is_for(&self, audience: &str) -> bool {
        self.audiences.iter().any(|own| own == audience)
    }
}

/// A claim by its name, or by its path (RFC 6901) if that begins with `/`.
fn claim<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    if name.starts_with('/') { claims.pointer(name) } else { claims.get(name) }
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// The object id of somebody whom only their issuer knows: always the same, and nobody else's (RFC 9562 §5.8, version 8).
fn stranger(issuer: &str, subject: &str) -> String {
    let digest = fingerprint(&[issuer.as_bytes(), subject.as_bytes()]);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    guid::of(bytes, 8)
}
