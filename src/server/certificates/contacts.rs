//! Contacts: who is told of a certificate that is about to expire. One list for a whole vault.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::server::record::{self, Record, Stored};
use crate::vault::{Change, Image};

/// Most contacts of a vault, and the longest text of one, in characters.
const MAX_CONTACTS: usize = 100;
const MAX_TEXT: usize = 255;

/// The record.
#[derive(Clone, Serialize, Deserialize)]
struct Contacts {
    contacts: Vec<Contact>,
}

/// The body of a set.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Contacts")]
pub struct SetParameters {
    /// At least one.
    contacts: Option<Vec<Contact>>,
}

/// Somebody.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Contact {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

/// With the list's address.
#[derive(Serialize)]
struct Shown {
    id: String,
    #[serde(flatten)]
    contacts: Contacts,
}

impl Record for Contacts {
    const KIND: &'static str = "certificate-contacts";

    fn id(&self) -> &str {
        ONLY
    }
}

/// There is one such record.
const ONLY: &str = "1";

/// PUT `/certificates/contacts`: in place of those that there were.
pub fn set(call: &Call) -> Result<Reply> {
    let given: SetParameters = call.read()?;
    let given = Contacts { contacts: given.contacts.unwrap_or_default() };
    given.check()?;
    call.transact(&mut |image| {
        Ok(vec![match find(image) {
            Some(stored) => record::replace(stored.number, &given),
            None => record::create(&given, None),
        }])
    })?;
    given.answer(call)
}

/// GET `/certificates/contacts`.
pub fn get(call: &Call) -> Result<Reply> {
    find(&call.image).ok_or_else(not_found)?.record.answer(call)
}

/// DELETE `/certificates/contacts`: answers those that there were.
pub fn delete(call: &Call) -> Result<Reply> {
    let mut gone = None;
    call.transact(&mut |image| {
        let Stored { number, record } = find(image).ok_or_else(not_found)?;
        gone = Some(record);
        Ok(vec![Change::Delete(number)])
    })?;
    gone.ok_or_else(not_found)?.answer(call)
}

fn find(image: &Image) -> Option<Stored<Contacts>> {
    record::find(image, ONLY)
}

fn not_found() -> ServiceError {
    ServiceError::not_found("ContactsNotFound", "Contacts were not found in this key vault: none are set.")
}

impl Contacts {
    fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(ServiceError::bad_parameter(what));
        if !(1..=MAX_CONTACTS).contains(&self.contacts.len()) {
            return wrong(format!("contacts holds 1 to {MAX_CONTACTS} contacts."));
        }
        let texts = self.contacts.iter().flat_map(|of| [Some(&of.email), of.name.as_ref(), of.phone.as_ref()]);
        if texts.flatten().any(|text| text.chars().count() > MAX_TEXT) {
            return wrong(format!("A text of a contact has at most {MAX_TEXT} characters."));
        }
        match self.contacts.iter().all(|of| of.email.contains('@') && !of.email.contains(char::is_whitespace)) {
            true => Ok(()),
            false => wrong("Each contact needs an email address.".into()),
        }
    }

    fn answer(self, call: &Call) -> Result<Reply> {
        Reply::json(&Shown { id: format!("{}/certificates/contacts", call.base), contacts: self })
    }
}
