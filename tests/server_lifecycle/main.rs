//! What is deleted over REST, brought back, purged, backed up, restored and rotated: with a clock that the test sets, over
//! a real vault, by requests with tokens of the server's own endpoint.
#![cfg(feature = "server")]

mod blobs;
mod bound;
mod certificate_limits;
mod certificates;
#[path = "../faults/mod.rs"]
mod faults;
mod keys;
mod rotation;
mod scene;
mod secrets;
mod soft_delete;
