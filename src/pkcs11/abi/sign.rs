//! Signing and MACs (PKCS#11 v3.2 §5.13).

use cryptoki_sys::*;

use super::output::output;
use super::parameter::mechanism as read_mechanism;
use super::pointers::elements;
use crate::pkcs11::operation::Kind;

/// Begins a signature; a NULL mechanism ends one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_SignInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::Sign);
        }
        // SAFETY: the caller's promise.
        session.sign_init(unsafe { read_mechanism(mechanism)? }, key)
    })
}

/// Signs in one part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_len: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_Sign, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Sign, |session| unsafe {
            output(signature, signature_len, |out| session.sign(&out.input_beside(data, data_len)?, out))
        })
    })
}

/// Adds a part to what is signed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignUpdate(session: CK_SESSION_HANDLE, part: *mut CK_BYTE, part_len: CK_ULONG) -> CK_RV {
    call!(C_SignUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Sign, |session| session.sign_update(unsafe { elements(part, part_len)? }))
    })
}

/// Signs what came in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignFinal(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    signature_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_SignFinal, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Sign, |session| unsafe {
            output(signature, signature_len, |out| session.sign_final(out))
        })
    })
}

/// Begins a signature from which the data can be had; a NULL mechanism ends one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignRecoverInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_SignRecoverInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::SignRecover);
        }
        // SAFETY: the caller's promise.
        session.sign_recover_init(unsafe { read_mechanism(mechanism)? }, key)
    })
}

/// Signs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignRecover(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_len: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_SignRecover, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::SignRecover, |session| unsafe {
            output(signature, signature_len, |out| session.sign_recover(&out.input_beside(data, data_len)?, out))
        })
    })
}
