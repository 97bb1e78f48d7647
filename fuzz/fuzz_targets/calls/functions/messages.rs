//! Calls for messages, signatures that are given first, and calls that end later (PKCS#11 v3.0 on).

use std::ffi::c_void;
use std::ptr;

use cryptoki_sys::*;

use super::with_key;
use crate::caller::{Caller, Ordinary};
use crate::mechanisms::SIGNING;

/// A parameter for one message.
fn parameter(c: &mut Caller<'_>) -> (*mut c_void, CK_ULONG) {
    if c.bytes.byte() > 200 {
        return (ptr::null_mut(), 0);
    }
    let parameter = c.gcm_message();
    (c.arena.keep(vec![parameter]).cast(), size_of::<CK_GCM_MESSAGE_PARAMS>() as CK_ULONG)
}

macro_rules! messages {
    ($ordinary:ident $whole:ident $C_whole:ident, $begin:ident $C_begin:ident, $next:ident $C_next:ident) => {
        pub fn $whole(c: &mut Caller<'_>) {
            let (session, (parameter, len), (aad, aad_len)) = (c.session(), parameter(c), c.input(Ordinary::Text));
            let ((data, data_len), out) = (c.input(Ordinary::$ordinary), c.output());
            call!(c, $C_whole(session, parameter, len, aad, aad_len, data, data_len, out.pointer, out.len));
        }

        pub fn $begin(c: &mut Caller<'_>) {
            let (session, (parameter, len), (aad, aad_len)) = (c.session(), parameter(c), c.input(Ordinary::Text));
            call!(c, $C_begin(session, parameter, len, aad, aad_len));
        }

        pub fn $next(c: &mut Caller<'_>) {
            let (session, (parameter, len)) = (c.session(), parameter(c));
            let ((data, data_len), out, flags) = (c.input(Ordinary::$ordinary), c.output(), c.bytes.byte() & 1);
            call!(c, $C_next(session, parameter, len, data, data_len, out.pointer, out.len, flags.into()));
        }
    };
}

messages!(Text encrypt_message C_EncryptMessage, encrypt_message_begin C_EncryptMessageBegin,
    encrypt_message_next C_EncryptMessageNext);
messages!(Result decrypt_message C_DecryptMessage, decrypt_message_begin C_DecryptMessageBegin,
    decrypt_message_next C_DecryptMessageNext);

macro_rules! signed_messages {
    ($sign:ident $C_sign:ident, $verify:ident $C_verify:ident) => {
        pub fn $sign(c: &mut Caller<'_>) {
            let (session, (parameter, len)) = (c.session(), parameter(c));
            let ((data, data_len), out) = (c.input(Ordinary::Text), c.output());
            call!(c, $C_sign(session, parameter, len, data, data_len, out.pointer, out.len));
        }

        pub fn $verify(c: &mut Caller<'_>) {
            let (session, (parameter, len)) = (c.session(), parameter(c));
            let ((data, data_len), (signature, signature_len)) = (c.input(Ordinary::Text), c.input(Ordinary::Result));
            call!(c, $C_verify(session, parameter, len, data, data_len, signature, signature_len));
        }
    };
}

signed_messages!(sign_message C_SignMessage, verify_message C_VerifyMessage);
signed_messages!(sign_message_next C_SignMessageNext, verify_message_next C_VerifyMessageNext);

pub fn sign_message_begin(c: &mut Caller<'_>) {
    let (session, (parameter, len)) = (c.session(), parameter(c));
    call!(c, C_SignMessageBegin(session, parameter, len));
}

pub fn verify_message_begin(c: &mut Caller<'_>) {
    let (session, (parameter, len)) = (c.session(), parameter(c));
    call!(c, C_VerifyMessageBegin(session, parameter, len));
}

pub fn verify_signature_init(c: &mut Caller<'_>) {
    let (session, (mechanism, key)) = (c.session(), with_key(c, SIGNING, false));
    let (signature, len) = c.input(Ordinary::Result);
    call!(c, C_VerifySignatureInit(session, mechanism, key, signature, len));
}

// ---- asynchronous calls

pub fn async_complete(c: &mut Caller<'_>) {
    let (session, name, place) = (c.session(), c.name(), c.place());
    call!(c, C_AsyncComplete(session, name, place));
}

pub fn async_get_id(c: &mut Caller<'_>) {
    let (session, name, place) = (c.session(), c.name(), c.place());
    call!(c, C_AsyncGetID(session, name, place));
}

pub fn async_join(c: &mut Caller<'_>) {
    let (session, name, id, (data, len)) = (c.session(), c.name(), c.bytes.number(), c.input(Ordinary::Text));
    call!(c, C_AsyncJoin(session, name, id, data, len));
}
