//! A server of a stage's vault, and the programs that reach it by its names.
//!
//! `*.localhost` doesn't resolve by itself in the C library: a client runs with an `/etc/hosts` of its own, in a mount
//! namespace that ends with it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use strongroom::server::keys::algorithms;
use strongroom::server::{API_VERSIONS, ROUTES};

use crate::stage::{Running, Stage, cli, is_root, output, set_mode, succeed, wait_until};

/// What opens the backups at the target `nightly`.
pub const PASSPHRASE: &str = "a passphrase that nobody guesses";

/// A running `strongroom serve --dev`, ended when dropped.
pub struct Served {
    running: Running,
    printed: String,
    hosts: String,
}

impl Served {
    /// Serves the stage's vault under the name `vault`.
    pub fn vault(stage: &Stage) -> Self {
        Self::vault_as(stage, "key-vault")
    }

    /// Serves it as a Managed HSM.
    pub fn hsm(stage: &Stage) -> Self {
        Self::vault_as(stage, "managed-hsm")
    }

    /// Serves it as a key vault with these lines more in the configuration.
    pub fn vault_with(stage: &Stage, lines: &str) -> Self {
        Self::configured(stage, "key-vault", lines)
    }

    /// Serves the stage's vault with these further lines of its configuration: of `[server]`, and of the vault's table.
    pub fn with_server(stage: &Stage, server: &str, vault: &str) -> Self {
        let text = format!(
            "vaults_dir = \"none\"\n[server]\n{server}\n[[vault]]\nname = \"vault\"\npath = {:?}\n{vault}\n",
            stage.vault()
        );
        let path = stage.file("server.toml", text);
        set_mode(Path::new(&path), 0o600);
        let mut command = stage.strongroom_command("--vault vault serve --dev --listen 127.0.0.1:0 --write-ca ca.pem");
        command.env("STRONGROOM_CONF", path).env_remove("STRONGROOM_VAULT");
        Self::start(stage, &mut command)
    }

    fn vault_as(stage: &Stage, manner: &str) -> Self {
        Self::configured(stage, manner, "")
    }

    fn configured(stage: &Stage, manner: &str, lines: &str) -> Self {
        let mut command = stage.strongroom_command("--vault vault serve --dev --listen 127.0.0.1:0 --write-ca ca.pem");
        command.env("STRONGROOM_CONF", Self::configuration(stage, manner, lines)).env_remove("STRONGROOM_VAULT");
        Self::start(stage, &mut command)
    }

    /// Serves a vault and a Managed HSM that are gone afterwards.
    pub fn scratch(stage: &Stage) -> Self {
        let mut command = stage.command(cli());
        command.args("serve --dev --listen 127.0.0.1:0 --write-ca ca.pem".split(' ')).env_remove("STRONGROOM_VAULT");
        Self::start(stage, &mut command)
    }

    /// A configuration with the vault and two targets for its backups: `nightly`, which a passphrase opens, and `sealed`,
    /// which has none, as the vault has no recovery key.
    fn configuration(stage: &Stage, manner: &str, lines: &str) -> String {
        let directory = stage.path("backups");
        fs::create_dir_all(&directory).unwrap();
        let passphrase = stage.file("passphrase", PASSPHRASE);
        set_mode(Path::new(&passphrase), 0o600);
        let text = format!(
            "vaults_dir = \"none\"\n[[vault]]\nname = \"vault\"\npath = {vault:?}\nserve_as = {manner:?}\n\
             [[backup_target]]\nname = \"nightly\"\ndirectory = {directory:?}\npassphrase_file = {passphrase:?}\n\
             [[backup_target]]\nname = \"sealed\"\ndirectory = {directory:?}\n{lines}",
            vault = stage.vault(),
        );
        let path = stage.file("server.toml", text);
        set_mode(Path::new(&path), 0o600);
        path
    }

    /// Runs this command, whose working directory is the stage's, until it listens.
    pub fn start(stage: &Stage, command: &mut Command) -> Self {
        let log = fs::File::create(stage.path("server.log")).unwrap();
        command.stderr(log).stdout(Stdio::null());
        let running = Running::start(command);
        let read = || fs::read_to_string(stage.path("server.log")).unwrap();
        wait_until("the server listens", || read().contains("Listening at "));
        let printed = read();
        let own = printed.lines().find(|line| line.trim().starts_with("127.0.0.1 ")).expect("a line for /etc/hosts");
        let hosts = fs::read_to_string("/etc/hosts").unwrap();
        let hosts = stage.file("hosts", format!("{hosts}\n{}\n", own.trim()));
        set_mode(Path::new(&hosts), 0o644);
        Self { running, printed, hosts }
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The vault's address.
    pub fn url(&self) -> &str {
        let vault = |line: &'_ str| line.starts_with("Vault: ") || line.starts_with("Managed HSM: ");
        let line = self.printed.lines().find(|line| vault(line)).expect("the vault's address");
        line.split_once(": ").expect("an address").1
    }

    /// Where programs of this machine get tokens.
    pub fn managed_identities(&self) -> &str {
        let line = self.printed.lines().find_map(|line| line.strip_prefix("Managed identities at "));
        line.expect("an address for managed identities").trim_end_matches('.')
    }

    /// The lines that it prints for `az`.
    pub fn az_lines(&self) -> Vec<&str> {
        self.printed.lines().map(str::trim).filter(|line| line.starts_with("az ")).collect()
    }

    /// The variables that it tells clients to set.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.printed.lines().filter_map(|line| line.trim().strip_prefix("export ")?.split_once('='))
    }

    /// A program in the stage's directory for which the names resolve, with the variables that the server printed.
    pub fn client(&self, stage: &Stage, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.bare_client(stage, program);
        command.env("VAULT_URL", self.url()).envs(self.variables());
        command
    }

    /// The same without the variables.
    pub fn bare_client(&self, stage: &Stage, program: impl AsRef<OsStr>) -> Command {
        let mut command = stage.command("unshare");
        command.args(if is_root() { &["--mount"][..] } else { &["--mount", "--map-root-user"] });
        command.args(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\"", &self.hosts]).arg(program);
        for (name, _) in env::vars().filter(|(name, _)| name.starts_with("AZURE_") || name.ends_with("_proxy")) {
            command.env_remove(name);
        }
        command.env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Runs one of the Python scripts with the SDKs, and returns what it printed; it must succeed.
    pub fn python(&self, stage: &Stage, script: &str, variables: &[(&str, String)]) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/sdk").join(script);
        let mut command = self.client(stage, python());
        command.arg("-B").arg(path).envs(tables()).envs(variables.iter().map(|(name, value)| (name, value)));
        succeed(&mut command)
    }
}

/// The tables of the server, so that a script can't leave a line of them out.
fn tables() -> [(&'static str, String); 3] {
    let operations: Vec<_> = ROUTES.iter().map(|route| route.operation).collect();
    let algorithms: Vec<_> = algorithms::TABLE.iter().map(|algorithm| algorithm.name).collect();
    [
        ("OPERATIONS", operations.join(" ")),
        ("ALGORITHMS", algorithms.join(" ")),
        ("API_VERSIONS", API_VERSIONS.join(" ")),
    ]
}

/// The Python that has the packages of `tests/python/requirements.txt`.
pub fn python() -> std::ffi::OsString {
    env::var_os("STRONGROOM_PYTHON").expect(
        "STRONGROOM_PYTHON must name a Python with the packages of tests/python/requirements.txt: scripts/test makes one \
         in target/python",
    )
}

/// Makes an identity with these roles on the whole vault; returns its client id and its client secret.
pub fn identity_with(stage: &Stage, name: &str, roles: &[&str]) -> (String, String) {
    stage.strongroom(&format!("identity create {name}"));
    for role in roles {
        succeed(stage.strongroom_command("role assign").args([role, name]));
    }
    let made = output(&mut stage.strongroom_command(&format!("--json identity secret add {name}")));
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let text = |member: &str| made[member].as_str().expect("a text").to_owned();
    (text("client_id"), text("client_secret"))
}

/// A backup as a much later release would write it: the number of its format, and the checksum over it.
pub fn of_format_99(backup: &[u8]) -> Vec<u8> {
    let mut bytes = backup.to_vec();
    bytes[16..20].copy_from_slice(&99u32.to_le_bytes());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes[..24]);
    bytes[24..32].copy_from_slice(&digest.as_ref()[..8]);
    bytes
}
