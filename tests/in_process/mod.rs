//! The module inside the test's own process: a token of its own for each test, its functions called as a C program calls
//! them, and what comes out as values.
#![allow(unsafe_code)]
#![allow(clippy::undocumented_unsafe_blocks, reason = "every call here is one into the module with live buffers")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki_sys::*;
use strongroom::backend::local::LocalVault;
use strongroom::config::VaultConfig;
use strongroom::vault::{Pin, Role, Unlock, VaultAdmin};

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
pub const ZEROS: [u8; 16] = [0; 16];

/// Calls a function of a [`Token`]'s list.
macro_rules! call {
    ($token:expr, $function:ident($($argument:expr),*)) => {
        unsafe { $token.list.$function.expect("no function is NULL")($($argument),*) }
    };
}

/// The same, which must succeed.
macro_rules! ok {
    ($token:expr, $function:ident($($argument:expr),*)) => {
        assert_eq!(call!($token, $function($($argument),*)), CKR_OK, stringify!($function))
    };
}

/// Functions from an input to an output: `C_Encrypt`, `C_SignRecover`, `C_DecryptVerifyUpdate` and their kin.
pub type Through =
    Option<unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG) -> CK_RV>;
/// Functions with an output alone: `C_EncryptFinal` and its kin.
pub type Last = Option<unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_BYTE, *mut CK_ULONG) -> CK_RV>;
/// Functions that begin an operation with a key.
pub type Init = Option<unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE) -> CK_RV>;

/// What a function gave, or its code and the length that it answered.
pub type Given = Result<Vec<u8>, (CK_RV, usize)>;

/// An initialised module over an initialised token. The module is one for the process: tests take turns.
pub struct Token {
    pub list: &'static CK_FUNCTION_LIST_3_2,
    pub slot: CK_SLOT_ID,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Token {
    /// A token with its PINs.
    pub fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let mut interface = null_mut();
        assert_eq!(unsafe { C_GetInterface(null_mut(), null_mut(), &mut interface, 0) }, CKR_OK);
        let list = unsafe { &*(*interface).pFunctionList.cast::<CK_FUNCTION_LIST_3_2>() };
        let mut token = Self { list, slot: 0, folder, _turn: turn };
        token.configure("");
        token.initialize();
        let mut label = *b"test                            ";
        ok!(token, C_InitToken(token.slot, bytes(SO_PIN), SO_PIN.len() as CK_ULONG, label.as_mut_ptr()));
        let session = token.open(CKF_RW_SESSION);
        assert_eq!(token.login(session, CKU_SO, SO_PIN), CKR_OK);
        ok!(token, C_InitPIN(session, bytes(PIN), PIN.len() as CK_ULONG));
        ok!(token, C_CloseSession(session));
        token
    }

    /// The same token with these lines in its vault's configuration, and a session of the user.
    pub fn reconfigured(&mut self, lines: &str) -> CK_SESSION_HANDLE {
        ok!(self, C_Finalize(null_mut()));
        self.configure(lines);
        self.initialize();
        self.user_session()
    }

    fn configure(&self, lines: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join("config.toml");
        std::fs::write(&path, format!("[[vault]]\nname = \"vault\"\npath = \"vault\"\n{lines}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        // Only who holds the turn touches the environment.
        unsafe {
            std::env::remove_var("STRONGROOM_VAULT");
            std::env::set_var("STRONGROOM_CONF", path);
        }
    }

    fn initialize(&mut self) {
        ok!(self, C_Initialize(null_mut()));
        let mut count = 1;
        ok!(self, C_GetSlotList(CK_TRUE, &mut self.slot, &mut count));
    }

    pub fn open(&self, flags: CK_FLAGS) -> CK_SESSION_HANDLE {
        let mut session = 0;
        ok!(self, C_OpenSession(self.slot, CKF_SERIAL_SESSION | flags, null_mut(), None, &mut session));
        session
    }

    pub fn login(&self, session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: &[u8]) -> CK_RV {
        call!(self, C_Login(session, user, bytes(pin), pin.len() as CK_ULONG))
    }

    /// A read-write session of the logged-in user.
    pub fn user_session(&self) -> CK_SESSION_HANDLE {
        let session = self.open(CKF_RW_SESSION);
        assert_eq!(self.login(session, CKU_USER, PIN), CKR_OK);
        session
    }

    /// The token's vault as another process would open it, logged in.
    pub fn vault_of_another_process(&self) -> Arc<dyn VaultAdmin> {
        let vault = LocalVault::open(&VaultConfig::local("vault", self.folder.path().join("vault"))).unwrap();
        vault.unlock(&Unlock::Pin(Role::User, Pin::new(PIN.to_vec()))).unwrap();
        vault
    }

    /// A secret key with a random value that encrypts, signs and derives.
    pub fn secret(&self, session: CK_SESSION_HANDLE, number: CK_MECHANISM_TYPE, token: CK_BBOOL) -> CK_OBJECT_HANDLE {
        let len = 32u64.to_ne_bytes();
        let yes = [CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_DERIVE];
        let mut template: Vec<_> = yes.iter().map(|usage| attribute(*usage, &[CK_TRUE])).collect();
        template.extend([attribute(CKA_VALUE_LEN, &len), attribute(CKA_TOKEN, if token == 1 { &[1] } else { &[0] })]);
        let (count, mut key) = (template.len() as CK_ULONG, 0);
        ok!(self, C_GenerateKey(session, &mut plain(number), template.as_mut_ptr(), count, &mut key));
        key
    }

    /// An RSA pair that encrypts, signs, wraps and recovers; public key first.
    pub fn rsa(&self, session: CK_SESSION_HANDLE, private: &[CK_ATTRIBUTE]) -> (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) {
        let bits = 2048u64.to_ne_bytes();
        let usages = |usages: &[CK_ATTRIBUTE_TYPE]| -> Vec<_> {
            usages.iter().map(|usage| attribute(*usage, &[CK_TRUE])).collect()
        };
        let mut ours = usages(&[CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP]);
        ours.push(attribute(CKA_MODULUS_BITS, &bits));
        let mut theirs = usages(&[CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP]);
        theirs.extend(private);
        let (ours_count, theirs_count) = (ours.len() as CK_ULONG, theirs.len() as CK_ULONG);
        let (mut public_key, mut private_key) = (0, 0);
        ok!(
            self,
            C_GenerateKeyPair(
                session,
                &mut plain(CKM_RSA_PKCS_KEY_PAIR_GEN),
                ours.as_mut_ptr(),
                ours_count,
                theirs.as_mut_ptr(),
                theirs_count,
                &mut public_key,
                &mut private_key
            )
        );
        (public_key, private_key)
    }

    /// Begins an operation.
    pub fn init(
        &self,
        function: Init,
        session: CK_SESSION_HANDLE,
        mechanism: CK_MECHANISM,
        key: CK_OBJECT_HANDLE,
    ) -> CK_RV {
        let mut mechanism = mechanism;
        unsafe { function.expect("no function is NULL")(session, &mut mechanism, key) }
    }

    /// From an input to an output, for which there is so much room.
    pub fn through(&self, function: Through, session: CK_SESSION_HANDLE, input: &[u8], room: usize) -> Given {
        given(room, |out, len| unsafe {
            function.expect("no function is NULL")(session, bytes(input), input.len() as CK_ULONG, out, len)
        })
    }

    /// The last output, for which there is so much room.
    pub fn last(&self, function: Last, session: CK_SESSION_HANDLE, room: usize) -> Given {
        given(room, |out, len| unsafe { function.expect("no function is NULL")(session, out, len) })
    }

    /// Encrypts in one part.
    pub fn encrypt(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: CK_MECHANISM,
        key: CK_OBJECT_HANDLE,
        input: &[u8],
    ) -> Vec<u8> {
        assert_eq!(self.init(self.list.C_EncryptInit, session, mechanism, key), CKR_OK);
        self.through(self.list.C_Encrypt, session, input, 4096).unwrap()
    }

    /// Begins a decryption.
    pub fn decrypt_init(&self, session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM, key: CK_OBJECT_HANDLE) -> CK_RV {
        self.init(self.list.C_DecryptInit, session, mechanism, key)
    }

    /// Digests in one part.
    pub fn digest(&self, session: CK_SESSION_HANDLE, mechanism: CK_MECHANISM, input: &[u8]) -> Vec<u8> {
        let mut mechanism = mechanism;
        ok!(self, C_DigestInit(session, &mut mechanism));
        self.through(self.list.C_Digest, session, input, 64).unwrap()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        call!(self, C_Finalize(null_mut()));
    }
}

/// What the call writes, with guards around it.
fn given(room: usize, call: impl FnOnce(*mut CK_BYTE, *mut CK_ULONG) -> CK_RV) -> Given {
    const GUARD: u8 = 0xA5;
    let (mut buffer, mut len) = (vec![GUARD; room + 32], room as CK_ULONG);
    let rv = call(buffer[16..].as_mut_ptr(), &mut len);
    assert!(buffer[..16].iter().chain(&buffer[16 + room..]).all(|byte| *byte == GUARD), "written beside the buffer");
    match rv {
        CKR_OK => Ok(buffer[16..][..len as usize].to_vec()),
        rv => Err((rv, len as usize)),
    }
}

pub fn bytes(bytes: &[u8]) -> *mut CK_BYTE {
    bytes.as_ptr().cast_mut()
}

pub fn attribute(number: CK_ATTRIBUTE_TYPE, value: &[u8]) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_: number, pValue: bytes(value).cast(), ulValueLen: value.len() as CK_ULONG }
}

/// A mechanism without a parameter.
pub fn plain(number: CK_MECHANISM_TYPE) -> CK_MECHANISM {
    CK_MECHANISM { mechanism: number, pParameter: null_mut(), ulParameterLen: 0 }
}

/// A mechanism with one, which must outlive it.
pub fn with<T>(number: CK_MECHANISM_TYPE, parameter: &T) -> CK_MECHANISM {
    let pointer: *const T = parameter;
    CK_MECHANISM {
        mechanism: number,
        pParameter: pointer.cast_mut().cast(),
        ulParameterLen: size_of::<T>() as CK_ULONG,
    }
}

/// GCM with an IV of twelve zeros and a whole tag.
pub fn gcm() -> CK_GCM_PARAMS {
    let iv = bytes(&ZEROS);
    CK_GCM_PARAMS { pIv: iv, ulIvLen: 12, ulIvBits: 96, pAAD: null_mut(), ulAADLen: 0, ulTagBits: 128 }
}

/// Counter mode from zero, all bits of the block counting.
pub fn ctr() -> CK_AES_CTR_PARAMS {
    CK_AES_CTR_PARAMS { ulCounterBits: 128, cb: ZEROS }
}
