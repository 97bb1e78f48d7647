//! Other issuers' tokens: directly at a vault and as assertions at the token endpoint; issuers that are down, slow, broken or
//! hostile; and managed identities.
#![cfg(feature = "server")]

#[path = "../serving/mod.rs"]
mod serving;

#[path = "../server_tokens/jwt.rs"]
mod jwt;

mod bearer;
mod faults;
mod federated;
mod issuer;
mod managed;
