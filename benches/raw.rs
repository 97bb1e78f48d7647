//! `aws-lc-rs` and nothing in between: what the module's figures are divided by.
//!
//! `raw KIND SECONDS` prints operations a second, the median and the 99th percentile in microseconds, on one thread, with a
//! key that is parsed once. Kinds: signatures of a 32-byte digest (p256, rsa2048, rsa4096; ed25519 of 32 bytes), and the
//! check of one (p256-verify); encryption of 16 KiB under AES-256 (gcm, cbc-pad; message is gcm, for the other way to ask the
//! module for it); SHA-256 and SHA-512 of parts of 1 MiB (sha256, sha512); decryption with RSA-2048 (oaep, pkcs1).

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{self, SHA256, SHA512, digest};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    KeyPair as RsaKeyPair, KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    Pkcs1PrivateDecryptingKey, Pkcs1PublicEncryptingKey, PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey,
    RSA_PKCS1_SHA256,
};

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").collect();
    let [_, kind, seconds] = &arguments[..] else {
        return eprintln!("raw KIND SECONDS");
    };
    let limit = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let message = [0x5A; 32];
    let hash = digest(&SHA256, &message);
    let figures = match kind.as_str() {
        "p256" => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
            measure(limit, || {
                black_box(key.sign_digest(&hash).expect("a signature"));
            })
        }
        "p256-verify" => {
            let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
            let signature = key.sign_digest(&hash).expect("a signature");
            let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref()).expect("a key");
            measure(limit, || public.verify_digest_sig(&hash, signature.as_ref()).expect("its signature"))
        }
        "ed25519" => {
            let key = Ed25519KeyPair::generate().expect("a key");
            measure(limit, || {
                black_box(key.sign(&message));
            })
        }
        "rsa2048" | "rsa4096" => {
            let size = if kind == "rsa2048" { KeySize::Rsa2048 } else { KeySize::Rsa4096 };
            let key = RsaKeyPair::generate(size).expect("a key");
            let mut signature = vec![0; key.public_modulus_len()];
            measure(limit, || {
                key.sign_digest(&RSA_PKCS1_SHA256, &hash, &mut signature).expect("a signature");
                black_box(&signature);
            })
        }
        other => measure_data(other, limit),
    };
    println!("{figures}");
}

fn measure_data(kind: &str, limit: Duration) -> String {
    let mut data = vec![0x5A; 16 << 10];
    match kind {
        "gcm" | "message" => {
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key"));
            measure(limit, || {
                let nonce = Nonce::assume_unique_for_key([9; 12]);
                let _tag = black_box(key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut data).expect("a tag"));
            })
        }
        "cbc-pad" => {
            let key = UnboundCipherKey::new(&AES_256, &[7; 32]).expect("a key");
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).expect("a key");
            data.reserve(16);
            measure(limit, || {
                data.truncate(16 << 10);
                let context = EncryptionContext::Iv128(FixedLength::from(&[9; 16]));
                black_box(key.less_safe_encrypt(&mut data, context).expect("a ciphertext"));
            })
        }
        "sha256" | "sha512" => {
            let part = vec![0x5A; 1 << 20];
            let mut state = digest::Context::new(if kind == "sha256" { &SHA256 } else { &SHA512 });
            measure(limit, || state.update(black_box(&part)))
        }
        "oaep" => {
            let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
            let public = OaepPublicEncryptingKey::new(key.public_key()).expect("a key");
            let private = OaepPrivateDecryptingKey::new(key).expect("a key");
            let mut sealed = vec![0; public.ciphertext_size()];
            public.encrypt(&OAEP_SHA256_MGF1SHA256, &data[..32], &mut sealed, None).expect("a ciphertext");
            let mut out = vec![0; private.min_output_size()];
            measure(limit, || {
                black_box(private.decrypt(&OAEP_SHA256_MGF1SHA256, &sealed, &mut out, None).expect("the data"));
            })
        }
        "pkcs1" => {
            let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
            let public = Pkcs1PublicEncryptingKey::new(key.public_key()).expect("a key");
            let private = Pkcs1PrivateDecryptingKey::new(key).expect("a key");
            let mut sealed = vec![0; public.ciphertext_size()];
            public.encrypt(&data[..32], &mut sealed).expect("a ciphertext");
            let mut out = vec![0; private.min_output_size()];
            measure(limit, || {
                black_box(private.decrypt(&sealed, &mut out).expect("the data"));
            })
        }
        other => panic!("no kind {other}"),
    }
}

/// Runs `operation` again and again; a few times first that don't count.
fn measure(limit: Duration, mut operation: impl FnMut()) -> String {
    (0..20).for_each(|_| operation());
    let mut times = Vec::with_capacity(1 << 22);
    let start = Instant::now();
    let mut before = start;
    while before - start < limit {
        operation();
        let after = Instant::now();
        times.push((after - before).as_secs_f32() * 1e6);
        before = after;
    }
    times.sort_unstable_by(f32::total_cmp);
    let rate = times.len() as f64 / (before - start).as_secs_f64();
    format!("{rate:.1} {:.2} {:.2}", times[times.len() / 2], times[(times.len() - 1) * 99 / 100])
}
