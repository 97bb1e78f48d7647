//! A certificate and its key as one object, and what is still to be issued.

use std::sync::Arc;

use super::tests::{Fixture, pair, secret_draft, www};
use crate::crypto::{self, Curve};
use crate::vault::*;

/// A certificate and its key as one object, with the id of their version.
fn certificate(vault: &dyn Vault, id: [u8; 16]) -> Result<Vec<Arc<Object>>> {
    let draft = |class, secret: Option<&[u8]>| {
        let mut content = Content::new(class);
        content.label = b"www".to_vec();
        if class != Class::PublicKey {
            content.set_managed();
        }
        Draft { content, naming: Naming::As(www(), id), secret: secret.map(SecretBytes::from_slice) }
    };
    let key = crypto::PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap().1;
    vault.create(vec![
        draft(Class::PrivateKey, Some(key.expose())),
        draft(Class::PublicKey, None),
        draft(Class::Certificate, None),
    ])
}

#[test]
fn a_certificate_and_its_key_have_one_version_id_and_go_together() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let made = certificate(&*vault, [7; 16]).unwrap();
    assert!(made.iter().all(|object| object.version.is_some_and(|version| version.id == [7; 16])));
    let keys = |vault: &dyn Vault| vault.image().with_name(Collection::Keys, "www").count();
    assert!(matches!(delete_softly(&*vault, Collection::Keys, &www(), 5), Err(VaultError::Managed(_))));
    delete_softly(&*vault, Collection::Certificates, &www(), 5).unwrap();
    assert_eq!((keys(&*fixture.unlocked()), fixture.unlocked().image().deleted().count()), (0, 3));
    assert!(matches!(recover(&*vault, Collection::Keys, &www(), 5), Err(VaultError::Managed(_))));
    assert!(matches!(purge(&*vault, Collection::Keys, &www(), 5), Err(VaultError::Managed(_))));
    recover(&*vault, Collection::Certificates, &www(), 5).unwrap();
    assert_eq!((keys(&*fixture.unlocked()), vault.image().deleted().count()), (2, 0));
    delete_softly(&*vault, Collection::Certificates, &www(), 5).unwrap();
    purge(&*vault, Collection::Certificates, &www(), 5).unwrap();
    assert_eq!(fixture.unlocked().image().everything().filter(|object| object.name.is_some()).count(), 0);
}

#[test]
fn a_certificate_with_its_key_keeps_its_name_from_keys_and_secrets() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let taken = |result: Result<Vec<Arc<Object>>>| matches!(result, Err(VaultError::NameTaken(_)));
    certificate(&*vault, [7; 16]).unwrap();
    assert!(taken(vault.create(vec![secret_draft("WWW", b"x")])));
    let mut labelled = secret_draft("www", b"x");
    labelled.naming = Naming::FromLabel;
    let made = vault.create(vec![labelled]).unwrap();
    assert_ne!(made[0].name.as_ref().map(Name::as_str), Some("www"));
    let [other, _] = pair(&*vault, "www", Naming::FromLabel);
    assert_ne!(other.name.as_ref().map(Name::as_str), Some("www"));
    delete_softly(&*vault, Collection::Certificates, &www(), 5).unwrap();
    assert!(taken(vault.create(vec![secret_draft("www", b"x")])), "while it can come back, too");
    purge(&*vault, Collection::Certificates, &www(), 5).unwrap();
    vault.create(vec![secret_draft("www", b"x")]).unwrap();
    assert!(taken(certificate(&*vault, [8; 16])));
}

#[test]
fn nothing_parts_a_certificate_from_its_own_key_and_what_stood_above_it_ends_with_it() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let made = certificate(&*vault, [7; 16]).unwrap();
    let numbers: Vec<_> = made.iter().map(|object| object.number).collect();
    for alone in [0, 2] {
        assert!(matches!(vault.delete(&[numbers[alone]]), Err(VaultError::Managed(_))), "{alone}");
    }
    let rotated = Draft { content: made[0].content.clone(), naming: Naming::VersionOf(www()), secret: None };
    assert!(matches!(vault.create(vec![rotated]), Err(VaultError::Managed(_))));
    let mut member = Content::new(Class::Certificate);
    member.set_chain_member("above");
    vault.create(vec![Draft { content: member, naming: Naming::None, secret: None }]).unwrap();
    let stands_below = &mut |content: &mut Content| {
        content.set_chain(&[("above".into(), "value".into())]);
        Ok(())
    };
    vault.change(&[numbers[2]], stands_below).unwrap();
    vault.delete(&numbers).unwrap();
    assert!(fixture.unlocked().image().is_empty());
}

#[test]
fn a_key_whose_certificate_is_gone_is_deleted_like_others() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let made = certificate(&*vault, [7; 16]).unwrap();
    vault.transact(&mut |_| Ok(vec![Change::Delete(made[2].number)])).unwrap();
    delete_softly(&*vault, Collection::Keys, &www(), 5).unwrap();
    recover(&*vault, Collection::Keys, &www(), 5).unwrap();
    vault.delete(&[made[0].number, made[1].number]).unwrap();
}

#[test]
fn a_request_holds_the_name_of_its_certificate_and_gives_it_its_version() {
    let fixture = Fixture::new();
    let vault = fixture.unlocked();
    let content = || Content { label: b"www".to_vec(), ..Content::new(Class::CertificateRequest) };
    let draft = Draft {
        content: content(),
        naming: Naming::As(www(), [9; 16]),
        secret: Some(SecretBytes::from_slice(b"a key")),
    };
    let request = Arc::clone(&vault.create(vec![draft]).unwrap()[0]);
    let other = Draft { content: Content::new(Class::Certificate), naming: Naming::New(www()), secret: None };
    assert!(matches!(vault.create(vec![other]), Err(VaultError::NameTaken(_))));
    let image = fixture.unlocked().image();
    assert!(image.is_empty());
    assert_eq!(image.request("www").and_then(|found| found.version).map(|version| version.id), Some([9; 16]));
    assert_eq!(vault.secret(request.number).unwrap().expose(), b"a key");
    delete_softly(&*vault, Collection::Certificates, &www(), 5).unwrap();
    recover(&*vault, Collection::Certificates, &www(), 5).unwrap();
    vault.transact(&mut |_| Ok(vec![Change::Delete(request.number)])).unwrap();
    assert!(fixture.unlocked().image().request("www").is_none());
}
