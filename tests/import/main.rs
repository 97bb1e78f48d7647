//! `strongroom import` as somebody uses it who comes from elsewhere: real files by OpenSSL and Java, real tokens of
//! SoftHSM, other programs as judges of what arrived.

mod faults;
mod files;
mod module;
mod moving;
mod page;
mod softhsm;
#[path = "../stage/mod.rs"]
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use stage::{PIN, SO_PIN, Stage, TOKEN, fail, output, succeed};

/// SoftHSM's own module, as Debian installs it.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A vault and, beside it, a token of SoftHSM with the same label and PIN.
struct Scene {
    stage: Stage,
}

impl Scene {
    /// An empty vault and an empty token.
    fn new() -> Self {
        let stage = Stage::without_token();
        stage.strongroom(&format!("init --label {TOKEN}"));
        let scene = Self { stage };
        scene.softhsm_util(&format!("--init-token --free --label {TOKEN} --so-pin {SO_PIN} --pin {PIN}"));
        scene.secret_file("source-pin", PIN);
        scene
    }

    fn softhsm_util(&self, arguments: &str) -> String {
        succeed(self.stage.command("softhsm2-util").args(arguments.split_whitespace()))
    }

    /// `pkcs11-tool` on the token of SoftHSM, logged in.
    fn softhsm(&self, arguments: &str) -> String {
        succeed(&mut self.softhsm_command(arguments))
    }

    fn softhsm_command(&self, arguments: &str) -> Command {
        let mut command = self.stage.command("pkcs11-tool");
        command.args(["--module", SOFTHSM, "--login", "--pin", PIN, "--token-label", TOKEN]);
        command.args(arguments.split_whitespace());
        command
    }

    fn secret_file(&self, name: &str, text: &str) -> String {
        let path = self.stage.file(name, text);
        stage::set_mode(Path::new(&path), 0o600);
        path
    }

    /// What `strongroom --json import` says.
    fn import(&self, arguments: &str) -> Outcome {
        let output = output(&mut self.stage.strongroom_command(&format!("--json import {arguments}")));
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Outcome(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// The token of SoftHSM, from its files.
    fn import_softhsm(&self) -> Outcome {
        self.import("--softhsm --source-pin-file source-pin")
    }

    /// What an import that must fail says; the vault is as it was.
    fn refused(&self, arguments: &str) -> String {
        let before = self.listed();
        let text = fail(&mut self.stage.strongroom_command(&format!("import {arguments}")));
        assert_eq!(self.listed(), before, "a refused import left something");
        text
    }

    /// What every program sees in the vault.
    fn listed(&self) -> String {
        self.stage.pkcs11_tool_logged_in("--list-objects")
    }

    /// The one directory in which SoftHSM's token lies.
    fn token_directory(&self) -> PathBuf {
        let mut tokens = fs::read_dir(self.stage.path("tokens")).unwrap();
        tokens.next().unwrap().unwrap().path()
    }

    /// The contents of every object's file. SoftHSM's module itself writes the token's at each login.
    fn object_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let is_object = |path: &Path| path.file_stem().is_some_and(|stem| stem != "token" && stem != "generation");
        self.token_files().into_iter().filter(|(path, _)| is_object(path)).collect()
    }

    /// The contents of every file of the token.
    fn token_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.token_directory()).unwrap();
        entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

/// What an import did.
struct Outcome(Value);

impl Outcome {
    /// Class and label of what is in a list, sorted.
    fn list(&self, list: &str) -> Vec<String> {
        let entries = self.0[list].as_array().unwrap().iter();
        let text = |entry: &Value| format!("{} {}", entry["class"].as_str().unwrap(), entry["label"].as_str().unwrap());
        let mut all: Vec<String> = entries.map(text).collect();
        all.sort();
        all
    }

    fn imported(&self) -> Vec<String> {
        self.list("imported")
    }

    /// Why an object stayed behind.
    fn reason(&self, label: &str) -> String {
        let left = self.0["left_behind"].as_array().unwrap();
        let entry =
            left.iter().find(|entry| entry["label"] == label).unwrap_or_else(|| panic!("{label}: {:#}", self.0));
        assert!(!entry["remedy"].as_str().unwrap().is_empty());
        entry["reason"].as_str().unwrap().to_owned()
    }

    /// What is said of an object that came.
    fn remarks(&self, label: &str) -> String {
        let entries = self.0["imported"].as_array().unwrap().iter();
        let remarks = entries.filter(|entry| entry["label"] == label).map(|entry| entry["remarks"].to_string());
        remarks.collect()
    }
}
