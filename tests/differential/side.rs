//! One of the two modules: its sessions, and its handles for the objects that both have.
#![allow(unsafe_code)]

use std::ptr::null_mut;

use cryptoki_sys::*;

use crate::calls::{Bytes, Call, Operation, Room, What};
use crate::client::{Attribute, Mechanism, Module, Session, Token};

/// A module with an equal start state.
pub struct Side {
    pub token: Token,
    /// Holds the start keys.
    keeper: CK_SESSION_HANDLE,
    sessions: Vec<CK_SESSION_HANDLE>,
    /// By logical number. 0 where this module doesn't have it any more.
    objects: Vec<CK_OBJECT_HANDLE>,
    /// The last result of each operation, for the one that undoes it.
    results: [Vec<u8>; Operation::COUNT],
}

/// What a call answered, and the objects that it made.
pub struct Answer {
    pub code: CK_RV,
    pub made: Vec<CK_OBJECT_HANDLE>,
}

/// No session or object has this handle.
const NO_HANDLE: CK_ULONG = 0x7777_7777;

/// Flags of the sessions that calls use: two read-write ones, one read-only.
const SESSIONS: [CK_FLAGS; 3] = [CKF_RW_SESSION, CKF_RW_SESSION, 0];

impl Side {
    pub fn new(path: &std::path::Path) -> Self {
        let token = Token::new(path);
        let keeper = token.user_session().handle;
        let sessions = SESSIONS.map(|flags| token.module.open_session(token.slot, flags).unwrap().handle).into();
        Self { token, keeper, sessions, objects: Vec::new(), results: [const { Vec::new() }; _] }
    }

    pub fn keeper(&self) -> Session<'_> {
        Session::new(&self.token.module, self.keeper)
    }

    fn list(&self) -> &'static CK_FUNCTION_LIST {
        self.module().list()
    }

    fn module(&self) -> &Module {
        &self.token.module
    }

    /// Takes an object in under the next logical number.
    pub fn push(&mut self, object: CK_OBJECT_HANDLE) {
        self.objects.push(object);
    }

    /// Forgets objects from this logical number on, and ends them.
    pub fn truncate(&mut self, count: usize) {
        for object in self.objects.split_off(count) {
            let _ = self.keeper().destroy(object);
        }
    }

    /// What the operations gave isn't the same in both modules any more.
    pub fn forget_results(&mut self) {
        self.results = [const { Vec::new() }; _];
    }

    /// What is random in a result (a padding, a signature's nonce) is the same in both modules' inputs.
    pub fn share_results(&mut self, other: &Self) {
        self.results.clone_from(&other.results);
    }

    pub fn destroy(&self, object: CK_OBJECT_HANDLE) {
        let _ = self.keeper().destroy(object);
    }

    /// Closes a session and opens another one in its place: nothing is under way in it.
    pub fn renew(&mut self, index: usize) {
        let _ = Session::new(self.module(), self.sessions[index]).close();
        let opened = self.module().open_session(self.token.slot, SESSIONS[index]);
        self.sessions[index] = opened.unwrap().handle;
    }

    fn session(&self, index: usize) -> CK_SESSION_HANDLE {
        self.sessions.get(index).copied().unwrap_or(NO_HANDLE)
    }

    fn object(&self, index: usize) -> CK_OBJECT_HANDLE {
        self.objects.get(index).copied().unwrap_or(NO_HANDLE)
    }

    /// Makes the call.
    pub fn answer(&mut self, call: &Call) -> Answer {
        let (mut made, session) = (Vec::new(), self.session(call.session));
        let code = match &call.what {
            What::Object(call) => self.object_call(session, call, &mut made),
            What::Key(call) => self.key_call(session, call, &mut made),
            What::Init(operation, mechanism, key) => self.init(session, *operation, mechanism.as_ref(), *key),
            What::Once(operation, input, room) => self.run(session, *operation, Stage::Once, input, *room),
            What::Update(operation, input, room) => self.run(session, *operation, Stage::Update, input, *room),
            What::Final(operation, input, room) => self.run(session, *operation, Stage::Final, input, *room),
            What::Other(call) => self.other_call(session, call),
        };
        Answer { code, made }
    }

    fn init(
        &self,
        session: CK_SESSION_HANDLE,
        operation: Operation,
        mechanism: Option<&Mechanism>,
        key: usize,
    ) -> CK_RV {
        let (list, key) = (self.list(), self.object(key));
        let call = |m: *mut CK_MECHANISM| {
            // SAFETY: a live mechanism, or NULL.
            unsafe {
                match operation {
                    Operation::Encrypt => list.C_EncryptInit.unwrap()(session, m, key),
                    Operation::Decrypt => list.C_DecryptInit.unwrap()(session, m, key),
                    Operation::Sign => list.C_SignInit.unwrap()(session, m, key),
                    Operation::Verify => list.C_VerifyInit.unwrap()(session, m, key),
                    Operation::Digest => list.C_DigestInit.unwrap()(session, m),
                }
            }
        };
        mechanism.map_or_else(|| call(null_mut()), |mechanism| mechanism.in_c(call))
    }

    fn run(
        &mut self,
        session: CK_SESSION_HANDLE,
        operation: Operation,
        stage: Stage,
        input: &Bytes,
        room: Room,
    ) -> CK_RV {
        let mut input = self.bytes(input, operation);
        let signature = self.results[Operation::Sign as usize].clone();
        let (list, mut out) = (self.list(), vec![0u8; room.len()]);
        let (data, len) = (input.as_mut_ptr(), input.len() as CK_ULONG);
        let (checked, checked_len) = (signature.as_ptr().cast_mut(), signature.len() as CK_ULONG);
        let mut out_len = out.len() as CK_ULONG;
        let to = if room == Room::Question { null_mut() } else { out.as_mut_ptr() };
        let said = if room == Room::Nowhere { null_mut() } else { &raw mut out_len };
        use Operation::{Decrypt, Digest, Encrypt, Sign, Verify};
        // SAFETY: live buffers with their lengths.
        let code = unsafe {
            match (operation, stage) {
                (Encrypt, Stage::Once) => list.C_Encrypt.unwrap()(session, data, len, to, said),
                (Encrypt, Stage::Update) => list.C_EncryptUpdate.unwrap()(session, data, len, to, said),
                (Encrypt, Stage::Final) => list.C_EncryptFinal.unwrap()(session, to, said),
                (Decrypt, Stage::Once) => list.C_Decrypt.unwrap()(session, data, len, to, said),
                (Decrypt, Stage::Update) => list.C_DecryptUpdate.unwrap()(session, data, len, to, said),
                (Decrypt, Stage::Final) => list.C_DecryptFinal.unwrap()(session, to, said),
                (Sign, Stage::Once) => list.C_Sign.unwrap()(session, data, len, to, said),
                (Sign, Stage::Update) => list.C_SignUpdate.unwrap()(session, data, len),
                (Sign, Stage::Final) => list.C_SignFinal.unwrap()(session, to, said),
                (Verify, Stage::Once) => list.C_Verify.unwrap()(session, data, len, checked, checked_len),
                (Verify, Stage::Update) => list.C_VerifyUpdate.unwrap()(session, data, len),
                (Verify, Stage::Final) => list.C_VerifyFinal.unwrap()(session, checked, checked_len),
                (Digest, Stage::Once) => list.C_Digest.unwrap()(session, data, len, to, said),
                (Digest, Stage::Update) => list.C_DigestUpdate.unwrap()(session, data, len),
                (Digest, Stage::Final) => list.C_DigestFinal.unwrap()(session, to, said),
            }
        };
        if code == CKR_OK && room == Room::Enough && operation != Verify {
            out.truncate(out_len as usize);
            if stage == Stage::Once || operation == Sign && stage == Stage::Final {
                self.results[operation as usize] = out;
            }
        }
        code
    }

    fn bytes(&self, bytes: &Bytes, operation: Operation) -> Vec<u8> {
        match bytes {
            Bytes::Filled(len) => vec![0x5A; *len],
            Bytes::Result if operation == Operation::Decrypt => self.results[Operation::Encrypt as usize].clone(),
            Bytes::Result => vec![0x5A; 32],
        }
    }

    fn object_call(
        &mut self,
        session: CK_SESSION_HANDLE,
        call: &ObjectCall,
        made: &mut Vec<CK_OBJECT_HANDLE>,
    ) -> CK_RV {
        let side = Session::new(self.module(), session);
        let mut keep = |made_one: Result<CK_OBJECT_HANDLE, CK_RV>| code(made_one.map(|object| made.push(object)));
        match call {
            ObjectCall::Create(template) => keep(side.create(template)),
            ObjectCall::Copy(object, template) => keep(side.copy(self.object(*object), template)),
            ObjectCall::Destroy(object) => code(side.destroy(self.object(*object))),
            ObjectCall::Size(object) => code(side.size(self.object(*object))),
            ObjectCall::Get(object, attribute) => code(side.get(self.object(*object), *attribute)),
            ObjectCall::Set(object, template) => code(side.set(self.object(*object), template)),
            ObjectCall::FindInit(template) => {
                let mut template = in_c(template);
                // SAFETY: a live template.
                unsafe {
                    self.list().C_FindObjectsInit.unwrap()(session, template.as_mut_ptr(), template.len() as CK_ULONG)
                }
            }
            ObjectCall::Find(room) => {
                let (mut found, mut count) = (vec![0; *room], 0);
                // SAFETY: a live array.
                unsafe {
                    self.list().C_FindObjects.unwrap()(session, found.as_mut_ptr(), *room as CK_ULONG, &mut count)
                }
            }
            // SAFETY: no pointers.
            ObjectCall::FindFinal => unsafe { self.list().C_FindObjectsFinal.unwrap()(session) },
        }
    }

    fn key_call(&mut self, session: CK_SESSION_HANDLE, call: &KeyCall, made: &mut Vec<CK_OBJECT_HANDLE>) -> CK_RV {
        let side = Session::new(&self.token.module, session);
        let mut keep = |made_one: Result<CK_OBJECT_HANDLE, CK_RV>| code(made_one.map(|object| made.push(object)));
        match call {
            KeyCall::Generate(mechanism, template) => keep(side.generate(*mechanism, template)),
            KeyCall::Pair(mechanism, public, private) => match side.generate_pair(*mechanism, public, private) {
                Ok((public, private)) => {
                    made.extend([public, private]);
                    CKR_OK
                }
                Err(code) => code,
            },
            KeyCall::Wrap(mechanism, wrapping, key) => {
                let wrapped = side.wrap(*mechanism, self.object(*wrapping), self.object(*key));
                let answer = code(wrapped.as_ref().map_err(|code| *code));
                if let Ok(wrapped) = wrapped {
                    self.results[Operation::Encrypt as usize] = wrapped;
                }
                answer
            }
            KeyCall::Unwrap(mechanism, unwrapping, input, template) => {
                let wrapped = self.bytes(input, Operation::Decrypt);
                keep(side.unwrap(*mechanism, self.object(*unwrapping), &wrapped, template))
            }
            KeyCall::Derive(mechanism, base, template) => keep(side.derive(*mechanism, self.object(*base), template)),
            KeyCall::Digest(key) => code(side.digest_key(self.object(*key))),
        }
    }

    fn other_call(&mut self, session: CK_SESSION_HANDLE, call: &OtherCall) -> CK_RV {
        let side = Session::new(self.module(), session);
        match call {
            OtherCall::Info => code(side.info()),
            OtherCall::Open(flags) => {
                let mut opened = 0;
                // SAFETY: a live place.
                let code = unsafe {
                    self.list().C_OpenSession.unwrap()(self.token.slot, *flags, null_mut(), None, &mut opened)
                };
                if code == CKR_OK {
                    let _ = Session::new(self.module(), opened).close();
                }
                code
            }
            OtherCall::Close => {
                // Only of a session that isn't there: the others are needed.
                code(Session::new(self.module(), NO_HANDLE).close())
            }
            OtherCall::Login(user, pin) => code(side.login(*user, pin)),
            OtherCall::Random(len) => code(side.random(*len)),
            OtherCall::MechanismInfo(mechanism) => code(self.module().mechanism_info(self.token.slot, *mechanism)),
            OtherCall::TokenInfo(slot) => code(self.module().token_info(slot.unwrap_or(self.token.slot))),
            OtherCall::Status => {
                // SAFETY: no pointers.
                unsafe { self.list().C_GetFunctionStatus.unwrap()(session) }
            }
            OtherCall::Cancel => {
                // SAFETY: no pointers.
                unsafe { self.list().C_CancelFunction.unwrap()(session) }
            }
        }
    }
}

pub use crate::calls::{KeyCall, ObjectCall, OtherCall};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Once,
    Update,
    Final,
}

fn code<T>(outcome: Result<T, impl Into<CK_RV>>) -> CK_RV {
    outcome.map_or_else(Into::into, |_| CKR_OK)
}

fn in_c(template: &[Attribute]) -> Vec<CK_ATTRIBUTE> {
    let plain = |(number, value): &Attribute| CK_ATTRIBUTE {
        type_: *number,
        pValue: value.as_ptr().cast_mut().cast(),
        ulValueLen: value.len() as CK_ULONG,
    };
    template.iter().map(plain).collect()
}
