use super::*;
use crate::crypto::Curve;
use crate::pkcs11::object;
use crate::pkcs11::template::samples::{KEYS, Sample, sample, unwrapped};
use crate::pkcs11::template::{apply_set, for_create};
use crate::vault::{Role, Usage};

const USER: Rules = Rules { role: Some(Role::User), allow_conflicting_usage: false };

fn aes() -> Sample {
    unwrapped(Kinds::AES).unwrap()
}

fn value(len: usize) -> SecretBytes {
    SecretBytes::from_slice(&vec![7; len])
}

fn unwrap_with(given: &Sample, imposed: &[u8], value: SecretBytes) -> Result<NewObject, Rv> {
    Expected::from_unwrap(&given.template(), imposed, &USER)?.unwrapped(value)
}

fn unwrap(given: &Sample, value: SecretBytes) -> Result<NewObject, Rv> {
    unwrap_with(given, &[], value)
}

fn derive(given: &Sample, imposed: &[&[u8]], base: Guard) -> Result<NewObject, Rv> {
    Expected::from_derive(&given.template(), imposed, &USER)?.derived(value(32), base)
}

fn pkcs8(kind: Kinds) -> SecretBytes {
    sample(kind).create().unwrap().draft.secret.unwrap()
}

const GUARDED: Guard = Guard { sensitive: true, extractable: false, always_sensitive: true, never_extractable: true };

#[test]
fn what_comes_in_was_outside_and_may_leave_again_unless_it_is_told_not_to() {
    let content = unwrap(&aes(), value(32)).unwrap().draft.content;
    assert!(!content.local && content.private && content.exportable);
    let guard = Guard::of(&content);
    assert!(guard.hides() && !guard.always_sensitive && !guard.never_extractable);
    assert_eq!(content.id.len(), 16);
    let kept = unwrap(&aes().flag(CKA_EXTRACTABLE, false).flag(CKA_SENSITIVE, true), value(32)).unwrap();
    let guard = Guard::of(&kept.draft.content);
    assert!(!guard.extractable && !guard.always_sensitive && !guard.never_extractable);
    let asked = aes().flag(CKA_ALWAYS_SENSITIVE, true);
    assert_eq!(unwrap(&asked, value(32)).unwrap_err(), Rv(CKR_ATTRIBUTE_READ_ONLY));
}

#[test]
fn class_and_type_of_what_comes_in_have_to_be_said() {
    let without = |attribute| unwrap(&aes().without(attribute), value(32)).unwrap_err();
    assert_eq!(without(CKA_CLASS), Rv(CKR_TEMPLATE_INCOMPLETE));
    assert_eq!(without(CKA_KEY_TYPE), Rv(CKR_TEMPLATE_INCOMPLETE));
    let public = aes().without(CKA_CLASS).number(CKA_CLASS, CKO_PUBLIC_KEY);
    assert_eq!(unwrap(&public, value(32)).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    let dsa = Sample::default().number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_DSA);
    assert_eq!(unwrap(&dsa, value(32)).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
}

#[test]
fn a_length_that_does_not_fit_is_told_from_damage() {
    assert_eq!(unwrap(&aes(), value(20)).unwrap_err(), Rv(CKR_WRAPPED_KEY_LEN_RANGE));
    assert_eq!(unwrap(&aes().number(CKA_VALUE_LEN, 16), value(32)).unwrap_err(), Rv(CKR_WRAPPED_KEY_LEN_RANGE));
    assert!(unwrap(&aes().number(CKA_VALUE_LEN, 16), value(16)).is_ok());
    let generic = unwrapped(Kinds::GENERIC).unwrap();
    assert_eq!(unwrap(&generic, value(0)).unwrap_err(), Rv(CKR_WRAPPED_KEY_LEN_RANGE));
    assert!(unwrap(&generic, value(1)).is_ok());
}

#[test]
fn private_keys_come_in_as_pkcs8_of_their_type() {
    for kind in [Kinds::RSA_PRIVATE, Kinds::EC_PRIVATE, Kinds::EDWARDS_PRIVATE, Kinds::MONTGOMERY_PRIVATE] {
        let given = unwrapped(kind).unwrap();
        let draft = unwrap(&given, pkcs8(kind)).unwrap().draft;
        let own = sample(kind).create().unwrap().draft.content;
        assert_eq!((&draft.content.key, &draft.content.id), (&own.key, &own.id), "{kind:?}");
        assert_eq!(draft.secret, Some(pkcs8(kind)));
        let other = if kind == Kinds::EC_PRIVATE { Kinds::EDWARDS_PRIVATE } else { Kinds::EC_PRIVATE };
        assert_eq!(unwrap(&given, pkcs8(other)).unwrap_err(), Rv(CKR_WRAPPED_KEY_INVALID));
        let cut = SecretBytes::from_slice(&pkcs8(kind).expose()[1..]);
        assert_eq!(unwrap(&given, cut).unwrap_err(), Rv(CKR_WRAPPED_KEY_INVALID));
    }
    assert_eq!(KEYS.ec.algorithm(), KeyAlgorithm::Ec(Curve::P256));
}

#[test]
fn the_unwrapping_keys_template_is_applied_and_not_contradicted() {
    let imposed = array::encode(&[(CKA_EXTRACTABLE, &[CK_FALSE]), (CKA_LABEL, b"imposed")]);
    let content = unwrap_with(&aes(), &imposed, value(32)).unwrap().draft.content;
    assert_eq!((content.exportable, &content.label[..]), (false, &b"imposed"[..]));
    assert!(unwrap_with(&aes().flag(CKA_EXTRACTABLE, false), &imposed, value(32)).is_ok());
    let against = aes().flag(CKA_EXTRACTABLE, true);
    assert_eq!(unwrap_with(&against, &imposed, value(32)).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    let class_too = array::encode(&[(CKA_KEY_TYPE, &CKK_AES.to_ne_bytes())]);
    assert!(unwrap_with(&aes().without(CKA_KEY_TYPE), &class_too, value(32)).is_ok());
}

#[test]
fn nobody_but_the_officer_unwraps_a_trusted_key() {
    assert_eq!(unwrap(&aes().flag(CKA_TRUSTED, true), value(32)).unwrap_err(), Rv(CKR_ATTRIBUTE_READ_ONLY));
    let imposed = array::encode(&[(CKA_TRUSTED, &[CK_TRUE])]);
    assert_eq!(unwrap_with(&aes(), &imposed, value(32)).unwrap_err(), Rv(CKR_ATTRIBUTE_READ_ONLY));
}

#[test]
fn what_comes_in_has_the_rules_of_every_key() {
    let both = aes().flag(CKA_WRAP, true).flag(CKA_DECRYPT, true);
    assert_eq!(unwrap(&both, value(32)).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    let fixed = aes().flag(CKA_MODIFIABLE, false).flag(CKA_COPYABLE, false).flag(CKA_DESTROYABLE, false);
    let content = unwrap(&fixed.with(CKA_START_DATE, *b"20261124"), value(32)).unwrap().draft.content;
    assert!([CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE].iter().all(|one| !object::is_set(&content, *one)));
    assert_eq!(content.attributes.get(&CKA_START_DATE).map(|date| &**date), Some(&b"20261124"[..]));
    let sum = aes().with(CKA_CHECK_VALUE, [1, 2, 3]);
    assert_eq!(unwrap(&sum, value(32)).unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
}

#[test]
fn a_derived_key_is_a_generic_secret_unless_its_template_says_otherwise() {
    let draft = derive(&Sample::default(), &[], GUARDED).unwrap().draft;
    assert_eq!(draft.content.key.as_ref().unwrap().algorithm, KeyAlgorithm::Generic { bytes: 32 });
    assert!(!draft.content.local && Guard::of(&draft.content) == GUARDED);
    let aes = derive(&Sample::default().number(CKA_KEY_TYPE, CKK_AES), &[], GUARDED).unwrap().draft.content;
    assert_eq!(aes.key.unwrap().algorithm, KeyAlgorithm::Aes { bits: 256 });
    let hkdf = derive(&Sample::default().number(CKA_KEY_TYPE, CKK_HKDF), &[], GUARDED).unwrap().draft.content;
    assert_eq!((hkdf.key.unwrap().algorithm, hkdf.usage), (KeyAlgorithm::Other(CKK_HKDF as u32), Usage::DERIVE));
    for (attribute, number) in [(CKA_KEY_TYPE, CKK_DES3), (CKA_CLASS, CKO_PRIVATE_KEY), (CKA_CLASS, CKO_DATA)] {
        let given = Sample::default().number(attribute, number);
        assert_eq!(derive(&given, &[], GUARDED).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    }
}

#[test]
fn a_base_key_rules_what_is_derived_from_it() {
    let closed = array::encode(&[(CKA_EXTRACTABLE, &[CK_FALSE]), (CKA_SENSITIVE, &[CK_TRUE])]);
    let open = Sample::default().flag(CKA_EXTRACTABLE, true);
    assert!(!derive(&Sample::default(), &[&closed], GUARDED).unwrap().draft.content.exportable);
    assert_eq!(derive(&open, &[&closed], GUARDED).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    assert_eq!(derive(&open, &[&[], &closed], GUARDED).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT), "the salt's too");
    assert!(derive(&open, &[], GUARDED).unwrap().draft.content.exportable);
    let data = for_derived_data(&Template::default(), &[&closed], &USER);
    assert_eq!(data.map(drop).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT), "data isn't guarded");
}

#[test]
fn derived_data_is_data_with_the_length_that_was_asked_for() {
    let given = Sample::default().number(CKA_CLASS, CKO_DATA).number(CKA_VALUE_LEN, 12).with(CKA_LABEL, *b"iv");
    let (data, len) = for_derived_data(&given.template(), &[], &USER).unwrap();
    assert_eq!((len, data.place()), (Some(12), (false, false)));
    let content = data.with_value(value(12)).draft.content;
    assert_eq!((content.class, content.value.as_deref()), (Class::Data, Some(&[7; 12][..])));
    let private = given.clone().flag(CKA_PRIVATE, true);
    let draft = for_derived_data(&private.template(), &[], &USER).unwrap().0.with_value(value(12)).draft;
    assert_eq!((draft.content.value, draft.secret), (None, Some(value(12))));
    for wrong in [given.clone().with(CKA_VALUE, *b"mine"), Sample::default().number(CKA_CLASS, CKO_SECRET_KEY)] {
        let refused = for_derived_data(&wrong.template(), &[], &USER).map(drop);
        assert_eq!(refused, Err(Rv(CKR_TEMPLATE_INCONSISTENT)));
    }
}

#[test]
fn a_secret_that_derives_does_not_sign_unless_it_is_asked_to() {
    let usage = |given: Sample| given.create().unwrap().draft.content.usage;
    assert_eq!(usage(sample(Kinds::GENERIC)), Usage::SIGN | Usage::VERIFY);
    assert_eq!(usage(sample(Kinds::GENERIC).flag(CKA_DERIVE, true)), Usage::DERIVE);
    assert_eq!(usage(sample(Kinds::GENERIC).flag(CKA_DERIVE, true).flag(CKA_SIGN, true)), Usage::DERIVE | Usage::SIGN);
    let named = |key_type| sample(Kinds::GENERIC).without(CKA_KEY_TYPE).number(CKA_KEY_TYPE, key_type);
    assert_eq!(usage(named(CKK_SHA256_HMAC)), Usage::SIGN | Usage::VERIFY);
    assert_eq!(usage(named(CKK_HKDF)), Usage::DERIVE);
}

#[test]
fn a_secret_that_rules_what_is_derived_makes_and_checks_no_macs_neither_now_nor_later() {
    let closed = array::encode(&[(CKA_EXTRACTABLE, &[CK_FALSE])]);
    let ruling = sample(Kinds::GENERIC).with(CKA_DERIVE_TEMPLATE, closed).flag(CKA_DERIVE, true);
    let allowing = Rules { allow_conflicting_usage: true, ..USER };
    let mut content = ruling.create().unwrap().draft.content;
    for one in [CKA_SIGN, CKA_VERIFY] {
        let both = ruling.clone().flag(one, true);
        assert_eq!(both.create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
        assert!(for_create(&both.template(), &allowing).is_ok());
        let later = Sample::default().flag(CKA_DERIVE, false).flag(one, true);
        assert_eq!(apply_set(&mut content, &later.template(), &USER), Err(Rv(CKR_ATTRIBUTE_READ_ONLY)));
    }
    let later = Sample::default().flag(CKA_DERIVE, false).flag(CKA_SIGN, true);
    let mut free = sample(Kinds::GENERIC).flag(CKA_DERIVE, true).create().unwrap().draft.content;
    assert_eq!(apply_set(&mut free, &later.template(), &USER), Ok(()));
}
