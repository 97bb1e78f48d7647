//! Every C function, called with arguments that the fuzzer's bytes choose. A function's place in the table is its first
//! byte: what is added goes to the end, so that the corpus keeps its meaning.

use std::ffi::c_void;
use std::ptr;

use cryptoki_sys::*;

use crate::attributes::{Template, boolean, bytes, number};
use crate::caller::{Caller, Ordinary};
use crate::keys::{self, Family};
use crate::mechanisms::{CIPHERS, DERIVING, DIGESTS, GENERATING, MESSAGES, Mechanism, PAIRS, SIGNING, WRAPPING};
use crate::world;

type Function = fn(&mut Caller<'_>);

/// Calls the function that the next byte names.
pub fn call_one(c: &mut Caller<'_>) {
    let choice = c.bytes.below(FUNCTIONS.len());
    FUNCTIONS[choice](c);
}

/// Calls it and judges the answer, which is the value.
macro_rules! call {
    ($c:ident, $name:ident ( $($argument:expr),* $(,)? )) => {{
        let function = $c.world.f.$name.expect("every function is there");
        // SAFETY: each pointer is NULL or leads into the arena, to as much as its length says.
        let rv = unsafe { function($($argument),*) };
        $c.judge(stringify!($name), rv);
        rv
    }};
}

/// Functions that differ by nothing but their names.
macro_rules! alike {
    (session $name:ident) => {
        |c| {
            let session = c.session();
            call!(c, $name(session));
        }
    };
    (input $name:ident) => {
        |c| {
            let (session, (data, len)) = (c.session(), c.input(Ordinary::Text));
            call!(c, $name(session, data, len));
        }
    };
    (result $name:ident) => {
        |c| {
            let (session, (data, len)) = (c.session(), c.input(Ordinary::Result));
            call!(c, $name(session, data, len));
        }
    };
    (output $name:ident) => {
        |c| {
            let (session, out) = (c.session(), c.output());
            call!(c, $name(session, out.pointer, out.len));
        }
    };
    ($ordinary:ident to_output $name:ident) => {
        |c| {
            let (session, (data, len), out) = (c.session(), c.input(Ordinary::$ordinary), c.output());
            call!(c, $name(session, data, len, out.pointer, out.len));
        }
    };
    ($private:literal init $name:ident $mechanisms:ident) => {
        |c| {
            let (session, (mechanism, key)) = (c.session(), with_key(c, $mechanisms, $private));
            call!(c, $name(session, mechanism, key));
        }
    };
}

mod messages;

use messages::*;

fn with_key(c: &mut Caller<'_>, mechanisms: &[Mechanism], private: bool) -> (*mut CK_MECHANISM, CK_OBJECT_HANDLE) {
    let (mechanism, family) = c.mechanism(mechanisms);
    (mechanism, c.object(family, private))
}

#[rustfmt::skip]
const FUNCTIONS: &[Function] = &[
    alike!(true init C_SignInit SIGNING), alike!(Text to_output C_Sign), alike!(input C_SignUpdate), alike!(output C_SignFinal),
    alike!(false init C_VerifyInit SIGNING), verify, alike!(input C_VerifyUpdate), alike!(result C_VerifyFinal),
    alike!(false init C_EncryptInit CIPHERS), alike!(Text to_output C_Encrypt), alike!(Text to_output C_EncryptUpdate),
    alike!(output C_EncryptFinal),
    alike!(true init C_DecryptInit CIPHERS), alike!(Result to_output C_Decrypt), alike!(Result to_output C_DecryptUpdate),
    alike!(output C_DecryptFinal),
    digest_init, alike!(Text to_output C_Digest), alike!(input C_DigestUpdate), digest_key, alike!(output C_DigestFinal),
    alike!(true init C_SignRecoverInit SIGNING), alike!(Text to_output C_SignRecover),
    alike!(false init C_VerifyRecoverInit SIGNING), alike!(Result to_output C_VerifyRecover),
    alike!(Text to_output C_DigestEncryptUpdate), alike!(Result to_output C_DecryptDigestUpdate),
    alike!(Text to_output C_SignEncryptUpdate), alike!(Result to_output C_DecryptVerifyUpdate),
    generate_key, generate_key_pair, wrap_key, unwrap_key, derive_key,
    create_object, copy_object, destroy_object, object_size, get_attributes, set_attributes,
    find_init, find, alike!(session C_FindObjectsFinal),
    alike!(input C_SeedRandom), generate_random, alike!(output C_GetOperationState), set_operation_state,
    session_info, session_cancel, open_session, alike!(session C_CloseSession), login, login_user, alike!(session C_Logout),
    init_pin, set_pin, init_token, close_all_sessions, slot_list, slot_info, token_info, mechanism_list, mechanism_info,
    wait_for_slot_event, get_info, function_list, interface_list, interface, initialize, finalize,
    alike!(session C_GetFunctionStatus), alike!(session C_CancelFunction), validation_flags,
    alike!(false init C_MessageEncryptInit MESSAGES), encrypt_message, encrypt_message_begin, encrypt_message_next,
    alike!(session C_MessageEncryptFinal),
    alike!(true init C_MessageDecryptInit MESSAGES), decrypt_message, decrypt_message_begin, decrypt_message_next,
    alike!(session C_MessageDecryptFinal),
    alike!(true init C_MessageSignInit SIGNING), sign_message, sign_message_begin, sign_message_next,
    alike!(session C_MessageSignFinal),
    alike!(false init C_MessageVerifyInit SIGNING), verify_message, verify_message_begin, verify_message_next,
    alike!(session C_MessageVerifyFinal),
    verify_signature_init, alike!(input C_VerifySignature), alike!(input C_VerifySignatureUpdate),
    alike!(session C_VerifySignatureFinal), encapsulate_key, decapsulate_key, wrap_authenticated, unwrap_authenticated,
    async_complete, async_get_id, async_join,
];

// ---- operations

fn verify(c: &mut Caller<'_>) {
    let (session, (data, len), (signature, signature_len)) =
        (c.session(), c.input(Ordinary::Text), c.input(Ordinary::Result));
    call!(c, C_Verify(session, data, len, signature, signature_len));
}

fn digest_init(c: &mut Caller<'_>) {
    let (session, (mechanism, _)) = (c.session(), c.mechanism(DIGESTS));
    call!(c, C_DigestInit(session, mechanism));
}

fn digest_key(c: &mut Caller<'_>) {
    let (session, key) = (c.session(), c.object(Family::Mac, true));
    call!(c, C_DigestKey(session, key));
}

fn set_operation_state(c: &mut Caller<'_>) {
    let (session, (state, len)) = (c.session(), c.input(Ordinary::Result));
    let (one, other) = match c.bytes.byte() {
        0 => (0, 0),
        _ => (c.any_object(), c.any_object()),
    };
    call!(c, C_SetOperationState(session, state, len, one, other));
}

fn session_cancel(c: &mut Caller<'_>) {
    let session = c.session();
    let flags = match c.bytes.byte() {
        0 => CK_FLAGS::MAX,
        bit => 1 << (bit % 32),
    };
    call!(c, C_SessionCancel(session, flags));
}

fn generate_random(c: &mut Caller<'_>) {
    let (session, (data, len)) = (c.session(), c.input(Ordinary::Text));
    call!(c, C_GenerateRandom(session, data, len));
}

// ---- keys

fn generate_key(c: &mut Caller<'_>) {
    let (session, (mechanism, _)) = (c.session(), c.mechanism(GENERATING));
    let (template, count) = c.template(&[vec![number(CKA_VALUE_LEN, 32)], vec![number(CKA_VALUE_LEN, 16)], vec![]]);
    let key = c.new_object();
    call!(c, C_GenerateKey(session, mechanism, template, count, key));
}

fn generate_key_pair(c: &mut Caller<'_>) {
    let (session, (mechanism, family)) = (c.session(), c.mechanism(PAIRS));
    if family == Family::Rsa {
        if c.rsa_pairs == 0 {
            return;
        }
        c.rsa_pairs -= 1;
    }
    let publics = match family {
        Family::Rsa => vec![vec![number(CKA_MODULUS_BITS, 2048)]],
        Family::Edwards => vec![vec![bytes(CKA_EC_PARAMS, keys::ED25519.to_vec())]],
        Family::Montgomery => vec![vec![bytes(CKA_EC_PARAMS, keys::X25519.to_vec())]],
        _ => [keys::P256, keys::P384, keys::P521, keys::K256]
            .map(|curve| vec![bytes(CKA_EC_PARAMS, curve.to_vec())])
            .into(),
    };
    let (public, public_count) = c.template(&publics);
    let (private, private_count) =
        c.template(&[vec![], vec![boolean(CKA_EXTRACTABLE, true), boolean(CKA_DERIVE, true)]]);
    let (public_key, private_key) = (c.new_object(), c.new_object());
    call!(
        c,
        C_GenerateKeyPair(session, mechanism, public, public_count, private, private_count, public_key, private_key)
    );
}

fn wrap_key(c: &mut Caller<'_>) {
    let (session, (mechanism, wrapping)) = (c.session(), with_key(c, WRAPPING, false));
    let (key, out) = (wrapped(c), c.output());
    call!(c, C_WrapKey(session, mechanism, wrapping, key, out.pointer, out.len));
}

/// A key to be wrapped.
fn wrapped(c: &mut Caller<'_>) -> CK_OBJECT_HANDLE {
    let family =
        c.bytes.one_of(&[Family::Mac, Family::Aes, Family::Ec, Family::Rsa, Family::Edwards, Family::Montgomery]);
    c.object(family, true)
}

fn unwrap_key(c: &mut Caller<'_>) {
    let (session, (mechanism, unwrapping)) = (c.session(), with_key(c, WRAPPING, true));
    let (wrapped, len) = c.input(Ordinary::Result);
    let (template, count) = c.template(&unwrapped());
    let key = c.new_object();
    call!(c, C_UnwrapKey(session, mechanism, unwrapping, wrapped, len, template, count, key));
}

/// What a wrapped key may be.
fn unwrapped() -> Vec<Template> {
    let secret = |key_type| vec![number(CKA_CLASS, CKO_SECRET_KEY), number(CKA_KEY_TYPE, key_type)];
    let private = |key_type| vec![number(CKA_CLASS, CKO_PRIVATE_KEY), number(CKA_KEY_TYPE, key_type)];
    let mut templates: Vec<_> = [CKK_GENERIC_SECRET, CKK_AES, CKK_HKDF].map(secret).into();
    templates.extend([CKK_RSA, CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY].map(private));
    templates.push([secret(CKK_GENERIC_SECRET), vec![number(CKA_VALUE_LEN, 16)]].concat());
    templates
}

fn derive_key(c: &mut Caller<'_>) {
    let (session, (mechanism, base)) = (c.session(), with_key(c, DERIVING, true));
    let secret = |key_type| vec![number(CKA_CLASS, CKO_SECRET_KEY), number(CKA_KEY_TYPE, key_type)];
    let with_len = |key_type| [secret(key_type), vec![number(CKA_VALUE_LEN, 32)]].concat();
    let data = vec![number(CKA_CLASS, CKO_DATA), number(CKA_VALUE_LEN, 32)];
    let (template, count) = c.template(&[
        with_len(CKK_GENERIC_SECRET),
        with_len(CKK_AES),
        secret(CKK_GENERIC_SECRET),
        data,
        with_len(CKK_HKDF),
    ]);
    let key = c.new_object();
    call!(c, C_DeriveKey(session, mechanism, base, template, count, key));
}

fn encapsulate_key(c: &mut Caller<'_>) {
    let (session, (mechanism, public)) = (c.session(), with_key(c, DERIVING, false));
    let ((template, count), out, key) = (c.template(&unwrapped()), c.output(), c.new_object());
    call!(c, C_EncapsulateKey(session, mechanism, public, template, count, out.pointer, out.len, key));
}

fn decapsulate_key(c: &mut Caller<'_>) {
    let (session, (mechanism, private)) = (c.session(), with_key(c, DERIVING, true));
    let ((template, count), (text, len), key) = (c.template(&unwrapped()), c.input(Ordinary::Result), c.new_object());
    call!(c, C_DecapsulateKey(session, mechanism, private, template, count, text, len, key));
}

fn wrap_authenticated(c: &mut Caller<'_>) {
    let (session, (mechanism, wrapping)) = (c.session(), with_key(c, WRAPPING, false));
    let (key, (data, len), out) = (wrapped(c), c.input(Ordinary::Text), c.output());
    call!(c, C_WrapKeyAuthenticated(session, mechanism, wrapping, key, data, len, out.pointer, out.len));
}

fn unwrap_authenticated(c: &mut Caller<'_>) {
    let (session, (mechanism, unwrapping)) = (c.session(), with_key(c, WRAPPING, true));
    let ((wrapped, len), (template, count)) = (c.input(Ordinary::Result), c.template(&unwrapped()));
    let ((data, data_len), key) = (c.input(Ordinary::Text), c.new_object());
    call!(
        c,
        C_UnwrapKeyAuthenticated(session, mechanism, unwrapping, wrapped, len, template, count, data, data_len, key)
    );
}

// ---- objects

fn create_object(c: &mut Caller<'_>) {
    let session = c.session();
    let secret = |key_type, len| {
        vec![number(CKA_CLASS, CKO_SECRET_KEY), number(CKA_KEY_TYPE, key_type), bytes(CKA_VALUE, vec![7; len])]
    };
    let curve = |class, key_type, params: &[u8], attribute, value: Vec<u8>| {
        vec![
            number(CKA_CLASS, class),
            number(CKA_KEY_TYPE, key_type),
            bytes(CKA_EC_PARAMS, params.to_vec()),
            bytes(attribute, value),
        ]
    };
    let point = |at: usize| c.world.points.get(at).cloned().unwrap_or_default();
    let templates = [
        secret(CKK_AES, 32),
        secret(CKK_GENERIC_SECRET, 40),
        secret(CKK_HKDF, 32),
        keys::rsa_private(&c.world.rsa, true, &[]),
        keys::rsa_private(&c.world.rsa[..3], false, &[]),
        keys::rsa_public(&c.world.rsa),
        curve(CKO_PRIVATE_KEY, CKK_EC, keys::P256, CKA_VALUE, vec![7; 32]),
        curve(CKO_PRIVATE_KEY, CKK_EC, keys::P521, CKA_VALUE, vec![1; 65]),
        curve(CKO_PUBLIC_KEY, CKK_EC, keys::P256, CKA_EC_POINT, point(1)),
        curve(CKO_PRIVATE_KEY, CKK_EC_EDWARDS, keys::ED25519, CKA_VALUE, vec![7; 32]),
        curve(CKO_PUBLIC_KEY, CKK_EC_EDWARDS, keys::ED25519, CKA_EC_POINT, point(8)),
        curve(CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY, keys::X25519, CKA_VALUE, vec![7; 32]),
        curve(CKO_PUBLIC_KEY, CKK_EC_MONTGOMERY, keys::X25519, CKA_EC_POINT, point(10)),
        vec![number(CKA_CLASS, CKO_DATA), bytes(CKA_VALUE, b"value".to_vec())],
        vec![
            number(CKA_CLASS, CKO_CERTIFICATE),
            number(CKA_CERTIFICATE_TYPE, CKC_X_509),
            bytes(CKA_VALUE, CERTIFICATE.to_vec()),
        ],
        secret(CKK_DES3, 24),
        vec![number(CKA_CLASS, CKO_OTP_KEY), number(CKA_KEY_TYPE, CKK_HOTP), bytes(CKA_VALUE, vec![7; 20])],
        vec![number(CKA_CLASS, CKO_PROFILE), number(CKA_PROFILE_ID, 1)],
        vec![number(CKA_CLASS, CKO_CERTIFICATE), number(CKA_CERTIFICATE_TYPE, CKC_WTLS), bytes(CKA_SUBJECT, vec![1])],
        vec![number(CKA_CLASS, CKO_PUBLIC_KEY), number(CKA_KEY_TYPE, CKK_DSA)],
    ];
    let ((template, count), object) = (c.template(&templates), c.new_object());
    call!(c, C_CreateObject(session, template, count, object));
}

/// A self-signed P-256 certificate.
const CERTIFICATE: &[u8] = include_bytes!("certificate.der");

fn copy_object(c: &mut Caller<'_>) {
    let (session, object, (template, count)) = (c.session(), c.any_object(), c.template(&[vec![]]));
    let copy = c.new_object();
    call!(c, C_CopyObject(session, object, template, count, copy));
}

fn destroy_object(c: &mut Caller<'_>) {
    let (session, object) = (c.session(), c.any_object());
    let rv = call!(c, C_DestroyObject(session, object));
    note_change(c, rv, object);
}

fn note_change(c: &mut Caller<'_>, rv: CK_RV, object: CK_OBJECT_HANDLE) {
    if rv == CKR_OK {
        c.world.note_spoilt(object >> 63 == 0);
    }
}

fn object_size(c: &mut Caller<'_>) {
    let (session, object, place) = (c.session(), c.any_object(), c.place());
    call!(c, C_GetObjectSize(session, object, place));
}

fn get_attributes(c: &mut Caller<'_>) {
    let (session, object, (questions, count)) = (c.session(), c.any_object(), c.questions());
    call!(c, C_GetAttributeValue(session, object, questions, count));
}

fn set_attributes(c: &mut Caller<'_>) {
    let (session, object, (template, count)) =
        (c.session(), c.any_object(), c.template(&[vec![bytes(CKA_LABEL, b"other".to_vec())], vec![]]));
    let rv = call!(c, C_SetAttributeValue(session, object, template, count));
    note_change(c, rv, object);
}

fn find_init(c: &mut Caller<'_>) {
    let class = |class| vec![number(CKA_CLASS, class)];
    let label = vec![bytes(CKA_LABEL, b"on the token".to_vec())];
    let (session, (template, count)) = (
        c.session(),
        c.template(&[vec![], class(CKO_PRIVATE_KEY), class(CKO_SECRET_KEY), label, vec![boolean(CKA_TOKEN, true)]]),
    );
    call!(c, C_FindObjectsInit(session, template, count));
}

fn find(c: &mut Caller<'_>) {
    let session = c.session();
    let room = usize::from(c.bytes.byte());
    let (handles, room) = match room {
        255 => (ptr::null_mut(), c.bytes.number()),
        room => (c.arena.keep(vec![0; room]), room as CK_ULONG),
    };
    let found = c.place();
    call!(c, C_FindObjects(session, handles, room, found));
}

// ---- sessions, tokens, the module

fn session_info(c: &mut Caller<'_>) {
    let (session, place) = (c.session(), c.place());
    call!(c, C_GetSessionInfo(session, place));
}

fn open_session(c: &mut Caller<'_>) {
    let slot = c.slot();
    let flags = match c.bytes.byte() {
        0 => CKF_SERIAL_SESSION | CKF_RW_SESSION,
        flags => flags.into(),
    };
    let place: *mut CK_SESSION_HANDLE = if c.bytes.byte() > 250 { ptr::null_mut() } else { c.arena.keep(vec![0]) };
    let function = c.world.f.C_OpenSession.expect("every function is there");
    // SAFETY: a live place or NULL.
    let rv = unsafe { function(slot, flags, ptr::null_mut(), None, place) };
    if rv == CKR_OK {
        // SAFETY: it isn't NULL, or the call would have failed.
        c.world.sessions.push(unsafe { *place });
    }
    c.judge("C_OpenSession", rv);
}

fn login(c: &mut Caller<'_>) {
    let (session, user, (pin, len)) = (c.session(), user(c), c.pin());
    let rv = call!(c, C_Login(session, user, pin, len));
    note_attempt(c, rv);
}

fn user(c: &mut Caller<'_>) -> CK_USER_TYPE {
    c.bytes.one_of(&[CKU_USER, CKU_SO, CKU_CONTEXT_SPECIFIC, 3])
}

/// Wrong PINs are counted in the vault.
fn note_attempt(c: &mut Caller<'_>, rv: CK_RV) {
    if matches!(rv, CKR_PIN_INCORRECT | CKR_PIN_LOCKED) {
        c.world.note_spoilt(true);
    }
}

fn login_user(c: &mut Caller<'_>) {
    let (session, user, (pin, len), (name, name_len)) = (c.session(), user(c), c.pin(), c.short_text());
    let rv = call!(c, C_LoginUser(session, user, pin, len, name, name_len));
    note_attempt(c, rv);
}

fn init_pin(c: &mut Caller<'_>) {
    let (session, (pin, len)) = (c.session(), c.pin());
    let rv = call!(c, C_InitPIN(session, pin, len));
    note_change(c, rv, 0);
}

fn set_pin(c: &mut Caller<'_>) {
    let (session, (old, old_len), (new, new_len)) = (c.session(), c.pin(), c.pin());
    let rv = call!(c, C_SetPIN(session, old, old_len, new, new_len));
    note_change(c, rv, 0);
    note_attempt(c, rv);
}

fn init_token(c: &mut Caller<'_>) {
    let (slot, (pin, len)) = (c.slot(), c.pin());
    let label = if c.bytes.byte() > 250 { ptr::null_mut() } else { c.arena.keep(vec![c.bytes.byte() | 0x20; 32]) };
    let rv = call!(c, C_InitToken(slot, pin, len, label));
    note_change(c, rv, 0);
    note_attempt(c, rv);
}

fn close_all_sessions(c: &mut Caller<'_>) {
    let slot = c.slot();
    call!(c, C_CloseAllSessions(slot));
}

/// A list: its length is asked for, or there is room for some elements.
fn list<T: Clone + Default + 'static>(c: &mut Caller<'_>) -> (*mut T, *mut CK_ULONG) {
    let room = c.bytes.byte();
    let count = if room == 255 { ptr::null_mut() } else { c.arena.keep(vec![CK_ULONG::from(room)]) };
    (if room == 0 { ptr::null_mut() } else { c.arena.keep(vec![T::default(); room.into()]) }, count)
}

fn slot_list(c: &mut Caller<'_>) {
    let (present, (slots, count)) = (c.bytes.byte(), list(c));
    call!(c, C_GetSlotList(present, slots, count));
}

fn slot_info(c: &mut Caller<'_>) {
    let (slot, place) = (c.slot(), c.place());
    call!(c, C_GetSlotInfo(slot, place));
}

fn token_info(c: &mut Caller<'_>) {
    let (slot, place) = (c.slot(), c.place());
    call!(c, C_GetTokenInfo(slot, place));
}

fn mechanism_list(c: &mut Caller<'_>) {
    let (slot, (mechanisms, count)) = (c.slot(), list(c));
    call!(c, C_GetMechanismList(slot, mechanisms, count));
}

fn mechanism_info(c: &mut Caller<'_>) {
    let slot = c.slot();
    let mechanism = SIGNING[c.bytes.below(SIGNING.len())].0;
    let place = c.place();
    call!(c, C_GetMechanismInfo(slot, mechanism, place));
}

/// Never waits.
fn wait_for_slot_event(c: &mut Caller<'_>) {
    let (flags, slot): (_, *mut CK_SLOT_ID) = (c.bytes.number() | CKF_DONT_BLOCK, c.place());
    let reserved = if c.bytes.byte() > 250 { slot.cast() } else { ptr::null_mut() };
    call!(c, C_WaitForSlotEvent(flags, slot, reserved));
}

fn get_info(c: &mut Caller<'_>) {
    let place = c.place();
    call!(c, C_GetInfo(place));
}

fn function_list(c: &mut Caller<'_>) {
    let place = if c.bytes.byte() > 250 { ptr::null_mut() } else { c.arena.keep(vec![ptr::null_mut()]) };
    call!(c, C_GetFunctionList(place));
}

fn interface_list(c: &mut Caller<'_>) {
    let (interfaces, count) = list(c);
    call!(c, C_GetInterfaceList(interfaces, count));
}

fn interface(c: &mut Caller<'_>) {
    let name = c.name();
    let version = match c.bytes.byte() {
        0 => ptr::null_mut(),
        major => {
            let minor = c.bytes.byte();
            c.arena.keep(vec![CK_VERSION { major: major % 5, minor }])
        }
    };
    let place = if c.bytes.byte() > 250 { ptr::null_mut() } else { c.arena.keep(vec![ptr::null_mut()]) };
    let flags = c.bytes.byte() & 1;
    call!(c, C_GetInterface(name, version, place, flags.into()));
}

unsafe extern "C" fn lock(_mutex: *mut c_void) -> CK_RV {
    CKR_OK
}

unsafe extern "C" fn make_lock(mutex: *mut *mut c_void) -> CK_RV {
    // SAFETY: who calls it gives a place.
    unsafe { *mutex = ptr::null_mut() };
    CKR_OK
}

fn initialize(c: &mut Caller<'_>) {
    let choice = c.bytes.byte();
    let mut arguments = CK_C_INITIALIZE_ARGS { flags: c.bytes.byte().into(), ..Default::default() };
    let mut reserved = 0u8;
    if choice & 1 != 0 {
        arguments.CreateMutex = Some(make_lock);
        arguments.DestroyMutex = Some(lock);
    }
    if choice & 2 != 0 {
        arguments.LockMutex = Some(lock);
        arguments.UnlockMutex = Some(lock);
    }
    if choice & 4 != 0 {
        arguments.pReserved = (&raw mut reserved).cast();
    }
    let pointer: *mut c_void = if choice == 0 { ptr::null_mut() } else { (&raw mut arguments).cast() };
    call!(c, C_Initialize(pointer));
    world::panics_abort();
}

fn finalize(c: &mut Caller<'_>) {
    let reserved = if c.bytes.byte() > 250 { ptr::dangling_mut() } else { ptr::null_mut() };
    call!(c, C_Finalize(reserved));
}

fn validation_flags(c: &mut Caller<'_>) {
    let (session, which, place) = (c.session(), c.bytes.byte(), c.place());
    call!(c, C_GetSessionValidationFlags(session, which.into(), place));
}
