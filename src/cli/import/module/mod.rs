//! A token of any PKCS#11 module: what that module lets out.
//!
//! The module is loaded, asked and ended before the vault is unlocked. Nothing is written to the token: the session is
//! read-only, and the one key that is made there, to wrap what only leaves wrapped, lives in the session. Keys that may
//! not leave are listed; their public halves and certificates come.

mod attributes;
#[cfg(feature = "server")]
pub(in super::super) mod byok;
mod wrapping;

use std::ops::Deref;
use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Failure, RvError};
use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use cryptoki_sys::{CKA_EXTRACTABLE, CKA_SENSITIVE, CKA_VALUE, CKA_WRAP_WITH_TRUSTED};

use self::wrapping::{Unwrapped, Wrapping};
use super::super::{Error, Result};
use super::found::{Found, LeftBehind};
use crate::vault::{Class, Pin};

/// A loaded module and the slot that is read.
pub(in super::super) struct Module {
    library: Loaded,
    path: String,
    slot: Slot,
    label: String,
    /// SoftHSM's files have what its module doesn't let out.
    is_softhsm: bool,
    asks_for_pin: bool,
}

/// A module that was initialised: it is told when we are done with it, also after a mistake.
struct Loaded {
    library: Pkcs11,
    ended: bool,
}

impl Loaded {
    /// Loads and initialises it.
    fn new(path: &Path, name: &str) -> Result<Self> {
        let library = Pkcs11::new(path).map_err(|error| match error {
            Failure::LibraryLoading(error) => {
                Error::refused(format!("{name} is no module that can be loaded: {error}."))
            }
            other => went_wrong(name, other),
        })?;
        let asked = library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        asked.map_err(|error| went_wrong(name, error))?;
        Ok(Self { library, ended: false })
    }

    fn end(mut self) -> std::result::Result<(), Failure> {
        self.ended = true;
        self.library.clone().finalize()
    }
}

impl Deref for Loaded {
    type Target = Pkcs11;

    fn deref(&self) -> &Pkcs11 {
        &self.library
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        if !self.ended {
            // Another mistake is being reported.
            let _ = self.library.clone().finalize();
        }
    }
}

/// A token and how it is found.
struct Token {
    slot: Slot,
    about: TokenInfo,
}

/// Which token of a module.
pub(in super::super) struct Which<'a> {
    pub label: Option<&'a str>,
    pub slot: Option<u64>,
}

impl Module {
    pub(in super::super) fn load(path: &Path, which: &Which<'_>) -> Result<Self> {
        let name = path.display().to_string();
        let library = Loaded::new(path, &name)?;
        let ask = |error| went_wrong(&name, error);
        let mut tokens = Vec::new();
        for slot in library.get_slots_with_initialized_token().map_err(ask)? {
            tokens.push(Token { slot, about: library.get_token_info(slot).map_err(ask)? });
        }
        let Token { slot, about } = choose(&name, tokens, which)?;
        let is_softhsm = about.model().starts_with("SoftHSM");
        let (label, asks_for_pin) = (about.label().to_owned(), about.login_required());
        Ok(Self { library, path: name, slot, label, is_softhsm, asks_for_pin })
    }

    pub(in super::super) fn label(&self) -> &str {
        &self.label
    }

    /// Whether its private objects need the user's PIN.
    pub(in super::super) fn asks_for_pin(&self) -> bool {
        self.asks_for_pin
    }

    /// Its objects with what of their values comes out, and what doesn't.
    pub(super) fn objects(
        &self,
        pin: Option<&Pin>,
        step: &mut dyn FnMut(usize, usize),
    ) -> Result<(Vec<Found>, Vec<LeftBehind>)> {
        let session = self.library.open_ro_session(self.slot).map_err(|error| self.failed(error))?;
        if let Some(pin) = pin {
            self.log_in(&session, pin)?;
        }
        let handles = session.find_objects(&[Attribute::Token(true)]).map_err(|error| self.failed(error))?;
        let mut wrapping = Wrapping::new(&self.library, &session, self.slot);
        let (mut found, mut left) = (Vec::new(), Vec::new());
        for (done, handle) in handles.iter().enumerate() {
            let (object, restriction) = attributes::read(&session, *handle).map_err(|error| self.failed(error))?;
            match restriction {
                Some(reason) => left.push(self.stays(&object, reason)),
                None => match self.with_value(&mut wrapping, *handle, object)? {
                    Ok(object) => found.push(object),
                    Err(stays) => left.push(stays),
                },
            }
            step(done + 1, handles.len());
        }
        wrapping.end().map_err(|error| self.failed(error))?;
        session.close().map_err(|error| self.failed(error))?;
        Ok((found, left))
    }

    /// Tells the module that we are done with it.
    pub(in super::super) fn end(self) -> Result<()> {
        let path = self.path;
        self.library.end().map_err(|error| went_wrong(&path, error))
    }

    fn log_in(&self, session: &Session, pin: &Pin) -> Result<()> {
        let pin = RawAuthPin::new(Box::new(pin.expose().to_vec()));
        match session.login_with_raw(UserType::User, &pin) {
            Ok(()) => Ok(()),
            Err(Failure::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
                Err(Error::refused(format!("This isn't the user PIN of the token {:?}.", self.label)))
            }
            Err(Failure::Pkcs11(RvError::PinLocked, _)) => Err(Error::refused(format!(
                "The user PIN of the token {:?} is locked: its security officer unlocks it.",
                self.label
            ))),
            Err(Failure::Pkcs11(RvError::UserPinNotInitialized, _)) => {
                Err(Error::refused(format!("The token {:?} has no user PIN yet.", self.label)))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The object with its value, which some keys let out in clear and others only wrapped; else why it stays.
    fn with_value(
        &self,
        wrapping: &mut Wrapping<'_>,
        handle: ObjectHandle,
        mut object: Found,
    ) -> Result<std::result::Result<Found, LeftBehind>> {
        let hidden = matches!(object.class(), Some(Class::PrivateKey | Class::SecretKey));
        if !hidden || has_value(&object) {
            return Ok(Ok(object));
        }
        if !object.boolean(CKA_EXTRACTABLE) {
            return Ok(Err(self.stays(&object, "the token doesn't let it out (CKA_EXTRACTABLE is false)")));
        }
        if object.boolean(CKA_WRAP_WITH_TRUSTED) {
            return Ok(Err(self.stays(&object, "it leaves only under a trusted key (CKA_WRAP_WITH_TRUSTED)")));
        }
        match wrapping.value_of(handle, &mut object).map_err(|error| self.failed(error))? {
            Unwrapped::Complete => Ok(Ok(object)),
            Unwrapped::Refused(reason) => Ok(Err(self.stays(&object, &reason))),
        }
    }

    fn stays(&self, object: &Found, reason: &str) -> LeftBehind {
        let remedy = match (self.is_softhsm, object.class()) {
            (true, _) => "`strongroom import --softhsm` reads it from SoftHSM's files",
            (_, Some(Class::PrivateKey)) => {
                "make a new key with `strongroom key create` and have a certificate issued for it; keep the token until then"
            }
            _ => "make a new key with `strongroom key create`; keep the token for what is encrypted under this one",
        };
        LeftBehind { what: object.what(), reason: reason.to_owned(), remedy: remedy.to_owned() }
    }

    fn failed(&self, error: Failure) -> Error {
        match &error {
            Failure::Pkcs11(
                RvError::DeviceRemoved
                | RvError::DeviceError
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::SessionHandleInvalid
                | RvError::SessionClosed,
                _,
            ) => Error::refused(format!(
                "The token {:?} went away while it was read ({}): nothing was imported; put it back and import again.",
                self.label,
                short(&error)
            )),
            _ => went_wrong(&self.path, error),
        }
    }
}

/// Whether the module showed it all. A sensitive key's value may read as empty.
fn has_value(object: &Found) -> bool {
    let given = |attribute| object.get(attribute).is_some_and(|value| !value.is_empty());
    let shown = given(CKA_VALUE) || given(cryptoki_sys::CKA_PRIVATE_EXPONENT);
    shown && !object.boolean(CKA_SENSITIVE) && object.boolean(CKA_EXTRACTABLE)
}

fn choose(module: &str, mut tokens: Vec<Token>, which: &Which<'_>) -> Result<Token> {
    let text = |token: &Token| format!("{:?} in slot {}", token.about.label(), token.slot.id());
    let known: Vec<String> = tokens.iter().map(text).collect();
    tokens.retain(|Token { slot, about }| {
        which.label.is_none_or(|wanted| wanted == about.label()) && which.slot.is_none_or(|wanted| wanted == slot.id())
    });
    match (tokens.pop(), tokens.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Error::refused(format!(
            "{module} has several tokens: say which with --token or --slot ({}).",
            known.join(", ")
        ))),
        (None, _) if known.is_empty() => Err(Error::refused(format!(
            "{module} shows no token: check that it is there, and that the module finds its configuration."
        ))),
        (None, _) => Err(Error::refused(format!("{module} has no such token: there is {}.", known.join(", ")))),
    }
}

fn went_wrong(module: &str, error: Failure) -> Error {
    Error::refused(format!("The module {module} failed ({}): nothing was done.", short(&error)))
}

/// Function and answer; the crate's own text for an answer is a paragraph of the specification.
fn short(error: &Failure) -> String {
    match error {
        Failure::Pkcs11(answer, function) => format!("C_{function:?} answered {answer:?}"),
        other => other.to_string(),
    }
}
