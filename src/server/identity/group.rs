//! Groups: who has roles together. A group's members are identities of this vault, or come with an issuer's tokens: a group
//! there counts as the group here that names it.
//!
//! Whoever is in a group has its roles from the next request on, and no longer once they aren't. Groups hold no groups.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::is_called;
use crate::config::Manner;
use crate::server::access::{Identities, Less, keep_an_administrator};
use crate::server::guid;
use crate::server::record::{self, Record, Stored};
use crate::vault::{Change, Image, Result, Vault, VaultError};

/// Some who have the same roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its object id, a GUID: what roles are assigned to.
    pub oid: String,
    /// What people call it; unique among groups and identities, without regard to case.
    pub name: String,
    /// The object ids of those who are in it.
    #[serde(default)]
    pub members: Vec<String>,
    /// What issuers call it, in the claim of their tokens that says groups.
    #[serde(default)]
    pub foreign: Vec<ForeignGroup>,
    /// Seconds since 1970.
    pub created: i64,
}

/// A group as an issuer knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ForeignGroup {
    /// The issuer's address, as it stands in its tokens.
    pub issuer: String,
    /// The group's value in the claim, compared letter by letter.
    pub value: String,
}

impl Record for Group {
    const KIND: &'static str = "group";

    fn id(&self) -> &str {
        &self.oid
    }
}

/// Makes a group that nobody is in. [`VaultError::NameTaken`] if a group or an identity has this name.
pub fn create(vault: &dyn Vault, name: &str, now: i64) -> Result<Group> {
    let (members, foreign) = (Vec::new(), Vec::new());
    let group = Group { oid: guid::random()?, name: name.to_owned(), members, foreign, created: now };
    vault.transact(&mut |image| match is_called(image, name) {
        true => Err(VaultError::NameTaken(name.to_owned())),
        false => Ok(vec![record::create(&group, None)]),
    })?;
    Ok(group)
}

/// All groups.
pub fn all(image: &Image) -> Vec<Group> {
    record::all(image).map(|stored| stored.record).collect()
}

/// The group with this name or object id.
pub fn find(image: &Image, text: &str) -> Option<Stored<Group>> {
    record::all::<Group>(image)
        .find(|stored| [&stored.record.oid, &stored.record.name].iter().any(|known| known.eq_ignore_ascii_case(text)))
}

/// Lets somebody into a group; false if they are in it.
pub fn add_member(vault: &dyn Vault, group: &str, oid: &str) -> Result<bool> {
    change(vault, group, &mut |_, group| {
        let is_new = !group.members.iter().any(|member| member == oid);
        if is_new {
            group.members.push(oid.to_owned());
        }
        Ok(is_new)
    })
}

/// Takes somebody out of a group; false if they aren't in it. The last enabled administrator stays.
pub fn remove_member(vault: &dyn Vault, manner: Manner, group: &str, oid: &str) -> Result<bool> {
    change(vault, group, &mut |image, group| {
        let before = group.members.len();
        group.members.retain(|member| member != oid);
        if group.members.len() < before {
            keep_an_administrator(image, manner, Identities::Own, Less::Member { group: &group.oid, oid })?;
        }
        Ok(group.members.len() < before)
    })
}

/// Has an issuer's group count as this one; false if it does. One that counts as another of ours is
/// [`VaultError::NameTaken`].
pub fn add_foreign(vault: &dyn Vault, group: &str, foreign: &ForeignGroup) -> Result<bool> {
    change(vault, group, &mut |image, group| {
        let mut others = record::all::<Group>(image).map(|stored| stored.record);
        match others.find(|other| other.foreign.contains(foreign)) {
            Some(other) if other.oid == group.oid => Ok(false),
            Some(_) => Err(VaultError::NameTaken(foreign.value.clone())),
            None => {
                group.foreign.push(foreign.clone());
                Ok(true)
            }
        }
    })
}

/// Has an issuer's group count for nothing; false if it didn't count as this one. The last administrator stays.
pub fn remove_foreign(vault: &dyn Vault, manner: Manner, group: &str, foreign: &ForeignGroup) -> Result<bool> {
    change(vault, group, &mut |image, group| {
        let before = group.foreign.len();
        group.foreign.retain(|known| known != foreign);
        if group.foreign.len() < before {
            keep_an_administrator(image, manner, Identities::Own, Less::Foreign { group: &group.oid, foreign })?;
        }
        Ok(group.foreign.len() < before)
    })
}

/// Deletes a group; its role assignments stay and mean nothing. The last enabled administrator stays one.
pub fn delete(vault: &dyn Vault, manner: Manner, oid: &str) -> Result<()> {
    vault.transact(&mut |image| {
        let stored = record::find::<Group>(image, oid).ok_or(VaultError::NotFound)?;
        keep_an_administrator(image, manner, Identities::Own, Less::Group(oid))?;
        Ok(vec![Change::Delete(stored.number)])
    })?;
    Ok(())
}

/// Changes a group, which must exist, unless `edit` says that nothing is to be changed.
fn change(vault: &dyn Vault, oid: &str, edit: &mut dyn FnMut(&Image, &mut Group) -> Result<bool>) -> Result<bool> {
    let mut is_changed = false;
    vault.transact(&mut |image| {
        let Stored { number, mut record } = record::find::<Group>(image, oid).ok_or(VaultError::NotFound)?;
        is_changed = edit(image, &mut record)?;
        Ok(is_changed.then(|| record::replace(number, &record)).into_iter().collect())
    })?;
    Ok(is_changed)
}

/// What takes somebody out of every group, when they are deleted.
pub(super) fn leave_all(image: &Image, oid: &str) -> Vec<Change> {
    let groups = record::all::<Group>(image).filter(|stored| stored.record.members.iter().any(|member| member == oid));
    let changes = groups.map(|Stored { number, mut record }| {
        record.members.retain(|member| member != oid);
        record::replace(number, &record)
    });
    changes.collect()
}

/// Who is in which groups: worked out once, looked up at every request.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    by_member: HashMap<Box<str>, Arc<[Box<str>]>>,
    /// By issuer, then by what it calls the group.
    by_foreign: HashMap<Box<str>, HashMap<Box<str>, Box<str>>>,
    none: Arc<[Box<str>]>,
}

impl Memberships {
    pub(super) fn of(groups: &[Group]) -> Self {
        let mut by_member: HashMap<Box<str>, Vec<Box<str>>> = HashMap::new();
        let mut by_foreign: HashMap<Box<str>, HashMap<Box<str>, Box<str>>> = HashMap::new();
        for group in groups {
            let oid = || Box::from(group.oid.as_str());
            for member in &group.members {
                by_member.entry(member.as_str().into()).or_default().push(oid());
            }
            for ForeignGroup { issuer, value } in &group.foreign {
                by_foreign.entry(issuer.as_str().into()).or_default().insert(value.as_str().into(), oid());
            }
        }
        let by_member = by_member.into_iter().map(|(member, groups)| (member, groups.into())).collect();
        Self { by_member, by_foreign, none: Arc::default() }
    }

    /// The object ids of the groups that somebody is a member of.
    pub(super) fn groups_of(&self, oid: &str) -> Arc<[Box<str>]> {
        Arc::clone(self.by_member.get(oid).unwrap_or(&self.none))
    }

    /// The object id of the group as which an issuer's group counts.
    pub(super) fn foreign(&self, issuer: &str, value: &str) -> Option<&str> {
        self.by_foreign.get(issuer)?.get(value).map(|oid| &**oid)
    }
}
