//! The function lists of every version, and the interfaces that name them (PKCS#11 v3.2 §5.4.4 to §5.4.6).

use std::ffi::{CStr, c_void};

use cryptoki_sys::*;

use super::asynchronous::*;
use super::cipher::*;
use super::digest::*;
use super::general::*;
use super::key::*;
use super::message::*;
use super::object::*;
use super::random::*;
use super::session::*;
use super::sign::*;
use super::token::*;
use super::verify::*;
use crate::pkcs11::error::Rv;

const NAME: &CStr = c"PKCS 11";

/// The list that `C_GetFunctionList` gives.
pub fn version_2_40() -> *mut CK_FUNCTION_LIST {
    (&raw const VERSION_2_40.0).cast_mut()
}

/// Every interface, the newest and default one first.
pub fn interfaces() -> &'static [CK_INTERFACE] {
    &INTERFACES.0
}

/// The interface that fits; `None` leaves the choice, and the newest is chosen.
///
/// No interface has a flag: `CKF_INTERFACE_FORK_SAFE` would promise sessions that survive a fork, and ours don't.
pub fn interface(name: Option<&CStr>, version: Option<CK_VERSION>, flags: CK_FLAGS) -> Result<*mut CK_INTERFACE, Rv> {
    let index = match version {
        None => Some(0),
        Some(wanted) => {
            VERSIONS.iter().position(|version| (version.major, version.minor) == (wanted.major, wanted.minor))
        }
    };
    let index = index.filter(|_| name.is_none_or(|name| name == NAME)).ok_or(Rv(CKR_ARGUMENTS_BAD))?;
    if flags != 0 {
        return Err(Rv(CKR_FUNCTION_FAILED));
    }
    Ok((&raw const INTERFACES.0[index]).cast_mut())
}

const fn version(major: u8, minor: u8) -> CK_VERSION {
    CK_VERSION { major, minor }
}

const VERSIONS: [CK_VERSION; 4] = [version(3, 2), version(3, 1), version(3, 0), version(2, 40)];

const fn named<T>(list: &'static Immutable<T>) -> CK_INTERFACE {
    CK_INTERFACE {
        pInterfaceName: NAME.as_ptr().cast_mut().cast(),
        pFunctionList: (&raw const list.0).cast_mut().cast::<c_void>(),
        flags: 0,
    }
}

static INTERFACES: Immutable<[CK_INTERFACE; VERSIONS.len()]> =
    Immutable([named(&VERSION_3_2), named(&VERSION_3_1), named(&VERSION_3_0), named(&VERSION_2_40)]);

/// Something with pointers that nobody changes.
struct Immutable<T>(T);

// SAFETY: only ever read, and what its pointers name are statics that are only ever read.
unsafe impl<T> Sync for Immutable<T> {}

/// Each list begins with the one before it. 3.1 has the functions of 3.0.
macro_rules! lists {
    ([$($v2_40:ident),*] [$($v3_0:ident),*] [$($v3_2:ident),*]) => {
        static VERSION_2_40: Immutable<CK_FUNCTION_LIST> =
            Immutable(CK_FUNCTION_LIST { version: version(2, 40), $($v2_40: Some($v2_40),)* });
        static VERSION_3_0: Immutable<CK_FUNCTION_LIST_3_0> = Immutable(CK_FUNCTION_LIST_3_0 {
            version: version(3, 0),
            $($v2_40: Some($v2_40),)*
            $($v3_0: Some($v3_0),)*
        });
        static VERSION_3_1: Immutable<CK_FUNCTION_LIST_3_0> = Immutable(CK_FUNCTION_LIST_3_0 {
            version: version(3, 1),
            $($v2_40: Some($v2_40),)*
            $($v3_0: Some($v3_0),)*
        });
        static VERSION_3_2: Immutable<CK_FUNCTION_LIST_3_2> = Immutable(CK_FUNCTION_LIST_3_2 {
            version: version(3, 2),
            $($v2_40: Some($v2_40),)*
            $($v3_0: Some($v3_0),)*
            $($v3_2: Some($v3_2),)*
        });
    };
}

lists! {
    [
        C_Initialize, C_Finalize, C_GetInfo, C_GetFunctionList, C_GetSlotList, C_GetSlotInfo, C_GetTokenInfo,
        C_GetMechanismList, C_GetMechanismInfo, C_InitToken, C_InitPIN, C_SetPIN, C_OpenSession, C_CloseSession,
        C_CloseAllSessions, C_GetSessionInfo, C_GetOperationState, C_SetOperationState, C_Login, C_Logout,
        C_CreateObject, C_CopyObject, C_DestroyObject, C_GetObjectSize, C_GetAttributeValue,
        C_SetAttributeValue, C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal, C_EncryptInit, C_Encrypt,
        C_EncryptUpdate, C_EncryptFinal, C_DecryptInit, C_Decrypt, C_DecryptUpdate, C_DecryptFinal,
        C_DigestInit, C_Digest, C_DigestUpdate, C_DigestKey, C_DigestFinal, C_SignInit, C_Sign, C_SignUpdate,
        C_SignFinal, C_SignRecoverInit, C_SignRecover, C_VerifyInit, C_Verify, C_VerifyUpdate, C_VerifyFinal,
        C_VerifyRecoverInit, C_VerifyRecover, C_DigestEncryptUpdate, C_DecryptDigestUpdate, C_SignEncryptUpdate,
        C_DecryptVerifyUpdate, C_GenerateKey, C_GenerateKeyPair, C_WrapKey, C_UnwrapKey, C_DeriveKey,
        C_SeedRandom, C_GenerateRandom, C_GetFunctionStatus, C_CancelFunction, C_WaitForSlotEvent
    ]
    [
        C_GetInterfaceList, C_GetInterface, C_LoginUser, C_SessionCancel, C_MessageEncryptInit,
        C_EncryptMessage, C_EncryptMessageBegin, C_EncryptMessageNext, C_MessageEncryptFinal,
        C_MessageDecryptInit, C_DecryptMessage, C_DecryptMessageBegin, C_DecryptMessageNext,
        C_MessageDecryptFinal, C_MessageSignInit, C_SignMessage, C_SignMessageBegin, C_SignMessageNext,
        C_MessageSignFinal, C_MessageVerifyInit, C_VerifyMessage, C_VerifyMessageBegin, C_VerifyMessageNext,
        C_MessageVerifyFinal
    ]
    [
        C_EncapsulateKey, C_DecapsulateKey, C_VerifySignatureInit, C_VerifySignature, C_VerifySignatureUpdate,
        C_VerifySignatureFinal, C_GetSessionValidationFlags, C_AsyncComplete, C_AsyncGetID, C_AsyncJoin,
        C_WrapKeyAuthenticated, C_UnwrapKeyAuthenticated
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_of(interface: *mut CK_INTERFACE) -> (u8, u8) {
        // SAFETY: one of `INTERFACES`, whose lists all begin with their version.
        let version = unsafe { *(*interface).pFunctionList.cast::<CK_VERSION>() };
        (version.major, version.minor)
    }

    #[test]
    fn every_version_is_given_and_the_newest_by_default() {
        assert_eq!(interface(None, None, 0).map(version_of), Ok((3, 2)));
        for wanted in VERSIONS {
            let given = interface(Some(NAME), Some(wanted), 0).map(version_of);
            assert_eq!(given, Ok((wanted.major, wanted.minor)));
        }
    }

    #[test]
    fn unknown_names_versions_and_promises_are_refused() {
        assert_eq!(interface(Some(c"PKCS 12"), None, 0), Err(Rv(CKR_ARGUMENTS_BAD)));
        assert_eq!(interface(None, Some(version(3, 3)), 0), Err(Rv(CKR_ARGUMENTS_BAD)));
        assert_eq!(interface(None, None, CKF_INTERFACE_FORK_SAFE), Err(Rv(CKR_FUNCTION_FAILED)));
    }
}
