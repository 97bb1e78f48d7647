//! Changing and deleting there. An edit is made on what the service says now, not on what was listed, and only what it
//! changed is sent.

use std::collections::HashSet;
use std::sync::Arc;

use super::AzureVault;
use super::attributes::{self, Half};
use super::key::hexadecimal;
use super::listing::Noted;
use super::objects::{self, Shape};
use super::refusal::is_missing;
use super::session::{Repeat, rest_of};
use super::wire::{
    CertificateBundle, Item, KeyBundle, Page, Tags, UpdateParameters, WantedAttributes, invalid, parts_of, read,
};
use crate::vault::{Class, Collection, Content, Object, ObjectNumber, Result, Vault, VaultError};

/// A version as the service has it now.
struct Present {
    tags: Tags,
    key_ops: Vec<String>,
    shape: Shape,
    /// The same without any tag.
    plain: Shape,
}

/// What an edit made of one object: as the service has it, as it is to be, and as it would be without a tag.
struct Edit {
    was: Object,
    now: Content,
    plain: Content,
}

impl AzureVault {
    /// One `PATCH` for each version of which objects are meant; a label goes to the others of its name too.
    pub(super) fn change_all(
        &self,
        numbers: &[ObjectNumber],
        edit: &mut dyn FnMut(&mut Content) -> Result<()>,
    ) -> Result<Vec<Arc<Object>>> {
        let mut changed = Vec::with_capacity(numbers.len());
        for group in self.grouped(numbers, |one, other| one.version == other.version)? {
            for (before, after) in group.iter().zip(self.patch(&group, edit)?) {
                self.spread_label(before, &after)?;
                changed.push(after);
            }
        }
        let place = |object: &Arc<Object>| numbers.iter().position(|number| *number == object.number);
        changed.sort_by_key(place);
        Ok(changed)
    }

    /// Objects by what they are called there, and what else they must share to be one request's.
    fn grouped(
        &self,
        numbers: &[ObjectNumber],
        are_one: impl Fn(&Object, &Object) -> bool,
    ) -> Result<Vec<Vec<Arc<Object>>>> {
        let mut groups: Vec<Vec<Arc<Object>>> = Vec::new();
        for number in numbers {
            let (object, _) = self.object(*number)?;
            let same = |group: &&mut Vec<Arc<Object>>| {
                let first = &group[0];
                (first.collection(), &first.name) == (object.collection(), &object.name) && are_one(first, &object)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push(object),
                None => groups.push(vec![object]),
            }
        }
        Ok(groups)
    }

    fn spread_label(&self, before: &Object, after: &Object) -> Result<()> {
        let label = &after.content.label;
        if *label == before.content.label {
            return Ok(());
        }
        let image = self.image();
        let name = before.name.as_ref().map_or("", |name| name.as_str());
        let collection = before.collection().ok_or(VaultError::NotFound)?;
        let others = image.with_name(collection, name).filter(|other| {
            other.version != before.version
                && other.content.class == before.content.class
                && other.content.label != *label
        });
        for other in others {
            self.patch(std::slice::from_ref(other), &mut |content| {
                content.label.clone_from(label);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Changes objects of one version.
    fn patch(
        &self,
        objects: &[Arc<Object>],
        edit: &mut dyn FnMut(&mut Content) -> Result<()>,
    ) -> Result<Vec<Arc<Object>>> {
        let (first, path) = self.object(objects[0].number)?;
        let collection = first.collection().ok_or(VaultError::NotFound)?;
        let present = self.present(collection, &path)?;
        let edits = objects.iter().map(|object| present.edited(object, edit)).collect::<Result<Vec<_>>>()?;
        if edits.iter().all(|edit| edit.now == edit.was.content) {
            return Ok(edits.into_iter().map(|edit| Arc::new(edit.was)).collect());
        }
        let body = update(&present, &edits)?;
        let reply = self.session.call("PATCH", &path, Some(&body), Repeat::Never)?;
        let shape = match collection {
            Collection::Certificates => {
                objects::of_certificate(&read::<CertificateBundle>(&self.location, &reply.body)?)
            }
            _ => objects::of_key(&read::<KeyBundle>(&self.location, &reply.body)?),
        };
        let shape = shape.ok_or(VaultError::NotFound)?;
        let changed = objects.iter().map(|object| own(&shape, object).map(Arc::new).ok_or(VaultError::NotFound));
        let changed = changed.collect::<Result<Vec<_>>>()?;
        self.note(Noted::Version(collection, shape));
        Ok(changed)
    }

    fn present(&self, collection: Collection, path: &str) -> Result<Present> {
        if collection == Collection::Secrets {
            return Err(VaultError::Unsupported("a secret's attributes: set it anew"));
        }
        let reply = match self.session.call("GET", path, None, Repeat::Safe) {
            Err(error) if is_missing(&error) => return Err(VaultError::Deleted),
            reply => reply?,
        };
        let (tags, key_ops, shapes) = if collection == Collection::Certificates {
            let mut bundle: CertificateBundle = read(&self.location, &reply.body)?;
            let shape = objects::of_certificate(&bundle);
            let tags = bundle.tags.take().unwrap_or_default();
            (tags, Vec::new(), (shape, objects::of_certificate(&bundle)))
        } else {
            let mut bundle: KeyBundle = read(&self.location, &reply.body)?;
            let shape = objects::of_key(&bundle);
            let tags = bundle.tags.take().unwrap_or_default();
            let plain = objects::of_key(&bundle);
            (tags, bundle.key.key_ops, (shape, plain))
        };
        let (Some(shape), Some(plain)) = shapes else { return Err(VaultError::NotFound) };
        Ok(Present { tags, key_ops, shape, plain })
    }

    /// `DELETE /keys/NAME`: softly, all versions and both halves together, so that it is refused where only a part is meant.
    pub(super) fn delete_all(&self, numbers: &[ObjectNumber]) -> Result<()> {
        for group in self.grouped(numbers, |_, _| true)? {
            self.delete_name(&group)?;
        }
        Ok(())
    }

    fn delete_name(&self, meant: &[Arc<Object>]) -> Result<()> {
        let (Some(name), Some(collection)) = (&meant[0].name, meant[0].collection()) else {
            return Err(VaultError::NotFound);
        };
        let whole: HashSet<String> = (meant.iter().filter(|object| object.content.class != Class::PublicKey))
            .filter_map(|object| Some(hexadecimal(&object.version?.id)))
            .collect();
        if whole.is_empty() {
            return Err(VaultError::Inseparable {
                what: format!("the public half of {name}"),
                instead: "delete the private key, and both go",
            });
        }
        let path = format!("/{}/{name}", collection.segment());
        if !self.are_all(&path, &whole)? {
            return Err(VaultError::Inseparable {
                what: format!("one version of {name}"),
                instead: "delete them all with `strongroom key delete`, or end this one with `strongroom key disable`",
            });
        }
        match self.session.call("DELETE", &path, None, Repeat::Never) {
            Err(error) if is_missing(&error) => return Err(VaultError::Deleted),
            reply => drop(reply?),
        }
        self.note(Noted::Gone(collection, name.as_str().into()));
        Ok(())
    }

    /// Whether there are no other versions than these.
    fn are_all(&self, path: &str, versions: &HashSet<String>) -> Result<bool> {
        let most = (versions.len() + 1).min(MOST_RESULTS);
        let mut next = format!("{path}/versions?maxresults={most}");
        // A page without one of them is the last, or the service goes round.
        for _ in 0..=versions.len() {
            let page: Page = match self.session.call("GET", &next, None, Repeat::Safe) {
                Err(error) if is_missing(&error) => return Err(VaultError::Deleted),
                reply => read(&self.location, &reply?.body)?,
            };
            for item in &page.value {
                let item: Item = read(&self.location, item.get().as_bytes())?;
                let version = parts_of(item.id()).and_then(|(_, _, version)| version).unwrap_or_default();
                if !versions.contains(&version.to_ascii_lowercase()) {
                    return Ok(false);
                }
            }
            match page.next_link.as_deref().filter(|link| !link.is_empty()) {
                None => return Ok(true),
                Some(link) => {
                    let nowhere = || invalid(&self.location, "the rest of its list is nowhere");
                    next = rest_of(link).ok_or_else(nowhere)?;
                }
            }
        }
        Err(invalid(&self.location, "its list has no end"))
    }
}

/// Items on a page at most.
const MOST_RESULTS: usize = 25;

impl Present {
    /// Edits an object of this version, as the service has it.
    fn edited(&self, object: &Object, edit: &mut dyn FnMut(&mut Content) -> Result<()>) -> Result<Edit> {
        let (Some(mut was), Some(plain)) = (own(&self.shape, object), own(&self.plain, object)) else {
            return Err(VaultError::NotFound);
        };
        // A certificate's id is its key's where no tag says another.
        if object.content.class == Class::Certificate && was.content.id.is_empty() {
            was.content.id.clone_from(&object.content.id);
        }
        let mut plain = plain.content;
        if plain.id.is_empty() {
            plain.id.clone_from(&was.content.id);
        }
        let mut now = was.content.clone();
        edit(&mut now)?;
        Ok(Edit { was, now, plain })
    }
}

/// The object with the same number in another state of its version.
fn own(shape: &Shape, object: &Object) -> Option<Object> {
    shape.objects.iter().find(|other| other.number == object.number).cloned()
}

/// What the edits changed, in `KeyUpdateParameters`, of which the others have the same members.
fn update(present: &Present, edits: &[Edit]) -> Result<Vec<u8>> {
    let mut tags = present.tags.clone();
    let mut usage = attributes::usage(&present.key_ops);
    let mut wanted = WantedAttributes::default();
    for Edit { was, now, plain } in edits {
        let was = &was.content;
        let half =
            if matches!(now.class, Class::PublicKey | Class::Certificate) { Half::Public } else { Half::Private };
        attributes::write(now, plain, half, &mut tags)?;
        usage = usage.difference(was.usage) | now.usage;
        wanted.enabled = wanted.enabled.or((now.enabled != was.enabled).then_some(now.enabled));
        wanted.nbf = wanted.nbf.or(now.not_before.filter(|_| now.not_before != was.not_before));
        wanted.exp = wanted.exp.or(now.expires.filter(|_| now.expires != was.expires));
    }
    let is_used_otherwise = edits.iter().any(|edit| edit.now.usage != edit.was.content.usage);
    let key_ops = is_used_otherwise.then(|| {
        let others = attributes::other_ops(&present.key_ops);
        attributes::key_ops(usage).into_iter().chain(others).collect::<Vec<&str>>()
    });
    if key_ops.as_ref().is_some_and(Vec::is_empty) {
        return Err(VaultError::Unsupported("a key that does nothing of what the interface has"));
    }
    let tags = Some(&tags).filter(|tags| **tags != present.tags);
    let body = UpdateParameters { key_ops: key_ops.as_deref(), attributes: wanted.given(), tags };
    serde_json::to_vec(&body).map_err(|_| VaultError::Unsupported("a request that isn't JSON"))
}
