//! What a process knows of what lies at the service: what [`reading`](super::reading) found, and what was made, changed or
//! deleted from here since.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::algorithm::Service;
use super::key::AzureKey;
use super::objects::Shape;
use super::session::Session;
use crate::crypto::PublicKey;
use crate::vault::{CertificateFields, Class, Collection, Image, Object, ObjectNumber, Version};

/// What a process knows of a vault at one moment.
pub struct Listing {
    /// Its objects.
    pub image: Arc<Image>,
    /// Its private and secret keys.
    pub keys: HashMap<ObjectNumber, Arc<AzureKey>>,
    /// Where both come from.
    pub contents: Contents,
    /// When it was read; `None` if it holds only what was made from here.
    pub taken: Option<Instant>,
}

/// What was read, without anything that belongs to one process.
#[derive(Clone, Default)]
pub struct Contents {
    pub(super) named: BTreeMap<Key, Named>,
    /// Readings since every list of versions was read.
    pub(super) readings: u32,
    pub(super) commit: u64,
}

/// A collection, and a name in it in small letters.
pub(super) type Key = (Collection, Box<str>);

/// The enabled versions of one name, the oldest first.
#[derive(Clone)]
pub(super) struct Named {
    /// Its line in the list; empty if what it was is no longer known.
    pub(super) line: Arc<str>,
    pub(super) versions: Vec<Known>,
}

#[derive(Clone)]
pub(super) struct Known {
    /// Its line in the list of versions.
    pub(super) line: Arc<str>,
    pub(super) shape: Arc<Shape>,
}

/// What was done there from here.
pub(super) enum Noted {
    /// This version was made or changed.
    Version(Collection, Shape),
    /// All of this name was deleted.
    Gone(Collection, Box<str>),
}

impl Contents {
    /// With what was just done there.
    pub(super) fn with(&self, noted: &Noted) -> Self {
        match noted {
            Noted::Version(collection, shape) => self.with_version(*collection, shape.clone()),
            Noted::Gone(collection, name) => self.without(*collection, name),
        }
    }

    fn with_version(&self, collection: Collection, shape: Shape) -> Self {
        let mut changed = self.clone();
        let key = (collection, shape.name.folded().into_boxed_str());
        let named = changed.named.entry(key).or_insert_with(|| Named { line: "".into(), versions: Vec::new() });
        // It isn't as it was in any list: the next reading asks.
        named.line = "".into();
        let enabled = shape.objects.iter().all(|object| object.content.enabled);
        let known = Known { line: "".into(), shape: Arc::new(shape) };
        match named.versions.iter().position(|other| other.shape.id == known.shape.id) {
            Some(place) if enabled => named.versions[place] = known,
            Some(place) => drop(named.versions.remove(place)),
            None if enabled => named.versions.push(known),
            None => {}
        }
        changed.commit += 1;
        changed
    }

    fn without(&self, collection: Collection, name: &str) -> Self {
        let mut changed = self.clone();
        changed.named.remove(&(collection, name.to_ascii_lowercase().into_boxed_str()));
        changed.commit += 1;
        changed
    }

    fn image(&self) -> Image {
        let mut image = Image::default();
        image.commit = self.commit;
        for ((collection, _), named) in &self.named {
            for (known, ordinal) in named.versions.iter().zip(1..) {
                for object in &known.shape.objects {
                    let mut object = object.clone();
                    object.version = Some(Version { id: known.shape.id, ordinal });
                    if *collection == Collection::Certificates {
                        object.content.id = self.id_of(&known.shape, &object);
                    }
                    image.insert(Arc::new(object));
                }
            }
        }
        image
    }

    /// A certificate's id is its key's, whether that follows from the key or stands in a tag; of a key that isn't listed, what
    /// follows from its public part.
    fn id_of(&self, certificate: &Shape, object: &Object) -> Vec<u8> {
        let key = certificate.key.as_ref().filter(|_| object.content.id.is_empty()).and_then(|(name, id)| {
            let named = self.named.get(&(Collection::Keys, name.as_str().into()))?;
            let version = named.versions.iter().find(|version| version.shape.id == *id)?;
            version.shape.objects.iter().find(|half| half.content.class == Class::PrivateKey)
        });
        match key {
            Some(key) => key.content.id.clone(),
            None if object.content.id.is_empty() => own_id(object),
            None => object.content.id.clone(),
        }
    }
}

impl Listing {
    /// What this process makes of it.
    pub fn new(
        contents: Contents,
        taken: Option<Instant>,
        session: &Arc<Session>,
        service: Service,
        location: &Arc<str>,
    ) -> Self {
        let image = contents.image();
        let key = |object: &Arc<Object>| {
            let key = AzureKey::of(object, session, service, location)?;
            Some((object.number, Arc::new(key)))
        };
        let keys = image.objects().filter_map(key).collect();
        Self { image: Arc::new(image), keys, contents, taken }
    }

    /// Whether it is older than this.
    pub fn is_older_than(&self, age: Duration) -> bool {
        self.taken.is_none_or(|taken| taken.elapsed() > age)
    }
}

/// The id that a certificate's own key has without a tag.
fn own_id(certificate: &Object) -> Vec<u8> {
    let fields = certificate.content.value.as_deref().and_then(CertificateFields::of);
    let key = fields.and_then(|fields| PublicKey::from_spki(fields.public_key).ok());
    key.map_or_else(Vec::new, |key| key.key_id().to_vec())
}
