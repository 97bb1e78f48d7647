//! PKCS#12 and PEM that we write, as others open them.

use std::fs;

use strongroom::certificate::pkcs12::{self, Bundle, Protection};
use strongroom::certificate::{Certificate, Limits, chain, make, pem};
use strongroom::crypto::SecretBytes;

use super::stage::{self, Stage, output, succeed};
use super::{KINDS, Key, certificate, keytool, profile};

/// A key with its certificate and the certificate's issuer.
struct Chain {
    leaf: Key,
    ders: Vec<Vec<u8>>,
}

impl Chain {
    fn new(kind: strongroom::crypto::KeyAlgorithm) -> Self {
        let (root, leaf) = (Key::new(KINDS[2].1), Key::new(kind));
        let mut authority = profile("CN=Root");
        authority.authority = Some(Default::default());
        authority.key_usages = strongroom::certificate::KeyUsages::KeyCertSign.into();
        authority.not_after += super::DAY;
        let root_der = make::self_signed(&authority, &root.signer).unwrap();
        let leaf_der =
            make::issue(&profile("CN=www"), leaf.signer.spki(), &certificate(&root_der), &root.signer).unwrap();
        Self { leaf, ders: vec![leaf_der, root_der] }
    }

    fn write(&self, passphrase: Option<&str>, with_key: bool) -> SecretBytes {
        let ders: Vec<&[u8]> = self.ders.iter().map(Vec::as_slice).collect();
        let bundle = Bundle { key: with_key.then_some(&self.leaf.pkcs8), chain: &ders, label: "wüw" };
        let protection = match passphrase {
            Some(passphrase) => Protection::new(passphrase).unwrap(),
            None => Protection::none(&bundle).unwrap(),
        };
        pkcs12::write(&bundle, &protection).unwrap()
    }

    fn pem(&self) -> String {
        self.ders.iter().map(|der| pem::text("CERTIFICATE", der)).collect()
    }
}

/// What OpenSSL finds in a file: the key as PKCS#8, the certificates in order.
fn by_openssl(stage: &Stage, file: &str, passphrase: &str) -> (String, String) {
    let of = |what: &str| {
        let mut command = stage.command("openssl");
        command.args(["pkcs12", "-in", file, "-passin", &format!("pass:{passphrase}"), "-noenc"]).args(what.split(' '));
        let text = succeed(&mut command);
        // What OpenSSL says before each block is its own.
        let mut inside = false;
        let is_pem = |line: &&str| {
            inside |= line.starts_with("-----BEGIN");
            let is_pem = inside;
            inside &= !line.starts_with("-----END");
            is_pem
        };
        text.split_inclusive('\n').filter(is_pem).collect::<String>()
    };
    (of("-nocerts"), of("-nokeys"))
}

#[test]
fn openssl_reads_a_pkcs12_file_of_every_kind_of_key() {
    let stage = Stage::without_token();
    for (kind, algorithm) in KINDS {
        let chain = Chain::new(algorithm);
        for (passphrase, given) in [("pässphrase", Some("pässphrase")), ("", None)] {
            stage.file("www.pfx", chain.write(given, true).expose());
            let (key, certificates) = by_openssl(&stage, "www.pfx", passphrase);
            stage.file("www.key", &key);
            let public = stage.openssl("pkey -in www.key -pubout");
            assert_eq!(public, pem::text("PUBLIC KEY", chain.leaf.signer.spki()), "{kind}");
            assert_eq!(certificates, chain.pem());
            let mut info = stage.command("openssl");
            info.args(["pkcs12", "-in", "www.pfx", "-info", "-noout", "-passin", &format!("pass:{passphrase}")]);
            let info = String::from_utf8(output(&mut info).stderr).unwrap();
            assert!(info.contains("MAC: sha256") && info.matches("AES-256-CBC").count() == 2, "{info}");
        }
        let mut wrong = stage.command("openssl");
        stage.file("www.pfx", chain.write(Some("right"), true).expose());
        assert!(!output(wrong.args(["pkcs12", "-in", "www.pfx", "-noout", "-passin", "pass:wrong"])).status.success());
    }
}

#[test]
fn java_reads_a_pkcs12_file_of_every_kind_of_key_that_it_knows() {
    let stage = Stage::without_token();
    for (kind, algorithm) in KINDS.into_iter().filter(|(kind, _)| *kind != "p-256k") {
        stage.file("www.pfx", Chain::new(algorithm).write(Some("passphrase"), true).expose());
        let listed =
            succeed(&mut keytool(&stage, "-list -v -keystore www.pfx -storetype PKCS12 -storepass passphrase"));
        for expected in
            ["Entry type: PrivateKeyEntry", "Certificate chain length: 2", "Owner: CN=www", "Issuer: CN=Root"]
        {
            assert!(listed.contains(expected), "{kind}: {expected} is missing in {listed}");
        }
        // It takes the key out and puts it into a store of its own.
        let moved = "-importkeystore -srckeystore www.pfx -srcstorepass passphrase -destkeystore moved.p12 -deststorepass \
                     passphrase -noprompt";
        let _ = fs::remove_file(stage.path("moved.p12"));
        succeed(&mut keytool(&stage, moved));
    }
}

#[test]
fn gnutls_reads_a_pkcs12_file_of_every_kind_of_key_that_it_knows() {
    let stage = Stage::without_token();
    for (kind, algorithm) in KINDS.into_iter().filter(|(kind, _)| *kind != "p-256k") {
        let chain = Chain::new(algorithm);
        for (given, option) in [(Some("passphrase"), "--password=passphrase"), (None, "--empty-password")] {
            stage.file("www.pfx", chain.write(given, true).expose());
            let mut command = stage.command("certtool");
            command.args(["--p12-info", "--inder", "--infile", "www.pfx", option]);
            let text = succeed(&mut command);
            assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{kind} {option}: {text}");
            assert!(text.contains("PRIVATE KEY"), "{kind} {option}: {text}");
        }
    }
}

#[test]
fn python_reads_what_has_no_passphrase() {
    let python =
        std::env::var("STRONGROOM_PYTHON").expect("STRONGROOM_PYTHON must name a Python: scripts/test makes one");
    let stage = Stage::without_token();
    stage.file("www.pfx", Chain::new(KINDS[0].1).write(None, true).expose());
    let script = "import sys\nfrom cryptography.hazmat.primitives.serialization import pkcs12\n\
                  for password in (None, b''):\n  key, leaf, more = pkcs12.load_key_and_certificates(open('www.pfx', 'rb').read(), \
                  password)\n  print(key.key_size, leaf.subject.rfc4514_string(), len(more))\n";
    assert_eq!(succeed(stage.command(python).args(["-c", script])), "2048 CN=www 1\n2048 CN=www 1\n");
}

#[test]
fn a_file_without_passphrase_is_the_same_whenever_it_is_made_and_another_with_other_contents() {
    let (one, other) = (Chain::new(KINDS[2].1), Chain::new(KINDS[2].1));
    assert_eq!(one.write(None, true), one.write(None, true));
    assert_ne!(one.write(None, true), other.write(None, true));
    assert_ne!(one.write(None, true), one.write(None, false));
    assert_ne!(one.write(Some("a"), true), one.write(Some("a"), true), "under a passphrase salts are random");
}

#[test]
fn a_file_without_key_holds_the_certificates_and_nothing_else() {
    let stage = Stage::without_token();
    let chain = Chain::new(KINDS[2].1);
    stage.file("www.pfx", chain.write(None, false).expose());
    let (key, certificates) = by_openssl(&stage, "www.pfx", "");
    assert!(!key.contains("KEY"), "{key}");
    assert_eq!(certificates.matches("BEGIN CERTIFICATE").count(), 2);
    let read = pkcs12::read(chain.write(None, false).expose(), "", &Limits::SERVER).unwrap();
    assert_eq!((read.keys.len(), read.certificates.len()), (0, 2));
}

#[test]
fn what_we_write_we_read() {
    for (kind, algorithm) in KINDS {
        let chain = Chain::new(algorithm);
        for passphrase in [Some("ein Paß 🔑"), Some(""), None] {
            let file = chain.write(passphrase, true);
            let read = pkcs12::read(file.expose(), passphrase.unwrap_or_default(), &Limits::SERVER).unwrap();
            assert_eq!(*read.keys[0].pkcs8, chain.leaf.pkcs8.expose(), "{kind}");
            assert_eq!(read.certificates.iter().map(|found| found.der.clone()).collect::<Vec<_>>(), chain.ders);
            assert_eq!(read.keys[0].label.as_deref(), Some("wüw"));
            assert!(read.keys[0].local_id.is_some() && read.keys[0].local_id == read.certificates[0].local_id);
            assert!(read.has_code && read.left.is_empty());
            let certificates: Vec<Certificate> =
                read.certificates.iter().map(|found| certificate(&found.der)).collect();
            assert_eq!(chain::order(chain.leaf.signer.spki(), certificates).unwrap().len(), 2);
        }
    }
}

#[test]
fn openssl_reads_key_and_chain_from_one_pem() {
    let stage = Stage::without_token();
    for (kind, algorithm) in KINDS {
        let chain = Chain::new(algorithm);
        let ders: Vec<&[u8]> = chain.ders.iter().map(Vec::as_slice).collect();
        let text = pem::bundle(Some(&chain.leaf.pkcs8), &ders);
        stage.file("www.pem", text.expose());
        assert_eq!(
            stage.openssl("pkey -in www.pem -pubout"),
            pem::text("PUBLIC KEY", chain.leaf.signer.spki()),
            "{kind}"
        );
        assert!(std::str::from_utf8(text.expose()).unwrap().ends_with(&chain.pem()));
        let bundle = strongroom::certificate::private_key::Bundle::read(text.expose(), "", &Limits::SERVER);
        let bundle = bundle.unwrap().unwrap();
        assert_eq!((bundle.keys.len(), bundle.certificates), (1, chain.ders.clone()));
    }
    stage::set_mode(&stage.path("www.pem"), 0o600);
}
