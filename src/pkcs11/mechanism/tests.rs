use super::*;
use crate::crypto::Curve;

fn pss(hash: CK_ULONG, mgf: CK_ULONG, salt: CK_ULONG) -> Vec<u8> {
    [hash, mgf, salt].iter().flat_map(|number| number.to_ne_bytes()).collect()
}

const KEY: KeyAlgorithm = KeyAlgorithm::Rsa { bits: 2048 };

#[test]
fn every_number_stands_once_in_the_table() {
    for mechanism in table() {
        assert_eq!(table().filter(|other| other.number == mechanism.number).count(), 1, "{}", mechanism.name);
        assert_eq!(find(mechanism.number).map(|found| found.name), Ok(mechanism.name));
    }
}

#[test]
fn a_salt_may_fill_the_modulus_and_no_more() {
    let request = |salt| {
        let parameter = pss(CKM_SHA256, CKG_MGF1_SHA1, salt);
        Request { number: CKM_RSA_PKCS_PSS, parameter: Parameter::Plain(&parameter) }.sign_plan(CKF_SIGN, KEY)
    };
    let scheme = SignScheme::RsaPss { digest: DigestAlgorithm::Sha256, mgf: DigestAlgorithm::Sha1, salt_len: 222 };
    assert_eq!(request(222), Ok(SignPlan::Signature(SignaturePlan { digest: None, scheme })));
    assert_eq!(request(223), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
    assert_eq!(request(CK_ULONG::MAX), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
}

#[test]
fn the_hash_of_a_hashing_mechanism_and_of_its_parameter_are_the_same() {
    let parameter = pss(CKM_SHA384, CKG_MGF1_SHA384, 48);
    let request = Request { number: CKM_SHA256_RSA_PKCS_PSS, parameter: Parameter::Plain(&parameter) };
    assert_eq!(request.sign_plan(CKF_SIGN, KEY), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
}

#[test]
fn a_key_of_another_kind_is_inconsistent() {
    let request = Request { number: CKM_ECDSA, parameter: Parameter::Plain(&[]) };
    assert_eq!(request.sign_plan(CKF_SIGN, KEY), Err(Rv(CKR_KEY_TYPE_INCONSISTENT)));
    assert!(request.sign_plan(CKF_SIGN, KeyAlgorithm::Ec(Curve::P256)).is_ok());
    assert_eq!(request.digest(), Err(Rv(CKR_MECHANISM_INVALID)));
}

#[test]
fn a_key_for_one_hmac_is_for_no_other_and_one_for_hkdf_makes_no_macs() {
    let named = |key_type: CK_KEY_TYPE| KeyAlgorithm::Other(key_type as u32);
    let inconsistent = Err(Rv(CKR_KEY_TYPE_INCONSISTENT));
    let is_hmac = |mechanism: &&Mechanism| matches!(mechanism.services, [Service::Mac(MacScheme::Hmac(_), _)]);
    for mechanism in table().filter(is_hmac) {
        let fitting = HMAC_KEY_TYPES.iter().filter(|(own, _)| mechanism.check_key(CKF_SIGN, named(*own)).is_ok());
        assert_eq!(fitting.count(), 1, "{}", mechanism.name);
        assert_eq!(mechanism.check_key(CKF_VERIFY, named(CKK_HKDF)), inconsistent);
        assert_eq!(mechanism.check_key(CKF_SIGN, KeyAlgorithm::Generic { bytes: 16 }), Ok(()));
    }
    let plan = |number, key_type| {
        Request { number, parameter: Parameter::Plain(&[]) }.sign_plan(CKF_VERIFY, named(key_type)).map(drop)
    };
    assert_eq!(plan(CKM_SHA256_HMAC, CKK_SHA256_HMAC), Ok(()));
    assert_eq!(plan(CKM_SHA384_HMAC, CKK_SHA256_HMAC), inconsistent);
    let hkdf = find(CKM_HKDF_DERIVE).unwrap();
    assert_eq!(hkdf.check_key(CKF_DERIVE, named(CKK_HKDF)), Ok(()));
    assert_eq!(hkdf.check_key(CKF_DERIVE, named(CKK_SHA256_HMAC)), inconsistent);
}

#[test]
fn a_mac_is_cut_to_four_bytes_and_no_further() {
    for (number, key, longest) in [
        (CKM_SHA256_HMAC_GENERAL, KeyAlgorithm::Generic { bytes: 16 }, 32),
        (CKM_AES_CMAC_GENERAL, KeyAlgorithm::Aes { bits: 128 }, 16),
    ] {
        let cut = |len: CK_ULONG| {
            let parameter = len.to_ne_bytes();
            Request { number, parameter: Parameter::Plain(&parameter) }.sign_plan(CKF_VERIFY, key)
        };
        for fits in [4, 5, longest] {
            assert!(matches!(cut(fits), Ok(SignPlan::Mac(_, len)) if len as CK_ULONG == fits));
        }
        for wrong in [0, 1, 2, 3, longest + 1] {
            assert_eq!(cut(wrong), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
        }
    }
}

#[test]
fn keys_outside_of_a_lines_sizes_are_refused_but_short_rsa_keys_still_check_signatures() {
    let range = Err(Rv(CKR_KEY_SIZE_RANGE));
    let rsa = |function, bits| find(CKM_RSA_PKCS).unwrap().check_key(function, KeyAlgorithm::Rsa { bits });
    for function in [CKF_SIGN, CKF_ENCRYPT, CKF_DECRYPT, CKF_WRAP, CKF_UNWRAP, CKF_SIGN_RECOVER] {
        assert_eq!((rsa(function, 1024), rsa(function, 2048), rsa(function, 8193)), (range, Ok(()), range));
    }
    for function in [CKF_VERIFY, CKF_VERIFY_RECOVER] {
        assert_eq!((rsa(function, 1024), rsa(function, 8192), rsa(function, 8193)), (Ok(()), Ok(()), range));
    }
    let hmac = |bytes| find(CKM_SHA256_HMAC).unwrap().check_key(CKF_VERIFY, KeyAlgorithm::Generic { bytes });
    assert_eq!((hmac(0), hmac(1), hmac(8192), hmac(8193)), (range, Ok(()), Ok(()), range));
    let ecdsa = find(CKM_ECDSA).unwrap();
    for curve in [Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1] {
        assert_eq!(ecdsa.check_key(CKF_SIGN, KeyAlgorithm::Ec(curve)), Ok(()));
    }
}

#[test]
fn parameters_where_none_belong_are_refused() {
    let request = Request { number: CKM_RSA_PKCS, parameter: Parameter::Plain(&[0]) };
    assert_eq!(request.sign_plan(CKF_SIGN, KEY), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
}

#[test]
fn an_edwards_key_takes_empty_parameters_and_no_context() {
    let mut parameter = vec![0; size_of::<CK_EDDSA_PARAMS>()];
    let plan = |parameter: &[u8]| {
        let parameter = Parameter::Plain(parameter);
        Request { number: CKM_EDDSA, parameter }.sign_plan(CKF_SIGN, KeyAlgorithm::Ed25519)
    };
    assert!(plan(&[]).is_ok());
    assert!(plan(&parameter).is_ok());
    parameter[0] = CK_TRUE;
    assert_eq!(plan(&parameter), Err(Rv(CKR_MECHANISM_PARAM_INVALID)));
}
