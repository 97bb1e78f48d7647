//! Two servers of one vault, each behind an address of its own: whichever is up signs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use strongroom::backend::azure::AzureVault;
use strongroom::config::{AzureCredential, Backend, Origin, SecretText, VaultConfig};
use strongroom::crypto::PublicKey;
use strongroom::vault::{Class, SignScheme, Unlock, VaultAdmin};

use crate::proxy::{Fault, Proxy};
use crate::scene::{Another, HANG, LOGIN, Scene, VAULT, make_key};

const DIGEST: [u8; 32] = [7; 32];

/// Both servers, and a vault that is configured with both addresses, the scene's first.
struct Two {
    scene: Scene,
    second: Proxy,
    _server: Another,
    vault: Arc<dyn VaultAdmin>,
}

impl Two {
    fn new() -> Self {
        let scene = Scene::new();
        make_key(&scene.session(), "www");
        let server = scene.another_server();
        let second = Proxy::before(server.socket.clone(), &[VAULT, LOGIN]);
        let (client_id, secret) = scene.client("module", &["Key Vault Crypto User"]);
        let secret = Some(SecretText::new(secret));
        let mut config = scene.config_of(AzureCredential::ClientSecret { client_id, secret });
        config.remote.timeout = Duration::from_secs(5);
        config.remote.origins.push(Origin::parse(&format!("https://{VAULT}:{}", second.port())).unwrap());
        config.remote.authorities.as_mut().unwrap().extend_from_slice(second.ca().as_bytes());
        // The two differ in their port, and each says that its own is the resource's.
        config.verify_challenge_resource = false;
        let place =
            VaultConfig { backend: Backend::Azure(config.clone()), ..VaultConfig::local("web", "/nonexistent") };
        let vault: Arc<dyn VaultAdmin> = AzureVault::open(&place, &config).unwrap();
        Self { scene, second, _server: server, vault }
    }

    /// Finds the key and signs; the public half says that it did.
    fn signs(&self) {
        let image = self.vault.image();
        let key = image.with_class(Class::PrivateKey).next().unwrap();
        let public = PublicKey::from_spki(&key.content.key.as_ref().unwrap().public).unwrap();
        let mut signature = [0; 64];
        let key = self.vault.private_key(key.number).unwrap();
        key.sign(&SignScheme::Ecdsa, &DIGEST, &mut signature).unwrap();
        public.verify(&SignScheme::Ecdsa, &DIGEST, &signature).unwrap();
    }

    fn log_in(&self) {
        self.vault.unlock(&Unlock::Configured).unwrap();
        self.vault.refresh().unwrap();
    }

    fn first_ends(&mut self) {
        self.scene.kill();
        self.scene.proxy.down(true);
        self.scene.proxy.close_connections();
    }

    fn first_is_back(&mut self) {
        self.scene.start();
        self.scene.proxy.down(false);
    }

    /// Signs until the first server is the one that does.
    fn signs_until_the_first_does(&self) {
        let begun = Instant::now();
        self.scene.proxy.seen();
        while self.scene.proxy.seen().iter().all(|seen| !seen.target.contains("/sign?")) {
            assert!(begun.elapsed() < HANG);
            self.signs();
            std::thread::sleep(Duration::from_millis(50));
        }
        self.second.seen();
        self.signs();
        assert!(self.second.seen().is_empty(), "the first is asked again");
    }
}

#[test]
fn the_second_server_signs_while_the_first_is_down_and_the_first_when_it_is_back() {
    let mut two = Two::new();
    two.log_in();
    two.signs();
    assert!(two.second.seen().is_empty(), "the first is well");
    for _ in 0..2 {
        two.first_ends();
        for _ in 0..5 {
            two.signs();
        }
        let seen = two.second.seen();
        assert_eq!(seen.iter().filter(|seen| seen.target.contains("/sign?")).count(), 5, "{seen:?}");
        two.first_is_back();
        two.signs_until_the_first_does();
    }
}

/// As a load balancer's does whose server is gone.
#[test]
fn the_second_server_signs_while_the_first_address_answers_with_errors() {
    let two = Two::new();
    two.log_in();
    for fault in [Fault::Answer(503, "", ""), Fault::Answer(502, "Content-Type: text/html\r\n", "<html>"), Fault::Reset]
    {
        two.scene.proxy.always(fault);
        two.signs();
        assert!(!two.second.seen().is_empty());
        two.scene.proxy.always(Fault::None);
        two.signs_until_the_first_does();
    }
}

/// The authority that the first named is down with it; the second names its own.
#[test]
fn a_token_comes_from_the_second_servers_authority_while_the_first_is_down() {
    let mut two = Two::new();
    two.log_in();
    two.signs();
    two.first_ends();
    two.vault.lock();
    two.log_in();
    two.signs();
    let seen = two.second.seen();
    assert!(seen.iter().any(|seen| seen.target.ends_with("/oauth2/v2.0/token")), "{seen:?}");
    two.first_is_back();
    two.signs_until_the_first_does();
}

#[test]
fn who_starts_while_the_first_is_down_finds_and_signs_at_the_second() {
    let mut two = Two::new();
    two.first_ends();
    two.log_in();
    two.signs();
    two.first_is_back();
    two.signs_until_the_first_does();
}
