//! Who gets a token of the server, and which tokens count: logins with secrets and certificates, forged tokens, and what
//! takes a token's force away.
#![cfg(feature = "server")]

mod certificates;
mod forged;
mod jwt;
mod logins;
mod manager;
#[path = "../serving/mod.rs"]
mod serving;
mod taken_away;
