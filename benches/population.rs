//! Fills a vault with the 10,000 objects that figures are measured among: 2,000 P-256 key pairs of one version, 500 of three
//! versions, 1,500 certificates, 1,500 private data objects.
//!
//! `population` takes the vault from the configuration (`STRONGROOM_VAULT`) and its PIN from the variable `PIN`. It writes
//! through the vault's trait in large transactions; the same by PKCS#11 would take a commit an object.

use std::sync::Arc;

use strongroom::backend;
use strongroom::config::Config;
use strongroom::crypto::{KeyAlgorithm, PrivateKey, SecretBytes};
use strongroom::vault::{Class, Content, Draft, KeyDescription, Name, Naming, Pin, Role, Unlock, Usage, VaultAdmin};

const BATCH: usize = 250;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pin = Pin::new(std::env::var("PIN")?.into_bytes());
    let vault = backend::open_all(&Config::load()?)?.swap_remove(0);
    vault.unlock(&Unlock::Pin(Role::User, pin))?;
    let pairs: Vec<usize> = (0..2500).collect();
    create(&*vault, pairs.iter().flat_map(|number| pair(*number, true)).collect())?;
    for _ in 0..2 {
        create(&*vault, pairs[..500].iter().flat_map(|number| pair(*number, false)).collect())?;
    }
    create(&*vault, (0..1500).map(certificate).collect())?;
    create(&*vault, (0..1500).map(data).collect())?;
    println!("{}", vault.image().len());
    Ok(())
}

fn create(vault: &dyn VaultAdmin, mut drafts: Vec<Draft>) -> Result<(), Box<dyn std::error::Error>> {
    while !drafts.is_empty() {
        let rest = drafts.split_off(drafts.len().min(BATCH));
        vault.create(drafts)?;
        drafts = rest;
    }
    Ok(())
}

/// Both halves of a key pair: a new key, or a new version of it.
fn pair(number: usize, first: bool) -> [Draft; 2] {
    let name = Name::new(&format!("pair-{number:04}")).expect("a valid name");
    let naming = if first { Naming::New(name.clone()) } else { Naming::VersionOf(name.clone()) };
    let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(strongroom::crypto::Curve::P256)).expect("a key");
    let description = KeyDescription { algorithm: key.algorithm(), public: Arc::from(key.public_key().spki()) };
    let half = |class, usage, secret| {
        let mut content = Content::new(class);
        content.label = name.as_str().as_bytes().to_vec();
        content.id = key.public_key().key_id().to_vec();
        content.usage = usage;
        content.local = true;
        content.key = Some(description.clone());
        Draft { content, naming: naming.clone(), secret }
    };
    [half(Class::PrivateKey, Usage::SIGN, Some(pkcs8)), half(Class::PublicKey, Usage::VERIFY, None)]
}

/// A certificate without a key, as large as one of a CA over P-256. Nothing here reads what it says.
fn certificate(number: usize) -> Draft {
    let mut content = Content::new(Class::Certificate);
    content.label = format!("certificate-{number:04}").into_bytes();
    content.id = format!("certificate-{number:04}").into_bytes();
    content.value = Some(Arc::from(vec![0x30; 520]));
    Draft { content, naming: Naming::FromLabel, secret: None }
}

fn data(number: usize) -> Draft {
    let mut content = Content::new(Class::Data);
    content.private = true;
    content.label = format!("data-{number:04}").into_bytes();
    Draft { content, naming: Naming::FromLabel, secret: Some(SecretBytes::from_slice(&[0x5A; 100])) }
}
