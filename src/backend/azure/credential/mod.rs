//! Tokens, by each kind of credential. A file a kind; what a kind asks, and whom, is told at its top.
//!
//! None of them keeps a token: [`TokenKeeper`](crate::backend::remote::TokenKeeper) does. None is asked before the vault's
//! challenge was checked.

mod assertion;
mod command;
mod grant;
mod managed;
mod workload;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use super::challenge::Challenge;
use crate::backend::remote::{Budget, Client, Failure, Resolver, Token};
use crate::config::{AzureConfig, AzureCredential, SecretText};
use crate::vault::VaultError;

/// What a token is asked with.
pub(super) struct Asking<'a> {
    pub config: &'a AzureConfig,
    /// The vault's, checked.
    pub challenge: &'a Challenge,
    /// To the authority that the challenge names.
    pub authority: &'a Client,
    pub resolver: &'a std::sync::Arc<Resolver>,
    /// The PIN, where it is the secret.
    pub pin: Option<&'a str>,
    /// What the vault wants in the token.
    pub claims: Option<&'a str>,
    pub budget: &'a Budget,
}

/// Why there is no token.
#[derive(Clone, Debug)]
pub(super) enum Denied {
    /// Nobody has logged in yet, and the configuration has no secret.
    Locked,
    /// Whoever gives tokens gives none, or the vault can't be trusted with one.
    Refused(String),
    /// It, or the vault, gave no answer.
    Unreachable(String),
    /// What it answered is no token.
    Invalid(String),
}

impl Denied {
    /// As the vault tells it.
    pub(super) fn of_vault(self, location: String) -> VaultError {
        match self {
            Self::Locked => VaultError::Locked,
            Self::Refused(what) => VaultError::CredentialRefused { location, what },
            Self::Unreachable(what) => VaultError::Unreachable { location, what },
            Self::Invalid(what) => VaultError::AnswerInvalid { location, what },
        }
    }
}

impl From<std::io::Error> for Denied {
    fn from(error: std::io::Error) -> Self {
        Self::Invalid(format!("a token, and there is no memory for it that a fork wipes: {error}"))
    }
}

impl From<Failure> for Denied {
    fn from(failure: Failure) -> Self {
        Self::Unreachable(failure.to_string())
    }
}

/// Asks for a token.
pub(super) fn token(asking: &Asking<'_>) -> Result<Token, Denied> {
    match &asking.config.credential {
        AzureCredential::ClientSecret { client_id, secret } => {
            let secret = asking.pin.or(secret.as_ref().map(SecretText::expose)).ok_or(Denied::Locked)?;
            grant::ask(asking, client_id, &grant::Proof::Secret(secret))
        }
        AzureCredential::ClientCertificate { client_id, certificate } => {
            let endpoint = grant::endpoint(asking)?;
            let assertion = assertion::signed(certificate, client_id, &endpoint)?;
            grant::ask(asking, client_id, &grant::Proof::Assertion(assertion.expose()))
        }
        AzureCredential::WorkloadIdentity { client_id, token_file } => {
            let assertion = workload::projected(token_file)?;
            grant::ask(asking, client_id, &grant::Proof::Assertion(assertion.expose()))
        }
        AzureCredential::ManagedIdentity { from, client_id } => managed::ask(asking, from, client_id.as_deref()),
        AzureCredential::Command { command, allowed } => command::run(command, *allowed, asking.budget),
        AzureCredential::Token(text) => Ok(Token::new(text.expose(), lifetime_of(text.expose()))?),
        AzureCredential::Tls | AzureCredential::Peer => Err(Denied::Invalid("this credential needs no token".into())),
    }
}

/// The members of an answer that hold a token: numbers come as numbers or as text.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretText,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    expires_on: Option<serde_json::Value>,
}

impl Granted {
    fn token(self) -> Result<Token, Denied> {
        let number = |value: Option<serde_json::Value>| match value? {
            serde_json::Value::Number(number) => number.as_f64(),
            serde_json::Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let seconds = |number: f64| (number.is_finite() && number >= 0.0).then(|| Duration::from_secs(number as u64));
        let text = self.access_token.expose();
        let ends = number(self.expires_on).and_then(seconds).map(until);
        let lives = number(self.expires_in).and_then(seconds).or(ends).or_else(|| lifetime_of(text));
        Ok(Token::new(text, lives)?)
    }
}

/// From now until a moment in seconds since 1970.
fn until(moment: Duration) -> Duration {
    moment.saturating_sub(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// How long a token lives that says so itself, as a JWT does: a hint when to ask for the next, and nothing is decided by it.
fn lifetime_of(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let payload = Base64UrlUnpadded::decode_vec(token.split('.').nth(1)?).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.exp.is_finite() && claims.exp > 0.0).then(|| until(Duration::from_secs(claims.exp as u64)))
}

/// A token as it may stand in a header.
fn checked(text: &str) -> Option<SecretText> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= MOST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| SecretText::new(text.to_owned()))
}

/// Longest token.
const MOST_TOKEN: usize = 64 << 10;
