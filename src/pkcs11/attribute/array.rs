//! Attributes whose value is a template (`CKA_WRAP_TEMPLATE` and its kin).
//!
//! In C such a value is an array of `CK_ATTRIBUTE`, full of pointers. Inside it is flat: for each attribute its type and
//! its length, 8 bytes each, then its bytes. What reads and writes the caller's pointers makes one of the other. An
//! array of pointers that slipped through doesn't decode, so that none is ever kept.

use cryptoki_sys::*;

use super::{Form, Lookup, lookup_any};
use crate::pkcs11::error::Rv;

/// Attributes and their values.
pub type Entries<'a> = Vec<(CK_ATTRIBUTE_TYPE, &'a [u8])>;

/// The flat form of `entries`.
pub fn encode(entries: &[(CK_ATTRIBUTE_TYPE, &[u8])]) -> Vec<u8> {
    let mut flat = Vec::new();
    for (number, value) in entries {
        flat.extend_from_slice(&number.to_le_bytes());
        flat.extend_from_slice(&(value.len() as u64).to_le_bytes());
        flat.extend_from_slice(value);
    }
    flat
}

/// Reads the flat form. Every attribute must be a known one with a possible value, and none is an array again.
pub fn decode(mut flat: &[u8]) -> Result<Entries<'_>, Rv> {
    let mut entries = Entries::new();
    while !flat.is_empty() {
        let (number, rest) = split_number(flat)?;
        let (len, rest) = split_number(rest)?;
        let len = usize::try_from(len).ok().filter(|len| *len <= rest.len()).ok_or(MALFORMED)?;
        let (value, rest) = rest.split_at(len);
        match lookup_any(number) {
            Lookup::Row(row) if row.form != Form::AttributeArray => row.form.check(value)?,
            _ => return Err(MALFORMED),
        }
        entries.push((number, value));
        flat = rest;
    }
    Ok(entries)
}

fn split_number(bytes: &[u8]) -> Result<(u64, &[u8]), Rv> {
    let (number, rest) = bytes.split_first_chunk().ok_or(MALFORMED)?;
    Ok((u64::from_le_bytes(*number), rest))
}

const MALFORMED: Rv = Rv(CKR_ATTRIBUTE_VALUE_INVALID);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_in_an_attribute_reads_back() {
        let entries = [(CKA_EXTRACTABLE, &[CK_FALSE][..]), (CKA_LABEL, b"wrapped"), (CKA_ID, b"")];
        assert_eq!(decode(&encode(&entries)).unwrap(), entries);
        assert!(decode(&[]).unwrap().is_empty());
    }

    #[test]
    fn an_array_of_pointers_is_not_kept() {
        // struct CK_ATTRIBUTE { type, pValue, ulValueLen }
        let mut pointers = Vec::new();
        for field in [CKA_EXTRACTABLE, 0x7FFF_1234_5678, 1] {
            pointers.extend_from_slice(&field.to_ne_bytes());
        }
        assert_eq!(decode(&pointers), Err(MALFORMED));
    }

    #[test]
    fn what_is_cut_short_nested_or_unknown_is_refused() {
        let whole = encode(&[(CKA_LABEL, b"label")]);
        for len in 1..whole.len() {
            assert_eq!(decode(&whole[..len]), Err(MALFORMED), "{len} bytes");
        }
        assert_eq!(decode(&encode(&[(CKA_WRAP_TEMPLATE, b"")])), Err(MALFORMED));
        assert_eq!(decode(&encode(&[(0x7777, b"")])), Err(MALFORMED));
        assert_eq!(decode(&encode(&[(CKA_EXTRACTABLE, b"12")])), Err(MALFORMED));
    }
}
