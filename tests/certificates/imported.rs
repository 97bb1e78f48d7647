//! PKCS#12 and PEM that others write, as we open them: within a server's limits, and with the command.

use std::fs;

use strongroom::certificate::private_key::{self, Bundle};
use strongroom::certificate::{Certificate, Limits, chain, pkcs12};
use strongroom::crypto::PrivateKey;

use super::stage::{self, Stage, succeed};
use super::{certificate, certtool, keytool, read};

/// Makes `www.key`, `www.pem` (its certificate) and `ca.pem` (the certificate's issuer).
fn openssl_chain(stage: &Stage, generate: &str) {
    stage.file(
        "v3.cnf",
        "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n",
    );
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=Authority -days 3");
    stage.openssl(&format!("{generate} -out www.key"));
    stage.openssl("req -new -key www.key -subj /CN=www -out www.csr");
    stage.openssl("x509 -req -in www.csr -CA ca.pem -CAkey ca.key -set_serial 7 -out www.pem -days 3");
}

const GENERATE: [(&str, &str); 5] = [
    ("rsa", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
    ("ec", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
    ("ec-384", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
    ("p-256k", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1"),
    ("ed25519", "genpkey -algorithm ed25519"),
];

/// The one key of a file is the key of its leaf; the leaf comes first in an ordered chain of this length.
fn assert_whole(what: &str, file: &[u8], passphrase: &str, certificates: usize) {
    let read = pkcs12::read(file, passphrase, &Limits::SERVER).unwrap_or_else(|error| panic!("{what}: {error}"));
    let [key] = &read.keys[..] else { panic!("{what}: {} keys", read.keys.len()) };
    let pkcs8 = private_key::checked(&key.pkcs8).unwrap();
    let key = PrivateKey::from_pkcs8(pkcs8.expose()).unwrap();
    let found: Vec<Certificate> = read.certificates.iter().map(|found| certificate(&found.der)).collect();
    assert_eq!(found.len(), certificates, "{what}");
    let ordered = chain::order(key.public_key().spki(), found).unwrap();
    assert_eq!(ordered[0].spki(), key.public_key().spki(), "{what}");
}

#[test]
fn pkcs12_of_openssl_new_and_old_is_read_with_and_without_passphrase() {
    let stage = Stage::without_token();
    for (kind, generate) in GENERATE {
        openssl_chain(&stage, generate);
        for how in [
            "",
            "-legacy",
            "-legacy -descert",
            "-legacy -nomaciter",
            "-nomac",
            "-keypbe NONE -certpbe NONE",
            "-macalg sha512",
        ] {
            for passphrase in ["secret", "", "Paßwort 🔑"] {
                let mut command = stage.command("openssl");
                command.args("pkcs12 -export -inkey www.key -in www.pem -certfile ca.pem -out www.pfx".split(' '));
                succeed(command.args(["-passout", &format!("pass:{passphrase}")]).args(how.split_whitespace()));
                assert_whole(&format!("{kind} {how} {passphrase:?}"), &read(&stage, "www.pfx"), passphrase, 2);
            }
        }
    }
}

/// `tests/data`: made by NSS 3.87, which is Firefox's, and by Java 17.
#[test]
fn files_of_other_programs_are_within_a_servers_limits() {
    for (file, passphrase, keys) in [("nss-3.87.p12", "secret12", 1), ("java-17.p12", "secret", 1)] {
        let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
        let read = pkcs12::read(&fs::read(path).unwrap(), passphrase, &Limits::SERVER).unwrap();
        assert_eq!((read.keys.len(), read.certificates.len()), (keys, 1), "{file}");
    }
}

#[test]
fn pkcs12_of_javas_keytool_new_and_old_is_read() {
    let stage = Stage::without_token();
    for (kind, generate) in [
        ("rsa", "-keyalg RSA -keysize 2048"),
        ("ec", "-keyalg EC -groupname secp256r1"),
        ("ec-521", "-keyalg EC -groupname secp521r1"),
        ("ed25519", "-keyalg Ed25519"),
    ] {
        // What Java wrote until 2020, and what it writes now.
        for (age, options) in [("legacy", "-J-Dkeystore.pkcs12.legacy"), ("modern", "")] {
            let file = format!("{kind}-{age}.p12");
            let arguments = format!(
                "{options} -genkeypair {generate} -alias www -dname CN=www -keystore {file} -storetype PKCS12 -storepass \
                 passphrase"
            );
            succeed(&mut keytool(&stage, &arguments));
            assert_whole(&file, &read(&stage, &file), "passphrase", 1);
        }
    }
}

#[test]
fn pkcs12_of_gnutls_certtool_is_read_with_and_without_passphrase() {
    let stage = Stage::without_token();
    stage.file("template", "cn = www\ndns_name = www.example.org\nexpiration_days = 3\n");
    // GnuTLS asks for so many rounds that one kind of key must do for all ciphers.
    let all = ["aes-256", "aes-128", "3des-pkcs12", "rc2-40"];
    for (kind, generate, ciphers) in [
        ("rsa", "--key-type rsa --bits 2048", &all[..]),
        ("ec", "--key-type ecdsa --curve secp256r1", &all[..1]),
        ("ed25519", "--key-type ed25519", &all[..1]),
    ] {
        certtool(&stage, &format!("--generate-privkey {generate} --outfile g.key"));
        certtool(&stage, "--generate-self-signed --load-privkey g.key --template template --outfile g.pem");
        for cipher in ciphers {
            for (passphrase, option) in
                [("secret", "--password=secret"), ("", "--empty-password"), ("", "--null-password")]
            {
                let mut command = stage.command("certtool");
                command
                    .args("--to-p12 --load-privkey g.key --load-certificate g.pem --p12-name www --outder".split(' '));
                succeed(command.args(["--pkcs-cipher", cipher, option, "--outfile", "g.p12"]));
                assert_whole(&format!("{kind} {cipher} {option}"), &read(&stage, "g.p12"), passphrase, 1);
            }
        }
    }
}

#[test]
fn pem_with_text_between_its_blocks_and_in_any_order_is_read() {
    let stage = Stage::without_token();
    for (kind, generate) in GENERATE {
        openssl_chain(&stage, generate);
        stage.openssl("pkcs8 -topk8 -in www.key -out encrypted.key -passout pass:secret");
        let text = |file: &str| fs::read_to_string(stage.path(file)).unwrap();
        for (key, passphrase) in [("www.key", ""), ("encrypted.key", "secret")] {
            let bundle = format!(
                "Bag Attributes\n    friendlyName: x\n{}subject=CN = www\r\nissuer=…\n{}\n# the key\n{}trailing words",
                text("ca.pem"),
                text("www.pem").replace('\n', "\r\n"),
                text(key)
            );
            let bundle = Bundle::read(bundle.as_bytes(), passphrase, &Limits::SERVER).unwrap().unwrap();
            let pkcs8 = private_key::checked(&bundle.keys[0]).unwrap();
            let key = PrivateKey::from_pkcs8(pkcs8.expose()).unwrap();
            let found = bundle.certificates.iter().map(|der| certificate(der)).collect();
            let ordered = chain::order(key.public_key().spki(), found).unwrap();
            let names: Vec<_> = ordered.iter().map(|found| found.common_name().unwrap()).collect();
            assert_eq!(names, ["www", "Authority"], "{kind}");
        }
    }
}

#[test]
fn the_keys_that_old_programs_write_are_read_from_pem() {
    let stage = Stage::without_token();
    stage.openssl("genrsa -traditional -out pkcs1.pem 2048");
    stage.openssl("ecparam -genkey -name prime256v1 -out sec1.pem");
    for file in ["pkcs1.pem", "sec1.pem"] {
        let bundle = Bundle::read(&read(&stage, file), "", &Limits::SERVER).unwrap().unwrap();
        let pkcs8 = private_key::checked(&bundle.keys[0]).unwrap();
        let public = PrivateKey::from_pkcs8(pkcs8.expose()).unwrap().public_key().spki().to_vec();
        let own = strongroom::certificate::pem::text("PUBLIC KEY", &public);
        assert_eq!(own, stage.openssl(&format!("pkey -in {file} -pubout")));
    }
}

#[test]
fn the_command_imports_what_java_and_gnutls_write() {
    let stage = Stage::without_token();
    stage.strongroom("init --label stage");
    stage::set_mode(std::path::Path::new(&stage.file("passphrase", "passphrase")), 0o600);
    stage::set_mode(std::path::Path::new(&stage.file("none", "")), 0o600);
    let generate = "-genkeypair -keyalg EC -groupname secp384r1 -alias java -dname CN=java";
    let store = "-keystore java.p12 -storetype PKCS12 -storepass passphrase";
    succeed(&mut keytool(&stage, &format!("{generate} {store}")));
    stage.file("template", "cn = gnutls\nexpiration_days = 3\n");
    certtool(&stage, "--generate-privkey --key-type rsa --bits 2048 --outfile g.key");
    certtool(&stage, "--generate-self-signed --load-privkey g.key --template template --outfile g.pem");
    let to_p12 = "--to-p12 --load-privkey g.key --load-certificate g.pem --p12-name gnutls --outder --null-password";
    certtool(&stage, &format!("{to_p12} --outfile gnutls.p12"));
    for (name, passphrase) in [("gnutls", "none"), ("java", "passphrase")] {
        stage.strongroom(&format!("import {name}.p12 --passphrase-file {passphrase} --exportable"));
        let shown = stage.strongroom(&format!("--json cert show {name}"));
        assert!(shown.contains(&format!("\"key\": \"{name}\"")), "{shown}");
        stage.file("public.pem", stage.strongroom(&format!("key public {name}")));
        stage.file("cert.pem", stage.strongroom(&format!("cert export {name}")));
        assert_eq!(stage.openssl("x509 -in cert.pem -noout -pubkey"), read_text(&stage, "public.pem"));
    }
}

fn read_text(stage: &Stage, file: &str) -> String {
    fs::read_to_string(stage.path(file)).unwrap()
}
