//! The commands of `docs/import.md`, run as they stand there.

use std::fs;
use std::path::Path;

use super::stage::{self, PIN, SO_PIN, Stage, set_mode, succeed};
use super::{SOFTHSM, Scene};

/// The commands of a section, with SoftHSM's module in place of a card's.
fn commands(section: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/import.md")).unwrap();
    let section = page.split("\n## ").find(|text| text.starts_with(section)).expect(section);
    let blocks = section.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let commands: String = blocks.collect();
    assert!(commands.contains("strongroom import"), "{section}");
    commands.replace("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", SOFTHSM)
}

/// Runs them in a directory where `strongroom` is the command under test and knows the vault's PIN.
fn follow(scene: &Scene, section: &str) -> String {
    fs::create_dir_all(scene.stage.path("bin")).unwrap();
    let pin = scene.secret_file("pin", PIN);
    let script = format!("#!/bin/sh\nexec {} --pin-file {pin} \"$@\"\n", stage::cli().display());
    set_mode(Path::new(&scene.stage.file("bin/strongroom", script)), 0o755);
    let path = format!("{}:{}", scene.stage.at("bin"), std::env::var("PATH").unwrap());
    succeed(scene.stage.command("sh").env("PATH", path).args(["-euc", &commands(section)]))
}

/// A token called as in the page, with a key, and no vault yet.
fn token_called_web() -> Scene {
    let scene = Scene { stage: Stage::without_token() };
    scene.softhsm_util(&format!("--init-token --free --label web --so-pin {SO_PIN} --pin {PIN}"));
    let mut make = scene.stage.command("pkcs11-tool");
    make.args(["--module", SOFTHSM, "--login", "--pin", PIN]);
    make.args("--keypairgen --key-type EC:prime256v1 --label www --id 01".split(' '));
    succeed(&mut make);
    for name in ["softhsm.pin", "card.pin"] {
        scene.secret_file(name, PIN);
    }
    scene
}

#[test]
fn the_page_moves_files() {
    let scene = Scene::new();
    scene.stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout www.key -out www.crt -subj /CN=www -days 3");
    let bundle = ["www.key", "www.crt"].map(|file| fs::read(scene.stage.path(file)).unwrap()).concat();
    scene.stage.file("shop.pem", bundle);
    scene.secret_file("passphrase", "secret");
    scene.stage.openssl("req -x509 -newkey ed25519 -nodes -keyout b.key -out b.crt -subj /CN=b -days 3");
    scene.stage.openssl("pkcs12 -export -inkey b.key -in b.crt -name old -passout pass:secret -out backup.p12");
    scene.stage.openssl("genpkey -algorithm RSA -aes256 -pass pass:secret -out mail.key");
    follow(&scene, "From files");
    let listed = scene.stage.strongroom("key list");
    assert!(["shop", "old", "mail"].iter().all(|name| listed.contains(name)), "{listed}");
}

#[test]
fn the_page_moves_a_token_of_softhsm_and_the_uri_stays() {
    let scene = token_called_web();
    let printed = follow(&scene, "From SoftHSM");
    assert!(printed.contains("would come") && printed.contains("imported"), "{printed}");
    assert!(!printed.contains("left behind") && !printed.contains("The source is called"), "{printed}");
    let uri = scene.stage.strongroom("pkcs11 uri www --type private");
    assert!(uri.contains("token=web") && uri.contains("object=www"), "{uri}");
}

#[test]
fn the_page_takes_what_another_module_lets_out() {
    let scene = token_called_web();
    scene.stage.strongroom("init --label web");
    let printed = follow(&scene, "From another HSM");
    assert!(printed.contains("public key") && printed.contains("CKA_EXTRACTABLE"), "{printed}");
}
