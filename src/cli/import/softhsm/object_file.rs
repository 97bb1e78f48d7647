//! The files in which SoftHSM 2 keeps a token and its objects.
//!
//! A file is a generation number and then attributes to its end: the attribute's number, the form of its value, and
//! the value. Numbers have 8 bytes, most significant first; a byte string has its length before it. What doesn't fit
//! exactly is damage, and nothing of such a file is used.

use std::collections::BTreeMap;

use crate::vault::SecretBytes;

/// The value of an attribute.
pub(super) enum Value {
    Boolean(bool),
    Number(u64),
    /// As it stands there: those of private objects are encrypted.
    Bytes(SecretBytes),
    /// Attributes of another object, by their numbers.
    Template(BTreeMap<u64, Value>),
    Mechanisms(Vec<u64>),
}

/// What a file says; nothing if its making was cut off before the first attribute.
pub(super) fn parse(contents: &[u8]) -> Result<BTreeMap<u64, Value>, &'static str> {
    let mut rest = Rest(contents);
    if contents.is_empty() {
        return Ok(BTreeMap::new());
    }
    let _generation = rest.number()?;
    attributes(&mut rest, true)
}

/// What has not been read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes(&mut self, len: u64) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(len).ok().filter(|len| *len <= self.0.len()).ok_or(CUT_SHORT)?;
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(CUT_SHORT)?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*bytes))
    }
}

fn attributes(rest: &mut Rest<'_>, templates: bool) -> Result<BTreeMap<u64, Value>, &'static str> {
    let mut found = BTreeMap::new();
    while !rest.0.is_empty() {
        let (number, form) = (rest.number()?, rest.number()?);
        let value = match form {
            BOOLEAN => match rest.bytes(1)? {
                [0] => Value::Boolean(false),
                [0xFF] => Value::Boolean(true),
                _ => return Err("a truth value in it is neither true nor false"),
            },
            NUMBER => Value::Number(rest.number()?),
            BYTES => {
                let len = rest.number()?;
                Value::Bytes(SecretBytes::from_slice(rest.bytes(len)?))
            }
            TEMPLATE if templates => {
                let len = rest.number()?;
                Value::Template(attributes(&mut Rest(rest.bytes(len)?), false)?)
            }
            TEMPLATE => return Err("a template in it holds a template"),
            MECHANISMS => mechanisms(rest)?,
            _ => return Err("an attribute in it has a form that SoftHSM 2 doesn't have"),
        };
        if found.insert(number, value).is_some() {
            return Err("an attribute stands in it twice");
        }
    }
    Ok(found)
}

fn mechanisms(rest: &mut Rest<'_>) -> Result<Value, &'static str> {
    let count = rest.number()?;
    let bytes = rest.bytes(count.checked_mul(8).ok_or(CUT_SHORT)?)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(Value::Mechanisms(bytes.chunks_exact(8).map(number).collect()))
}

const CUT_SHORT: &str = "it ends in the middle of an attribute";

const BOOLEAN: u64 = 1;
const NUMBER: u64 = 2;
const BYTES: u64 = 3;
const TEMPLATE: u64 = 4;
const MECHANISMS: u64 = 5;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    /// A generation, a truth value, a number, a byte string, a template with one of each, and mechanisms.
    fn sample() -> Vec<u8> {
        let inner = [
            &number(0x162)[..],
            &number(BOOLEAN),
            &[0],
            &number(0x102),
            &number(BYTES),
            &number(1),
            b"i",
            &number(0x4000_0600),
            &number(MECHANISMS),
            &number(1),
            &number(6),
        ]
        .concat();
        [
            &number(7)[..],
            &number(1),
            &number(BOOLEAN),
            &[0xFF],
            &number(0x100),
            &number(NUMBER),
            &number(3),
            &number(3),
            &number(BYTES),
            &number(5),
            b"label",
            &number(0x4000_0211),
            &number(TEMPLATE),
            &number(inner.len() as u64),
            &inner,
            &number(0x4000_0600),
            &number(MECHANISMS),
            &number(2),
            &number(0x1041),
            &number(0x1042),
        ]
        .concat()
    }

    #[test]
    fn every_form_is_read() {
        let parsed = parse(&sample()).unwrap();
        assert!(matches!(parsed[&1], Value::Boolean(true)));
        assert!(matches!(parsed[&0x100], Value::Number(3)));
        assert!(matches!(&parsed[&3], Value::Bytes(bytes) if bytes.expose() == b"label"));
        assert!(matches!(&parsed[&0x4000_0600], Value::Mechanisms(all) if all[..] == [0x1041, 0x1042]));
        let Value::Template(inner) = &parsed[&0x4000_0211] else { panic!("no template") };
        assert!(matches!(inner[&0x162], Value::Boolean(false)));
        assert!(matches!(&inner[&0x4000_0600], Value::Mechanisms(all) if all[..] == [6]));
    }

    #[test]
    fn a_file_that_is_cut_anywhere_holds_less_or_is_refused() {
        let (whole, all) = (sample(), parse(&sample()).unwrap().len());
        for len in 1..whole.len() {
            assert!(parse(&whole[..len]).map_or(0, |found| found.len()) < all, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at in 0..200_usize, bit in 0..8_u32) {
            let _ = parse(&bytes);
            let mut bent = sample();
            if let Some(byte) = bent.get_mut(at) {
                *byte ^= 1 << bit;
            }
            let _ = parse(&bent);
        }
    }

    #[test]
    fn what_softhsm_does_not_write_is_refused() {
        let attribute = |form: u64, value: &[u8]| [&number(7)[..], &number(1), &number(form), value].concat();
        assert!(parse(&attribute(BOOLEAN, &[1])).is_err(), "a truth value of 1");
        assert!(parse(&attribute(6, &[1])).is_err(), "an unknown form");
        assert!(parse(&attribute(BYTES, &number(u64::MAX))).is_err(), "a length beyond the end");
        assert!(parse(&attribute(MECHANISMS, &number(1 << 61))).is_err(), "a count that overflows");
        let twice = [&attribute(BOOLEAN, &[0])[..], &attribute(BOOLEAN, &[0])[8..]].concat();
        assert!(parse(&twice).is_err(), "an attribute twice");
        let nested = [&number(1)[..], &number(TEMPLATE), &number(0)].concat();
        let nested = [&number(nested.len() as u64)[..], &nested].concat();
        assert!(parse(&attribute(TEMPLATE, &nested)).is_err(), "a template in a template");
    }
}
