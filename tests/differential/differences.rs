//! Classes of differences, and by what the specification says ours is right.

use std::fmt;

use cryptoki_sys::*;

use crate::calls::{Call, Calls, KeyCall, ObjectCall, OtherCall, What};

/// A class of differences: who answered what in which situation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub function: &'static str,
    pub ours: CK_RV,
    pub theirs: CK_RV,
    pub situation: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, ours, theirs, situation } = self;
        write!(f, "{function}: ours {}, theirs {}, {situation}", name(*ours), name(*theirs))
    }
}

/// The function, and what matters of its arguments.
pub fn describe(call: &Call, calls: &Calls) -> (&'static str, String) {
    let kind = |object: &usize| calls.objects.get(*object).map_or("no object", |kind| kind.name());
    let begun = || calls.begun.get(call.session).copied().unwrap_or_default();
    match &call.what {
        What::Init(operation, mechanism, key) => {
            let name = ["C_EncryptInit", "C_DecryptInit", "C_SignInit", "C_VerifyInit", "C_DigestInit"];
            let mechanism = mechanism.map_or("NULL".into(), |m| format!("{:#x}", m.number));
            (name[*operation as usize], format!("{mechanism}, {}", kind(key)))
        }
        What::Once(operation, _, room) => {
            let name = ["C_Encrypt", "C_Decrypt", "C_Sign", "C_Verify", "C_Digest"];
            (name[*operation as usize], format!("{:#x} {room:?}", begun()))
        }
        What::Update(operation, _, room) => {
            let name = ["C_EncryptUpdate", "C_DecryptUpdate", "C_SignUpdate", "C_VerifyUpdate", "C_DigestUpdate"];
            (name[*operation as usize], format!("{:#x} {room:?}", begun()))
        }
        What::Final(operation, _, room) => {
            let name = ["C_EncryptFinal", "C_DecryptFinal", "C_SignFinal", "C_VerifyFinal", "C_DigestFinal"];
            (name[*operation as usize], format!("{:#x} {room:?}", begun()))
        }
        What::Object(call) => match call {
            ObjectCall::Create(_) => ("C_CreateObject", String::new()),
            ObjectCall::Copy(object, change) => ("C_CopyObject", format!("{}, {change:x?}", kind(object))),
            ObjectCall::Destroy(object) => ("C_DestroyObject", kind(object).to_owned()),
            ObjectCall::Size(object) => ("C_GetObjectSize", kind(object).to_owned()),
            ObjectCall::Get(object, number) => ("C_GetAttributeValue", format!("{}, {number:#x}", kind(object))),
            ObjectCall::Set(object, change) => ("C_SetAttributeValue", format!("{}, {change:x?}", kind(object))),
            ObjectCall::FindInit(_) => ("C_FindObjectsInit", String::new()),
            ObjectCall::Find(_) => ("C_FindObjects", String::new()),
            ObjectCall::FindFinal => ("C_FindObjectsFinal", String::new()),
        },
        What::Key(call) => match call {
            KeyCall::Generate(m, _) => ("C_GenerateKey", format!("{:#x}", m.number)),
            KeyCall::Pair(m, ..) => ("C_GenerateKeyPair", format!("{:#x}", m.number)),
            KeyCall::Wrap(m, one, other) => ("C_WrapKey", format!("{:#x}, {}, {}", m.number, kind(one), kind(other))),
            KeyCall::Unwrap(m, key, ..) => ("C_UnwrapKey", format!("{:#x}, {}", m.number, kind(key))),
            KeyCall::Derive(_, key, _) => ("C_DeriveKey", kind(key).to_owned()),
            KeyCall::Digest(key) => ("C_DigestKey", kind(key).to_owned()),
        },
        What::Other(call) => match call {
            OtherCall::Info => ("C_GetSessionInfo", String::new()),
            OtherCall::Open(flags) => ("C_OpenSession", format!("{flags:#x}")),
            OtherCall::Close => ("C_CloseSession", String::new()),
            OtherCall::Login(user, _) => ("C_Login", format!("{user}")),
            OtherCall::Random(len) => ("C_GenerateRandom", format!("{len}")),
            OtherCall::MechanismInfo(number) => ("C_GetMechanismInfo", format!("{number:#x}")),
            OtherCall::TokenInfo(slot) => ("C_GetTokenInfo", format!("{slot:?}")),
            OtherCall::Status => ("C_GetFunctionStatus", String::new()),
            OtherCall::Cancel => ("C_CancelFunction", String::new()),
        },
    }
}

/// By what ours is right, if the class is one of those below.
pub fn reason(difference: &Difference) -> Option<&'static str> {
    let Difference { function, ours, theirs, situation } = difference;
    let fits = |rule: &&Rule| {
        rule.functions.contains(function)
            && (rule.ours.is_empty() || rule.ours.contains(ours))
            && (rule.theirs.is_empty() || rule.theirs.contains(theirs))
            && situation.contains(rule.situation)
    };
    RULES.iter().find(fits).map(|rule| rule.why)
}

/// Classes with one explanation. An empty list of codes is any code, an empty situation every one.
struct Rule {
    functions: &'static [&'static str],
    ours: &'static [CK_RV],
    theirs: &'static [CK_RV],
    situation: &'static str,
    why: &'static str,
}

const INITS: &[&str] = &["C_EncryptInit", "C_DecryptInit", "C_SignInit", "C_VerifyInit", "C_DigestInit"];
const STEPS: &[&str] = &[
    "C_Encrypt",
    "C_EncryptUpdate",
    "C_EncryptFinal",
    "C_Decrypt",
    "C_DecryptUpdate",
    "C_DecryptFinal",
    "C_Sign",
    "C_SignUpdate",
    "C_SignFinal",
    "C_Verify",
    "C_VerifyUpdate",
    "C_VerifyFinal",
    "C_Digest",
    "C_DigestUpdate",
    "C_DigestFinal",
    "C_DigestKey",
];
const MAKERS: &[&str] = &[
    "C_CreateObject",
    "C_CopyObject",
    "C_SetAttributeValue",
    "C_GenerateKey",
    "C_GenerateKeyPair",
    "C_UnwrapKey",
    "C_DeriveKey",
];
const KEY_USERS: &[&str] = &["C_WrapKey", "C_UnwrapKey", "C_DeriveKey"];

macro_rules! rule {
    ($functions:expr, $ours:expr, $theirs:expr, $situation:expr, $why:expr) => {
        Rule { functions: $functions, ours: &$ours, theirs: &$theirs, situation: $situation, why: $why }
    };
}

#[rustfmt::skip]
const RULES: &[Rule] = &[
    // ---- sessions and what is under way
    rule!(INITS, [CKR_SESSION_HANDLE_INVALID], [CKR_ARGUMENTS_BAD], "",
        "§5.1.7: errors of the session's handle come before those of arguments"),
    rule!(STEPS, [CKR_SESSION_HANDLE_INVALID], [CKR_ARGUMENTS_BAD], "",
        "§5.1.7: errors of the session's handle come before those of arguments"),
    rule!(INITS, [CKR_OK], [CKR_OPERATION_ACTIVE], "",
        "§5.17: operations of different kinds are active beside each other, else there were no dual-function calls"),
    rule!(&["C_FindObjectsInit"], [CKR_OK], [CKR_OPERATION_ACTIVE], "",
        "§5.1.6: nothing is active any more: what SoftHSM still holds had ended here by its own error or result"),
    rule!(INITS, [], [CKR_OPERATION_ACTIVE], "",
        "§5.1.7: the caller's other mistake is as good an answer, and here the other operation is none"),
    rule!(INITS, [CKR_OPERATION_ACTIVE], [], "after an error",
        "§5.8 to §5.15: a call of another kind, or with NULL for its length, doesn't end this operation; SoftHSM ends whichever is active"),
    rule!(&["C_FindObjects", "C_FindObjectsFinal"], [CKR_OK], [CKR_OPERATION_NOT_INITIALIZED], "",
        "§5.7.8: a failed call of another kind doesn't end a search; SoftHSM ends whichever is active"),
    rule!(INITS, [CKR_OK], [CKR_ARGUMENTS_BAD], "NULL",
        "§5.8.1, §5.10.1, §5.12.1, §5.13.1, §5.15.1: since v3.0 a NULL mechanism cancels the operation"),
    rule!(STEPS, [CKR_OPERATION_NOT_INITIALIZED], [], "after an error",
        "§5.8.2, §5.10.2, §5.12.2, §5.13.2, §5.15.2: an error other than CKR_BUFFER_TOO_SMALL has ended the operation"),
    rule!(&["C_Encrypt", "C_Decrypt", "C_Digest", "C_Sign", "C_Verify"], [CKR_OPERATION_NOT_INITIALIZED], [], "",
        "§5.8.2, §5.10.2, §5.12.2, §5.13.2, §5.15.2: the one-part call can't follow an Update"),
    rule!(&["C_EncryptUpdate", "C_EncryptFinal", "C_DecryptUpdate", "C_DecryptFinal"], [CKR_OPERATION_NOT_INITIALIZED],
        [CKR_FUNCTION_NOT_SUPPORTED], "",
        "§6.1.6, §6.1.8, §6.1.12: RSA is single-part only; the module does have the function, the operation is none in parts (docs/deviations.md)"),
    rule!(&["C_EncryptUpdate", "C_EncryptFinal", "C_DecryptUpdate", "C_DecryptFinal"], [CKR_OPERATION_NOT_INITIALIZED], [], "",
        "§5.8.3, §5.10.3: a one-part call that waits for a larger buffer isn't continued in parts"),

    // ---- lengths, data and buffers
    rule!(&["C_Encrypt", "C_EncryptFinal"], [CKR_OK, CKR_BUFFER_TOO_SMALL], [CKR_DATA_LEN_RANGE], "",
        "§5.2: the length is answered without looking at the input, which the call with a buffer refuses"),
    rule!(&["C_Decrypt", "C_DecryptFinal"], [CKR_OK], [CKR_ENCRYPTED_DATA_LEN_RANGE], "",
        "§5.2: the length is answered without looking at the input, which the call with a buffer refuses"),
    rule!(&["C_Encrypt", "C_Sign"], [CKR_DATA_LEN_RANGE], [CKR_GENERAL_ERROR], "",
        "§5.8.2, §5.13.2: input that the mechanism can't take has a code of its own"),
    rule!(&["C_Sign"], [CKR_DATA_LEN_RANGE], [CKR_OK], "0x1041",
        "§6.3.12: ECDSA signs a hash value, and none has no bytes"),
    rule!(&["C_Verify"], [CKR_DATA_LEN_RANGE], [CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE], "",
        "§5.15.2: data of a length that the mechanism can't have signed; both are wrong (§5.1.7)"),
    rule!(&["C_Decrypt", "C_DecryptFinal"], [CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE],
        [CKR_GENERAL_ERROR, CKR_BUFFER_TOO_SMALL], "",
        "§5.10.2: ciphertext that doesn't decrypt has codes of its own, whatever the buffer"),
    rule!(&["C_Decrypt", "C_DecryptFinal"], [CKR_OK, CKR_ENCRYPTED_DATA_INVALID], [CKR_GENERAL_ERROR], "",
        "§6.1.6: bad padding of PKCS#1 v1.5 decrypts to other bytes (implicit rejection): an error would be an oracle"),
    rule!(&["C_DecryptUpdate"], [CKR_OK], [CKR_BUFFER_TOO_SMALL], "",
        "§5.2: the buffer does hold what this part gives"),
    rule!(&["C_Decrypt", "C_DecryptFinal"], [CKR_BUFFER_TOO_SMALL], [CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_GENERAL_ERROR], "",
        "§5.1.7: buffer and ciphertext are both wrong"),

    // ---- keys
    rule!(INITS, [CKR_KEY_HANDLE_INVALID], [CKR_OBJECT_HANDLE_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED], "",
        "§5.8.1, §5.10.1, §5.13.1, §5.15.1: no key has this handle; the functions' lists have no CKR_OBJECT_HANDLE_INVALID"),
    rule!(KEY_USERS, [CKR_KEY_HANDLE_INVALID, CKR_WRAPPING_KEY_HANDLE_INVALID, CKR_UNWRAPPING_KEY_HANDLE_INVALID], [], "",
        "§5.18.3 to §5.18.5: no key has this handle"),
    rule!(&["C_SignInit", "C_VerifyInit", "C_EncryptInit", "C_DecryptInit", "C_DeriveKey"],
        [CKR_KEY_TYPE_INCONSISTENT], [CKR_OK, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_ARGUMENTS_BAD], "",
        "§5.8.1, §5.13.1: the mechanism has another type of key; that it isn't for this use is true as well, and comes second (§5.1.6)"),
    rule!(INITS, [CKR_KEY_FUNCTION_NOT_PERMITTED], [CKR_MECHANISM_INVALID], "",
        "§5.1.7: the key isn't for this use, nor is the mechanism"),
    rule!(INITS, [CKR_MECHANISM_INVALID], [CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_OBJECT_HANDLE_INVALID], "",
        "§5.1.7: there is no such mechanism, whatever the key"),
    rule!(INITS, [CKR_MECHANISM_PARAM_INVALID], [], "",
        "§5.1.6: a parameter that the mechanism can't have; it is no argument of the call that is bad"),
    rule!(&["C_SignInit", "C_VerifyInit"], [CKR_OK], [CKR_KEY_SIZE_RANGE], "",
        "§6.22.3 and RFC 2104 §3: an HMAC key may be shorter than the hash"),
    rule!(&["C_DigestKey"], [CKR_KEY_INDIGESTIBLE], [], "",
        "§5.12.4: this token digests no key that its owner didn't allow to be (docs/deviations.md)"),
    rule!(&["C_WrapKey"], [CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_NOT_WRAPPABLE], [CKR_WRAPPING_KEY_TYPE_INCONSISTENT, CKR_KEY_UNEXTRACTABLE], "",
        "§5.1.7: the key has no CKA_WRAP, and is of another type besides"),
    rule!(&["C_WrapKey"], [CKR_KEY_SIZE_RANGE], [CKR_OK], "0x2109",
        "RFC 3394 §2: CKM_AES_KEY_WRAP takes multiples of 8 bytes only, CKM_AES_KEY_WRAP_KWP the others (§6.16.3 would pad them with zeros)"),
    rule!(&["C_UnwrapKey"], [CKR_OK], [CKR_GENERAL_ERROR], "0x1, ",
        "§6.1.6: bad padding of PKCS#1 v1.5 unwraps to other bytes (implicit rejection): an error would be an oracle"),
    rule!(&["C_DeriveKey"], [CKR_KEY_TYPE_INCONSISTENT], [CKR_TEMPLATE_INCOMPLETE], "",
        "§5.1.7: the mechanism has another type of key, whatever the template"),
    rule!(&["C_WrapKey"], [CKR_WRAPPING_KEY_SIZE_RANGE, CKR_WRAPPING_KEY_HANDLE_INVALID], [], "",
        "§5.18.3: the wrapping key is no key"),
    rule!(&["C_WrapKey"], [CKR_KEY_NOT_WRAPPABLE], [], "",
        "§5.18.3: the key can't be wrapped by this mechanism"),
    rule!(&["C_UnwrapKey"], [CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE], [], "",
        "§5.18.4: what is wrapped isn't a key, or no key of the type that the template names (§6.10.2: AES keys have 16, 24 or 32 bytes)"),
    rule!(&["C_UnwrapKey"], [CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT], [], "",
        "§5.1.7: the key isn't for unwrapping, whatever is wrapped"),
    rule!(&["C_UnwrapKey"], [CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TEMPLATE_INCOMPLETE,
        CKR_TEMPLATE_INCONSISTENT], [CKR_WRAPPED_KEY_LEN_RANGE, CKR_GENERAL_ERROR], "",
        "§5.1.7: the template is wrong, and so may be what is wrapped"),

    // ---- templates and attributes
    rule!(MAKERS, [CKR_TEMPLATE_INCONSISTENT], [CKR_ATTRIBUTE_TYPE_INVALID], "",
        "§4.1.1: an attribute of other kinds of objects is inconsistent; invalid is only one that the specification doesn't know"),
    rule!(MAKERS, [CKR_OK], [CKR_ATTRIBUTE_TYPE_INVALID], "",
        "§4.1.1: that a key doesn't have a use that its kind can't have is true, and so not inconsistent (docs/deviations.md)"),
    rule!(MAKERS, [CKR_TEMPLATE_INCONSISTENT], [CKR_OK], "",
        "§4.1.1: two values for one attribute, or attributes that can't stand together"),
    rule!(MAKERS, [CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_TYPE_INVALID],
        [CKR_ATTRIBUTE_VALUE_INVALID, CKR_ATTRIBUTE_READ_ONLY, CKR_TEMPLATE_INCONSISTENT, CKR_ATTRIBUTE_TYPE_INVALID], "",
        "§4.1.1: of several things that are wrong with a template any may be answered"),
    rule!(MAKERS, [CKR_ATTRIBUTE_VALUE_INVALID], [CKR_OK], "",
        "§4.1.1: a CK_BBOOL is one byte, 0 or 1, and a CK_DATE is a date (§3.4)"),
    rule!(MAKERS, [CKR_ATTRIBUTE_VALUE_INVALID], [CKR_ATTRIBUTE_READ_ONLY], "",
        "§4.1.1: of several things that are wrong with a template any may be answered"),
    rule!(&["C_CopyObject", "C_SetAttributeValue"], [CKR_OK], [CKR_ATTRIBUTE_READ_ONLY], "",
        "§4.1.1, §5.7.2: the attribute keeps its value, or changes in the direction that is allowed"),
    rule!(&["C_CopyObject", "C_SetAttributeValue"], [CKR_ATTRIBUTE_READ_ONLY], [CKR_OK], "",
        "§4.1.1: a secret key gets no further use that would give away what it wrapped (docs/deviations.md)"),
    rule!(&["C_CopyObject", "C_SetAttributeValue"], [CKR_ACTION_PROHIBITED], [], "",
        "§4.4: what isn't modifiable doesn't get further uses by being copied (docs/deviations.md)"),
    rule!(&["C_DeriveKey"], [CKR_OK], [CKR_TEMPLATE_INCOMPLETE], "",
        "§4.8: CKA_KEY_TYPE has to be there for C_CreateObject and C_UnwrapKey only, and CKA_CLASS follows from the mechanism"),
    rule!(&["C_GetAttributeValue"], [CKR_OK], [CKR_ATTRIBUTE_TYPE_INVALID], "0x181",
        "§5.7.5: private EC keys have CKA_EC_POINT here (docs/deviations.md)"),
    rule!(&["C_Login"], [CKR_USER_ANOTHER_ALREADY_LOGGED_IN], [CKR_SESSION_READ_ONLY_EXISTS], "",
        "§5.6.8: the user is logged in, and there is a read-only session besides; both are in the function's list"),
];

fn name(code: CK_RV) -> String {
    format!("{code:#x}")
}
