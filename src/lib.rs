//! Strongroom: a vault for keys, secrets and certificates, and the PKCS#11 module through which programs that already
//! exist use its keys without ever holding them.
//!
//! The layers, from top to bottom; each knows only those below it, which `tests/architecture.rs` holds:
//!
//! - [`pkcs11`] and `cli`: the front ends.
//! - [`vault`]: the traits and types that front ends and backends share.
//! - [`backend`]: the vaults themselves. [`backend::local`] is an encrypted directory on this machine.
//! - [`crypto`]: keys and algorithms, no I/O. [`sys`]: fork, memory, files. [`config`]: the configuration file.

pub mod backend;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod crypto;
pub mod log;
pub mod pkcs11;
pub mod sys;
pub mod vault;
