//! C_DeriveKey.

use cryptoki_sys::*;

use super::token::*;

#[test]
fn both_sides_agree_on_a_secret_whatever_the_curve_and_the_encoding_of_the_point() {
    let token = Token::new();
    for (generation, curve) in [(CKM_EC_KEY_PAIR_GEN, P256), (CKM_EC_MONTGOMERY_KEY_PAIR_GEN, X25519)] {
        let pair = || token.pair(generation, &[(CKA_EC_PARAMS, curve)], &[(CKA_DERIVE, TRUE)]);
        let ([one_public, one], [other_public, other]) = (pair(), pair());
        let read = |point: &[u8], kdf, private, more: Given| {
            let mut parameter = ecdh(kdf, point);
            let by = with_structure(CKM_ECDH1_DERIVE, &mut parameter);
            let key = token.derive(by, private, &[OPEN, more].concat())?;
            token.read(key, CKA_VALUE)
        };
        let (one_point, other_point) = (token.point(one_public), token.point(other_public));
        let whole = read(&other_point, CKD_NULL, one, &[]).unwrap();
        assert_eq!(whole.len(), 32);
        assert_eq!(read(&one_point, CKD_NULL, other, &[]).as_ref(), Ok(&whole));
        let short = 20u64.to_ne_bytes();
        let last = read(&other_point, CKD_NULL, one, &[(CKA_VALUE_LEN, &short)]).unwrap();
        assert_eq!(last, whole[12..], "bytes are removed from the leading end");
        let twisted = match curve {
            P256 => other_point[2..].to_vec(),
            _ => [&[4, 32], &other_point[..]].concat(),
        };
        assert_eq!(read(&twisted, CKD_NULL, one, &[]).as_ref(), Ok(&whole), "bare or wrapped");
        let long = 77u64.to_ne_bytes();
        let derived = read(&other_point, CKD_SHA256_KDF, one, &[(CKA_VALUE_LEN, &long)]).unwrap();
        assert_eq!(read(&one_point, CKD_SHA256_KDF, other, &[(CKA_VALUE_LEN, &long)]), Ok(derived));
        assert_eq!(read(&other_point, CKD_SHA256_KDF, one, &[]), Err(CKR_TEMPLATE_INCOMPLETE));
        assert_eq!(read(&other_point, CKD_NULL, one, &[(CKA_VALUE_LEN, &long)]), Err(CKR_ATTRIBUTE_VALUE_INVALID));
        let mut off = other_point.clone();
        *off.last_mut().unwrap() ^= 1;
        if curve == P256 {
            assert_eq!(read(&off, CKD_NULL, one, &[]), Err(CKR_MECHANISM_PARAM_INVALID));
        }
        let zero = vec![0; off.len()];
        assert_eq!(read(&zero, CKD_NULL, one, &[]), Err(CKR_MECHANISM_PARAM_INVALID), "no secret at all");
        assert_eq!(read(&[], CKD_NULL, one, &[]), Err(CKR_MECHANISM_PARAM_INVALID));
        assert_eq!(read(&other_point, CKD_NULL, one_public, &[]), Err(CKR_KEY_TYPE_INCONSISTENT));
    }
}

#[test]
fn an_agreed_secret_becomes_the_longest_aes_key_that_fits() {
    let token = Token::new();
    let [public, private] = token.pair(CKM_EC_KEY_PAIR_GEN, &[(CKA_EC_PARAMS, P256)], &[(CKA_DERIVE, TRUE)]);
    let (point, key_type) = (token.point(public), CKK_AES.to_ne_bytes());
    let mut parameter = ecdh(CKD_NULL, &point);
    let key = token.derive(with_structure(CKM_ECDH1_DERIVE, &mut parameter), private, &[(CKA_KEY_TYPE, &key_type)]);
    assert_eq!(token.read(key.unwrap(), CKA_VALUE_LEN).as_deref(), Ok(&32u64.to_ne_bytes()[..]));
    let (by, ten) = (with_structure(CKM_ECDH1_DERIVE, &mut parameter), 10u64.to_ne_bytes());
    assert_eq!(token.derive(by, private, &[(CKA_VALUE_LEN, &ten)]), Err(CKR_KEY_SIZE_RANGE), "could be tried out");
    let guarded = token.derive(by, private, &[(CKA_TOKEN, TRUE)]).unwrap();
    for (attribute, value) in [(CKA_ALWAYS_SENSITIVE, TRUE), (CKA_NEVER_EXTRACTABLE, TRUE), (CKA_LOCAL, FALSE)] {
        assert_eq!(token.read(guarded, attribute).as_deref(), Ok(value));
    }
}

#[test]
fn a_key_that_asks_for_the_pin_at_each_use_neither_derives_nor_unwraps() {
    let token = Token::new();
    let given = [(CKA_DERIVE, TRUE), (CKA_ALWAYS_AUTHENTICATE, TRUE)];
    let [public, private] = token.pair(CKM_EC_KEY_PAIR_GEN, &[(CKA_EC_PARAMS, P256)], &given);
    let point = token.point(public);
    let mut parameter = ecdh(CKD_NULL, &point);
    let derived = token.derive(with_structure(CKM_ECDH1_DERIVE, &mut parameter), private, &[]);
    assert_eq!(derived, Err(CKR_USER_NOT_LOGGED_IN));
    let bits = 2048u64.to_ne_bytes();
    let [_, rsa] = token.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &[(CKA_MODULUS_BITS, &bits)], &given[1..]);
    let unwrapped = token.unwrap(mechanism(CKM_RSA_PKCS, &[]), rsa, &[1; 256], SECRET_GENERIC, &[]);
    assert_eq!(unwrapped, Err(CKR_USER_NOT_LOGGED_IN));
}

/// RFC 5869, test case 1.
#[test]
fn hkdf_computes_what_its_rfc_says_in_one_step_and_in_two() {
    let token = Token::new();
    let salt: Vec<u8> = (0..13).collect();
    let info: Vec<u8> = (0xF0..0xFA).collect();
    let base = token.generic(&[0x0B; 22], &[OPEN, &[(CKA_DERIVE, TRUE)]].concat());
    let salt_key = token.generic(&salt, &[OPEN, &[(CKA_DERIVE, TRUE)]].concat());
    let okm = hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    let len = 42u64.to_ne_bytes();
    let value = |number, stages, base, salt: Result<CK_OBJECT_HANDLE, &[u8]>, more: Given| {
        let mut parameter = hkdf(stages, &info);
        match salt {
            Ok(key) => (parameter.ulSaltType, parameter.hSaltKey) = (CKF_HKDF_SALT_KEY, key),
            Err(salt) => {
                (parameter.ulSaltType, parameter.ulSaltLen) = (CKF_HKDF_SALT_DATA, self::len(salt));
                parameter.pSalt = bytes(salt);
            }
        }
        token.derive(with_structure(number, &mut parameter), base, more)
    };
    let key_of_42 = [OPEN, &[(CKA_VALUE_LEN, &len)]].concat();
    for (salt, store) in [(Err(&salt[..]), FALSE), (Ok(salt_key), TRUE)] {
        let key = value(CKM_HKDF_DERIVE, (true, true), base, salt, &key_of_42).unwrap();
        assert_eq!(token.read(key, CKA_VALUE).as_ref(), Ok(&okm));
        let data = value(CKM_HKDF_DATA, (true, true), base, salt, &[(CKA_VALUE_LEN, &len)]).unwrap();
        assert_eq!(token.read(data, CKA_VALUE).as_ref(), Ok(&okm));
        assert_eq!(token.read(data, CKA_CLASS).as_deref(), Ok(&CKO_DATA.to_ne_bytes()[..]));
        let hkdf_type = CKK_HKDF.to_ne_bytes();
        let extracted = [OPEN, &[(CKA_KEY_TYPE, &hkdf_type), (CKA_TOKEN, store)]].concat();
        let extracted = value(CKM_HKDF_DERIVE, (true, false), base, salt, &extracted).unwrap();
        let key = value(CKM_HKDF_DERIVE, (false, true), extracted, salt, &key_of_42).unwrap();
        assert_eq!(token.read(key, CKA_VALUE).as_ref(), Ok(&okm));
    }
    let missing = value(CKM_HKDF_DERIVE, (true, true), base, Err(&salt), OPEN);
    assert_eq!(missing, Err(CKR_TEMPLATE_INCOMPLETE));
    let too_long = 8161u64.to_ne_bytes();
    let too_long = value(CKM_HKDF_DERIVE, (false, true), base, Err(&[]), &[(CKA_VALUE_LEN, &too_long)]);
    assert_eq!(too_long, Err(CKR_ATTRIBUTE_VALUE_INVALID));
}

#[test]
fn a_guarded_secret_gives_keys_but_no_data_and_a_salt_is_guarded_like_a_base() {
    let token = Token::new();
    let closed = attributes(&[(CKA_EXTRACTABLE, FALSE), (CKA_SENSITIVE, TRUE)]);
    let rule = [(CKA_DERIVE, TRUE), (CKA_DERIVE_TEMPLATE, array(&closed))];
    let guarded = token.generic(&[0x0B; 32], &rule);
    let known = token.generic(b"info\x01", &[OPEN, &[(CKA_DERIVE, TRUE)]].concat());
    let len = 32u64.to_ne_bytes();
    let mut expand = hkdf((false, true), b"info");
    let key_of_32 = [(CKA_VALUE_LEN, &len[..])];
    let data = token.derive(with_structure(CKM_HKDF_DATA, &mut expand), guarded, &key_of_32);
    assert_eq!(data, Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
    let key = token.derive(with_structure(CKM_HKDF_DERIVE, &mut expand), guarded, &key_of_32).unwrap();
    assert_eq!(token.read(key, CKA_VALUE), Err(CKR_ATTRIBUTE_SENSITIVE));
    assert_eq!(token.read(key, CKA_EXTRACTABLE).as_deref(), Ok(FALSE));
    // HMAC(guarded, "info" 01), which is the same key, by the other way round.
    let mut extract = hkdf((true, false), b"");
    (extract.ulSaltType, extract.hSaltKey) = (CKF_HKDF_SALT_KEY, guarded);
    let swapped = |number, given: Given| token.derive(with_structure(number, &mut extract.clone()), known, given);
    assert_eq!(swapped(CKM_HKDF_DERIVE, OPEN), Err(CKR_TEMPLATE_INCONSISTENT));
    assert_eq!(swapped(CKM_HKDF_DATA, &[]), Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
    let swapped = swapped(CKM_HKDF_DERIVE, &[]).unwrap();
    assert_eq!(token.read(swapped, CKA_CHECK_VALUE), token.read(key, CKA_CHECK_VALUE), "it is the same indeed");
    assert_eq!(token.read(swapped, CKA_VALUE), Err(CKR_ATTRIBUTE_SENSITIVE));
    // Without CKA_DERIVE it isn't a salt either.
    let (mut extract, mac_only) = (hkdf((true, false), b""), token.generic(&[1; 32], &[]));
    (extract.ulSaltType, extract.hSaltKey) = (CKF_HKDF_SALT_KEY, mac_only);
    let refused = token.derive(with_structure(CKM_HKDF_DERIVE, &mut extract), known, &[]);
    assert_eq!(refused, Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
