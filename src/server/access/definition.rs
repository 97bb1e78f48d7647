//! Roles that are made here: named lists of data actions, kept as records in the vault that they are for; and the one way
//! to ask for a role, whether it is one of those or built in.

use serde::{Deserialize, Serialize};

use super::action::ActionSet;
use super::assignment::assignments;
use super::role::{BuiltInRole, built_in};
use super::scope::Scope;
use super::{RoleError, holds_everything};
use crate::config::Manner;
use crate::server::guid;
use crate::server::identity::Caller;
use crate::server::record::{self, Record};
use crate::vault::{Change, Image};

/// Longest name of a role, in bytes; of a description; and of one pattern.
const MAX_NAME: usize = 128;
const MAX_DESCRIPTION: usize = 1024;
const MAX_PATTERN: usize = 256;
/// Most patterns of a role, and most scopes.
const MAX_PATTERNS: usize = 256;
const MAX_SCOPES: usize = 64;

/// A role that was made here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRole {
    /// A GUID.
    pub id: String,
    /// What people call it; unique in the vault without regard to case.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// What it allows: everything that one of these does.
    pub permissions: Vec<Permission>,
    /// Where it may be given, and below.
    pub assignable_scopes: Vec<Scope>,
}

/// Data actions less others, each a pattern of whole names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// What it allows.
    pub data_actions: Vec<String>,
    /// What of that it doesn't.
    #[serde(default)]
    pub not_data_actions: Vec<String>,
}

/// A role, whoever made it.
#[derive(Clone, Debug)]
pub enum RoleDefinition {
    /// One that is the same in every vault.
    BuiltIn(&'static BuiltInRole),
    /// One that was made here.
    Custom(CustomRole),
}

impl Record for CustomRole {
    const KIND: &'static str = "role-definition";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Permission {
    fn patterns(&self) -> impl Iterator<Item = &String> {
        self.data_actions.iter().chain(&self.not_data_actions)
    }

    fn allowed(&self, manner: Manner) -> ActionSet {
        ActionSet::matching(manner, &self.data_actions).without(ActionSet::matching(manner, &self.not_data_actions))
    }
}

impl CustomRole {
    /// What is wrong with it; the text is a sentence without its end.
    fn check(&self, manner: Manner) -> Result<(), String> {
        let name = &self.name;
        if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(format!("a role's name has 1 to {MAX_NAME} bytes and no control characters"));
        }
        if self.description.len() > MAX_DESCRIPTION || self.description.contains('\0') {
            return Err(format!("a role's description has at most {MAX_DESCRIPTION} bytes and no NUL"));
        }
        if self.permissions.iter().flat_map(Permission::patterns).count() > MAX_PATTERNS {
            return Err(format!("a role has at most {MAX_PATTERNS} data actions"));
        }
        for pattern in self.permissions.iter().flat_map(Permission::patterns) {
            if pattern.len() > MAX_PATTERN || ActionSet::matching(manner, [pattern]).is_empty() {
                let shown: String = pattern.chars().filter(|c| !c.is_control()).take(MAX_PATTERN).collect();
                return Err(format!("{shown:?} is no data action of this vault, nor a pattern that means one"));
            }
        }
        if self.assignable_scopes.is_empty() || self.assignable_scopes.len() > MAX_SCOPES {
            return Err(format!("a role has 1 to {MAX_SCOPES} assignable scopes"));
        }
        self.assignable_scopes.iter().try_for_each(|scope| scope.check(manner))
    }
}

impl RoleDefinition {
    /// The role with this id.
    pub fn find(image: &Image, manner: Manner, id: &str) -> Option<Self> {
        match built_in(manner).iter().find(|role| role.id == id) {
            Some(role) => Some(Self::BuiltIn(role)),
            None => record::find::<CustomRole>(image, id).map(|stored| Self::Custom(stored.record)),
        }
    }

    /// The role with this id or name, without regard to case.
    pub fn named(image: &Image, manner: Manner, text: &str) -> Option<Self> {
        BuiltInRole::find(manner, text).map(Self::BuiltIn).or_else(|| {
            let mut custom = record::all::<CustomRole>(image).map(|stored| stored.record);
            custom
                .find(|role| [&role.id, &role.name].iter().any(|known| known.eq_ignore_ascii_case(text)))
                .map(Self::Custom)
        })
    }

    /// All roles of a vault, the built-in ones first, each group in the order of its names.
    pub fn all(image: &Image, manner: Manner) -> Vec<Self> {
        let mut custom: Vec<_> = record::all::<CustomRole>(image).map(|stored| stored.record).collect();
        custom.sort_by_cached_key(|role| role.name.to_lowercase());
        built_in(manner).iter().map(Self::BuiltIn).chain(custom.into_iter().map(Self::Custom)).collect()
    }

    /// Its id, a GUID.
    pub fn id(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.id,
            Self::Custom(role) => &role.id,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::BuiltIn(role) => role.name,
            Self::Custom(role) => &role.name,
        }
    }

    /// What it allows in a vault of this manner.
    pub fn allowed(&self, manner: Manner) -> ActionSet {
        match self {
            Self::BuiltIn(role) => role.allowed(),
            Self::Custom(role) => role.permissions.iter().fold(ActionSet::default(), |mut all, permission| {
                all |= permission.allowed(manner);
                all
            }),
        }
    }

    /// Whether it may be given there.
    pub fn is_assignable(&self, scope: &Scope) -> bool {
        match self {
            Self::BuiltIn(_) => true,
            Self::Custom(role) => role.assignable_scopes.iter().any(|assignable| assignable.covers(scope)),
        }
    }
}

/// What makes this role, or makes it what it shall be. `who` makes it, where that is asked: they may neither put into a role
/// nor take out of it what they don't have themselves.
pub fn define(
    image: &Image,
    manner: Manner,
    role: &CustomRole,
    who: Option<&Caller>,
) -> Result<Vec<Change>, RoleError> {
    refuse_built_in(&role.id)?;
    if !guid::is_guid(&role.id) {
        return Err(RoleError::Invalid(format!("{:?} is no GUID, which a role's id is", role.id)));
    }
    role.check(manner).map_err(RoleError::Invalid)?;
    let same_name = RoleDefinition::named(image, manner, &role.name);
    if same_name.is_some_and(|other| other.id() != role.id) {
        return Err(RoleError::NameTaken(role.name.clone()));
    }
    let stored = record::find::<CustomRole>(image, &role.id);
    let mut allowed = RoleDefinition::Custom(role.clone()).allowed(manner);
    if let Some(before) = &stored {
        // Whoever has the role loses what it allowed, as if it were taken from them.
        allowed |= RoleDefinition::Custom(before.record.clone()).allowed(manner);
    }
    if who.is_some_and(|who| !holds_everything(image, manner, who, allowed)) {
        return Err(RoleError::NotYours);
    }
    Ok(vec![match stored {
        Some(stored) => record::replace(stored.number, role),
        None => record::create(role, None),
    }])
}

/// What deletes the role with this id, and the role. One that somebody has stays.
pub fn undefine(image: &Image, id: &str) -> Result<(CustomRole, Vec<Change>), RoleError> {
    refuse_built_in(id)?;
    let stored = record::find::<CustomRole>(image, id).ok_or_else(|| RoleError::NoDefinition(id.to_owned()))?;
    match assignments(image).iter().filter(|assignment| assignment.role == id).count() {
        0 => Ok((stored.record, vec![Change::Delete(stored.number)])),
        many => Err(RoleError::InUse(stored.record.name, many)),
    }
}

/// The ids of both manners' roles are taken: a vault may be served in the other one some day.
fn refuse_built_in(id: &str) -> Result<(), RoleError> {
    let mut all = [Manner::KeyVault, Manner::ManagedHsm].into_iter().flat_map(built_in);
    match all.find(|role| role.id.eq_ignore_ascii_case(id)) {
        None => Ok(()),
        Some(role) => Err(RoleError::BuiltIn(role.name)),
    }
}
