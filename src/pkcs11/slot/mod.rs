//! A slot: one vault as PKCS#11 sees it, with the application's login state and session objects (PKCS#11 v3.2 §5.5).
//!
//! What signing and finding read here is atomics and immutable images. The one mutex, over the counts of sessions and the
//! login, is never held together with a session's lock, nor while a vault is asked for a login, which may be far away.

pub mod keys;
pub mod session_objects;
pub mod token;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cryptoki_sys::*;

pub use keys::ParsedPublicKey;
use session_objects::SessionObjects;

use super::error::Rv;
use super::mechanism::Allowed;
use super::template::Rules;
use crate::vault::{Object, Role, VaultAdmin, VaultInfo};

/// A slot with its token.
pub struct Slot {
    /// Stable across processes and restarts, below 2³¹.
    pub id: CK_SLOT_ID,
    /// The vault.
    pub vault: Arc<dyn VaultAdmin>,
    /// Objects that live no longer than their session.
    pub objects: SessionObjects,
    /// What it may be used with.
    pub mechanisms: Allowed,
    /// Public keys that were used before.
    pub public_keys: keys::PublicKeys,
    role: AtomicU8,
    initialized: AtomicBool,
    all_versions: AtomicBool,
    allow_conflicting_usage: AtomicBool,
    admission: Mutex<Admission>,
    /// A login came to its end.
    entered: Condvar,
}

/// How many sessions of which kind are open, and who is about to log in.
#[derive(Default)]
struct Admission {
    read_only: usize,
    read_write: usize,
    /// Logins that the vault is asked for at this moment.
    entering: usize,
    /// How often the last session was closed, which ends every login.
    endings: u64,
}

const NOBODY: u8 = 0;
const USER: u8 = 1;
const SECURITY_OFFICER: u8 = 2;

impl Slot {
    /// The slot of a vault that says this of itself.
    pub fn new(id: CK_SLOT_ID, vault: Arc<dyn VaultAdmin>, mechanisms: Allowed, info: &VaultInfo) -> Self {
        Self {
            id,
            vault,
            mechanisms,
            objects: SessionObjects::default(),
            public_keys: keys::PublicKeys::new(),
            role: AtomicU8::new(NOBODY),
            initialized: AtomicBool::new(info.initialized),
            all_versions: AtomicBool::new(info.show_all_versions),
            allow_conflicting_usage: AtomicBool::new(info.allow_conflicting_usage),
            admission: Mutex::default(),
            entered: Condvar::new(),
        }
    }

    /// The same slot in a forked child: nobody is logged in, and no session is open.
    pub fn in_forked_child(&self) -> Result<Self, Rv> {
        Ok(self.afresh(self.vault.in_forked_child()?))
    }

    /// The same slot after `C_Finalize`, over the same vault.
    pub fn again(&self) -> Self {
        self.afresh(self.vault.clone())
    }

    fn afresh(&self, vault: Arc<dyn VaultAdmin>) -> Self {
        let info = VaultInfo {
            initialized: self.is_initialized(),
            show_all_versions: self.all_versions(),
            allow_conflicting_usage: self.allow_conflicting_usage.load(Ordering::Relaxed),
            ..VaultInfo::default()
        };
        Self::new(self.id, vault, self.mechanisms.clone(), &info)
    }

    /// Whether it held an initialised token when it was last asked.
    pub fn is_initialized(&self) -> bool {
        self.initialized.load(Ordering::Relaxed)
    }

    /// Takes in that another process may have initialised it.
    pub fn note_initialized(&self, initialized: bool) {
        self.initialized.store(initialized, Ordering::Relaxed);
    }

    /// Takes in what the vault says of itself now; when the slot was made, it may not have been able to.
    pub fn note(&self, info: &VaultInfo) {
        self.note_initialized(info.initialized);
        self.all_versions.store(info.show_all_versions, Ordering::Relaxed);
        self.allow_conflicting_usage.store(info.allow_conflicting_usage, Ordering::Relaxed);
    }

    /// Whether all enabled versions are found by a template that names no id.
    pub fn all_versions(&self) -> bool {
        self.all_versions.load(Ordering::Relaxed)
    }

    /// Who is logged in, as far as this application did it: what every check asks.
    pub fn role(&self) -> Option<Role> {
        match self.role.load(Ordering::Acquire) {
            USER => Some(Role::User),
            SECURITY_OFFICER => Some(Role::SecurityOfficer),
            _ => None,
        }
    }

    /// Who is logged in, as the vault confirms it: a rekey by another process ends the login, while keys that are loaded
    /// go on working.
    pub fn confirmed_role(&self) -> Option<Role> {
        self.role().filter(|_| self.vault.is_unlocked())
    }

    /// What a template may ask for now.
    pub fn rules(&self) -> Rules {
        Rules { role: self.role(), allow_conflicting_usage: self.allow_conflicting_usage.load(Ordering::Relaxed) }
    }

    /// Whether an object may be seen by who is logged in. The security officer sees public objects only.
    pub fn check_visible(&self, object: &Object) -> Result<(), Rv> {
        match self.role() {
            _ if !object.content.private => Ok(()),
            Some(Role::User) => Ok(()),
            Some(Role::SecurityOfficer) => Err(Rv(CKR_OBJECT_HANDLE_INVALID)),
            None => Err(Rv(CKR_USER_NOT_LOGGED_IN)),
        }
    }

    /// The object with this handle, if it may be seen. A handle that this process hasn't met (from before a fork or a
    /// new `C_Initialize`) is looked for in the newest image.
    pub fn object(&self, handle: CK_OBJECT_HANDLE) -> Result<Arc<Object>, Rv> {
        let object = if session_objects::is_session_object(handle) {
            self.objects.load().image().get(handle).cloned()
        } else {
            match self.vault.image().get(handle) {
                Some(object) => Some(object.clone()),
                None => {
                    self.vault.refresh()?;
                    self.vault.image().get(handle).cloned()
                }
            }
        };
        let object = object.ok_or(Rv(CKR_OBJECT_HANDLE_INVALID))?;
        self.check_visible(&object)?;
        Ok(object)
    }

    /// Counts a session that is to be opened.
    pub fn admit(&self, read_write: bool) -> Result<(), Rv> {
        if read_write || !self.is_initialized() {
            let info = self.vault.info()?;
            self.note(&info);
            if !info.initialized {
                return Err(Rv(CKR_TOKEN_NOT_RECOGNIZED));
            }
            if read_write && info.read_only {
                return Err(Rv(CKR_TOKEN_WRITE_PROTECTED));
            }
        }
        let mut admission = self.admission();
        if !read_write && self.role() == Some(Role::SecurityOfficer) {
            return Err(Rv(CKR_SESSION_READ_WRITE_SO_EXISTS));
        }
        *admission.count(read_write) += 1;
        Ok(())
    }

    /// Counts a session that was closed. The last one takes the login with it (PKCS#11 v3.2 §5.6.2).
    pub fn leave(&self, read_write: bool) {
        let mut admission = self.admission();
        *admission.count(read_write) -= 1;
        if admission.total() == 0 {
            admission.endings += 1;
            if self.role().is_some() {
                self.end_login();
            }
        }
    }

    /// Ends the login: the vault forgets its root key and what is private.
    fn end_login(&self) {
        self.role.store(NOBODY, Ordering::Release);
        self.objects.drop_private();
        self.vault.lock();
    }

    /// `C_Finalize`.
    pub fn close(&self) {
        let mut admission = self.admission();
        admission.endings += 1;
        self.end_login();
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    fn count(&mut self, read_write: bool) -> &mut usize {
        if read_write { &mut self.read_write } else { &mut self.read_only }
    }

    fn total(&self) -> usize {
        self.read_only + self.read_write
    }
}
