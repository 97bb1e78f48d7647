//! What is sent, and how often.

use strongroom::backend::azure::session::{Repeat, Session};
use strongroom::vault::{Pin, VaultError};

use crate::proxy::Fault;
use crate::scene::{LOGIN, Scene, VAULT, make_key, sign};

#[test]
fn the_first_request_asks_who_gives_tokens_and_from_then_on_one_is_one() {
    let scene = Scene::new();
    let session = scene.session();
    session.call("GET", "/keys?maxresults=1", None, Repeat::Safe).unwrap();
    let seen = scene.proxy.seen();
    let told: Vec<(&str, bool)> = seen.iter().map(|seen| (seen.method.as_str(), seen.has_token)).collect();
    assert_eq!(told, [("GET", false), ("POST", false), ("GET", true)], "{seen:?}");
    let port = scene.proxy.port();
    assert_eq!(seen[0].host, format!("{VAULT}:{port}"));
    assert_eq!(seen[1].host, format!("{LOGIN}:{port}"));
    assert!(seen[1].target.ends_with("/oauth2/v2.0/token"), "{seen:?}");
    let key = make_key(&session, "www");
    scene.proxy.seen();
    for _ in 0..5 {
        sign(&session, &key).unwrap();
    }
    let seen = scene.proxy.seen();
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(seen.iter().all(|seen| seen.has_token && seen.target.contains("/sign?api-version=")));
    // One to the vault, one to the authority.
    assert_eq!(scene.proxy.connections(), 2);
}

#[test]
fn threads_ask_side_by_side_and_share_one_token() {
    let scene = Scene::new();
    let session = scene.session();
    let key = make_key(&session, "www");
    let fresh = scene.session();
    scene.proxy.seen();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    sign(&fresh, &key).unwrap();
                }
            });
        }
    });
    let seen = scene.proxy.seen();
    let tokens = seen.iter().filter(|seen| seen.target.contains("/oauth2/")).count();
    assert_eq!((tokens, seen.iter().filter(|seen| seen.has_token).count()), (1, 32), "{seen:?}");
}

#[test]
fn a_challenge_for_another_resource_gets_no_secret() {
    let scene = Scene::new();
    let port = scene.proxy.port();
    for resource in ["https://vault.example".to_owned(), format!("https://other.vault.localhost:{port}")] {
        let challenge = format!(
            "WWW-Authenticate: Bearer authorization=\"https://{LOGIN}:{port}/{}\", resource=\"{resource}\"\r\n",
            scene.tenant
        );
        scene.proxy.plan(&[Fault::Answer(401, challenge.leak(), "")]);
        let error = scene.session().call("GET", "/keys", None, Repeat::Safe).err().unwrap();
        assert!(matches!(error, VaultError::CredentialRefused { .. }), "{error:?}");
        assert!(error.to_string().contains("doesn't cover"), "{error}");
        let seen = scene.proxy.seen();
        assert!(seen.len() == 1 && !seen[0].has_token && seen[0].method == "GET", "{seen:?}");
    }
}

#[test]
fn an_authority_that_is_not_the_configured_one_gets_no_secret() {
    let scene = Scene::new();
    let mut config = scene.config();
    config.authority = Some(strongroom::config::Origin::parse("https://login.microsoftonline.com").unwrap());
    let error = Session::new(&config).unwrap().log_in(None).unwrap_err();
    assert!(error.to_string().contains("nothing was sent"), "{error}");
    assert_eq!(scene.proxy.seen().len(), 1);
}

#[test]
fn the_pin_may_be_the_secret_and_a_wrong_one_is_refused() {
    use strongroom::config::AzureCredential;
    let scene = Scene::new();
    let credential = AzureCredential::ClientSecret { client_id: scene.client_id.clone(), secret: None };
    let session = Session::new(&scene.config_of(credential)).unwrap();
    assert!(!session.can_ask() && !session.needs_no_pin());
    let pin = |text: &str| Pin::new(text.as_bytes().to_vec());
    assert!(matches!(session.call("GET", "/keys", None, Repeat::Safe), Err(VaultError::Locked)));
    assert!(scene.proxy.seen().is_empty(), "nothing before login");
    let refused = session.log_in(Some(&pin("wrong"))).unwrap_err();
    assert!(matches!(refused, VaultError::CredentialRefused { .. }), "{refused:?}");
    assert!(!refused.to_string().contains("wrong\""));
    session.log_in(Some(&pin(&scene.secret))).unwrap();
    assert!(session.can_ask());
    session.call("GET", "/keys", None, Repeat::Safe).unwrap();
    session.log_out();
    assert!(matches!(session.call("GET", "/keys", None, Repeat::Safe), Err(VaultError::Locked)));
    // A secret that the configuration has is the only PIN.
    let configured = scene.session();
    assert!(configured.log_in(Some(&pin("wrong"))).is_err());
    configured.log_in(Some(&pin(&scene.secret))).unwrap();
    configured.log_in(None).unwrap();
}

#[test]
fn what_is_missing_is_named_as_the_data_action() {
    let scene = Scene::new();
    let admin = scene.session();
    let key = make_key(&admin, "www");
    let made = scene.local(&["identity", "create", "reader"]);
    scene.local(&["role", "assign", "Key Vault Reader", "reader"]);
    let secret = scene.local(&["identity", "secret", "add", "reader"]);
    let credential = strongroom::config::AzureCredential::ClientSecret {
        client_id: made["client_id"].as_str().unwrap().into(),
        secret: Some(strongroom::config::SecretText::new(secret["client_secret"].as_str().unwrap().into())),
    };
    let reader = Session::new(&scene.config_of(credential)).unwrap();
    reader.call("GET", "/keys", None, Repeat::Safe).unwrap();
    match sign(&reader, &key) {
        Err(VaultError::NotPermitted { action, .. }) => {
            assert_eq!(action, "Microsoft.KeyVault/vaults/keys/sign/action");
        }
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn logging_out_closes_every_connection() {
    let scene = Scene::new();
    let session = scene.session();
    session.call("GET", "/keys", None, Repeat::Safe).unwrap();
    assert!(scene.proxy.open() > 0);
    session.log_out();
    let begun = std::time::Instant::now();
    while scene.proxy.open() > 0 {
        assert!(begun.elapsed() < crate::scene::HANG, "{} are open", scene.proxy.open());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}
