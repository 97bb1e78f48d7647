//! Tokens of SoftHSM 2, read from their files.

use std::fs;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType};
use cryptoki::session::{Session, UserType};
use cryptoki::types::Date;
use serde_json::Value;

use super::stage::{PIN, SO_PIN, TOKEN, succeed};
use super::{SOFTHSM, Scene};

/// A key made outside and imported, as SoftHSM's manual describes it.
fn imported_key(scene: &Scene, label: &str, id: &str) {
    scene.stage.openssl(&format!("genrsa -out {label}.pem 2048"));
    scene.stage.openssl(&format!("pkcs8 -topk8 -nocrypt -in {label}.pem -out {label}.p8"));
    scene.softhsm_util(&format!("--import {label}.p8 --token {TOKEN} --label {label} --id {id} --pin {PIN}"));
}

/// What `pkcs11-tool` shows of the objects of a class, without the order and what a token says of itself.
fn shown(listing: &str) -> Vec<String> {
    let own = ["warning", "Using slot", "  uri:", "  Access:", "  Unique ID:"];
    let lines = listing.lines().filter(|line| !own.iter().any(|start| line.starts_with(start)));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    let mut objects: Vec<String> = Vec::new();
    for line in text.lines() {
        // A data object is shown with its handle.
        let line = line.trim_end_matches(|letter: char| letter.is_ascii_digit() && line.starts_with("Data object"));
        match objects.last_mut() {
            Some(object) if line.starts_with(' ') => *object += &format!("\n{line}"),
            _ => objects.push(line.to_owned()),
        }
    }
    objects.sort();
    objects
}

/// The zoo: keys of every kind that both know, certificate, data, public and private.
fn zoo(scene: &Scene) {
    imported_key(scene, "imported", "0a0b");
    for (kind, label, id) in [
        ("rsa:3072", "rsa", "01"),
        ("EC:prime256v1", "p256", "02"),
        ("EC:secp384r1", "p384", "03"),
        ("EC:secp521r1", "p521", "04"),
        ("EC:edwards25519", "edwards", "05"),
    ] {
        scene.softhsm(&format!("--keypairgen --key-type {kind} --label {label} --id {id}"));
    }
    scene.softhsm("--keygen --key-type AES:32 --label aes --id 06 --usage-decrypt");
    scene.softhsm("--keygen --key-type GENERIC:20 --label generic --id 07 --usage-sign --private");
    scene.stage.file("value", "a value");
    scene.softhsm("--write-object value --type data --label hidden --application-label app --private");
    scene.softhsm("--write-object value --type data --label open --application-label app");
    scene.stage.openssl("req -x509 -key imported.pem -subj /CN=imported -days 3 -outform DER -out imported.der");
    scene.softhsm("--write-object imported.der --type cert --label imported --id 0a0b");
}

#[test]
fn a_whole_token_comes_with_labels_ids_usages_and_values_and_is_not_touched() {
    let scene = Scene::new();
    zoo(&scene);
    let before = scene.token_files();
    let outcome = scene.import_softhsm();
    assert_eq!(scene.token_files(), before);
    assert_eq!(outcome.imported().len(), 6 * 2 + 2 + 2 + 1);
    assert!(outcome.list("left_behind").is_empty(), "{:#}", outcome.0);
    for class in ["pubkey", "privkey", "cert", "data"] {
        let theirs = shown(&scene.softhsm(&format!("--list-objects --type {class}")));
        let ours = shown(&scene.stage.pkcs11_tool_logged_in(&format!("--list-objects --type {class}")));
        // SoftHSM wraps an Ed25519 point in an OCTET STRING, as its clients expect it of it.
        let comparable = |all: Vec<String>| -> Vec<String> {
            all.into_iter().filter(|object| !object.contains("EC_EDWARDS") || class == "privkey").collect()
        };
        assert_eq!(comparable(ours), comparable(theirs), "{class}");
    }
    let again = scene.import_softhsm();
    assert!(again.imported().is_empty());
    assert_eq!(again.list("already_there").len(), outcome.imported().len());
}

#[test]
fn every_key_signs_here_what_its_public_key_there_verifies() {
    let scene = Scene::new();
    zoo(&scene);
    scene.import_softhsm();
    scene.stage.file("message", [7; 32]);
    for (id, mechanism, options) in [
        ("0a0b", "SHA256-RSA-PKCS", ""),
        ("01", "SHA256-RSA-PKCS", ""),
        ("02", "ECDSA", "--signature-format openssl"),
        ("03", "ECDSA", "--signature-format openssl"),
        ("04", "ECDSA", "--signature-format openssl"),
        ("05", "EDDSA", ""),
    ] {
        scene.stage.pkcs11_tool_logged_in(&format!(
            "--sign --mechanism {mechanism} {options} --id {id} --input-file message --output-file signature"
        ));
        scene.softhsm(&format!(
            "--verify --mechanism {mechanism} {options} --id {id} --input-file message --signature-file signature"
        ));
    }
    // A secret key decrypts here what it encrypted there.
    let iv = "--iv 000102030405060708090a0b0c0d0e0f";
    scene.softhsm(&format!("--encrypt --mechanism AES-CBC-PAD {iv} --id 06 --input-file message --output-file sealed"));
    let text = format!("--decrypt --mechanism AES-CBC-PAD {iv} --id 06 --input-file sealed --output-file opened");
    scene.stage.pkcs11_tool_logged_in(&text);
    assert_eq!(fs::read(scene.stage.path("opened")).unwrap(), [7; 32]);
}

#[test]
fn what_could_not_leave_softhsm_cannot_leave_the_vault() {
    let scene = Scene::new();
    imported_key(&scene, "kept", "01");
    scene.softhsm("--keypairgen --key-type EC:prime256v1 --label let --id 02 --extractable --sensitive");
    scene.import_softhsm();
    let listing = scene.stage.pkcs11_tool_logged_in("--list-objects --type privkey");
    let access = |label: &str| {
        let object =
            listing.split("Private Key Object").find(|object| object.contains(&format!("label:      {label}")));
        object.and_then(|object| object.lines().find(|line| line.contains("Access:"))).unwrap_or_default().to_owned()
    };
    assert_eq!(access("kept").trim(), "Access:     sensitive");
    assert_eq!(access("let").trim(), "Access:     sensitive, extractable");
}

#[test]
fn a_key_that_both_wraps_and_decrypts_keeps_one_of_the_two_and_it_is_said() {
    let scene = Scene::new();
    scene.softhsm("--keygen --key-type AES:16 --label both --id 01 --usage-decrypt --usage-wrap");
    let outcome = scene.import_softhsm();
    assert!(outcome.remarks("both").contains("wrap and unwrap"), "{:#}", outcome.0);
}

#[test]
fn a_private_key_that_was_deleted_comes_back_under_the_name_of_its_public_half() {
    let scene = Scene::new();
    imported_key(&scene, "www", "01");
    scene.import_softhsm();
    scene.stage.pkcs11_tool_logged_in("--delete-object --type privkey --id 01");
    assert_eq!(scene.import_softhsm().imported(), ["private key www", "public key www"]);
    let keys: Value = serde_json::from_str(&scene.stage.strongroom("--json key list")).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 1, "{keys:#}");
    assert_eq!(keys[0]["name"], "www", "{keys:#}");
}

/// A key that may not be used now is compared by its value like any other.
#[test]
fn another_secret_key_of_the_same_label_and_id_comes_also_beside_a_disabled_one() {
    let scene = Scene::new();
    scene.softhsm("--keygen --key-type AES:32 --label aes --id 07 --usage-decrypt");
    scene.import_softhsm();
    scene.stage.strongroom("key disable aes");
    assert_eq!(scene.import_softhsm().list("already_there"), ["secret key aes"]);
    scene.softhsm("--delete-object --type secrkey --id 07");
    scene.softhsm("--keygen --key-type AES:32 --label aes --id 07 --usage-decrypt");
    let refusal = scene.refused("--softhsm --source-pin-file source-pin");
    assert!(refusal.contains("another secret key with the label \"aes\""), "{refusal}");
    let outcome = scene.import("--softhsm --source-pin-file source-pin --same-labels");
    assert_eq!(outcome.imported(), ["secret key aes"]);
}

#[test]
fn two_public_keys_of_a_kind_that_is_only_kept_are_told_apart_by_their_values() {
    let scene = Scene::new();
    for _ in 0..2 {
        scene.stage.openssl("dsaparam -out dsa.param 1024");
        scene.stage.openssl("gendsa -out dsa.pem dsa.param");
        scene.stage.openssl("pkcs8 -topk8 -nocrypt -in dsa.pem -out dsa.p8");
        scene.softhsm_util(&format!("--import dsa.p8 --token {TOKEN} --label dsa --id 04 --force --pin {PIN}"));
        scene.softhsm("--delete-object --type privkey --id 04");
    }
    assert_eq!(scene.import_softhsm().imported(), ["public key dsa", "public key dsa"]);
    assert_eq!(scene.import_softhsm().list("already_there").len(), 2);
}

#[test]
fn keys_of_other_kinds_stay_behind_and_the_rest_comes() {
    let scene = Scene::new();
    scene.softhsm("--keypairgen --key-type rsa:1024 --label small --id 01");
    scene.softhsm("--keypairgen --key-type EC:secp224r1 --label curve --id 02");
    scene.softhsm("--keypairgen --key-type EC:prime256v1 --label good --id 03");
    scene.stage.openssl("dsaparam -out dsa.param 1024");
    scene.stage.openssl("gendsa -out dsa.pem dsa.param");
    scene.stage.openssl("pkcs8 -topk8 -nocrypt -in dsa.pem -out dsa.p8");
    scene.softhsm_util(&format!("--import dsa.p8 --token {TOKEN} --label dsa --id 04 --pin {PIN}"));
    let outcome = scene.import_softhsm();
    assert!(outcome.imported().contains(&"private key good".to_owned()));
    assert!(outcome.reason("small").contains("2048"), "{:#}", outcome.0);
    assert!(outcome.reason("curve").contains("curve"), "{:#}", outcome.0);
    assert!(outcome.reason("dsa").contains("dsa"), "{:#}", outcome.0);
}

#[test]
fn the_token_is_found_by_its_label_by_its_directory_and_by_the_configuration() {
    let scene = Scene::new();
    imported_key(&scene, "one", "01");
    scene.softhsm_util(&format!("--init-token --free --label second --so-pin {SO_PIN} --pin {PIN}"));
    let refusal = scene.refused("--softhsm --source-pin-file source-pin");
    assert!(refusal.contains("--token") && refusal.contains("second"), "{refusal}");
    let outcome = scene.import("--softhsm tokens --token second --source-pin-file source-pin --dry-run");
    assert!(outcome.0["remarks"].to_string().contains("second"), "another label is said: {:#}", outcome.0);
    assert!(scene.refused("--softhsm --token third --source-pin-file source-pin").contains("second"));
    let outcome = scene.import(&format!("--softhsm --token {TOKEN} --source-pin-file source-pin"));
    assert_eq!(outcome.imported(), ["private key one", "public key one"]);
    assert!(outcome.0["remarks"].as_array().unwrap().is_empty());
    assert!(scene.refused("--softhsm nowhere --source-pin-file source-pin").contains("nowhere"));
}

#[test]
fn two_keys_of_one_label_come_as_two_and_p11tool_sees_both_halves_of_each() {
    let scene = Scene::new();
    for id in ["01", "02"] {
        scene.softhsm(&format!("--keypairgen --key-type EC:prime256v1 --label twin --id {id}"));
    }
    scene.import_softhsm();
    let keys: Value = serde_json::from_str(&scene.stage.strongroom("--json key list")).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 2, "{keys:#}");
    let listing = |module: &str| {
        let mut p11tool = scene.stage.command("p11tool");
        p11tool.env("GNUTLS_PIN", PIN).args(["--provider", module, "--login", "--list-all", "--only-urls"]);
        let text = succeed(p11tool.arg(format!("pkcs11:token={TOKEN};object=twin")));
        // Model and serial are the token's; the rest is what configurations name.
        let part = |uri: &str| {
            let kept = ["id=", "object=", "type="].map(|start| uri.split(';').find(|part| part.starts_with(start)));
            format!("{kept:?}")
        };
        let mut uris: Vec<String> = text.lines().filter(|line| line.starts_with("pkcs11:")).map(part).collect();
        uris.sort();
        uris
    };
    let ours = listing(super::stage::module().to_str().unwrap());
    assert_eq!(ours.len(), 4);
    assert_eq!(ours, listing(SOFTHSM));
}

/// Works on the token through SoftHSM's own module, as an application does.
fn with_session(scene: &Scene, work: impl FnOnce(&Session)) {
    // SAFETY: Rust's own readers of the environment wait for it, and SoftHSM reads it in this thread, below.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("SOFTHSM2_CONF", scene.stage.path("softhsm.conf"));
    }
    let library = Pkcs11::new(SOFTHSM).unwrap();
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = library.get_slots_with_initialized_token().unwrap()[0];
    let session = library.open_rw_session(slot).unwrap();
    session.login(UserType::User, Some(&PIN.into())).unwrap();
    work(&session);
    session.close().unwrap();
    library.finalize().unwrap();
}

fn named(label: &str, number: usize) -> [Attribute; 3] {
    let id = (number as u32).to_be_bytes().to_vec();
    [Attribute::Token(true), Attribute::Label(format!("{label}-{number}").into_bytes()), Attribute::Id(id)]
}

fn p256() -> Attribute {
    Attribute::EcParams(b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07".to_vec())
}

#[test]
fn a_token_of_a_thousand_objects_comes_whole_and_in_one_transaction() {
    let scene = Scene::new();
    with_session(&scene, |session| {
        for number in 0..400 {
            let public = [&named("pair", number)[..], &[p256()]].concat();
            session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &named("pair", number)).unwrap();
        }
        for number in 0..200 {
            let template = [&named("secret", number)[..], &[Attribute::ValueLen(32.into())]].concat();
            session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        }
    });
    let start = std::time::Instant::now();
    let outcome = scene.import_softhsm();
    eprintln!("1,000 objects of SoftHSM in {:?}", start.elapsed());
    assert_eq!(outcome.imported().len(), 1000);
    let start = std::time::Instant::now();
    assert_eq!(scene.import_softhsm().list("already_there").len(), 1000);
    eprintln!("the same again in {:?}", start.elapsed());
    let keys: Value = serde_json::from_str(&scene.stage.strongroom("--json key list")).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 600);
}

#[test]
fn subject_dates_and_restrictions_of_a_key_come_with_it() {
    let scene = Scene::new();
    let dates = || {
        let date = |year: &str| Date::new_from_str_slice(year, "02", "03").unwrap();
        [Attribute::StartDate(date("2026")), Attribute::EndDate(date("2036"))]
    };
    let restricted = [
        Attribute::Subject(b"\x30\x00".to_vec()),
        Attribute::AllowedMechanisms(vec![MechanismType::ECDSA]),
        Attribute::AlwaysAuthenticate(true),
        Attribute::Modifiable(false),
    ];
    let private = [&named("dated", 1)[..], &dates(), &restricted].concat();
    with_session(&scene, |session| {
        let public = [&named("dated", 1)[..], &dates(), &[p256()]].concat();
        session.generate_key_pair(&Mechanism::EccKeyPairGen, &public, &private).unwrap();
    });
    let outcome = scene.import_softhsm();
    assert!(!outcome.0.to_string().contains("dropped"), "{:#}", outcome.0);
    let library = Pkcs11::new(super::stage::module()).unwrap();
    // SAFETY: as in `with_session`.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("STRONGROOM_VAULT", scene.stage.vault());
    }
    library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let session = library.open_ro_session(library.get_slots_with_initialized_token().unwrap()[0]).unwrap();
    session.login(UserType::User, Some(&PIN.into())).unwrap();
    let key = session.find_objects(&private[1..3]).unwrap();
    let wanted: Vec<AttributeType> = private.iter().map(Attribute::attribute_type).collect();
    let kept = key.iter().map(|key| session.get_attributes(*key, &wanted).unwrap());
    assert!(kept.into_iter().any(|kept| kept == private), "no key has all of {private:?}");
}
