//! What a session is doing: typed states, so that starting twice, finishing twice and a wrong order are answered by the
//! state itself.
//!
//! A session has one [`Operation`] and one [`Ciphering`](cipher::Ciphering). Which of them may be active together is what
//! the dual-function calls need (PKCS#11 v3.2 §5.17), and no more ([`Kind::goes_with`]).

pub mod cipher;
pub mod digest;
mod dual;
pub mod find;
mod intake;
mod mac;
pub mod message;
pub mod recover;
mod remote_cipher;
pub mod sign;
pub mod verify;

use cryptoki_sys::*;

use super::error::Rv;

/// What a session does beside a [`Ciphering`](cipher::Ciphering), or alone.
#[derive(Default)]
pub enum Operation {
    /// Nothing.
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
    /// After `C_SignRecoverInit`.
    SignRecover(recover::SignRecover),
    /// After `C_VerifyRecoverInit`.
    VerifyRecover(recover::VerifyRecover),
    /// After `C_MessageEncryptInit` or `C_MessageDecryptInit`: nothing goes on beside it.
    Messages(Box<message::Messages>),
}

/// Which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A search.
    Find,
    /// A digest.
    Digest,
    /// A signature or MAC.
    Sign,
    /// A check of a signature or MAC.
    Verify,
    /// A signature that the data can be had from.
    SignRecover,
    /// Having the data from a signature.
    VerifyRecover,
    /// An encryption.
    Encrypt,
    /// A decryption.
    Decrypt,
    /// An encryption of messages.
    MessageEncrypt,
    /// A decryption of messages.
    MessageDecrypt,
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
            Self::SignRecover(_) => Kind::SignRecover,
            Self::VerifyRecover(_) => Kind::VerifyRecover,
            Self::Messages(messages) => messages.kind(),
        })
    }

    /// The mark that it waits for the PIN, while it does.
    pub fn awaits_pin(&mut self) -> Option<&mut bool> {
        let waiting = match self {
            Self::Sign(sign) => sign.awaits_pin()?,
            Self::SignRecover(sign) => &mut sign.awaits_pin,
            _ => return None,
        };
        if *waiting { Some(waiting) } else { None }
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
            Self::SignRecover => CKF_SIGN_RECOVER,
            Self::VerifyRecover => CKF_VERIFY_RECOVER,
            Self::Encrypt => CKF_ENCRYPT,
            Self::Decrypt => CKF_DECRYPT,
            Self::MessageEncrypt => CKF_MESSAGE_ENCRYPT,
            Self::MessageDecrypt => CKF_MESSAGE_DECRYPT,
        }
    }

    /// Whether it is a [`Ciphering`](cipher::Ciphering).
    pub fn is_ciphering(self) -> bool {
        matches!(self, Self::Encrypt | Self::Decrypt)
    }

    /// Whether both may be active in one session: the pairs of the dual-function calls.
    pub fn goes_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Digest, cipher) | (cipher, Self::Digest) => cipher.is_ciphering(),
            (Self::Sign, Self::Encrypt) | (Self::Encrypt, Self::Sign) => true,
            (Self::Verify, Self::Decrypt) | (Self::Decrypt, Self::Verify) => true,
            _ => false,
        }
    }
}

/// Fails while the PIN is waited for, which the key asks for at each use.
fn expect_pin(awaited: bool) -> Result<(), Rv> {
    if awaited { Err(Rv(CKR_USER_NOT_LOGGED_IN)) } else { Ok(()) }
}

/// For a part of what is single-part only: no multi-part operation was initialised.
const SINGLE_PART: Rv = Rv(CKR_OPERATION_NOT_INITIALIZED);
