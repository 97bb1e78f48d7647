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
        // What the list holds stays the same on all its pages.
        let pending = if includes_pending(call) { "&includePending=true" } else { "" };
        let mut link =
            format!("{}/{path}?api-version={version}&$skiptoken={token}&maxresults={most}{pending}", call.base);
        if let Some(filter) = call.query.get("$filter") {
            link.push_str("&$filter=");
            link.extend(form_urlencoded::byte_serialize(filter.as_bytes()));
        }
        link
    });
    Reply::json(&Page { value: items.into_iter().map(|(_, item)| item).collect(), next_link })
}

/// Whether a list of certificates shall hold what is still to be issued.
pub fn includes_pending(call: &Call) -> bool {
    call.query.get("includePending").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Two lists of names that are each in order, as one, each name once.
pub fn merged<'a>(
    one: impl Iterator<Item = &'a str>,
    other: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(left), Some(right)) if left == right => {
            other.next();
            one.next()
        }
        (Some(left), Some(right)) if left > right => other.next(),
        (None, _) => other.next(),
        _ => one.next(),
    })
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
