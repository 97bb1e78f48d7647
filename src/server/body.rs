//! How a body is read: as JSON objects of the operation's own shape, and what is wrong with one said without a word of
//! what stood there, which may be a secret in the wrong place.
//!
//! `serde`'s structs also come from arrays, member after member; no client of Key Vault means that, so that only objects
//! are taken. A member that isn't known is passed over, one that comes twice is refused, and so is nesting beyond what the
//! parser's own bound allows.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;

/// Longest way to a member that an error shows: its parts may be a client's own text.
const SHOWN: usize = 60;

/// Reads a body; the error is a sentence.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read: Object<T> = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        explained(&path, error.inner())
    })?;
    reader.end().map_err(|error| explained("", &error))?;
    Ok(read.0)
}

fn explained(path: &str, error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data => format!("The body's {} {}.", place(path), fault(&error.to_string())),
        _ => format!("The body is not JSON that can be read: see line {line}, column {column}."),
    }
}

/// Those texts of `serde` that hold nothing of the body; instead of the others, that it is of another type.
fn fault(text: &str) -> String {
    let text = text.split(" at line ").next().unwrap_or_default();
    let known = ["missing field `", "duplicate field `", NOT_BASE64URL];
    match known.iter().any(|own| text.starts_with(own)) {
        true => format!("is not what this operation takes: {text}"),
        false => "is not of the type that this operation takes".to_owned(),
    }
}

/// What is said of bytes that aren't in base64url.
pub const NOT_BASE64URL: &str = "not base64url (RFC 4648 §5)";

fn place(path: &str) -> String {
    let shown: String = path.chars().filter(|c| c.is_ascii_graphic()).take(SHOWN).collect();
    match shown.as_str() {
        "" | "." => "content".to_owned(),
        _ => format!("member {shown}"),
    }
}

/// What comes from an object, and from nothing else.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// For a member that is a struct: `#[serde(deserialize_with = "body::object")]`.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|object| object.0)
}

/// The same for one that may be absent or null; with `default` beside it.
pub fn maybe_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(deserializer).map(|object| object.map(|object| object.0))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        on: Option<bool>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        value: String,
        #[serde(default, deserialize_with = "maybe_object")]
        inner: Option<Inner>,
    }

    fn refused(body: &str) -> String {
        read::<Outer>(body.as_bytes()).expect_err(body)
    }

    #[test]
    fn an_object_is_read_and_what_it_has_besides_is_passed_over() {
        let deep = format!("{{\"value\":\"v\",\"more\":{}1{}}}", "[".repeat(100), "]".repeat(100));
        for body in [r#"{"value":"v"}"#, r#" {"value":"v","inner":null,"x":{"y":[1]}} "#, &deep] {
            assert_eq!(read::<Outer>(body.as_bytes()), Ok(Outer { value: "v".into(), inner: None }), "{body}");
        }
        let inner = read::<Outer>(br#"{"value":"v","inner":{"on":true}}"#).expect("an object");
        assert_eq!(inner.inner, Some(Inner { on: Some(true) }));
    }

    #[test]
    fn arrays_are_no_objects() {
        assert!(refused(r#"["v", null]"#).contains("content"));
        assert!(refused(r#"{"value":"v","inner":[true]}"#).contains("member inner"));
    }

    #[test]
    fn an_error_names_the_member_and_never_what_stood_there() {
        for (body, named) in [
            (r#"{"value":31415926}"#, "member value"),
            (r#"{"value":["31415926"]}"#, "member value"),
            (r#"{"value":"v","inner":{"on":"31415926"}}"#, "member inner.on"),
            (r#"{"value":"v","inner":31415926}"#, "member inner"),
            (r#""31415926""#, "content"),
            (r#"{"value":"31415926","value":"31415926"}"#, "duplicate field `value`"),
            (r#"{"v":"31415926"}"#, "missing field `value`"),
            (r#"{"value":"31415926"#, "line 1"),
            (r#"{"value":31415926e999999}"#, "line 1"),
            (r#"{"value":"v"} 31415926"#, "line 1"),
        ] {
            let error = refused(body);
            assert!(error.contains(named) && !error.contains("31415926"), "{body}: {error}");
        }
    }

    /// On a stack that a recursive reader of any of these would overflow.
    #[test]
    fn nesting_has_an_end() {
        for (open, close) in [("[", "]"), ("{\"value\":", "}")] {
            let nested = format!("{}1{}", open.repeat(300_000), close.repeat(300_000));
            refused(&format!("{{\"value\":{nested}}}"));
            refused(&format!("{{\"value\":\"v\",\"inner\":{{\"on\":{nested}}}}}"));
            refused(&nested);
            // What isn't known is passed over without a stack.
            assert!(read::<Outer>(format!("{{\"value\":\"v\",\"more\":{nested}}}").as_bytes()).is_ok());
        }
    }
}
