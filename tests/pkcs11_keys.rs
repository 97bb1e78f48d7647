//! Wrapping, unwrapping and deriving through the module's entry points: who may take which key out, and what comes in.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]

use std::ptr::{null_mut, without_provenance_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki_sys::*;
// The module under test, whose functions are called by their C names.
use strongroom as _;

unsafe extern "C" {
    fn C_GetInterface(
        name: *mut CK_UTF8CHAR,
        version: *mut CK_VERSION,
        interface: *mut *mut CK_INTERFACE,
        flags: CK_FLAGS,
    ) -> CK_RV;
}

const SO_PIN: &[u8] = b"officer-pin";
const PIN: &[u8] = b"user-pin-1";
const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const X25519: &[u8] = &[0x13, 0x0A, b'c', b'u', b'r', b'v', b'e', b'2', b'5', b'5', b'1', b'9'];
const IV: &[u8] = &[7; 16];
const TRUE: &[u8] = &[CK_TRUE];
const FALSE: &[u8] = &[CK_FALSE];

macro_rules! call {
    ($token:expr, $function:ident($($argument:expr),*)) => {
        match unsafe { $token.list.$function.expect("no function is NULL")($($argument),*) } {
            CKR_OK => Ok(()),
            code => Err(code),
        }
    };
}

/// An initialised module over an initialised token with the user logged in. The module is one for the process: tests take
/// turns.
struct Token {
    list: &'static CK_FUNCTION_LIST_3_2,
    slot: CK_SLOT_ID,
    session: CK_SESSION_HANDLE,
    _turn: MutexGuard<'static, ()>,
    _folder: tempfile::TempDir,
}

type Given<'a> = &'a [(CK_ATTRIBUTE_TYPE, &'a [u8])];

impl Token {
    fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        // Only who holds the turn touches the environment.
        unsafe { std::env::set_var("STRONGROOM_VAULT", folder.path().join("vault")) };
        let mut interface = null_mut();
        assert_eq!(unsafe { C_GetInterface(null_mut(), null_mut(), &mut interface, 0) }, CKR_OK);
        let list = unsafe { &*(*interface).pFunctionList.cast::<CK_FUNCTION_LIST_3_2>() };
        let mut token = Self { list, slot: 0, session: 0, _turn: turn, _folder: folder };
        call!(token, C_Initialize(null_mut())).unwrap();
        let mut count = 1;
        call!(token, C_GetSlotList(CK_TRUE, &mut token.slot, &mut count)).unwrap();
        let mut label = *b"test                            ";
        call!(token, C_InitToken(token.slot, bytes(SO_PIN), len(SO_PIN), label.as_mut_ptr())).unwrap();
        let flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
        call!(token, C_OpenSession(token.slot, flags, null_mut(), None, &mut token.session)).unwrap();
        token.login(CKU_SO, SO_PIN);
        call!(token, C_InitPIN(token.session, bytes(PIN), len(PIN))).unwrap();
        token.change_user(CKU_USER, PIN);
        token
    }

    fn login(&self, user: CK_USER_TYPE, pin: &[u8]) {
        call!(self, C_Login(self.session, user, bytes(pin), len(pin))).unwrap();
    }

    fn change_user(&self, user: CK_USER_TYPE, pin: &[u8]) {
        call!(self, C_Logout(self.session)).unwrap();
        self.login(user, pin);
    }

    fn create(&self, class: CK_OBJECT_CLASS, key_type: CK_KEY_TYPE, given: Given) -> Result<CK_OBJECT_HANDLE, CK_RV> {
        let (class, key_type) = (class.to_ne_bytes(), key_type.to_ne_bytes());
        let mut template = attributes(&[&[(CKA_CLASS, &class[..]), (CKA_KEY_TYPE, &key_type)], given].concat());
        let mut key = 0;
        call!(self, C_CreateObject(self.session, template.as_mut_ptr(), len(&template), &mut key)).map(|()| key)
    }

    fn aes(&self, value: &[u8], given: Given) -> CK_OBJECT_HANDLE {
        self.create(CKO_SECRET_KEY, CKK_AES, &[&[(CKA_VALUE, value)], given].concat()).unwrap()
    }

    fn generic(&self, value: &[u8], given: Given) -> CK_OBJECT_HANDLE {
        self.create(CKO_SECRET_KEY, CKK_GENERIC_SECRET, &[&[(CKA_VALUE, value)], given].concat()).unwrap()
    }

    fn pair(&self, number: CK_MECHANISM_TYPE, public: Given, private: Given) -> [CK_OBJECT_HANDLE; 2] {
        let (mut public, mut private, mut keys) = (attributes(public), attributes(private), [0; 2]);
        let [public_key, private_key] = &mut keys;
        let (public_len, private_len) = (len(&public), len(&private));
        let (public, private) = (public.as_mut_ptr(), private.as_mut_ptr());
        let mut mechanism = mechanism(number, &[]);
        let (session, mechanism) = (self.session, &mut mechanism);
        call!(
            self,
            C_GenerateKeyPair(session, mechanism, public, public_len, private, private_len, public_key, private_key)
        )
        .unwrap();
        keys
    }

    fn rsa(&self) -> [CK_OBJECT_HANDLE; 2] {
        self.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &[(CKA_MODULUS_BITS, &2048u64.to_ne_bytes())], &[])
    }

    fn wrap(&self, mut by: CK_MECHANISM, with: CK_OBJECT_HANDLE, key: CK_OBJECT_HANDLE) -> Result<Vec<u8>, CK_RV> {
        let mut needed = 0;
        call!(self, C_WrapKey(self.session, &mut by, with, key, null_mut(), &mut needed))?;
        let mut wrapped = vec![0; needed as usize];
        let mut short = needed - 1;
        let outcome = call!(self, C_WrapKey(self.session, &mut by, with, key, wrapped.as_mut_ptr(), &mut short));
        assert_eq!((outcome, short), (Err(CKR_BUFFER_TOO_SMALL), needed));
        call!(self, C_WrapKey(self.session, &mut by, with, key, wrapped.as_mut_ptr(), &mut needed))?;
        assert_eq!(needed as usize, wrapped.len(), "the length was foretold");
        Ok(wrapped)
    }

    fn unwrap(
        &self,
        mut by: CK_MECHANISM,
        with: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        (class, key_type): (CK_OBJECT_CLASS, CK_KEY_TYPE),
        given: Given,
    ) -> Result<CK_OBJECT_HANDLE, CK_RV> {
        let (class, key_type) = (class.to_ne_bytes(), key_type.to_ne_bytes());
        let mut template = attributes(&[&[(CKA_CLASS, &class[..]), (CKA_KEY_TYPE, &key_type)], given].concat());
        let (count, template, mut key) = (len(&template), template.as_mut_ptr(), 0);
        let (wrapped, wrapped_len) = (bytes(wrapped), len(wrapped));
        call!(self, C_UnwrapKey(self.session, &mut by, with, wrapped, wrapped_len, template, count, &mut key))?;
        Ok(key)
    }

    fn derive(&self, mut by: CK_MECHANISM, base: CK_OBJECT_HANDLE, given: Given) -> Result<CK_OBJECT_HANDLE, CK_RV> {
        let (mut template, mut key) = (attributes(given), 0);
        let (count, template) = (len(&template), template.as_mut_ptr());
        call!(self, C_DeriveKey(self.session, &mut by, base, template, count, &mut key)).map(|()| key)
    }

    fn read(&self, object: CK_OBJECT_HANDLE, number: CK_ATTRIBUTE_TYPE) -> Result<Vec<u8>, CK_RV> {
        let mut value = vec![0; 4096];
        let mut asked = attributes(&[(number, &value)]);
        asked[0].pValue = value.as_mut_ptr().cast();
        call!(self, C_GetAttributeValue(self.session, object, asked.as_mut_ptr(), 1))?;
        value.truncate(asked[0].ulValueLen as usize);
        Ok(value)
    }

    fn set(&self, object: CK_OBJECT_HANDLE, given: Given) -> Result<(), CK_RV> {
        let mut template = attributes(given);
        call!(self, C_SetAttributeValue(self.session, object, template.as_mut_ptr(), len(&template)))
    }

    /// The point of a public key as C_DeriveKey takes it.
    fn point(&self, public: CK_OBJECT_HANDLE) -> Vec<u8> {
        self.read(public, CKA_EC_POINT).unwrap()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let _ = call!(self, C_Finalize(null_mut()));
    }
}

fn bytes(bytes: &[u8]) -> *mut CK_BYTE {
    bytes.as_ptr().cast_mut()
}

fn len<T>(elements: &[T]) -> CK_ULONG {
    elements.len() as CK_ULONG
}

fn attributes(given: Given) -> Vec<CK_ATTRIBUTE> {
    let each = |&(number, value): &(CK_ATTRIBUTE_TYPE, &[u8])| CK_ATTRIBUTE {
        type_: number,
        pValue: if value.is_empty() { without_provenance_mut(8) } else { bytes(value).cast() },
        ulValueLen: len(value),
    };
    given.iter().map(each).collect()
}

/// The bytes of an array of attributes, as the value of another.
fn array(inner: &[CK_ATTRIBUTE]) -> &[u8] {
    unsafe { std::slice::from_raw_parts(inner.as_ptr().cast(), size_of_val(inner)) }
}

fn mechanism(number: CK_MECHANISM_TYPE, parameter: &[u8]) -> CK_MECHANISM {
    CK_MECHANISM { mechanism: number, pParameter: bytes(parameter).cast(), ulParameterLen: len(parameter) }
}

fn with_structure<T>(number: CK_MECHANISM_TYPE, parameter: &mut T) -> CK_MECHANISM {
    let parameter: *mut T = parameter;
    CK_MECHANISM { mechanism: number, pParameter: parameter.cast(), ulParameterLen: size_of::<T>() as CK_ULONG }
}

fn oaep() -> CK_RSA_PKCS_OAEP_PARAMS {
    CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: null_mut(),
        ulSourceDataLen: 0,
    }
}

fn ecdh(kdf: CK_EC_KDF_TYPE, point: &[u8]) -> CK_ECDH1_DERIVE_PARAMS {
    CK_ECDH1_DERIVE_PARAMS {
        kdf,
        ulSharedDataLen: 0,
        pSharedData: null_mut(),
        ulPublicDataLen: len(point),
        pPublicData: bytes(point),
    }
}

fn hkdf(stages: (bool, bool), info: &[u8]) -> CK_HKDF_PARAMS {
    CK_HKDF_PARAMS {
        bExtract: stages.0.into(),
        bExpand: stages.1.into(),
        prfHashMechanism: CKM_SHA256,
        ulSaltType: CKF_HKDF_SALT_NULL,
        pSalt: null_mut(),
        ulSaltLen: 0,
        hSaltKey: 0,
        pInfo: bytes(info),
        ulInfoLen: len(info),
    }
}

const OPEN: Given = &[(CKA_EXTRACTABLE, TRUE), (CKA_SENSITIVE, FALSE)];
const SECRET_AES: (CK_OBJECT_CLASS, CK_KEY_TYPE) = (CKO_SECRET_KEY, CKK_AES);
const SECRET_GENERIC: (CK_OBJECT_CLASS, CK_KEY_TYPE) = (CKO_SECRET_KEY, CKK_GENERIC_SECRET);

#[test]
fn a_secret_key_comes_back_from_every_mechanism_that_wraps() {
    let token = Token::new();
    let wrapping = [(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE), (CKA_DECRYPT, FALSE)];
    let aes = token.aes(&[1; 32], &wrapping);
    let [public, private] = token.rsa();
    let (mut oaep, mut inner) = (oaep(), oaep());
    let mut rsa_aes = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 192, pOAEPParams: &mut inner };
    let by_aes = [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_PAD, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PKCS7];
    let mut ways: Vec<_> = by_aes.map(|number| (mechanism(number, &[]), aes, aes)).into();
    ways.push((mechanism(CKM_AES_CBC_PAD, IV), aes, aes));
    ways.push((mechanism(CKM_RSA_PKCS, &[]), public, private));
    ways.push((with_structure(CKM_RSA_PKCS_OAEP, &mut oaep), public, private));
    ways.push((with_structure(CKM_RSA_AES_KEY_WRAP, &mut rsa_aes), public, private));
    for store in [FALSE, TRUE] {
        let key = token.aes(&[9; 24], &[&[(CKA_TOKEN, store), (CKA_SENSITIVE, TRUE)], &OPEN[..1]].concat());
        for (by, with, back) in &ways {
            let wrapped = token.wrap(*by, *with, key).unwrap();
            assert!(!wrapped.windows(9).any(|bytes| bytes == [9; 9]));
            let given = [&[(CKA_TOKEN, store)], OPEN].concat();
            let again = token.unwrap(*by, *back, &wrapped, SECRET_AES, &given).unwrap();
            assert_eq!(token.read(again, CKA_VALUE).as_deref(), Ok(&[9; 24][..]), "{:#x}", by.mechanism);
            assert_eq!(token.read(again, CKA_LOCAL).as_deref(), Ok(FALSE));
            assert_eq!(token.read(again, CKA_NEVER_EXTRACTABLE).as_deref(), Ok(FALSE));
        }
    }
}

#[test]
fn private_keys_of_every_kind_leave_and_come_back() {
    let token = Token::new();
    let aes = token.aes(&[1; 32], &[(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE)]);
    let [rsa_public, rsa_private] = token.rsa();
    let mut inner = oaep();
    let mut rsa_aes = CK_RSA_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, pOAEPParams: &mut inner };
    let ways = [
        (mechanism(CKM_AES_KEY_WRAP_KWP, &[]), aes, aes),
        (mechanism(CKM_AES_CBC_PAD, IV), aes, aes),
        (with_structure(CKM_RSA_AES_KEY_WRAP, &mut rsa_aes), rsa_public, rsa_private),
    ];
    let bits = 2048u64.to_ne_bytes();
    let kinds: [(_, _, Given); 4] = [
        (CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, &[(CKA_MODULUS_BITS, &bits)]),
        (CKM_EC_KEY_PAIR_GEN, CKK_EC, &[(CKA_EC_PARAMS, P256)]),
        (CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, &[(CKA_EC_PARAMS, &[6, 3, 0x2B, 0x65, 0x70])]),
        (CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY, &[(CKA_EC_PARAMS, X25519)]),
    ];
    for (generation, key_type, public) in kinds {
        let [_, private] = token.pair(generation, public, &[(CKA_EXTRACTABLE, TRUE), (CKA_TOKEN, TRUE)]);
        for (by, with, back) in ways {
            let wrapped = token.wrap(by, with, private).unwrap();
            let again = token.unwrap(by, back, &wrapped, (CKO_PRIVATE_KEY, key_type), &[]).unwrap();
            for same in [CKA_PUBLIC_KEY_INFO, CKA_ID] {
                assert_eq!(token.read(again, same), token.read(private, same), "{key_type:#x}");
            }
            let wrong = (CKO_PRIVATE_KEY, if key_type == CKK_EC { CKK_RSA } else { CKK_EC });
            assert_eq!(token.unwrap(by, back, &wrapped, wrong, &[]), Err(CKR_WRAPPED_KEY_INVALID));
        }
        let pkcs1 = mechanism(CKM_RSA_PKCS, &[]);
        assert_eq!(token.wrap(pkcs1, rsa_public, private), Err(CKR_KEY_NOT_WRAPPABLE));
    }
}

#[test]
fn only_what_may_leave_leaves_and_only_by_a_key_that_may_wrap() {
    let token = Token::new();
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let wrapping = token.aes(&[1; 16], &[(CKA_WRAP, TRUE)]);
    let key = token.aes(&[2; 16], OPEN);
    let kept = token.aes(&[3; 16], &[]);
    let [public, private] = token.rsa();
    assert_eq!(token.wrap(by(), wrapping, kept), Err(CKR_KEY_UNEXTRACTABLE));
    assert_eq!(token.wrap(by(), key, key), Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
    assert_eq!(token.wrap(by(), 0x77, key), Err(CKR_WRAPPING_KEY_HANDLE_INVALID));
    assert_eq!(token.wrap(by(), public, key), Err(CKR_WRAPPING_KEY_TYPE_INCONSISTENT));
    assert_eq!(token.wrap(mechanism(CKM_RSA_PKCS, &[]), private, key), Err(CKR_WRAPPING_KEY_TYPE_INCONSISTENT));
    assert_eq!(token.wrap(by(), wrapping, 0x77), Err(CKR_KEY_HANDLE_INVALID));
    assert_eq!(token.wrap(by(), wrapping, public), Err(CKR_KEY_NOT_WRAPPABLE));
    assert_eq!(token.wrap(mechanism(CKM_AES_ECB, &[]), wrapping, key), Err(CKR_MECHANISM_INVALID));
    assert_eq!(token.wrap(mechanism(CKM_AES_CBC_PAD, &[1]), wrapping, key), Err(CKR_MECHANISM_PARAM_INVALID));
    let long = token.generic(&[5; 300], OPEN);
    assert_eq!(token.wrap(mechanism(CKM_RSA_PKCS, &[]), public, long), Err(CKR_KEY_SIZE_RANGE));
    let odd = token.generic(&[5; 17], OPEN);
    assert_eq!(token.wrap(mechanism(CKM_AES_KEY_WRAP, &[]), wrapping, odd), Err(CKR_KEY_SIZE_RANGE));
    assert!(token.wrap(by(), wrapping, odd).is_ok());
}

#[test]
fn a_key_that_wants_a_trusted_wrapping_key_gets_one_from_the_officer_only() {
    let token = Token::new();
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let wrapping = token.aes(&[1; 16], &[(CKA_WRAP, TRUE), (CKA_TOKEN, TRUE), (CKA_PRIVATE, FALSE)]);
    let key = |token: &Token| token.aes(&[2; 16], &[OPEN, &[(CKA_WRAP_WITH_TRUSTED, TRUE)]].concat());
    assert_eq!(token.wrap(by(), wrapping, key(&token)), Err(CKR_KEY_NOT_WRAPPABLE));
    assert_eq!(token.set(wrapping, &[(CKA_TRUSTED, TRUE)]), Err(CKR_ATTRIBUTE_READ_ONLY));
    token.change_user(CKU_SO, SO_PIN);
    token.set(wrapping, &[(CKA_TRUSTED, TRUE)]).unwrap();
    token.change_user(CKU_USER, PIN);
    assert!(token.wrap(by(), wrapping, key(&token)).is_ok());
    assert_eq!(token.set(wrapping, &[(CKA_DECRYPT, TRUE)]), Err(CKR_ATTRIBUTE_READ_ONLY));
}

#[test]
fn templates_of_the_wrapping_key_say_what_it_wraps_and_what_comes_in() {
    let token = Token::new();
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let wanted = attributes(&[(CKA_LABEL, b"let out")]);
    let imposed = attributes(&[(CKA_EXTRACTABLE, FALSE), (CKA_SENSITIVE, TRUE)]);
    let templates = [(CKA_WRAP_TEMPLATE, array(&wanted)), (CKA_UNWRAP_TEMPLATE, array(&imposed))];
    let given = [&[(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE)], &templates[..]].concat();
    let wrapping = token.aes(&[1; 16], &given);
    let other = token.aes(&[2; 16], &[OPEN, &[(CKA_LABEL, b"keep")]].concat());
    assert_eq!(token.wrap(by(), wrapping, other), Err(CKR_KEY_HANDLE_INVALID));
    let key = token.aes(&[2; 16], &[OPEN, &[(CKA_LABEL, b"let out")]].concat());
    let wrapped = token.wrap(by(), wrapping, key).unwrap();
    assert_eq!(token.unwrap(by(), wrapping, &wrapped, SECRET_AES, OPEN), Err(CKR_TEMPLATE_INCONSISTENT));
    let back = token.unwrap(by(), wrapping, &wrapped, SECRET_AES, &[]).unwrap();
    assert_eq!(token.read(back, CKA_EXTRACTABLE).as_deref(), Ok(FALSE));
    assert_eq!(token.read(back, CKA_VALUE), Err(CKR_ATTRIBUTE_SENSITIVE));
}

#[test]
fn damage_to_a_wrapped_key_is_found_and_named() {
    let token = Token::new();
    let aes = token.aes(&[1; 16], &[(CKA_WRAP, TRUE), (CKA_UNWRAP, TRUE)]);
    let key = token.aes(&[2; 16], OPEN);
    for number in [CKM_AES_KEY_WRAP, CKM_AES_KEY_WRAP_KWP, CKM_AES_KEY_WRAP_PKCS7] {
        let by = || mechanism(number, &[]);
        let mut wrapped = token.wrap(by(), aes, key).unwrap();
        let unwrap = |wrapped: &[u8]| token.unwrap(by(), aes, wrapped, SECRET_AES, &[]);
        assert_eq!(unwrap(&wrapped[1..]), Err(CKR_WRAPPED_KEY_LEN_RANGE), "{number:#x}");
        assert_eq!(unwrap(&[]), Err(CKR_WRAPPED_KEY_LEN_RANGE));
        wrapped[3] ^= 1;
        assert_eq!(unwrap(&wrapped), Err(CKR_WRAPPED_KEY_INVALID), "{number:#x}");
    }
    let by = || mechanism(CKM_AES_KEY_WRAP_KWP, &[]);
    let wrapped = token.wrap(by(), aes, token.generic(&[2; 20], OPEN)).unwrap();
    assert_eq!(token.unwrap(by(), aes, &wrapped, SECRET_AES, &[]), Err(CKR_WRAPPED_KEY_LEN_RANGE));
    let [_, private] = token.rsa();
    let wrong_type = token.unwrap(by(), private, &wrapped, SECRET_AES, &[]);
    assert_eq!(wrong_type, Err(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT));
    assert_eq!(token.unwrap(by(), 0x77, &wrapped, SECRET_AES, &[]), Err(CKR_UNWRAPPING_KEY_HANDLE_INVALID));
    assert_eq!(token.unwrap(by(), key, &wrapped, SECRET_AES, &[]), Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
}

#[test]
fn pkcs1_padding_that_is_wrong_unwraps_to_some_key_and_never_tells() {
    let token = Token::new();
    let [_, private] = token.rsa();
    let by = || mechanism(CKM_RSA_PKCS, &[]);
    let garbage = [0x11; 256];
    let first = token.unwrap(by(), private, &garbage, SECRET_GENERIC, OPEN);
    let Ok(first) = first else { return assert_eq!(first, Err(CKR_WRAPPED_KEY_LEN_RANGE)) };
    let second = token.unwrap(by(), private, &garbage, SECRET_GENERIC, OPEN).unwrap();
    assert_eq!(token.read(first, CKA_VALUE), token.read(second, CKA_VALUE));
    assert_eq!(token.unwrap(by(), private, &garbage[1..], SECRET_GENERIC, &[]), Err(CKR_WRAPPED_KEY_LEN_RANGE));
}

#[test]
fn both_sides_agree_on_a_secret_whatever_the_curve_and_the_encoding_of_the_point() {
    let token = Token::new();
    for (generation, curve) in [(CKM_EC_KEY_PAIR_GEN, P256), (CKM_EC_MONTGOMERY_KEY_PAIR_GEN, X25519)] {
        let pair = || token.pair(generation, &[(CKA_EC_PARAMS, curve)], &[(CKA_DERIVE, TRUE)]);
        let ([one_public, one], [other_public, other]) = (pair(), pair());
        let read = |point: &[u8], kdf, private, more: Given| {
            let mut parameter = ecdh(kdf, point);
            let by = with_structure(CKM_ECDH1_DERIVE, &mut parameter);
            let key = token.derive(by, private, &[OPEN, more].concat())?;
            token.read(key, CKA_VALUE)
        };
        let (one_point, other_point) = (token.point(one_public), token.point(other_public));
        let whole = read(&other_point, CKD_NULL, one, &[]).unwrap();
        assert_eq!(whole.len(), 32);
        assert_eq!(read(&one_point, CKD_NULL, other, &[]).as_ref(), Ok(&whole));
        let short = 20u64.to_ne_bytes();
        let last = read(&other_point, CKD_NULL, one, &[(CKA_VALUE_LEN, &short)]).unwrap();
        assert_eq!(last, whole[12..], "bytes are removed from the leading end");
        let twisted = match curve {
            P256 => other_point[2..].to_vec(),
            _ => [&[4, 32], &other_point[..]].concat(),
        };
        assert_eq!(read(&twisted, CKD_NULL, one, &[]).as_ref(), Ok(&whole), "bare or wrapped");
        let long = 77u64.to_ne_bytes();
        let derived = read(&other_point, CKD_SHA256_KDF, one, &[(CKA_VALUE_LEN, &long)]).unwrap();
        assert_eq!(read(&one_point, CKD_SHA256_KDF, other, &[(CKA_VALUE_LEN, &long)]), Ok(derived));
        assert_eq!(read(&other_point, CKD_SHA256_KDF, one, &[]), Err(CKR_TEMPLATE_INCOMPLETE));
        assert_eq!(read(&other_point, CKD_NULL, one, &[(CKA_VALUE_LEN, &long)]), Err(CKR_ATTRIBUTE_VALUE_INVALID));
        let mut off = other_point.clone();
        *off.last_mut().unwrap() ^= 1;
        if curve == P256 {
            assert_eq!(read(&off, CKD_NULL, one, &[]), Err(CKR_MECHANISM_PARAM_INVALID));
        }
        let zero = vec![0; off.len()];
        assert_eq!(read(&zero, CKD_NULL, one, &[]), Err(CKR_MECHANISM_PARAM_INVALID), "no secret at all");
        assert_eq!(read(&[], CKD_NULL, one, &[]), Err(CKR_MECHANISM_PARAM_INVALID));
        assert_eq!(read(&other_point, CKD_NULL, one_public, &[]), Err(CKR_KEY_TYPE_INCONSISTENT));
    }
}

#[test]
fn an_agreed_secret_becomes_the_longest_aes_key_that_fits() {
    let token = Token::new();
    let [public, private] = token.pair(CKM_EC_KEY_PAIR_GEN, &[(CKA_EC_PARAMS, P256)], &[(CKA_DERIVE, TRUE)]);
    let (point, key_type) = (token.point(public), CKK_AES.to_ne_bytes());
    let mut parameter = ecdh(CKD_NULL, &point);
    let key = token.derive(with_structure(CKM_ECDH1_DERIVE, &mut parameter), private, &[(CKA_KEY_TYPE, &key_type)]);
    assert_eq!(token.read(key.unwrap(), CKA_VALUE_LEN).as_deref(), Ok(&32u64.to_ne_bytes()[..]));
    let (by, ten) = (with_structure(CKM_ECDH1_DERIVE, &mut parameter), 10u64.to_ne_bytes());
    assert_eq!(token.derive(by, private, &[(CKA_VALUE_LEN, &ten)]), Err(CKR_KEY_SIZE_RANGE), "could be tried out");
    let guarded = token.derive(by, private, &[(CKA_TOKEN, TRUE)]).unwrap();
    for (attribute, value) in [(CKA_ALWAYS_SENSITIVE, TRUE), (CKA_NEVER_EXTRACTABLE, TRUE), (CKA_LOCAL, FALSE)] {
        assert_eq!(token.read(guarded, attribute).as_deref(), Ok(value));
    }
}

#[test]
fn a_key_that_asks_for_the_pin_at_each_use_neither_derives_nor_unwraps() {
    let token = Token::new();
    let given = [(CKA_DERIVE, TRUE), (CKA_ALWAYS_AUTHENTICATE, TRUE)];
    let [public, private] = token.pair(CKM_EC_KEY_PAIR_GEN, &[(CKA_EC_PARAMS, P256)], &given);
    let point = token.point(public);
    let mut parameter = ecdh(CKD_NULL, &point);
    let derived = token.derive(with_structure(CKM_ECDH1_DERIVE, &mut parameter), private, &[]);
    assert_eq!(derived, Err(CKR_USER_NOT_LOGGED_IN));
    let bits = 2048u64.to_ne_bytes();
    let [_, rsa] = token.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &[(CKA_MODULUS_BITS, &bits)], &given[1..]);
    let unwrapped = token.unwrap(mechanism(CKM_RSA_PKCS, &[]), rsa, &[1; 256], SECRET_GENERIC, &[]);
    assert_eq!(unwrapped, Err(CKR_USER_NOT_LOGGED_IN));
}

/// RFC 5869, test case 1.
#[test]
fn hkdf_computes_what_its_rfc_says_in_one_step_and_in_two() {
    let token = Token::new();
    let salt: Vec<u8> = (0..13).collect();
    let info: Vec<u8> = (0xF0..0xFA).collect();
    let base = token.generic(&[0x0B; 22], &[OPEN, &[(CKA_DERIVE, TRUE)]].concat());
    let salt_key = token.generic(&salt, &[OPEN, &[(CKA_DERIVE, TRUE)]].concat());
    let okm = hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    let len = 42u64.to_ne_bytes();
    let value = |number, stages, base, salt: Result<CK_OBJECT_HANDLE, &[u8]>, more: Given| {
        let mut parameter = hkdf(stages, &info);
        match salt {
            Ok(key) => (parameter.ulSaltType, parameter.hSaltKey) = (CKF_HKDF_SALT_KEY, key),
            Err(salt) => {
                (parameter.ulSaltType, parameter.ulSaltLen) = (CKF_HKDF_SALT_DATA, self::len(salt));
                parameter.pSalt = bytes(salt);
            }
        }
        token.derive(with_structure(number, &mut parameter), base, more)
    };
    let key_of_42 = [OPEN, &[(CKA_VALUE_LEN, &len)]].concat();
    for (salt, store) in [(Err(&salt[..]), FALSE), (Ok(salt_key), TRUE)] {
        let key = value(CKM_HKDF_DERIVE, (true, true), base, salt, &key_of_42).unwrap();
        assert_eq!(token.read(key, CKA_VALUE).as_ref(), Ok(&okm));
        let data = value(CKM_HKDF_DATA, (true, true), base, salt, &[(CKA_VALUE_LEN, &len)]).unwrap();
        assert_eq!(token.read(data, CKA_VALUE).as_ref(), Ok(&okm));
        assert_eq!(token.read(data, CKA_CLASS).as_deref(), Ok(&CKO_DATA.to_ne_bytes()[..]));
        let hkdf_type = CKK_HKDF.to_ne_bytes();
        let extracted = [OPEN, &[(CKA_KEY_TYPE, &hkdf_type), (CKA_TOKEN, store)]].concat();
        let extracted = value(CKM_HKDF_DERIVE, (true, false), base, salt, &extracted).unwrap();
        let key = value(CKM_HKDF_DERIVE, (false, true), extracted, salt, &key_of_42).unwrap();
        assert_eq!(token.read(key, CKA_VALUE).as_ref(), Ok(&okm));
    }
    let missing = value(CKM_HKDF_DERIVE, (true, true), base, Err(&salt), OPEN);
    assert_eq!(missing, Err(CKR_TEMPLATE_INCOMPLETE));
    let too_long = 8161u64.to_ne_bytes();
    let too_long = value(CKM_HKDF_DERIVE, (false, true), base, Err(&[]), &[(CKA_VALUE_LEN, &too_long)]);
    assert_eq!(too_long, Err(CKR_ATTRIBUTE_VALUE_INVALID));
}

#[test]
fn a_guarded_secret_gives_keys_but_no_data_and_a_salt_is_guarded_like_a_base() {
    let token = Token::new();
    let closed = attributes(&[(CKA_EXTRACTABLE, FALSE), (CKA_SENSITIVE, TRUE)]);
    let rule = [(CKA_DERIVE, TRUE), (CKA_DERIVE_TEMPLATE, array(&closed))];
    let guarded = token.generic(&[0x0B; 32], &rule);
    let known = token.generic(b"info\x01", &[OPEN, &[(CKA_DERIVE, TRUE)]].concat());
    let len = 32u64.to_ne_bytes();
    let mut expand = hkdf((false, true), b"info");
    let key_of_32 = [(CKA_VALUE_LEN, &len[..])];
    let data = token.derive(with_structure(CKM_HKDF_DATA, &mut expand), guarded, &key_of_32);
    assert_eq!(data, Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
    let key = token.derive(with_structure(CKM_HKDF_DERIVE, &mut expand), guarded, &key_of_32).unwrap();
    assert_eq!(token.read(key, CKA_VALUE), Err(CKR_ATTRIBUTE_SENSITIVE));
    assert_eq!(token.read(key, CKA_EXTRACTABLE).as_deref(), Ok(FALSE));
    // HMAC(guarded, "info" 01), which is the same key, by the other way round.
    let mut extract = hkdf((true, false), b"");
    (extract.ulSaltType, extract.hSaltKey) = (CKF_HKDF_SALT_KEY, guarded);
    let swapped = |number, given: Given| token.derive(with_structure(number, &mut extract.clone()), known, given);
    assert_eq!(swapped(CKM_HKDF_DERIVE, OPEN), Err(CKR_TEMPLATE_INCONSISTENT));
    assert_eq!(swapped(CKM_HKDF_DATA, &[]), Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
    let swapped = swapped(CKM_HKDF_DERIVE, &[]).unwrap();
    assert_eq!(token.read(swapped, CKA_CHECK_VALUE), token.read(key, CKA_CHECK_VALUE), "it is the same indeed");
    assert_eq!(token.read(swapped, CKA_VALUE), Err(CKR_ATTRIBUTE_SENSITIVE));
    // Without CKA_DERIVE it isn't a salt either.
    let (mut extract, mac_only) = (hkdf((true, false), b""), token.generic(&[1; 32], &[]));
    (extract.ulSaltType, extract.hSaltKey) = (CKF_HKDF_SALT_KEY, mac_only);
    let refused = token.derive(with_structure(CKM_HKDF_DERIVE, &mut extract), known, &[]);
    assert_eq!(refused, Err(CKR_KEY_FUNCTION_NOT_PERMITTED));
}

#[test]
fn a_check_value_is_the_same_wherever_the_key_lies_and_can_be_given_up() {
    let token = Token::new();
    let zero = token.aes(&[0; 16], &[(CKA_CHECK_VALUE, &[0x66, 0xE9, 0x4B]), (CKA_TOKEN, TRUE)]);
    assert_eq!(token.read(zero, CKA_CHECK_VALUE).as_deref(), Ok(&[0x66, 0xE9, 0x4B][..]));
    let wrong = [(CKA_VALUE, &[0; 16][..]), (CKA_CHECK_VALUE, &[1, 2, 3])];
    assert_eq!(token.create(CKO_SECRET_KEY, CKK_AES, &wrong), Err(CKR_ATTRIBUTE_VALUE_INVALID));
    assert_eq!(token.set(zero, &[(CKA_CHECK_VALUE, &[1, 2, 3])]), Err(CKR_ATTRIBUTE_READ_ONLY));
    token.set(zero, &[(CKA_CHECK_VALUE, &[])]).unwrap();
    assert_eq!(token.read(zero, CKA_CHECK_VALUE).as_deref(), Ok(&[][..]));
    let (mut by, length, mut made) = (mechanism(CKM_AES_KEY_GEN, &[]), 32u64.to_ne_bytes(), 0);
    let mut template = attributes(&[(CKA_VALUE_LEN, &length), (CKA_TOKEN, TRUE)]);
    call!(token, C_GenerateKey(token.session, &mut by, template.as_mut_ptr(), 2, &mut made)).unwrap();
    assert_eq!(token.read(made, CKA_CHECK_VALUE).unwrap().len(), 3);
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
