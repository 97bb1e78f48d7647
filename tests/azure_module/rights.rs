//! Rights and tokens that end in the middle of a run: the code says it, the log says what is missing, and the same session
//! goes on when they are back.

use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use cryptoki::session::Session;

use crate::counted::Relay;
use crate::program::{BUDGET, DIGEST, Program, TIMEOUT};
use crate::scene::{Scene, write};
use crate::serving::{NOW, World};
use crate::stage::is_ours;

/// P-256, as PKCS#11 names it.
const PRIME256V1: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

fn generate(session: &Session) -> cryptoki::error::Result<()> {
    let public = [Attribute::Token(true), Attribute::Label(b"new".into()), Attribute::EcParams(PRIME256V1.into())];
    let private = [Attribute::Token(true), Attribute::Label(b"new".into()), Attribute::Sign(true)];
    session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).map(drop)
}

#[test]
fn a_role_that_is_taken_away_in_the_middle_is_missed_by_name_and_counts_again_when_it_is_back() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let (mut program, key) = Program::signing(&scene, &["Key Vault Reader", "Key Vault Crypto User"], TIMEOUT);
    for _ in 0..2 {
        scene.local(&["role", "unassign", "Key Vault Crypto User", "module"]);
        scene.proxy.seen();
        let why = ["doesn't allow it", "Microsoft.KeyVault/vaults/keys/sign/action"];
        program.fails((BUDGET, RvError::KeyFunctionNotPermitted, &why), |session| {
            session.sign(&Mechanism::Ecdsa, key, &DIGEST)
        });
        assert_eq!(scene.proxy.seen().len(), 1, "a refusal is no reason to ask again");
        let why = ["doesn't allow it", "Microsoft.KeyVault/vaults/keys/create/action"];
        program.fails((BUDGET, RvError::ActionProhibited, &why), generate);
        scene.local(&["role", "assign", "Key Vault Crypto User", "module"]);
        program.signs("www");
    }
    assert_eq!(program.log(), "");
}

#[test]
fn an_identity_that_is_disabled_in_the_middle_is_logged_out_and_in_again_when_it_is_back() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let (mut program, key) = Program::signing(&scene, &["Key Vault Crypto User"], TIMEOUT);
    scene.local(&["identity", "disable", "module"]);
    program.fails((BUDGET, RvError::UserNotLoggedIn, &["can't be logged in to"]), |session| {
        session.sign(&Mechanism::Ecdsa, key, &DIGEST)
    });
    scene.local(&["identity", "enable", "module"]);
    program.signs("www");
    assert_eq!(program.log(), "");
}

/// The server's clock goes on by more than a token lives; the module's doesn't.
#[test]
fn a_token_that_the_server_takes_for_expired_is_fetched_anew_within_the_signature() {
    if !is_ours() {
        return;
    }
    let world = World::new();
    let somebody = world.somebody("module");
    world.assign(&somebody.identity.oid, "Key Vault Crypto Officer", "/");
    let token = world.token_of(&somebody);
    let made = world.connect().call(&token, "POST", "/keys/www/create", r#"{"kty":"EC","crv":"P-256"}"#);
    assert_eq!(made.status, 200, "{made:?}");
    let relay = Relay::start(&world.folder.path().join("relay"), world.socket());
    write(world.folder.path().join("secret"), &somebody.secret);
    let table = format!(
        "[[vault]]\nname = \"web\"\nbackend = \"azure\"\nurl = \"https://{}\"\nsocket = \"relay\"\n\
         credential = \"client-secret\"\nclient_id = \"{}\"\nclient_secret_file = \"secret\"\nrefresh = 3600\n",
        crate::serving::VAULT,
        somebody.identity.appid
    );
    let mut program = Program::configured(world.folder.path(), &table);
    program.log_in();
    program.signs("www");
    for hours in [2, 4] {
        world.clock.set(NOW + hours * 3600);
        relay.requests();
        program.signs("www");
        let asked = relay.requests();
        let [refused, token, signed] = &asked[..] else { panic!("a refusal, a token, a signature: {asked:?}") };
        assert!(token.ends_with("/oauth2/v2.0/token") && refused.contains("/sign?") && refused == signed, "{asked:?}");
        program.signs("www");
        assert_eq!(relay.requests().len(), 1, "and from then on one is one");
    }
    assert_eq!(program.log(), "");
}
