//! Slot and token management (PKCS#11 v3.2 §5.5).

use std::ffi::c_void;

use cryptoki_sys::*;

use super::pointers::{Place, elements, list, pin};
use crate::pkcs11::error::Rv;

/// Ids of the slots; with a NULL buffer it looks for vaults that are new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetSlotList(
    token_present: CK_BBOOL,
    slot_list: *mut CK_SLOT_ID,
    count: *mut CK_ULONG,
) -> CK_RV {
    call!(C_GetSlotList, module => {
        // Every slot has its token, initialised or not.
        let _ = token_present;
        if slot_list.is_null() {
            module.discover()?;
        }
        let ids: Vec<_> = module.slots().iter().map(|slot| slot.id).collect();
        // SAFETY: the caller's promise.
        unsafe { list(&ids, slot_list, count) }
    })
}

/// What is said of a slot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO) -> CK_RV {
    call!(C_GetSlotInfo, module => {
        // SAFETY: the caller's promise.
        let info = unsafe { Place::new(info)? };
        info.set(module.slot(slot)?.info());
        Ok(())
    })
}

/// What a token says of itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    call!(C_GetTokenInfo, module => {
        // SAFETY: the caller's promise.
        let info = unsafe { Place::new(info)? };
        info.set(module.slot(slot)?.token_info()?);
        Ok(())
    })
}

/// No slot changes by itself: there is no event to wait for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_WaitForSlotEvent(flags: CK_FLAGS, slot: *mut CK_SLOT_ID, reserved: *mut c_void) -> CK_RV {
    call!(C_WaitForSlotEvent, _module => {
        if slot.is_null() || !reserved.is_null() {
            return Err(Rv(CKR_ARGUMENTS_BAD));
        }
        Err(Rv(if flags & CKF_DONT_BLOCK != 0 { CKR_NO_EVENT } else { CKR_FUNCTION_NOT_SUPPORTED }))
    })
}

/// Numbers of the mechanisms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetMechanismList(
    slot: CK_SLOT_ID,
    mechanism_list: *mut CK_MECHANISM_TYPE,
    count: *mut CK_ULONG,
) -> CK_RV {
    call!(C_GetMechanismList, module => {
        let numbers = module.slot(slot)?.mechanisms.numbers();
        // SAFETY: the caller's promise.
        unsafe { list(&numbers, mechanism_list, count) }
    })
}

/// Sizes and uses of a mechanism.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetMechanismInfo(
    slot: CK_SLOT_ID,
    mechanism_type: CK_MECHANISM_TYPE,
    info: *mut CK_MECHANISM_INFO,
) -> CK_RV {
    call!(C_GetMechanismInfo, module => {
        // SAFETY: the caller's promise.
        let info = unsafe { Place::new(info)? };
        info.set(module.slot(slot)?.mechanisms.info(mechanism_type)?);
        Ok(())
    })
}

/// Makes the vault, with the security officer's PIN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_InitToken(
    slot: CK_SLOT_ID,
    pin_value: *mut CK_UTF8CHAR,
    pin_len: CK_ULONG,
    label: *mut CK_UTF8CHAR,
) -> CK_RV {
    call!(C_InitToken, module => {
        let slot = module.slot(slot)?;
        // SAFETY: the caller's promise; a label has 32 bytes, filled with blanks.
        let (so_pin, label) = unsafe { (pin(pin_value, pin_len)?, elements(label, 32)?) };
        let label = label.first_chunk().ok_or(Rv(CKR_ARGUMENTS_BAD))?;
        slot.init_token(label, &so_pin.ok_or(Rv(CKR_ARGUMENTS_BAD))?)
    })
}

/// Sets the user's PIN, by the security officer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_InitPIN(
    session: CK_SESSION_HANDLE,
    pin_value: *mut CK_UTF8CHAR,
    pin_len: CK_ULONG,
) -> CK_RV {
    call!(C_InitPIN, module => {
        let (slot, read_write) = module.session(session)?.place();
        // SAFETY: the caller's promise.
        let new = unsafe { pin(pin_value, pin_len)? }.ok_or(Rv(CKR_ARGUMENTS_BAD))?;
        slot.init_pin(read_write, &new)
    })
}

/// Changes a PIN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SetPIN(
    session: CK_SESSION_HANDLE,
    old_pin: *mut CK_UTF8CHAR,
    old_len: CK_ULONG,
    new_pin: *mut CK_UTF8CHAR,
    new_len: CK_ULONG,
) -> CK_RV {
    call!(C_SetPIN, module => {
        let (slot, read_write) = module.session(session)?.place();
        // SAFETY: the caller's promise.
        let (old, new) = unsafe { (pin(old_pin, old_len)?, pin(new_pin, new_len)?) };
        let missing = Rv(CKR_ARGUMENTS_BAD);
        slot.set_pin(read_write, &old.ok_or(missing)?, &new.ok_or(missing)?)
    })
}
