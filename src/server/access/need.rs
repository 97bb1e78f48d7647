//! What a request needs, so that it is allowed: the one place that says it, for the gate and for who explains the gate's
//! answer.

use super::action::DataAction;
use super::permission::PolicyPermission;
use super::scope::Scope;
use crate::config::Manner;
use crate::server::routes::Route;
use crate::vault::Collection;

/// What an operation is about, where it is asked whether it is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// The vault.
    Vault,
    /// Everything in one name space.
    All(Collection),
    /// The object with this name, in small letters.
    Object(Collection, &'a str),
}

/// What has to be allowed, and where.
#[derive(Clone, Copy, Debug)]
pub struct Need<'a> {
    /// By roles.
    pub action: DataAction,
    /// By policies; `None` if they don't know such an operation.
    pub permission: Option<PolicyPermission>,
    /// Where.
    pub at: At<'a>,
}

impl<'a> Need<'a> {
    /// What an operation needs in a vault of this manner. `scope` is the one in its path, `name` an object's, in small letters.
    pub fn of(route: &Route, manner: Manner, scope: Option<&Scope>, name: Option<&'a str>) -> Self {
        // A route that isn't there in this manner was not found.
        let action = route.action_in(manner).unwrap_or(route.action);
        Self { action, permission: route.permission, at: place(route.path, scope, name) }
    }

    /// Where a scope is, whose object has this name in small letters.
    pub fn at(scope: Option<&Scope>, name: Option<&'a str>) -> At<'a> {
        place("", scope, name)
    }

    /// What an operation with an asymmetric key needs instead, if its public part alone is enough for it.
    pub fn of_public(&self, route: &Route, manner: Manner) -> Option<Self> {
        let action = route.public_action.filter(|_| manner == Manner::KeyVault)?;
        Some(Self { action, ..*self })
    }
}

/// What a request is about; `name` is its object's, in small letters.
fn place<'a>(path: &str, scope: Option<&Scope>, name: Option<&'a str>) -> At<'a> {
    match (scope, name) {
        (Some(Scope::All(collection)), _) => At::All(*collection),
        (Some(Scope::Object(collection, _)), Some(name)) => At::Object(*collection, name),
        (Some(_), _) => At::Vault,
        (None, Some(name)) => collection_of(path).map_or(At::Vault, |of| At::Object(of, name)),
        (None, None) => space_of(path).map_or(At::Vault, At::All),
    }
}

/// The name space that a path is about as a whole.
pub(super) fn space_of(path: &str) -> Option<Collection> {
    let first = path.split('/').nth(1)?;
    Collection::from_segment(first.strip_prefix("deleted").unwrap_or(first))
}

/// Which name space the name in a path is of, also that of deleted objects. An issuer's name is of none.
pub(super) fn collection_of(path: &str) -> Option<Collection> {
    path.split('/').nth(2).filter(|second| *second == "{name}")?;
    space_of(path)
}
