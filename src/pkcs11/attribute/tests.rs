use super::*;

fn kinds() -> impl Iterator<Item = Kinds> {
    Kinds::all().iter().filter(|kind| kind.bits().is_power_of_two())
}

#[test]
fn an_attribute_has_one_line_for_a_kind_of_object() {
    for (index, row) in TABLE.iter().enumerate() {
        for other in &TABLE[index + 1..] {
            assert!(
                row.number != other.number || !row.kinds.intersects(other.kinds),
                "{} has two lines for {:?}",
                row.name,
                row.kinds & other.kinds
            );
        }
    }
}

#[test]
fn an_attribute_has_one_form_whatever_the_object() {
    for row in TABLE {
        for other in TABLE.iter().filter(|other| other.number == row.number) {
            assert_eq!(row.form, other.form, "{}", row.name);
        }
    }
}

#[test]
fn what_is_only_kept_has_no_line() {
    for number in KEPT {
        assert!(TABLE.iter().all(|row| row.number != *number), "{number:#x}");
        assert_eq!(KEPT.iter().filter(|other| *other == number).count(), 1, "{number:#x}");
    }
}

#[test]
fn every_object_has_the_storage_attributes() {
    for kind in kinds() {
        for number in [CKA_CLASS, CKA_TOKEN, CKA_PRIVATE, CKA_MODIFIABLE, CKA_LABEL, CKA_COPYABLE, CKA_UNIQUE_ID] {
            assert!(matches!(lookup(kind, number), Lookup::Row(row) if row.number == number), "{kind:?}");
        }
    }
}

#[test]
fn lookup_agrees_with_the_table_for_every_kind() {
    for kind in kinds() {
        for row in TABLE {
            match lookup(kind, row.number) {
                Lookup::Row(found) if found.number == row.number => assert!(found.kinds.intersects(kind)),
                Lookup::Row(found) => assert!(Kinds::OPEN.contains(kind) && !found.sensitive, "{}", row.name),
                Lookup::Inapplicable => assert!(!row.kinds.intersects(kind), "{}", row.name),
                Lookup::Unknown => panic!("{} has a line", row.name),
            }
        }
    }
}

#[test]
fn vendors_attributes_fit_everything_and_unknown_ones_nothing() {
    for kind in kinds() {
        assert!(matches!(lookup(kind, CKA_VENDOR_DEFINED | 0x4E53_4350), Lookup::Row(_)));
        for unknown in [0x5, 0x999, 0x7FFF_FFFF, 0x4000_0000] {
            assert!(matches!(lookup(kind, unknown), Lookup::Unknown), "{unknown:#x}");
        }
    }
}

#[test]
fn sensitive_attributes_are_those_of_footnote_7_and_never_change() {
    for row in TABLE.iter().filter(|row| row.sensitive) {
        assert!(Kinds::HIDDEN.contains(row.kinds), "{}", row.name);
        assert!(!matches!(row.unset, Unset::Empty), "{}", row.name);
        for phase in [Phase::Generate, Phase::Unwrap, Phase::Copy, Phase::Set] {
            assert_eq!(row.rule(phase), Rule::Never, "{}", row.name);
        }
    }
    for number in [CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT] {
        assert!(matches!(lookup(Kinds::RSA_PRIVATE, number), Lookup::Row(row) if row.sensitive));
    }
    for kind in [Kinds::EC_PRIVATE, Kinds::EDWARDS_PRIVATE, Kinds::AES, Kinds::GENERIC, Kinds::OTP] {
        assert!(matches!(lookup(kind, CKA_VALUE), Lookup::Row(row) if row.sensitive));
    }
}

#[test]
fn one_way_attributes_are_booleans() {
    for row in TABLE {
        if row.rules.iter().any(|rule| matches!(rule, Rule::Raise | Rule::Lower | Rule::Officer)) {
            assert_eq!(row.form, Form::Bool, "{}", row.name);
        }
    }
}

#[test]
fn every_usage_has_its_flag() {
    let flags = TABLE.iter().filter_map(|row| usage_flag(row.number)).fold(Usage::empty(), Usage::union);
    assert_eq!(flags, Usage::all());
}

#[test]
fn where_an_object_is_kept_its_class_and_type_are_too() {
    for number in [0, 1, 2, 16, 31, 64, 21] {
        for class in [Class::PublicKey, Class::PrivateKey, Class::SecretKey] {
            let kind = Kinds::of_key(class, number);
            let all = match class {
                Class::PublicKey => Kinds::PUBLIC,
                Class::PrivateKey => Kinds::PRIVATE,
                _ => Kinds::SECRET,
            };
            assert!(all.contains(kind) && kind.bits().is_power_of_two());
        }
    }
}
