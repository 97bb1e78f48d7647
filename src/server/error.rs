//! What a request is answered when it can't be done: Key Vault's error body, and the one place where a vault's errors
//! become statuses.
//!
//! A message says what was wrong and what to do. Nothing of the vault's inside (paths, records) is told to a caller: that
//! goes to the log.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::vault::VaultError;

/// An answer that is an error.
#[derive(Debug)]
pub struct ServiceError {
    /// The HTTP status.
    pub status: StatusCode,
    /// `error.code`.
    pub code: &'static str,
    /// `error.innererror.code`.
    pub inner: Option<&'static str>,
    /// `error.message`.
    pub message: String,
    /// After how many seconds it is worth another try.
    pub retry_after: Option<u32>,
}

/// A result of the server.
pub type Result<T> = std::result::Result<T, ServiceError>;

impl ServiceError {
    /// With this status, code and sentence.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, inner: None, message: message.into(), retry_after: None }
    }

    /// 400: malformed, out of range, or not for this key.
    pub fn bad_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadParameter", message)
    }

    /// 403, with what stands in `innererror`.
    pub fn forbidden(inner: &'static str, message: impl Into<String>) -> Self {
        Self { inner: Some(inner), ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message) }
    }

    /// 404, with the code of the kind of object. The message holds "not found", which clients look for.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409, with what stands in `innererror`.
    pub fn conflict(inner: &'static str, message: impl Into<String>) -> Self {
        Self { inner: Some(inner), ..Self::new(StatusCode::CONFLICT, "Conflict", message) }
    }

    /// 401 after the challenge: the token is none that counts here.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", message)
    }

    /// 429: more requests than this caller may make; after so many seconds it may make another.
    pub fn throttled(seconds: u32) -> Self {
        let what = "Request was not processed because too many requests were received: try again after Retry-After.";
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "Throttled", what);
        Self { retry_after: Some(seconds), ..error }
    }

    /// 503: stated limits are reached, or the vault is locked.
    pub fn unavailable(message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
        Self { retry_after: Some(1), ..error }
    }

    /// The body.
    pub fn body(&self) -> Vec<u8> {
        let inner = self.inner.map(|code| Inner { code });
        let body = ErrorBody { error: Shown { code: self.code, message: &self.message, innererror: inner } };
        // Plain strings: writing them can't fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// The error body's shape.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyVaultError", deny_unknown_fields)]
pub struct ErrorBody<'a> {
    error: Shown<'a>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyVaultErrorError", deny_unknown_fields)]
struct Shown<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<Inner>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InnerError", deny_unknown_fields)]
struct Inner {
    code: &'static str,
}

/// The text of an error as a sentence.
pub fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).chain(['.']).collect()
}

impl From<VaultError> for ServiceError {
    fn from(error: VaultError) -> Self {
        Self::of(&error)
    }
}

impl ServiceError {
    /// What is told of a vault's error.
    pub fn of(error: &VaultError) -> Self {
        match error {
            VaultError::Disabled => Self::forbidden("KeyDisabled", "Operation is not allowed on a disabled key."),
            VaultError::NotYetValid(start) => {
                Self::forbidden("KeyNotYetValid", format!("Operation is not allowed before {start} (nbf)."))
            }
            VaultError::Expired(end) => {
                Self::forbidden("KeyExpired", format!("Operation is not allowed on an expired key (exp {end})."))
            }
            VaultError::NotFound | VaultError::Deleted => {
                Self::not_found("KeyNotFound", "The object was not found: it was deleted meanwhile.")
            }
            VaultError::NameTaken(name) => Self::conflict("ObjectExists", format!("{name} exists already.")),
            VaultError::NameDeleted(name) => Self::conflict(
                "ObjectIsDeletedButRecoverable",
                format!(
                    "{name} is in a deleted but recoverable state, and its name can't be used: recover or purge it."
                ),
            ),
            VaultError::PurgeProtected => Self::forbidden(
                "ForbiddenByPolicy",
                "Operation purge is not allowed: purge protection is on, and the object stays until its \
                 scheduledPurgeDate.",
            ),
            VaultError::Managed(_) => Self::forbidden("ObjectIsManaged", error.to_string()),
            VaultError::LastAdministrator => Self::forbidden("AccessDenied", error.to_string()),
            VaultError::NameInvalid(_) => Self::bad_parameter(error.to_string()),
            VaultError::Unsupported(what) => Self::bad_parameter(format!("This vault can't do that: {what}.")),
            VaultError::Full(_, what) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "VaultFull", format!("The vault is full: {what}."))
            }
            VaultError::Crypto(error) => Self::bad_parameter(error.to_string()),
            _ => Self::of_the_operator(error),
        }
    }

    /// What is told of an error that no caller can do anything about.
    fn of_the_operator(error: &VaultError) -> Self {
        match error {
            VaultError::Locked | VaultError::Rekeyed | VaultError::StateUnknown => {
                tracing::error!("a request could not be served: {error}");
                Self::unavailable("The vault is locked: its operator has to unlock it.")
            }
            VaultError::Busy { .. } => Self::unavailable("The vault is busy: try again."),
            _ => {
                tracing::error!("a request failed: {error}");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "InternalServerError",
                    "The vault could not do it: its operator finds the reason in the server's log.",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_key_vaults() {
        let error = ServiceError::forbidden("AccessDenied", "No.");
        assert_eq!(
            String::from_utf8(error.body()).unwrap(),
            r#"{"error":{"code":"Forbidden","message":"No.","innererror":{"code":"AccessDenied"}}}"#
        );
    }

    #[test]
    fn nothing_of_the_vaults_inside_is_told() {
        let damaged = VaultError::Damaged { file: "/var/lib/x".into(), what: "record 7".into() };
        let error = ServiceError::from(damaged);
        assert!(!error.message.contains("/var") && !error.message.contains("record"));
    }
}
