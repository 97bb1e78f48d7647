//! Signatures with `aws-lc-rs` and nothing in between: what the module's figures are divided by.
//!
//! `raw KIND SECONDS`, with a kind of p256, rsa2048, rsa4096 or ed25519, prints signatures a second, the median and the 99th
//! percentile in microseconds. One thread; the key is parsed once; what is signed is a 32-byte digest (Ed25519: 32 bytes).

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};

fn main() {
    let arguments: Vec<String> = std::env::args().filter(|argument| argument != "--bench").collect();
    let [_, kind, seconds] = &arguments[..] else {
        return eprintln!("raw p256|rsa2048|rsa4096|ed25519 SECONDS");
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
        other => panic!("no kind {other}"),
    };
    println!("{figures}");
}

/// Runs `sign` again and again; a few times first that don't count.
fn measure(limit: Duration, mut sign: impl FnMut()) -> String {
    (0..20).for_each(|_| sign());
    let mut times = Vec::with_capacity(1 << 22);
    let start = Instant::now();
    let mut before = start;
    while before - start < limit {
        sign();
        let after = Instant::now();
        times.push((after - before).as_secs_f32() * 1e6);
        before = after;
    }
    times.sort_unstable_by(f32::total_cmp);
    let rate = times.len() as f64 / (before - start).as_secs_f64();
    format!("{rate:.1} {:.2} {:.2}", times[times.len() / 2], times[(times.len() - 1) * 99 / 100])
}
