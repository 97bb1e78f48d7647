//! Identities that other issuers vouch for: whoever has a token of this issuer, about this subject, is this identity.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Client;

/// What an assertion is for, unless its identity says otherwise: Entra ID's word, which every client uses by itself.
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// Whose tokens say who an identity is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederatedCredential {
    /// The issuer's address, as it stands in its tokens.
    pub issuer: String,
    /// Who it is there, letter by letter.
    pub subject: String,
    /// What a token must be for to be shown at the token endpoint.
    pub audience: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub created: i64,
}

impl FederatedCredential {
    /// Whether this is the same subject of the same issuer.
    pub fn is_of(&self, issuer: &str, subject: &str) -> bool {
        self.issuer == issuer && self.subject == subject
    }
}

/// Who is whom at which issuer: worked out once, looked up at every request.
#[derive(Default)]
pub(super) struct Federations(HashMap<Box<str>, Subjects>);

/// The subjects of one issuer.
type Subjects = HashMap<Box<str>, Vec<Arc<Client>>>;

impl Federations {
    pub(super) fn of<'a>(clients: impl Iterator<Item = &'a Arc<Client>>) -> Self {
        let mut all = Self::default();
        for client in clients {
            for FederatedCredential { issuer, subject, .. } in &client.identity.federated {
                let subjects = all.0.entry(issuer.as_str().into()).or_default();
                let known = subjects.entry(subject.as_str().into()).or_default();
                if !known.iter().any(|other| Arc::ptr_eq(other, client)) {
                    known.push(Arc::clone(client));
                }
            }
        }
        all
    }

    /// Everybody who is this subject of this issuer.
    pub(super) fn find(&self, issuer: &str, subject: &str) -> &[Arc<Client>] {
        self.0.get(issuer).and_then(|subjects| subjects.get(subject)).map_or(&[], Vec::as_slice)
    }
}
