//! A running server under whatever a client may send, under clients that are slow or silent, and under `kill -9`: it
//! answers in Key Vault's words, serves the others, tells nobody a secret, and loses nothing that it acknowledged.
#![cfg(feature = "server")]

mod client;
mod document;
mod input;
mod kill;
mod kill_certificates;
mod scene;
mod silence;
mod slow;
