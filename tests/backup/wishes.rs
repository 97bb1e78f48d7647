//! What a service that runs wishes of a restore: to know before what it would do, to be asked nothing, and to keep what it
//! says of itself. And a certificate that comes back with its key.

use strongroom::crypto::{Curve, KeyAlgorithm, PrivateKey, SecretBytes};
use strongroom::vault::*;

use crate::faults::*;
use crate::{Scene, contents, restore};

fn record(label: &str) -> Draft {
    let content = Content { label: label.as_bytes().to_vec(), ..Content::new(Class::Service) };
    Draft { content, naming: Naming::None, secret: None }
}

fn labels(vault: &dyn Vault) -> Vec<String> {
    let image = vault.image();
    let text = |object: &Object| String::from_utf8(object.content.label.clone()).unwrap();
    let mut labels: Vec<_> = image.service().values().map(|object| text(object)).collect();
    labels.sort();
    labels
}

#[test]
fn a_preview_says_what_a_restore_would_take_and_does_nothing() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    pair(&*writer, "kept").unwrap();
    let file = scene.back_up("backup");
    pair(&*writer, "newer").unwrap();
    let before = contents(&*writer);
    let source = BackupSource { file: &file, key: &BackupKey::Vault };
    let (label, losses) = writer.preview_restore(&source, &RestoreWish::default()).unwrap();
    assert_eq!((label, losses.missing.len()), (writer.backup_label(&file).unwrap(), 2));
    assert_eq!(contents(&*writer), before);
    let other = Scene::new();
    let foreign = BackupSource { file: &file, key: &scene.recovery() };
    let refused = unlocked(&other.vault).preview_restore(&foreign, &RestoreWish::default());
    assert!(matches!(refused, Err(VaultError::InTheWay { .. })), "{refused:?}");
}

#[test]
fn what_was_agreed_to_before_is_not_asked_and_a_services_passing_records_stay() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    writer.create(vec![record("backup-job/old"), record("identity/old"), record("role/old")]).unwrap();
    let file = scene.back_up("backup");
    let old = writer.image().service().keys().copied().collect::<Vec<_>>();
    writer.delete(&old).unwrap();
    writer.create(vec![record("backup-job/new"), record("identity/new"), record("role/new")]).unwrap();
    let source = BackupSource { file: &file, key: &BackupKey::Vault };
    let keep = ["backup-job/", "role/"].map(|beginning| beginning.as_bytes().to_vec());
    let wish = RestoreWish { agreed: true, keep: &keep, ..RestoreWish::default() };
    let restored = writer.restore(&source, &wish, &mut |_| panic!("nobody is asked"), &mut |_, _| {}).unwrap();
    assert_eq!((restored.written, restored.deleted), (1, 1));
    assert_eq!(labels(&*writer), ["backup-job/new", "identity/old", "role/new"]);
    assert_eq!(labels(&*unlocked(&scene.vault)), ["backup-job/new", "identity/old", "role/new"]);
    restore(&*writer, &file, &BackupKey::Vault, true).unwrap();
    assert_eq!(
        labels(&*writer),
        ["backup-job/old", "identity/old", "role/old"],
        "without the wish all of it is as it was"
    );
}

/// A certificate and its key that were made as one.
fn managed(vault: &dyn Vault, called: &str) {
    let pkcs8 = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap().1;
    let draft = |class, secret: Option<&SecretBytes>| {
        let mut content = Content::new(class);
        if class != Class::PublicKey {
            content.set_managed();
        }
        let secret = secret.map(|secret| SecretBytes::from_slice(secret.expose()));
        Draft { content, naming: Naming::As(name(called), [7; 16]), secret }
    };
    let private = draft(Class::PrivateKey, Some(&pkcs8));
    vault.create(vec![private, draft(Class::PublicKey, None), draft(Class::Certificate, None)]).unwrap();
}

#[test]
fn a_certificate_comes_back_with_its_own_key_and_the_key_not_alone() {
    let scene = Scene::new();
    let writer = unlocked(&scene.vault);
    Retention::change(&*writer, &mut |_| {}).unwrap();
    managed(&*writer, "www");
    let file = scene.back_up("backup");
    let source = BackupSource { file: &file, key: &BackupKey::Vault };
    let www = name("www");
    let of = |collection| NamedInBackup { name: &www, collection, rename: None, own: false };
    let before = contents(&*writer);
    delete_softly(&*writer, Collection::Certificates, &www, 5).unwrap();
    let refused = writer.restore_named(&source, &of(None));
    assert!(matches!(refused, Err(VaultError::NameDeleted(_))), "{refused:?}");
    purge(&*writer, Collection::Certificates, &www, 5).unwrap();
    let refused = writer.restore_named(&source, &of(Some(Collection::Keys)));
    assert!(matches!(refused, Err(VaultError::Managed(_))), "{refused:?}");
    assert_eq!(writer.restore_named(&source, &of(None)).unwrap().len(), 3);
    assert_eq!(contents(&*writer), before);
}
