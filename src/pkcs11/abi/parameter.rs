//! Mechanisms and their parameters: structures whose pointers are followed here, once.

use std::ffi::c_void;

use cryptoki_sys::*;

use super::pointers::{CallerBytes, elements, required};
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::parameter::{GcmNumbers, Oaep};
use crate::pkcs11::mechanism::{self, MessageRequest, Parameter, Request, Shape};

const WRONG: Rv = Rv(CKR_MECHANISM_PARAM_INVALID);

/// A mechanism that must be there.
///
/// # Safety
///
/// `pointer` is NULL or points to a `CK_MECHANISM` whose parameter is as long as it says, for `'a`, and of the type that
/// the specification gives the mechanism if it has that type's length.
pub unsafe fn mechanism<'a>(pointer: *const CK_MECHANISM) -> Result<Request<'a>, Rv> {
    // SAFETY: the caller's promise.
    let mechanism = unsafe { required(pointer)? };
    let bytes = mechanism.pParameter.cast_const().cast::<u8>();
    // SAFETY: the caller's promise.
    let bytes = unsafe { elements(bytes, mechanism.ulParameterLen) }.map_err(|_| WRONG)?;
    let parameter = match mechanism::shape(mechanism.mechanism) {
        Shape::Plain => Parameter::Plain(bytes),
        // SAFETY: the caller's promise.
        shape => unsafe { structure(shape, bytes) }.map_err(|_| WRONG)?,
    };
    Ok(Request { number: mechanism.mechanism, parameter })
}

/// A mechanism for messages, that must be there: what a parameter says of each message comes with the message, so that none
/// is needed here, and no pointer in one is followed.
///
/// # Safety
///
/// As for [`mechanism()`].
pub unsafe fn message_mechanism(pointer: *const CK_MECHANISM) -> Result<MessageRequest, Rv> {
    // SAFETY: the caller's promise.
    let mechanism = unsafe { required(pointer)? };
    let bytes = mechanism.pParameter.cast_const().cast::<u8>();
    // SAFETY: the caller's promise.
    let bytes = unsafe { elements(bytes, mechanism.ulParameterLen) }.map_err(|_| WRONG)?;
    let numbers = match mechanism::shape(mechanism.mechanism) {
        // SAFETY: numbers and pointers, of which any bytes make one.
        Shape::Gcm if !bytes.is_empty() => Some(numbers(&unsafe { read(bytes)? })),
        _ => None,
    };
    Ok(MessageRequest { number: mechanism.mechanism, numbers })
}

/// `CK_GCM_MESSAGE_PARAMS` of one message.
pub struct GcmMessage<'a> {
    /// The initialisation vector: given, or given back.
    pub iv: CallerBytes<'a>,
    /// The tag: given, or given back.
    pub tag: CallerBytes<'a>,
    /// What else it says.
    pub numbers: GcmNumbers,
}

impl GcmMessage<'_> {
    /// Follows the pointers of a parameter that must be there.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or points to `len` bytes, which are a `CK_GCM_MESSAGE_PARAMS` if they are as many; its pointers are
    /// NULL or lead to as many bytes as it says, which live for `'a`, can be written, and are used by nobody else meanwhile.
    pub unsafe fn new(pointer: *const c_void, len: CK_ULONG) -> Result<Self, Rv> {
        // SAFETY: the caller's promise; of numbers and pointers any bytes make one.
        let parameter =
            unsafe { elements(pointer.cast::<u8>(), len).and_then(|bytes| read(bytes)) }.map_err(|_| WRONG)?;
        let numbers = numbers(&parameter);
        // Where no tag is needed yet, it may not be there yet.
        let tag_bits = if parameter.pTag.is_null() { 0 } else { parameter.ulTagBits };
        // SAFETY: the caller's promise.
        let [iv, tag] = unsafe {
            [
                CallerBytes::new(parameter.pIv, parameter.ulIvLen).map_err(|_| WRONG)?,
                CallerBytes::new(parameter.pTag, tag_bits.div_ceil(8)).map_err(|_| WRONG)?,
            ]
        };
        Ok(Self { iv, tag, numbers })
    }
}

fn numbers(parameter: &CK_GCM_MESSAGE_PARAMS) -> GcmNumbers {
    GcmNumbers {
        iv_fixed_bits: parameter.ulIvFixedBits,
        iv_generator: parameter.ivGenerator,
        tag_bits: parameter.ulTagBits,
    }
}

unsafe fn structure<'a>(shape: Shape, bytes: &'a [u8]) -> Result<Parameter<'a>, Rv> {
    // SAFETY: the caller's promise, for each.
    unsafe {
        match shape {
            Shape::Plain => Ok(Parameter::Plain(bytes)),
            Shape::Oaep => oaep(&read(bytes)?).map(Parameter::Oaep),
            Shape::RsaAes => rsa_aes(&read(bytes)?),
            Shape::Gcm => gcm(bytes),
            Shape::Ecdh1 => ecdh1(&read(bytes)?),
            Shape::Hkdf => hkdf(&read(bytes)?),
        }
    }
}

/// The structure in these bytes, if they are as many; it need not be aligned.
///
/// # Safety
///
/// Any bytes make a `T`.
unsafe fn read<T: Copy>(bytes: &[u8]) -> Result<T, Rv> {
    if bytes.len() != size_of::<T>() {
        return Err(WRONG);
    }
    // SAFETY: as many bytes as a `T` has, of which any make one.
    Ok(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

unsafe fn oaep<'a>(parameter: &CK_RSA_PKCS_OAEP_PARAMS) -> Result<Oaep<'a>, Rv> {
    let label = parameter.pSourceData.cast_const().cast::<u8>();
    Ok(Oaep {
        hash: parameter.hashAlg,
        mgf: parameter.mgf,
        source: parameter.source,
        // SAFETY: the caller's promise.
        source_data: unsafe { elements(label, parameter.ulSourceDataLen)? },
    })
}

unsafe fn rsa_aes<'a>(parameter: &CK_RSA_AES_KEY_WRAP_PARAMS) -> Result<Parameter<'a>, Rv> {
    if parameter.pOAEPParams.is_null() {
        return Err(WRONG);
    }
    // SAFETY: not NULL, and the caller's promise; alignment isn't asked for.
    let oaep = unsafe { oaep(&parameter.pOAEPParams.read_unaligned())? };
    Ok(Parameter::RsaAes { aes_bits: parameter.ulAESKeyBits, oaep })
}

/// `CK_GCM_PARAMS`, also as PKCS#11 v2.30 defined it in its text and some callers still do: without `ulIvBits`.
unsafe fn gcm<'a>(bytes: &[u8]) -> Result<Parameter<'a>, Rv> {
    const IV_BITS: usize = std::mem::offset_of!(CK_GCM_PARAMS, ulIvBits);
    const WHOLE: usize = size_of::<CK_GCM_PARAMS>();
    const ULONG: usize = size_of::<CK_ULONG>();
    let mut whole = [0; WHOLE];
    match bytes.len() {
        WHOLE => whole.copy_from_slice(bytes),
        len if len == WHOLE - ULONG => {
            whole[..IV_BITS].copy_from_slice(&bytes[..IV_BITS]);
            whole[IV_BITS + ULONG..].copy_from_slice(&bytes[IV_BITS..]);
        }
        _ => return Err(WRONG),
    }
    // SAFETY: numbers and pointers, of which any bytes make one.
    let parameter: CK_GCM_PARAMS = unsafe { read(&whole)? };
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Parameter::Gcm {
            iv: elements(parameter.pIv.cast_const(), parameter.ulIvLen)?,
            aad: elements(parameter.pAAD.cast_const(), parameter.ulAADLen)?,
            tag_bits: parameter.ulTagBits,
        })
    }
}

unsafe fn ecdh1<'a>(parameter: &CK_ECDH1_DERIVE_PARAMS) -> Result<Parameter<'a>, Rv> {
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Parameter::Ecdh1 {
            kdf: parameter.kdf,
            shared_data: elements(parameter.pSharedData.cast_const(), parameter.ulSharedDataLen)?,
            public_data: elements(parameter.pPublicData.cast_const(), parameter.ulPublicDataLen)?,
        })
    }
}

/// What a stage doesn't use isn't followed: it may be anything.
unsafe fn hkdf<'a>(parameter: &CK_HKDF_PARAMS) -> Result<Parameter<'a>, Rv> {
    let salted = parameter.bExtract != CK_FALSE && parameter.ulSaltType == CKF_HKDF_SALT_DATA;
    let salt_len = if salted { parameter.ulSaltLen } else { 0 };
    let info_len = if parameter.bExpand != CK_FALSE { parameter.ulInfoLen } else { 0 };
    // SAFETY: the caller's promise.
    unsafe {
        Ok(Parameter::Hkdf {
            stages: (parameter.bExtract, parameter.bExpand),
            hash: parameter.prfHashMechanism,
            salt_type: parameter.ulSaltType,
            salt: elements(parameter.pSalt.cast_const(), salt_len)?,
            salt_key: parameter.hSaltKey,
            info: elements(parameter.pInfo.cast_const(), info_len)?,
        })
    }
}
