//! A vault at Azure's interface through the vault's own trait, against a real server of ours in this process.
#![cfg(feature = "server")]

#[path = "../serving/mod.rs"]
mod serving;

use std::sync::Arc;

use serving::{PIN, VAULT, World};
use strongroom::backend::azure::AzureVault;
use strongroom::config::{AzureConfig, AzureCredential, Backend, Origin, SecretText, VaultConfig};
use strongroom::crypto::{Curve, Digest, DigestAlgorithm, PublicKey};
use strongroom::vault::*;

fn open(world: &World, token: &str) -> Arc<dyn VaultAdmin> {
    let origin = Origin::parse(&format!("https://{VAULT}")).unwrap();
    let mut azure = AzureConfig::at(origin, AzureCredential::Token(SecretText::new(token.into())));
    azure.remote.socket = Some(world.socket());
    azure.secrets = true;
    let config = VaultConfig { backend: Backend::Azure(azure.clone()), ..VaultConfig::local("web", "/nonexistent") };
    let vault = AzureVault::open(&config, &azure).unwrap();
    vault.unlock(&Unlock::Configured).unwrap();
    vault
}

fn halves(label: &str) -> (Draft, Draft) {
    let draft = |class, usage| {
        let content = Content { label: label.into(), usage, ..Content::new(class) };
        Draft { content, naming: Naming::FromLabel, secret: None }
    };
    (draft(Class::PrivateKey, Usage::SIGN), draft(Class::PublicKey, Usage::VERIFY))
}

#[test]
fn a_pair_that_is_made_there_signs_and_is_found_again() {
    let world = World::new();
    let (_, token) = world.token_with("Key Vault Administrator");
    let vault = open(&world, &token);
    let (private, public) = halves("www");
    let [private, public] = vault.generate_pair(KeyAlgorithm::Ec(Curve::P256), private, public).unwrap();
    vault.refresh().unwrap();
    let image = vault.image();
    assert_eq!(image.with_label(b"www").count(), 2);
    assert_eq!(image.get(private.number).unwrap().content.id, public.content.id);
    let key = vault.private_key(private.number).unwrap();
    let mut signature = [0; 64];
    assert_eq!(key.sign(&SignScheme::Ecdsa, &[7; 32], &mut signature).unwrap(), 64);
    let spki = PublicKey::from_spki(&public.content.key.as_ref().unwrap().public).unwrap();
    spki.verify(&SignScheme::Ecdsa, &[7; 32], &signature).unwrap();
    let _ = (PIN, DigestAlgorithm::Sha256, Digest::new);
}
