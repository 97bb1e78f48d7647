//! Who may do what over the server: every operation, asked by every built-in role with every reach, by itself, by a group, by a
//! role that was made here and by access policies, against tables that are written here by hand; and why it is so.
#![cfg(feature = "server")]

mod explained;
mod groups;
mod guards;
mod matrix;
mod policies;
#[path = "../serving/mod.rs"]
mod serving;
