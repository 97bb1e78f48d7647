//! Certificates and requests that we make.

use strongroom::certificate::{
    Alternative, Authority, Certificate, Error, KEY_USAGES, KeyUsages, Name, Profile, Request, Usages, chain, make,
    months_after, name, pem, thumbprint, usage_oid,
};
use strongroom::crypto::KeyAlgorithm;

use super::stage::{Stage, succeed};
use super::{DAY, KINDS, Key, certificate, certtool, now, profile, put};

/// An authority, signed by itself.
fn authority(subject: &str, path_length: Option<u8>) -> Profile {
    Profile {
        subject: name::parse(subject).unwrap(),
        alternatives: Vec::new(),
        key_usages: KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        extended_usages: Vec::new(),
        authority: Some(Authority { path_length }),
        not_before: now() - 60,
        not_after: now() + 365 * DAY,
    }
}

fn everything(subject: &str) -> Profile {
    let names = [
        "DNS:*.example.org",
        "email:user@example.org",
        "UPN:üser@example.org",
        "URI:spiffe://example.org/web",
        "IP:10.1.2.3",
        "IP:2001:db8::1",
    ];
    Profile {
        alternatives: names.map(|name| Alternative::parse(name).unwrap()).to_vec(),
        extended_usages: ["serverAuth", "codeSigning", "1.3.6.1.4.1.311.20.2.2"]
            .map(|oid| usage_oid(oid).unwrap())
            .to_vec(),
        ..profile(subject)
    }
}

#[test]
fn openssl_verifies_a_self_signed_certificate_of_every_kind_with_everything_in_it() {
    let stage = Stage::without_token();
    for (kind, algorithm) in KINDS.into_iter().chain([("rsa-4096", KeyAlgorithm::Rsa { bits: 4096 })]) {
        let der = make::self_signed(
            &everything("CN=www.example.org,OU=a,OU=b,O=Ex\\, Inc,C=DE"),
            &Key::new(algorithm).signer,
        );
        put(&stage, "www.pem", &der.unwrap());
        let verified = stage.openssl("verify -x509_strict -CAfile www.pem www.pem");
        assert!(verified.contains("OK"), "{kind}: {verified}");
        let text = stage.openssl("x509 -in www.pem -noout -text -nameopt RFC2253");
        for expected in [
            "CN=www.example.org,OU=a,OU=b,O=Ex\\, Inc,C=DE",
            "DNS:*.example.org",
            "email:user@example.org",
            "URI:spiffe://example.org/web",
            "IP Address:10.1.2.3",
            "IP Address:2001:DB8:0:0:0:0:0:1",
            "TLS Web Server Authentication, Code Signing, Microsoft Smartcard Login",
            "X509v3 Subject Key Identifier",
        ] {
            assert!(text.contains(expected), "{kind}: {expected} is missing in {text}");
        }
        let gnutls = certtool(&stage, "--certificate-info --infile www.pem");
        assert!(gnutls.contains("example.org"), "{kind}: {gnutls}");
    }
}

#[test]
fn a_user_principal_name_is_what_microsoft_reads_as_one() {
    let stage = Stage::without_token();
    let der = make::self_signed(&everything("CN=user"), &Key::new(KINDS[2].1).signer).unwrap();
    stage.file("user.der", &der);
    let structure = stage.openssl("asn1parse -inform DER -in user.der");
    // [0] { 1.3.6.1.4.1.311.20.2.3, [0] UTF8String }
    let encoded = b"\x06\x0A\x2B\x06\x01\x04\x01\x82\x37\x14\x02\x03\xA0\x13\x0C\x11\xC3\xBCser@example.org";
    assert!(der.windows(encoded.len()).any(|window| window == encoded), "{structure}");
    let alternatives = Profile::of(&certificate(&der)).unwrap().alternatives;
    assert!(alternatives.contains(&Alternative::Upn("üser@example.org".into())));
}

#[test]
fn every_key_usage_is_written_as_openssl_knows_it() {
    let stage = Stage::without_token();
    let key = Key::new(KINDS[2].1);
    let known = [
        "Digital Signature",
        "Non Repudiation",
        "Key Encipherment",
        "Data Encipherment",
        "Key Agreement",
        "Certificate Sign",
        "CRL Sign",
        "Encipher Only",
        "Decipher Only",
    ];
    for ((_, usage), known) in KEY_USAGES.into_iter().zip(known) {
        let made = make::self_signed(&Profile { key_usages: usage.into(), ..profile("CN=x") }, &key.signer).unwrap();
        put(&stage, "usage.pem", &made);
        let text = stage.openssl("x509 -in usage.pem -noout -ext keyUsage");
        assert_eq!(text.lines().nth(1).map(str::trim), Some(known), "{text}");
        assert!(text.contains("critical"));
    }
    let all = KEY_USAGES.into_iter().fold(Usages::default(), |all, (_, usage)| all | usage);
    put(&stage, "all.pem", &make::self_signed(&Profile { key_usages: all, ..profile("CN=x") }, &key.signer).unwrap());
    let text = stage.openssl("x509 -in all.pem -noout -ext keyUsage");
    assert_eq!(text.lines().nth(1).map(str::trim), Some(&*known.join(", ")));
}

#[test]
fn openssl_and_gnutls_verify_a_chain_whatever_kinds_its_keys_are() {
    let stage = Stage::without_token();
    for (index, (kind, algorithm)) in KINDS.into_iter().enumerate() {
        let (root, middle, leaf) = (
            Key::new(KINDS[(index + 2) % KINDS.len()].1),
            Key::new(KINDS[(index + 1) % KINDS.len()].1),
            Key::new(algorithm),
        );
        let root_certificate =
            certificate(&make::self_signed(&authority("CN=Root,O=Example", None), &root.signer).unwrap());
        let wanted = authority("CN=Middle,DC=example,DC=org", Some(0));
        let middle_der = make::issue(&wanted, middle.signer.spki(), &root_certificate, &root.signer).unwrap();
        let middle_certificate = certificate(&middle_der);
        let leaf_der =
            make::issue(&everything("CN=leaf"), leaf.signer.spki(), &middle_certificate, &middle.signer).unwrap();
        put(&stage, "root.pem", root_certificate.der());
        put(&stage, "middle.pem", &middle_der);
        put(&stage, "leaf.pem", &leaf_der);
        let verified = stage.openssl("verify -x509_strict -CAfile root.pem -untrusted middle.pem leaf.pem");
        assert!(verified.contains("OK"), "{kind}: {verified}");
        let leaf_certificate = certificate(&leaf_der);
        assert!(chain::is_issued_by(&leaf_certificate, &middle_certificate));
        assert!(!chain::is_issued_by(&leaf_certificate, &root_certificate));
        assert!(root_certificate.is_self_signed() && !middle_certificate.is_self_signed());
        assert_eq!(leaf_certificate.authority_key_identifier(), middle_certificate.subject_key_identifier());
        // GnuTLS knows no secp256k1.
        if ![root.signer.spki(), middle.signer.spki(), leaf.signer.spki()].iter().any(|spki| is_secp256k1(spki)) {
            let bundle = [&leaf_der[..], &middle_der, root_certificate.der()];
            stage.file("chain.pem", bundle.map(|der| pem::text("CERTIFICATE", der)).concat());
            let verified = certtool(&stage, "--verify-chain --infile chain.pem --verify-allow-broken");
            assert!(verified.contains("Verified. The certificate is trusted."), "{kind}: {verified}");
        }
    }
}

fn is_secp256k1(spki: &[u8]) -> bool {
    spki.windows(7).any(|window| window == [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A])
}

#[test]
fn an_authority_of_openssl_keeps_its_name_byte_by_byte_in_what_it_issues_here() {
    let stage = Stage::without_token();
    // A name with several attributes of one kind, several in one part, and another encoding than ours.
    stage.file(
        "ca.cnf",
        "[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\nstring_mask = default\n[dn]\nC = DE\n\
         0.DC = org\n1.DC = example\n0.OU = one\n1.OU = two\nCN = Authority\n+UID = 7\n\
         [ext]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\nsubjectKeyIdentifier = hash\n",
    );
    stage.openssl("ecparam -genkey -noout -name prime256v1 -out ca.key");
    stage.openssl("req -x509 -config ca.cnf -key ca.key -days 90 -out ca.pem");
    stage.openssl("x509 -in ca.pem -outform DER -out ca.der");
    stage.openssl("pkcs8 -topk8 -nocrypt -in ca.key -outform DER -out ca.p8");
    let key = strongroom::crypto::PrivateKey::from_pkcs8(&super::read(&stage, "ca.p8")).unwrap();
    let signer = strongroom::certificate::Signer::new(std::sync::Arc::new(key)).unwrap();
    let authority = certificate(&super::read(&stage, "ca.der"));
    let made = make::issue(&profile("CN=www"), Key::new(KINDS[0].1).signer.spki(), &authority, &signer).unwrap();
    put(&stage, "www.pem", &made);
    assert!(stage.openssl("verify -x509_strict -CAfile ca.pem www.pem").contains("OK"));
}

#[test]
fn an_issuer_that_nobody_would_accept_is_refused() {
    let (root, leaf) = (Key::new(KINDS[2].1), Key::new(KINDS[2].1));
    let of = |profile: &Profile| certificate(&make::self_signed(profile, &root.signer).unwrap());
    let issue = |issuer: &Certificate, wanted: &Profile| make::issue(wanted, leaf.signer.spki(), issuer, &root.signer);
    let refused = |issuer: &Profile, wanted: &Profile| issue(&of(issuer), wanted).unwrap_err().to_string();
    let good = authority("CN=Root", Some(0));
    assert!(issue(&of(&good), &profile("CN=www")).is_ok());
    assert!(refused(&profile("CN=no authority"), &profile("CN=www")).contains("no authority's"));
    let without = Profile { key_usages: KeyUsages::CRLSign.into(), ..good.clone() };
    assert!(refused(&without, &profile("CN=www")).contains("keyCertSign"));
    assert!(refused(&good, &authority("CN=Further", None)).contains("no further authorities"));
    let longer = Profile { not_after: good.not_after + 1, ..profile("CN=www") };
    assert!(matches!(issue(&of(&good), &longer), Err(Error::OutlivesIssuer { .. })));
    let expired = Profile { not_before: now() - 2 * DAY, not_after: now() - DAY, ..good.clone() };
    assert!(refused(&expired, &profile("CN=www")).contains("expired"));
    let unnamed = Profile { subject: Name::default(), alternatives: profile("CN=x").alternatives, ..good.clone() };
    assert!(refused(&unnamed, &profile("CN=www")).contains("no subject"));
    let other = make::issue(&profile("CN=www"), leaf.signer.spki(), &of(&good), &leaf.signer);
    assert!(other.unwrap_err().to_string().contains("isn't the one of its certificate"));
}

#[test]
fn dates_and_names_that_no_certificate_can_have_are_refused() {
    let key = Key::new(KINDS[2].1);
    let with = |profile: Profile| make::self_signed(&profile, &key.signer);
    assert!(with(Profile { not_after: now() - DAY, ..profile("CN=x") }).is_err());
    assert!(with(Profile { not_before: -1, ..profile("CN=x") }).is_err());
    assert!(with(Profile { not_after: i64::MAX, ..profile("CN=x") }).is_err());
    assert!(with(Profile { subject: Name::default(), alternatives: Vec::new(), ..profile("CN=x") }).is_err());
    // The last year that has two digits in a certificate, and the first that has four.
    for year in ["2049-12-31", "2050-01-01", "9999-12-30"] {
        let stage = Stage::without_token();
        let end: jiff::Timestamp = format!("{year}T12:00:00Z").parse().unwrap();
        put(&stage, "x.pem", &with(Profile { not_after: end.as_second(), ..profile("CN=x") }).unwrap());
        let shown = stage.openssl("x509 -in x.pem -noout -enddate -dateopt iso_8601");
        assert!(shown.contains(&format!("{year} 12:00:00Z")), "{shown}");
    }
}

#[test]
fn a_certificate_without_subject_says_who_it_is_for_where_everybody_must_look() {
    let stage = Stage::without_token();
    let nobody = Profile { subject: Name::default(), ..profile("CN=x") };
    put(&stage, "x.pem", &make::self_signed(&nobody, &Key::new(KINDS[2].1).signer).unwrap());
    assert!(stage.openssl("x509 -in x.pem -noout -ext subjectAltName").contains("critical"));
}

#[test]
fn openssl_and_gnutls_verify_a_request_of_every_kind_and_we_read_it_back() {
    let stage = Stage::without_token();
    for (kind, algorithm) in KINDS {
        let key = Key::new(algorithm);
        let der = make::request(&everything("CN=www,O=Example"), &key.signer).unwrap();
        stage.file("x.csr", pem::text("CERTIFICATE REQUEST", &der));
        let text = stage.openssl("req -in x.csr -verify -noout -text");
        assert!(text.contains("spiffe://example.org/web") && text.contains("Digital Signature"), "{kind}: {text}");
        if kind != "p-256k" {
            certtool(&stage, "--crq-info --infile x.csr");
        }
        let request = Request::from_der(&der).unwrap();
        assert_eq!((request.spki(), name::text(request.subject())), (key.signer.spki(), "CN=www,O=Example".to_owned()));
        assert_eq!(request.alternatives().unwrap(), everything("CN=x").alternatives);
        let mut forged = der;
        *forged.last_mut().unwrap() ^= 1;
        assert!(matches!(Request::from_der(&forged), Err(Error::RequestForged)), "{kind}");
    }
}

#[test]
fn requests_of_openssl_and_certtool_are_read() {
    let stage = Stage::without_token();
    for (how, options) in [
        ("rsa:2048", ""),
        ("rsa:2048", "-sha1"),
        ("rsa:2048", "-sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1"),
        ("ec:p256.param", "-sha384"),
        ("ed25519", ""),
    ] {
        stage.openssl("ecparam -name prime256v1 -out p256.param");
        stage.openssl(&format!(
            "req -newkey {how} -nodes -keyout x.key -outform DER -out x.csr -subj /O=Example/CN=www -addext \
             subjectAltName=DNS:a.example {options}"
        ));
        let request = Request::from_der(&super::read(&stage, "x.csr")).unwrap();
        assert_eq!(request.alternatives().unwrap(), [Alternative::dns("a.example").unwrap()], "{how} {options}");
    }
    stage.file("template", "cn = gnutls\ndns_name = b.example\n");
    certtool(&stage, "--generate-privkey --key-type ecdsa --outfile g.key");
    certtool(&stage, "--generate-request --load-privkey g.key --template template --outder --outfile g.csr");
    let request = Request::from_der(&super::read(&stage, "g.csr")).unwrap();
    assert_eq!(request.alternatives().unwrap(), [Alternative::dns("b.example").unwrap()]);
}

#[test]
fn a_profile_that_is_read_back_makes_the_same_certificate_again() {
    let key = Key::new(KINDS[2].1);
    let wanted = Profile { authority: Some(Authority { path_length: Some(3) }), ..everything("CN=a,OU=b,OU=c") };
    let made = certificate(&make::self_signed(&wanted, &key.signer).unwrap());
    assert_eq!(Profile::of(&made).unwrap(), wanted);
    let again = certificate(&make::self_signed(&wanted, &key.signer).unwrap());
    assert_ne!(made.serial(), again.serial());
    assert_eq!(made.not_after(), months_after(made.not_after(), 0));
}

#[test]
fn openssl_verifies_a_chain_that_we_order() {
    let (root, leaf) = (Key::new(KINDS[2].1), Key::new(KINDS[2].1));
    let root_certificate = certificate(&make::self_signed(&authority("CN=Root", None), &root.signer).unwrap());
    let leaf_certificate =
        certificate(&make::issue(&profile("CN=leaf"), leaf.signer.spki(), &root_certificate, &root.signer).unwrap());
    let given = vec![root_certificate.clone(), leaf_certificate.clone(), root_certificate.clone()];
    let ordered = chain::order(leaf.signer.spki(), given.clone()).unwrap();
    assert_eq!(ordered, [leaf_certificate.clone(), root_certificate.clone()]);
    assert_eq!(chain::leaf_first(leaf.signer.spki(), given.clone()).unwrap(), ordered);
    let stranger = Key::new(KINDS[2].1);
    assert!(matches!(chain::order(stranger.signer.spki(), given), Err(Error::NoLeaf)));
    // The same name, another key: it looks like the issuer and isn't.
    let imitation = certificate(&make::self_signed(&authority("CN=Root", None), &stranger.signer).unwrap());
    let broken = chain::order(leaf.signer.spki(), vec![leaf_certificate, imitation]);
    assert!(broken.unwrap_err().to_string().contains("Root"));
    let many = (0..=chain::MOST).map(|_| make::self_signed(&profile("CN=x"), &stranger.signer).unwrap());
    let many = many.map(|der| certificate(&der)).collect();
    assert!(matches!(chain::order(stranger.signer.spki(), many), Err(Error::TooMany { .. })));
}

#[test]
fn a_certificate_of_the_vault_is_for_the_key_that_openssl_sees_in_it() {
    let stage = Stage::without_token();
    for (kind, algorithm) in KINDS {
        let key = Key::new(algorithm);
        let made = certificate(&make::self_signed(&profile("CN=x"), &key.signer).unwrap());
        put(&stage, "x.pem", made.der());
        let public = succeed(stage.command("openssl").args(["x509", "-in", "x.pem", "-noout", "-pubkey"]));
        assert_eq!(public, pem::text("PUBLIC KEY", key.signer.spki()), "{kind}");
        assert_eq!(made.spki(), key.signer.spki());
        let print = stage.openssl("x509 -in x.pem -noout -fingerprint -sha1").replace(':', "").to_lowercase();
        let own: String = thumbprint(made.der()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(print.contains(&own), "{print} {own}");
    }
}
