//! Azure's own SDKs, unmodified, against `strongroom serve`.
//!
//! The scripts are in `tests/python/sdk` and `tests/javascript`; they are told the server's tables, and fail when a line of
//! them has no case.

#[path = "../stage/mod.rs"]
mod stage;

mod az;
mod beside;
mod byok;
mod certificates;
mod openbao;
mod peers;
mod served;

use openbao::OpenBao;
use served::{Served, identity_with};
use stage::{Stage, is_ours};

/// A vault that is served, and an identity that may do nothing there.
fn scene() -> (Stage, Served, [(&'static str, String); 2]) {
    let stage = Stage::new();
    let (id, secret) = identity_with(&stage, "stranger", &[]);
    let served = Served::vault(&stage);
    (stage, served, [("STRANGER_ID", id), ("STRANGER_SECRET", secret)])
}

/// Runs a script that has so many cases.
fn run(script: &str, cases: usize) {
    if !is_ours() {
        return;
    }
    let (stage, served, stranger) = scene();
    let printed = served.python(&stage, script, &stranger);
    assert!(printed.contains(&format!("Ran {cases} tests")) && printed.contains("\nOK\n"), "{printed}");
}

#[test]
fn the_python_sdk_does_everything_with_keys() {
    run("keys.py", 22);
}

#[test]
fn the_python_sdk_does_everything_with_secrets() {
    run("secrets_.py", 10);
}

#[test]
fn the_python_sdk_does_everything_with_certificates() {
    run("certificates_.py", 35);
}

#[test]
fn the_python_sdk_deletes_recovers_and_purges() {
    run("deleting.py", 7);
}

#[test]
fn the_python_sdk_backs_up_restores_and_rotates() {
    run("keeping.py", 10);
}

#[test]
fn the_python_sdk_backs_up_and_restores_the_whole_vault() {
    if !is_ours() {
        return;
    }
    let (stage, served, stranger) = scene();
    let backups = stage.at("backups");
    // A vault of somebody else, and a backup that says it is of a later format.
    let other = Stage::new();
    let passphrase = other.file("passphrase", served::PASSPHRASE);
    stage::set_mode(std::path::Path::new(&passphrase), 0o600);
    let (foreign, newer) = ("vault-20200102T000000Z.backup", "vault-20200103T000000Z.backup");
    for name in [foreign, newer] {
        other.strongroom(&format!("backup create {backups}/{name} --passphrase-file passphrase"));
    }
    let later = std::path::Path::new(&backups).join(newer);
    let whole = std::fs::read(&later).unwrap();
    std::fs::write(&later, served::of_format_99(&whole)).unwrap();
    let variables = [("BACKUPS", backups), ("FOREIGN", foreign.to_owned()), ("NEWER", newer.to_owned())];
    let printed = served.python(&stage, "backup.py", &[&variables[..], &stranger].concat());
    assert!(printed.contains("Ran 14 tests") && printed.contains("\nOK\n"), "{printed}");
}

#[test]
fn the_python_sdk_gives_roles_and_changes_settings_in_a_vault_and_in_a_managed_hsm() {
    if !is_ours() {
        return;
    }
    for (serve, skipped) in [(Served::vault as fn(&Stage) -> Served, 4), (Served::hsm, 0)] {
        let stage = Stage::new();
        let (id, secret) = identity_with(&stage, "stranger", &[]);
        let served = serve(&stage);
        let printed = served.python(&stage, "roles.py", &[("STRANGER_ID", id), ("STRANGER_SECRET", secret)]);
        let ended = if skipped == 0 { "\nOK\n".to_owned() } else { format!("\nOK (skipped={skipped})\n") };
        assert!(printed.contains("Ran 17 tests") && printed.contains(&ended), "{printed}");
    }
}

#[test]
fn the_python_sdk_signs_and_encrypts_with_every_algorithm() {
    run("cryptography_.py", 13);
}

#[test]
fn every_operation_refuses_what_is_wrong_and_who_may_not_at_every_api_version() {
    run("operations.py", 8);
}

/// Runs a script with the JavaScript SDKs that has so many cases.
fn run_javascript(script: &str, cases: usize) {
    if !is_ours() {
        return;
    }
    let packages = std::env::var_os("STRONGROOM_JAVASCRIPT").expect(
        "STRONGROOM_JAVASCRIPT must name the node_modules of tests/javascript/package.json: scripts/test makes them in \
         target/javascript",
    );
    let (stage, served, _) = scene();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/javascript").join(script);
    let mut client = served.client(&stage, "node");
    let printed = stage::succeed(client.arg("--test").arg(script).env("NODE_PATH", packages));
    assert!(printed.contains(&format!("# pass {cases}")) && printed.contains("# fail 0"), "{printed}");
}

#[test]
fn the_javascript_sdks_run_a_scenario() {
    run_javascript("scenario.cjs", 5);
}

#[test]
fn the_javascript_sdk_for_certificates_runs_a_scenario() {
    run_javascript("certificates.cjs", 5);
}

#[test]
fn every_credential_of_azure_identity_logs_in_and_a_real_issuers_tokens_count() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let (reader, _) = identity_with(&stage, "reader", &["Key Vault Secrets User"]);
    let (writer, _) = identity_with(&stage, "writer", &["Key Vault Secrets Officer"]);
    let new = "req -x509 -newkey rsa:2048 -nodes -subj /CN=reader -days 2 -keyout reader.key -out reader.crt";
    stage.openssl(new);
    for name in ["reader", "writer"] {
        stage.strongroom(&format!("identity certificate add {name} reader.crt"));
    }
    let parts = ["reader.crt", "reader.key"].map(|name| std::fs::read(stage.path(name)).unwrap());
    let both = stage.file("reader.pem", parts.concat());
    let bao = OpenBao::start(&stage);
    let (issuer, subject) = (bao.issuer(), bao.subject());
    stage.strongroom(&format!("identity federation add writer {issuer} {subject}"));
    stage.strongroom("identity header add writer --header-file header");
    let served = Served::vault_with(
        &stage,
        &format!(
            "[[issuer]]\nurl = {issuer:?}\nca_file = {:?}\ngroups_claim = \"groups\"\n\
             [managed_identity]\nlisten = \"127.0.0.1:0\"\nimds_identity = \"writer\"\n",
            bao.authority()
        ),
    );
    let header = std::fs::read_to_string(stage.path("header")).unwrap().trim().to_owned();
    let variables = [
        ("READER_ID", reader),
        ("WRITER_ID", writer),
        ("CERTIFICATE", both),
        ("FEDERATED", bao.token_file("exchange", "api://AzureADTokenExchange", "RS256")),
        ("MANAGED", served.managed_identities().to_owned()),
        ("HEADER", header),
    ];
    let printed = served.python(&stage, "credentials.py", &variables);
    assert!(printed.contains("Ran 4 tests") && printed.contains("\nOK\n"), "{printed}");
}

#[test]
fn a_real_issuers_token_logs_in_by_itself_and_its_group_is_ours() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let bao = OpenBao::start(&stage);
    let issuer = bao.issuer();
    stage.strongroom("group create operators");
    stage.strongroom(&format!("group foreign add operators {issuer} operators"));
    stage::succeed(stage.strongroom_command("role assign").args(["Key Vault Secrets Officer", "operators"]));
    let lines = format!("[[issuer]]\nurl = {issuer:?}\nca_file = {:?}\ngroups_claim = \"groups\"\n", bao.authority());
    let served = Served::vault_with(&stage, &lines);
    let variables = [
        ("RS256", bao.token_file("rs256", "https://vault.localhost", "RS256")),
        ("ES256", bao.token_file("es256", "https://vault.localhost", "ES256")),
        ("NOT_ALLOWED", bao.token_file("eddsa", "https://vault.localhost", "EdDSA")),
        ("ELSEWHERE", bao.token_file("elsewhere", "https://elsewhere.example", "RS256")),
    ];
    let printed = served.python(&stage, "foreign.py", &variables);
    assert!(printed.contains("Ran 3 tests") && printed.contains("\nOK\n"), "{printed}");
}
