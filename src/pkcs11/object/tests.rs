use super::*;
use crate::pkcs11::attribute::{Form, Phase, Rule, TABLE, array};
use crate::pkcs11::template::samples::{
    KEYS, RSA_NUMBERS, SERIAL_NUMBER, Sample, certificate_der, check_value, kinds, name, sample, stored,
};
use crate::pkcs11::template::{PairKind, Rules, Template, for_generated_pair};
use crate::vault::KeyDescription;

fn ask(sample: &Sample, attribute: CK_ATTRIBUTE_TYPE) -> Value<'static> {
    let (object, secret) = stored(7, sample.create().unwrap());
    let mut fetch = || secret.clone().ok_or(VaultError::NotFound);
    match read(&object, attribute, true, &mut fetch).unwrap() {
        Value::Bytes(bytes) => Value::Bytes(bytes.into_owned().into()),
        Value::Secret(secret) => Value::Secret(secret),
        Value::Sensitive => Value::Sensitive,
        Value::Invalid => Value::Invalid,
    }
}

fn bytes(value: impl Into<Vec<u8>>) -> Value<'static> {
    Value::Bytes(Cow::Owned(value.into()))
}

/// What is wiped once it was answered.
fn secret(value: &[u8]) -> Value<'static> {
    Value::Secret(SecretBytes::from_slice(value))
}

fn number(value: CK_ULONG) -> Value<'static> {
    bytes(value.to_ne_bytes())
}

/// Every attribute that may be given beside the sample's, with a value that isn't its default.
fn full(kind: Kinds) -> Sample {
    let mut full = sample(kind);
    for row in TABLE.iter().filter(|row| row.kinds.intersects(kind) && row.rule(Phase::Create) == Rule::May) {
        let value = match (row.number, row.form) {
            _ if full.template().get(row.number).is_some() => continue,
            // These say where a certificate lies, or must be true.
            (CKA_URL | CKA_PUBLIC_KEY_INFO | CKA_EC_POINT | CKA_CHECK_VALUE, _) => continue,
            (CKA_PRIVATE, _) => vec![CK_TRUE],
            (CKA_WRAP | CKA_UNWRAP, _) if kind == Kinds::AES => vec![CK_FALSE],
            (_, Form::Bool) => vec![u8::from(row.unset != Unset::True)],
            (_, Form::Ulong) => CK_ULONG::from(2u8).to_ne_bytes().to_vec(),
            (_, Form::Bytes) => row.name.into(),
            (_, Form::Date) => b"20301231".to_vec(),
            (_, Form::UlongArray) => CKM_ECDSA.to_ne_bytes().to_vec(),
            (_, Form::AttributeArray) => array::encode(&[(CKA_LABEL, b"inner")]),
        };
        full = full.with(row.number, value);
    }
    full.with(CKA_VENDOR_DEFINED | 0x51, *b"vendor").without(CKA_SENSITIVE)
}

#[test]
fn what_was_created_reads_back_for_every_kind() {
    let allow = Rules { role: None, allow_conflicting_usage: true };
    for kind in kinds() {
        let full = if kind.intersects(Kinds::HIDDEN) { full(kind).flag(CKA_SENSITIVE, false) } else { full(kind) };
        let new = crate::pkcs11::template::for_create(&full.template(), &allow).unwrap();
        let token = new.token;
        let (object, secret) = stored(1, new);
        for (attribute, given) in &full.0 {
            let value = read(&object, *attribute, token, &mut || secret.clone().ok_or(VaultError::NotFound));
            let value = match value.as_ref().unwrap() {
                Value::Bytes(bytes) => &bytes[..],
                Value::Secret(secret) => secret.expose(),
                other => panic!("{other:?} for {attribute:#x} of {kind:?}"),
            };
            assert_eq!(value, given, "{attribute:#x} of {kind:?}");
        }
    }
}

#[test]
fn every_attribute_of_every_kind_has_one_of_the_three_answers_that_the_table_says() {
    for kind in kinds() {
        let (object, _) = stored(1, sample(kind).create().unwrap());
        // A check value is worked out from the secret part.
        let secret_sum = |number| number == CKA_CHECK_VALUE && kind.intersects(Kinds::SECRET);
        for row in TABLE.iter().filter(|row| !secret_sum(row.number)) {
            let mut fetched = false;
            let mut fetch = || {
                fetched = true;
                Err(VaultError::Locked)
            };
            let answer = read(&object, row.number, true, &mut fetch).unwrap();
            match attribute::lookup(kind, row.number) {
                Lookup::Row(row) if row.sensitive => assert_eq!(answer, Value::Sensitive, "{} of {kind:?}", row.name),
                Lookup::Row(found) if found.unset != Unset::Absent => {
                    assert!(matches!(answer, Value::Bytes(_)), "{} of {kind:?}", row.name);
                }
                Lookup::Row(_) => assert_ne!(answer, Value::Sensitive, "{} of {kind:?}", row.name),
                Lookup::Inapplicable | Lookup::Unknown => {
                    assert_eq!(answer, Value::Invalid, "{} of {kind:?}", row.name);
                }
            }
            assert!(!fetched, "nothing leaves the vault for {}", row.name);
        }
        let unknown = read(&object, 0x7777, true, &mut || Err(VaultError::Locked)).unwrap();
        assert_eq!(unknown, Value::Invalid);
    }
}

#[test]
fn a_key_shows_its_value_only_if_it_is_extractable_and_not_sensitive() {
    let secrets = [(Kinds::EC_PRIVATE, CKA_VALUE), (Kinds::RSA_PRIVATE, CKA_PRIME_1), (Kinds::AES, CKA_VALUE)];
    for (kind, attribute) in secrets {
        for (sensitive, extractable) in [(true, true), (true, false), (false, false)] {
            let key = sample(kind).flag(CKA_SENSITIVE, sensitive).flag(CKA_EXTRACTABLE, extractable);
            assert_eq!(ask(&key, attribute), Value::Sensitive, "{kind:?} {sensitive} {extractable}");
        }
        let open = sample(kind).flag(CKA_SENSITIVE, false).flag(CKA_EXTRACTABLE, true);
        assert!(matches!(ask(&open, attribute), Value::Secret(_)), "what is wiped when it was answered");
    }
}

#[test]
fn an_open_rsa_key_shows_each_of_its_numbers() {
    let open = sample(Kinds::RSA_PRIVATE).flag(CKA_SENSITIVE, false).flag(CKA_EXTRACTABLE, true);
    for (attribute, wanted) in RSA_NUMBERS.into_iter().zip(&KEYS.rsa_numbers) {
        let public = [CKA_MODULUS, CKA_PUBLIC_EXPONENT].contains(&attribute);
        let wanted = if public { bytes(&**wanted) } else { secret(wanted) };
        assert_eq!(ask(&open, attribute), wanted, "{attribute:#x}");
    }
}

#[test]
fn a_secret_key_shows_its_check_value_however_it_is_guarded_unless_that_was_prevented() {
    let key = sample(Kinds::GENERIC);
    let sum = check_value(b"generic");
    assert_eq!(ask(&key, CKA_CHECK_VALUE), bytes(&*sum));
    assert_eq!(ask(&key.clone().with(CKA_CHECK_VALUE, sum), CKA_CHECK_VALUE), bytes(check_value(b"generic")));
    assert_eq!(ask(&key.clone().with(CKA_CHECK_VALUE, *b""), CKA_CHECK_VALUE), bytes(*b""));
    assert_eq!(key.with(CKA_CHECK_VALUE, [0; 3]).create().unwrap_err(), Rv(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(ask(&sample(Kinds::OTHER_SECRET), CKA_CHECK_VALUE), bytes(*b""), "a cipher that we don't have");
}

#[test]
fn a_key_that_is_not_used_now_has_an_empty_check_value_and_broken_vaults_still_say_so() {
    let (object, _) = stored(1, sample(Kinds::AES).create().unwrap());
    let check_value = |error: fn() -> VaultError| match read(&object, CKA_CHECK_VALUE, true, &mut || Err(error()))? {
        Value::Bytes(bytes) => Ok(bytes.into_owned()),
        other => panic!("{other:?}"),
    };
    for refusal in
        [|| VaultError::Disabled, || VaultError::StateUnknown, || VaultError::Locked, || VaultError::Expired(0)]
    {
        assert_eq!(check_value(refusal), Ok(Vec::new()));
    }
    let broken = check_value(|| VaultError::Crypto(crate::crypto::CryptoError::Internal("broken")));
    assert_eq!(broken, Err(Rv(CKR_FUNCTION_FAILED)));
}

#[test]
fn a_vault_that_fails_to_give_a_secret_is_an_error_and_no_answer() {
    let open = sample(Kinds::AES).flag(CKA_SENSITIVE, false).flag(CKA_EXTRACTABLE, true).create().unwrap();
    let (object, _) = stored(1, open);
    let failed = read(&object, CKA_VALUE, true, &mut || Err(VaultError::Locked));
    assert_eq!(failed.unwrap_err(), Rv(CKR_USER_NOT_LOGGED_IN));
}

#[test]
fn public_numbers_follow_from_the_public_key() {
    let (rsa, ec) = (sample(Kinds::RSA_PUBLIC), sample(Kinds::EC_PRIVATE));
    assert_eq!(ask(&rsa, CKA_MODULUS_BITS), number(2048));
    assert_eq!(ask(&rsa, CKA_MODULUS), bytes(&*KEYS.rsa_numbers[0]));
    assert_eq!(ask(&rsa, CKA_PUBLIC_EXPONENT), bytes([1, 0, 1]));
    assert_eq!(ask(&rsa, CKA_PUBLIC_KEY_INFO), bytes(KEYS.rsa.public_key().spki()));
    assert_eq!(ask(&rsa, CKA_ID), bytes(KEYS.rsa.public_key().key_id()));
    assert_eq!(ask(&ec, CKA_EC_POINT), bytes(ec::wrap_point(KEYS.ec.public_key().value())));
    assert_eq!(ask(&ec, CKA_PUBLIC_KEY_INFO), bytes(KEYS.ec.public_key().spki()));
    let montgomery = sample(Kinds::MONTGOMERY_PRIVATE);
    assert_eq!(ask(&montgomery, CKA_EC_POINT), bytes(KEYS.montgomery.public_key().value()));
    let edwards = sample(Kinds::EDWARDS_PRIVATE);
    assert_eq!(ask(&edwards, CKA_EC_POINT), bytes(KEYS.edwards.public_key().value()));
}

#[test]
fn the_curve_reads_as_it_was_named() {
    for named in [&b"\x13\x0cedwards25519"[..], b"\x06\x03\x2b\x65\x70"] {
        let key = sample(Kinds::EDWARDS_PUBLIC).without(CKA_EC_PARAMS).with(CKA_EC_PARAMS, named);
        assert_eq!(ask(&key, CKA_EC_PARAMS), bytes(named));
        let public = Sample::default().with(CKA_EC_PARAMS, named);
        let pair =
            for_generated_pair(PairKind::Edwards, &public.template(), &Template::default(), &Rules::default()).unwrap();
        for half in [pair.public, pair.private] {
            let (object, _) = stored(1, half);
            let read = read(&object, CKA_EC_PARAMS, false, &mut || Err(VaultError::Locked)).unwrap();
            assert_eq!(read, bytes(named));
        }
    }
}

#[test]
fn a_certificate_is_read_from_its_value() {
    let certificate = sample(Kinds::X509);
    assert_eq!(ask(&certificate, CKA_SUBJECT), bytes(name("subject")));
    assert_eq!(ask(&certificate, CKA_ISSUER), bytes(name("issuer")));
    assert_eq!(ask(&certificate, CKA_SERIAL_NUMBER), bytes(SERIAL_NUMBER));
    assert_eq!(ask(&certificate, CKA_PUBLIC_KEY_INFO), bytes(KEYS.ec.public_key().spki()));
    assert_eq!(ask(&certificate, CKA_CHECK_VALUE), bytes(check_value(&certificate_der())));
    assert_eq!(ask(&certificate.with(CKA_CHECK_VALUE, *b""), CKA_CHECK_VALUE), bytes(*b""), "none was asked for");
}

#[test]
fn damaged_der_is_no_certificate() {
    let whole = certificate_der();
    for len in 0..whole.len() {
        assert_eq!(CertificateFields::of(&whole[..len]), None, "{len} bytes");
    }
    assert!(CertificateFields::of(&[&whole[..], &[0]].concat()).is_none());
    assert!(public_key::rsa(&whole).is_none() && public_key::bit_string(&[0x30, 0x80]).is_none());
}

#[test]
fn a_key_says_how_it_was_made() {
    let made = |algorithm, local| {
        let content = Content {
            local,
            key: Some(KeyDescription { algorithm, public: [].into() }),
            ..Content::new(Class::PrivateKey)
        };
        derived(&content, CKA_KEY_GEN_MECHANISM).unwrap().into_owned()
    };
    assert_eq!(made(KeyAlgorithm::Ed25519, true), CKM_EC_EDWARDS_KEY_PAIR_GEN.to_ne_bytes());
    assert_eq!(made(KeyAlgorithm::Rsa { bits: 2048 }, true), CKM_RSA_PKCS_KEY_PAIR_GEN.to_ne_bytes());
    assert_eq!(made(KeyAlgorithm::Rsa { bits: 2048 }, false), CK_UNAVAILABLE_INFORMATION.to_ne_bytes());
    assert_eq!(ask(&sample(Kinds::OTHER_SECRET), CKA_KEY_GEN_MECHANISM), number(CK_UNAVAILABLE_INFORMATION));
}

#[test]
fn secret_keys_say_how_long_they_are() {
    assert_eq!(ask(&sample(Kinds::AES), CKA_VALUE_LEN), number(32));
    assert_eq!(ask(&sample(Kinds::GENERIC), CKA_VALUE_LEN), number(7));
    assert_eq!(ask(&sample(Kinds::OTHER_SECRET), CKA_VALUE_LEN), number(24));
}

#[test]
fn place_and_unique_id_are_the_objects_own() {
    let (object, _) = stored(0xAB, sample(Kinds::DATA).create().unwrap());
    let answer = |attribute, token| read(&object, attribute, token, &mut || Err(VaultError::Locked)).unwrap();
    assert_eq!(answer(CKA_TOKEN, true), bytes([CK_TRUE]));
    assert_eq!(answer(CKA_TOKEN, false), bytes([CK_FALSE]));
    assert_eq!(answer(CKA_UNIQUE_ID, true), bytes(*b"000000000000000000000000000000ab"));
}

#[test]
fn private_data_shows_its_value_to_who_sees_it() {
    let private = sample(Kinds::DATA).with(CKA_VALUE, *b"secret").flag(CKA_PRIVATE, true);
    assert_eq!(ask(&private, CKA_VALUE), secret(b"secret"));
}

#[test]
fn mechanisms_are_restricted_only_by_a_list() {
    let allowed = |sample: Sample| sample.create().unwrap().draft.content;
    let listed = allowed(sample(Kinds::EC_PRIVATE).number(CKA_ALLOWED_MECHANISMS, CKM_ECDSA_SHA256));
    assert!(allows_mechanism(&listed, CKM_ECDSA_SHA256) && !allows_mechanism(&listed, CKM_ECDSA));
    assert!(allows_mechanism(&allowed(sample(Kinds::EC_PRIVATE)), CKM_ECDSA));
}

#[test]
fn an_object_is_at_least_as_big_as_what_is_in_it() {
    let small = stored(1, sample(Kinds::DATA).create().unwrap()).0;
    let value = vec![1; 1000];
    let public = stored(1, sample(Kinds::DATA).with(CKA_VALUE, &*value).create().unwrap()).0;
    let private = stored(1, sample(Kinds::DATA).with(CKA_VALUE, &*value).flag(CKA_PRIVATE, true).create().unwrap()).0;
    assert_eq!(size(&public), size(&small) + 1000);
    assert_eq!(size(&private), size(&small) + 1000);
}
