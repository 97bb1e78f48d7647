//! `C_CopyObject` and `C_SetAttributeValue` (PKCS#11 v3.2 §5.7.2, §5.7.6).

use cryptoki_sys::*;

use super::{Checked, NewObject, Rules, Template, naming, rules_what_is_derived, write};
use crate::pkcs11::attribute::{Kinds, Phase, Rule, usage_flag};
use crate::pkcs11::error::Rv;
use crate::pkcs11::object::{self, Guard};
use crate::vault::{Class, Content, Draft, Object, SecretBytes, Usage};

/// A copy of `object`, which lies on the token or, if not `token`, in a session, with the changes of a template. The
/// caller fills in the secret part if the object has one and the draft doesn't.
pub fn for_copy(object: &Object, token: bool, template: &Template<'_>, cx: &Rules) -> Result<NewObject, Rv> {
    if !object::is_set(&object.content, CKA_COPYABLE) {
        return Err(Rv(CKR_ACTION_PROHIBITED));
    }
    let mut content = object.content.clone();
    content.forget_notes();
    // Else copying would be the way to change what may not be changed.
    if !object::is_set(&content, CKA_MODIFIABLE) && raises(&content, template.0.iter().copied(), Usage::all()) {
        return Err(Rv(CKR_ACTION_PROHIBITED));
    }
    let given = change(&mut content, template, Phase::Copy, cx)?;
    let mut secret = None;
    if content.class == Class::Data && content.private && !object.has_secret {
        secret = Some(SecretBytes::from_slice(content.value.take().as_deref().unwrap_or_default()));
    }
    let token = given.boolean(CKA_TOKEN).unwrap_or(token);
    Ok(NewObject { draft: Draft { naming: naming(&content), content, secret }, token })
}

/// Changes `content` as a template says; an error leaves it as it was.
pub fn apply_set(content: &mut Content, template: &Template<'_>, cx: &Rules) -> Result<(), Rv> {
    if !object::is_set(content, CKA_MODIFIABLE) {
        return Err(Rv(CKR_ACTION_PROHIBITED));
    }
    let mut changed = content.clone();
    change(&mut changed, template, Phase::Set, cx)?;
    *content = changed;
    Ok(())
}

fn change<'a>(content: &mut Content, template: &Template<'a>, phase: Phase, cx: &Rules) -> Result<Checked<'a>, Rv> {
    let kind = Kinds::of(content);
    let given = Checked::new(template, kind, phase, cx)?;
    for (number, row, value) in given.iter() {
        check_direction(content, row.rule(phase), number, value == [CK_TRUE])?;
    }
    // What a secret key's is follows from its value: it can only be taken away.
    if content.class == Class::SecretKey && given.filled(CKA_CHECK_VALUE).is_some() {
        return Err(Rv(CKR_ATTRIBUTE_READ_ONLY));
    }
    if content.class == Class::SecretKey && !cx.allow_conflicting_usage {
        check_no_new_conflict(content, &given)?;
    }
    // A private data object's value is its secret part, and that isn't changed in place.
    if content.class == Class::Data && content.private && given.get(CKA_VALUE).is_some() {
        return Err(Rv(CKR_ATTRIBUTE_READ_ONLY));
    }
    if kind.intersects(Kinds::HIDDEN) {
        let mut guard = Guard::of(content);
        guard.sensitive = given.boolean(CKA_SENSITIVE).unwrap_or(guard.sensitive);
        guard.extractable = given.boolean(CKA_EXTRACTABLE).unwrap_or(guard.extractable);
        guard.store(content);
    }
    write(content, kind, &given);
    Ok(given)
}

/// Attributes that change in one direction only (footnotes 11 and 12).
fn check_direction(content: &Content, rule: Rule, attribute: CK_ATTRIBUTE_TYPE, wanted: bool) -> Result<(), Rv> {
    let allowed = match rule {
        Rule::Raise => wanted || !object::is_set(content, attribute),
        Rule::Lower => !wanted || object::is_set(content, attribute),
        Rule::Must | Rule::May | Rule::Never | Rule::Officer => true,
    };
    if allowed { Ok(()) } else { Err(Rv(CKR_ATTRIBUTE_READ_ONLY)) }
}

/// A secret key that wraps and later decrypts, or unwraps and later encrypts, gives keys away just as one that does both
/// at once. What it may do of these four, and whether it makes MACs or derives by a template, is decided when it is made.
fn check_no_new_conflict(content: &Content, given: &Checked<'_>) -> Result<(), Rv> {
    let mut fixed = Usage::ENCRYPT | Usage::DECRYPT | Usage::WRAP | Usage::UNWRAP;
    if rules_what_is_derived(content) {
        fixed |= Usage::SIGN | Usage::VERIFY | Usage::DERIVE;
    }
    let wanted = given.iter().map(|(number, _, value)| (number, value));
    if raises(content, wanted, fixed) { Err(Rv(CKR_ATTRIBUTE_READ_ONLY)) } else { Ok(()) }
}

/// Whether one of these usages is asked for that the key doesn't have.
fn raises<'a>(
    content: &Content,
    wanted: impl IntoIterator<Item = (CK_ATTRIBUTE_TYPE, &'a [u8])>,
    usages: Usage,
) -> bool {
    let new = usages - content.usage;
    wanted
        .into_iter()
        .any(|(number, value)| value == [CK_TRUE] && usage_flag(number).is_some_and(|flag| new.contains(flag)))
}

#[cfg(test)]
mod tests;
