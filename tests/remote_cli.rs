//! The command against a server: the real program on both sides, over TLS, with the names and the variables that
//! `serve --dev` prints.
#![cfg(feature = "server")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Only against hangs.
const HANG: Duration = Duration::from_secs(60);

/// A vault, its server, and who may do everything there.
struct Scene {
    folder: TempDir,
    server: Child,
    vault: String,
    environment: Vec<(String, String)>,
}

impl Scene {
    fn new() -> Self {
        Self::served_as("key-vault")
    }

    fn served_as(manner: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_private(folder.path().join("pin"), "a good PIN");
        let made = local(&folder, &["init", "--label", "Test"]).output().unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let log = folder.path().join("log");
        fs::create_dir(folder.path().join("backups")).unwrap();
        let conf = folder.path().join("config.toml");
        let targets = format!(
            "vaults_dir = \"none\"\n[[vault]]\nname = \"dev\"\npath = \"dev\"\nserve_as = {manner:?}\n\
             [[backup_target]]\nname = \"nightly\"\ndirectory = \"backups\"\n"
        );
        write_private(conf.clone(), &targets);
        let mut command =
            local(&folder, &["serve", "--dev", "--vault", "dev", "--listen", "127.0.0.1:0", "--write-ca", "ca.pem"]);
        command.env("STRONGROOM_CONF", conf).env_remove("STRONGROOM_VAULT");
        let server = command.stderr(File::create(&log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
        let mut scene = Self { folder, server, vault: String::new(), environment: Vec::new() };
        let begun = Instant::now();
        let printed = loop {
            let printed = fs::read_to_string(&log).unwrap();
            if printed.contains("Listening at") {
                break printed;
            }
            assert!(scene.server.try_wait().unwrap().is_none() && begun.elapsed() < HANG, "{printed}");
            std::thread::sleep(Duration::from_millis(5));
        };
        let exports = printed.lines().filter_map(|line| line.trim().strip_prefix("export ")?.split_once('='));
        let wanted = exports.filter(|(name, _)| name.starts_with("AZURE_"));
        scene.environment = wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let address = |line: &'_ str| ["Vault: ", "Managed HSM: "].iter().any(|word| line.starts_with(word));
        let line = printed.lines().find(|line| address(line)).unwrap();
        scene.vault = line.split_once(": ").unwrap().1.to_owned();
        scene
    }

    /// The command at the server.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.folder, arguments);
        command.args(["--vault", &self.vault, "--ca", "ca.pem"]).envs(self.environment.iter().cloned());
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        succeeded(self.command(arguments).output().unwrap(), arguments)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[&["--json"], arguments].concat())).unwrap()
    }

    fn fed(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// The command on the vault's own machine.
    fn local(&self, arguments: &[&str]) -> String {
        succeeded(local(&self.folder, arguments).output().unwrap(), arguments)
    }

    fn refused(&self, arguments: &[&str]) -> String {
        failed(1, self.command(arguments), arguments)
    }

    fn misused(&self, arguments: &[&str]) -> String {
        failed(2, self.command(arguments), arguments)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn program(folder: &TempDir, arguments: &[&str]) -> Command {
    let cli = std::env::var_os("STRONGROOM_CLI").filter(|path| !path.is_empty());
    let mut command = Command::new(cli.unwrap_or_else(|| env!("CARGO_BIN_EXE_strongroom").into()));
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command
}

fn local(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = program(folder, arguments);
    command.args(["--yes", "--pin-file", "pin"]).env("STRONGROOM_VAULT", folder.path().join("dev"));
    command
}

fn write_private(path: PathBuf, contents: &str) {
    fs::write(&path, contents).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn succeeded(output: Output, arguments: &[&str]) -> String {
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn failed(code: i32, mut command: Command, arguments: &[&str]) -> String {
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}{}", text(&output.stdout));
    assert_eq!(said.trim_end().lines().count(), 1, "one sentence: {said}");
    said
}

#[test]
fn a_key_lives_its_life_at_a_server_as_it_does_in_a_local_vault() {
    let scene = Scene::new();
    let made = scene.json(&["key", "create", "www", "--kind", "p-256", "--tag", "a=b", "--expires", "2100-01-01"]);
    assert_eq!(
        (&made["kind"], &made["tags"], &made["version_count"]),
        (&json!("p-256"), &json!({"a": "b"}), &json!(1))
    );
    assert_eq!(made["expires"], "2100-01-01T00:00:00Z");
    assert!(scene.refused(&["key", "create", "WWW", "--kind", "p-256"]).contains("is taken"));
    let rotated = scene.json(&["key", "rotate", "www"]);
    assert_eq!((&rotated["name"], &rotated["version_count"]), (&json!("www"), &json!(2)));

    let (there, here) = (scene.json(&["key", "show", "www"]), scene_show(&scene, "www"));
    for field in ["name", "version", "version_count", "kind", "usage", "state", "created", "tags", "exportable"] {
        assert_eq!(there[field], here[field], "{field}");
    }
    assert_eq!(there["versions"].as_array().unwrap().len(), 2);
    assert_eq!(there["uri"], format!("{}/keys/www/{}", scene.vault, rotated["version"].as_str().unwrap()));
    let first = made["version"].as_str().unwrap();
    assert_eq!(scene.json(&["key", "show", "www", "--version", &first[..12]])["version"], first);
    assert_eq!(scene.run(&["key", "public", "www"]), scene.local(&["key", "public", "www"]));
    let rows = |listed: String| listed.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rows(scene.run(&["key", "list"])), rows(scene.local(&["key", "list"])));

    let off = scene.json(&["key", "disable", "www"]);
    assert_eq!((&off["changed"], &off["current_version"]), (&json!(true), &Value::Null));
    assert_eq!(scene_show(&scene, "www")["versions"][1]["enabled"], false);
    assert_eq!(scene.json(&["key", "disable", "www"])["changed"], false);
    assert_eq!(scene.json(&["key", "enable", "www"])["current_version"], rotated["version"]);

    let deleted = scene.json(&["key", "delete", "www"]);
    assert_eq!(deleted["deleted_versions"], json!([first, rotated["version"]]));
    assert!(scene.refused(&["key", "show", "www"]).contains("There is no key called \"www\""));
}

/// What the local command says of a key.
fn scene_show(scene: &Scene, name: &str) -> Value {
    serde_json::from_str(&scene.local(&["--json", "key", "show", name])).unwrap()
}

#[test]
fn keys_of_every_kind_are_made_and_brought_and_are_the_same_keys_there() {
    let scene = Scene::new();
    for kind in ["rsa-2048", "p-384", "p-521", "p-256k"] {
        let name = format!("made-{kind}");
        assert_eq!(scene.json(&["key", "create", &name, "--kind", kind])["kind"], kind);
        assert_eq!(scene_show(&scene, &name)["kind"], kind);
    }
    scene.run(&["key", "create", "aes", "--kind", "aes-256"]);
    assert_eq!(scene_show(&scene, "aes")["kind"], "aes-256");
    assert!(scene.refused(&["key", "public", "aes"]).contains("secret key"));
    for (kind, options) in [("rsa", "rsa_keygen_bits:2048"), ("ec", "ec_paramgen_curve:P-256")] {
        let algorithm = if kind == "rsa" { "RSA" } else { "EC" };
        openssl(&scene, &["genpkey", "-algorithm", algorithm, "-pkeyopt", options, "-out", kind]);
        scene.run(&["key", "import", kind, kind, "--usage", "sign,verify"]);
        assert_eq!(scene.run(&["key", "public", kind]), openssl(&scene, &["pkey", "-in", kind, "-pubout"]));
        assert_eq!(scene_show(&scene, kind)["usage"], json!(["sign", "verify"]));
    }
    fs::write(scene.path("raw"), [7; 32]).unwrap();
    scene.run(&["key", "import", "raw", "raw", "--kind", "generic-256"]);
    assert_eq!(scene_show(&scene, "raw")["kind"], "generic-256");
    openssl(&scene, &["genpkey", "-algorithm", "ED25519", "-out", "ed"]);
    assert!(scene.misused(&["key", "import", "ed", "ed"]).contains("ed25519"));
}

fn openssl(scene: &Scene, arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(scene.folder.path()).output().unwrap();
    succeeded(output, arguments)
}

#[test]
fn the_command_works_at_a_managed_hsm() {
    let scene = Scene::served_as("managed-hsm");
    for kind in ["p-256", "rsa-2048", "aes-256"] {
        scene.run(&["key", "create", &format!("made-{kind}"), "--kind", kind]);
    }
    openssl(&scene, &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec"]);
    scene.run(&["key", "import", "ec", "ec"]);
    assert_eq!(scene.json(&["key", "list"]).as_array().unwrap().len(), 4);
    scene.run(&["key", "delete", "ec"]);
    assert_eq!(scene.json(&["deleted", "list"])[0]["name"], "ec");
    scene.run(&["deleted", "recover", "ec"]);
    assert!(scene.refused(&["secret", "list"]).contains("not found"));
    assert_eq!(scene.json(&["role", "list"]).as_array().unwrap().len(), 9);
    let made =
        scene.json(&["role", "definition", "create", "Signers", "--allow", "keys/sign/action", "--scope", "/keys"]);
    assert_eq!(made["data_actions"], json!(["Microsoft.KeyVault/managedHsm/keys/sign/action"]));
    let somebody = "0b5f9a63-65d5-4b0f-9c7b-1c2d3e4f5a6b";
    scene.run(&["role", "assign", "Signers", somebody, "--scope", "/keys"]);
    scene.run(&["role", "assign", "Crypto Auditor", somebody, "--scope", "/keys/made-p-256"]);
    assert_eq!(scene.json(&["role", "assignments", "--identity", somebody]).as_array().unwrap().len(), 2);
    assert!(scene.refused(&["role", "assign", "Crypto User", somebody, "--scope", "/secrets/a"]).contains("no scope"));
}

#[test]
fn roles_are_made_given_and_taken_away_at_a_server_as_they_are_in_a_local_vault() {
    let scene = Scene::new();
    let here =
        |arguments: &[&str]| serde_json::from_str::<Value>(&scene.local(&[&["--json"], arguments].concat())).unwrap();
    let somebody = here(&["identity", "create", "app"])["object_id"].as_str().unwrap().to_owned();
    assert_eq!(sorted(scene.json(&["role", "list"])).len(), 11);
    let create = ["role", "definition", "create", "Signers", "--allow", "keys/sign/action", "--description", "sign"];
    let made = scene.json(&create);
    assert_eq!(made["data_actions"], json!(["Microsoft.KeyVault/vaults/keys/sign/action"]));
    assert_eq!(
        scene.json(&["role", "definition", "show", "signers"]),
        here(&["role", "definition", "show", "signers"])
    );
    assert_eq!(sorted(scene.json(&["role", "definition", "list"])), sorted(here(&["role", "definition", "list"])));
    assert!(scene.refused(&create).contains("already"));
    let assign = ["role", "assign", "Signers", &somebody, "--scope", "/keys/www"];
    let given = scene.json(&assign);
    assert_eq!((&given["role"], &given["scope"]), (&json!("Signers"), &json!("/keys/www")));
    assert_eq!(scene.json(&assign), given, "a role is had once");
    scene.run(&["role", "assign", "crypto user", &somebody]);
    let (there, local) = (scene.json(&["role", "assignments"]), here(&["role", "assignments"]));
    let ids = |all: &Value| all.as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>().len();
    assert_eq!((ids(&there), ids(&local)), (3, 3));
    assert_eq!(scene.json(&["role", "assignments", "--identity", &somebody]).as_array().unwrap().len(), 2);
    assert!(scene.refused(&["role", "definition", "delete", "Signers", "-y"]).contains("assigned 1 times"));
    assert_eq!(scene.json(&["role", "unassign", "Signers", &somebody, "--scope", "/keys/www"]), given);
    assert!(scene.refused(&["role", "unassign", "Signers", &somebody]).contains("doesn't have"));
    assert_eq!(scene.json(&["role", "definition", "delete", "Signers", "-y"])["name"], "Signers");
    assert!(scene.refused(&["role", "assign", "Signers", &somebody]).contains("There is no role"));
    assert!(scene.misused(&["role", "assign", "Reader", "app"]).contains("object id"));
}

fn sorted(mut list: Value) -> Vec<Value> {
    let list = list.as_array_mut().unwrap();
    list.sort_by_key(|role| role["id"].as_str().unwrap().to_owned());
    list.clone()
}

#[test]
fn a_secret_goes_through_standard_input_and_comes_back_byte_for_byte() {
    let scene = Scene::new();
    let value = "pass \"word\" ключ \\ \n end";
    let set = ["--json", "secret", "set", "db", "--content-type", "text/plain", "--tag", "a=b"];
    let first: Value = serde_json::from_str(&succeeded(scene.fed(&set, value.as_bytes()), &set)).unwrap();
    assert_eq!(first["version_number"], 1);
    assert_eq!(scene.run(&["secret", "get", "db"]), value);
    assert_eq!(scene.local(&["secret", "get", "db"]), value);
    succeeded(scene.fed(&["secret", "set", "db"], b"second"), &set);
    assert_eq!(scene.run(&["secret", "get", "db"]), "second");
    let old = scene.json(&["secret", "get", "db", "--version", first["version"].as_str().unwrap()]);
    assert_eq!(
        (&old["value"], &old["content_type"], &old["tags"]),
        (&json!(value), &json!("text/plain"), &json!({"a": "b"}))
    );
    let listed = scene.json(&["secret", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["version_count"]), (&json!("db"), &json!(2)));
    assert!(!listed.to_string().contains("second"), "a list has no values");
    assert!(scene.run(&["secret", "list"]).starts_with("db  enabled  2  -"));
    assert!(scene.refused(&["secret", "get", "other"]).contains("There is no secret called \"other\""));
    let bytes = scene.fed(&["secret", "set", "bytes"], &[0xff, 0]);
    assert!(text(&bytes.stderr).contains("UTF-8") && !bytes.status.success());
    scene.run(&["secret", "delete", "db"]);
    let held = scene.fed(&["secret", "set", "db"], b"third");
    assert!(
        text(&held.stderr).contains("deleted recover") && !text(&held.stderr).contains("third"),
        "{}",
        text(&held.stderr)
    );
}

#[test]
fn what_was_deleted_is_listed_shown_recovered_and_purged() {
    let scene = Scene::new();
    scene.run(&["key", "create", "both", "--kind", "p-256"]);
    succeeded(scene.fed(&["secret", "set", "both"], b"value"), &["secret", "set"]);
    scene.run(&["key", "delete", "both"]);
    assert_eq!(scene.json(&["deleted", "show", "both"])["kind"], "key");
    scene.run(&["secret", "delete", "both"]);
    assert_eq!(scene.json(&["deleted", "list"]).as_array().unwrap().len(), 2);
    assert!(scene.refused(&["deleted", "show", "both"]).contains("--kind"));
    let there = scene.json(&["deleted", "show", "both", "--kind", "secret"]);
    let here: Value =
        serde_json::from_str(&scene.local(&["--json", "deleted", "show", "both", "--kind", "secret"])).unwrap();
    for field in ["name", "kind", "deleted", "scheduled_purge"] {
        assert_eq!(there[field], here[field], "{field}");
    }
    assert_eq!(scene.run(&["deleted", "recover", "both", "--kind", "secret"]), "Recovered the secret both.\n");
    assert_eq!(scene.run(&["secret", "get", "both"]), "value");
    assert!(scene.refused(&["deleted", "purge", "both"]).contains("--yes"));
    assert_eq!(scene.run(&["deleted", "purge", "both", "--yes"]), "Purged the key both.\n");
    assert_eq!(scene.json(&["deleted", "list"]), json!([]));
    assert!(scene.refused(&["deleted", "recover", "both"]).contains("Nothing deleted is called"));
    assert!(scene.misused(&["deleted", "show", "both", "--kind", "certificate"]).contains("--kind certificate"));
}

#[test]
fn a_whole_vault_is_backed_up_to_a_target_and_goes_back_to_it() {
    let scene = Scene::new();
    scene.run(&["key", "create", "www", "--kind", "p-256"]);
    let made = scene.json(&["backup", "create", "--target", "nightly"]);
    let name = made["name"].as_str().unwrap();
    assert!(
        made["uri"].as_str().unwrap().ends_with(&format!("/nightly/{name}")) && made["ended"].is_string(),
        "{made}"
    );
    // It is what the command makes where the vault lies.
    let shown: Value =
        serde_json::from_str(&scene.local(&["--json", "backup", "show", &format!("backups/{name}")])).unwrap();
    assert_eq!(shown["opens_with"], "recovery-key");
    scene.local(&["backup", "verify", &format!("backups/{name}")]);
    let version = scene.json(&["key", "show", "www"])["version"].clone();
    scene.run(&["key", "delete", "www"]);
    scene.run(&["key", "create", "since", "--kind", "p-256"]);
    assert!(scene.refused(&["restore", name, "--target", "nightly"]).contains("add --yes"));
    assert!(
        scene.refused(&["restore", name, "--target", "nightly", "--object", "www"]).contains("deleted but recoverable")
    );
    let restored = scene.json(&["--yes", "restore", name, "--target", "nightly"]);
    assert_eq!(restored["name"], name);
    assert_eq!(scene.json(&["key", "show", "www"])["version"], version);
    assert!(scene.refused(&["key", "show", "since"]).contains("no key called"));
    scene.run(&["key", "delete", "www"]);
    scene.run(&["--yes", "deleted", "purge", "www"]);
    scene.run(&["restore", name, "--target", "nightly", "--object", "www"]);
    assert_eq!(scene.json(&["key", "show", "www"])["version"], version);
    assert!(scene.refused(&["backup", "create", "--target", "weekly"]).contains("target was not found"));
    let absent = format!("{}20200101T000000Z.backup", &name[..=name.rfind('-').unwrap()]);
    for (folder, said) in [(&*absent, "was not found at this target"), ("none", "is of another vault")] {
        let refused = scene.refused(&["--yes", "restore", folder, "--target", "nightly"]);
        assert!(refused.contains(said), "{folder}: {refused}");
    }
    assert!(failed(2, local(&scene.folder, &["backup", "create", "--target", "x"]), &[]).contains("for a server"));
}

#[test]
fn a_list_is_followed_over_all_its_pages() {
    let scene = Scene::new();
    for number in 0..30 {
        scene.local(&["key", "create", &format!("key-{number:02}"), "--kind", "p-256"]);
    }
    let names: Vec<Value> =
        scene.json(&["key", "list"]).as_array().unwrap().iter().map(|key| key["name"].clone()).collect();
    assert_eq!(names, (0..30).map(|number| json!(format!("key-{number:02}"))).collect::<Vec<_>>());
}

#[test]
fn what_the_api_has_no_word_for_is_refused_by_name() {
    let scene = Scene::new();
    scene.run(&["key", "create", "www", "--kind", "p-256"]);
    for (arguments, option) in [
        (&["key", "create", "x", "--kind", "p-256", "--exportable"][..], "--exportable"),
        (&["key", "create", "x", "--kind", "ed25519"], "--kind ed25519"),
        (&["key", "create", "x", "--kind", "p-256", "--usage", "sign,derive"], "--usage derive"),
        (&["key", "rotate", "www", "--expires", "2100-01-01"], "--expires"),
        (&["key", "delete", "www", "--version", "0"], "--version"),
        (&["key", "delete", "www", "--purge"], "--purge"),
        (&["key", "list", "--pin-file", "pin"], "--pin-file"),
        (&["cert", "list"], "Only `key`, `secret`, `deleted`, `role`"),
        (&["backup", "create", "x"], "Say with --target"),
        (&["backup", "show", "x"], "Only `backup create`"),
        (&["restore", "x"], "Say with --target"),
        (&["restore", "x", "--target", "nightly", "--recovery-key-file", "key"], "the server's configuration"),
    ] {
        assert!(scene.misused(arguments).contains(option), "{arguments:?}");
    }
    assert_eq!(scene.json(&["key", "list"]).as_array().unwrap().len(), 1, "nothing was done");
    let mut command = program(&scene.folder, &["key", "list", "--ca", "ca.pem"]);
    assert!(text(&command.output().unwrap().stderr).contains("--vault https://"));
}

#[test]
fn who_has_no_permission_or_a_wrong_secret_learns_it_in_one_sentence() {
    let scene = Scene::new();
    succeeded(scene.fed(&["secret", "set", "db"], b"the value"), &["secret", "set"]);
    let made: Value = serde_json::from_str(&scene.local(&["--json", "identity", "create", "reader"])).unwrap();
    scene.local(&["role", "assign", "Key Vault Reader", "reader"]);
    let secret: Value = serde_json::from_str(&scene.local(&["--json", "identity", "secret", "add", "reader"])).unwrap();
    let (id, secret) = (made["client_id"].as_str().unwrap(), secret["client_secret"].as_str().unwrap());
    let reader = |arguments: &[&str]| {
        let mut command = scene.command(arguments);
        command.env("AZURE_CLIENT_ID", id).env("AZURE_CLIENT_SECRET", secret);
        command
    };
    succeeded(reader(&["secret", "list"]).output().unwrap(), &["secret", "list"]);
    let denied = failed(1, reader(&["secret", "get", "db"]), &["secret", "get"]);
    assert!(denied.contains("not authorized") && denied.contains("getSecret"), "{denied}");

    let mut wrong = scene.command(&["key", "list"]);
    wrong.env("AZURE_CLIENT_SECRET", "not-the-secret-at-all");
    let said = failed(1, wrong, &["key", "list"]);
    assert!(said.contains("AZURE_CLIENT_SECRET") && !said.contains("not-the-secret-at-all"), "{said}");
    let mut nobody = scene.command(&["key", "list"]);
    nobody.env_remove("AZURE_CLIENT_SECRET");
    assert!(failed(1, nobody, &["key", "list"]).contains("AZURE_CLIENT_ID"));
    let mut tenant = scene.command(&["key", "list"]);
    tenant.env("AZURE_TENANT_ID", "11111111-2222-3333-4444-555555555555");
    assert!(failed(1, tenant, &["key", "list"]).contains("AZURE_TENANT_ID"));
    let mut elsewhere = scene.command(&["key", "list"]);
    elsewhere.env("AZURE_AUTHORITY_HOST", "https://login.example.com");
    assert!(failed(1, elsewhere, &["key", "list"]).contains("nothing was sent"));
    let mut own = scene.command(&["key", "list"]);
    succeeded(own.env_remove("AZURE_AUTHORITY_HOST").env_remove("AZURE_TENANT_ID").output().unwrap(), &["key", "list"]);
}

#[test]
fn a_token_may_come_from_a_file_that_nobody_else_reads() {
    let scene = Scene::new();
    let value = |name: &str| scene.environment.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let port = scene.vault.rsplit_once(':').unwrap().1;
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fvault.localhost%3A{port}%2F.default",
        value("AZURE_CLIENT_ID"),
        value("AZURE_CLIENT_SECRET")
    );
    let host = format!("login.vault.localhost:{port}:127.0.0.1");
    let url = format!("{}/adfs/oauth2/v2.0/token", value("AZURE_AUTHORITY_HOST"));
    let mut curl = Command::new("curl");
    let output =
        curl.args(["-s", "--cacert", "ca.pem", "--resolve", &host, "-d", &form, &url]).current_dir(scene.folder.path());
    let answer: Value = serde_json::from_slice(&output.output().unwrap().stdout).unwrap();
    write_private(scene.path("token"), answer["access_token"].as_str().unwrap());
    let with_file = |file: &str| {
        let mut command = program(&scene.folder, &["key", "list", "--vault", &scene.vault, "--token-file", file]);
        command.env("SSL_CERT_FILE", "ca.pem");
        command
    };
    succeeded(with_file("token").output().unwrap(), &["key", "list"]);
    write_private(scene.path("stale"), "eyJhbGciOiJub25lIn0.e30.");
    let said = failed(1, with_file("stale"), &["key", "list"]);
    assert!(said.contains("new token") && !said.contains("eyJ"), "{said}");
    fs::set_permissions(scene.path("token"), Permissions::from_mode(0o644)).unwrap();
    assert!(failed(1, with_file("token"), &["key", "list"]).contains("token"));
}

#[test]
fn a_server_that_is_not_trusted_or_not_there_is_named_with_what_to_do() {
    let scene = Scene::new();
    let at = |vault: &str, ca: &str| {
        let mut command = program(&scene.folder, &["key", "list", "--vault", vault, "--ca", ca]);
        command.envs(scene.environment.iter().cloned());
        command
    };
    let other =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other"];
    openssl(&scene, &[&other[..], &["-keyout", "other.key", "-out", "other.pem"]].concat());
    assert!(failed(1, at(&scene.vault, "other.pem"), &["unknown CA"]).contains("--ca FILE"));
    assert!(failed(1, at(&scene.vault, "other.key"), &["no certificate"]).contains("no certificate"));
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = failed(1, at(&format!("https://dev.vault.localhost:{nowhere}"), "ca.pem"), &["unreachable"]);
    assert!(said.contains("can't be reached") && said.contains("server runs"), "{said}");
    let said = failed(1, at("https://vault.invalid", "ca.pem"), &["no such host"]);
    assert!(said.contains("check the name"), "{said}");
    let unknown = scene.vault.replace("dev.", "nobody.");
    assert!(failed(1, at(&unknown, "ca.pem"), &["another vault"]).contains("nobody.vault.localhost"));
    assert!(failed(2, at("http://dev.vault.localhost", "ca.pem"), &["http"]).contains("https://"));
    assert!(failed(2, at(&format!("{}/keys", scene.vault), "ca.pem"), &["path"]).contains("no vault's address"));
}
