use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::config::file::{Read, read};
use crate::config::places::Environment;
use crate::config::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";

struct Written {
    folder: tempfile::TempDir,
}

impl Written {
    /// A table with these lines besides `backend`.
    fn new(lines: &str) -> Self {
        let written = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in [("secret", "hush\n"), ("ca.pem", CERTIFICATE), ("me.pem", CERTIFICATE), ("me.key", KEY)] {
            written.put(name, text);
        }
        written.put("both.pem", &format!("{KEY}{CERTIFICATE}"));
        written.put("locked.pem", &format!("{}{CERTIFICATE}", KEY.replace("PRIVATE", "ENCRYPTED PRIVATE")));
        written.put("config.toml", &format!("[[vault]]\nbackend = \"azure\"\n{lines}\n"));
        written
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    fn read(&self) -> Result<Read, ConfigError> {
        read(&self.folder.path().join("config.toml"), &Environment::of_process(), "")
    }

    fn azure(&self) -> AzureConfig {
        match self.read().unwrap().vaults.remove(0).backend {
            Backend::Azure(azure) => azure,
            Backend::Local(_) => panic!("a local vault"),
        }
    }

    fn error(&self) -> String {
        self.read().err().expect("the file is refused").to_string()
    }
}

const URL: &str = "url = \"https://Web.vault.azure.net/\"\n";

#[test]
fn an_address_and_a_secret_are_enough() {
    let written = Written::new(&format!(
        "{URL}credential = \"client-secret\"\nclient_id = \"app\"\nclient_secret_file = \"secret\""
    ));
    let vault = written.read().unwrap().vaults.remove(0);
    assert_eq!(vault.name, "web");
    let azure = written.azure();
    assert_eq!(azure.remote.origins[0].to_string(), "https://web.vault.azure.net");
    assert_eq!((azure.remote.timeout.as_secs(), azure.remote.refresh.as_secs()), (10, 60));
    assert!(azure.verify_challenge_resource && !azure.secrets && !azure.random_from_vault);
    match azure.credential {
        AzureCredential::ClientSecret { client_id, secret } => {
            assert_eq!((client_id.as_str(), secret.unwrap().expose()), ("app", "hush"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_key_of_the_way_there_is_read() {
    let written = Written::new(
        "urls = [\"https://a.example\", \"https://b.example:8443\"]\nsocket = \"sock\"\nca_file = \"ca.pem\"\n\
         tls_pins = [\"sha256/oTrDN6pTXOmdwFwq5H2fdmSXVZZYGcyrR6tHu3TGJC0=\"]\nclient_certificate = \"me.pem\"\n\
         client_key = \"me.key\"\nproxy = \"http://u:p@proxy:3128\"\ntimeout = \"2500ms\"\nrefresh = 5\nsecrets = true\n\
         managed_hsm = true\n\
         random = \"vault\"\nverify_challenge_resource = false\ntenant = \"t\"\nauthority = \"login.example\"\n\
         credential = \"tls\"",
    );
    let azure = written.azure();
    let remote = &azure.remote;
    assert_eq!(remote.origins.len(), 2);
    assert_eq!(remote.socket, Some(written.folder.path().join("sock")));
    assert_eq!(remote.authorities.as_deref(), Some(CERTIFICATE.as_bytes()));
    assert_eq!((remote.pins.len(), remote.timeout.as_millis(), remote.refresh.as_secs()), (1, 2500, 5));
    assert_eq!(remote.client.as_ref().unwrap().key.expose(), KEY.as_bytes());
    assert_eq!(remote.proxy.as_ref().unwrap().port, 3128);
    assert_eq!(azure.authority.unwrap().to_string(), "https://login.example");
    assert!(azure.secrets && azure.random_from_vault && !azure.verify_challenge_resource);
    assert!(azure.managed_hsm && !azure.remote.origins[0].is_managed_hsm());
    assert!(matches!(azure.credential, AzureCredential::Tls));
}

#[test]
fn each_kind_of_credential_is_read() {
    let credential = |lines: &str| Written::new(&format!("{URL}{lines}")).azure().credential;
    let certificate =
        credential("credential = \"client-certificate\"\nclient_id = \"a\"\ncertificate_file = \"both.pem\"");
    match certificate {
        AzureCredential::ClientCertificate { certificate, .. } => {
            assert_eq!(certificate.chain, CERTIFICATE.as_bytes(), "and the key stands nowhere but in its own place");
            assert!(certificate.key.expose().starts_with(KEY.as_bytes()));
        }
        other => panic!("{other:?}"),
    }
    match credential("credential = \"managed-identity\"\nimds_endpoint = \"http://127.0.0.1:1/\"") {
        AzureCredential::ManagedIdentity { from: ManagedIdentity::Imds(base), client_id: None } => {
            assert_eq!(base, "http://127.0.0.1:1");
        }
        other => panic!("{other:?}"),
    }
    let service = "identity_endpoint = \"http://127.0.0.1:1/msi\"\nidentity_header_file = \"secret\"";
    match credential(&format!("credential = \"managed-identity\"\n{service}")) {
        AzureCredential::ManagedIdentity { from: ManagedIdentity::AppService(endpoint, header), .. } => {
            assert_eq!((endpoint.as_str(), header.expose()), ("http://127.0.0.1:1/msi", "hush"));
        }
        other => panic!("{other:?}"),
    }
    match credential("credential = \"workload-identity\"\nclient_id = \"a\"\ntoken_file = \"/var/token\"") {
        AzureCredential::WorkloadIdentity { token_file, .. } => assert_eq!(token_file, Path::new("/var/token")),
        other => panic!("{other:?}"),
    }
    match credential("credential = \"command\"\ntoken_command = [\"print\", \"it\"]") {
        AzureCredential::Command { command, allowed: true } => assert_eq!(command, ["print", "it"]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(credential("credential = \"peer\"\nsocket = \"/s\""), AzureCredential::Peer));
}

#[test]
fn a_program_that_forbids_threads_runs_no_command() {
    let mut vault = Written::new(&format!("{URL}credential = \"command\"\ntoken_command = [\"x\"]"))
        .read()
        .unwrap()
        .vaults
        .remove(0);
    vault.forbid_programs();
    let Backend::Azure(azure) = &vault.backend else { panic!("a local vault") };
    assert!(matches!(azure.credential, AzureCredential::Command { allowed: false, .. }));
}

#[test]
fn what_does_not_go_together_is_refused_with_its_line() {
    for (lines, line, named) in [
        ("credential = \"peer\"", 1, "https://VAULT.DOMAIN"),
        ("url = \"http://a\"", 3, "https:// only"),
        ("url = \"https://a\"\nurls = [\"https://b\"]", 3, "`urls` is set too"),
        ("url = \"https://a\"", 1, "`client-secret`"),
        ("url = \"https://a\"\ncredential = \"client-secrets\"", 4, "did you mean `client-secret`?"),
        ("url = \"https://a\"\ncredential = \"client-secret\"", 4, "needs `client_id`"),
        ("url = \"https://a\"\ncredential = \"tls\"", 4, "`client_certificate`"),
        ("url = \"https://a\"\ncredential = \"peer\"", 4, "needs `socket`"),
        ("url = \"https://a\"\ncredential = \"command\"\ntoken_command = \"x\"", 5, "it is a list"),
        ("url = \"https://a\"\ncredential = \"command\"\ntoken_file = \"x\"", 5, "`workload-identity`"),
        ("url = \"https://a\"\ncredential = \"command\"\ntoken_command = [\"x\"]\ntimeout = \"soon\"", 6, "\"500ms\""),
        ("url = \"https://a\"\ncredential = \"command\"\ntoken_command = [\"x\"]\ntls_pins = [\"x\"]", 6, "44 letters"),
        (
            "url = \"https://a\"\ncredential = \"command\"\ntoken_command = [\"x\"]\nca_file = \"secret\"",
            6,
            "no certificate",
        ),
        (
            "url = \"https://a\"\ncredential = \"command\"\ntoken_command = [\"x\"]\nclient_key = \"me.key\"",
            6,
            "its certificate",
        ),
        (
            "url = \"https://a\"\ncredential = \"client-certificate\"\nclient_id = \"a\"\ncertificate_file = \"me.pem\"",
            6,
            "me.pem holds no private key",
        ),
        (
            "url = \"https://a\"\ncredential = \"client-certificate\"\nclient_id = \"a\"\ncertificate_file = \"me.key\"",
            6,
            "me.key holds no certificate",
        ),
        (
            "url = \"https://a\"\ncredential = \"client-certificate\"\nclient_id = \"a\"\ncertificate_file = \"locked.pem\"",
            6,
            "isn't encrypted",
        ),
        (
            "url = \"https://a\"\ncredential = \"managed-identity\"\nimds_endpoint = \"169.254.169.254\"",
            5,
            "write http://",
        ),
        (
            "url = \"https://a\"\ncredential = \"managed-identity\"\nidentity_endpoint = \"https://a\"\n\
             identity_header_file = \"secret\"",
            5,
            "write http://",
        ),
        ("url = \"https://a\"\npin = \"12345678\"", 4, "a vault on this machine's disk"),
        ("url = \"https://a\"\nclient_ids = \"x\"", 4, "did you mean `client_id`?"),
    ] {
        let error = Written::new(lines).error();
        assert!(error.contains(&format!("config.toml:{line}:")) && error.contains(named), "{lines}\n{error}");
    }
    let local = Written::new(URL);
    local.put("config.toml", "[[vault]]\nname = \"a\"\nurl = \"https://a\"\n");
    assert!(local.error().contains("config.toml:3: `url`: it is for a vault that is elsewhere"), "{}", local.error());
    local.put("config.toml", "[[vault]]\nbackend = \"azur\"\nname = \"a\"\n");
    assert!(local.error().contains("did you mean `azure`?"), "{}", local.error());
}

#[test]
fn a_secret_that_others_may_read_is_refused() {
    let written = Written::new(&format!(
        "{URL}credential = \"client-secret\"\nclient_id = \"app\"\nclient_secret_file = \"secret\""
    ));
    let open = |name: &str| {
        fs::set_permissions(written.folder.path().join(name), Permissions::from_mode(0o644)).unwrap();
    };
    open("secret");
    // Root's group may read what root has.
    assert!(written.error().contains("chmod go-r"), "{}", written.error());
    let proxied = Written::new(&format!("{URL}proxy = \"http://u:p@proxy\"\ncredential = \"peer\"\nsocket = \"/s\""));
    fs::set_permissions(proxied.folder.path().join("config.toml"), Permissions::from_mode(0o644)).unwrap();
    assert!(proxied.error().contains("chmod go-r"), "{}", proxied.error());
}

#[test]
fn vaults_of_several_kinds_stand_side_by_side() {
    let written = Written::new(URL);
    let peer = |url: &str| {
        format!("[[vault]]\nbackend = \"azure\"\nurl = \"{url}\"\ncredential = \"peer\"\nsocket = \"/s\"\n")
    };
    let text = format!("[[vault]]\nname = \"here\"\n{}{}", peer("https://a.v.example"), peer("https://b.v.example"));
    written.put("config.toml", &text);
    let vaults = written.read().unwrap().vaults;
    assert_eq!(vaults.iter().map(|vault| vault.name.as_str()).collect::<Vec<_>>(), ["here", "a", "b"]);
    written.put(
        "config.toml",
        &format!(
            "{}{}",
            peer("https://a.v.example"),
            peer("https://A.v.example:443").replace("[[vault]]\n", "[[vault]]\nname = \"other\"\n")
        ),
    );
    assert!(written.error().contains("`url`: the vault `a` is there too"), "{}", written.error());
}
