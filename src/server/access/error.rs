//! Why a role isn't made, given or taken.

use crate::vault::VaultError;

/// What is wrong with a wish about roles; each text is a sentence without its end.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// It is the same in every vault.
    #[error("{0} is a built-in role, which nobody changes or deletes: make one with an id and a name of its own")]
    BuiltIn(&'static str),
    /// There is no such role.
    #[error("the role definition {0} was not found")]
    NoDefinition(String),
    /// There is no such assignment.
    #[error("the role assignment {0} was not found")]
    NoAssignment(String),
    /// Another role is called so.
    #[error("another role is called {0:?}: choose another name")]
    NameTaken(String),
    /// Somebody has it.
    #[error("the role {0} is assigned {1} times: delete those assignments first")]
    InUse(String, usize),
    /// The identity has the role there already, or the id is another assignment's.
    #[error("the role assignment {0} exists already")]
    Assigned(String),
    /// It can't be what it is said to be.
    #[error("{0}")]
    Invalid(String),
    /// Who asks doesn't have it either.
    #[error("nobody gives or takes what they may not do themselves: an administrator of the vault can")]
    NotYours,
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
