//! JSON Web Keys (RFC 7517, RFC 7518 §6): as a client sends them, and as the service answers them, which is never with
//! a private member.

use der::asn1::UintRef;
use der::{Decode, Reader, SliceReader};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use spki::SubjectPublicKeyInfoRef;

use super::base64url::{Base64Url, Base64UrlRef, SecretBase64Url};
use super::error::KeyError;
use super::key_ops::KeyOps;
use super::kty::{curve_name, kty_of};
use super::schema::{CurveName, KtyName, OperationName};
use crate::crypto::{CryptoError, KeyAlgorithm};
use crate::vault::KeyDescription;

/// A key as a client sends it (`JsonWebKey`). Nothing in it is checked yet, and members that aren't named here are not
/// looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "JsonWebKey")]
pub struct Jwk {
    /// The key's identifier, which the service gives itself.
    pub kid: Option<String>,
    /// Kind of key.
    #[schemars(with = "Option<KtyName>")]
    pub kty: Option<String>,
    /// What it may be used for.
    #[schemars(with = "Option<Vec<OperationName>>")]
    pub key_ops: Option<Vec<String>>,
    /// Modulus.
    pub n: Option<Base64Url>,
    /// Public exponent.
    pub e: Option<Base64Url>,
    /// Private exponent of an RSA key, scalar of an EC key.
    pub d: Option<SecretBase64Url>,
    /// d mod p−1
    pub dp: Option<SecretBase64Url>,
    /// d mod q−1
    pub dq: Option<SecretBase64Url>,
    /// q⁻¹ mod p
    pub qi: Option<SecretBase64Url>,
    /// First prime.
    pub p: Option<SecretBase64Url>,
    /// Second prime.
    pub q: Option<SecretBase64Url>,
    /// A secret key.
    pub k: Option<SecretBase64Url>,
    /// A key that is wrapped with one of this service's (`t` in the SDKs).
    pub key_hsm: Option<Base64Url>,
    /// Curve.
    #[schemars(with = "Option<CurveName>")]
    pub crv: Option<String>,
    /// Coordinate of an EC key's point.
    pub x: Option<Base64Url>,
    /// The other coordinate.
    pub y: Option<Base64Url>,
}

impl Jwk {
    /// `key_ops`, if it was given.
    pub fn operations(&self) -> Result<Option<KeyOps>, KeyError> {
        self.key_ops.as_ref().map(|names| KeyOps::named(names.iter().map(String::as_str))).transpose()
    }
}

/// A key as the service answers it: what is public of it. Borrows everything, and computes nothing with the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk<'a> {
    /// The key's identifier.
    pub kid: &'a str,
    /// Kind of key.
    pub kty: &'a str,
    /// What it may be used for.
    pub key_ops: KeyOps,
    #[serde(flatten)]
    members: Members<'a>,
}

/// The members of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Members<'a> {
    Rsa {
        n: Base64UrlRef<'a>,
        e: Base64UrlRef<'a>,
    },
    Ec {
        crv: &'static str,
        x: Base64UrlRef<'a>,
        y: Base64UrlRef<'a>,
    },
    /// RFC 8037 §2.
    Okp {
        crv: &'static str,
        x: Base64UrlRef<'a>,
    },
    /// Nothing of a secret key is public.
    Secret {},
}

impl<'a> PublicJwk<'a> {
    /// `kty` is the word that was asked for when the key was made, if that is known.
    pub fn new(kid: &'a str, kty: Option<&'a str>, key_ops: KeyOps, key: &'a KeyDescription) -> Result<Self, KeyError> {
        let kty = kty.unwrap_or(kty_of(key.algorithm));
        Ok(Self { kid, kty, key_ops, members: Members::of(key)? })
    }
}

impl<'a> Members<'a> {
    fn of(key: &'a KeyDescription) -> Result<Self, KeyError> {
        let okp = |crv, key: &'a [u8]| Self::Okp { crv, x: Base64UrlRef(key) };
        Ok(match key.algorithm {
            KeyAlgorithm::Rsa { .. } => {
                let (n, e) = rsa_numbers(bit_string(&key.public)?).map_err(|_| DAMAGED)?;
                Self::Rsa { n: Base64UrlRef(n), e: Base64UrlRef(e) }
            }
            KeyAlgorithm::Ec(curve) => {
                let point = bit_string(&key.public)?;
                let [0x04, coordinates @ ..] = point else { return Err(DAMAGED) };
                if coordinates.len() != 2 * curve.field_len() {
                    return Err(DAMAGED);
                }
                let (x, y) = coordinates.split_at(curve.field_len());
                Self::Ec { crv: curve_name(curve), x: Base64UrlRef(x), y: Base64UrlRef(y) }
            }
            KeyAlgorithm::Ed25519 => okp("Ed25519", bit_string(&key.public)?),
            KeyAlgorithm::X25519 => okp("X25519", bit_string(&key.public)?),
            KeyAlgorithm::Aes { .. } | KeyAlgorithm::Generic { .. } | KeyAlgorithm::Other(_) => Self::Secret {},
        })
    }
}

/// The vault checked every public key when it came in.
const DAMAGED: KeyError = KeyError::Crypto(CryptoError::KeyInvalid("the public key isn't what its kind says"));

/// The key inside a SubjectPublicKeyInfo.
fn bit_string(spki: &[u8]) -> Result<&[u8], KeyError> {
    let spki = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| DAMAGED)?;
    spki.subject_public_key.as_bytes().ok_or(DAMAGED)
}

/// Modulus and public exponent of an RSAPublicKey (RFC 8017 §A.1.1), without leading zeros.
fn rsa_numbers(der: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let numbers = reader.sequence(|numbers| -> der::Result<_> {
        Ok((UintRef::decode(numbers)?.as_bytes(), UintRef::decode(numbers)?.as_bytes()))
    })?;
    reader.finish()?;
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::{Curve, PrivateKey, PublicKey};

    fn description(key: &PublicKey) -> KeyDescription {
        KeyDescription { algorithm: key.algorithm(), public: key.spki().into() }
    }

    fn json_of(key: &KeyDescription, kty: Option<&str>, ops: KeyOps) -> Value {
        let jwk = PublicJwk::new("https://vault/keys/a/1", kty, ops, key).expect("a sound key");
        serde_json::to_value(&jwk).expect("JSON")
    }

    fn bytes_of(member: &Value) -> Vec<u8> {
        serde_json::from_value::<Base64Url>(member.clone()).expect("base64url").0
    }

    /// RFC 8037 §A.2, from the private key of §A.1.
    #[test]
    fn an_ed25519_key_is_rfc_8037s() {
        let x = bytes_of(&json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        let key = description(&PublicKey::from_ed25519(&x).expect("a key"));
        let expected = json!({
            "kid": "https://vault/keys/a/1", "kty": "OKP", "key_ops": ["sign", "verify"], "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        assert_eq!(json_of(&key, None, KeyOps::SIGNING), expected);
    }

    /// RFC 7517 §A.1.
    #[test]
    fn an_rsa_key_is_rfc_7517s() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi\
                 FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnY\
                 b9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0\
                 Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = PublicKey::from_rsa(&bytes_of(&json!(n)), &[1, 0, 1]).expect("a key");
        let json = json_of(&description(&key), Some("RSA-HSM"), KeyOps::ENCRYPT);
        assert_eq!((&json["kty"], &json["n"], &json["e"]), (&json!("RSA-HSM"), &json!(n), &json!("AQAB")));
        assert_eq!(json.as_object().expect("an object").len(), 5, "{json}");
    }

    #[test]
    fn coordinates_are_as_long_as_the_field_also_with_zeros_in_front() {
        for curve in Curve::ALL {
            let mut short = false;
            for _ in 0..20_000 {
                let (key, _) = PrivateKey::generate(KeyAlgorithm::Ec(curve)).expect("a key");
                let json = json_of(&description(key.public_key()), None, KeyOps::SIGNING);
                let (x, y) = (bytes_of(&json["x"]), bytes_of(&json["y"]));
                assert_eq!([x.len(), y.len()], [curve.field_len(); 2]);
                assert_eq!([&[0x04][..], &x, &y].concat(), key.public_key().value());
                assert_eq!((&json["kty"], &json["crv"]), (&json!("EC"), &json!(curve_name(curve))));
                short = short || x[0] == 0;
                if short {
                    break;
                }
            }
            assert!(short, "no coordinate of {curve:?} began with a zero");
        }
    }

    #[test]
    fn nothing_of_a_secret_key_is_answered() {
        let key = KeyDescription { algorithm: KeyAlgorithm::Aes { bits: 256 }, public: [].into() };
        let expected = json!({"kid": "https://vault/keys/a/1", "kty": "oct-HSM", "key_ops": ["wrapKey"]});
        assert_eq!(json_of(&key, Some("oct-HSM"), KeyOps::WRAP_KEY), expected);
    }

    #[test]
    fn a_public_key_that_is_another_kinds_is_an_error() {
        let (p384, _) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P384)).expect("a key");
        let public = description(p384.public_key()).public;
        for algorithm in [KeyAlgorithm::Rsa { bits: 2048 }, KeyAlgorithm::Ec(Curve::P256)] {
            let key = KeyDescription { algorithm, public: public.clone() };
            assert_eq!(PublicJwk::new("", None, KeyOps::empty(), &key), Err(DAMAGED));
        }
        for public in [&[][..], &[0x30, 0x00], &[0x30, 0x80]] {
            let key = KeyDescription { algorithm: KeyAlgorithm::Ed25519, public: public.into() };
            assert_eq!(PublicJwk::new("", None, KeyOps::empty(), &key), Err(DAMAGED));
        }
    }

    #[test]
    fn a_key_that_is_read_keeps_its_secrets_out_of_what_is_printed() {
        let json = r#"{"kty":"RSA","key_ops":["sign","import"],"d":"AQID","p":null,"unknown":1,"key_hsm":"e30"}"#;
        let jwk: Jwk = serde_json::from_str(json).expect("a key");
        assert_eq!(jwk.operations(), Ok(Some(KeyOps::SIGN | KeyOps::IMPORT)));
        assert_eq!((jwk.d.as_ref().map(SecretBase64Url::expose), &jwk.p), (Some(&[1, 2, 3][..]), &None));
        assert_eq!(jwk.key_hsm, Some(Base64Url(b"{}".to_vec())));
        let printed = format!("{jwk:?}");
        assert!(printed.contains("SecretBytes(3 bytes)") && !printed.contains("1, 2, 3"), "{printed}");
        for wrong in [r#"{"d":"A*"}"#, r#"{"n":7}"#, r#"{"key_ops":"sign"}"#, "[]x", r#"{"kty":["RSA"]}"#] {
            assert!(serde_json::from_str::<Jwk>(wrong).is_err(), "{wrong}");
        }
    }
}
