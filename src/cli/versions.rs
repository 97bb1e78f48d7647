//! The objects of an image as people see them: named things with versions, a key pair's halves together.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Error, Result, time};
use crate::vault::{Class, Collection, Image, Object, ObjectNumber, VersionId};

/// A key, secret or certificate with its versions, oldest first. Never without any.
pub(super) struct Named {
    /// Its name; the label of what has none.
    pub name: String,
    pub versions: Vec<Versioned>,
}

/// One version: the objects that are its halves. Never without any.
pub(super) struct Versioned {
    /// 32 hexadecimal digits; the unique id of what has no version.
    pub id: String,
    pub objects: Vec<Arc<Object>>,
}

/// `--kind`, where a name alone may mean several things.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Key,
    Secret,
    Certificate,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Key, Self::Secret, Self::Certificate];
}

impl From<Kind> for Collection {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Key => Self::Keys,
            Kind::Secret => Self::Secrets,
            Kind::Certificate => Self::Certificates,
        }
    }
}

/// What the collection holds, by name.
pub(super) fn all(image: &Image, collection: Collection) -> Vec<Named> {
    grouped(image.objects(), collection)
}

/// What of these objects belongs to the collection, by name.
pub(super) fn grouped<'a>(objects: impl Iterator<Item = &'a Arc<Object>>, collection: Collection) -> Vec<Named> {
    let mut by_name: BTreeMap<String, Named> = BTreeMap::new();
    for object in objects.filter(|object| Collection::of(&object.content) == Some(collection)) {
        let name = display_name(object);
        // What has no name never joins what is called like it.
        let key = match &object.name {
            Some(name) => name.folded(),
            None => format!("{name}\0{}", object.number),
        };
        by_name.entry(key).or_insert_with(|| Named { name, versions: Vec::new() }).add(object);
    }
    let mut all: Vec<Named> = by_name.into_values().collect();
    all.iter_mut().for_each(Named::sort);
    all
}

/// What is called so, without regard to case; else the one thing without a name that has this label.
pub(super) fn named(image: &Image, collection: Collection, name: &str) -> Result<Named> {
    let mut all = all(image, collection);
    if let Some(index) = all.iter().position(|named| named.has_name() && named.name.eq_ignore_ascii_case(name)) {
        return Ok(all.swap_remove(index));
    }
    let mut labelled: Vec<Named> = all.into_iter().filter(|named| named.name == name).collect();
    match labelled.len() {
        1 => Ok(labelled.remove(0)),
        0 => Err(Error::refused(format!("There is no {} called {name:?}.", singular(collection)))),
        several => Err(Error::refused(format!(
            "There are {several} {} without a name that have the label {name:?}.",
            plural(collection)
        ))),
    }
}

impl Named {
    /// The newest version, enabled or not.
    pub(super) fn newest(&self) -> &Versioned {
        // Made with its first version, which nothing takes out.
        self.versions.last().expect("a named thing has a version")
    }

    /// The newest enabled version, or the newest if none is.
    pub(super) fn current(&self) -> &Versioned {
        self.versions.iter().rev().find(|version| version.enabled()).unwrap_or_else(|| self.newest())
    }

    /// The version whose id begins so.
    pub(super) fn version(&self, id: &str) -> Result<&Versioned> {
        let id = id.to_ascii_lowercase();
        let matching: Vec<&Versioned> = self.versions.iter().filter(|version| version.id.starts_with(&id)).collect();
        match matching.as_slice() {
            [only] => Ok(only),
            [] => Err(Error::refused(format!("{} has no version {id}.", self.name))),
            _ => Err(Error::refused(format!("{} has several versions that begin with {id}.", self.name))),
        }
    }

    /// The version with this id, or the current one.
    pub(super) fn version_or_current(&self, id: Option<&str>) -> Result<&Versioned> {
        id.map_or_else(|| Ok(self.current()), |id| self.version(id))
    }

    /// Every object of every version.
    pub(super) fn numbers(&self) -> Vec<ObjectNumber> {
        self.versions.iter().flat_map(Versioned::numbers).collect()
    }

    fn has_name(&self) -> bool {
        self.newest().main().name.is_some()
    }

    fn add(&mut self, object: &Arc<Object>) {
        let id = hex(&object.version.map_or(object.unique_id, |version| version.id));
        match self.versions.iter_mut().find(|version| version.id == id) {
            Some(version) => version.objects.push(object.clone()),
            None => self.versions.push(Versioned { id, objects: vec![object.clone()] }),
        }
    }

    fn sort(&mut self) {
        self.versions.sort_by_key(|version| version.main().version.map_or(0, |version| version.ordinal));
    }
}

impl Versioned {
    /// The half that decides: private key, secret key, certificate or data; a public key where it is alone.
    pub(super) fn main(&self) -> &Arc<Object> {
        self.of_class(Class::PrivateKey)
            .or_else(|| self.of_class(Class::SecretKey))
            .or_else(|| self.objects.first())
            // Made with its first object, which nothing takes out.
            .expect("a version has an object")
    }

    pub(super) fn of_class(&self, class: Class) -> Option<&Arc<Object>> {
        self.objects.iter().find(|object| object.content.class == class)
    }

    pub(super) fn numbers(&self) -> Vec<ObjectNumber> {
        self.objects.iter().map(|object| object.number).collect()
    }

    pub(super) fn enabled(&self) -> bool {
        self.main().content.enabled
    }

    /// Whether it can be used now, in a word.
    pub(super) fn state(&self) -> &'static str {
        let content = &self.main().content;
        let now = time::now();
        match (content.enabled, content.not_before, content.expires) {
            (false, _, _) => "disabled",
            (_, Some(start), _) if now < start => "not yet valid",
            (_, _, Some(end)) if now >= end => "expired",
            _ => "enabled",
        }
    }

    /// What every kind of object has, for JSON.
    pub(super) fn json(&self) -> Value {
        let main = self.main();
        json!({
            "version": self.id,
            "enabled": main.content.enabled,
            "state": self.state(),
            "id": hex(&main.content.id),
            "label": String::from_utf8_lossy(&main.content.label),
            "created": time::text(main.created),
            "updated": time::text(main.updated),
            "not_before": main.content.not_before.map(time::text),
            "expires": main.content.expires.map(time::text),
            "tags": main.content.tags,
        })
    }
}

/// What everything with versions has, for JSON: its name, and its current version's fields.
pub(super) fn json(named: &Named, mut fields: Value) -> Value {
    fields["name"] = json!(named.name);
    fields["version_count"] = json!(named.versions.len());
    fields
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A version's id as `--version` takes it.
pub(super) fn version_text(id: &VersionId) -> String {
    hex(id)
}

fn display_name(object: &Object) -> String {
    match &object.name {
        Some(name) => name.to_string(),
        None => String::from_utf8_lossy(&object.content.label).into_owned(),
    }
}

pub(super) fn singular(collection: Collection) -> &'static str {
    match collection {
        Collection::Keys => "key",
        Collection::Secrets => "secret",
        Collection::Certificates => "certificate",
    }
}

fn plural(collection: Collection) -> &'static str {
    match collection {
        Collection::Keys => "keys",
        Collection::Secrets => "secrets",
        Collection::Certificates => "certificates",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::vault::{Content, Name, Version};

    /// An object as a vault would have made it.
    pub fn object(number: u64, class: Class, name: Option<&str>, ordinal: u32, enabled: bool) -> Arc<Object> {
        let mut content = Content::new(class);
        content.enabled = enabled;
        content.label = name.unwrap_or("label").as_bytes().to_vec();
        Arc::new(Object {
            number,
            unique_id: [number as u8; 16],
            name: name.map(|name| Name::new(name).unwrap()),
            version: name.map(|_| Version { id: [ordinal as u8; 16], ordinal }),
            created: 0,
            updated: 0,
            has_secret: false,
            secret_len: 0,
            content,
        })
    }

    fn image(objects: impl IntoIterator<Item = Arc<Object>>) -> Image {
        let mut image = Image::default();
        objects.into_iter().for_each(|object| image.insert(object));
        image
    }

    fn two_versions() -> Image {
        image([
            object(1, Class::PrivateKey, Some("www"), 1, true),
            object(2, Class::PublicKey, Some("www"), 1, true),
            object(3, Class::PublicKey, Some("www"), 2, false),
            object(4, Class::PrivateKey, Some("www"), 2, false),
        ])
    }

    #[test]
    fn halves_and_versions_of_a_key_belong_together() {
        let keys = all(&two_versions(), Collection::Keys);
        assert_eq!((keys.len(), keys[0].versions.len()), (1, 2));
        assert_eq!(keys[0].newest().main().number, 4);
        assert_eq!(keys[0].current().main().number, 1);
        assert_eq!(keys[0].numbers().len(), 4);
    }

    #[test]
    fn a_name_is_found_without_regard_to_case_and_a_version_by_how_it_begins() {
        let image = two_versions();
        let key = named(&image, Collection::Keys, "WWW").unwrap();
        assert_eq!(key.version("0101").unwrap().main().number, 1);
        assert!(key.version("0").is_err());
        assert!(key.version("ff").is_err());
        assert!(named(&image, Collection::Certificates, "www").is_err());
    }

    #[test]
    fn what_has_no_name_stands_by_itself_under_its_label() {
        let image = image([
            object(1, Class::PublicKey, None, 0, true),
            object(2, Class::PublicKey, None, 0, true),
            object(3, Class::Certificate, None, 0, true),
        ]);
        assert_eq!(all(&image, Collection::Keys).len(), 2);
        assert!(named(&image, Collection::Keys, "label").is_err());
        assert_eq!(named(&image, Collection::Certificates, "label").unwrap().newest().main().number, 3);
    }
}
