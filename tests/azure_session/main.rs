//! Requests to a vault that is elsewhere, with a real server at the other end and whatever can lie between.
#![cfg(feature = "server")]

#[path = "../faults/child.rs"]
#[allow(dead_code, unsafe_code, reason = "it is shared with tests of local vaults")]
mod child;
#[path = "../proxy/mod.rs"]
mod proxy;
#[allow(dead_code, reason = "a part of it is used")]
mod scene;

mod between;
mod credentials;
mod doctor;
mod fail_over;
mod faults;
mod forks;
mod inherited;
mod requests;
mod silence;
