//! Message-based operations (PKCS#11 v3.2 §5.9, §5.11, §5.14 and §5.16): those that sign and verify are not done.

use std::ffi::c_void;

use cryptoki_sys::*;

use super::output::{Exchange, output};
use super::parameter::{GcmMessage, message_mechanism};
use super::pointers::CallerBytes;
use crate::crypto::Direction;
use crate::pkcs11::error::Rv;
use crate::pkcs11::operation::Kind;

/// Begins to encrypt messages; a NULL mechanism ends it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageEncryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_MessageEncryptInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::MessageEncrypt);
        }
        // SAFETY: the caller's promise.
        session.messages_init(Direction::Encrypt, unsafe { message_mechanism(mechanism)? }, key)
    })
}

/// Encrypts a message in one part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessage(
    session: CK_SESSION_HANDLE,
    parameter: *mut c_void,
    parameter_len: CK_ULONG,
    associated_data: *mut CK_BYTE,
    associated_data_len: CK_ULONG,
    plaintext: *mut CK_BYTE,
    plaintext_len: CK_ULONG,
    ciphertext: *mut CK_BYTE,
    ciphertext_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_EncryptMessage, module => {
        let mut session = module.session(session)?;
        session.expect_messages(Direction::Encrypt)?;
        // SAFETY: the caller's promise.
        unsafe {
            let message = GcmMessage::new(parameter, parameter_len)?;
            let aad = CallerBytes::new(associated_data, associated_data_len)?;
            output(ciphertext, ciphertext_len, |out| {
                session.message(Direction::Encrypt, message, &aad, Exchange::new(out, plaintext, plaintext_len)?)
            })
        }
        .map(drop)
    })
}

/// Begins to encrypt a message in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessageBegin(
    session: CK_SESSION_HANDLE,
    parameter: *mut c_void,
    parameter_len: CK_ULONG,
    associated_data: *mut CK_BYTE,
    associated_data_len: CK_ULONG,
) -> CK_RV {
    call!(C_EncryptMessageBegin, module => {
        let mut session = module.session(session)?;
        session.expect_messages(Direction::Encrypt)?;
        // SAFETY: the caller's promise.
        let (message, aad) = unsafe {
            (GcmMessage::new(parameter, parameter_len)?, CallerBytes::new(associated_data, associated_data_len)?)
        };
        session.message_begin(Direction::Encrypt, message, &aad)
    })
}

/// Encrypts a part of a message, with `CKF_END_OF_MESSAGE` the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncryptMessageNext(
    session: CK_SESSION_HANDLE,
    parameter: *mut c_void,
    parameter_len: CK_ULONG,
    plaintext_part: *mut CK_BYTE,
    plaintext_part_len: CK_ULONG,
    ciphertext_part: *mut CK_BYTE,
    ciphertext_part_len: *mut CK_ULONG,
    flags: CK_FLAGS,
) -> CK_RV {
    call!(C_EncryptMessageNext, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.message_step(Direction::Encrypt, |session| unsafe {
            session.expect_messages(Direction::Encrypt)?;
            let last = last(parameter, parameter_len, flags)?;
            output(ciphertext_part, ciphertext_part_len, |out| {
                session.message_next(Direction::Encrypt, last, Exchange::new(out, plaintext_part, plaintext_part_len)?)
            })
        })
    })
}

/// Ends encrypting messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageEncryptFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_MessageEncryptFinal, module => { module.session(session)?.messages_final(Direction::Encrypt) })
}

/// Begins to decrypt messages; a NULL mechanism ends it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageDecryptInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_MessageDecryptInit, module => {
        let mut session = module.session(session)?;
        if mechanism.is_null() {
            return session.cancel(Kind::MessageDecrypt);
        }
        // SAFETY: the caller's promise.
        session.messages_init(Direction::Decrypt, unsafe { message_mechanism(mechanism)? }, key)
    })
}

/// Decrypts a message in one part.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessage(
    session: CK_SESSION_HANDLE,
    parameter: *mut c_void,
    parameter_len: CK_ULONG,
    associated_data: *mut CK_BYTE,
    associated_data_len: CK_ULONG,
    ciphertext: *mut CK_BYTE,
    ciphertext_len: CK_ULONG,
    plaintext: *mut CK_BYTE,
    plaintext_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_DecryptMessage, module => {
        let mut session = module.session(session)?;
        session.expect_messages(Direction::Decrypt)?;
        // SAFETY: the caller's promise.
        unsafe {
            let message = GcmMessage::new(parameter, parameter_len)?;
            let aad = CallerBytes::new(associated_data, associated_data_len)?;
            output(plaintext, plaintext_len, |out| {
                session.message(Direction::Decrypt, message, &aad, Exchange::new(out, ciphertext, ciphertext_len)?)
            })
        }
        .map(drop)
    })
}

/// Begins to decrypt a message in parts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessageBegin(
    session: CK_SESSION_HANDLE,
    parameter: *mut c_void,
    parameter_len: CK_ULONG,
    associated_data: *mut CK_BYTE,
    associated_data_len: CK_ULONG,
) -> CK_RV {
    call!(C_DecryptMessageBegin, module => {
        let mut session = module.session(session)?;
        session.expect_messages(Direction::Decrypt)?;
        // SAFETY: the caller's promise.
        let (message, aad) = unsafe {
            (GcmMessage::new(parameter, parameter_len)?, CallerBytes::new(associated_data, associated_data_len)?)
        };
        session.message_begin(Direction::Decrypt, message, &aad)
    })
}

/// Decrypts a part of a message, with `CKF_END_OF_MESSAGE` the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecryptMessageNext(
    session: CK_SESSION_HANDLE,
    parameter: *mut c_void,
    parameter_len: CK_ULONG,
    ciphertext_part: *mut CK_BYTE,
    ciphertext_part_len: CK_ULONG,
    plaintext_part: *mut CK_BYTE,
    plaintext_part_len: *mut CK_ULONG,
    flags: CK_FLAGS,
) -> CK_RV {
    call!(C_DecryptMessageNext, module => {
        // SAFETY: the caller's promise.
        module.session(session)?.message_step(Direction::Decrypt, |session| unsafe {
            session.expect_messages(Direction::Decrypt)?;
            let last = last(parameter, parameter_len, flags)?;
            output(plaintext_part, plaintext_part_len, |out| {
                session.message_next(Direction::Decrypt, last, Exchange::new(out, ciphertext_part, ciphertext_part_len)?)
            })
        })
    })
}

/// Ends decrypting messages.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_MessageDecryptFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_MessageDecryptFinal, module => { module.session(session)?.messages_final(Direction::Decrypt) })
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

/// The parameter with the last part, where its tag is; before that nothing of it is needed, and it isn't looked at.
///
/// # Safety
///
/// As for [`GcmMessage::new`].
unsafe fn last<'a>(
    parameter: *const c_void,
    parameter_len: CK_ULONG,
    flags: CK_FLAGS,
) -> Result<Option<GcmMessage<'a>>, Rv> {
    match flags {
        0 => Ok(None),
        // SAFETY: the caller's promise.
        CKF_END_OF_MESSAGE => unsafe { GcmMessage::new(parameter, parameter_len).map(Some) },
        _ => Err(Rv(CKR_ARGUMENTS_BAD)),
    }
}
