//! One version of a key: its halves in the vault, and how it is shown.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::kty::shown_kty;
use super::{KeyOps, PublicJwk};
use crate::server::attributes::{ShownAttributes, Tags};
use crate::server::call::Call;
use crate::server::deleted;
use crate::server::error::{Result, ServiceError};
use crate::vault::{Class, Collection, Content, Image, KeyAlgorithm, KeyDescription, Name, Object, VersionId};

/// The note that keeps `kty` as it was asked for.
pub const KTY: &str = "kty";

/// The note that keeps those of `key_ops` that no usage stands for.
pub const MOVEMENT: &str = "key-ops";

/// The halves of one version.
#[derive(Clone, Copy)]
pub struct KeyVersion<'a> {
    /// The private half, or the secret key.
    pub main: &'a Arc<Object>,
    /// The public half.
    pub public: Option<&'a Arc<Object>>,
}

impl<'a> KeyVersion<'a> {
    /// All versions of a name, the oldest first, out of its objects.
    pub fn all(objects: impl Iterator<Item = &'a Arc<Object>>) -> Vec<Self> {
        let (public, main): (Vec<_>, Vec<_>) = objects
            .filter(|object| object.version.is_some())
            .partition(|object| object.content.class == Class::PublicKey);
        let halves: HashMap<_, _> =
            public.into_iter().map(|half| (half.version.map(|version| version.id), half)).collect();
        let half = |of: &Object| halves.get(&of.version.map(|version| version.id)).copied();
        let mut versions: Vec<_> = main.into_iter().map(|main| Self { main, public: half(main) }).collect();
        versions.sort_by_key(Self::ordinal);
        versions
    }

    /// A version of a key in the image, or the one that was made last.
    pub fn find(image: &'a Image, name: &Name, version: Option<VersionId>) -> Result<Self> {
        let objects = || image.with_name(Collection::Keys, name.as_str()).filter(|object| object.version.is_some());
        let mut main = objects().filter(|object| object.content.class != Class::PublicKey);
        let main = match version {
            None => main.max_by_key(|object| object.version.map(|version| version.ordinal)),
            Some(id) => main.find(|object| object.version.is_some_and(|version| version.id == id)),
        };
        let main = main.ok_or_else(|| not_found(name))?;
        let is_half = |object: &&Arc<Object>| {
            object.content.class == Class::PublicKey && object.version.map(|v| v.id) == main.version.map(|v| v.id)
        };
        Ok(Self { main, public: objects().find(is_half) })
    }

    /// Which version it is, growing.
    pub fn ordinal(&self) -> u32 {
        self.main.version.map_or(0, |version| version.ordinal)
    }

    /// Kind and size. Every key says it.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.main.content.key.as_ref().map_or(KeyAlgorithm::Other(0), |key| key.algorithm)
    }

    /// What it is made of, with the public part if anything knows it.
    pub fn description(&self) -> Result<&'a KeyDescription> {
        let halves = [Some(self.main), self.public].into_iter().flatten();
        let mut known = halves.filter_map(|half| half.content.key.as_ref()).collect::<Vec<_>>();
        known.sort_by_key(|key| key.public.is_empty());
        known.first().copied().ok_or_else(|| ServiceError::bad_parameter("The key's public part is not known."))
    }

    /// What it may be used for.
    pub fn operations(&self) -> KeyOps {
        let halves = [Some(self.main), self.public].into_iter().flatten();
        let usage = halves.fold(KeyOps::empty(), |ops, half| ops | KeyOps::of(half.content.usage));
        let movement = self.main.content.notes.get(MOVEMENT).map(|names| names.split(' '));
        usage | movement.map_or(KeyOps::empty(), |names| KeyOps::named(names).unwrap_or_default())
    }
}

/// Puts operations into the contents of a key's halves.
pub fn set_operations(ops: KeyOps, main: &mut Content, public: Option<&mut Content>) {
    let known = KeyOps::all().usage();
    let given = if public.is_some() { ops.private_usage() } else { ops.usage() };
    main.usage = main.usage.difference(known) | given;
    if let Some(public) = public {
        public.usage = public.usage.difference(known) | ops.public_usage();
    }
    let movement: Vec<_> = ops.movement().names().collect();
    match movement.is_empty() {
        true => main.notes.remove(MOVEMENT),
        false => main.notes.insert(MOVEMENT.into(), movement.join(" ")),
    };
}

/// `KeyBundle`.
#[derive(Serialize)]
pub struct Bundle<'a> {
    key: Box<RawValue>,
    attributes: ShownAttributes,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    tags: &'a Tags,
    /// It is a certificate's and goes with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    managed: bool,
}

/// `KeyItem`.
#[derive(Serialize)]
pub struct Item<'a> {
    kid: String,
    attributes: ShownAttributes,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    tags: &'a Tags,
    /// It is a certificate's and goes with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    managed: bool,
}

impl<'a> Bundle<'a> {
    /// Of this version.
    pub fn new(call: &Call, key: KeyVersion<'a>) -> Result<Self> {
        let kid = call.id_of(Collection::Keys, key.main);
        let asked = key.main.content.notes.get(KTY).map(String::as_str);
        let kty = shown_kty(asked, key.algorithm(), call.served.manner);
        let jwk = PublicJwk::new(&kid, kty, key.operations(), key.description()?)?;
        let jwk =
            serde_json::value::to_raw_value(&jwk).map_err(|error| ServiceError::bad_parameter(error.to_string()))?;
        let managed = key.main.content.is_managed();
        Ok(Self { key: jwk, attributes: attributes(call, key.main), tags: &key.main.content.tags, managed })
    }
}

impl<'a> Item<'a> {
    /// Under this id.
    pub fn new(call: &Call, key: KeyVersion<'a>, kid: String) -> Self {
        let managed = key.main.content.is_managed();
        Self { kid, attributes: attributes(call, key.main), tags: &key.main.content.tags, managed }
    }
}

/// Keys, to be deleted and brought back.
pub struct Keys;

impl deleted::Kind for Keys {
    const COLLECTION: Collection = Collection::Keys;
    type Bundle<'a> = Bundle<'a>;
    type Item<'a> = Item<'a>;

    fn bundle<'a>(call: &Call, _image: &Image, versions: &[&'a Arc<Object>]) -> Result<Option<Bundle<'a>>> {
        KeyVersion::all(versions.iter().copied()).pop().map(|key| Bundle::new(call, key)).transpose()
    }

    fn item<'a>(call: &Call, versions: &[&'a Arc<Object>], id: String) -> Option<Item<'a>> {
        KeyVersion::all(versions.iter().copied()).pop().map(|key| Item::new(call, key, id))
    }

    fn not_found(name: &Name) -> ServiceError {
        not_found(name)
    }
}

fn attributes(call: &Call, main: &Object) -> ShownAttributes {
    ShownAttributes::of(call, main).with_exportable(main.content.exportable)
}

/// No key is called so, or it has no such version.
pub fn not_found(name: &Name) -> ServiceError {
    ServiceError::not_found(
        "KeyNotFound",
        format!(
            "A key with (name/id) {name} was not found in this key vault. If you recently deleted this key you may be able \
             to recover it using the correct recovery command."
        ),
    )
}
