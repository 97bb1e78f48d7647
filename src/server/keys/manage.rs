//! Keys are created, imported, shown, listed and updated.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bundle::{Bundle, Item, KTY, KeyVersion, set_operations};
use super::import::Imported;
use super::kty::{Family, public_exponent};
use super::schema::{CurveName, KtyName, OperationName};
use super::{Jwk, KeyOps, Kty, Wish, Wrapped, rotation};
use crate::config::Manner;
use crate::crypto::PrivateKey;
use crate::server::attributes::{GivenAttributes, Tags, checked_tags};
use crate::server::body::{maybe_object, object};
use crate::server::call::{Call, Reply};
use crate::server::certificates::secret::refuse_held;
use crate::server::error::{Result, ServiceError};
use crate::server::paging;
use crate::vault::{
    Change, Class, Collection, Content, Draft, KeyAlgorithm, KeyDescription, Name, Naming, Object, SecretBytes,
    VaultError,
};

/// The body of a create.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyCreateParameters")]
pub struct CreateParameters {
    #[schemars(with = "KtyName")]
    kty: String,
    key_size: Option<i64>,
    public_exponent: Option<i64>,
    #[schemars(with = "Option<Vec<OperationName>>")]
    key_ops: Option<Vec<String>>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
    #[schemars(with = "Option<CurveName>")]
    crv: Option<String>,
    release_policy: Option<serde_json::Value>,
}

/// The body of an import.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyImportParameters")]
pub struct ImportParameters {
    #[serde(rename = "Hsm")]
    hsm: Option<bool>,
    #[serde(deserialize_with = "object")]
    key: Jwk,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
    release_policy: Option<serde_json::Value>,
}

/// The body of an update; what is absent stays.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "KeyUpdateParameters")]
pub struct UpdateParameters {
    #[schemars(with = "Option<Vec<OperationName>>")]
    key_ops: Option<Vec<String>>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
    release_policy: Option<serde_json::Value>,
}

/// POST `/keys/{name}/create`: a first or a further version.
pub fn create(call: &Call) -> Result<Reply> {
    let given: CreateParameters = call.read()?;
    refuse_release(given.release_policy.as_ref())?;
    let kty = Kty::named(&given.kty)?.made_in(call.served.manner)?;
    let ops = operations(given.key_ops.as_deref(), kty.family())?;
    let wish = Wish { key_size: given.key_size, crv: given.crv.as_deref(), key_ops: Some(ops) };
    let algorithm = kty.algorithm(&wish)?;
    let exponent = public_exponent(given.public_exponent)?;
    let contents = Contents::new(call, kty, ops, given.attributes, given.tags)?;
    let objects = match algorithm {
        KeyAlgorithm::Rsa { bits } => {
            let (key, pkcs8) = call.pools.generate_rsa(bits, exponent.to_vec())?;
            contents.create_pair(call, &key, pkcs8, true)?
        }
        KeyAlgorithm::Aes { .. } | KeyAlgorithm::Generic { .. } => contents.generate_secret(call, algorithm)?,
        _ => {
            let (key, pkcs8) = PrivateKey::generate(algorithm).map_err(VaultError::from)?;
            contents.create_pair(call, &key, pkcs8, true)?
        }
    };
    shown(call, &objects)
}

/// PUT `/keys/{name}`: a key that is brought.
pub fn import(call: &Call) -> Result<Reply> {
    let given: ImportParameters = call.read()?;
    refuse_release(given.release_policy.as_ref())?;
    let imported = match &given.key.key_hsm {
        Some(key_hsm) => unwrapped(call, &given.key, &Wrapped::read(key_hsm)?)?,
        None => super::import(&given.key)?,
    };
    // In a Managed HSM a key is never anything else, whatever the request says of it: `az` says it isn't.
    let is_hsm = call.served.manner == Manner::ManagedHsm || given.hsm == Some(true);
    let kty = if is_hsm { imported.kty.hsm() } else { imported.kty };
    let ops = operations(given.key.key_ops.as_deref(), kty.family())?;
    let contents = Contents::new(call, kty, ops, given.attributes, given.tags)?;
    let objects = match imported.public {
        Some(_) => {
            let key = PrivateKey::from_pkcs8(imported.secret.expose()).map_err(VaultError::from)?;
            contents.create_pair(call, &key, imported.secret, false)?
        }
        None => contents.create_secret(call, imported.algorithm, imported.secret)?,
    };
    shown(call, &objects)
}

/// A key that was wrapped for one of this vault's keys, which is for nothing else.
fn unwrapped(call: &Call, jwk: &Jwk, wrapped: &Wrapped) -> Result<Imported> {
    // One answer for every key that it can't be: who may import isn't told which keys there are.
    let unfit =
        || ServiceError::bad_parameter("key_hsm: header.kid must name a key of this vault with key_ops import.");
    let path = wrapped.kid.strip_prefix(call.base.as_str()).and_then(|rest| rest.strip_prefix("/keys/"));
    let (name, version) = path.map(|path| path.split_once('/').unwrap_or((path, ""))).ok_or_else(unfit)?;
    let name = Name::new(name).map_err(|_| unfit())?;
    let versions = KeyVersion::all(call.image.with_name(Collection::Keys, name.as_str()));
    let is_named = |key: &KeyVersion<'_>| call.id_of(Collection::Keys, key.main).ends_with(&format!("/{version}"));
    let key = versions.into_iter().rev().find(|key| version.is_empty() || is_named(key));
    let key = key.filter(|key| key.operations() == KeyOps::IMPORT).ok_or_else(unfit)?;
    Ok(wrapped.open(jwk, &*call.served.vault.private_key(key.main.number)?)?)
}

/// GET `/keys/{name}/{version}`.
pub fn get(call: &Call) -> Result<Reply> {
    Reply::json(&Bundle::new(call, KeyVersion::find(&call.image, call.name()?, call.version)?)?)
}

/// PATCH `/keys/{name}/{version}`.
pub fn update(call: &Call) -> Result<Reply> {
    let given: UpdateParameters = call.read()?;
    refuse_release(given.release_policy.as_ref())?;
    let tags = given.tags.map(checked_tags).transpose()?;
    call.transact(&mut |image| {
        let key = KeyVersion::find(image, call.name()?, call.version)?;
        if given.attributes.as_ref().is_some_and(|given| !given.is_empty()) || given.key_ops.is_some() {
            // When it counts, and for what, its certificate says.
            refuse_held(image, call.name()?)?;
        }
        let mut main = key.main.content.clone();
        let mut public = key.public.map(|half| half.content.clone());
        if let Some(attributes) = &given.attributes {
            attributes.apply(&mut main)?;
            public.as_mut().map(|public| attributes.apply(public)).transpose()?;
        }
        if let Some(names) = &given.key_ops {
            let family = Family::of(key.algorithm()).unwrap_or(Family::Ec);
            let ops = operations(Some(names), family)?;
            keep_import_alone(key.operations(), ops)?;
            set_operations(ops, &mut main, public.as_mut());
        }
        if let Some(tags) = &tags {
            main.tags.clone_from(tags);
        }
        let public = key.public.zip(public).map(|(half, content)| Change::Set(half.number, content));
        Ok([Some(Change::Set(key.main.number, main)), public].into_iter().flatten().collect())
    })?;
    let image = call.served.vault.image();
    Reply::json(&Bundle::new(call, KeyVersion::find(&image, call.name()?, call.version)?)?)
}

/// A key that opened keys on their way here never decrypts for a client, nor the other way round: what was wrapped for
/// it could be opened.
fn keep_import_alone(before: KeyOps, after: KeyOps) -> Result<()> {
    match before.contains(KeyOps::IMPORT) == after.contains(KeyOps::IMPORT) {
        true => Ok(()),
        false => Err(ServiceError::forbidden(
            "KeyOperationForbidden",
            "key_ops: import can't be given to a key that exists, nor taken from one: make another key.",
        )),
    }
}

/// GET `/keys`.
pub fn list(call: &Call) -> Result<Reply> {
    paging::page(call, "keys", |from| {
        call.image.names(Collection::Keys, from).filter_map(|name| {
            let key = KeyVersion::all(call.image.with_name(Collection::Keys, name)).pop()?;
            let shown = key.main.name.as_ref().map_or(name, Name::as_str);
            Some((name.to_owned(), Item::new(call, key, call.id(Collection::Keys, shown))))
        })
    })
}

/// GET `/keys/{name}/versions`.
pub fn list_versions(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    KeyVersion::find(&call.image, name, None)?;
    paging::page(call, &format!("keys/{name}/versions"), |from| {
        let from: u32 = from.parse().unwrap_or(0);
        let versions = KeyVersion::all(call.image.with_name(Collection::Keys, name.as_str()));
        let rest = versions.into_iter().filter(move |key| key.ordinal() >= from);
        rest.map(|key| (key.ordinal().to_string(), Item::new(call, key, call.id_of(Collection::Keys, key.main))))
    })
}

/// What the halves of a new key say.
pub(super) struct Contents {
    main: Content,
    public: Content,
}

impl Contents {
    fn new(
        call: &Call,
        kty: Kty,
        ops: KeyOps,
        attributes: Option<GivenAttributes>,
        tags: Option<Tags>,
    ) -> Result<Self> {
        refuse_held(&call.image, call.name()?)?;
        let class = if kty.family() == Family::Oct { Class::SecretKey } else { Class::PrivateKey };
        let (mut main, mut public) = (Content::new(class), Content::new(Class::PublicKey));
        let attributes = attributes.unwrap_or_default();
        if attributes.exportable == Some(true) {
            let what = "An exportable key needs a release policy, and this service releases no keys.";
            return Err(ServiceError::bad_parameter(what));
        }
        for content in [&mut main, &mut public] {
            content.label = call.name()?.as_str().into();
            attributes.apply(content)?;
        }
        main.tags = checked_tags(tags.unwrap_or_default())?;
        main.notes.insert(KTY.into(), kty.name().into());
        rotation::hand_on(&call.image, call.name()?, &mut main);
        set_operations(ops, &mut main, (class == Class::PrivateKey).then_some(&mut public));
        Ok(Self { main, public })
    }

    pub(super) fn create_pair(
        mut self,
        call: &Call,
        key: &PrivateKey,
        pkcs8: SecretBytes,
        local: bool,
    ) -> Result<Vec<std::sync::Arc<Object>>> {
        let half = KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() };
        for content in [&mut self.main, &mut self.public] {
            content.key = Some(half.clone());
            content.id = key.public_key().key_id().to_vec();
            content.local = local;
        }
        let naming = || Ok::<_, ServiceError>(Naming::Set(call.name()?.clone()));
        let private = Draft { content: self.main, naming: naming()?, secret: Some(pkcs8) };
        let public = Draft { content: self.public, naming: naming()?, secret: None };
        Ok(call.served.vault.create(vec![private, public])?)
    }

    fn generate_secret(self, call: &Call, algorithm: KeyAlgorithm) -> Result<Vec<std::sync::Arc<Object>>> {
        let draft = Draft { content: self.main, naming: Naming::Set(call.name()?.clone()), secret: None };
        Ok(vec![call.served.vault.generate_secret(algorithm, draft)?])
    }

    fn create_secret(
        mut self,
        call: &Call,
        algorithm: KeyAlgorithm,
        value: SecretBytes,
    ) -> Result<Vec<std::sync::Arc<Object>>> {
        let mut id = [0; 16];
        crate::crypto::random(&mut id).map_err(VaultError::from)?;
        self.main.id = id.to_vec();
        self.main.key = Some(KeyDescription { algorithm, public: [].into() });
        let draft = Draft { content: self.main, naming: Naming::Set(call.name()?.clone()), secret: Some(value) };
        Ok(call.served.vault.create(vec![draft])?)
    }
}

fn shown(call: &Call, objects: &[std::sync::Arc<Object>]) -> Result<Reply> {
    let versions = KeyVersion::all(objects.iter());
    let key = versions.first().ok_or_else(|| ServiceError::bad_parameter("Nothing was made."))?;
    Reply::json(&Bundle::new(call, *key)?)
}

fn operations(names: Option<&[String]>, family: Family) -> Result<KeyOps> {
    let Some(names) = names else { return Ok(KeyOps::default_of(family)) };
    let ops = KeyOps::named(names.iter().map(String::as_str))?;
    ops.check(family)?;
    Ok(ops)
}

/// Secure key release isn't offered, and must not seem to be.
fn refuse_release(policy: Option<&serde_json::Value>) -> Result<()> {
    match policy {
        None => Ok(()),
        Some(_) => Err(ServiceError::bad_parameter("This service releases no keys: leave release_policy out.")),
    }
}
