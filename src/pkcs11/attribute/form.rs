//! Forms of attribute values, and what makes one impossible (`CKR_ATTRIBUTE_VALUE_INVALID`).

use cryptoki_sys::*;

use super::array;
use crate::pkcs11::error::Rv;

/// The longest value that is taken, in bytes: what a caller names is capped before it is kept anywhere.
pub const MAX_LEN: usize = 1 << 20;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `CK_BBOOL`: one byte, 0 or 1.
    Bool,
    /// `CK_ULONG` and the types that are one: eight bytes.
    Ulong,
    /// Any bytes: byte arrays, big integers, DER, UTF-8 strings.
    Bytes,
    /// `CK_DATE`: eight digits, or nothing.
    Date,
    /// An array of `CK_ULONG` (mechanisms).
    UlongArray,
    /// An array of `CK_ATTRIBUTE`, without pointers, as [`mod@array`] writes it.
    AttributeArray,
}

impl Form {
    /// Refuses bytes that can't be a value of this form.
    pub fn check(self, bytes: &[u8]) -> Result<(), Rv> {
        if bytes.len() > MAX_LEN {
            return Err(Rv(CKR_DEVICE_MEMORY));
        }
        match self {
            Self::Bool => boolean(bytes).map(drop),
            Self::Ulong => ulong(bytes).map(drop),
            Self::Bytes => Ok(()),
            Self::Date => date(bytes),
            Self::UlongArray if bytes.len().is_multiple_of(size_of::<CK_ULONG>()) => Ok(()),
            Self::UlongArray => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
            Self::AttributeArray => array::decode(bytes).map(drop),
        }
    }
}

/// Reads a `CK_BBOOL`.
pub fn boolean(bytes: &[u8]) -> Result<bool, Rv> {
    match bytes {
        [CK_FALSE] => Ok(false),
        [CK_TRUE] => Ok(true),
        _ => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
    }
}

/// Reads a `CK_ULONG`.
pub fn ulong(bytes: &[u8]) -> Result<CK_ULONG, Rv> {
    bytes.try_into().map(CK_ULONG::from_ne_bytes).map_err(|_| Rv(CKR_ATTRIBUTE_VALUE_INVALID))
}

/// PKCS#11 v3.2 §3.4: year, month and day as digits. An empty date is none.
fn date(bytes: &[u8]) -> Result<(), Rv> {
    if bytes.is_empty() {
        return Ok(());
    }
    let two_digits = |at: usize| (bytes[at] - b'0') * 10 + bytes[at + 1] - b'0';
    let possible = bytes.len() == size_of::<CK_DATE>()
        && bytes.iter().all(u8::is_ascii_digit)
        && (1..=12).contains(&two_digits(4))
        && (1..=31).contains(&two_digits(6));
    if possible { Ok(()) } else { Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPOSSIBLE: Result<(), Rv> = Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID));

    #[test]
    fn values_of_a_wrong_size_are_impossible() {
        for form in [Form::Bool, Form::Ulong] {
            for len in [0, 2, 4, 7, 9] {
                assert_eq!(form.check(&vec![0; len]), IMPOSSIBLE, "{form:?} of {len} bytes");
            }
        }
        assert_eq!(Form::Bool.check(&[2]), IMPOSSIBLE);
        assert_eq!(Form::UlongArray.check(&[0; 12]), IMPOSSIBLE);
        assert_eq!(Form::UlongArray.check(&[0; 16]), Ok(()));
        assert_eq!(Form::UlongArray.check(&[]), Ok(()));
    }

    #[test]
    fn a_date_is_eight_digits_of_a_calendar_or_nothing() {
        for good in [&b""[..], b"20261124", b"00010101"] {
            assert_eq!(Form::Date.check(good), Ok(()));
        }
        for bad in [&b"2026112"[..], b"20261324", b"20261100", b"20261132", b"2026-1-4", &[0; 8]] {
            assert_eq!(Form::Date.check(bad), IMPOSSIBLE, "{bad:?}");
        }
    }

    #[test]
    fn a_huge_value_is_refused_before_it_is_copied() {
        assert_eq!(Form::Bytes.check(&vec![0; MAX_LEN + 1]), Err(Rv(CKR_DEVICE_MEMORY)));
    }
}
