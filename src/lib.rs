//! Strongroom: a vault for keys, secrets and certificates, and the PKCS#11 module through which programs that already
//! exist use its keys without ever holding them.
//!
//! The layers, from top to bottom; each knows only those below it, which `tests/architecture.rs` holds:
//!
//! - `cli`, `server` and [`pkcs11`]: the front ends. They know vaults by the traits in [`vault`] only.
//! - `backup_directory`: how backups are called that lie in one directory, for the command and the server.
//! - [`backend`]: the vaults themselves. [`backend::local`] is an encrypted directory on this machine.
//! - `certificate`: X.509 and the files of keys and certificates, for the front ends that make and read them.
//! - [`vault`]: the traits and types that front ends and backends share.
//! - [`config`]: the configuration file. [`crypto`]: keys and algorithms, no I/O.
//! - `log`: our lines in other people's processes. [`sys`]: fork, memory, files.

pub mod backend;
#[cfg(feature = "cli")]
pub mod backup_directory;
#[cfg(feature = "cli")]
pub mod certificate;
#[cfg(feature = "cli")]
pub mod cli;
pub mod config;
pub mod crypto;
pub mod log;
pub mod pkcs11;
#[cfg(feature = "server")]
pub mod server;
pub mod sys;
pub mod vault;
