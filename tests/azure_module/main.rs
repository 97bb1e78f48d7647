//! Programs that already exist with keys that stay at a server: the module as its client, over TLS and over the Unix socket;
//! and what a program sees when the way there breaks, or what comes back is wrong.
#![cfg(feature = "server")]

#[path = "../faults/child.rs"]
#[allow(dead_code, unsafe_code, reason = "it is shared with tests of local vaults")]
mod child;
#[path = "../proxy/mod.rs"]
mod proxy;
#[path = "../azure_session/scene.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod scene;
#[path = "../serving/mod.rs"]
mod serving;
#[path = "../stage/mod.rs"]
mod stage;

mod address;
mod answers;
mod counted;
mod forked;
mod manners;
mod mechanisms;
mod nginx;
mod program;
mod programs;
mod rights;
mod ways;
