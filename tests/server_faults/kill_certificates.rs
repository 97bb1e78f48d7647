//! `kill -9` while certificates are made and merged: afterwards each is there with its key and its secret, or waits with
//! neither, and what a client was told is done is done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use strongroom::certificate::{Certificate, Profile, Request, Signer, make};
use strongroom::crypto::{Curve, KeyAlgorithm, PrivateKey};

use crate::client::{Client, Connection};
use crate::scene::Scene;

const ROUNDS: u64 = 25;
const CLIENTS: usize = 3;
const DIGEST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// How far a client was told that a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    /// Asked for and not answered.
    Nothing,
    /// It waits.
    Pending,
    /// It is there; with this certificate, if the client brought it.
    Issued(Option<String>),
}

/// By name.
type Log = BTreeMap<String, Told>;

fn policy(issuer: &str) -> Value {
    json!({ "policy": {
        "issuer": { "name": issuer }, "key_props": { "kty": "EC" }, "x509_props": { "subject": "CN=killed" },
    } })
}

/// An authority elsewhere.
struct Authority {
    certificate: Certificate,
    signer: Signer,
}

impl Authority {
    fn new() -> Self {
        let (key, _) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap();
        let signer = Signer::new(key.into()).unwrap();
        let profile = Profile { authority: Some(Default::default()), ..profile("CN=authority") };
        let der = make::self_signed(&profile, &signer).unwrap();
        Self { certificate: Certificate::from_der(&der).unwrap(), signer }
    }

    /// A certificate in base64 for this request.
    fn sign(&self, csr: &str) -> String {
        let request = Request::from_der(&Base64::decode_vec(csr).unwrap()).unwrap();
        let der = make::issue(&profile("CN=killed"), request.spki(), &self.certificate, &self.signer).unwrap();
        Base64::encode_string(&der)
    }
}

fn profile(subject: &str) -> Profile {
    Profile {
        subject: strongroom::certificate::name::parse(subject).unwrap(),
        alternatives: Vec::new(),
        key_usages: Default::default(),
        extended_usages: Vec::new(),
        authority: None,
        not_before: 1_600_000_000,
        not_after: 4_000_000_000,
    }
}

/// One certificate after the other until the server is gone: signed by itself, or merged after a wait.
fn write(log: &mut Log, client: &Client, authority: &Authority, prefix: &str) -> std::io::Result<()> {
    let mut connection = client.connect()?;
    loop {
        let name = format!("{prefix}-{}", log.len());
        log.insert(name.clone(), Told::Nothing);
        let create = format!("/certificates/{name}/create");
        if log.len().is_multiple_of(2) {
            connection.ask(client, "POST", &create, &policy("Self"))?.with(202);
            log.insert(name, Told::Issued(None));
            continue;
        }
        let operation = connection.ask(client, "POST", &create, &policy("Unknown"))?.with(202);
        log.insert(name.clone(), Told::Pending);
        let signed = authority.sign(operation["csr"].as_str().unwrap());
        let body = json!({ "x5c": [&signed] });
        connection.ask(client, "POST", &format!("/certificates/{name}/pending/merge"), &body)?.with(201);
        log.insert(name, Told::Issued(Some(signed)));
    }
}

/// What was told is so, and what wasn't is wholly one way or the other.
fn compare(log: &mut Log, client: &Client, connection: &mut Connection) {
    for (name, told) in log {
        let mut get = |path: String| connection.ask(client, "GET", &path, &Value::Null).unwrap();
        let certificate = get(format!("/certificates/{name}"));
        let (key, secret) = (get(format!("/keys/{name}")), get(format!("/secrets/{name}")));
        let pending = get(format!("/certificates/{name}/pending"));
        let statuses = [certificate.status, key.status, secret.status, pending.status];
        let is_issued = statuses == [200, 200, 200, 200];
        let waits = statuses == [200, 404, 404, 200];
        match told {
            Told::Nothing => assert!(is_issued || waits || statuses == [404; 4], "{name}: {statuses:?}"),
            Told::Pending => assert!(is_issued || waits, "{name}: {statuses:?}"),
            Told::Issued(_) => assert!(is_issued, "{name}: {statuses:?}"),
        }
        if waits {
            assert_eq!(pending.json()["status"], "inProgress", "{name}");
        }
        if !is_issued {
            continue;
        }
        let (certificate, key) = (certificate.with(200), key.with(200));
        assert_eq!(
            (&certificate["kid"], &pending.json()["status"]),
            (&key["key"]["kid"], &json!("completed")),
            "{name}"
        );
        if let Told::Issued(Some(brought)) = told {
            assert_eq!(certificate["cer"], brought.as_str(), "{name}");
        }
        let der = Base64::decode_vec(certificate["cer"].as_str().unwrap()).unwrap();
        let spki = Certificate::from_der(&der).unwrap().spki().to_vec();
        let x = base64ct::Base64UrlUnpadded::decode_vec(key["key"]["x"].as_str().unwrap()).unwrap();
        assert!(spki.windows(x.len()).any(|window| window == x), "{name}: the key is another one's");
        let sign = json!({ "alg": "ES256", "value": DIGEST });
        connection.ask(client, "POST", &format!("/keys/{name}//sign"), &sign).unwrap().with(200);
        *told = Told::Issued(Some(certificate["cer"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn rounds_of_kill_9_leave_certificates_with_their_keys_or_waiting_without() {
    let (scene, mut served) = Scene::new();
    let mut client = scene.client(&served);
    let authority = Authority::new();
    let mut all = 0;
    for round in 0..ROUNDS {
        let mut logs: Vec<Log> = vec![Log::new(); CLIENTS];
        let killed = AtomicBool::new(false);
        thread::scope(|scope| {
            for (number, log) in logs.iter_mut().enumerate() {
                let (client, killed, authority) = (&client, &killed, &authority);
                scope.spawn(move || {
                    let ended = write(log, client, authority, &format!("c{round}-{number}"));
                    assert!(killed.load(Ordering::SeqCst), "the server gave up before it was killed: {ended:?}");
                });
            }
            // Never at the same place of what is written.
            thread::sleep(Duration::from_micros(120_000 + round * 37_919 % 230_000));
            killed.store(true, Ordering::SeqCst);
            served.signal_kill();
        });
        served = scene.serve();
        client.address = served.address;
        let mut connection = client.connect().unwrap();
        for log in &mut logs {
            compare(log, &client, &mut connection);
            all += log.len();
        }
    }
    println!("{ROUNDS} deaths among {all} certificates");
    assert!(all > ROUNDS as usize * CLIENTS, "{all}: too few writes for the deaths to fall among");
}
