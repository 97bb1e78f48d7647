//! Operations through the entry points: what two of them at once give, how much room they need, when they end.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]

#[macro_use]
mod in_process;

use cryptoki_sys::*;
use in_process::{Init, Last, Through, Token, ZEROS, bytes, ctr, gcm, plain, with};
use strongroom::vault::Content;

const MESSAGE: &[u8] = b"forty-four bytes that are no whole blocks ..";

#[test]
fn digesting_and_encrypting_at_once_gives_what_each_gives_alone() {
    let token = Token::new();
    let session = token.user_session();
    let key = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let (gcm, ctr) = (gcm(), ctr());
    let modes = [with(CKM_AES_GCM, &gcm), with(CKM_AES_CTR, &ctr), with(CKM_AES_CBC_PAD, &ZEROS)];
    let digest = token.digest(session, plain(CKM_SHA384), MESSAGE);
    for mode in modes {
        let whole = token.encrypt(session, mode, key, MESSAGE);
        ok!(token, C_DigestInit(session, &mut plain(CKM_SHA384)));
        assert_eq!(token.init(token.list.C_EncryptInit, session, mode, key), CKR_OK);
        let mut parts = Vec::new();
        for part in MESSAGE.chunks(19) {
            parts.extend(token.through(token.list.C_DigestEncryptUpdate, session, part, 64).unwrap());
        }
        parts.extend(token.last(token.list.C_EncryptFinal, session, 64).unwrap());
        assert_eq!(parts, whole);
        assert_eq!(token.last(token.list.C_DigestFinal, session, 64).unwrap(), digest);
    }
}

#[test]
fn decrypting_and_digesting_at_once_digests_what_was_given_out() {
    let token = Token::new();
    let session = token.user_session();
    let key = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let ctr = ctr();
    for (mode, last) in [(with(CKM_AES_CTR, &ctr), 0), (with(CKM_AES_CBC_PAD, &ZEROS), 12)] {
        let sealed = token.encrypt(session, mode, key, MESSAGE);
        ok!(token, C_DigestInit(session, &mut plain(CKM_SHA256)));
        assert_eq!(token.decrypt_init(session, mode, key), CKR_OK);
        let mut opened = Vec::new();
        for part in sealed.chunks(19) {
            opened.extend(token.through(token.list.C_DecryptDigestUpdate, session, part, 64).unwrap());
        }
        let digest = token.last(token.list.C_DigestFinal, session, 32).unwrap();
        let end = token.last(token.list.C_DecryptFinal, session, 64).unwrap();
        assert_eq!(end.len(), last, "what a padding keeps back comes at the end, for the caller to digest");
        assert_eq!(digest, token.digest(session, plain(CKM_SHA256), &opened));
        assert_eq!([opened, end].concat(), MESSAGE);
    }
}

#[test]
fn what_is_signed_and_encrypted_at_once_is_decrypted_and_verified_at_once() {
    let token = Token::new();
    let session = token.user_session();
    let aes = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let generic = token.secret(session, CKM_GENERIC_SECRET_KEY_GEN, CK_FALSE);
    let (public, private) = token.rsa(session, &[]);
    let ctr = ctr();
    let mode = with(CKM_AES_CTR, &ctr);
    let whole = token.encrypt(session, mode, aes, MESSAGE);
    for (number, signer, verifier) in
        [(CKM_AES_CMAC, aes, aes), (CKM_SHA3_256_HMAC, generic, generic), (CKM_SHA256_RSA_PKCS, private, public)]
    {
        assert_eq!(token.init(token.list.C_EncryptInit, session, mode, aes), CKR_OK);
        assert_eq!(token.init(token.list.C_SignInit, session, plain(number), signer), CKR_OK);
        let mut sealed = Vec::new();
        for part in MESSAGE.chunks(5) {
            sealed.extend(token.through(token.list.C_SignEncryptUpdate, session, part, 5).unwrap());
        }
        assert_eq!(token.last(token.list.C_EncryptFinal, session, 0).unwrap(), b"");
        assert_eq!(sealed, whole);
        let signature = token.last(token.list.C_SignFinal, session, 256).unwrap();
        for damage in [0, 1] {
            assert_eq!(token.decrypt_init(session, mode, aes), CKR_OK);
            assert_eq!(token.init(token.list.C_VerifyInit, session, plain(number), verifier), CKR_OK);
            sealed[7] ^= damage;
            for part in sealed.chunks(19) {
                token.through(token.list.C_DecryptVerifyUpdate, session, part, 19).unwrap();
            }
            assert_eq!(token.last(token.list.C_DecryptFinal, session, 0).unwrap(), b"");
            let verified = call!(token, C_VerifyFinal(session, bytes(&signature), signature.len() as CK_ULONG));
            assert_eq!(verified, if damage == 0 { CKR_OK } else { CKR_SIGNATURE_INVALID });
        }
    }
}

#[test]
fn a_dual_function_with_too_little_room_takes_nothing_in() {
    let token = Token::new();
    let session = token.user_session();
    let key = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let ctr = ctr();
    let (mode, digest) = (with(CKM_AES_CTR, &ctr), token.digest(session, plain(CKM_SHA256), MESSAGE));
    let sealed = token.encrypt(session, mode, key, MESSAGE);
    let cases: [(Through, Init, Last, &[u8]); 2] = [
        (token.list.C_DigestEncryptUpdate, token.list.C_EncryptInit, token.list.C_EncryptFinal, MESSAGE),
        (token.list.C_DecryptDigestUpdate, token.list.C_DecryptInit, token.list.C_DecryptFinal, &sealed),
    ];
    for (dual, init, last, input) in cases {
        ok!(token, C_DigestInit(session, &mut plain(CKM_SHA256)));
        assert_eq!(token.init(init, session, mode, key), CKR_OK);
        for room in [0, 1, 43] {
            assert_eq!(token.through(dual, session, input, room), Err((CKR_BUFFER_TOO_SMALL, 44)));
        }
        let mut len = 0;
        let dual = dual.unwrap();
        for _ in 0..3 {
            let query = unsafe { dual(session, bytes(input), 44, std::ptr::null_mut(), &mut len) };
            assert_eq!((query, len), (CKR_OK, 44));
        }
        assert!(token.through(Some(dual), session, input, 44).is_ok());
        token.last(last, session, 0).unwrap();
        assert_eq!(token.last(token.list.C_DigestFinal, session, 32).unwrap(), digest);
    }
}

#[test]
fn a_dual_function_of_which_one_side_fails_ends_both() {
    let token = Token::new();
    let session = token.user_session();
    let ctr = ctr();
    let mode = with(CKM_AES_CTR, &ctr);
    // The side that fails: the cipher's key, then the signature's.
    for cipher_fails in [true, false] {
        let keys = [CK_TRUE, CK_FALSE].map(|on_token| token.secret(session, CKM_AES_KEY_GEN, on_token));
        let [gone, here] = keys;
        let (cipher_key, sign_key) = if cipher_fails { (gone, here) } else { (here, gone) };
        assert_eq!(token.init(token.list.C_EncryptInit, session, mode, cipher_key), CKR_OK);
        assert_eq!(token.init(token.list.C_SignInit, session, plain(CKM_AES_CMAC), sign_key), CKR_OK);
        token.through(token.list.C_SignEncryptUpdate, session, MESSAGE, 64).unwrap();
        token.vault_of_another_process().delete(&[gone]).unwrap();
        let failed = token.through(token.list.C_SignEncryptUpdate, session, MESSAGE, 64).unwrap_err().0;
        assert_eq!(failed, CKR_FUNCTION_REJECTED);
        assert_eq!(token.last(token.list.C_EncryptFinal, session, 64).unwrap_err().0, CKR_OPERATION_NOT_INITIALIZED);
        assert_eq!(token.last(token.list.C_SignFinal, session, 64).unwrap_err().0, CKR_OPERATION_NOT_INITIALIZED);
    }
}

#[test]
fn a_digest_that_was_saved_goes_on_in_another_session() {
    let token = Token::new();
    let (session, other) = (token.open(0), token.open(0));
    let bits: CK_ULONG = 200;
    let numbers = [
        CKM_SHA_1,
        CKM_SHA224,
        CKM_SHA256,
        CKM_SHA384,
        CKM_SHA512,
        CKM_SHA512_224,
        CKM_SHA512_256,
        CKM_SHA3_224,
        CKM_SHA3_256,
        CKM_SHA3_384,
        CKM_SHA3_512,
    ];
    for mut mechanism in numbers.map(plain).into_iter().chain([with(CKM_SHA512_T, &bits)]) {
        let long = MESSAGE.repeat(9);
        let whole = token.digest(session, mechanism, &long);
        ok!(token, C_DigestInit(session, &mut mechanism));
        ok!(token, C_DigestUpdate(session, bytes(&long), 201));
        let saved = token.last(token.list.C_GetOperationState, session, 1024).unwrap();
        let short = token.last(token.list.C_GetOperationState, session, saved.len() - 1);
        assert_eq!(short, Err((CKR_BUFFER_TOO_SMALL, saved.len())));
        // Both go on, from the same place.
        let set = |saved: &[u8]| call!(token, C_SetOperationState(other, bytes(saved), saved.len() as CK_ULONG, 0, 0));
        assert_eq!(set(&saved), CKR_OK);
        for session in [session, other] {
            ok!(token, C_DigestUpdate(session, bytes(&long[201..]), (long.len() - 201) as CK_ULONG));
            assert_eq!(token.last(token.list.C_DigestFinal, session, 64).unwrap(), whole);
        }
        for at in 0..saved.len() {
            let mut damaged = saved.clone();
            damaged[at] ^= 0x80;
            assert_eq!(set(&damaged), CKR_SAVED_STATE_INVALID, "byte {at}");
            assert_eq!(set(&saved[..at]), CKR_SAVED_STATE_INVALID, "cut at {at}");
        }
    }
}

#[test]
fn what_is_signed_so_that_it_can_be_recovered_is_recovered() {
    let token = Token::new();
    let session = token.user_session();
    let (public, private) = token.rsa(session, &[]);
    let mut block = [7; 256];
    block[0] = 0;
    for (number, input) in [(CKM_RSA_PKCS, MESSAGE), (CKM_RSA_PKCS, b""), (CKM_RSA_X_509, &block)] {
        assert_eq!(token.init(token.list.C_SignRecoverInit, session, plain(number), private), CKR_OK);
        let mut signature = token.through(token.list.C_SignRecover, session, input, 256).unwrap();
        assert_eq!(token.init(token.list.C_VerifyRecoverInit, session, plain(number), public), CKR_OK);
        assert_eq!(token.through(token.list.C_VerifyRecover, session, &signature, 256).unwrap(), input);
        if number == CKM_RSA_PKCS {
            signature[100] ^= 1;
            assert_eq!(token.init(token.list.C_VerifyRecoverInit, session, plain(number), public), CKR_OK);
            let damaged = token.through(token.list.C_VerifyRecover, session, &signature, 256).unwrap_err().0;
            assert_eq!(damaged, CKR_SIGNATURE_INVALID);
        }
    }
}

#[test]
fn two_operations_go_together_only_where_a_dual_function_needs_them() {
    let token = Token::new();
    let session = token.user_session();
    let key = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let (public, private) = token.rsa(session, &[]);
    let begin = |which: CK_FLAGS| match which {
        CKF_FIND_OBJECTS => call!(token, C_FindObjectsInit(session, std::ptr::null_mut(), 0)),
        CKF_DIGEST => call!(token, C_DigestInit(session, &mut plain(CKM_SHA256))),
        CKF_SIGN => token.init(token.list.C_SignInit, session, plain(CKM_AES_CMAC), key),
        CKF_VERIFY => token.init(token.list.C_VerifyInit, session, plain(CKM_AES_CMAC), key),
        CKF_SIGN_RECOVER => token.init(token.list.C_SignRecoverInit, session, plain(CKM_RSA_PKCS), private),
        CKF_VERIFY_RECOVER => token.init(token.list.C_VerifyRecoverInit, session, plain(CKM_RSA_PKCS), public),
        CKF_ENCRYPT => token.init(token.list.C_EncryptInit, session, plain(CKM_AES_ECB), key),
        _ => token.init(token.list.C_DecryptInit, session, plain(CKM_AES_ECB), key),
    };
    let all = [
        CKF_FIND_OBJECTS,
        CKF_DIGEST,
        CKF_SIGN,
        CKF_VERIFY,
        CKF_SIGN_RECOVER,
        CKF_VERIFY_RECOVER,
        CKF_ENCRYPT,
        CKF_DECRYPT,
    ];
    let together =
        [CKF_DIGEST | CKF_ENCRYPT, CKF_DIGEST | CKF_DECRYPT, CKF_SIGN | CKF_ENCRYPT, CKF_VERIFY | CKF_DECRYPT];
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other))) {
        assert_eq!(begin(one), CKR_OK);
        let fits = together.contains(&(one | other));
        assert_eq!(begin(other), if fits { CKR_OK } else { CKR_OPERATION_ACTIVE }, "{one:x} {other:x}");
        // A third never fits, and cancelling one leaves the other.
        if fits {
            assert!(all.iter().all(|third| begin(*third) == CKR_OPERATION_ACTIVE));
            ok!(token, C_SessionCancel(session, one));
            assert_eq!(begin(other), CKR_OPERATION_ACTIVE);
            assert_eq!(begin(one), CKR_OK);
        }
        ok!(token, C_SessionCancel(session, !(one | other)));
        assert_eq!(begin(one), CKR_OPERATION_ACTIVE);
        ok!(token, C_SessionCancel(session, one | other));
    }
}

#[test]
fn a_padding_is_taken_away_into_a_buffer_of_exactly_the_length() {
    let token = Token::new();
    let session = token.user_session();
    let aes = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let (public, private) = token.rsa(session, &[]);
    let source = CKZ_DATA_SPECIFIED;
    let oaep = CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source,
        pSourceData: std::ptr::null_mut(),
        ulSourceDataLen: 0,
    };
    for (mechanism, encrypting, decrypting) in [
        (with(CKM_AES_CBC_PAD, &ZEROS), aes, aes),
        (plain(CKM_RSA_PKCS), public, private),
        (with(CKM_RSA_PKCS_OAEP, &oaep), public, private),
    ] {
        let sealed = token.encrypt(session, mechanism, encrypting, MESSAGE);
        assert_eq!(token.decrypt_init(session, mechanism, decrypting), CKR_OK);
        assert_eq!(token.through(token.list.C_Decrypt, session, &sealed, 44).unwrap(), MESSAGE);
        assert_eq!(token.decrypt_init(session, mechanism, decrypting), CKR_OK);
        for _ in 0..2 {
            let short = token.through(token.list.C_Decrypt, session, &sealed, 43);
            assert_eq!(short, Err((CKR_BUFFER_TOO_SMALL, 44)));
        }
        assert_eq!(token.through(token.list.C_Decrypt, session, &sealed, 44).unwrap(), MESSAGE);
        let again = token.through(token.list.C_Decrypt, session, &sealed, 44).unwrap_err().0;
        assert_eq!(again, CKR_OPERATION_NOT_INITIALIZED);
    }
}

#[test]
fn what_had_no_room_is_encrypted_when_it_comes_again() {
    let token = Token::new();
    let session = token.user_session();
    let key = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let gcm = gcm();
    for (mode, room) in [(with(CKM_AES_GCM, &gcm), 60), (with(CKM_AES_CBC_PAD, &ZEROS), 48)] {
        let whole = token.encrypt(session, mode, key, MESSAGE);
        assert_eq!(token.init(token.list.C_EncryptInit, session, mode, key), CKR_OK);
        // Some ask for the length with other data and a small buffer.
        let short = token.through(token.list.C_Encrypt, session, &[0; 44], 1);
        assert_eq!(short, Err((CKR_BUFFER_TOO_SMALL, room)));
        assert_eq!(token.through(token.list.C_Encrypt, session, MESSAGE, room).unwrap(), whole);
    }
}

#[test]
fn decryption_with_gcm_gives_nothing_before_its_tag_is_checked() {
    let token = Token::new();
    let session = token.user_session();
    let key = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let gcm = gcm();
    let mode = with(CKM_AES_GCM, &gcm);
    let mut sealed = token.encrypt(session, mode, key, MESSAGE);
    for wrong in [false, true] {
        sealed[50] ^= u8::from(wrong);
        assert_eq!(token.decrypt_init(session, mode, key), CKR_OK);
        for part in sealed.chunks(7) {
            assert_eq!(token.through(token.list.C_DecryptUpdate, session, part, 64).unwrap(), b"");
        }
        let (mut buffer, mut len) = ([0xA5; 64], 64);
        let last = call!(token, C_DecryptFinal(session, buffer.as_mut_ptr(), &mut len));
        assert_eq!(last, if wrong { CKR_ENCRYPTED_DATA_INVALID } else { CKR_OK });
        assert_eq!(buffer[..44] == *MESSAGE, !wrong);
        let (mut buffer, mut len) = ([0xA5; 64], 64);
        assert_eq!(token.decrypt_init(session, mode, key), CKR_OK);
        let whole = call!(token, C_Decrypt(session, bytes(&sealed), 60, buffer.as_mut_ptr(), &mut len));
        assert_eq!(
            (whole, buffer[..44] == *MESSAGE),
            if wrong { (CKR_ENCRYPTED_DATA_INVALID, false) } else { (CKR_OK, true) }
        );
        assert!(!wrong || !buffer.windows(4).any(|four| MESSAGE.windows(4).any(|there| there == four)));
    }
}

#[test]
fn a_key_that_another_process_takes_away_is_refused_at_the_next_step() {
    let token = Token::new();
    let session = token.user_session();
    let elsewhere = token.vault_of_another_process();
    let ctr = ctr();
    let mode = with(CKM_AES_CTR, &ctr);
    for deletes in [false, true] {
        let key = token.secret(session, CKM_AES_KEY_GEN, CK_TRUE);
        let sessions = [token.open(0), token.open(0), token.open(0), token.open(0)];
        let [parts, end, whole, mac] = sessions;
        for session in [parts, end, whole] {
            assert_eq!(token.init(token.list.C_EncryptInit, session, mode, key), CKR_OK);
        }
        assert_eq!(token.init(token.list.C_SignInit, mac, plain(CKM_AES_CMAC), key), CKR_OK);
        for session in [parts, end] {
            token.through(token.list.C_EncryptUpdate, session, MESSAGE, 64).unwrap();
        }
        let mut disable = |content: &mut Content| {
            content.enabled = false;
            Ok(())
        };
        if deletes {
            elsewhere.delete(&[key]).unwrap();
        } else {
            elsewhere.change(&[key], &mut disable).unwrap();
        }
        let refusals = [
            token.through(token.list.C_EncryptUpdate, parts, MESSAGE, 64),
            token.last(token.list.C_EncryptFinal, end, 64),
            token.through(token.list.C_Encrypt, whole, MESSAGE, 64),
            token.through(token.list.C_Sign, mac, MESSAGE, 64),
        ];
        assert_eq!(refusals.map(|refusal| refusal.unwrap_err().0), [CKR_FUNCTION_REJECTED; 4]);
        let again = token.init(token.list.C_EncryptInit, parts, mode, key);
        assert_eq!(again, if deletes { CKR_KEY_HANDLE_INVALID } else { CKR_KEY_FUNCTION_NOT_PERMITTED });
    }
}

#[test]
fn what_is_encrypted_may_be_written_over_its_input() {
    let token = Token::new();
    let session = token.user_session();
    let key = token.secret(session, CKM_AES_KEY_GEN, CK_FALSE);
    let (gcm, ctr) = (gcm(), ctr());
    let modes = [with(CKM_AES_GCM, &gcm), with(CKM_AES_CTR, &ctr), with(CKM_AES_CBC_PAD, &ZEROS)];
    for mode in modes {
        let whole = token.encrypt(session, mode, key, MESSAGE);
        for shift in [0, 1, 16] {
            let mut buffer = vec![0; 128];
            buffer[..44].copy_from_slice(MESSAGE);
            let (base, mut len) = (buffer.as_mut_ptr(), 100);
            assert_eq!(token.init(token.list.C_EncryptInit, session, mode, key), CKR_OK);
            ok!(token, C_Encrypt(session, base, 44, base.wrapping_add(shift), &mut len));
            assert_eq!(buffer[shift..][..len as usize], whole);
            let (base, sealed_len) = (buffer.as_mut_ptr(), len);
            assert_eq!(token.decrypt_init(session, mode, key), CKR_OK);
            len = 100;
            ok!(token, C_Decrypt(session, base.wrapping_add(shift), sealed_len, base, &mut len));
            assert_eq!(buffer[..len as usize], *MESSAGE);
        }
        let mut buffer = MESSAGE.to_vec();
        buffer.resize(128, 0);
        let (base, mut first, mut last) = (buffer.as_mut_ptr(), 100, 100);
        assert_eq!(token.init(token.list.C_EncryptInit, session, mode, key), CKR_OK);
        ok!(token, C_EncryptUpdate(session, base, 44, base, &mut first));
        ok!(token, C_EncryptFinal(session, base.wrapping_add(first as usize), &mut last));
        assert_eq!(buffer[..(first + last) as usize], whole);
    }
}
