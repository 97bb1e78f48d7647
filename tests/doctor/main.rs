//! `strongroom doctor` names what is wrong, and the command that it gives mends it: each test breaks a machine that is
//! well in one way, with real files and real programs, and runs the command in a shell.
//!
//! nginx starts as root with workers of another user, and files change hands: without root these tests say so and end.

mod around;
mod keys;
mod nginx;
mod scene;
#[path = "../stage/mod.rs"]
mod stage;
mod unseen;

use std::os::unix::fs::chown;

use scene::{Scene, run};
use stage::{PIN, is_ours, is_root, set_mode};

/// A scene, where there can be one.
fn scene() -> Option<Scene> {
    if !is_root() || !is_ours() {
        println!("not run: this needs root, and our own module");
        return None;
    }
    Some(Scene::new())
}

/// Some user who isn't there.
const STRANGER: u32 = 54321;

#[test]
fn a_configuration_that_is_open_foreign_gone_or_misspelt_is_named_and_mended() {
    let Some(mut scene) = scene() else { return };
    let file = scene.stage.path("strongroom/config.toml");
    set_mode(&file, 0o666);
    scene.mends("config-open", "");
    chown(&file, Some(STRANGER), None).unwrap();
    scene.mends("config-owner", "");
    scene.edit("strongroom/config.toml", "pin_file", "pin_fiel");
    let report = scene.doctor();
    let text = report.text("config-typo");
    assert!(text.contains("config.toml, line 4: there is no key `pin_fiel`: did you mean `pin_file`?"), "{text}");
    // What can't be known without the configuration isn't claimed.
    for id in ["vault-missing", "pin-wrong", "nginx-uri-object", "nginx-worker-reaches-vault", "config-open"] {
        assert_eq!(report.text(id), "", "{id}");
    }
    scene.mends("config-typo", "");
    scene.configuration("objects = 5");
    scene.stage.file("bin/editor", "#!/bin/sh\nsed -i \"${1#+}c\\\\objects = [\\\"www*\\\"]\" \"$2\"\n");
    set_mode(&scene.stage.path("bin/editor"), 0o755);
    scene.set("EDITOR", "editor");
    scene.mends("config-value", "");
    scene.set("STRONGROOM_CONF", "/nowhere/config.toml");
    scene.mends_alone("config-missing", "");
}

#[test]
fn a_configuration_that_holds_the_pin_is_closed_to_readers_too() {
    let Some(scene) = scene() else { return };
    scene.configuration("objects = [\"www*\"]");
    let pin_file = format!("pin_file = {:?}", scene.stage.path("www.pin"));
    scene.edit("strongroom/config.toml", &pin_file, &format!("pin = \"{PIN}\""));
    set_mode(&scene.stage.path("strongroom/config.toml"), 0o644);
    scene.mends("config-open", "");
}

#[test]
fn a_pin_file_that_is_gone_empty_open_foreign_or_wrong_is_named_and_mended() {
    let Some(scene) = scene() else { return };
    let file = scene.stage.path("www.pin");
    let typed = format!("{PIN}\n");
    set_mode(&file, 0o644);
    scene.mends("pin-file-open", "");
    chown(&file, Some(STRANGER), None).unwrap();
    scene.mends("pin-file-owner", "");
    std::fs::remove_file(&file).unwrap();
    scene.mends("pin-file-missing", &typed);
    scene.stage.file("www.pin", "");
    scene.mends("pin-file-empty", &typed);
    scene.stage.file("www.pin", "another-pin-4711");
    let report = scene.doctor();
    assert!(report.text("pin-wrong").contains("9 attempts are left"), "{}", report.text("pin-wrong"));
    // The same wrong PIN again costs nothing: who looks twice doesn't lock the vault.
    assert!(scene.doctor().text("pin-wrong").contains("9 attempts are left"));
    scene.mends_nginx("pin-wrong", &typed);
}

#[test]
fn a_pin_that_nobody_knows_is_set_anew_with_the_recovery_key_and_nothing_typed_destroys_nothing() {
    let Some(scene) = scene() else { return };
    scene.stage.file("www.pin", "another-pin-4711");
    let remedy = scene.names("pin-wrong");
    let nothing = scene.shell(&remedy, "");
    assert!(!nothing.status.success());
    assert_eq!(std::fs::read_to_string(scene.stage.path("www.pin")).unwrap(), "another-pin-4711");
    // The last resort of each of them is the same command, which is in the sentence.
    let reset = format!("strongroom --vault www pin reset --new-pin-file {}", scene.stage.at("www.pin"));
    assert!(scene.doctor().text("pin-wrong").contains(&format!("`{reset}`")));
    std::fs::remove_file(scene.stage.path("www.pin")).unwrap();
    assert!(scene.doctor().text("pin-file-missing").contains(&format!("`{reset}`")));
    assert!(scene.shell(&scene.names("pin-file-missing"), "new-pin-93751\n").status.success());
    scene.stage.file("recovery", scene.recovery_key());
    set_mode(&scene.stage.path("recovery"), 0o600);
    let done = scene.shell(&format!("{reset} --recovery-key-file recovery"), "");
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && !said.contains("Put the new PIN into"), "{said}");
    scene.is_well();
    // From another file it isn't where programs look.
    scene.stage.file("other.pin", "new-pin-93752\n");
    set_mode(&scene.stage.path("other.pin"), 0o600);
    let done =
        scene.shell("strongroom --vault www pin reset --recovery-key-file recovery --new-pin-file other.pin", "");
    assert!(String::from_utf8_lossy(&done.stderr).contains("Put the new PIN into"));
}

#[test]
fn a_vault_that_is_named_is_looked_at_in_spite_of_a_broken_configuration() {
    let Some(mut scene) = scene() else { return };
    scene.stage.file("strongroom/config.toml", "this is no TOML\n");
    scene.strongroom_without_configuration("key create www-old --kind p-256 --expires 2020-01-01");
    scene.arguments += &format!(" --vault {} --pin-file www.pin", scene.stage.at("vault"));
    let report = scene.doctor();
    assert!(report.remedy("config-value").is_some() && report.remedy("key-expired").is_some());
    // nginx's key is found in it too.
    assert_eq!(report.text("nginx-uri-object"), "every URI names a key that is there");
}

#[test]
fn a_command_that_gives_no_pin_is_named() {
    let Some(scene) = scene() else { return };
    let pin_file = format!("pin_file = {:?}", scene.stage.path("www.pin"));
    scene.edit("strongroom/config.toml", &pin_file, "pin_command = [\"false\"]");
    assert!(scene.names("pin-command").ends_with("strongroom/config.toml"));
}

#[test]
fn variables_and_files_that_lead_to_another_configuration_are_named() {
    let Some(mut scene) = scene() else { return };
    scene.set("STRONGROOM_VAULT", scene.stage.vault().display());
    scene.mends("environment-hides-configuration", "");
    scene.set("STRONGROOM_VAULT", "");
    scene.set("STRONGROOM_CONF", "");
    std::fs::create_dir_all(scene.stage.path("home/.config/strongroom")).unwrap();
    scene.stage.file("home/.config/strongroom/config.toml", "log = \"warn\"\n");
    if std::path::Path::new("/etc/strongroom/config.toml").exists() {
        println!("not run: this machine has a configuration of its own");
        return;
    }
    // Not run: it would write into /etc.
    assert!(scene.names("configuration-of-root").starts_with("install -D -m 600 "));
}

#[test]
fn a_vault_that_is_gone_is_made() {
    let Some(scene) = scene() else { return };
    std::fs::remove_dir_all(scene.stage.vault()).unwrap();
    let report = scene.mends_alone("vault-missing", "");
    // A new vault is another one: its key is missing.
    assert!(report.remedy("nginx-uri-token").is_some());
}

#[test]
fn owners_and_modes_of_the_vault_are_named_and_mended() {
    let Some(scene) = scene() else { return };
    let vault = scene.stage.vault();
    for path in [vault.clone(), scene.vault_file()] {
        chown(&path, Some(STRANGER), None).unwrap();
        scene.mends_nginx("vault-owner", "");
    }
    set_mode(&vault, 0o755);
    scene.mends_nginx("vault-directory-open", "");
    set_mode(&scene.vault_file(), 0o644);
    scene.mends_nginx("vault-file-open", "");
    std::fs::rename(&vault, scene.stage.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(scene.stage.path("elsewhere"), &vault).unwrap();
    scene.mends("vault-link", "");
    assert!(scene.nginx_starts());
}

/// A mount that ends with the test.
struct Mount(String);

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &self.0);
    }
}

#[test]
fn a_vault_on_a_file_system_that_is_mounted_read_only_is_named_and_the_mount_mended() {
    let Some(scene) = scene() else { return };
    let disk = scene.stage.at("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount").args(["-t", "tmpfs", "none", &disk]).status().unwrap();
    if !mounted.success() {
        println!("not run: nothing can be mounted here");
        return;
    }
    let _mount = Mount(disk.clone());
    run("cp", &format!("-a {} {disk}/vault", scene.stage.at("vault")));
    scene.edit("strongroom/config.toml", &scene.stage.at("vault"), &format!("{disk}/vault"));
    scene.is_well();
    run("mount", &format!("-o remount,ro {disk}"));
    scene.mends("vault-read-only", "");
}

#[test]
fn a_locked_pin_is_reset_with_the_recovery_key() {
    let Some(scene) = scene() else { return };
    scene.edit("strongroom/config.toml", "objects", "max_attempts = 2\nobjects");
    for wrong in ["wrong-pin-1", "wrong-pin-2"] {
        scene.stage.file("wrong", wrong);
        set_mode(&scene.stage.path("wrong"), 0o600);
        assert!(!scene.shell("strongroom --pin-file wrong key list", "").status.success());
        if wrong == "wrong-pin-1" {
            // With one attempt left nothing is tried that might be wrong, and the right one clears the count.
            scene.mends("pin-attempts", "");
            scene.shell("strongroom --pin-file wrong key list", "");
        }
    }
    scene.mends_on_terminal("pin-locked", &format!("{}\n", scene.recovery_key()));
    assert!(scene.nginx_starts());
}

#[test]
fn a_vault_without_a_recovery_key_gets_one() {
    let Some(scene) = scene() else { return };
    std::fs::remove_dir_all(scene.stage.vault()).unwrap();
    let tool = format!("pkcs11-tool --module {}", scene.module().display());
    let script = format!(
        "export STRONGROOM_VAULT={}; {tool} --init-token --label stage --so-pin so-pin-93751 && {tool} --login \
         --login-type so --so-pin so-pin-93751 --init-pin --new-pin {PIN} && {tool} --login --pin {PIN} --keypairgen \
         --key-type EC:prime256v1 --label www --usage-sign && strongroom --pin-file www.pin cert create www --subject \
         CN=localhost --out www.crt",
        scene.stage.at("vault")
    );
    let made = scene.shell(&script, "");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    scene.mends_on_terminal("recovery-key", "y\n");
}

#[test]
fn a_damaged_vault_is_named_with_the_way_back() {
    let Some(scene) = scene() else { return };
    let mut bytes = std::fs::read(scene.vault_file()).unwrap();
    // Somewhere in the rows: the first page is SQLite's own.
    let place = bytes.len() - 200;
    bytes[place] ^= 0x40;
    std::fs::write(scene.vault_file(), bytes).unwrap();
    let remedy = scene.names("vault-damaged");
    assert!(remedy.starts_with("strongroom --vault www restore ") && remedy.ends_with("--move-aside"), "{remedy}");
}

#[test]
fn a_vault_that_was_put_back_is_named_with_the_way_on() {
    let Some(scene) = scene() else { return };
    let before = std::fs::read(scene.vault_file()).unwrap();
    scene.strongroom("key create www-later --kind p-256");
    std::fs::write(scene.vault_file(), before).unwrap();
    assert_eq!(scene.names("vault-rolled-back"), "strongroom --vault www restore --accept");
}

#[test]
fn what_ends_or_fits_no_more_in_the_vault_is_named_and_made_anew() {
    let Some(scene) = scene() else { return };
    scene.strongroom("key create www-old --kind p-256 --expires 2020-01-01");
    scene.mends("key-expired", "");
    scene.strongroom("key create www-soon --kind p-256");
    scene.strongroom("cert create www-soon --subject CN=soon.example.org --days 3");
    scene.mends("certificate-expires-soon", "");
    scene.strongroom("key rotate www-soon");
    scene.mends("certificate-stale", "");
    scene.configuration("objects = [\"mail*\"]");
    scene.mends_alone("objects-none", "");
}

#[test]
fn a_service_that_cannot_reach_its_vault_is_told_what_to_hand_over() {
    let Some(mut scene) = scene() else { return };
    scene.arguments = format!("--module {} --user www-data", scene.module().display());
    // The configuration, which holds no secret, is everybody's to read.
    set_mode(&scene.stage.path("strongroom/config.toml"), 0o600);
    for _ in 0..4 {
        let Some(remedy) = scene.doctor().remedy("user-cannot-reach").map(str::to_owned) else { break };
        assert!(scene.shell(&remedy, "").status.success(), "{remedy}");
    }
    assert!(scene.doctor().remedy("user-cannot-reach").is_none());
    let read =
        "setpriv --reuid www-data --regid www-data --init-groups cat vault/vault.db www.pin strongroom/config.toml";
    assert!(scene.shell(read, "").status.success());
    in_its_name(&scene);
    scene.arguments = "--user no-such-user".into();
    assert_eq!(scene.names("user-unknown"), "adduser --system --group no-such-user");
}

/// What mends the service's vault is run in its name, and nginx, which is another program, isn't looked at.
fn in_its_name(scene: &Scene) {
    let report = scene.doctor();
    assert!(report.leaves_out("nginx wasn't looked at") && report.remedy("nginx-environment").is_none());
    scene.stage.file("www.pin", "another-pin-4711");
    let report = scene.doctor();
    let configuration = scene.stage.at("strongroom/config.toml");
    let prefix = format!("runuser -u www-data -- env STRONGROOM_CONF={configuration} strongroom --vault www ");
    assert!(report.text("pin-wrong").contains(&format!("`{prefix}pin reset")), "{}", report.text("pin-wrong"));
    // The file stays the service's.
    let owner = |file: &str| std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(scene.stage.path(file)).unwrap());
    let service = owner("www.pin");
    assert!(service != 0 && scene.shell(report.remedy("pin-wrong").unwrap(), &format!("{PIN}\n")).status.success());
    assert_eq!(owner("www.pin"), service);
    let vault = scene.stage.vault();
    run("chown", &format!("-R root {} {}", vault.display(), scene.stage.at("www.pin")));
    scene.strongroom("key create www-old --kind p-256 --expires 2020-01-01");
    run("chown", &format!("-R www-data {} {}", vault.display(), scene.stage.at("www.pin")));
    let report = scene.doctor();
    assert_eq!(report.remedy("key-expired").unwrap(), format!("{prefix}key rotate www-old"));
}

#[test]
fn a_machine_with_nothing_on_it_is_told_how_to_begin() {
    let Some(mut scene) = scene() else { return };
    if !scene.become_user("www-data") {
        return;
    }
    scene.set("STRONGROOM_CONF", "");
    scene.set("OPENSSL_CONF", "");
    scene.set("HOME", scene.stage.path("empty").display());
    scene.arguments = String::new();
    let report = scene.doctor();
    let vault = scene.stage.path("empty/.local/share/strongroom/vaults/default");
    let expected = format!("strongroom init --path {}", vault.display());
    assert_eq!(report.remedy("vault-missing"), Some(&*expected));
    assert!(report.remedy("config-missing").is_none());
}

#[test]
fn a_healthy_machine_stays_as_it_is_and_the_report_fits_into_its_lines() {
    let Some(scene) = scene() else { return };
    let state = |scene: &Scene| {
        let listed =
            scene.shell("find . -not -name 'command.*' -not -name 'vault*' -printf '%p %m %U %s %T@\\n' | sort", "");
        let objects = scene.shell("strongroom key list; strongroom cert list", "");
        (listed.stdout, objects.stdout)
    };
    let before = state(&scene);
    let output = scene.shell(&format!("strongroom doctor {}", scene.arguments), "");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && printed.contains("No fault") | printed.contains("All is well"), "{printed}");
    assert!(printed.contains("\nnginx\n") && !printed.contains('\u{1b}'), "{printed}");
    assert!(before == state(&scene), "doctor changed something");
}

#[test]
fn nothing_secret_is_printed() {
    let Some(scene) = scene() else { return };
    scene.nginx_configuration("engine:pkcs11:pkcs11:token=stage;object=wwww;type=private?pin-value=another-pin-4711");
    scene.openssl_configuration(&[("init = 1", &format!("PIN = {PIN}"))]);
    for json in ["", "--json"] {
        let output = scene.shell(&format!("strongroom doctor {json} {}", scene.arguments), "");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        assert!(printed.contains("nginx-uri-object") && printed.contains("openssl-conf-open"), "{printed}");
        assert!(!printed.contains(PIN) && !printed.contains("another-pin-4711"), "{printed}");
    }
}
