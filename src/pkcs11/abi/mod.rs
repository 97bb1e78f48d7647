//! The C side: every `C_*` function, written out, and the one place where pointers become slices.
//!
//! Each function is one `call!`: it answers `CKR_GENERAL_ERROR` once the process is exiting and when something panicked,
//! `CKR_CRYPTOKI_NOT_INITIALIZED` before `C_Initialize` (also in a forked child), checks its pointers once, calls safe
//! code and returns its number. What isn't done yet answers `CKR_FUNCTION_NOT_SUPPORTED`. Files are the specification's
//! chapters (PKCS#11 v3.2 §5.4 to §5.21); `include/strongroom.h` is made from them.
//!
//! # Safety
//!
//! A caller of any function here promises what PKCS#11 asks of it: a pointer is NULL or points to what the specification
//! says, of the length that is said beside it, unchanged by others during the call.
#![allow(clippy::missing_safety_doc)]

macro_rules! call {
    ($name:ident, $module:ident => $body:block) => {
        $crate::pkcs11::abi::enter(stringify!($name), || {
            let $module = $crate::pkcs11::module::current()?;
            $body
        })
    };
    // What works before C_Initialize.
    ($name:ident => $body:block) => {
        $crate::pkcs11::abi::enter(stringify!($name), || $body)
    };
    ($name:ident, unsupported) => {
        $crate::pkcs11::abi::enter(stringify!($name), || {
            $crate::pkcs11::module::current()?;
            Err($crate::pkcs11::error::Rv(cryptoki_sys::CKR_FUNCTION_NOT_SUPPORTED))
        })
    };
}

mod asynchronous;
mod cipher;
mod digest;
mod general;
mod key;
mod lists;
mod message;
mod object;
mod output;
mod parameter;
mod pointers;
mod random;
mod session;
mod sign;
mod token;
mod verify;

use std::panic::{AssertUnwindSafe, catch_unwind};

use cryptoki_sys::*;

pub use output::{Exchange, Output};
pub use parameter::GcmMessage;
pub use pointers::{AttributeBuffers, CallerBytes};

use super::error::Rv;
use crate::sys::exit;
use crate::vault::Call;

/// Handles and lengths are 64 bits here: an object's number is its handle.
const _: () = assert!(size_of::<CK_ULONG>() == 8);

/// What every entry point does around its body.
fn enter(name: &'static str, body: impl FnOnce() -> Result<(), Rv>) -> CK_RV {
    if exit::began() {
        return CKR_GENERAL_ERROR;
    }
    let _call = Call::begin();
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CKR_OK,
        Ok(Err(Rv(code))) => code,
        Err(panic) => {
            // What the panic carries may panic when it is dropped.
            std::mem::forget(panic);
            tracing::error!("{name} failed: this is a fault in strongroom, please report the line above");
            CKR_GENERAL_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_function_is_a_general_error() {
        assert_eq!(enter("C_Test", || panic!("on purpose")), CKR_GENERAL_ERROR);
        assert_eq!(enter("C_Test", || Err(Rv(CKR_ARGUMENTS_BAD))), CKR_ARGUMENTS_BAD);
    }
}
