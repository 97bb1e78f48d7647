use super::samples::{KEYS, Sample, generated, kinds, name, sample, stored, unwrapped};
use super::*;
use crate::crypto::{Curve, KeyAlgorithm};
use crate::pkcs11::attribute::{Attribute, Form, Phase, Rule, TABLE};
use crate::vault::Object;

const OFFICER: Rules = Rules { role: Some(Role::SecurityOfficer), allow_conflicting_usage: false };
const USER: Rules = Rules { role: Some(Role::User), allow_conflicting_usage: false };

fn object(kind: Kinds) -> Object {
    stored(1, sample(kind).create().unwrap()).0
}

/// What a phase answers to a template, for an object of this kind.
fn answer(kind: Kinds, phase: Phase, given: &Sample, cx: &Rules) -> Option<Result<(), CK_RV>> {
    let template = given.template();
    let result = match phase {
        Phase::Create => for_create(&template, cx).map(drop),
        Phase::Generate => generate(kind, given, cx)?,
        Phase::Copy => for_copy(&object(kind), false, &template, cx).map(drop),
        Phase::Set => apply_set(&mut object(kind).content, &template, cx),
        Phase::Unwrap => unwrap(kind, given, cx)?,
    };
    Some(result.map_err(|Rv(code)| code))
}

fn generate(kind: Kinds, given: &Sample, cx: &Rules) -> Option<Result<(), Rv>> {
    let template = given.template();
    let pairs = [
        (PairKind::Rsa, Kinds::RSA_PUBLIC, Kinds::RSA_PRIVATE),
        (PairKind::Ec, Kinds::EC_PUBLIC, Kinds::EC_PRIVATE),
        (PairKind::Edwards, Kinds::EDWARDS_PUBLIC, Kinds::EDWARDS_PRIVATE),
        (PairKind::Montgomery, Kinds::MONTGOMERY_PUBLIC, Kinds::MONTGOMERY_PRIVATE),
    ];
    for (pair, public, private) in pairs {
        let other = Sample::default();
        if kind == public {
            return Some(for_generated_pair(pair, &template, &other.template(), cx).map(drop));
        } else if kind == private {
            return Some(for_generated_pair(pair, &generated(public)?.template(), &template, cx).map(drop));
        }
    }
    match kind {
        Kinds::AES => Some(for_generated_secret(SecretKind::Aes, &template, cx).map(drop)),
        Kinds::GENERIC => Some(for_generated_secret(SecretKind::Generic, &template, cx).map(drop)),
        _ => None,
    }
}

fn unwrap(kind: Kinds, given: &Sample, cx: &Rules) -> Option<Result<(), Rv>> {
    unwrapped(kind)?;
    let value = sample(kind).create().unwrap().draft.secret?;
    let template = given.template();
    Some(Expected::from_unwrap(&template, &[], cx).and_then(|expected| expected.unwrapped(value)).map(drop))
}

/// What a phase starts from, without this attribute.
fn base(kind: Kinds, phase: Phase, without: CK_ATTRIBUTE_TYPE) -> Option<Sample> {
    match phase {
        Phase::Create => Some(sample(kind).without(without)),
        Phase::Generate => generated(kind).map(|given| given.without(without)),
        Phase::Unwrap => unwrapped(kind).map(|given| given.without(without)),
        _ => Some(Sample::default()),
    }
}

/// A value that the attribute can have, the one it has if it can't be made up.
fn possible(kind: Kinds, phase: Phase, row: &Attribute) -> Vec<u8> {
    if (row.number, phase) == (CKA_VALUE_LEN, Phase::Unwrap) {
        return (object(kind).secret_len as CK_ULONG).to_ne_bytes().to_vec();
    }
    let given = sample(kind).0.into_iter().chain(generated(kind).unwrap_or_default().0);
    if let Some((_, value)) = given.into_iter().find(|(number, _)| *number == row.number) {
        return value;
    }
    match (row.number, row.form) {
        (CKA_CLASS, _) => object(kind).content.class.number().to_ne_bytes().iter().copied().chain([0; 4]).collect(),
        (CKA_KEY_TYPE, _) => {
            let key = object(kind).content.key;
            key.map_or(CKK_DSA, |key| attribute::key_type(key.algorithm)).to_ne_bytes().to_vec()
        }
        (CKA_PUBLIC_EXPONENT, _) => vec![1, 0, 1],
        (CKA_CHECK_VALUE | CKA_PUBLIC_KEY_INFO | CKA_EC_POINT, _) => vec![],
        (_, Form::Bool) => vec![u8::from(row.rule(phase) == Rule::Raise)],
        (_, Form::Ulong) => CK_ULONG::from(1u8).to_ne_bytes().to_vec(),
        (_, Form::Date) => b"20261124".to_vec(),
        (_, Form::UlongArray) => vec![0; 16],
        (_, Form::AttributeArray) => attribute::array::encode(&[(CKA_SENSITIVE, &[CK_TRUE])]),
        (_, Form::Bytes) => b"value".to_vec(),
    }
}

#[test]
fn every_attribute_of_every_kind_in_every_phase_is_answered_as_the_table_says() {
    let mut answers = 0;
    for (kind, phase, row) in everything() {
        let Some(base) = base(kind, phase, row.number) else { continue };
        let found = match attribute::lookup(kind, row.number) {
            Lookup::Row(row) => Some(row),
            _ => None,
        };
        // What decides which kind it is can't be tried out with another value.
        if matches!(phase, Phase::Create | Phase::Unwrap)
            && matches!(row.number, CKA_CLASS | CKA_KEY_TYPE | CKA_CERTIFICATE_TYPE)
        {
            continue;
        }
        let given = base.with(row.number, possible(kind, phase, found.unwrap_or(row)));
        let Some(answer) = answer(kind, phase, &given, &OFFICER) else { continue };
        let makes_key = !matches!(phase, Phase::Copy | Phase::Set) && kind.intersects(Kinds::KEY);
        let expected: &[Result<(), CK_RV>] = match found.map(|row| row.rule(phase)) {
            None if makes_key && usage_flag(row.number).is_some() => &[Ok(())],
            None => &[Err(CKR_TEMPLATE_INCONSISTENT)],
            Some(Rule::Never) => &[Err(CKR_ATTRIBUTE_READ_ONLY)],
            // Some primes without the others, one of two ways to say where a certificate lies.
            Some(_) if object_needs_more(row.number) => &[Ok(()), Err(CKR_TEMPLATE_INCOMPLETE)],
            Some(_) => &[Ok(())],
        };
        assert!(expected.contains(&answer), "{} of {kind:?} in {phase:?}: {answer:x?}", row.name);
        answers += 1;
    }
    assert!(answers > 2000, "only {answers} combinations were tried");
}

#[test]
fn a_usage_that_a_key_cannot_have_may_be_denied_but_not_asked_for() {
    for (kind, phase, row) in everything().filter(|(kind, _, row)| {
        usage_flag(row.number).is_some()
            && kind.intersects(Kinds::KEY)
            && matches!(attribute::lookup(*kind, row.number), Lookup::Inapplicable)
    }) {
        let Some(base) = base(kind, phase, row.number) else { continue };
        let given = |value: &[u8]| answer(kind, phase, &base.clone().with(row.number, value), &USER);
        let refused = Some(Err(CKR_TEMPLATE_INCONSISTENT));
        let Some(denied) = given(&[CK_FALSE]) else { continue };
        let is_new = !matches!(phase, Phase::Copy | Phase::Set);
        assert_eq!(Some(denied), if is_new { Some(Ok(())) } else { refused }, "{} of {kind:?} in {phase:?}", row.name);
        for wrong in [&[CK_TRUE][..], &[], &[2], &[CK_FALSE, CK_FALSE]] {
            assert_eq!(given(wrong), refused, "{} of {kind:?} in {phase:?}", row.name);
        }
    }
    let data = sample(Kinds::DATA).flag(CKA_SIGN, false).create();
    assert_eq!(data.map(drop), Err(Rv(CKR_TEMPLATE_INCONSISTENT)));
}

fn object_needs_more(attribute: CK_ATTRIBUTE_TYPE) -> bool {
    attribute == CKA_URL
}

fn everything() -> impl Iterator<Item = (Kinds, Phase, &'static Attribute)> {
    kinds()
        .flat_map(|kind| Phase::ALL.into_iter().flat_map(move |phase| TABLE.iter().map(move |row| (kind, phase, row))))
}

#[test]
fn what_has_to_be_given_is_missed() {
    for (kind, phase, row) in
        everything().filter(|(kind, phase, row)| row.kinds.intersects(*kind) && row.rule(*phase) == Rule::Must)
    {
        let Some(given) = base(kind, phase, row.number) else { continue };
        let Some(answer) = answer(kind, phase, &given, &OFFICER) else { continue };
        // Without a key's type or class it is unknown what else is missing.
        assert_eq!(answer, Err(CKR_TEMPLATE_INCOMPLETE), "{} of {kind:?} in {phase:?}", row.name);
    }
}

#[test]
fn values_of_a_wrong_form_are_invalid() {
    for (kind, phase, row) in everything() {
        let Lookup::Row(row) = attribute::lookup(kind, row.number) else { continue };
        let wrong = match row.form {
            Form::Bytes => continue,
            Form::Bool => vec![2],
            Form::Ulong => vec![0; 4],
            Form::Date | Form::UlongArray | Form::AttributeArray => vec![0xFF; 9],
        };
        if row.rule(phase) == Rule::Never || row.number == CK_UNAVAILABLE_INFORMATION {
            continue;
        }
        let Some(base) = base(kind, phase, row.number) else { continue };
        let Some(answer) = answer(kind, phase, &base.with(row.number, wrong), &OFFICER) else { continue };
        assert_eq!(answer, Err(CKR_ATTRIBUTE_VALUE_INVALID), "{} of {kind:?} in {phase:?}", row.name);
    }
}

#[test]
fn unknown_attributes_are_told_from_those_of_other_objects() {
    for (kind, phase) in kinds().flat_map(|kind| Phase::ALL.map(|phase| (kind, phase))) {
        let Some(base) = base(kind, phase, CK_UNAVAILABLE_INFORMATION) else { continue };
        let answer_to = |number| answer(kind, phase, &base.clone().with(number, *b"x"), &USER);
        assert!(matches!(answer_to(0x7777), None | Some(Err(CKR_ATTRIBUTE_TYPE_INVALID))), "{kind:?} {phase:?}");
        assert!(matches!(answer_to(CKA_VENDOR_DEFINED | 1), None | Some(Ok(()))), "{kind:?} {phase:?}");
    }
}

#[test]
fn only_the_security_officer_trusts() {
    for kind in [Kinds::X509, Kinds::AES, Kinds::RSA_PUBLIC] {
        for phase in [Phase::Create, Phase::Copy, Phase::Set] {
            let trusted = base(kind, phase, CKA_TRUSTED).unwrap().flag(CKA_TRUSTED, true);
            assert_eq!(answer(kind, phase, &trusted, &USER), Some(Err(CKR_ATTRIBUTE_READ_ONLY)));
            assert_eq!(answer(kind, phase, &trusted, &OFFICER), Some(Ok(())));
        }
    }
}

#[test]
fn a_template_may_repeat_itself_but_not_contradict_itself() {
    let once = sample(Kinds::AES).with(CKA_LABEL, *b"a");
    assert!(once.clone().with(CKA_LABEL, *b"a").create().is_ok());
    assert_eq!(once.with(CKA_LABEL, *b"b").create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    let class = sample(Kinds::AES).number(CKA_CLASS, CKO_DATA);
    assert_eq!(class.create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
}

#[test]
fn what_a_vault_acts_on_is_in_its_fields() {
    let new = sample(Kinds::EC_PRIVATE)
        .flag(CKA_TOKEN, true)
        .with(CKA_LABEL, *b"www")
        .with(CKA_ID, [1, 2])
        .flag(CKA_EXTRACTABLE, true)
        .flag(CKA_DERIVE, true)
        .flag(CKA_SIGN, false)
        .create()
        .unwrap();
    let content = new.draft.content;
    assert!(new.token && content.private && content.exportable && !content.local && content.enabled);
    assert_eq!((&content.label[..], &content.id[..]), (&b"www"[..], &[1, 2][..]));
    assert_eq!(content.usage, Usage::DERIVE);
    assert_eq!(content.key.unwrap().public, KEYS.ec.public_key().spki().into());
    assert!(content.attributes.is_empty(), "{:?}", content.attributes);
    assert_eq!(new.draft.naming, Naming::FromLabel);
}

#[test]
fn only_what_differs_from_the_table_is_kept() {
    let new = sample(Kinds::RSA_PUBLIC)
        .flag(CKA_MODIFIABLE, true)
        .flag(CKA_DESTROYABLE, false)
        .with(CKA_SUBJECT, *b"")
        .with(CKA_START_DATE, *b"20261124")
        .with(CKA_VENDOR_DEFINED | 7, *b"")
        .create()
        .unwrap();
    let kept: Vec<u64> = new.draft.content.attributes.into_keys().collect();
    assert_eq!(kept, [CKA_START_DATE, CKA_DESTROYABLE, CKA_VENDOR_DEFINED | 7]);
    assert_eq!(new.draft.naming, Naming::None, "a public key alone has no counterpart in a vault");
}

#[test]
fn keys_are_guarded_unless_their_template_says_otherwise() {
    for (kind, pair) in [(Kinds::RSA_PRIVATE, PairKind::Rsa), (Kinds::EC_PRIVATE, PairKind::Ec)] {
        let public = generated(if pair == PairKind::Rsa { Kinds::RSA_PUBLIC } else { Kinds::EC_PUBLIC }).unwrap();
        let made = for_generated_pair(pair, &public.template(), &Template::default(), &USER).unwrap();
        let inside = Guard::of(&made.private.draft.content);
        assert_eq!(inside, Guard::new(Some(true), Some(false), true));
        let brought = Guard::of(&object(kind).content);
        assert!(brought.sensitive && !brought.extractable);
        assert!(!brought.always_sensitive && !brought.never_extractable, "it was outside before");
    }
}

#[test]
fn usages_default_to_what_the_kind_can_do() {
    let usage = |kind| object(kind).content.usage;
    assert_eq!(usage(Kinds::RSA_PRIVATE), Usage::SIGN | Usage::DECRYPT | Usage::UNWRAP);
    assert_eq!(usage(Kinds::RSA_PUBLIC), Usage::VERIFY | Usage::ENCRYPT | Usage::WRAP);
    assert_eq!(usage(Kinds::EC_PRIVATE), Usage::SIGN);
    assert_eq!(usage(Kinds::EDWARDS_PUBLIC), Usage::VERIFY);
    assert_eq!(usage(Kinds::MONTGOMERY_PRIVATE), Usage::DERIVE);
    assert_eq!(usage(Kinds::MONTGOMERY_PUBLIC), Usage::empty());
    assert_eq!(usage(Kinds::OTHER_SECRET), Usage::empty());
    let wrapping = sample(Kinds::AES).flag(CKA_WRAP, true).create().unwrap().draft.content.usage;
    assert_eq!(wrapping, Usage::WRAP | Usage::SIGN | Usage::VERIFY, "no default conflicts with what is asked for");
}

#[test]
fn a_secret_key_with_conflicting_usages_needs_the_switch() {
    let allowing = Rules { allow_conflicting_usage: true, ..USER };
    for (one, other) in [(CKA_WRAP, CKA_DECRYPT), (CKA_UNWRAP, CKA_ENCRYPT)] {
        let both = sample(Kinds::AES).flag(one, true).flag(other, true);
        assert_eq!(for_create(&both.template(), &USER).unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
        assert!(for_create(&both.template(), &allowing).is_ok());
        // One after the other is the same attack.
        let mut content = sample(Kinds::AES).flag(one, true).create().unwrap().draft.content;
        let later = Sample::default().flag(one, false).flag(other, true);
        assert_eq!(apply_set(&mut content, &later.template(), &USER), Err(Rv(CKR_ATTRIBUTE_READ_ONLY)));
        assert_eq!(apply_set(&mut content, &later.template(), &allowing), Ok(()));
    }
}

#[test]
fn a_key_that_asks_for_the_pin_at_each_use_is_private() {
    let key = sample(Kinds::EC_PRIVATE).flag(CKA_ALWAYS_AUTHENTICATE, true);
    assert!(object::asks_for_pin(&key.create().unwrap().draft.content));
    assert_eq!(key.flag(CKA_PRIVATE, false).create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
}

#[test]
fn parts_of_a_key_that_disagree_are_refused() {
    let swap = |kind, attribute, value: &[u8]| sample(kind).without(attribute).with(attribute, value).create();
    let other_prime = &KEYS.rsa_numbers[4];
    assert!(swap(Kinds::RSA_PRIVATE, CKA_PRIME_1, other_prime).is_err());
    assert!(sample(Kinds::RSA_PRIVATE).without(CKA_COEFFICIENT).create().is_err(), "four of five numbers");
    let ed_spki = KEYS.edwards.public_key().spki();
    let lied = sample(Kinds::EC_PRIVATE).with(CKA_PUBLIC_KEY_INFO, ed_spki);
    assert_eq!(lied.create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    let mut off_curve = KEYS.ec.public_key().value().to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    assert_eq!(swap(Kinds::EC_PUBLIC, CKA_EC_POINT, &off_curve).unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(swap(Kinds::EC_PRIVATE, CKA_VALUE, &[0; 32]).unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(swap(Kinds::EC_PRIVATE, CKA_VALUE, &[1; 33]).unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(swap(Kinds::AES, CKA_VALUE, &[1; 17]).unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
}

#[test]
fn an_rsa_key_may_come_without_its_primes_and_with_leading_zeros() {
    use super::samples::RSA_NUMBERS;
    let bare = RSA_NUMBERS[3..].iter().fold(sample(Kinds::RSA_PRIVATE), |given, part| given.without(*part));
    assert_eq!(bare.create().unwrap().draft.content.key, object(Kinds::RSA_PRIVATE).content.key);
    let padded = RSA_NUMBERS.iter().zip(&KEYS.rsa_numbers).fold(sample(Kinds::RSA_PRIVATE), |given, (part, number)| {
        given.without(*part).with(*part, [&[0][..], number].concat())
    });
    assert_eq!(padded.create().unwrap().draft.content.key, object(Kinds::RSA_PRIVATE).content.key);
    let short = KEYS.scalar.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<_>>();
    let trimmed = sample(Kinds::EC_PRIVATE).without(CKA_VALUE).with(CKA_VALUE, short);
    assert_eq!(trimmed.create().unwrap().draft.content.key, object(Kinds::EC_PRIVATE).content.key);
}

#[test]
fn a_key_type_that_we_cannot_hold_is_refused_and_another_kept() {
    let dsa = Sample::default().number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_DSA).with(CKA_VALUE, *b"x");
    assert_eq!(dsa.create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    let des = sample(Kinds::OTHER_SECRET).create().unwrap().draft;
    assert_eq!(des.secret.unwrap().expose(), [9; 24]);
    assert_eq!(des.content.key.unwrap().algorithm, KeyAlgorithm::Other(CKK_DES3 as u32));
    let leaking = sample(Kinds::OTHER_PUBLIC).with(CKA_PRIVATE_EXPONENT, *b"d");
    assert_eq!(leaking.create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT), "never kept as if it were public");
}

#[test]
fn only_tokens_make_profiles_mechanisms_and_features() {
    for class in [CKO_PROFILE, CKO_MECHANISM, CKO_HW_FEATURE, CKO_VALIDATION] {
        let given = Sample::default().number(CKA_CLASS, class);
        assert_eq!(given.create().unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    }
    assert_eq!(Sample::default().create().unwrap_err(), Rv(CKR_TEMPLATE_INCOMPLETE));
    let huge = Sample::default().number(CKA_CLASS, 1 << 40);
    assert_eq!(huge.create().unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
}

#[test]
fn the_value_of_data_is_secret_if_the_object_is_private() {
    let public = sample(Kinds::DATA).with(CKA_VALUE, *b"value").create().unwrap().draft;
    assert_eq!((public.content.value.as_deref(), public.secret), (Some(&b"value"[..]), None));
    assert_eq!(public.naming, Naming::None);
    let private = sample(Kinds::DATA).with(CKA_VALUE, *b"value").flag(CKA_PRIVATE, true).create().unwrap().draft;
    assert_eq!(private.content.value, None);
    assert_eq!(private.secret.unwrap().expose(), b"value");
    assert_eq!(private.naming, Naming::FromLabel);
}

#[test]
fn a_certificate_says_what_its_value_says() {
    let certificate = || sample(Kinds::X509);
    let content = certificate().with(CKA_SUBJECT, name("subject")).create().unwrap().draft.content;
    assert!(content.attributes.is_empty(), "the truth isn't kept twice");
    assert_eq!(content.id, KEYS.ec.public_key().key_id(), "NSS's id, as the key's");
    let wrong_sum = certificate().with(CKA_CHECK_VALUE, [0; 3]);
    assert_eq!(wrong_sum.create().unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    let other_key = certificate().with(CKA_PUBLIC_KEY_INFO, KEYS.edwards.public_key().spki());
    assert_eq!(other_key.create().unwrap_err(), Rv(CKR_TEMPLATE_INCONSISTENT));
    let nothing = certificate().without(CKA_VALUE).with(CKA_SUBJECT, name("s"));
    assert_eq!(nothing.create().unwrap_err(), Rv(CKR_TEMPLATE_INCOMPLETE));
    let elsewhere = nothing.with(CKA_URL, *b"http://x").with(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, *b"1");
    assert_eq!(elsewhere.create().unwrap_err(), Rv(CKR_TEMPLATE_INCOMPLETE));
    assert!(elsewhere.with(CKA_HASH_OF_ISSUER_PUBLIC_KEY, *b"2").create().is_ok());
    let opaque = certificate().without(CKA_VALUE).with(CKA_VALUE, *b"not DER");
    assert_eq!(opaque.create().unwrap_err(), Rv(CKR_TEMPLATE_INCOMPLETE));
    assert_eq!(opaque.with(CKA_SUBJECT, name("s")).create().unwrap().draft.naming, Naming::None);
    let category = certificate().number(CKA_CERTIFICATE_CATEGORY, 4);
    assert_eq!(category.create().unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
}

#[test]
fn halves_of_a_pair_share_algorithm_and_id() {
    let public = generated(Kinds::EC_PUBLIC).unwrap().with(CKA_LABEL, *b"www");
    let private = Sample::default().with(CKA_ID, *b"7").with(CKA_LABEL, *b"www").flag(CKA_TOKEN, true);
    let pair = for_generated_pair(PairKind::Ec, &public.template(), &private.template(), &USER).unwrap();
    assert_eq!(pair.algorithm, KeyAlgorithm::Ec(Curve::P256));
    assert_eq!(pair.public.draft.content.id, b"7");
    assert!(pair.private.token && !pair.public.token);
    assert!(pair.private.draft.content.local && pair.public.draft.content.local);
    assert!(!pair.public.draft.content.private && pair.private.draft.content.private);
    assert_eq!((pair.public.draft.naming, pair.private.draft.naming), (Naming::FromLabel, Naming::FromLabel));
}

#[test]
fn a_pair_is_what_the_mechanism_makes() {
    let pair = |kind, public: &Sample| for_generated_pair(kind, &public.template(), &Template::default(), &USER);
    let code = |kind, public: &Sample| pair(kind, public).unwrap_err().0;
    let rsa = |bits| Sample::default().number(CKA_MODULUS_BITS, bits);
    assert_eq!(code(PairKind::Rsa, &rsa(2048).number(CKA_KEY_TYPE, CKK_EC)), CKR_TEMPLATE_INCONSISTENT);
    assert_eq!(code(PairKind::Rsa, &rsa(2048).number(CKA_CLASS, CKO_PRIVATE_KEY)), CKR_TEMPLATE_INCONSISTENT);
    assert_eq!(code(PairKind::Rsa, &rsa(1024)), CKR_KEY_SIZE_RANGE);
    assert_eq!(code(PairKind::Rsa, &rsa(16384)), CKR_KEY_SIZE_RANGE);
    assert_eq!(code(PairKind::Rsa, &rsa(2049)), CKR_ATTRIBUTE_VALUE_INVALID);
    for even in [&[4][..], &[1], &[0], &[1, 0, 0]] {
        let given = rsa(2048).with(CKA_PUBLIC_EXPONENT, even);
        assert_eq!(code(PairKind::Rsa, &given), CKR_ATTRIBUTE_VALUE_INVALID);
    }
    let exponent =
        |bytes: &[u8]| pair(PairKind::Rsa, &rsa(2048).with(CKA_PUBLIC_EXPONENT, bytes)).unwrap().public_exponent;
    assert_eq!(exponent(&[1, 0, 1]), None);
    assert_eq!(exponent(&[0, 1, 0, 1]), None);
    assert_eq!(exponent(&[0, 3]), Some(vec![3]));
    let curve = |params: &[u8]| Sample::default().with(CKA_EC_PARAMS, params);
    assert_eq!(code(PairKind::Ec, &curve(b"\x06\x03\x2b\x65\x70")), CKR_CURVE_NOT_SUPPORTED);
    assert_eq!(code(PairKind::Edwards, &curve(b"\x05\x00")), CKR_DOMAIN_PARAMS_INVALID);
    let len = |kind, len| {
        let given = Sample::default().number(CKA_VALUE_LEN, len);
        for_generated_secret(kind, &given.template(), &USER).map(|(algorithm, _)| algorithm).map_err(|Rv(code)| code)
    };
    assert_eq!(len(SecretKind::Aes, 24), Ok(KeyAlgorithm::Aes { bits: 192 }));
    assert_eq!(len(SecretKind::Aes, 20), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(len(SecretKind::Generic, 20), Ok(KeyAlgorithm::Generic { bytes: 20 }));
    assert_eq!(len(SecretKind::Generic, 0), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(len(SecretKind::Generic, CK_ULONG::MAX), Err(CKR_KEY_SIZE_RANGE));
}

#[test]
fn a_key_for_one_hmac_is_as_long_as_a_generic_secret_may_be() {
    let create = |key_type, len: usize| {
        let given = sample(Kinds::GENERIC).without(CKA_KEY_TYPE).number(CKA_KEY_TYPE, key_type);
        given.without(CKA_VALUE).with(CKA_VALUE, vec![1; len]).create().map(drop)
    };
    for key_type in [CKK_GENERIC_SECRET, CKK_SHA256_HMAC, CKK_SHA3_512_HMAC, CKK_HKDF] {
        assert_eq!(create(key_type, 0), Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)));
        assert_eq!((create(key_type, 1), create(key_type, MAX_GENERIC_LEN)), (Ok(()), Ok(())));
        assert_eq!(create(key_type, MAX_GENERIC_LEN + 1), Err(Rv(CKR_KEY_SIZE_RANGE)));
    }
    assert_eq!(create(CKK_DES3, MAX_GENERIC_LEN + 1), Ok(()), "only kept");
}
