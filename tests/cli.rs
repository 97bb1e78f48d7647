//! The `strongroom` command as an operator and a script use it: the real program on a vault of its own, its answers
//! checked by `openssl`.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const PIN: &str = "a good PIN";

/// A vault, its PIN in a file, and the recovery key that was printed when it was made.
struct Vault {
    folder: TempDir,
    recovery_key: String,
}

impl Vault {
    fn new() -> Self {
        Self::with("")
    }

    /// Made with further options for `init`.
    fn with(options: &str) -> Self {
        let mut vault = Self { folder: tempfile::tempdir().unwrap(), recovery_key: String::new() };
        vault.secret_file("pin", PIN);
        vault.secret_file("so-pin", "the officer's PIN");
        let made = vault.json(&format!("init --label Test {options}"));
        vault.recovery_key = made["recovery_key"].as_str().unwrap().to_owned();
        vault
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn secret_file(&self, name: &str, text: &str) {
        fs::write(self.path(name), format!("{text}\n")).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    /// The command on this vault in this folder, without a PIN.
    fn bare(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("STRONGROOM_VAULT", self.path("vault")).env("PATH", std::env::var_os("PATH").unwrap());
        command
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = self.bare(arguments);
        command.args(["--pin-file", "pin"]);
        command
    }

    fn run(&self, arguments: &str) -> String {
        succeeds(&mut self.command(arguments))
    }

    fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.run(&format!("--json {arguments}"))).unwrap()
    }

    /// What the command says when it fails, with 1.
    fn refused(&self, arguments: &str) -> String {
        fails(&mut self.command(arguments), 1)
    }

    fn openssl(&self, arguments: &str) -> String {
        succeeds(Command::new("openssl").args(arguments.split_whitespace()).current_dir(self.folder.path()))
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn fails(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}\n{}", stderr(&output));
    stderr(&output)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn with_stdin(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_key_of_every_kind_is_created_listed_and_shown() {
    let vault = Vault::new();
    let kinds =
        ["rsa-2048", "p-256", "p-384", "p-521", "p-256k", "ed25519", "x25519", "aes-128", "aes-256", "generic-256"];
    for kind in kinds {
        let made = vault.json(&format!("key create my-{kind} --kind {kind}"));
        assert_eq!((made["kind"].as_str(), made["exportable"].as_bool()), (Some(kind), Some(false)));
    }
    let listed = vault.json("key list");
    assert_eq!(listed.as_array().unwrap().len(), kinds.len());
    for kind in kinds {
        let shown = vault.json(&format!("key show my-{kind}"));
        assert_eq!(shown["kind"], kind);
        assert!(listed.as_array().unwrap().iter().any(|key| key["id"] == shown["id"]));
    }
    assert_eq!(vault.run("key list").lines().count(), kinds.len());
}

#[test]
fn an_rsa_key_may_do_all_six_by_default_and_only_what_is_said_otherwise() {
    let vault = Vault::new();
    let all = vault.json("key create all --kind rsa-2048");
    assert_eq!(all["usage"], serde_json::json!(["encrypt", "decrypt", "sign", "verify", "wrap", "unwrap"]));
    let signs = vault.json("key create signs --kind rsa-2048 --usage sign,verify --tag a=b --expires 2100-01-01");
    assert_eq!(signs["usage"], serde_json::json!(["sign", "verify"]));
    assert_eq!((signs["tags"]["a"].as_str(), signs["expires"].as_str()), (Some("b"), Some("2100-01-01T00:00:00Z")));
    assert!(vault.refused("key create x --kind ed25519 --usage decrypt").contains("can't decrypt"));
    assert!(vault.refused("key create x --kind x25519 --usage sign").contains("can't sign"));
    assert_eq!(vault.json("key create x --kind x25519")["usage"], serde_json::json!(["derive"]));
    assert!(vault.refused("key create x --kind aes-256 --usage wrap,decrypt").contains("allow_conflicting_usage"));
}

#[test]
fn the_public_key_is_what_openssl_reads() {
    let vault = Vault::new();
    for (kind, sign) in [
        ("rsa-2048", "2048 bit"),
        ("p-384", "384 bit"),
        ("p-256k", "secp256k1"),
        ("ed25519", "ED25519"),
        ("x25519", "X25519"),
    ] {
        vault.run(&format!("key create {kind} --kind {kind}"));
        vault.put("public.pem", &vault.run(&format!("key public {kind}")));
        assert!(vault.openssl("pkey -pubin -in public.pem -noout -text").contains(sign), "{kind}");
    }
    vault.run("key create secret --kind aes-256");
    assert!(vault.refused("key public secret").contains("no public key"));
}

#[test]
fn a_self_signed_certificate_of_every_kind_is_valid_to_openssl() {
    let vault = Vault::new();
    for kind in ["rsa-2048", "p-256", "p-384", "p-521", "ed25519"] {
        let key = vault.json(&format!("key create {kind} --kind {kind}"));
        let options = "--subject CN=www.example.org,O=Example --san localhost,127.0.0.1 --days 30 --out www.pem";
        let made = vault.json(&format!("cert create {kind} {options}"));
        assert_eq!((&made["key"], &made["id"]), (&key["name"], &key["id"]));
        assert!(vault.openssl("verify -x509_strict -CAfile www.pem www.pem").contains("OK"), "{kind}");
        let text = vault.openssl("x509 -in www.pem -noout -subject -ext subjectAltName");
        assert!(
            text.contains("CN = www.example.org") && text.contains("DNS:localhost, IP Address:127.0.0.1"),
            "{text}"
        );
        assert_eq!(vault.openssl("x509 -in www.pem -pubkey -noout"), vault.run(&format!("key public {kind}")));
        assert_eq!(vault.run(&format!("cert show {kind} --pem")), fs::read_to_string(vault.path("www.pem")).unwrap());
    }
    assert_eq!(vault.json("cert list").as_array().unwrap().len(), 5);
}

#[test]
fn a_request_of_every_kind_is_valid_to_openssl() {
    let vault = Vault::new();
    for kind in ["rsa-2048", "p-256", "p-521", "ed25519"] {
        vault.run(&format!("key create {kind} --kind {kind}"));
        vault.put("www.csr", &vault.run(&format!("cert csr {kind} --subject /O=Example/CN=www.example.org")));
        let text = vault.openssl("req -in www.csr -verify -noout -text");
        assert!(text.contains("O = Example, CN = www.example.org") && text.contains("DNS:www.example.org"), "{text}");
    }
}

#[test]
fn a_renewed_certificate_is_a_new_version_with_another_serial_number() {
    let vault = Vault::new();
    vault.run("key create www --kind p-256");
    let first = vault.json("cert create www --subject CN=www");
    assert!(vault.refused("cert create www --subject CN=www").contains("taken"));
    let second = vault.json("cert create www --subject CN=www --renew");
    assert_ne!(first["serial"], second["serial"]);
    assert_eq!(second["version_count"], 2);
    assert_eq!(vault.json("cert show www")["serial"], second["serial"]);
}

#[test]
fn an_imported_key_is_the_same_key_whatever_its_file_was() {
    let vault = Vault::new();
    vault.openssl("genrsa -out rsa.pem 2048");
    vault.openssl("rsa -in rsa.pem -traditional -out rsa-pkcs1.pem");
    vault.openssl("rsa -in rsa.pem -traditional -outform DER -out rsa-pkcs1.der");
    vault.openssl("ecparam -name secp384r1 -genkey -out ec.pem");
    vault.openssl("ec -in ec.pem -outform DER -out ec-sec1.der");
    vault.openssl("pkey -in ec.pem -out ec-pkcs8.pem");
    vault.openssl("pkcs8 -topk8 -nocrypt -in ec.pem -outform DER -out ec-pkcs8.der");
    vault.openssl("genpkey -algorithm ed25519 -out ed.pem");
    for (file, original) in [
        ("rsa.pem", "rsa.pem"),
        ("rsa-pkcs1.pem", "rsa.pem"),
        ("rsa-pkcs1.der", "rsa.pem"),
        ("ec.pem", "ec.pem"),
        ("ec-sec1.der", "ec.pem"),
        ("ec-pkcs8.pem", "ec.pem"),
        ("ec-pkcs8.der", "ec.pem"),
        ("ed.pem", "ed.pem"),
    ] {
        let name = file.replace('.', "-");
        let imported = vault.json(&format!("key import {name} {file}"));
        assert_eq!(imported["local"], false);
        assert_eq!(
            vault.run(&format!("key public {name}")),
            vault.openssl(&format!("pkey -in {original} -pubout")),
            "{file}"
        );
        vault.put("x.csr", &vault.run(&format!("cert csr {name} --subject CN=x")));
        vault.openssl("req -in x.csr -verify -noout");
    }
    vault.openssl("genpkey -algorithm x25519 -out x25519.pem");
    assert_eq!(vault.json("key import agrees x25519.pem")["kind"], "x25519");
    assert_eq!(vault.run("key public agrees"), vault.openssl("pkey -in x25519.pem -pubout"));
    assert!(vault.refused("cert csr agrees --subject CN=x").contains("aren't made here"));
}

#[test]
fn a_file_that_is_no_usable_key_says_why() {
    let vault = Vault::new();
    vault.openssl("genrsa -aes128 -passout pass:secret -out encrypted.pem 2048");
    vault.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp224r1 -out p224.pem");
    vault.put("text", "no key at all");
    vault.secret_file("passphrase", "secret");
    vault.secret_file("wrong", "public");
    assert!(vault.refused("key import k encrypted.pem").contains("--passphrase-file"));
    assert!(vault.refused("key import k encrypted.pem --passphrase-file wrong").contains("passphrase is wrong"));
    vault.run("key import k encrypted.pem --passphrase-file passphrase");
    assert_eq!(vault.run("key public k"), vault.openssl("pkey -in encrypted.pem -passin pass:secret -pubout"));
    vault.openssl("rsa -aes128 -traditional -in encrypted.pem -passin pass:secret -passout pass:secret -out old.pem");
    assert!(vault.refused("key import k old.pem --passphrase-file passphrase").contains("openssl pkey"));
    assert!(vault.refused("key import k p224.pem").contains("isn't supported"));
    assert!(vault.refused("key import k text").contains("no private key"));
    assert!(vault.refused("key import k nowhere").contains("nowhere"));
    assert!(vault.refused("key import k text --kind aes-256").contains("32 bytes"));
}

#[test]
fn an_imported_certificate_is_linked_to_its_key() {
    let vault = Vault::new();
    vault.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=outside -days 3");
    let key = vault.json("key import outside key.pem");
    let certificate = vault.json("cert import outside cert.pem");
    assert_eq!((&certificate["key"], &certificate["id"]), (&key["name"], &key["id"]));
    vault.openssl("req -x509 -newkey ed25519 -nodes -keyout other.key -out other.pem -subj /CN=other -days 3");
    assert_eq!(vault.json("cert import other other.pem")["key"], Value::Null);
    assert!(vault.refused("cert import again key.pem").contains("no certificate"));
}

#[test]
fn a_rotated_key_keeps_what_it_may_do_and_gets_a_new_id() {
    let vault = Vault::new();
    let first = vault.json("key create www --kind p-256 --usage sign --exportable --tag team=web --expires 2100-01-01");
    let second = vault.json("key rotate www");
    for kept in ["usage", "exportable", "tags", "kind", "label"] {
        assert_eq!(first[kept], second[kept], "{kept}");
    }
    assert_ne!(first["id"], second["id"]);
    assert_eq!((&second["version_count"], &second["expires"]), (&Value::from(2), &Value::Null));
    assert_eq!(vault.json("key show www")["version"], second["version"]);
}

#[test]
fn a_disabled_key_signs_no_more_until_it_is_enabled() {
    let vault = Vault::new();
    vault.run("key create www --kind p-256");
    vault.run("key disable www");
    assert!(vault.refused("cert csr www --subject CN=www").contains("disabled"));
    assert_eq!(vault.json("key disable www")["changed"], false);
    vault.run("key enable www");
    vault.run("cert csr www --subject CN=www");
}

#[test]
fn an_older_version_is_disabled_by_its_id() {
    let vault = Vault::new();
    let first = vault.json("key create www --kind p-256")["version"].as_str().unwrap().to_owned();
    vault.run("key rotate www");
    vault.run(&format!("key disable www --version {}", &first[..8]));
    let shown = vault.json("key show www");
    let states: Vec<&Value> = shown["versions"].as_array().unwrap().iter().map(|version| &version["state"]).collect();
    assert_eq!(states, ["disabled", "enabled"]);
}

#[test]
fn a_key_outside_its_time_refuses_and_says_when() {
    let vault = Vault::new();
    vault.run("key create early --kind p-256 --not-before 2100-01-01");
    vault.run("key create late --kind p-256 --expires 2001-01-01");
    assert!(vault.refused("cert csr early --subject CN=x").contains("2100-01-01"));
    assert!(vault.refused("cert csr late --subject CN=x").contains("2001-01-01"));
    fails(&mut vault.command("key create x --kind p-256 --not-before 2100-01-01 --expires 2001-01-01"), 2);
}

#[test]
fn what_cannot_be_undone_needs_a_yes() {
    let vault = Vault::new();
    vault.run("key create www --kind p-256");
    assert!(vault.refused("key delete www").contains("--yes"));
    assert!(vault.refused("rekey").contains("--yes"));
    vault.run("key show www");
    vault.run("key delete www --yes");
    assert!(vault.refused("key show www").contains("no key called"));
    assert_eq!(vault.json("key list"), Value::Array(Vec::new()));
}

#[test]
fn a_secret_comes_back_byte_for_byte_and_has_versions() {
    let vault = Vault::new();
    let value = b"line\n\0\xFFend";
    assert!(with_stdin(&mut vault.command("secret set token"), b"first").status.success());
    assert!(with_stdin(&mut vault.command("secret set token --content-type text/plain"), value).status.success());
    assert_eq!(vault.command("secret get token").output().unwrap().stdout, value);
    let listed = vault.json("secret list");
    assert_eq!((&listed[0]["version_count"], &listed[0]["content_type"]), (&2.into(), &"text/plain".into()));
    assert!(listed[0].get("value").is_none());
    vault.run("secret delete token --yes");
    assert!(vault.refused("secret get token").contains("no secret called"));
}

#[test]
fn pin_and_value_can_both_come_from_standard_input() {
    let vault = Vault::new();
    let output = with_stdin(&mut vault.bare("secret set token --pin-stdin"), format!("{PIN}\nthe value").as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(vault.run("secret get token"), "the value");
}

#[test]
fn a_changed_pin_opens_and_the_old_one_does_not() {
    let vault = Vault::new();
    vault.secret_file("new", "another good PIN");
    vault.run("pin change --new-pin-file new");
    assert!(vault.refused("key list").contains("wrong"));
    succeeds(vault.bare("key list").args(["--pin-file", "new"]));
}

#[test]
fn a_lost_pin_is_reset_with_the_recovery_key_or_by_the_officer() {
    let vault = Vault::with("--so-pin-file so-pin");
    vault.secret_file("recovery", &vault.recovery_key);
    vault.secret_file("new", "another good PIN");
    vault.secret_file("third", "a third good PIN");
    succeeds(&mut vault.bare("pin reset --recovery-key-file recovery --new-pin-file new"));
    succeeds(vault.bare("key list").args(["--pin-file", "new"]));
    succeeds(&mut vault.bare("pin reset --so-pin-file so-pin --new-pin-file third"));
    succeeds(vault.bare("key list").args(["--pin-file", "third"]));
    vault.secret_file("recovery", &vault.recovery_key.replace(|digit| digit != '-', "0"));
    fails(&mut vault.bare("pin reset --recovery-key-file recovery --new-pin-file new"), 1);
}

#[test]
fn after_a_rekey_everything_is_there_and_the_old_recovery_key_is_worthless() {
    let vault = Vault::new();
    vault.run("key create www --kind p-256");
    let public = vault.run("key public www");
    let rekeyed = vault.json("rekey --yes");
    assert_eq!(vault.run("key public www"), public);
    vault.run("cert csr www --subject CN=www");
    vault.secret_file("new", "another good PIN");
    vault.secret_file("recovery", &vault.recovery_key);
    fails(&mut vault.bare("pin reset --recovery-key-file recovery --new-pin-file new"), 1);
    vault.secret_file("recovery", rekeyed["recovery_key"].as_str().unwrap());
    succeeds(&mut vault.bare("pin reset --recovery-key-file recovery --new-pin-file new"));
}

#[test]
fn the_uri_names_token_object_and_type_and_the_id_of_a_version_that_is_asked_for() {
    let vault = Vault::new();
    let made = vault.json("key create www --kind p-256");
    let (id, version) = (made["id"].as_str().unwrap().to_uppercase(), made["version"].as_str().unwrap());
    assert_eq!(vault.run("pkcs11 uri www"), "pkcs11:token=Test;object=www;type=private\n");
    let uri = vault.run(&format!("pkcs11 uri www --version {version}"));
    assert!(uri.starts_with("pkcs11:token=Test;object=www;id=%") && uri.ends_with(";type=private\n"), "{uri}");
    assert_eq!(uri.split(';').nth(2).unwrap().replace("id=", "").replace('%', ""), id);
    assert!(vault.run("pkcs11 uri www --type public").contains("type=public"));
    assert_eq!(vault.run("pkcs11 uri").lines().count(), 2);
}

#[test]
fn whoever_disables_a_version_is_told_which_one_is_current_now() {
    let vault = Vault::new();
    let first = vault.json("key create www --kind p-256")["version"].as_str().unwrap().to_owned();
    vault.run("key rotate www");
    assert!(vault.run("key disable www").contains(&format!("Version {first} is the current one now")));
    assert!(vault.run(&format!("key disable www --version {first}")).contains("no enabled version"));
}

#[test]
fn the_mechanisms_are_listed_without_any_vault() {
    let vault = Vault::new();
    let mut command = vault.bare("--json pkcs11 mechanisms");
    let listed: Value = serde_json::from_str(&succeeds(command.env_remove("STRONGROOM_VAULT"))).unwrap();
    let ecdsa = listed.as_array().unwrap().iter().find(|mechanism| mechanism["name"] == "CKM_ECDSA").unwrap();
    assert_eq!((&ecdsa["number"], &ecdsa["key_type"]), (&0x1041.into(), &"ec".into()));
    assert_eq!(ecdsa["functions"], serde_json::json!(["sign", "verify"]));
}

#[test]
fn without_a_pin_and_a_terminal_the_error_says_how_to_give_one() {
    let vault = Vault::new();
    // Its own session has no terminal to ask on.
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(env!("CARGO_BIN_EXE_strongroom")).args(["key", "list"]).stdin(Stdio::null());
    let error = fails(command.env("STRONGROOM_VAULT", vault.path("vault")), 1);
    assert!(error.contains("--pin-file"), "{error}");
}

#[test]
fn a_pin_file_that_others_may_read_is_refused() {
    let vault = Vault::new();
    fs::set_permissions(vault.path("pin"), Permissions::from_mode(0o644)).unwrap();
    assert!(vault.refused("key list").contains("chmod go-r"));
}

#[test]
fn a_short_pin_makes_no_vault() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault { folder, recovery_key: String::new() };
    vault.secret_file("pin", "short");
    assert!(vault.refused("init").contains("8 to"));
    assert!(!vault.path("vault/vault.db").exists());
}

#[test]
fn a_second_init_in_the_same_place_is_refused() {
    let vault = Vault::new();
    vault.run("key create www --kind p-256");
    assert!(vault.refused("init").contains("already"));
    vault.run("key show www");
}

#[test]
fn a_place_without_a_vault_says_how_to_make_one() {
    let vault = Vault::new();
    assert!(vault.refused("key list --vault ./elsewhere").contains("strongroom init"));
}

#[test]
fn wrong_arguments_end_with_2() {
    let vault = Vault::new();
    for arguments in ["key", "key create", "key create x --kind p-255", "cert create x --subject www", "nonsense"] {
        fails(&mut vault.command(arguments), 2);
    }
}

#[test]
fn configured_vaults_are_named_found_and_unlocked() {
    let vault = Vault::new();
    let conf = vault.file("config.toml");
    let text = format!(
        "vaults_dir = \"vaults\"\n[[vault]]\nname = \"www\"\npath = \"vault\"\npin_file = \"pin\"\n\
         [[vault]]\nname = \"mail\"\npath = \"mail\"\npin_command = [\"cat\", {:?}]\n",
        vault.file("pin")
    );
    vault.secret_file("config.toml", &text);
    let configured = |arguments: &str| {
        let mut command = vault.bare(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", &conf);
        command
    };
    succeeds(&mut configured("key create a --kind p-256"));
    succeeds(&mut configured("--vault mail --pin-file pin init"));
    succeeds(&mut configured("--vault mail key create b --kind p-256"));
    assert!(succeeds(&mut configured("--vault mail key list")).starts_with('b'));
    let error = fails(&mut configured("key list"), 1);
    assert!(error.contains("--vault") && error.contains("www, mail"), "{error}");
    succeeds(&mut configured("init --name third --pin-file pin"));
    assert!(vault.path("vaults/third/vault.db").exists());
    succeeds(&mut configured("--vault third --pin-file pin key list"));
}

#[test]
fn a_vault_with_a_machine_key_opens_only_with_it() {
    let vault = Vault::new();
    vault.secret_file(
        "config.toml",
        "[[vault]]\nname = \"bound\"\npath = \"bound\"\npin_file = \"pin\"\nmachine_key = \"machine.key\"\n",
    );
    let made = vault.command("init --path bound --machine-key machine.key").output().unwrap();
    assert!(made.status.success() && stderr(&made).contains("machine_key ="), "{}", stderr(&made));
    let configured = |arguments: &str| {
        let mut command = vault.bare(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", vault.path("config.toml"));
        command
    };
    succeeds(&mut configured("key list --vault bound"));
    fails(&mut vault.command("key list --vault ./bound"), 1);
    replace_first_byte(&vault.path("machine.key"));
    fails(&mut configured("key list --vault bound"), 1);
}

#[test]
fn a_rekey_keeps_the_way_that_the_configuration_names() {
    let vault = Vault::new();
    vault.run("init --path configured");
    vault.secret_file("config.toml", "[[vault]]\nname = \"configured\"\npath = \"configured\"\npin_file = \"pin\"\n");
    let configured = |arguments: &str| {
        let mut command = vault.bare(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", vault.path("config.toml"));
        command
    };
    succeeds(&mut configured("key create www --kind p-256 --vault configured"));
    succeeds(&mut configured("rekey --yes --vault configured"));
    assert!(succeeds(&mut configured("key list --vault configured")).contains("www"));
}

#[test]
fn a_key_file_opens_the_vault_without_a_pin() {
    let vault = Vault::new();
    vault.run("init --path keyed --key-file service.key");
    vault.secret_file("config.toml", "[[vault]]\nname = \"keyed\"\npath = \"keyed\"\nkey_file = \"service.key\"\n");
    let configured = || {
        let mut command = vault.bare("key create www --kind p-256 --vault keyed");
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", vault.path("config.toml"));
        command
    };
    succeeds(&mut configured());
    replace_first_byte(&vault.path("service.key"));
    fails(&mut configured(), 1);
}

#[test]
fn nothing_secret_is_left_to_a_core_dump() {
    let vault = Vault::new();
    let mut child = vault.command("secret set slow").stdin(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/limits", child.id());
    // The value isn't there yet: the command waits with the vault open.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let limits = fs::read_to_string(status).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    drop(child.stdin.take());
    child.wait().unwrap();
}

fn replace_first_byte(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    bytes[0] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn the_command_sees_what_programs_are_not_shown_and_says_so() {
    let vault = Vault::new();
    vault.run("init --path filtered");
    let text =
        "[[vault]]\nname = \"filtered\"\npath = \"filtered\"\npin_file = \"pin\"\nobjects = [\"www*\", \"mail\"]\n";
    vault.secret_file("config.toml", text);
    let said = |arguments: &str| {
        let mut command = vault.command(arguments);
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", vault.path("config.toml"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, note) = said("key create api --kind p-256");
    assert!(note.contains("www*, mail"), "{note}");
    let (_, note) = said("key create www-1 --kind p-256");
    assert!(!note.contains("objects"), "{note}");
    let (listed, _) = said("key list");
    assert!(listed.contains("api") && listed.contains("www-1"), "{listed}");
}
