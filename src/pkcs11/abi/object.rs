//! Object management (PKCS#11 v3.2 §5.7).

use cryptoki_sys::*;

use super::pointers::{Arrays, AttributeBuffers, Place, elements_mut, template as read_template};

/// Creates an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_CreateObject(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    object: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_CreateObject, module => {
        let session = module.session(session)?;
        let mut arrays = Arrays::new();
        // SAFETY: the caller's promise.
        let (object, template) = unsafe { (Place::new(object)?, read_template(&mut arrays, template, count)?) };
        object.set(session.create_object(&template)?);
        Ok(())
    })
}

/// Copies an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_CopyObject(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    new_object: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    call!(C_CopyObject, module => {
        let session = module.session(session)?;
        let mut arrays = Arrays::new();
        // SAFETY: the caller's promise.
        let (new_object, template) = unsafe { (Place::new(new_object)?, read_template(&mut arrays, template, count)?) };
        new_object.set(session.copy_object(object, &template)?);
        Ok(())
    })
}

/// Destroys an object, for good.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_DestroyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> CK_RV {
    call!(C_DestroyObject, module => { module.session(session)?.destroy_object(object) })
}

/// About how many bytes an object takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetObjectSize(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    size: *mut CK_ULONG,
) -> CK_RV {
    call!(C_GetObjectSize, module => {
        // SAFETY: the caller's promise.
        let size = unsafe { Place::new(size)? };
        size.set(module.session(session)?.object_size(object)?);
        Ok(())
    })
}

/// Attributes of an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    call!(C_GetAttributeValue, module => {
        let session = module.session(session)?;
        // SAFETY: the caller's promise.
        let mut buffers = unsafe { AttributeBuffers::new(template, count)? };
        session.attributes(object, &mut buffers)
    })
}

/// Changes attributes of an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_SetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    call!(C_SetAttributeValue, module => {
        let session = module.session(session)?;
        let mut arrays = Arrays::new();
        // SAFETY: the caller's promise.
        let template = unsafe { read_template(&mut arrays, template, count)? };
        session.set_attributes(object, &template)
    })
}

/// Begins a search.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    call!(C_FindObjectsInit, module => {
        let mut session = module.session(session)?;
        let mut arrays = Arrays::new();
        // SAFETY: the caller's promise.
        let template = unsafe { read_template(&mut arrays, template, count)? };
        session.find_init(&template)
    })
}

/// The next matches.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_FindObjects(
    session: CK_SESSION_HANDLE,
    object: *mut CK_OBJECT_HANDLE,
    max_object_count: CK_ULONG,
    object_count: *mut CK_ULONG,
) -> CK_RV {
    call!(C_FindObjects, module => {
        let mut session = module.session(session)?;
        // SAFETY: the caller's promise.
        let (object_count, objects) = unsafe { (Place::new(object_count)?, elements_mut(object, max_object_count)?) };
        object_count.set(session.find(objects)? as CK_ULONG);
        Ok(())
    })
}

/// Ends a search.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_FindObjectsFinal(session: CK_SESSION_HANDLE) -> CK_RV {
    call!(C_FindObjectsFinal, module => { module.session(session)?.find_final() })
}
