//! Files as programs write them.

use std::fs;

use super::Scene;
use super::stage::succeed;

/// A key with a certificate from an authority: `www.key`, `www.crt`, `ca.crt`.
fn chain(scene: &Scene) {
    let openssl = |arguments: &str| scene.stage.openssl(arguments);
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=Authority -days 3");
    openssl("ecparam -genkey -name prime256v1 -out www.key");
    openssl("req -new -key www.key -subj /CN=www-example -out www.csr");
    openssl("x509 -req -in www.csr -CA ca.crt -CAkey ca.key -set_serial 7 -out www.crt -days 3");
}

/// The key of the vault with this name is the one in this file.
fn assert_same_key(scene: &Scene, name: &str, file: &str) {
    let passphrase = "-passin pass:secret";
    let own = scene.stage.openssl(&format!("pkey -in {file} {passphrase} -pubout"));
    assert_eq!(scene.stage.strongroom(&format!("key public {name}")), own);
    // And it works: a request that it signs verifies.
    scene.stage.strongroom(&format!("cert csr {name} --subject CN=x --out x.csr"));
    scene.stage.openssl("req -in x.csr -verify -noout");
}

#[test]
fn a_bundle_of_pem_brings_key_certificate_and_chain_and_links_them() {
    let scene = Scene::new();
    chain(&scene);
    let bundle: Vec<u8> =
        ["www.key", "www.crt", "ca.crt"].iter().flat_map(|file| fs::read(scene.stage.path(file)).unwrap()).collect();
    scene.stage.file("www.pem", bundle);
    let outcome = scene.import("www.pem");
    let expected = ["certificate Authority", "certificate www", "private key www", "public key www"];
    assert_eq!(outcome.imported(), expected);
    assert_same_key(&scene, "www", "www.key");
    let shown: serde_json::Value = serde_json::from_str(&scene.stage.strongroom("--json cert show www")).unwrap();
    assert_eq!(shown["key"], "www");
    assert!(scene.import("www.pem").imported().is_empty(), "a second import brings nothing");
}

#[test]
fn an_encrypted_key_opens_with_its_passphrase_however_it_is_encrypted() {
    let scene = Scene::new();
    scene.secret_file("passphrase", "secret");
    scene.stage.openssl("genrsa -out plain.pem 2048");
    for (name, how) in [
        ("pbkdf2", ""),
        ("scrypt", "-scrypt"),
        ("sha1", "-v2 aes-128-cbc -v2prf hmacWithSHA1"),
        ("sha512", "-v2 aes-192-cbc -v2prf hmacWithSHA512"),
        ("tripledes", "-v2 des3"),
        ("pkcs12", "-v1 PBE-SHA1-3DES"),
        ("der", "-outform DER"),
    ] {
        scene.stage.openssl(&format!("pkcs8 -topk8 -in plain.pem -passout pass:secret {how} -out {name}.key"));
        let outcome = scene.import(&format!("{name}.key --passphrase-file passphrase"));
        assert_eq!(outcome.imported(), [format!("private key {name}"), format!("public key {name}")]);
        assert_same_key(&scene, name, "plain.pem");
        scene.secret_file("wrong", "Secret");
        let refusal = scene.refused(&format!("{name}.key --passphrase-file wrong"));
        assert!(refusal.contains("passphrase is wrong"), "{refusal}");
    }
}

#[test]
fn der_of_every_form_is_recognized() {
    let scene = Scene::new();
    chain(&scene);
    scene.stage.openssl("rsa -in ca.key -traditional -outform DER -out pkcs1.der");
    scene.stage.openssl("ec -in www.key -outform DER -out sec1.der");
    scene.stage.openssl("pkcs8 -topk8 -nocrypt -in www.key -outform DER -out pkcs8.der");
    scene.stage.openssl("pkey -in ca.key -pubout -outform DER -out public.der");
    scene.stage.openssl("x509 -in ca.crt -outform DER -out certificate.der");
    let outcome = scene.import("pkcs1.der sec1.der pkcs8.der public.der certificate.der");
    let expected = [
        "certificate Authority",
        "private key pkcs1",
        "private key pkcs8",
        "private key sec1",
        "public key pkcs1",
        "public key pkcs8",
        "public key public",
        "public key sec1",
    ];
    assert_eq!(outcome.imported(), expected);
}

#[test]
fn pkcs12_comes_with_its_names_new_old_and_without_encryption() {
    let scene = Scene::new();
    chain(&scene);
    scene.secret_file("passphrase", "secret");
    for (name, how) in [
        ("modern", ""),
        ("legacy", "-legacy"),
        ("rc2-128", "-legacy -certpbe PBE-SHA1-RC2-128"),
        ("two-key", "-legacy -keypbe PBE-SHA1-2DES"),
        ("sha512", "-macalg sha512"),
        ("bare", "-keypbe NONE -certpbe NONE"),
        ("windows", "-keyex -CSP Microsoft -LMK"),
    ] {
        scene.stage.openssl(&format!(
            "pkcs12 -export -inkey www.key -in www.crt -certfile ca.crt -name {name} -passout pass:secret {how} -out {name}.p12"
        ));
        let outcome = scene.import(&format!("{name}.p12 --passphrase-file passphrase"));
        let mut expected =
            vec![format!("certificate {name}"), format!("private key {name}"), format!("public key {name}")];
        if name == "modern" {
            expected.insert(0, "certificate Authority".to_owned());
        }
        assert_eq!(outcome.imported(), expected);
        assert_same_key(&scene, name, "www.key");
        scene.secret_file("wrong", "Secret");
        let refusal = scene.refused(&format!("{name}.p12 --passphrase-file wrong"));
        assert!(refusal.contains("passphrase is wrong"), "{refusal}");
    }
}

/// Made by Java 17's `keytool`.
#[test]
fn a_java_keystore_comes_with_its_aliases_and_says_what_stays() {
    let scene = Scene::new();
    scene.secret_file("passphrase", "secret");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/java-17.p12");
    let outcome = scene.import(&format!("{file} --passphrase-file passphrase"));
    let expected = ["certificate one", "private key one", "public key one", "secret key aes", "secret key hmac"];
    assert_eq!(outcome.imported(), expected);
    assert!(outcome.reason("des").contains("secret keys"));
    let again = scene.import(&format!("{file} --passphrase-file passphrase"));
    assert_eq!(again.list("already_there").len(), expected.len());
    let mut pem = scene.stage.command("openssl");
    pem.args(["pkcs12", "-in", file, "-passin", "pass:secret", "-nocerts", "-nodes", "-out", "one.key"]);
    succeed(&mut pem);
    assert_same_key(&scene, "one", "one.key");
}

/// Made by `pk12util` of NSS 3.87 (Firefox's library), which writes lengths and strings that aren't DER's.
#[test]
fn a_file_of_nss_comes_though_it_is_not_der() {
    let scene = Scene::new();
    scene.secret_file("passphrase", "secret12");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nss-3.87.p12");
    let outcome = scene.import(&format!("{file} --passphrase-file passphrase"));
    assert_eq!(outcome.imported(), ["certificate nsskey", "private key nsskey", "public key nsskey"]);
    succeed(scene.stage.command("openssl").args([
        "pkcs12",
        "-in",
        file,
        "-passin",
        "pass:secret12",
        "-nocerts",
        "-nodes",
        "-out",
        "nss.key",
    ]));
    assert_same_key(&scene, "nsskey", "nss.key");
}

#[test]
fn keys_of_other_kinds_are_listed_with_the_reason_and_the_rest_comes() {
    let scene = Scene::new();
    chain(&scene);
    scene.stage.openssl("genrsa -out small.pem 1024");
    scene.stage.openssl("ecparam -genkey -noout -name brainpoolP256r1 -out brainpool.pem");
    scene.stage.openssl("genpkey -algorithm ed448 -out ed448.pem");
    scene.stage.openssl("ecparam -genkey -noout -name prime256v1 -param_enc explicit -out explicit.pem");
    scene.stage.openssl("pkey -in ed448.pem -pubout -out public.pem");
    scene.stage.openssl("pkey -in ed448.pem -pubout -outform DER -out public-der.der");
    let outcome = scene.import("small.pem brainpool.pem ed448.pem explicit.pem public.pem public-der.der www.key");
    assert_eq!(outcome.imported(), ["private key www", "public key www"]);
    assert!(outcome.reason("small").contains("2048"));
    assert!(outcome.reason("brainpool").contains("curve"));
    assert!(outcome.reason("ed448").contains("type"));
    assert!(outcome.reason("explicit").contains("written out"));
    assert!(outcome.reason("public").contains("type"));
    assert!(outcome.reason("public-der").contains("type"));
}

#[test]
fn a_certificate_comes_without_the_trust_that_openssl_wrote_behind_it() {
    let scene = Scene::new();
    chain(&scene);
    scene.stage.openssl("x509 -in ca.crt -trustout -addtrust serverAuth -setalias Ours -out trusted.pem");
    let outcome = scene.import("trusted.pem");
    assert_eq!(outcome.imported(), ["certificate Authority"]);
    assert!(outcome.0["remarks"].to_string().contains("trusted for"), "{:#}", outcome.0);
    scene.stage.strongroom("cert import again trusted.pem");
    let shown: serde_json::Value = serde_json::from_str(&scene.stage.strongroom("--json cert show again")).unwrap();
    assert_eq!(shown["name"], "again");
}

#[test]
fn two_keys_of_one_label_stay_two_keys() {
    let scene = Scene::new();
    scene.stage.openssl("genpkey -algorithm ed25519 -out same.pem");
    fs::create_dir(scene.stage.path("other")).unwrap();
    scene.stage.openssl("genpkey -algorithm ed25519 -out other/same.pem");
    let outcome = scene.import("same.pem other/same.pem");
    assert_eq!(outcome.imported().len(), 4);
    let keys: serde_json::Value = serde_json::from_str(&scene.stage.strongroom("--json key list")).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 2, "{keys:#}");
}

#[test]
fn a_key_whose_label_another_one_has_is_refused_until_it_gets_its_own_or_both_are_asked_for() {
    let scene = Scene::new();
    chain(&scene);
    scene.stage.strongroom("key create www --kind p-256");
    let bundle = ["www.key", "www.crt"].map(|file| fs::read(scene.stage.path(file)).unwrap()).concat();
    scene.stage.file("www.pem", bundle);
    for arguments in ["www.pem", "www.pem --dry-run"] {
        let refusal = scene.refused(arguments);
        assert!(refusal.contains("another private key with the label \"www\""), "{refusal}");
        assert!(refusal.contains("--same-labels") && refusal.contains("--label"), "{refusal}");
    }
    let outcome = scene.import("www.pem --label moved");
    assert_eq!(outcome.imported(), ["certificate moved", "private key moved", "public key moved"]);
    assert_same_key(&scene, "moved", "www.key");
    let outcome = scene.import("www.pem --same-labels");
    assert_eq!(outcome.imported(), ["certificate www", "private key www", "public key www"]);
}

#[test]
fn two_keys_of_a_source_with_one_label_come_also_when_the_vault_has_one_of_them() {
    let scene = Scene::new();
    scene.stage.openssl("genpkey -algorithm ed25519 -out same.pem");
    fs::create_dir(scene.stage.path("other")).unwrap();
    scene.stage.openssl("genpkey -algorithm ed25519 -out other/same.pem");
    scene.import("same.pem");
    assert!(scene.refused("other/same.pem").contains("same"));
    assert_eq!(scene.import("same.pem other/same.pem").imported().len(), 2);
}

#[test]
fn a_label_is_for_one_key_of_one_file_and_its_certificate_whatever_pkcs12_calls_them() {
    let scene = Scene::new();
    chain(&scene);
    scene.stage.openssl("genpkey -algorithm ed25519 -out b.key");
    scene.stage.file("two.pem", ["www.key", "b.key"].map(|file| fs::read(scene.stage.path(file)).unwrap()).concat());
    assert!(scene.refused("two.pem --label one").contains("holds 2"));
    assert!(scene.refused("www.key b.key --label one").contains("one file"));
    scene.secret_file("passphrase", "secret");
    scene.stage.openssl(
        "pkcs12 -export -inkey www.key -in www.crt -certfile ca.crt -name old -passout pass:secret -out backup.p12",
    );
    let outcome = scene.import("backup.p12 --passphrase-file passphrase --label new");
    assert_eq!(outcome.imported(), ["certificate Authority", "certificate new", "private key new", "public key new"]);
}

#[test]
fn a_flag_that_is_asked_for_again_and_not_given_is_said() {
    let scene = Scene::new();
    chain(&scene);
    scene.import("www.key");
    assert_eq!(scene.import("www.key").0["already_there"][0]["remarks"].as_array().unwrap().len(), 0);
    let outcome = scene.import("www.key --exportable");
    assert!(outcome.imported().is_empty());
    let remarks = outcome.0["already_there"][0]["remarks"].to_string();
    assert!(remarks.contains("whether it may leave"), "{remarks}");
}

#[test]
fn a_dry_run_changes_nothing_and_a_certificate_finds_a_key_that_is_there() {
    let scene = Scene::new();
    chain(&scene);
    let before = scene.listed();
    assert_eq!(scene.import("www.key --dry-run").imported().len(), 2);
    assert_eq!(scene.listed(), before);
    for (option, exportable) in [("", false), ("--exportable", true)] {
        let outcome = scene.import(&format!("www.key --dry-run {option}"));
        assert_eq!(outcome.0["imported"][0]["exportable"], exportable);
    }
    scene.stage.openssl("pkcs8 -topk8 -nocrypt -in www.key -out www.p8");
    scene.stage.pkcs11_tool_logged_in("--write-object www.p8 --type privkey --label there --id 0102 --usage-sign");
    scene.import("www.crt");
    let shown: serde_json::Value =
        serde_json::from_str(&scene.stage.strongroom("--json cert show www-example")).unwrap();
    assert_eq!(shown["id"], "0102");
}
