//! Objects through a session (PKCS#11 v3.2 §5.7): who may create, change and destroy what.
//!
//! Templates and attributes are [`template`]'s and [`object`]'s; here is
//! the session's side: read-only or not, logged in or not, token object or session object.

use cryptoki_sys::*;

use super::Session;
use crate::pkcs11::abi::AttributeBuffers;
use crate::pkcs11::error::Rv;
use crate::pkcs11::object::{self, Value};
use crate::pkcs11::slot::session_objects::is_session_object;
use crate::pkcs11::template::{self, NewObject, Template};
use crate::vault::{self, Object, Role, SecretBytes, VaultError};

impl Session {
    /// `C_CreateObject`.
    pub fn create_object(&self, template: &Template<'_>) -> Result<CK_OBJECT_HANDLE, Rv> {
        self.store(template::for_create(template, &self.slot.rules())?)
    }

    /// `C_CopyObject`. A key that may not be used now isn't copied: the copy wouldn't know what was forbidden.
    pub fn copy_object(&self, object: CK_OBJECT_HANDLE, template: &Template<'_>) -> Result<CK_OBJECT_HANDLE, Rv> {
        if !is_session_object(object) {
            self.slot.vault.refresh()?;
        }
        let original = self.slot.object(object)?;
        self.slot.check_usable(&original)?;
        let mut copy = template::for_copy(&original, !is_session_object(object), template, &self.slot.rules())?;
        self.check_write(copy.token, copy.draft.content.private)?;
        if original.has_secret && copy.draft.secret.is_none() {
            copy.draft.secret = Some(self.secret(&original)?);
        }
        self.store(copy)
    }

    /// `C_DestroyObject`.
    pub fn destroy_object(&self, handle: CK_OBJECT_HANDLE) -> Result<(), Rv> {
        let object = self.slot.object(handle)?;
        self.check_change(&object)?;
        if !object::is_set(&object.content, CKA_DESTROYABLE) {
            return Err(Rv(CKR_ACTION_PROHIBITED));
        }
        if is_session_object(handle) {
            self.slot.objects.delete(handle);
            return Ok(());
        }
        Ok(self.slot.vault.delete(&[handle])?)
    }

    /// `C_GetObjectSize`.
    pub fn object_size(&self, handle: CK_OBJECT_HANDLE) -> Result<CK_ULONG, Rv> {
        Ok(object::size(&*self.slot.object(handle)?))
    }

    /// `C_GetAttributeValue`: every attribute is answered, also when one fails. Of several failures the one that says
    /// most is returned; the specification leaves it free (§5.7.5).
    pub fn attributes(&self, handle: CK_OBJECT_HANDLE, buffers: &mut AttributeBuffers<'_>) -> Result<(), Rv> {
        let object = self.slot.object(handle)?;
        let mut secret = || self.secret(&object);
        let mut worst = Ok(());
        for index in 0..buffers.len() {
            let value = object::read(&object, buffers.attribute(index), !is_session_object(handle), &mut secret);
            let failure = match value {
                Ok(Value::Bytes(value)) if buffers.answer(index, &value) => continue,
                Ok(Value::Secret(value)) if buffers.answer(index, value.expose()) => continue,
                Ok(Value::Bytes(_) | Value::Secret(_)) => Rv(CKR_BUFFER_TOO_SMALL),
                Ok(Value::Sensitive) => Rv(CKR_ATTRIBUTE_SENSITIVE),
                Ok(Value::Invalid) => Rv(CKR_ATTRIBUTE_TYPE_INVALID),
                Err(other) => other,
            };
            buffers.refuse(index);
            worst = match worst {
                Err(known) if weight(known) >= weight(failure) => worst,
                _ => Err(failure),
            };
        }
        worst
    }

    /// `C_SetAttributeValue`.
    pub fn set_attributes(&self, handle: CK_OBJECT_HANDLE, template: &Template<'_>) -> Result<(), Rv> {
        let object = self.slot.object(handle)?;
        self.check_change(&object)?;
        let rules = self.slot.rules();
        if is_session_object(handle) {
            return self.slot.objects.edit(handle, |content| template::apply_set(content, template, &rules));
        }
        self.slot.vault.change(&[handle], &mut |content| {
            template::apply_set(content, template, &rules).map_err(|Rv(code)| VaultError::Refused(code))
        })?;
        Ok(())
    }

    /// Puts a new object where it belongs.
    pub(super) fn store(&self, new: NewObject) -> Result<CK_OBJECT_HANDLE, Rv> {
        self.check_write(new.token, new.draft.content.private)?;
        if !new.token {
            let private = new.draft.content.private;
            return self.slot.objects.create(self.handle, new.draft, || self.check_write(false, private));
        }
        let created = self.slot.vault.create(vec![new.draft])?;
        created.first().map(|object| object.number).ok_or(Rv(CKR_FUNCTION_FAILED))
    }

    /// Token objects need a read-write session and a login, because nothing else could vouch for what is written; private
    /// ones of both kinds need the user's.
    pub(super) fn check_write(&self, token: bool, private: bool) -> Result<(), Rv> {
        let role = self.slot.role();
        if token && !self.read_write {
            return Err(Rv(CKR_SESSION_READ_ONLY));
        }
        if private && role != Some(Role::User) || token && role.is_none() {
            return Err(Rv(CKR_USER_NOT_LOGGED_IN));
        }
        Ok(())
    }

    fn check_change(&self, object: &Object) -> Result<(), Rv> {
        self.check_write(!is_session_object(object.number), object.content.private)
    }

    pub(super) fn secret(&self, object: &Object) -> vault::Result<SecretBytes> {
        if is_session_object(object.number) {
            self.slot.objects.load().secret(object.number)
        } else {
            self.slot.vault.secret(object.number)
        }
    }
}

/// How much a failure says of why attributes are missing.
fn weight(failure: Rv) -> u8 {
    match failure.0 {
        CKR_BUFFER_TOO_SMALL => 0,
        CKR_ATTRIBUTE_TYPE_INVALID => 1,
        CKR_ATTRIBUTE_SENSITIVE => 2,
        _ => 3,
    }
}
