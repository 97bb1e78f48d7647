//! C_WrapKey and C_UnwrapKey, and the check value by which people compare keys on two sides.

use std::ptr::null_mut;

use cryptoki_sys::*;

use super::token::*;

#[test]
fn a_secret_key_comes_back_from_every_mechanism_that_wraps() {
    let token = Token::new();
    let wrapping = [(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE), (CKA_DECRYPT, FALSE)];
    let aes = token.aes(&[1; 32], &wrapping);
    let [public, private] = token.rsa();
    let (mut oaep, mut inner) = (oaep(), oaep());
    let mut rsa_aes = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 192, pOAEPParams: &mut inner };
    let by_aes = [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PKCS7];
    let mut ways: Vec<_> = by_aes.map(|number| (mechanism(number, &[]), aes, aes)).into();
    ways.push((mechanism(CKM_AES_CBC_PAD, IV), aes, aes));
    ways.push((mechanism(CKM_RSA_PKCS, &[]), public, private));
    ways.push((with_structure(CKM_RSA_PKCS_OAEP, &mut oaep), public, private));
    ways.push((with_structure(CKM_RSA_AES_KEY_WRAP, &mut rsa_aes), public, private));
    for store in [FALSE, TRUE] {
        let key = token.aes(&[9; 24], &[&[(CKA_TOKEN, store), (CKA_SENSITIVE, TRUE)], &OPEN[..1]].concat());
        for (by, with, back) in &ways {
            let wrapped = token.wrap(*by, *with, key).unwrap();
            assert!(!wrapped.windows(9).any(|bytes| bytes == [9; 9]));
            let given = [&[(CKA_TOKEN, store)], OPEN].concat();
            let again = token.unwrap(*by, *back, &wrapped, SECRET_AES, &given).unwrap();
            assert_eq!(token.read(again, CKA_VALUE).as_deref(), Ok(&[9; 24][..]), "{:#x}", by.mechanism);
            assert_eq!(token.read(again, CKA_LOCAL).as_deref(), Ok(FALSE));
            assert_eq!(token.read(again, CKA_NEVER_EXTRACTABLE).as_deref(), Ok(FALSE));
        }
    }
}

#[test]
fn private_keys_of_every_kind_leave_and_come_back() {
    let token = Token::new();
    let aes = token.aes(&[1; 32], &[(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE)]);
    let [rsa_public, rsa_private] = token.rsa();
    let mut inner = oaep();
    let mut rsa_aes = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: &mut inner };
    let ways = [
        (mechanism(CKM_AES_KEY_WRAP_KWP, &[]), aes, aes),
        (mechanism(CKM_AES_CBC_PAD, IV), aes, aes),
        (with_structure(CKM_RSA_AES_KEY_WRAP, &mut rsa_aes), rsa_public, rsa_private),
    ];
    let bits = 2048u64.to_ne_bytes();
    let kinds: [(_, _, Given); 4] = [
        (CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, &[(CKA_MODULUS_BITS, &bits)]),
        (CKM_EC_KEY_PAIR_GEN, CKK_EC, &[(CKA_EC_PARAMS, P256)]),
        (CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, &[(CKA_EC_PARAMS, &[6, 3, 0x2B, 0x65, 0x70])]),
        (CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY, &[(CKA_EC_PARAMS, X25519)]),
    ];
    for (generation, key_type, public) in kinds {
        let [_, private] = token.pair(generation, public, &[(CKA_EXTRACTABLE, TRUE), (CKA_TOKEN, TRUE)]);
        for (by, with, back) in ways {
            let wrapped = token.wrap(by, with, private).unwrap();
            let again = token.unwrap(by, back, &wrapped, (CKO_PRIVATE_KEY, key_type), &[]).unwrap();
            for same in [CKA_PUBLIC_KEY_INFO, CKA_ID] {
                assert_eq!(token.read(again, same), token.read(private, same), "{key_type:#x}");
            }
            let wrong = (CKO_PRIVATE_KEY, if key_type == CKK_EC { CKK_RSA } else { CKK_EC });
            assert_eq!(token.unwrap(by, back, &wrapped, wrong, &[]), Err(CKR_WRAPPED_KEY_INVALID));
        }
        let pkcs1 = mechanism(CKM_RSA_PKCS, &[]);
        assert_eq!(token.wrap(pkcs1, rsa_public, private), Err(CKR_KEY_NOT_WRAPPABLE));
    }
}

#[test]
fn only_what_may_leave_leaves_and_only_by_a_key_that_may_wrap() {
    let token = Token::new();
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let wrapping = token.aes(&[1; 16], &[(CKA_WRAP, TRUE)]);
    let key = token.aes(&[2; 16], OPEN);
    let kept = token.aes(&[3; 16], &[]);
    let [public, private] = token.rsa();
    assert_eq!(token.wrap(by(), wrapping, kept), Err(CKR_KEY_UNEXTRACTABLE));
    assert_eq!(token.wrap(by(), key, key), Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
    assert_eq!(token.wrap(by(), 0x77, key), Err(CKR_WRAPPING_KEY_HANDLE_INVALID));
    assert_eq!(token.wrap(by(), public, key), Err(CKR_WRAPPING_KEY_TYPE_INCONSISTENT));
    assert_eq!(token.wrap(mechanism(CKM_RSA_PKCS, &[]), private, key), Err(CKR_WRAPPING_KEY_TYPE_INCONSISTENT));
    assert_eq!(token.wrap(by(), wrapping, 0x77), Err(CKR_KEY_HANDLE_INVALID));
    assert_eq!(token.wrap(by(), wrapping, public), Err(CKR_KEY_NOT_WRAPPABLE));
    assert_eq!(token.wrap(mechanism(CKM_AES_ECB, &[]), wrapping, key), Err(CKR_MECHANISM_INVALID));
    assert_eq!(token.wrap(mechanism(CKM_AES_CBC_PAD, &[1]), wrapping, key), Err(CKR_MECHANISM_PARAM_INVALID));
    let long = token.generic(&[5; 300], OPEN);
    assert_eq!(token.wrap(mechanism(CKM_RSA_PKCS, &[]), public, long), Err(CKR_KEY_SIZE_RANGE));
    let odd = token.generic(&[5; 17], OPEN);
    assert_eq!(token.wrap(mechanism(CKM_AES_KEY_WRAP, &[]), wrapping, odd), Err(CKR_KEY_SIZE_RANGE));
    assert!(token.wrap(by(), wrapping, odd).is_ok());
}

#[test]
fn a_short_rsa_key_checks_signatures_and_does_nothing_else() {
    let token = Token::new();
    let mut modulus = [0xC5; 128];
    modulus[127] = 1;
    let usages = [CKA_ENCRYPT, CKA_WRAP, CKA_VERIFY, CKA_VERIFY_RECOVER].map(|usage| (usage, TRUE));
    let number = [(CKA_MODULUS, &modulus[..]), (CKA_PUBLIC_EXPONENT, &[1, 0, 1])];
    let short = token.create(CKO_PUBLIC_KEY, CKK_RSA, &[&usages[..], &number].concat()).unwrap();
    let key = token.aes(&[2; 16], OPEN);
    let mut oaep = oaep();
    for mut by in [mechanism(CKM_RSA_PKCS, &[]), with_structure(CKM_RSA_PKCS_OAEP, &mut oaep)] {
        assert_eq!(token.wrap(by, short, key), Err(CKR_WRAPPING_KEY_SIZE_RANGE));
        assert_eq!(call!(token, C_EncryptInit(token.session, &mut by, short)), Err(CKR_KEY_SIZE_RANGE));
    }
    let mut checked = mechanism(CKM_RSA_PKCS, &[]);
    assert_eq!(call!(token, C_VerifyInit(token.session, &mut checked, short)), Ok(()));
    assert_eq!(call!(token, C_VerifyInit(token.session, null_mut(), 0)), Ok(()), "cancelled");
    assert_eq!(call!(token, C_VerifyRecoverInit(token.session, &mut checked, short)), Ok(()));
}

#[test]
fn a_key_that_wants_a_trusted_wrapping_key_gets_one_from_the_officer_only() {
    let token = Token::new();
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let given = [(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE), (CKA_TOKEN, TRUE), (CKA_PRIVATE, FALSE)];
    let wrapping = token.aes(&[1; 16], &given);
    let key = |token: &Token| token.aes(&[2; 16], &[OPEN, &[(CKA_WRAP_WITH_TRUSTED, TRUE)]].concat());
    assert_eq!(token.wrap(by(), wrapping, key(&token)), Err(CKR_KEY_NOT_WRAPPABLE));
    assert_eq!(token.set(wrapping, &[(CKA_TRUSTED, TRUE)]), Err(CKR_ATTRIBUTE_READ_ONLY));
    token.change_user(CKU_SO, SO_PIN);
    token.set(wrapping, &[(CKA_TRUSTED, TRUE)]).unwrap();
    token.change_user(CKU_USER, PIN);
    let wrapped = token.wrap(by(), wrapping, key(&token)).unwrap();
    let back = |given| token.unwrap(by(), wrapping, &wrapped, SECRET_AES, given);
    assert_eq!(back(OPEN), Err(CKR_TEMPLATE_INCONSISTENT));
    assert_eq!(back(&[(CKA_WRAP_WITH_TRUSTED, FALSE)]), Err(CKR_TEMPLATE_INCONSISTENT));
    let back = back(&[]).unwrap();
    assert_eq!(token.read(back, CKA_VALUE), Err(CKR_ATTRIBUTE_SENSITIVE));
    assert_eq!(token.wrap(by(), token.aes(&[3; 16], &[(CKA_WRAP, TRUE)]), back), Err(CKR_KEY_NOT_WRAPPABLE));
    assert_eq!(token.set(wrapping, &[(CKA_DECRYPT, TRUE)]), Err(CKR_ATTRIBUTE_READ_ONLY));
}

#[test]
fn templates_of_the_wrapping_key_say_what_it_wraps_and_what_comes_in() {
    let token = Token::new();
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let wanted = attributes(&[(CKA_LABEL, b"let out")]);
    let imposed = attributes(&[(CKA_EXTRACTABLE, FALSE), (CKA_SENSITIVE, TRUE)]);
    let templates = [(CKA_WRAP_TEMPLATE, array(&wanted)), (CKA_UNWRAP_TEMPLATE, array(&imposed))];
    let given = [&[(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE)], &templates[..]].concat();
    let wrapping = token.aes(&[1; 16], &given);
    let other = token.aes(&[2; 16], &[OPEN, &[(CKA_LABEL, b"keep")]].concat());
    assert_eq!(token.wrap(by(), wrapping, other), Err(CKR_KEY_HANDLE_INVALID));
    let key = token.aes(&[2; 16], &[OPEN, &[(CKA_LABEL, b"let out")]].concat());
    let wrapped = token.wrap(by(), wrapping, key).unwrap();
    assert_eq!(token.unwrap(by(), wrapping, &wrapped, SECRET_AES, OPEN), Err(CKR_TEMPLATE_INCONSISTENT));
    let back = token.unwrap(by(), wrapping, &wrapped, SECRET_AES, &[]).unwrap();
    assert_eq!(token.read(back, CKA_EXTRACTABLE).as_deref(), Ok(FALSE));
    assert_eq!(token.read(back, CKA_VALUE), Err(CKR_ATTRIBUTE_SENSITIVE));
}

#[test]
fn damage_to_a_wrapped_key_is_found_and_named() {
    let token = Token::new();
    let aes = token.aes(&[1; 16], &[(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE)]);
    let key = token.aes(&[2; 16], OPEN);
    for number in [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PKCS7] {
        let by = || mechanism(number, &[]);
        let mut wrapped = token.wrap(by(), aes, key).unwrap();
        let unwrap = |wrapped: &[u8]| token.unwrap(by(), aes, wrapped, SECRET_AES, &[]);
        assert_eq!(unwrap(&wrapped[1..]), Err(CKR_WRAPPED_KEY_LEN_RANGE), "{number:#x}");
        assert_eq!(unwrap(&[]), Err(CKR_WRAPPED_KEY_LEN_RANGE));
        wrapped[3] ^= 1;
        assert_eq!(unwrap(&wrapped), Err(CKR_WRAPPED_KEY_INVALID), "{number:#x}");
    }
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let wrapped = token.wrap(by(), aes, token.generic(&[2; 20], OPEN)).unwrap();
    assert_eq!(token.unwrap(by(), aes, &wrapped, SECRET_AES, &[]), Err(CKR_WRAPPED_KEY_LEN_RANGE));
    let [_, private] = token.rsa();
    let wrong_type = token.unwrap(by(), private, &wrapped, SECRET_AES, &[]);
    assert_eq!(wrong_type, Err(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT));
    assert_eq!(token.unwrap(by(), 0x77, &wrapped, SECRET_AES, &[]), Err(CKR_UNWRAPPING_KEY_HANDLE_INVALID));
    assert_eq!(token.unwrap(by(), key, &wrapped, SECRET_AES, &[]), Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
}

#[test]
fn pkcs1_padding_that_is_wrong_unwraps_to_some_key_and_never_tells() {
    let token = Token::new();
    let [_, private] = token.rsa();
    let by = || mechanism(CKM_RSA_PKCS, &[]);
    let garbage = [0x11; 256];
    let first = token.unwrap(by(), private, &garbage, SECRET_GENERIC, OPEN);
    let Ok(first) = first else { return assert_eq!(first, Err(CKR_WRAPPED_KEY_LEN_RANGE)) };
    let second = token.unwrap(by(), private, &garbage, SECRET_GENERIC, OPEN).unwrap();
    assert_eq!(token.read(first, CKA_VALUE), token.read(second, CKA_VALUE));
    assert_eq!(token.unwrap(by(), private, &garbage[1..], SECRET_GENERIC, &[]), Err(CKR_WRAPPED_KEY_LEN_RANGE));
}

#[test]
fn a_check_value_is_the_same_wherever_the_key_lies_and_can_be_given_up() {
    let token = Token::new();
    let zero = token.aes(&[0; 16], &[(CKA_CHECK_VALUE, &[0x66, 0xE9, 0x4B]), (CKA_TOKEN, TRUE)]);
    assert_eq!(token.read(zero, CKA_CHECK_VALUE).as_deref(), Ok(&[0x66, 0xE9, 0x4B][..]));
    let wrong = [(CKA_VALUE, &[0; 16][..]), (CKA_CHECK_VALUE, &[1, 2, 3])];
    assert_eq!(token.create(CKO_SECRET_KEY, CKK_AES, &wrong), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(token.set(zero, &[(CKA_CHECK_VALUE, &[1, 2, 3])]), Err(CKR_ATTRIBUTE_READ_ONLY));
    token.set(zero, &[(CKA_CHECK_VALUE, &[])]).unwrap();
    assert_eq!(token.read(zero, CKA_CHECK_VALUE).as_deref(), Ok(&[][..]));
    let (mut by, length, mut made) = (mechanism(CKM_AES_KEY_GEN, &[]), 32u64.to_ne_bytes(), 0);
    let mut template = attributes(&[(CKA_VALUE_LEN, &length), (CKA_TOKEN, TRUE)]);
    call!(token, C_GenerateKey(token.session, &mut by, template.as_mut_ptr(), 2, &mut made)).unwrap();
    assert_eq!(token.read(made, CKA_CHECK_VALUE).unwrap().len(), 3);
}
