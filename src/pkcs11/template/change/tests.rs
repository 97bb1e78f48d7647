use super::*;
use crate::pkcs11::template::samples::{Sample, sample, stored};
use crate::vault::Role;

const USER: Rules = Rules { role: Some(Role::User), allow_conflicting_usage: false };

fn object(kind: Kinds) -> Object {
    stored(1, sample(kind).create().unwrap()).0
}

#[test]
fn a_guard_only_tightens() {
    for phase in [Phase::Set, Phase::Copy] {
        let open = sample(Kinds::AES).flag(CKA_EXTRACTABLE, true).flag(CKA_SENSITIVE, false).create().unwrap();
        let open = stored(1, open).0;
        let apply = |object: &Object, change: &Sample| {
            let mut changed = object.clone();
            match phase {
                Phase::Set => apply_set(&mut changed.content, &change.template(), &USER)?,
                _ => changed.content = for_copy(object, false, &change.template(), &USER)?.draft.content,
            }
            Ok::<_, Rv>(changed)
        };
        let closed = apply(&open, &Sample::default().flag(CKA_EXTRACTABLE, false)).unwrap();
        let guard = Guard::of(&closed.content);
        assert!(!guard.extractable && !guard.sensitive && !guard.never_extractable && guard.hides());
        let tight = apply(&closed, &Sample::default().flag(CKA_SENSITIVE, true)).unwrap();
        assert!(!Guard::of(&tight.content).always_sensitive);
        for loosening in [Sample::default().flag(CKA_SENSITIVE, false), Sample::default().flag(CKA_EXTRACTABLE, true)] {
            assert_eq!(apply(&tight, &loosening).unwrap_err(), Rv(CKR_ATTRIBUTE_READ_ONLY));
        }
        let trusted = apply(&open, &Sample::default().flag(CKA_WRAP_WITH_TRUSTED, true)).unwrap();
        let loosening = Sample::default().flag(CKA_WRAP_WITH_TRUSTED, false);
        assert_eq!(apply(&trusted, &loosening).unwrap_err(), Rv(CKR_ATTRIBUTE_READ_ONLY));
    }
}

#[test]
fn what_may_not_be_changed_or_copied_is_not() {
    let fixed = sample(Kinds::AES).flag(CKA_MODIFIABLE, false).flag(CKA_COPYABLE, false).create().unwrap();
    let fixed = stored(1, fixed).0;
    let label = Sample::default().with(CKA_LABEL, *b"new");
    assert_eq!(apply_set(&mut fixed.content.clone(), &label.template(), &USER), Err(Rv(CKR_ACTION_PROHIBITED)));
    assert_eq!(for_copy(&fixed, false, &label.template(), &USER).unwrap_err(), Rv(CKR_ACTION_PROHIBITED));
    let mut open = object(Kinds::AES);
    apply_set(&mut open.content, &Sample::default().flag(CKA_COPYABLE, false).template(), &USER).unwrap();
    let again = Sample::default().flag(CKA_COPYABLE, true);
    assert_eq!(apply_set(&mut open.content, &again.template(), &USER), Err(Rv(CKR_ATTRIBUTE_READ_ONLY)));
}

#[test]
fn a_failed_change_changes_nothing() {
    let mut content = object(Kinds::EC_PRIVATE).content;
    let before = content.clone();
    let half_good = Sample::default().with(CKA_LABEL, *b"new").flag(CKA_SENSITIVE, false);
    assert!(apply_set(&mut content, &half_good.template(), &USER).is_err());
    assert_eq!(content, before);
}

#[test]
fn a_set_back_to_the_default_leaves_nothing_behind() {
    let mut content = object(Kinds::EC_PRIVATE).content;
    for date in [&b"20261124"[..], b""] {
        apply_set(&mut content, &Sample::default().with(CKA_START_DATE, date).template(), &USER).unwrap();
    }
    assert!(content.attributes.is_empty());
}

#[test]
fn a_copy_is_the_same_object_elsewhere() {
    let original = stored(1, sample(Kinds::EC_PRIVATE).with(CKA_LABEL, *b"www").create().unwrap()).0;
    let copy = |token, change: Sample| for_copy(&original, token, &change.template(), &USER);
    let same = copy(true, Sample::default()).unwrap();
    assert!(same.token, "it lies where the original does");
    assert_eq!(same.draft.content, original.content);
    assert!(!copy(true, Sample::default().flag(CKA_TOKEN, false)).unwrap().token);
    assert_eq!(copy(true, Sample::default().flag(CKA_PRIVATE, false)).unwrap_err(), Rv(CKR_ATTRIBUTE_READ_ONLY));
}

#[test]
fn copying_is_no_way_to_change_what_may_not_be_changed() {
    let fixed = sample(Kinds::EC_PRIVATE).flag(CKA_MODIFIABLE, false).create().unwrap();
    let fixed = stored(1, fixed).0;
    let copy = |change: Sample| for_copy(&fixed, true, &change.template(), &USER).map(drop);
    assert_eq!(copy(Sample::default().flag(CKA_DERIVE, true)), Err(Rv(CKR_ACTION_PROHIBITED)));
    assert_eq!(copy(Sample::default().flag(CKA_MODIFIABLE, true)), Err(Rv(CKR_ATTRIBUTE_READ_ONLY)));
    assert_eq!(copy(Sample::default().flag(CKA_SIGN, false).flag(CKA_TOKEN, false)), Ok(()));
}

#[test]
fn a_private_copy_of_public_data_has_a_secret() {
    let original = stored(1, sample(Kinds::DATA).with(CKA_VALUE, *b"value").create().unwrap()).0;
    let private = Sample::default().flag(CKA_PRIVATE, true);
    let copy = for_copy(&original, true, &private.template(), &USER).unwrap().draft;
    assert_eq!(copy.content.value, None);
    assert_eq!(copy.secret.unwrap().expose(), b"value");
}

#[test]
fn the_value_of_data_changes_only_where_it_is_public() {
    let change = Sample::default().with(CKA_VALUE, *b"new");
    let mut public = object(Kinds::DATA).content;
    assert_eq!(apply_set(&mut public, &change.template(), &USER), Ok(()));
    assert_eq!(public.value.as_deref(), Some(&b"new"[..]));
    let mut private = sample(Kinds::DATA).flag(CKA_PRIVATE, true).create().unwrap().draft.content;
    assert_eq!(apply_set(&mut private, &change.template(), &USER), Err(Rv(CKR_ATTRIBUTE_READ_ONLY)));
}

#[test]
fn a_copy_is_an_object_of_its_own_without_what_a_service_keeps_beside_the_first() {
    let mut original = object(Kinds::EC_PRIVATE);
    original.content.set_managed();
    original.content.notes.insert("kty".into(), "RSA-HSM".into());
    let copy = for_copy(&original, true, &Sample::default().template(), &USER).unwrap().draft;
    assert!(copy.content.notes.is_empty() && !copy.content.is_managed());
}
