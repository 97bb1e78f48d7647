//! The sum over all records, which makes a missing, added or exchanged row show.
//!
//! Σ HMAC(id, seq, salt, tags) mod 2²⁵⁶, and beside it the same sum with each term multiplied by its id: from the
//! differences of both one can tell *which* row was exchanged. Both stand only inside the sealed header.

/// A number mod 2²⁵⁶, least significant limb first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Number([u64; 4]);

impl Number {
    /// From 32 bytes, little-endian.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*bytes);
        }
        Self(limbs)
    }

    /// To 32 bytes, little-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *bytes = limb.to_le_bytes();
        }
        bytes
    }

    fn plus(self, other: Self) -> Self {
        let mut result = [0; 4];
        let mut carry = false;
        for (index, limb) in result.iter_mut().enumerate() {
            let (sum, first) = self.0[index].overflowing_add(other.0[index]);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            *limb = sum;
            carry = first | second;
        }
        Self(result)
    }

    fn negated(self) -> Self {
        Self(self.0.map(|limb| !limb)).plus(Self([1, 0, 0, 0]))
    }

    fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    fn times(self, factor: [u8; 16]) -> Self {
        let factor = u128::from_le_bytes(factor);
        let factor = [factor as u64, (factor >> 64) as u64];
        let mut result = [0u64; 4];
        for (shift, &by) in factor.iter().enumerate() {
            let mut carry = 0u128;
            for index in 0..4 - shift {
                let place = &mut result[index + shift];
                let product = u128::from(self.0[index]) * u128::from(by) + u128::from(*place) + carry;
                *place = product as u64;
                carry = product >> 64;
            }
        }
        Self(result)
    }
}

/// Count and sums of a set of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordSum {
    /// How many rows, tombstones among them.
    pub count: u64,
    /// Σ of the rows' codes.
    pub plain: Number,
    /// Σ of the codes times the rows' ids.
    pub weighted: Number,
}

impl RecordSum {
    /// A row with this id and code joins.
    pub fn add(&mut self, id: [u8; 16], code: Number) {
        self.count += 1;
        self.plain = self.plain.plus(code);
        self.weighted = self.weighted.plus(code.times(id));
    }

    /// A row leaves.
    pub fn remove(&mut self, id: [u8; 16], code: Number) {
        self.count = self.count.wrapping_sub(1);
        self.plain = self.plain.minus(code);
        self.weighted = self.weighted.minus(code.times(id));
    }

    /// Whether exchanging the one row with this id explains the difference between what is sealed and what was found.
    pub fn explained_by(&self, found: &Self, id: [u8; 16]) -> bool {
        let plain = self.plain.minus(found.plain);
        plain != Number::default() && plain.times(id) == self.weighted.minus(found.weighted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(seed: u8) -> Number {
        Number::from_bytes(&std::array::from_fn(|index| seed.wrapping_mul(index as u8 + 1).wrapping_add(77)))
    }

    #[test]
    fn what_joined_and_left_leaves_no_trace() {
        let mut sum = RecordSum::default();
        sum.add([1; 16], code(1));
        let before = sum;
        sum.add([0xFF; 16], code(200));
        assert_ne!(sum, before);
        sum.remove([0xFF; 16], code(200));
        assert_eq!(sum, before);
    }

    #[test]
    fn an_exchanged_row_is_named() {
        let ids: Vec<[u8; 16]> = (0..50u8).map(|seed| [seed.wrapping_mul(37) ^ 0x5A; 16]).collect();
        let mut sealed = RecordSum::default();
        let mut found = RecordSum::default();
        for (index, id) in ids.iter().enumerate() {
            sealed.add(*id, code(index as u8));
            found.add(*id, code(if index == 31 { 99 } else { index as u8 }));
        }
        let named: Vec<usize> = (0..50).filter(|index| sealed.explained_by(&found, ids[*index])).collect();
        assert_eq!(named, [31]);
    }

    #[test]
    fn multiplication_is_modular() {
        let minus_one = Number([u64::MAX; 4]);
        assert_eq!(minus_one.times(u128::MAX.to_le_bytes()).plus(minus_one.times(1u128.to_le_bytes())), {
            Number([0, 0, u64::MAX, u64::MAX])
        });
    }
}
