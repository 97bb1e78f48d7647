//! Deleting that can be taken back, by the command, and what purge protection forbids it and PKCS#11 programs.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]

#[macro_use]
mod in_process;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use cryptoki_sys::*;
use in_process::{Token, attribute};
use serde_json::{Value, json};
use strongroom::vault::*;
use tempfile::TempDir;

/// A vault, its PIN in a file.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        for (file, pin) in [("pin", "a good PIN\n"), ("so-pin", "the officer's PIN\n")] {
            fs::write(scene.0.path().join(file), pin).unwrap();
            fs::set_permissions(scene.0.path().join(file), Permissions::from_mode(0o600)).unwrap();
        }
        scene.json("init --label Test");
        scene
    }

    fn command(&self, arguments: &str) -> std::process::Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.args(arguments.split_whitespace()).args(["--pin-file", "pin"]).current_dir(self.0.path());
        command.env_clear().env("STRONGROOM_VAULT", self.0.path().join("vault")).stdin(Stdio::null());
        command.output().unwrap()
    }

    fn json(&self, arguments: &str) -> Value {
        let output = self.command(&format!("--json {arguments}"));
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the command says when it fails, with this code.
    fn refused(&self, arguments: &str, code: i32) -> String {
        let output = self.command(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments}: {said}");
        said
    }
}

fn kept_for_a_week() -> Scene {
    let scene = Scene::new();
    scene.json("settings set --retention-days 7");
    scene
}

#[test]
fn what_is_deleted_comes_back_with_all_versions() {
    let scene = kept_for_a_week();
    scene.json("key create www --kind p-256");
    scene.json("key rotate www");
    let before = scene.json("key show www");
    // Nobody is asked: it can be taken back.
    let deleted = scene.json("key delete WWW");
    assert_eq!(deleted["deleted_versions"].as_array().unwrap().len(), 2);
    assert!(scene.refused("key show www", 1).contains("no key called"));
    assert!(scene.refused("key create www --kind p-256", 1).contains("strongroom deleted recover"));
    let listed = scene.json("deleted list");
    assert_eq!((&listed[0]["name"], &listed[0]["kind"]), (&json!("www"), &json!("key")));
    assert_eq!(listed[0]["scheduled_purge"], deleted["scheduled_purge"]);
    assert_eq!(scene.json("deleted show www"), listed[0]);
    scene.json("deleted recover Www");
    assert_eq!(scene.json("key show www"), before);
    assert_eq!(scene.json("deleted list"), json!([]));
    assert!(scene.refused("deleted recover www", 1).contains("deleted list"));
}

#[test]
fn a_purge_is_asked_for_and_frees_the_name() {
    let scene = kept_for_a_week();
    for verb in ["key create www --kind p-256", "key delete www", "key create other --kind p-256"] {
        scene.json(verb);
    }
    assert!(scene.refused("deleted purge www", 1).contains("--yes"));
    scene.json("deleted purge www --yes");
    scene.json("key create www --kind p-256");
    assert!(scene.refused("key delete www --purge", 1).contains("--yes"));
    scene.json("key delete www --purge --yes");
    assert_eq!(scene.json("deleted list"), json!([]));
    assert_eq!(scene.json("key list").as_array().unwrap().len(), 1);
}

#[test]
fn a_key_and_a_secret_of_one_name_are_told_apart() {
    let scene = kept_for_a_week();
    scene.json("key create both --kind p-256");
    let secret = scene.0.path().join("value");
    fs::write(&secret, "v").unwrap();
    scene.json("secret set both --file value");
    scene.json("key delete both");
    scene.json("secret delete both");
    assert!(scene.refused("deleted recover both", 1).contains("--kind"));
    scene.json("deleted recover both --kind secret");
    scene.json("deleted recover both");
    scene.json("key show both");
    assert_eq!(scene.json("secret get both")["value"], "v");
}

#[test]
fn purge_protection_is_agreed_to_and_then_stays() {
    let scene = Scene::new();
    assert_eq!(scene.json("settings show")["retention_days"], Value::Null);
    assert!(scene.refused("settings set --purge-protection", 1).contains("--yes"));
    for wrong in ["settings set", "settings set --retention-days 6", "settings set --retention-days 91"] {
        scene.refused(wrong, 2);
    }
    let protected = json!({ "retention_days": 90, "purge_protection": true });
    assert_eq!(scene.json("settings set --purge-protection --yes"), protected);
    let shorter = json!({ "retention_days": 7, "purge_protection": true });
    assert_eq!(scene.json("settings set --retention-days 7"), shorter);
    assert_eq!(scene.json("settings show"), shorter);
    scene.json("key create www --kind p-256");
    let version = scene.json("key rotate www")["version"].as_str().unwrap().to_owned();
    for final_end in ["key delete www --purge --yes".to_owned(), format!("key delete www --version {version} --yes")] {
        assert!(scene.refused(&final_end, 1).contains("purge protection"));
    }
    scene.json("key delete www");
    assert!(scene.refused("deleted purge www --yes", 1).contains("purge protection"));
    scene.json("deleted recover www");
    assert_eq!(scene.json("key show www")["versions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_program_with_an_old_handle_neither_ends_nor_changes_what_was_deleted_softly() {
    let token = Token::new();
    let session = token.user_session();
    let value = b"value";
    let template = &mut [
        attribute(CKA_CLASS, &CKO_DATA.to_ne_bytes()),
        attribute(CKA_TOKEN, &[CK_TRUE]),
        attribute(CKA_PRIVATE, &[CK_TRUE]),
        attribute(CKA_LABEL, b"secret"),
        attribute(CKA_VALUE, value),
    ];
    let mut object = 0;
    ok!(token, C_CreateObject(session, template.as_mut_ptr(), template.len() as CK_ULONG, &raw mut object));
    let vault = token.vault_of_another_process();
    Retention::change(&*vault, &mut |retention| retention.purge_protection = true).unwrap();
    // The program has seen the newest state, and searches no more.
    assert_eq!(value_of(&token, session, object), Ok(value.to_vec()));
    let name = Name::new("secret").unwrap();
    delete_softly(&*vault, Collection::Secrets, &name, 1_000_000).unwrap();
    assert_eq!(value_of(&token, session, object), Err(CKR_OBJECT_HANDLE_INVALID));
    assert_eq!(call!(token, C_DestroyObject(session, object)), CKR_OBJECT_HANDLE_INVALID);
    let label = &mut [attribute(CKA_LABEL, b"other")];
    assert_eq!(call!(token, C_SetAttributeValue(session, object, label.as_mut_ptr(), 1)), CKR_OBJECT_HANDLE_INVALID);
    recover(&*vault, Collection::Secrets, &name, 1_000_000).unwrap();
    assert_eq!(value_of(&token, session, object), Ok(value.to_vec()));
    enable(&*vault, object, false);
    assert_eq!(value_of(&token, session, object), Err(CKR_ACTION_PROHIBITED));
    enable(&*vault, object, true);
    assert_eq!(value_of(&token, session, object), Ok(value.to_vec()));
}

fn enable(vault: &dyn Vault, object: ObjectNumber, enabled: bool) {
    let edit = &mut |content: &mut Content| {
        content.enabled = enabled;
        Ok(())
    };
    vault.change(&[object], edit).unwrap();
}

/// `CKA_VALUE` of an object of up to 64 bytes.
fn value_of(
    token: &Token,
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
) -> std::result::Result<Vec<u8>, CK_RV> {
    let mut room = [0u8; 64];
    let mut wanted =
        [CK_ATTRIBUTE { type_: CKA_VALUE, pValue: room.as_mut_ptr().cast(), ulValueLen: room.len() as CK_ULONG }];
    match call!(token, C_GetAttributeValue(session, object, wanted.as_mut_ptr(), 1)) {
        CKR_OK => Ok(room[..wanted[0].ulValueLen as usize].to_vec()),
        code => Err(code),
    }
}

#[test]
fn a_program_may_destroy_objects_until_purge_protection_is_on() {
    let token = Token::new();
    let session = token.user_session();
    let keys = [(); 2].map(|()| token.secret(session, CKM_AES_KEY_GEN, CK_TRUE));
    let vault = token.vault_of_another_process();
    Retention::change(&*vault, &mut |_| {}).unwrap();
    ok!(token, C_DestroyObject(session, keys[0]));
    Retention::change(&*vault, &mut |retention| retention.purge_protection = true).unwrap();
    assert_eq!(call!(token, C_DestroyObject(session, keys[1])), CKR_ACTION_PROHIBITED);
    assert!(token.vault_of_another_process().image().get(keys[1]).is_some());
    // What lives in a session only is nobody's loss.
    let of_session = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    ok!(token, C_DestroyObject(session, of_session));
}
