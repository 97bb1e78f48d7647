//! Who gets a token: the OAuth 2.0 client credentials grant (RFC 6749 §4.4) as Microsoft Entra ID offers it.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Header};
use zeroize::Zeroizing;

use super::assertion::Checker;
use super::seen::Seen;
use super::{Claims, Federated, Proof, TokenError, TokenRequest, signing};
use crate::config::Manner;
use crate::server::identity::{self, Client, Known};
use crate::server::issuers::ForeignToken;
use crate::server::names::Names;
use crate::vault::Vault;

/// Seconds for which a token counts. Clients ask for a new one when less than 300 are left.
pub const LIFETIME: i64 = 3600;

/// What an issuer may say of somebody's groups, in bytes with what is around each: it stands in our token too.
const MAX_GROUPS: usize = 8 * 1024;

/// A token that was made.
pub struct Issued {
    /// The token.
    pub token: Zeroizing<String>,
    /// The resource it is for, as it was asked for.
    pub resource: String,
    /// Seconds since 1970 from which on it counts.
    pub not_before: i64,
    /// Seconds since 1970 from which on it doesn't.
    pub expires: i64,
}

/// Makes tokens for the identities of one vault.
pub struct Issuer<'a> {
    /// Where identities and signing keys lie.
    pub vault: &'a dyn Vault,
    /// What is known of them now.
    pub known: &'a Known,
    /// What this server is called.
    pub names: &'a Names,
    /// Assertions that were used.
    pub seen: &'a Seen,
    /// When the server started.
    pub started: i64,
    /// The port at which the client came.
    pub port: Option<u16>,
    /// Seconds since 1970.
    pub now: i64,
}

impl Issuer<'_> {
    /// Answers one request.
    pub fn answer(&self, request: &TokenRequest) -> Result<Issued, TokenError> {
        let resource = request.resource.as_str();
        self.check_resource(resource)?;
        match &request.proof {
            Proof::Secret(secret) => {
                let client = self.by_secret(&request.client_id, secret)?;
                self.issue(client, resource, None)
            }
            Proof::Federated(token) => self.by_federation(&request.client_id, token, resource),
            Proof::Assertion(assertion) => {
                let client = self.known.client(&request.client_id).ok_or_else(refused)?;
                let checker =
                    Checker { names: self.names, tenant: &self.known.tenant, started: self.started, now: self.now };
                let proven = checker.check(client, assertion)?.ok_or_else(refused)?;
                let issued = self.issue(client, resource, None)?;
                // Last of all: a client that is told to try again may do so with the same assertion.
                proven.used(self.seen, client, self.now)?;
                Ok(issued)
            }
        }
    }

    /// A token for somebody who is known by where they ask.
    pub fn for_client(&self, client: &Client, resource: &str) -> Result<Issued, TokenError> {
        self.check_resource(resource)?;
        self.issue(client, resource, None)
    }

    fn check_resource(&self, resource: &str) -> Result<(), TokenError> {
        let manners = [Manner::KeyVault, Manner::ManagedHsm];
        let is_ours = manners.iter().any(|manner| self.names.is_resource(*manner, resource));
        if !is_ours && !self.names.is_resource_manager(resource) {
            let ours = self.names.resource(Manner::KeyVault, self.port);
            let what = format!("the resource {resource:?} is not served here: ask for {ours}.");
            return Err(TokenError::new("invalid_resource", 500011, what));
        }
        Ok(())
    }

    /// The identity must be this subject of this issuer, and the token for what its credential says. Who it isn't is told what
    /// the token says, which they hold, and nothing of the identity.
    fn by_federation(&self, client_id: &str, token: &ForeignToken, resource: &str) -> Result<Issued, TokenError> {
        let (issuer, subject) = (&*token.provider.url, &*token.subject);
        let is_meant = |client: &&Arc<Client>| client.identity.federated.iter().any(|known| token.fits(known));
        let client = self.known.client(client_id).filter(is_meant).ok_or_else(|| {
            let what = format!(
                "no federated credential of this client matches the assertion: issuer {issuer:?}, subject {subject:?}, \
                 audience {:?}. `strongroom identity federation add` makes one.",
                token.audiences
            );
            TokenError::new("invalid_client", 700213, what)
        })?;
        if token.groups.iter().map(|group| group.len() + 3).sum::<usize>() > MAX_GROUPS {
            let what = format!("the assertion says more than {MAX_GROUPS} bytes of groups: have its issuer say fewer.");
            return Err(TokenError::new("invalid_request", 90014, what));
        }
        let from = Federated { iss: issuer.to_owned(), sub: subject.to_owned(), groups: token.groups.clone() };
        self.issue(client, resource, Some(from))
    }

    /// An id that is unknown or disabled is refused on the same way, and takes as long, as a wrong secret.
    fn by_secret(&self, client_id: &str, secret: &str) -> Result<&Client, TokenError> {
        let key = identity::hash_key(self.vault)?;
        let client = self.known.client(client_id);
        let identity = client.map_or(self.known.nobody(), |client| &client.identity);
        let right = identity::check_secret(&key, identity, secret, self.now);
        client.filter(|_| right).map(|client| &**client).ok_or_else(refused)
    }

    fn issue(&self, client: &Client, resource: &str, fed: Option<Federated>) -> Result<Issued, TokenError> {
        let (oid, appid) = (&client.identity.oid, &client.identity.appid);
        let expires = self.now + LIFETIME;
        let claims = Claims {
            aud: resource.trim_end_matches('/').to_owned(),
            iss: self.names.issuer(self.port, &self.known.tenant),
            tid: self.known.tenant.clone(),
            oid: oid.clone(),
            appid: appid.clone(),
            sub: oid.clone(),
            iat: self.now,
            nbf: self.now,
            exp: expires,
            idtyp: "app".to_owned(),
            fed,
        };
        let (kid, key) = signing::current(self.vault, self.now)?;
        let header = Header { kid: Some(kid), ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &key).map_err(|error| {
            tracing::error!("a token could not be signed: {error}");
            TokenError::unavailable("the token could not be signed: the server's log says why.")
        })?;
        Ok(Issued { token: Zeroizing::new(token), resource: resource.to_owned(), not_before: self.now, expires })
    }
}

fn refused() -> TokenError {
    let what = "the client id is unknown or disabled, or its secret or assertion is wrong or expired.";
    TokenError::new("invalid_client", 7000215, what)
}
