//! General-purpose functions (PKCS#11 v3.2 §5.4).

use std::ffi::{CStr, c_void};

use cryptoki_sys::*;

use super::lists;
use super::pointers::{Place, list, required};
use crate::pkcs11::error::Rv;
use crate::pkcs11::module::{self, Arguments};

/// Starts the module in this process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Initialize(init_args: *mut c_void) -> CK_RV {
    call!(C_Initialize => {
        if init_args.is_null() {
            return module::initialize(Arguments::default());
        }
        // SAFETY: the caller's promise.
        let args = unsafe { required(init_args.cast::<CK_C_INITIALIZE_ARGS>())? };
        let callbacks = [
            args.CreateMutex.is_some(),
            args.DestroyMutex.is_some(),
            args.LockMutex.is_some(),
            args.UnlockMutex.is_some(),
        ];
        module::initialize(Arguments {
            callbacks: callbacks.into_iter().filter(|given| *given).count(),
            flags: args.flags,
            reserved: !args.pReserved.is_null(),
        })
    })
}

/// Ends the module in this process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Finalize(reserved: *mut c_void) -> CK_RV {
    call!(C_Finalize => {
        if !reserved.is_null() {
            return Err(Rv(CKR_ARGUMENTS_BAD));
        }
        module::finalize()
    })
}

/// Version and manufacturer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInfo(info: *mut CK_INFO) -> CK_RV {
    call!(C_GetInfo, module => {
        // SAFETY: the caller's promise.
        let info = unsafe { Place::new(info)? };
        info.set(module.info());
        Ok(())
    })
}

/// The functions of version 2.40.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(function_list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    call!(C_GetFunctionList => {
        // SAFETY: the caller's promise.
        let function_list = unsafe { Place::new(function_list)? };
        function_list.set(lists::version_2_40());
        Ok(())
    })
}

/// All interfaces, the newest first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterfaceList(interfaces_list: *mut CK_INTERFACE, count: *mut CK_ULONG) -> CK_RV {
    // SAFETY: the caller's promise.
    call!(C_GetInterfaceList => { unsafe { list(lists::interfaces(), interfaces_list, count) } })
}

/// The interface with this name and version; NULL leaves the choice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetInterface(
    interface_name: *mut CK_UTF8CHAR,
    version: *mut CK_VERSION,
    interface: *mut *mut CK_INTERFACE,
    flags: CK_FLAGS,
) -> CK_RV {
    call!(C_GetInterface => {
        // SAFETY: the caller's promise; the name ends with NUL.
        let (place, name, version) = unsafe {
            let name = (!interface_name.is_null()).then(|| CStr::from_ptr(interface_name.cast_const().cast()));
            let version = if version.is_null() { None } else { Some(*required(version)?) };
            (Place::new(interface)?, name, version)
        };
        place.set(lists::interface(name, version, flags)?);
        Ok(())
    })
}
