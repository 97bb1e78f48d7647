//! Sessions (PKCS#11 v3.2 §5.6): what one is, and how it is opened, closed and asked.
//!
//! What is done in a session has the specification's chapters for files: [`object`] objects, [`key`] generation, [`wrap`]
//! and [`mod@derive`], and in [`operation`](super::operation) signing, verifying, digesting and searching.

pub mod derive;
#[cfg(all(test, strongroom_loom))]
mod interleavings;
pub mod key;
pub mod object;
pub mod table;
pub mod wrap;

use std::sync::Arc;

use cryptoki_sys::*;

use super::error::Rv;
use super::module::Module;
use super::operation::cipher::Ciphering;
use super::operation::{Kind, Operation, Step};
use super::slot::Slot;
use crate::vault::{ObjectNumber, Pin, Role};

/// A session, from `C_OpenSession` to `C_CloseSession`.
pub struct Session {
    pub(super) handle: CK_SESSION_HANDLE,
    pub(super) slot: Arc<Slot>,
    pub(super) read_write: bool,
    pub(super) operation: Operation,
    pub(super) ciphering: Option<Ciphering>,
    /// The memory of the last search's results, for the next one.
    pub(super) results: Vec<ObjectNumber>,
}

impl Session {
    /// Its slot, and whether it is read-write: for what is done to the token, without the session's lock held.
    pub fn place(&self) -> (Arc<Slot>, bool) {
        (self.slot.clone(), self.read_write)
    }

    /// What `C_GetSessionInfo` answers.
    pub fn info(&self) -> CK_SESSION_INFO {
        let state = match (self.slot.confirmed_role(), self.read_write) {
            (Some(Role::SecurityOfficer), _) => CKS_RW_SO_FUNCTIONS,
            (Some(Role::User), true) => CKS_RW_USER_FUNCTIONS,
            (Some(Role::User), false) => CKS_RO_USER_FUNCTIONS,
            (None, true) => CKS_RW_PUBLIC_SESSION,
            (None, false) => CKS_RO_PUBLIC_SESSION,
        };
        let read_write = if self.read_write { CKF_RW_SESSION } else { 0 };
        CK_SESSION_INFO { slotID: self.slot.id, state, flags: CKF_SERIAL_SESSION | read_write, ulDeviceError: 0 }
    }

    /// Fails if an operation is active that one of this kind can't go on beside (`CKR_OPERATION_ACTIVE`).
    pub(super) fn expect_free(&self, kind: Kind) -> Result<(), Rv> {
        let free = self.active().all(|active| active.goes_with(kind));
        if free { Ok(()) } else { Err(Rv(CKR_OPERATION_ACTIVE)) }
    }

    /// What it is doing.
    pub(super) fn active(&self) -> impl Iterator<Item = Kind> {
        self.operation.kind().into_iter().chain(self.ciphering.as_ref().map(Ciphering::kind))
    }

    /// Runs one step of an operation of this kind, and ends the operation as the specification says: it goes on only
    /// after a length query, a buffer that was too small, or a part.
    pub fn step(&mut self, kind: Kind, body: impl FnOnce(&mut Self) -> Result<Step, Rv>) -> Result<(), Rv> {
        let outcome = body(self);
        if !matches!(outcome, Ok(Step::Pending) | Err(Rv(CKR_BUFFER_TOO_SMALL))) {
            self.end(kind);
        }
        outcome.map(|_| ())
    }

    /// Runs one step of two operations at once; both end together.
    pub fn dual_step(&mut self, kinds: [Kind; 2], body: impl FnOnce(&mut Self) -> Result<Step, Rv>) -> Result<(), Rv> {
        let [one, other] = kinds;
        let outcome = self.step(one, body);
        if outcome.is_err() && !self.active().any(|kind| kind == one) {
            self.end(other);
        }
        outcome
    }

    /// What an `Init` function with a NULL mechanism asks for (PKCS#11 v3.0 on): ends the active operation of this kind.
    /// With none there is nothing that the caller could have meant.
    pub fn cancel(&mut self, kind: Kind) -> Result<(), Rv> {
        if self.end(kind) { Ok(()) } else { Err(Rv(CKR_ARGUMENTS_BAD)) }
    }

    /// `C_SessionCancel`: ends the active operations that `flags` name.
    pub fn cancel_flagged(&mut self, flags: CK_FLAGS) {
        if self.operation.kind().is_some_and(|kind| flags & kind.flag() != 0) {
            self.operation = Operation::Idle;
        }
        self.ciphering.take_if(|ciphering| flags & ciphering.kind().flag() != 0);
    }

    /// Ends the operation of this kind, if it is active.
    fn end(&mut self, kind: Kind) -> bool {
        if kind.is_ciphering() {
            return self.ciphering.take_if(|ciphering| ciphering.kind() == kind).is_some();
        }
        let ended = self.operation.kind() == Some(kind);
        if ended {
            self.operation = Operation::Idle;
        }
        ended
    }

    /// Ends everything.
    pub(super) fn end_all(&mut self) {
        self.operation = Operation::Idle;
        self.ciphering = None;
    }

    /// `C_Login` as `CKU_CONTEXT_SPECIFIC` (PKCS#11 v3.2 §5.6.8): the PIN once more, for one use of a key that asks for it.
    pub fn log_in_for_operation(&mut self, pin: Option<Pin>) -> Result<(), Rv> {
        let waits = [self.operation.awaits_pin(), self.ciphering.as_mut().and_then(Ciphering::awaits_pin)];
        if waits.iter().all(|waiting| waiting.is_none()) {
            return Err(Rv(CKR_OPERATION_NOT_INITIALIZED));
        }
        self.slot.check_pin(pin)?;
        waits.into_iter().flatten().for_each(|waiting| *waiting = false);
        Ok(())
    }
}

impl Module {
    /// `C_OpenSession`.
    pub fn open_session(&self, slot: CK_SLOT_ID, flags: CK_FLAGS) -> Result<CK_SESSION_HANDLE, Rv> {
        let slot = self.slot(slot)?;
        if flags & CKF_SERIAL_SESSION == 0 {
            return Err(Rv(CKR_SESSION_PARALLEL_NOT_SUPPORTED));
        }
        if flags & CKF_ASYNC_SESSION != 0 {
            return Err(Rv(CKR_SESSION_ASYNC_NOT_SUPPORTED));
        }
        let read_write = flags & CKF_RW_SESSION != 0;
        slot.admit(read_write)?;
        let opened = self.sessions.insert(|handle| Session {
            handle,
            slot: slot.clone(),
            read_write,
            operation: Operation::Idle,
            ciphering: None,
            results: Vec::new(),
        });
        if opened.is_err() {
            slot.leave(read_write);
        }
        opened
    }

    /// `C_CloseSession`.
    pub fn close_session(&self, handle: CK_SESSION_HANDLE) -> Result<(), Rv> {
        let session = self.sessions.remove(handle)?;
        session.slot.objects.drop_session(handle);
        session.slot.leave(session.read_write);
        Ok(())
    }

    /// `C_CloseAllSessions`.
    pub fn close_all_sessions(&self, slot: CK_SLOT_ID) -> Result<(), Rv> {
        let slot = self.slot(slot)?;
        for handle in self.sessions.handles(|session| session.slot.id == slot.id) {
            // One that another thread closes meanwhile is closed too.
            let _ = self.close_session(handle);
        }
        Ok(())
    }

    /// `C_Login`.
    pub fn login(&self, session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: Option<Pin>) -> Result<(), Rv> {
        let mut session = self.session(session)?;
        if user == CKU_CONTEXT_SPECIFIC {
            return session.log_in_for_operation(pin);
        }
        // Without the session's lock: a login takes its time, and another call on the session needn't wait.
        let (slot, _) = session.place();
        drop(session);
        slot.login(user, pin)
    }

    /// `C_Logout`. Operations that are active then end: the keys that they hold are the logged-in user's.
    pub fn logout(&self, session: CK_SESSION_HANDLE) -> Result<(), Rv> {
        let slot = self.session(session)?.slot.clone();
        slot.logout()?;
        for handle in self.sessions.handles(|session| session.slot.id == slot.id) {
            if let Ok(mut session) = self.sessions.get(handle) {
                session.end_all();
            }
        }
        Ok(())
    }

    /// The session with this handle.
    pub fn session(&self, handle: CK_SESSION_HANDLE) -> Result<table::SessionGuard<'_>, Rv> {
        self.sessions.get(handle)
    }
}
