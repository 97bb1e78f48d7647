//! Every released format of a vault can be opened: a vault of each lies in `tests/data`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use strongroom::backend::local::LocalVault;
use strongroom::config::VaultConfig;
use strongroom::crypto::PublicKey;
use strongroom::vault::{
    Class, Collection, KeyAlgorithm, Object, Pin, Role, SignScheme, Unlock, VaultAdmin, VaultError,
};

/// A copy of the vault with a directory's and files' modes, which version control doesn't keep.
fn copied(name: &str) -> (tempfile::TempDir, Arc<dyn VaultAdmin>) {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let place = tempfile::tempdir().unwrap();
    let vault = place.path().join("vault");
    std::fs::create_dir(&vault).unwrap();
    std::fs::set_permissions(&vault, PermissionsExt::from_mode(0o700)).unwrap();
    for file in ["vault.db", "changes", "lock"] {
        match file {
            "lock" => std::fs::write(vault.join(file), "").unwrap(),
            _ => drop(std::fs::copy(original.join(file), vault.join(file)).unwrap()),
        }
        std::fs::set_permissions(vault.join(file), PermissionsExt::from_mode(0o600)).unwrap();
    }
    let vault = LocalVault::open(&VaultConfig::local("old", vault)).unwrap();
    (place, vault)
}

fn named(vault: &dyn VaultAdmin, class: Class, name: &str) -> Vec<Arc<Object>> {
    let image = vault.image();
    let collections = [Collection::Keys, Collection::Secrets, Collection::Certificates];
    let all = collections.iter().flat_map(|collection| image.with_name(*collection, name));
    all.filter(|object| object.content.class == class).map(Arc::clone).collect()
}

#[test]
fn a_vault_of_format_1_opens_signs_and_can_be_written() {
    let (_place, vault) = copied("vault-format-1");
    vault.unlock(&Unlock::Pin(Role::User, Pin::new(b"user-pin-1".to_vec()))).unwrap();
    assert_eq!(vault.image().len(), 11);

    for (name, scheme, input) in
        [("www", SignScheme::Ecdsa, [7u8; 32].as_slice()), ("rsa", SignScheme::RsaPkcs1, [7; 51].as_slice())]
    {
        for private in named(&*vault, Class::PrivateKey, name) {
            let mut signature = [0; 256];
            let key = vault.private_key(private.number).unwrap();
            let len = key.sign(&scheme, input, &mut signature).unwrap();
            let public = private.content.key.as_ref().unwrap();
            PublicKey::from_spki(&public.public).unwrap().verify(&scheme, input, &signature[..len]).unwrap();
        }
    }
    assert_eq!(named(&*vault, Class::PrivateKey, "www").len(), 2);
    assert_eq!(named(&*vault, Class::Certificate, "www").len(), 1);
    let aes = &named(&*vault, Class::SecretKey, "aes")[0];
    assert_eq!(aes.content.key.as_ref().unwrap().algorithm, KeyAlgorithm::Aes { bits: 256 });
    let note = &named(&*vault, Class::Data, "note")[0];
    assert_eq!(vault.secret(note.number).unwrap().expose(), b"value");
    let off = &named(&*vault, Class::PrivateKey, "off")[0];
    assert!(matches!(vault.private_key(off.number), Err(VaultError::Disabled)));

    let relabelled = vault.change(&[note.number], &mut |content| {
        content.label = b"note 2".to_vec();
        Ok(())
    });
    assert_eq!(relabelled.unwrap()[0].content.label, b"note 2");
}
