//! Blocks of PEM (RFC 7468, with RFC 1421's headers), decoded into memory that is wiped and without copies beside it:
//! most of them are keys. What begins and doesn't end is damage, not the end of the file.

use base64ct::{Base64, Encoder, Encoding, LineEnding};
use zeroize::Zeroizing;

use super::private_key::encoded_len;
use super::{Error, Result};
use crate::crypto::SecretBytes;

/// No tag of PEM: what RFC 1421's headers say is encrypted.
const ENCRYPTED_BY_HEADERS: &str = "encrypted as RFC 1421 describes";
/// A certificate with OpenSSL's trust settings behind it.
pub const TRUSTED_CERTIFICATE: &str = "TRUSTED CERTIFICATE";

/// What a block of PEM holds, by its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// A private key, as the vault keeps it.
    Pkcs8,
    /// The same under a passphrase.
    EncryptedPkcs8,
    /// An RSA key.
    Pkcs1,
    /// An EC key.
    Sec1,
    /// Encrypted by OpenSSL before there was a standard, with one round of MD5.
    Old,
    /// The curve of a SEC 1 key: OpenSSL writes it into a block of its own, before the key.
    Parameters,
    /// A public key.
    PublicKey,
    /// A certificate.
    Certificate,
    /// A signing request.
    Request,
    /// Anything else.
    Other,
}

impl Block {
    /// By the block's tag.
    pub fn of(tag: &str) -> Self {
        match tag {
            "PRIVATE KEY" => Self::Pkcs8,
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedPkcs8,
            "RSA PRIVATE KEY" => Self::Pkcs1,
            "EC PRIVATE KEY" => Self::Sec1,
            "EC PARAMETERS" => Self::Parameters,
            "PUBLIC KEY" => Self::PublicKey,
            "CERTIFICATE" | "X509 CERTIFICATE" | TRUSTED_CERTIFICATE => Self::Certificate,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::Request,
            ENCRYPTED_BY_HEADERS => Self::Old,
            _ => Self::Other,
        }
    }
}

/// The blocks of a PEM file with their tags; none if it isn't PEM. What stands between them is passed over.
pub fn blocks(contents: &[u8]) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>> {
    let mut blocks = Vec::new();
    let mut rest = contents;
    while let Some((_, after)) = split(rest, BEGIN) {
        let (tag, after) = split(after, DASHES).ok_or_else(|| damaged("a first line has no end"))?;
        let tag = tag_text(tag)?;
        let (body, after) = split(after, END).ok_or_else(|| damaged(&format!("the block {tag:?} has no end")))?;
        let (end, after) = split(after, DASHES).ok_or_else(|| damaged("a last line has no end"))?;
        if split(body, BEGIN).is_some() || end != tag.as_bytes() {
            return Err(damaged(&format!("the block {tag:?} ends as another")));
        }
        blocks.push(block(tag, body)?);
        rest = after;
    }
    Ok(blocks)
}

/// PEM with line ends as Unix has them.
pub fn text(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

/// A key, if there is one, and the certificates, as one text.
pub fn bundle(pkcs8: Option<&SecretBytes>, chain: &[&[u8]]) -> SecretBytes {
    let certificates: Vec<String> = chain.iter().map(|der| text("CERTIFICATE", der)).collect();
    let key = pkcs8.map_or_else(|| Zeroizing::new(Vec::new()), |key| secret_text("PRIVATE KEY", key.expose()));
    let len = key.len() + certificates.iter().map(String::len).sum::<usize>();
    let mut all = Zeroizing::new(Vec::with_capacity(len));
    all.extend_from_slice(&key);
    certificates.iter().for_each(|certificate| all.extend_from_slice(certificate.as_bytes()));
    SecretBytes::from_slice(&all)
}

/// The same as [`text`] of what is secret: in constant time, and without copies that stay behind.
pub fn secret_text(tag: &str, der: &[u8]) -> Zeroizing<Vec<u8>> {
    // Never more than this with its line ends; the rest is cut off.
    let mut body = Zeroizing::new(vec![0; der.len() / 3 * 4 + der.len() / 48 + 8]);
    let encoded = Encoder::<Base64>::new_wrapped(&mut body, LINE, LineEnding::LF).and_then(|mut encoder| {
        encoder.encode(der)?;
        encoder.finish().map(str::len)
    });
    // There is room for all of it.
    let len = encoded.unwrap_or_default();
    let (begin, end) = (format!("-----BEGIN {tag}-----\n"), format!("\n-----END {tag}-----\n"));
    let mut text = Zeroizing::new(Vec::with_capacity(begin.len() + len + end.len()));
    text.extend_from_slice(begin.as_bytes());
    text.extend_from_slice(&body[..len]);
    text.extend_from_slice(end.as_bytes());
    text
}

fn block(tag: &str, body: &[u8]) -> Result<(String, Zeroizing<Vec<u8>>)> {
    let (headers, text) = headers(body);
    let mut decoded = base64(text).ok_or_else(|| damaged(&format!("the block {tag:?} isn't Base64")))?;
    if split(headers, b"ENCRYPTED").is_some() {
        return Ok((ENCRYPTED_BY_HEADERS.to_owned(), decoded));
    }
    if tag == TRUSTED_CERTIFICATE {
        let len = encoded_len(&decoded).unwrap_or(decoded.len());
        decoded.truncate(len);
    }
    Ok((tag.to_owned(), decoded))
}

/// Headers have colons, which Base64 hasn't, and end with an empty line.
fn headers(body: &[u8]) -> (&[u8], &[u8]) {
    let body = body.trim_ascii_start();
    let first = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let ends: [&[u8]; 2] = [b"\n\n", b"\n\r\n"];
    match ends.into_iter().find_map(|end| split(body, end)).filter(|_| first.contains(&b':')) {
        Some(parts) => parts,
        None => (&[], body),
    }
}

/// Base64 with white space in it, in constant time and without copies that stay behind; `None` if it is anything else.
pub fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut compact = Zeroizing::new(Vec::with_capacity(text.len()));
    compact.extend(text.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let mut decoded = Zeroizing::new(vec![0; compact.len() / 4 * 3 + 3]);
    let len = Base64::decode(&*compact, &mut decoded).ok()?.len();
    decoded.truncate(len);
    Some(decoded)
}

fn tag_text(tag: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(tag).ok().filter(|tag| !tag.is_empty() && !tag.contains(char::is_control));
    text.ok_or_else(|| damaged("a block has no name"))
}

/// What stands before and after the first `mark`.
fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn damaged(what: &str) -> Error {
    Error::Pem(what.to_owned())
}

/// Characters of a line (RFC 7468 §2).
const LINE: usize = 64;
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, Vec<u8>)> {
        blocks(text.as_bytes()).unwrap().into_iter().map(|(tag, der)| (tag, der.to_vec())).collect()
    }

    #[test]
    fn blocks_come_in_order_whatever_stands_between_them_and_however_lines_end() {
        let text = "Bag Attributes: x\n-----BEGIN A-----\nAQID\nBAU=\n-----END A-----\nand\r\n\
                    -----BEGIN B B-----\r\n\r\nAQ==\r\n-----END B B-----";
        assert_eq!(of(text), [("A".to_owned(), vec![1, 2, 3, 4, 5]), ("B B".to_owned(), vec![1])]);
        assert!(of("no PEM").is_empty());
        assert_eq!(of("-----BEGIN A-----\n-----END A-----\n"), [("A".to_owned(), vec![])]);
    }

    #[test]
    fn a_block_that_is_cut_anywhere_is_refused() {
        let first = "-----BEGIN A-----\nAQID\n-----END A-----\n";
        let last = "-----BEGIN B-----\nAQIDBAUG\n-----END B-----";
        for len in BEGIN.len()..last.len() {
            let text = format!("{first}{}", &last[..len]);
            assert!(blocks(text.as_bytes()).is_err(), "{text}");
        }
        let text = "-----BEGIN B-----\nAQIDBAUG\n-----BEGIN A-----\nAQID\n-----END A-----\n";
        assert!(blocks(text.as_bytes()).is_err(), "the end of the first is missing");
        assert!(blocks(b"-----BEGIN A-----\nA!ID\n-----END A-----\n").is_err());
    }

    #[test]
    fn headers_say_that_a_block_is_encrypted() {
        for end in ["\n", "\r\n"] {
            let lines =
                ["-----BEGIN K-----", "Proc-Type: 4,ENCRYPTED", "DEK-Info: X,00", "", "AQID", "-----END K-----"];
            assert_eq!(of(&lines.join(end)), [(ENCRYPTED_BY_HEADERS.to_owned(), vec![1, 2, 3])]);
            let lines = ["-----BEGIN K-----", "Comment: mine", "", "AQID", "-----END K-----"];
            assert_eq!(of(&lines.join(end)), [("K".to_owned(), vec![1, 2, 3])]);
        }
    }

    #[test]
    fn a_secret_is_written_as_anything_else_is() {
        for len in [1, 2, 3, 47, 48, 49, 95, 96, 97, 1000] {
            let der: Vec<u8> = (0..len).map(|at| at as u8).collect();
            assert_eq!(*secret_text("A", &der), text("A", &der).into_bytes(), "{len}");
        }
    }

    #[test]
    fn trust_settings_behind_a_certificate_are_cut_off() {
        let text = "-----BEGIN TRUSTED CERTIFICATE-----\nMAIFADAA\n-----END TRUSTED CERTIFICATE-----\n";
        assert_eq!(of(text), [(TRUSTED_CERTIFICATE.to_owned(), vec![0x30, 2, 5, 0])]);
    }
}
