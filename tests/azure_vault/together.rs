//! What belongs together there is changed and deleted together, and what doesn't fit is refused.

use std::sync::Arc;

use strongroom::crypto::Curve;
use strongroom::vault::*;

use crate::serving::World;
use crate::{administrator, draft, make_pair, open};

const P256: KeyAlgorithm = KeyAlgorithm::Ec(Curve::P256);

#[test]
fn both_halves_of_a_key_are_changed_and_deleted_in_one_call() {
    let world = World::new();
    let vault = open(&world);
    let [private, public] = make_pair(&*vault, "www", P256);
    let changed = vault.change(&[public.number, private.number], &mut |content| {
        content.label = b"web".to_vec();
        content.expires = Some(4_000_000_000);
        Ok(())
    });
    let changed = changed.unwrap();
    assert_eq!([changed[0].number, changed[1].number], [public.number, private.number]);
    assert!(changed.iter().all(|object| object.content.label == b"web" && object.content.expires.is_some()));
    vault.refresh().unwrap();
    assert_eq!(vault.image().with_label(b"web").count(), 2);
    let disabled = vault.change(&[private.number, public.number], &mut |content| {
        content.enabled = false;
        Ok(())
    });
    assert!(disabled.unwrap().iter().all(|object| !object.content.enabled));
    let [private, public] = make_pair(&*vault, "mail", P256);
    vault.delete(&[public.number, private.number]).unwrap();
    assert!(vault.image().with_name(Collection::Keys, "mail").next().is_none());
}

#[test]
fn a_key_with_versions_goes_when_all_of_them_are_meant() {
    let world = World::new();
    let vault = open(&world);
    make_pair(&*vault, "www", P256);
    let token = administrator(&world);
    world.connect().call(&token, "POST", "/keys/www/rotate", "");
    vault.refresh().unwrap();
    let image = vault.image();
    let all: Vec<_> = image.with_name(Collection::Keys, "www").collect();
    assert_eq!(all.len(), 4);
    let numbers = |objects: &[&Arc<Object>]| objects.iter().map(|object| object.number).collect::<Vec<_>>();
    let one: Vec<_> = all.iter().copied().filter(|object| object.version == all[0].version).collect();
    assert!(matches!(vault.delete(&numbers(&one)), Err(VaultError::Inseparable { .. })));
    vault.delete(&numbers(&all)).unwrap();
    assert!(world.vault.image().deleted_with_name(Collection::Keys, "www").next().is_some());
}

#[test]
fn a_public_key_that_is_to_be_hidden_is_refused() {
    let world = World::new();
    let vault = open(&world);
    let (private, mut public) =
        (draft(Class::PrivateKey, "www", Usage::SIGN), draft(Class::PublicKey, "www", Usage::VERIFY));
    public.content.private = true;
    let refused = vault.generate_pair(P256, private, public);
    assert!(matches!(refused, Err(VaultError::Unsupported(what)) if what.contains("CKA_PRIVATE")), "{refused:?}");
}
