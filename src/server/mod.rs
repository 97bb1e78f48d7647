//! The server: vaults over HTTPS and a Unix socket, for machines that don't hold them.

pub mod listen;
pub mod tls;
