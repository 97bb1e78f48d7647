//! Basic encoding rules (X.690 §8), as far as PKCS#12 files need them: NSS and Windows write lengths that are found by
//! the end's mark, and byte strings in pieces, which the libraries for DER refuse.

use zeroize::Zeroizing;

/// One element of an encoding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// The first byte.
    pub tag: u8,
    /// Without tag, length and end's mark.
    pub contents: &'a [u8],
    /// All of it.
    pub whole: &'a [u8],
}

impl<'a> Element<'a> {
    /// The only element of `input`.
    pub(super) fn only(input: &'a [u8]) -> Option<Self> {
        let (element, rest) = take(input, 0)?;
        rest.is_empty().then_some(element)
    }

    /// Its parts, if it is constructed.
    pub(super) fn parts(&self) -> Option<Vec<Element<'a>>> {
        if self.tag & CONSTRUCTED == 0 {
            return None;
        }
        let mut parts = Vec::new();
        let mut rest = self.contents;
        while !rest.is_empty() {
            let (element, after) = take(rest, 0)?;
            parts.push(element);
            rest = after;
        }
        Some(parts)
    }

    /// Its parts, if it has this tag.
    pub(super) fn parts_of(&self, tag: u8) -> Option<Vec<Element<'a>>> {
        if self.tag == tag { self.parts() } else { None }
    }

    /// Its contents, if it has this tag.
    pub(super) fn contents_of(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.contents)
    }

    /// A byte string, whole or in pieces; `tag` is that of the whole form.
    pub(super) fn octets(&self, tag: u8) -> Option<Zeroizing<Vec<u8>>> {
        if self.tag == tag {
            return Some(Zeroizing::new(self.contents.to_vec()));
        }
        // With room for all of it, so that no piece stays behind when it grows.
        let mut octets = Zeroizing::new(Vec::with_capacity(self.contents.len()));
        for piece in self.parts_of(tag | CONSTRUCTED)? {
            octets.extend_from_slice(piece.contents_of(OCTET_STRING)?);
        }
        Some(octets)
    }
}

/// The first element of `input`, and what follows it.
fn take(input: &[u8], depth: usize) -> Option<(Element<'_>, &[u8])> {
    let [tag, first, ..] = *input else { return None };
    // Tags of several bytes and deep nesting don't occur.
    if tag & 0x1F == 0x1F || depth > MOST_DEPTH {
        return None;
    }
    if first == INDEFINITE {
        return if tag & CONSTRUCTED == 0 { None } else { take_indefinite(tag, input, depth) };
    }
    let (header, len) = match first {
        0..0x80 => (2, usize::from(first)),
        _ => {
            let bytes = input.get(2..2 + usize::from(first & 0x7F)).filter(|bytes| bytes.len() <= 4)?;
            (2 + bytes.len(), bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
        }
    };
    let (whole, rest) = input.split_at_checked(header.checked_add(len)?)?;
    Some((Element { tag, contents: &whole[header..], whole }, rest))
}

fn take_indefinite(tag: u8, input: &[u8], depth: usize) -> Option<(Element<'_>, &[u8])> {
    let mut rest = &input[2..];
    while !rest.starts_with(&END) {
        rest = take(rest, depth + 1)?.1;
    }
    let contents = &input[2..input.len() - rest.len()];
    let (whole, rest) = input.split_at(2 + contents.len() + END.len());
    Some((Element { tag, contents, whole }, rest))
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const BMP_STRING: u8 = 0x1E;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]`, constructed and primitive.
pub(super) const EXPLICIT_0: u8 = 0xA0;
pub(super) const IMPLICIT_0: u8 = 0x80;

const CONSTRUCTED: u8 = 0x20;
const INDEFINITE: u8 = 0x80;
const END: [u8; 2] = [0, 0];
const MOST_DEPTH: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that can be asked of an element, to the last of its parts.
    fn walk(element: &Element<'_>) {
        let _ = element.octets(OCTET_STRING);
        let _ = element.octets(IMPLICIT_0);
        element.parts().iter().flatten().for_each(walk);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            Element::only(&bytes).iter().for_each(walk);
        }

        #[test]
        fn nothing_of_another_element_is_read(contents in proptest::collection::vec(any::<u8>(), 0..300)) {
            let len = (contents.len() as u16).to_be_bytes();
            let encoding = [&[OCTET_STRING, 0x82], &len[..], &contents].concat();
            prop_assert_eq!(Element::only(&encoding).unwrap().contents, &contents[..]);
            prop_assert!(Element::only(&encoding[..encoding.len() - 1]).is_none());
        }
    }

    #[test]
    fn lengths_are_read_in_all_three_forms() {
        for (encoding, contents) in [
            (&b"\x04\x02hi"[..], &b"hi"[..]),
            (b"\x04\x81\x02hi", b"hi"),
            (b"\x04\x83\x00\x00\x02hi", b"hi"),
            (b"\x30\x80\x04\x02hi\x00\x00", b"\x04\x02hi"),
        ] {
            let element = Element::only(encoding).unwrap();
            assert_eq!((element.contents, element.whole), (contents, encoding));
        }
    }

    #[test]
    fn a_byte_string_in_pieces_is_put_together() {
        let nested = b"\x30\x80\x24\x80\x04\x02he\x04\x03llo\x00\x00\x02\x01\x07\x00\x00";
        let parts = Element::only(nested).unwrap().parts_of(SEQUENCE).unwrap();
        assert_eq!(**parts[0].octets(OCTET_STRING).unwrap(), *b"hello");
        assert_eq!(parts[1].contents_of(INTEGER), Some(&[7][..]));
        let implicit = Element::only(b"\xA0\x04\x04\x02hi").unwrap();
        assert_eq!(**implicit.octets(IMPLICIT_0).unwrap(), *b"hi");
    }

    #[test]
    fn what_is_cut_short_too_deep_or_left_over_is_refused() {
        let whole = b"\x30\x80\x24\x80\x04\x02he\x04\x03llo\x00\x00\x02\x01\x07\x00\x00";
        for len in 0..whole.len() {
            assert!(Element::only(&whole[..len]).is_none(), "{len} bytes");
        }
        assert!(Element::only(b"\x04\x01a\x00").is_none());
        assert!(Element::only(b"\x04\x84\xFF\xFF\xFF\xFFa").is_none());
        assert!(Element::only(b"\x04\x80\x00\x00").is_none(), "only what is constructed has no length");
        assert!(Element::only(&[0x30, 0x80].repeat(10_000)).is_none());
    }
}
