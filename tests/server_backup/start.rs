//! What a server says of its backup targets when it starts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::scene::Scene;

/// What `serve` prints with these targets in its configuration; it must refuse to start.
fn refused(scene: &Scene, targets: &str) -> String {
    let conf = scene.folder.path().join("other.toml");
    fs::write(&conf, format!("vaults_dir = \"none\"\n[[vault]]\nname = \"dev\"\npath = \"dev\"\n{targets}")).unwrap();
    fs::set_permissions(&conf, Permissions::from_mode(0o600)).unwrap();
    let mut command = scene.strongroom(&["serve", "--listen", "127.0.0.1:0"]);
    let output = command.env("STRONGROOM_CONF", conf).env_remove("STRONGROOM_VAULT").output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_target_that_cannot_be_is_named_when_the_server_starts() {
    let (scene, _served) = Scene::new();
    let target = |line: &str| format!("[[backup_target]]\nname = \"nightly\"\ndirectory = \"backups\"\n{line}\n");
    let file = |name: &str, text: &str, mode: u32| {
        let path = scene.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        target(&format!("passphrase_file = \"{name}\""))
    };
    for (targets, said) in [
        (target("passphrase_file = \"missing\""), "the backup target nightly names it"),
        (file("short", "elevenchars\n", 0o600), "12 characters or more"),
        (file("open", "a passphrase that is long enough\n", 0o644), "chmod go-r"),
        (target("keep = 3"), "other.toml:8: unknown key `keep`"),
    ] {
        let text = refused(&scene, &targets);
        assert!(text.contains(said) && text.trim_end().lines().count() == 1, "{targets}: {text}");
        assert!(!text.contains("elevenchars"), "{text}");
    }
}

#[test]
fn a_target_without_its_directory_is_named_and_fails_a_job_and_nothing_else() {
    let (scene, served) = Scene::new();
    drop(served);
    let gone = scene.folder.path().join("gone");
    let conf = scene.folder.path().join("other.toml");
    let text = fs::read_to_string(scene.folder.path().join("config.toml")).unwrap();
    fs::write(&conf, text.replace(scene.backups().to_str().unwrap(), gone.to_str().unwrap())).unwrap();
    fs::set_permissions(&conf, Permissions::from_mode(0o600)).unwrap();
    let served = scene.serve_with(&[], &[("STRONGROOM_CONF", conf.to_str().unwrap())]);
    assert!(served.printed().contains("The backup target nightly has no directory"), "{}", served.printed());
    let client = scene.client(&served);
    let body = serde_json::json!({ "storageResourceUri": "https://backup.vault.localhost/nightly" });
    for path in ["/backup", "/prebackup"] {
        let job = client.ask("POST", path, &body).with(202)["jobId"].as_str().unwrap().to_owned();
        let told = loop {
            let told = client.ask("GET", &format!("/backup/{job}/pending"), &serde_json::Value::Null).with(200);
            if told["status"] != "InProgress" {
                break told;
            }
        };
        assert_eq!(
            (&told["status"], &told["error"]["code"]),
            (&"Failed".into(), &"StorageUnavailable".into()),
            "{told}"
        );
    }
    client.ask("GET", "/keys", &serde_json::Value::Null).with(200);
}
