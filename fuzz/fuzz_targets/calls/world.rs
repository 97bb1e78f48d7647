//! The state in which each sequence begins: the module initialised in this process over a vault of its own, the user logged
//! in, start keys made, two sessions open. What a sequence spoils of it is made anew, from a copy of the vault's directory
//! if need be.

use std::collections::VecDeque;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::{fs, process, ptr};

use cryptoki_sys::*;

use crate::attributes::{InC, Template};
use crate::keys::{self, Family, Make};

pub const PIN: &[u8] = b"user-pin-2846";
pub const SO_PIN: &[u8] = b"so-pin-93751";

/// See the [module](self).
pub struct World {
    pub f: &'static CK_FUNCTION_LIST_3_2,
    pub slot: CK_SLOT_ID,
    /// Read-write, read-only, and those that the sequence opened.
    pub sessions: Vec<CK_SESSION_HANDLE>,
    /// One that was closed before the sequence began.
    pub closed_session: CK_SESSION_HANDLE,
    /// Start keys, and those that the sequence made or found.
    pub objects: Vec<CK_OBJECT_HANDLE>,
    /// What the last calls gave.
    pub results: VecDeque<Vec<u8>>,
    /// Public keys to agree with.
    pub points: Vec<Vec<u8>>,
    /// Parts of an RSA private key, from its modulus on.
    pub rsa: Template,
    /// What the start keys are, and whether they are private or secret.
    start: Vec<(Family, bool, CK_OBJECT_HANDLE)>,
    /// The session that the start keys belong to.
    keeper: CK_SESSION_HANDLE,
    vault: PathBuf,
    /// Something of the start state is no longer as it was.
    spoilt: bool,
    /// The vault's files too.
    vault_spoilt: bool,
}

/// Calls a function of the module that must succeed.
macro_rules! must {
    ($f:expr, $name:ident ( $($argument:expr),* )) => {{
        // SAFETY: pointers lead to live values of the length that is said.
        let rv = unsafe { ($f.$name.expect("every function is there"))($($argument),*) };
        assert!(rv == CKR_OK, "{}: {rv:#x}", stringify!($name));
    }};
}

unsafe extern "C" {
    fn C_GetInterface(
        name: *mut u8,
        version: *mut CK_VERSION,
        interface: *mut *mut CK_INTERFACE,
        flags: CK_FLAGS,
    ) -> CK_RV;
}

impl World {
    /// Makes the vault and everything in it, once in a process.
    pub fn build() -> Self {
        let vault = std::env::temp_dir().join(format!("strongroom-fuzz-{}", process::id()));
        let _ = fs::remove_dir_all(&vault);
        // SAFETY: nothing else runs yet.
        unsafe {
            std::env::set_var("STRONGROOM_VAULT", &vault);
            std::env::set_var("STRONGROOM_LOG", "off");
            std::env::remove_var("STRONGROOM_CONF");
        }
        let mut world = Self {
            f: functions(),
            slot: 0,
            sessions: Vec::new(),
            closed_session: 0,
            objects: Vec::new(),
            results: VecDeque::new(),
            points: Vec::new(),
            rsa: Template::new(),
            start: Vec::new(),
            keeper: 0,
            vault,
            spoilt: true,
            vault_spoilt: false,
        };
        world.make_vault();
        world
    }

    fn make_vault(&mut self) {
        self.initialize();
        must!(
            self.f,
            C_InitToken(self.slot, SO_PIN.as_ptr().cast_mut(), SO_PIN.len() as CK_ULONG, [b' '; 32].as_mut_ptr())
        );
        self.keeper = self.open(CKF_RW_SESSION);
        self.log_in(CKU_SO, SO_PIN);
        must!(self.f, C_InitPIN(self.keeper, PIN.as_ptr().cast_mut(), PIN.len() as CK_ULONG));
        must!(self.f, C_Logout(self.keeper));
        self.log_in(CKU_USER, PIN);
        for make in keys::token_keys() {
            self.make(&make).expect("token keys are made");
        }
        let [private, _] = self.make(&keys::rsa_source()).expect("an RSA pair is made")[..] else {
            panic!("a pair has two halves")
        };
        self.rsa =
            keys::RSA_PARTS.iter().map(|part| (*part, self.read(private, *part).expect("it is shown"))).collect();
        must!(self.f, C_Finalize(ptr::null_mut()));
        copy(&self.vault, &self.copy_of_vault());
    }

    fn copy_of_vault(&self) -> PathBuf {
        self.vault.with_extension("copy")
    }

    /// Makes the start state, as far as it isn't there.
    pub fn begin(&mut self) {
        if self.spoilt {
            // SAFETY: no pointer.
            unsafe { (self.f.C_Finalize.expect("it is there"))(ptr::null_mut()) };
            if self.vault_spoilt {
                copy(&self.copy_of_vault(), &self.vault);
            }
            self.initialize();
            self.keeper = self.open(CKF_RW_SESSION);
            self.log_in(CKU_USER, PIN);
            self.make_start_keys();
            (self.spoilt, self.vault_spoilt) = (false, false);
        }
        self.closed_session = self.open(0);
        must!(self.f, C_CloseSession(self.closed_session));
        self.sessions = vec![self.open(CKF_RW_SESSION), self.open(0)];
        self.objects = self.start.iter().map(|(_, _, handle)| *handle).collect();
        self.objects.extend(self.token_objects());
        self.results.clear();
    }

    /// Finds out what of the start state is left.
    pub fn end(&mut self) {
        for session in std::mem::take(&mut self.sessions) {
            // SAFETY: no pointer.
            unsafe { (self.f.C_CloseSession.expect("it is there"))(session) };
        }
        let mut info = CK_SESSION_INFO::default();
        // SAFETY: a live structure.
        let rv = unsafe { (self.f.C_GetSessionInfo.expect("it is there"))(self.keeper, &mut info) };
        self.spoilt |= rv != CKR_OK || info.state != CKS_RW_USER_FUNCTIONS || self.vault_spoilt;
    }

    /// A call may have changed the start keys, or the files, so that the next sequence begins anew.
    pub fn note_spoilt(&mut self, files_too: bool) {
        self.spoilt = true;
        self.vault_spoilt |= files_too;
    }

    pub fn note_result(&mut self, result: Vec<u8>) {
        if self.results.len() == 8 {
            self.results.pop_front();
        }
        self.results.push_back(result);
    }

    pub fn note_object(&mut self, handle: CK_OBJECT_HANDLE) {
        // Handles of session objects have their highest bit set: what has none lies on the token.
        self.vault_spoilt |= handle >> 63 == 0 && !self.objects.contains(&handle);
        self.objects.push(handle);
    }

    /// Start keys of this family, private or public ones; secret keys are both.
    pub fn fitting(&self, family: Family, private: bool) -> Vec<CK_OBJECT_HANDLE> {
        let fits = |key: &&(Family, bool, CK_OBJECT_HANDLE)| {
            key.0 == family
                && (key.1 == private
                    || !matches!(family, Family::Rsa | Family::Ec | Family::Edwards | Family::Montgomery))
        };
        self.start.iter().filter(fits).map(|(_, _, handle)| *handle).collect()
    }

    fn make_start_keys(&mut self) {
        self.start.clear();
        self.points.clear();
        for (family, make) in keys::start_keys(&self.rsa) {
            // What this module can't make (yet) is left out.
            let Ok(handles) = self.make(&make) else { continue };
            for (half, handle) in handles.iter().enumerate() {
                let public = half == 1 || matches!(&make, Make::Create(template) if is_public(template));
                self.start.push((family, !public, *handle));
                if half == 1 {
                    self.points.extend(self.read(*handle, CKA_EC_POINT).map(|point| bare(&point)));
                    self.points.extend(self.read(*handle, CKA_EC_POINT));
                }
            }
        }
    }

    fn token_objects(&self) -> Vec<CK_OBJECT_HANDLE> {
        let mut on_token = CK_TRUE;
        let mut template = CK_ATTRIBUTE { type_: CKA_TOKEN, pValue: (&raw mut on_token).cast(), ulValueLen: 1 };
        let (mut found, mut count) = ([0; 16], 0);
        must!(self.f, C_FindObjectsInit(self.keeper, &mut template, 1));
        must!(self.f, C_FindObjects(self.keeper, found.as_mut_ptr(), 16, &mut count));
        must!(self.f, C_FindObjectsFinal(self.keeper));
        found[..count as usize].to_vec()
    }

    /// Makes a key in the keeper's session; of a pair, the private half is the first.
    fn make(&self, make: &Make) -> Result<Vec<CK_OBJECT_HANDLE>, CK_RV> {
        let mut values = Vec::new();
        let (mut one, mut other) = (0, 0);
        let f = self.f;
        let mechanism = |mechanism| CK_MECHANISM { mechanism, pParameter: ptr::null_mut(), ulParameterLen: 0 };
        // SAFETY: live templates, mechanisms and places.
        let rv = unsafe {
            match make {
                Make::Create(template) => {
                    let mut t = InC::new(template, &mut values);
                    (f.C_CreateObject.expect("it is there"))(self.keeper, t.pointer(), t.count(), &mut one)
                }
                Make::Secret(number, template) => {
                    let (mut t, mut m) = (InC::new(template, &mut values), mechanism(*number));
                    (f.C_GenerateKey.expect("it is there"))(self.keeper, &mut m, t.pointer(), t.count(), &mut one)
                }
                Make::Pair(number, public, private) => {
                    let (mut p, mut t) = (InC::new(public, &mut values), InC::new(private, &mut values));
                    let mut m = mechanism(*number);
                    (f.C_GenerateKeyPair.expect("it is there"))(
                        self.keeper,
                        &mut m,
                        p.pointer(),
                        p.count(),
                        t.pointer(),
                        t.count(),
                        &mut other,
                        &mut one,
                    )
                }
            }
        };
        if rv != CKR_OK {
            return Err(rv);
        }
        Ok(if other == 0 { vec![one] } else { vec![one, other] })
    }

    fn read(&self, object: CK_OBJECT_HANDLE, attribute: CK_ATTRIBUTE_TYPE) -> Option<Vec<u8>> {
        let mut value = vec![0u8; 1024];
        let mut question = CK_ATTRIBUTE { type_: attribute, pValue: value.as_mut_ptr().cast(), ulValueLen: 1024 };
        // SAFETY: a live buffer of this length.
        let rv = unsafe { (self.f.C_GetAttributeValue.expect("it is there"))(self.keeper, object, &mut question, 1) };
        value.truncate(question.ulValueLen as usize);
        (rv == CKR_OK).then_some(value)
    }

    fn initialize(&mut self) {
        must!(self.f, C_Initialize(ptr::null_mut()));
        panics_abort();
        let mut count = 1;
        must!(self.f, C_GetSlotList(CK_TRUE, &mut self.slot, &mut count));
    }

    fn open(&self, flags: CK_FLAGS) -> CK_SESSION_HANDLE {
        let mut session = 0;
        must!(self.f, C_OpenSession(self.slot, CKF_SERIAL_SESSION | flags, ptr::null_mut(), None, &mut session));
        session
    }

    fn log_in(&self, user: CK_USER_TYPE, pin: &[u8]) {
        must!(self.f, C_Login(self.keeper, user, pin.as_ptr().cast_mut(), pin.len() as CK_ULONG));
    }
}

/// `C_Initialize` sends what panics say to the module's log; here a panic is what is looked for.
pub fn panics_abort() {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        process::abort();
    }));
}

fn functions() -> &'static CK_FUNCTION_LIST_3_2 {
    let mut interface = ptr::null_mut();
    // SAFETY: a live place; the newest list is given, and it is never freed.
    unsafe {
        assert_eq!(C_GetInterface(ptr::null_mut(), ptr::null_mut(), &mut interface, 0), CKR_OK);
        &*(*interface).pFunctionList.cast::<CK_FUNCTION_LIST_3_2>()
    }
}

fn is_public(template: &Template) -> bool {
    template.contains(&crate::attributes::number(CKA_CLASS, CKO_PUBLIC_KEY))
}

/// A point without its `OCTET STRING`.
fn bare(point: &[u8]) -> Vec<u8> {
    match point {
        [4, len, bare @ ..] if bare.len() == usize::from(*len) => bare.to_vec(),
        [4, 0x81, len, bare @ ..] if bare.len() == usize::from(*len) => bare.to_vec(),
        _ => point.to_vec(),
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::DirBuilder::new().mode(0o700).create(to).expect("the directory can be made");
    for entry in fs::read_dir(from).expect("the vault is there") {
        let entry = entry.expect("it can be read");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("it can be copied");
    }
}
