//! Who may do what with which mechanism: keys that ask for the PIN at each use, logging in by `C_LoginUser`, mechanisms that
//! the configuration leaves out, and what a wrong padding tells.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]

#[macro_use]
mod in_process;

use std::ptr::null_mut;

use cryptoki_sys::*;
use in_process::{PIN, Token, ZEROS, attribute, bytes, gcm, plain, with};
use strongroom::vault::Content;

const MESSAGE: &[u8] = b"a message";

#[test]
fn a_key_that_always_asks_for_the_pin_is_used_once_for_each_pin() {
    let token = Token::new();
    let session = token.user_session();
    let (public, private) = token.rsa(session, &[attribute(CKA_ALWAYS_AUTHENTICATE, &[CK_TRUE])]);
    let sealed = token.encrypt(session, plain(CKM_RSA_PKCS), public, MESSAGE);
    let uses = [
        (token.list.C_SignInit, token.list.C_Sign, CKM_SHA256_RSA_PKCS, MESSAGE),
        (token.list.C_SignRecoverInit, token.list.C_SignRecover, CKM_RSA_PKCS, MESSAGE),
        (token.list.C_DecryptInit, token.list.C_Decrypt, CKM_RSA_PKCS, &sealed),
    ];
    for (init, through, number, input) in uses {
        assert_eq!(token.login(session, CKU_CONTEXT_SPECIFIC, PIN), CKR_OPERATION_NOT_INITIALIZED);
        // Without the PIN the operation ends.
        assert_eq!(token.init(init, session, plain(number), private), CKR_OK);
        let refused = |through| token.through(through, session, input, 256).unwrap_err().0;
        assert_eq!(refused(through), CKR_USER_NOT_LOGGED_IN);
        assert_eq!(refused(through), CKR_OPERATION_NOT_INITIALIZED);
        // A wrong PIN leaves it waiting, and the right one is for one use.
        assert_eq!(token.init(init, session, plain(number), private), CKR_OK);
        assert_eq!(token.login(session, CKU_CONTEXT_SPECIFIC, b"not this one"), CKR_PIN_INCORRECT);
        assert_eq!(token.login(session, CKU_CONTEXT_SPECIFIC, PIN), CKR_OK);
        assert_eq!(token.login(session, CKU_CONTEXT_SPECIFIC, PIN), CKR_OPERATION_NOT_INITIALIZED);
        assert!(token.through(through, session, input, 256).is_ok());
        assert_eq!(token.init(init, session, plain(number), private), CKR_OK);
        assert_eq!(refused(through), CKR_USER_NOT_LOGGED_IN);
    }
    // In parts too, from the first part on.
    assert_eq!(token.init(token.list.C_SignInit, session, plain(CKM_SHA256_RSA_PKCS), private), CKR_OK);
    assert_eq!(call!(token, C_SignUpdate(session, bytes(MESSAGE), 9)), CKR_USER_NOT_LOGGED_IN);
    assert_eq!(token.init(token.list.C_SignInit, session, plain(CKM_SHA256_RSA_PKCS), private), CKR_OK);
    ok!(token, C_LoginUser(session, CKU_CONTEXT_SPECIFIC, bytes(PIN), PIN.len() as CK_ULONG, null_mut(), 0));
    ok!(token, C_SignUpdate(session, bytes(MESSAGE), 9));
    assert_eq!(token.last(token.list.C_SignFinal, session, 256).unwrap().len(), 256);
}

#[test]
fn wrong_pins_for_a_use_count_and_lock() {
    let mut token = Token::new();
    let session = token.reconfigured("max_attempts = 3");
    let (_, private) = token.rsa(session, &[attribute(CKA_ALWAYS_AUTHENTICATE, &[CK_TRUE])]);
    assert_eq!(token.init(token.list.C_SignInit, session, plain(CKM_RSA_PKCS), private), CKR_OK);
    for wrong in [b"wrong pin 1", b"wrong pin 2", b"wrong pin 3"] {
        assert_eq!(token.login(session, CKU_CONTEXT_SPECIFIC, wrong), CKR_PIN_INCORRECT);
    }
    assert_eq!(token.login(session, CKU_CONTEXT_SPECIFIC, PIN), CKR_PIN_LOCKED);
    assert_eq!(token.through(token.list.C_Sign, session, MESSAGE, 256).unwrap_err().0, CKR_USER_NOT_LOGGED_IN);
    ok!(token, C_Logout(session));
    assert_eq!(token.login(session, CKU_USER, PIN), CKR_PIN_LOCKED);
}

#[test]
fn a_user_name_is_taken_only_if_it_is_empty() {
    let token = Token::new();
    let session = token.open(CKF_RW_SESSION);
    let (pin, len) = (bytes(PIN), PIN.len() as CK_ULONG);
    let named = call!(token, C_LoginUser(session, CKU_USER, pin, len, bytes(b"root"), 4));
    assert_eq!(named, CKR_USER_TYPE_INVALID);
    ok!(token, C_LoginUser(session, CKU_USER, pin, len, bytes(b""), 0));
    let mut info = CK_SESSION_INFO::default();
    ok!(token, C_GetSessionInfo(session, &mut info));
    assert_eq!(info.state, CKS_RW_USER_FUNCTIONS);
}

#[test]
fn mechanisms_that_the_configuration_leaves_out_are_nowhere() {
    let mut token = Token::new();
    let session = token.user_session();
    let [aes, generic] =
        [CKM_AES_KEY_GEN, CKM_GENERIC_SECRET_KEY_GEN].map(|number| token.secret(session, number, CK_TRUE));
    let (public, private) = token.rsa(session, &[attribute(CKA_TOKEN, &[CK_TRUE])]);
    let (mut on_token, mut copy) = (attribute(CKA_TOKEN, &[CK_TRUE]), 0);
    ok!(token, C_CopyObject(session, public, &mut on_token, 1, &mut copy));
    ok!(token, C_DigestInit(session, &mut plain(CKM_SHA512)));
    let saved = token.last(token.list.C_GetOperationState, session, 1024).unwrap();

    let session = token.reconfigured("mechanisms = [\"CKM_AES_CBC_PAD\", \"CKM_SHA256\", \"CKM_AES_CMAC\"]");
    let (mut numbers, mut count) = ([0; 8], 8);
    ok!(token, C_GetMechanismList(token.slot, numbers.as_mut_ptr(), &mut count));
    numbers[..3].sort_unstable();
    assert_eq!((count, &numbers[..3]), (3, &[CKM_SHA256, CKM_AES_CBC_PAD, CKM_AES_CMAC][..]));
    let mut info = CK_MECHANISM_INFO::default();
    ok!(token, C_GetMechanismInfo(token.slot, CKM_SHA256, &mut info));
    assert_eq!(call!(token, C_GetMechanismInfo(token.slot, CKM_SHA512, &mut info)), CKR_MECHANISM_INVALID);

    let (gcm, list) = (gcm(), token.list);
    let rsa = plain(CKM_RSA_PKCS);
    let refused = [
        token.init(list.C_EncryptInit, session, with(CKM_AES_GCM, &gcm), aes),
        token.init(list.C_DecryptInit, session, rsa, private),
        token.init(list.C_SignInit, session, rsa, private),
        token.init(list.C_VerifyInit, session, plain(CKM_SHA256_HMAC), generic),
        token.init(list.C_SignRecoverInit, session, rsa, private),
        token.init(list.C_VerifyRecoverInit, session, rsa, copy),
        call!(token, C_DigestInit(session, &mut plain(CKM_SHA512))),
        without(&token, session, aes, generic),
        call!(token, C_GenerateKey(session, &mut plain(CKM_AES_KEY_GEN), null_mut(), 0, &mut copy)),
        token.init(list.C_MessageEncryptInit, session, plain(CKM_AES_GCM), aes),
        token.init(list.C_MessageDecryptInit, session, plain(CKM_AES_GCM), aes),
    ];
    assert_eq!(refused, [CKR_MECHANISM_INVALID; 11]);
    let restored = call!(token, C_SetOperationState(session, bytes(&saved), saved.len() as CK_ULONG, 0, 0));
    assert_eq!(restored, CKR_SAVED_STATE_INVALID);
    let (mut generate, mut one, mut two) = (plain(CKM_RSA_PKCS_KEY_PAIR_GEN), 0, 0);
    let pair =
        call!(token, C_GenerateKeyPair(session, &mut generate, null_mut(), 0, null_mut(), 0, &mut one, &mut two));
    assert_eq!(pair, CKR_MECHANISM_INVALID);
    // And what is listed works.
    let sealed = token.encrypt(session, with(CKM_AES_CBC_PAD, &ZEROS), aes, MESSAGE);
    assert_eq!(sealed.len(), 16);
    assert_eq!(token.digest(session, plain(CKM_SHA256), MESSAGE).len(), 32);
    assert_eq!(token.init(list.C_SignInit, session, plain(CKM_AES_CMAC), aes), CKR_OK);
}

/// Wrapping, unwrapping and deriving with mechanisms that are left out: their one code.
fn without(token: &Token, session: CK_SESSION_HANDLE, aes: CK_OBJECT_HANDLE, generic: CK_OBJECT_HANDLE) -> CK_RV {
    let (mut out, mut len, mut made) = ([0; 64], 64, 0);
    let mut wrap = plain(CKM_AES_KEY_WRAP);
    let mut derive = plain(CKM_HKDF_DERIVE);
    let parameter = CK_HKDF_PARAMS {
        bExtract: CK_TRUE,
        bExpand: CK_TRUE,
        prfHashMechanism: CKM_SHA256,
        ulSaltType: CKF_HKDF_SALT_NULL,
        pSalt: null_mut(),
        ulSaltLen: 0,
        hSaltKey: 0,
        pInfo: null_mut(),
        ulInfoLen: 0,
    };
    derive.pParameter = (&raw const parameter).cast_mut().cast();
    derive.ulParameterLen = size_of::<CK_HKDF_PARAMS>() as CK_ULONG;
    let codes = [
        call!(token, C_WrapKey(session, &mut wrap, aes, generic, out.as_mut_ptr(), &mut len)),
        call!(token, C_UnwrapKey(session, &mut wrap, aes, out.as_mut_ptr(), 24, null_mut(), 0, &mut made)),
        call!(token, C_DeriveKey(session, &mut derive, generic, null_mut(), 0, &mut made)),
    ];
    assert_eq!(codes, [codes[0]; 3]);
    codes[0]
}

#[test]
fn a_wrong_padding_of_pkcs1_looks_like_a_message() {
    let token = Token::new();
    let session = token.user_session();
    let (public, private) = token.rsa(session, &[]);
    let block = |edit: &dyn Fn(&mut [u8; 256])| {
        let mut block = [0x55; 256];
        (block[0], block[1], block[246]) = (0, 2, 0);
        edit(&mut block);
        token.encrypt(session, plain(CKM_RSA_X_509), public, &block)
    };
    let good = block(&|_| {});
    let bad = [
        block(&|block| block[1] = 1),
        block(&|block| block[0] = 1),
        block(&|block| block[246] = 0x55),
        block(&|block| block[5] = 0),
        block(&|block| block[2] = 0),
    ];
    let decrypt = |sealed: &[u8], room| {
        assert_eq!(token.decrypt_init(session, plain(CKM_RSA_PKCS), private), CKR_OK);
        let mut len = 0;
        ok!(token, C_Decrypt(session, bytes(sealed), 256, null_mut(), &mut len));
        assert_eq!(len, 245);
        token.through(token.list.C_Decrypt, session, sealed, room)
    };
    assert_eq!(decrypt(&good, 245).unwrap(), [0x55; 9]);
    for sealed in &bad {
        // Some message, always the same, which is no one's.
        let made_up = decrypt(sealed, 245).unwrap();
        assert_eq!(decrypt(sealed, 245).unwrap(), made_up);
        assert_ne!(made_up, [0x55; 9]);
        assert_eq!(decrypt(sealed, made_up.len()).unwrap(), made_up);
    }
}

/// What another process does to an object.
type Edit<'a> = &'a dyn Fn(&mut Content);

/// An AES key on the token with these attributes set.
fn aes_key(token: &Token, session: CK_SESSION_HANDLE, set: &[CK_ATTRIBUTE_TYPE]) -> CK_OBJECT_HANDLE {
    let len = 32u64.to_ne_bytes();
    let mut template: Vec<_> = set.iter().map(|number| attribute(*number, &[CK_TRUE])).collect();
    template.extend([attribute(CKA_VALUE_LEN, &len), attribute(CKA_TOKEN, &[CK_TRUE])]);
    let (count, mut key) = (template.len() as CK_ULONG, 0);
    ok!(token, C_GenerateKey(session, &mut plain(CKM_AES_KEY_GEN), template.as_mut_ptr(), count, &mut key));
    key
}

#[test]
fn what_another_process_forbade_is_not_wrapped() {
    let token = Token::new();
    let session = token.user_session();
    let elsewhere = token.vault_of_another_process();
    let wrapping = aes_key(&token, session, &[CKA_WRAP, CKA_UNWRAP]);
    let wrap = |wrapping, key| {
        let (mut out, mut len) = ([0; 64], 64);
        call!(token, C_WrapKey(session, &mut plain(CKM_AES_KEY_WRAP_KWP), wrapping, key, out.as_mut_ptr(), &mut len))
    };
    let disable = |content: &mut Content| content.enabled = false;
    let keep_inside = |content: &mut Content| content.exportable = false;
    let ask_for_trust = |content: &mut Content| {
        content.attributes.insert(CKA_WRAP_WITH_TRUSTED, [CK_TRUE].into());
    };
    let changes: [(Edit<'_>, CK_RV); 3] = [
        (&disable, CKR_KEY_NOT_WRAPPABLE),
        (&keep_inside, CKR_KEY_UNEXTRACTABLE),
        (&ask_for_trust, CKR_KEY_NOT_WRAPPABLE),
    ];
    let change = |key, edit: Edit<'_>| {
        let mut edit = |content: &mut Content| {
            edit(content);
            Ok(())
        };
        elsewhere.change(&[key], &mut edit).unwrap();
    };
    for (edit, code) in changes {
        let key = aes_key(&token, session, &[CKA_EXTRACTABLE]);
        assert_eq!(wrap(wrapping, key), CKR_OK);
        change(key, edit);
        assert_eq!(wrap(wrapping, key), code);
    }
    let key = aes_key(&token, session, &[CKA_EXTRACTABLE]);
    elsewhere.delete(&[key]).unwrap();
    assert_eq!(wrap(wrapping, key), CKR_KEY_HANDLE_INVALID);
    // The wrapping key too.
    let key = aes_key(&token, session, &[CKA_EXTRACTABLE]);
    change(wrapping, &disable);
    assert_eq!(wrap(wrapping, key), CKR_KEY_FUNCTION_NOT_PERMITTED);
    elsewhere.delete(&[wrapping]).unwrap();
    assert_eq!(wrap(wrapping, key), CKR_WRAPPING_KEY_HANDLE_INVALID);
}

#[test]
fn an_unwrapping_key_that_another_process_took_away_says_so() {
    let token = Token::new();
    let session = token.user_session();
    let elsewhere = token.vault_of_another_process();
    let (class, key_type) = (CKO_SECRET_KEY.to_ne_bytes(), CKK_AES.to_ne_bytes());
    let (mut wrapped, mut len, mut made) = ([0; 64], 64, 0);
    let wrapping = aes_key(&token, session, &[CKA_WRAP, CKA_UNWRAP]);
    let key = aes_key(&token, session, &[CKA_EXTRACTABLE]);
    let by = &mut plain(CKM_AES_KEY_WRAP_KWP);
    ok!(token, C_WrapKey(session, by, wrapping, key, wrapped.as_mut_ptr(), &mut len));
    let mut unwrap = || {
        let mut template = [attribute(CKA_CLASS, &class), attribute(CKA_KEY_TYPE, &key_type)];
        let template = template.as_mut_ptr();
        call!(token, C_UnwrapKey(session, by, wrapping, wrapped.as_mut_ptr(), len, template, 2, &mut made))
    };
    assert_eq!(unwrap(), CKR_OK);
    elsewhere.delete(&[wrapping]).unwrap();
    assert_eq!(unwrap(), CKR_UNWRAPPING_KEY_HANDLE_INVALID);
}

#[test]
fn a_disabled_key_still_tells_what_it_is() {
    let token = Token::new();
    let session = token.user_session();
    let key = aes_key(&token, session, &[]);
    let read = || {
        let (mut sum, mut len) = ([0; 8], [0; 8]);
        let mut asked = [attribute(CKA_CHECK_VALUE, &sum), attribute(CKA_VALUE_LEN, &len)];
        (asked[0].pValue, asked[1].pValue) = (sum.as_mut_ptr().cast(), len.as_mut_ptr().cast());
        ok!(token, C_GetAttributeValue(session, key, asked.as_mut_ptr(), 2));
        (asked[0].ulValueLen, CK_ULONG::from_ne_bytes(len))
    };
    assert_eq!(read(), (3, 32));
    let mut disable = |content: &mut Content| {
        content.enabled = false;
        Ok(())
    };
    token.vault_of_another_process().change(&[key], &mut disable).unwrap();
    assert_eq!(read(), (0, 32));
}
