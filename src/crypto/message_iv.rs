//! IVs for the messages of one key, such that none comes twice.
//!
//! An IV is a fixed part, whose bits the caller chooses, and the bits after it, which are made here. The first message fixes
//! how: another way, another length or another border between the parts could repeat what was given out before. What is
//! used up is refused, never begun again. This holds for one [`Ivs`]: where the same key has several, in one process or in
//! many, their fixed parts keep them apart (SP 800-38D §8.2.1), or chance does (§8.2.2).

use super::{CryptoError, Result, random};

/// How the bits after the fixed part are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IvSource {
    /// A counter, from 0.
    Counter,
    /// A counter, from 0, by exclusive or upon what the caller gives, which is always the same.
    CounterXor,
    /// By chance, each time; 96 bits or more.
    Random,
    /// As this module does it best: a counter that begins by chance; 64 bits or more.
    Module,
}

/// The form of an IV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IvForm {
    /// How it is made.
    pub source: IvSource,
    /// How many of its leftmost bits are the caller's.
    pub fixed_bits: u32,
}

/// The IVs of one key in one operation.
#[derive(Debug, Default)]
pub struct Ivs {
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    form: IvForm,
    len: usize,
    /// What is counted from.
    start: u128,
    /// How many there were.
    given: u64,
}

/// Messages under IVs of chance (SP 800-38D §8.3).
const MOST_RANDOM: u64 = 1 << 32;

impl Ivs {
    /// The longest IV that is made, in bytes.
    pub const LONGEST: usize = 16;

    /// Makes the next one: of `iv` the fixed part stays. [`CryptoError::ParametersInvalid`] for a form that can't be, or
    /// that isn't the first message's; [`CryptoError::IvsUsedUp`] when no other is left. In both cases `iv` is as it was.
    pub fn next(&mut self, form: IvForm, iv: &mut [u8]) -> Result<()> {
        let mask = form.mask(iv.len())?;
        let given = number(iv);
        if self.begun.is_none() {
            self.begun = Some(Begun { form, len: iv.len(), start: form.start(given & mask)?, given: 0 });
        }
        let begun = self.begun.as_mut().ok_or(CryptoError::Internal("IVs that have begun"))?;
        let varies = form.source == IvSource::CounterXor && begun.start != given & mask;
        if begun.form != form || begun.len != iv.len() || varies {
            return Err(CryptoError::ParametersInvalid);
        }
        let made = begun.made(mask)?;
        begun.given += 1;
        iv.copy_from_slice(&((given & !mask) | made).to_be_bytes()[Self::LONGEST - iv.len()..]);
        Ok(())
    }
}

impl Begun {
    fn made(&self, mask: u128) -> Result<u128> {
        let count = u128::from(self.given);
        // As many as there are numbers of so many bits; never the last of 64, after which `given` can't count.
        if count > mask || self.given == u64::MAX {
            return Err(CryptoError::IvsUsedUp);
        }
        match self.form.source {
            IvSource::Counter => Ok(count),
            IvSource::CounterXor => Ok(self.start ^ count),
            IvSource::Module => Ok(self.start.wrapping_add(count) & mask),
            IvSource::Random if self.given >= MOST_RANDOM => Err(CryptoError::IvsUsedUp),
            IvSource::Random => by_chance(mask),
        }
    }
}

impl IvForm {
    /// The bits that are made, in an IV of so many bytes.
    fn mask(self, len: usize) -> Result<u128> {
        if !(1..=Ivs::LONGEST).contains(&len) {
            return Err(CryptoError::ParametersInvalid);
        }
        let least = match self.source {
            IvSource::Counter | IvSource::CounterXor => 1,
            IvSource::Module => 64,
            IvSource::Random => 96,
        };
        match (len as u32 * 8).checked_sub(self.fixed_bits) {
            Some(made) if made >= least => Ok(u128::MAX >> (u128::BITS - made)),
            _ => Err(CryptoError::ParametersInvalid),
        }
    }

    fn start(self, given: u128) -> Result<u128> {
        match self.source {
            IvSource::Counter | IvSource::Random => Ok(0),
            IvSource::CounterXor => Ok(given),
            IvSource::Module => by_chance(u128::MAX),
        }
    }
}

fn by_chance(mask: u128) -> Result<u128> {
    let mut bytes = [0; Ivs::LONGEST];
    random(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes) & mask)
}

/// Of at most [`Ivs::LONGEST`] bytes, which the caller has checked.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn form(source: IvSource, fixed_bits: u32) -> IvForm {
        IvForm { source, fixed_bits }
    }

    fn next(ivs: &mut Ivs, form: IvForm, given: &[u8]) -> Result<Vec<u8>> {
        let mut iv = given.to_vec();
        ivs.next(form, &mut iv).map(|()| iv)
    }

    #[test]
    fn a_counter_begins_with_zero_behind_the_fixed_bits_and_is_never_begun_again() {
        let mut ivs = Ivs::default();
        // Three bits are left.
        let form = form(IvSource::Counter, 13);
        for count in 0..8 {
            assert_eq!(next(&mut ivs, form, &[0xA5, 0xFF]), Ok(vec![0xA5, 0xF8 | count]));
        }
        for _ in 0..3 {
            assert_eq!(next(&mut ivs, form, &[0xA5, 0xFF]), Err(CryptoError::IvsUsedUp));
        }
    }

    #[test]
    fn exclusive_or_leaves_the_fixed_bits_and_counts_in_the_others() {
        let mut ivs = Ivs::default();
        let form = form(IvSource::CounterXor, 8);
        assert_eq!(next(&mut ivs, form, &[1, 2, 3]), Ok(vec![1, 2, 3]));
        assert_eq!(next(&mut ivs, form, &[9, 2, 3]), Ok(vec![9, 2, 2]), "the fixed part may be another");
        assert_eq!(next(&mut ivs, form, &[1, 2, 2]), Err(CryptoError::ParametersInvalid), "the rest may not");
        assert_eq!(next(&mut ivs, form, &[1, 2, 3]), Ok(vec![1, 2, 1]));
    }

    #[test]
    fn a_counter_of_all_the_bits_there_are_ends_before_it_comes_round() {
        for (source, fixed_bits, len) in
            [(IvSource::Counter, 32, 12), (IvSource::Module, 0, 16), (IvSource::CounterXor, 64, 16)]
        {
            let form = form(source, fixed_bits);
            let mut ivs = Ivs::default();
            next(&mut ivs, form, &vec![0; len]).unwrap();
            ivs.begun.as_mut().unwrap().given = u64::MAX - 1;
            let last = next(&mut ivs, form, &vec![0; len]).unwrap();
            assert_eq!(next(&mut ivs, form, &vec![0; len]), Err(CryptoError::IvsUsedUp));
            assert!(source == IvSource::Module || last.ends_with(&[0xFF, 0xFE]));
        }
    }

    #[test]
    fn chance_fills_all_but_the_fixed_bits_and_ends_with_the_standards_number() {
        let form = form(IvSource::Random, 4);
        let mut ivs = Ivs::default();
        let given = [0xF0; 13];
        let made: HashSet<_> = (0..64).map(|_| next(&mut ivs, form, &given).unwrap()).collect();
        assert_eq!(made.len(), 64);
        assert!(made.iter().all(|iv| iv[0] >> 4 == 0xF));
        ivs.begun.as_mut().unwrap().given = MOST_RANDOM - 1;
        assert!(next(&mut ivs, form, &given).is_ok());
        assert_eq!(next(&mut ivs, form, &given), Err(CryptoError::IvsUsedUp));
    }

    #[test]
    fn our_own_way_begins_elsewhere_each_time_and_goes_round_its_bits() {
        let form = form(IvSource::Module, 32);
        let starts: HashSet<_> = (0..64).map(|_| next(&mut Ivs::default(), form, &[7; 12]).unwrap()).collect();
        assert_eq!(starts.len(), 64);
        let mut ivs = Ivs::default();
        next(&mut ivs, form, &[7; 12]).unwrap();
        ivs.begun.as_mut().unwrap().start = u128::from(u64::MAX);
        assert_eq!(next(&mut ivs, form, &[7; 12]), Ok([&[7; 4][..], &[0; 8]].concat()));
        assert_eq!(next(&mut ivs, form, &[7; 12]), Ok([&[7; 4][..], &[0; 7], &[1]].concat()));
    }

    #[test]
    fn the_first_message_fixes_the_form() {
        let mut ivs = Ivs::default();
        next(&mut ivs, form(IvSource::Counter, 32), &[0; 12]).unwrap();
        for (other, len) in [
            (form(IvSource::Counter, 31), 12),
            (form(IvSource::Counter, 32), 13),
            (form(IvSource::CounterXor, 32), 12),
            (form(IvSource::Random, 0), 12),
            (form(IvSource::Module, 32), 12),
        ] {
            assert_eq!(next(&mut ivs, other, &vec![0; len]), Err(CryptoError::ParametersInvalid), "{other:?} {len}");
        }
        assert_eq!(next(&mut ivs, form(IvSource::Counter, 32), &[0; 12]).unwrap()[11], 1);
    }

    #[test]
    fn too_few_bits_to_be_made_are_refused() {
        let takes =
            |source, fixed_bits, len| next(&mut Ivs::default(), form(source, fixed_bits), &vec![0; len]).is_ok();
        assert!(takes(IvSource::Counter, 95, 12) && !takes(IvSource::Counter, 96, 12));
        assert!(takes(IvSource::CounterXor, 0, 1) && !takes(IvSource::CounterXor, u32::MAX, 12));
        assert!(takes(IvSource::Module, 32, 12) && !takes(IvSource::Module, 33, 12));
        assert!(takes(IvSource::Random, 0, 12) && !takes(IvSource::Random, 1, 12));
        assert!(takes(IvSource::Random, 32, 16) && !takes(IvSource::Counter, 0, 17) && !takes(IvSource::Counter, 0, 0));
    }
}
