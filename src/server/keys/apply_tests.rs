use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::pkcs8::DecodePublicKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{Oaep, Pkcs1v15Encrypt, Pkcs1v15Sign, Pss};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use super::super::algorithms::TABLE;
use super::*;
use crate::crypto::tests::hex;
use crate::crypto::{Curve, SecretKey};
use crate::vault::Result as VaultResult;

/// A key without a vault around it.
struct Loose(crypto::PrivateKey);

impl PrivateKey for Loose {
    fn algorithm(&self) -> KeyAlgorithm {
        self.0.algorithm()
    }

    fn check_usable(&self) -> VaultResult<()> {
        Ok(())
    }

    fn sign(&self, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> VaultResult<usize> {
        Ok(self.0.sign(scheme, input, out)?)
    }

    fn decrypt(&self, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> VaultResult<usize> {
        Ok(self.0.decrypt(scheme, input, out)?)
    }

    fn agree(&self, peer: &[u8]) -> VaultResult<SecretBytes> {
        Ok(self.0.agree(peer)?)
    }
}

const NOTHING: AesInput<'static> = AesInput { iv: None, aad: None, tag: None };

fn named(name: &str) -> &'static Algorithm {
    Algorithm::named(name).expect("a known name")
}

fn pair(algorithm: KeyAlgorithm) -> Loose {
    Loose(crypto::PrivateKey::generate(algorithm).expect("a key").0)
}

/// An RSA key, and the same one as another implementation holds it.
fn rsa_pair() -> (Loose, rsa::PrivateKey) {
    static PKCS8: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let pkcs8 = PKCS8.get_or_init(|| {
        crypto::PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2048 }).expect("a key").1.expose().to_vec()
    });
    let ours = Loose(crypto::PrivateKey::from_pkcs8(pkcs8).expect("a key"));
    (ours, rsa::PrivateKey::from_pkcs8_der(pkcs8).expect("the same key"))
}

fn aes(key: &[u8]) -> SecretKey {
    let algorithm = KeyAlgorithm::Aes { bits: key.len() as u32 * 8 };
    SecretKey::new(algorithm, SecretBytes::from_slice(key)).expect("a key")
}

fn generic(key: &[u8]) -> SecretKey {
    let algorithm = KeyAlgorithm::Generic { bytes: key.len() as u32 };
    SecretKey::new(algorithm, SecretBytes::from_slice(key)).expect("a key")
}

#[test]
fn rsa_signatures_are_good_for_another_implementation() {
    let (ours, theirs) = rsa_pair();
    let theirs = theirs.to_public_key();
    let paddings = [
        ("RS256", 32, Pkcs1v15Sign::new::<Sha256>()),
        ("RS384", 48, Pkcs1v15Sign::new::<Sha384>()),
        ("RS512", 64, Pkcs1v15Sign::new::<Sha512>()),
        ("RSNULL", 35, Pkcs1v15Sign::new_unprefixed()),
    ];
    for (name, len, padding) in paddings {
        let digest = vec![9; len];
        let signature = sign(Private::Pair(&ours), named(name), &digest).expect("a signature");
        theirs.verify(padding, &digest, &signature).expect("ours is good");
        assert_verifies_only(Public::Pair(ours.0.public_key()), name, &digest, &signature);
    }
    let pss = |name, digest: &[u8]| sign(Private::Pair(&ours), named(name), digest).expect("a signature");
    theirs.verify(Pss::<Sha256>::new_with_salt(32), &[9; 32], &pss("PS256", &[9; 32])).expect("ours is good");
    theirs.verify(Pss::<Sha384>::new_with_salt(48), &[9; 48], &pss("PS384", &[9; 48])).expect("ours is good");
    theirs.verify(Pss::<Sha512>::new_with_salt(64), &[9; 64], &pss("PS512", &[9; 64])).expect("ours is good");
    assert_verifies_only(Public::Pair(ours.0.public_key()), "PS512", &[9; 64], &pss("PS512", &[9; 64]));
}

/// The signature is good for this digest, and not for another, nor changed, nor shortened, nor lengthened.
fn assert_verifies_only(key: Public<'_>, name: &str, digest: &[u8], signature: &[u8]) {
    let good = |digest: &[u8], signature: &[u8]| verify(key, named(name), digest, signature).expect("an answer");
    assert!(good(digest, signature), "{name}");
    let mut other = digest.to_vec();
    other[0] ^= 1;
    assert!(!good(&other, signature), "{name}");
    let mut changed = signature.to_vec();
    changed[signature.len() - 1] ^= 1;
    assert!(!good(digest, &changed), "{name}");
    assert!(
        !good(digest, &signature[1..]) && !good(digest, &[signature, &[0]].concat()) && !good(digest, &[]),
        "{name}"
    );
}

#[test]
fn ecdsa_signatures_are_r_and_s_of_the_fields_length() {
    for (name, curve, digest_len) in [
        ("ES256", Curve::P256, 32),
        ("ES256K", Curve::Secp256k1, 32),
        ("ES384", Curve::P384, 48),
        ("ES512", Curve::P521, 64),
    ] {
        let key = pair(KeyAlgorithm::Ec(curve));
        let digest = vec![3; digest_len];
        let signature = sign(Private::Pair(&key), named(name), &digest).expect("a signature");
        assert_eq!(signature.len(), 2 * curve.field_len());
        assert_verifies_only(Public::Pair(key.0.public_key()), name, &digest, &signature);
        if curve == Curve::P256 {
            let theirs = p256::ecdsa::VerifyingKey::from_public_key_der(key.0.public_key().spki()).expect("a key");
            let signature = p256::ecdsa::Signature::from_slice(&signature).expect("r and s");
            theirs.verify_prehash(&digest, &signature).expect("ours is good");
        }
    }
}

/// RFC 4231 §4.7: key and message are longer than a block. The short key is an AES key's length, and either kind signs.
#[test]
fn codes_are_hmac_over_what_comes_with_either_kind_of_secret_key() {
    let key = generic(&[0xAA; 131]);
    let message =
        b"This is a test using a larger than block-size key and a larger than block-size data. The key needs \
                    to be hashed before being used by the HMAC algorithm.";
    for (name, code) in [
        ("HS256", "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
        ("HS384", "6617178e941f020d351e2f254e8fd32c602420feb0b8fb9adccebb82461e99c5a678cc31e799176d3860e6110c46523e"),
        (
            "HS512",
            "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944\
             b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
        ),
    ] {
        assert_eq!(sign(Private::Secret(&key), named(name), message).expect("a code"), hex(code));
        assert_verifies_only(Public::Secret(&key), name, message, &hex(code));
        let [of_aes, of_generic] = [aes(&[4; 32]), generic(&[4; 32])]
            .map(|key| sign(Private::Secret(&key), named(name), &[1; 32]).expect("a code"));
        assert_eq!(of_aes, of_generic);
    }
}

#[test]
fn what_is_encrypted_with_rsa_opens_here_and_in_another_implementation() {
    let (ours, theirs) = rsa_pair();
    for (name, most) in [("RSA-OAEP", 214), ("RSA-OAEP-256", 190), ("RSA1_5", 245)] {
        for (seal, open) in [(encrypt as Seal, decrypt as Open), (wrap, unwrap)] {
            for len in [0, 1, most] {
                let message = vec![6; len];
                let public = Public::Pair(ours.0.public_key());
                let sealed = seal(public, named(name), &message, &NOTHING).expect("a ciphertext");
                assert_eq!((sealed.value.len(), sealed.iv, sealed.tag), (256, None, None));
                let opened = match name {
                    "RSA-OAEP" => theirs.decrypt(Oaep::<Sha1>::new(), &sealed.value),
                    "RSA-OAEP-256" => theirs.decrypt(Oaep::<Sha256>::new(), &sealed.value),
                    _ => theirs.decrypt(Pkcs1v15Encrypt, &sealed.value),
                };
                assert_eq!(opened.expect("a message"), message);
                let opened = open(Private::Pair(&ours), named(name), &sealed.value, &NOTHING).expect("a message");
                assert_eq!(opened.expose(), message);
            }
            let too_long = seal(Public::Pair(ours.0.public_key()), named(name), &vec![6; most + 1], &NOTHING);
            let expected = format!("{name} takes at most {most} bytes with this key, not {} bytes", most + 1);
            assert_eq!(too_long.expect_err("too long").to_string(), expected);
        }
    }
}

type Seal = fn(Public<'_>, &Algorithm, &[u8], &AesInput<'_>) -> Result<Sealed>;
type Open = fn(Private<'_>, &Algorithm, &[u8], &AesInput<'_>) -> Result<SecretBytes>;

#[test]
fn a_wrong_ciphertext_is_one_error_and_with_rsa1_5_none() {
    let (ours, _) = rsa_pair();
    let mut changed =
        encrypt(Public::Pair(ours.0.public_key()), named("RSA-OAEP"), b"x", &NOTHING).expect("a ciphertext").value;
    changed[200] ^= 1;
    let of_another = encrypt(Public::Pair(ours.0.public_key()), named("RSA1_5"), b"x", &NOTHING).expect("one").value;
    let too_large = vec![0xFF; 256];
    for name in ["RSA-OAEP", "RSA-OAEP-256"] {
        for wrong in [&changed, &of_another, &too_large, &vec![1; 255], &vec![]] {
            let error = decrypt(Private::Pair(&ours), named(name), wrong, &NOTHING).expect_err("a wrong ciphertext");
            assert!(matches!(error, OperationError::BadCiphertext), "{error}");
        }
    }
    let answer = |ciphertext| decrypt(Private::Pair(&ours), named("RSA1_5"), ciphertext, &NOTHING).expect("a message");
    assert_eq!(answer(&changed), answer(&changed), "always the same one");
}

/// The AES-GCM specification's test cases 2, 8 and 14 (McGrew and Viega, appendix B).
#[test]
fn gcm_opens_published_ciphertexts() {
    for (name, key_len, ciphertext, tag) in [
        ("A128GCM", 16, "0388dace60b6a392f328c2b971b2fe78", "ab6e47d42cec13bdf53a67b21257bddf"),
        ("A192GCM", 24, "98e7247c07f0fe411c267e4384b0f600", "2ff58d80033927ab8ef4d4587514f0fb"),
        ("A256GCM", 32, "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    ] {
        let key = aes(&vec![0; key_len]);
        let with = AesInput { iv: Some(&[0; 12]), tag: Some(&hex(tag)), aad: None };
        let plaintext = decrypt(Private::Secret(&key), named(name), &hex(ciphertext), &with).expect("a message");
        assert_eq!(plaintext.expose(), [0; 16]);
    }
}

#[test]
fn gcm_draws_its_iv_and_opens_only_what_it_made() {
    let key = aes(&[8; 32]);
    let seal = |aad| encrypt(Public::Secret(&key), named("A256GCM"), b"message", &AesInput { aad, ..NOTHING });
    let (sealed, other) = (seal(Some(b"aad")).expect("sealed"), seal(Some(b"aad")).expect("sealed"));
    let (Some(iv), Some(tag)) = (&sealed.iv, &sealed.tag) else { panic!("no iv, no tag") };
    assert_eq!((sealed.value.len(), iv.len(), tag.len()), (7, 12, 16));
    assert_ne!(Some(iv), other.iv.as_ref());
    let open = |value: &[u8], iv: &[u8], aad: &[u8], tag: &[u8]| {
        let with = AesInput { iv: Some(iv), aad: Some(aad), tag: Some(tag) };
        decrypt(Private::Secret(&key), named("A256GCM"), value, &with)
    };
    assert_eq!(open(&sealed.value, iv, b"aad", tag).expect("a message").expose(), b"message");
    let (other_iv, other_tag) = (other.iv.expect("one"), other.tag.expect("one"));
    for wrong in [
        open(&other.value, iv, b"aad", tag),
        open(&sealed.value, &other_iv, b"aad", tag),
        open(&sealed.value, iv, b"", tag),
        open(&sealed.value, iv, b"aad", &other_tag),
        open(&[], iv, b"aad", tag),
    ] {
        assert!(matches!(wrong, Err(OperationError::BadCiphertext)));
    }
    for wrong in [open(&sealed.value, &iv[1..], b"aad", tag), open(&sealed.value, iv, b"aad", &tag[1..])] {
        assert!(matches!(wrong, Err(OperationError::BadParameter { .. })), "a shorter tag is easier to guess");
    }
    assert!(seal(None).is_ok());
}

/// SP 800-38A §F.2.1, §F.2.3 and §F.2.5, first blocks; with padding another block follows.
#[test]
fn cbc_gives_the_published_blocks_with_the_callers_iv() {
    let iv = hex("000102030405060708090a0b0c0d0e0f");
    let block = hex("6bc1bee22e409f96e93d7e117393172a");
    let with = AesInput { iv: Some(&iv), ..NOTHING };
    for (bits, key, expected) in [
        (128, "2b7e151628aed2a6abf7158809cf4f3c", "7649abac8119b246cee98e9b12e9197d"),
        (192, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "4f021db243bc633d7178183a9fa071e8"),
        (256, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "f58c4c04d6e5f1ba779eabfb5f7bfbd6"),
    ] {
        let key = aes(&hex(key));
        let (bare, padded) = (format!("A{bits}CBC"), format!("A{bits}CBCPAD"));
        let sealed = encrypt(Public::Secret(&key), named(&bare), &block, &with).expect("a ciphertext");
        assert_eq!((&sealed.value, &sealed.iv, &sealed.tag), (&hex(expected), &Some(iv.clone()), &None));
        let opened = decrypt(Private::Secret(&key), named(&bare), &sealed.value, &with).expect("a message");
        assert_eq!(opened.expose(), block);
        for len in [0, 1, 15, 16, 17] {
            let message = [&block[..], &block].concat()[..len].to_vec();
            let sealed = encrypt(Public::Secret(&key), named(&padded), &message, &with).expect("a ciphertext");
            assert_eq!(sealed.value.len(), (len / 16 + 1) * 16);
            assert!(len < 16 || sealed.value.starts_with(&hex(expected)));
            let opened = decrypt(Private::Secret(&key), named(&padded), &sealed.value, &with).expect("a message");
            assert_eq!(opened.expose(), message);
        }
        for len in [0, 1, 15, 17] {
            let error = encrypt(Public::Secret(&key), named(&bare), &vec![0; len], &with).expect_err("no block");
            assert_eq!(error.to_string(), format!("{bare} takes whole blocks of 16 bytes, not {len} bytes"));
            for name in [&bare, &padded] {
                let wrong = decrypt(Private::Secret(&key), named(name), &vec![0; len], &with);
                assert!(matches!(wrong, Err(OperationError::BadCiphertext)), "{name} {len}");
            }
        }
    }
}

/// RFC 3394 §4.1, §4.3, §4.6 (the first key) and RFC 5649 §6.
#[test]
fn wrapped_keys_are_the_published_ones() {
    let key = "00112233445566778899aabbccddeeff";
    for (name, kek, key, wrapped) in [
        ("A128KW", "000102030405060708090A0B0C0D0E0F", key, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
        (
            "A192KW",
            "000102030405060708090A0B0C0D0E0F1011121314151617",
            key,
            "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D",
        ),
        (
            "A256KW",
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            key,
            "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7",
        ),
        (
            "CKM_AES_KEY_WRAP",
            "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
            key,
            "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7",
        ),
        (
            "CKM_AES_KEY_WRAP_PAD",
            "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
            "c37b7e6492584340bed12207808941155068f738",
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
        ),
    ] {
        let kek = aes(&hex(kek));
        let sealed = wrap(Public::Secret(&kek), named(name), &hex(key), &NOTHING).expect("a wrapped key");
        assert_eq!(sealed, Sealed { value: hex(wrapped), iv: None, tag: None }, "{name}");
        let opened = unwrap(Private::Secret(&kek), named(name), &sealed.value, &NOTHING).expect("a key");
        assert_eq!(opened.expose(), hex(key));
        let mut changed = sealed.value.clone();
        changed[3] ^= 1;
        for wrong in [&changed[..], &sealed.value[1..], &sealed.value[..8], &[]] {
            let error = unwrap(Private::Secret(&kek), named(name), wrong, &NOTHING).expect_err("a wrong one");
            assert!(matches!(error, OperationError::BadCiphertext), "{name}");
        }
        let error = wrap(Public::Secret(&kek), named(name), &[], &NOTHING).expect_err("nothing to wrap");
        assert!(matches!(error, OperationError::WrongInputLength { given: 0, .. }));
    }
}

/// What each key may be asked for, by hand; every other combination of algorithm, operation and key is refused.
#[test]
fn an_algorithm_fits_its_keys_and_its_operations_and_no_other() {
    const ALL_RSA: [&str; 10] =
        ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "RSNULL", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256"];
    const HMAC: [&str; 3] = ["HS256", "HS384", "HS512"];
    const WRAPS: [&str; 2] = ["CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"];
    let with_aes = |own: [&'static str; 4]| [&HMAC[..], &WRAPS, &own].concat();
    let keys = [
        (KeyAlgorithm::Rsa { bits: 2048 }, ALL_RSA.to_vec()),
        (KeyAlgorithm::Rsa { bits: 4096 }, ALL_RSA.to_vec()),
        (KeyAlgorithm::Ec(Curve::P256), vec!["ES256"]),
        (KeyAlgorithm::Ec(Curve::Secp256k1), vec!["ES256K"]),
        (KeyAlgorithm::Ec(Curve::P384), vec!["ES384"]),
        (KeyAlgorithm::Ec(Curve::P521), vec!["ES512"]),
        (KeyAlgorithm::Aes { bits: 128 }, with_aes(["A128GCM", "A128CBC", "A128CBCPAD", "A128KW"])),
        (KeyAlgorithm::Aes { bits: 192 }, with_aes(["A192GCM", "A192CBC", "A192CBCPAD", "A192KW"])),
        (KeyAlgorithm::Aes { bits: 256 }, with_aes(["A256GCM", "A256CBC", "A256CBCPAD", "A256KW"])),
        (KeyAlgorithm::Generic { bytes: 32 }, HMAC.to_vec()),
        (KeyAlgorithm::Ed25519, vec![]),
        (KeyAlgorithm::X25519, vec![]),
    ];
    for (key, fitting) in keys {
        let found: Vec<_> = TABLE.iter().filter(|algorithm| algorithm.fits(key)).map(|fits| fits.name).collect();
        assert_eq!(sorted(found), sorted(fitting), "{key:?}");
    }
    let signing =
        |name: &str| matches!(name.as_bytes()[..2], [b'P' | b'R' | b'E' | b'H', b'S']) && !name.starts_with("RSA");
    for algorithm in &TABLE {
        let name = algorithm.name;
        for operation in [Operation::Sign, Operation::Verify] {
            assert_eq!(algorithm.operations().contains(&operation), signing(name), "{name}");
        }
        for operation in [Operation::Encrypt, Operation::Decrypt] {
            let encrypts = name.contains("GCM") || name.contains("CBC") || name.starts_with("RSA");
            assert_eq!(algorithm.operations().contains(&operation), encrypts, "{name}");
        }
        for operation in [Operation::WrapKey, Operation::UnwrapKey] {
            let wraps = name.ends_with("KW") || name.contains("WRAP") || name.starts_with("RSA");
            assert_eq!(algorithm.operations().contains(&operation), wraps, "{name}");
        }
    }
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[test]
fn what_doesnt_fit_is_said_in_words() {
    let (rsa, _) = rsa_pair();
    let (ec, secret) = (pair(KeyAlgorithm::Ec(Curve::P384)), aes(&[0; 16]));
    let said = |result: Result<Vec<u8>>| result.expect_err("refused").to_string();
    let wrong_curve = said(sign(Private::Pair(&ec), named("ES256"), &[0; 32]));
    assert_eq!(wrong_curve, "ES256 needs an EC key on P-256, and this is an EC key on P-384");
    let wrong_kind = said(sign(Private::Secret(&secret), named("RS256"), &[0; 32]));
    assert_eq!(wrong_kind, "RS256 needs an RSA key, and this is an oct key of 128 bits");
    let wrong_operation = said(sign(Private::Pair(&rsa), named("RSA1_5"), &[0; 32]));
    assert_eq!(wrong_operation, "RSA1_5 can't be used to sign");
    let wrong_size = encrypt(Public::Secret(&secret), named("A256GCM"), b"", &NOTHING).expect_err("refused");
    assert_eq!(wrong_size.to_string(), "A256GCM needs an oct key of 256 bits, and this is an oct key of 128 bits");
    for name in ["RS1", "rs256", "ES256 ", "none", ""] {
        assert!(matches!(Algorithm::named(name), Err(OperationError::UnknownAlgorithm)), "{name}");
    }
}

#[test]
fn only_digests_of_the_algorithms_length_are_signed() {
    let (rsa, _) = rsa_pair();
    for (name, digest_len) in [("PS256", 32), ("RS256", 32), ("PS384", 48), ("RS384", 48), ("PS512", 64), ("RS512", 64)]
    {
        for len in [0, 20, digest_len - 1, digest_len + 1, 300] {
            let signed = sign(Private::Pair(&rsa), named(name), &vec![0; len]).expect_err("refused").to_string();
            assert_eq!(signed, format!("{name} takes a digest of {digest_len} bytes, not {len} bytes"));
            let verified = verify(Public::Pair(rsa.0.public_key()), named(name), &vec![0; len], &[0; 256]);
            assert_eq!(verified.expect_err("refused").to_string(), signed);
        }
    }
    for len in [0, 246] {
        let signed = sign(Private::Pair(&rsa), named("RSNULL"), &vec![0; len]).expect_err("refused").to_string();
        assert_eq!(signed, format!("RSNULL takes a DigestInfo of 1 to 245 bytes, not {len} bytes"));
    }
    assert!(sign(Private::Pair(&rsa), named("RSNULL"), &[0; 245]).is_ok());
    let ec = pair(KeyAlgorithm::Ec(Curve::P521));
    let signed = sign(Private::Pair(&ec), named("ES512"), &[0; 66]).expect_err("refused").to_string();
    assert_eq!(signed, "ES512 takes a digest of 64 bytes, not 66 bytes");
    assert!(sign(Private::Secret(&aes(&[0; 16])), named("HS256"), &[]).is_err());
}

#[test]
fn members_that_an_algorithm_has_no_use_for_are_refused_and_needed_ones_asked_for() {
    let (rsa, _) = rsa_pair();
    let key = aes(&[0; 16]);
    let (short, block, nonce) = (&[0; 15][..], &[0; 16][..], &[0; 12][..]);
    let iv = |iv| AesInput { iv: Some(iv), ..NOTHING };
    let aad = AesInput { aad: Some(b"aad"), ..iv(block) };
    let tag = AesInput { tag: Some(block), ..iv(block) };
    let member = |result: Result<()>| match result.expect_err("refused") {
        OperationError::BadParameter { member, .. } => member,
        other => panic!("{other}"),
    };
    let sealing = |name, with| member(encrypt(Public::Secret(&key), named(name), block, &with).map(drop));
    let opening = |name, with| member(decrypt(Private::Secret(&key), named(name), block, &with).map(drop));
    assert_eq!(sealing("A128GCM", iv(nonce)), "iv");
    assert_eq!(sealing("A128GCM", AesInput { tag: Some(block), ..NOTHING }), "tag");
    for name in ["A128CBC", "A128CBCPAD"] {
        for missing in [NOTHING, iv(short), iv(nonce), iv(&[])] {
            assert_eq!([sealing(name, missing), opening(name, missing)], ["iv"; 2]);
        }
        assert_eq!([sealing(name, aad), opening(name, aad)], ["aad"; 2]);
        assert_eq!([sealing(name, tag), opening(name, tag)], ["tag"; 2]);
    }
    assert_eq!(opening("A128GCM", NOTHING), "iv");
    assert_eq!(opening("A128GCM", iv(nonce)), "tag");
    let wrapping = |with| member(wrap(Public::Secret(&key), named("A128KW"), block, &with).map(drop));
    assert_eq!(wrapping(iv(block)), "iv");
    let public = Public::Pair(rsa.0.public_key());
    assert_eq!(member(encrypt(public, named("RSA1_5"), b"", &iv(block)).map(drop)), "iv");
    let empty = AesInput { iv: Some(&[]), aad: Some(&[]), tag: Some(&[]) };
    assert!(
        encrypt(public, named("RSA1_5"), b"", &empty).is_ok() && wrap(public, named("RSA1_5"), b"", &empty).is_ok()
    );
}
