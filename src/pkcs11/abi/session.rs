//! Session management (PKCS#11 v3.2 §5.6).

use std::ffi::c_void;

use cryptoki_sys::*;

use super::output::output;
use super::pointers::{Place, elements, pin};
use crate::pkcs11::error::Rv;

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

/// The state of a digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetOperationState(
    session: CK_SESSION_HANDLE,
    operation_state: *mut CK_BYTE,
    operation_state_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_GetOperationState, module => {
        let session = module.session(session)?;
        // SAFETY: the caller's promise.
        unsafe { output(operation_state, operation_state_len, |out| session.save_state(out)) }.map(drop)
    })
}

/// Goes on with a digest whose state was saved.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SetOperationState(
    session: CK_SESSION_HANDLE,
    operation_state: *mut CK_BYTE,
    operation_state_len: CK_ULONG,
    encryption_key: CK_OBJECT_HANDLE,
    authentication_key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_SetOperationState, module => {
        let mut session = module.session(session)?;
        // SAFETY: the caller's promise.
        let state = unsafe { elements(operation_state, operation_state_len)? };
        session.restore_state(state, [encryption_key, authentication_key])
    })
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
        drop(module.session(session)?);
        // SAFETY: the caller's promise.
        module.login(session, user_type, unsafe { pin(pin_value, pin_len)? })
    })
}

/// Logs in under a user name, of which a vault has none: an empty one is as good as none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_LoginUser(
    session: CK_SESSION_HANDLE,
    user_type: CK_USER_TYPE,
    pin_value: *mut CK_UTF8CHAR,
    pin_len: CK_ULONG,
    username: *mut CK_UTF8CHAR,
    username_len: CK_ULONG,
) -> CK_RV {
    call!(C_LoginUser, module => {
        drop(module.session(session)?);
        // SAFETY: the caller's promise.
        let (pin, username) = unsafe { (pin(pin_value, pin_len)?, elements(username, username_len)?) };
        if !username.is_empty() {
            tracing::warn!("a vault has no user names: C_LoginUser takes an empty one, or call C_Login");
            return Err(Rv(CKR_USER_TYPE_INVALID));
        }
        module.login(session, user_type, pin)
    })
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
