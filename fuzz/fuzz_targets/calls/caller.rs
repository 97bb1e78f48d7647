//! One sequence of calls under way: it draws arguments from the fuzzer's bytes and judges what comes back.

use std::ptr;

use cryptoki_sys::*;

use crate::arena::{Arena, Output};
use crate::bytes::Bytes;
use crate::keys::Family;
use crate::world::World;

/// See the [module](self).
pub struct Caller<'a> {
    pub bytes: Bytes<'a>,
    pub arena: Arena,
    pub world: &'a mut World,
    /// RSA pairs that may still be generated: one takes as long as a hundred other calls.
    pub rsa_pairs: u32,
    outputs: Vec<Output>,
    new_objects: Vec<*mut CK_OBJECT_HANDLE>,
    last_input: (*mut u8, CK_ULONG),
}

/// What an input is if the fuzzer chooses nothing else.
#[derive(Clone, Copy)]
pub enum Ordinary {
    /// 32 bytes.
    Text,
    /// What the last call with a result gave.
    Result,
}

/// Lengths at which mechanisms change their minds: blocks, digests, moduli and their neighbours.
#[rustfmt::skip]
const LENGTHS: [usize; 30] = [
    0, 1, 7, 8, 15, 16, 17, 20, 24, 28, 31, 32, 33, 48, 63, 64, 65, 96, 128, 132, 144, 190, 245, 246, 255, 256, 257, 1000, 4096,
    20_000,
];

impl<'a> Caller<'a> {
    pub fn new(world: &'a mut World, bytes: Bytes<'a>) -> Self {
        Self {
            bytes,
            arena: Arena::default(),
            world,
            rsa_pairs: 1,
            outputs: Vec::new(),
            new_objects: Vec::new(),
            last_input: (ptr::null_mut(), 0),
        }
    }

    pub fn session(&mut self) -> CK_SESSION_HANDLE {
        let choice = usize::from(self.bytes.byte());
        match choice {
            0..=239 => self.world.sessions[choice % self.world.sessions.len()],
            240..=249 => self.world.closed_session,
            _ => self.bytes.number(),
        }
    }

    pub fn slot(&mut self) -> CK_SLOT_ID {
        match self.bytes.byte() {
            0..=239 => self.world.slot,
            _ => self.bytes.number(),
        }
    }

    /// A key of this family, private (or secret) or public; or any other object; or none.
    pub fn object(&mut self, family: Family, private: bool) -> CK_OBJECT_HANDLE {
        let choice = usize::from(self.bytes.byte());
        let fitting = self.world.fitting(family, private);
        let objects = &self.world.objects;
        match choice {
            0..=99 if !fitting.is_empty() => fitting[choice % fitting.len()],
            0..=199 => objects.get(choice % objects.len().max(1)).copied().unwrap_or(0),
            200..=239 => objects.iter().rev().nth(choice - 200).copied().unwrap_or(0),
            _ => self.bytes.number() | [0, 1 << 63][choice % 2],
        }
    }

    /// The object that was made last, or another one.
    pub fn any_object(&mut self) -> CK_OBJECT_HANDLE {
        self.object(Family::Without, true)
    }

    pub fn input(&mut self, ordinary: Ordinary) -> (*mut u8, CK_ULONG) {
        let choice = self.bytes.byte();
        let bytes = match (choice, ordinary) {
            (0, Ordinary::Text) => vec![0x61; 32],
            (0, Ordinary::Result) => self.result(0),
            (1..=99, _) => self.bytes.take(choice.into()),
            (100..=119, _) => self.result(usize::from(choice) - 100),
            (120..=179, _) => vec![0x5A; LENGTHS[usize::from(choice - 120) % LENGTHS.len()]],
            (180..=209, _) => self.spoilt_result(),
            (210..=219, _) => Vec::new(),
            (220..=229, _) => return (ptr::null_mut(), 0),
            (230..=239, _) => return (ptr::null_mut(), self.bytes.number()),
            _ => {
                let len = LENGTHS[self.bytes.below(LENGTHS.len())];
                self.bytes.take(len)
            }
        };
        let len = bytes.len() as CK_ULONG;
        self.last_input = (self.arena.keep(bytes), len);
        self.last_input
    }

    fn result(&self, back: usize) -> Vec<u8> {
        self.world.results.iter().rev().nth(back).cloned().unwrap_or_default()
    }

    /// A result that was cut, made longer, or changed in one bit.
    fn spoilt_result(&mut self) -> Vec<u8> {
        let back = self.bytes.below(4);
        let mut result = self.result(back);
        let place = usize::from(self.bytes.byte());
        match self.bytes.byte() {
            0..=99 => result.truncate(place),
            100..=149 => result.resize(result.len() + place, 0),
            bit => {
                let len = result.len().max(1);
                if let Some(byte) = result.get_mut(place % len) {
                    *byte ^= 1 << (bit % 8);
                }
            }
        }
        result
    }

    /// Where a result of variable length goes: a large buffer, a small one, NULL, or over the input.
    pub fn output(&mut self) -> Output {
        let choice = self.bytes.byte();
        let output = match choice {
            0 => self.arena.output(32 << 10),
            1..=199 => self.arena.output(choice.into()),
            200..=214 => {
                let len = self.bytes.number();
                self.arena.half_output(ptr::null_mut(), Some(len))
            }
            215..=229 => self.arena.output(LENGTHS[usize::from(choice - 215) * 2]),
            230..=239 => self.arena.in_place(self.last_input),
            _ => {
                let somewhere = self.arena.keep(vec![0u8; 16]);
                self.arena.half_output(somewhere, None)
            }
        };
        self.outputs.push(output);
        output
    }

    /// Where a new handle goes; seldom NULL.
    pub fn new_object(&mut self) -> *mut CK_OBJECT_HANDLE {
        if self.bytes.byte() > 250 {
            return ptr::null_mut();
        }
        let place = self.arena.keep(vec![0]);
        self.new_objects.push(place);
        place
    }

    /// Where a structure goes; seldom NULL.
    pub fn place<T: Default + 'static>(&mut self) -> *mut T {
        if self.bytes.byte() > 250 { ptr::null_mut() } else { self.arena.keep(vec![T::default()]) }
    }

    /// A PIN: the right one, the officer's, a wrong one, an empty one, NULL.
    pub fn pin(&mut self) -> (*mut u8, CK_ULONG) {
        match self.bytes.byte() {
            0..=99 => self.text(crate::world::PIN),
            100..=149 => self.text(crate::world::SO_PIN),
            150..=179 => self.text(b"not the PIN"),
            _ => self.short_text(),
        }
    }

    fn text(&mut self, text: &[u8]) -> (*mut u8, CK_ULONG) {
        (self.arena.keep(text.to_vec()), text.len() as CK_ULONG)
    }

    /// A name that ends with NUL; seldom NULL itself.
    pub fn name(&mut self) -> *mut u8 {
        match self.bytes.byte() {
            0..=199 => self.text(b"PKCS 11\0").0,
            200..=229 => {
                let mut name = self.bytes.take(3);
                name.push(0);
                self.arena.keep(name)
            }
            _ => ptr::null_mut(),
        }
    }

    /// Judges a call that returned.
    pub fn judge(&mut self, name: &str, rv: CK_RV) {
        assert!(rv != CKR_GENERAL_ERROR, "{name} answered CKR_GENERAL_ERROR: something panicked");
        assert!(rv < CKR_VENDOR_DEFINED, "{name} answered {rv:#x}");
        for output in std::mem::take(&mut self.outputs) {
            if let Some(result) = output.check(name, rv) {
                self.world.note_result(result);
            }
        }
        for place in std::mem::take(&mut self.new_objects) {
            if rv == CKR_OK {
                // SAFETY: a place in the arena, which is still there.
                let handle = unsafe { *place };
                assert!(handle != CK_INVALID_HANDLE, "{name} made an object without a handle");
                self.world.note_object(handle);
            }
        }
        self.last_input = (ptr::null_mut(), 0);
        self.arena.clear();
    }
}
