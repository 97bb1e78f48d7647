//! The module's entry points, called as a C program calls them: order of calls, buffers, handles, rights.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]

#[macro_use]
mod in_process;

use std::ptr::{null, null_mut};

use cryptoki_sys::*;
use in_process::{P256, PIN, SO_PIN, Token, attribute, bytes, plain as mechanism};
use strongroom::vault::Content;

impl Token {
    fn generate(&self, session: CK_SESSION_HANDLE, token: CK_BBOOL) -> (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) {
        let mut mechanism = mechanism(CKM_EC_KEY_PAIR_GEN);
        let mut public = [attribute(CKA_EC_PARAMS, P256), attribute(CKA_TOKEN, &[token]), attribute(CKA_ID, b"1")];
        let mut private = [attribute(CKA_TOKEN, &[token]), attribute(CKA_ID, b"1"), attribute(CKA_LABEL, b"key")];
        let (mut public_key, mut private_key) = (0, 0);
        ok!(
            self,
            C_GenerateKeyPair(
                session,
                &mut mechanism,
                public.as_mut_ptr(),
                3,
                private.as_mut_ptr(),
                3,
                &mut public_key,
                &mut private_key
            )
        );
        (public_key, private_key)
    }

    fn generate_aes(&self, session: CK_SESSION_HANDLE) -> CK_OBJECT_HANDLE {
        let (mut mechanism, mut key) = (mechanism(CKM_AES_KEY_GEN), 0);
        let len = 32u64.to_ne_bytes();
        let mut template = [attribute(CKA_TOKEN, &[CK_TRUE]), attribute(CKA_VALUE_LEN, &len)];
        ok!(self, C_GenerateKey(session, &mut mechanism, template.as_mut_ptr(), 2, &mut key));
        key
    }

    fn sign_init(&self, session: CK_SESSION_HANDLE, number: CK_MECHANISM_TYPE, key: CK_OBJECT_HANDLE) -> CK_RV {
        call!(self, C_SignInit(session, &mut mechanism(number), key))
    }

    fn sign(&self, session: CK_SESSION_HANDLE, data: &[u8], out: &mut [u8]) -> (CK_RV, CK_ULONG) {
        let mut len = out.len() as CK_ULONG;
        let rv = call!(self, C_Sign(session, bytes(data), data.len() as CK_ULONG, out.as_mut_ptr(), &mut len));
        (rv, len)
    }

    fn verify(&self, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE, data: &[u8], signature: &[u8]) -> CK_RV {
        ok!(self, C_VerifyInit(session, &mut mechanism(CKM_ECDSA_SHA256), key));
        let (data_len, signature_len) = (data.len() as CK_ULONG, signature.len() as CK_ULONG);
        call!(self, C_Verify(session, bytes(data), data_len, bytes(signature), signature_len))
    }

    fn find(&self, session: CK_SESSION_HANDLE, template: &mut [CK_ATTRIBUTE]) -> Vec<CK_OBJECT_HANDLE> {
        ok!(self, C_FindObjectsInit(session, template.as_mut_ptr(), template.len() as CK_ULONG));
        let (mut handles, mut count) = ([0; 16], 0);
        ok!(self, C_FindObjects(session, handles.as_mut_ptr(), 16, &mut count));
        ok!(self, C_FindObjectsFinal(session));
        handles[..count as usize].to_vec()
    }

    fn create_data(&self, session: CK_SESSION_HANDLE, token: CK_BBOOL, private: CK_BBOOL) -> (CK_RV, CK_OBJECT_HANDLE) {
        let class = CKO_DATA.to_ne_bytes();
        let mut template = [
            attribute(CKA_CLASS, &class),
            attribute(CKA_TOKEN, &[token]),
            attribute(CKA_PRIVATE, &[private]),
            attribute(CKA_VALUE, b"value"),
        ];
        let mut object = 0;
        (call!(self, C_CreateObject(session, template.as_mut_ptr(), 4, &mut object)), object)
    }
}

#[test]
fn nothing_works_before_initialise_and_after_finalise() {
    let token = Token::new();
    assert_eq!(call!(token, C_Initialize(null_mut())), CKR_CRYPTOKI_ALREADY_INITIALIZED);
    ok!(token, C_Finalize(null_mut()));
    let mut info = CK_INFO::default();
    assert_eq!(call!(token, C_GetInfo(&mut info)), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(call!(token, C_Finalize(null_mut())), CKR_CRYPTOKI_NOT_INITIALIZED);
    assert_eq!(call!(token, C_GetFunctionStatus(1)), CKR_CRYPTOKI_NOT_INITIALIZED);
    ok!(token, C_Initialize(null_mut()));
    assert_eq!(call!(token, C_GetInfo(null_mut())), CKR_ARGUMENTS_BAD);
}

#[test]
fn a_signature_is_asked_for_its_length_any_number_of_times_and_made_once() {
    let token = Token::new();
    let session = token.user_session();
    let (public, private) = token.generate(session, CK_TRUE);
    let mut signature = [0; 64];
    assert_eq!(token.sign(session, b"data", &mut signature).0, CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(token.sign_init(session, CKM_ECDSA_SHA256, private), CKR_OK);
    assert_eq!(token.sign_init(session, CKM_ECDSA_SHA256, private), CKR_OPERATION_ACTIVE);
    let mut len = 0;
    ok!(token, C_Sign(session, bytes(b"data"), 4, null_mut(), &mut len));
    assert_eq!(len, 64);
    assert_eq!(token.sign(session, b"data", &mut signature[..63]), (CKR_BUFFER_TOO_SMALL, 64));
    assert_eq!(token.sign(session, b"data", &mut signature), (CKR_OK, 64));
    assert_eq!(token.sign(session, b"data", &mut signature).0, CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(token.verify(session, public, b"data", &signature), CKR_OK);
    assert_eq!(token.verify(session, public, b"date", &signature), CKR_SIGNATURE_INVALID);
    assert_eq!(token.verify(session, public, b"data", &signature[..60]), CKR_SIGNATURE_LEN_RANGE);
}

#[test]
fn parts_and_one_part_sign_the_same_and_do_not_mix() {
    let token = Token::new();
    let session = token.user_session();
    let (public, private) = token.generate(session, CK_FALSE);
    let mut signature = [0; 64];
    let mut len = 64;
    assert_eq!(token.sign_init(session, CKM_ECDSA_SHA256, private), CKR_OK);
    for part in [&b"da"[..], b"", b"ta"] {
        ok!(token, C_SignUpdate(session, bytes(part), part.len() as CK_ULONG));
    }
    ok!(token, C_SignFinal(session, signature.as_mut_ptr(), &mut len));
    assert_eq!(token.verify(session, public, b"data", &signature), CKR_OK);
    assert_eq!(token.sign_init(session, CKM_ECDSA_SHA256, private), CKR_OK);
    ok!(token, C_SignUpdate(session, bytes(b"da"), 2));
    assert_eq!(token.sign(session, b"data", &mut signature).0, CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(call!(token, C_SignUpdate(session, bytes(b"da"), 2)), CKR_OPERATION_NOT_INITIALIZED);
    // Single-part only.
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OK);
    assert_eq!(call!(token, C_SignUpdate(session, bytes(b"da"), 2)), CKR_OPERATION_NOT_INITIALIZED);
}

#[test]
fn bad_pointers_end_an_operation_and_never_the_process() {
    let token = Token::new();
    let session = token.user_session();
    let (_, private) = token.generate(session, CK_FALSE);
    let mut len = 64;
    let mut signature = [0; 64];
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OK);
    assert_eq!(call!(token, C_Sign(session, null_mut(), 4, signature.as_mut_ptr(), &mut len)), CKR_ARGUMENTS_BAD);
    assert_eq!(token.sign(session, b"data", &mut signature).0, CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OK);
    let huge = CK_ULONG::MAX;
    assert_eq!(call!(token, C_Sign(session, bytes(b"x"), huge, signature.as_mut_ptr(), &mut len)), CKR_ARGUMENTS_BAD);
    assert_eq!(call!(token, C_SignInit(session, null_mut(), private)), CKR_ARGUMENTS_BAD);
    assert_eq!(call!(token, C_FindObjectsInit(session, null_mut(), 1)), CKR_ARGUMENTS_BAD);
    assert_eq!(call!(token, C_FindObjectsInit(session, null_mut(), huge)), CKR_ARGUMENTS_BAD);
    assert_eq!(call!(token, C_GetTokenInfo(token.slot, null_mut())), CKR_ARGUMENTS_BAD);
    assert_eq!(call!(token, C_GenerateRandom(session, null_mut(), 4)), CKR_ARGUMENTS_BAD);
}

#[test]
fn a_null_mechanism_cancels_what_is_active() {
    let token = Token::new();
    let session = token.user_session();
    let (_, private) = token.generate(session, CK_FALSE);
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OK);
    ok!(token, C_SignInit(session, null_mut(), 0));
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OK);
    ok!(token, C_SessionCancel(session, CKF_DIGEST));
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OPERATION_ACTIVE);
    ok!(token, C_SessionCancel(session, CKF_SIGN));
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OK);
}

#[test]
fn stale_and_foreign_handles_are_invalid() {
    let token = Token::new();
    let session = token.user_session();
    let (public, private) = token.generate(session, CK_TRUE);
    assert_eq!(token.sign_init(session, CKM_ECDSA, 0), CKR_KEY_HANDLE_INVALID);
    assert_eq!(token.sign_init(session, CKM_ECDSA, public), CKR_KEY_TYPE_INCONSISTENT);
    assert_eq!(token.sign_init(session, CKM_RSA_PKCS, private), CKR_KEY_TYPE_INCONSISTENT);
    assert_eq!(token.sign_init(session, 0x7777, private), CKR_MECHANISM_INVALID);
    ok!(token, C_DestroyObject(session, private));
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_KEY_HANDLE_INVALID);
    assert_eq!(call!(token, C_DestroyObject(session, private)), CKR_OBJECT_HANDLE_INVALID);
    ok!(token, C_CloseSession(session));
    assert_eq!(call!(token, C_CloseSession(session)), CKR_SESSION_HANDLE_INVALID);
    let next = token.open(0);
    assert_ne!(next, session);
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_SESSION_HANDLE_INVALID);
    ok!(token, C_Finalize(null_mut()));
    ok!(token, C_Initialize(null_mut()));
    let sessions = [token.open(0), token.open(0), token.open(0)];
    assert!(!sessions.contains(&session) && !sessions.contains(&next));
    assert_eq!(call!(token, C_CloseSession(next)), CKR_SESSION_HANDLE_INVALID);
}

#[test]
fn a_key_that_may_not_be_used_is_not_copied_either() {
    let token = Token::new();
    let session = token.user_session();
    let (_, private) = token.generate(session, CK_TRUE);
    let secret = token.generate_aes(session);
    let copy = |key, on_token: CK_BBOOL| {
        let (mut template, mut copy) = ([attribute(CKA_TOKEN, &[on_token])], 0);
        (call!(token, C_CopyObject(session, key, template.as_mut_ptr(), 1, &mut copy)), copy)
    };
    let copies = |key| [copy(key, CK_FALSE).0, copy(key, CK_TRUE).0];
    let (rv, usable) = copy(private, CK_FALSE);
    assert_eq!(rv, CKR_OK);
    assert_eq!(token.sign_init(session, CKM_ECDSA, usable), CKR_OK);
    let elsewhere = token.vault_of_another_process();
    let change = |edit: &dyn Fn(&mut Content)| {
        let mut edit = |content: &mut Content| {
            edit(content);
            Ok(())
        };
        elsewhere.change(&[private, secret], &mut edit).unwrap();
    };
    let cases: [&dyn Fn(&mut Content); 3] = [
        &|content| content.expires = Some(1),
        &|content| (content.expires, content.not_before) = (None, Some(i64::MAX)),
        &|content| (content.not_before, content.enabled) = (None, false),
    ];
    for edit in cases {
        change(edit);
        assert_eq!(copies(private), [CKR_ACTION_PROHIBITED; 2]);
        assert_eq!(copies(secret), [CKR_ACTION_PROHIBITED; 2]);
    }
    change(&|content| content.enabled = true);
    assert_eq!(copies(private), [CKR_OK; 2]);
    assert_eq!(copies(secret), [CKR_OK; 2]);
    elsewhere.delete(&[private, secret]).unwrap();
    assert_eq!(copies(private), [CKR_OBJECT_HANDLE_INVALID; 2]);
    assert_eq!(copies(secret), [CKR_OBJECT_HANDLE_INVALID; 2]);
}

#[test]
fn logging_in_follows_the_application_and_ends_with_its_last_session() {
    let token = Token::new();
    let reader = token.open(0);
    let writer = token.open(CKF_RW_SESSION);
    let so = |session| call!(token, C_Login(session, CKU_SO, bytes(SO_PIN), SO_PIN.len() as CK_ULONG));
    let user = |session, pin: &[u8]| call!(token, C_Login(session, CKU_USER, bytes(pin), pin.len() as CK_ULONG));
    assert_eq!(so(writer), CKR_SESSION_READ_ONLY_EXISTS);
    assert_eq!(user(reader, b"wrong pin"), CKR_PIN_INCORRECT);
    assert_eq!(call!(token, C_Login(reader, 7, bytes(PIN), 10)), CKR_USER_TYPE_INVALID);
    assert_eq!(call!(token, C_Login(reader, CKU_CONTEXT_SPECIFIC, bytes(PIN), 10)), CKR_OPERATION_NOT_INITIALIZED);
    assert_eq!(user(reader, PIN), CKR_OK);
    assert_eq!(user(writer, PIN), CKR_USER_ALREADY_LOGGED_IN);
    assert_eq!(so(writer), CKR_USER_ANOTHER_ALREADY_LOGGED_IN);
    let state = |session| {
        let mut info = CK_SESSION_INFO::default();
        ok!(token, C_GetSessionInfo(session, &mut info));
        info.state
    };
    assert_eq!((state(reader), state(writer)), (CKS_RO_USER_FUNCTIONS, CKS_RW_USER_FUNCTIONS));
    ok!(token, C_CloseAllSessions(token.slot));
    let reader = token.open(0);
    assert_eq!(state(reader), CKS_RO_PUBLIC_SESSION);
    assert_eq!(call!(token, C_Logout(reader)), CKR_USER_NOT_LOGGED_IN);
    ok!(token, C_CloseSession(reader));
    let writer = token.open(CKF_RW_SESSION);
    assert_eq!(so(writer), CKR_OK);
    let mut session = 0;
    let read_only = call!(token, C_OpenSession(token.slot, CKF_SERIAL_SESSION, null_mut(), None, &mut session));
    assert_eq!(read_only, CKR_SESSION_READ_WRITE_SO_EXISTS);
}

#[test]
fn who_may_write_depends_on_session_and_login() {
    let token = Token::new();
    let (reader, writer) = (token.open(0), token.open(CKF_RW_SESSION));
    assert_eq!(token.create_data(reader, CK_TRUE, CK_FALSE).0, CKR_SESSION_READ_ONLY);
    assert_eq!(token.create_data(writer, CK_TRUE, CK_FALSE).0, CKR_USER_NOT_LOGGED_IN);
    assert_eq!(token.create_data(reader, CK_FALSE, CK_TRUE).0, CKR_USER_NOT_LOGGED_IN);
    assert_eq!(token.create_data(reader, CK_FALSE, CK_FALSE).0, CKR_OK);
    assert_eq!(token.login(reader, CKU_USER, PIN), CKR_OK);
    let (created, object) = token.create_data(writer, CK_TRUE, CK_TRUE);
    assert_eq!(created, CKR_OK);
    assert_eq!(call!(token, C_DestroyObject(reader, object)), CKR_SESSION_READ_ONLY);
    ok!(token, C_Logout(reader));
    assert!(matches!(
        call!(token, C_DestroyObject(writer, object)),
        CKR_USER_NOT_LOGGED_IN | CKR_OBJECT_HANDLE_INVALID
    ));
}

#[test]
fn session_objects_are_found_by_all_sessions_and_die_with_their_own() {
    let token = Token::new();
    let (session, other) = (token.user_session(), token.open(0));
    let (_, private) = token.generate(session, CK_FALSE);
    let class = CKO_PRIVATE_KEY.to_ne_bytes();
    let find = |session| token.find(session, &mut [attribute(CKA_CLASS, &class), attribute(CKA_LABEL, b"key")]);
    assert_eq!(find(other), [private]);
    assert_eq!(token.sign_init(other, CKM_ECDSA, private), CKR_OK);
    let mut signature = [0; 64];
    assert_eq!(token.sign(other, &[7; 32], &mut signature), (CKR_OK, 64));
    ok!(token, C_CloseSession(session));
    assert!(find(other).is_empty());
}

#[test]
fn attributes_are_all_answered_even_when_one_is_not() {
    let token = Token::new();
    let session = token.user_session();
    let (_, private) = token.generate(session, CK_TRUE);
    let (mut label, mut short) = ([0; 8], [0; 1]);
    let ask = |number, buffer: &mut [u8]| CK_ATTRIBUTE {
        type_: number,
        pValue: buffer.as_mut_ptr().cast(),
        ulValueLen: buffer.len() as CK_ULONG,
    };
    let mut template = [
        ask(CKA_VALUE, &mut [0; 32]),
        ask(CKA_MODULUS, &mut [0; 8]),
        ask(CKA_LABEL, &mut short),
        ask(CKA_LABEL, &mut label),
    ];
    let get = |template: &mut [CK_ATTRIBUTE]| {
        call!(token, C_GetAttributeValue(session, private, template.as_mut_ptr(), template.len() as CK_ULONG))
    };
    assert_eq!(get(&mut template), CKR_ATTRIBUTE_SENSITIVE);
    let none = CK_UNAVAILABLE_INFORMATION;
    assert_eq!(template.map(|attribute| attribute.ulValueLen), [none, none, none, 3]);
    assert_eq!(&label[..3], b"key");
    assert_eq!(get(&mut [ask(CKA_MODULUS, &mut [0; 8])]), CKR_ATTRIBUTE_TYPE_INVALID);
    assert_eq!(get(&mut [ask(CKA_LABEL, &mut short)]), CKR_BUFFER_TOO_SMALL);
    let mut query = [CK_ATTRIBUTE { type_: CKA_LABEL, pValue: null_mut(), ulValueLen: 0 }];
    assert_eq!(get(&mut query), CKR_OK);
    assert_eq!(query[0].ulValueLen, 3);
}

#[test]
fn a_search_is_an_operation_of_its_own() {
    let token = Token::new();
    let session = token.user_session();
    let (_, private) = token.generate(session, CK_FALSE);
    let mut count = 0;
    let mut handle = 0;
    assert_eq!(call!(token, C_FindObjects(session, &mut handle, 1, &mut count)), CKR_OPERATION_NOT_INITIALIZED);
    ok!(token, C_FindObjectsInit(session, null_mut(), 0));
    assert_eq!(token.sign_init(session, CKM_ECDSA, private), CKR_OPERATION_ACTIVE);
    ok!(token, C_FindObjects(session, &mut handle, 1, &mut count));
    assert_eq!(count, 1);
    ok!(token, C_FindObjectsFinal(session));
    assert_eq!(call!(token, C_FindObjectsFinal(session)), CKR_OPERATION_NOT_INITIALIZED);
}

#[test]
fn digests_in_parts_and_at_once_are_the_same_and_may_be_written_over_the_input() {
    let token = Token::new();
    let session = token.open(0);
    let (mut whole, mut parts, mut len) = ([0; 32], [0; 32], 32);
    ok!(token, C_DigestInit(session, &mut mechanism(CKM_SHA256)));
    ok!(token, C_Digest(session, bytes(b"abc"), 3, whole.as_mut_ptr(), &mut len));
    ok!(token, C_DigestInit(session, &mut mechanism(CKM_SHA256)));
    ok!(token, C_DigestUpdate(session, bytes(b"ab"), 2));
    ok!(token, C_DigestUpdate(session, bytes(b"c"), 1));
    ok!(token, C_DigestFinal(session, parts.as_mut_ptr(), &mut len));
    assert_eq!(whole, parts);
    assert_eq!(whole[..4], [0xBA, 0x78, 0x16, 0xBF]);
    let mut shared = [0; 32];
    shared[..3].copy_from_slice(b"abc");
    let pointer = shared.as_mut_ptr();
    ok!(token, C_DigestInit(session, &mut mechanism(CKM_SHA256)));
    ok!(token, C_Digest(session, pointer, 3, pointer, &mut len));
    assert_eq!(shared, whole);
}

#[test]
fn what_is_not_done_says_so_and_what_can_not_be_done_too() {
    let token = Token::new();
    let session = token.user_session();
    assert_eq!(call!(token, C_MessageSignInit(session, null_mut(), 0)), CKR_FUNCTION_NOT_SUPPORTED);
    assert_eq!(call!(token, C_AsyncGetID(session, null_mut(), null_mut())), CKR_FUNCTION_NOT_SUPPORTED);
    assert_eq!(call!(token, C_GetFunctionStatus(session)), CKR_FUNCTION_NOT_PARALLEL);
    assert_eq!(call!(token, C_SeedRandom(session, bytes(b"x"), 1)), CKR_RANDOM_SEED_NOT_SUPPORTED);
    let mut slot = 0;
    assert_eq!(call!(token, C_WaitForSlotEvent(CKF_DONT_BLOCK, &mut slot, null_mut())), CKR_NO_EVENT);
    assert_eq!(call!(token, C_WaitForSlotEvent(0, &mut slot, null_mut())), CKR_FUNCTION_NOT_SUPPORTED);
    ok!(token, C_DigestInit(session, &mut mechanism(CKM_SHA256)));
    assert_eq!(call!(token, C_DigestKey(session, token.generate_aes(session))), CKR_KEY_INDIGESTIBLE);
    ok!(token, C_DigestInit(session, &mut mechanism(CKM_SHA256)));
    assert_eq!(call!(token, C_DigestKey(session, 0)), CKR_KEY_HANDLE_INVALID);
}

#[test]
fn an_rsa_exponent_of_ones_own_and_a_private_key_in_the_session_work() {
    let token = Token::new();
    let session = token.user_session();
    let bits = 2048u64.to_ne_bytes();
    let mut public = [attribute(CKA_MODULUS_BITS, &bits), attribute(CKA_PUBLIC_EXPONENT, &[3])];
    let (mut public_key, mut private_key) = (0, 0);
    let mut generate = mechanism(CKM_RSA_PKCS_KEY_PAIR_GEN);
    ok!(
        token,
        C_GenerateKeyPair(
            session,
            &mut generate,
            public.as_mut_ptr(),
            2,
            null::<CK_ATTRIBUTE>().cast_mut(),
            0,
            &mut public_key,
            &mut private_key
        )
    );
    assert_eq!(token.sign_init(session, CKM_SHA256_RSA_PKCS, private_key), CKR_OK);
    let mut signature = [0; 256];
    assert_eq!(token.sign(session, b"data", &mut signature), (CKR_OK, 256));
    ok!(token, C_VerifyInit(session, &mut mechanism(CKM_SHA256_RSA_PKCS), public_key));
    ok!(token, C_Verify(session, bytes(b"data"), 4, signature.as_mut_ptr(), 256));
}
