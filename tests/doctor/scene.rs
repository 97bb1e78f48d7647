//! A machine that is well: a vault with a key, a certificate, nginx and OpenSSL configured for it, and a shell in which
//! `strongroom` is the command under test. A test breaks one thing, `doctor` names it, and the command that it gives is
//! run in that shell.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use strongroom::cli::doctor::table;

use crate::stage::{self, PIN, Stage, TOKEN, set_mode};

/// The scene and how `doctor` is called in it.
pub struct Scene {
    pub stage: Stage,
    /// Of `strongroom doctor`.
    pub arguments: String,
    module: PathBuf,
    environment: Vec<(String, String)>,
    recovery_key: String,
    /// Everything is done as this user, if one is named.
    user: Option<&'static str>,
}

impl Scene {
    /// Everything in order: not a single fault.
    pub fn new() -> Self {
        let stage = Stage::without_token();
        let mut scene = Self {
            arguments: String::new(),
            module: stage::module(),
            environment: Vec::new(),
            recovery_key: String::new(),
            user: None,
            stage,
        };
        set_mode(&scene.stage.path(""), 0o755);
        if !may_everybody("-r", &scene.module) {
            // As after an installation: a module that lies under somebody's home is nobody else's.
            std::fs::copy(&scene.module, scene.stage.path("libstrongroom.so")).unwrap();
            scene.module = scene.stage.path("libstrongroom.so");
        }
        scene.arguments = format!("--nginx {} --module {}", scene.stage.at("nginx.conf"), scene.module.display());
        for folder in ["strongroom", "bin", "home/.config/pkcs11/modules", "empty"] {
            std::fs::create_dir_all(scene.stage.path(folder)).unwrap();
        }
        std::os::unix::fs::symlink(stage::cli(), scene.stage.path("bin/strongroom")).unwrap();
        scene.write_files();
        let made = scene.strongroom(&format!("--json init --path {} --label {TOKEN}", scene.stage.vault().display()));
        let made: Value = serde_json::from_str(&made).unwrap();
        let recovery_key = made["recovery_key"].as_str().unwrap().to_owned();
        scene.strongroom("key create www --kind p-256");
        scene.strongroom("cert create www --subject CN=localhost --out www.crt");
        let scene = Self { recovery_key, ..scene };
        scene.is_well();
        scene
    }

    fn write_files(&self) {
        let stage = &self.stage;
        stage.file("www.pin", format!("{PIN}\n"));
        set_mode(&stage.path("www.pin"), 0o600);
        self.configuration("objects = [\"www*\"]");
        self.openssl_configuration(&[]);
        stage.file(
            "home/.config/pkcs11/modules/strongroom.module",
            format!("# ours\nmodule: {}\n", self.module.display()),
        );
        self.nginx_configuration(&format!("engine:pkcs11:pkcs11:token={TOKEN};object=www;type=private"));
    }

    /// `config.toml` with the vault and these further lines.
    pub fn configuration(&self, more: &str) {
        let (vault, pin) = (self.stage.vault(), self.stage.path("www.pin"));
        let text = format!("[[vault]]\nname = \"www\"\npath = {vault:?}\npin_file = {pin:?}\n{more}\n");
        self.stage.file("strongroom/config.toml", text);
        set_mode(&self.stage.path("strongroom/config.toml"), 0o644);
    }

    /// OpenSSL's configuration with the engine; each pair replaces one piece of it by another.
    pub fn openssl_configuration(&self, changes: &[(&str, &str)]) {
        let text = format!(
            "openssl_conf = init\n[init]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\n\
             engine_id = pkcs11\nMODULE_PATH = {}\ninit = 1\n",
            self.module.display()
        );
        let text = changes.iter().fold(text, |text, (old, new)| replaced(&text, old, new));
        self.stage.file("openssl.cnf", text);
    }

    /// nginx's configuration with this key.
    pub fn nginx_configuration(&self, key: &str) {
        let stage = &self.stage;
        let text = format!(
            "env STRONGROOM_CONF;\nenv OPENSSL_CONF;\nuser www-data;\npid {};\nerror_log {} warn;\nevents {{ }}\nhttp {{\n\
             access_log off;\nserver {{\n    listen 127.0.0.1:{} ssl;\n    ssl_certificate {};\n    \
             ssl_certificate_key \"{key}\";\n}}\n}}\n",
            stage.at("nginx.pid"),
            stage.at("nginx.log"),
            stage::free_port(),
            stage.at("www.crt"),
        );
        stage.file("nginx.conf", text);
    }

    /// Replaces one piece of a file by another.
    pub fn edit(&self, file: &str, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.stage.path(file)).unwrap();
        self.stage.file(file, replaced(&text, old, new));
    }

    /// The module under test, where everybody can read it.
    pub fn module(&self) -> PathBuf {
        self.module.clone()
    }

    /// Everything belongs to this user, and is done as them, from now on. False if they can't start the command.
    pub fn become_user(&mut self, user: &'static str) -> bool {
        if !may_everybody("-x", &stage::cli()) {
            println!("not run: the command under test lies where {user} can't reach it");
            return false;
        }
        run("chown", &format!("-R {user} {}", self.stage.at("")));
        self.user = Some(user);
        true
    }

    /// Sets a variable in the shell.
    pub fn set(&mut self, variable: &str, value: impl ToString) {
        self.environment.push((variable.to_owned(), value.to_string()));
    }

    /// Runs the command with the vault's PIN; returns standard output.
    pub fn strongroom(&self, arguments: &str) -> String {
        let output = self.shell(&format!("strongroom --pin-file {} {arguments}", self.stage.at("www.pin")), "");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same on the vault's directory, whatever the configuration says.
    pub fn strongroom_without_configuration(&self, arguments: &str) {
        let script = format!("STRONGROOM_VAULT={} strongroom --pin-file www.pin {arguments}", self.stage.at("vault"));
        let output = self.shell(&script, "");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a script as somebody at this machine would, who types this.
    pub fn shell(&self, script: &str, typed: &str) -> Output {
        let mut command = self.stage.command(if self.user.is_some() { "setpriv" } else { "sh" });
        if let Some(user) = self.user {
            command.args(["--reuid", user, "--regid", user, "--init-groups", "sh"]);
        }
        let path = format!("{}:{}", self.stage.at("bin"), std::env::var("PATH").unwrap());
        command
            .args(["-c", script])
            .env_remove("STRONGROOM_VAULT")
            .env_remove("XDG_CONFIG_HOME")
            .env("STRONGROOM_CONF", self.stage.path("strongroom/config.toml"))
            .env("OPENSSL_CONF", self.stage.path("openssl.cnf"))
            .env("HOME", self.stage.path("home"))
            .env("PATH", path)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who reads nothing may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What `doctor` finds.
    pub fn doctor(&self) -> Report {
        self.doctor_after("true", "")
    }

    /// What `doctor` finds after a command in the same shell.
    fn doctor_after(&self, command: &str, typed: &str) -> Report {
        // The command's own output must not be taken for the report.
        let script = format!(
            "{{ {command}\n}} > command.out 2>&1; echo $? > command.rc; exec strongroom doctor --json {}",
            self.arguments
        );
        let output = self.shell(&script, typed);
        let read = |file| std::fs::read_to_string(self.stage.path(file)).unwrap_or_default();
        assert_eq!(read("command.rc").trim(), "0", "{command}: {}", read("command.out"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        let json: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {stderr}{}", String::from_utf8_lossy(&output.stdout)));
        let expected = if json["healthy"].as_bool().unwrap() { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(expected), "{json:#} {stderr}");
        Report { json }
    }

    /// What `doctor` prints where a file of this name is the only backup that this machine has; `None` where nothing
    /// can be mounted.
    pub fn doctor_with_backup(&self, file: &str, arguments: &str) -> Option<String> {
        std::fs::create_dir_all(self.stage.path("backups/strongroom")).unwrap();
        self.stage.file(&format!("backups/strongroom/{file}"), "");
        self.doctor_beside("backups", "/var/backups", arguments)
    }

    /// What `doctor` prints where a folder of the scene's is a directory of the system's; `None` where nothing can be
    /// mounted.
    pub fn doctor_beside(&self, folder: &str, place: &str, arguments: &str) -> Option<String> {
        // For one process only.
        let script = format!(
            "exec unshare --mount sh -c 'mount --bind {folder} {place} && exec strongroom doctor {arguments} {}'",
            self.arguments
        );
        let output = self.shell(&script, "");
        if output.stdout.is_empty() {
            println!("not run: no mounts of one's own here: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// There is no fault, and nothing but what is the machine's is warned of.
    pub fn is_well(&self) {
        self.doctor().is_well();
    }

    /// `doctor` names it and gives a command.
    pub fn names(&self, id: &str) -> String {
        let report = self.doctor();
        let remedy = report.remedy(id).unwrap_or_else(|| panic!("{id} isn't named: {:#?}", report.failed()));
        remedy.to_owned()
    }

    /// `doctor` names it; its command, run, mends it and everything is well again.
    pub fn mends(&self, id: &str, typed: &str) {
        let report = self.mends_alone(id, typed);
        report.is_well();
    }

    /// `doctor` names it; its command, run, mends it, whatever else is left.
    pub fn mends_alone(&self, id: &str, typed: &str) -> Report {
        let remedy = self.names(id);
        let report = self.doctor_after(&remedy, typed);
        assert!(report.remedy(id).is_none(), "{remedy:?} doesn't mend {id}: {:#?}", report.failed());
        report
    }

    /// The same with a command that asks on a terminal.
    pub fn mends_on_terminal(&self, id: &str, typed: &str) {
        let remedy = self.names(id);
        self.stage.file("remedy", &remedy);
        let report = self.doctor_after("script -qec 'sh remedy' /dev/null", typed);
        assert!(report.remedy(id).is_none(), "{remedy:?} doesn't mend {id}: {:#?}", report.failed());
        report.is_well();
    }

    /// The recovery key, as `init` printed it.
    pub fn recovery_key(&self) -> &str {
        &self.recovery_key
    }

    /// Whether nginx takes its configuration, which it does only with the key in hand.
    pub fn nginx_starts(&self) -> bool {
        self.nginx().status.success()
    }

    fn nginx(&self) -> Output {
        let nginx = format!("nginx -t -c {} -e {}", self.stage.at("nginx.conf"), self.stage.at("nginx.log"));
        self.shell(&nginx, "")
    }

    /// nginx refuses to start, in words that the table knows; `doctor` names why; its command mends it and nginx
    /// starts.
    pub fn mends_nginx(&self, id: &str, typed: &str) {
        let output = self.nginx();
        assert!(!output.status.success(), "nginx starts in spite of {id}");
        let printed = String::from_utf8_lossy(&output.stderr);
        let symptoms = table::all().find(|check| check.id == id).unwrap().symptoms;
        assert!(symptoms.iter().any(|symptom| is_in(symptom, &printed)), "{id}: {symptoms:#?} aren't in {printed}");
        self.mends(id, typed);
        assert!(self.nginx_starts(), "nginx doesn't start after {id}");
    }

    pub fn vault_file(&self) -> PathBuf {
        self.stage.vault().join("vault.db")
    }
}

/// `doctor`'s answer.
pub struct Report {
    json: Value,
}

impl Report {
    /// The command for a check that failed; `None` if it holds.
    pub fn remedy(&self, id: &str) -> Option<&str> {
        let checks = self.json["checks"].as_array().unwrap();
        let failed = checks.iter().find(|check| check["id"] == id && check["state"] != "ok")?;
        Some(failed["remedy"].as_str().unwrap_or_else(|| panic!("{id} has no remedy: {failed:#}")))
    }

    /// Whether something is left out for such a reason.
    pub fn leaves_out(&self, why: &str) -> bool {
        let left_out = self.json["left_out"].as_array().unwrap();
        left_out.iter().any(|left_out| left_out["text"].as_str().unwrap().contains(why))
    }

    /// What is said of a check.
    pub fn text(&self, id: &str) -> &str {
        let checks = self.json["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).map_or("", |check| check["text"].as_str().unwrap())
    }

    /// What was found, but for what is the machine's under the test: p11-kit has no files of root's alone.
    fn failed(&self) -> Vec<&Value> {
        let checks = self.json["checks"].as_array().unwrap();
        // Nor are there backups of a scene.
        let none = ["p11-kit-unregistered", "backup-none"];
        let of_machine = |check: &Value| check["area"] == "Machine" || none.iter().any(|id| check["id"] == *id);
        checks.iter().filter(|check| check["state"] != "ok" && !of_machine(check)).collect()
    }

    fn is_well(&self) {
        let failed = self.failed();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

/// Whether the pieces between `…` stand in the text, in their order.
fn is_in(symptom: &str, text: &str) -> bool {
    let mut rest = Some(text);
    for piece in symptom.split('…') {
        rest = rest.and_then(|rest| rest.split_once(piece.trim())).map(|(_, rest)| rest);
    }
    rest.is_some()
}

fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old:?} isn't in {text}");
    text.replace(old, new)
}

/// Runs a program of this machine that must succeed.
pub fn run(program: &str, arguments: &str) {
    stage::succeed(Command::new(program).args(arguments.split_whitespace()));
}

/// Whether a user without any rights passes this test of `test`.
fn may_everybody(test: &str, path: &Path) -> bool {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "test", test]).arg(path);
    stage::output(&mut command).status.success()
}
