use super::*;
use crate::pkcs11::attribute::Kinds;
use crate::pkcs11::template::samples::{KEYS, Sample, sample, stored};
use crate::vault::{Name, Version};

const LOGGED_IN: Visibility = Visibility { private: true, all_versions: false };
const LOGGED_OUT: Visibility = Visibility { private: false, all_versions: false };
const ALL_VERSIONS: Visibility = Visibility { private: true, all_versions: true };

fn put(image: &mut Image, number: ObjectNumber, sample: &Sample) {
    image.insert(Arc::new(stored(number, sample.create().unwrap()).0));
}

fn put_version(image: &mut Image, number: ObjectNumber, ordinal: u32, enabled: bool) {
    let sample = sample(Kinds::EC_PRIVATE).with(CKA_LABEL, *b"www").with(CKA_ID, [ordinal as u8]);
    let (mut object, _) = stored(number, sample.create().unwrap());
    object.name = Some(Name::new("www").unwrap());
    object.version = Some(Version { id: [ordinal as u8; 16], ordinal });
    object.content.enabled = enabled;
    image.insert(Arc::new(object));
}

fn found(image: &Image, wanted: &Sample, visibility: Visibility) -> Vec<ObjectNumber> {
    let mut numbers = Vec::new();
    find(image, true, &wanted.template(), visibility, &mut numbers);
    numbers
}

/// 1: EC private key, 2: its public key, 3: its certificate, 4: data, 5: AES key.
fn small_vault() -> Image {
    let mut image = Image::default();
    for (number, kind) in
        [(1, Kinds::EC_PRIVATE), (2, Kinds::EC_PUBLIC), (3, Kinds::X509), (4, Kinds::DATA), (5, Kinds::AES)]
    {
        put(&mut image, number, &sample(kind).with(CKA_LABEL, *b"label"));
    }
    image
}

#[test]
fn an_empty_template_finds_all_that_is_visible() {
    let image = small_vault();
    assert_eq!(found(&image, &Sample::default(), LOGGED_IN), [1, 2, 3, 4, 5]);
    assert_eq!(found(&image, &Sample::default(), LOGGED_OUT), [2, 3, 4]);
}

#[test]
fn each_index_and_each_mixture_finds_the_same() {
    let image = small_vault();
    let id = KEYS.ec.public_key().key_id();
    let class = |class| Sample::default().number(CKA_CLASS, class);
    assert_eq!(found(&image, &class(CKO_PRIVATE_KEY), LOGGED_IN), [1]);
    assert_eq!(found(&image, &Sample::default().with(CKA_LABEL, *b"label"), LOGGED_IN), [1, 2, 3, 4, 5]);
    assert_eq!(found(&image, &Sample::default().with(CKA_ID, id), LOGGED_IN), [1, 2, 3]);
    assert_eq!(found(&image, &class(CKO_CERTIFICATE).with(CKA_ID, id).with(CKA_LABEL, *b"label"), LOGGED_IN), [3]);
    assert!(found(&image, &class(CKO_DATA).with(CKA_ID, id), LOGGED_IN).is_empty());
    assert!(found(&image, &class(CKO_DATA).with(CKA_LABEL, *b"other"), LOGGED_IN).is_empty());
    let unique = Sample::default().with(CKA_UNIQUE_ID, *b"00000000000000000000000000000003");
    assert_eq!(found(&image, &unique, LOGGED_IN), [3]);
    assert!(found(&image, &unique.number(CKA_CLASS, CKO_DATA), LOGGED_IN).is_empty());
}

#[test]
fn any_other_attribute_filters() {
    let image = small_vault();
    let point = Sample::default().with(CKA_EC_POINT, crate::pkcs11::ec::wrap_point(KEYS.ec.public_key().value()));
    assert_eq!(found(&image, &point, LOGGED_IN), [1, 2]);
    assert_eq!(found(&image, &Sample::default().flag(CKA_SIGN, true), LOGGED_IN), [1, 5]);
    assert_eq!(found(&image, &Sample::default().number(CKA_KEY_TYPE, CKK_EC), LOGGED_IN), [1, 2]);
    assert_eq!(found(&image, &Sample::default().flag(CKA_PRIVATE, false), LOGGED_IN), [2, 3, 4]);
    let subject = crate::pkcs11::template::samples::name("subject");
    assert_eq!(found(&image, &Sample::default().with(CKA_SUBJECT, subject), LOGGED_IN), [3]);
    assert!(found(&image, &Sample::default().with(0x7777, *b""), LOGGED_IN).is_empty());
}

#[test]
fn token_and_session_objects_are_told_apart() {
    let image = small_vault();
    assert_eq!(found(&image, &Sample::default().flag(CKA_TOKEN, true), LOGGED_IN).len(), 5);
    assert!(found(&image, &Sample::default().flag(CKA_TOKEN, false), LOGGED_IN).is_empty());
    let mut numbers = Vec::new();
    find(&image, false, &Sample::default().flag(CKA_TOKEN, false).template(), LOGGED_IN, &mut numbers);
    assert_eq!(numbers.len(), 5);
}

#[test]
fn a_sensitive_value_never_matches() {
    let mut image = Image::default();
    put(&mut image, 1, &sample(Kinds::AES));
    put(&mut image, 2, &sample(Kinds::AES).flag(CKA_EXTRACTABLE, true));
    put(&mut image, 3, &sample(Kinds::DATA).flag(CKA_PRIVATE, true).with(CKA_VALUE, [7; 32]));
    assert!(found(&image, &Sample::default().with(CKA_VALUE, [7; 32]), LOGGED_IN).is_empty());
}

#[test]
fn malformed_values_match_nothing() {
    let image = small_vault();
    for wanted in [
        Sample::default().with(CKA_CLASS, [0; 4]),
        Sample::default().number(CKA_CLASS, 1 << 32),
        Sample::default().with(CKA_TOKEN, *b""),
        Sample::default().with(CKA_UNIQUE_ID, *b"0000"),
        Sample::default().with(CKA_UNIQUE_ID, *b"zz000000000000000000000000000003"),
        Sample::default().with(CKA_UNIQUE_ID, *b"000000000000000000000000000000030"),
        Sample::default().number(CKA_CLASS, CKO_DATA).number(CKA_CLASS, CKO_CERTIFICATE),
    ] {
        assert!(found(&image, &wanted, LOGGED_IN).is_empty(), "{wanted:?}");
    }
}

#[test]
fn a_label_finds_the_current_version_and_an_id_each_enabled_one() {
    let mut image = Image::default();
    put_version(&mut image, 1, 1, true);
    put_version(&mut image, 2, 2, true);
    put_version(&mut image, 3, 3, false);
    let label = Sample::default().with(CKA_LABEL, *b"www");
    assert_eq!(found(&image, &label, LOGGED_IN), [2]);
    assert_eq!(found(&image, &Sample::default(), LOGGED_IN), [2]);
    for (id, number) in [([1], 1), ([2], 2)] {
        assert_eq!(found(&image, &label.clone().with(CKA_ID, id), LOGGED_IN), [number]);
    }
    assert!(found(&image, &Sample::default().with(CKA_ID, [3]), LOGGED_IN).is_empty(), "disabled");
    let unique = Sample::default().with(CKA_UNIQUE_ID, *b"00000000000000000000000000000001");
    assert_eq!(found(&image, &unique, LOGGED_IN), [1]);
    assert_eq!(found(&image, &label, ALL_VERSIONS), [1, 2]);
}

#[test]
fn matches_are_added_behind_what_was_found_before() {
    let mut numbers = vec![99];
    find(&small_vault(), true, &Sample::default().template(), LOGGED_OUT, &mut numbers);
    assert_eq!(numbers, [99, 2, 3, 4]);
}
