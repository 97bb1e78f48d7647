//! Secrets that the command sets, as the server's clients see them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use strongroom::vault::MAX_SECRET_LEN;

use crate::faults::USER_PIN;
use crate::scene::*;

fn set_by_command(scene: &Scene, name: &str, value: &[u8]) {
    let files = tempfile::tempdir().unwrap();
    let [pin, file] = [("pin", USER_PIN.as_bytes()), ("value", value)].map(|(name, contents)| {
        let path = files.path().join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command.args(["secret", "set", name, "--file"]).arg(file).arg("--pin-file").arg(pin);
    command.env_clear().env("STRONGROOM_VAULT", scene.path()).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn text_that_the_command_sets_is_the_same_text_over_rest_and_bytes_are_base64() {
    let scene = Scene::new();
    set_by_command(&scene, "text", "pässword\n".as_bytes());
    let longest = "x".repeat(MAX_SECRET_LEN);
    set_by_command(&scene, "longest", longest.as_bytes());
    set_by_command(&scene, "bytes", &[0xff, 0, 1]);
    let text = scene.get("/secrets/text").with(200);
    assert_eq!(text["value"], "pässword\n");
    assert!(text.get("contentType").is_none(), "{text}");
    assert_eq!(scene.get("/secrets/longest").with(200)["value"], longest);
    let bytes = scene.get("/secrets/bytes").with(200);
    assert_eq!(
        (bytes["value"].as_str(), bytes["contentType"].as_str()),
        (Some("/wAB"), Some("application/octet-stream"))
    );
    set_by_command(&scene, "large", "x".repeat(MAX_SECRET_LEN + 1).as_bytes());
    scene.get("/secrets/large").refused(400);
}
