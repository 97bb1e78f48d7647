//! Message-based encryption and decryption: the begin, one message, its parts, the end.

use std::ptr::null_mut;

use cryptoki_sys::*;

use super::{Mechanism, Outcome, Session, call, len, output, pointer};

/// `CK_GCM_MESSAGE_PARAMS`, with what its pointers lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcmMessage {
    pub iv: Vec<u8>,
    pub fixed_bits: CK_ULONG,
    pub generator: CK_GENERATOR_FUNCTION,
    pub tag: Vec<u8>,
}

impl GcmMessage {
    /// With an initialisation vector of the caller's, and room for a tag of so many bytes.
    pub fn given(iv: &[u8], tag_len: usize) -> Self {
        Self { iv: iv.to_vec(), fixed_bits: 0, generator: CKG_NO_GENERATE, tag: vec![0; tag_len] }
    }

    /// With an initialisation vector that is made, of 12 bytes that begin with `fixed`, and a whole tag.
    pub fn generated(generator: CK_GENERATOR_FUNCTION, fixed: &[u8]) -> Self {
        let mut iv = fixed.to_vec();
        iv.resize(12, 0);
        Self { iv, fixed_bits: 8 * len(fixed), generator, tag: vec![0; 16] }
    }

    /// The same for whoever decrypts it.
    pub fn with_tag(iv: &[u8], tag: &[u8]) -> Self {
        Self { tag: tag.to_vec(), ..Self::given(iv, tag.len()) }
    }

    /// Runs a call with the parameter as C knows it.
    pub fn in_c<T>(&mut self, call: impl FnOnce(CK_VOID_PTR, CK_ULONG) -> T) -> T {
        let mut parameter = CK_GCM_MESSAGE_PARAMS {
            pIv: self.iv.as_mut_ptr(),
            ulIvLen: len(&self.iv),
            ulIvFixedBits: self.fixed_bits,
            ivGenerator: self.generator,
            pTag: self.tag.as_mut_ptr(),
            ulTagBits: 8 * len(&self.tag),
        };
        call((&raw mut parameter).cast(), size_of::<CK_GCM_MESSAGE_PARAMS>() as CK_ULONG)
    }
}

/// One direction's five functions; the parts of a message, of which the last ends it.
macro_rules! messages {
    ($init:ident = $c_init:ident, $whole:ident = $c_whole:ident, $begin:ident = $c_begin:ident,
     $next:ident = $c_next:ident, $finish:ident = $c_final:ident, $in_place:ident, $parts:ident) => {
        pub fn $init<'a>(&self, mechanism: impl Into<Mechanism<'a>>, key: CK_OBJECT_HANDLE) -> Outcome<()> {
            mechanism.into().in_c(|m| call!(self.newest(), $c_init(self.handle, m, key)))
        }

        pub fn $whole(&self, message: &mut GcmMessage, aad: &[u8], text: &[u8]) -> Outcome<Vec<u8>> {
            let (data, data_len, aad, aad_len) = (pointer(text), len(text), pointer(aad), len(aad));
            message.in_c(|parameter, size| {
                output(|out, out_len| {
                    let (list, session) = (self.newest(), self.handle);
                    call!(list, $c_whole(session, parameter, size, aad, aad_len, data, data_len, out, out_len))
                })
            })
        }

        /// The same, written over the text.
        pub fn $in_place(&self, message: &mut GcmMessage, aad: &[u8], text: &mut [u8]) -> Outcome<()> {
            let (data, mut data_len, aad, aad_len) = (text.as_mut_ptr(), len(text), pointer(aad), len(aad));
            message.in_c(|parameter, size| {
                let (list, session, input_len) = (self.newest(), self.handle, data_len);
                let out_len = &mut data_len;
                call!(list, $c_whole(session, parameter, size, aad, aad_len, data, input_len, data, out_len))
            })?;
            assert_eq!(data_len, len(text));
            Ok(())
        }

        pub fn $begin(&self, message: &mut GcmMessage, aad: &[u8]) -> Outcome<()> {
            let (aad, aad_len) = (pointer(aad), len(aad));
            message.in_c(|parameter, size| call!(self.newest(), $c_begin(self.handle, parameter, size, aad, aad_len)))
        }

        pub fn $next(&self, message: Option<&mut GcmMessage>, part: &[u8]) -> Outcome<Vec<u8>> {
            let flags = if message.is_some() { CKF_END_OF_MESSAGE } else { 0 };
            let next = |parameter, size| {
                output(|out, out_len| {
                    let (list, session, data, data_len) = (self.newest(), self.handle, pointer(part), len(part));
                    call!(list, $c_next(session, parameter, size, data, data_len, out, out_len, flags))
                })
            };
            match message {
                Some(message) => message.in_c(next),
                None => next(null_mut(), 0),
            }
        }

        /// Begin, and each part; all that came out.
        pub fn $parts(&self, message: &mut GcmMessage, aad: &[u8], parts: &[&[u8]]) -> Outcome<Vec<u8>> {
            self.$begin(message, aad)?;
            let mut out = Vec::new();
            let Some((last, parts)) = parts.split_last() else { return Ok(out) };
            for part in parts {
                out.extend(self.$next(None, part)?);
            }
            out.extend(self.$next(Some(message), last)?);
            Ok(out)
        }

        pub fn $finish(&self) -> Outcome<()> {
            call!(self.newest(), $c_final(self.handle))
        }
    };
}

impl Session<'_> {
    messages!(
        message_encrypt_init = C_MessageEncryptInit,
        encrypt_message = C_EncryptMessage,
        encrypt_message_begin = C_EncryptMessageBegin,
        encrypt_message_next = C_EncryptMessageNext,
        message_encrypt_final = C_MessageEncryptFinal,
        encrypt_message_in_place,
        encrypt_message_parts
    );
    messages!(
        message_decrypt_init = C_MessageDecryptInit,
        decrypt_message = C_DecryptMessage,
        decrypt_message_begin = C_DecryptMessageBegin,
        decrypt_message_next = C_DecryptMessageNext,
        message_decrypt_final = C_MessageDecryptFinal,
        decrypt_message_in_place,
        decrypt_message_parts
    );
}
