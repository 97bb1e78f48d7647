//! The page's table of what a token elsewhere doesn't do is made from what such a token says of itself.
//! `STRONGROOM_WRITE_DOCS=1 cargo test --test azure_module` makes it again.

use std::fmt::Write as _;

use strongroom::backend::azure::AzureVault;
use strongroom::config::{AzureConfig, AzureCredential, Backend, Origin, VaultConfig};
use strongroom::pkcs11::mechanism::{Allowed, Mechanism, functions, table};

/// The mechanisms that a vault at this host lacks, in the table's order, each with the functions that are missing.
fn lacking(host: &str) -> Vec<(&'static str, String)> {
    let origin = Origin::parse(&format!("https://{host}")).unwrap();
    let azure = AzureConfig::at(origin, AzureCredential::Tls);
    let config = VaultConfig { backend: Backend::Azure(azure.clone()), ..VaultConfig::local("web", "/nonexistent") };
    let vault = AzureVault::open(&config, &azure).unwrap();
    let offered = Allowed::default().within(&|ability| vault.offers(ability));
    let missing = |mechanism: &'static Mechanism| {
        let left = offered.info(mechanism.number).map_or(0, |info| info.flags);
        let lost = functions(mechanism.flags & !left);
        (!lost.is_empty()).then(|| (mechanism.name, lost.join(", ")))
    };
    table().filter_map(missing).collect()
}

/// Why a mechanism's functions are missing.
fn reason(mechanism: &str) -> &'static str {
    match mechanism {
        "CKM_RSA_X_509" => "no algorithm of the interface is the bare RSA operation",
        "CKM_EDDSA" | "CKM_EC_EDWARDS_KEY_PAIR_GEN" | "CKM_EC_MONTGOMERY_KEY_PAIR_GEN" => {
            "there are no such keys: EC keys are on P-256, P-384, P-521 and secp256k1"
        }
        name if name.ends_with("_PSS") => "PSS is there with SHA-256, SHA-384 and SHA-512 only",
        "CKM_ECDH1_DERIVE" | "CKM_ECDH1_COFACTOR_DERIVE" | "CKM_HKDF_DERIVE" | "CKM_HKDF_DATA" => {
            "nothing agrees on keys there, or derives them"
        }
        "CKM_AES_ECB" | "CKM_AES_CTR" | "CKM_AES_KEY_WRAP_PKCS7" => "no algorithm of the interface is this mode",
        "CKM_AES_GCM" => "the service chooses the initialisation vector itself, and returns it",
        "CKM_AES_CBC_PAD" => "wrapping is another right than encrypting, and has key wrap alone",
        name if name.starts_with("CKM_AES_KEY_WRAP") => "key wrap needs the right to wrap keys, and is for keys alone",
        name if name.contains("_HMAC") || name.contains("_CMAC") => {
            "there is no CMAC, and whether an HMAC is over the message or over its digest isn't said the same everywhere"
        }
        "CKM_GENERIC_SECRET_KEY_GEN" => "secret keys are AES keys",
        other => panic!("{other} is missing and nobody says why"),
    }
}

fn table_of_the_page() -> String {
    let mut rows: Vec<(Vec<&str>, String, &str)> = Vec::new();
    for (name, functions) in lacking("web.vault.localhost") {
        let why = reason(name);
        match rows.iter_mut().find(|(_, same, reason)| *same == functions && *reason == why) {
            Some((names, ..)) => names.push(name),
            None => rows.push((vec![name], functions, why)),
        }
    }
    let mut text = String::from("| mechanism | missing | why |\n|---|---|---|\n");
    for (names, functions, why) in rows {
        let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
        writeln!(text, "| {} | {functions} | {why} |", names.join(", ")).unwrap();
    }
    text
}

#[test]
fn the_page_says_of_every_mechanism_what_is_missing_and_why() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/azure.md");
    let kept = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- mechanisms -->\n", "<!-- end of mechanisms -->\n");
    let (before, rest) = kept.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let made = format!("{before}{begin}\n{}\n{end}{after}", table_of_the_page());
    if std::env::var_os("STRONGROOM_WRITE_DOCS").is_some() {
        std::fs::write(path, made).unwrap();
        return;
    }
    assert!(made == kept, "docs/azure.md is out of date: STRONGROOM_WRITE_DOCS=1 cargo test --test azure_module");
}

#[test]
fn azures_key_vault_has_no_aes_besides_and_its_hsm_pads_nothing_by_itself() {
    let ours = lacking("web.vault.localhost");
    let more = |host: &str| -> Vec<&str> {
        lacking(host).into_iter().filter(|line| !ours.contains(line)).map(|(name, _)| name).collect()
    };
    let aes = more("web.vault.azure.net");
    assert!(aes.iter().all(|name| name.starts_with("CKM_AES_")) && aes.contains(&"CKM_AES_KEY_GEN"), "{aes:?}");
    let bare = more("web.managedhsm.azure.net");
    assert!(bare.contains(&"CKM_SHA1_RSA_PKCS") && bare.iter().all(|name| name.ends_with("_RSA_PKCS")), "{bare:?}");
}

/// The cases that a token elsewhere can't do are those that the profile leaves out, and each is a test that there is.
#[test]
fn the_page_says_of_every_test_that_is_left_out_why() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let page = read("docs/azure.md");
    let rows = page.split("<!-- cases -->").nth(1).unwrap().split("<!-- end of cases -->").next().unwrap();
    let said: Vec<(&str, &str)> =
        rows.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')?.0.split_once("::")).collect();
    let profile = read(".config/nextest.toml");
    let filter = profile.split("[profile.remote]").nth(1).unwrap();
    let left_out: Vec<(&str, &str)> = filter
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(binary(")?.split_once(") and test(="))
        .map(|(binary, test)| (binary, test.split(')').next().unwrap()))
        .collect();
    assert_eq!(said, left_out);
    assert!(!said.is_empty());
    for (binary, test) in said {
        assert!(read(&format!("tests/{binary}.rs")).contains(&format!("fn {test}()")), "{binary} has no test {test}");
    }
}
