//! What a backup says of itself, and what restoring one is asked and answers. Plain types: how a backup is sealed is the
//! backend's affair.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::{Class, Collection, Image, Name, Object, Pin, RecoveryKey};

/// Shortest passphrase of a backup, in characters: it travels, and nobody counts the attempts of who has it.
pub const MIN_PASSPHRASE_LEN: usize = 12;

/// What a backup is to become.
pub struct BackupRequest<'a> {
    /// Where it is written.
    pub file: &'a Path,
    /// A file that is there may be replaced.
    pub replace: bool,
    /// What opens it; without one, the vault's recovery key does.
    pub passphrase: Option<&'a Pin>,
}

/// What opens a backup.
#[derive(Debug)]
pub enum BackupKey {
    /// The recovery key that its vault had when it was made.
    Recovery(RecoveryKey),
    /// The passphrase that it was made with.
    Passphrase(Pin),
    /// The root key of the vault that is asked: unlocked, the one that was backed up, and not rekeyed since.
    Vault,
}

/// A backup and what opens it.
#[derive(Clone, Copy)]
pub struct BackupSource<'a> {
    /// The file.
    pub file: &'a Path,
    /// What opens it.
    pub key: &'a BackupKey,
}

/// Which key a backup asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupWay {
    /// The recovery key of the vault.
    Recovery,
    /// A passphrase of its own.
    Passphrase,
}

/// What stands readable in a backup. Nothing vouches for it before the backup is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupLabel {
    /// The vault's label.
    pub label: String,
    /// The vault's serial number.
    pub serial: String,
    /// When it was made: seconds since 1970.
    pub created: i64,
    /// The vault's commit number then.
    pub commit: u64,
    /// What opens it.
    pub way: BackupWay,
    /// The vault's machine key is needed beside it.
    pub machine_key: bool,
    /// What is in it.
    pub tallies: Vec<Tally>,
}

impl BackupLabel {
    /// How many objects are in it.
    pub fn objects(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.objects).sum()
    }
}

/// How much there is of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Which class.
    pub class: Class,
    /// Objects; each version is one.
    pub objects: u64,
    /// Different names among them.
    pub names: u64,
}

/// Every class that isn't ours: PKCS#11's first number for vendors.
const OTHER: Class = Class::Other(0x8000_0000);

impl Tally {
    /// Of every class in the image, in the classes' order.
    pub fn of(image: &Image) -> Vec<Self> {
        let mut classes: BTreeMap<Class, (u64, HashSet<String>)> = BTreeMap::new();
        for object in image.everything() {
            // Programs may number classes of their own as they like: all of these are one line.
            let class = match object.content.class {
                Class::Other(_) => OTHER,
                class => class,
            };
            let (objects, names) = classes.entry(class).or_default();
            *objects += 1;
            names.extend(object.name.as_ref().map(Name::folded));
        }
        let tallies = classes.into_iter();
        tallies.map(|(class, (objects, names))| Self { class, objects, names: names.len() as u64 }).collect()
    }
}

/// How a whole vault is restored.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestoreWish<'a> {
    /// The user's PIN from then on; without it the one of the backup, or the present one where a vault lies.
    pub new_pin: Option<&'a Pin>,
    /// What lies in its place is renamed, whatever it is.
    pub move_aside: bool,
    /// What is lost was agreed to before, whatever it is by then: nobody is asked.
    pub agreed: bool,
    /// A service's records whose label begins like one of these stay as they are, and the backup's don't come back: they say
    /// what the service is doing at present, and whom it lets in.
    pub keep: &'a [Vec<u8>],
}

impl RestoreWish<'_> {
    /// Whether an object stays outside of what is restored.
    pub fn keeps(&self, object: &Object) -> bool {
        let begins = |beginning: &Vec<u8>| object.content.label.starts_with(beginning);
        object.content.class == Class::Service && self.keep.iter().any(begins)
    }
}

/// What restoring takes from the present vault: also what was decided since the backup, to end a key's use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Objects that are not in the backup: they are deleted.
    pub missing: Vec<Arc<Object>>,
    /// Objects that are not as in the backup, whenever that came about: they become what they were.
    pub changed: Vec<Arc<Object>>,
    /// Keys that were disabled or deleted since, as the backup has them: they can be used again.
    pub revived: Vec<Arc<Object>>,
    /// A service's records (identities, their secrets, roles, signing keys) that were removed or changed since, as the
    /// backup has them: whom it let in then it lets in again.
    pub readmitted: Vec<Arc<Object>>,
}

impl Losses {
    /// Nothing is lost.
    pub fn is_empty(&self) -> bool {
        [&self.missing, &self.changed, &self.revived, &self.readmitted].iter().all(|objects| objects.is_empty())
    }
}

/// What restoring did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup says of itself, authenticated.
    pub label: BackupLabel,
    /// Into the vault that was there.
    pub in_place: bool,
    /// Where what lay in the place went.
    pub moved_aside: Option<String>,
    /// Objects that are as in the backup now and weren't before.
    pub written: usize,
    /// Objects that were deleted because the backup hasn't them.
    pub deleted: usize,
}

/// One name in a backup.
#[derive(Clone, Copy, Debug)]
pub struct NamedInBackup<'a> {
    /// The name there.
    pub name: &'a Name,
    /// Key, secret or certificate; needed where several are called so.
    pub collection: Option<Collection>,
    /// Its name from now on.
    pub rename: Option<&'a Name>,
    /// The backup has to be this vault's own. What opens it is no proof of that: several vaults may share a passphrase.
    pub own: bool,
}

/// How far a vault was put back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// The commit that the database ends with.
    pub found: u64,
    /// The last commit that was acknowledged on this machine.
    pub acknowledged: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Content, Version};

    #[test]
    fn a_tally_counts_versions_and_names_of_each_class() {
        let mut image = Image::default();
        for (number, class, name) in [
            (1, Class::PrivateKey, Some("www")),
            (2, Class::PrivateKey, Some("WWW")),
            (3, Class::PublicKey, Some("www")),
            (4, Class::Certificate, None),
            (5, Class::Other(0x8000_0001), None),
            (6, Class::Other(0x8000_0002), None),
        ] {
            image.insert(Arc::new(Object {
                number,
                unique_id: [number as u8; 16],
                name: name.map(|name| Name::new(name).unwrap()),
                version: name.map(|_| Version { id: [number as u8; 16], ordinal: number as u32 }),
                created: 0,
                updated: 0,
                has_secret: false,
                secret_len: 0,
                content: Content::new(class),
            }));
        }
        let tally = |class, objects, names| Tally { class, objects, names };
        assert_eq!(
            Tally::of(&image),
            [
                tally(Class::Certificate, 1, 0),
                tally(Class::PublicKey, 1, 1),
                tally(Class::PrivateKey, 2, 1),
                tally(OTHER, 2, 0)
            ]
        );
    }
}
