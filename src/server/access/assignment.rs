//! Role assignments: one identity, one role, one scope.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::role::{ADMINISTRATOR, BuiltInRole};
use crate::server::guid;
use crate::server::identity::Identity;
use crate::server::record::{self, Record};
use crate::vault::{Collection, Image, Name, Result, Vault, VaultError};

/// What a role is given on. Names are compared without case.
#[derive(Clone, Debug)]
pub enum Scope {
    /// The whole vault: `/`.
    Vault,
    /// All versions of one object: `/keys/{name}`, `/secrets/{name}`, `/certificates/{name}`.
    Object(Collection, Name),
}

/// An identity has a role on a scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Assignment {
    /// A GUID.
    pub id: String,
    /// The identity's object id.
    pub principal: String,
    /// The role's id.
    pub role: String,
    /// Where it counts.
    #[serde(with = "text")]
    pub scope: Scope,
}

impl Record for Assignment {
    const KIND: &'static str = "assignment";

    fn id(&self) -> &str {
        &self.id
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Vault, Self::Vault) => true,
            (Self::Object(collection, name), Self::Object(of, same)) => {
                collection == of && name.as_str().eq_ignore_ascii_case(same.as_str())
            }
            _ => false,
        }
    }
}

impl Eq for Scope {}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("/"),
            Self::Object(collection, name) => write!(f, "/{}/{name}", collection.segment()),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "/" {
            return Ok(Self::Vault);
        }
        let wrong = || format!("{text:?} is no scope: `/`, `/keys/NAME`, `/secrets/NAME` or `/certificates/NAME`");
        let mut parts = text.strip_prefix('/').ok_or_else(wrong)?.split('/');
        let (Some(segment), Some(name), None) = (parts.next(), parts.next(), parts.next()) else { return Err(wrong()) };
        let collection = Collection::from_segment(segment).ok_or_else(wrong)?;
        Ok(Self::Object(collection, Name::new(name).map_err(|error| error.to_string())?))
    }
}

/// Gives an identity a role. The assignment that is there already is answered as it is.
pub fn assign(vault: &dyn Vault, principal: &str, role: &BuiltInRole, scope: &Scope) -> Result<Assignment> {
    let assignment = Assignment {
        id: guid::random()?,
        principal: principal.to_owned(),
        role: role.id.to_owned(),
        scope: scope.clone(),
    };
    let mut present = None;
    vault.transact(&mut |image| {
        let mut all = record::all::<Assignment>(image).map(|stored| stored.record);
        present = all.find(|other| other.principal == principal && other.role == role.id && other.scope == *scope);
        Ok(if present.is_some() { Vec::new() } else { vec![record::create(&assignment, None)] })
    })?;
    Ok(present.unwrap_or(assignment))
}

/// Takes an assignment away; `None` if there is none with this id. The last administrator of a vault keeps their role.
pub fn unassign(vault: &dyn Vault, id: &str) -> Result<Option<Assignment>> {
    let mut gone = None;
    vault.transact(&mut |image| {
        let found = record::find::<Assignment>(image, id);
        let changes = found.iter().map(|stored| crate::vault::Change::Delete(stored.number)).collect();
        if let Some(stored) = &found {
            keep_an_administrator(image, |assignment, _| assignment.id != stored.record.id)?;
        }
        gone = found.map(|stored| stored.record);
        Ok(changes)
    })?;
    Ok(gone)
}

/// All assignments of a vault.
pub fn assignments(image: &Image) -> Vec<Assignment> {
    record::all::<Assignment>(image).map(|stored| stored.record).collect()
}

/// Whether an enabled identity of this vault is its administrator.
pub fn has_administrator(image: &Image) -> bool {
    !administrators(image).is_empty()
}

/// Refuses what would leave the vault without an enabled administrator, when it has one. `stays` says which assignments
/// of which identities count afterwards.
pub fn keep_an_administrator(image: &Image, stays: impl Fn(&Assignment, &Identity) -> bool) -> Result<()> {
    let administrators = administrators(image);
    let left = administrators.iter().any(|(assignment, identity)| stays(assignment, identity));
    if administrators.is_empty() || left { Ok(()) } else { Err(VaultError::LastAdministrator) }
}

fn administrators(image: &Image) -> Vec<(Assignment, Identity)> {
    record::all::<Assignment>(image)
        .map(|stored| stored.record)
        .filter(|assignment| assignment.role == ADMINISTRATOR && assignment.scope == Scope::Vault)
        .filter_map(|assignment| {
            let identity = record::find::<Identity>(image, &assignment.principal)?.record;
            identity.enabled.then_some((assignment, identity))
        })
        .collect()
}

mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Scope;

    pub fn serialize<S: Serializer>(scope: &Scope, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(scope)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Scope, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_the_vault_or_one_object_whose_name_has_no_case() {
        let scope = |text: &str| text.parse::<Scope>();
        assert_eq!(scope("/"), Ok(Scope::Vault));
        assert_eq!(scope("/keys/www"), scope("/keys/WWW"));
        assert_ne!(scope("/keys/www"), scope("/secrets/www"));
        assert_ne!(scope("/keys/www"), scope("/"));
        assert_eq!(scope("/certificates/A-1").unwrap().to_string(), "/certificates/A-1");
        for wrong in ["", "keys/www", "/keys", "/keys/", "/keys/a/b", "/keys/a_b", "/locks/a", "//", "/keys/*"] {
            assert!(scope(wrong).is_err(), "{wrong}");
        }
    }
}
