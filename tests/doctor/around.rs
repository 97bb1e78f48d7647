//! What stands between: the module, p11-kit, OpenSSL.

use std::fs;

use crate::scene;
use crate::stage::{PIN, set_mode};

#[test]
fn a_module_that_is_gone_closed_or_broken_is_named_and_put_back() {
    let Some(mut scene) = scene() else { return };
    let place = scene.stage.at("lib/libstrongroom.so");
    scene.arguments = scene.arguments.replace(&scene.module().display().to_string(), &place);
    scene.mends("module-missing", "");
    set_mode(&scene.stage.path("lib"), 0o700);
    set_mode(&scene.stage.path("lib/libstrongroom.so"), 0o640);
    let loads = "setpriv --reuid www-data --regid www-data --clear-groups pkcs11-tool --list-slots --module";
    let as_worker = format!("STRONGROOM_VAULT=/nowhere/vault {loads} {place}");
    assert!(!scene.shell(&as_worker, "").status.success());
    scene.mends("module-mode", "");
    assert!(scene.shell(&as_worker, "").status.success());
    fs::write(scene.stage.path("lib/libstrongroom.so"), "\u{7f}ELF").unwrap();
    scene.mends("module-broken", "");
    scene.arguments = scene.arguments.replace(&place, SOFTHSM);
    assert!(scene.names("module-foreign").contains("doctor --module "));
}

/// Some other module.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

#[test]
fn a_file_of_p11_kits_that_leads_nowhere_or_turns_the_module_off_is_named_and_mended() {
    let Some(mut scene) = scene() else { return };
    let module = format!("module: {}", scene.module().display());
    let file = "home/.config/pkcs11/modules/strongroom.module";
    // p11-kit reads no user's files for root.
    if !scene.become_user("www-data") {
        return;
    }
    scene.arguments = format!("--module {}", scene.module().display());
    let lists = |what: &str| {
        let listed = scene.shell("p11tool --list-tokens", "");
        assert_eq!(String::from_utf8_lossy(&listed.stdout).contains("token=stage"), what == "listed");
    };
    lists("listed");
    scene.edit(file, &module, "module: /gone/libstrongroom.so");
    lists("unknown");
    scene.mends("p11-kit-path", "");
    lists("listed");
    scene.edit(file, &module, &format!("{module}\nenable-in: other-program"));
    lists("unknown");
    scene.mends("p11-kit-disabled", "");
    lists("listed");
    scene.edit(file, &module, &format!("{module}\ntrust-policy: yes"));
    scene.mends("p11-kit-trust-policy", "");
    fs::remove_file(scene.stage.path(file)).unwrap();
    // Not run: it would write into /etc.
    assert!(scene.names("p11-kit-unregistered").contains("/etc/pkcs11/modules/strongroom.module"));
}

#[test]
fn an_engine_that_is_not_installed_is_named_with_its_package() {
    let Some(mut scene) = scene() else { return };
    scene.set("OPENSSL_ENGINES", scene.stage.at("empty"));
    assert!(!scene.nginx_starts());
    scene.mends("openssl-engine-missing", "");
    // The whole directory of engines, for one process only.
    let script = format!(
        "unset OPENSSL_ENGINES; exec unshare --mount sh -c 'mount --bind empty \"$(openssl version -e | cut -d\\\" -f2)\" \
         && exec strongroom doctor {}'",
        scene.arguments
    );
    let output = scene.shell(&script, "");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if printed.is_empty() {
        println!("not run: no mounts of one's own here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    assert!(printed.contains("apt-get install -y libengine-pkcs11-openssl"), "{printed}");
}

#[test]
fn a_provider_that_is_not_installed_is_named_with_its_package() {
    let Some(scene) = scene() else { return };
    let text = format!(
        "openssl_conf = init\n[init]\nproviders = list\n[list]\npkcs11 = pkcs11\n[pkcs11]\nmodule = /gone/pkcs11.so\n\
         pkcs11-module-path = {}\nactivate = 1\n",
        scene.module().display()
    );
    scene.stage.file("openssl.cnf", text);
    let remedy = scene.names("openssl-provider-missing");
    assert!(remedy == "apt-get install -y pkcs11-provider" || remedy.starts_with("sed "), "{remedy}");
}

#[test]
fn openssls_configuration_is_named_and_mended_by_its_lines() {
    let Some(scene) = scene() else { return };
    let module = scene.module().display().to_string();
    scene.openssl_configuration(&[(&module, "/gone/libstrongroom.so")]);
    scene.mends_nginx("openssl-module-path", "");
    scene.openssl_configuration(&[(&module, SOFTHSM)]);
    scene.mends_nginx("openssl-module-path", "");
    scene.openssl_configuration(&[("engine_id = pkcs11", "engine_id = pkcs11\ndynamic_path = /gone/pkcs11.so")]);
    scene.mends_nginx("openssl-engine-path", "");
    scene.openssl_configuration(&[("init = 1", "init = 0")]);
    scene.mends_nginx("openssl-init", "");
    // Without a word OpenSSL starts it.
    scene.openssl_configuration(&[("init = 1\n", "")]);
    scene.is_well();
    assert!(scene.nginx_starts());
    scene.openssl_configuration(&[("init = 1", &format!("PIN = {PIN}\ninit = 1"))]);
    set_mode(&scene.stage.path("openssl.cnf"), 0o644);
    scene.mends("openssl-conf-open", "");
    assert!(scene.nginx_starts());
}

#[test]
fn a_configuration_that_loads_no_engine_gets_the_lines_for_one() {
    let Some(scene) = scene() else { return };
    let system =
        "openssl_conf = other\n[other]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\nMinProtocol = TLSv1.2";
    for text in ["[req]\ndistinguished_name = name\n[name]\n", "", system] {
        scene.stage.file("openssl.cnf", text);
        scene.mends_nginx("nginx-engine", "");
    }
    fs::remove_file(scene.stage.path("openssl.cnf")).unwrap();
    scene.mends_nginx("openssl-conf-missing", "");
}

#[test]
fn an_ed25519_key_in_libp11s_way_is_hidden() {
    let Some(scene) = scene() else { return };
    let old = scene.shell("dpkg-query -W -f '${Version}' libengine-pkcs11-openssl", "");
    if !String::from_utf8_lossy(&old.stdout).starts_with("0.4.12") {
        println!("not run: this libp11 may know Ed25519");
        return;
    }
    scene.configuration("");
    scene.strongroom("key create aaa --kind ed25519");
    for objects in ["", "objects = [\"*\"]"] {
        scene.configuration(objects);
        scene.mends_nginx("openssl-ed25519", "");
    }
}
