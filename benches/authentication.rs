//! What it costs to find out whom a request is from, when its token was seen before: that alone, and whole requests in the
//! process, without network and TLS, among few identities and role assignments and among many.
//!
//! `authentication SECONDS IDENTITIES ASSIGNMENTS` prints a line for each kind: what is measured, nanoseconds among ten
//! identities and assignments, and among so many. Both are measured in turns, and the medians of the turns are printed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, header};
use serde_json::{Value, json};
use strongroom::backend::local::LocalVault;
use strongroom::config::{Manner, VaultConfig};
use strongroom::server::Server;
use strongroom::server::access::{Assignment, RoleDefinition, Scope, assign};
use strongroom::server::clock::Clock;
use strongroom::server::identity::{self, Identity};
use strongroom::server::names::Names;
use strongroom::server::{Configuration, Offered};
use strongroom::vault::{Change, Class, Content, Draft, Naming, Pin, Role, Unlock, VaultAdmin};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower_service::Service;

const VAULT: &str = "bench.vault.test";
const TURNS: usize = 20;
const ADMINISTRATOR: &str = "Key Vault Administrator";

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let [seconds, identities, assignments] = numbers[..] else {
        eprintln!("authentication SECONDS IDENTITIES ASSIGNMENTS");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let scenes = [(10, 10), (identities, assignments)]
        .map(|(identities, assignments)| runtime.block_on(Scene::new(identities, assignments)));
    let time = Duration::from_secs(seconds as u64) / (2 * TURNS as u32);
    for kind in ["check", "sign", "secret"] {
        let mut turns = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for (scene, turns) in scenes.iter().zip(&mut turns) {
                turns.push(scene.measure(&runtime, kind, time));
            }
        }
        println!("{kind} {} {}", median(&mut turns[0]), median(&mut turns[1]));
    }
}

fn median(turns: &mut [u64]) -> u64 {
    turns.sort_unstable();
    turns[turns.len() / 2]
}

/// A vault with so many identities and assignments, its server, and somebody who may do everything.
struct Scene {
    _folder: TempDir,
    server: Arc<Server>,
    authorization: HeaderValue,
}

impl Scene {
    async fn new(identities: usize, assignments: usize) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let vault = unlocked(&folder);
        fill(&*vault, identities, assignments);
        let clock = Clock::system();
        let who = identity::create(&*vault, "measured", clock.now()).expect("an identity");
        let secret = identity::add_secret(&*vault, &who.oid, clock.now(), None).expect("a secret").text;
        let role = RoleDefinition::named(&vault.image(), Manner::KeyVault, ADMINISTRATOR).expect("a role");
        assign(&*vault, &who.oid, role.id(), &Scope::Vault).expect("an assignment");
        let offered = vec![Offered { name: "bench".to_owned(), vault, manner: Manner::KeyVault, allow_from: None }];
        let names = Names::below("vault.test");
        let server = Server::configured(offered, names, clock, Configuration::default()).expect("a server");
        let mut scene = Self { _folder: folder, server, authorization: HeaderValue::from_static("") };
        scene.log_in(&who, &secret).await;
        scene.answer(scene.request("POST", "/keys/k/create", &json!({ "kty": "EC", "crv": "P-256" }))).await;
        scene.answer(scene.request("PUT", "/secrets/s", &json!({ "value": "x" }))).await;
        scene
    }

    async fn log_in(&mut self, who: &Identity, secret: &str) {
        let form = format!(
            "grant_type=client_credentials&scope=https%3A%2F%2Fvault.test%2F.default&client_id={}&client_secret={secret}",
            who.appid
        );
        let request = Request::post("/adfs/oauth2/v2.0/token")
            .header(header::HOST, "login.vault.test")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .expect("a request");
        let answer = self.answer(request).await;
        let bearer = format!("Bearer {}", answer["access_token"].as_str().expect("a token"));
        self.authorization = HeaderValue::from_str(&bearer).expect("a header");
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Request<Body> {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        Request::builder()
            .method(method)
            .uri(format!("{path}?api-version=7.6"))
            .header(header::HOST, VAULT)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, &self.authorization)
            .body(body)
            .expect("a request")
    }

    async fn answer(&self, request: Request<Body>) -> Value {
        let Ok(answer) = self.server.router().call(request).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        assert!(status.is_success(), "{status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Nanoseconds for one, as often as it fits into this time.
    fn measure(&self, runtime: &Runtime, kind: &str, time: Duration) -> u64 {
        let mut router = self.server.router();
        let digest = json!({ "alg": "ES256", "value": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" });
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, self.authorization.clone());
        runtime.block_on(async {
            let (mut count, begun) = (0, Instant::now());
            while begun.elapsed() < time {
                for _ in 0..50 {
                    let request = match kind {
                        "check" => {
                            assert!(self.server.caller(&headers, Manner::KeyVault).await.is_some());
                            continue;
                        }
                        "sign" => self.request("POST", "/keys/k//sign", &digest),
                        _ => self.request("GET", "/secrets/s/", &Value::Null),
                    };
                    let Ok(answer) = router.call(request).await;
                    assert!(answer.status().is_success());
                }
                count += 50;
            }
            begun.elapsed().as_nanos() as u64 / count
        })
    }
}

fn unlocked(folder: &TempDir) -> Arc<dyn VaultAdmin> {
    let vault: Arc<dyn VaultAdmin> =
        LocalVault::open(&VaultConfig::local("bench", folder.path().join("vault"))).expect("a vault");
    let pin = || Pin::new(b"a-pin-of-the-bench".to_vec());
    vault.initialize("bench", &pin()).expect("initialised");
    vault.unlock(&Unlock::Pin(Role::SecurityOfficer, pin())).expect("unlocked");
    vault.set_pin(Role::User, &pin()).expect("a PIN");
    vault.lock();
    vault.unlock(&Unlock::Pin(Role::User, pin())).expect("unlocked");
    vault
}

/// In one transaction, which the verbs for one of them don't offer: records as they write them. Every assignment is of somebody
/// else, on one object each or on the whole vault.
fn fill(vault: &dyn VaultAdmin, identities: usize, assignments: usize) {
    let id = |kind: usize, number: usize| format!("00000000-0000-4000-{kind:04}-{number:012}");
    let identities = (0..identities).map(|number| {
        let identity = json!({
            "oid": id(1, number), "appid": id(2, number), "name": format!("identity-{number}"), "enabled": true, "created": 0,
        });
        let identity: Identity = serde_json::from_value(identity).expect("an identity");
        record("identity", &identity.oid, &identity)
    });
    let role = RoleDefinition::named(&vault.image(), Manner::KeyVault, "Key Vault Crypto User").expect("a role");
    let assignments = (0..assignments).map(|number| {
        let scope = if number % 2 == 0 { "/".to_owned() } else { format!("/keys/key-{number}") };
        let scope = scope.parse().expect("a scope");
        let (principal, role) = (id(1, number), role.id().to_owned());
        let assignment = Assignment { id: id(3, number), principal, role, scope };
        record("assignment", &assignment.id, &assignment)
    });
    let mut drafts: Vec<Draft> = identities.chain(assignments).collect();
    vault.transact(&mut |_| Ok(drafts.drain(..).map(Change::Create).collect())).expect("filled");
}

fn record(kind: &str, id: &str, value: &impl serde::Serialize) -> Draft {
    let mut content = Content::new(Class::Service);
    content.label = format!("{kind}/{id}").into_bytes();
    content.value = Some(Arc::from(serde_json::to_vec(value).expect("JSON")));
    Draft { content, naming: Naming::None, secret: None }
}
