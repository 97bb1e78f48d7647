//! Key management (PKCS#11 v3.2 §5.18).

use cryptoki_sys::*;

use super::output::output;
use super::parameter::mechanism as read_mechanism;
use super::pointers::{Arrays, Place, elements, template as read_template};

/// Generates a secret key.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GenerateKey(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_GenerateKey, module => {
        let session = module.session(session)?;
        let mut arrays = Arrays::new();
        // SAFETY: the caller's promise.
        let (key, mechanism, template) =
            unsafe { (Place::new(key)?, read_mechanism(mechanism)?, read_template(&mut arrays, template, count)?) };
        key.set(session.generate_key(mechanism, &template)?);
        Ok(())
    })
}

/// Generates a key pair.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GenerateKeyPair(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    public_key_template: *mut CK_ATTRIBUTE,
    public_key_template_count: CK_ULONG,
    private_key_template: *mut CK_ATTRIBUTE,
    private_key_template_count: CK_ULONG,
    public_key: *mut CK_OBJECT_HANDLE,
    private_key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_GenerateKeyPair, module => {
        let session = module.session(session)?;
        let (mut public_arrays, mut private_arrays) = (Arrays::new(), Arrays::new());
        // SAFETY: the caller's promise.
        let (public_key, private_key, mechanism, public, private) = unsafe {
            (
                Place::new(public_key)?,
                Place::new(private_key)?,
                read_mechanism(mechanism)?,
                read_template(&mut public_arrays, public_key_template, public_key_template_count)?,
                read_template(&mut private_arrays, private_key_template, private_key_template_count)?,
            )
        };
        let pair = session.generate_pair(mechanism, &public, &private)?;
        public_key.set(pair.public);
        private_key.set(pair.private);
        Ok(())
    })
}

/// Wraps a key: encrypts it so that it can leave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_WrapKey(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    wrapping_key: CK_OBJECT_HANDLE,
    key: CK_OBJECT_HANDLE,
    wrapped_key: *mut CK_BYTE,
    wrapped_key_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_WrapKey, module => {
        let session = module.session(session)?;
        // SAFETY: the caller's promise.
        unsafe {
            let mechanism = read_mechanism(mechanism)?;
            output(wrapped_key, wrapped_key_len, |out| session.wrap_key(mechanism, wrapping_key, key, out))?;
        }
        Ok(())
    })
}

/// Makes a key of one that was wrapped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_UnwrapKey(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    unwrapping_key: CK_OBJECT_HANDLE,
    wrapped_key: *mut CK_BYTE,
    wrapped_key_len: CK_ULONG,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_UnwrapKey, module => {
        let session = module.session(session)?;
        let mut arrays = Arrays::new();
        // SAFETY: the caller's promise.
        let (key, mechanism, wrapped, template) = unsafe {
            (
                Place::new(key)?,
                read_mechanism(mechanism)?,
                elements(wrapped_key, wrapped_key_len)?,
                read_template(&mut arrays, template, count)?,
            )
        };
        key.set(session.unwrap_key(mechanism, unwrapping_key, wrapped, &template)?);
        Ok(())
    })
}

/// Derives a key from another.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DeriveKey(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    base_key: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_DeriveKey, module => {
        let session = module.session(session)?;
        let mut arrays = Arrays::new();
        // SAFETY: the caller's promise.
        let (key, mechanism, template) =
            unsafe { (Place::new(key)?, read_mechanism(mechanism)?, read_template(&mut arrays, template, count)?) };
        key.set(session.derive_key(mechanism, base_key, &template)?);
        Ok(())
    })
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_EncapsulateKey(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _public_key: CK_OBJECT_HANDLE,
    _template: *mut CK_ATTRIBUTE,
    _count: CK_ULONG,
    _ciphertext: *mut CK_BYTE,
    _ciphertext_len: *mut CK_ULONG,
    _key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_EncapsulateKey, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DecapsulateKey(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _private_key: CK_OBJECT_HANDLE,
    _template: *mut CK_ATTRIBUTE,
    _count: CK_ULONG,
    _ciphertext: *mut CK_BYTE,
    _ciphertext_len: CK_ULONG,
    _key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_DecapsulateKey, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_WrapKeyAuthenticated(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _wrapping_key: CK_OBJECT_HANDLE,
    _key: CK_OBJECT_HANDLE,
    _associated_data: *mut CK_BYTE,
    _associated_data_len: CK_ULONG,
    _wrapped_key: *mut CK_BYTE,
    _wrapped_key_len: *mut CK_ULONG,
) -> CK_RV {
    call!(C_WrapKeyAuthenticated, unsupported)
}

/// Not done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_UnwrapKeyAuthenticated(
    _session: CK_SESSION_HANDLE,
    _mechanism: *mut CK_MECHANISM,
    _unwrapping_key: CK_OBJECT_HANDLE,
    _wrapped_key: *mut CK_BYTE,
    _wrapped_key_len: CK_ULONG,
    _template: *mut CK_ATTRIBUTE,
    _count: CK_ULONG,
    _associated_data: *mut CK_BYTE,
    _associated_data_len: CK_ULONG,
    _key: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_UnwrapKeyAuthenticated, unsupported)
}
