//! From a situation to PKCS#11's number for it.
//!
//! One match for each layer below. Where the same situation has another number at another moment (a disabled key at
//! `C_SignInit` and at `C_Sign`), the moment is the function's name. What a user would want explained is written to the
//! log here, once, in the words of the error itself; ordinary answers are not.

use cryptoki_sys::*;

use crate::crypto::CryptoError;
use crate::vault::VaultError;

/// A `CKR_*` other than `CKR_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rv(pub CK_RV);

impl Rv {
    /// Why a key can't be taken into use (`C_SignInit` and its kin).
    pub fn at_init(error: VaultError) -> Self {
        match error {
            VaultError::NotFound | VaultError::Deleted => Self(CKR_KEY_HANDLE_INVALID),
            VaultError::Disabled | VaultError::StateUnknown | VaultError::NotYetValid(_) | VaultError::Expired(_) => {
                explain(&error);
                Self(CKR_KEY_FUNCTION_NOT_PERMITTED)
            }
            VaultError::Crypto(CryptoError::KeyUnsupported(_)) => {
                explain(&error);
                Self(CKR_KEY_SIZE_RANGE)
            }
            other => Self::of_a_key(other),
        }
    }

    /// Why a key that was taken into use refuses now (`C_Sign` and its kin).
    pub fn at_use(error: VaultError) -> Self {
        match error {
            VaultError::NotFound
            | VaultError::Deleted
            | VaultError::Disabled
            | VaultError::StateUnknown
            | VaultError::NotYetValid(_)
            | VaultError::Expired(_) => {
                explain(&error);
                Self(CKR_FUNCTION_REJECTED)
            }
            other => Self::of_a_key(other),
        }
    }

    /// Why a login failed.
    pub fn at_login(error: VaultError) -> Self {
        match error {
            VaultError::CredentialRefused { .. } => {
                explain(&error);
                Self(CKR_PIN_INCORRECT)
            }
            other => other.into(),
        }
    }

    /// A permission that a remote vault doesn't give is missing for the key's use, not for a change.
    fn of_a_key(error: VaultError) -> Self {
        match error {
            VaultError::NotPermitted { .. } => {
                explain(&error);
                Self(CKR_KEY_FUNCTION_NOT_PERMITTED)
            }
            other => other.into(),
        }
    }
}

impl From<VaultError> for Rv {
    fn from(error: VaultError) -> Self {
        let code = code(&error);
        if !is_ordinary(&error) {
            explain(&error);
        }
        Self(code)
    }
}

impl From<CryptoError> for Rv {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::Internal(_) => tracing::error!("{error}"),
            CryptoError::IvsUsedUp => tracing::warn!("{error}"),
            _ => {}
        }
        Self(crypto_code(error))
    }
}

fn code(error: &VaultError) -> CK_RV {
    match error {
        VaultError::Locked | VaultError::Rekeyed => CKR_USER_NOT_LOGGED_IN,
        VaultError::PinIncorrect { .. } | VaultError::KeyIncorrect(_) => CKR_PIN_INCORRECT,
        VaultError::PinLocked => CKR_PIN_LOCKED,
        VaultError::PinLength { .. } => CKR_PIN_LEN_RANGE,
        VaultError::PinNotSet => CKR_USER_PIN_NOT_INITIALIZED,
        VaultError::NotInitialized(_) => CKR_TOKEN_NOT_RECOGNIZED,
        VaultError::NotEmpty(_) | VaultError::ReadOnly(_) | VaultError::ForkedReader(_) => CKR_TOKEN_WRITE_PROTECTED,
        VaultError::NotFound | VaultError::Deleted => CKR_OBJECT_HANDLE_INVALID,
        VaultError::Disabled | VaultError::StateUnknown | VaultError::NotYetValid(_) | VaultError::Expired(_) => {
            CKR_ACTION_PROHIBITED
        }
        VaultError::LastAdministrator
        | VaultError::PurgeProtected
        | VaultError::Managed(_)
        | VaultError::Inseparable { .. } => CKR_ACTION_PROHIBITED,
        VaultError::NameTaken(_) | VaultError::NameDeleted(_) | VaultError::NameInvalid(_) => {
            CKR_ATTRIBUTE_VALUE_INVALID
        }
        VaultError::Unsupported(_) => CKR_TEMPLATE_INCONSISTENT,
        VaultError::OnlyThere => CKR_FUNCTION_NOT_SUPPORTED,
        VaultError::Full(..) | VaultError::NotCompacted(..) => CKR_DEVICE_MEMORY,
        VaultError::Io { source, .. } => match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => CKR_DEVICE_MEMORY,
            std::io::ErrorKind::OutOfMemory => CKR_HOST_MEMORY,
            _ => CKR_DEVICE_ERROR,
        },
        VaultError::Busy { .. }
        | VaultError::Damaged { .. }
        | VaultError::RolledBack(_)
        | VaultError::Unsafe { .. }
        | VaultError::Unreachable { .. }
        | VaultError::Throttled { .. }
        | VaultError::AnswerInvalid { .. }
        | VaultError::NewerFormat { .. } => CKR_DEVICE_ERROR,
        VaultError::RefusedThere { .. } => CKR_FUNCTION_FAILED,
        VaultError::NotPermitted { .. } => CKR_ACTION_PROHIBITED,
        VaultError::CredentialRefused { .. } => CKR_USER_NOT_LOGGED_IN,
        // No function of PKCS#11 makes or reads a backup.
        VaultError::FileExists(_)
        | VaultError::NoRecoveryKey(_)
        | VaultError::PassphraseLength { .. }
        | VaultError::NotABackup(_)
        | VaultError::BackupDamaged { .. }
        | VaultError::BackupKeyWrong { .. }
        | VaultError::BackupKeyMissing { .. }
        | VaultError::NotInBackup { .. }
        | VaultError::InTheWay { .. }
        | VaultError::RestoreProtected(_)
        | VaultError::MovedAside { .. }
        | VaultError::Declined
        | VaultError::ChangedMeanwhile(_)
        | VaultError::NotRolledBack(_) => CKR_FUNCTION_FAILED,
        VaultError::Refused(code) => *code as CK_RV,
        VaultError::Crypto(error) => crypto_code(*error),
    }
}

fn crypto_code(error: CryptoError) -> CK_RV {
    match error {
        CryptoError::KeyInvalid(_) => CKR_ATTRIBUTE_VALUE_INVALID,
        CryptoError::KeyUnsupported(_) => CKR_KEY_SIZE_RANGE,
        CryptoError::SchemeMismatch => CKR_KEY_TYPE_INCONSISTENT,
        CryptoError::ParametersInvalid => CKR_MECHANISM_PARAM_INVALID,
        CryptoError::InputLength | CryptoError::TooLong => CKR_DATA_LEN_RANGE,
        CryptoError::OutputLength => CKR_BUFFER_TOO_SMALL,
        CryptoError::SignatureLength => CKR_SIGNATURE_LEN_RANGE,
        CryptoError::SignatureInvalid => CKR_SIGNATURE_INVALID,
        CryptoError::CiphertextInvalid => CKR_ENCRYPTED_DATA_INVALID,
        CryptoError::NoMemory => CKR_HOST_MEMORY,
        CryptoError::IvsUsedUp | CryptoError::Internal(_) => CKR_FUNCTION_FAILED,
    }
}

/// Answers that say everything by their number, or that clients provoke as a matter of course.
fn is_ordinary(error: &VaultError) -> bool {
    match error {
        VaultError::Locked
        | VaultError::PinLength { .. }
        | VaultError::PinNotSet
        | VaultError::NotInitialized(_)
        | VaultError::NotFound
        | VaultError::Deleted
        | VaultError::Refused(_) => true,
        VaultError::Crypto(error) => !matches!(error, CryptoError::Internal(_)),
        _ => false,
    }
}

fn explain(error: &VaultError) {
    tracing::warn!("{error}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disabled_key_is_refused_by_other_numbers_before_and_after_it_was_taken_into_use() {
        assert_eq!(Rv::at_init(VaultError::Disabled), Rv(CKR_KEY_FUNCTION_NOT_PERMITTED));
        assert_eq!(Rv::at_use(VaultError::Disabled), Rv(CKR_FUNCTION_REJECTED));
        assert_eq!(Rv::at_init(VaultError::Deleted), Rv(CKR_KEY_HANDLE_INVALID));
        assert_eq!(Rv::at_use(VaultError::Deleted), Rv(CKR_FUNCTION_REJECTED));
        assert_eq!(Rv::from(VaultError::Deleted), Rv(CKR_OBJECT_HANDLE_INVALID));
    }

    #[test]
    fn what_a_remote_vault_does_not_permit_has_another_number_for_a_use_and_for_a_change() {
        let denied = || VaultError::NotPermitted { action: "keys/sign/action".into(), location: "there".into() };
        assert_eq!(Rv::at_init(denied()), Rv(CKR_KEY_FUNCTION_NOT_PERMITTED));
        assert_eq!(Rv::at_use(denied()), Rv(CKR_KEY_FUNCTION_NOT_PERMITTED));
        assert_eq!(Rv::from(denied()), Rv(CKR_ACTION_PROHIBITED));
    }

    #[test]
    fn a_refused_credential_is_a_wrong_pin_at_login_and_no_login_later() {
        let refused = || VaultError::CredentialRefused { location: "there".into(), what: "expired".into() };
        assert_eq!(Rv::at_login(refused()), Rv(CKR_PIN_INCORRECT));
        assert_eq!(Rv::at_use(refused()), Rv(CKR_USER_NOT_LOGGED_IN));
        assert_eq!(Rv::at_login(VaultError::PinLocked), Rv(CKR_PIN_LOCKED));
    }

    #[test]
    fn short_memory_is_the_hosts() {
        assert_eq!(Rv::from(CryptoError::NoMemory), Rv(CKR_HOST_MEMORY));
        assert_eq!(Rv::at_use(VaultError::Crypto(CryptoError::NoMemory)), Rv(CKR_HOST_MEMORY));
    }

    #[test]
    fn a_front_ends_own_refusal_comes_back_as_it_was() {
        assert_eq!(Rv::from(VaultError::Refused(CKR_ACTION_PROHIBITED)), Rv(CKR_ACTION_PROHIBITED));
    }
}
