//! From a situation to PKCS#11's number for it.

use cryptoki_sys::*;

use crate::crypto::CryptoError;
use crate::vault::VaultError;

/// A `CKR_*` other than `CKR_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rv(pub CK_RV);

impl From<VaultError> for Rv {
    fn from(error: VaultError) -> Self {
        Self(match error {
            VaultError::Locked => CKR_USER_NOT_LOGGED_IN,
            VaultError::Refused(code) => code,
            VaultError::Crypto(error) => return error.into(),
            _ => CKR_DEVICE_ERROR,
        })
    }
}

impl From<CryptoError> for Rv {
    fn from(error: CryptoError) -> Self {
        Self(match error {
            CryptoError::KeyInvalid(_) => CKR_ATTRIBUTE_VALUE_INVALID,
            CryptoError::KeyUnsupported(_) => CKR_KEY_SIZE_RANGE,
            _ => CKR_FUNCTION_FAILED,
        })
    }
}
