use base64ct::{Base64UrlUnpadded, Encoding};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use serde_json::{Value, json};

use super::*;
use crate::crypto::SignScheme;

fn read(json: &Value) -> Result<Imported, KeyError> {
    import(&serde_json::from_value(json.clone()).expect("a JSON Web Key's members"))
}

/// Why the key is refused, in the words that a client reads.
fn refused(json: &Value) -> String {
    read(json).expect_err("a wrong key").to_string()
}

fn text(bytes: &[u8]) -> Value {
    let mut text = vec![0; Base64UrlUnpadded::encoded_len(bytes)];
    Base64UrlUnpadded::encode(bytes, &mut text).expect("room for it").into()
}

fn bytes(text: &Value) -> Vec<u8> {
    serde_json::from_value::<Base64Url>(text.clone()).expect("base64url").0
}

/// The same key with one member changed, or taken away.
fn with(jwk: &Value, member: &str, value: impl Into<Value>) -> Value {
    let mut changed = jwk.clone();
    changed[member] = value.into();
    changed
}

/// The same number with its last bit but one turned round, so that odd stays odd.
fn off(jwk: &Value, member: &str) -> Value {
    let mut number = bytes(&jwk[member]);
    *number.last_mut().expect("a digit") ^= 2;
    with(jwk, member, text(&number))
}

/// A key made once, its numbers taken out by another implementation; the larger prime comes second if `swapped`.
fn rsa_jwk(swapped: bool) -> Value {
    static KEY: std::sync::OnceLock<rsa::PrivateKey> = std::sync::OnceLock::new();
    let key = KEY.get_or_init(|| {
        let (_, pkcs8) = PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2048 }).expect("a key");
        rsa::PrivateKey::from_pkcs8_der(pkcs8.expose()).expect("the same key")
    });
    let (mut p, mut q) = (&key.primes()[0], &key.primes()[1]);
    let (mut dp, mut dq) = (key.dp().expect("computed"), key.dq().expect("computed"));
    if (p < q) != swapped {
        (p, q, dp, dq) = (q, p, dq, dp);
    }
    let qi = q.invert_odd_mod(&rsa::BoxedUint::to_odd(p).expect("odd")).expect("prime to each other");
    let number = |number: &rsa::BoxedUint| text(trimmed(&number.to_be_bytes()));
    json!({
        "kty": "RSA", "n": number(key.n()), "e": number(key.e()), "d": number(key.d()),
        "p": number(p), "q": number(q), "dp": number(dp), "dq": number(dq), "qi": number(&qi),
    })
}

fn without_primes(jwk: &Value) -> Value {
    ["p", "q", "dp", "dq", "qi"].iter().fold(jwk.clone(), |jwk, member| with(&jwk, member, Value::Null))
}

#[test]
fn an_rsa_key_comes_in_with_its_primes_in_either_order_or_without_them() {
    for jwk in [rsa_jwk(false), rsa_jwk(true), without_primes(&rsa_jwk(false))] {
        let imported = read(&jwk).expect("a sound key");
        assert_eq!((imported.kty, imported.algorithm), (Kty::Rsa, KeyAlgorithm::Rsa { bits: 2048 }));
        let key = PrivateKey::from_pkcs8(imported.secret.expose()).expect("PKCS#8");
        assert_eq!(Some(key.public_key()), imported.public.as_ref());
        let mut signature = vec![0; 256];
        key.sign(&SignScheme::RsaPkcs1, b"ours", &mut signature).expect("a signature");
        let theirs = rsa::PublicKey::new(number(&jwk, "n"), number(&jwk, "e")).expect("the same key");
        theirs.verify(rsa::Pkcs1v15Sign::new_unprefixed(), b"ours", &signature).expect("ours is good");
    }

    fn number(jwk: &Value, member: &str) -> rsa::BoxedUint {
        rsa::BoxedUint::from_be_slice_vartime(&bytes(&jwk[member]))
    }
}

#[test]
fn leading_zeros_change_nothing() {
    let jwk = rsa_jwk(false);
    let plain = read(&jwk).expect("a sound key");
    let padded = ["n", "e", "d", "p", "q", "dp", "dq", "qi"].iter().fold(jwk.clone(), |padded, member| {
        with(&padded, member, text(&[&[0, 0][..], &bytes(&jwk[*member])].concat()))
    });
    let padded = read(&padded).expect("the same key");
    assert_eq!(padded.secret, plain.secret);
    assert_eq!(padded.public, plain.public);
}

#[test]
fn the_member_of_an_rsa_key_that_contradicts_the_others_is_named() {
    for jwk in [rsa_jwk(false), rsa_jwk(true)] {
        for member in ["p", "q", "dp", "dq", "qi"] {
            let expected = format!("key.{member} doesn't belong to the key's other members");
            assert_eq!(refused(&off(&jwk, member)), expected);
        }
        for jwk in [jwk.clone(), without_primes(&jwk)] {
            assert_eq!(refused(&off(&jwk, "d")), "key.d doesn't belong to key.n and key.e");
            assert_eq!(refused(&off(&jwk, "n")), "key.d doesn't belong to key.n and key.e");
            assert_eq!(refused(&with(&jwk, "e", "Aw")), "key.d doesn't belong to key.n and key.e");
        }
    }
    let swapped_primes_only =
        with(&with(&rsa_jwk(false), "p", rsa_jwk(true)["p"].clone()), "q", rsa_jwk(true)["q"].clone());
    assert_eq!(refused(&swapped_primes_only), "key.dp doesn't belong to the key's other members");
}

#[test]
fn an_rsa_key_without_a_member_is_refused_by_its_name() {
    for member in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        let expected = format!("key.{member} is missing; an RSA key needs it");
        assert_eq!(refused(&with(&rsa_jwk(false), member, Value::Null)), expected);
        assert_eq!(refused(&with(&rsa_jwk(false), member, "AAAA")), format!("key.{member} is zero"));
        assert_eq!(refused(&with(&rsa_jwk(false), member, "")), format!("key.{member} is zero"));
    }
}

#[test]
fn rsa_numbers_that_no_key_has_are_refused_before_anything_is_computed() {
    let jwk = rsa_jwk(false);
    let modulus = |len: usize| text(&vec![0xFF; len]);
    for n in [modulus(1), modulus(128), modulus(255), modulus(257), modulus(1024), modulus(1 << 16)] {
        assert_eq!(refused(&with(&jwk, "n", n)), "key.n must have 2048, 3072 or 4096 bits");
    }
    for e in [&[1][..], &[2], &[1, 0, 0], &[1, 0, 0, 0, 0, 1], &[0xFF; 256]] {
        let reason = "key.e must be odd, at least 3, and have at most 33 bits";
        assert_eq!(refused(&with(&jwk, "e", text(e))), reason, "{e:?}");
    }
    let mut even = bytes(&jwk["n"]);
    even[255] &= 0xFE;
    assert!(refused(&with(&jwk, "n", text(&even))).starts_with("key.n "));
    assert!(read(&with(&jwk, "d", text(&[0xFF; 256]))).is_err());
    assert!(read(&with(&jwk, "d", text(&[0xFF; 4096]))).is_err());
    assert!(read(&with(&jwk, "p", text(&[0xFF; 4096]))).is_err());
}

/// RFC 7515 §A.3 and §A.4, and the generators of the two other curves, which belong to the scalar 1 (SEC 2 §2).
fn ec_jwks() -> [(KeyAlgorithm, Value); 4] {
    let one = text(&[1]);
    let p384 = crate::crypto::tests::hex(
        "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7\
         3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    );
    let k1 = crate::crypto::tests::hex(
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
         483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    );
    [
        (
            KeyAlgorithm::Ec(Curve::P256),
            json!({"kty": "EC", "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
                "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}),
        ),
        (
            KeyAlgorithm::Ec(Curve::P521),
            json!({"kty": "EC-HSM", "crv": "P-521",
                "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
                "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
                "d": "AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C"}),
        ),
        (
            KeyAlgorithm::Ec(Curve::P384),
            json!({"kty": "EC", "crv": "P-384", "x": text(&p384[..48]), "y": text(&p384[48..]), "d": one.clone()}),
        ),
        (
            KeyAlgorithm::Ec(Curve::Secp256k1),
            json!({"kty": "EC", "crv": "P-256K", "x": text(&k1[..32]), "y": text(&k1[32..]), "d": one}),
        ),
    ]
}

#[test]
fn an_ec_key_comes_in_with_and_without_its_point_and_signs() {
    for (algorithm, jwk) in ec_jwks() {
        let bare = with(&with(&jwk, "x", Value::Null), "y", Value::Null);
        let padded = with(&jwk, "d", text(&[&[0; 3][..], &bytes(&jwk["d"])].concat()));
        let padded = with(&padded, "x", text(&[&[0; 2][..], &bytes(&jwk["x"])].concat()));
        for jwk in [&jwk, &bare, &padded] {
            let imported = read(jwk).expect("a sound key");
            assert_eq!((imported.algorithm, imported.kty.name()), (algorithm, jwk["kty"].as_str().expect("text")));
            let public = imported.public.expect("a pair");
            assert_eq!(public.value()[1..], [bytes(&padded["x"])[2..].to_vec(), bytes(&padded["y"])].concat());
            let key = PrivateKey::from_pkcs8(imported.secret.expose()).expect("PKCS#8");
            let mut signature = vec![0; algorithm.signature_len()];
            key.sign(&SignScheme::Ecdsa, &[7; 32], &mut signature).expect("a signature");
            assert_eq!(public.verify(&SignScheme::Ecdsa, &[7; 32], &signature), Ok(()));
        }
    }
}

#[test]
fn the_member_of_an_ec_key_that_is_wrong_is_named() {
    for (algorithm, jwk) in ec_jwks() {
        for coordinate in ["x", "y"] {
            let expected = format!("key.{coordinate} doesn't belong to key.d and key.crv");
            assert_eq!(refused(&off(&jwk, coordinate)), expected);
            assert_eq!(refused(&with(&jwk, coordinate, "")), expected);
            let long = refused(&with(&jwk, coordinate, text(&[1; 67])));
            assert_eq!(long, format!("key.{coordinate} is longer than the curve's coordinates"));
        }
        let KeyAlgorithm::Ec(curve) = algorithm else { panic!("an EC key") };
        for d in [vec![0xFF; curve.field_len()], vec![1; curve.field_len() + 1], vec![1; 4096]] {
            assert_eq!(
                refused(&with(&jwk, "d", text(&d))),
                "key.d must be greater than 0 and less than the curve's order"
            );
        }
        assert_eq!(refused(&with(&jwk, "d", Value::Null)), "key.d is missing; an EC key needs it");
        assert_eq!(refused(&with(&jwk, "d", "AAA")), "key.d is zero");
        assert_eq!(refused(&with(&jwk, "crv", Value::Null)), "key.crv is missing; an EC key needs it");
        assert_eq!(refused(&with(&jwk, "crv", "P-192")), KeyError::Curve.to_string());
    }
}

#[test]
fn a_secret_key_comes_in_as_what_it_is_for() {
    let jwk = |len: usize, ops: Value| json!({"kty": "oct-HSM", "k": text(&vec![5; len]), "key_ops": ops});
    for (len, bits) in [(16, 128), (24, 192), (32, 256)] {
        let imported = read(&jwk(len, Value::Null)).expect("a key");
        assert_eq!((imported.kty, imported.algorithm), (Kty::OctHsm, KeyAlgorithm::Aes { bits }));
        assert_eq!(imported.secret.expose(), vec![5; len]);
        assert!(imported.public.is_none());
        let mixed = read(&jwk(len, json!(["sign", "encrypt"]))).expect("a key");
        assert_eq!(mixed.algorithm, KeyAlgorithm::Aes { bits });
    }
    for len in [16, 20, 64, 128] {
        let imported = read(&jwk(len, json!(["verify", "sign"]))).expect("a key");
        assert_eq!(imported.algorithm, KeyAlgorithm::Generic { bytes: len as u32 });
    }
    for len in [0, 8, 15, 17, 33, 64] {
        assert_eq!(refused(&jwk(len, Value::Null)), "key.k must have 128, 192 or 256 bits");
    }
    for len in [0, 15, 129] {
        assert_eq!(refused(&jwk(len, json!(["sign"]))), "key.k must have 16 to 128 bytes to sign and verify");
    }
    assert_eq!(refused(&json!({"kty": "oct"})), "key.k is missing; an oct key needs it");
}

#[test]
fn what_says_nothing_of_a_key_is_refused() {
    assert_eq!(refused(&json!({})), KeyError::Kty.to_string());
    assert_eq!(refused(&with(&rsa_jwk(false), "kty", "OKP")), KeyError::Kty.to_string());
    assert_eq!(refused(&with(&rsa_jwk(false), "key_ops", json!(["fly"]))), KeyError::KeyOps.to_string());
    let (_, ec) = &ec_jwks()[0];
    assert!(refused(&with(ec, "key_ops", json!(["encrypt"]))).starts_with("key_ops: "));
    assert!(refused(&with(ec, "key_hsm", "e30")).starts_with("key.key_hsm "));
}
