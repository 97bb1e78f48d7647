//! The objects of a vault at one moment, indexed for every search that clients do.
//!
//! Persistent maps: a changed image shares what didn't change with the one before, so that publishing one change among
//! 100,000 objects costs microseconds, and readers of the old one are not disturbed.

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::{HashTrieMapSync, HashTrieSetSync, RedBlackTreeMapSync, RedBlackTreeSetSync};

use super::{Class, Collection, Object, ObjectNumber, UniqueId};

type Index<K> = HashTrieMapSync<K, Numbers>;

/// In the order of their names, to be listed in pages.
type Names = RedBlackTreeMapSync<(Collection, Box<str>), Numbers>;

/// The objects under one key, ascending. Most keys have one, for which a tree would be three allocations at every load.
#[derive(Clone, Debug)]
enum Numbers {
    One(ObjectNumber),
    Several(RedBlackTreeSetSync<ObjectNumber>),
}

/// An immutable set of objects. Numbers in every answer are ascending, so that the last one is the newest.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Changes with every change of the vault; equal numbers of one vault are equal images.
    pub commit: u64,
    objects: RedBlackTreeMapSync<ObjectNumber, Arc<Object>>,
    by_label: Index<Box<[u8]>>,
    by_id: Index<Box<[u8]>>,
    by_class: Index<Class>,
    by_unique_id: HashTrieMapSync<UniqueId, ObjectNumber>,
    by_name: Names,
    /// Deleted softly: in none of the indexes above, but for the unique id.
    deleted: RedBlackTreeMapSync<ObjectNumber, Arc<Object>>,
    deleted_by_name: Names,
    /// When what is deleted softly is to be purged.
    due: RedBlackTreeSetSync<(i64, ObjectNumber)>,
    /// A service's own records; in none of the indexes either.
    service: Arc<BTreeMap<ObjectNumber, Arc<Object>>>,
    /// Certificates still to be issued; in none of the indexes either.
    requests: RedBlackTreeMapSync<ObjectNumber, Arc<Object>>,
    requests_by_name: Names,
    /// Named objects that are not the newest enabled version of their name and class.
    superseded: HashTrieSetSync<ObjectNumber>,
}

impl Image {
    /// The object with this number.
    pub fn get(&self, number: ObjectNumber) -> Option<&Arc<Object>> {
        self.objects.get(&number)
    }

    /// All of them.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.objects.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Objects with this label.
    pub fn with_label(&self, label: &[u8]) -> impl Iterator<Item = &Arc<Object>> {
        self.resolve(self.by_label.get(label))
    }

    /// Objects with this id.
    pub fn with_id(&self, id: &[u8]) -> impl Iterator<Item = &Arc<Object>> {
        self.resolve(self.by_id.get(id))
    }

    /// Objects of this class.
    pub fn with_class(&self, class: Class) -> impl Iterator<Item = &Arc<Object>> {
        self.resolve(self.by_class.get(&class))
    }

    /// The object with this unique id.
    pub fn with_unique_id(&self, id: &UniqueId) -> Option<&Arc<Object>> {
        self.objects.get(self.by_unique_id.get(id)?)
    }

    /// All versions and halves of what has this name, without regard to case.
    pub fn with_name(&self, collection: Collection, name: &str) -> impl Iterator<Item = &Arc<Object>> {
        self.resolve(self.by_name.get(&name_of(collection, name)))
    }

    /// All versions and halves of what had this name when it was deleted softly.
    pub fn deleted_with_name(&self, collection: Collection, name: &str) -> impl Iterator<Item = &Arc<Object>> {
        let numbers = self.deleted_by_name.get(&name_of(collection, name));
        numbers.into_iter().flat_map(Numbers::iter).filter_map(|number| self.deleted.get(number))
    }

    /// The names of a collection in the order in which they are compared, in small letters, from `first` on.
    pub fn names<'a>(&'a self, collection: Collection, first: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        names_from(&self.by_name, collection, first)
    }

    /// As [`names`](Self::names), of what was deleted softly.
    pub fn deleted_names<'a>(&'a self, collection: Collection, first: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        names_from(&self.deleted_by_name, collection, first)
    }

    /// What was deleted softly.
    pub fn deleted(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.deleted.values()
    }

    /// When the next of what was deleted softly is to be purged, in seconds since 1970.
    pub fn next_purge(&self) -> Option<i64> {
        self.due.first().map(|(date, _)| *date)
    }

    /// A service's own records. As long as none of them changes it is the same allocation, so that what is made of them
    /// need not be made anew.
    pub fn service(&self) -> &Arc<BTreeMap<ObjectNumber, Arc<Object>>> {
        &self.service
    }

    /// What of this name is still to be issued as a certificate.
    pub fn request(&self, name: &str) -> Option<&Arc<Object>> {
        let numbers = self.requests_by_name.get(&name_of(Collection::Certificates, name))?;
        numbers.iter().last().and_then(|number| self.requests.get(number))
    }

    /// As [`names`](Self::names), of certificates still to be issued.
    pub fn request_names<'a>(&'a self, first: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        names_from(&self.requests_by_name, Collection::Certificates, first)
    }

    /// Every object, also what is deleted softly, requests and a service's records: for what copies or replaces a whole vault.
    pub fn everything(&self) -> impl Iterator<Item = &Arc<Object>> {
        let shown = self.objects.values().chain(self.deleted.values());
        shown.chain(self.requests.values()).chain(self.service.values())
    }

    /// As [`with_unique_id`](Self::with_unique_id), of every object.
    pub fn any_with_unique_id(&self, id: &UniqueId) -> Option<&Arc<Object>> {
        let number = self.by_unique_id.get(id)?;
        let hidden = || self.deleted.get(number).or_else(|| self.requests.get(number));
        self.objects.get(number).or_else(hidden).or_else(|| self.service.get(number))
    }

    /// How many objects an index holds, to choose the shortest: label, id, class.
    pub fn count_label(&self, label: &[u8]) -> usize {
        self.by_label.get(label).map_or(0, Numbers::len)
    }

    /// See [`count_label`](Self::count_label).
    pub fn count_id(&self, id: &[u8]) -> usize {
        self.by_id.get(id).map_or(0, Numbers::len)
    }

    /// See [`count_label`](Self::count_label).
    pub fn count_class(&self, class: Class) -> usize {
        self.by_class.get(&class).map_or(0, Numbers::len)
    }

    /// Whether this object of the image is the newest enabled version of its name and class; what has no name is
    /// always current. Asked for every match of a search, so it is looked up and not worked out.
    pub fn is_current(&self, object: &Object) -> bool {
        !self.superseded.contains(&object.number)
    }

    /// Puts an object in, in place of the one with its number.
    pub fn insert(&mut self, object: Arc<Object>) {
        self.remove(object.number);
        let number = object.number;
        self.by_unique_id.insert_mut(object.unique_id, number);
        if object.content.class == Class::Service {
            Arc::make_mut(&mut self.service).insert(number, object);
            return;
        }
        let name = name_key(&object);
        if let Some(deletion) = object.content.deleted {
            self.due.insert_mut((deletion.purge, number));
            name.into_iter().for_each(|name| add_name(&mut self.deleted_by_name, name, number));
            self.deleted.insert_mut(number, object);
            return;
        }
        if object.content.class == Class::CertificateRequest {
            name.into_iter().for_each(|name| add_name(&mut self.requests_by_name, name, number));
            self.requests.insert_mut(number, object);
            return;
        }
        add(&mut self.by_label, object.content.label.as_slice().into(), number);
        add(&mut self.by_id, object.content.id.as_slice().into(), number);
        add(&mut self.by_class, object.content.class, number);
        self.objects.insert_mut(number, object);
        if let Some(name) = name {
            add_name(&mut self.by_name, name.clone(), number);
            self.settle_versions(&name);
        }
    }

    /// Takes an object out.
    pub fn remove(&mut self, number: ObjectNumber) {
        let Some(object) = self.objects.get(&number).cloned() else { return self.remove_hidden(number) };
        take(&mut self.by_label, object.content.label.as_slice().into(), number);
        take(&mut self.by_id, object.content.id.as_slice().into(), number);
        take(&mut self.by_class, object.content.class, number);
        self.by_unique_id.remove_mut(&object.unique_id);
        self.objects.remove_mut(&number);
        self.superseded.remove_mut(&number);
        if let Some(name) = name_key(&object) {
            take_name(&mut self.by_name, &name, number);
            self.settle_versions(&name);
        }
    }

    fn remove_hidden(&mut self, number: ObjectNumber) {
        let removed = match self.deleted.get(&number).cloned() {
            Some(object) => {
                self.deleted.remove_mut(&number);
                self.due.remove_mut(&(object.content.deleted.map_or(0, |deletion| deletion.purge), number));
                name_key(&object).into_iter().for_each(|name| take_name(&mut self.deleted_by_name, &name, number));
                Some(object)
            }
            None if self.service.contains_key(&number) => Arc::make_mut(&mut self.service).remove(&number),
            None => self.remove_request(number),
        };
        removed.into_iter().for_each(|object| {
            self.by_unique_id.remove_mut(&object.unique_id);
        });
    }

    fn remove_request(&mut self, number: ObjectNumber) -> Option<Arc<Object>> {
        let object = self.requests.get(&number).cloned()?;
        self.requests.remove_mut(&number);
        name_key(&object).into_iter().for_each(|name| take_name(&mut self.requests_by_name, &name, number));
        Some(object)
    }

    /// Finds again which versions of a name are current, after one of them came, went or changed.
    fn settle_versions(&mut self, name: &(Collection, Box<str>)) {
        let mut newest: Vec<(Class, u32)> = Vec::new();
        let mut versions: Vec<(ObjectNumber, Class, Option<u32>)> = Vec::new();
        for object in self.resolve(self.by_name.get(name)) {
            let Some(version) = object.version else { continue };
            let class = object.content.class;
            let ordinal = object.content.enabled.then_some(version.ordinal);
            versions.push((object.number, class, ordinal));
            match (ordinal, newest.iter_mut().find(|(of, _)| *of == class)) {
                (Some(ordinal), Some((_, highest))) => *highest = ordinal.max(*highest),
                (Some(ordinal), None) => newest.push((class, ordinal)),
                (None, _) => {}
            }
        }
        for (number, class, ordinal) in versions {
            let highest = newest.iter().find(|(of, _)| *of == class).map(|(_, highest)| *highest);
            if ordinal.is_some() && ordinal == highest {
                self.superseded.remove_mut(&number);
            } else if !self.superseded.contains(&number) {
                self.superseded.insert_mut(number);
            }
        }
    }

    fn resolve<'a>(&'a self, numbers: Option<&'a Numbers>) -> impl Iterator<Item = &'a Arc<Object>> {
        numbers.into_iter().flat_map(Numbers::iter).filter_map(|number| self.objects.get(number))
    }
}

impl Numbers {
    fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Several(set) => set.size(),
        }
    }

    /// Walking a tree takes memory; one number doesn't.
    fn iter(&self) -> impl Iterator<Item = &ObjectNumber> {
        let (one, several) = match self {
            Self::One(number) => (Some(number), None),
            Self::Several(set) => (None, Some(set)),
        };
        one.into_iter().chain(several.into_iter().flat_map(|set| set.iter()))
    }

    fn insert(&mut self, number: ObjectNumber) {
        match self {
            Self::One(only) if *only == number => {}
            Self::One(only) => *self = Self::Several([*only, number].into_iter().collect()),
            Self::Several(set) => set.insert_mut(number),
        }
    }

    /// False if none is left.
    fn remove(&mut self, number: ObjectNumber) -> bool {
        match self {
            Self::One(only) => *only != number,
            Self::Several(set) => {
                set.remove_mut(&number);
                if let (1, Some(only)) = (set.size(), set.first()) {
                    *self = Self::One(*only);
                }
                true
            }
        }
    }
}

fn name_key(object: &Object) -> Option<(Collection, Box<str>)> {
    Some((object.collection()?, object.name.as_ref()?.folded().into_boxed_str()))
}

fn name_of(collection: Collection, name: &str) -> (Collection, Box<str>) {
    (collection, name.to_ascii_lowercase().into_boxed_str())
}

fn names_from<'a>(names: &'a Names, collection: Collection, first: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let first = name_of(collection, first);
    names.range(first..).map(|(name, _)| name).take_while(move |(of, _)| *of == collection).map(|(_, name)| &**name)
}

fn add_name(names: &mut Names, name: (Collection, Box<str>), number: ObjectNumber) {
    match names.get_mut(&name) {
        Some(numbers) => numbers.insert(number),
        None => {
            names.insert_mut(name, Numbers::One(number));
        }
    }
}

fn take_name(names: &mut Names, name: &(Collection, Box<str>), number: ObjectNumber) {
    let Some(numbers) = names.get_mut(name) else { return };
    if !numbers.remove(number) {
        names.remove_mut(name);
    }
}

fn add<K: Clone + Eq + std::hash::Hash>(index: &mut Index<K>, key: K, number: ObjectNumber) {
    match index.get_mut(&key) {
        Some(numbers) => numbers.insert(number),
        None => index.insert_mut(key, Numbers::One(number)),
    }
}

fn take<K: Clone + Eq + std::hash::Hash>(index: &mut Index<K>, key: K, number: ObjectNumber) {
    let Some(numbers) = index.get_mut(&key) else { return };
    if !numbers.remove(number) {
        index.remove_mut(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Content, Deletion, Name, Version};

    fn version(number: ObjectNumber, class: Class, ordinal: u32, enabled: bool) -> Arc<Object> {
        let content = Content { enabled, ..Content::new(class) };
        Arc::new(Object {
            number,
            unique_id: [number as u8; 16],
            name: Some(Name::new("www").unwrap()),
            version: Some(Version { id: [ordinal as u8; 16], ordinal }),
            created: 0,
            updated: 0,
            has_secret: false,
            secret_len: 0,
            content,
        })
    }

    fn current(image: &Image) -> Vec<ObjectNumber> {
        image.objects().filter(|object| image.is_current(object)).map(|object| object.number).collect()
    }

    #[test]
    fn the_newest_enabled_version_of_each_half_is_current() {
        let mut image = Image::default();
        for (number, class, ordinal) in
            [(1, Class::PrivateKey, 1), (2, Class::PublicKey, 1), (3, Class::PrivateKey, 2), (4, Class::PublicKey, 2)]
        {
            image.insert(version(number, class, ordinal, true));
        }
        assert_eq!(current(&image), [3, 4]);
        image.insert(version(3, Class::PrivateKey, 2, false));
        assert_eq!(current(&image), [1, 4], "a disabled version gives way to the one before");
        image.insert(version(3, Class::PrivateKey, 2, true));
        assert_eq!(current(&image), [3, 4], "and takes its place again when it is enabled");
        image.remove(4);
        assert_eq!(current(&image), [2, 3], "and so does a deleted one");
    }

    #[test]
    fn a_name_whose_versions_are_all_disabled_has_no_current_one() {
        let mut image = Image::default();
        image.insert(version(1, Class::PrivateKey, 1, false));
        assert!(current(&image).is_empty());
    }

    #[test]
    fn what_has_no_name_is_current() {
        let mut image = Image::default();
        image.insert(Arc::new(Object {
            name: None,
            version: None,
            ..(*version(1, Class::PublicKey, 1, true)).clone()
        }));
        assert_eq!(current(&image), [1]);
    }

    #[test]
    fn what_is_deleted_softly_is_found_by_its_name_alone_and_comes_back() {
        let mut image = Image::default();
        let live = version(1, Class::PrivateKey, 1, true);
        image.insert(Arc::clone(&live));
        let content = Content { deleted: Some(Deletion { at: 1, purge: 2 }), ..live.content.clone() };
        image.insert(Arc::new(Object { content, ..(*live).clone() }));
        assert_eq!((image.len(), image.with_name(Collection::Keys, "www").count()), (0, 0));
        assert!(image.with_unique_id(&live.unique_id).is_none() && image.any_with_unique_id(&live.unique_id).is_some());
        assert_eq!(image.deleted_with_name(Collection::Keys, "WWW").count(), 1);
        assert_eq!(image.deleted_names(Collection::Keys, "").collect::<Vec<_>>(), ["www"]);
        assert_eq!(image.next_purge(), Some(2));
        image.insert(Arc::clone(&live));
        assert_eq!((image.len(), image.deleted().count(), image.next_purge()), (1, 0, None));
        assert_eq!(image.names(Collection::Keys, "x").count(), 0);
        assert_eq!(image.names(Collection::Keys, "w").collect::<Vec<_>>(), ["www"]);
    }

    #[test]
    fn a_services_records_stand_apart_and_stay_where_they_are_as_long_as_none_changes() {
        let mut image = Image::default();
        image.insert(version(1, Class::Service, 1, true));
        let before = Arc::clone(image.service());
        image.insert(version(2, Class::PrivateKey, 1, true));
        assert!(Arc::ptr_eq(&before, image.service()) && image.len() == 1);
        image.remove(1);
        assert!(image.service().is_empty() && before.len() == 1);
    }

    #[test]
    fn a_request_holds_its_name_and_is_found_by_nothing_else() {
        let mut image = Image::default();
        let request = version(1, Class::CertificateRequest, 1, true);
        image.insert(Arc::clone(&request));
        assert!(
            image.is_empty()
                && image.get(1).is_none()
                && image.with_name(Collection::Certificates, "www").next().is_none()
        );
        assert_eq!(image.request("WWW").map(|object| object.number), Some(1));
        assert_eq!(image.request_names("").collect::<Vec<_>>(), ["www"]);
        let content = Content { deleted: Some(Deletion { at: 1, purge: 2 }), ..request.content.clone() };
        image.insert(Arc::new(Object { content, ..(*request).clone() }));
        assert!(image.request("www").is_none());
        assert_eq!(image.deleted_with_name(Collection::Certificates, "www").count(), 1);
        image.remove(1);
        assert_eq!(image.everything().count(), 0);
    }

    #[test]
    fn a_renamed_object_leaves_its_old_name_to_the_others() {
        let mut image = Image::default();
        image.insert(version(1, Class::PrivateKey, 1, true));
        image.insert(version(2, Class::PrivateKey, 2, true));
        let other = Some(Name::new("other").unwrap());
        image.insert(Arc::new(Object { name: other, ..(*version(2, Class::PrivateKey, 2, true)).clone() }));
        assert_eq!(current(&image), [1, 2]);
    }
}
