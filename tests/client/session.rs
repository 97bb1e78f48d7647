//! A session and the calls that need one.

use cryptoki_sys::*;

use super::template::c_template;
use super::{Attribute, Mechanism, Module, Outcome, call, len, output, pointer};

/// A session. Dropping it closes nothing: a test that wants it closed says so.
#[derive(Clone, Copy)]
pub struct Session<'m> {
    module: &'m Module,
    pub handle: CK_SESSION_HANDLE,
}

/// Objects that one `C_FindObjects` is asked for.
const BATCH: usize = 64;

impl<'m> Session<'m> {
    /// A session by its handle, whatever that is.
    pub fn new(module: &'m Module, handle: CK_SESSION_HANDLE) -> Self {
        Self { module, handle }
    }

    /// The functions, for calls that this client has no way to make.
    pub fn list(&self) -> &'static CK_FUNCTION_LIST {
        self.module.list()
    }

    /// Those of PKCS#11 3.2.
    pub fn newest(&self) -> &'static CK_FUNCTION_LIST_3_2 {
        self.module.newest()
    }

    pub fn close(self) -> Outcome<()> {
        call!(self.list(), C_CloseSession(self.handle))
    }

    pub fn info(&self) -> Outcome<CK_SESSION_INFO> {
        let mut info = CK_SESSION_INFO::default();
        call!(self.list(), C_GetSessionInfo(self.handle, &mut info)).map(|()| info)
    }

    /// `C_SessionCancel`, which is of PKCS#11 3.0.
    pub fn cancel(&self, operations: CK_FLAGS) -> Outcome<()> {
        call!(self.module.newest(), C_SessionCancel(self.handle, operations))
    }

    // ---- login and PINs

    pub fn login(&self, user: CK_USER_TYPE, pin: &[u8]) -> Outcome<()> {
        call!(self.list(), C_Login(self.handle, user, pointer(pin), len(pin)))
    }

    /// `C_LoginUser`, which is of PKCS#11 3.0.
    pub fn login_user(&self, user: CK_USER_TYPE, pin: &[u8], name: &str) -> Outcome<()> {
        let name = name.as_bytes();
        let list = self.module.newest();
        call!(list, C_LoginUser(self.handle, user, pointer(pin), len(pin), pointer(name), len(name)))
    }

    pub fn logout(&self) -> Outcome<()> {
        call!(self.list(), C_Logout(self.handle))
    }

    pub fn init_pin(&self, pin: &[u8]) -> Outcome<()> {
        call!(self.list(), C_InitPIN(self.handle, pointer(pin), len(pin)))
    }

    pub fn set_pin(&self, old: &[u8], new: &[u8]) -> Outcome<()> {
        call!(self.list(), C_SetPIN(self.handle, pointer(old), len(old), pointer(new), len(new)))
    }

    // ---- objects

    pub fn create(&self, template: &[Attribute]) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut template, mut object) = (c_template(template), 0);
        let count = template.len() as CK_ULONG;
        call!(self.list(), C_CreateObject(self.handle, template.as_mut_ptr(), count, &mut object))?;
        Ok(object)
    }

    pub fn copy(&self, object: CK_OBJECT_HANDLE, template: &[Attribute]) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut template, mut copy) = (c_template(template), 0);
        let count = template.len() as CK_ULONG;
        call!(self.list(), C_CopyObject(self.handle, object, template.as_mut_ptr(), count, &mut copy))?;
        Ok(copy)
    }

    pub fn destroy(&self, object: CK_OBJECT_HANDLE) -> Outcome<()> {
        call!(self.list(), C_DestroyObject(self.handle, object))
    }

    pub fn size(&self, object: CK_OBJECT_HANDLE) -> Outcome<CK_ULONG> {
        let mut size = 0;
        call!(self.list(), C_GetObjectSize(self.handle, object, &mut size)).map(|()| size)
    }

    /// One attribute's value.
    pub fn get(&self, object: CK_OBJECT_HANDLE, number: CK_ATTRIBUTE_TYPE) -> Outcome<Vec<u8>> {
        output(|value, value_len| {
            let mut attribute = CK_ATTRIBUTE { type_: number, pValue: value.cast(), ulValueLen: 0 };
            // SAFETY: `output` hands a pointer to its own length.
            let len = unsafe { &mut *value_len };
            attribute.ulValueLen = *len;
            let answer = call!(self.list(), C_GetAttributeValue(self.handle, object, &mut attribute, 1));
            *len = attribute.ulValueLen;
            answer
        })
    }

    pub fn set(&self, object: CK_OBJECT_HANDLE, template: &[Attribute]) -> Outcome<()> {
        let mut template = c_template(template);
        let count = template.len() as CK_ULONG;
        call!(self.list(), C_SetAttributeValue(self.handle, object, template.as_mut_ptr(), count))
    }

    /// Every object that matches.
    pub fn find(&self, template: &[Attribute]) -> Outcome<Vec<CK_OBJECT_HANDLE>> {
        let mut template = c_template(template);
        let count = template.len() as CK_ULONG;
        call!(self.list(), C_FindObjectsInit(self.handle, template.as_mut_ptr(), count))?;
        let mut found = Vec::new();
        loop {
            let (mut batch, mut count) = ([0; BATCH], 0);
            call!(self.list(), C_FindObjects(self.handle, batch.as_mut_ptr(), BATCH as CK_ULONG, &mut count))?;
            if count == 0 {
                break;
            }
            found.extend_from_slice(&batch[..count as usize]);
        }
        call!(self.list(), C_FindObjectsFinal(self.handle))?;
        Ok(found)
    }

    // ---- keys

    pub fn generate<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        template: &[Attribute],
    ) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut template, mut key) = (c_template(template), 0);
        let count = template.len() as CK_ULONG;
        mechanism
            .into()
            .in_c(|m| call!(self.list(), C_GenerateKey(self.handle, m, template.as_mut_ptr(), count, &mut key)))?;
        Ok(key)
    }

    /// The public key, then the private one.
    pub fn generate_pair<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Outcome<(CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)> {
        let (mut public, mut private) = (c_template(public), c_template(private));
        let (public_len, private_len) = (public.len() as CK_ULONG, private.len() as CK_ULONG);
        let (public, private) = (public.as_mut_ptr(), private.as_mut_ptr());
        let (mut public_key, mut private_key) = (0, 0);
        let keys = (&raw mut public_key, &raw mut private_key);
        mechanism.into().in_c(|m| {
            let (list, session) = (self.list(), self.handle);
            call!(list, C_GenerateKeyPair(session, m, public, public_len, private, private_len, keys.0, keys.1))
        })?;
        Ok((public_key, private_key))
    }

    pub fn wrap<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        wrapping: CK_OBJECT_HANDLE,
        key: CK_OBJECT_HANDLE,
    ) -> Outcome<Vec<u8>> {
        mechanism
            .into()
            .in_c(|m| output(|out, out_len| call!(self.list(), C_WrapKey(self.handle, m, wrapping, key, out, out_len))))
    }

    pub fn unwrap<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        unwrapping: CK_OBJECT_HANDLE,
        wrapped: &[u8],
        template: &[Attribute],
    ) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut template, mut key) = (c_template(template), 0);
        let (count, template) = (template.len() as CK_ULONG, template.as_mut_ptr());
        mechanism.into().in_c(|m| {
            let (list, bytes, bytes_len) = (self.list(), pointer(wrapped), len(wrapped));
            call!(list, C_UnwrapKey(self.handle, m, unwrapping, bytes, bytes_len, template, count, &mut key))
        })?;
        Ok(key)
    }

    pub fn derive<'a>(
        &self,
        mechanism: impl Into<Mechanism<'a>>,
        base: CK_OBJECT_HANDLE,
        template: &[Attribute],
    ) -> Outcome<CK_OBJECT_HANDLE> {
        let (mut template, mut key) = (c_template(template), 0);
        let count = template.len() as CK_ULONG;
        mechanism
            .into()
            .in_c(|m| call!(self.list(), C_DeriveKey(self.handle, m, base, template.as_mut_ptr(), count, &mut key)))?;
        Ok(key)
    }

    // ---- random

    pub fn random(&self, count: usize) -> Outcome<Vec<u8>> {
        let mut bytes = vec![0; count];
        call!(self.list(), C_GenerateRandom(self.handle, bytes.as_mut_ptr(), count as CK_ULONG)).map(|()| bytes)
    }

    pub fn seed_random(&self, seed: &[u8]) -> Outcome<()> {
        call!(self.list(), C_SeedRandom(self.handle, pointer(seed), len(seed)))
    }

    // ---- dual-function operations, between the two initialisations and the two final calls

    pub fn digest_encrypt_update(&self, part: &[u8]) -> Outcome<Vec<u8>> {
        let (bytes, bytes_len) = (pointer(part), len(part));
        output(|out, out_len| call!(self.list(), C_DigestEncryptUpdate(self.handle, bytes, bytes_len, out, out_len)))
    }

    pub fn decrypt_digest_update(&self, part: &[u8]) -> Outcome<Vec<u8>> {
        let (bytes, bytes_len) = (pointer(part), len(part));
        output(|out, out_len| call!(self.list(), C_DecryptDigestUpdate(self.handle, bytes, bytes_len, out, out_len)))
    }

    pub fn sign_encrypt_update(&self, part: &[u8]) -> Outcome<Vec<u8>> {
        let (bytes, bytes_len) = (pointer(part), len(part));
        output(|out, out_len| call!(self.list(), C_SignEncryptUpdate(self.handle, bytes, bytes_len, out, out_len)))
    }

    pub fn decrypt_verify_update(&self, part: &[u8]) -> Outcome<Vec<u8>> {
        let (bytes, bytes_len) = (pointer(part), len(part));
        output(|out, out_len| call!(self.list(), C_DecryptVerifyUpdate(self.handle, bytes, bytes_len, out, out_len)))
    }

    // ---- the state of an operation

    pub fn operation_state(&self) -> Outcome<Vec<u8>> {
        output(|out, out_len| call!(self.list(), C_GetOperationState(self.handle, out, out_len)))
    }

    pub fn set_operation_state(&self, state: &[u8]) -> Outcome<()> {
        call!(self.list(), C_SetOperationState(self.handle, pointer(state), len(state), 0, 0))
    }
}
