//! No mechanism is offered that isn't held against vectors.

use std::collections::BTreeSet;

use cryptoki_sys::*;

use crate::token;

/// Mechanisms by the file here that runs vectors with them.
const COVERED: &[(&str, &[CK_MECHANISM_TYPE])] = &[
    ("aes.rs, aes_files.rs, messages.rs", &[CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTR, CKM_AES_GCM]),
    ("agreement.rs, x963.rs", &[CKM_ECDH1_DERIVE, CKM_ECDH1_COFACTOR_DERIVE]),
    (
        "digests.rs",
        &[
            CKM_SHA_1,
            CKM_SHA224,
            CKM_SHA256,
            CKM_SHA384,
            CKM_SHA512,
            CKM_SHA512_224,
            CKM_SHA512_256,
            CKM_SHA512_T,
            CKM_SHA3_224,
            CKM_SHA3_256,
            CKM_SHA3_384,
            CKM_SHA3_512,
        ],
    ),
    (
        "ecdsa.rs, signature_files.rs",
        &[
            CKM_ECDSA,
            CKM_ECDSA_SHA1,
            CKM_ECDSA_SHA224,
            CKM_ECDSA_SHA256,
            CKM_ECDSA_SHA384,
            CKM_ECDSA_SHA512,
            CKM_ECDSA_SHA3_224,
            CKM_ECDSA_SHA3_256,
            CKM_ECDSA_SHA3_384,
            CKM_ECDSA_SHA3_512,
        ],
    ),
    ("eddsa.rs", &[CKM_EDDSA]),
    ("hkdf.rs", &[CKM_HKDF_DERIVE, CKM_HKDF_DATA]),
    ("key_wrap.rs", &[CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP]),
    (
        "mac.rs",
        &[
            CKM_AES_CMAC,
            CKM_AES_CMAC_GENERAL,
            CKM_SHA_1_HMAC,
            CKM_SHA_1_HMAC_GENERAL,
            CKM_SHA224_HMAC,
            CKM_SHA224_HMAC_GENERAL,
            CKM_SHA256_HMAC,
            CKM_SHA256_HMAC_GENERAL,
            CKM_SHA384_HMAC,
            CKM_SHA384_HMAC_GENERAL,
            CKM_SHA512_HMAC,
            CKM_SHA512_HMAC_GENERAL,
            CKM_SHA512_224_HMAC,
            CKM_SHA512_224_HMAC_GENERAL,
            CKM_SHA512_256_HMAC,
            CKM_SHA512_256_HMAC_GENERAL,
            CKM_SHA3_224_HMAC,
            CKM_SHA3_224_HMAC_GENERAL,
            CKM_SHA3_256_HMAC,
            CKM_SHA3_256_HMAC_GENERAL,
            CKM_SHA3_384_HMAC,
            CKM_SHA3_384_HMAC_GENERAL,
            CKM_SHA3_512_HMAC,
            CKM_SHA3_512_HMAC_GENERAL,
        ],
    ),
    (
        "rsa_signatures.rs, rsa_files.rs, signature_files.rs",
        &[
            CKM_RSA_PKCS,
            CKM_RSA_PKCS_PSS,
            CKM_RSA_X_509,
            CKM_SHA1_RSA_PKCS,
            CKM_SHA224_RSA_PKCS,
            CKM_SHA256_RSA_PKCS,
            CKM_SHA384_RSA_PKCS,
            CKM_SHA512_RSA_PKCS,
            CKM_SHA3_224_RSA_PKCS,
            CKM_SHA3_256_RSA_PKCS,
            CKM_SHA3_384_RSA_PKCS,
            CKM_SHA3_512_RSA_PKCS,
            CKM_SHA1_RSA_PKCS_PSS,
            CKM_SHA224_RSA_PKCS_PSS,
            CKM_SHA256_RSA_PKCS_PSS,
            CKM_SHA384_RSA_PKCS_PSS,
            CKM_SHA512_RSA_PKCS_PSS,
            CKM_SHA3_224_RSA_PKCS_PSS,
            CKM_SHA3_256_RSA_PKCS_PSS,
            CKM_SHA3_384_RSA_PKCS_PSS,
            CKM_SHA3_512_RSA_PKCS_PSS,
        ],
    ),
    ("rsa_encryption.rs, rsa_files.rs", &[CKM_RSA_PKCS_OAEP]),
    ("wrapped_keys.rs", &[CKM_RSA_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PKCS7]),
];

#[test]
fn every_mechanism_that_is_offered_is_run_with_vectors() {
    let covered: BTreeSet<_> = COVERED.iter().flat_map(|(_, mechanisms)| mechanisms.iter().copied()).collect();
    let token = token();
    let generates = |number: &CK_MECHANISM_TYPE| {
        let info = token.module.mechanism_info(token.slot, *number).unwrap();
        // What is generated is random: clients use it, and nobody says what must come out.
        info.flags & (CKF_GENERATE | CKF_GENERATE_KEY_PAIR) != 0
    };
    let offered = token.module.mechanisms(token.slot).unwrap();
    let offered: BTreeSet<_> = offered.into_iter().filter(|number| !generates(number)).collect();
    let differing: Vec<_> = offered.symmetric_difference(&covered).map(|number| format!("{number:#x}")).collect();
    assert!(differing.is_empty(), "offered without vectors, or not offered: {}", differing.join(", "));
}
