//! Files that are wrong, foreign or hostile: each is refused with its reason, and none costs much.

use std::sync::OnceLock;

use proptest::prelude::*;
use strongroom::certificate::private_key::Bundle;
use strongroom::certificate::{Certificate, Error, Limits, Request, chain, make, pkcs12};

use super::stage::{Stage, succeed};
use super::{KINDS, Key, certificate, profile, read};

fn refused(file: &[u8], passphrase: &str) -> Error {
    pkcs12::read(file, passphrase, &Limits::SERVER).err().expect("it must be refused")
}

/// A PKCS#12 file of OpenSSL with these options and the passphrase `secret`.
fn file(stage: &Stage, options: &str) -> Vec<u8> {
    if !stage.path("x.key").exists() {
        stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout x.key -out x.pem -subj /CN=x -days 3");
    }
    let mut command = stage.command("openssl");
    command.args("pkcs12 -export -inkey x.key -in x.pem -passout pass:secret -out x.pfx".split(' '));
    succeed(command.args(options.split_whitespace()));
    read(stage, "x.pfx")
}

#[test]
fn a_wrong_passphrase_is_told_from_nothing_else() {
    let stage = Stage::without_token();
    for options in ["", "-legacy", "-nomac", "-legacy -nomac"] {
        let file = file(&stage, options);
        for wrong in ["Secret", "", "secret "] {
            let error = refused(&file, wrong);
            assert!(matches!(error, Error::DoesNotOpen), "{options} {wrong:?}: {error}");
            assert!(!error.to_string().contains("ecret"));
        }
        assert!(pkcs12::read(&file, "secret", &Limits::SERVER).is_ok());
    }
}

#[test]
fn a_file_that_asks_for_too_much_work_is_refused_before_it_is_done() {
    let stage = Stage::without_token();
    for options in ["-iter 5000000 -nomac", "-iter 1400000", "-legacy -iter 1000000"] {
        // OpenSSL does this work once; nobody else shall.
        let error = refused(&file(&stage, options), "secret");
        assert!(matches!(error, Error::TooCostly(_)), "{options}: {error}");
    }
    assert!(pkcs12::read(&file(&stage, "-iter 600000"), "secret", &Limits::SERVER).is_ok());
}

#[test]
fn many_encrypted_keys_in_one_file_have_one_budget_together() {
    let stage = Stage::without_token();
    file(&stage, "");
    stage.openssl("pkcs8 -topk8 -in x.key -out one.key -passout pass:secret -iter 1500000");
    let one = read(&stage, "one.key");
    assert_eq!(Bundle::read(&one, "secret", &Limits::SERVER).unwrap().unwrap().keys.len(), 1);
    let error = Bundle::read(&one.repeat(3), "secret", &Limits::SERVER).err().unwrap();
    assert!(matches!(error, Error::TooCostly(_)), "{error}");
}

#[test]
fn ciphers_that_nobody_reads_are_named() {
    let stage = Stage::without_token();
    let text = refused(&file(&stage, "-legacy -keypbe PBE-SHA1-RC4-128"), "secret").to_string();
    assert!(text.contains("1.2.840.113549.1.12.1.1") && text.contains("openssl pkcs12"), "{text}");
    let text = refused(&file(&stage, "-macalg md5"), "secret").to_string();
    assert!(text.contains("1.2.840.113549.2.5"), "{text}");
}

#[test]
fn what_is_cut_or_changed_anywhere_is_refused_or_means_the_same() {
    let stage = Stage::without_token();
    let whole = file(&stage, "-iter 1");
    for len in (0..whole.len()).step_by(7) {
        assert!(pkcs12::read(&whole[..len], "secret", &Limits::SERVER).is_err(), "{len} bytes");
    }
    let key = pkcs12::read(&whole, "secret", &Limits::SERVER).unwrap().keys.remove(0).pkcs8;
    for at in (0..whole.len()).step_by(11) {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        if let Ok(read) = pkcs12::read(&changed, "secret", &Limits::SERVER) {
            // The label and the like lie under the code too; what is left is how lengths and versions are written.
            assert!(read.keys.iter().all(|found| found.pkcs8 == key), "byte {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_done_to_a_file_it_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
        encrypted in any::<bool>(),
    ) {
        let mut file = sample(encrypted).to_vec();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if cut.index(4) == 0 {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(read) = pkcs12::read(&file, "secret", &FEW) {
            prop_assert!(read.keys.len() + read.certificates.len() <= FEW.things);
        }
        let _ = Bundle::read(&file, "secret", &FEW);
        let _ = (Certificate::from_der(&file), Request::from_der(&file));
    }
}

const FEW: Limits = Limits { rounds: 5_000, memory: 1 << 20, things: 8 };

/// A file in which changes meet structure, since nothing hides it, and one of another kind.
fn sample(encrypted: bool) -> &'static [u8] {
    static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let stage = Stage::without_token();
        ["-nomac -keypbe NONE -certpbe NONE", "-iter 1"].map(|options| file(&stage, options))
    });
    &files[usize::from(encrypted)]
}

#[test]
fn more_things_than_anybody_needs_are_refused() {
    let stage = Stage::without_token();
    let key = Key::new(KINDS[2].1);
    let many: String = (0..Limits::SERVER.things + 1)
        .map(|_| make::self_signed(&profile("CN=x"), &key.signer).unwrap())
        .map(|der| strongroom::certificate::pem::text("CERTIFICATE", &der))
        .collect();
    stage.file("many.pem", &many);
    let error = Bundle::read(many.as_bytes(), "", &Limits::SERVER).err().unwrap();
    assert!(matches!(error, Error::TooMany { .. }), "{error}");
    let mut command = stage.command("openssl");
    let arguments = "pkcs12 -export -nokeys -in many.pem -passout pass:secret -out many.pfx";
    succeed(command.args(arguments.split(' ')));
    assert!(matches!(refused(&read(&stage, "many.pfx"), "secret"), Error::TooMany { .. }));
    assert!(pkcs12::read(&read(&stage, "many.pfx"), "secret", &Limits::COMMAND).is_ok());
}

#[test]
fn a_file_with_other_keys_certificates_or_none_is_told_by_what_it_holds() {
    let stage = Stage::without_token();
    let none = Bundle::read(
        &{
            file(&stage, "");
            read(&stage, "x.pem")
        },
        "",
        &Limits::SERVER,
    )
    .unwrap()
    .unwrap();
    assert!(none.keys.is_empty());
    let stranger = Key::new(KINDS[2].1);
    let certificates: Vec<Certificate> = none.certificates.iter().map(|der| certificate(der)).collect();
    assert!(matches!(chain::order(stranger.signer.spki(), certificates), Err(Error::NoLeaf)));
    let two = [read(&stage, "x.key"), read(&stage, "x.key")].concat();
    assert_eq!(Bundle::read(&two, "", &Limits::SERVER).unwrap().unwrap().keys.len(), 2);
    assert!(Bundle::read(b"no PEM at all", "", &Limits::SERVER).unwrap().is_none());
}

#[test]
fn pem_that_is_damaged_within_a_block_is_refused() {
    let stage = Stage::without_token();
    file(&stage, "");
    let text = String::from_utf8(read(&stage, "x.key")).unwrap();
    let middle = text.len() / 2;
    for broken in [
        format!("{}!{}", &text[..middle], &text[middle..]),
        text[..middle].to_owned(),
        text.replace("END PRIVATE KEY", "END CERTIFICATE"),
        text.replace("-----END PRIVATE KEY-----", ""),
    ] {
        assert!(matches!(Bundle::read(broken.as_bytes(), "", &Limits::SERVER), Err(Error::Pem(_))), "{broken}");
    }
    stage.openssl("rsa -in x.key -aes128 -passout pass:secret -traditional -out old.key");
    let error = Bundle::read(&read(&stage, "old.key"), "secret", &Limits::SERVER).err().unwrap();
    assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
}

#[test]
fn bytes_that_are_nothing_are_nothing() {
    for bytes in [&b""[..], b"\x30", b"\x30\x80", b"\x30\x03\x02\x01\x03", &[0x30, 0x80].repeat(10_000)] {
        assert!(Certificate::from_der(bytes).is_err());
        assert!(Request::from_der(bytes).is_err());
        assert!(pkcs12::read(bytes, "", &Limits::SERVER).is_err());
        assert!(!pkcs12::is_pkcs12(bytes));
    }
}

#[test]
fn a_certificate_with_something_behind_it_is_refused() {
    let mut der = make::self_signed(&profile("CN=x"), &Key::new(KINDS[2].1).signer).unwrap();
    assert!(Certificate::from_der(&der).is_ok());
    der.push(0);
    assert!(matches!(Certificate::from_der(&der), Err(Error::NotACertificate(_))));
}
