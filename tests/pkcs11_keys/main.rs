//! Wrapping, unwrapping and deriving through the module's entry points: who may take which key out, and what comes in.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]

mod derive;
mod token;
mod wrap;
