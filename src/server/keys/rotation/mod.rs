//! New versions of a key by what it is, and the policy by which it gets them.
//!
//! The policy is a note on a version's private half (or secret key), written on the newest one and handed on to every
//! version that is made later, so that it stays when old versions go. Where several versions have one, the one that was put
//! last counts: a version that is made at the same moment may have been handed the one before.

mod policy;

pub use policy::PolicyParameters;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::policy::Policy;
use super::bundle::{Bundle, KeyVersion, not_found, set_operations};
use crate::crypto::{self, PrivateKey, PublicKey};
use crate::server::call::{Call, Reply};
use crate::server::certificates::secret::refuse_held;
use crate::server::error::{Result, ServiceError};
use crate::vault::{
    Change, Class, Collection, Content, Draft, Image, KEPT_ON_ROTATION, KeyAlgorithm, KeyDescription, Name, Naming,
    SecretBytes, VaultError,
};

/// The note that keeps the policy, in JSON.
const NOTE: &str = "rotation-policy";

/// A policy with the address at which it is found.
#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    #[serde(flatten)]
    policy: &'a Policy,
}

/// What a new version is made of.
struct Material {
    description: KeyDescription,
    id: Vec<u8>,
    secret: SecretBytes,
}

/// POST `/keys/{name}/rotate`: a version of the same kind, operations and tags, which lives as long as the policy says.
pub fn rotate(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    refuse_held(&call.image, name)?;
    let material = Material::like(call, KeyVersion::find(&call.image, name, None)?)?;
    let created = call.transact(&mut |image| {
        let newest = KeyVersion::find(image, name, None)?;
        refuse_held(image, name)?;
        if newest.algorithm() != material.description.algorithm {
            return Err(ServiceError::unavailable("The key was changed at the same time: try again."));
        }
        let expires = policy_of(image, name).and_then(|policy| policy.expires(call.now));
        Ok(next_version(image, name, newest, &material, expires).into_iter().map(Change::Create).collect())
    })?;
    let key = KeyVersion::all(created.iter()).pop().ok_or_else(|| not_found(name))?;
    Reply::json(&Bundle::new(call, key)?)
}

/// GET `/keys/{name}/rotationpolicy`.
pub fn get_policy(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    KeyVersion::find(&call.image, name, None)?;
    answer(call, name, &policy_of(&call.image, name).unwrap_or_else(Policy::without_any))
}

/// PUT `/keys/{name}/rotationpolicy`.
pub fn put_policy(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let mut given = Some(call.read::<PolicyParameters>()?);
    let mut put = None;
    call.transact(&mut |image| {
        let newest = KeyVersion::find(image, name, None)?;
        refuse_held(image, name)?;
        if let Some(given) = given.take() {
            put = Some(Policy::put(given, policy_of(image, name).as_ref(), call.now)?);
        }
        let mut content = newest.main.content.clone();
        if let Some(policy) = &put {
            content.notes.insert(NOTE.into(), serde_json::to_string(policy).unwrap_or_default());
        }
        Ok(vec![Change::Set(newest.main.number, content)])
    })?;
    answer(call, name, &put.ok_or_else(|| not_found(name))?)
}

/// The body of a release.
#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "it is read to be found well-formed, and refused")]
pub struct ReleaseParameters {
    target: String,
    nonce: Option<String>,
    enc: Option<String>,
}

/// POST `/keys/{name}/{version}/release`.
pub fn refuse_release(call: &Call) -> Result<Reply> {
    call.read::<ReleaseParameters>()?;
    Err(ServiceError::bad_parameter("This service releases no keys: no key of it has a release policy."))
}

/// GET `/keys/{name}/{version}/attestation`.
pub fn refuse_attestation(call: &Call) -> Result<Reply> {
    KeyVersion::find(&call.image, call.name()?, call.version)?;
    Err(ServiceError::bad_parameter("This service attests no keys: they lie in no hardware that could."))
}

/// Hands the policy of a name on to a version that is being made.
pub fn hand_on(image: &Image, name: &Name, content: &mut Content) {
    if let Some(policy) = policy_of(image, name) {
        content.notes.insert(NOTE.into(), serde_json::to_string(&policy).unwrap_or_default());
    }
}

fn answer(call: &Call, name: &Name, policy: &Policy) -> Result<Reply> {
    let shown = call.image.with_name(Collection::Keys, name.as_str()).find_map(|object| object.name.as_ref());
    let id = format!("{}/rotationpolicy", call.id(Collection::Keys, shown.unwrap_or(name).as_str()));
    Reply::json(&Shown { id, policy })
}

/// The policy that was put last.
fn policy_of(image: &Image, name: &Name) -> Option<Policy> {
    let versions = KeyVersion::all(image.with_name(Collection::Keys, name.as_str()));
    let policies = versions.iter().filter_map(|key| serde_json::from_str(key.main.content.notes.get(NOTE)?).ok());
    policies.max_by_key(|policy: &Policy| policy.attributes.updated)
}

fn next_version(
    image: &Image,
    name: &Name,
    newest: KeyVersion<'_>,
    material: &Material,
    expires: Option<i64>,
) -> Vec<Draft> {
    let renewed = |before: &Content| {
        let mut content = before.clone();
        (content.enabled, content.not_before, content.expires) = (true, None, expires);
        content.local = true;
        content.key = Some(material.description.clone());
        content.id.clone_from(&material.id);
        content.attributes.retain(|attribute, _| KEPT_ON_ROTATION.contains(attribute));
        content
    };
    let naming = || Naming::VersionOf(name.clone());
    let mut main = renewed(&newest.main.content);
    hand_on(image, name, &mut main);
    let mut public = newest.public.map(|half| renewed(&half.content));
    if main.class == Class::PrivateKey && public.is_none() {
        let mut half = renewed(&Content::new(Class::PublicKey));
        half.label.clone_from(&main.label);
        set_operations(newest.operations(), &mut main, Some(&mut half));
        public = Some(half);
    }
    let main = Draft { content: main, naming: naming(), secret: Some(material.secret.clone()) };
    let public = public.map(|content| Draft { content, naming: naming(), secret: None });
    [Some(main), public].into_iter().flatten().collect()
}

impl Material {
    /// A new key of the kind and size of this one, and of its public exponent.
    fn like(call: &Call, key: KeyVersion<'_>) -> Result<Self> {
        let algorithm = key.algorithm();
        let (private, secret) = match algorithm {
            KeyAlgorithm::Rsa { bits } => {
                let public = PublicKey::from_spki(&key.description()?.public).map_err(VaultError::from)?;
                let exponent = public.rsa().map_or(&[1, 0, 1][..], |(_, exponent)| exponent);
                call.pools.generate_rsa(bits, exponent.to_vec())?
            }
            KeyAlgorithm::Aes { .. } | KeyAlgorithm::Generic { .. } => return Self::secret(algorithm),
            KeyAlgorithm::Other(_) => {
                return Err(ServiceError::bad_parameter("A key of this kind can't be rotated: import a new version."));
            }
            _ => PrivateKey::generate(algorithm).map_err(VaultError::from)?,
        };
        let public = private.public_key();
        let description = KeyDescription { algorithm, public: public.spki().into() };
        Ok(Self { description, id: public.key_id().to_vec(), secret })
    }

    fn secret(algorithm: KeyAlgorithm) -> Result<Self> {
        let mut id = [0; 16];
        crypto::random(&mut id).map_err(VaultError::from)?;
        let len = algorithm.secret_len().unwrap_or_default();
        let secret = SecretBytes::filled(len, crypto::random).map_err(VaultError::from)?;
        Ok(Self { description: KeyDescription { algorithm, public: [].into() }, id: id.to_vec(), secret })
    }
}
