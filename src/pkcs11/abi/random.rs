//! Random numbers (PKCS#11 v3.2 §5.19).

use cryptoki_sys::*;

use super::pointers::elements_mut;
use crate::pkcs11::error::Rv;

/// Refused: the generator takes its seed from the system alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SeedRandom(session: CK_SESSION_HANDLE, _seed: *mut CK_BYTE, _seed_len: CK_ULONG) -> CK_RV {
    call!(C_SeedRandom, module => {
        module.session(session)?;
        Err(Rv(CKR_RANDOM_SEED_NOT_SUPPORTED))
    })
}

/// Random bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GenerateRandom(
    session: CK_SESSION_HANDLE,
    random_data: *mut CK_BYTE,
    random_len: CK_ULONG,
) -> CK_RV {
    call!(C_GenerateRandom, module => {
        // Without the session's lock: the bytes may come over a network.
        let (slot, _) = module.session(session)?.place();
        if random_data.is_null() {
            return Err(Rv(CKR_ARGUMENTS_BAD));
        }
        // SAFETY: the caller's promise.
        Ok(slot.vault.random(unsafe { elements_mut(random_data, random_len)? })?)
    })
}
