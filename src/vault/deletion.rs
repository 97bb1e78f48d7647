//! Soft deletion: what is deleted can be brought back until a date, and then it is gone.
//!
//! A vault knows it from when its retention is first said (`strongroom serve`, `strongroom settings set`); before that
//! deleting is final. All of it is made of [`Vault::transact`], so that every front end deletes alike. The date is decided
//! once, at the deletion: a retention that is changed later, or a clock that goes backward, purges nothing earlier. Nor does
//! a clock that was behind at the deletion: it counts from the last moment that the vault has seen.
//!
//! A PKCS#11 program knows no soft deletion: its `C_DestroyObject` ends an object for good, unless purge protection is on
//! or somebody deleted it softly before.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::chain::left_over;
use super::{
    Change, Class, Collection, Content, Deletion, Draft, Image, Name, Naming, Object, ObjectNumber, Result, Vault,
    VaultError,
};

/// Days of retention that can be chosen.
pub const RETENTION_DAYS: RangeInclusive<u32> = 7..=90;

const DAY: i64 = 24 * 3600;

/// The label of the record that says a vault's retention, and the notes in it.
const DAYS: &str = "days";
const PURGE_PROTECTION: &str = "purge-protection";

/// How long what is deleted can be brought back, and whether it can be purged before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// 7 to 90 ([`RETENTION_DAYS`]).
    pub days: u32,
    /// Nothing goes before its date, by nobody. Can't be taken back.
    pub purge_protection: bool,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: *RETENTION_DAYS.end(), purge_protection: false }
    }
}

impl Retention {
    /// The label of the record that says it.
    pub const LABEL: &[u8] = b"retention/1";

    /// What the vault's record says; `None` while deleting is final there.
    pub fn of(image: &Image) -> Option<Self> {
        let notes = &record(image)?.content.notes;
        let days = notes.get(DAYS).and_then(|days| days.parse().ok()).filter(|days| RETENTION_DAYS.contains(days));
        Some(Self {
            days: days.unwrap_or(*RETENTION_DAYS.end()),
            purge_protection: notes.contains_key(PURGE_PROTECTION),
        })
    }

    /// Makes the vault say what `edit` makes of its retention. Purge protection stays once it is on.
    pub fn change(vault: &dyn Vault, edit: &mut dyn FnMut(&mut Self)) -> Result<Self> {
        let mut changed = Self::default();
        vault.transact(&mut |image| {
            let before = Self::of(image).unwrap_or_default();
            changed = before;
            edit(&mut changed);
            changed.purge_protection |= before.purge_protection;
            changed.days = changed.days.clamp(*RETENTION_DAYS.start(), *RETENTION_DAYS.end());
            Ok(vec![changed.written(image)])
        })?;
        Ok(changed)
    }

    /// Leaves purge protection on in what takes the place of an object of a vault where it is.
    pub fn keep_protection(present: &Image, object: &mut Object) {
        let record = object.content.class == Class::Service && object.content.label == Retention::LABEL;
        if record && Self::of(present).is_some_and(|retention| retention.purge_protection) {
            object.content.notes.insert(PURGE_PROTECTION.into(), "on".into());
        }
    }

    /// Whether purge protection hangs on this object.
    pub fn is_protection(object: &Object) -> bool {
        let Content { class, label, notes, .. } = &object.content;
        *class == Class::Service && label == Retention::LABEL && notes.contains_key(PURGE_PROTECTION)
    }

    fn written(self, image: &Image) -> Change {
        let mut content = Content::new(Class::Service);
        content.label = Self::LABEL.to_vec();
        content.notes = BTreeMap::from([(DAYS.into(), self.days.to_string())]);
        if self.purge_protection {
            content.notes.insert(PURGE_PROTECTION.into(), "on".into());
        }
        match record(image) {
            Some(present) => Change::Set(present.number, content),
            None => Change::Create(Draft { content, naming: Naming::None, secret: None }),
        }
    }

    /// Whether an object of this vault may be ended now without the wait: only what nobody could bring back anyway.
    pub fn allows_end_of(image: &Image, object: &Object) -> bool {
        let protected = || Self::of(image).is_some_and(|retention| retention.purge_protection);
        let own = matches!(object.content.class, Class::Service | Class::CertificateRequest);
        // What stands above other certificates is kept with each of them besides.
        own || object.content.chain_member().is_some() || object.content.deleted.is_some() || !protected()
    }
}

/// What is deleted together: all versions and halves of this name, with a certificate its request and its own key.
fn whole<'a>(image: &'a Image, collection: Collection, name: &Name) -> Result<Vec<&'a Arc<Object>>> {
    let of = |collection| image.with_name(collection, name.as_str());
    joined(image, collection, name, of(collection).collect(), of(Collection::Keys), image.request(name.as_str()))
}

/// What comes back or ends together.
fn whole_deleted<'a>(image: &'a Image, collection: Collection, name: &Name) -> Result<Vec<&'a Arc<Object>>> {
    let of = |collection| image.deleted_with_name(collection, name.as_str());
    joined(image, collection, name, of(collection).collect(), of(Collection::Keys), None)
}

fn joined<'a>(
    image: &Image,
    collection: Collection,
    name: &Name,
    mut objects: Vec<&'a Arc<Object>>,
    keys: impl Iterator<Item = &'a Arc<Object>>,
    request: Option<&'a Arc<Object>>,
) -> Result<Vec<&'a Arc<Object>>> {
    let is_managed = |object: &&Arc<Object>| object.content.is_managed();
    match collection {
        // A key whose certificate is gone is one like others.
        Collection::Keys if objects.iter().any(is_managed) && image.has_managed_certificate(name.as_str()) => {
            Err(VaultError::Managed(name.to_string()))
        }
        Collection::Certificates => {
            objects.extend(request);
            if objects.iter().any(is_managed) {
                // The name is kept from every other key.
                objects.extend(keys);
            }
            Ok(objects)
        }
        _ => Ok(objects),
    }
}

fn record(image: &Image) -> Option<&Object> {
    image.service().values().map(|object| &**object).find(|object| object.content.label == Retention::LABEL)
}

/// Deletes all versions and halves of what has this name, until the date that the retention says.
pub fn delete_softly(vault: &dyn Vault, collection: Collection, name: &Name, now: i64) -> Result<Deletion> {
    let mut deletion = Deletion { at: now, purge: now };
    vault.transact(&mut |image| {
        let days = Retention::of(image).unwrap_or_default().days;
        deletion.at = now.max(latest(image));
        deletion.purge = deletion.at.saturating_add(i64::from(days) * DAY);
        let whole = whole(image, collection, name)?;
        some(whole.into_iter().map(|object| marked(object, Some(deletion))))
    })?;
    Ok(deletion)
}

/// Brings all versions and halves of what had this name back.
pub fn recover(vault: &dyn Vault, collection: Collection, name: &Name, now: i64) -> Result<()> {
    let recovered = vault.transact(&mut |image| {
        let whole = whole_deleted(image, collection, name)?;
        let kept = whole.into_iter().filter(|object| !is_due(object, now));
        some(kept.map(|object| marked(object, None)))
    });
    recovered.map(drop)
}

/// Ends what had this name when it was deleted, before its date. Refused where purge protection is on.
pub fn purge(vault: &dyn Vault, collection: Collection, name: &Name, now: i64) -> Result<()> {
    let purged = vault.transact(&mut |image| {
        let deleted = whole_deleted(image, collection, name)?;
        if Retention::of(image).is_some_and(|retention| retention.purge_protection)
            && deleted.iter().any(|object| !is_due(object, now))
        {
            return Err(VaultError::PurgeProtected);
        }
        some(deleted.iter().map(|object| object.number).chain(left_over(image, &deleted)).map(Change::Delete))
    });
    purged.map(drop)
}

/// Everything that ends when all of this name ends at once, without a deletion before.
pub fn ended_with(image: &Image, collection: Collection, name: &Name) -> Result<Vec<ObjectNumber>> {
    let whole = whole(image, collection, name)?;
    Ok(whole.iter().map(|object| object.number).chain(left_over(image, &whole)).collect())
}

/// Everything that ends with these objects. What would part a certificate from a key that is its own is refused.
pub fn ended_by(image: &Image, numbers: &[ObjectNumber]) -> Result<Vec<ObjectNumber>> {
    let ended: Vec<_> = numbers.iter().filter_map(|number| image.get(*number)).collect();
    for object in ended.iter().filter(|object| object.content.is_managed()) {
        let Some(name) = &object.name else { continue };
        let stays = |collection: Collection| {
            let mut others = image.with_name(collection, name.as_str()).filter(|other| other.content.is_managed());
            others.any(|other| other.content.id == object.content.id && !numbers.contains(&other.number))
        };
        let certificate = stays(Collection::Certificates);
        let parted = match object.content.class {
            Class::Certificate => !certificate && stays(Collection::Keys),
            _ => certificate,
        };
        if parted {
            return Err(VaultError::Managed(name.to_string()));
        }
    }
    Ok(numbers.iter().copied().chain(left_over(image, &ended)).collect())
}

/// Ends everything whose date has come; says how many objects that were.
pub fn purge_due(vault: &dyn Vault, now: i64) -> Result<usize> {
    let mut ended = 0;
    vault.transact(&mut |image| {
        let due: Vec<_> = image.deleted().filter(|object| is_due(object, now)).collect();
        ended = due.len();
        Ok(due.iter().map(|object| object.number).chain(left_over(image, &due)).map(Change::Delete).collect())
    })?;
    Ok(ended)
}

/// Whether something that was deleted softly is past its date: then it counts as gone, also before it is ended.
pub fn is_due(object: &Object, now: i64) -> bool {
    object.content.deleted.is_some_and(|deletion| deletion.purge <= now)
}

/// The last moment that the vault has seen. A clock that is behind it is wrong: what it dates would be purged early once
/// the clock is right.
fn latest(image: &Image) -> i64 {
    let moments = |object: &Arc<Object>| {
        object.content.deleted.map_or(object.updated, |deletion| deletion.at.max(object.updated))
    };
    image.everything().map(moments).max().unwrap_or(0)
}

fn marked(object: &Object, deleted: Option<Deletion>) -> Change {
    Change::Set(object.number, Content { deleted, ..object.content.clone() })
}

fn some(changes: impl Iterator<Item = Change>) -> Result<Vec<Change>> {
    let changes: Vec<_> = changes.collect();
    if changes.is_empty() { Err(VaultError::NotFound) } else { Ok(changes) }
}
