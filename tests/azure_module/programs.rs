//! pkcs11-tool, OpenSSL's engine, p11tool and certutil, each with what it is used for.

use std::fs;
use std::process::Stdio;

use crate::stage::served::Way;
use crate::stage::{Running, Stage, TOKEN, fail, free_port, is_ours, module, output, succeed, wait_until};

const ROLES: &[&str] = &["Key Vault Administrator"];

fn uri(label: &str) -> String {
    format!("pkcs11:token={TOKEN};object={label};type=private")
}

#[test]
fn pkcs11_tool_lists_makes_signs_with_and_deletes_keys() {
    if !is_ours() {
        return;
    }
    for way in [Way::Tls, Way::SocketWithPin] {
        let stage = Stage::at_server(way, ROLES);
        let slots = stage.pkcs11_tool("--list-slots");
        let pad = if way == Way::Tls { "PIN pad present" } else { "login required" };
        for expected in [TOKEN, "token initialized", "https://web.vault.localhost", pad] {
            assert!(slots.contains(expected), "{expected} in {slots}");
        }
        stage.file("message", b"a message");
        for (kind, id, mechanism, verify) in [
            ("rsa:2048", "01", "SHA256-RSA-PKCS", "dgst -sha256"),
            ("rsa:2048", "02", "SHA384-RSA-PKCS-PSS", "dgst -sha384 -sigopt rsa_padding_mode:pss"),
            ("EC:prime256v1", "03", "ECDSA-SHA256 --signature-format openssl", "dgst -sha256"),
            ("EC:secp521r1", "04", "ECDSA-SHA512 --signature-format openssl", "dgst -sha512"),
        ] {
            let label = format!("key-{id}");
            stage.key_pair(kind, &label, id);
            let public = stage.public_key(&label, id);
            let sign = format!("--sign --id {id} --mechanism {mechanism} --input-file message --output-file signature");
            stage.pkcs11_tool_logged_in(&sign);
            stage.openssl(&format!("{verify} -verify {public} -signature signature message"));
        }
        // Public objects are there without a login where the configuration knows who this is.
        let shown = stage.pkcs11_tool("--list-objects");
        assert_eq!(shown.contains("Public Key Object"), way == Way::Tls, "{shown}");
        assert!(!shown.contains("Private Key Object"), "{shown}");
        let all = stage.pkcs11_tool_logged_in("--list-objects");
        assert_eq!(all.matches("Private Key Object").count(), 4, "{all}");

        deletes_halves_together(&stage);
    }
}

fn deletes_halves_together(stage: &Stage) {
    let alone = format!("--login --pin {} --delete-object --type pubkey --id 03", stage.pin());
    let refused = fail(&mut stage.pkcs11_tool_command(&alone));
    // It has no name for CKR_ACTION_PROHIBITED.
    assert!(refused.contains("(0x1b)") && refused.contains("delete the private key"), "{refused}");
    stage.pkcs11_tool_logged_in("--delete-object --type privkey --id 03");
    let left = stage.pkcs11_tool_logged_in("--list-objects");
    assert!(!left.contains("key-03") && left.contains("key-04"), "{left}");
    let served = stage.served.as_ref().unwrap();
    assert!(served.strongroom(&["deleted", "list"]).contains("key-03"));
}

#[test]
fn pkcs11_tool_brings_keys_and_secrets() {
    if !is_ours() {
        return;
    }
    let stage = Stage::at_server(Way::Socket, ROLES);
    stage.file("message", b"a message");
    stage.file("value", b"not very secret");
    for (kind, option) in [("RSA", "rsa_keygen_bits:2048"), ("EC", "ec_paramgen_curve:P-384")] {
        let id = if kind == "RSA" { "0a" } else { "0b" };
        stage.openssl(&format!("genpkey -algorithm {kind} -pkeyopt {option} -out key.pem"));
        stage.openssl("pkey -in key.pem -outform DER -out key.der");
        stage.openssl("pkey -in key.pem -pubout -out public.pem");
        let write = format!("--write-object key.der --type privkey --id {id} --label brought-{kind} --usage-sign");
        stage.pkcs11_tool_logged_in(&write);
        let mechanism = if kind == "RSA" { "SHA256-RSA-PKCS" } else { "ECDSA-SHA256 --signature-format openssl" };
        let sign = format!("--sign --id {id} --mechanism {mechanism} --input-file message --output-file signature");
        stage.pkcs11_tool_logged_in(&sign);
        stage.openssl("dgst -sha256 -verify public.pem -signature signature message");
    }
    stage.pkcs11_tool_logged_in("--write-object value --type data --private --label written");
    stage.pkcs11_tool_logged_in("--read-object --type data --label written --output-file copy");
    assert_eq!(fs::read(stage.path("copy")).unwrap(), b"not very secret");
}

#[test]
fn pkcs11_tool_encrypts_where_the_key_is_as_openssl_does_here() {
    if !is_ours() {
        return;
    }
    let stage = Stage::at_server(Way::Tls, ROLES);
    let (hex, iv) = ("5a".repeat(32), "000102030405060708090a0b0c0d0e0f");
    stage.file("key", [0x5A; 32]);
    stage.pkcs11_tool_logged_in(
        "--write-object key --type secrkey --key-type AES:32 --label aes --id 0a --usage-decrypt",
    );
    stage.file("text", [0x17; 64]);
    for (mechanism, openssl) in [("AES-CBC", "enc -aes-256-cbc -nopad"), ("AES-CBC-PAD", "enc -aes-256-cbc")] {
        let common = format!("--id 0a --mechanism {mechanism} --iv {iv}");
        stage.pkcs11_tool_logged_in(&format!("--encrypt {common} --input-file text --output-file sealed"));
        stage.openssl(&format!("{openssl} -iv {iv} -K {hex} -in text -out expected"));
        assert_eq!(fs::read(stage.path("sealed")).unwrap(), fs::read(stage.path("expected")).unwrap(), "{mechanism}");
        stage.pkcs11_tool_logged_in(&format!("--decrypt {common} --input-file sealed --output-file opened"));
        assert_eq!(fs::read(stage.path("opened")).unwrap(), [0x17; 64], "{mechanism}");
    }
    let all = stage.pkcs11_tool_logged_in("--list-objects");
    assert!(all.contains("Secret Key Object"), "{all}");

    stage.pkcs11_tool_logged_in("--keypairgen --key-type rsa:2048 --label opens --id 0b --usage-decrypt");
    let public = stage.public_key("opens", "0b");
    for (mechanism, padding) in [
        ("RSA-PKCS", "pkcs1"),
        ("RSA-PKCS-OAEP --hash-algorithm SHA-1", "oaep"),
        ("RSA-PKCS-OAEP --hash-algorithm SHA256", "oaep -pkeyopt rsa_oaep_md:sha256"),
    ] {
        let encrypt = format!("pkeyutl -encrypt -pubin -inkey {public} -in text -pkeyopt rsa_padding_mode:{padding}");
        stage.openssl(&format!("{encrypt} -out sealed"));
        let decrypt = format!("--decrypt --id 0b --mechanism {mechanism} --input-file sealed --output-file opened");
        stage.pkcs11_tool_logged_in(&decrypt);
        assert_eq!(fs::read(stage.path("opened")).unwrap(), [0x17; 64], "{mechanism}");
    }
}

#[test]
fn openssls_engine_signs_and_serves() {
    if !is_ours() {
        return;
    }
    let stage = Stage::at_server(Way::Tls, ROLES);
    for (kind, label, id) in [("rsa:2048", "rsa", "01"), ("EC:prime256v1", "curve", "02")] {
        stage.key_pair(kind, label, id);
        let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2";
        let key = uri(label);
        stage.openssl_engine(&format!(
            "req -new -x509 -engine pkcs11 -keyform engine -key {key} {name} -out {label}.pem"
        ));
        stage.openssl(&format!("verify -CAfile {label}.pem {label}.pem"));
        let port = free_port();
        let arguments =
            format!("s_server -accept 127.0.0.1:{port} -www -engine pkcs11 -keyform engine -cert {label}.pem");
        let mut server = stage.openssl_engine_command(&format!("{arguments} -key {key}"));
        let _server = Running::start(server.stdout(Stdio::null()).stderr(Stdio::null()));
        wait_until("s_server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        for version in ["tls1_2", "tls1_3"] {
            let arguments = format!("s_client -connect 127.0.0.1:{port} -{version} -verify_return_error -brief");
            let mut client = stage.command("openssl");
            client.args(arguments.split_whitespace()).args(["-CAfile", &format!("{label}.pem")]);
            let result = output(&mut client);
            let printed = String::from_utf8_lossy(&result.stderr);
            assert!(result.status.success() && printed.contains("Verification: OK"), "{label}, {version}: {printed}");
        }
    }
}

#[test]
fn p11tool_makes_keys_and_signs_with_them() {
    if !is_ours() {
        return;
    }
    let stage = Stage::at_server(Way::Tls, ROLES);
    let p11tool = |arguments: &str, what: &str| {
        let mut command = stage.command("p11tool");
        command.arg("--provider").arg(module()).arg("--batch").args(arguments.split_whitespace());
        command.env("GNUTLS_PIN", stage.pin()).arg(format!("pkcs11:token={TOKEN}{what}"));
        succeed(&mut command)
    };
    for (label, generate) in
        [("rsa", "--generate-privkey=rsa --bits=2048"), ("p256", "--generate-privkey=ecdsa --curve=secp256r1")]
    {
        p11tool(&format!("--login {generate} --label={label} --mark-sign --outfile {label}.pem"), "");
        let private = format!(";object={label};type=private");
        let signed = p11tool("--login --test-sign", &private);
        assert!(signed.contains("Verifying against public key in the token... ok"), "{signed}");
    }
    p11tool("--login --set-label=renamed", ";object=p256;type=private");
    let listed = p11tool("--login --list-privkeys", "");
    assert!(listed.contains("object=renamed"), "{listed}");
}

#[test]
fn python_pkcs11_makes_uses_renames_and_deletes_keys() {
    if !is_ours() {
        return;
    }
    let python =
        std::env::var_os("STRONGROOM_PYTHON").expect("STRONGROOM_PYTHON names a Python, as tests/clients.rs says");
    let stage = Stage::at_server(Way::Tls, ROLES);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/remote_token.py");
    let printed = succeed(stage.command(python).arg(script).env("MODULE", module()).env("TOKEN", TOKEN));
    assert!(printed.contains("Ran 4 tests") && printed.contains("OK"), "{printed}");
}

/// NSS sets `CKF_LIBRARY_CANT_CREATE_OS_THREADS` always.
#[test]
fn certutil_lists_keys_makes_one_and_signs_a_request() {
    if !is_ours() {
        return;
    }
    let stage = Stage::at_server(Way::Tls, ROLES);
    stage.key_pair("EC:prime256v1", "listed", "01");
    fs::create_dir(stage.path("nss")).unwrap();
    let nss = |program: &str, arguments: &str| succeed(stage.command(program).args(arguments.split_whitespace()));
    stage.file("nss-pin", stage.pin());
    stage.file("noise", [7; 1024]);
    nss("certutil", "-N -d sql:nss --empty-password");
    nss("modutil", &format!("-dbdir sql:nss -add strongroom -libfile {} -force", module().display()));
    let keys = nss("certutil", &format!("-K -d sql:nss -h {TOKEN} -f nss-pin"));
    assert!(keys.contains("listed"), "{keys}");
    let request =
        format!("-R -d sql:nss -h {TOKEN} -f nss-pin -s CN=nss.example -k rsa -g 2048 -z noise -a -o request.pem");
    nss("certutil", &request);
    let verified = stage.openssl("req -in request.pem -verify -noout");
    assert!(verified.contains("verify OK"), "{verified}");
    let keys = nss("certutil", &format!("-K -d sql:nss -h {TOKEN} -f nss-pin"));
    assert!(keys.contains("rsa") && keys.contains("listed"), "{keys}");
}

#[test]
fn a_vault_here_and_one_at_a_server_are_two_tokens() {
    if !is_ours() {
        return;
    }
    let mut stage = Stage::at_server(Way::Socket, ROLES);
    let (remote, secret) = (stage.served.as_ref().unwrap().table(Way::Socket), stage.pin().to_owned());
    let vault = stage.at("here");
    stage.configure(&format!("[[vault]]\nname = \"here\"\npath = {vault:?}\n{remote}"));
    stage.pkcs11_tool("--init-token --slot-index 1 --label here --so-pin so-pin-93751");
    stage.pkcs11_tool(
        "--token-label here --login --login-type so --so-pin so-pin-93751 --init-pin --new-pin user-pin-28",
    );
    for (token, pin) in [("here", "user-pin-28"), (TOKEN, &secret)] {
        let of = format!("--token-label {token} --login --pin {pin}");
        stage.pkcs11_tool(&format!("{of} --keypairgen --key-type EC:prime256v1 --label both --id 01 --usage-sign"));
        stage.file("digest", [7; 32]);
        stage
            .pkcs11_tool(&format!("{of} --sign --id 01 --mechanism ECDSA --input-file digest --output-file signature"));
    }
    let mechanisms = |token: &str| stage.pkcs11_tool(&format!("--token-label {token} --list-mechanisms"));
    assert!(mechanisms("here").contains("AES-CTR") && !mechanisms(TOKEN).contains("AES-CTR"));
}
