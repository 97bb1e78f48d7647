//! What a server looks up of the identities at every request and login, worked out once after each change of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::federated::Federations;
use super::group::{self, Memberships};
use super::header::Headers;
use super::peer::Peers;
use super::{Caller, ClientSecret, Group, Identity, LoginCertificate};
use crate::crypto;
use crate::server::record;
use crate::server::settings::Settings;
use crate::server::token::SigningKeys;
use crate::vault::Image;

/// An identity and what its certificates say.
pub struct Client {
    /// The identity.
    pub identity: Identity,
    /// Those certificates that can be used.
    pub certificates: Vec<LoginCertificate>,
}

/// The identities of one image, its tenant, and the keys of its tokens.
pub struct Known {
    /// The tenant, a GUID; empty while the vault has none.
    pub tenant: String,
    /// The keys of tokens.
    pub keys: SigningKeys,
    /// Identities by what they are known by without a token.
    pub peers: Peers,
    by_client_id: HashMap<String, Arc<Client>>,
    enabled: HashSet<String>,
    groups: Vec<Group>,
    memberships: Memberships,
    federations: Federations,
    headers: Headers,
    nobody: Client,
}

impl Known {
    /// What this image says.
    pub fn of(image: &Image) -> Self {
        let identities: Vec<Identity> = record::all(image).map(|stored| stored.record).collect();
        let groups = group::all(image);
        let enabled = identities.iter().filter(|identity| identity.enabled).map(|identity| identity.oid.clone());
        let enabled = enabled.collect();
        let clients: HashMap<String, Arc<Client>> =
            identities.into_iter().map(|i| (i.appid.clone(), Arc::new(Client::of(i)))).collect();
        Self {
            tenant: Settings::of(image).map(|settings| settings.tenant).unwrap_or_default(),
            keys: SigningKeys::of(image),
            enabled,
            peers: Peers::of(clients.values().map(|client| &**client)),
            memberships: Memberships::of(&groups),
            groups,
            federations: Federations::of(clients.values()),
            headers: Headers::of(clients.values()),
            by_client_id: clients,
            nobody: Client::nobody(),
        }
    }

    /// Whether there is an identity with this object id that is enabled.
    pub fn is_enabled(&self, oid: &str) -> bool {
        self.enabled.contains(oid)
    }

    /// Somebody with this object id, with the groups that they are in.
    pub fn caller(&self, oid: String) -> Caller {
        let groups = self.groups_of(&oid);
        Caller { oid, groups }
    }

    /// The same, who is also in these groups of an issuer.
    pub fn caller_from(&self, oid: String, issuer: &str, values: &[impl AsRef<str>]) -> Caller {
        let own = self.caller(oid);
        let foreign = values.iter().filter_map(|value| self.foreign_group(issuer, value.as_ref()));
        let mut others: Vec<Box<str>> = foreign.filter(|group| !own.is(group)).map(Box::from).collect();
        if others.is_empty() {
            return own;
        }
        others.extend(own.groups.iter().cloned());
        others.sort_unstable();
        others.dedup();
        Caller { groups: others.into(), ..own }
    }

    /// The object ids of the groups of ours that somebody is a member of.
    pub fn groups_of(&self, oid: &str) -> Arc<[Box<str>]> {
        self.memberships.groups_of(oid)
    }

    /// The object id of our group as which an issuer's group counts.
    pub fn foreign_group(&self, issuer: &str, value: &str) -> Option<&str> {
        self.memberships.foreign(issuer, value)
    }

    /// Every identity that this subject of an issuer is, also those that are disabled.
    pub fn federated(&self, issuer: &str, subject: &str) -> &[Arc<Client>] {
        self.federations.find(issuer, subject)
    }

    /// The enabled identity whose secret header this is. Takes the key under which those are hashed.
    pub fn with_header(&self, key: &crypto::SecretKey, given: &str, now: i64) -> Option<&Arc<Client>> {
        self.headers.find(key, given, now).filter(|client| client.identity.enabled)
    }

    /// The enabled identity with this name, object id or client id.
    pub fn named(&self, text: &str) -> Option<&Arc<Client>> {
        let mut clients = self.by_client_id.values();
        clients.find(|client| client.identity.is_called(text)).filter(|client| client.identity.enabled)
    }

    /// All identities.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.by_client_id.values().map(|client| &client.identity)
    }

    /// All groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The enabled identity with this client id.
    pub fn client(&self, client_id: &str) -> Option<&Arc<Client>> {
        self.by_client_id.get(client_id).filter(|client| client.identity.enabled)
    }

    /// An identity that nobody has, to compare secrets with where there is none: that takes as long.
    pub fn nobody(&self) -> &Identity {
        &self.nobody.identity
    }
}

impl Client {
    fn of(identity: Identity) -> Self {
        let certificates = identity.certificates.iter().filter_map(|known| LoginCertificate::stored(&known.der));
        Self { certificates: certificates.collect(), identity }
    }

    fn nobody() -> Self {
        // As long as the hash of a secret, and no hash of anything.
        let secret = ClientSecret { id: String::new(), hash: "-".repeat(43), created: 0, expires: None };
        Self::of(Identity { secrets: vec![secret], ..Identity::default() })
    }
}
