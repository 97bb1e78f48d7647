//! Each operation once by the module and once by the SDK.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use strongroom::backend::azure::AzureVault;
use strongroom::config::{Backend, VaultConfig};
use strongroom::crypto::{self, CipherScheme, Curve, Direction, KeyAlgorithm, PrivateParts, SecretBytes};
use strongroom::vault::{Class, Content, Unlock, VaultAdmin};

use crate::beside::{Both, Sdk, bodies, models, ours};
use crate::scene::{LOGIN, Scene, write};

const MESSAGE: &[u8] = b"a message";
/// The AES key that the SDK brings.
const AES: [u8; 32] = [9; 32];
/// P-256, as PKCS#11 names it.
const PRIME256V1: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];

#[test]
fn what_the_module_sends_is_what_the_sdk_sends_and_the_models_know_every_member() {
    let scene = Scene::new();
    let session = module(&scene);
    let (token, version) = log_in(&scene, &session);
    let tenant = token.target.split('/').nth(1).unwrap();
    let mut sdk = Sdk::start(&scene, &version, tenant);
    sdk.tell("prepare");
    let theirs =
        scene.proxy.seen().into_iter().find(|seen| seen.host.starts_with(LOGIN) && seen.method == "POST").unwrap();
    same_token_request(&token, &theirs);

    let mut both = Both { scene, sdk, sent: Vec::new(), different: Vec::new() };
    uses_keys(&mut both, &session);
    renames_certificate(&mut both, &session);
    keeps_secrets(&mut both, &session);
    changes_by_the_vault(&mut both);
    deletes(&mut both, &session);
    deletes_certificate(&mut both, &session);

    assert!(both.different.is_empty(), "{}", both.different.join("\n\n"));
    assert!(both.sent.len() > 25, "{}", both.sent.len());
    assert_eq!(models("check", &bodies(&both.sent)).trim(), "8 models");
}

/// What there is to do with keys at every service.
pub fn uses_keys(both: &mut Both, session: &Session) {
    both.same("listing", || find(session, ObjectClass::PRIVATE_KEY, "rsa"));
    signs(both, session);
    opens_and_unwraps(both, session);
    uses_aes(both, session);
    both.same("random 24", || session.generate_random_vec(24).unwrap());
    creates(both, session);
    imports(both, session);
    renames(both, session);
}

/// The module in this process, with the proxy as its vault.
pub fn module(scene: &Scene) -> Session {
    let lines = "refresh = 3600\nsecrets = true\nrandom = \"vault\"\n";
    write(scene.path("module.toml"), &scene.table(&scene.client_id, &scene.secret, lines));
    // SAFETY: nothing else in this process reads its environment now; nextest runs each test in a process of its own.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("STRONGROOM_CONF", scene.path("module.toml"));
    }
    let module = std::env::var_os("STRONGROOM_MODULE").filter(|path| !path.is_empty()).map(std::path::PathBuf::from);
    let built = || std::env::current_exe().unwrap().with_file_name("libstrongroom.so");
    let pkcs11 = Pkcs11::new(module.unwrap_or_else(built)).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = pkcs11.get_slots_with_token().unwrap()[0];
    pkcs11.open_rw_session(slot).unwrap()
}

/// Logs in; the request for a token, and the version of the interface that the module speaks.
pub fn log_in(scene: &Scene, session: &Session) -> (crate::proxy::Seen, String) {
    scene.proxy.seen();
    session.login(UserType::User, Some(&scene.secret.clone().into())).unwrap();
    let seen = scene.proxy.seen();
    let [asked, token] = &seen[..] else { panic!("a challenge and a token: {seen:?}") };
    let version = asked.target.split_once("api-version=").unwrap().1.to_owned();
    (token.clone(), version)
}

/// What the module says to get a token, the SDK says too; that says more.
fn same_token_request(ours: &crate::proxy::Seen, theirs: &crate::proxy::Seen) {
    let fields = |body: &str| body.split('&').map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    let (own, sdks) = (fields(&ours.body), fields(&theirs.body));
    assert!(own.is_subset(&sdks), "{own:?} and {sdks:?}");
    assert_eq!((&ours.method, &ours.target, &ours.host), (&theirs.method, &theirs.target, &theirs.host));
    for header in ["content-type", "accept"] {
        assert_eq!(ours.headers.get(header), theirs.headers.get(header), "{header}");
    }
}

pub fn find(session: &Session, class: ObjectClass, label: &str) -> ObjectHandle {
    let template = [Attribute::Class(class), Attribute::Label(label.into())];
    *session.find_objects(&template).unwrap().first().unwrap_or_else(|| panic!("{label} isn't found"))
}

pub fn private(session: &Session, label: &str) -> ObjectHandle {
    find(session, ObjectClass::PRIVATE_KEY, label)
}

fn text(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn pss(hash: MechanismType, mgf: PkcsMgfType, len: u64) -> PkcsPssParams {
    PkcsPssParams { hash_alg: hash, mgf, s_len: len.into() }
}

fn signs(both: &mut Both, session: &Session) {
    let sizes = [
        (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32),
        (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48),
        (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64),
    ];
    let [small, middle, large] = sizes.map(|(hash, mgf, len)| pss(hash, mgf, len));
    let cases = [
        ("rsa", "RS256", Mechanism::Sha256RsaPkcs),
        ("rsa", "RS384", Mechanism::Sha384RsaPkcs),
        ("rsa", "RS512", Mechanism::Sha512RsaPkcs),
        ("rsa", "RSNULL", Mechanism::RsaPkcs),
        ("rsa", "PS256", Mechanism::Sha256RsaPkcsPss(small)),
        ("rsa", "PS384", Mechanism::Sha384RsaPkcsPss(middle)),
        ("rsa", "PS512", Mechanism::Sha512RsaPkcsPss(large)),
        ("p256", "ES256", Mechanism::EcdsaSha256),
        ("p384", "ES384", Mechanism::EcdsaSha384),
        ("p521", "ES512", Mechanism::EcdsaSha512),
        ("p256k", "ES256K", Mechanism::EcdsaSha256),
    ];
    for (key, algorithm, mechanism) in cases {
        let handle = private(session, key);
        both.same(&format!("sign {key} {algorithm}"), || session.sign(&mechanism, handle, MESSAGE).unwrap());
    }
}

fn opens_and_unwraps(both: &mut Both, session: &Session) {
    let oaep = |hash, mgf| Mechanism::RsaPkcsOaep(PkcsOaepParams::new(hash, mgf, PkcsOaepSource::empty()));
    let (key, public) = (private(session, "rsa"), find(session, ObjectClass::PUBLIC_KEY, "rsa"));
    let cases = [
        ("RSA1_5", Mechanism::RsaPkcs),
        ("RSA-OAEP", oaep(MechanismType::SHA1, PkcsMgfType::MGF1_SHA1)),
        ("RSA-OAEP-256", oaep(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256)),
    ];
    for (algorithm, mechanism) in cases {
        let sealed = session.encrypt(&mechanism, public, &[5; 32]).unwrap();
        let opened = both.same(&format!("decrypt rsa {algorithm} {}", text(&sealed)), || {
            session.decrypt(&mechanism, key, &sealed).unwrap()
        });
        assert_eq!(opened, [5; 32]);
        let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
        both.same(&format!("unwrap rsa {algorithm} {}", text(&sealed)), || {
            session.unwrap_key(&mechanism, key, &sealed, &template).unwrap()
        });
    }
}

fn uses_aes(both: &mut Both, session: &Session) {
    let key = find(session, ObjectClass::SECRET_KEY, "aes");
    let iv = [1; 16];
    for (algorithm, mechanism) in [("A256CBC", Mechanism::AesCbc(iv)), ("A256CBCPAD", Mechanism::AesCbcPad(iv))] {
        let line = format!("encrypt aes {algorithm} {} {}", text(&[7; 32]), text(&iv));
        both.same(&line, || session.encrypt(&mechanism, key, &[7; 32]).unwrap());
    }
    let here = crypto::SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, SecretBytes::from_slice(&AES)).unwrap();
    let scheme = CipherScheme::AesGcm { iv: &[3; 12], aad: b"beside", tag_len: 16 };
    let mut cipher = here.cipher(&scheme, Direction::Encrypt).unwrap();
    let mut sealed = vec![0; cipher.whole_len(MESSAGE.len())];
    cipher.whole(MESSAGE, &mut sealed).unwrap();
    let (value, tag) = sealed.split_at(MESSAGE.len());
    let line = ["decrypt_gcm aes", &text(value), &text(&[3; 12]), &text(tag), &text(b"beside")].join(" ");
    let mut nonce = [3; 12];
    let gcm = Mechanism::AesGcm(GcmParams::new(&mut nonce, b"beside", 128.into()).unwrap());
    assert_eq!(both.same(&line, || session.decrypt(&gcm, key, &sealed).unwrap()), MESSAGE);

    let value = [5; 24];
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
    let brought = [Attribute::Value(value.into()), Attribute::Extractable(true), Attribute::Sensitive(false)];
    let wrapped = session.create_object(&[&template[..], &brought].concat()).unwrap();
    let line = format!("wrap aes A256KW {}", text(&value));
    let wrapped = both.same(&line, || session.wrap_key(&Mechanism::AesKeyWrap, key, wrapped).unwrap());
    let line = format!("unwrap aes A256KW {}", text(&wrapped));
    both.same(&line, || session.unwrap_key(&Mechanism::AesKeyWrap, key, &wrapped, &template).unwrap());
}

fn token_object(label: &str) -> Vec<Attribute> {
    vec![Attribute::Token(true), Attribute::Label(ours(label).into())]
}

fn creates(both: &mut Both, session: &Session) {
    let uses = |label: &str, uses: &[Attribute]| [&token_object(label)[..], uses].concat();
    let public = uses("ec", &[Attribute::Verify(true), Attribute::EcParams(PRIME256V1.into())]);
    let secret = uses("ec", &[Attribute::Sign(true), Attribute::Private(true)]);
    both.same("create_ec {}ec", || {
        session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &secret).unwrap();
    });
    let all = [Attribute::Verify(true), Attribute::Encrypt(true), Attribute::Wrap(true)];
    let public = [&uses("rsa", &all)[..], &[Attribute::ModulusBits(2048.into())]].concat();
    let secret = uses("rsa", &[Attribute::Sign(true), Attribute::Decrypt(true), Attribute::Unwrap(true)]);
    both.same("create_rsa {}rsa", || {
        session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &secret).unwrap();
    });
    let both_ways = [Attribute::Encrypt(true), Attribute::Decrypt(true), Attribute::ValueLen(32.into())];
    both.same("create_oct {}oct", || {
        session.generate_key(&Mechanism::AesKeyGen, &uses("oct", &both_ways)).unwrap();
    });
}

fn imports(both: &mut Both, session: &Session) {
    let base = |label: &str, class, kind| {
        let own = [Attribute::Class(class), Attribute::KeyType(kind), Attribute::Private(true)];
        [&token_object(label)[..], &own].concat()
    };
    for (kind, verb) in [(KeyAlgorithm::Rsa { bits: 2048 }, "rsa"), (KeyAlgorithm::Ec(Curve::P256), "ec")] {
        let (_, pkcs8) = crypto::PrivateKey::generate(kind).unwrap();
        let label = format!("own-{verb}");
        let of = |kind| base(&label, ObjectClass::PRIVATE_KEY, kind);
        let mut template = match crypto::PrivateKey::parts_from_pkcs8(pkcs8.expose()).unwrap() {
            PrivateParts::Rsa { modulus, public_exponent, private_exponent, primes } => {
                let [p, q, dp, dq, qi] = primes.unwrap().map(|part| part.expose().to_vec());
                let mut template = of(KeyType::RSA);
                template.extend([Attribute::Modulus(modulus), Attribute::PublicExponent(public_exponent)]);
                template.extend([Attribute::PrivateExponent(private_exponent.expose().to_vec())]);
                template.extend([Attribute::Prime1(p), Attribute::Prime2(q), Attribute::Exponent1(dp)]);
                template.extend([Attribute::Exponent2(dq), Attribute::Coefficient(qi)]);
                template
            }
            PrivateParts::Ec(_, scalar) => {
                let mut template = of(KeyType::EC);
                template.push(Attribute::EcParams(PRIME256V1.into()));
                template.push(Attribute::Value(scalar.expose().to_vec()));
                template
            }
            _ => unreachable!("two kinds are imported"),
        };
        template.extend([Attribute::Sign(true), Attribute::Decrypt(false), Attribute::Unwrap(false)]);
        let line = format!("import_{verb} {{}}{label} {}", text(pkcs8.expose()));
        both.same(&line, || session.create_object(&template).unwrap());
    }
    let mut template = base("own-oct", ObjectClass::SECRET_KEY, KeyType::AES);
    template.extend([Attribute::Value(AES.into()), Attribute::Encrypt(true), Attribute::Decrypt(true)]);
    template.push(Attribute::Id(vec![0xAB, 1]));
    let line = format!("import_oct {{}}own-oct {}", text(&AES));
    both.same(&line, || session.create_object(&template).unwrap());
}

fn renames(both: &mut Both, session: &Session) {
    let key = private(session, &ours("rsa"));
    let label = [Attribute::Label(b"another".into())];
    both.same("rename_key {}rsa another", || session.update_attributes(key, &label).unwrap());
}

fn renames_certificate(both: &mut Both, session: &Session) {
    let label = [Attribute::Label(b"another".into())];
    let certificate = find(session, ObjectClass::CERTIFICATE, &ours("site"));
    both.same("rename_certificate {}site another", || session.update_attributes(certificate, &label).unwrap());
}

/// What no attribute of PKCS#11 says, as the command changes it.
pub fn changes_by_the_vault(both: &mut Both) {
    let config = both.scene.config();
    let place = VaultConfig { backend: Backend::Azure(config.clone()), ..VaultConfig::local("web", "/nonexistent") };
    let vault: Arc<dyn VaultAdmin> = AzureVault::open(&place, &config).unwrap();
    vault.unlock(&Unlock::Configured).unwrap();
    vault.refresh().unwrap();
    let image = vault.image();
    let name = ours("ec");
    let key = image.with_class(Class::PrivateKey).find(|key| key.content.label == name.as_bytes()).unwrap().number;
    let mut edit = |line: &str, edit: fn(&mut Content)| {
        both.same(line, || {
            let mut changed = |content: &mut Content| {
                edit(content);
                Ok(())
            };
            vault.change(&[key], &mut changed).unwrap()
        })
    };
    edit("limit_key {}ec 1999999999", |content| content.expires = Some(1_999_999_999));
    edit("narrow_key {}ec", |content| content.usage.remove(strongroom::vault::Usage::SIGN));
    edit("disable_key {}ec", |content| content.enabled = false);
}

fn keeps_secrets(both: &mut Both, session: &Session) {
    let mut template = token_object("note");
    template.extend([Attribute::Class(ObjectClass::DATA), Attribute::Private(true), Attribute::Value(MESSAGE.into())]);
    let value = base64ct::Base64::encode_string(MESSAGE);
    let secret = both.same(&format!("set_secret {{}}note {value}"), || session.create_object(&template).unwrap());
    both.same("get_secret {}note", || session.get_attributes(secret, &[AttributeType::Value]).unwrap());
    both.same("delete_secret {}note", || session.destroy_object(secret).unwrap());
}

pub fn deletes(both: &mut Both, session: &Session) {
    let key = private(session, &ours("own-rsa"));
    both.same("delete_key {}own-rsa", || session.destroy_object(key).unwrap());
}

fn deletes_certificate(both: &mut Both, session: &Session) {
    let certificate = find(session, ObjectClass::CERTIFICATE, "another");
    both.same("delete_certificate {}site", || session.destroy_object(certificate).unwrap());
}
