//! The page's table of what a token elsewhere doesn't do is what such a token says of itself.

use std::collections::BTreeMap;

use strongroom::backend::azure::AzureVault;
use strongroom::config::{AzureConfig, AzureCredential, Backend, Origin, VaultConfig};
use strongroom::pkcs11::mechanism::{Allowed, Mechanism, functions, table};

/// The mechanisms that a vault at this host lacks, each with the functions that are missing.
fn lacking(host: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let origin = Origin::parse(&format!("https://{host}")).unwrap();
    let azure = AzureConfig::at(origin, AzureCredential::Tls);
    let config = VaultConfig { backend: Backend::Azure(azure.clone()), ..VaultConfig::local("web", "/nonexistent") };
    let vault = AzureVault::open(&config, &azure).unwrap();
    let offered = Allowed::default().within(&|ability| vault.offers(ability));
    let missing = |mechanism: &'static Mechanism| {
        let left = offered.info(mechanism.number).map_or(0, |info| info.flags);
        let lost = functions(mechanism.flags & !left);
        (!lost.is_empty()).then_some((mechanism.name, lost))
    };
    table().filter_map(missing).collect()
}

#[test]
fn the_page_says_of_every_mechanism_what_is_missing() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/azure.md")).unwrap();
    let marked = page.split("<!-- mechanisms -->").nth(1).expect("the page has the table between its marks");
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in marked.lines().filter(|line| line.starts_with("| `CKM_")) {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let (names, functions) = (cells.next().unwrap(), cells.next().unwrap());
        for name in names.split(", ") {
            let functions = functions.split(", ").map(str::to_owned).collect();
            said.insert(name.trim_matches('`').to_owned(), functions);
        }
    }
    let lacking: BTreeMap<String, Vec<String>> = lacking("web.vault.localhost")
        .into_iter()
        .map(|(name, functions)| (name.to_owned(), functions.into_iter().map(str::to_owned).collect()))
        .collect();
    assert_eq!(said, lacking);
}

#[test]
fn azures_key_vault_has_no_aes_besides_and_its_hsm_pads_nothing_by_itself() {
    let ours = lacking("web.vault.localhost");
    let more = |host: &str| -> Vec<&str> {
        let theirs = lacking(host);
        theirs.iter().filter(|(name, functions)| ours.get(*name) != Some(functions)).map(|(name, _)| *name).collect()
    };
    let aes = more("web.vault.azure.net");
    assert!(aes.iter().all(|name| name.starts_with("CKM_AES_")) && aes.contains(&"CKM_AES_KEY_GEN"), "{aes:?}");
    let bare = more("web.managedhsm.azure.net");
    assert!(bare.contains(&"CKM_SHA1_RSA_PKCS") && bare.iter().all(|name| name.ends_with("_RSA_PKCS")), "{bare:?}");
}
