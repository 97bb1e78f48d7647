//! What is done with keys: sign, verify, encrypt, decrypt, wrap, unwrap; and random bytes.
//!
//! `nbf` and `exp` bind what makes something new (sign, encrypt, wrap); what was made can be verified, decrypted and
//! unwrapped at any time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::base64url::Base64UrlRef;
use super::bundle::KeyVersion;
use super::schema::{EncryptionAlgorithm, SignatureAlgorithm};
use super::{AesInput, Algorithm, Base64Url, KeyOps, Private, Public, Sealed, apply};
use crate::crypto::PublicKey;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::vault::{Class, Collection, Content, Image, KeyAlgorithm, Name, SecretBytes, VaultError, VersionId};

/// The body of a signature: the digest.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeySignParameters")]
pub struct SignParameters {
    #[schemars(with = "SignatureAlgorithm")]
    alg: String,
    value: Base64Url,
}

/// The body of a verification.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyVerifyParameters")]
pub struct VerifyParameters {
    #[schemars(with = "SignatureAlgorithm")]
    alg: String,
    digest: Base64Url,
    value: Base64Url,
}

/// The body of everything that encrypts or decrypts.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyOperationsParameters")]
pub struct OperationParameters {
    #[schemars(with = "EncryptionAlgorithm")]
    alg: String,
    value: Base64Url,
    iv: Option<Base64Url>,
    aad: Option<Base64Url>,
    tag: Option<Base64Url>,
}

/// The body of a request for random bytes.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "GetRandomBytesRequest")]
pub struct RandomParameters {
    #[schemars(range(min = 1, max = 128))]
    count: i64,
}

#[derive(Serialize)]
struct OperationResult<'a> {
    kid: String,
    value: Base64UrlRef<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv: Option<Base64UrlRef<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Base64UrlRef<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aad: Option<Base64UrlRef<'a>>,
}

#[derive(Serialize)]
struct VerifyResult {
    value: bool,
}

#[derive(Serialize)]
struct RandomBytes<'a> {
    value: Base64UrlRef<'a>,
}

impl OperationParameters {
    fn beside(&self) -> AesInput<'_> {
        let [iv, aad, tag] = [&self.iv, &self.aad, &self.tag].map(|member| member.as_ref().map(|bytes| &*bytes.0));
        AesInput { iv, aad, tag }
    }
}

/// POST `/keys/{name}/{version}/sign`.
pub fn sign(call: &Call) -> Result<Reply> {
    let given: SignParameters = call.read()?;
    let key = permitted(call, KeyOps::SIGN)?;
    let algorithm = algorithm(&given.alg)?;
    let signature = with_private(call, key, false, |private| apply::sign(private, algorithm, &given.value.0))?;
    answer(call, key, &signature)
}

/// POST `/keys/{name}/{version}/verify`.
pub fn verify(call: &Call) -> Result<Reply> {
    let given: VerifyParameters = call.read()?;
    let key = permitted(call, KeyOps::VERIFY)?;
    let algorithm = algorithm(&given.alg)?;
    let value =
        with_public(call, key, true, |public| apply::verify(public, algorithm, &given.digest.0, &given.value.0))?;
    Reply::json(&VerifyResult { value })
}

/// POST `/keys/{name}/{version}/encrypt`.
pub fn encrypt(call: &Call) -> Result<Reply> {
    seal(call, KeyOps::ENCRYPT, apply::encrypt)
}

/// POST `/keys/{name}/{version}/decrypt`.
pub fn decrypt(call: &Call) -> Result<Reply> {
    open(call, KeyOps::DECRYPT, apply::decrypt)
}

/// POST `/keys/{name}/{version}/wrapkey`.
pub fn wrap(call: &Call) -> Result<Reply> {
    seal(call, KeyOps::WRAP_KEY, apply::wrap)
}

/// POST `/keys/{name}/{version}/unwrapkey`.
pub fn unwrap(call: &Call) -> Result<Reply> {
    open(call, KeyOps::UNWRAP_KEY, apply::unwrap)
}

/// POST `/rng`.
pub fn random(call: &Call) -> Result<Reply> {
    let given: RandomParameters = call.read()?;
    let count = usize::try_from(given.count).ok().filter(|count| (1..=128).contains(count));
    let count = count.ok_or_else(|| ServiceError::bad_parameter("count is 1 to 128."))?;
    let bytes = SecretBytes::filled(count, crate::crypto::random).map_err(VaultError::from)?;
    Reply::json(&RandomBytes { value: Base64UrlRef(bytes.expose()) })
}

/// Whether the key that a call uses takes so long that it has threads of its own.
pub fn is_slow(call: &Call) -> bool {
    matches!(algorithm_of(call), Some(KeyAlgorithm::Rsa { .. }))
}

/// Whether the key that a call is about has a public part.
pub fn is_asymmetric(call: &Call) -> bool {
    call.name.as_ref().is_some_and(|name| has_public_part(&call.image, name, call.version))
}

/// The same of a key in this image.
pub fn has_public_part(image: &Image, name: &Name, version: Option<VersionId>) -> bool {
    let algorithm = KeyVersion::find(image, name, version).ok().map(|key| key.algorithm());
    matches!(algorithm, Some(KeyAlgorithm::Rsa { .. } | KeyAlgorithm::Ec(_) | KeyAlgorithm::Ed25519))
}

fn algorithm_of(call: &Call) -> Option<KeyAlgorithm> {
    KeyVersion::find(&call.image, call.name.as_ref()?, call.version).ok().map(|key| key.algorithm())
}

fn seal(
    call: &Call,
    operation: KeyOps,
    how: fn(Public<'_>, &Algorithm, &[u8], &AesInput<'_>) -> apply::Result<Sealed>,
) -> Result<Reply> {
    let given: OperationParameters = call.read()?;
    let key = permitted(call, operation)?;
    let algorithm = algorithm(&given.alg)?;
    let sealed = with_public(call, key, false, |public| how(public, algorithm, &given.value.0, &given.beside()))?;
    Reply::json(&OperationResult {
        kid: call.id_of(Collection::Keys, key.main),
        value: Base64UrlRef(&sealed.value),
        iv: sealed.iv.as_deref().map(Base64UrlRef),
        tag: sealed.tag.as_deref().map(Base64UrlRef),
        aad: given.aad.as_ref().filter(|_| sealed.tag.is_some()).map(|aad| Base64UrlRef(&aad.0)),
    })
}

fn open(
    call: &Call,
    operation: KeyOps,
    how: fn(Private<'_>, &Algorithm, &[u8], &AesInput<'_>) -> apply::Result<SecretBytes>,
) -> Result<Reply> {
    let given: OperationParameters = call.read()?;
    let key = permitted(call, operation)?;
    let algorithm = algorithm(&given.alg)?;
    let opened = with_private(call, key, true, |private| how(private, algorithm, &given.value.0, &given.beside()))?;
    answer(call, key, opened.expose())
}

fn answer(call: &Call, key: KeyVersion<'_>, value: &[u8]) -> Result<Reply> {
    let kid = call.id_of(Collection::Keys, key.main);
    Reply::json(&OperationResult { kid, value: Base64UrlRef(value), iv: None, tag: None, aad: None })
}

/// The key that the path names, if its `key_ops` have the operation and it is enabled.
fn permitted<'a>(call: &'a Call, operation: KeyOps) -> Result<KeyVersion<'a>> {
    let key = KeyVersion::find(&call.image, call.name()?, call.version)?;
    if !key.main.content.enabled {
        return Err(VaultError::Disabled.into());
    }
    if !key.operations().contains(operation) {
        let name: Vec<_> = operation.names().collect();
        return Err(ServiceError::forbidden(
            "KeyOperationForbidden",
            format!("Operation {} is not permitted on this key: its key_ops don't have it.", name.concat()),
        ));
    }
    let by_public_half = KeyOps::PUBLIC.contains(operation) && key.main.content.class == Class::PrivateKey;
    if key.main.content.is_bound_to_pkcs11() && !by_public_half {
        return Err(ServiceError::forbidden(
            "KeyOperationForbidden",
            "The key asks for a PIN at each use, or is bound to mechanisms by name: use it by PKCS#11.".to_owned(),
        ));
    }
    Ok(key)
}

fn algorithm(name: &str) -> Result<&'static Algorithm> {
    Ok(Algorithm::named(name)?)
}

/// Does something with the private half or the secret key; `any_time` if dates don't count.
fn with_private<T>(
    call: &Call,
    key: KeyVersion<'_>,
    any_time: bool,
    work: impl FnOnce(Private<'_>) -> apply::Result<T>,
) -> Result<T> {
    let (vault, number) = (&call.served.vault, key.main.number);
    if key.main.content.class == Class::SecretKey {
        let held = if any_time { vault.secret_key_at_any_time(number)? } else { vault.secret_key(number)? };
        return Ok(work(Private::Secret(held.usable()?.here()?))?);
    }
    let held = if any_time { vault.private_key_at_any_time(number)? } else { vault.private_key(number)? };
    Ok(work(Private::Pair(&*held))?)
}

/// Does something with the public half or the secret key.
fn with_public<T>(
    call: &Call,
    key: KeyVersion<'_>,
    any_time: bool,
    work: impl FnOnce(Public<'_>) -> apply::Result<T>,
) -> Result<T> {
    if key.main.content.class == Class::SecretKey {
        let (vault, number) = (&call.served.vault, key.main.number);
        let held = if any_time { vault.secret_key_at_any_time(number)? } else { vault.secret_key(number)? };
        return Ok(work(Public::Secret(held.usable()?.here()?))?);
    }
    let content = &key.main.content;
    if !any_time {
        Content::validity(content.not_before, content.expires, call.now)?;
    }
    let public = PublicKey::from_spki(&key.description()?.public).map_err(VaultError::from)?;
    Ok(work(Public::Pair(&public))?)
}
