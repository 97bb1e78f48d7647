//! A client of a PKCS#11 module: loads the library at a path into this process, and makes its calls with plain Rust types
//! in and out. Every call answers `Result<_, CK_RV>`, so that a test states the code that it expects.
//!
//! It knows nothing of one module: several may be loaded beside each other. What a test wants to call wrongly (a NULL, a
//! stale handle, a length that lies), it calls through [`Module::list`] itself.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#![allow(unsafe_code)]

mod mechanism;
mod message;
mod operation;
mod session;
mod template;

use std::mem::ManuallyDrop;
use std::path::Path;
use std::ptr::null_mut;

use cryptoki_sys::*;
use tempfile::TempDir;

pub use mechanism::{Mechanism, Oaep, Parameter};
pub use message::GcmMessage;
pub use session::Session;
pub use template::{Attribute, Value, attribute, number};

/// What a call answers.
pub type Outcome<T> = Result<T, CK_RV>;

/// The user's PIN of a [`Token`].
pub const PIN: &[u8] = b"user-pin-2846";
/// The security officer's.
pub const SO_PIN: &[u8] = b"so-pin-93751";
/// The label of a [`Token`].
pub const LABEL: &str = "client";

/// Calls a function of a list: `call!(list, C_Login(session, user, pin, len))` is an [`Outcome`] of nothing.
macro_rules! call {
    ($list:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let function = $list.$function.expect(concat!(stringify!($function), " is NULL"));
        // SAFETY: the list is that of a loaded module, and every pointer among the arguments is NULL where the
        // specification allows it, or points into a value that outlives the call, with its true length.
        match unsafe { function($($argument),*) } {
            CKR_OK => Ok(()),
            code => Err(code),
        }
    }};
}
pub(crate) use call;

/// A loaded module. It stays loaded: a library that is unloaded is another test's subject.
pub struct Module {
    list: &'static CK_FUNCTION_LIST,
    newest: Option<&'static CK_FUNCTION_LIST_3_2>,
    _library: ManuallyDrop<libloading::Library>,
}

impl Module {
    /// Loads the library, and takes its 2.40 list and, if it has one, that of 3.2.
    pub fn load(path: &Path) -> Self {
        // SAFETY: a PKCS#11 module's initialisers have no preconditions.
        let library = unsafe { libloading::Library::new(path) }.unwrap_or_else(|error| panic!("{path:?}: {error}"));
        // SAFETY: the name and the type are the specification's (PKCS#11 v3.2 §5.4.4).
        let get_list = unsafe { library.get::<CK_C_GetFunctionList>(b"C_GetFunctionList") }.unwrap().unwrap();
        let mut list = null_mut();
        // SAFETY: the pointer is that of a live variable; the list that it gets lives as long as the library, which
        // is never unloaded.
        let list = unsafe {
            assert_eq!(get_list(&mut list), CKR_OK);
            &*list
        };
        let newest = newest_list(&library);
        Self { list, newest, _library: ManuallyDrop::new(library) }
    }

    /// The functions of PKCS#11 2.40.
    pub fn list(&self) -> &'static CK_FUNCTION_LIST {
        self.list
    }

    /// The functions of PKCS#11 3.2; the test fails where the module has none.
    pub fn newest(&self) -> &'static CK_FUNCTION_LIST_3_2 {
        self.newest.expect("the module has an interface of version 3.2")
    }

    /// Whether it has those.
    pub fn has_newest(&self) -> bool {
        self.newest.is_some()
    }

    /// `C_Initialize`, with locking by the operating system.
    pub fn initialize(&self) -> Outcome<()> {
        let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..Default::default() };
        call!(self.list, C_Initialize((&raw mut arguments).cast()))
    }

    pub fn finalize(&self) -> Outcome<()> {
        call!(self.list, C_Finalize(null_mut()))
    }

    /// The slots with a token.
    pub fn slots(&self) -> Outcome<Vec<CK_SLOT_ID>> {
        numbers(|list, len| call!(self.list, C_GetSlotList(CK_TRUE, list, len)))
    }

    pub fn token_info(&self, slot: CK_SLOT_ID) -> Outcome<CK_TOKEN_INFO> {
        let mut info = CK_TOKEN_INFO::default();
        call!(self.list, C_GetTokenInfo(slot, &mut info)).map(|()| info)
    }

    pub fn mechanisms(&self, slot: CK_SLOT_ID) -> Outcome<Vec<CK_MECHANISM_TYPE>> {
        numbers(|list, len| call!(self.list, C_GetMechanismList(slot, list, len)))
    }

    pub fn mechanism_info(&self, slot: CK_SLOT_ID, number: CK_MECHANISM_TYPE) -> Outcome<CK_MECHANISM_INFO> {
        let mut info = CK_MECHANISM_INFO::default();
        call!(self.list, C_GetMechanismInfo(slot, number, &mut info)).map(|()| info)
    }

    pub fn init_token(&self, slot: CK_SLOT_ID, so_pin: &[u8], label: &str) -> Outcome<()> {
        let mut padded = [b' '; 32];
        padded[..label.len()].copy_from_slice(label.as_bytes());
        call!(self.list, C_InitToken(slot, pointer(so_pin), len(so_pin), padded.as_mut_ptr()))
    }

    pub fn open_session(&self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Outcome<Session<'_>> {
        let mut handle = 0;
        call!(self.list, C_OpenSession(slot, CKF_SERIAL_SESSION | flags, null_mut(), None, &mut handle))?;
        Ok(Session::new(self, handle))
    }

    pub fn close_all_sessions(&self, slot: CK_SLOT_ID) -> Outcome<()> {
        call!(self.list, C_CloseAllSessions(slot))
    }
}

/// A module over an initialised token with both PINs, in a directory that is gone with this value.
pub struct Token {
    pub module: Module,
    pub slot: CK_SLOT_ID,
    folder: TempDir,
}

impl Token {
    /// Loads the module, which sees no other token than this: our own by `STRONGROOM_VAULT`, SoftHSM's by
    /// `SOFTHSM2_CONF`. For a process that runs nothing else yet, since these variables are set here.
    pub fn new(module: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("strongroom-").tempdir().unwrap();
        let tokens = folder.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let configuration = folder.path().join("softhsm.conf");
        let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(&configuration, text).unwrap();
        // SAFETY: by this function's contract nobody reads the environment meanwhile.
        unsafe {
            std::env::set_var("STRONGROOM_VAULT", folder.path().join("vault"));
            std::env::remove_var("STRONGROOM_CONF");
            std::env::set_var("SOFTHSM2_CONF", &configuration);
        }
        let module = Module::load(module);
        module.initialize().unwrap();
        let slot = prepare(&module).unwrap();
        Self { module, slot, folder }
    }

    /// The directory that the token lies in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A read-write session with nobody logged in by it; who is logged in elsewhere is so here.
    pub fn session(&self) -> Session<'_> {
        self.module.open_session(self.slot, CKF_RW_SESSION).unwrap()
    }

    /// A read-write session of the user.
    pub fn user_session(&self) -> Session<'_> {
        let session = self.session();
        match session.login(CKU_USER, PIN) {
            Ok(()) | Err(CKR_USER_ALREADY_LOGGED_IN) => session,
            Err(code) => panic!("C_Login answers {code:#x}"),
        }
    }
}

/// Initialises the first token and sets the user's PIN; returns its slot, which is a new one with SoftHSM.
fn prepare(module: &Module) -> Outcome<CK_SLOT_ID> {
    module.init_token(module.slots()?[0], SO_PIN, LABEL)?;
    let slot = module
        .slots()?
        .into_iter()
        .find(|slot| module.token_info(*slot).is_ok_and(|info| info.label.starts_with(LABEL.as_bytes())))
        .ok_or(CKR_TOKEN_NOT_PRESENT)?;
    let session = module.open_session(slot, CKF_RW_SESSION)?;
    session.login(CKU_SO, SO_PIN)?;
    session.init_pin(PIN)?;
    session.logout()?;
    session.close()?;
    Ok(slot)
}

fn newest_list(library: &libloading::Library) -> Option<&'static CK_FUNCTION_LIST_3_2> {
    // SAFETY: the name and the type are the specification's (PKCS#11 v3.2 §5.4.6).
    let get_interface = unsafe { library.get::<CK_C_GetInterface>(b"C_GetInterface") }.ok()?.unwrap();
    let (mut version, mut interface) = (CK_VERSION { major: 3, minor: 2 }, null_mut());
    let name = c"PKCS 11".as_ptr().cast_mut().cast();
    // SAFETY: the pointers are those of live values; the list that it gets lives as long as the library, which is never
    // unloaded, and is of the version that was asked for.
    unsafe {
        (get_interface(name, &mut version, &mut interface, 0) == CKR_OK).then(|| &*(*interface).pFunctionList.cast())
    }
}

/// Where a call reads bytes: the specification's pointers to input aren't `const`.
fn pointer(bytes: &[u8]) -> *mut CK_BYTE {
    bytes.as_ptr().cast_mut()
}

fn len(bytes: &[u8]) -> CK_ULONG {
    bytes.len() as CK_ULONG
}

/// Asks for a list's length, then for the list.
fn numbers(mut get: impl FnMut(*mut CK_ULONG, *mut CK_ULONG) -> Outcome<()>) -> Outcome<Vec<CK_ULONG>> {
    let mut count = 0;
    get(null_mut(), &mut count)?;
    let mut list = vec![0; count as usize];
    get(list.as_mut_ptr(), &mut count)?;
    list.truncate(count as usize);
    Ok(list)
}

/// Asks for an output's length, then for the output (PKCS#11 v3.2 §5.2).
fn output(mut get: impl FnMut(*mut CK_BYTE, *mut CK_ULONG) -> Outcome<()>) -> Outcome<Vec<u8>> {
    let mut len = 0;
    get(null_mut(), &mut len)?;
    let mut bytes = vec![0; len as usize];
    // An empty vector's pointer isn't NULL: this is no second question.
    get(bytes.as_mut_ptr(), &mut len)?;
    assert!(len as usize <= bytes.len(), "an output became longer than it was said to be");
    bytes.truncate(len as usize);
    Ok(bytes)
}
