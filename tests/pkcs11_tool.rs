//! OpenSC's `pkcs11-tool` does everything it knows with a token of ours, and other implementations agree with each
//! signature.

mod stage;

use p256::ecdsa::signature::Verifier;
use rsa::pkcs8::DecodePublicKey;
use sha2::{Digest, Sha256};

use stage::{PIN, SO_PIN, Stage, TOKEN, fail, module, succeed};

/// A mechanism that `pkcs11-tool` knows: its name, its further arguments, what is signed, and how `openssl pkeyutl` (for
/// what signs a digest) or `openssl dgst` (for what signs a message) verifies it.
struct Mechanism {
    name: &'static str,
    arguments: &'static [&'static str],
    input: Input,
    openssl: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Input {
    Message,
    Sha256,
    DigestInfo,
    /// As long as the modulus, with a leading zero.
    Block,
}

const RSA: &[Mechanism] = &[
    Mechanism { name: "RSA-PKCS", arguments: &[], input: Input::DigestInfo, openssl: &["pkeyutl"] },
    Mechanism { name: "SHA1-RSA-PKCS", arguments: &[], input: Input::Message, openssl: &["dgst", "-sha1"] },
    Mechanism { name: "SHA224-RSA-PKCS", arguments: &[], input: Input::Message, openssl: &["dgst", "-sha224"] },
    Mechanism { name: "SHA256-RSA-PKCS", arguments: &[], input: Input::Message, openssl: &["dgst", "-sha256"] },
    Mechanism { name: "SHA384-RSA-PKCS", arguments: &[], input: Input::Message, openssl: &["dgst", "-sha384"] },
    Mechanism { name: "SHA512-RSA-PKCS", arguments: &[], input: Input::Message, openssl: &["dgst", "-sha512"] },
    Mechanism {
        name: "RSA-PKCS-PSS",
        arguments: &["--hash-algorithm", "SHA256"],
        input: Input::Sha256,
        openssl: &["pkeyutl", "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "digest:sha256"],
    },
    Mechanism {
        name: "RSA-PKCS-PSS",
        arguments: &["--hash-algorithm", "SHA256", "--mgf", "MGF1-SHA1", "--salt-len", "11"],
        input: Input::Sha256,
        openssl: &[
            "pkeyutl",
            "-pkeyopt",
            "rsa_padding_mode:pss",
            "-pkeyopt",
            "digest:sha256",
            "-pkeyopt",
            "rsa_mgf1_md:sha1",
            "-pkeyopt",
            "rsa_pss_saltlen:11",
        ],
    },
    Mechanism { name: "SHA1-RSA-PKCS-PSS", arguments: &[], input: Input::Message, openssl: PSS_SHA1 },
    Mechanism { name: "SHA224-RSA-PKCS-PSS", arguments: &[], input: Input::Message, openssl: PSS_SHA224 },
    Mechanism { name: "SHA256-RSA-PKCS-PSS", arguments: &[], input: Input::Message, openssl: PSS_SHA256 },
    Mechanism { name: "SHA384-RSA-PKCS-PSS", arguments: &[], input: Input::Message, openssl: PSS_SHA384 },
    Mechanism { name: "SHA512-RSA-PKCS-PSS", arguments: &[], input: Input::Message, openssl: PSS_SHA512 },
    Mechanism {
        name: "RSA-X-509",
        arguments: &[],
        input: Input::Block,
        openssl: &["pkeyutl", "-pkeyopt", "rsa_padding_mode:none"],
    },
];
const PSS_SHA1: &[&str] = &["dgst", "-sha1", "-sigopt", "rsa_padding_mode:pss"];
const PSS_SHA224: &[&str] = &["dgst", "-sha224", "-sigopt", "rsa_padding_mode:pss"];
const PSS_SHA256: &[&str] = &["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss"];
const PSS_SHA384: &[&str] = &["dgst", "-sha384", "-sigopt", "rsa_padding_mode:pss"];
const PSS_SHA512: &[&str] = &["dgst", "-sha512", "-sigopt", "rsa_padding_mode:pss"];

const ECDSA: &[Mechanism] = &[
    Mechanism { name: "ECDSA", arguments: DER, input: Input::Sha256, openssl: &["pkeyutl"] },
    Mechanism { name: "ECDSA-SHA1", arguments: DER, input: Input::Message, openssl: &["dgst", "-sha1"] },
    Mechanism { name: "ECDSA-SHA224", arguments: DER, input: Input::Message, openssl: &["dgst", "-sha224"] },
    Mechanism { name: "ECDSA-SHA256", arguments: DER, input: Input::Message, openssl: &["dgst", "-sha256"] },
    Mechanism { name: "ECDSA-SHA384", arguments: DER, input: Input::Message, openssl: &["dgst", "-sha384"] },
    Mechanism { name: "ECDSA-SHA512", arguments: DER, input: Input::Message, openssl: &["dgst", "-sha512"] },
];
const DER: &[&str] = &["--signature-format", "openssl"];

const EDDSA: &[Mechanism] =
    &[Mechanism { name: "EDDSA", arguments: &[], input: Input::Message, openssl: &["pkeyutl", "-rawin"] }];

/// The mechanisms that the token names, by `pkcs11-tool`'s names.
fn offered(stage: &Stage) -> Vec<String> {
    let list = stage.pkcs11_tool(&["--list-mechanisms"]);
    list.lines().filter_map(|line| line.trim().split(',').next()).map(str::to_owned).collect()
}

/// Our module must offer all; another one is used for what it has.
fn is_ours() -> bool {
    module().file_name().is_some_and(|name| name == "libstrongroom.so")
}

fn input(stage: &Stage, kind: Input, modulus_len: usize) -> String {
    const MESSAGE: &[u8] = b"a message that is signed";
    let digest = Sha256::digest(MESSAGE);
    match kind {
        Input::Message => stage.file("message", MESSAGE),
        Input::Sha256 => stage.file("digest", digest),
        Input::DigestInfo => {
            let mut info = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20".to_vec();
            info.extend_from_slice(&digest);
            stage.file("digest-info", info)
        }
        Input::Block => {
            let mut block = vec![0x5A; modulus_len];
            block[0] = 0;
            stage.file("block", block)
        }
    }
}

/// Signs with each mechanism; the token and OpenSSL say it is right, and wrong for another input.
fn every_mechanism_signs(stage: &Stage, mechanisms: &[Mechanism], id: &str, modulus_len: usize) {
    let public = stage.public_key(id);
    let offered = offered(stage);
    for mechanism in mechanisms {
        if !offered.iter().any(|name| name == mechanism.name) {
            assert!(!is_ours(), "{} isn't offered: {offered:?}", mechanism.name);
            continue;
        }
        let input = input(stage, mechanism.input, modulus_len);
        let signature = stage.at("signature");
        let common =
            [&["--id", id, "--mechanism", mechanism.name, "--input-file", &input], mechanism.arguments].concat();
        stage.pkcs11_tool_logged_in(&[&["--sign", "--output-file", &signature], &common[..]].concat());
        let verified =
            stage.pkcs11_tool_logged_in(&[&["--verify", "--signature-file", &signature], &common[..]].concat());
        assert!(verified.contains("Signature is valid"), "{}: {verified}", mechanism.name);
        openssl_agrees(stage, mechanism, &public, &input, &signature);
    }
}

fn openssl_agrees(stage: &Stage, mechanism: &Mechanism, public: &str, input: &str, signature: &str) {
    let (command, options) = mechanism.openssl.split_first().unwrap();
    if *command == "dgst" {
        let arguments = [&["dgst"], options, &["-verify", public, "-signature", signature, input]].concat();
        stage.openssl(&arguments);
    } else {
        let input_option = ["-in", input, "-sigfile", signature];
        stage.openssl(&[&["pkeyutl", "-verify", "-pubin", "-inkey", public], options, &input_option].concat());
    }
}

#[test]
fn slots_mechanisms_and_objects_are_listed() {
    let stage = Stage::new();
    stage.key_pair("EC:prime256v1", "listed", "01");
    let slots = stage.pkcs11_tool(&["--list-slots"]);
    for expected in [TOKEN, "token initialized", "PIN initialized", "login required"] {
        assert!(slots.contains(expected), "{expected} in {slots}");
    }
    let objects = stage.pkcs11_tool(&["--list-objects"]);
    assert!(objects.contains("Public Key Object") && !objects.contains("Private Key Object"), "{objects}");
    let objects = stage.pkcs11_tool_logged_in(&["--list-objects"]);
    assert!(objects.contains("Private Key Object"), "{objects}");
    assert!(objects.contains("never extractable") && objects.contains("local"), "{objects}");
}

#[test]
fn rsa_signs_with_every_mechanism_and_openssl_agrees() {
    let stage = Stage::new();
    for (bits, id) in [(2048, "20"), (3072, "30")] {
        stage.key_pair(&format!("rsa:{bits}"), "signer", id);
        every_mechanism_signs(&stage, RSA, id, bits / 8);
    }
}

#[test]
fn every_curve_signs_with_every_mechanism_and_openssl_agrees() {
    let stage = Stage::new();
    for (curve, id) in [("prime256v1", "25"), ("secp384r1", "38"), ("secp521r1", "52"), ("secp256k1", "26")] {
        stage.key_pair(&format!("EC:{curve}"), curve, id);
        every_mechanism_signs(&stage, ECDSA, id, 0);
    }
}

#[test]
fn ed25519_signs_and_openssl_agrees() {
    let stage = Stage::new();
    stage.pkcs11_tool_logged_in(&[
        "--keypairgen",
        "--key-type",
        "EC:edwards25519",
        "--label",
        "edwards",
        "--id",
        "ed",
        "--usage-sign",
    ]);
    every_mechanism_signs(&stage, EDDSA, "ed", 0);
}

#[test]
fn the_p256_and_rsa_crates_verify_what_the_token_signed() {
    let stage = Stage::new();
    stage.key_pair("EC:prime256v1", "curve", "01");
    stage.key_pair("rsa:2048", "modulus", "02");
    let message = std::fs::read(input(&stage, Input::Message, 0)).unwrap();
    for (id, mechanism) in [("01", "ECDSA-SHA256"), ("02", "SHA256-RSA-PKCS")] {
        let (input, signature) = (stage.at("message"), stage.at("signature"));
        stage.pkcs11_tool_logged_in(&[
            "--sign",
            "--id",
            id,
            "--mechanism",
            mechanism,
            "--input-file",
            &input,
            "--output-file",
            &signature,
        ]);
        let signature = std::fs::read(signature).unwrap();
        let public = std::fs::read_to_string(stage.public_key(id)).unwrap();
        if id == "01" {
            let key = p256::ecdsa::VerifyingKey::from_public_key_pem(&public).unwrap();
            key.verify(&message, &p256::ecdsa::Signature::from_slice(&signature).unwrap()).unwrap();
        } else {
            let key = rsa::PublicKey::from_public_key_pem(&public).unwrap();
            let digest = Sha256::digest(&message);
            key.verify(rsa::Pkcs1v15Sign::new::<Sha256>(), &digest, &signature).unwrap();
        }
    }
}

#[test]
fn the_token_verifies_what_openssl_signed_and_refuses_what_it_did_not() {
    let stage = Stage::new();
    let message = input(&stage, Input::Message, 0);
    let (private, public, signature) = (stage.at("other.pem"), stage.at("other.der"), stage.at("signature"));
    for (algorithm, option, mechanism, arguments) in [
        ("RSA", "rsa_keygen_bits:2048", "SHA256-RSA-PKCS", &[][..]),
        ("EC", "ec_paramgen_curve:P-256", "ECDSA-SHA256", DER),
    ] {
        stage.openssl(&["genpkey", "-algorithm", algorithm, "-pkeyopt", option, "-out", &private]);
        stage.openssl(&["pkey", "-in", &private, "-pubout", "-outform", "DER", "-out", &public]);
        stage.openssl(&["dgst", "-sha256", "-sign", &private, "-out", &signature, &message]);
        stage.pkcs11_tool_logged_in(&[
            "--write-object",
            &public,
            "--type",
            "pubkey",
            "--id",
            "77",
            "--label",
            algorithm,
        ]);
        let verify = |input: &str| {
            let common = ["--verify", "--id", "77", "--mechanism", mechanism, "--input-file", input];
            let arguments = [&common[..], &["--signature-file", &signature], arguments].concat();
            let mut command = stage.command("pkcs11-tool");
            command.arg("--module").arg(module()).args(["--login", "--pin", PIN]).args(arguments);
            stage::output(&mut command)
        };
        let good = String::from_utf8(verify(&message).stdout).unwrap();
        assert!(good.contains("Signature is valid"), "{mechanism}: {good}");
        let other = stage.file("other-message", b"another message");
        let bad = String::from_utf8(verify(&other).stdout).unwrap();
        assert!(bad.contains("Invalid signature"), "{mechanism}: {bad}");
        stage.pkcs11_tool_logged_in(&["--delete-object", "--type", "pubkey", "--id", "77"]);
    }
}

#[test]
fn its_own_tests_pass() {
    let stage = Stage::new();
    stage.key_pair("rsa:2048", "tested", "01");
    let report = stage.pkcs11_tool_logged_in(&["--test"]);
    assert!(report.contains("No errors"), "{report}");
}

#[test]
fn its_own_tests_of_elliptic_curves_pass() {
    let stage = Stage::new();
    let report =
        stage.pkcs11_tool_logged_in(&["--test-ec", "--id", "0e", "--label", "tested", "--key-type", "EC:secp256r1"]);
    assert!(report.contains("==> OK") && !report.contains("failed"), "{report}");
}

#[test]
fn objects_are_written_read_back_and_deleted() {
    let stage = Stage::new();
    let (key, certificate, der) = (stage.at("key.pem"), stage.at("certificate.pem"), stage.at("certificate.der"));
    let make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=written", "-days", "2"];
    stage.openssl(&[&make[..], &["-keyout", &key, "-out", &certificate]].concat());
    stage.openssl(&["x509", "-in", &certificate, "-outform", "DER", "-out", &der]);
    let value = stage.file("value", b"not very secret");
    let private = stage.at("key.der");
    stage.openssl(&["pkey", "-in", &key, "-outform", "DER", "-out", &private]);

    let write = |kind: &str, file: &str, more: &[&str]| {
        stage.pkcs11_tool_logged_in(&[&["--write-object", file, "--type", kind, "--label", "written"], more].concat());
    };
    write("cert", &der, &["--id", "0a"]);
    write("privkey", &private, &["--id", "0a"]);
    write("data", &value, &["--private", "--application-label", "tests"]);
    write("data", &value, &["--application-label", "public"]);

    let copy = stage.at("copy");
    stage.pkcs11_tool(&["--read-object", "--type", "cert", "--id", "0a", "--output-file", &copy]);
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&der).unwrap());
    stage.pkcs11_tool_logged_in(&[
        "--read-object",
        "--type",
        "data",
        "--label",
        "written",
        "--application-label",
        "tests",
        "--output-file",
        &copy,
    ]);
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&value).unwrap());

    // The imported key is the certificate's.
    let message = input(&stage, Input::Message, 0);
    let signature = stage.at("signature");
    stage.pkcs11_tool_logged_in(&[
        "--sign",
        "--id",
        "0a",
        "--mechanism",
        "SHA256-RSA-PKCS",
        "--input-file",
        &message,
        "--output-file",
        &signature,
    ]);
    let public = stage.file("public.pem", stage.openssl(&["x509", "-in", &certificate, "-noout", "-pubkey"]));
    stage.openssl(&["dgst", "-sha256", "-verify", &public, "-signature", &signature, &message]);

    stage.pkcs11_tool_logged_in(&["--delete-object", "--type", "cert", "--id", "0a"]);
    stage.pkcs11_tool_logged_in(&["--delete-object", "--type", "privkey", "--id", "0a"]);
    for application in ["tests", "public"] {
        let delete = ["--delete-object", "--type", "data", "--label", "written", "--application-label", application];
        stage.pkcs11_tool_logged_in(&delete);
    }
    let objects = stage.pkcs11_tool_logged_in(&["--list-objects"]);
    assert!(!objects.contains("written"), "{objects}");
}

#[test]
fn the_pin_is_changed_and_the_old_one_is_wrong() {
    let stage = Stage::new();
    stage.pkcs11_tool(&["--login", "--pin", PIN, "--change-pin", "--new-pin", "another-pin-77"]);
    let login = |pin: &str| {
        let mut command = stage.command("pkcs11-tool");
        command.arg("--module").arg(module()).args(["--login", "--pin", pin, "--list-objects"]);
        command
    };
    succeed(&mut login("another-pin-77"));
    let refusal = fail(&mut login(PIN));
    assert!(refusal.contains("CKR_PIN_INCORRECT"), "{refusal}");
}

#[test]
fn the_security_officer_sets_the_pin_anew() {
    let stage = Stage::new();
    let set = ["--login", "--login-type", "so", "--so-pin", SO_PIN, "--init-pin", "--new-pin", "set-anew-1"];
    stage.pkcs11_tool(&set);
    stage.pkcs11_tool(&["--login", "--pin", "set-anew-1", "--list-objects"]);
}
