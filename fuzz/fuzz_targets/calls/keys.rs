//! The keys that every sequence begins with: at least one of each type, with the uses that it can have, some that may
//! leave and some that may not.

use cryptoki_sys::*;

use crate::attributes::{Template, boolean, bytes, number};

/// Keys that fit the same mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Without,
    Rsa,
    Ec,
    Edwards,
    Montgomery,
    Aes,
    AesWrap,
    Mac,
    Hkdf,
}
use Family::*;

/// How a key is made.
pub enum Make {
    /// `C_GenerateKey`
    Secret(CK_MECHANISM_TYPE, Template),
    /// `C_GenerateKeyPair`: public, private
    Pair(CK_MECHANISM_TYPE, Template, Template),
    /// `C_CreateObject`
    Create(Template),
}

pub const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
pub const P384: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];
pub const P521: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23];
pub const K256: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A];
pub const ED25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x70];
pub const X25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x6E];

const PUBLIC_USES: &[CK_ATTRIBUTE_TYPE] = &[CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP];
const PRIVATE_USES: &[CK_ATTRIBUTE_TYPE] = &[CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP];
const CIPHER: &[CK_ATTRIBUTE_TYPE] = &[CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_DERIVE];

/// Every start key, in the order in which they are made; a pair's private half comes first. The RSA key's parts are handed
/// in, because generating one each time would take the time of a hundred sequences.
pub fn start_keys(rsa: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)]) -> Vec<(Family, Make)> {
    let mut keys = vec![
        (Rsa, Make::Create(rsa_private(rsa, false, &[]))),
        (Rsa, Make::Create(rsa_public(rsa))),
        (Rsa, Make::Create(rsa_private(rsa, true, &[boolean(CKA_WRAP_WITH_TRUSTED, true)]))),
        (Rsa, Make::Create(rsa_private(rsa, false, &[boolean(CKA_ALWAYS_AUTHENTICATE, true)]))),
    ];
    for curve in [P256, P384, P521, K256] {
        keys.push((Ec, pair(CKM_EC_KEY_PAIR_GEN, curve, &[CKA_SIGN, CKA_DERIVE])));
    }
    keys.push((Edwards, pair(CKM_EC_EDWARDS_KEY_PAIR_GEN, ED25519, &[CKA_SIGN])));
    keys.push((Montgomery, pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, X25519, &[CKA_DERIVE])));
    for len in [32, 16, 24] {
        keys.push((Aes, secret(CKM_AES_KEY_GEN, len, CIPHER, &[boolean(CKA_EXTRACTABLE, len == 32)])));
        keys.push((AesWrap, secret(CKM_AES_KEY_GEN, len, &[CKA_WRAP, CKA_UNWRAP], &[])));
    }
    let shown = [boolean(CKA_EXTRACTABLE, true), boolean(CKA_SENSITIVE, false)];
    for len in [32, 20, 64, 5, 200] {
        keys.push((Mac, secret(CKM_GENERIC_SECRET_KEY_GEN, len, &[CKA_SIGN, CKA_VERIFY, CKA_DERIVE], &shown)));
    }
    keys.push((Mac, Make::Create(stored_secret(CKK_SHA256_HMAC))));
    keys.push((Hkdf, Make::Create(stored_secret(CKK_HKDF))));
    keys.push((Hkdf, secret(CKM_GENERIC_SECRET_KEY_GEN, 32, &[CKA_DERIVE], &[])));
    keys.extend(with_templates());
    for private in [false, true] {
        keys.push((Without, Make::Create(data(private))));
    }
    keys
}

/// Keys that say what may be wrapped, unwrapped or derived with them, and what they may be used with.
fn with_templates() -> Vec<(Family, Make)> {
    let extractable = crate::attributes::array(&[boolean(CKA_EXTRACTABLE, true)]);
    let private = crate::attributes::array(&[boolean(CKA_SENSITIVE, true), number(CKA_KEY_TYPE, CKK_AES)]);
    let allowed = bytes(CKA_ALLOWED_MECHANISMS, [CKM_AES_GCM, CKM_EXTRACT_KEY_FROM_KEY].map(u64::to_ne_bytes).concat());
    vec![
        (
            AesWrap,
            secret(
                CKM_AES_KEY_GEN,
                32,
                &[CKA_WRAP, CKA_UNWRAP],
                &[(CKA_WRAP_TEMPLATE, extractable), (CKA_UNWRAP_TEMPLATE, private.clone())],
            ),
        ),
        (Hkdf, secret(CKM_GENERIC_SECRET_KEY_GEN, 32, &[CKA_DERIVE], &[(CKA_DERIVE_TEMPLATE, private)])),
        (Aes, secret(CKM_AES_KEY_GEN, 16, CIPHER, &[allowed, boolean(CKA_MODIFIABLE, false)])),
    ]
}

/// What lies on the token when a sequence begins.
pub fn token_keys() -> Vec<Make> {
    let on_token = boolean(CKA_TOKEN, true);
    let with = |mut template: Template| {
        template.push(on_token.clone());
        template
    };
    let pair = match pair(CKM_EC_KEY_PAIR_GEN, P256, &[CKA_SIGN, CKA_DERIVE]) {
        Make::Pair(mechanism, public, private) => Make::Pair(mechanism, with(public), with(private)),
        other => other,
    };
    let aes = secret(CKM_AES_KEY_GEN, 32, CIPHER, &[on_token.clone(), bytes(CKA_LABEL, b"on the token".to_vec())]);
    vec![pair, aes, Make::Create(with(data(true))), Make::Create(with(data(false)))]
}

/// The pair that the RSA parts come from.
pub fn rsa_source() -> Make {
    let public = vec![number(CKA_MODULUS_BITS, 2048)];
    Make::Pair(CKM_RSA_PKCS_KEY_PAIR_GEN, public, vec![boolean(CKA_SENSITIVE, false), boolean(CKA_EXTRACTABLE, true)])
}

/// The attributes of an RSA private key that hold its value.
pub const RSA_PARTS: [CK_ATTRIBUTE_TYPE; 8] = [
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PRIVATE_EXPONENT,
    CKA_PRIME_1,
    CKA_PRIME_2,
    CKA_EXPONENT_1,
    CKA_EXPONENT_2,
    CKA_COEFFICIENT,
];

pub fn rsa_private(
    rsa: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)],
    extractable: bool,
    more: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)],
) -> Template {
    let mut template = vec![
        number(CKA_CLASS, CKO_PRIVATE_KEY),
        number(CKA_KEY_TYPE, CKK_RSA),
        boolean(CKA_EXTRACTABLE, extractable),
        boolean(CKA_PRIVATE, true),
    ];
    template.extend(PRIVATE_USES.iter().map(|usage| boolean(*usage, true)));
    template.extend(rsa.iter().cloned());
    template.extend(more.iter().cloned());
    template
}

pub fn rsa_public(rsa: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)]) -> Template {
    let mut template = vec![number(CKA_CLASS, CKO_PUBLIC_KEY), number(CKA_KEY_TYPE, CKK_RSA)];
    template.extend(PUBLIC_USES.iter().map(|usage| boolean(*usage, true)));
    template.extend(rsa.iter().take(2).cloned());
    template
}

fn pair(mechanism: CK_MECHANISM_TYPE, curve: &[u8], uses: &[CK_ATTRIBUTE_TYPE]) -> Make {
    let mut private: Template = uses.iter().map(|usage| boolean(*usage, true)).collect();
    private.push(boolean(CKA_EXTRACTABLE, curve == P256));
    Make::Pair(mechanism, vec![bytes(CKA_EC_PARAMS, curve.to_vec())], private)
}

fn secret(
    mechanism: CK_MECHANISM_TYPE,
    len: CK_ULONG,
    uses: &[CK_ATTRIBUTE_TYPE],
    more: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)],
) -> Make {
    let mut template = vec![number(CKA_VALUE_LEN, len), boolean(CKA_PRIVATE, true)];
    template.extend(uses.iter().map(|usage| boolean(*usage, true)));
    template.extend(more.iter().cloned());
    Make::Secret(mechanism, template)
}

fn stored_secret(key_type: CK_KEY_TYPE) -> Template {
    let mut template = vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, key_type),
        bytes(CKA_VALUE, (0..32).collect()),
        boolean(CKA_EXTRACTABLE, true),
    ];
    template.extend([CKA_SIGN, CKA_VERIFY, CKA_DERIVE].map(|usage| boolean(usage, true)));
    template
}

fn data(private: bool) -> Template {
    vec![number(CKA_CLASS, CKO_DATA), boolean(CKA_PRIVATE, private), bytes(CKA_VALUE, b"some data".to_vec())]
}
