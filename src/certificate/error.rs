//! Why something about certificates isn't done, in one sentence each. None of them carries anything secret.

use crate::crypto::CryptoError;
use crate::vault::VaultError;

/// A result of this layer.
pub type Result<T> = std::result::Result<T, Error>;

/// A reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no certificate.
    #[error("this is no certificate: X.509 as PEM or DER is known ({0})")]
    NotACertificate(String),
    /// The bytes are no signing request.
    #[error("this is no signing request: PKCS#10 as PEM or DER is known ({0})")]
    NotARequest(String),
    /// A request that whoever holds its key didn't sign.
    #[error("the signing request isn't signed by its own key: make it anew")]
    RequestForged,
    /// It begins as what it should be and doesn't go on so.
    #[error("{0} is damaged: it doesn't parse")]
    Damaged(&'static str),
    /// A PEM file.
    #[error("the PEM is damaged: {0}")]
    Pem(String),
    /// A subject as somebody wrote it.
    #[error("{0}")]
    Name(String),
    /// Another text that says what a certificate is for.
    #[error("{0}")]
    Profile(String),
    /// A key whose certificates aren't made.
    #[error("certificates for keys of this kind aren't made here: RSA, P-256, P-384, P-521, P-256K and Ed25519 are")]
    KeyKind,
    /// Who should sign may not.
    #[error("{subject} can't issue certificates: {reason}")]
    Issuer {
        /// Its subject.
        subject: String,
        /// Why not.
        reason: &'static str,
    },
    /// The new certificate would go on when nobody vouches for it any more.
    #[error("{subject} is valid until {until} only: ask for a certificate that ends before, or renew its issuer first")]
    OutlivesIssuer {
        /// The issuer's subject.
        subject: String,
        /// As `2026-11-28 04:33:00 UTC`.
        until: String,
    },
    /// No certificate here is for the key.
    #[error("none of the certificates is for this key: give the certificate that was made for it")]
    NoLeaf,
    /// A certificate that belongs to no chain here.
    #[error("the certificate of {0} is no part of the chain: nothing before it was issued by it; leave it out")]
    Stray(String),
    /// More of something than anybody needs.
    #[error("it holds more than {most} {what}, which is more than is read")]
    TooMany {
        /// The limit.
        most: usize,
        /// What is counted.
        what: &'static str,
    },
    /// Wrong passphrase or damage: there is no telling which of the two it is.
    #[error("it doesn't open: the passphrase is wrong, or the file is damaged")]
    DoesNotOpen,
    /// What opening would cost.
    #[error("it asks for more than {0} to be opened: that is refused")]
    TooCostly(String),
    /// Encrypted or authenticated in a way that isn't known.
    #[error("{0}")]
    Unsupported(String),
    /// The library for X.509.
    #[error("the certificate can't be made: {0}")]
    Library(String),
    /// From the vault, whose key signs.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// From the cryptography.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl From<x509_cert::builder::Error> for Error {
    fn from(error: x509_cert::builder::Error) -> Self {
        Self::Library(error.to_string())
    }
}

impl From<der::Error> for Error {
    fn from(error: der::Error) -> Self {
        Self::Library(error.to_string())
    }
}
