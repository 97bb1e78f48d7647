//! The list of what lies at the service: read page by page, kept, and brought up to date by age.
//!
//! A first reading costs one request for 25 objects, one for each object's versions and one for each enabled version, whose
//! public part is in no list. Afterwards an object whose line in the list reads as before keeps its versions without a
//! request, but for every tenth reading: an older version that was disabled shows only in the list of versions, and is
//! refused by the service meanwhile. A secret's value is in nobody's list and not read here.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use globset::GlobSet;

use super::algorithm::Service;
use super::key::AzureKey;
use super::objects::{self, Shape};
use super::session::{Repeat, Session};
use super::wire::{CertificateBundle, Item, KeyBundle, Page, invalid, parts_of, read};
use crate::crypto::PublicKey;
use crate::vault::{
    CertificateFields, Class, Collection, Image, Name, Object, ObjectNumber, Result, VaultError, Version,
};

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
    named: BTreeMap<(Collection, Box<str>), Named>,
    /// Readings since every list of versions was read.
    readings: u32,
    commit: u64,
}

/// The enabled versions of one name, the oldest first.
#[derive(Clone)]
struct Named {
    /// Its line in the list; empty if what it was is no longer known.
    line: Box<str>,
    versions: Vec<Known>,
}

#[derive(Clone)]
struct Known {
    /// Its line in the list of versions.
    line: Box<str>,
    shape: Arc<Shape>,
}

/// Whose list is read.
pub struct Source<'a> {
    pub session: &'a Session,
    pub service: Service,
    pub location: &'a str,
    pub filter: Option<&'a GlobSet>,
    /// What the configuration names whole: whoever has a role on these alone can't read the list they stand in.
    pub names: &'a [Name],
    pub secrets: bool,
}

/// Objects on a page, which is as many as a service gives.
const PAGE: usize = 25;
/// Pages of a list: a service that never ends is cut off.
const MOST_PAGES: usize = 100_000;
/// How often lists of versions are read that seem to be as they were.
const READINGS: u32 = 10;

impl Contents {
    /// Reads the lists, with what is known of them.
    pub fn read(&self, source: &Source<'_>) -> Result<Self> {
        let everything = self.readings + 1 >= READINGS;
        let known = if everything { &Self::default() } else { self };
        let mut named = BTreeMap::new();
        for collection in source.collections() {
            match source.collection(collection, known, self, &mut named) {
                // A role for keys alone shows no certificates.
                Err(VaultError::NotPermitted { .. }) if collection != Collection::Keys => {}
                outcome => outcome?,
            }
        }
        Ok(Self { named, readings: if everything { 0 } else { self.readings + 1 }, commit: self.commit + 1 })
    }

    /// With this version, that was just made or changed.
    pub fn with(&self, collection: Collection, shape: Shape) -> Self {
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

    /// Without this name.
    pub fn without(&self, collection: Collection, name: &str) -> Self {
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

impl Source<'_> {
    fn collections(&self) -> impl Iterator<Item = Collection> {
        let certificates = (!self.service.hsm).then_some(Collection::Certificates);
        let secrets = (!self.service.hsm && self.secrets).then_some(Collection::Secrets);
        [Some(Collection::Keys), certificates, secrets].into_iter().flatten()
    }

    fn collection(
        &self,
        collection: Collection,
        known: &Contents,
        ever: &Contents,
        found: &mut BTreeMap<(Collection, Box<str>), Named>,
    ) -> Result<()> {
        let lines = match self.lines(&format!("/{}?maxresults={PAGE}", collection.segment())) {
            Err(denied @ VaultError::NotPermitted { .. }) => return self.by_name(collection, ever, found, denied),
            lines => lines?,
        };
        for line in lines {
            let item: Item = read(self.location, line.as_bytes())?;
            let Some((_, name, _)) = parts_of(item.id()) else { continue };
            // A certificate's secret is no object of its own.
            let hidden = collection == Collection::Secrets && item.managed == Some(true);
            if hidden || !self.is_wanted(name, &item) {
                continue;
            }
            let key = (collection, name.to_ascii_lowercase().into_boxed_str());
            let named = match known.named.get(&key) {
                Some(named) if *named.line == *line => named.clone(),
                _ => Named { versions: self.versions(collection, name, ever.named.get(&key))?, line },
            };
            found.insert(key, named);
        }
        Ok(())
    }

    /// Without the list: what the configuration names, if that may be read by itself.
    fn by_name(
        &self,
        collection: Collection,
        ever: &Contents,
        found: &mut BTreeMap<(Collection, Box<str>), Named>,
        denied: VaultError,
    ) -> Result<()> {
        let mut any = false;
        for name in self.names {
            let key = (collection, name.folded().into_boxed_str());
            match self.versions(collection, name.as_str(), ever.named.get(&key)) {
                Err(VaultError::NotPermitted { .. }) => {}
                versions => {
                    // Without a line nobody sees whether it changed: it is read each time.
                    found.insert(key, Named { line: "".into(), versions: versions? });
                    any = true;
                }
            }
        }
        if any { Ok(()) } else { Err(denied) }
    }

    /// By its name, or by a label that a tag gives it.
    fn is_wanted(&self, name: &str, item: &Item) -> bool {
        let Some(filter) = self.filter else { return true };
        let mut tags = item.tags.iter().flatten();
        filter.is_match(name)
            || tags.any(|(tag, value)| tag.to_ascii_lowercase().ends_with("label") && filter.is_match(value))
    }

    fn versions(&self, collection: Collection, name: &str, known: Option<&Named>) -> Result<Vec<Known>> {
        let path = format!("/{}/{name}", collection.segment());
        let lines = match self.lines(&format!("{path}/versions?maxresults={PAGE}")) {
            // It was deleted meanwhile.
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            lines => lines?,
        };
        let mut versions = Vec::with_capacity(lines.len());
        for line in lines {
            let item: Item = read(self.location, line.as_bytes())?;
            let Some((_, _, Some(version))) = parts_of(item.id()) else { continue };
            if item.attributes.enabled == Some(false) {
                continue;
            }
            let same = known.and_then(|known| known.versions.iter().find(|known| *known.line == *line));
            let shape = match same {
                Some(same) => Some(Arc::clone(&same.shape)),
                None => self.version(collection, &format!("{path}/{version}"), &item)?.map(Arc::new),
            };
            versions.extend(shape.map(|shape| Known { line, shape }));
        }
        versions.sort_by_key(|version| version.shape.created);
        self.settle(collection, &path, &mut versions)?;
        Ok(versions)
    }

    /// Of versions that were made in one second, the service knows which is the newest.
    fn settle(&self, collection: Collection, path: &str, versions: &mut Vec<Known>) -> Result<()> {
        let [.., before, last] = &versions[..] else { return Ok(()) };
        if before.shape.created != last.shape.created || collection == Collection::Secrets {
            return Ok(());
        }
        let Some(current) = self.shape(collection, &format!("{path}/"))? else { return Ok(()) };
        if let Some(place) = versions.iter().position(|version| version.shape.id == current.id) {
            let newest = versions.remove(place);
            versions.push(newest);
        }
        Ok(())
    }

    fn version(&self, collection: Collection, path: &str, item: &Item) -> Result<Option<Shape>> {
        match collection {
            Collection::Secrets => Ok(objects::of_secret(item)),
            _ => self.shape(collection, path),
        }
    }

    /// A key or certificate at this path; `None` if it isn't there any more, or nothing that is used.
    fn shape(&self, collection: Collection, path: &str) -> Result<Option<Shape>> {
        let reply = match self.session.call("GET", path, None, Repeat::Safe) {
            Err(error) if is_missing(&error) => return Ok(None),
            reply => reply?,
        };
        Ok(match collection {
            Collection::Certificates => {
                objects::of_certificate(&read::<CertificateBundle>(self.location, &reply.body)?)
            }
            _ => objects::of_key(&read::<KeyBundle>(self.location, &reply.body)?),
        })
    }

    /// Every line of a list.
    fn lines(&self, path: &str) -> Result<Vec<Box<str>>> {
        let mut lines = Vec::new();
        let mut next = Some(path.to_owned());
        for _ in 0..MOST_PAGES {
            let Some(path) = next else { return Ok(lines) };
            let reply = self.session.call("GET", &path, None, Repeat::Safe)?;
            let page: Page = read(self.location, &reply.body)?;
            lines.extend(page.value.into_iter().map(|item| item.get().into()));
            next = page
                .next_link
                .filter(|link| !link.is_empty())
                .map(|link| rest_of(&link))
                .transpose()
                .map_err(|()| invalid(self.location, "the rest of its list is nowhere"))?;
        }
        Err(invalid(self.location, "its list has no end"))
    }
}

/// The id that a certificate's own key has without a tag.
fn own_id(certificate: &Object) -> Vec<u8> {
    let fields = certificate.content.value.as_deref().and_then(CertificateFields::of);
    let key = fields.and_then(|fields| PublicKey::from_spki(fields.public_key).ok());
    key.map_or_else(Vec::new, |key| key.key_id().to_vec())
}

/// Path and query of a link, without `api-version`: whatever host stands in it, the rest is asked of the vault itself.
fn rest_of(link: &str) -> std::result::Result<String, ()> {
    let (_, rest) = link.split_once("://").ok_or(())?;
    let rest = &rest[rest.find('/').ok_or(())?..];
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kept: Vec<_> = query.split('&').filter(|part| !part.is_empty() && !is_version(part)).collect();
    Ok(if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) })
}

fn is_version(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    name.replace("%2D", "-").replace("%2d", "-").eq_ignore_ascii_case("api-version")
}

/// Whether it says that there is nothing of this name.
pub fn is_missing(error: &VaultError) -> bool {
    matches!(error, VaultError::NotFound | VaultError::RefusedThere { status: 404, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_list_is_asked_of_the_vault_itself() {
        let rest = |link| rest_of(link).ok();
        assert_eq!(
            rest("https://a:1/keys?api-version=7.5&$skiptoken=x%3D&maxresults=25").as_deref(),
            Some("/keys?$skiptoken=x%3D&maxresults=25")
        );
        assert_eq!(rest("https://elsewhere/keys?api%2Dversion=7.5").as_deref(), Some("/keys"));
        assert_eq!(rest("nonsense"), None);
    }
}
