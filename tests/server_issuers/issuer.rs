//! An issuer on this machine that does what it is told: answers as it should, or in all the ways in which it shouldn't.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use aws_lc_rs::signature::EcdsaKeyPair;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use strongroom::config::IssuerConfig;

use super::jwt::{Key, ec, point, token};
use super::serving::{NOW, RESOURCE};

/// What it answers.
#[derive(Clone)]
pub enum Manner {
    Good,
    /// Nothing, until it is told otherwise.
    Silent,
    /// This document instead of its own.
    Document(Value),
    /// This for its keys: a status and further headers, and a body.
    Keys(&'static str, String),
}

struct State {
    manner: Manner,
    keys: Vec<Value>,
}

/// The issuer; its thread ends with the test's process.
pub struct Issuer {
    pub url: String,
    state: Arc<(Mutex<State>, Condvar)>,
    asked: Arc<AtomicUsize>,
}

/// A key of it.
pub struct Signer {
    pub kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub fn new(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: ec(&rcgen::KeyPair::generate().unwrap().serialize_der()) }
    }

    pub fn jwk(&self) -> Value {
        let point = point(&self.pair);
        let part = |range| Base64UrlUnpadded::encode_string(&point[range]);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": part(1..33), "y": part(33..65) })
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.kid });
        token(&header, claims, &Key::Ec(&self.pair))
    }

    pub fn key(&self) -> Key<'_> {
        Key::Ec(&self.pair)
    }
}

impl Issuer {
    /// Publishes these keys.
    pub fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/realms/main", listener.local_addr().unwrap());
        let keys = signers.iter().map(|signer| signer.jwk()).collect();
        let state = Arc::new((Mutex::new(State { manner: Manner::Good, keys }), Condvar::new()));
        let asked = Arc::new(AtomicUsize::new(0));
        let issuer = Self { url: url.clone(), state: Arc::clone(&state), asked: Arc::clone(&asked) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (url, state, asked) = (url.clone(), Arc::clone(&state), Arc::clone(&asked));
                thread::spawn(move || answer(stream.unwrap(), &url, &state, &asked));
            }
        });
        issuer
    }

    pub fn publish(&self, signers: &[&Signer]) {
        self.state.0.lock().unwrap().keys = signers.iter().map(|signer| signer.jwk()).collect();
    }

    pub fn be(&self, manner: Manner) {
        self.state.0.lock().unwrap().manner = manner;
        self.state.1.notify_all();
    }

    /// How often its keys or its document were asked for.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Its table, with nothing but the address.
    pub fn config(&self) -> IssuerConfig {
        IssuerConfig {
            url: self.url.clone(),
            audience: Vec::new(),
            algorithms: vec!["RS256".to_owned(), "ES256".to_owned()],
            tenant: None,
            ca_file: None,
            groups_claim: Some("groups".to_owned()),
            subject_claim: "sub".to_owned(),
            serve_stale: Duration::from_secs(24 * 3600),
        }
    }

    /// Claims of a token for the vault.
    pub fn claims(&self, subject: &str) -> Value {
        json!({ "iss": self.url, "sub": subject, "aud": RESOURCE, "iat": NOW, "nbf": NOW, "exp": NOW + 600 })
    }
}

fn answer(stream: TcpStream, url: &str, (state, changed): &(Mutex<State>, Condvar), asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let mut state = state.lock().unwrap();
    while matches!(state.manner, Manner::Silent) {
        state = changed.wait(state).unwrap();
    }
    let of_document = first.contains("openid-configuration");
    let (head, body) = match &state.manner {
        Manner::Keys(head, body) if !of_document => ((*head).to_owned(), body.clone()),
        Manner::Document(document) if of_document => (good(), document.to_string()),
        _ if of_document => (good(), json!({ "issuer": url, "jwks_uri": format!("{url}/certs") }).to_string()),
        _ => (good(), json!({ "keys": state.keys }).to_string()),
    };
    drop(state);
    let answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // A client that has heard enough is gone.
    let _ = (&stream).write_all(answer.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

fn good() -> String {
    "200 OK\r\ncontent-type: application/json".to_owned()
}
