//! Classic access policies: the other way in which a key vault may say who may do what. Each vault goes by roles, or by
//! policies, never by both; what the other says is kept and doesn't count.
//!
//! A policy gives one identity or group permissions on the whole vault. Who has which is changed where the vault lies: at Azure
//! that is the resource manager's, and over REST nobody gives anything while policies count.

use serde::{Deserialize, Serialize};

use super::permission::{PermissionSet, PolicyPermission};
use crate::config::Manner;
use crate::server::record::{self, Record, Stored};
use crate::vault::{Change, Collection, Image, Result, Vault};

/// What `manageissuers` is besides: the older permission, of which these are the parts.
const ISSUERS: &[PolicyPermission] = &[
    PolicyPermission::ISSUERS_GET,
    PolicyPermission::ISSUERS_LIST,
    PolicyPermission::ISSUERS_SET,
    PolicyPermission::ISSUERS_DELETE,
];

/// By what a vault goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Role assignments.
    #[default]
    Roles,
    /// Access policies.
    Policies,
}

/// The record that says it; a vault without one goes by roles.
#[derive(Serialize, Deserialize)]
pub(crate) struct Chosen {
    model: Model,
}

impl Record for Chosen {
    const KIND: &'static str = "access-model";

    fn id(&self) -> &str {
        "1"
    }
}

impl Model {
    /// By what the vault goes, where it is served in this manner. A Managed HSM knows roles only, whatever was chosen.
    pub fn of(image: &Image, manner: Manner) -> Self {
        match manner {
            Manner::KeyVault => {
                record::find::<Chosen>(image, "1").map(|stored| stored.record.model).unwrap_or_default()
            }
            Manner::ManagedHsm => Self::Roles,
        }
    }

    /// Has the vault go by this from now on.
    pub fn choose(self, vault: &dyn Vault) -> Result<()> {
        let chosen = Chosen { model: self };
        vault.transact(&mut |image| {
            Ok(vec![match record::find::<Chosen>(image, "1") {
                Some(stored) => record::replace(stored.number, &chosen),
                None => record::create(&chosen, None),
            }])
        })?;
        Ok(())
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Policies => "policies",
        }
    }
}

/// What one identity or group may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPolicy {
    /// Its object id.
    pub principal: String,
    /// Names of permissions for keys.
    #[serde(default)]
    pub keys: Vec<String>,
    /// For secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// For certificates.
    #[serde(default)]
    pub certificates: Vec<String>,
}

impl Record for AccessPolicy {
    const KIND: &'static str = "access-policy";

    fn id(&self) -> &str {
        &self.principal
    }
}

impl AccessPolicy {
    /// The names of its permissions in one name space.
    pub fn names(&self, of: Collection) -> &[String] {
        match of {
            Collection::Keys => &self.keys,
            Collection::Secrets => &self.secrets,
            Collection::Certificates => &self.certificates,
        }
    }

    /// What it allows. A name that isn't known, of a newer release, allows nothing; who manages issuers may do all with them.
    pub fn allowed(&self) -> PermissionSet {
        let is_named = |permission: PolicyPermission| {
            let mut names = self.names(permission.collection()).iter();
            names.any(|name| name.eq_ignore_ascii_case(permission.name()))
        };
        let manages_issuers = is_named(PolicyPermission::ISSUERS_MANAGE);
        let known = PolicyPermission::all()
            .filter(|permission| is_named(*permission) || manages_issuers && ISSUERS.contains(permission));
        known.collect()
    }

    /// The permissions of one name space are these from now on.
    pub fn set(&mut self, of: Collection, permissions: &[PolicyPermission]) {
        let mut names: Vec<PolicyPermission> = permissions.to_vec();
        names.sort_unstable();
        names.dedup();
        let names = names.into_iter().map(|permission| permission.name().to_owned()).collect();
        match of {
            Collection::Keys => self.keys = names,
            Collection::Secrets => self.secrets = names,
            Collection::Certificates => self.certificates = names,
        }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.secrets.is_empty() && self.certificates.is_empty()
    }
}

/// All access policies of a vault.
pub fn policies(image: &Image) -> Vec<AccessPolicy> {
    record::all(image).map(|stored| stored.record).collect()
}

/// Makes or changes somebody's policy, and answers what it says then. One that allows nothing is removed.
pub fn set_policy(vault: &dyn Vault, principal: &str, edit: &mut dyn FnMut(&mut AccessPolicy)) -> Result<AccessPolicy> {
    let mut made = AccessPolicy::default();
    vault.transact(&mut |image| {
        let stored = record::find::<AccessPolicy>(image, principal);
        let number = stored.as_ref().map(|stored| stored.number);
        let fresh = AccessPolicy { principal: principal.to_owned(), ..AccessPolicy::default() };
        made = stored.map_or(fresh, |stored| stored.record);
        edit(&mut made);
        Ok(match (number, made.is_empty()) {
            (Some(number), true) => vec![Change::Delete(number)],
            (Some(number), false) => vec![record::replace(number, &made)],
            (None, true) => Vec::new(),
            (None, false) => vec![record::create(&made, None)],
        })
    })?;
    Ok(made)
}

/// Removes somebody's policy; `None` if they have none.
pub fn remove_policy(vault: &dyn Vault, principal: &str) -> Result<Option<AccessPolicy>> {
    let mut gone = None;
    vault.transact(&mut |image| match record::find::<AccessPolicy>(image, principal) {
        None => Ok(Vec::new()),
        Some(Stored { number, record }) => {
            gone = Some(record);
            Ok(vec![Change::Delete(number)])
        }
    })?;
    Ok(gone)
}
