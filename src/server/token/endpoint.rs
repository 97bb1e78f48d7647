//! The authority's addresses, `https://login.{domain}`: the token endpoint, and the documents by which clients find it
//! and check its tokens.
//!
//! They are served at this host alone, so that none of them can be taken for a vault's path, nor the reverse.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::issue::LIFETIME;
use super::{Issued, Issuer, Proof, TokenError, TokenRequest, digest};
use crate::server::Server;
use crate::server::issuers::ForeignToken;
use crate::server::listen::{BodyError, Peer, read_body};
use crate::server::names::port_of;

/// The tenant's name that is valid besides its GUID: with it clients don't ask Microsoft whether they may trust us.
const ADFS: &str = "adfs";

/// Longest form, in bytes: an assertion may carry its certificate's chain.
const MAX_FORM: usize = 64 * 1024;

/// Everything that the authority answers.
pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token))
        .route("/{tenant}/oauth2/token", post(older_token))
        .route("/{tenant}/.well-known/openid-configuration", get(discovery))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery))
        .route("/{tenant}/discovery/v2.0/keys", get(public_keys))
        .route("/{tenant}/discovery/keys", get(public_keys))
        .method_not_allowed_fallback(async || {
            let what = "this method is not allowed here: tokens are asked for with POST, documents with GET.";
            TokenError::new("invalid_request", 900561, what).with_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .fallback(async || {
            let what = "there is nothing at this address: tokens are at /{tenant}/oauth2/v2.0/token.";
            TokenError::new("invalid_request", 900144, what).with_status(StatusCode::NOT_FOUND)
        })
}

/// OpenID Connect Discovery 1.0 §4, as far as clients of this grant read it.
async fn discovery(
    State(server): State<Arc<Server>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, TokenError> {
    let known = server.newest_known().await?;
    check_tenant(&known.tenant, &tenant)?;
    let port = port_of(&request);
    let base = format!("{}/{tenant}", server.names.authority(port));
    let document = json!({
        "issuer": server.names.issuer(port, &known.tenant),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
    });
    Ok(Json(document).into_response())
}

async fn public_keys(State(server): State<Arc<Server>>, Path(tenant): Path<String>) -> Result<Response, TokenError> {
    let known = server.newest_known().await?;
    check_tenant(&known.tenant, &tenant)?;
    Ok(Json(json!({ "keys": known.keys.public(server.clock.now()) })).into_response())
}

#[derive(Serialize)]
struct Answer<'a> {
    token_type: &'static str,
    expires_in: i64,
    ext_expires_in: i64,
    access_token: &'a str,
}

/// The first version of the endpoint answers with texts.
#[derive(Serialize)]
pub struct OlderAnswer<'a> {
    token_type: &'static str,
    expires_in: String,
    ext_expires_in: String,
    expires_on: String,
    not_before: String,
    resource: &'a str,
    access_token: &'a str,
}

impl<'a> OlderAnswer<'a> {
    /// The answer with this token.
    pub fn of(issued: &'a Issued) -> Self {
        Self {
            token_type: "Bearer",
            expires_in: LIFETIME.to_string(),
            ext_expires_in: LIFETIME.to_string(),
            expires_on: issued.expires.to_string(),
            not_before: issued.not_before.to_string(),
            resource: &issued.resource,
            access_token: &issued.token,
        }
    }
}

async fn token(
    State(server): State<Arc<Server>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, TokenError> {
    let issued = issue(server, &tenant, request).await?;
    Ok(written(&Answer {
        token_type: "Bearer",
        expires_in: LIFETIME,
        ext_expires_in: LIFETIME,
        access_token: &issued.token,
    }))
}

async fn older_token(
    State(server): State<Arc<Server>>,
    Path(tenant): Path<String>,
    request: Request,
) -> Result<Response, TokenError> {
    let issued = issue(server, &tenant, request).await?;
    Ok(written(&OlderAnswer::of(&issued)))
}

async fn issue(server: Arc<Server>, tenant: &str, request: Request) -> Result<Issued, TokenError> {
    server.logins.attempt(request.extensions().get::<Peer>()).map_err(TokenError::too_many)?;
    check_tenant(&server.newest_known().await?.tenant, tenant)?;
    let port = port_of(&request);
    let (parts, body) = request.into_parts();
    let form = read(body).await?;
    let mut asked = TokenRequest::read(&parts.headers, &form)?;
    server.check_federated(&mut asked.proof).await?;
    server.issue(port, move |issuer| issuer.answer(&asked)).await
}

impl Server {
    /// Has a token made. That may wait for the disk, for a new key to sign with.
    pub(in crate::server) async fn issue<T: Send + 'static>(
        self: &Arc<Self>,
        port: Option<u16>,
        make: impl FnOnce(&Issuer<'_>) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, TokenError> {
        let server = Arc::clone(self);
        let issued = self.pools.login(move || {
            server.home.vault.refresh()?;
            let known = server.known();
            make(&Issuer {
                vault: &*server.home.vault,
                known: &known,
                names: &server.names,
                seen: &server.seen,
                started: server.started,
                port,
                now: server.clock.now(),
            })
        });
        issued.await?
    }

    /// An assertion that says it is another issuer's token is checked as one: that may wait for its keys.
    async fn check_federated(&self, proof: &mut Proof) -> Result<(), TokenError> {
        let Proof::Assertion(assertion) = proof else { return Ok(()) };
        let Some(provider) = self.issuers.named_by(assertion) else { return Ok(()) };
        let (known, issuer) = (self.known(), &provider.url);
        let is_meant = |token: &ForeignToken| {
            let mut clients = known.federated(issuer, &token.subject).iter();
            clients.any(|client| client.identity.federated.iter().any(|known| token.fits(known)))
        };
        let checked = self.issuers.check(provider, assertion, &digest(assertion.as_bytes()), is_meant).await;
        *proof = Proof::Federated(checked?);
        Ok(())
    }
}

async fn read(body: Body) -> Result<Bytes, TokenError> {
    read_body(body, MAX_FORM).await.map_err(|error| {
        let status = match error {
            BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken(_) => StatusCode::BAD_REQUEST,
        };
        TokenError::new("invalid_request", 90014, format!("{error}.")).with_status(status)
    })
}

fn check_tenant(ours: &str, given: &str) -> Result<(), TokenError> {
    if given.eq_ignore_ascii_case(ADFS) || given.eq_ignore_ascii_case(ours) {
        return Ok(());
    }
    let what = format!("Tenant {given:?} not found: the one that is here is {ours}, or {ADFS}.");
    Err(TokenError::new("invalid_request", 90002, what))
}

/// An answer with a token, which nobody keeps.
pub(in crate::server) fn written(answer: &impl Serialize) -> Response {
    let mut text = Zeroizing::new(Vec::with_capacity(2048));
    // Texts and numbers, into memory.
    let _ = serde_json::to_writer(&mut *text, answer);
    let mut response = Response::new(Body::from(Bytes::from_owner(text)));
    for (name, value) in [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
