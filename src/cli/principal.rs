//! Whom roles and access policies are given to: an identity or a group, by its name or an id.

use serde_json::{Value, json};

use super::{Error, Result};
use crate::server::guid;
use crate::server::identity::{self, Group, Identity, group};
use crate::vault::Image;

/// Somebody whom a right is given to.
pub(super) enum Principal {
    /// An identity of the vault.
    Identity(Identity),
    /// A group of the vault.
    Group(Group),
    /// An object id that the vault doesn't know: of another vault, of an issuer, or deleted.
    Unknown(String),
}

impl Principal {
    /// Who is called so; a GUID also if the vault doesn't know it.
    pub(super) fn find(image: &Image, text: &str) -> Result<Self> {
        let lower = text.to_ascii_lowercase();
        if let Some(found) = identity::find(image, text) {
            return Ok(Self::Identity(found.record));
        }
        if let Some(found) = group::find(image, text) {
            return Ok(Self::Group(found.record));
        }
        match guid::is_guid(&lower) {
            true => Ok(Self::Unknown(lower)),
            false => Err(Error::refused(format!(
                "There is no identity or group {text:?}: `strongroom identity list` and `strongroom group list` show them."
            ))),
        }
    }

    /// The same, where a mistyped id would give a right to nobody: one that isn't known needs `--force`.
    pub(super) fn find_known(image: &Image, text: &str, force: bool) -> Result<Self> {
        match Self::find(image, text)? {
            Self::Unknown(oid) if !force => Err(Error::refused(format!(
                "This vault knows no identity or group {oid}. If it lies in another vault of the server, or is an issuer's, \
                 add --force: a mistyped id gives a right to nobody."
            ))),
            found => Ok(found),
        }
    }

    /// Its object id.
    pub(super) fn oid(&self) -> &str {
        match self {
            Self::Identity(identity) => &identity.oid,
            Self::Group(group) => &group.oid,
            Self::Unknown(oid) => oid,
        }
    }

    /// What people call it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Identity(identity) => &identity.name,
            Self::Group(group) => &group.name,
            Self::Unknown(oid) => oid,
        }
    }
}

/// What people call the identity or group with this object id; the id itself if nobody here has it.
pub(super) fn shown_name(image: &Image, oid: &str) -> String {
    Principal::find(image, oid).map_or_else(|_| oid.to_owned(), |found| found.name().to_owned())
}

/// Adds to an object of JSON who has this object id: one of `identity` and `group` is a name, the other null.
pub(super) fn put_names(value: &mut Value, image: &Image, oid: &str) {
    let found = Principal::find(image, oid).ok();
    let (identity, group) = match &found {
        Some(Principal::Identity(identity)) => (Some(&identity.name), None),
        Some(Principal::Group(group)) => (None, Some(&group.name)),
        _ => (None, None),
    };
    value["identity"] = json!(identity);
    value["group"] = json!(group);
    value["object_id"] = json!(oid);
}
