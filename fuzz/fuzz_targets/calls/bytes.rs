//! The fuzzer's bytes, read as choices.

/// What is left of them. At their end every choice is 0.
pub struct Bytes<'a>(&'a [u8]);

/// Lengths and counts at which something may change.
const NUMBERS: [u64; 20] =
    [0, 1, 2, 7, 8, 12, 13, 16, 24, 32, 64, 255, 256, 257, 4096, 8192, 1 << 31, 1 << 32, (1 << 63) - 1, u64::MAX];

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of `count` (at most 256).
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// So many bytes, filled up with 0.
    pub fn take(&mut self, len: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        let mut taken = taken.to_vec();
        taken.resize(len, 0);
        taken
    }

    /// Any number: a small one, one at a border, or eight bytes.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=127 => small.into(),
            border @ 128..=247 => NUMBERS[usize::from(border) % NUMBERS.len()],
            _ => u64::from_le_bytes(self.take(8).try_into().expect("eight bytes were taken")),
        }
    }
}
