//! The module and the SDK beside each other, before one proxy that keeps what they send.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, fs};

use serde_json::{Value, json};

use crate::proxy::Seen;
use crate::scene::{HSM, LOGIN, Scene};

/// What is said of a name that each has its own of.
const OURS: &str = "module-";
const THEIRS: &str = "python-";

/// What a request says, as far as it matters to whom it is sent.
#[derive(Debug, PartialEq)]
pub struct Told {
    line: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// One process of the SDK.
pub struct Sdk {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Both, the module being what a closure does.
pub struct Both {
    pub scene: Scene,
    pub sdk: Sdk,
    /// What the module sent with a body.
    pub sent: Vec<Seen>,
    /// Where they aren't the same.
    pub different: Vec<String>,
}

impl Both {
    /// `line` is what the SDK is told, and `{}` in it begins a name.
    pub fn same<T>(&mut self, line: &str, module: impl FnOnce() -> T) -> T {
        self.scene.proxy.seen();
        let outcome = module();
        let ours = self.requests();
        self.sent.extend(ours.iter().filter(|seen| !seen.body.is_empty()).cloned());
        self.sdk.tell(&line.replace("{}", THEIRS));
        let theirs = self.requests();
        let told = |all: &[Seen]| all.iter().map(told).collect::<Vec<_>>();
        assert!(!ours.is_empty(), "{line}: nothing was asked");
        let (ours, theirs) = (told(&ours), told(&theirs));
        if ours != theirs {
            self.different.push(format!("{line}\nthe module: {ours:?}\nthe SDK: {theirs:?}"));
        }
        outcome
    }

    /// Those to the vault that say who asks.
    fn requests(&self) -> Vec<Seen> {
        let mut seen = self.scene.proxy.seen();
        seen.retain(|seen| seen.has_token);
        seen
    }
}

/// The name that the module has for it.
pub fn ours(name: &str) -> String {
    format!("{OURS}{name}")
}

fn told(seen: &Seen) -> Told {
    let bare = |text: &str| text.replace(OURS, "").replace(THEIRS, "");
    let (path, query) = seen.target.split_once('?').unwrap_or((&seen.target, ""));
    let segment = |segment: &str| if is_version(segment) { "VERSION".to_owned() } else { bare(segment) };
    let path: Vec<String> = path.split('/').map(segment).collect();
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let of = |name: &str| Some((name.to_owned(), seen.headers.get(name)?.to_ascii_lowercase()));
    let mut body = if seen.body.is_empty() { Value::Null } else { serde_json::from_str(&bare(&seen.body)).unwrap() };
    sort_operations(&mut body);
    Told {
        line: format!("{} https://{}{}", seen.method, seen.host, path.join("/")),
        query: query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        headers: ["accept", "content-type", "authorization"].into_iter().filter_map(of).collect(),
        body,
    }
}

fn is_version(segment: &str) -> bool {
    segment.len() == 32 && segment.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a key is for is a set.
fn sort_operations(body: &mut Value) {
    for place in ["/key_ops", "/key/key_ops"] {
        if let Some(Value::Array(words)) = body.pointer_mut(place) {
            words.sort_by_key(Value::to_string);
        }
    }
}

impl Sdk {
    /// With the scene's administrator as who asks, of the tenant that the module found.
    pub fn start(scene: &Scene, api_version: &str, tenant: &str) -> Self {
        let port = scene.proxy.port();
        let mut command = python(scene, "fidelity.py");
        command.envs([
            ("VAULT_URL", format!("https://{}:{port}", scene.host)),
            ("MANAGED_HSM", if scene.host == HSM { "1" } else { "" }.to_owned()),
            ("API_VERSION", api_version.to_owned()),
            ("AZURE_AUTHORITY_HOST", format!("https://{LOGIN}:{port}")),
            ("AZURE_TENANT_ID", tenant.to_owned()),
            ("AZURE_CLIENT_ID", scene.client_id.clone()),
            ("AZURE_CLIENT_SECRET", scene.secret.clone()),
        ]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output: BufReader::new(output) }
    }

    /// Has it do this, to its end.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        assert!(answer.starts_with("done "), "the SDK can't do {line:?}; see above: {answer:?}");
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A script of `tests/python/sdk` for which the vault's names resolve, and which trusts the proxy.
fn python(scene: &Scene, script: &str) -> Command {
    let ca = file(scene, "proxy.pem", scene.proxy.ca());
    let known = fs::read_to_string("/etc/hosts").unwrap();
    let hosts = file(scene, "hosts", &format!("{known}\n127.0.0.1 {} {LOGIN}\n", scene.host));
    let mut command = Command::new("unshare");
    let alone: &[&str] = if is_root() { &["--mount"] } else { &["--mount", "--map-root-user"] };
    command.args(alone).args(["sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(hosts);
    command.arg(interpreter()).arg("-B").arg(script_path(script)).env_clear();
    command.envs([("PATH", env::var_os("PATH").unwrap()), ("REQUESTS_CA_BUNDLE", ca.into()), ("NO_PROXY", "*".into())]);
    command
}

/// Runs `models.py`, with what it reads, to its end.
pub fn models(verb: &str, input: &Value) -> String {
    let mut command = Command::new(interpreter());
    command.arg("-B").arg(script_path("models.py")).arg(verb).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{verb}: see above");
    String::from_utf8(output.stdout).unwrap()
}

/// What the models are asked about requests.
pub fn bodies(sent: &[Seen]) -> Value {
    let body = |seen: &Seen| {
        let path = seen.target.split('?').next().unwrap();
        json!({"method": seen.method, "path": path, "body": seen.body})
    };
    sent.iter().map(body).collect()
}

fn file(scene: &Scene, name: &str, contents: &str) -> PathBuf {
    let path = scene.path(name);
    fs::write(&path, contents).unwrap();
    path
}

fn script_path(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/sdk").join(script)
}

fn interpreter() -> OsString {
    env::var_os("STRONGROOM_PYTHON").expect(
        "STRONGROOM_PYTHON must name a Python with the packages of tests/python/requirements.txt: scripts/test makes one \
         in target/python",
    )
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").unwrap().uid() == 0
}
