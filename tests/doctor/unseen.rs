//! What was taken for well and isn't, and remedies that went past what was meant.

use crate::scene::Scene;
use crate::stage::{PIN, set_mode};
use crate::{STRANGER, scene};

const BACKUP: &str = "www-20261127T120000Z.backup";

#[test]
fn an_empty_pin_in_the_configuration_becomes_a_file_with_the_right_one() {
    let Some(scene) = scene() else { return };
    let pin_file = format!("pin_file = {:?}", scene.stage.path("www.pin"));
    for empty in ["pin = \"\"", "pin=''"] {
        scene.configuration("objects = [\"www*\"]");
        scene.edit("strongroom/config.toml", &pin_file, empty);
        set_mode(&scene.stage.path("strongroom/config.toml"), 0o600);
        assert!(scene.doctor().remedy("nginx-pin-missing").is_none());
        scene.mends_nginx("pin-empty", &format!("{PIN}\n"));
    }
}

#[test]
fn a_configured_pin_is_wrong_also_when_the_right_one_is_given() {
    let Some(mut scene) = scene() else { return };
    scene.stage.file("right.pin", PIN);
    set_mode(&scene.stage.path("right.pin"), 0o600);
    scene.stage.file("www.pin", "another-pin-4711");
    scene.arguments += " --pin-file right.pin";
    assert!(!scene.nginx_starts());
    let report = scene.doctor();
    assert!(report.text("pin-wrong").contains("www.pin doesn't open www; 10 attempts are left"));
    scene.mends("pin-wrong", &format!("{PIN}\n"));
    assert!(scene.nginx_starts());
}

#[test]
fn a_setting_that_no_engine_has_is_named_and_mended() {
    let Some(scene) = scene() else { return };
    for (old, new) in [
        ("MODULE_PATH", "MODULEPATH"),
        ("MODULE_PATH", "module_path"),
        ("init = 1", "0.VERBOS = EMPTY\ninit = 1"),
        ("init = 1", "slot = 0\ninit = 1"),
    ] {
        scene.openssl_configuration(&[(old, new)]);
        scene.mends_nginx("openssl-setting", "");
    }
    scene.openssl_configuration(&[("init = 1", "0.QUIET = EMPTY\ndefault_algorithms = RSA\ninit = 1")]);
    scene.is_well();
}

#[test]
fn a_wrong_pin_in_openssls_configuration_is_named_and_taken_out_or_opened() {
    let Some(scene) = scene() else { return };
    scene.openssl_configuration(&[("init = 1", "PIN = another-pin-4711\ninit = 1")]);
    set_mode(&scene.stage.path("openssl.cnf"), 0o600);
    scene.mends("openssl-pin-wrong", "");
    assert!(scene.nginx_starts());
    // The only PIN that there is: the vault is opened with it, and a wrong one is somebody's to mend.
    let pin_file = format!("pin_file = {:?}\n", scene.stage.path("www.pin"));
    scene.edit("strongroom/config.toml", &pin_file, "");
    scene.openssl_configuration(&[("init = 1", &format!("PIN = {PIN}\ninit = 1"))]);
    set_mode(&scene.stage.path("openssl.cnf"), 0o600);
    scene.is_well();
    assert_eq!(scene.doctor().text("nginx-uri-object"), "every URI names a key that is there");
    scene.edit("openssl.cnf", PIN, "another-pin-4711");
    assert!(scene.names("openssl-pin-wrong").starts_with("${EDITOR:-vi} +"));
}

#[test]
fn a_configuration_of_nginxs_that_is_not_there_is_a_fault_and_without_a_name_it_is_the_usual_one() {
    let Some(mut scene) = scene() else { return };
    let module = format!("--module {}", scene.module().display());
    scene.arguments = format!("--nginx nowhere.conf {module}");
    assert!(scene.names("nginx-config").starts_with("nginx -t -c "));
    let output = scene.shell(&format!("strongroom doctor {module} --nginx"), "");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("/etc/nginx/nginx.conf"), "{printed}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_vault_that_is_gone_comes_back_from_its_backup_before_a_new_one_is_made() {
    let Some(scene) = scene() else { return };
    std::fs::remove_dir_all(scene.stage.vault()).unwrap();
    let Some(report) = scene.doctor_with_backup(BACKUP, "") else { return };
    assert!(report.contains(&format!("strongroom --vault www restore /var/backups/strongroom/{BACKUP}\n")), "{report}");
    assert!(!report.contains("strongroom init"), "{report}");
    // Another vault beside it is another one, whatever it is called.
    scene.strongroom(&format!("init --path {}", scene.stage.at("vaults")));
    let report = scene.doctor_with_backup(BACKUP, "").unwrap();
    assert!(report.contains(" restore /var/backups/") && !report.contains("vault-misnamed"), "{report}");
    std::fs::rename(scene.stage.path("vaults"), scene.stage.path("mail")).unwrap();
    // Another vault's, whose name begins in the same way.
    std::fs::remove_dir_all(scene.stage.path("backups")).unwrap();
    // Nor is one of another name what is meant.
    let report = scene.doctor_with_backup("www-mail-20261127T120000Z.backup", "").unwrap();
    assert!(report.contains("init --path") && !report.contains("restore"), "{report}");
}

#[test]
fn a_vault_that_is_misspelt_in_the_configuration_is_told_from_one_that_is_gone() {
    let Some(scene) = scene() else { return };
    scene.edit("strongroom/config.toml", "/vault\"", "/vualt\"");
    scene.mends_nginx("vault-misnamed", "");
    std::fs::create_dir(scene.stage.path("vaults")).unwrap();
    std::fs::rename(scene.stage.vault(), scene.stage.path("vaults/web")).unwrap();
    let text = format!(
        "vaults_dir = {:?}\n[[vault]]\nname = \"webb\"\npin_file = {:?}\n",
        scene.stage.path("vaults"),
        scene.stage.path("www.pin")
    );
    scene.stage.file("strongroom/config.toml", text);
    let report = scene.doctor();
    assert!(report.text("vault-misnamed").contains("names the vault webb; in "), "{}", report.text("vault-misnamed"));
    // The PIN stands in the misspelt vault's table.
    assert!(report.remedy("vault-missing").is_none() && report.remedy("nginx-pin-missing").is_none());
    scene.mends("vault-misnamed", "");
    assert!(scene.nginx_starts());
}

#[test]
fn a_vault_with_keys_and_no_backup_is_warned_of() {
    let Some(scene) = scene() else { return };
    let remedy = "strongroom --vault www backup create --into /var/backups/strongroom";
    assert_eq!(scene.names("backup-none"), remedy);
    let Some(report) = scene.doctor_with_backup(BACKUP, "") else { return };
    assert!(report.contains("there is a backup of every vault that holds keys"), "{report}");
    scene.strongroom("key delete www --yes");
    assert!(scene.doctor().remedy("backup-none").is_none());
}

#[test]
fn the_systems_nginx_is_not_judged_by_a_users_vault() {
    let Some(mut scene) = scene() else { return };
    if !scene.become_user("www-data") {
        return;
    }
    scene.arguments = format!("--module {}", scene.module().display());
    assert!(scene.doctor().leaves_out("nginx wasn't looked at: it is root's"));
    scene.arguments += &format!(" --nginx {}", scene.stage.at("nginx.conf"));
    assert!(!scene.doctor().leaves_out("it is root's"));
}

#[test]
fn a_command_that_gives_no_pin_is_not_told_twice() {
    let Some(scene) = scene() else { return };
    let pin_file = format!("pin_file = {:?}", scene.stage.path("www.pin"));
    scene.edit("strongroom/config.toml", &pin_file, "pin_command = [\"false\"]");
    let report = scene.doctor();
    assert!(report.remedy("pin-command").is_some() && report.remedy("nginx-pin-missing").is_none());
}

fn one_openssl_configuration(scene: &Scene) -> Option<String> {
    std::fs::create_dir_all(scene.stage.path("etc")).unwrap();
    scene.openssl_configuration(&[]);
    std::fs::rename(scene.stage.path("openssl.cnf"), scene.stage.path("etc/openssl.cnf")).unwrap();
    scene.doctor_beside("etc", "/etc/nginx", "")
}

#[test]
fn nginx_gets_the_openssl_configuration_that_is_there_and_no_second_one() {
    let Some(mut scene) = scene() else { return };
    scene.set("OPENSSL_CONF", "");
    let Some(report) = one_openssl_configuration(&scene) else { return };
    assert!(report.contains("OPENSSL_CONF=/etc/nginx/openssl.cnf") && report.contains("daemon-reload"), "{report}");
    assert!(!report.contains("> /etc/nginx") && !report.contains("strongroom-openssl.cnf"), "{report}");
}

#[test]
fn the_number_of_faults_and_a_command_for_several_of_them_are_said_once() {
    let Some(scene) = scene() else { return };
    for file in [scene.stage.vault(), scene.vault_file()] {
        std::os::unix::fs::chown(file, Some(STRANGER), None).unwrap();
    }
    let output = scene.shell(&format!("strongroom doctor {}", scene.arguments), "");
    let (printed, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("strongroom: 2 faults") && !printed.contains("2 faults"), "{printed}{told}");
    assert_eq!(printed.matches("chown -R").count(), 1, "{printed}");
}
