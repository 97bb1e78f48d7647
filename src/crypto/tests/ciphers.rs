//! Ciphers: published values, and that parts, lengths and errors are what they promise.

use super::*;
use crate::crypto::{Cipher, CipherScheme, CryptoError, Direction, Result, SecretBytes, SecretKey, Text};

const DIRECTIONS: [Direction; 2] = [Direction::Encrypt, Direction::Decrypt];

/// SP 800-38A, appendix F.
const MESSAGE: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
                       30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
const KEYS: [&str; 3] = [
    "2b7e151628aed2a6abf7158809cf4f3c",
    "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
    "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
];

fn aes(value: &[u8]) -> SecretKey {
    let algorithm = KeyAlgorithm::Aes { bits: 8 * value.len() as u32 };
    SecretKey::new(algorithm, SecretBytes::from_slice(value)).expect("an AES key")
}

fn cipher(scheme: &CipherScheme<'_>, direction: Direction) -> Cipher {
    aes(&[0x11; 32]).cipher(scheme, direction).expect("possible parameters")
}

/// In one call.
fn whole(mut cipher: Cipher, input: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0xDD; cipher.whole_len(input.len())];
    let len = cipher.whole(input, &mut out)?;
    out.truncate(len);
    Ok(out)
}

/// In parts of this length, with each promised length held.
fn in_parts(mut cipher: Cipher, input: &[u8], part_len: usize) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for part in input.chunks(part_len) {
        let mut out = vec![0; cipher.part_len(part.len())];
        assert_eq!(cipher.update(part, &mut out)?, out.len());
        all.extend_from_slice(&out);
    }
    let mut out = vec![0; cipher.last_len()];
    let len = cipher.finish(&mut out)?;
    all.extend_from_slice(&out[..len]);
    Ok(all)
}

fn gcm<'a>(iv: &'a [u8], aad: &'a [u8], tag_len: usize) -> CipherScheme<'a> {
    CipherScheme::AesGcm { iv, aad, tag_len }
}

fn every_scheme() -> [CipherScheme<'static>; 6] {
    let iv = [0x22; 16];
    [
        CipherScheme::AesEcb,
        CipherScheme::AesCbc { iv },
        CipherScheme::AesCbcPad { iv },
        CipherScheme::AesCtr { counter_bits: 32, block: [0xFF; 16] },
        gcm(&[0x33; 12], b"", 16),
        gcm(&[0x33; 50], b"associated", 12),
    ]
}

#[test]
fn sp_800_38a() {
    let mut iv = [0; 16];
    iv.copy_from_slice(&hex("000102030405060708090a0b0c0d0e0f"));
    let mut block = [0; 16];
    block.copy_from_slice(&hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"));
    let expected = [
        (
            CipherScheme::AesEcb,
            [
                "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf
                 43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
                "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef
                 ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
                "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870
                 b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
            ],
        ),
        (
            CipherScheme::AesCbc { iv },
            [
                "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2
                 73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7",
                "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a
                 571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd",
                "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d
                 39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b",
            ],
        ),
        (
            CipherScheme::AesCtr { counter_bits: 128, block },
            [
                "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff
                 5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
                "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94
                 1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050",
                "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5
                 2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
            ],
        ),
    ];
    for (scheme, ciphertexts) in expected {
        for (key, ciphertext) in KEYS.into_iter().zip(ciphertexts) {
            let key = aes(&hex(key));
            for (direction, from, to) in
                [(Direction::Encrypt, MESSAGE, ciphertext), (Direction::Decrypt, ciphertext, MESSAGE)]
            {
                let cipher = || key.cipher(&scheme, direction).expect("possible parameters");
                assert_eq!(whole(cipher(), &hex(from)).as_deref(), Ok(&*hex(to)), "{scheme:?}");
                assert_eq!(in_parts(cipher(), &hex(from), 5).as_deref(), Ok(&*hex(to)), "{scheme:?}");
            }
        }
    }
}

/// McGrew and Viega's test cases 4 to 6: IVs of 12, 8 and 60 bytes.
#[test]
fn gcm_with_every_kind_of_iv() {
    let key = aes(&hex("feffe9928665731c6d6a8f9467308308"));
    let message = hex("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                       1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    let long_iv = "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728
                   c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b";
    for (iv, ciphertext, tag) in [
        (
            "cafebabefacedbaddecaf888",
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47",
        ),
        (
            "cafebabefacedbad",
            "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423
             73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598",
            "3612d2e79e3b0785561be14aaca2fccb",
        ),
        (
            long_iv,
            "8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca7
             01e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5",
            "619cc5aefffe0bfa462af43c1699d050",
        ),
    ] {
        let iv = hex(iv);
        for tag_len in 12..=16 {
            let scheme = gcm(&iv, &aad, tag_len);
            let sealed = [hex(ciphertext), hex(tag)[..tag_len].to_vec()].concat();
            for (direction, from, to) in
                [(Direction::Encrypt, &message, &sealed), (Direction::Decrypt, &sealed, &message)]
            {
                let cipher = || key.cipher(&scheme, direction).expect("possible parameters");
                assert_eq!(whole(cipher(), from).as_ref(), Ok(to));
                assert_eq!(in_parts(cipher(), from, 7).as_ref(), Ok(to));
            }
        }
    }
}

#[test]
fn parts_of_any_length_give_the_whole_and_come_back() {
    let message: Vec<u8> = (0..=255).cycle().take(300).collect();
    for scheme in every_scheme() {
        let whole_blocks = matches!(scheme, CipherScheme::AesEcb | CipherScheme::AesCbc { .. });
        for len in (0..=70).chain([255, 256, 257, 300]).filter(|len| !whole_blocks || len % 16 == 0) {
            let message = &message[..len];
            let encrypted = whole(cipher(&scheme, Direction::Encrypt), message).expect("encrypted");
            assert_eq!(whole(cipher(&scheme, Direction::Decrypt), &encrypted).as_deref(), Ok(message));
            for part_len in [1, 3, 15, 16, 17, 31, 32, 33, 300] {
                let cipher = |direction| cipher(&scheme, direction);
                assert_eq!(in_parts(cipher(Direction::Encrypt), message, part_len).as_ref(), Ok(&encrypted));
                assert_eq!(in_parts(cipher(Direction::Decrypt), &encrypted, part_len).as_deref(), Ok(message));
            }
        }
    }
}

#[test]
fn lengths_that_no_message_has_are_refused() {
    let decrypt = Direction::Decrypt;
    for (scheme, direction, impossible) in [
        (CipherScheme::AesEcb, Direction::Encrypt, &[1, 15, 17][..]),
        (CipherScheme::AesEcb, decrypt, &[1, 15, 17]),
        (CipherScheme::AesCbc { iv: [0; 16] }, Direction::Encrypt, &[1, 15, 17]),
        (CipherScheme::AesCbcPad { iv: [0; 16] }, decrypt, &[0, 1, 15, 17, 31, 33]),
        (gcm(&[1; 12], b"", 14), decrypt, &[0, 1, 13]),
        (CipherScheme::AesCtr { counter_bits: 1, block: [0; 16] }, decrypt, &[33, 48]),
    ] {
        for &len in impossible {
            let input = vec![0; len];
            assert_eq!(whole(cipher(&scheme, direction), &input), Err(CryptoError::InputLength), "{scheme:?} {len}");
            assert_eq!(in_parts(cipher(&scheme, direction), &input, 9), Err(CryptoError::InputLength));
        }
    }
}

/// One expanded key for messages with vectors of all lengths, in parts and in place, gives what a cipher for each gives.
#[test]
fn messages_one_after_the_other_are_what_each_would_be_alone() {
    let key = aes(&[0x11; 32]);
    let [mut seals, mut opens] = DIRECTIONS.map(|direction| key.gcm_messages(direction).unwrap());
    for (count, iv_len) in [12, 1, 12, 16, 17, 600, 33, 12, 13, 8].into_iter().enumerate() {
        let (iv, aad, tag_len) = (vec![count as u8; iv_len], vec![0xAD; 7 * count], 12 + count % 5);
        let text: Vec<u8> = (0..60 * count + 1).map(|byte| byte as u8).collect();
        let alone = whole(cipher(&gcm(&iv, &aad, tag_len), Direction::Encrypt), &text).unwrap();
        // One that was begun and left is forgotten.
        seals.at_work().begin(&[9; 12], b"left").unwrap();
        seals.at_work().pass(Text::Beside(b"text", &mut [0; 4])).unwrap();
        seals.at_work().begin(&iv, &aad).unwrap();
        let (mut sealed, middle) = (text.clone(), text.len() / 3);
        seals.at_work().pass(Text::InPlace(&mut sealed[..middle])).unwrap();
        seals.at_work().pass(Text::Beside(&text[middle..], &mut sealed[middle..])).unwrap();
        let mut tag = vec![0; tag_len];
        seals.at_work().tag(&mut tag).unwrap();
        assert_eq!([&sealed[..], &tag].concat(), alone, "{iv_len}");
        opens.at_work().begin(&iv, &aad).unwrap();
        opens.at_work().pass(Text::InPlace(&mut sealed)).unwrap();
        assert_eq!(opens.at_work().check(&tag), Ok(()));
        assert_eq!(sealed, text);
        tag[0] ^= 1;
        opens.at_work().begin(&iv, &aad).unwrap();
        opens.at_work().pass(Text::InPlace(&mut sealed)).unwrap();
        assert_eq!(opens.at_work().check(&tag), Err(CryptoError::CiphertextInvalid));
    }
    assert_eq!(seals.at_work().begin(&[], b""), Err(CryptoError::ParametersInvalid));
    assert!(
        key.gcm_messages(Direction::Encrypt).unwrap().at_work().pass(Text::InPlace(&mut [0])).is_err(),
        "without a vector"
    );
}

#[test]
fn a_wrong_tag_leaves_nothing_of_the_message() {
    for (tag_len, scheme) in [(16, gcm(&[1; 12], b"aad", 16)), (12, gcm(&[1; 7], b"aad", 12))] {
        let message = [0x77; 100];
        let sealed = whole(cipher(&scheme, Direction::Encrypt), &message).expect("sealed");
        for at in [0, 50, 99, 100, 99 + tag_len] {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            let mut out = [0xDD; 100];
            let mut opened = cipher(&scheme, Direction::Decrypt);
            assert_eq!(opened.whole(&bent, &mut out), Err(CryptoError::CiphertextInvalid));
            assert_eq!(out, [0; 100], "in one call");

            let mut out = [0xDD; 100];
            let mut opened = cipher(&scheme, Direction::Decrypt);
            assert_eq!(opened.update(&bent, &mut []), Ok(0), "before the tag nothing comes out");
            assert_eq!(opened.last_len(), 100);
            assert_eq!(opened.finish(&mut out), Err(CryptoError::CiphertextInvalid));
            assert_eq!(out, [0; 100], "in parts");
        }
        let CipherScheme::AesGcm { iv, .. } = scheme else { panic!("GCM") };
        let other = cipher(&gcm(iv, b"another", tag_len), Direction::Decrypt);
        assert_eq!(whole(other, &sealed), Err(CryptoError::CiphertextInvalid));
    }
}

#[test]
fn wrong_padding_leaves_nothing_of_the_message() {
    let scheme = CipherScheme::AesCbcPad { iv: [3; 16] };
    let plain = CipherScheme::AesCbc { iv: [3; 16] };
    for last in [&[0; 16][..], &[17; 16], &[9, 2, 3, 3], &[16; 15], &[1, 2, 0]] {
        let mut padded = [9; 48];
        padded[48 - last.len()..].copy_from_slice(last);
        let ciphertext = whole(cipher(&plain, Direction::Encrypt), &padded).expect("encrypted");
        let mut out = [0xDD; 47];
        let decrypted = cipher(&scheme, Direction::Decrypt).whole(&ciphertext, &mut out);
        assert_eq!(decrypted, Err(CryptoError::CiphertextInvalid), "{last:?}");
        assert_eq!(out, [0; 47]);
    }
}

#[test]
fn impossible_parameters_are_refused() {
    let key = aes(&[1; 16]);
    for scheme in [
        gcm(&[], b"", 16),
        gcm(&[1; 12], b"", 11),
        gcm(&[1; 12], b"", 17),
        CipherScheme::AesCtr { counter_bits: 0, block: [0; 16] },
        CipherScheme::AesCtr { counter_bits: 129, block: [0; 16] },
    ] {
        for direction in DIRECTIONS {
            assert_eq!(key.cipher(&scheme, direction).err(), Some(CryptoError::ParametersInvalid), "{scheme:?}");
        }
    }
}

#[test]
fn a_buffer_too_short_is_refused_and_changes_nothing() {
    for scheme in every_scheme() {
        let expected = whole(cipher(&scheme, Direction::Encrypt), &[5; 64]).expect("encrypted");
        let mut cipher = cipher(&scheme, Direction::Encrypt);
        let short = cipher.part_len(64) - 1;
        assert_eq!(cipher.update(&[5; 64], &mut vec![0; short]), Err(CryptoError::OutputLength));
        let mut out = vec![0; 100];
        let len = cipher.update(&[5; 64], &mut out).expect("a part");
        if let Some(short) = cipher.last_len().checked_sub(1) {
            assert_eq!(cipher.finish(&mut vec![0; short]), Err(CryptoError::OutputLength));
        }
        let last = cipher.finish(&mut out[len..]).expect("the end");
        assert_eq!(out[..len + last], expected, "{scheme:?}");
    }
}

#[test]
fn an_ended_cipher_does_nothing_more() {
    for scheme in every_scheme() {
        for ended_by_whole in [true, false] {
            let mut cipher = cipher(&scheme, Direction::Encrypt);
            let mut out = [0; 64];
            if ended_by_whole { cipher.whole(&[1; 16], &mut out) } else { cipher.finish(&mut out) }.expect("an end");
            assert!(matches!(cipher.update(&[1; 16], &mut out), Err(CryptoError::Internal(_))), "{scheme:?}");
            assert!(matches!(cipher.finish(&mut out), Err(CryptoError::Internal(_))));
            assert!(matches!(cipher.whole(&[1; 16], &mut out), Err(CryptoError::Internal(_))));
        }
    }
}

#[test]
fn lengths_are_answered_for_any_input() {
    for scheme in every_scheme() {
        for direction in DIRECTIONS {
            let cipher = cipher(&scheme, direction);
            for len in [0, 1, usize::MAX - 1, usize::MAX] {
                assert!(cipher.part_len(len) <= len && cipher.whole_len(len) >= cipher.part_len(len));
            }
        }
    }
}

#[test]
fn gcm_keeps_64_mib_of_ciphertext_and_no_more() {
    let part = vec![0; 16 << 20];
    let mut opened = cipher(&gcm(&[1; 12], b"", 16), Direction::Decrypt);
    for _ in 0..4 {
        assert_eq!(opened.update(&part, &mut []), Ok(0));
    }
    assert_eq!(opened.update(&[0], &mut []), Err(CryptoError::TooLong));
}

#[test]
fn each_kind_of_secret_key_does_its_own() {
    let generic = |value: &[u8]| {
        SecretKey::new(KeyAlgorithm::Generic { bytes: value.len() as u32 }, SecretBytes::from_slice(value))
    };
    let other = SecretKey::new(KeyAlgorithm::Other(0x15), SecretBytes::from_slice(&[1; 24])).expect("any length");
    let hmac = crate::crypto::MacScheme::Hmac(DigestAlgorithm::Sha256);
    let wrap = crate::crypto::KeyWrapScheme::AesKw { iv: None };
    for key in [generic(&[1; 16]).expect("a key"), other] {
        let refused = Some(CryptoError::SchemeMismatch);
        assert_eq!(key.cipher(&CipherScheme::AesEcb, Direction::Encrypt).err(), refused);
        assert_eq!(key.mac(crate::crypto::MacScheme::AesCmac).err(), refused);
        assert_eq!(key.wrap(&wrap, &[1; 16]).err(), refused);
        assert_eq!(key.unwrap(&wrap, &[1; 24]).err(), refused);
        assert!(key.mac(hmac).is_ok());
        assert_eq!(format!("{key:?}"), format!("SecretKey {{ algorithm: {:?}, .. }}", key.algorithm()));
    }
    assert_eq!(aes(&[1; 16]).mac(hmac).err(), Some(CryptoError::SchemeMismatch));
    assert!(generic(&[]).is_ok_and(|key| key.mac(hmac).is_ok()));
}

#[test]
fn a_secret_key_has_the_length_of_its_kind() {
    for (algorithm, len) in [
        (KeyAlgorithm::Aes { bits: 128 }, 24),
        (KeyAlgorithm::Aes { bits: 136 }, 17),
        (KeyAlgorithm::Aes { bits: 0 }, 0),
        (KeyAlgorithm::Generic { bytes: 5 }, 4),
        (KeyAlgorithm::Ed25519, 32),
        (KeyAlgorithm::Rsa { bits: 2048 }, 256),
    ] {
        let made = SecretKey::new(algorithm, SecretBytes::from_slice(&vec![1; len]));
        assert!(matches!(made, Err(CryptoError::KeyInvalid(_))), "{algorithm:?} {len}");
    }
}
