//! Tokens of other modules: what those let out.

use std::path::Path;
use std::process::Command;

use super::stage::{self, PIN, Stage, TOKEN, is_ours};
use super::{SOFTHSM, Scene};

/// A key that stays, one that leaves in clear, two that leave wrapped, certificate and data.
fn token(scene: &Scene) {
    scene.softhsm("--keypairgen --key-type rsa:2048 --label stays --id 01");
    scene.softhsm("--keypairgen --key-type rsa:2048 --label wrapped --id 02 --extractable --sensitive");
    scene.softhsm("--keypairgen --key-type EC:secp384r1 --label curve --id 03 --extractable --sensitive");
    scene.softhsm("--keygen --key-type AES:32 --label open --id 04 --extractable --usage-decrypt");
    scene.softhsm("--keygen --key-type GENERIC:20 --label odd --id 05 --extractable --sensitive --usage-sign");
    scene.stage.file("value", "a value");
    scene.softhsm("--write-object value --type data --label note --private");
    scene.stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout x.key -subj /CN=x -days 3 -outform DER -out x.der");
    scene.softhsm("--write-object x.der --type cert --label stays --id 01");
}

fn options() -> String {
    format!("--module {SOFTHSM} --token {TOKEN} --source-pin-file source-pin")
}

#[test]
fn what_a_module_lets_out_comes_and_the_rest_is_listed_with_what_to_do() {
    let scene = Scene::new();
    token(&scene);
    let before = scene.object_files();
    let outcome = scene.import(&options());
    assert_eq!(scene.object_files(), before);
    let expected = [
        "certificate stays",
        "data object note",
        "private key curve",
        "private key wrapped",
        "public key curve",
        "public key stays",
        "public key wrapped",
        "secret key odd",
        "secret key open",
    ];
    assert_eq!(outcome.imported(), expected, "{:#}", outcome.0);
    assert_eq!(outcome.list("left_behind"), ["private key stays"]);
    assert!(outcome.reason("stays").contains("CKA_EXTRACTABLE"));
    assert!(outcome.0["left_behind"][0]["remedy"].as_str().unwrap().contains("--softhsm"));
    assert_eq!(scene.import(&options()).list("already_there").len(), expected.len());
}

#[test]
fn a_wrapped_key_signs_here_what_its_public_key_there_verifies() {
    let scene = Scene::new();
    token(&scene);
    scene.import(&options());
    scene.stage.file("message", [7; 32]);
    for (id, mechanism, format) in [("02", "SHA256-RSA-PKCS", ""), ("03", "ECDSA", "--signature-format openssl")] {
        scene.stage.pkcs11_tool_logged_in(&format!(
            "--sign --mechanism {mechanism} {format} --id {id} --input-file message --output-file signature"
        ));
        scene.softhsm(&format!(
            "--verify --mechanism {mechanism} {format} --id {id} --input-file message --signature-file signature"
        ));
    }
    // SoftHSM pads a secret before it wraps it: its length must be what it was.
    let keys: serde_json::Value = serde_json::from_str(&scene.stage.strongroom("--json key show odd")).unwrap();
    assert_eq!(keys["kind"], "generic-160");
}

/// Our own module is one, too: from one vault into another, by each mechanism that wraps.
#[test]
fn another_vault_is_read_through_the_module_by_whatever_it_wraps_with() {
    if !is_ours() {
        return;
    }
    let made = ["CKM_EC_KEY_PAIR_GEN", "CKM_RSA_PKCS_KEY_PAIR_GEN"];
    for wrapping in ["CKM_AES_KEY_WRAP_PAD", "CKM_AES_CBC_PAD"] {
        let scene = Scene { stage: Stage::without_token() };
        scene.secret_file("source-pin", PIN);
        let old = scene.stage.at("old");
        let conf = scene.stage.file(
            "config.toml",
            format!(
                "[[vault]]\nname = \"old\"\nbackend = \"local\"\npath = \"{old}\"\nmechanisms = {:?}\n\
                 [[vault]]\nname = \"new\"\nbackend = \"local\"\npath = \"{}\"\n",
                [&made[..], &[wrapping]].concat(),
                scene.stage.vault().display()
            ),
        );
        let both = |mut command: Command| {
            command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", &conf);
            stage::succeed(&mut command)
        };
        let strongroom = |arguments: &str| both(scene.stage.strongroom_command(arguments));
        strongroom("--vault old init --label old");
        strongroom("--vault new init --label new");
        strongroom("--vault old key create stays --kind p-256");
        strongroom("--vault old key create leaves --kind p-256 --exportable");
        let generate = "--keypairgen --login --pin PIN --token-label old --extractable --sensitive --key-type";
        for (kind, label) in [("EC:secp521r1", "wrapped-ec"), ("rsa:2048", "wrapped-rsa")] {
            let arguments = format!("{generate} {kind} --label {label}").replace("PIN", PIN);
            both(scene.stage.pkcs11_tool_command(&arguments));
        }
        let module = stage::module();
        let import =
            format!("--vault new import --module {} --token old --source-pin-file source-pin", module.display());
        let printed = strongroom(&import);
        assert_eq!(printed.matches("left behind  ").count(), 1, "{wrapping}: {printed}");
        assert!(printed.contains("`strongroom key create`"), "{printed}");
        for name in ["leaves", "wrapped-ec", "wrapped-rsa"] {
            let [theirs, ours] = ["old", "new"].map(|vault| strongroom(&format!("--vault {vault} key public {name}")));
            assert_eq!(theirs, ours);
            strongroom(&format!("--vault new cert csr {name} --subject CN=x --out x.csr"));
            scene.stage.openssl("req -in x.csr -verify -noout");
        }
    }
}

#[test]
fn a_token_that_goes_away_in_the_middle_leaves_nothing_behind() {
    let scene = Scene::new();
    token(&scene);
    let before = scene.object_files();
    let gone = scene.stage.compile("tests/c/gone.c", &["-shared", "-fPIC", "-ldl"]);
    let run = |after: usize| {
        let mut command = scene.stage.strongroom_command("import --source-pin-file source-pin --module");
        command.arg(&gone).args(["--token", TOKEN]).env("GONE_MODULE", SOFTHSM).env("GONE_AFTER", after.to_string());
        command
    };
    let listed = scene.listed();
    for after in [0, 1, 7, 20, 40] {
        let text = stage::fail(&mut run(after));
        assert!(text.contains("went away") && text.contains("DeviceRemoved"), "{after}: {text}");
        assert_eq!(text.matches("the module was ended").count(), 1, "{after}: {text}");
        assert_eq!(scene.listed(), listed, "after {after} calls");
    }
    assert_eq!(scene.object_files(), before);
    // One that has no token to choose from is ended, too.
    let text = stage::fail(run(10_000).args(["--slot", "7"]));
    assert!(text.contains("no such token") && text.contains("the module was ended"), "{text}");
    stage::succeed(&mut run(10_000));
}

#[test]
fn a_key_whose_restriction_cannot_be_read_stays_behind() {
    let scene = Scene::new();
    // A mechanism that no list of names has.
    scene.softhsm("--keypairgen --key-type rsa:2048 --label only --id 01 --extractable --allowed-mechanisms 0x7ff0");
    let outcome = scene.import(&options());
    assert_eq!(outcome.imported(), ["public key only"], "{:#}", outcome.0);
    assert!(outcome.reason("only").contains("CKA_ALLOWED_MECHANISMS"));
    let outcome = scene.import("--softhsm --source-pin-file source-pin");
    assert_eq!(outcome.list("left_behind"), Vec::<String>::new(), "the remedy that is named helps");
}

#[test]
fn a_private_key_that_comes_after_its_public_half_becomes_one_key_with_it() {
    let scene = Scene::new();
    scene.softhsm("--keypairgen --key-type rsa:2048 --label www --id 01");
    let outcome = scene.import(&options());
    assert_eq!(outcome.imported(), ["public key www"]);
    let outcome = scene.import("--softhsm --source-pin-file source-pin");
    assert_eq!(outcome.imported(), ["private key www", "public key www"], "{:#}", outcome.0);
    assert!(outcome.remarks("www").contains("one key"));
    let keys: serde_json::Value = serde_json::from_str(&scene.stage.strongroom("--json key list")).unwrap();
    assert_eq!(keys.as_array().unwrap().len(), 1, "{keys:#}");
    assert_eq!(scene.listed().matches("www").count(), 2);
    scene.stage.strongroom("key delete www --yes");
    assert!(!scene.listed().contains("www"), "no half is left");
}

#[test]
fn a_wrong_module_token_slot_or_pin_is_named() {
    let scene = Scene::new();
    scene.secret_file("wrong", "not the PIN");
    let softhsm = format!("--module {SOFTHSM}");
    for (arguments, expected) in [
        ("--module /nowhere.so --source-pin-file source-pin".to_owned(), "/nowhere.so"),
        (format!("{softhsm} --token other --source-pin-file source-pin"), TOKEN),
        (format!("{softhsm} --slot 7 --source-pin-file source-pin"), TOKEN),
        (format!("{softhsm} --token {TOKEN} --source-pin-file wrong"), "isn't the user PIN"),
        (format!("{softhsm} --token {TOKEN}"), "--source-pin-file"),
    ] {
        let text = scene.refused(&arguments);
        assert!(text.contains(expected), "{arguments}: {text}");
    }
    assert!(Path::new(SOFTHSM).exists());
    scene.softhsm(&format!("--list-objects --pin {PIN}"));
}
