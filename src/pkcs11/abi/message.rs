//! Message-based operations (PKCS#11 v3.2 §5.9, §5.11, §5.14 and §5.16): not done.

use std::ffi::c_void;

use cryptoki_sys::*;

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageEncryptInit(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_MessageEncryptInit, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessage(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _associated_data: *mut CK_BYTE,
    _associated_data_len: CK_ULONG,
    _plaintext: *mut CK_BYTE,
    _plaintext_len: CK_ULONG,
    _ciphertext: *mut CK_BYTE,
    _ciphertext_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_EncryptMessage, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessageBegin(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _associated_data: *mut CK_BYTE,
    _associated_data_len: CK_ULONG,
) -> CK_RV {
    call!(C_EncryptMessageBegin, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessageNext(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _plaintext_part: *mut CK_BYTE,
    _plaintext_part_len: CK_ULONG,
    _ciphertext_part: *mut CK_BYTE,
    _ciphertext_part_len: *mut CK_ULONG,
    _flags: CK_FLAGS,
) -> CK_RV {
    call!(C_EncryptMessageNext, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageEncryptFinal(_session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_MessageEncryptFinal, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageDecryptInit(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_MessageDecryptInit, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessage(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _associated_data: *mut CK_BYTE,
    _associated_data_len: CK_ULONG,
    _ciphertext: *mut CK_BYTE,
    _ciphertext_len: CK_ULONG,
    _plaintext: *mut CK_BYTE,
    _plaintext_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptMessage, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessageBegin(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _associated_data: *mut CK_BYTE,
    _associated_data_len: CK_ULONG,
) -> CK_RV {
    call!(C_DecryptMessageBegin, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessageNext(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _ciphertext_part: *mut CK_BYTE,
    _ciphertext_part_len: CK_ULONG,
    _plaintext_part: *mut CK_BYTE,
    _plaintext_part_len: *mut CK_ULONG,
    _flags: CK_FLAGS,
) -> CK_RV {
    call!(C_DecryptMessageNext, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageDecryptFinal(_session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_MessageDecryptFinal, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageSignInit(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_MessageSignInit, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignMessage(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _data: *mut CK_BYTE,
    _data_len: CK_ULONG,
    _signature: *mut CK_BYTE,
    _signature_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_SignMessage, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignMessageBegin(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
) -> CK_RV {
    call!(C_SignMessageBegin, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SignMessageNext(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _data: *mut CK_BYTE,
    _data_len: CK_ULONG,
    _signature: *mut CK_BYTE,
    _signature_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_SignMessageNext, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageSignFinal(_session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_MessageSignFinal, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageVerifyInit(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_MessageVerifyInit, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyMessage(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _data: *mut CK_BYTE,
    _data_len: CK_ULONG,
    _signature: *mut CK_BYTE,
    _signature_len: CK_ULONG,
) -> CK_RV {
    call!(C_VerifyMessage, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyMessageBegin(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
) -> CK_RV {
    call!(C_VerifyMessageBegin, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_VerifyMessageNext(
    _session: CK_SESSION_HANDLE,
    _parameter: *mut c_void,
    _parameter_len: CK_ULONG,
    _data: *mut CK_BYTE,
    _data_len: CK_ULONG,
    _signature: *mut CK_BYTE,
    _signature_len: CK_ULONG,
) -> CK_RV {
    call!(C_VerifyMessageNext, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageVerifyFinal(_session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_MessageVerifyFinal, unsupported)
}
