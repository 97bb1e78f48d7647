//! Parallel functions, which no version has (PKCS#11 v3.2 §5.20), and asynchronous ones, which are not done (§5.21).

use cryptoki_sys::*;

use crate::pkcs11::error::Rv;

/// Nothing runs in parallel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionStatus(session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_GetFunctionStatus, module => {
        module.session(session)?;
        Err(Rv(CKR_FUNCTION_NOT_PARALLEL))
    })
}

/// Nothing runs in parallel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_CancelFunction(session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_CancelFunction, module => {
        module.session(session)?;
        Err(Rv(CKR_FUNCTION_NOT_PARALLEL))
    })
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_AsyncComplete(
    _session: CK_SESSION_HANDLE,
    _function_name: *mut CK_UTF8CHAR,
    _result: *mut CK_ASYNC_DATA,
) -> CK_RV {
    call!(C_AsyncComplete, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_AsyncGetID(
    _session: CK_SESSION_HANDLE,
    _function_name: *mut CK_UTF8CHAR,
    _id: *mut CK_ULONG,
) -> CK_RV {
    call!(C_AsyncGetID, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_AsyncJoin(
    _session: CK_SESSION_HANDLE,
    _function_name: *mut CK_UTF8CHAR,
    _id: CK_ULONG,
    _data: *mut CK_BYTE,
    _data_len: CK_ULONG,
) -> CK_RV {
    call!(C_AsyncJoin, unsupported)
}
