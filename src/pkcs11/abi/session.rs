//! Session management (PKCS#11 v3.2 §5.6).

use std::ffi::c_void;

use cryptoki_sys::*;

use super::pointers::{Place, pin};

/// Opens a session. There are no notifications to call back for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    _application: *mut c_void,
    _notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    call!(C_OpenSession, module => {
        // SAFETY: the caller's promise.
        let session = unsafe { Place::new(session)? };
        session.set(module.open_session(slot, flags)?);
        Ok(())
    })
}

/// Closes a session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_CloseSession, module => { module.close_session(session) })
}

/// Closes all sessions with a slot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    call!(C_CloseAllSessions, module => { module.close_all_sessions(slot) })
}

/// State of a session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetSessionInfo(session: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO) -> CK_RV {
    call!(C_GetSessionInfo, module => {
        // SAFETY: the caller's promise.
        let info = unsafe { Place::new(info)? };
        info.set(module.session(session)?.info());
        Ok(())
    })
}

/// Ends the operations that the flags name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SessionCancel(session: CK_SESSION_HANDLE, flags: CK_FLAGS) -> CK_RV {
    call!(C_SessionCancel, module => {
        module.session(session)?.cancel_flagged(flags);
        Ok(())
    })
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetOperationState(
    _session: CK_SESSION_HANDLE,
    _operation_state: *mut CK_BYTE,
    _operation_state_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_GetOperationState, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SetOperationState(
    _session: CK_SESSION_HANDLE,
    _operation_state: *mut CK_BYTE,
    _operation_state_len: CK_ULONG,
    _encryption_key: CK_OBJECT_HANDLE,
    _authentication_key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_SetOperationState, unsupported)
}

/// Logs in; a NULL PIN unlocks as the configuration says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user_type: CK_USER_TYPE,
    pin_value: *mut CK_UTF8CHAR,
    pin_len: CK_ULONG,
) -> CK_RV {
    call!(C_Login, module => {
        let (slot, _) = module.session(session)?.place();
        // SAFETY: the caller's promise.
        slot.login(user_type, unsafe { pin(pin_value, pin_len)? })
    })
}

/// Not done: a vault has one user.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_LoginUser(
    _session: CK_SESSION_HANDLE,
    _user_type: CK_USER_TYPE,
    _pin_value: *mut CK_UTF8CHAR,
    _pin_len: CK_ULONG,
    _username: *mut CK_UTF8CHAR,
    _username_len: CK_ULONG,
) -> CK_RV {
    call!(C_LoginUser, unsupported)
}

/// Logs out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Logout(session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_Logout, module => { module.logout(session) })
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetSessionValidationFlags(
    _session: CK_SESSION_HANDLE,
    _flags_type: CK_SESSION_VALIDATION_FLAGS_TYPE,
    _flags: *mut CK_FLAGS,
) -> CK_RV {
    call!(C_GetSessionValidationFlags, unsupported)
}
