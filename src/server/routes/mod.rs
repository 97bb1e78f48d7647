//! The one table of the data plane: for each route its operation, permission, status, place of work and handler. Each name
//! space has its rows in a file of its own.
//!
//! The gate goes by it, the OpenAPI document and `docs/azure-compat.md` print it, tests walk over it.

mod administration;
mod certificates;
mod keys;
mod roles;
mod secrets;

use std::sync::LazyLock;

use axum::http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::access::{DataAction, PolicyPermission};
use super::call::{Call, Reply};
use super::error::Result;
use super::gate::MAX_BODY;
use crate::config::Manner;

/// One operation of Key Vault.
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path; `{name}`, `{version}`, `{id}` and `{scope}` are parameters. A version at the end may be left out, one in the
    /// middle be empty. A scope takes all parts before the next word, also none.
    pub path: &'static str,
    /// The operation's name in Key Vault's audit records.
    pub operation: &'static str,
    /// What allows it in a key vault.
    pub action: DataAction,
    /// What allows it in a Managed HSM; `None` if there is no such operation there.
    pub hsm_action: Option<DataAction>,
    /// Another action that allows it too, in a key vault, if the key is asymmetric: what it does needs the public part alone.
    pub public_action: Option<DataAction>,
    /// What allows it in a key vault that goes by access policies; `None` if nothing does.
    pub permission: Option<PolicyPermission>,
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
    /// It is about a job: who began that may ask without the action.
    pub of_job: bool,
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
    /// A secret is read: a certificate's, which is made then, as in [`Read`](Self::Read), another where the request was read.
    Secret,
    /// Many objects are read, or certificates: on threads of their own.
    Read,
    /// A key is made or opened, which takes long, and then the vault is changed.
    Make,
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
            hsm_action: None,
            public_action: None,
            permission: None,
            status: 200,
            work,
            max_body,
            body: None,
            without_version: false,
            of_job: false,
            run,
        }
    }

    /// It is there in a Managed HSM too, by this action.
    fn hsm(self, action: DataAction) -> Self {
        Self { hsm_action: Some(action), ..self }
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

    fn of_job(self) -> Self {
        Self { of_job: true, ..self }
    }

    fn max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// What allows it in a vault of this manner; `None` if it isn't there.
    pub fn action_in(&self, manner: Manner) -> Option<DataAction> {
        match manner {
            Manner::KeyVault => Some(self.action),
            Manner::ManagedHsm => self.hsm_action,
        }
    }

    /// Whether it answers pages.
    pub fn is_list(&self) -> bool {
        self.operation.contains("List")
    }

    fn permission(self, permission: PolicyPermission) -> Self {
        Self { permission: Some(permission), ..self }
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
    /// `{id}`, decoded.
    pub id: Option<&'a str>,
    /// The parts of `{scope}`, decoded.
    pub scope: Option<&'a [String]>,
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

/// Looks a request to a vault of this manner up. `segments` are the path's decoded parts, without an empty one at the end.
pub fn find<'a>(manner: Manner, method: &Method, segments: &'a [String]) -> Found<'a> {
    let mut best: Option<(&'static Route, Parameters<'_>, usize)> = None;
    let mut other = false;
    for pattern in PATTERNS.iter() {
        let Some((parameters, literals)) = pattern.matched(segments) else { continue };
        if pattern.route.action_in(manner).is_none() {
            continue;
        }
        if pattern.route.method != *method {
            other = true;
        } else if best.as_ref().is_none_or(|(_, _, most)| literals > *most) {
            best = Some((pattern.route, parameters, literals));
        }
    }
    match (best, other) {
        (Some((route, parameters, _)), _) => Found::Route(route, parameters),
        (None, true) => Found::OtherMethod,
        (None, false) => Found::Nothing,
    }
}

/// A route's path, taken apart once: it is looked at with every request.
struct Pattern {
    route: &'static Route,
    /// Anything may stand before it.
    scoped: bool,
    parts: Vec<Part>,
}

enum Part {
    Word(&'static str),
    Name,
    Id,
    Version,
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| TABLE.iter().map(Pattern::of).collect());

impl Pattern {
    fn of(route: &'static Route) -> Self {
        let rest = route.path.strip_prefix("/{scope}");
        let part = |part| match part {
            "{name}" => Part::Name,
            "{id}" => Part::Id,
            "{version}" => Part::Version,
            word => Part::Word(word),
        };
        let parts = rest.unwrap_or(route.path).split('/').skip(1).map(part).collect();
        Self { route, scoped: rest.is_some(), parts }
    }

    /// Whether a path is of this pattern, and how many of its parts are the pattern's own words.
    fn matched<'a>(&self, segments: &'a [String]) -> Option<(Parameters<'a>, usize)> {
        let mut parameters = Parameters::default();
        let mut literals = 0;
        let mut given = segments;
        if self.scoped {
            // What follows has a fixed length.
            let (scope, rest) = segments.split_at(segments.len().checked_sub(self.parts.len())?);
            parameters.scope = Some(scope);
            given = rest;
        }
        let missing = self.parts.len().checked_sub(given.len())?;
        if missing > usize::from(matches!(self.parts.last(), Some(Part::Version))) {
            return None;
        }
        for (part, segment) in self.parts.iter().zip(given) {
            match part {
                Part::Word(word) if word == segment => literals += 1,
                Part::Name if !segment.is_empty() => parameters.name = Some(segment),
                Part::Id if !segment.is_empty() => parameters.id = Some(segment),
                Part::Version => parameters.version = segment,
                _ => return None,
            }
        }
        Some((parameters, literals))
    }
}

/// Every route of the data plane.
pub static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let spaces = [keys::rows(), secrets::rows(), certificates::rows(), roles::rows(), administration::rows()];
    spaces.into_iter().flatten().collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, path: &str) -> Option<(&'static str, Option<String>, Option<String>)> {
        let segments: Vec<String> = path[1..].split('/').map(str::to_owned).collect();
        match find(Manner::ManagedHsm, &method, &segments) {
            Found::Route(route, parameters) => {
                let scope = parameters.scope.map(|parts| parts.join("/"));
                Some((route.operation, scope, parameters.id.map(str::to_owned)))
            }
            _ => None,
        }
    }

    #[test]
    fn a_scope_is_everything_before_its_providers() {
        let list = "/providers/Microsoft.Authorization/roleAssignments";
        for scope in ["", "/", "//", "/keys", "/keys/a", "//keys/a", "/x/y/z"] {
            let wanted = Some(("RoleAssignmentList", Some(scope.trim_start_matches('/').to_owned()), None));
            let got = found(Method::GET, &format!("{scope}{list}"));
            let got = got.map(|(name, scope, id)| (name, scope.map(|s| s.trim_start_matches('/').to_owned()), id));
            assert_eq!(got, wanted, "{scope}");
            let one = found(Method::PUT, &format!("{scope}{list}/7"));
            assert_eq!(one.map(|(name, _, id)| (name, id)), Some(("RoleAssignmentCreate", Some("7".to_owned()))));
        }
        for other in
            ["/providers/Microsoft.Authorization", "/keys/providers", "/providers/Microsoft.Authorization/roles"]
        {
            assert_eq!(found(Method::PUT, &format!("{other}/x/y")), None, "{other}");
        }
    }

    #[test]
    fn nothing_that_reads_or_makes_many_things_is_done_where_requests_are_read() {
        let work = |name: &str| TABLE.iter().find(|route| route.operation == name).map(|route| route.work);
        for route in TABLE.iter().filter(|route| route.is_list()) {
            let few = route.path.contains("issuers") || route.path.contains("{scope}");
            assert_eq!(route.work, if few { Work::Short } else { Work::Read }, "{}", route.operation);
        }
        for name in ["CertificateGet", "CertificatePolicyGet", "CertificateGetDeleted", "SecretGetDeleted"] {
            assert_eq!(work(name), Some(Work::Read), "{name}");
        }
        for name in ["KeyCreate", "KeyRotate", "CertificateCreate", "CertificateImport"] {
            assert_eq!(work(name), Some(Work::Make), "{name}");
        }
        assert_eq!(work("SecretGet"), Some(Work::Secret));
    }

    #[test]
    fn access_policies_know_what_is_done_to_objects_and_not_what_is_done_to_the_vault() {
        for route in TABLE.iter() {
            let of_vault = ["Role", "Setting", "Full", "Pre", "Selective"];
            let is_of_vault = of_vault.iter().any(|begins| route.operation.starts_with(begins));
            assert_eq!(route.permission.is_none(), is_of_vault, "{}", route.operation);
        }
    }

    #[test]
    fn a_managed_hsm_has_no_secrets() {
        let segments = ["secrets".to_owned()];
        assert!(matches!(find(Manner::ManagedHsm, &Method::GET, &segments), Found::Nothing));
        assert!(matches!(find(Manner::KeyVault, &Method::GET, &segments), Found::Route(..)));
    }
}
