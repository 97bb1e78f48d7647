//! One request after the gate let it in: what it is about, who makes it, and how its parts are read.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::access::Scope;
use super::error::{Result, ServiceError};
use super::identity::Caller;
use super::pool::Pools;
use super::settings::Settings;
use super::{Served, Server};
use crate::vault::{Change, Collection, Image, Name, Object, VaultError, VersionId};

/// A request that may be carried out.
pub struct Call {
    /// The server.
    pub server: Arc<Server>,
    /// The vault that it is about.
    pub served: Arc<Served>,
    /// The server's first vault, where its own keys lie.
    pub home: Arc<Served>,
    /// Where long work is done.
    pub pools: Arc<Pools>,
    /// The vault's objects when the request came.
    pub image: Arc<Image>,
    /// The vault's settings.
    pub settings: Arc<Settings>,
    /// `https://{host}` as the client wrote it: ids and links begin with it.
    pub base: String,
    /// The object's name in the path, if there is one.
    pub name: Option<Name>,
    /// The version in the path; `None` for the current one.
    pub version: Option<VersionId>,
    /// What the path names by a GUID, or by a number of the server's own.
    pub id: Option<String>,
    /// The scope in the path of roles.
    pub scope: Option<Scope>,
    /// Decoded parameters of the query.
    pub query: Query,
    /// The body, whole.
    pub body: Bytes,
    /// Whom the request comes from.
    pub caller: Caller,
    /// Seconds since 1970.
    pub now: i64,
}

/// What is answered when all went well; the status is the route's.
#[derive(Default)]
pub struct Reply {
    /// JSON, which may hold a secret; empty for no body.
    pub body: Zeroizing<Vec<u8>>,
    /// Headers that this answer alone has: where and when to ask again.
    pub headers: Vec<(HeaderName, String)>,
}

impl Reply {
    /// No body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Writes a body.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let mut written = Wiped(Zeroizing::new(Vec::with_capacity(1024)));
        // Our own types, whose keys are texts, into memory.
        let _ = serde_json::to_writer(&mut written, value);
        Ok(Self { body: written.0, headers: Vec::new() })
    }

    /// With a header besides.
    pub fn with_header(mut self, name: HeaderName, text: impl Into<String>) -> Self {
        self.headers.push((name, text.into()));
        self
    }
}

/// Memory that leaves no copy behind when it grows.
struct Wiped(Zeroizing<Vec<u8>>);

impl std::io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Call {
    /// The object's name; a route whose path has one is never called without.
    pub fn name(&self) -> Result<&Name> {
        self.name.as_ref().ok_or_else(|| ServiceError::bad_parameter("The path names no object."))
    }

    /// Changes the vault by what `decide` makes of its newest state, and answers what it refuses.
    pub fn transact(&self, decide: &mut dyn FnMut(&Image) -> Result<Vec<Change>>) -> Result<Vec<Arc<Object>>> {
        let mut refusal = None;
        let changed = self.served.vault.transact(&mut |image| {
            decide(image).map_err(|error| {
                refusal = Some(error);
                VaultError::Declined
            })
        });
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(changed?),
        }
    }

    /// Reads the body.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let body = if self.body.is_empty() { b"{}" } else { &*self.body };
        super::body::read(body).map_err(ServiceError::bad_parameter)
    }

    /// `{base}/{collection}/{name}`.
    pub fn id(&self, collection: Collection, name: &str) -> String {
        format!("{}/{}/{name}", self.base, collection.segment())
    }

    /// `{base}/{collection}/{name}/{version}`.
    pub fn id_of(&self, collection: Collection, object: &Object) -> String {
        let name = object.name.as_ref().map(Name::as_str).unwrap_or_default();
        let mut id = self.id(collection, name);
        if let Some(version) = &object.version {
            id.push('/');
            id.extend(version.id.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit));
        }
        id
    }

    /// `{base}/deleted{collection}/{name}`.
    pub fn recovery_id(&self, collection: Collection, name: &str) -> String {
        format!("{}/deleted{}/{name}", self.base, collection.segment())
    }
}

fn digit(value: u8) -> char {
    char::from(b"0123456789abcdef"[usize::from(value)])
}

/// Parameters of a query.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes names and values.
    pub fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter; names are compared without case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}
