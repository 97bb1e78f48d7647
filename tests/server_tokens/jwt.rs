//! JSON Web Tokens made by hand, with another implementation of their signatures' encoding than the server's.
#![allow(dead_code, reason = "each test program uses a part of it")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use aws_lc_rs::{digest, hmac};
use base64ct::{Base64Url, Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

/// A key that signs.
pub enum Key<'a> {
    Ec(&'a EcdsaKeyPair),
    Rsa(&'a RsaKeyPair),
    Secret(&'a [u8]),
    None,
}

/// A token of this header and these claims.
pub fn token(header: &Value, claims: &Value, key: &Key<'_>) -> String {
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(header), part(claims));
    let random = SystemRandom::new();
    let signature = match key {
        Key::Ec(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
        Key::Rsa(pair) => {
            let padding = if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &random, signed.as_bytes(), &mut signature).unwrap();
            signature
        }
        Key::Secret(secret) => {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes()).as_ref().to_vec()
        }
        Key::None => Vec::new(),
    };
    format!("{signed}.{}", Base64UrlUnpadded::encode_string(&signature))
}

/// Header and claims of a token.
pub fn parts(token: &str) -> (Value, Value) {
    let part = |index| {
        let part = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

/// A P-256 key from its PKCS#8.
pub fn ec(pkcs8: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).unwrap()
}

/// The point of a P-256 key.
pub fn point(pair: &EcdsaKeyPair) -> Vec<u8> {
    pair.public_key().as_ref().to_vec()
}

/// A certificate and its key.
pub struct Certificate {
    pub der: Vec<u8>,
    pub pkcs8: Vec<u8>,
}

impl Certificate {
    pub fn ec() -> Self {
        Self::new(&rcgen::PKCS_ECDSA_P256_SHA256, |_| {})
    }

    pub fn rsa() -> Self {
        Self::new(&rcgen::PKCS_RSA_SHA256, |_| {})
    }

    pub fn new(kind: &'static rcgen::SignatureAlgorithm, edit: impl Fn(&mut rcgen::CertificateParams)) -> Self {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        let mut params = rcgen::CertificateParams::default();
        edit(&mut params);
        Self { der: params.self_signed(&key).unwrap().der().to_vec(), pkcs8: key.serialize_der() }
    }

    /// `x5t`, padded as MSAL for Python writes it.
    pub fn x5t(&self) -> String {
        Base64Url::encode_string(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der).as_ref())
    }

    /// `x5t#S256`.
    pub fn x5t_s256(&self) -> String {
        Base64UrlUnpadded::encode_string(digest::digest(&digest::SHA256, &self.der).as_ref())
    }

    /// An assertion with this header and these claims, signed in the header's way.
    pub fn assertion(&self, header: &Value, claims: &Value) -> String {
        match header["alg"].as_str().unwrap() {
            "ES256" => token(header, claims, &Key::Ec(&ec(&self.pkcs8))),
            _ => token(header, claims, &Key::Rsa(&RsaKeyPair::from_pkcs8(&self.pkcs8).unwrap())),
        }
    }
}

/// The header of an assertion by a certificate of an EC key.
pub fn es256(certificate: &Certificate) -> Value {
    json!({ "typ": "JWT", "alg": "ES256", "x5t#S256": certificate.x5t_s256() })
}
