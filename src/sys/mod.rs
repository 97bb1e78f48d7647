//! What the operating system offers: fork, exit, memory, files. The place of `libc` and of `unsafe` below the front ends.
#![allow(unsafe_code)]

pub mod descriptor;
pub mod env;
pub mod exit;
pub mod file;
pub mod fork;
pub mod hardening;
pub mod memory;
pub mod open_files;
pub mod output;
pub mod peer_groups;
pub mod program;
pub mod socket;
pub mod sqlite_open;
mod standard_descriptors;
pub mod thread;
pub mod user;
