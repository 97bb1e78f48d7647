//! `strongroom cert issue`, `renew` and `export`, as an operator uses them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use strongroom::backend::local::LocalVault;
use strongroom::certificate::make;
use strongroom::config::VaultConfig;
use strongroom::vault::{
    Class, Collection, Content, Draft, KeyDescription, NOTES_OF_ONE_VERSION, Name, Naming, Pin, Role, Unlock, Usage,
};

use super::stage::{self, PIN, Stage, TOKEN, fail, succeed};
use super::{DAY, KINDS, Key, certificate, keytool, now, profile};

/// A vault, empty.
fn vault() -> Stage {
    let stage = Stage::without_token();
    stage.strongroom(&format!("init --label {TOKEN}"));
    stage
}

fn json(stage: &Stage, arguments: &str) -> Value {
    serde_json::from_str(&stage.strongroom(&format!("--json {arguments}"))).unwrap()
}

fn refused(stage: &Stage, arguments: &str) -> String {
    fail(&mut stage.strongroom_command(arguments))
}

/// The keys and certificates of an authority `root`, and of one below it, `middle`.
fn authorities(stage: &Stage) {
    stage.strongroom("key create root --kind p-384");
    stage.strongroom("cert create root --subject CN=Root,O=Example --authority --out root.pem");
    stage.strongroom("key create middle --kind rsa-2048");
    stage
        .strongroom("cert issue middle --issuer root --subject CN=Middle --authority --path-length 0 --out middle.pem");
}

fn verify(stage: &Stage, file: &str) {
    let verified = stage.openssl(&format!("verify -x509_strict -CAfile root.pem -untrusted middle.pem {file}"));
    assert!(verified.contains("OK"), "{verified}");
}

#[test]
fn an_authority_issues_for_keys_of_the_vault_and_for_requests_of_others() {
    let stage = vault();
    authorities(&stage);
    stage.strongroom("key create www --kind ed25519");
    let made = json(&stage, "cert issue www --issuer middle --subject CN=www.example.org --months 2 --out www.pem");
    assert_eq!((&made["key"], &made["issuer"]), (&"www".into(), &"CN=Middle".into()));
    assert_eq!(made["names"][0], "DNS:www.example.org");
    verify(&stage, "www.pem");
}

#[test]
fn a_request_gets_its_names_and_no_more_than_it_should() {
    let stage = vault();
    authorities(&stage);
    stage.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out other.key");
    stage.openssl(
        "req -new -key other.key -out other.csr -subj /CN=other -addext subjectAltName=DNS:other.example,IP:10.0.0.1 \
         -addext basicConstraints=CA:TRUE -addext keyUsage=keyCertSign",
    );
    let made = json(&stage, "cert issue other --issuer middle --csr other.csr --out other.pem");
    assert_eq!((&made["subject"], &made["key"]), (&"CN=other".into(), &Value::Null));
    assert_eq!(made["names"], serde_json::json!(["DNS:other.example", "IP:10.0.0.1"]));
    verify(&stage, "other.pem");
    let text = stage.openssl("x509 -in other.pem -noout -text");
    assert!(text.contains("CA:FALSE") && !text.contains("Certificate Sign"), "{text}");
    let mut csr = fs::read_to_string(stage.path("other.csr")).unwrap();
    // In the middle of the signature.
    let at = csr.len() - 60;
    csr.replace_range(at..=at, if csr.as_bytes()[at] == b'A' { "B" } else { "A" });
    stage.file("forged.csr", csr);
    let refusal = refused(&stage, "cert issue forged --issuer middle --csr forged.csr");
    assert!(refusal.contains("isn't signed by its own key"), "{refusal}");
    assert!(refused(&stage, "cert issue x --issuer middle --csr root.pem").contains("no signing request"));
}

#[test]
fn what_an_issuer_may_not_do_is_refused_with_the_reason() {
    let stage = vault();
    authorities(&stage);
    stage.strongroom("key create www --kind p-256");
    stage.strongroom("cert issue www --issuer root --subject CN=www");
    assert!(refused(&stage, "cert issue x --key www --issuer www --subject CN=x").contains("no authority's"));
    let further = "cert issue x --key www --issuer middle --subject CN=x --authority";
    assert!(refused(&stage, further).contains("no further authorities"));
    assert!(refused(&stage, "cert issue x --key www --issuer root --subject CN=x --days 9999").contains("until"));
    stage.strongroom("--yes key delete root");
    assert!(refused(&stage, "cert issue x --key www --issuer root --subject CN=x").contains("isn't in this vault"));
    assert!(refused(&stage, "cert issue x --key www --issuer nobody --subject CN=x").contains("no certificate called"));
    assert!(refused(&stage, "cert issue www --issuer middle --subject CN=x").contains("taken"));
}

#[test]
fn a_certificate_goes_on_with_the_same_names_signed_by_whom_it_was() {
    let stage = vault();
    authorities(&stage);
    stage.strongroom("key create www --kind p-256");
    let names = "--subject CN=www,OU=a,OU=b --san a.example,URI:spiffe://x/y --eku clientAuth --days 20";
    let old = json(&stage, &format!("cert issue www --issuer middle {names}"));
    let new = json(&stage, "cert renew www --out www.pem");
    for same in ["subject", "issuer", "names", "key", "id"] {
        assert_eq!(old[same], new[same], "{same}");
    }
    assert_ne!(old["serial"], new["serial"]);
    assert_eq!(new["version_count"], 2);
    verify(&stage, "www.pem");
    let text = stage.openssl("x509 -in www.pem -noout -text");
    assert!(text.contains("TLS Web Client Authentication") && !text.contains("TLS Web Server"), "{text}");
    // The authority goes on with the same key, and so does what it signs.
    stage.strongroom("cert renew middle --out middle.pem");
    stage.strongroom("cert renew www --days 5 --out www.pem");
    verify(&stage, "www.pem");
    let root = json(&stage, "cert renew root --out new-root.pem");
    assert_eq!(root["version_count"], 2);
    assert!(stage.openssl("verify -x509_strict -CAfile new-root.pem new-root.pem").contains("OK"));
}

#[test]
fn a_new_key_and_its_certificate_come_together() {
    let stage = vault();
    stage.strongroom("key create www --kind p-256 --exportable --tag team=web");
    let old = json(&stage, "cert create www --subject CN=www");
    let new = json(&stage, "cert renew www --new-key --out www.pem");
    assert_ne!(old["id"], new["id"]);
    let key = json(&stage, "key show www");
    assert_eq!((&key["id"], &key["version_count"], &key["kind"]), (&new["id"], &2.into(), &"p-256".into()));
    assert_eq!((&key["exportable"], &key["tags"]["team"], &key["local"]), (&true.into(), &"web".into(), &true.into()));
    assert_eq!(stage.openssl("x509 -in www.pem -noout -pubkey"), stage.strongroom("key public www"));
    // A program finds the two by one id.
    let id = new["id"].as_str().unwrap();
    let listed = stage.pkcs11_tool_logged_in(&format!("--list-objects --id {id}"));
    assert!(listed.contains("Private Key Object") && listed.contains("Certificate Object"), "{listed}");
}

#[test]
fn what_somebody_else_issued_is_not_quietly_signed_by_itself() {
    let stage = vault();
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Elsewhere -days 9");
    stage.strongroom("key create www --kind p-256");
    stage.file("www.csr", stage.strongroom("cert csr www --subject CN=www"));
    stage.openssl("x509 -req -in www.csr -CA ca.pem -CAkey ca.key -set_serial 7 -out www.pem -days 3");
    stage.strongroom("cert import www www.pem");
    let refusal = refused(&stage, "cert renew www");
    assert!(refusal.contains("CN=Elsewhere") && refusal.contains("--self-signed"), "{refusal}");
    assert_eq!(json(&stage, "cert renew www --self-signed")["issuer"], "CN=www");
}

#[test]
fn a_certificate_is_exported_with_its_chain_and_with_its_key_only_if_that_may_leave() {
    let stage = vault();
    authorities(&stage);
    stage.strongroom("key create www --kind p-256 --exportable");
    stage.strongroom("key create stays --kind p-256");
    stage.strongroom("cert issue www --issuer middle --subject CN=www");
    stage.strongroom("cert issue stays --issuer middle --subject CN=stays");
    assert_eq!(stage.strongroom("cert export stays").matches("BEGIN CERTIFICATE").count(), 1);
    let chain = stage.strongroom("cert export www --chain");
    stage.file("chain.pem", &chain);
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 3);
    verify(&stage, "chain.pem");
    let refusal = refused(&stage, "cert export stays --private-key");
    assert!(refusal.contains("may not leave") && refusal.contains("--exportable"), "{refusal}");
    stage.strongroom("cert export www --chain --private-key --out www.pem");
    assert_eq!(stage.openssl("pkey -in www.pem -pubout"), stage.strongroom("key public www"));
    assert_eq!(fs::metadata(stage.path("www.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    let again = refused(&stage, "cert export www --private-key --out www.pem");
    assert!(again.contains("exists"), "{again}");
    assert!(!stage.strongroom("--json cert export www --private-key --out second.pem").contains("PRIVATE KEY"));
}

#[test]
fn openssl_and_java_open_an_exported_pkcs12_with_its_passphrase_only() {
    let stage = vault();
    authorities(&stage);
    stage.strongroom("key create www --kind rsa-2048 --exportable");
    stage.strongroom("cert issue www --issuer middle --subject CN=www");
    stage::set_mode(std::path::Path::new(&stage.file("passphrase", "a passphrase\n")), 0o600);
    let export = "cert export www --format pfx --chain --private-key --passphrase-file passphrase --out www.pfx";
    let said = stage.strongroom(export);
    assert!(said.contains("3 certificates and the private key") && !said.contains("a passphrase"), "{said}");
    assert_eq!(fs::metadata(stage.path("www.pfx")).unwrap().permissions().mode() & 0o777, 0o600);
    let openssl = |passphrase: &str| {
        let mut command = stage.command("openssl");
        command.args(["pkcs12", "-in", "www.pfx", "-noenc", "-out", "out.pem", "-passin", passphrase]);
        stage::output(&mut command).status.success()
    };
    assert!(!openssl("pass:another") && openssl("pass:a passphrase"));
    assert_eq!(stage.openssl("pkey -in out.pem -pubout"), stage.strongroom("key public www"));
    let mut list = keytool(&stage, "-list -keystore www.pfx -storetype PKCS12");
    let listed = succeed(list.args(["-storepass", "a passphrase"]));
    assert!(listed.contains("www") && listed.contains("PrivateKeyEntry"), "{listed}");
    stage::set_mode(std::path::Path::new(&stage.file("empty", "")), 0o600);
    let refusal = refused(&stage, "cert export www --format pfx --passphrase-file empty --out x.pfx");
    assert!(refusal.contains("empty"), "{refusal}");
    let refusal = refused(&stage, "cert export www --format pfx --out x.pfx");
    assert!(refusal.contains("--passphrase-file"), "{refusal}");
    // What comes out goes in again elsewhere.
    let other = vault();
    fs::copy(stage.path("www.pfx"), other.path("www.pfx")).unwrap();
    stage::set_mode(std::path::Path::new(&other.file("passphrase", "a passphrase")), 0o600);
    other.strongroom("import www.pfx --passphrase-file passphrase");
    assert_eq!(other.strongroom("key public www"), stage.strongroom("key public www"));
}

#[test]
fn a_key_that_may_leave_wrapped_only_does_not_leave_in_the_clear() {
    let stage = vault();
    stage.pkcs11_tool_logged_in("--keypairgen --key-type EC:prime256v1 --label www --extractable --sensitive");
    stage.strongroom("cert create www --subject CN=www");
    let refusal = refused(&stage, "cert export www --private-key");
    assert!(refusal.contains("wrapped"), "{refusal}");
}

/// What the server makes: a certificate and its key as one object, with its notes beside them.
fn made_as_one(stage: &Stage) {
    let key = Key::new(KINDS[2].1);
    let der = make::self_signed(&profile("CN=one"), &key.signer).unwrap();
    let certificate = certificate(&der);
    let vault = LocalVault::open(&VaultConfig::local("stage", stage.vault())).unwrap();
    vault.unlock(&Unlock::Pin(Role::User, Pin::new(PIN.as_bytes().to_vec()))).unwrap();
    let id = certificate.key_id().to_vec();
    let half = |class| {
        let mut content = Content::new(class);
        content.label = b"one".to_vec();
        content.id = id.clone();
        // It ended a while ago, and so did its certificate.
        content.expires = Some(now() - DAY);
        content.usage = if class == Class::PrivateKey { Usage::SIGN } else { Usage::VERIFY };
        content.key = Some(KeyDescription { algorithm: KINDS[2].1, public: key.signer.spki().into() });
        content
    };
    let mut private = half(Class::PrivateKey);
    private.set_managed();
    let mut content = certificate.content(b"one".to_vec(), id.clone()).unwrap();
    content.set_managed();
    content.expires = Some(now() - DAY);
    content.notes.insert("certificate-policy".into(), "the policy".into());
    content.notes.insert(NOTES_OF_ONE_VERSION[0].into(), "how it came to be".into());
    let naming = || Naming::As(Name::new("one").unwrap(), [7; 16]);
    let draft = |content, secret| Draft { content, naming: naming(), secret };
    let drafts =
        vec![draft(private, Some(key.pkcs8.clone())), draft(half(Class::PublicKey), None), draft(content, None)];
    vault.create(drafts).unwrap();
}

#[test]
fn a_certificate_that_is_one_with_its_key_is_renewed_as_one() {
    let stage = vault();
    made_as_one(&stage);
    let renewed = json(&stage, "cert renew one");
    let vault = LocalVault::open(&VaultConfig::local("stage", stage.vault())).unwrap();
    vault.unlock(&Unlock::Pin(Role::User, Pin::new(PIN.as_bytes().to_vec()))).unwrap();
    let image = vault.image();
    let newest = |collection, class| {
        let all = image.with_name(collection, "one").filter(|object| object.content.class == class);
        all.max_by_key(|object| object.version.unwrap().ordinal).unwrap()
    };
    let certificate = newest(Collection::Certificates, Class::Certificate);
    let key = newest(Collection::Keys, Class::PrivateKey);
    assert_eq!((certificate.version, certificate.version.unwrap().ordinal), (key.version, 2));
    assert!(certificate.content.is_managed() && key.content.is_managed());
    assert_eq!(certificate.content.id, key.content.id);
    assert!(certificate.content.expires.unwrap() > now() && certificate.content.expires == key.content.expires);
    let notes: Vec<&str> = certificate.content.notes.keys().map(String::as_str).collect();
    assert!(notes.contains(&"certificate-policy") && !notes.contains(&NOTES_OF_ONE_VERSION[0]), "{notes:?}");
    assert_eq!(renewed["version_count"], 2);
}
