//! Encryption, decryption and dual-function operations (PKCS#11 v3.2 §5.8, §5.10 and §5.17): not done.

use cryptoki_sys::*;

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptInit(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_EncryptInit, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Encrypt(
    _session: CK_SESSION_HANDLE,
    _data: *mut CK_BYTE,
    _data_len: CK_ULONG,
    _encrypted: *mut CK_BYTE,
    _encrypted_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_Encrypt, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptUpdate(
    _session: CK_SESSION_HANDLE,
    _data_part: *mut CK_BYTE,
    _data_part_len: CK_ULONG,
    _encrypted_part: *mut CK_BYTE,
    _encrypted_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_EncryptUpdate, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptFinal(
    _session: CK_SESSION_HANDLE,
    _last_part: *mut CK_BYTE,
    _last_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_EncryptFinal, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptInit(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_DecryptInit, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_Decrypt(
    _session: CK_SESSION_HANDLE,
    _encrypted: *mut CK_BYTE,
    _encrypted_len: CK_ULONG,
    _data: *mut CK_BYTE,
    _data_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_Decrypt, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptUpdate(
    _session: CK_SESSION_HANDLE,
    _encrypted_part: *mut CK_BYTE,
    _encrypted_part_len: CK_ULONG,
    _data_part: *mut CK_BYTE,
    _data_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptUpdate, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptFinal(
    _session: CK_SESSION_HANDLE,
    _last_part: *mut CK_BYTE,
    _last_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptFinal, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DigestEncryptUpdate(
    _session: CK_SESSION_HANDLE,
    _part: *mut CK_BYTE,
    _part_len: CK_ULONG,
    _encrypted_part: *mut CK_BYTE,
    _encrypted_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DigestEncryptUpdate, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptDigestUpdate(
    _session: CK_SESSION_HANDLE,
    _encrypted_part: *mut CK_BYTE,
    _encrypted_part_len: CK_ULONG,
    _part: *mut CK_BYTE,
    _part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptDigestUpdate, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignEncryptUpdate(
    _session: CK_SESSION_HANDLE,
    _part: *mut CK_BYTE,
    _part_len: CK_ULONG,
    _encrypted_part: *mut CK_BYTE,
    _encrypted_part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_SignEncryptUpdate, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptVerifyUpdate(
    _session: CK_SESSION_HANDLE,
    _encrypted_part: *mut CK_BYTE,
    _encrypted_part_len: CK_ULONG,
    _part: *mut CK_BYTE,
    _part_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptVerifyUpdate, unsupported)
}
