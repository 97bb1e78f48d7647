//! Pointers and lengths of the C side, checked once and turned into slices.
//!
//! NULL where something is needed, a misaligned array and a length that no object can have are `CKR_ARGUMENTS_BAD`.
//! The lifetimes are those of the call.

use std::marker::PhantomData;
use std::ptr;
use std::slice;

use cryptoki_sys::*;

use crate::pkcs11::attribute::{self, Form, Lookup, array};
use crate::pkcs11::error::Rv;
use crate::pkcs11::template::Template;
use crate::vault::Pin;

pub(super) const BAD: Rv = Rv(CKR_ARGUMENTS_BAD);

/// No process of any architecture that we run on has more address space.
const EXTENT_MAX: usize = 1 << 56;

/// Far above what any attribute holds, and below what a length becomes that is -1 in 32 bits.
const VALUE_MAX: CK_ULONG = 1 << 28;

/// No template of the specification has nearly as many attributes.
const ATTRIBUTES_MAX: CK_ULONG = 1024;

/// `count` elements; NULL is as good as none.
///
/// # Safety
///
/// `pointer` is NULL or points to `count` elements that live and don't change for `'a`.
pub unsafe fn elements<'a, T>(pointer: *const T, count: CK_ULONG) -> Result<&'a [T], Rv> {
    let count = check_extent(pointer, count)?;
    // SAFETY: not NULL and aligned unless empty, and no longer than an object can be, which `check_extent` saw to; the
    // rest is the caller's promise.
    Ok(if count == 0 { &[] } else { unsafe { slice::from_raw_parts(pointer, count) } })
}

/// `count` elements to be written.
///
/// # Safety
///
/// `pointer` is NULL or points to `count` elements that live for `'a` and that nobody else uses.
pub unsafe fn elements_mut<'a, T>(pointer: *mut T, count: CK_ULONG) -> Result<&'a mut [T], Rv> {
    let count = check_extent(pointer, count)?;
    // SAFETY: as in `elements`.
    Ok(if count == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(pointer, count) } })
}

pub(super) fn check_extent<T>(pointer: *const T, count: CK_ULONG) -> Result<usize, Rv> {
    if count == 0 {
        return Ok(0);
    }
    let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(size_of::<T>())).ok_or(BAD)?;
    let end = (pointer as usize).checked_add(bytes);
    if pointer.is_null() || !pointer.is_aligned() || bytes > EXTENT_MAX || end.is_none() {
        return Err(BAD);
    }
    Ok(count as usize)
}

/// One element that must be there.
///
/// # Safety
///
/// `pointer` is NULL or points to a `T` that lives and doesn't change for `'a`.
pub unsafe fn required<'a, T>(pointer: *const T) -> Result<&'a T, Rv> {
    check_extent(pointer, 1)?;
    // SAFETY: not NULL, aligned; the rest is the caller's promise.
    Ok(unsafe { &*pointer })
}

/// A place for one result.
#[derive(Clone, Copy)]
pub struct Place<T>(*mut T);

impl<T> Place<T> {
    /// Fails on NULL, before anything is done for the result.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or can be written as long as the place is used.
    pub unsafe fn new(pointer: *mut T) -> Result<Self, Rv> {
        if pointer.is_null() { Err(BAD) } else { Ok(Self(pointer)) }
    }

    /// Writes the result.
    pub fn set(self, value: T) {
        // SAFETY: `new` saw that it isn't NULL; that it can be written is the promise of who made it. Alignment isn't
        // asked for.
        unsafe { ptr::write_unaligned(self.0, value) }
    }
}

/// Bytes of the caller's that are read and written, but never borrowed for longer than that: they may lie in what the call
/// gives out elsewhere.
pub struct CallerBytes<'a> {
    pointer: *mut u8,
    len: usize,
    lifetime: PhantomData<&'a mut [u8]>,
}

impl CallerBytes<'_> {
    /// `len` bytes; NULL is as good as none.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or points to `len` bytes that live for `'a`, that nobody else uses meanwhile, and that can be
    /// written if they are written here.
    pub unsafe fn new(pointer: *mut u8, len: CK_ULONG) -> Result<Self, Rv> {
        Ok(Self { pointer, len: check_extent(pointer, len)?, lifetime: PhantomData })
    }

    /// The bytes.
    pub fn read(&self) -> &[u8] {
        // SAFETY: `new` checked pointer and length; the rest is its caller's promise.
        if self.len == 0 { &[] } else { unsafe { slice::from_raw_parts(self.pointer, self.len) } }
    }

    /// Writes the first of them.
    pub fn write(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(self.len);
        // SAFETY: as above; what is written is ours and lies elsewhere.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.pointer, len) };
    }
}

/// Values that are templates themselves, in the flat form of [`mod@array`].
pub type Arrays = Vec<Vec<u8>>;

/// A template whose values are read.
///
/// # Safety
///
/// `pointer` is NULL or points to `count` attributes, each with a value as long as it says, for `'a`.
pub unsafe fn template<'a>(
    arrays: &'a mut Arrays,
    pointer: *const CK_ATTRIBUTE,
    count: CK_ULONG,
) -> Result<Template<'a>, Rv> {
    // SAFETY: the caller's promise.
    let attributes = unsafe { attributes(pointer, count)? };
    for attribute in attributes.iter().filter(|attribute| is_array(attribute.type_)) {
        // SAFETY: the caller's promise: its value is an array of attributes.
        arrays.push(unsafe { flat(attribute)? });
    }
    let mut arrays = arrays.iter();
    let mut values = Vec::with_capacity(attributes.len());
    for attribute in attributes {
        // SAFETY: the caller's promise.
        let value = unsafe { bytes_of(attribute)? };
        let value = if is_array(attribute.type_) { arrays.next().map_or(value, Vec::as_slice) } else { value };
        values.push((attribute.type_, value));
    }
    Ok(Template(values))
}

unsafe fn attributes<'a>(pointer: *const CK_ATTRIBUTE, count: CK_ULONG) -> Result<&'a [CK_ATTRIBUTE], Rv> {
    if count > ATTRIBUTES_MAX {
        return Err(BAD);
    }
    // SAFETY: the caller's promise.
    unsafe { elements(pointer, count) }
}

unsafe fn bytes_of<'a>(attribute: &CK_ATTRIBUTE) -> Result<&'a [u8], Rv> {
    if attribute.ulValueLen > VALUE_MAX {
        return Err(BAD);
    }
    // SAFETY: the caller's promise.
    unsafe { elements(attribute.pValue.cast_const().cast::<u8>(), attribute.ulValueLen) }
}

unsafe fn flat(attribute: &CK_ATTRIBUTE) -> Result<Vec<u8>, Rv> {
    let count = array_len(attribute.ulValueLen).ok_or(Rv(CKR_ATTRIBUTE_VALUE_INVALID))?;
    // SAFETY: the caller's promise.
    let inner = unsafe { attributes(attribute.pValue.cast_const().cast::<CK_ATTRIBUTE>(), count)? };
    let mut entries = Vec::with_capacity(inner.len());
    for attribute in inner {
        // SAFETY: the caller's promise.
        entries.push((attribute.type_, unsafe { bytes_of(attribute)? }));
    }
    Ok(array::encode(&entries))
}

/// How many attributes lie in a value of so many bytes.
fn array_len(bytes: CK_ULONG) -> Option<CK_ULONG> {
    const EACH: CK_ULONG = size_of::<CK_ATTRIBUTE>() as CK_ULONG;
    bytes.is_multiple_of(EACH).then_some(bytes / EACH)
}

fn is_array(attribute: CK_ATTRIBUTE_TYPE) -> bool {
    attribute & CKF_ARRAY_ATTRIBUTE != 0
        && matches!(attribute::lookup_any(attribute), Lookup::Row(row) if row.form == Form::AttributeArray)
}

/// A PIN; `None` for NULL, which is the protected authentication path.
///
/// # Safety
///
/// `pointer` is NULL or points to `len` bytes.
pub unsafe fn pin(pointer: *const CK_UTF8CHAR, len: CK_ULONG) -> Result<Option<Pin>, Rv> {
    if pointer.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { elements(pointer, len)? };
    if bytes.len() > PIN_MAX {
        return Err(Rv(CKR_PIN_LEN_RANGE));
    }
    Ok(Some(Pin::new(bytes.to_vec())))
}

/// Far above what any vault takes.
const PIN_MAX: usize = 1 << 16;

/// Answers a list in two calls, as PKCS#11 v3.2 §5.5.1 has them: its length, then its elements.
///
/// # Safety
///
/// `count` is NULL or can be read and written; `buffer` is NULL or points to as many elements as it says.
pub unsafe fn list<T: Copy>(values: &[T], buffer: *mut T, count: *mut CK_ULONG) -> Result<(), Rv> {
    if count.is_null() {
        return Err(BAD);
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    let capacity = unsafe { ptr::read_unaligned(count) };
    // SAFETY: as above.
    unsafe { ptr::write_unaligned(count, values.len() as CK_ULONG) };
    if buffer.is_null() {
        return Ok(());
    }
    if capacity < values.len() as CK_ULONG {
        return Err(Rv(CKR_BUFFER_TOO_SMALL));
    }
    // SAFETY: the caller promised room for `capacity` elements, which are at least as many.
    unsafe { elements_mut(buffer, values.len() as CK_ULONG)? }.copy_from_slice(values);
    Ok(())
}

/// A template whose values are asked for: a caller's array of types and buffers.
pub struct AttributeBuffers<'a>(&'a mut [CK_ATTRIBUTE]);

impl<'a> AttributeBuffers<'a> {
    /// Checks the array and each buffer.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or points to `count` attributes, each with NULL or a buffer as long as it says, for `'a`.
    pub unsafe fn new(pointer: *mut CK_ATTRIBUTE, count: CK_ULONG) -> Result<Self, Rv> {
        if count > ATTRIBUTES_MAX {
            return Err(BAD);
        }
        // SAFETY: the caller's promise.
        Ok(Self(unsafe { elements_mut(pointer, count)? }))
    }

    /// How many are asked for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which one is asked for at this place.
    pub fn attribute(&self, index: usize) -> CK_ATTRIBUTE_TYPE {
        self.0[index].type_
    }

    /// Answers the value, or its length if no buffer was given. False if the buffer is too small.
    pub fn answer(&mut self, index: usize, value: &[u8]) -> bool {
        if is_array(self.0[index].type_) {
            return self.answer_array(index, value);
        }
        let place = &mut self.0[index];
        let len = value.len() as CK_ULONG;
        if !place.pValue.is_null() {
            if place.ulValueLen < len || place.ulValueLen == CK_UNAVAILABLE_INFORMATION {
                place.ulValueLen = CK_UNAVAILABLE_INFORMATION;
                return false;
            }
            // SAFETY: `new` was promised a buffer as long as `ulValueLen` says, and it is at least as long as the value,
            // which is ours and lies elsewhere.
            unsafe { ptr::copy_nonoverlapping(value.as_ptr(), place.pValue.cast::<u8>(), value.len()) };
        }
        place.ulValueLen = len;
        true
    }

    /// A value that is a template goes into the caller's own array of attributes, each with its buffer (PKCS#11 v3.2
    /// §5.7.5). The array's length is asked for first, then, with types and NULL, the lengths in it.
    fn answer_array(&mut self, index: usize, flat: &[u8]) -> bool {
        let Ok(entries) = array::decode(flat) else {
            self.refuse(index);
            return true;
        };
        let place = &mut self.0[index];
        let room = place.ulValueLen;
        let len = (entries.len() * size_of::<CK_ATTRIBUTE>()) as CK_ULONG;
        place.ulValueLen = len;
        if place.pValue.is_null() {
            return true;
        }
        // SAFETY: `new` was promised a buffer as long as `ulValueLen` said, for an array attribute one of attributes.
        let inner = array_len(room)
            .filter(|_| room >= len)
            .and_then(|_| unsafe { Self::new(place.pValue.cast::<CK_ATTRIBUTE>(), entries.len() as CK_ULONG).ok() });
        let Some(mut inner) = inner else {
            place.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            return false;
        };
        let mut fits = true;
        for (position, (attribute, value)) in entries.into_iter().enumerate() {
            inner.0[position].type_ = attribute;
            fits &= inner.answer(position, value);
        }
        fits
    }

    /// Answers that there is no value to be had.
    pub fn refuse(&mut self, index: usize) {
        self.0[index].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_with_a_length_and_absurd_lengths_are_bad_arguments() {
        let bytes = [1u8, 2, 3];
        // SAFETY: the live array and its length, or values that are refused before they are followed.
        unsafe {
            assert_eq!(elements(ptr::null::<u8>(), 0), Ok(&[][..]));
            assert_eq!(elements(ptr::null::<u8>(), 1), Err(BAD));
            assert_eq!(elements(bytes.as_ptr(), CK_ULONG::MAX), Err(BAD));
            assert_eq!(elements(bytes.as_ptr().cast::<u64>(), 1 << 62), Err(BAD));
            assert_eq!(elements(bytes.as_ptr(), CK_ULONG::MAX / 2), Err(BAD));
            assert_eq!(elements(bytes.as_ptr(), 3), Ok(&bytes[..]));
        }
    }

    #[test]
    fn attributes_answer_in_three_ways() {
        let mut buffer = [0u8; 2];
        let with = |value: *mut u8, len| CK_ATTRIBUTE { type_: CKA_LABEL, pValue: value.cast(), ulValueLen: len };
        let mut array = [with(ptr::null_mut(), 0), with(buffer.as_mut_ptr(), 2), with(buffer.as_mut_ptr(), 1)];
        // SAFETY: a live array of live buffers.
        let mut buffers = unsafe { AttributeBuffers::new(array.as_mut_ptr(), 3).unwrap() };
        assert!(buffers.answer(0, b"xy"));
        assert!(buffers.answer(1, b"xy"));
        assert!(!buffers.answer(2, b"zz"));
        assert_eq!(array.map(|attribute| attribute.ulValueLen), [2, 2, CK_UNAVAILABLE_INFORMATION]);
        assert_eq!(&buffer, b"xy");
    }
}
