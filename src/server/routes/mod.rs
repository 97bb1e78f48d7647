//! The one table of the data plane: for each route its operation, permission, status, place of work and handler. Each name
//! space has its rows in a file of its own.
//!
//! The gate goes by it, the OpenAPI document and `docs/azure-compat.md` print it, tests walk over it.

mod administration;
mod keys;
mod secrets;

use std::sync::LazyLock;

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::access::DataAction;
use super::call::{Call, Reply};
use super::error::Result;
use super::gate::MAX_BODY;

/// One operation of Key Vault.
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path; `{name}` and `{version}` are parameters. A version at the end may be left out, one in the middle be empty.
    pub path: &'static str,
    /// The operation's name in Key Vault's audit records.
    pub operation: &'static str,
    /// What allows it.
    pub action: DataAction,
    /// Another action that allows it too if the key is asymmetric: what it does needs the public part alone.
    pub public_action: Option<DataAction>,
    /// The status when all went well.
    pub status: u16,
    /// Where it is done.
    pub work: Work,
    /// Longest body, in bytes.
    pub max_body: usize,
    /// The shape of the body, if the operation takes one.
    pub body: Option<BodySchema>,
    /// It may be asked without an api-version: its address was given to the client whole.
    pub without_version: bool,
    /// Does it.
    pub run: fn(&Call) -> Result<Reply>,
}

/// Puts the shape of a body among the schemas, and refers to it.
pub type BodySchema = fn(&mut SchemaGenerator) -> Schema;

/// Where an operation is done; see [`super::pool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Where the request was read: microseconds.
    Short,
    /// With a key: an RSA key's on their own threads, another's where the request was read.
    Key,
    /// It changes the vault and waits for the disk.
    Write,
}

impl Route {
    fn new(
        method: Method,
        path: &'static str,
        operation: &'static str,
        action: DataAction,
        work: Work,
        run: fn(&Call) -> Result<Reply>,
    ) -> Self {
        let max_body = MAX_BODY;
        Self {
            method,
            path,
            operation,
            action,
            public_action: None,
            status: 200,
            work,
            max_body,
            body: None,
            without_version: false,
            run,
        }
    }

    fn body(self, schema: BodySchema) -> Self {
        Self { body: Some(schema), ..self }
    }

    fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn without_version(self) -> Self {
        Self { without_version: true, ..self }
    }

    fn max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// Whether it answers pages.
    pub fn is_list(&self) -> bool {
        self.operation.contains("List")
    }

    fn also(self, action: DataAction) -> Self {
        Self { public_action: Some(action), ..self }
    }
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

/// What a path names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// `{name}`, decoded.
    pub name: Option<&'a str>,
    /// `{version}`, decoded; empty for the current one.
    pub version: &'a str,
}

/// What the table says of a request.
pub enum Found<'a> {
    /// This route.
    Route(&'static Route, Parameters<'a>),
    /// The path is known, but not with this method.
    OtherMethod,
    /// The path isn't known.
    Nothing,
}

/// Looks a request up. `segments` are the path's decoded parts, without an empty one at the end.
pub fn find<'a>(method: &Method, segments: &'a [String]) -> Found<'a> {
    let mut best: Option<(&'static Route, Parameters<'_>, usize)> = None;
    let mut other = false;
    for route in TABLE.iter() {
        let Some((parameters, literals)) = matches(route.path, segments) else { continue };
        if route.method != *method {
            other = true;
        } else if best.as_ref().is_none_or(|(_, _, most)| literals > *most) {
            best = Some((route, parameters, literals));
        }
    }
    match (best, other) {
        (Some((route, parameters, _)), _) => Found::Route(route, parameters),
        (None, true) => Found::OtherMethod,
        (None, false) => Found::Nothing,
    }
}

/// Whether a path is of this pattern, and how many of its parts are the pattern's own words.
fn matches<'a>(pattern: &str, segments: &'a [String]) -> Option<(Parameters<'a>, usize)> {
    let mut parameters = Parameters::default();
    let mut literals = 0;
    let mut given = segments.iter();
    let mut parts = pattern.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        match (part, given.next()) {
            ("{name}", Some(segment)) if !segment.is_empty() => parameters.name = Some(segment),
            ("{version}", Some(segment)) => parameters.version = segment,
            ("{version}", None) if parts.peek().is_none() => {}
            (word, Some(segment)) if !word.starts_with('{') && word == segment => literals += 1,
            _ => return None,
        }
    }
    given.next().is_none().then_some((parameters, literals))
}

/// Every route of the data plane.
pub static TABLE: LazyLock<Vec<Route>> =
    LazyLock::new(|| [keys::rows(), secrets::rows(), administration::rows()].into_iter().flatten().collect());
