//! A template that was held against the table: everything in it may be given, now, by this caller, with this value.

use std::collections::BTreeMap;

use cryptoki_sys::*;

use super::{Rules, Template};
use crate::pkcs11::attribute::{self, Attribute, Kinds, Lookup, Phase, Rule, TABLE, usage_flag};
use crate::pkcs11::error::Rv;
use crate::vault::Role;

/// See the [module](self).
pub struct Checked<'a> {
    given: BTreeMap<CK_ATTRIBUTE_TYPE, (&'static Attribute, &'a [u8])>,
}

impl<'a> Checked<'a> {
    /// Checks what is given for an object of `kind`, and in phases other than [`Phase::Copy`] and [`Phase::Set`], which
    /// start from an object, that nothing is missing. What depends on the present value ([`Rule::Raise`],
    /// [`Rule::Lower`]) is left to whoever knows it.
    pub fn new(template: &Template<'a>, kind: Kinds, phase: Phase, cx: &Rules) -> Result<Self, Rv> {
        let mut given: BTreeMap<_, (&'static Attribute, &'a [u8])> = BTreeMap::new();
        for &(number, value) in &template.0 {
            let row = match attribute::lookup(kind, number) {
                Lookup::Row(row) => row,
                Lookup::Inapplicable if denies_usage(kind, phase, number, value) => continue,
                Lookup::Inapplicable => return Err(Rv(CKR_TEMPLATE_INCONSISTENT)),
                Lookup::Unknown => return Err(Rv(CKR_ATTRIBUTE_TYPE_INVALID)),
            };
            if row.rule(phase) == Rule::Never {
                return Err(Rv(CKR_ATTRIBUTE_READ_ONLY));
            }
            row.form.check(value)?;
            check_range(row, value)?;
            if row.rule(phase) == Rule::Officer && value == [CK_TRUE] && cx.role != Some(Role::SecurityOfficer) {
                return Err(Rv(CKR_ATTRIBUTE_READ_ONLY));
            }
            if given.insert(number, (row, value)).is_some_and(|(_, other)| other != value) {
                return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
            }
        }
        let missing = TABLE
            .iter()
            .filter(|row| row.kinds.intersects(kind) && row.rule(phase) == Rule::Must)
            .any(|row| !given.contains_key(&row.number));
        if missing { Err(Rv(CKR_TEMPLATE_INCOMPLETE)) } else { Ok(Self { given }) }
    }

    /// What was given for an attribute.
    pub fn get(&self, attribute: CK_ATTRIBUTE_TYPE) -> Option<&'a [u8]> {
        self.given.get(&attribute).map(|(_, value)| *value)
    }

    /// What was given, if it isn't empty.
    pub fn filled(&self, attribute: CK_ATTRIBUTE_TYPE) -> Option<&'a [u8]> {
        self.get(attribute).filter(|value| !value.is_empty())
    }

    /// What was given for an attribute that has to be.
    pub fn required(&self, attribute: CK_ATTRIBUTE_TYPE) -> Result<&'a [u8], Rv> {
        self.get(attribute).ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))
    }

    /// What was given for an attribute that is a `CK_BBOOL`.
    pub fn boolean(&self, attribute: CK_ATTRIBUTE_TYPE) -> Option<bool> {
        self.get(attribute).map(|value| value == [CK_TRUE])
    }

    /// What was given for an attribute that is a `CK_ULONG`.
    pub fn ulong(&self, attribute: CK_ATTRIBUTE_TYPE) -> Option<CK_ULONG> {
        self.get(attribute).and_then(|value| attribute::ulong(value).ok())
    }

    /// How the key's value is to be guarded, as far as that was given: `CKA_SENSITIVE`, `CKA_EXTRACTABLE`.
    pub fn guard(&self) -> (Option<bool>, Option<bool>) {
        (self.boolean(CKA_SENSITIVE), self.boolean(CKA_EXTRACTABLE))
    }

    /// Everything that was given.
    pub fn iter(&self) -> impl Iterator<Item = (CK_ATTRIBUTE_TYPE, &'static Attribute, &'a [u8])> {
        self.given.iter().map(|(number, (row, value))| (*number, *row, *value))
    }
}

/// Whether this says of a new key that it may not do what keys of its kind can't do anyway: clients that send every usage
/// with every key say so.
fn denies_usage(kind: Kinds, phase: Phase, number: CK_ATTRIBUTE_TYPE, value: &[u8]) -> bool {
    let makes = matches!(phase, Phase::Create | Phase::Generate | Phase::Unwrap);
    makes && kind.intersects(Kinds::KEY) && usage_flag(number).is_some() && value == [CK_FALSE]
}

/// Numbers of which only some mean something.
fn check_range(row: &Attribute, value: &[u8]) -> Result<(), Rv> {
    let highest = match row.number {
        CKA_CERTIFICATE_CATEGORY => CK_CERTIFICATE_CATEGORY_OTHER_ENTITY,
        CKA_JAVA_MIDP_SECURITY_DOMAIN => CK_SECURITY_DOMAIN_THIRD_PARTY,
        _ => return Ok(()),
    };
    match attribute::ulong(value)? {
        number if number <= highest => Ok(()),
        _ => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
    }
}
