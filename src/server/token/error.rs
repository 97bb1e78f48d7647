//! Why the token endpoint gives no token (RFC 6749 §5.2), with the numbers that clients of Entra ID know.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, body::Body};
use serde::Serialize;

use crate::server::error::ServiceError;
use crate::server::issuers;
use crate::vault::VaultError;

/// A refusal of the token endpoint.
#[derive(Debug)]
pub struct TokenError {
    /// The RFC's code.
    pub error: &'static str,
    status: StatusCode,
    number: u32,
    description: String,
    retry_after: Option<u32>,
}

#[derive(Serialize)]
struct Shown {
    error: &'static str,
    error_description: String,
    error_codes: [u32; 1],
}

impl TokenError {
    /// With this code, number and sentence.
    pub fn new(error: &'static str, number: u32, description: impl Into<String>) -> Self {
        // As Entra ID does it, whether the client used HTTP's own authentication or not.
        let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        Self { error, status, number, description: description.into(), retry_after: None }
    }

    /// With another status.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Too often: the next attempt may be made after so many seconds.
    pub fn too_many(seconds: u32) -> Self {
        let what = format!("too many logins from this address: try again in {seconds} s.");
        let error = Self::new("temporarily_unavailable", 90055, what).with_status(StatusCode::TOO_MANY_REQUESTS);
        Self { retry_after: Some(seconds), ..error }
    }

    /// Nothing can be said for now.
    pub fn unavailable(what: impl Into<String>) -> Self {
        let error = Self::new("temporarily_unavailable", 90033, what).with_status(StatusCode::SERVICE_UNAVAILABLE);
        Self { retry_after: Some(1), ..error }
    }
}

impl From<issuers::Refusal> for TokenError {
    fn from(refusal: issuers::Refusal) -> Self {
        use issuers::Refusal::{Expired, NotYetValid, TooLasting};
        let what = format!("the client assertion is not valid: {refusal}.");
        if let Some(seconds) = refusal.retry_after() {
            return Self { retry_after: Some(seconds), ..Self::unavailable(what) };
        }
        match refusal {
            Expired | NotYetValid | TooLasting => Self::new("invalid_client", 700024, what),
            _ => Self::new("invalid_client", 50013, what),
        }
    }
}

impl From<ServiceError> for TokenError {
    fn from(error: ServiceError) -> Self {
        Self::unavailable(error.message)
    }
}

impl From<VaultError> for TokenError {
    fn from(error: VaultError) -> Self {
        Self::from(ServiceError::from(error))
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response<Body> {
        let description = format!("AADSTS{}: {}", self.number, self.description);
        let shown = Shown { error: self.error, error_description: description, error_codes: [self.number] };
        let mut response = (self.status, Json(shown)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"strongroom\""));
        }
        response
    }
}
