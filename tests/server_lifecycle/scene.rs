//! A server over a real vault with a clock that the test sets, and a client with a token of its token endpoint.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use serde_json::Value;
use strongroom::config::{Manner, Rate};
use strongroom::server::access::{ADMINISTRATOR, Scope, assign};
use strongroom::server::clock::Clock;
use strongroom::server::identity;
use strongroom::server::names::Names;
use strongroom::server::{Configuration, Offered, Server};
use strongroom::vault::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower_service::Service;

use super::faults;

pub const DAY: i64 = 24 * 3600;

/// When every scene begins, 2055-01-15: later than the machine's clock, which dates what the vault itself writes.
pub const START: i64 = 2_683_612_800;

pub const BASE: &str = "https://web.vault.example.com";

pub struct Scene {
    pub clock: Clock,
    pub vault: Arc<dyn VaultAdmin>,
    place: TempDir,
    runtime: Runtime,
    server: Arc<Server>,
    client: (String, String),
}

/// A status and a body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Scene {
    pub fn new() -> Self {
        let place = faults::place();
        faults::make(&place.path().join("web"));
        let vault = faults::unlocked(&place.path().join("web"));
        let administrator = identity::create(&*vault, "administrator", START).unwrap();
        assign(&*vault, &administrator.oid, ADMINISTRATOR, &Scope::Vault).unwrap();
        let secret = identity::add_secret(&*vault, &administrator.oid, START, None).unwrap();
        let clock = Clock::standing_at(START);
        let server = server_of(&vault, &clock);
        let client = (administrator.appid, secret.text.to_string());
        Self { clock, vault, place, runtime: Runtime::new().unwrap(), server, client }
    }

    /// The same vault as another process sees it.
    pub fn of_another_process(&self) -> Arc<dyn VaultAdmin> {
        faults::unlocked(&self.path())
    }

    pub fn path(&self) -> PathBuf {
        self.place.path().join("web")
    }

    /// Ends the server and starts one on the vault as it lies there.
    pub fn restarted(self) -> Self {
        let Self { clock, vault, place, runtime, server, client } = self;
        drop((server, vault));
        let vault = faults::unlocked(&place.path().join("web"));
        let server = server_of(&vault, &clock);
        Self { clock, vault, place, runtime, server, client }
    }

    /// Lets the server look by itself for what is due, as `strongroom serve` does.
    pub fn purges_by_itself(&self) {
        self.runtime.spawn(Arc::clone(&self.server).purge_regularly());
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Value::Null)
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", path, body)
    }

    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.ask("PUT", path, body)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, Value::Null)
    }

    /// Asks with a token that was just given out.
    pub fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let path = path.strip_prefix(BASE).unwrap_or(path);
        let sign = if path.contains('?') { '&' } else { '?' };
        let version = if path.contains("api-version") { String::new() } else { format!("{sign}api-version=7.6") };
        let request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{path}{version}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token()))
            .header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap())
    }

    /// Asks with this `Host`, as it is.
    pub fn ask_host(&self, host: &str, path: &str) -> Answer {
        let request = Request::get(format!("{path}?api-version=7.6"))
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token()));
        self.send(request.body(Body::empty()).unwrap())
    }

    fn token(&self) -> String {
        let (id, secret) = &self.client;
        let form = format!(
            "grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=https%3A%2F%2Fvault.example.com%2F.default"
        );
        let request = Request::post("https://login.vault.example.com/adfs/oauth2/v2.0/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form));
        let answer = self.send(request.unwrap());
        answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    fn send(&self, request: Request<Body>) -> Answer {
        let mut router = self.server.router();
        self.runtime.block_on(async move {
            let response = router.call(request).await.unwrap();
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
            Answer { status, body }
        })
    }

    /// Signs with a key's current version through the vault as another process has it open.
    pub fn sign_elsewhere(&self, vault: &dyn VaultAdmin, name: &str) -> Result<()> {
        let image = vault.image();
        let key = image.with_label(name.as_bytes()).find(|object| object.content.class == Class::PrivateKey);
        faults::sign(vault, key.ok_or(VaultError::NotFound)?.number).map(drop)
    }
}

impl Answer {
    /// The body, if the status is this one.
    pub fn with(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    /// The error's two codes, if the status is this one.
    pub fn refused(self, status: u16) -> (String, String) {
        assert_eq!(self.status, status, "{}", self.body);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&self.body["error"]["code"]), text(&self.body["error"]["innererror"]["code"]))
    }
}

fn server_of(vault: &Arc<dyn VaultAdmin>, clock: &Clock) -> Arc<Server> {
    let names = Names::below("vault.example.com");
    // Every request has a token of its own.
    let many = NonZeroU32::new(1_000_000).unwrap();
    let login_limit = Some(Rate { per_second: many, burst: many });
    let offered =
        Offered { name: "web".to_owned(), vault: Arc::clone(vault), manner: Manner::KeyVault, allow_from: None };
    let configuration = Configuration { login_limit, ..Configuration::default() };
    Server::configured(vec![offered], names, clock.clone(), configuration).unwrap()
}
