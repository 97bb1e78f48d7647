//! What administrators do with a vault as a whole: who may do what ([`definitions`], [`assignments`]), its settings,
//! and its backups ([`full_backup`]).
//!
//! Bodies and identifiers are those of Managed HSM's local access control, which a key vault here has too: at Azure a vault's
//! roles are the resource manager's.

pub mod assignments;
pub mod definitions;
mod filter;
pub mod full_backup;
pub mod settings;

use axum::http::StatusCode;

use super::access::{RoleError, Scope};
use super::call::Call;
use super::error::{Result, ServiceError, sentence};
use super::guid;

/// The GUID in the path.
fn id(call: &Call) -> Result<String> {
    let text = call.id.as_deref().unwrap_or_default();
    guid_of(text).ok_or_else(|| ServiceError::bad_parameter("The name at the end of the path must be a GUID."))
}

/// A GUID in small letters.
fn guid_of(text: &str) -> Option<String> {
    Some(text.to_ascii_lowercase()).filter(|text| guid::is_guid(text))
}

/// The scope in the path, if vaults of this manner have such.
fn scope(call: &Call) -> Result<&Scope> {
    let scope = call.scope.as_ref().unwrap_or(&Scope::Vault);
    scope.check(call.served.manner).map_err(|error| ServiceError::bad_parameter(format!("{error}.")))?;
    Ok(scope)
}

/// `{scope}/providers/{kind}`, as a path below the base.
fn path_of(scope: &Scope, kind: &str) -> String {
    let path = format!("{}/providers/{kind}", scope.to_string().trim_end_matches('/'));
    path.trim_start_matches('/').to_owned()
}

impl From<RoleError> for ServiceError {
    fn from(error: RoleError) -> Self {
        let sentence = sentence(&error.to_string());
        match error {
            RoleError::BuiltIn(_) => Self::forbidden("RoleDefinitionIsBuiltIn", sentence),
            RoleError::NotYours => Self::forbidden("ForbiddenByRbac", sentence),
            RoleError::NoDefinition(_) => Self::not_found("RoleDefinitionNotFound", sentence),
            RoleError::NoAssignment(_) => Self::not_found("RoleAssignmentNotFound", sentence),
            RoleError::NameTaken(_) => Self::conflict("RoleDefinitionWithSameNameExists", sentence),
            RoleError::InUse(..) => Self::conflict("RoleDefinitionHasAssignments", sentence),
            RoleError::Assigned(_) => Self::new(StatusCode::CONFLICT, "RoleAssignmentExists", sentence),
            RoleError::Invalid(_) => Self::bad_parameter(sentence),
            RoleError::Vault(error) => error.into(),
        }
    }
}
