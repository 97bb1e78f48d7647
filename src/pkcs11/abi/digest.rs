//! Digests (PKCS#11 v3.2 §5.12).

use cryptoki_sys::*;

use super::output::output;
use super::parameter::mechanism as read_mechanism;
use super::pointers::elements;
use crate::pkcs11::operation::Kind;

/// Begins a digest; a NULL mechanism ends one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DigestInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM) -> CK_RV {
    call!(C_DigestInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::Digest);
        }
        // SAFETY: the caller's promise.
        session.digest_init(unsafe { read_mechanism(mechanism)? })
    })
}

/// Digests in one part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Digest(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_len: CK_ULONG,
    digest: *mut CK_BYTE,
    digest_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_Digest, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Digest, |session| unsafe {
            output(digest, digest_len, |out| session.digest(&out.input_beside(data, data_len)?, out))
        })
    })
}

/// Adds a part to what is digested.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DigestUpdate(session: CK_SESSION_HANDLE, part: *mut CK_BYTE, part_len: CK_ULONG) -> CK_RV {
    call!(C_DigestUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Digest, |session| session.digest_update(unsafe { elements(part, part_len)? }))
    })
}

/// Refused: a digest of a key gives it away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DigestKey(session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> CK_RV {
    call!(C_DigestKey, module => {
        module.session(session)?.step(Kind::Digest, |session| session.digest_key(key))
    })
}

/// Digests what came in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DigestFinal(
    session: CK_SESSION_HANDLE,
    digest: *mut CK_BYTE,
    digest_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DigestFinal, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Digest, |session| unsafe {
            output(digest, digest_len, |out| session.digest_final(out))
        })
    })
}
