//! Programs that already exist with keys that stay at a server: the module as its client, over TLS and over the Unix socket.
#![cfg(feature = "server")]

#[path = "../stage/mod.rs"]
mod stage;

mod counted;
mod mechanisms;
mod nginx;
mod programs;
