//! What a session is doing: one typed state, so that starting twice, finishing twice and a wrong order are answered by the
//! state itself.
//!
//! The specification lets an active search or operation prevent another one (§5.1.6, `CKR_OPERATION_ACTIVE`); here every
//! active one does.

pub mod digest;
pub mod find;
mod intake;
pub mod sign;
pub mod verify;

use cryptoki_sys::*;

/// The state of a session.
#[derive(Default)]
pub enum Operation {
    /// None is active.
    #[default]
    Idle,
    /// Between `C_FindObjectsInit` and `C_FindObjectsFinal`.
    Find(find::Find),
    /// After `C_DigestInit`.
    Digest(digest::Digesting),
    /// After `C_SignInit`.
    Sign(sign::Sign),
    /// After `C_VerifyInit`.
    Verify(verify::Verify),
}

/// Which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A search.
    Find,
    /// A digest.
    Digest,
    /// A signature.
    Sign,
    /// A check of a signature.
    Verify,
}

/// What a step of an operation left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes on.
    Pending,
    /// It is at its end.
    Done,
}

impl Operation {
    /// Which one it is.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Idle => return None,
            Self::Find(_) => Kind::Find,
            Self::Digest(_) => Kind::Digest,
            Self::Sign(_) => Kind::Sign,
            Self::Verify(_) => Kind::Verify,
        })
    }
}

impl Kind {
    /// Its flag in `C_SessionCancel`.
    pub fn flag(self) -> CK_FLAGS {
        match self {
            Self::Find => CKF_FIND_OBJECTS,
            Self::Digest => CKF_DIGEST,
            Self::Sign => CKF_SIGN,
            Self::Verify => CKF_VERIFY,
        }
    }
}
