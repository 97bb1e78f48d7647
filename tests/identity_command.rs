//! `strongroom identity` and `strongroom role` as an operator uses them: the real program on a vault of its own.
#![cfg(feature = "server")]

mod command_line;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use command_line::CommandLine;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a vault and its PIN in a file.
struct Vault {
    folder: TempDir,
    made: Value,
}

impl Vault {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(options: &[&str]) -> Self {
        let mut vault = Self { folder: tempfile::tempdir().unwrap(), made: Value::Null };
        fs::write(vault.path("pin"), "a good PIN\n").unwrap();
        fs::set_permissions(vault.path("pin"), PermissionsExt::from_mode(0o600)).unwrap();
        vault.made = vault.json(&[&["init", "--label", "Test"], options].concat());
        vault
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn refused(&self, arguments: &[&str]) -> String {
        self.fails(1, arguments)
    }
}

impl CommandLine for Vault {
    fn output(&self, arguments: &[&str]) -> Output {
        let program = std::env::var_os("STRONGROOM_CLI").unwrap_or_else(|| env!("CARGO_BIN_EXE_strongroom").into());
        let mut command = Command::new(program);
        command.args(arguments).args(["--yes", "--pin-file", "pin"]).current_dir(self.folder.path());
        command.env_clear().env("STRONGROOM_VAULT", self.path("vault")).stdin(Stdio::null());
        command.output().unwrap()
    }
}

#[test]
fn an_issuers_subject_and_a_secret_header_are_given_shown_and_taken_away() {
    let vault = Vault::new();
    vault.run(&["identity", "create", "web"]);
    let (issuer, subject) = ("https://login.example.com", "system:serviceaccount:shop:web");
    let add = ["identity", "federation", "add", "web", issuer, subject];
    assert_eq!(vault.json(&add)["audience"], "api://AzureADTokenExchange");
    vault.run(&add);
    vault.run(&[&add[..], &["--audience", "strongroom"]].concat());
    let shown = vault.json(&["identity", "show", "web"]);
    assert_eq!(shown["federated"].as_array().unwrap().len(), 2, "the same again is nothing new: {shown}");
    assert!(vault.run(&["identity", "show", "web"]).contains(subject));
    assert!(vault.fails(2, &["identity", "federation", "add", "web", issuer, " "]).contains("empty"));
    vault.run(&["identity", "create", "other"]);
    let also = vault.output(&["identity", "federation", "add", "other", issuer, subject]);
    assert!(String::from_utf8_lossy(&also.stderr).contains("web is this subject too"), "{also:?}");
    let remove = |name| vault.output(&["identity", "federation", "remove", name, issuer, subject]);
    assert!(!String::from_utf8_lossy(&remove("other").stderr).contains("stranger"), "no group of it counts");
    vault.run(&["group", "create", "staff"]);
    vault.run(&["group", "foreign", "add", "staff", issuer, "everybody"]);
    let removed = remove("web");
    assert!(removed.status.success(), "{removed:?}");
    assert!(String::from_utf8_lossy(&removed.stderr).contains("as a stranger"), "{removed:?}");
    vault.run(&["identity", "federation", "add", "other", issuer, subject]);
    let deleted = vault.output(&["identity", "delete", "other"]);
    assert!(String::from_utf8_lossy(&deleted.stderr).contains("`strongroom identity disable`"), "{deleted:?}");
    assert_eq!(vault.json(&["identity", "show", "web"])["federated"], json!([]));
    assert!(vault.refused(&["identity", "federation", "remove", "web", issuer, subject]).contains("isn't"));

    let given = vault.json(&["identity", "header", "add", "web"]);
    vault.run(&["identity", "header", "add", "web", "--header-file", "header"]);
    assert_eq!(fs::metadata(vault.path("header")).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(vault.path("header")).unwrap();
    assert_eq!((written.trim().len(), given["header"].as_str().unwrap().len()), (43, 43));
    let shown = vault.run(&["--json", "identity", "show", "web"]);
    assert!(!shown.contains(written.trim()) && !shown.contains(given["header"].as_str().unwrap()), "{shown}");
    assert!(vault.refused(&["identity", "header", "add", "web", "--header-file", "header"]).contains("header"));
    vault.run(&["identity", "header", "remove", "web", given["header_id"].as_str().unwrap()]);
    assert_eq!(vault.json(&["identity", "show", "web"])["headers"].as_array().unwrap().len(), 1);
}

#[test]
fn an_identity_is_made_shown_disabled_and_deleted() {
    let vault = Vault::new();
    let made = vault.json(&["identity", "create", "Web server"]);
    assert_eq!((made["name"].as_str(), made["enabled"].as_bool()), (Some("Web server"), Some(true)));
    assert!(vault.refused(&["identity", "create", "WEB SERVER"]).contains("already"));
    assert!(vault.fails(2, &["identity", "create", made["object_id"].as_str().unwrap()]).contains("GUID"));
    for text in ["web server", made["client_id"].as_str().unwrap(), made["object_id"].as_str().unwrap()] {
        assert_eq!(vault.json(&["identity", "show", text])["name"], "Web server");
    }
    assert_eq!(vault.json(&["identity", "disable", "Web server"])["enabled"], false);
    assert!(vault.run(&["identity", "list"]).contains("disabled"));
    assert_eq!(vault.json(&["identity", "enable", "Web server"])["enabled"], true);
    vault.run(&["identity", "delete", "Web server"]);
    assert_eq!(vault.json(&["identity", "list"]), json!([]));
    assert!(vault.refused(&["identity", "show", "Web server"]).contains("no identity"));
}

#[test]
fn a_client_secret_is_shown_once_or_written_into_a_new_file_of_its_own() {
    let vault = Vault::new();
    vault.run(&["identity", "create", "app"]);
    let shown = vault.json(&["identity", "secret", "add", "app", "--expires", "2100-01-01"]);
    let secret = shown["client_secret"].as_str().unwrap();
    assert_eq!((secret.len(), shown["expires"].as_str()), (43, Some("2100-01-01T00:00:00Z")));
    assert!(vault.run(&["identity", "secret", "add", "app"]).contains("Client secret:"));
    let said = vault.run(&["identity", "secret", "add", "app", "--secret-file", "secret"]);
    let written = fs::read_to_string(vault.path("secret")).unwrap();
    assert_eq!(written.trim_end().len(), 43);
    assert!(!said.contains(written.trim_end()));
    assert_eq!(fs::metadata(vault.path("secret")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(vault.refused(&["identity", "secret", "add", "app", "--secret-file", "secret"]).contains("exists"));
    assert!(vault.refused(&["identity", "secret", "add", "app", "--secret-file", "no/such"]).contains("no/such"));
    let known = vault.json(&["identity", "show", "app"]);
    assert_eq!(known["secrets"].as_array().unwrap().len(), 3, "what could not be written is not there either");
    for text in [secret, written.trim_end()] {
        assert!(!known.to_string().contains(text) && !vault.run(&["identity", "show", "app"]).contains(text));
    }
    assert!(vault.refused(&["identity", "secret", "remove", "app", ""]).contains("several"));
    assert!(vault.refused(&["identity", "secret", "remove", "app", "zz"]).contains("no secret"));
    vault.run(&["identity", "secret", "remove", "app", shown["secret_id"].as_str().unwrap()]);
    assert_eq!(vault.json(&["identity", "show", "app"])["secrets"].as_array().unwrap().len(), 2);
}

#[test]
fn a_certificate_is_added_from_pem_or_der_and_removed_by_its_thumbprint() {
    let vault = Vault::new();
    vault.run(&["identity", "create", "app"]);
    let certificate = |kind| {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        rcgen::CertificateParams::default().self_signed(&key).unwrap()
    };
    let (one, other) = (certificate(&rcgen::PKCS_ECDSA_P256_SHA256), certificate(&rcgen::PKCS_ECDSA_P256_SHA256));
    fs::write(vault.path("one.pem"), one.pem()).unwrap();
    fs::write(vault.path("other.der"), other.der()).unwrap();
    fs::write(vault.path("wrong.pem"), certificate(&rcgen::PKCS_ED25519).pem()).unwrap();
    let first = vault.json(&["identity", "certificate", "add", "app", "one.pem"]);
    let openssl = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha1", "-in"])
        .arg(vault.path("one.pem"))
        .output()
        .unwrap();
    let fingerprint = String::from_utf8(openssl.stdout).unwrap().replace(':', "");
    assert!(fingerprint.trim_end().ends_with(first["thumbprint"].as_str().unwrap()), "{fingerprint} {first}");
    vault.run(&["identity", "certificate", "add", "app", "one.pem"]);
    vault.run(&["identity", "certificate", "add", "app", "other.der"]);
    assert!(vault.refused(&["identity", "certificate", "add", "app", "wrong.pem"]).contains("P-256"));
    assert!(vault.refused(&["identity", "certificate", "add", "app", "pin"]).contains("certificate"));
    assert_eq!(vault.json(&["identity", "show", "app"])["certificates"].as_array().unwrap().len(), 2);
    vault.run(&["identity", "certificate", "remove", "app", first["thumbprint"].as_str().unwrap()]);
    let left = vault.json(&["identity", "show", "app"])["certificates"].clone();
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_ne!(left[0]["thumbprint"], first["thumbprint"]);
}

#[test]
fn a_role_is_given_listed_and_taken_away_by_names_or_ids() {
    let vault = Vault::new();
    let made = vault.json(&["identity", "create", "app"]);
    let oid = made["object_id"].as_str().unwrap();
    assert_eq!(vault.json(&["role", "list"]).as_array().unwrap().len(), 11);
    let given = vault.json(&["role", "assign", "crypto user", "app", "--scope", "/keys/www"]);
    assert_eq!((given["role"].as_str(), given["scope"].as_str()), (Some("Key Vault Crypto User"), Some("/keys/www")));
    let again = vault.json(&["role", "assign", "12338af0-0e69-4776-bea7-57ae8d297424", oid, "--scope", "/keys/www"]);
    assert_eq!(given["id"], again["id"], "a role is had once");
    vault.run(&["role", "assign", "Key Vault Reader", "APP"]);
    let all = vault.json(&["role", "assignments"]);
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all, vault.json(&["role", "assignments", "--identity", "app"]));
    assert_eq!(vault.json(&["identity", "show", "app"])["roles"].as_array().unwrap().len(), 2);
    assert!(vault.refused(&["role", "unassign", "Crypto User", "app"]).contains("doesn't have"), "on another scope");
    vault.run(&["role", "unassign", "Crypto User", "app", "--scope", "/keys/WWW"]);
    assert_eq!(vault.json(&["role", "assignments"]).as_array().unwrap().len(), 1);
    assert!(vault.refused(&["role", "assign", "Emperor", "app"]).contains("role list"));
    assert!(vault.refused(&["role", "assign", "Reader", "nobody"]).contains("no identity"));
    for scope in ["", "keys/www", "/secrets", "/keys/", "/keys/a/b", "/keys/a_b", "/locks/a", "//"] {
        vault.fails(2, &["role", "assign", "Reader", "app", "--scope", scope]);
    }
    assert!(
        vault.refused(&["role", "assign", "Reader", "app", "--scope", "/keys"]).contains("no scope of a key vault")
    );
}

#[test]
fn a_role_of_ones_own_is_made_shown_given_and_deleted() {
    let vault = Vault::new();
    vault.run(&["identity", "create", "app"]);
    let definition = |arguments: &[&str]| vault.json(&[&["role", "definition"], arguments].concat());
    let create = ["create", "Signers", "--allow", "keys/*", "--except", "keys/purge/action", "--scope", "/keys/www"];
    let made = definition(&create);
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        made,
        json!({
            "name": "Signers", "id": id, "description": "", "built_in": false,
            "data_actions": ["Microsoft.KeyVault/vaults/keys/*"],
            "not_data_actions": ["Microsoft.KeyVault/vaults/keys/purge/action"],
            "assignable_scopes": ["/keys/www"],
        })
    );
    for named in ["signers", id] {
        assert_eq!(definition(&["show", named]), made);
    }
    let all = definition(&["list"]);
    assert_eq!((all.as_array().unwrap().len(), &all[11]), (12, &made));
    assert!(definition(&["show", "Reader"])["built_in"].as_bool().unwrap());
    for (wrong, said) in [
        (&["create", "SIGNERS", "--allow", "keys/read"][..], "another role is called"),
        (&["create", "x", "--allow", "keys/signs"], "no data action"),
        (&["create", "x", "--allow", "keys/read", "--id", "7"], "no GUID"),
        (&["create", "x", "--allow", "keys/read", "--scope", "/keys"], "no scope of a key vault"),
        (&["show", "x"], "There is no role"),
        (&["delete", "Reader"], "built-in role"),
    ] {
        let refused = vault.refused(&[&["role", "definition"], wrong].concat());
        assert!(refused.contains(said), "{refused}");
    }
    assert!(vault.refused(&["role", "assign", "Signers", "app"]).contains("assignableScopes"));
    vault.run(&["role", "assign", "Signers", "app", "--scope", "/keys/www"]);
    assert!(vault.refused(&["role", "definition", "delete", "Signers"]).contains("assigned 1 times"));
    vault.run(&["role", "unassign", "Signers", "app", "--scope", "/keys/www"]);
    assert_eq!(definition(&["delete", "Signers"]), made);
    assert_eq!(definition(&["list"]).as_array().unwrap().len(), 11);
}

#[test]
fn a_role_for_an_identity_of_another_vault_is_given_by_its_object_id_with_force() {
    let vault = Vault::new();
    let stranger = "0d7f22f5-6d0a-4f0e-8f0c-6c1c4f1a2b3c";
    assert!(vault.refused(&["role", "assign", "Reader", stranger]).contains("--force"));
    vault.run(&["role", "assign", "Reader", stranger, "--force"]);
    assert_eq!(vault.json(&["role", "assignments"])[0]["identity"], Value::Null);
    vault.run(&["role", "unassign", "Reader", stranger]);
    assert_eq!(vault.json(&["role", "assignments"]), json!([]));
}

#[test]
fn the_first_administrator_is_made_with_the_vault_and_stays_until_there_is_another() {
    let vault = Vault::with(&["--administrator", "root", "--secret-file", "secret"]);
    let made = &vault.made["administrator"];
    assert_eq!((made["name"].as_str(), made["client_secret"].as_str()), (Some("root"), None));
    assert!(vault.made["recovery_key"].is_string());
    assert_eq!(fs::read_to_string(vault.path("secret")).unwrap().trim_end().len(), 43);
    for last in [&["identity", "disable", "root"], &["identity", "delete", "root"]] {
        assert!(vault.refused(last).contains("last enabled administrator"));
    }
    assert!(vault.refused(&["role", "unassign", "Administrator", "root"]).contains("last enabled administrator"));
    let other = vault.json(&["identity", "create", "other", "--administrator"]);
    assert_eq!(other["client_secret"].as_str().unwrap().len(), 43);
    vault.run(&["identity", "delete", "root"]);
    assert!(vault.refused(&["identity", "disable", "other"]).contains("last enabled administrator"));
}

#[test]
fn names_in_certificates_are_given_to_one_identity_each() {
    let vault = Vault::new();
    vault.run(&["identity", "create", "web"]);
    vault.run(&["identity", "create", "job"]);
    let given = vault.json(&["identity", "name", "add", "web", "DNS:Web.Example.com"]);
    assert_eq!(given["certificate_name"], "dns:web.example.com");
    vault.run(&["identity", "name", "add", "web", "dns:web.example.com"]);
    vault.run(&["identity", "name", "add", "web", "uri:spiffe://example.org/Web"]);
    let names = json!(["dns:web.example.com", "uri:spiffe://example.org/Web"]);
    assert_eq!(vault.json(&["identity", "show", "web"])["names"], names);
    assert!(vault.run(&["identity", "show", "web"]).contains("spiffe://example.org/Web"));
    assert!(vault.refused(&["identity", "name", "add", "job", "dns:WEB.example.com"]).contains("web's already"));
    for wrong in ["web.example.com", "dns:*.example.com", "ip:192.0.2.1", "dns:", "cn:web", "uri:x", "email:x"] {
        assert!(vault.fails(2, &["identity", "name", "add", "job", wrong]).contains("no name"), "{wrong}");
    }
    vault.run(&["identity", "name", "remove", "web", "dns:web.EXAMPLE.com"]);
    assert!(vault.refused(&["identity", "name", "remove", "web", "dns:web.example.com"]).contains("isn't known"));
    vault.run(&["identity", "name", "add", "job", "dns:web.example.com"]);
    assert_eq!(vault.json(&["identity", "show", "web"])["names"], json!(["uri:spiffe://example.org/Web"]));
}

#[test]
fn users_and_groups_of_the_machine_are_given_to_one_identity_each() {
    let vault = Vault::new();
    vault.run(&["identity", "create", "web"]);
    vault.run(&["identity", "create", "job"]);
    assert_eq!(vault.json(&["identity", "local", "add", "web", "--uid", "root"])["local"], json!({ "uid": 0 }));
    vault.run(&["identity", "local", "add", "web", "--uid", "0"]);
    vault.run(&["identity", "local", "add", "web", "--gid", "61234"]);
    assert_eq!(vault.json(&["identity", "show", "web"])["local"], json!([{ "uid": 0 }, { "gid": 61234 }]));
    assert!(vault.run(&["identity", "show", "web"]).contains("user root (0)"));
    assert!(vault.refused(&["identity", "local", "add", "job", "--uid", "0"]).contains("web's already"));
    vault.run(&["identity", "local", "add", "job", "--gid", "root"]);
    assert!(vault.refused(&["identity", "local", "add", "job", "--uid", "no-such-user-here"]).contains("no user"));
    assert!(vault.refused(&["identity", "local", "add", "job", "--gid", "no-such-group-here"]).contains("no group"));
    for nobody in ["--uid", "--gid"] {
        assert!(vault.refused(&["identity", "local", "add", "job", nobody, "65534"]).contains("container"));
    }
    vault.fails(2, &["identity", "local", "add", "job"]);
    vault.fails(2, &["identity", "local", "add", "job", "--uid", "1", "--gid", "1"]);
    vault.run(&["identity", "local", "remove", "web", "--uid", "0"]);
    assert!(vault.refused(&["identity", "local", "remove", "web", "--uid", "root"]).contains("isn't known"));
    assert_eq!(vault.json(&["identity", "show", "web"])["local"], json!([{ "gid": 61234 }]));
}
