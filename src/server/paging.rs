//! Lists in pages of at most 25, each with the address of the next.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Serialize;

use super::call::{Call, Reply};
use super::error::{Result, ServiceError};

/// Most items of a page, and how many there are if nothing is asked.
pub const MOST: usize = 25;

#[derive(Serialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(rename = "nextLink")]
    next_link: Option<String>,
}

/// Answers the page that is asked for. `list` gives the items from a mark on, in order, each with its own mark (any text);
/// `path` is the list's path below the base.
pub fn page<T: Serialize, I: Iterator<Item = (String, T)>>(
    call: &Call,
    path: &str,
    list: impl FnOnce(&str) -> I,
) -> Result<Reply> {
    let most = size(call)?;
    let mark = mark(call)?;
    let mut items: Vec<(String, T)> = list(&mark).take(most + 1).collect();
    let next = (items.len() > most).then(|| items.pop()).flatten();
    let next_link = next.map(|(mark, _)| {
        let token = Base64UrlUnpadded::encode_string(mark.as_bytes());
        let version = call.query.get("api-version").unwrap_or_default();
        let mut link = format!("{}/{path}?api-version={version}&$skiptoken={token}&maxresults={most}", call.base);
        if let Some(filter) = call.query.get("$filter") {
            link.push_str("&$filter=");
            link.extend(form_urlencoded::byte_serialize(filter.as_bytes()));
        }
        link
    });
    Reply::json(&Page { value: items.into_iter().map(|(_, item)| item).collect(), next_link })
}

fn size(call: &Call) -> Result<usize> {
    let Some(text) = call.query.get("maxresults") else { return Ok(MOST) };
    let wrong = || ServiceError::bad_parameter(format!("maxresults is 1 to {MOST}, not {text:?}."));
    let size: usize = text.parse().map_err(|_| wrong())?;
    if (1..=MOST).contains(&size) { Ok(size) } else { Err(wrong()) }
}

fn mark(call: &Call) -> Result<String> {
    let Some(token) = call.query.get("$skiptoken") else { return Ok(String::new()) };
    let bytes = Base64UrlUnpadded::decode_vec(token).ok();
    let wrong = || ServiceError::bad_parameter("$skiptoken is none of this server's: follow nextLink as it is given.");
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)
}
