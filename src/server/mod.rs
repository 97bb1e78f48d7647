//! `strongroom serve`: vaults over Azure Key Vault's REST API, so that its official SDKs work against them.
//!
//! A request to a vault passes [`gate`], which goes by the one table in [`routes`]; what it may do is decided in
//! [`access`], who it is from in [`token`] and [`identity`]. Handlers are plain functions on the vault's traits. Where the
//! documentation of Key Vault and its SDKs differ, the SDKs are right.

pub mod access;
pub mod administration;
mod attributes;
mod authentication;
pub mod authority;
mod blob;
mod body;
mod call;
mod certificates;
pub mod client_certificate;
pub mod clock;
mod cross_site;
mod deleted;
mod error;
mod gate;
pub mod guid;
pub mod identity;
pub mod issuers;
pub mod keys;
pub mod listen;
mod managed_identity;
mod manager;
pub mod names;
mod network;
mod openapi;
mod paging;
mod pool;
mod record;
pub mod routes;
mod secrets;
mod seldom;
pub mod settings;
mod throttle;
pub mod tls;
mod token;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_service::Service;

pub use self::gate::API_VERSIONS;
pub use self::routes::TABLE as ROUTES;

use self::access::{Compiled, Rights};
use self::administration::full_backup::{Jobs, Targets};
use self::client_certificate::AuthoritiesFiles;
use self::clock::Clock;
use self::error::{Result, ServiceError};
use self::identity::Known;
use self::issuers::Issuers;
use self::listen::Proxies;
use self::names::Names;
use self::pool::Pools;
use self::seldom::Seldom;
use self::settings::Settings;
use self::throttle::Throttle;
use self::token::{Logins, Seen, Verifier};
use crate::config::{AllowFrom, IssuerConfig, Manner, Rate};
use crate::vault::{Image, VaultAdmin};

/// The servers of some vaults, which are unlocked.
pub struct Server {
    /// By name, in small letters.
    vaults: HashMap<String, Arc<Served>>,
    /// Where identities and the keys of tokens lie.
    home: Arc<Served>,
    names: Names,
    clock: Clock,
    known: Compiled<Known>,
    verifier: Verifier,
    issuers: Issuers,
    /// Whose tokens everybody on this machine gets who asks as virtual machines do.
    imds_identity: Option<String>,
    logins: Logins,
    /// Assertions that were used, and when that memory began.
    seen: Seen,
    started: i64,
    pools: Arc<Pools>,
    targets: Targets,
    client_authorities: Option<Arc<AuthoritiesFiles>>,
    ambiguous: Seldom,
    proxies: Arc<Proxies>,
    /// Requests of each identity, by its object id.
    requests: Option<Throttle<String>>,
}

/// What a server's operator decides beside its vaults and names.
#[derive(Default)]
pub struct Configuration {
    /// How often one client may log in; as the server sees fit without.
    pub login_limit: Option<Rate>,
    /// Where clients may have backups written.
    pub backup_targets: Targets,
    /// Whose tokens count besides its own.
    pub issuers: Vec<IssuerConfig>,
    /// The identity that the machine itself is, by name or id.
    pub imds_identity: Option<String>,
    /// Whose certificates of clients count by the names in them.
    pub client_authorities: Option<Arc<AuthoritiesFiles>>,
    /// Whose word counts for where a client is.
    pub proxies: Arc<Proxies>,
    /// How many requests each identity may make.
    pub request_limit: Option<Rate>,
}

/// A vault that shall be served.
pub struct Offered {
    /// Its name, the first label of its host.
    pub name: String,
    /// The vault, unlocked.
    pub vault: Arc<dyn VaultAdmin>,
    /// As what.
    pub manner: Manner,
    /// From where; everywhere without.
    pub allow_from: Option<AllowFrom>,
}

/// A vault that is served.
pub struct Served {
    /// What it is called.
    name: String,
    /// The vault, unlocked.
    pub vault: Arc<dyn VaultAdmin>,
    /// As what it is served.
    pub manner: Manner,
    allow_from: Option<AllowFrom>,
    /// Requests from elsewhere.
    elsewhere: Seldom,
    rights: Compiled<Rights>,
    settings: Compiled<Option<Arc<Settings>>>,
    jobs: Jobs,
}

impl Served {
    /// The vault with what it needs to be served, and the name of its host.
    fn prepare(offered: Offered, now: i64) -> std::result::Result<(String, Arc<Self>), ServeError> {
        let Offered { name, vault, manner, allow_from } = offered;
        let host = name.to_ascii_lowercase();
        if host == names::LOGIN {
            return Err(ServeError::NameReserved);
        }
        Settings::ensure(&*vault)?;
        let (rights, settings, elsewhere) = (Compiled::default(), Compiled::default(), Seldom::default());
        let served = Self { name, vault, manner, allow_from, elsewhere, rights, settings, jobs: Jobs::default() };
        served.purge_due_now(now);
        Ok((host, Arc::new(served)))
    }

    fn rights(&self, image: &Image) -> Arc<Rights> {
        self.rights.of(image, |image| Rights::of(image, self.manner))
    }

    fn settings(&self, image: &Image) -> Result<Arc<Settings>> {
        let settings = self.settings.of(image, |image| Settings::of(image).map(Arc::new));
        settings.as_ref().clone().ok_or_else(|| ServiceError::unavailable("The vault has no settings yet."))
    }
}

impl Server {
    /// Serves these vaults; the first holds the identities. Makes what of its own records is missing.
    pub fn new(vaults: Vec<Offered>, names: Names, clock: Clock) -> std::result::Result<Arc<Self>, ServeError> {
        Self::configured(vaults, names, clock, Configuration::default())
    }

    /// The same, with what else is to be otherwise.
    pub fn configured(
        vaults: Vec<Offered>,
        names: Names,
        clock: Clock,
        configuration: Configuration,
    ) -> std::result::Result<Arc<Self>, ServeError> {
        let served = vaults.into_iter().map(|offered| Served::prepare(offered, clock.now()));
        let served: Vec<_> = served.collect::<std::result::Result<_, ServeError>>()?;
        let home = Arc::clone(&served.first().ok_or(ServeError::NoVault)?.1);
        if let Some((name, _)) = served
            .iter()
            .enumerate()
            .find_map(|(at, one)| served[..at].iter().any(|other| other.0 == one.0).then_some(one))
        {
            return Err(ServeError::NameTwice(name.clone()));
        }
        let issuers = Issuers::new(configuration.issuers, &clock).map_err(ServeError::Issuer)?;
        let started = clock.now();
        identity::hash_key(&*home.vault)?;
        token::current_key(&*home.vault, started)?;
        Ok(Arc::new(Self {
            home,
            vaults: served.into_iter().collect(),
            names,
            clock,
            known: Compiled::default(),
            verifier: Verifier::default(),
            issuers,
            imds_identity: configuration.imds_identity,
            logins: Logins::new(configuration.login_limit),
            seen: Seen::default(),
            started,
            pools: Arc::new(Pools::start().map_err(ServeError::Threads)?),
            targets: configuration.backup_targets,
            client_authorities: configuration.client_authorities,
            ambiguous: Seldom::default(),
            proxies: configuration.proxies,
            requests: configuration.request_limit.map(Throttle::new),
        }))
    }

    /// Everything that it answers. The host decides whose a path is: the authority's or a vault's; health is anybody's.
    pub fn router(self: &Arc<Self>) -> Router {
        let login = token::endpoint::router().merge(manager::router()).with_state(Arc::clone(self));
        let by_host = move |State(server): State<Arc<Self>>, mut request: Request| {
            server.proxies.look_behind(&mut request);
            let login = server.names.is_login(names::host_of(&request)).then(|| login.clone());
            async move {
                match login {
                    Some(mut login) => login.call(request).await.into_response(),
                    None => gate::handle(State(server), request).await,
                }
            }
        };
        Router::new()
            .route("/healthz", get(async || "ok"))
            .route("/readyz", get(ready))
            .route("/openapi.json", get(openapi::answer))
            .fallback(by_host)
            .method_not_allowed_fallback(async || gate::wrong_method())
            .with_state(Arc::clone(self))
    }

    /// What programs of this machine are answered who have no proof of their own; for a loopback address.
    pub fn managed_identity(self: &Arc<Self>) -> Router {
        managed_identity::router().with_state(Arc::clone(self))
    }

    /// Fetches the keys of other issuers, so that the log says at the start which can't be reached.
    pub async fn prepare_issuers(&self) {
        self.issuers.prepare().await;
    }

    /// The same once more, though it was done a moment ago.
    pub async fn look_at_issuers_again(&self) {
        self.issuers.look_again().await;
    }

    /// The vault that a host names. Without a name: the one that has our address to itself, else the only one; beside
    /// Managed HSMs the only key vault.
    fn served(&self, host: &str, local: Option<SocketAddr>) -> Option<Arc<Served>> {
        // What isn't a port would come back in every id.
        if names::split_port(host).1.is_some_and(|port| port.parse::<u16>().is_err()) {
            return None;
        }
        if let Some((manner, label)) = self.names.label(host) {
            let named = self.vaults.get(&label.to_ascii_lowercase());
            return named.filter(|served| served.manner == manner).map(Arc::clone);
        }
        if !self.names.is_nameless(host) {
            return None;
        }
        let by_address = local.and_then(|local| self.vaults.get(self.names.at_address(local)?));
        by_address.or_else(|| self.only_one()).map(Arc::clone)
    }

    fn only_one(&self) -> Option<&Arc<Served>> {
        let key_vaults: Vec<_> = self.vaults.values().filter(|served| served.manner == Manner::KeyVault).collect();
        match key_vaults[..] {
            [only] => Some(only),
            _ => (self.vaults.len() == 1).then_some(&self.home),
        }
    }

    /// Whom the first vault knows, as this process last saw it.
    fn known(&self) -> Arc<Known> {
        self.known.of(&self.home.vault.image(), Known::of)
    }

    /// The same as it is now, for requests that don't pass the gate.
    async fn newest_known(&self) -> Result<Arc<Known>> {
        gate::refresh(&self.home).await?;
        Ok(self.known())
    }

    /// The challenge for who came to a vault of this manner at this port.
    fn challenge(&self, manner: Manner, port: Option<u16>) -> String {
        let (authority, resource) = (self.names.authority(port), self.names.resource(manner, port));
        format!(r#"Bearer authorization="{authority}/{}", resource="{resource}""#, self.known().tenant)
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No vault.
    #[error("there is no vault to serve: make one with `strongroom init`")]
    NoVault,
    /// A vault has the name of the authority's host.
    #[error("no vault can be called `login`, which is the token endpoint's host: give it another name")]
    NameReserved,
    /// Hosts are compared without case.
    #[error("two vaults would have the host {0}: give one of them another name")]
    NameTwice(String),
    /// An issuer's configuration.
    #[error("{0}")]
    Issuer(String),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] crate::vault::VaultError),
    /// No threads.
    #[error("threads can't be started: {0}")]
    Threads(std::io::Error),
}

async fn ready(State(server): State<Arc<Server>>) -> Response {
    match server.vaults.values().all(|served| served.vault.is_unlocked()) {
        true => "ready".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, "a vault is locked").into_response(),
    }
}
