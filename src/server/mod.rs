//! `strongroom serve`: vaults over Azure Key Vault's REST API, so that its official SDKs work against them.
//!
//! A request to a vault passes [`gate`], which goes by the one table in [`routes`]; what it may do is decided in
//! [`access`], who it is from in [`token`] and [`identity`]. Handlers are plain functions on the vault's traits. Where the
//! documentation of Key Vault and its SDKs differ, the SDKs are right.

pub mod access;
mod attributes;
pub mod authority;
mod call;
pub mod clock;
mod deleted;
mod error;
mod gate;
mod guid;
pub mod identity;
pub mod keys;
pub mod listen;
pub mod names;
mod paging;
mod pool;
mod record;
mod routes;
mod secrets;
pub mod settings;
pub mod tls;
mod token;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use axum::{Form, Json, Router};

pub use self::gate::API_VERSIONS;
pub use self::routes::TABLE as ROUTES;

use self::access::{Compiled, Grants};
use self::clock::Clock;
use self::error::{Result, ServiceError};
use self::identity::Identity;
use self::names::Names;
use self::pool::Pools;
use self::settings::Settings;
use self::token::{Issuer, SigningKeys, TokenRequest, Verifier};
use crate::vault::{Image, VaultAdmin};

/// The servers of some vaults, which are unlocked.
pub struct Server {
    /// By name, in small letters.
    vaults: HashMap<String, Arc<Served>>,
    /// Where identities and the keys of tokens lie.
    home: Arc<Served>,
    names: Names,
    clock: Clock,
    members: Compiled<Members>,
    verifier: Verifier,
    pools: Pools,
}

/// A vault that is served.
pub struct Served {
    /// The vault, unlocked.
    pub vault: Arc<dyn VaultAdmin>,
    grants: Compiled<Grants>,
    settings: Compiled<Option<Arc<Settings>>>,
}

/// What the records of the first vault say of tokens.
struct Members {
    enabled: HashSet<String>,
    keys: SigningKeys,
}

impl Served {
    fn grants(&self, image: &Image) -> Arc<Grants> {
        self.grants.of(image, Grants::of)
    }

    fn settings(&self, image: &Image) -> Result<Arc<Settings>> {
        let settings = self.settings.of(image, |image| Settings::of(image).map(Arc::new));
        settings.as_ref().clone().ok_or_else(|| ServiceError::unavailable("The vault has no settings yet."))
    }
}

impl Server {
    /// Serves these vaults, by name; the first holds the identities. Makes what of its own records is missing.
    pub fn new(
        vaults: Vec<(String, Arc<dyn VaultAdmin>)>,
        names: Names,
        clock: Clock,
    ) -> std::result::Result<Arc<Self>, ServeError> {
        let served = vaults.into_iter().map(|(name, vault)| {
            Settings::ensure(&*vault)?;
            let served = Served { vault, grants: Compiled::default(), settings: Compiled::default() };
            served.purge_due_now(clock.now());
            Ok((name.to_ascii_lowercase(), Arc::new(served)))
        });
        let served: Vec<_> = served.collect::<std::result::Result<_, crate::vault::VaultError>>()?;
        let home = Arc::clone(&served.first().ok_or(ServeError::NoVault)?.1);
        Ok(Arc::new(Self {
            home,
            vaults: served.into_iter().collect(),
            names,
            clock,
            members: Compiled::default(),
            verifier: Verifier::default(),
            pools: Pools::start().map_err(ServeError::Threads)?,
        }))
    }

    /// Everything that it answers.
    pub fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok"))
            .route("/readyz", get(ready))
            .route("/{tenant}/oauth2/v2.0/token", post(token))
            .route("/{tenant}/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery))
            .route("/{tenant}/discovery/v2.0/keys", get(public_keys))
            .fallback(gate::handle)
            .with_state(Arc::clone(self))
    }

    /// The vault that a host names.
    fn served(&self, host: &str) -> Option<Arc<Served>> {
        let label = self.names.label(host)?.to_ascii_lowercase();
        self.vaults.get(&label).map(Arc::clone)
    }

    fn members(&self) -> Result<Arc<Members>> {
        self.home.vault.refresh()?;
        Ok(self.members.of(&self.home.vault.image(), |image| Members {
            enabled: record::all::<Identity>(image)
                .map(|stored| stored.record)
                .filter(|i| i.enabled)
                .map(|i| i.oid)
                .collect(),
            keys: SigningKeys::of(image),
        }))
    }

    fn tenant(&self) -> Result<String> {
        Ok(self.home.settings(&self.home.vault.image())?.tenant.clone())
    }

    /// The object id of whom a request is from.
    fn authenticate(&self, headers: &HeaderMap) -> Result<String> {
        let missing = || ServiceError::unauthorized("AKV10000: Request is missing a Bearer or PoP token.");
        let given = headers.get(header::AUTHORIZATION).ok_or_else(missing)?.to_str().map_err(|_| missing())?;
        let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let token = token.ok_or_else(missing)?.1.trim();
        let members = self.members()?;
        let now = self.clock.now();
        let oid = self.verifier.verify(token, &members.keys, &self.names, &self.tenant()?, now);
        let oid = oid.map_err(|refusal| ServiceError::unauthorized(format!("AKV10032: {refusal}.")))?;
        match members.enabled.contains(&oid) {
            true => Ok(oid),
            false => Err(ServiceError::unauthorized(format!("AKV10032: {}.", token::Refusal::NoIdentity))),
        }
    }

    /// The challenge for who came to this port.
    fn challenge(&self, port: Option<u16>) -> String {
        let tenant = self.tenant().unwrap_or_default();
        let (authority, resource) = (self.names.authority(port), self.names.resource(port));
        format!(r#"Bearer authorization="{authority}/{tenant}", resource="{resource}""#)
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No vault.
    #[error("there is no vault to serve: make one with `strongroom init`")]
    NoVault,
    /// The vault.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    /// No threads.
    #[error("threads can't be started: {0}")]
    Threads(std::io::Error),
}

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

async fn ready(State(server): State<Arc<Server>>) -> Response {
    match server.vaults.values().all(|served| served.vault.is_unlocked()) {
        true => "ready".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "a vault is locked").into_response(),
    }
}

/// OpenID Connect Discovery 1.0 §4, as far as clients of this grant read it.
async fn discovery(State(server): State<Arc<Server>>, Path(tenant): Path<String>, headers: HeaderMap) -> Response {
    let base = format!("{}/{tenant}", server.names.authority(port_of(&headers)));
    Json(serde_json::json!({
        "issuer": format!("{base}/v2.0"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
    }))
    .into_response()
}

async fn public_keys(State(server): State<Arc<Server>>) -> Response {
    match server.members() {
        Ok(members) => Json(serde_json::json!({ "keys": members.keys.public(server.clock.now()) })).into_response(),
        Err(error) => (error.status, error.message).into_response(),
    }
}

fn port_of(headers: &HeaderMap) -> Option<u16> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    names::split_port(host).1.and_then(|port| port.parse().ok())
}

async fn token(State(server): State<Arc<Server>>, headers: HeaderMap, Form(request): Form<TokenRequest>) -> Response {
    let port = port_of(&headers);
    let answer = server.pools.write({
        let server = Arc::clone(&server);
        move || {
            server.home.vault.refresh()?;
            let (image, tenant) = (server.home.vault.image(), server.tenant()?);
            let issuer = Issuer {
                vault: &*server.home.vault,
                image: &image,
                names: &server.names,
                tenant: &tenant,
                issuer: format!("{}/{tenant}/v2.0", server.names.authority(port)),
                now: server.clock.now(),
            };
            Ok::<_, ServiceError>(issuer.answer(&request))
        }
    });
    match answer.await.and_then(|answer| answer) {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(error)) => (StatusCode::BAD_REQUEST, Json(error)).into_response(),
        Err(error) => (error.status, error.message).into_response(),
    }
}
