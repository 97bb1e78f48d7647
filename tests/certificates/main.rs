//! Certificates, requests and files of both that we make, as other programs read them, and those that others make, as we
//! do: OpenSSL, Java's `keytool` and GnuTLS' `certtool` are the judges.

mod command;
mod exported;
mod faults;
mod imported;
mod made;
mod page;
#[path = "../stage/mod.rs"]
mod stage;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use strongroom::certificate::{Alternative, Certificate, KeyUsages, Profile, Signer, name, pem, usage_oid};
use strongroom::crypto::{Curve, KeyAlgorithm, PrivateKey, SecretBytes};

use stage::{Stage, succeed};

const DAY: i64 = 24 * 60 * 60;

/// Every kind of key that certificates are made for, by a name for files.
const KINDS: [(&str, KeyAlgorithm); 7] = [
    ("rsa-2048", KeyAlgorithm::Rsa { bits: 2048 }),
    ("rsa-3072", KeyAlgorithm::Rsa { bits: 3072 }),
    ("p-256", KeyAlgorithm::Ec(Curve::P256)),
    ("p-384", KeyAlgorithm::Ec(Curve::P384)),
    ("p-521", KeyAlgorithm::Ec(Curve::P521)),
    ("p-256k", KeyAlgorithm::Ec(Curve::Secp256k1)),
    ("ed25519", KeyAlgorithm::Ed25519),
];

/// A key that no vault holds.
struct Key {
    signer: Signer,
    pkcs8: SecretBytes,
}

impl Key {
    fn new(kind: KeyAlgorithm) -> Self {
        let (key, pkcs8) = PrivateKey::generate(kind).unwrap();
        Self { signer: Signer::new(Arc::new(key)).unwrap(), pkcs8 }
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// For a server, from now on for 30 days.
fn profile(subject: &str) -> Profile {
    Profile {
        subject: name::parse(subject).unwrap(),
        alternatives: vec![Alternative::dns("www.example.org").unwrap()],
        key_usages: KeyUsages::DigitalSignature.into(),
        extended_usages: vec![usage_oid("serverAuth").unwrap()],
        authority: None,
        not_before: now(),
        not_after: now() + 30 * DAY,
    }
}

fn certificate(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// Puts a certificate into a file of the stage, as PEM.
fn put(stage: &Stage, file: &str, der: &[u8]) {
    stage.file(file, pem::text("CERTIFICATE", der));
}

/// `keytool` in English.
fn keytool(stage: &Stage, arguments: &str) -> Command {
    let mut command = stage.command("keytool");
    command.args(["-J-Duser.language=en"]).args(arguments.split_whitespace());
    command
}

fn certtool(stage: &Stage, arguments: &str) -> String {
    succeed(stage.command("certtool").args(arguments.split_whitespace()))
}

fn read(stage: &Stage, file: &str) -> Vec<u8> {
    fs::read(stage.path(file)).unwrap()
}
