//! OpenSC's `pkcs11-tool` encrypts, decrypts, wraps, unwraps, derives, authenticates and hashes with each mechanism that
//! it knows, and OpenSSL agrees.

mod stage;

use std::fs;

use stage::{Stage, fail, is_ours, output, set_mode, succeed};

const IV: &str = "000102030405060708090a0b0c0d0e0f";
const AES: [u8; 32] = [0x5A; 32];
const AES_HEX: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

fn read(stage: &Stage, name: &str) -> Vec<u8> {
    fs::read(stage.path(name)).unwrap()
}

/// Generates a key for these uses.
fn generate(stage: &Stage, arguments: &str) {
    stage.pkcs11_tool_logged_in(arguments);
}

#[test]
fn rsa_decrypts_what_openssl_encrypted_with_every_padding() {
    let stage = Stage::new();
    generate(&stage, "--keypairgen --key-type rsa:2048 --label opens --id 01 --usage-decrypt");
    let public = stage.public_key("opens", "01");
    stage.file("text", b"what is sealed");
    // As long as the modulus, and a smaller number.
    stage.file("block", [&[0][..], &[7; 255]].concat());
    let cases = [
        ("RSA-PKCS", "pkcs1", "text"),
        ("RSA-PKCS-OAEP --hash-algorithm SHA-1", "oaep", "text"),
        ("RSA-PKCS-OAEP --hash-algorithm SHA256", "oaep -pkeyopt rsa_oaep_md:sha256", "text"),
        (
            "RSA-PKCS-OAEP --hash-algorithm SHA384 --mgf MGF1-SHA1",
            "oaep -pkeyopt rsa_oaep_md:sha384 -pkeyopt rsa_mgf1_md:sha1",
            "text",
        ),
        (
            "RSA-PKCS-OAEP --hash-algorithm SHA512 --mgf MGF1-SHA512",
            "oaep -pkeyopt rsa_oaep_md:sha512 -pkeyopt rsa_mgf1_md:sha512",
            "text",
        ),
        ("RSA-X-509", "none", "block"),
    ];
    for (mechanism, padding, input) in cases {
        // SoftHSM knows SHA-1 only.
        if !is_ours() && padding.contains("_md") {
            continue;
        }
        let encrypt =
            format!("pkeyutl -encrypt -pubin -inkey {public} -in {input} -pkeyopt rsa_padding_mode:{padding}");
        stage.openssl(&format!("{encrypt} -out sealed"));
        let decrypt = format!("--decrypt --id 01 --mechanism {mechanism} --input-file sealed --output-file opened");
        stage.pkcs11_tool_logged_in(&decrypt);
        assert_eq!(read(&stage, "opened"), read(&stage, input), "{mechanism}");
    }
}

#[test]
fn aes_encrypts_and_decrypts_as_openssl_does() {
    let stage = Stage::new();
    stage.file("key", AES);
    stage.pkcs11_tool_logged_in(
        "--write-object key --type secrkey --key-type AES:32 --label aes --id 0a --usage-decrypt",
    );
    stage.file("text", [0x17; 64]);
    for (mechanism, openssl) in [
        ("AES-ECB", "enc -aes-256-ecb -nopad".to_owned()),
        ("AES-CBC", format!("enc -aes-256-cbc -nopad -iv {IV}")),
        ("AES-CBC-PAD", format!("enc -aes-256-cbc -iv {IV}")),
    ] {
        let common = format!("--id 0a --mechanism {mechanism} --iv {IV}");
        stage.pkcs11_tool_logged_in(&format!("--encrypt {common} --input-file text --output-file sealed"));
        stage.openssl(&format!("{openssl} -K {AES_HEX} -in text -out expected"));
        assert_eq!(read(&stage, "sealed"), read(&stage, "expected"), "{mechanism}");
        stage.pkcs11_tool_logged_in(&format!("--decrypt {common} --input-file sealed --output-file opened"));
        assert_eq!(read(&stage, "opened"), [0x17; 64], "{mechanism}");
    }
}

#[test]
fn hmacs_are_made_and_verified_as_openssl_makes_them() {
    let stage = Stage::new();
    generate(&stage, "--keygen --key-type GENERIC:64 --label mac --id 0b --usage-sign --extractable");
    stage.pkcs11_tool_logged_in("--read-object --type secrkey --id 0b --output-file key");
    let key: String = read(&stage, "key").iter().map(|byte| format!("{byte:02x}")).collect();
    stage.file("text", b"what is authenticated");
    for (mechanism, hash) in [
        ("SHA-1-HMAC", "sha1"),
        ("SHA224-HMAC", "sha224"),
        ("SHA256-HMAC", "sha256"),
        ("SHA384-HMAC", "sha384"),
        ("SHA512-HMAC", "sha512"),
        ("SHA3-224-HMAC", "sha3-224"),
        ("SHA3-256-HMAC", "sha3-256"),
        ("SHA3-384-HMAC", "sha3-384"),
        ("SHA3-512-HMAC", "sha3-512"),
    ] {
        if !is_ours() && mechanism.starts_with("SHA3") {
            continue;
        }
        let common = format!("--id 0b --mechanism {mechanism} --input-file text");
        stage.pkcs11_tool_logged_in(&format!("--sign {common} --output-file mac"));
        stage.openssl(&format!("dgst -{hash} -mac HMAC -macopt hexkey:{key} -binary -out expected text"));
        assert_eq!(read(&stage, "mac"), read(&stage, "expected"), "{mechanism}");
        let verified = stage.pkcs11_tool_logged_in(&format!("--verify {common} --signature-file mac"));
        assert!(verified.contains("Signature is valid"), "{mechanism}: {verified}");
        stage.file("wrong", vec![0; read(&stage, "mac").len()]);
        let arguments = format!("--login --pin {pin} --verify {common} --signature-file wrong", pin = stage.pin());
        let refused = output(&mut stage.pkcs11_tool_command(&arguments)).stdout;
        assert!(String::from_utf8_lossy(&refused).contains("Invalid signature"), "{mechanism}");
    }
}

#[test]
fn files_are_hashed_as_openssl_hashes_them() {
    let stage = Stage::new();
    stage.file("text", [0x42; 5000]);
    for (mechanism, hash) in [
        ("SHA-1", "sha1"),
        ("SHA224", "sha224"),
        ("SHA256", "sha256"),
        ("SHA384", "sha384"),
        ("SHA512", "sha512"),
        ("SHA3-224", "sha3-224"),
        ("SHA3-256", "sha3-256"),
        ("SHA3-384", "sha3-384"),
        ("SHA3-512", "sha3-512"),
    ] {
        if !is_ours() && mechanism.starts_with("SHA3") {
            continue;
        }
        stage.pkcs11_tool(&format!("--hash --mechanism {mechanism} --input-file text --output-file hash"));
        stage.openssl(&format!("dgst -{hash} -binary -out expected text"));
        assert_eq!(read(&stage, "hash"), read(&stage, "expected"), "{mechanism}");
    }
}

#[test]
fn keys_are_wrapped_and_unwrapped_with_every_mechanism() {
    let stage = Stage::new();
    stage.file("key", AES);
    let write = "--write-object key --type secrkey --key-type AES:32 --label wrapped --id 01 --extractable";
    stage.pkcs11_tool_logged_in(&format!("{write} --usage-decrypt"));
    generate(&stage, "--keygen --key-type AES:32 --label aes-kek --id 02 --usage-wrap");
    generate(&stage, "--keypairgen --key-type rsa:2048 --label rsa-kek --id 03 --usage-wrap");
    stage.file("text", [0x17; 64]);
    let encrypt = |id: &str| {
        let common = format!("--id {id} --mechanism AES-CBC --iv {IV}");
        stage.pkcs11_tool_logged_in(&format!("--encrypt {common} --input-file text --output-file sealed"));
        read(&stage, "sealed")
    };
    let expected = encrypt("01");
    for (number, (wrapping, mechanism)) in
        [("02", "AES-KEY-WRAP".to_owned()), ("02", format!("AES-CBC-PAD --iv {IV}")), ("03", "RSA-PKCS".to_owned())]
            .iter()
            .enumerate()
    {
        if !is_ours() && mechanism.starts_with("AES-CBC") {
            continue;
        }
        let common = format!("--id {wrapping} --mechanism {mechanism}");
        stage.pkcs11_tool_logged_in(&format!("--wrap {common} --application-id 01 --output-file wrapped"));
        let back = format!("b{number}");
        let unwrap = format!("--unwrap {common} --input-file wrapped --key-type AES: --application-id {back}");
        stage.pkcs11_tool_logged_in(&format!("{unwrap} --application-label back --usage-decrypt"));
        assert_eq!(encrypt(&back), expected, "{mechanism}");
    }
    // OpenSC 0.23 gives OAEP no parameters when it wraps.
    let oaep = "--wrap --id 03 --mechanism RSA-PKCS-OAEP --application-id 01 --output-file wrapped";
    let refused = fail(&mut stage.pkcs11_tool_command(&format!("--login --pin {pin} {oaep}", pin = stage.pin())));
    assert!(!is_ours() || refused.contains("CKR_MECHANISM_PARAM_INVALID"), "{refused}");
}

#[test]
fn a_key_that_may_not_leave_is_not_wrapped() {
    let stage = Stage::new();
    generate(&stage, "--keygen --key-type AES:32 --label kept --id 01 --usage-decrypt");
    generate(&stage, "--keygen --key-type AES:32 --label aes-kek --id 02 --usage-wrap");
    let wrap = "--wrap --id 02 --mechanism AES-KEY-WRAP --application-id 01 --output-file wrapped";
    let refused = fail(&mut stage.pkcs11_tool_command(&format!("--login --pin {pin} {wrap}", pin = stage.pin())));
    assert!(refused.contains("CKR_KEY_UNEXTRACTABLE"), "{refused}");
}

/// `pkcs11-tool` asks for a secret that wraps, unwraps, encrypts and decrypts, which a configuration has to allow (see
/// `docs/deviations.md`).
#[test]
fn a_secret_is_derived_on_every_curve_as_openssl_derives_it() {
    let stage = Stage::new();
    let vault = stage.vault();
    let table = format!("[[vault]]\nname = \"stage\"\npath = {vault:?}\nallow_conflicting_usage = true\n");
    let configuration = stage.file("config.toml", table);
    set_mode(configuration.as_ref(), 0o600);
    let all = [("prime256v1", "25"), ("secp384r1", "38"), ("secp521r1", "52"), ("secp256k1", "26")];
    for (curve, id) in if is_ours() { &all[..] } else { &all[..1] } {
        let label = format!("agrees-{curve}");
        generate(&stage, &format!("--keypairgen --key-type EC:{curve} --label {label} --id {id} --usage-derive"));
        let public = stage.public_key(&label, id);
        stage.openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out peer.pem"));
        stage.openssl("pkey -in peer.pem -pubout -outform DER -out peer.der");
        stage.openssl(&format!("pkeyutl -derive -inkey peer.pem -peerkey {public} -out expected"));
        for mechanism in ["ECDH1-DERIVE", "ECDH1-COFACTOR-DERIVE"] {
            if !is_ours() && mechanism != "ECDH1-DERIVE" {
                continue;
            }
            let derive = format!("--derive --id {id} --mechanism {mechanism} --input-file peer.der");
            let arguments = format!("--login --pin {pin} {derive} --output-file secret", pin = stage.pin());
            let mut command = stage.pkcs11_tool_command(&arguments);
            succeed(command.env_remove("STRONGROOM_VAULT").env("STRONGROOM_CONF", &configuration));
            assert_eq!(read(&stage, "secret"), read(&stage, "expected"), "{curve}, {mechanism}");
            if is_ours() {
                let refused = fail(&mut stage.pkcs11_tool_command(&arguments));
                assert!(refused.contains("CKR_TEMPLATE_INCONSISTENT"), "{refused}");
            }
        }
    }
}
