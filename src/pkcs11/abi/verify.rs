//! Checking signatures and MACs (PKCS#11 v3.2 §5.15).

use cryptoki_sys::*;

use super::output::output;
use super::parameter::mechanism as read_mechanism;
use super::pointers::elements;
use crate::pkcs11::operation::Kind;

/// Begins a check of a signature; a NULL mechanism ends one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_VerifyInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::Verify);
        }
        // SAFETY: the caller's promise.
        session.verify_init(unsafe { read_mechanism(mechanism)? }, key)
    })
}

/// Checks a signature of data in one part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Verify(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_len: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_len: CK_ULONG,
) -> CK_RV {
    call!(C_Verify, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Verify, |session| unsafe {
            session.verify(elements(data, data_len)?, elements(signature, signature_len)?)
        })
    })
}

/// Adds a part to what was signed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyUpdate(session: CK_SESSION_HANDLE, part: *mut CK_BYTE, part_len: CK_ULONG) -> CK_RV {
    call!(C_VerifyUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Verify, |session| session.verify_update(unsafe { elements(part, part_len)? }))
    })
}

/// Checks a signature of data that came in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyFinal(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    signature_len: CK_ULONG,
) -> CK_RV {
    call!(C_VerifyFinal, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Verify, |session| unsafe {
            session.verify_final(elements(signature, signature_len)?)
        })
    })
}

/// Begins to have the data from a signature; a NULL mechanism ends it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyRecoverInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_VerifyRecoverInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::VerifyRecover);
        }
        // SAFETY: the caller's promise.
        session.verify_recover_init(unsafe { read_mechanism(mechanism)? }, key)
    })
}

/// The data that was signed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyRecover(
    session: CK_SESSION_HANDLE,
    signature: *mut CK_BYTE,
    signature_len: CK_ULONG,
    data: *mut CK_BYTE,
    data_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_VerifyRecover, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::VerifyRecover, |session| unsafe {
            output(data, data_len, |out| session.verify_recover(&out.input_beside(signature, signature_len)?, out))
        })
    })
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifySignatureInit(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _key: CK_OBJECT_HANDLE,
    _signature: *mut CK_BYTE,
    _signature_len: CK_ULONG,
) -> CK_RV {
    call!(C_VerifySignatureInit, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifySignature(
    _session: CK_SESSION_HANDLE,
    _data: *mut CK_BYTE,
    _data_len: CK_ULONG,
) -> CK_RV {
    call!(C_VerifySignature, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifySignatureUpdate(
    _session: CK_SESSION_HANDLE,
    _part: *mut CK_BYTE,
    _part_len: CK_ULONG,
) -> CK_RV {
    call!(C_VerifySignatureUpdate, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifySignatureFinal(_session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_VerifySignatureFinal, unsupported)
}
