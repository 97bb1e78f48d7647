//! Requests to a vault that is elsewhere, with a real server at the other end and whatever can lie between.
#![cfg(feature = "server")]

#[path = "../proxy/mod.rs"]
mod proxy;
mod scene;

mod credentials;
mod faults;
mod requests;
