//! OpenBao as an issuer of tokens: its entities get identity tokens, which anybody checks by its discovery document.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::stage::{Running, Stage, free_port, output, succeed, wait_until};

/// What OpenBao may put into a token besides.
const GROUPS: &str = r#"{"groups": {{identity.entity.groups.names}}}"#;

/// The entity's password.
const PASSWORD: &str = "a password of openbao";

/// A running OpenBao with an entity `web` that is in the group `operators`, ended when dropped.
pub struct OpenBao {
    _running: Running,
    program: PathBuf,
    directory: PathBuf,
    address: String,
    token: String,
}

impl OpenBao {
    /// The program that `scripts/test` installs.
    pub fn start(stage: &Stage) -> Self {
        let program = std::env::var_os("STRONGROOM_OPENBAO")
            .expect("STRONGROOM_OPENBAO must name OpenBao's program: scripts/test installs it in target/openbao");
        let directory = stage.path("openbao");
        fs::create_dir(&directory).unwrap();
        make_certificate(stage);
        let address = format!("https://localhost:{}", free_port());
        let configuration = format!(
            "storage \"inmem\" {{}}\nlistener \"tcp\" {{\n  address = {:?}\n  tls_cert_file = {:?}\n  tls_key_file = {:?}\n}}\n\
             disable_mlock = true\n",
            address.replace("https://localhost", "127.0.0.1"),
            stage.path("bao.crt"),
            stage.path("bao.key"),
        );
        let file = stage.file("openbao/server.hcl", configuration);
        let log = fs::File::create(directory.join("server.log")).unwrap();
        let mut command = Command::new(&program);
        command.args(["server", "-config", &file]).env("HOME", &directory).stdout(log).stderr(Stdio::null());
        let running = Running::start(&mut command);
        let mut bao = Self { _running: running, program: program.into(), directory, address, token: String::new() };
        // 2: it answers, and is sealed.
        wait_until("OpenBao answers", || bao.command(&["status"]).output().unwrap().status.code() == Some(2));
        let made = output(&mut bao.command(&["operator", "init", "-key-shares=1", "-key-threshold=1", "-format=json"]));
        let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
        bao.run(&["operator", "unseal", made["unseal_keys_b64"][0].as_str().unwrap()]);
        bao.token = made["root_token"].as_str().unwrap().to_owned();
        bao.make_somebody();
        bao
    }

    /// The issuer, as it stands in its tokens.
    pub fn issuer(&self) -> String {
        format!("{}/v1/identity/oidc", self.address)
    }

    /// Whom its certificate is of.
    pub fn authority(&self) -> PathBuf {
        self.directory.parent().unwrap().join("bao-ca.crt")
    }

    /// The subject of the entity's tokens.
    pub fn subject(&self) -> String {
        self.run(&["read", "-field=id", "identity/entity/name/web"])
    }

    /// A token of the entity for this, written into a file as Kubernetes projects one; signed with this algorithm.
    pub fn token_file(&self, name: &str, audience: &str, algorithm: &str) -> String {
        self.run(&[
            "write",
            &format!("identity/oidc/key/{name}"),
            "allowed_client_ids=*",
            &format!("algorithm={algorithm}"),
        ]);
        let (key, client) = (format!("key={name}"), format!("client_id={audience}"));
        self.run(&[
            "write",
            &format!("identity/oidc/role/{name}"),
            &key,
            &client,
            "ttl=15m",
            &format!("template={GROUPS}"),
        ]);
        let own =
            self.run(&["login", "-method=userpass", "-token-only", "username=web", &format!("password={PASSWORD}")]);
        let mut command = self.command(&["read", "-field=token", &format!("identity/oidc/token/{name}")]);
        let token = succeed(command.env("BAO_TOKEN", own.trim()));
        let file = self.directory.join(name);
        fs::write(&file, token.trim()).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn make_somebody(&self) {
        self.run(&["write", "identity/oidc/config", &format!("issuer={}", self.address)]);
        fs::write(self.directory.join("tokens.hcl"), "path \"identity/oidc/token/*\" { capabilities = [\"read\"] }\n")
            .unwrap();
        self.run(&["policy", "write", "tokens", self.directory.join("tokens.hcl").to_str().unwrap()]);
        self.run(&["auth", "enable", "userpass"]);
        let password = format!("password={PASSWORD}");
        self.run(&["write", "auth/userpass/users/web", &password, "policies=tokens"]);
        let mounts = self.run(&["auth", "list", "-format=json"]);
        let mounts: serde_json::Value = serde_json::from_str(&mounts).expect("JSON");
        let mount = format!("mount_accessor={}", mounts["userpass/"]["accessor"].as_str().unwrap());
        self.run(&["write", "identity/entity", "name=web"]);
        let entity = self.subject();
        self.run(&["write", "identity/entity-alias", "name=web", &mount, &format!("canonical_id={entity}")]);
        self.run(&["write", "identity/group", "name=operators", &format!("member_entity_ids={entity}")]);
    }

    fn run(&self, arguments: &[&str]) -> String {
        succeed(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("HOME", &self.directory).env("BAO_ADDR", &self.address);
        command.env("BAO_CACERT", self.authority()).env("BAO_TOKEN", &self.token).env("NO_PROXY", "*");
        command
    }
}

/// An authority, and a certificate for this machine of it.
fn make_certificate(stage: &Stage) {
    let ec = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    stage.openssl(&format!("req -x509 {ec} -subj /CN=bao-authority -keyout bao-ca.key -out bao-ca.crt"));
    stage.openssl(&format!(
        "req -x509 {ec} -CA bao-ca.crt -CAkey bao-ca.key -subj /CN=localhost -addext subjectAltName=DNS:localhost \
         -addext basicConstraints=critical,CA:false -keyout bao.key -out bao.crt"
    ));
    assert!(Path::new(&stage.at("bao.crt")).exists());
}
