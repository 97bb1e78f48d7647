//! What a test with real programs stands on: a directory of its own, a token in the module under test, programs that are
//! ended when the test ends.
//!
//! The module and the command line are those that `STRONGROOM_MODULE` and `STRONGROOM_CLI` name (`scripts/test` gives the
//! release build), else the ones cargo has just built. A module of somebody else (SoftHSM's) serves too, as far as a test
//! uses nothing but PKCS#11: that is how the tests themselves are checked.
//!
//! With `STRONGROOM_STAGE=remote` the token lies at a server ([`served`]): `docs/azure.md` says which tests such a token
//! can't pass.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod debian;
pub mod nginx;
pub mod served;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

/// The user's PIN of every token here.
pub const PIN: &str = "user-pin-2846";
/// The security officer's.
pub const SO_PIN: &str = "so-pin-93751";
/// The label of every token here.
pub const TOKEN: &str = "stage";

/// A directory with a token in it.
pub struct Stage {
    directory: tempfile::TempDir,
    /// The module's configuration, where the token isn't a vault of this directory.
    configuration: Option<PathBuf>,
    pin: String,
    /// Where the token lies then.
    pub served: Option<served::Served>,
}

impl Stage {
    /// Makes the token as an operator does with `pkcs11-tool`: initialise it, set the user's PIN.
    pub fn new() -> Self {
        if env::var_os("STRONGROOM_STAGE").is_some_and(|stage| stage == "remote") {
            return Self::at_server(served::Way::Tls, &["Key Vault Administrator"]);
        }
        let stage = Self::without_token();
        stage.pkcs11_tool(&format!("--init-token --label {TOKEN} --so-pin {SO_PIN}"));
        stage.pkcs11_tool(&format!("--login --login-type so --so-pin {SO_PIN} --init-pin --new-pin {PIN}"));
        stage
    }

    /// The token at a server that knows the module by these roles.
    pub fn at_server(way: served::Way, roles: &[&str]) -> Self {
        let mut stage = Self::without_token();
        set_mode(stage.directory.path(), 0o755);
        let served = served::Served::start(&stage.path("server"), roles);
        stage.configure(&served.table(way));
        stage.pin.clone_from(&served.secret);
        stage.served = Some(served);
        stage
    }

    /// Writes the module's configuration, which has these tables.
    pub fn configure(&mut self, tables: &str) {
        let path = self.path("module.toml");
        served::private(&path, &format!("vaults_dir = \"none\"\n{tables}"));
        self.configuration = Some(path);
    }

    /// The user's PIN.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// The directory alone.
    pub fn without_token() -> Self {
        let directory = tempfile::Builder::new().prefix("strongroom-").tempdir().unwrap();
        fs::create_dir(directory.path().join("tokens")).unwrap();
        let tokens = directory.path().join("tokens");
        fs::write(
            directory.path().join("softhsm.conf"),
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display()),
        )
        .unwrap();
        Self { directory, configuration: None, pin: PIN.to_owned(), served: None }
    }

    /// A path inside the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same, as text for a program's arguments.
    pub fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Where the vault lies.
    pub fn vault(&self) -> PathBuf {
        self.path("vault")
    }

    /// Writes a file into the directory and returns its path.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), contents).unwrap();
        self.at(name)
    }

    /// A program that finds this token and nobody else's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env("STRONGROOM_VAULT", self.vault())
            .env_remove("STRONGROOM_CONF")
            .env("SOFTHSM2_CONF", self.path("softhsm.conf"))
            .env("PIN", &self.pin)
            .env("SO_PIN", SO_PIN)
            .stdin(Stdio::null());
        if let Some(configuration) = &self.configuration {
            command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", configuration);
        }
        command
    }

    /// `pkcs11-tool` with the module; arguments are parted by spaces, as on a command line.
    pub fn pkcs11_tool_command(&self, arguments: &str) -> Command {
        let mut command = self.command("pkcs11-tool");
        command.arg("--module").arg(module()).args(arguments.split_whitespace());
        command
    }

    /// Runs `pkcs11-tool` with the module; it must succeed. Returns what it printed.
    pub fn pkcs11_tool(&self, arguments: &str) -> String {
        succeed(&mut self.pkcs11_tool_command(arguments))
    }

    /// The same, logged in as the user.
    pub fn pkcs11_tool_logged_in(&self, arguments: &str) -> String {
        self.pkcs11_tool(&format!("--login --pin {} {arguments}", self.pin))
    }

    /// Runs `openssl`; it must succeed. Returns what it printed.
    pub fn openssl(&self, arguments: &str) -> String {
        succeed(self.command("openssl").args(arguments.split_whitespace()))
    }

    /// `openssl` with libp11's engine on the module.
    pub fn openssl_engine_command(&self, arguments: &str) -> Command {
        let mut command = self.command("openssl");
        command.env("OPENSSL_CONF", self.engine_configuration()).args(arguments.split_whitespace());
        command
    }

    /// Runs `openssl` with libp11's engine on the module; it must succeed. Returns what it printed.
    pub fn openssl_engine(&self, arguments: &str) -> String {
        succeed(&mut self.openssl_engine_command(arguments))
    }

    /// An OpenSSL configuration that loads libp11's engine with the module, and how it gets the PIN.
    pub fn engine_configuration(&self) -> String {
        self.engine_configuration_for(&module())
    }

    /// The same for another module.
    pub fn engine_configuration_for(&self, module: &Path) -> String {
        let text = format!(
            "openssl_conf = init\n[init]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\n\
             engine_id = pkcs11\nMODULE_PATH = {}\nPIN = {}\ninit = 1\n\
             [req]\ndistinguished_name = name\n[name]\n",
            module.display(),
            self.pin
        );
        self.file("openssl.cnf", text)
    }

    /// Runs the `strongroom` command on this vault; it must succeed. Returns what it printed.
    pub fn strongroom(&self, arguments: &str) -> String {
        succeed(&mut self.strongroom_command(arguments))
    }

    /// The `strongroom` command on this vault, where it lies, with the PIN in a file.
    pub fn strongroom_command(&self, arguments: &str) -> Command {
        if let Some(served) = &self.served {
            let mut command = served.command();
            command.args(["--vault", "web", "--pin-file", "pin"]).args(arguments.split_whitespace());
            return command;
        }
        let pin = self.file("pin", PIN);
        set_mode(Path::new(&pin), 0o600);
        let mut command = self.command(cli());
        command.args(["--pin-file", &pin]).args(arguments.split_whitespace());
        command
    }

    /// Generates a key pair; `kind` as `pkcs11-tool` says it.
    pub fn key_pair(&self, kind: &str, label: &str, id: &str) {
        self.pkcs11_tool_logged_in(&format!("--keypairgen --key-type {kind} --label {label} --id {id} --usage-sign"));
    }

    /// The public half of a key as a PEM file; returns its name.
    ///
    /// From the command line where the module is ours: `pkcs11-tool` 0.23 can write RSA and P-256 keys only.
    pub fn public_key(&self, label: &str, id: &str) -> String {
        let pem = format!("public-{id}.pem");
        if is_ours() {
            let printed = output(&mut self.strongroom_command(&format!("key public {label}")));
            self.file(&pem, printed.stdout);
        } else {
            self.pkcs11_tool(&format!("--read-object --type pubkey --id {id} --output-file public.der"));
            self.openssl(&format!("pkey -pubin -inform DER -in public.der -out {pem}"));
        }
        pem
    }

    /// Compiles one of `tests/c` or `benches/c`.
    pub fn compile(&self, source: &str, libraries: &[&str]) -> PathBuf {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let program = self.path(source.file_stem().unwrap().to_str().unwrap());
        succeed(
            Command::new("cc")
                .args(["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
                .arg(&program)
                .arg(source)
                .args(libraries),
        );
        program
    }
}

/// The module under test.
pub fn module() -> PathBuf {
    named_by("STRONGROOM_MODULE").unwrap_or_else(|| {
        // Cargo puts it beside the test's own program.
        env::current_exe().unwrap().with_file_name("libstrongroom.so")
    })
}

/// Whether it is ours, which must do everything; another one is used for what it has.
pub fn is_ours() -> bool {
    module().file_name().is_some_and(|name| name == "libstrongroom.so")
}

/// The command line under test.
pub fn cli() -> PathBuf {
    named_by("STRONGROOM_CLI").unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_strongroom")))
}

fn named_by(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Runs a command that must succeed and returns its output, standard error first.
pub fn succeed(command: &mut Command) -> String {
    let output = output(command);
    let text = text(&output);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

/// Runs a command that must fail, but not crash, and returns its output.
pub fn fail(command: &mut Command) -> String {
    let output = output(command);
    let text = text(&output);
    assert!(output.status.code().is_some_and(|code| code != 0), "{command:?}: {}\n{text}", output.status);
    text
}

/// Runs a command to its end.
pub fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout))
}

/// A program in the background, ended with the test.
pub struct Running(Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal, by the name that `kill` knows.
    pub fn signal(&self, name: &str) {
        succeed(Command::new("kill").args(["-s", name, &self.0.id().to_string()]));
    }

    /// Waits for its end and returns what it printed.
    pub fn finish(mut self) -> String {
        let mut printed = String::new();
        if let Some(stdout) = &mut self.0.stdout {
            std::io::Read::read_to_string(stdout, &mut printed).unwrap();
        }
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}: {printed}");
        printed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again and again until it holds; ten times what is expected is a hang.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A TCP port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `chmod`.
pub fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Whether this is root; some tests need another user to be somebody else.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}
