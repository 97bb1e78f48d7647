//! The token endpoint: the OAuth 2.0 client credentials grant (RFC 6749 §4.4) as Microsoft Entra ID offers it.

use jsonwebtoken::{Algorithm, Header};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Claims, signing};
use crate::server::identity::{self, Identity};
use crate::server::names::Names;
use crate::server::record;
use crate::vault::{Image, Vault, VaultError};

/// Seconds for which a token counts. Clients ask for a new one when less than 300 are left.
pub const LIFETIME: i64 = 3600;

/// The form that a client posts.
#[derive(Deserialize)]
pub struct TokenRequest {
    /// `client_credentials`.
    pub grant_type: String,
    /// The identity's client id.
    pub client_id: Option<String>,
    /// Its client secret.
    pub client_secret: Option<Zeroizing<String>>,
    /// `{resource}/.default`.
    pub scope: Option<String>,
    /// The resource, in the form of older clients.
    pub resource: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    pub client_assertion_type: Option<String>,
    /// A JWT signed by the client.
    pub client_assertion: Option<Zeroizing<String>>,
}

/// A token and how long it counts.
#[derive(Serialize)]
pub struct TokenAnswer {
    token_type: &'static str,
    expires_in: i64,
    ext_expires_in: i64,
    access_token: Zeroizing<String>,
}

/// Why there is none (RFC 6749 §5.2).
#[derive(Debug, Serialize)]
pub struct TokenError {
    /// The code of the RFC.
    pub error: &'static str,
    /// One sentence, with the number that clients of Entra ID know.
    pub error_description: String,
}

impl TokenError {
    /// With this code and sentence.
    pub fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, error_description: description.into() }
    }
}

/// Makes tokens for the identities of one vault.
pub struct Issuer<'a> {
    /// Where identities and signing keys lie.
    pub vault: &'a dyn Vault,
    /// The vault's objects now.
    pub image: &'a Image,
    /// What this server is called.
    pub names: &'a Names,
    /// The tenant in `tid`.
    pub tenant: &'a str,
    /// `iss`.
    pub issuer: String,
    /// Seconds since 1970.
    pub now: i64,
}

impl Issuer<'_> {
    /// Answers one request.
    pub fn answer(&self, request: &TokenRequest) -> Result<TokenAnswer, TokenError> {
        if request.grant_type != "client_credentials" {
            let what = format!(
                "AADSTS70003: the grant type {:?} is not supported: client_credentials is.",
                request.grant_type
            );
            return Err(TokenError::new("unsupported_grant_type", what));
        }
        let audience = self.audience(request)?;
        let identity = self.authenticate(request)?;
        let claims = Claims {
            aud: audience,
            iss: self.issuer.clone(),
            tid: self.tenant.to_owned(),
            oid: identity.oid.clone(),
            appid: identity.appid,
            sub: identity.oid,
            iat: self.now,
            nbf: self.now,
            exp: self.now + LIFETIME,
            idtyp: "app".to_owned(),
        };
        let (kid, key) = signing::current(self.vault, self.now).map_err(failed)?;
        let header = Header { kid: Some(kid), ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &key).map_err(|error| {
            tracing::error!("a token could not be signed: {error}");
            TokenError::new("server_error", "The token could not be signed: the server's log says why.")
        })?;
        Ok(TokenAnswer {
            token_type: "Bearer",
            expires_in: LIFETIME,
            ext_expires_in: LIFETIME,
            access_token: Zeroizing::new(token),
        })
    }

    fn audience(&self, request: &TokenRequest) -> Result<String, TokenError> {
        let scope =
            request.scope.as_deref().and_then(|scope| scope.split(' ').find_map(|s| s.strip_suffix("/.default")));
        let resource = scope.or(request.resource.as_deref()).unwrap_or_default();
        match self.names.is_resource(resource) {
            true => Ok(resource.trim_end_matches('/').to_owned()),
            false => Err(TokenError::new(
                "invalid_resource",
                format!(
                    "AADSTS500011: the resource {resource:?} is not served here: ask for {}.",
                    self.names.resource(None)
                ),
            )),
        }
    }

    fn authenticate(&self, request: &TokenRequest) -> Result<Identity, TokenError> {
        let refused = || {
            let what =
                "AADSTS7000215: the client id is unknown, disabled, or its secret or assertion is wrong or expired.";
            TokenError::new("invalid_client", what)
        };
        let appid = request.client_id.as_deref().unwrap_or_default();
        let found = record::all::<Identity>(self.image).map(|stored| stored.record).find(|i| i.appid == appid);
        let key = identity::hash_key(self.vault).map_err(failed)?;
        let given = request.client_secret.as_deref().ok_or_else(refused)?;
        let identity = found.filter(|identity| identity.enabled).ok_or_else(refused)?;
        match identity::check_secret(&key, &identity, given, self.now) {
            true => Ok(identity),
            false => Err(refused()),
        }
    }
}

fn failed(error: VaultError) -> TokenError {
    tracing::error!("a token could not be made: {error}");
    TokenError::new(
        "temporarily_unavailable",
        "The vault can't be used now: its operator finds the reason in the server's log.",
    )
}
