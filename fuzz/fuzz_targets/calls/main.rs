//! Sequences of calls of the C functions, in this process, as the fuzzer's bytes say: which functions, with which handles,
//! mechanisms, parameters, templates, buffers, lengths and contents. Each sequence begins in the same state: a vault in a
//! directory of its own, a user who is logged in, a key of each type.
//!
//! What PKCS#11 asks of a caller is kept: a pointer is NULL or points to what its length says. What the module owes in turn
//! is checked after each call: it returns (no panic, no memory error), says no `CKR_GENERAL_ERROR`, writes nothing behind a
//! buffer, and answers lengths that fit its return code.
//!
//! Every byte is a choice, and 0 is the ordinary one, so that a short input is a sensible call.
#![no_main]

mod arena;
mod attributes;
mod bytes;
mod caller;
mod functions;
mod keys;
mod mechanisms;
mod world;

use std::sync::{Mutex, PoisonError};

use libfuzzer_sys::fuzz_target;
use strongroom as _;

use bytes::Bytes;
use caller::Caller;
use world::World;

static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// Longer sequences find nothing that short ones don't.
const CALLS_MAX: usize = 48;

fuzz_target!(|data: &[u8]| {
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let world = world.get_or_insert_with(World::build);
    world.begin();
    let mut caller = Caller::new(world, Bytes::new(data));
    for _ in 0..CALLS_MAX {
        if caller.bytes.is_empty() {
            break;
        }
        functions::call_one(&mut caller);
    }
    world.end();
});
