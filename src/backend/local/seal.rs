//! Sealing: each part of each record under a key of its own.
//!
//! Key = HKDF-SHA-256(root key, fresh salt, vault id ‖ record id ‖ part); AES-256-GCM with a zero nonce, which is sound
//! because no key is used twice: the salt is drawn anew at each sealing. What is readable beside a seal is bound by it
//! as associated data, each field with its length.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use zeroize::{Zeroize, Zeroizing};

use super::store::{HeaderRow, Row};
use super::sum::Number;
use crate::crypto::{self, CryptoError, SecretBytes};
use crate::sys::memory::{AfterFork, SecretPages};
use crate::vault::{Result, VaultError};

/// Bytes of a root key, and of each key derived from it.
pub const KEY_LEN: usize = 32;
/// Bytes of a GCM tag.
pub const TAG_LEN: usize = 16;

/// Which part of a record a key seals.
#[derive(Clone, Copy)]
pub enum Part {
    /// The attributes of an object, or the header's contents.
    Attributes,
    /// The private part.
    Private,
}

/// The key over everything in a vault, in pages that a fork wipes; beside it the key of the records' codes.
pub struct RootKey {
    pages: SecretPages<u8>,
    number: u64,
}

impl RootKey {
    /// A new one, with its number in the vault: 1, and one more with each rekey.
    pub fn generate(number: u64) -> Result<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        crypto::random(&mut *bytes)?;
        Self::from_bytes(&bytes, number)
    }

    /// Takes a copy.
    pub fn from_bytes(bytes: &[u8; KEY_LEN], number: u64) -> Result<Self> {
        let mut pages = SecretPages::filled(0, 2 * KEY_LEN, AfterFork::Wiped).map_err(no_memory)?;
        pages[..KEY_LEN].copy_from_slice(bytes);
        let (root, code) = pages.split_at_mut(KEY_LEN);
        derive(root, &[], &[b"record codes"], code)?;
        Ok(Self { pages, number })
    }

    /// In pages of its own.
    pub fn copy(&self) -> Result<Self> {
        let bytes = self.expose().first_chunk().ok_or(CryptoError::Internal("root key"))?;
        Self::from_bytes(bytes, self.number)
    }

    /// A header with another number was sealed under another root key.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// For wrapping it.
    pub fn expose(&self) -> &[u8] {
        &self.pages[..KEY_LEN]
    }

    /// The key of one part of one record.
    pub fn part_key(&self, vault: &[u8; 16], record: &[u8; 16], part: Part, salt: &[u8; 32]) -> Result<PartKey> {
        let mut key = PartKey([0; KEY_LEN]);
        let part: &[u8] = match part {
            Part::Attributes => b"attributes",
            Part::Private => b"private",
        };
        derive(self.expose(), salt, &[vault, record, part], &mut key.0)?;
        Ok(key)
    }

    /// The key of one backup's body.
    pub fn backup_key(&self, vault: &[u8; 16], salt: &[u8; 32]) -> Result<PartKey> {
        let mut key = PartKey([0; KEY_LEN]);
        derive(self.expose(), salt, &[vault, b"backup"], &mut key.0)?;
        Ok(key)
    }

    /// 128 bits that tell this root key from another, and tell nothing of it.
    pub fn key_check(&self, salt: &[u8; 32]) -> Result<[u8; 16]> {
        let mut check = [0; 16];
        derive(self.expose(), salt, &[b"backup key check"], &mut check)?;
        Ok(check)
    }

    /// The code of a row in the sum.
    pub fn code(&self, row: &RowCode) -> Number {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.pages[KEY_LEN..]);
        let mut context = hmac::Context::with_key(&key);
        for field in [&row.id[..], &row.seq.to_le_bytes(), &row.salt, &row.attributes_tag, &row.secret_tag] {
            context.update(field);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        Number::from_bytes(&bytes)
    }
}

/// What of a row goes into its code; kept in memory to take the row out of the sum again.
#[derive(Clone, Debug)]
pub struct RowCode {
    /// The record.
    pub id: [u8; 16],
    /// Its revision.
    pub seq: u64,
    salt: [u8; 32],
    attributes_tag: [u8; TAG_LEN],
    secret_tag: [u8; TAG_LEN],
}

impl RowCode {
    /// Of a row that was opened, so that its tags are known to be there.
    pub fn of(row: &Row) -> Self {
        Self {
            id: row.id,
            seq: row.seq,
            salt: row.salt,
            attributes_tag: tag(&row.attributes),
            secret_tag: tag(&row.secret),
        }
    }
}

fn tag(sealed: &[u8]) -> [u8; TAG_LEN] {
    sealed.last_chunk().copied().unwrap_or([0; TAG_LEN])
}

/// The key of one sealed part.
#[derive(Clone)]
pub struct PartKey([u8; KEY_LEN]);

impl Drop for PartKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartKey {
    /// From a ring's slot.
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(*bytes)
    }

    /// For a ring's slot.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Seals `plain`, once for each key; the tag is the last 16 bytes.
    pub fn seal(&self, bound: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        self.seal_piece([0; 12], bound, plain)
    }

    /// Opens what [`seal`](Self::seal) made; `None` if anything was changed.
    pub fn open(&self, bound: &[u8], sealed: &[u8]) -> Result<Option<SecretBytes>> {
        self.open_piece([0; 12], bound, sealed)
    }

    /// Seals one of several pieces under a key. The caller uses no nonce twice.
    pub fn seal_piece(&self, nonce: [u8; 12], bound: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(plain.len() + TAG_LEN);
        sealed.extend_from_slice(plain);
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut sealed)
            .map_err(|_| CryptoError::Internal("sealing"))?;
        Ok(sealed)
    }

    /// Opens what [`seal_piece`](Self::seal_piece) made; `None` if anything was changed.
    pub fn open_piece(&self, nonce: [u8; 12], bound: &[u8], sealed: &[u8]) -> Result<Option<SecretBytes>> {
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let plain = self.cipher()?.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut bytes);
        Ok(plain.ok().map(|plain| SecretBytes::from_slice(plain)))
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.0).map_err(|_| CryptoError::Internal("AES key"))?;
        Ok(LessSafeKey::new(key))
    }
}

/// HKDF-SHA-256 (RFC 5869).
pub fn derive(secret: &[u8], salt: &[u8], labels: &[&[u8]], out: &mut [u8]) -> Result<()> {
    struct Len(usize);
    impl hkdf::KeyType for Len {
        fn len(&self) -> usize {
            self.0
        }
    }
    let key = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    let expanded = key.expand(labels, Len(out.len())).map_err(|_| CryptoError::Internal("HKDF"))?;
    expanded.fill(out).map_err(|_| CryptoError::Internal("HKDF").into())
}

/// Everything readable of a row, each field with its length: what both of its seals bind.
pub fn row_binding(vault: &[u8; 16], row: &Row) -> Vec<u8> {
    let mut bound = Vec::with_capacity(96 + row.readable.len());
    let seq = row.seq.to_le_bytes();
    let kind = row.kind.to_le_bytes();
    let number = row.number.to_le_bytes();
    let key_number = row.key_number.to_le_bytes();
    bind(&mut bound, &[vault, &row.id, &kind, &seq, &number, &key_number, &[row.state], &row.readable]);
    bound
}

/// Everything readable of the header.
pub fn header_binding(header: &HeaderRow) -> Vec<u8> {
    let mut bound = Vec::with_capacity(128);
    let commit = header.commit.to_le_bytes();
    let format = header.format.to_le_bytes();
    let root = header.root_number.to_le_bytes();
    let slot = header.slot_id.to_le_bytes();
    let texts = [header.serial.as_bytes(), header.label.as_bytes()];
    bind(&mut bound, &[b"header", &header.vault_id, &commit, &format, &root, &slot, texts[0], texts[1]]);
    bound
}

/// Appends fields, each after its length.
pub fn bind(bound: &mut Vec<u8>, fields: &[&[u8]]) {
    for field in fields {
        bound.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bound.extend_from_slice(field);
    }
}

/// Fresh salt.
pub fn fresh_salt() -> Result<[u8; 32]> {
    let mut salt = [0; 32];
    crypto::random(&mut salt)?;
    Ok(salt)
}

/// Memory for a secret couldn't be had.
pub fn no_memory(source: std::io::Error) -> VaultError {
    VaultError::Io { path: "memory for keys".into(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_with_its_key_and_binding() {
        let root = RootKey::generate(1).unwrap();
        let key = root.part_key(&[1; 16], &[2; 16], Part::Private, &[3; 32]).unwrap();
        let sealed = key.seal(b"bound", b"secret").unwrap();
        assert_eq!(key.open(b"bound", &sealed).unwrap().unwrap().expose(), b"secret");
        assert!(key.open(b"Bound", &sealed).unwrap().is_none());
        assert!(key.open(b"bound", &sealed[1..]).unwrap().is_none());
        let other = root.part_key(&[1; 16], &[2; 16], Part::Attributes, &[3; 32]).unwrap();
        assert!(other.open(b"bound", &sealed).unwrap().is_none());
    }

    #[test]
    fn bound_fields_cannot_slide_into_each_other() {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        bind(&mut left, &[b"ab", b"c"]);
        bind(&mut right, &[b"a", b"bc"]);
        assert_ne!(left, right);
    }
}
