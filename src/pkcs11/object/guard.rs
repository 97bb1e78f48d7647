//! How the value of a private or secret key is guarded: four attributes of which a vault knows two facts.
//!
//! A vault knows whether a key is exportable and whether it was made inside. From those follow `CKA_SENSITIVE` (the
//! opposite of `CKA_EXTRACTABLE`), `CKA_ALWAYS_SENSITIVE` and `CKA_NEVER_EXTRACTABLE` (as they are now, of a key that was
//! made inside). Only what differs is kept beside them: a key that was lowered later, or one that may leave wrapped but
//! not in clear.

use cryptoki_sys::*;

use crate::vault::Content;

/// The four attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// `CKA_SENSITIVE`
    pub sensitive: bool,
    /// `CKA_EXTRACTABLE`
    pub extractable: bool,
    /// `CKA_ALWAYS_SENSITIVE`
    pub always_sensitive: bool,
    /// `CKA_NEVER_EXTRACTABLE`
    pub never_extractable: bool,
}

impl Guard {
    /// Of a new key: what the caller says, else not extractable and sensitive.
    pub fn new(sensitive: Option<bool>, extractable: Option<bool>, local: bool) -> Self {
        let extractable = extractable.unwrap_or(false);
        let sensitive = sensitive.unwrap_or(!extractable);
        Self { sensitive, extractable, always_sensitive: local && sensitive, never_extractable: local && !extractable }
    }

    /// Of a key that is unwrapped: it may leave as it came unless the caller says otherwise (PKCS#11 v3.2 §5.18.4), but in
    /// clear only if the caller asks for that.
    pub fn unwrapped(sensitive: Option<bool>, extractable: Option<bool>) -> Self {
        let sensitive = sensitive.unwrap_or(extractable != Some(true));
        Self::new(Some(sensitive), Some(extractable.unwrap_or(true)), false)
    }

    /// Of a key that is derived: it has always been as well guarded as it is now if its base key has (PKCS#11 v3.2
    /// §6.3.17, §6.62.3).
    pub fn derived(sensitive: Option<bool>, extractable: Option<bool>, base: Self) -> Self {
        let guard = Self::new(sensitive, extractable, true);
        Self {
            always_sensitive: guard.always_sensitive && base.always_sensitive,
            never_extractable: guard.never_extractable && base.never_extractable,
            ..guard
        }
    }

    /// As an object says.
    pub fn of(content: &Content) -> Self {
        let kept = |number| content.attributes.get(&number).map(|bytes| bytes[..] == [CK_TRUE]);
        let implied = Self::new(kept(CKA_SENSITIVE), Some(content.exportable), content.local);
        Self {
            always_sensitive: kept(CKA_ALWAYS_SENSITIVE).unwrap_or(implied.always_sensitive),
            never_extractable: kept(CKA_NEVER_EXTRACTABLE).unwrap_or(implied.never_extractable),
            ..implied
        }
    }

    /// Whether the value isn't shown in clear (footnote 7).
    pub fn hides(self) -> bool {
        self.sensitive || !self.extractable
    }

    /// Writes it into an object.
    pub fn store(self, content: &mut Content) {
        content.exportable = self.extractable;
        let implied = Self::new(Some(self.sensitive), Some(self.extractable), content.local);
        for (number, value, implied) in [
            (CKA_SENSITIVE, self.sensitive, !self.extractable),
            (CKA_ALWAYS_SENSITIVE, self.always_sensitive, implied.always_sensitive),
            (CKA_NEVER_EXTRACTABLE, self.never_extractable, implied.never_extractable),
        ] {
            if value == implied {
                content.attributes.remove(&number);
            } else {
                content.attributes.insert(number, [u8::from(value)].into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Class;

    #[test]
    fn every_combination_reads_back() {
        for bits in 0..32u8 {
            let guard = Guard {
                sensitive: bits & 1 != 0,
                extractable: bits & 2 != 0,
                always_sensitive: bits & 4 != 0,
                never_extractable: bits & 8 != 0,
            };
            let mut content = Content { local: bits & 16 != 0, ..Content::new(Class::PrivateKey) };
            guard.store(&mut content);
            assert_eq!(Guard::of(&content), guard);
        }
    }

    #[test]
    fn a_key_made_inside_and_never_let_go_keeps_nothing_beside_the_vaults_own_facts() {
        let mut content = Content { local: true, ..Content::new(Class::PrivateKey) };
        let guard = Guard::new(None, None, true);
        guard.store(&mut content);
        assert!(content.attributes.is_empty());
        assert!(guard.always_sensitive && guard.never_extractable && guard.hides());
    }

    #[test]
    fn an_unwrapped_key_may_leave_again_but_not_in_clear_and_was_outside() {
        let guard = Guard::unwrapped(None, None);
        assert!(guard.extractable && guard.hides() && !guard.always_sensitive && !guard.never_extractable);
        assert!(!Guard::unwrapped(None, Some(true)).hides());
        let kept = Guard::unwrapped(None, Some(false));
        assert!(kept.sensitive && !kept.extractable && !kept.always_sensitive && !kept.never_extractable);
    }

    #[test]
    fn a_derived_key_inherits_how_well_its_base_was_guarded() {
        let (guarded, open) = (Guard::new(None, None, true), Guard::new(None, Some(true), true));
        let derived = |sensitive, extractable, base| Guard::derived(Some(sensitive), Some(extractable), base);
        let tight = derived(true, false, guarded);
        assert!(tight.always_sensitive && tight.never_extractable);
        let loose = derived(false, true, guarded);
        assert!(!loose.always_sensitive && !loose.never_extractable);
        let late = derived(true, false, open);
        assert!(!late.always_sensitive && !late.never_extractable);
        assert!(Guard::derived(None, None, open).hides());
    }

    #[test]
    fn only_an_extractable_key_that_is_not_sensitive_shows_its_value() {
        assert!(!Guard::new(Some(false), Some(true), false).hides());
        assert!(!Guard::new(None, Some(true), false).hides(), "extractable implies not sensitive");
        assert!(Guard::new(Some(true), Some(true), false).hides());
        assert!(Guard::new(Some(false), Some(false), false).hides());
    }
}
