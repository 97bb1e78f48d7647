//! Role assignments: one identity, one role, one scope.

use serde::{Deserialize, Serialize};

use super::RoleError;
use super::definition::RoleDefinition;
use super::scope::Scope;
use super::standing::{Identities, Less, keep_an_administrator};
use crate::config::Manner;
use crate::server::guid;
use crate::server::record::{self, Record};
use crate::vault::{Change, Image, Result, Vault};

/// An identity has a role on a scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// A GUID.
    pub id: String,
    /// The identity's object id.
    pub principal: String,
    /// The role's id.
    pub role: String,
    /// Where it counts.
    pub scope: Scope,
}

impl Record for Assignment {
    const KIND: &'static str = "assignment";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Assignment {
    fn is_same_right(&self, other: &Self) -> bool {
        self.principal == other.principal && self.role == other.role && self.scope == other.scope
    }
}

/// Gives an identity the role with this id. The assignment that is there already is answered as it is.
pub fn assign(vault: &dyn Vault, principal: &str, role: &str, scope: &Scope) -> Result<Assignment> {
    let id = guid::random()?;
    let (principal, role) = (principal.to_owned(), role.to_owned());
    let assignment = Assignment { id, principal, role, scope: scope.clone() };
    let mut present = None;
    vault.transact(&mut |image| {
        let mut all = record::all::<Assignment>(image).map(|stored| stored.record);
        present = all.find(|other| other.is_same_right(&assignment));
        Ok(if present.is_some() { Vec::new() } else { vec![record::create(&assignment, None)] })
    })?;
    Ok(present.unwrap_or(assignment))
}

/// What makes this assignment of a role that the vault has, on a scope that it may be given on. One that exists as it
/// shall be needs nothing.
pub fn put(image: &Image, manner: Manner, assignment: &Assignment) -> std::result::Result<Vec<Change>, RoleError> {
    let role = RoleDefinition::find(image, manner, &assignment.role)
        .ok_or_else(|| RoleError::Invalid(format!("this vault has no role {}", assignment.role)))?;
    assignment.scope.check(manner).map_err(RoleError::Invalid)?;
    if !role.is_assignable(&assignment.scope) {
        let what =
            format!("the role {} can't be assigned at {}: see its assignableScopes", role.name(), assignment.scope);
        return Err(RoleError::Invalid(what));
    }
    let all = assignments(image);
    if all.contains(assignment) {
        return Ok(Vec::new());
    }
    match all.iter().find(|other| other.id == assignment.id || other.is_same_right(assignment)) {
        Some(other) => Err(RoleError::Assigned(other.id.clone())),
        None => Ok(vec![record::create(assignment, None)]),
    }
}

/// Takes an assignment away; `None` if there is none with this id. The last administrator of a vault keeps their role.
pub fn unassign(vault: &dyn Vault, manner: Manner, id: &str) -> Result<Option<Assignment>> {
    let mut gone = None;
    vault.transact(&mut |image| match record::find::<Assignment>(image, id) {
        None => Ok(Vec::new()),
        Some(stored) => {
            let changes = removal(image, manner, Identities::Own, &stored.record)?;
            gone = Some(stored.record);
            Ok(changes)
        }
    })?;
    Ok(gone)
}

/// What takes this assignment away.
pub fn removal(
    image: &Image,
    manner: Manner,
    identities: Identities<'_>,
    assignment: &Assignment,
) -> Result<Vec<Change>> {
    keep_an_administrator(image, manner, identities, Less::Assignment(&assignment.id))?;
    let stored = record::find::<Assignment>(image, &assignment.id);
    Ok(stored.map(|stored| Change::Delete(stored.number)).into_iter().collect())
}

/// All assignments of a vault.
pub fn assignments(image: &Image) -> Vec<Assignment> {
    record::all::<Assignment>(image).map(|stored| stored.record).collect()
}
