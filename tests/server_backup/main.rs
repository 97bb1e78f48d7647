//! Backups of a whole vault over REST, with the server that makes them: killed in the middle, restarted, asked twice.
#![cfg(feature = "server")]

#[path = "../server_faults/client.rs"]
#[allow(dead_code, reason = "this program uses a part of it")]
mod client;
#[path = "../server_faults/scene.rs"]
#[allow(dead_code, reason = "this program uses a part of it")]
mod scene;
#[path = "../serving/mod.rs"]
mod serving;

mod jobs;
mod kill;
mod start;
