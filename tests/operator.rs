//! What the `strongroom` command tells who keeps a vault: what a thing is, what it is called elsewhere, and what will not
//! work although it was wished for.

mod stage;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use stage::{Running, Stage, cli, is_ours, output, set_mode, succeed, wait_until};

fn json(stage: &Stage, arguments: &str) -> Value {
    serde_json::from_str(&stage.strongroom(&format!("--json {arguments}"))).unwrap()
}

/// What the command says beside its answer.
fn notes(stage: &Stage, arguments: &str) -> String {
    let output = output(&mut stage.strongroom_command(arguments));
    assert!(output.status.success(), "{arguments}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_public_key_that_stands_alone_is_called_one() {
    let stage = Stage::new();
    stage.strongroom("key create www --kind p-256");
    stage.public_key("www", "www");
    stage.openssl("pkey -pubin -in public-www.pem -outform DER -out public.der");
    stage.pkcs11_tool_logged_in("--write-object public.der --type pubkey --label theirs --id 0a");
    let listed = stage.strongroom("key list");
    let kind = |name: &str| {
        let line = listed.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {listed}"));
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!((kind("theirs").as_str(), kind("www").as_str()), ("p-256,public-only", "p-256"));
    assert!(stage.strongroom("key show theirs").contains("p-256, public key only"));
    let shown = json(&stage, "key show theirs");
    assert_eq!((shown["kind"].as_str(), shown["private"].as_bool()), (Some("p-256"), Some(false)));
}

#[test]
fn every_command_prints_the_uri_that_outlives_a_rotation_and_a_version_has_its_own() {
    let stage = Stage::new();
    stage.strongroom("key create www --kind p-256");
    stage.strongroom("cert create www --subject CN=localhost");
    let uri = stage.strongroom("pkcs11 uri www --type private").trim().to_owned();
    assert!(!uri.contains("id="), "{uri}");
    let first = json(&stage, "key show www")["version"].as_str().unwrap().to_owned();
    let rotated = json(&stage, "key rotate www");
    let listed = json(&stage, "key list");
    for printed in [&rotated, &json(&stage, "key show www"), &listed[0]] {
        assert_eq!(printed["uri"].as_str(), Some(uri.as_str()));
    }
    assert!(stage.strongroom("key show www").contains(&format!("{uri}\n")));
    let certificate = stage.strongroom("pkcs11 uri www --type cert").trim().to_owned();
    assert_eq!(json(&stage, "cert show www")["uri"].as_str(), Some(certificate.as_str()));
    let own = stage.strongroom(&format!("pkcs11 uri www --version {first}")).trim().to_owned();
    assert!(own.contains(";id=%"), "{own}");
    assert_eq!(json(&stage, &format!("key show www --version {first}"))["uri"].as_str(), Some(own.as_str()));
    let versions = json(&stage, "key show www")["versions"].clone();
    assert!(versions.as_array().unwrap().iter().any(|version| version["uri"].as_str() == Some(own.as_str())));
    // libp11 finds the key by what is printed.
    stage.file("message", "to be signed");
    stage.openssl_engine(&format!(
        "dgst -sha256 -engine pkcs11 -keyform engine -sign {} -out signature message",
        json(&stage, "key show www")["uri"].as_str().unwrap()
    ));
}

#[test]
fn keys_with_one_label_are_told_apart_by_the_ids_in_their_uris() {
    let stage = Stage::new();
    stage.key_pair("EC:prime256v1", "twin", "01");
    stage.key_pair("EC:prime256v1", "twin", "02");
    let keys = json(&stage, "key list");
    let uris: Vec<&str> = keys.as_array().unwrap().iter().map(|key| key["uri"].as_str().unwrap()).collect();
    assert!(uris.len() == 2 && uris[0] != uris[1] && uris.iter().all(|uri| uri.contains(";id=%0")), "{uris:?}");
}

#[test]
fn an_end_in_the_past_is_told_and_a_beginning_after_the_end_refused() {
    let stage = Stage::new();
    let said = notes(&stage, "key create old --kind p-256 --expires 2001-01-01");
    assert!(said.contains("--expires 2001-01-01T00:00:00Z is past"), "{said}");
    assert_eq!(json(&stage, "key show old")["state"], "expired");
    let said = notes(&stage, "key rotate old --expires 2002-01-01");
    assert!(said.contains("--expires 2002-01-01T00:00:00Z is past"), "{said}");
    assert_eq!(notes(&stage, "key create www --kind p-256 --expires 2100-01-01"), "");
    let refused = stage
        .strongroom_command("key create no --kind p-256 --not-before 2002-01-01 --expires 2001-01-01")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("--not-before must be earlier"), "{said}");
}

#[test]
fn a_shell_completes_kinds_and_usages() {
    let stage = Stage::without_token();
    stage.file("strongroom.bash", succeed(Command::new(cli()).args(["completions", "bash"])));
    let completed = |words: &str| {
        let script = format!(
            ". ./strongroom.bash; COMP_WORDS=(strongroom {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _strongroom strongroom \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
             echo \"${{COMPREPLY[*]}}\""
        );
        succeed(stage.command("bash").args(["-c", &script])).trim().to_owned()
    };
    assert_eq!(completed("key create www --kind p-"), "p-256 p-384 p-521 p-256k");
    assert_eq!(completed("key import www FILE --kind a"), "aes-128 aes-192 aes-256");
    assert_eq!(completed("key create www --usage si"), "sign sign-recover");
    // Any other size is a kind too.
    let refused = stage.command(cli()).args(["key", "create", "www", "--kind", "generic-7"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("generic-BITS"), "{refused:?}");
}

#[test]
fn a_backup_is_called_as_the_configuration_calls_its_vault() {
    let stage = Stage::without_token();
    stage.strongroom("init");
    let pin = stage.at("pin");
    let configuration = stage
        .file("config.toml", format!("[[vault]]\nname = \"web\"\npath = {:?}\npin_file = {pin:?}\n", stage.vault()));
    set_mode(Path::new(&configuration), 0o600);
    let made = |vault: &str| {
        let mut command = stage.command(cli());
        command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", &configuration);
        command.args(["--json", "--vault", vault, "backup", "create", "--into", "backups", "--keep", "1"]);
        let made: Value = serde_json::from_str(&succeed(&mut command)).unwrap();
        Path::new(made["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().to_owned()
    };
    assert!(made("web").starts_with("web-"));
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(made(stage.vault().to_str().unwrap()).starts_with("web-"), "by its directory");
    assert_eq!(std::fs::read_dir(stage.path("backups")).unwrap().count(), 1, "and they are counted together");
}

/// The serial number of the certificate that a server shows.
fn shown_serial(stage: &Stage, address: &str) -> String {
    let shell = "openssl s_client -connect \"$0\" </dev/null 2>/dev/null | openssl x509 -noout -serial";
    let printed = succeed(stage.command("sh").args(["-c", shell, address]));
    printed.trim().to_owned()
}

#[test]
fn a_running_server_shows_a_renewed_certificate_when_it_is_asked_to() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let certify = |serial: &str| {
        let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.pem -days 2 \
                         -subj /CN=server -set_serial";
        succeed(stage.command("openssl").args(arguments.split_whitespace()).arg(serial));
        set_mode(&stage.path("tls.key"), 0o600);
    };
    certify("0x11");
    let arguments = "--vault vault serve --listen 127.0.0.1:0 --tls-certificate tls.pem --tls-key tls.key";
    let log = std::fs::File::create(stage.path("server.log")).unwrap();
    let mut command = stage.strongroom_command(arguments);
    let server = Running::start(command.stderr(log).stdout(Stdio::null()));
    let printed = || std::fs::read_to_string(stage.path("server.log")).unwrap();
    wait_until("the server listens", || printed().contains("Listening at "));
    let printed_now = printed();
    let address =
        printed_now.split("https://").nth(1).and_then(|rest| rest.split(". ").next()?.lines().next()).unwrap();
    let address = address.trim_end_matches('.').to_owned();
    assert_eq!(shown_serial(&stage, &address), "serial=11");
    std::fs::write(stage.path("tls.pem"), "no certificate").unwrap();
    server.signal("HUP");
    wait_until("what can't be used is named", || printed().contains("can't be renewed"));
    assert_eq!(shown_serial(&stage, &address), "serial=11", "the one before stays");
    certify("0x22");
    server.signal("HUP");
    wait_until("the newer one is shown", || shown_serial(&stage, &address) == "serial=22");
}
