//! An initialised token with its user logged in, and what the tests ask of it.

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

pub const SO_PIN: &[u8] = b"officer-pin";
pub const PIN: &[u8] = b"user-pin-1";
pub const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
pub const X25519: &[u8] = &[0x13, 0x0A, b'c', b'u', b'r', b'v', b'e', b'2', b'5', b'5', b'1', b'9'];
pub const IV: &[u8] = &[7; 16];
pub const TRUE: &[u8] = &[CK_TRUE];
pub const FALSE: &[u8] = &[CK_FALSE];

macro_rules! call {
    ($token:expr, $function:ident($($argument:expr),*)) => {
        match unsafe { $token.list.$function.expect("no function is NULL")($($argument),*) } {
            CKR_OK => Ok(()),
            code => Err(code),
        }
    };
}

pub(crate) use call;

/// An initialised module over an initialised token with the user logged in. The module is one for the process: tests take
/// turns.
pub struct Token {
    pub list: &'static CK_FUNCTION_LIST_3_2,
    slot: CK_SLOT_ID,
    pub session: CK_SESSION_HANDLE,
    _turn: MutexGuard<'static, ()>,
    _folder: tempfile::TempDir,
}

pub type Given<'a> = &'a [(CK_ATTRIBUTE_TYPE, &'a [u8])];

impl Token {
    pub fn new() -> Self {
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

    pub fn login(&self, user: CK_USER_TYPE, pin: &[u8]) {
        call!(self, C_Login(self.session, user, bytes(pin), len(pin))).unwrap();
    }

    pub fn change_user(&self, user: CK_USER_TYPE, pin: &[u8]) {
        call!(self, C_Logout(self.session)).unwrap();
        self.login(user, pin);
    }

    pub fn create(
        &self,
        class: CK_OBJECT_CLASS,
        key_type: CK_KEY_TYPE,
        given: Given,
    ) -> Result<CK_OBJECT_HANDLE, CK_RV> {
        let (class, key_type) = (class.to_ne_bytes(), key_type.to_ne_bytes());
        let mut template = attributes(&[&[(CKA_CLASS, &class[..]), (CKA_KEY_TYPE, &key_type)], given].concat());
        let mut key = 0;
        call!(self, C_CreateObject(self.session, template.as_mut_ptr(), len(&template), &mut key)).map(|()| key)
    }

    pub fn aes(&self, value: &[u8], given: Given) -> CK_OBJECT_HANDLE {
        self.create(CKO_SECRET_KEY, CKK_AES, &[&[(CKA_VALUE, value)], given].concat()).unwrap()
    }

    pub fn generic(&self, value: &[u8], given: Given) -> CK_OBJECT_HANDLE {
        self.create(CKO_SECRET_KEY, CKK_GENERIC_SECRET, &[&[(CKA_VALUE, value)], given].concat()).unwrap()
    }

    pub fn pair(&self, number: CK_MECHANISM_TYPE, public: Given, private: Given) -> [CK_OBJECT_HANDLE; 2] {
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

    pub fn rsa(&self) -> [CK_OBJECT_HANDLE; 2] {
        self.pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &[(CKA_MODULUS_BITS, &2048u64.to_ne_bytes())], &[])
    }

    pub fn wrap(&self, mut by: CK_MECHANISM, with: CK_OBJECT_HANDLE, key: CK_OBJECT_HANDLE) -> Result<Vec<u8>, CK_RV> {
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

    pub fn unwrap(
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

    pub fn derive(
        &self,
        mut by: CK_MECHANISM,
        base: CK_OBJECT_HANDLE,
        given: Given,
    ) -> Result<CK_OBJECT_HANDLE, CK_RV> {
        let (mut template, mut key) = (attributes(given), 0);
        let (count, template) = (len(&template), template.as_mut_ptr());
        call!(self, C_DeriveKey(self.session, &mut by, base, template, count, &mut key)).map(|()| key)
    }

    pub fn read(&self, object: CK_OBJECT_HANDLE, number: CK_ATTRIBUTE_TYPE) -> Result<Vec<u8>, CK_RV> {
        let mut value = vec![0; 4096];
        let mut asked = attributes(&[(number, &value)]);
        asked[0].pValue = value.as_mut_ptr().cast();
        call!(self, C_GetAttributeValue(self.session, object, asked.as_mut_ptr(), 1))?;
        value.truncate(asked[0].ulValueLen as usize);
        Ok(value)
    }

    pub fn set(&self, object: CK_OBJECT_HANDLE, given: Given) -> Result<(), CK_RV> {
        let mut template = attributes(given);
        call!(self, C_SetAttributeValue(self.session, object, template.as_mut_ptr(), len(&template)))
    }

    /// The point of a public key as C_DeriveKey takes it.
    pub fn point(&self, public: CK_OBJECT_HANDLE) -> Vec<u8> {
        self.read(public, CKA_EC_POINT).unwrap()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let _ = call!(self, C_Finalize(null_mut()));
    }
}

pub fn bytes(bytes: &[u8]) -> *mut CK_BYTE {
    bytes.as_ptr().cast_mut()
}

pub fn len<T>(elements: &[T]) -> CK_ULONG {
    elements.len() as CK_ULONG
}

pub fn attributes(given: Given) -> Vec<CK_ATTRIBUTE> {
    let each = |&(number, value): &(CK_ATTRIBUTE_TYPE, &[u8])| CK_ATTRIBUTE {
        type_: number,
        pValue: if value.is_empty() { without_provenance_mut(8) } else { bytes(value).cast() },
        ulValueLen: len(value),
    };
    given.iter().map(each).collect()
}

/// The bytes of an array of attributes, as the value of another.
pub fn array(inner: &[CK_ATTRIBUTE]) -> &[u8] {
    unsafe { std::slice::from_raw_parts(inner.as_ptr().cast(), size_of_val(inner)) }
}

pub fn mechanism(number: CK_MECHANISM_TYPE, parameter: &[u8]) -> CK_MECHANISM {
    CK_MECHANISM { mechanism: number, pParameter: bytes(parameter).cast(), ulParameterLen: len(parameter) }
}

pub fn with_structure<T>(number: CK_MECHANISM_TYPE, parameter: &mut T) -> CK_MECHANISM {
    let parameter: *mut T = parameter;
    CK_MECHANISM { mechanism: number, pParameter: parameter.cast(), ulParameterLen: size_of::<T>() as CK_ULONG }
}

pub fn oaep() -> CK_RSA_PKCS_OAEP_PARAMS {
    CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: null_mut(),
        ulSourceDataLen: 0,
    }
}

pub fn ecdh(kdf: CK_EC_KDF_TYPE, point: &[u8]) -> CK_ECDH1_DERIVE_PARAMS {
    CK_ECDH1_DERIVE_PARAMS {
        kdf,
        ulSharedDataLen: 0,
        pSharedData: null_mut(),
        ulPublicDataLen: len(point),
        pPublicData: bytes(point),
    }
}

pub fn hkdf(stages: (bool, bool), info: &[u8]) -> CK_HKDF_PARAMS {
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

pub const OPEN: Given = &[(CKA_EXTRACTABLE, TRUE), (CKA_SENSITIVE, FALSE)];
pub const SECRET_AES: (CK_OBJECT_CLASS, CK_KEY_TYPE) = (CKO_SECRET_KEY, CKK_AES);
pub const SECRET_GENERIC: (CK_OBJECT_CLASS, CK_KEY_TYPE) = (CKO_SECRET_KEY, CKK_GENERIC_SECRET);
