//! The caller's buffer for a result, and inputs that may lie in the same place.

use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr;
use std::slice;

use cryptoki_sys::*;
use zeroize::Zeroizing;

use super::pointers::{BAD, check_extent, elements};
use crate::crypto::Text;
use crate::pkcs11::error::Rv;
use crate::pkcs11::operation::Step;

/// A buffer of the caller's for a result of variable length (PKCS#11 v3.2 §5.2): NULL asks for the length.
pub struct Output<'a> {
    buffer: *mut u8,
    capacity: usize,
    answer: Option<usize>,
    lifetime: PhantomData<&'a mut [u8]>,
}

impl Output<'_> {
    /// Room for `needed` bytes: `None` when only the length is asked for, `CKR_BUFFER_TOO_SMALL` when there is less. In
    /// both cases the length is answered.
    pub fn room(&mut self, needed: usize) -> Result<Option<&mut [u8]>, Rv> {
        self.answer = Some(needed);
        if self.buffer.is_null() {
            return Ok(None);
        }
        if self.capacity < needed {
            return Err(Rv(CKR_BUFFER_TOO_SMALL));
        }
        // SAFETY: not NULL, and `output` was promised `capacity` bytes that nobody else uses during the call.
        Ok(Some(unsafe { slice::from_raw_parts_mut(self.buffer, needed) }))
    }

    /// Whether only the length is asked for.
    pub fn is_query(&self) -> bool {
        self.buffer.is_null()
    }

    /// Whether there is room for so many bytes.
    pub fn fits(&self, len: usize) -> bool {
        !self.buffer.is_null() && len <= self.capacity
    }

    /// Answers this result, at the end of an operation.
    pub fn give(&mut self, result: &[u8]) -> Result<Step, Rv> {
        let Some(room) = self.room(result.len())? else { return Ok(Step::Pending) };
        room.copy_from_slice(result);
        Ok(Step::Done)
    }

    /// What was written.
    pub fn given(&self) -> &[u8] {
        match self.answer {
            // SAFETY: not NULL, `output` was promised `capacity` bytes, and as many as the answer says were written.
            Some(len) if !self.buffer.is_null() && len <= self.capacity => unsafe {
                slice::from_raw_parts(self.buffer, len)
            },
            _ => &[],
        }
    }

    /// How much of the room was used.
    pub fn written(&mut self, len: usize) {
        self.answer = Some(len);
    }

    /// The input, or a copy of it if the caller has the output written over it.
    ///
    /// # Safety
    ///
    /// As for [`elements`].
    pub unsafe fn input_beside<'i>(&self, pointer: *const u8, len: CK_ULONG) -> Result<Input<'i>, Rv> {
        // SAFETY: the caller's promise.
        let input: &'i [u8] = unsafe { elements(pointer, len)? };
        let (start, end) = (pointer as usize, pointer as usize + input.len());
        let (out_start, out_end) = (self.buffer as usize, (self.buffer as usize).saturating_add(self.capacity));
        if self.buffer.is_null() || end <= out_start || out_end <= start {
            return Ok(Input::Caller(input));
        }
        let mut copy = Zeroizing::new(Vec::new());
        copy.try_reserve_exact(input.len()).map_err(|_| Rv(CKR_HOST_MEMORY))?;
        copy.extend_from_slice(input);
        Ok(Input::Copy(copy))
    }
}

/// What a function works on.
pub enum Input<'i> {
    /// The caller's memory.
    Caller(&'i [u8]),
    /// A copy, wiped afterwards: it may be what nobody else shall read.
    Copy(Zeroizing<Vec<u8>>),
}

impl Deref for Input<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Caller(bytes) => bytes,
            Self::Copy(bytes) => bytes,
        }
    }
}

/// An input that becomes an output of the same length, which the caller may want in the same place (PKCS#11 v3.2 §5.9.2).
///
/// Input and output are never borrowed at once unless they are apart, so that whoever works with it needs no care.
pub struct Exchange<'o, 'b> {
    out: &'o mut Output<'b>,
    input: *const u8,
    len: usize,
}

impl<'o, 'b> Exchange<'o, 'b> {
    /// Checks the input.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or points to `len` bytes that live as long as this does, and that nobody changes but by the output.
    pub unsafe fn new(out: &'o mut Output<'b>, pointer: *const u8, len: CK_ULONG) -> Result<Self, Rv> {
        let len = check_extent(pointer, len)?;
        Ok(Self { out, input: pointer, len })
    }

    /// Bytes of the input.
    pub fn input_len(&self) -> usize {
        self.len
    }

    /// Whether there is room for so many bytes; false when only the length is asked for. Both, and too little room, answer
    /// the length.
    pub fn has_room(&mut self, needed: usize) -> Result<bool, Rv> {
        self.out.room(needed).map(|room| room.is_some())
    }

    /// The input.
    pub fn input(&self) -> &[u8] {
        // SAFETY: `new` was promised as many bytes, and checked pointer and length; the output can't be borrowed meanwhile.
        if self.len == 0 { &[] } else { unsafe { slice::from_raw_parts(self.input, self.len) } }
    }

    /// Room for so many bytes, which was asked for before.
    pub fn output(&mut self, needed: usize) -> Result<&mut [u8], Rv> {
        self.out.room(needed)?.ok_or(BAD)
    }

    /// Hands `body` the input and an output of the same length, which was asked for before. What overlaps in another way
    /// than being one place is copied first.
    pub fn pass<T>(&mut self, body: impl FnOnce(Text<'_>) -> Result<T, Rv>) -> Result<T, Rv> {
        let (input, len) = (self.input, self.len);
        let out = self.out.buffer;
        if len == 0 {
            return body(Text::InPlace(&mut []));
        }
        if ptr::eq(input, out) {
            return body(Text::InPlace(self.output(len)?));
        }
        // SAFETY: as in `input`; what is returned lies apart from the output, or is a copy.
        let input = unsafe { self.out.input_beside(input, len as CK_ULONG)? };
        body(Text::Beside(&input, self.output(len)?))
    }
}

/// Hands `body` the caller's buffer, and answers the length when it says one.
///
/// # Safety
///
/// `len` is NULL or can be read and written; `buffer` is NULL or points to as many bytes as it says, that nobody else uses
/// during the call.
pub unsafe fn output(
    buffer: *mut u8,
    len: *mut CK_ULONG,
    body: impl FnOnce(&mut Output<'_>) -> Result<Step, Rv>,
) -> Result<Step, Rv> {
    if len.is_null() {
        return Err(BAD);
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    let capacity = unsafe { ptr::read_unaligned(len) };
    let capacity = if buffer.is_null() { 0 } else { check_extent(buffer, capacity)? };
    let mut output = Output { buffer, capacity, answer: None, lifetime: PhantomData };
    let outcome = body(&mut output);
    if let Some(answer) = output.answer {
        // SAFETY: as above.
        unsafe { ptr::write_unaligned(len, answer as CK_ULONG) };
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_query_and_a_short_buffer_answer_the_length() {
        let mut buffer = [0u8; 4];
        let ask = |buffer: *mut u8, mut len: CK_ULONG| {
            // SAFETY: a live buffer with its length, or NULL.
            let outcome = unsafe {
                output(buffer, &mut len, |out| match out.room(3)? {
                    None => Ok(Step::Pending),
                    Some(room) => {
                        room.copy_from_slice(b"abc");
                        Ok(Step::Done)
                    }
                })
            };
            (outcome, len)
        };
        assert_eq!(ask(ptr::null_mut(), 77), (Ok(Step::Pending), 3));
        assert_eq!(ask(buffer.as_mut_ptr(), 2), (Err(Rv(CKR_BUFFER_TOO_SMALL)), 3));
        assert_eq!(ask(buffer.as_mut_ptr(), 4), (Ok(Step::Done), 3));
        assert_eq!(&buffer, b"abc\0");
    }

    #[test]
    fn an_input_under_the_output_is_copied_first() {
        let mut buffer = *b"abcdefgh";
        let (pointer, mut len) = (buffer.as_mut_ptr(), 8);
        // SAFETY: one live buffer, which is the case that is tested.
        unsafe {
            output(pointer, &mut len, |out| {
                assert!(matches!(out.input_beside(pointer.add(4), 4)?, Input::Copy(_)));
                assert!(matches!(out.input_beside(b"other".as_ptr(), 5)?, Input::Caller(_)));
                Ok(Step::Done)
            })
            .unwrap();
        }
    }

    #[test]
    fn what_is_in_one_place_stays_there_and_what_overlaps_otherwise_is_copied() {
        let mut buffer = *b"abcdefgh";
        let (pointer, mut len) = (buffer.as_mut_ptr(), 4);
        let mut kind = |offset: usize| {
            // SAFETY: one live buffer, which is the case that is tested.
            unsafe {
                output(pointer, &mut len, |out| {
                    let mut exchange = Exchange::new(out, pointer.add(offset), 4)?;
                    assert_eq!(exchange.has_room(4), Ok(true));
                    let inside = exchange.pass(|text| match text {
                        Text::InPlace(text) => Ok(text.as_ptr() == pointer),
                        Text::Beside(input, _) => Ok((pointer..pointer.add(8)).contains(&input.as_ptr().cast_mut())),
                    })?;
                    Ok(if inside { Step::Done } else { Step::Pending })
                })
            }
        };
        assert_eq!(kind(0), Ok(Step::Done));
        assert_eq!(kind(2), Ok(Step::Pending), "a copy lies elsewhere");
        assert_eq!(kind(4), Ok(Step::Done), "what lies beside isn't copied");
    }
}
