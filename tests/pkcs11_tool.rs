//! OpenSC's `pkcs11-tool` does everything it knows with a token of ours, and other implementations agree with each
//! signature.

mod stage;

use p256::ecdsa::signature::Verifier;
use rsa::pkcs8::DecodePublicKey;
use sha2::{Digest, Sha256};

use stage::{SO_PIN, Stage, TOKEN, fail, is_ours, output};

/// What is signed with a mechanism: the name of a file that [`write_inputs`] makes.
const MESSAGE: &str = "message";
const SHA256: &str = "sha256";
const DIGEST_INFO: &str = "digest-info";
/// As long as the modulus, with a leading zero.
const BLOCK: &str = "block";

/// `pkcs11-tool`'s name of a mechanism and its further arguments; what is signed; how OpenSSL verifies it.
type Mechanism = (&'static str, &'static str, &'static str);

const RSA: &[Mechanism] = &[
    ("RSA-PKCS", DIGEST_INFO, "pkeyutl"),
    ("SHA1-RSA-PKCS", MESSAGE, "dgst -sha1"),
    ("SHA224-RSA-PKCS", MESSAGE, "dgst -sha224"),
    ("SHA256-RSA-PKCS", MESSAGE, "dgst -sha256"),
    ("SHA384-RSA-PKCS", MESSAGE, "dgst -sha384"),
    ("SHA512-RSA-PKCS", MESSAGE, "dgst -sha512"),
    ("SHA3-224-RSA-PKCS", MESSAGE, "dgst -sha3-224"),
    ("SHA3-256-RSA-PKCS", MESSAGE, "dgst -sha3-256"),
    ("SHA3-384-RSA-PKCS", MESSAGE, "dgst -sha3-384"),
    ("SHA3-512-RSA-PKCS", MESSAGE, "dgst -sha3-512"),
    ("RSA-PKCS-PSS --hash-algorithm SHA256", SHA256, "pkeyutl -pkeyopt rsa_padding_mode:pss -pkeyopt digest:sha256"),
    (
        "RSA-PKCS-PSS --hash-algorithm SHA256 --mgf MGF1-SHA1 --salt-len 11",
        SHA256,
        "pkeyutl -pkeyopt rsa_padding_mode:pss -pkeyopt digest:sha256 -pkeyopt rsa_mgf1_md:sha1 \
         -pkeyopt rsa_pss_saltlen:11",
    ),
    ("SHA1-RSA-PKCS-PSS", MESSAGE, "dgst -sha1 -sigopt rsa_padding_mode:pss"),
    ("SHA224-RSA-PKCS-PSS", MESSAGE, "dgst -sha224 -sigopt rsa_padding_mode:pss"),
    ("SHA256-RSA-PKCS-PSS", MESSAGE, "dgst -sha256 -sigopt rsa_padding_mode:pss"),
    ("SHA384-RSA-PKCS-PSS", MESSAGE, "dgst -sha384 -sigopt rsa_padding_mode:pss"),
    ("SHA512-RSA-PKCS-PSS", MESSAGE, "dgst -sha512 -sigopt rsa_padding_mode:pss"),
    ("SHA3-224-RSA-PKCS-PSS", MESSAGE, "dgst -sha3-224 -sigopt rsa_padding_mode:pss"),
    ("SHA3-256-RSA-PKCS-PSS", MESSAGE, "dgst -sha3-256 -sigopt rsa_padding_mode:pss"),
    ("SHA3-384-RSA-PKCS-PSS", MESSAGE, "dgst -sha3-384 -sigopt rsa_padding_mode:pss"),
    ("SHA3-512-RSA-PKCS-PSS", MESSAGE, "dgst -sha3-512 -sigopt rsa_padding_mode:pss"),
    ("RSA-X-509", BLOCK, "recover"),
];

const ECDSA: &[Mechanism] = &[
    ("ECDSA --signature-format openssl", SHA256, "pkeyutl"),
    ("ECDSA-SHA1 --signature-format openssl", MESSAGE, "dgst -sha1"),
    ("ECDSA-SHA224 --signature-format openssl", MESSAGE, "dgst -sha224"),
    ("ECDSA-SHA256 --signature-format openssl", MESSAGE, "dgst -sha256"),
    ("ECDSA-SHA384 --signature-format openssl", MESSAGE, "dgst -sha384"),
    ("ECDSA-SHA512 --signature-format openssl", MESSAGE, "dgst -sha512"),
    ("ECDSA-SHA3-224 --signature-format openssl", MESSAGE, "dgst -sha3-224"),
    ("ECDSA-SHA3-256 --signature-format openssl", MESSAGE, "dgst -sha3-256"),
    ("ECDSA-SHA3-384 --signature-format openssl", MESSAGE, "dgst -sha3-384"),
    ("ECDSA-SHA3-512 --signature-format openssl", MESSAGE, "dgst -sha3-512"),
];

const EDDSA: &[Mechanism] = &[("EDDSA", MESSAGE, "pkeyutl -rawin")];

/// Writes the files that are signed, and returns the message.
fn write_inputs(stage: &Stage, modulus_len: usize) -> &'static [u8] {
    let message = b"a message that is signed";
    let digest = Sha256::digest(message);
    let mut info = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20".to_vec();
    info.extend_from_slice(&digest);
    let mut block = vec![0x5A; modulus_len.max(1)];
    block[0] = 0;
    stage.file(MESSAGE, message);
    stage.file(SHA256, digest);
    stage.file(DIGEST_INFO, info);
    stage.file(BLOCK, block);
    message
}

/// Signs with each mechanism; the token and OpenSSL say that it is right.
fn every_mechanism_signs(stage: &Stage, mechanisms: &[Mechanism], label: &str, id: &str, modulus_len: usize) {
    write_inputs(stage, modulus_len);
    let public = stage.public_key(label, id);
    let offered = stage.pkcs11_tool("--list-mechanisms");
    for (mechanism, input, openssl) in mechanisms {
        let name = mechanism.split(' ').next().unwrap();
        let offers = offered.lines().any(|line| line.trim().split(',').next() == Some(name));
        assert!(offers || !is_ours(), "{name} isn't offered: {offered}");
        // SoftHSM takes only the hash's own mask function.
        if !offers || !is_ours() && mechanism.contains("--mgf") {
            continue;
        }
        let common = format!("--id {id} --mechanism {mechanism} --input-file {input}");
        stage.pkcs11_tool_logged_in(&format!("--sign {common} --output-file signature"));
        let verified = stage.pkcs11_tool_logged_in(&format!("--verify {common} --signature-file signature"));
        assert!(verified.contains("Signature is valid"), "{mechanism}: {verified}");
        if *openssl == "recover" {
            let padding = "-pkeyopt rsa_padding_mode:none";
            let arguments = format!("-verifyrecover -pubin -inkey {public} -in signature {padding} -out recovered");
            stage.openssl(&format!("pkeyutl {arguments}"));
            assert_eq!(std::fs::read(stage.path("recovered")).unwrap(), std::fs::read(stage.path(input)).unwrap());
        } else if openssl.starts_with("dgst") {
            stage.openssl(&format!("{openssl} -verify {public} -signature signature {input}"));
        } else {
            stage.openssl(&format!("{openssl} -verify -pubin -inkey {public} -in {input} -sigfile signature"));
        }
    }
}

#[test]
fn slots_mechanisms_and_objects_are_listed() {
    let stage = Stage::new();
    stage.key_pair("EC:prime256v1", "listed", "01");
    let slots = stage.pkcs11_tool("--list-slots");
    for expected in [TOKEN, "token initialized", "PIN initialized", "login required"] {
        assert!(slots.contains(expected), "{expected} in {slots}");
    }
    let objects = stage.pkcs11_tool("--list-objects");
    assert!(objects.contains("Public Key Object") && !objects.contains("Private Key Object"), "{objects}");
    let objects = stage.pkcs11_tool_logged_in("--list-objects");
    assert!(objects.contains("Private Key Object"), "{objects}");
    assert!(objects.contains("never extractable") && objects.contains("local"), "{objects}");
}

#[test]
fn rsa_signs_with_every_mechanism_and_openssl_agrees() {
    let stage = Stage::new();
    for (bits, id) in [(2048, "20"), (3072, "30")] {
        let label = format!("rsa-{bits}");
        stage.key_pair(&format!("rsa:{bits}"), &label, id);
        every_mechanism_signs(&stage, RSA, &label, id, bits / 8);
    }
}

#[test]
fn every_curve_signs_with_every_mechanism_and_openssl_agrees() {
    let stage = Stage::new();
    let all = [("prime256v1", "25"), ("secp384r1", "38"), ("secp521r1", "52"), ("secp256k1", "26")];
    for (curve, id) in if is_ours() { &all[..] } else { &all[..1] } {
        stage.key_pair(&format!("EC:{curve}"), curve, id);
        every_mechanism_signs(&stage, ECDSA, curve, id, 0);
    }
}

#[test]
fn ed25519_signs_and_openssl_agrees() {
    let stage = Stage::new();
    stage.key_pair("EC:edwards25519", "edwards", "ed");
    if is_ours() {
        every_mechanism_signs(&stage, EDDSA, "edwards", "ed", 0);
    }
}

#[test]
fn the_p256_and_rsa_crates_verify_what_the_token_signed() {
    let stage = Stage::new();
    stage.key_pair("EC:prime256v1", "curve", "01");
    stage.key_pair("rsa:2048", "modulus", "02");
    let message = write_inputs(&stage, 0);
    let sign = |label, id, mechanism, input| {
        let arguments =
            format!("--sign --id {id} --mechanism {mechanism} --input-file {input} --output-file signature");
        stage.pkcs11_tool_logged_in(&arguments);
        let public = std::fs::read_to_string(stage.path(&stage.public_key(label, id))).unwrap();
        (public, std::fs::read(stage.path("signature")).unwrap())
    };

    let (public, signature) = sign("curve", "01", "ECDSA", SHA256);
    let key = p256::ecdsa::VerifyingKey::from_public_key_pem(&public).unwrap();
    key.verify(message, &p256::ecdsa::Signature::from_slice(&signature).unwrap()).unwrap();

    let (public, signature) = sign("modulus", "02", "SHA256-RSA-PKCS", MESSAGE);
    let key = rsa::PublicKey::from_public_key_pem(&public).unwrap();
    key.verify(rsa::Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), &signature).unwrap();
}

#[test]
fn the_token_verifies_what_openssl_signed_and_refuses_what_it_did_not() {
    let stage = Stage::new();
    write_inputs(&stage, 0);
    stage.file("other", [7; 32]);
    for (algorithm, option, mechanism) in [
        ("RSA", "rsa_keygen_bits:2048", "RSA-PKCS-PSS --hash-algorithm SHA256"),
        ("EC", "ec_paramgen_curve:P-256", "ECDSA --signature-format openssl"),
    ] {
        let padding = if algorithm == "RSA" {
            "-pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest -pkeyopt digest:sha256"
        } else {
            ""
        };
        stage.openssl(&format!("genpkey -algorithm {algorithm} -pkeyopt {option} -out private.pem"));
        stage.openssl("pkey -in private.pem -pubout -outform DER -out public.der");
        stage.openssl(&format!("pkeyutl -sign -inkey private.pem -in {SHA256} {padding} -out signature"));
        stage.pkcs11_tool_logged_in("--write-object public.der --type pubkey --id 77 --label other --usage-sign");
        let verify = |input: &str| {
            let common = format!("--verify --id 77 --mechanism {mechanism} --input-file {input}");
            let arguments = format!("--login --pin {pin} {common} --signature-file signature", pin = stage.pin());
            String::from_utf8(output(&mut stage.pkcs11_tool_command(&arguments)).stdout).unwrap()
        };
        let (good, bad) = (verify(SHA256), verify("other"));
        assert!(good.contains("Signature is valid"), "{mechanism}: {good}");
        assert!(bad.contains("Invalid signature"), "{mechanism}: {bad}");
        stage.pkcs11_tool_logged_in("--delete-object --type pubkey --id 77");
    }
}

#[test]
fn its_own_tests_pass() {
    let stage = Stage::new();
    stage.key_pair("rsa:2048", "tested", "01");
    let report = stage.pkcs11_tool_logged_in("--test");
    assert!(report.contains("No errors"), "{report}");
}

#[test]
fn its_own_tests_of_elliptic_curves_pass() {
    let stage = Stage::new();
    let arguments = "--test-ec --session-rw --id 0e --label tested --key-type EC:prime256v1";
    let report = stage.pkcs11_tool_logged_in(arguments);
    assert!(report.contains("==> OK") && !report.contains("failed"), "{report}");
}

#[test]
fn objects_are_written_read_back_and_deleted() {
    let stage = Stage::new();
    write_inputs(&stage, 0);
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=written -days 2 -keyout key.pem -out certificate.pem");
    stage.openssl("x509 -in certificate.pem -outform DER -out certificate.der");
    stage.openssl("pkey -in key.pem -outform DER -out key.der");
    stage.file("value", b"not very secret");
    let write = |arguments: &str| {
        stage.pkcs11_tool_logged_in(&format!("--label written --write-object {arguments}"));
    };
    write("certificate.der --type cert --id 0a");
    write("key.der --type privkey --id 0a --usage-sign");
    write("value --type data --private --application-label secret");
    write("value --type data --application-label public");

    stage.pkcs11_tool("--read-object --type cert --id 0a --output-file copy");
    assert_eq!(std::fs::read(stage.path("copy")).unwrap(), std::fs::read(stage.path("certificate.der")).unwrap());
    let read = "--read-object --type data --label written --application-label secret --output-file copy";
    stage.pkcs11_tool_logged_in(read);
    assert_eq!(std::fs::read(stage.path("copy")).unwrap(), b"not very secret");

    // The imported key is the certificate's.
    let sign = format!("--sign --id 0a --mechanism SHA256-RSA-PKCS --input-file {MESSAGE} --output-file signature");
    stage.pkcs11_tool_logged_in(&sign);
    stage.openssl("x509 -in certificate.pem -noout -pubkey -out public.pem");
    stage.openssl(&format!("dgst -sha256 -verify public.pem -signature signature {MESSAGE}"));

    stage.pkcs11_tool_logged_in("--delete-object --type cert --id 0a");
    stage.pkcs11_tool_logged_in("--delete-object --type privkey --id 0a");
    stage.pkcs11_tool_logged_in("--delete-object --type data --label written --application-label secret");
    stage.pkcs11_tool_logged_in("--delete-object --type data --label written --application-label public");
    let objects = stage.pkcs11_tool_logged_in("--list-objects");
    assert!(!objects.contains("written"), "{objects}");
}

#[test]
fn the_pin_is_changed_and_the_old_one_is_wrong() {
    let stage = Stage::new();
    stage.pkcs11_tool(&format!("--login --pin {pin} --change-pin --new-pin another-pin-77", pin = stage.pin()));
    stage.pkcs11_tool("--login --pin another-pin-77 --list-objects");
    let refusal =
        fail(&mut stage.pkcs11_tool_command(&format!("--login --pin {pin} --list-objects", pin = stage.pin())));
    assert!(refusal.contains("CKR_PIN_INCORRECT"), "{refusal}");
}

#[test]
fn the_security_officer_sets_the_pin_anew() {
    let stage = Stage::new();
    stage.pkcs11_tool(&format!("--login --login-type so --so-pin {SO_PIN} --init-pin --new-pin set-anew-1"));
    stage.pkcs11_tool("--login --pin set-anew-1 --list-objects");
}
