//! GnuTLS's `p11tool` administers a token and uses its keys.

mod stage;

use std::fs;
use std::process::Command;

use stage::{SO_PIN, Stage, TOKEN, fail, module, succeed};

fn p11tool_command(stage: &Stage, arguments: &str) -> Command {
    let mut command = stage.command("p11tool");
    command.arg("--provider").arg(module()).arg("--batch").args(arguments.split_whitespace());
    command.env("GNUTLS_PIN", stage.pin()).env("GNUTLS_SO_PIN", SO_PIN);
    command
}

/// Runs `p11tool` on what a URL names in the token; it must succeed.
fn p11tool(stage: &Stage, arguments: &str, what: &str) -> String {
    succeed(p11tool_command(stage, arguments).arg(format!("pkcs11:token={TOKEN}{what}")))
}

fn p11tool_fails(stage: &Stage, arguments: &str, what: &str) -> String {
    fail(p11tool_command(stage, arguments).arg(format!("pkcs11:token={TOKEN}{what}")))
}

#[test]
fn tokens_mechanisms_and_random_bytes_are_shown() {
    let stage = Stage::new();
    let tokens = succeed(&mut p11tool_command(&stage, "--list-tokens"));
    assert!(tokens.contains(&format!("token={TOKEN}")), "{tokens}");
    let urls = succeed(&mut p11tool_command(&stage, "--list-token-urls"));
    assert!(urls.contains(&format!("token={TOKEN}")), "{urls}");
    let mechanisms = p11tool(&stage, "--list-mechanisms", "");
    for expected in ["CKM_RSA_PKCS_PSS", "CKM_ECDSA", "CKM_AES_CBC", "CKM_SHA256"] {
        assert!(mechanisms.contains(expected), "{expected} in {mechanisms}");
    }
    p11tool(&stage, "--generate-random=32 --outfile random", "");
    assert_eq!(fs::read(stage.path("random")).unwrap().len(), 32);
}

#[test]
fn keys_are_generated_listed_exported_and_sign() {
    let stage = Stage::new();
    let kinds = [("rsa", "--generate-privkey=rsa --bits=2048"), ("p256", "--generate-privkey=ecdsa --curve=secp256r1")];
    let longer = [("p384", "--generate-privkey=ecdsa --curve=secp384r1")];
    for (label, generate) in kinds.into_iter().chain(longer) {
        p11tool(&stage, &format!("--login {generate} --label={label} --mark-sign --outfile {label}.pem"), "");
        let private = format!(";object={label};type=private");
        let signed = p11tool(&stage, "--login --test-sign", &private);
        assert!(signed.contains("Verifying against public key in the token... ok"), "{signed}");
        p11tool(&stage, "--login --export-pubkey --outfile exported.pem", &private);
        let (generated, exported) = (stage.path(&format!("{label}.pem")), stage.path("exported.pem"));
        assert_eq!(fs::read(generated).unwrap(), fs::read(exported).unwrap());
        stage.openssl("pkey -pubin -in exported.pem -noout");
        let listed = p11tool(&stage, "--login --list-privkeys", "");
        assert!(listed.contains(&format!("object={label}")) && listed.contains("CKA_NEVER_EXTRACTABLE"), "{listed}");
    }
    let pss = p11tool(&stage, "--login --test-sign --sign-params=RSA-PSS --hash=sha384", ";object=rsa;type=private");
    assert!(pss.contains("Signing using RSA-PSS-SHA384... ok"), "{pss}");
    let all = p11tool(&stage, "--login --list-all --only-urls", "");
    assert_eq!(all.lines().filter(|line| line.starts_with("pkcs11:")).count(), 6, "{all}");
}

/// It asks for one with the mechanism for signing. (Nor does it sign with one that is there: it reads the public point as
/// PKCS#11 v3.0 could be read, in an `OCTET STRING`.)
#[test]
fn gnutls_3_7_cannot_ask_for_an_ed25519_key() {
    let stage = Stage::new();
    let refused = p11tool_fails(&stage, "--login --generate-privkey=ed25519 --label=edwards", "");
    assert!(refused.contains("unsupported feature"), "{refused}");
}

#[test]
fn a_key_that_asks_for_the_pin_at_each_use_signs() {
    let stage = Stage::new();
    stage.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    let write = "--login --write --load-privkey=key.pem --label=asks --mark-sign --mark-always-authenticate";
    p11tool(&stage, write, "");
    let listed = p11tool(&stage, "--login --list-privkeys", ";object=asks;type=private");
    assert!(listed.contains("CKA_ALWAYS_AUTH"), "{listed}");
    let signed = p11tool(&stage, "--login --test-sign", ";object=asks;type=private");
    assert!(signed.contains("Signing using RSA-SHA256... ok"), "{signed}");
}

#[test]
fn objects_are_written_renamed_exported_and_deleted() {
    let stage = Stage::new();
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=written -days 2 -keyout key.pem -out certificate.pem");
    p11tool(&stage, "--login --write --load-certificate=certificate.pem --label=written --id=0a", "");
    p11tool(&stage, "--login --write --load-privkey=key.pem --label=written --id=0a --mark-sign", "");
    p11tool(&stage, "--login --write --secret-key=000102030405060708090a0b0c0d0e0f --label=secret --id=0b", "");
    let chain = p11tool(&stage, "--login --list-certs", "");
    assert!(chain.contains("object=written"), "{chain}");
    p11tool(&stage, "--export --outfile exported.pem", ";object=written;type=cert");
    let ends = |path: &str| stage.openssl(&format!("x509 -in {path} -noout -fingerprint"));
    assert_eq!(ends("exported.pem"), ends("certificate.pem"));
    let signed = p11tool(&stage, "--login --test-sign", ";object=written;type=private");
    assert!(signed.contains("Signing using RSA-SHA256... ok"), "{signed}");
    p11tool(&stage, "--login --set-label=renamed", ";object=written;type=cert");
    p11tool(&stage, "--login --set-id=0c", ";object=renamed;type=cert");
    let info = p11tool(&stage, "--info", ";object=renamed;type=cert");
    assert!(info.contains("ID: 0c"), "{info}");
    for (what, count) in [(";object=renamed;type=cert", 1), (";id=%0a;type=private", 1), (";object=secret", 1)] {
        let deleted = p11tool(&stage, "--login --delete", what);
        assert!(deleted.contains(&format!("{count} objects deleted")), "{what}: {deleted}");
    }
}

#[test]
fn only_the_security_officer_marks_a_certificate_as_trusted() {
    let stage = Stage::new();
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=root -days 2 -keyout key.pem -out root.pem");
    let write = "--write --load-certificate=root.pem --mark-trusted --mark-ca --label=root --id=0d";
    p11tool_fails(&stage, &format!("--login {write}"), "");
    p11tool(&stage, &format!("--so-login {write}"), "");
    let trusted = p11tool(&stage, "--list-all-trusted", "");
    assert!(trusted.contains("object=root") && trusted.contains("CKA_TRUSTED"), "{trusted}");
}

#[test]
fn pins_are_set_by_user_and_security_officer() {
    let stage = Stage::new();
    stage.key_pair("EC:prime256v1", "listed", "01");
    p11tool(&stage, &format!("--so-login --initialize-pin --set-pin=set-anew-1 --set-so-pin={SO_PIN}"), "");
    let mut command = p11tool_command(&stage, "--login --list-all");
    succeed(command.env("GNUTLS_PIN", "set-anew-1").arg(format!("pkcs11:token={TOKEN}")));
    let refused = p11tool_fails(&stage, "--login --list-all", "");
    assert!(refused.contains("PIN"), "{refused}");
}
