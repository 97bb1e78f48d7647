//! Encryption, decryption and dual-function operations (PKCS#11 v3.2 §5.8, §5.10 and §5.17).

use cryptoki_sys::*;

use super::output::output;
use super::parameter::mechanism as read_mechanism;
use crate::crypto::Direction;
use crate::pkcs11::operation::Kind;

/// Begins an encryption; a NULL mechanism ends one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_EncryptInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::Encrypt);
        }
        // SAFETY: the caller's promise.
        session.cipher_init(Direction::Encrypt, unsafe { read_mechanism(mechanism)? }, key)
    })
}

/// Encrypts in one part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Encrypt(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_len: CK_ULONG,
    encrypted: *mut CK_BYTE,
    encrypted_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_Encrypt, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Encrypt, |session| unsafe {
            output(encrypted, encrypted_len, |out| {
                session.cipher(Direction::Encrypt, &out.input_beside(data, data_len)?, out)
            })
        })
    })
}

/// Encrypts a part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptUpdate(
    session: CK_SESSION_HANDLE,
    data_part: *mut CK_BYTE,
    data_part_len: CK_ULONG,
    encrypted_part: *mut CK_BYTE,
    encrypted_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_EncryptUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Encrypt, |session| unsafe {
            output(encrypted_part, encrypted_part_len, |out| {
                session.cipher_update(Direction::Encrypt, &out.input_beside(data_part, data_part_len)?, out)
            })
        })
    })
}

/// Ends an encryption in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptFinal(
    session: CK_SESSION_HANDLE,
    last_encrypted_part: *mut CK_BYTE,
    last_encrypted_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_EncryptFinal, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Encrypt, |session| unsafe {
            output(last_encrypted_part, last_encrypted_part_len, |out| session.cipher_final(Direction::Encrypt, out))
        })
    })
}

/// Begins a decryption; a NULL mechanism ends one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_DecryptInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::Decrypt);
        }
        // SAFETY: the caller's promise.
        session.cipher_init(Direction::Decrypt, unsafe { read_mechanism(mechanism)? }, key)
    })
}

/// Decrypts in one part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Decrypt(
    session: CK_SESSION_HANDLE,
    encrypted: *mut CK_BYTE,
    encrypted_len: CK_ULONG,
    data: *mut CK_BYTE,
    data_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_Decrypt, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Decrypt, |session| unsafe {
            output(data, data_len, |out| {
                session.cipher(Direction::Decrypt, &out.input_beside(encrypted, encrypted_len)?, out)
            })
        })
    })
}

/// Decrypts a part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptUpdate(
    session: CK_SESSION_HANDLE,
    encrypted_part: *mut CK_BYTE,
    encrypted_part_len: CK_ULONG,
    data_part: *mut CK_BYTE,
    data_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Decrypt, |session| unsafe {
            output(data_part, data_part_len, |out| {
                session.cipher_update(Direction::Decrypt, &out.input_beside(encrypted_part, encrypted_part_len)?, out)
            })
        })
    })
}

/// Ends a decryption in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptFinal(
    session: CK_SESSION_HANDLE,
    last_part: *mut CK_BYTE,
    last_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptFinal, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.step(Kind::Decrypt, |session| unsafe {
            output(last_part, last_part_len, |out| session.cipher_final(Direction::Decrypt, out))
        })
    })
}

/// Digests and encrypts a part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DigestEncryptUpdate(
    session: CK_SESSION_HANDLE,
    part: *mut CK_BYTE,
    part_len: CK_ULONG,
    encrypted_part: *mut CK_BYTE,
    encrypted_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DigestEncryptUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.dual_step([Kind::Digest, Kind::Encrypt], |session| unsafe {
            output(encrypted_part, encrypted_part_len, |out| {
                session.digest_encrypt(&out.input_beside(part, part_len)?, out)
            })
        })
    })
}

/// Decrypts and digests a part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptDigestUpdate(
    session: CK_SESSION_HANDLE,
    encrypted_part: *mut CK_BYTE,
    encrypted_part_len: CK_ULONG,
    part: *mut CK_BYTE,
    part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptDigestUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.dual_step([Kind::Digest, Kind::Decrypt], |session| unsafe {
            output(part, part_len, |out| {
                session.decrypt_digest(&out.input_beside(encrypted_part, encrypted_part_len)?, out)
            })
        })
    })
}

/// Signs and encrypts a part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignEncryptUpdate(
    session: CK_SESSION_HANDLE,
    part: *mut CK_BYTE,
    part_len: CK_ULONG,
    encrypted_part: *mut CK_BYTE,
    encrypted_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_SignEncryptUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.dual_step([Kind::Sign, Kind::Encrypt], |session| unsafe {
            output(encrypted_part, encrypted_part_len, |out| {
                session.sign_encrypt(&out.input_beside(part, part_len)?, out)
            })
        })
    })
}

/// Decrypts and checks a part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptVerifyUpdate(
    session: CK_SESSION_HANDLE,
    encrypted_part: *mut CK_BYTE,
    encrypted_part_len: CK_ULONG,
    part: *mut CK_BYTE,
    part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptVerifyUpdate, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.dual_step([Kind::Verify, Kind::Decrypt], |session| unsafe {
            output(part, part_len, |out| {
                session.decrypt_verify(&out.input_beside(encrypted_part, encrypted_part_len)?, out)
            })
        })
    })
}
