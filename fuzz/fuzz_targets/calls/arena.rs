//! Memory that a call's pointers point to, each piece exactly as long as is said, alive until the call returned.

use std::any::Any;

use cryptoki_sys::*;

/// The memory of one call.
#[derive(Default)]
pub struct Arena(Vec<Box<dyn Any>>);

/// A buffer for a result of variable length.
#[derive(Clone, Copy)]
pub struct Output {
    pub pointer: *mut u8,
    pub len: *mut CK_ULONG,
    capacity: usize,
    /// Behind the capacity lies a tail that must stay as it is.
    guarded: bool,
}

const TAIL: [u8; 16] = [0xA5; 16];

impl Arena {
    /// Keeps the values and says where.
    pub fn keep<T: 'static>(&mut self, values: Vec<T>) -> *mut T {
        let mut values = values.into_boxed_slice();
        let pointer = values.as_mut_ptr();
        self.0.push(Box::new(values));
        pointer
    }

    /// Forgets everything, after a call.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// A buffer of this capacity.
    pub fn output(&mut self, capacity: usize) -> Output {
        let mut bytes = vec![0; capacity];
        bytes.extend(TAIL);
        let pointer = self.keep(bytes);
        Output { pointer, len: self.keep(vec![capacity as CK_ULONG]), capacity, guarded: true }
    }

    /// NULL instead of a buffer, or instead of the length, or both.
    pub fn half_output(&mut self, pointer: *mut u8, len: Option<CK_ULONG>) -> Output {
        let len = len.map_or(std::ptr::null_mut(), |len| self.keep(vec![len]));
        Output { pointer, len, capacity: 0, guarded: false }
    }

    /// A result that is written over the input.
    pub fn in_place(&mut self, (pointer, len): (*mut u8, CK_ULONG)) -> Output {
        Output { pointer, len: self.keep(vec![len]), capacity: len as usize, guarded: false }
    }
}

impl Output {
    /// Checks what a call that returned `rv` left, and returns the result if there is one.
    pub fn check(self, name: &str, rv: CK_RV) -> Option<Vec<u8>> {
        if self.len.is_null() || self.pointer.is_null() {
            assert!(!self.len.is_null() || rv != CKR_OK, "{name} answered no length");
            return None;
        }
        // SAFETY: both point into the call's arena, which is still there.
        let (len, tail) = unsafe {
            let tail =
                if self.guarded { std::slice::from_raw_parts(self.pointer.add(self.capacity), 16) } else { &TAIL };
            (*self.len as usize, tail)
        };
        assert!(*tail == TAIL, "{name} wrote behind its buffer");
        match rv {
            CKR_OK => assert!(len <= self.capacity, "{name} answered {len} bytes into a buffer of {}", self.capacity),
            CKR_BUFFER_TOO_SMALL => {
                assert!(len > self.capacity, "{name} asks for {len} bytes where {} are", self.capacity);
                return None;
            }
            _ => return None,
        }
        // SAFETY: as above; the length was checked.
        Some(unsafe { std::slice::from_raw_parts(self.pointer, len) }.to_vec())
    }
}
