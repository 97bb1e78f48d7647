//! The same at a vault that is a Managed HSM, which has keys of its own kinds, and nothing else.

use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, ObjectClass};
use strongroom::backend::azure::session::Repeat;

use crate::beside::{Both, Sdk, bodies, models, ours};
use crate::operations::{changes_by_the_vault, deletes, log_in, module, private, uses_keys};
use crate::proxy::Seen;
use crate::scene::{LOGIN, Scene};

#[test]
fn what_the_module_sends_to_a_managed_hsm_is_what_the_sdk_sends_there() {
    let scene = Scene::of_hsm();
    let session = module(&scene);
    let (token, version) = log_in(&scene, &session);
    assert!(token.host.starts_with(LOGIN), "{token:?}");
    let resource = format!("scope=https%3A%2F%2Fmanagedhsm.localhost%3A{}%2F.default", scene.proxy.port());
    assert!(token.body.contains(&resource), "the token is for Managed HSMs");
    let mut sdk = Sdk::start(&scene, &version, token.target.split('/').nth(1).unwrap());
    sdk.tell("prepare");

    let mut both = Both { scene, sdk, sent: Vec::new(), different: Vec::new() };
    uses_keys(&mut both, &session);
    changes_by_the_vault(&mut both);
    deletes(&mut both, &session);

    assert!(both.different.is_empty(), "{}", both.different.join("\n\n"));
    assert!(both.sent.len() > 25, "{}", both.sent.len());
    assert!(both.sent.iter().all(is_about_keys), "{:?}", both.sent);
    assert_eq!(models("check_keys", &bodies(&both.sent)).trim(), "6 models");
    is_of_its_kinds(&both);
    has_no_secrets(&both, &session);
}

fn is_about_keys(seen: &Seen) -> bool {
    ["/keys", "/rng"].iter().any(|path| seen.target.starts_with(path))
}

/// As the service tells what was made and imported.
fn is_of_its_kinds(both: &Both) {
    let admin = both.scene.session();
    for (name, kty) in
        [("ec", "EC-HSM"), ("rsa", "RSA-HSM"), ("oct", "oct-HSM"), ("own-ec", "EC-HSM"), ("own-oct", "oct-HSM")]
    {
        let reply = admin.call("GET", &format!("/keys/{}", ours(name)), None, Repeat::Safe).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(told["key"]["kty"], kty, "{name}");
    }
}

/// Though the configuration says that they are objects, nobody asks for them.
fn has_no_secrets(both: &Both, session: &cryptoki::session::Session) {
    both.scene.proxy.seen();
    let template = [
        Attribute::Class(ObjectClass::DATA),
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Label(b"note".into()),
        Attribute::Value(b"a value".into()),
    ];
    let refused = session.create_object(&template);
    assert!(matches!(refused, Err(Error::Pkcs11(RvError::TemplateInconsistent, _))), "{refused:?}");
    assert_eq!(both.scene.proxy.seen(), []);
    private(session, "p256");
}
