//! What one vault allows whom, by that which it goes by: its role assignments, or its access policies.

use std::collections::HashMap;

use super::Grants;
use super::need::Need;
use super::permission::PermissionSet;
use super::policy::{Model, policies};
use crate::config::Manner;
use crate::server::identity::Caller;
use crate::vault::Image;

/// Everything that a vault allows; worked out once after each change.
#[derive(Debug)]
pub enum Rights {
    /// By role assignments.
    Roles(Grants),
    /// By access policies: what each principal's allows.
    Policies(HashMap<Box<str>, PermissionSet>),
}

impl Rights {
    /// What this image says, of a vault of this manner.
    pub fn of(image: &Image, manner: Manner) -> Self {
        match Model::of(image, manner) {
            Model::Roles => Self::Roles(Grants::of(image, manner)),
            Model::Policies => {
                let all = policies(image).into_iter();
                Self::Policies(all.map(|policy| (policy.principal.as_str().into(), policy.allowed())).collect())
            }
        }
    }

    /// Whether somebody may do this, by themselves or by one of their groups.
    pub fn allow(&self, caller: &Caller, need: &Need<'_>) -> bool {
        match self {
            Self::Roles(grants) => grants.allow(caller, need.action, need.at),
            Self::Policies(policies) => need.permission.is_some_and(|permission| {
                let mut own = caller.principals().filter_map(|principal| policies.get(principal));
                own.any(|set| set.contains(permission))
            }),
        }
    }
}
