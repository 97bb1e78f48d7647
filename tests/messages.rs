//! Messages under one key, as programs have them: initialisation vectors that the module makes and that never come twice,
//! text that is written over itself, keys that another process takes away meanwhile, many threads.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]

#[path = "client/mod.rs"]
mod client;
mod stage;

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock};
use std::thread;

use cryptoki_sys::*;
use strongroom::backend::local::LocalVault;
use strongroom::config::VaultConfig;
use strongroom::vault::{Content, Pin, Role, Unlock};

use client::{GcmMessage, Mechanism, PIN, Parameter, Session, Token, attribute};

const TEXT: &[u8] = b"a text of more than two blocks, which parts cut in the middle";
const AAD: &[u8] = b"what goes with it";
const FAILED: CK_RV = CKR_FUNCTION_FAILED;

/// The token that all tests of a process share.
fn token() -> &'static Token {
    static TOKEN: OnceLock<Token> = OnceLock::new();
    TOKEN.get_or_init(|| Token::new(&stage::module()))
}

fn aes(session: Session<'_>, on_token: bool) -> CK_OBJECT_HANDLE {
    let uses = [CKA_ENCRYPT, CKA_DECRYPT].map(|usage| attribute(usage, true));
    let place = [attribute(CKA_TOKEN, on_token), attribute(CKA_VALUE_LEN, 32u64)];
    session.generate(CKM_AES_KEY_GEN, &[&uses[..], &place].concat()).unwrap()
}

/// A session that has begun to encrypt messages, and its key.
fn encrypting() -> (Session<'static>, CK_OBJECT_HANDLE) {
    let session = token().user_session();
    let key = aes(session, false);
    session.message_encrypt_init(CKM_AES_GCM, key).unwrap();
    (session, key)
}

/// What `C_DecryptInit` and `C_Decrypt` make of it.
fn opened_otherwise(key: CK_OBJECT_HANDLE, message: &GcmMessage, sealed: &[u8]) -> Vec<u8> {
    let parameter = Parameter::Gcm { iv: &message.iv, aad: AAD, tag_bits: 8 * message.tag.len() as CK_ULONG };
    let sealed = [sealed, &message.tag].concat();
    token().user_session().decrypt(Mechanism::with(CKM_AES_GCM, parameter), key, &sealed).unwrap()
}

#[test]
fn a_vector_that_is_made_is_given_back_and_opens_the_message() {
    let (session, key) = encrypting();
    let fixed = [0xA5, 1, 2, 3];
    for count in 0..5u64 {
        let mut message = GcmMessage::generated(CKG_GENERATE_COUNTER, &fixed);
        let parts = [&TEXT[..20], b"", &TEXT[20..]];
        let sealed = match count % 2 {
            0 => session.encrypt_message(&mut message, AAD, TEXT),
            _ => session.encrypt_message_parts(&mut message, AAD, &parts),
        };
        assert_eq!(message.iv, [&fixed[..], &count.to_be_bytes()].concat());
        assert_eq!(opened_otherwise(key, &message, &sealed.unwrap()), TEXT);
    }
    session.message_encrypt_final().unwrap();
    // Upon what the caller gives, which stays the same.
    session.message_encrypt_init(CKM_AES_GCM, key).unwrap();
    for count in 0..5 {
        let mut message = GcmMessage { generator: CKG_GENERATE_COUNTER_XOR, ..GcmMessage::given(&[0xF7; 12], 12) };
        let sealed = session.encrypt_message(&mut message, AAD, TEXT).unwrap();
        assert_eq!(message.iv, [&[0xF7; 11][..], &[0xF7 ^ count]].concat());
        assert_eq!(opened_otherwise(key, &message, &sealed), TEXT);
    }
    let mut another = GcmMessage { generator: CKG_GENERATE_COUNTER_XOR, ..GcmMessage::given(&[0xF6; 12], 16) };
    assert_eq!(session.encrypt_message(&mut another, AAD, TEXT), Err(CKR_MECHANISM_PARAM_INVALID));
    assert_eq!(another.iv, [0xF6; 12]);
}

#[test]
fn a_counter_that_is_used_up_is_refused_and_never_comes_round() {
    let (session, key) = encrypting();
    // A byte is left to count in.
    let seal = || {
        let mut message = GcmMessage::generated(CKG_GENERATE_COUNTER, &[7; 11]);
        session.encrypt_message(&mut message, AAD, TEXT).map(|_| message.iv[11])
    };
    assert_eq!((0..256).map(|_| seal().unwrap()).collect::<Vec<_>>(), (0..=255).collect::<Vec<_>>());
    assert_eq!([seal(), seal()], [Err(FAILED); 2]);
    let mut message = GcmMessage::generated(CKG_GENERATE_COUNTER, &[7; 11]);
    assert_eq!(session.encrypt_message_begin(&mut message, AAD), Err(FAILED));
    assert_eq!((&message.iv[11..], &message.tag), (&[0][..], &vec![0; 16]), "nothing was given back");
    // The caller's own still go.
    session.encrypt_message(&mut GcmMessage::given(&[8; 12], 16), AAD, TEXT).unwrap();
    session.message_encrypt_final().unwrap();
    session.message_encrypt_init(CKM_AES_GCM, key).unwrap();
    assert_eq!(seal(), Ok(0), "who begins anew counts anew, and has another key or fixed part");
}

#[test]
fn the_first_vector_that_is_made_fixes_the_form_of_those_after_it() {
    let (session, _) = encrypting();
    session.encrypt_message(&mut GcmMessage::given(&[1; 12], 16), AAD, TEXT).unwrap();
    session.encrypt_message(&mut GcmMessage::generated(CKG_GENERATE_COUNTER, &[7; 4]), AAD, TEXT).unwrap();
    let others = [
        GcmMessage::generated(CKG_GENERATE_COUNTER, &[7; 3]),
        GcmMessage::generated(CKG_GENERATE, &[7; 4]),
        GcmMessage::generated(CKG_GENERATE_RANDOM, &[]),
        GcmMessage::generated(CKG_GENERATE_COUNTER_XOR, &[7; 4]),
        GcmMessage { iv: vec![7; 13], ..GcmMessage::generated(CKG_GENERATE_COUNTER, &[7; 4]) },
    ];
    for mut other in others {
        let refused = session.encrypt_message(&mut other, AAD, TEXT);
        assert_eq!(refused, Err(CKR_MECHANISM_PARAM_INVALID), "{other:?}");
    }
    let mut next = GcmMessage::generated(CKG_GENERATE_COUNTER, &[9; 4]);
    session.encrypt_message(&mut next, AAD, TEXT).unwrap();
    assert_eq!(next.iv, [&[9; 4][..], &[0; 7], &[1]].concat());
}

#[test]
fn no_vector_that_is_made_comes_twice_however_often_it_is_begun_anew() {
    let session = token().user_session();
    let key = aes(session, false);
    for (generator, fixed) in [(CKG_GENERATE, &[7; 4][..]), (CKG_GENERATE, &[]), (CKG_GENERATE_RANDOM, &[])] {
        let mut seen = HashSet::new();
        for _ in 0..20 {
            session.message_encrypt_init(CKM_AES_GCM, key).unwrap();
            for _ in 0..20 {
                let mut message = GcmMessage::generated(generator, fixed);
                session.encrypt_message(&mut message, AAD, TEXT).unwrap();
                assert!(message.iv.starts_with(fixed));
                assert!(seen.insert(message.iv));
            }
            session.message_encrypt_final().unwrap();
        }
    }
}

#[test]
fn text_may_lie_over_itself_in_every_way() {
    let (session, key) = encrypting();
    let opening = token().user_session();
    opening.message_decrypt_init(CKM_AES_GCM, key).unwrap();
    let len = TEXT.len();
    let mut right = GcmMessage::given(&[1; 12], 16);
    let sealed = session.encrypt_message(&mut right, AAD, TEXT).unwrap();
    // Of the output's place from the input's; both in one buffer.
    for shift in [-40isize, -16, -1, 0, 1, 16, 40, len as isize] {
        let mut buffer = vec![0; 3 * len];
        let at = (len as isize + shift) as usize;
        let over = |buffer: &mut [u8], message: &mut GcmMessage, opens: bool| {
            let (input, mut out_len) = (buffer[len..].as_mut_ptr(), len as CK_ULONG);
            let out = buffer.as_mut_ptr().wrapping_add(at);
            let list = session.newest();
            let (call, handle) = match opens {
                true => (list.C_DecryptMessage, opening.handle),
                false => (list.C_EncryptMessage, session.handle),
            };
            let (aad, aad_len) = (AAD.as_ptr().cast_mut(), AAD.len() as CK_ULONG);
            message.in_c(|parameter, size| unsafe {
                call.unwrap()(handle, parameter, size, aad, aad_len, input, len as CK_ULONG, out, &mut out_len)
            })
        };
        buffer[len..2 * len].copy_from_slice(TEXT);
        let mut message = GcmMessage::given(&[1; 12], 16);
        assert_eq!(over(&mut buffer, &mut message, false), CKR_OK);
        assert_eq!((&buffer[at..at + len], &message), (&sealed[..], &right), "{shift}");
        buffer[len..2 * len].copy_from_slice(&sealed);
        assert_eq!(over(&mut buffer, &mut message, true), CKR_OK);
        assert_eq!(&buffer[at..at + len], TEXT, "{shift}");
    }
}

#[test]
fn a_key_that_another_process_takes_away_is_refused_with_the_next_call() {
    let session = token().user_session();
    let vault = LocalVault::open(&VaultConfig::local("vault", token().folder().join("vault"))).unwrap();
    vault.unlock(&Unlock::Pin(Role::User, Pin::new(PIN.to_vec()))).unwrap();
    let enable = |key, enabled| {
        let mut edit = |content: &mut Content| {
            content.enabled = enabled;
            Ok(())
        };
        vault.change(&[key], &mut edit).unwrap();
    };
    let refused = Err(CKR_FUNCTION_REJECTED);
    let message = || GcmMessage::given(&[1; 12], 16);
    for opens in [false, true] {
        let key = aes(session, true);
        let init = || match opens {
            true => session.message_decrypt_init(CKM_AES_GCM, key),
            false => session.message_encrypt_init(CKM_AES_GCM, key),
        };
        let whole = || match opens {
            // Its tag is wrong, which it is told only if the key may be used.
            true => session.decrypt_message(&mut message(), AAD, TEXT).map(drop),
            false => session.encrypt_message(&mut message(), AAD, TEXT).map(drop),
        };
        let begin = || match opens {
            true => session.decrypt_message_begin(&mut message(), AAD),
            false => session.encrypt_message_begin(&mut message(), AAD),
        };
        let next = || match opens {
            true => session.decrypt_message_next(None, TEXT).map(drop),
            false => session.encrypt_message_next(None, TEXT).map(drop),
        };
        let taken = if opens { Err(CKR_AEAD_DECRYPT_FAILED) } else { Ok(()) };
        init().unwrap();
        assert_eq!(whole(), taken);
        enable(key, false);
        assert_eq!((whole(), begin()), (refused, refused));
        enable(key, true);
        assert_eq!(whole(), taken);
        begin().unwrap();
        next().unwrap();
        enable(key, false);
        // That message is over, and the process can be ended.
        assert_eq!((next(), next()), (refused, Err(CKR_OPERATION_NOT_INITIALIZED)));
        enable(key, true);
        assert_eq!(next(), Err(CKR_OPERATION_NOT_INITIALIZED));
        assert_eq!(whole(), taken);
        vault.delete(&[key]).unwrap();
        assert_eq!(whole(), refused);
        session.cancel(CKF_MESSAGE_ENCRYPT | CKF_MESSAGE_DECRYPT).unwrap();
        assert_eq!(init(), Err(CKR_KEY_HANDLE_INVALID));
    }
}

#[test]
fn threads_with_sessions_of_their_own_share_a_key() {
    let key = aes(token().user_session(), true);
    thread::scope(|scope| {
        for thread in 0..8u8 {
            scope.spawn(move || {
                let (seals, opens) = (token().user_session(), token().user_session());
                seals.message_encrypt_init(CKM_AES_GCM, key).unwrap();
                opens.message_decrypt_init(CKM_AES_GCM, key).unwrap();
                for _ in 0..300 {
                    let mut message = GcmMessage::generated(CKG_GENERATE_COUNTER, &[thread; 4]);
                    let sealed = seals.encrypt_message(&mut message, AAD, TEXT).unwrap();
                    assert_eq!(opens.decrypt_message(&mut message, AAD, &sealed).unwrap(), TEXT);
                }
                seals.message_encrypt_final().unwrap();
                opens.message_decrypt_final().unwrap();
            });
        }
    });
}

#[test]
fn threads_that_share_a_session_never_share_a_vector() {
    let (session, key) = encrypting();
    let handle = session.handle;
    let seen = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let session = Session::new(&token().module, handle);
                for _ in 0..300 {
                    let mut message = GcmMessage::generated(CKG_GENERATE_COUNTER, &[]);
                    let mut text = TEXT.to_vec();
                    session.encrypt_message_in_place(&mut message, AAD, &mut text).unwrap();
                    assert!(seen.lock().unwrap().insert((message.iv, message.tag, text)));
                }
            });
        }
    });
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.iter().map(|(iv, ..)| iv).collect::<HashSet<_>>().len(), 8 * 300);
    for (iv, tag, sealed) in &seen {
        assert_eq!(opened_otherwise(key, &GcmMessage::with_tag(iv, tag), sealed), TEXT);
    }
}
