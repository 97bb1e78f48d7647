//! Sessions (PKCS#11 v3.2 §5.6): what one is, and how it is opened, closed and asked.
//!
//! What is done in a session has the specification's chapters for files: [`object`] objects, [`key`] generation, and in
//! [`operation`](super::operation) signing, verifying, digesting and searching.

pub mod key;
pub mod object;
pub mod table;

use std::sync::Arc;

use cryptoki_sys::*;

use super::error::Rv;
use super::module::Module;
use super::operation::{Kind, Operation, Step};
use super::slot::Slot;
use crate::vault::{ObjectNumber, Role};

/// A session, from `C_OpenSession` to `C_CloseSession`.
pub struct Session {
    pub(super) handle: CK_SESSION_HANDLE,
    pub(super) slot: Arc<Slot>,
    pub(super) read_write: bool,
    pub(super) operation: Operation,
    /// The memory of the last search's results, for the next one.
    pub(super) results: Vec<ObjectNumber>,
}

impl Session {
    /// What it is doing.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

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

    /// Fails if an operation is active (`CKR_OPERATION_ACTIVE`): a session does one thing at a time.
    pub(super) fn expect_idle(&self) -> Result<(), Rv> {
        match self.operation {
            Operation::Idle => Ok(()),
            _ => Err(Rv(CKR_OPERATION_ACTIVE)),
        }
    }

    /// Runs one step of an operation of this kind, and ends the operation as the specification says: it goes on only
    /// after a length query, a buffer that was too small, or a part.
    pub fn step(&mut self, kind: Kind, body: impl FnOnce(&mut Self) -> Result<Step, Rv>) -> Result<(), Rv> {
        let outcome = body(self);
        let goes_on = matches!(outcome, Ok(Step::Pending) | Err(Rv(CKR_BUFFER_TOO_SMALL)));
        if !goes_on && self.operation.kind() == Some(kind) {
            self.operation = Operation::Idle;
        }
        outcome.map(|_| ())
    }

    /// What an `Init` function with a NULL mechanism asks for (PKCS#11 v3.0 on): ends the active operation of this kind.
    /// With none there is nothing that the caller could have meant.
    pub fn cancel(&mut self, kind: Kind) -> Result<(), Rv> {
        if self.operation.kind() != Some(kind) {
            return Err(Rv(CKR_ARGUMENTS_BAD));
        }
        self.operation = Operation::Idle;
        Ok(())
    }

    /// `C_SessionCancel`: ends the active operation if `flags` name it.
    pub fn cancel_flagged(&mut self, flags: CK_FLAGS) {
        if self.operation.kind().is_some_and(|kind| flags & kind.flag() != 0) {
            self.operation = Operation::Idle;
        }
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

    /// `C_Logout`. Operations that are active then end: the keys that they hold are the logged-in user's.
    pub fn logout(&self, session: CK_SESSION_HANDLE) -> Result<(), Rv> {
        let slot = self.session(session)?.slot.clone();
        slot.logout()?;
        for handle in self.sessions.handles(|session| session.slot.id == slot.id) {
            if let Ok(mut session) = self.sessions.get(handle) {
                session.operation = Operation::Idle;
            }
        }
        Ok(())
    }

    /// The session with this handle.
    pub fn session(&self, handle: CK_SESSION_HANDLE) -> Result<table::SessionGuard<'_>, Rv> {
        self.sessions.get(handle)
    }
}
