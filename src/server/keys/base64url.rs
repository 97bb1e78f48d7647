//! Bytes in JSON: base64url without padding (RFC 4648 §5), as Key Vault writes them; padding is accepted.
//!
//! Decoding and encoding take the same time whatever the bytes are, into memory that is wiped where the bytes are
//! secret. What stays outside is the text itself, which is the request's body.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::server::body::NOT_BASE64URL;
use crate::vault::SecretBytes;

/// Public bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base64Url(pub Vec<u8>);

/// Secret bytes: wiped when dropped, never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretBase64Url(pub SecretBytes);

/// Public bytes that belong to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base64UrlRef<'a>(pub &'a [u8]);

impl SecretBase64Url {
    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

/// Writes the decoded bytes of `text` to a buffer of exactly their length.
fn decode(text: &str) -> Option<SecretBytes> {
    // One or two signs of padding, where they belong.
    let bare = match text.strip_suffix("==").or_else(|| text.strip_suffix('=')) {
        Some(bare) if text.len().is_multiple_of(4) => bare,
        Some(_) => return None,
        None => text,
    };
    SecretBytes::filled(bare.len() * 3 / 4, |out| Base64UrlUnpadded::decode(bare, out).map(|_| ())).ok()
}

/// Hands the encoded text to `write`; it is wiped afterwards.
fn encoded<T>(bytes: &[u8], write: impl FnOnce(&str) -> T) -> T {
    let mut text = Zeroizing::new(vec![0; Base64UrlUnpadded::encoded_len(bytes)]);
    write(Base64UrlUnpadded::encode(bytes, &mut text).expect("room for all of it"))
}

struct Text;

impl Visitor<'_> for Text {
    type Value = SecretBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64url")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretBytes, E> {
        decode(text).ok_or_else(|| E::custom(NOT_BASE64URL))
    }
}

impl<'de> Deserialize<'de> for SecretBase64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text).map(Self)
    }
}

impl<'de> Deserialize<'de> for Base64Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text).map(|bytes| Self(bytes.expose().to_vec()))
    }
}

impl Serialize for Base64UrlRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encoded(self.0, |text| serializer.serialize_str(text))
    }
}

impl Serialize for Base64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Base64UrlRef(&self.0).serialize(serializer)
    }
}

impl Serialize for SecretBase64Url {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Base64UrlRef(self.expose()).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Vec<u8>> {
        let public = serde_json::from_str::<Base64Url>(json).ok().map(|bytes| bytes.0);
        let secret = serde_json::from_str::<SecretBase64Url>(json).ok().map(|bytes| bytes.expose().to_vec());
        assert_eq!(public, secret);
        public
    }

    /// RFC 4648 §10, and the two signs in which base64url differs.
    #[test]
    fn text_is_taken_with_and_without_padding() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg", b"f"),
            ("Zg==", b"f"),
            ("Zm8", b"fo"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9vYmE=", b"fooba"),
            ("-_-_", &[0xFB, 0xFF, 0xBF]),
        ] {
            assert_eq!(read(&format!("\"{text}\"")).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(read(r#""\u005a\u0067""#).as_deref(), Some(&b"f"[..]), "escapes are JSON's own matter");
    }

    #[test]
    fn what_is_no_base64url_is_refused() {
        for text in ["Z", "+/+/", "Zg=", "Zg===", "Z=g=", "Zm9v=", "====", "Zm 9", "Zm9v\\n", "ž"] {
            assert_eq!(read(&format!("\"{text}\"")), None, "{text}");
        }
        assert_eq!(read("1"), None);
        assert_eq!(read("[1]"), None);
    }

    #[test]
    fn bytes_are_written_without_padding_and_read_back() {
        for len in 0..70 {
            let bytes: Vec<u8> = (0..len).map(|i: u8| i.wrapping_mul(37) ^ 0xFA).collect();
            let json = serde_json::to_string(&Base64Url(bytes.clone())).expect("JSON");
            assert!(!json.contains(['=', '+', '/']), "{json}");
            assert_eq!(read(&json), Some(bytes));
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret: SecretBase64Url = serde_json::from_str("\"AQID\"").expect("base64url");
        assert_eq!(format!("{secret:?}"), "SecretBase64Url(SecretBytes(3 bytes))");
    }
}
