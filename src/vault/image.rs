//! The objects of a vault at one moment, indexed for every search that clients do.
//!
//! Persistent maps: a changed image shares what didn't change with the one before, so that publishing one change among
//! 100,000 objects costs microseconds, and readers of the old one are not disturbed.

use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync, RedBlackTreeSetSync};

use super::{Class, Collection, Object, ObjectNumber, UniqueId};

type Index<K> = HashTrieMapSync<K, RedBlackTreeSetSync<ObjectNumber>>;

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
    by_name: Index<(Collection, Box<str>)>,
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
        self.resolve(self.by_name.get(&(collection, name.to_ascii_lowercase().into_boxed_str())))
    }

    /// How many objects an index holds, to choose the shortest: label, id, class.
    pub fn count_label(&self, label: &[u8]) -> usize {
        self.by_label.get(label).map_or(0, RedBlackTreeSetSync::size)
    }

    /// See [`count_label`](Self::count_label).
    pub fn count_id(&self, id: &[u8]) -> usize {
        self.by_id.get(id).map_or(0, RedBlackTreeSetSync::size)
    }

    /// Whether it is the newest enabled version of its name and class; what has no name is always current.
    pub fn is_current(&self, object: &Object) -> bool {
        let (Some(name), Some(version), Some(collection)) = (&object.name, object.version, object.collection()) else {
            return true;
        };
        object.content.enabled
            && !self.with_name(collection, name.as_str()).any(|other| {
                other.content.class == object.content.class
                    && other.content.enabled
                    && other.version.is_some_and(|newer| newer.ordinal > version.ordinal)
            })
    }

    /// Puts an object in, in place of the one with its number.
    pub fn insert(&mut self, object: Arc<Object>) {
        self.remove(object.number);
        let number = object.number;
        add(&mut self.by_label, object.content.label.as_slice().into(), number);
        add(&mut self.by_id, object.content.id.as_slice().into(), number);
        add(&mut self.by_class, object.content.class, number);
        if let Some(key) = name_key(&object) {
            add(&mut self.by_name, key, number);
        }
        self.by_unique_id.insert_mut(object.unique_id, number);
        self.objects.insert_mut(number, object);
    }

    /// Takes an object out.
    pub fn remove(&mut self, number: ObjectNumber) {
        let Some(object) = self.objects.get(&number).cloned() else { return };
        take(&mut self.by_label, object.content.label.as_slice().into(), number);
        take(&mut self.by_id, object.content.id.as_slice().into(), number);
        take(&mut self.by_class, object.content.class, number);
        if let Some(key) = name_key(&object) {
            take(&mut self.by_name, key, number);
        }
        self.by_unique_id.remove_mut(&object.unique_id);
        self.objects.remove_mut(&number);
    }

    fn resolve<'a>(
        &'a self,
        numbers: Option<&'a RedBlackTreeSetSync<ObjectNumber>>,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        numbers.into_iter().flat_map(|set| set.iter()).filter_map(|number| self.objects.get(number))
    }
}

fn name_key(object: &Object) -> Option<(Collection, Box<str>)> {
    Some((object.collection()?, object.name.as_ref()?.folded().into_boxed_str()))
}

fn add<K: Clone + Eq + std::hash::Hash>(index: &mut Index<K>, key: K, number: ObjectNumber) {
    match index.get_mut(&key) {
        Some(set) => set.insert_mut(number),
        None => {
            let mut set = RedBlackTreeSetSync::new_sync();
            set.insert_mut(number);
            index.insert_mut(key, set);
        }
    }
}

fn take<K: Clone + Eq + std::hash::Hash>(index: &mut Index<K>, key: K, number: ObjectNumber) {
    let Some(set) = index.get_mut(&key) else { return };
    set.remove_mut(&number);
    if set.is_empty() {
        index.remove_mut(&key);
    }
}
