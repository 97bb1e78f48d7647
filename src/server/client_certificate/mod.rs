//! Certificates of clients, shown in the TLS handshake, as a proof of who they are.
//!
//! The handshake asks for one and proves that the client has its key, no more ([`AnyCertificate`]): a client with a
//! certificate that nobody here knows may still have a token. Whether it counts is decided at every request, by the authorities
//! and revocation lists ([`Authorities`]) and the identities as they are then, so that a connection doesn't outlive its
//! certificate. What that takes is remembered with the connection ([`Shown`]) until something changes.

mod anchors;
mod authorities;
mod handshake;
mod shown;

pub use authorities::{Authorities, AuthoritiesError, AuthoritiesFiles};
pub use handshake::AnyCertificate;
pub use shown::{Refusal, Shown};
