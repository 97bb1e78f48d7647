//! From an object of a source to one of a vault: what comes, with what of it, and what stays and why.
//!
//! The object is read like a template for `C_CreateObject`, by the same table of attributes, so that it becomes what
//! a program would have made that wrote it. What a token says of itself (made inside, always sensitive, a unique id)
//! isn't taken over: it wouldn't be true here. Nothing else is dropped without a remark.

use cryptoki_sys::*;

use super::super::{Error, Result};
use super::found::{Candidate, Found, LeftBehind, key_type_name};
use crate::pkcs11::attribute::{self, Form, Kinds, Lookup, Phase, Rule, Unset};
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::KeyKind;
use crate::pkcs11::template::{Rules, Template, for_create};
use crate::vault::{Class, Draft, KeyAlgorithm, Role};

/// Whether an object comes.
pub(super) enum Verdict {
    Comes(Box<Candidate>),
    Stays(LeftBehind),
}

/// Judges one object. A private or secret key whose value isn't one is damage, and an error: nothing comes then.
pub(super) fn judge(mut found: Found, allow_conflicting_usage: bool) -> Result<Verdict> {
    let kind = match kind(&found) {
        Ok(kind) => kind,
        Err(reason) => return Ok(stays(&found, reason)),
    };
    let mut remarks = std::mem::take(&mut found.remarks);
    if kind.intersects(Kinds::SECRET) && !allow_conflicting_usage {
        remarks.extend(settle_usage(&mut found));
    }
    drop_what_does_not_fit(&mut found, kind, &mut remarks);
    remarks.extend(deny_what_is_not_said(&mut found, kind));
    if found.boolean(CKA_TRUSTED) {
        remarks.push("it stays trusted (CKA_TRUSTED)".to_owned());
    }
    // Whoever holds the vault's PIN and its files could write any flag: the officer's word isn't weakened by taking
    // it over.
    let rules = Rules { role: Some(Role::SecurityOfficer), allow_conflicting_usage };
    let template = Template(found.attributes.iter().map(|(number, value)| (*number, value.expose())).collect());
    match for_create(&template, &rules) {
        Ok(made) => {
            remarks.extend(kept_only(&made.draft));
            Ok(Verdict::Comes(Box::new(Candidate { draft: made.draft, remarks, adopts_id: false })))
        }
        Err(refusal) => match (unsupported(refusal), found.class()) {
            (Some(reason), _) => Ok(stays(&found, reason)),
            (None, Some(Class::PrivateKey | Class::SecretKey)) => Err(Error::refused(format!(
                "{} is damaged: its parts make no key. Nothing was imported; a backup of the source may have it whole.",
                capitalised(&found.what().to_string())
            ))),
            (None, _) => Ok(stays(&found, format!("it isn't complete (PKCS#11 error {:#x})", refusal.0))),
        },
    }
}

/// What kind of object it is, or why none of ours.
fn kind(found: &Found) -> std::result::Result<Kinds, String> {
    match found.class() {
        Some(Class::Data) => Ok(Kinds::DATA),
        Some(Class::Certificate) => Ok(Kinds::of_certificate(found.number(CKA_CERTIFICATE_TYPE).unwrap_or(CKC_X_509))),
        Some(class @ (Class::PublicKey | Class::PrivateKey | Class::SecretKey)) => {
            let number = found.number(CKA_KEY_TYPE).ok_or("it doesn't say what type of key it is")?;
            match Kinds::of_key(class, number) {
                Kinds::OTHER_PRIVATE => Err(format!("private keys of type {} aren't supported", key_type_name(number))),
                kind => Ok(kind),
            }
        }
        Some(Class::Other(number)) if u64::from(number) == CKO_OTP_KEY => Ok(Kinds::OTP),
        Some(Class::Service | Class::CertificateRequest | Class::Other(_)) => Ok(Kinds::OTHER),
        None => Err("it is of no class that PKCS#11 knows".to_owned()),
    }
}

/// Takes away what a secret key may not do here beside what it does: by both together other keys would get out.
fn settle_usage(found: &mut Found) -> Option<String> {
    let both = |found: &Found, one, other| found.boolean(one) && found.boolean(other);
    let mut dropped = Vec::new();
    if both(found, CKA_WRAP, CKA_DECRYPT) || both(found, CKA_UNWRAP, CKA_ENCRYPT) {
        dropped.extend([("wrap", CKA_WRAP), ("unwrap", CKA_UNWRAP)]);
    }
    let template = found.get(CKA_DERIVE_TEMPLATE).is_some_and(|template| !template.is_empty());
    if template && (both(found, CKA_DERIVE, CKA_SIGN) || both(found, CKA_DERIVE, CKA_VERIFY)) {
        dropped.push(("derive", CKA_DERIVE));
    }
    dropped.retain(|(_, usage)| found.boolean(*usage));
    for (_, usage) in &dropped {
        found.set(*usage, &[CK_FALSE]);
    }
    let names: Vec<&str> = dropped.iter().map(|(name, _)| *name).collect();
    (!names.is_empty()).then(|| {
        format!(
            "it may no longer {}: with its other uses that lets other keys out (`allow_conflicting_usage = true` in the \
             vault's configuration keeps it)",
            names.join(" and ")
        )
    })
}

/// A key may do what its source says, not what a template without a word of it would get here.
fn deny_what_is_not_said(found: &mut Found, kind: Kinds) -> Option<String> {
    if !kind.intersects(Kinds::KEY) {
        return None;
    }
    let applies = |usage| matches!(attribute::lookup(kind, usage), Lookup::Row(row) if row.unset == Unset::Derived);
    let missing: Vec<_> = USAGES.into_iter().filter(|usage| applies(*usage) && found.get(*usage).is_none()).collect();
    for usage in &missing {
        found.set(*usage, &[CK_FALSE]);
    }
    let useless = !missing.is_empty() && !USAGES.iter().any(|usage| found.boolean(*usage));
    useless.then(|| "the source doesn't say what it may be used for, so it may be used for nothing here".to_owned())
}

/// Leaves what a template for this kind may hold.
fn drop_what_does_not_fit(found: &mut Found, kind: Kinds, remarks: &mut Vec<String>) {
    if kind == Kinds::X509 && found.get(CKA_CERTIFICATE_TYPE).is_none() {
        found.set(CKA_CERTIFICATE_TYPE, &CKC_X_509.to_ne_bytes());
    }
    found.attributes.retain(|number, value| {
        let value = value.expose();
        let says_nothing = value.is_empty() || value == [CK_FALSE];
        match attribute::lookup(kind, *number) {
            Lookup::Row(row) if row.rule(Phase::Create) == Rule::Never => false,
            // Nothing where a vault knows something itself.
            Lookup::Row(row) if value.is_empty() && row.unset == Unset::Derived && row.form != Form::Bytes => false,
            // Without its value an object isn't itself any more; one that is too long is no impossible one.
            Lookup::Row(row)
                if *number != CKA_VALUE
                    && row.rule(Phase::Create) != Rule::Must
                    && row.form.check(value) == Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)) =>
            {
                remarks.push(format!("{} was dropped: it has an impossible value", row.name));
                false
            }
            Lookup::Row(_) => true,
            Lookup::Inapplicable | Lookup::Unknown => {
                if !says_nothing {
                    remarks.push(format!("attribute {number:#x} was dropped: objects of its kind have none here"));
                }
                false
            }
        }
    });
}

/// A key of a type that the vault keeps and never uses.
fn kept_only(draft: &Draft) -> Option<String> {
    let algorithm = draft.content.key.as_ref()?.algorithm;
    let used = !matches!(algorithm, KeyAlgorithm::Other(_)) || KeyKind::of(algorithm) == KeyKind::Generic;
    (!used).then(|| "it is only kept: keys of its type aren't used here".to_owned())
}

/// Why a sound object isn't taken.
fn unsupported(refusal: Rv) -> Option<String> {
    let reason = match refusal.0 {
        CKR_CURVE_NOT_SUPPORTED => {
            "its curve isn't supported: P-256, P-384, P-521, secp256k1, Ed25519 and X25519 are".to_owned()
        }
        CKR_DOMAIN_PARAMS_INVALID => "its curve isn't named but written out".to_owned(),
        CKR_KEY_SIZE_RANGE => "its size isn't supported: RSA keys have 2048 to 8192 bits".to_owned(),
        CKR_DEVICE_MEMORY => "it is too large".to_owned(),
        _ => return None,
    };
    Some(reason)
}

fn stays(found: &Found, reason: impl Into<String>) -> Verdict {
    let remedy = match found.class() {
        Some(Class::PrivateKey) => "make a new key of a supported kind, and a new certificate for it",
        Some(Class::SecretKey) => "make a new key of a supported kind",
        _ => "keep it where it is",
    };
    Verdict::Stays(LeftBehind { what: found.what(), reason: reason.into(), remedy: remedy.into() })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

const USAGES: [CK_ATTRIBUTE_TYPE; 9] = [
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SIGN,
    CKA_SIGN_RECOVER,
    CKA_VERIFY,
    CKA_VERIFY_RECOVER,
    CKA_WRAP,
    CKA_UNWRAP,
    CKA_DERIVE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Usage;

    fn aes(usages: &[CK_ATTRIBUTE_TYPE]) -> Found {
        let mut found = Found::default();
        found.set(CKA_CLASS, &CKO_SECRET_KEY.to_ne_bytes());
        found.set(CKA_KEY_TYPE, &CKK_AES.to_ne_bytes());
        found.set(CKA_TOKEN, &[CK_TRUE]);
        found.set(CKA_LABEL, b"aes");
        found.set(CKA_VALUE, &[7; 16]);
        for usage in [CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP, CKA_SIGN, CKA_VERIFY] {
            found.set(usage, &[u8::from(usages.contains(&usage))]);
        }
        found
    }

    fn comes(found: Found) -> Candidate {
        match judge(found, false) {
            Ok(Verdict::Comes(candidate)) => *candidate,
            Ok(Verdict::Stays(left)) => panic!("{}", left.reason),
            Err(error) => panic!("{error}"),
        }
    }

    fn stays_because(found: Found) -> String {
        match judge(found, false) {
            Ok(Verdict::Stays(left)) => left.reason,
            Ok(Verdict::Comes(_)) => panic!("it comes"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn usages_that_let_other_keys_out_are_taken_away_and_it_is_said() {
        let candidate = comes(aes(&[CKA_ENCRYPT, CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP]));
        assert_eq!(candidate.draft.content.usage, Usage::ENCRYPT | Usage::DECRYPT);
        assert!(candidate.remarks[0].contains("wrap and unwrap"), "{:?}", candidate.remarks);
        let candidate = comes(aes(&[CKA_WRAP, CKA_UNWRAP]));
        assert_eq!(candidate.draft.content.usage, Usage::WRAP | Usage::UNWRAP);
        assert!(candidate.remarks.is_empty());
    }

    #[test]
    fn flags_of_the_value_stay_as_they_were() {
        for (sensitive, extractable) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let mut found = aes(&[CKA_ENCRYPT]);
            found.set(CKA_SENSITIVE, &[sensitive]);
            found.set(CKA_EXTRACTABLE, &[extractable]);
            let content = comes(found).draft.content;
            let guard = crate::pkcs11::object::Guard::of(&content);
            assert_eq!((guard.sensitive, guard.extractable), (sensitive == 1, extractable == 1));
        }
    }

    #[test]
    fn dates_and_vendor_attributes_are_kept_and_what_the_source_said_of_itself_is_not() {
        let mut found = aes(&[CKA_ENCRYPT]);
        found.set(CKA_START_DATE, b"20260101");
        found.set(CKA_VENDOR_DEFINED + 7, b"theirs");
        found.set(CKA_LOCAL, &[CK_TRUE]);
        found.set(CKA_NEVER_EXTRACTABLE, &[CK_TRUE]);
        let candidate = comes(found);
        let content = &candidate.draft.content;
        assert_eq!(content.attributes[&CKA_START_DATE][..], *b"20260101");
        assert_eq!(content.attributes[&(CKA_VENDOR_DEFINED + 7)][..], *b"theirs");
        assert!(!content.local && candidate.remarks.is_empty(), "{:?}", candidate.remarks);
    }

    #[test]
    fn what_does_not_fit_is_dropped_with_a_remark() {
        let mut found = aes(&[CKA_ENCRYPT]);
        found.set(CKA_END_DATE, b"soon    ");
        found.set(CKA_SERIAL_NUMBER, b"1");
        let candidate = comes(found);
        assert_eq!(candidate.remarks.len(), 2, "{:?}", candidate.remarks);
    }

    #[test]
    fn a_value_that_is_too_long_stays_whole_where_it_is() {
        let mut data = Found::default();
        data.set(CKA_CLASS, &CKO_DATA.to_ne_bytes());
        data.set(CKA_TOKEN, &[CK_TRUE]);
        data.set(CKA_LABEL, b"long");
        data.set(CKA_VALUE, &vec![1; attribute::MAX_LEN]);
        assert!(comes(again(&data)).draft.content.value.is_some());
        data.set(CKA_VALUE, &vec![1; attribute::MAX_LEN + 1]);
        assert!(stays_because(again(&data)).contains("too large"));
        data.set(CKA_PRIVATE, &[CK_TRUE]);
        assert!(stays_because(data).contains("too large"));
    }

    fn again(found: &Found) -> Found {
        let mut again = Found::default();
        found.attributes.iter().for_each(|(number, value)| again.set(*number, value.expose()));
        again
    }

    #[test]
    fn a_key_may_do_only_what_its_source_says() {
        let mut found = aes(&[CKA_SIGN]);
        for usage in [CKA_ENCRYPT, CKA_DECRYPT, CKA_VERIFY] {
            found.attributes.remove(&usage);
        }
        let candidate = comes(found);
        assert_eq!(candidate.draft.content.usage, Usage::SIGN);
        assert!(candidate.remarks.is_empty(), "{:?}", candidate.remarks);
        let mut silent = aes(&[]);
        USAGES.iter().for_each(|usage| drop(silent.attributes.remove(usage)));
        let candidate = comes(silent);
        assert_eq!(candidate.draft.content.usage, Usage::empty());
        assert!(candidate.remarks[0].contains("nothing"), "{:?}", candidate.remarks);
    }

    #[test]
    fn a_secret_key_of_a_type_that_is_not_used_is_kept_and_it_is_said() {
        let mut found = aes(&[CKA_ENCRYPT]);
        found.set(CKA_KEY_TYPE, &CKK_DES3.to_ne_bytes());
        found.set(CKA_VALUE, &[7; 24]);
        assert!(comes(found).remarks[0].contains("only kept"));
        let mut found = aes(&[CKA_SIGN]);
        found.set(CKA_KEY_TYPE, &CKK_SHA256_HMAC.to_ne_bytes());
        assert!(comes(found).remarks.is_empty());
    }

    #[test]
    fn keys_of_other_kinds_stay_and_damaged_ones_stop_everything() {
        let mut dsa = Found::default();
        dsa.set(CKA_CLASS, &CKO_PRIVATE_KEY.to_ne_bytes());
        dsa.set(CKA_KEY_TYPE, &CKK_DSA.to_ne_bytes());
        assert!(stays_because(dsa).contains("dsa"));
        let mut curve = Found::default();
        curve.set(CKA_CLASS, &CKO_PRIVATE_KEY.to_ne_bytes());
        curve.set(CKA_KEY_TYPE, &CKK_EC.to_ne_bytes());
        curve.set(CKA_VALUE, &[1; 28]);
        // secp224r1
        curve.set(CKA_EC_PARAMS, &[6, 5, 0x2B, 0x81, 4, 0, 0x21]);
        assert!(stays_because(curve).contains("curve"));
        let mut damaged = aes(&[CKA_ENCRYPT]);
        damaged.set(CKA_VALUE, &[7; 15]);
        assert!(judge(damaged, false).is_err());
        let mut contradicted = aes(&[CKA_ENCRYPT]);
        contradicted.set(CKA_CHECK_VALUE, b"no!");
        assert!(judge(contradicted, false).is_err());
    }
}
