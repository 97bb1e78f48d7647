//! The keys of a vault, computed from its file and a PIN by this second reading of the format: what must not be found in
//! the memory of a forked child.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use rusqlite::Connection;
use sha2::block_api::compress256;

/// A secret with its name.
pub type Canary = (String, Vec<u8>);

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive(secret: &[u8], salt: &[u8], labels: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0; 32];
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    key.expand(labels, Len(32)).unwrap().fill(&mut out).unwrap();
    out
}

/// HKDF's first half is one HMAC.
fn extract(secret: &[u8], salt: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret).as_ref().to_vec()
}

/// SHA-256's state after the first block of an HMAC under `key`, as it lies in memory.
pub fn hmac_state(key: &[u8], pad: u8) -> Vec<u8> {
    let mut block = [pad; 64];
    block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    let mut state = [0x6a09e667u32, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    compress256(&mut state, &[block]);
    state.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn bind(fields: &[&[u8]]) -> Vec<u8> {
    let mut bound = Vec::new();
    for field in fields {
        bound.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bound.extend_from_slice(field);
    }
    bound
}

/// The root key, as the user's PIN unwraps it, and what stands between the two.
fn unwrap(database: &Connection, vault: &[u8], pin: &[u8]) -> (Vec<u8>, Vec<Canary>) {
    let number: u64 =
        database.query_row("SELECT root_number FROM header", [], |row| row.get::<_, i64>(0)).unwrap() as u64;
    let body: Vec<u8> =
        database.query_row("SELECT body FROM wrapped_key WHERE kind = 1", [], |row| row.get(0)).unwrap();
    let cost = |at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap());
    let params = argon2::Params::new(cost(2), cost(6), cost(10), Some(32)).unwrap();
    let salt = &body[14..46];
    let mut stretched = vec![0; 32];
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(pin, salt, &mut stretched)
        .unwrap();
    let wrapping = derive(&stretched, salt, &[b"wrap", &[1]]);
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &wrapping).unwrap());
    let bound = bind(&[b"root key", vault, &[1], &number.to_le_bytes(), &body[..46]]);
    let mut root = body[46..94].to_vec();
    cipher.open_in_place(Nonce::assume_unique_for_key([0; 12]), Aad::from(bound), &mut root).unwrap();
    root.truncate(32);
    (root, vec![("Argon2's output".into(), stretched), ("the wrapping key".into(), wrapping)])
}

/// The root key and everything derived from it, by the vault in `path`; of each record the keys of its parts.
pub struct Keys {
    pub root: Vec<Canary>,
    /// For each record its object's number, and the key of its private part.
    pub private_parts: Vec<(u64, Vec<u8>)>,
}

pub fn of(path: &Path, pin: &str) -> Keys {
    let database = Connection::open(path.join("vault.db")).unwrap();
    let vault: Vec<u8> = database.query_row("SELECT vault_id FROM header", [], |row| row.get(0)).unwrap();
    let (root, mut canaries) = unwrap(&database, &vault, pin.as_bytes());
    let code = derive(&root, &[], &[b"record codes"]);
    for (pad, text) in [(0x36, "inner"), (0x5C, "outer")] {
        canaries.push((format!("the {text} HMAC state of the record codes' key"), hmac_state(&code, pad)));
    }
    let mut private_parts = Vec::new();
    let mut statement = database.prepare("SELECT id, salt, number FROM record").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?))).unwrap();
    for row in rows {
        let (id, salt, number): (Vec<u8>, Vec<u8>, i64) = row.unwrap();
        let part = |part: &[u8]| derive(&root, &salt, &[&vault, &id, part]);
        let middle = extract(&root, &salt);
        canaries.push((format!("the HMAC state of record {number}'s middle key"), hmac_state(&middle, 0x36)));
        canaries.push((format!("record {number}'s middle key"), middle));
        canaries.push((format!("the key of record {number}'s attributes"), part(b"attributes")));
        private_parts.push((number as u64, part(b"private")));
    }
    canaries.push(("the record codes' key".into(), code));
    canaries.push(("the root key".into(), root));
    Keys { root: canaries, private_parts }
}
