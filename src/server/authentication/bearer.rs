//! Whom a bearer token speaks for: this server's own, or another issuer's.

use std::sync::Arc;

use crate::server::Server;
use crate::server::error::{Result, ServiceError, sentence};
use crate::server::identity::Caller;
use crate::server::issuers::{self, ForeignToken};
use crate::server::token::{self, Audience, Refusal};

impl Server {
    /// Whom a token speaks for that counts there.
    pub(in crate::server) async fn by_token(&self, token: &str, audience: Audience) -> Result<Caller> {
        if token.len() > token::MAX_LEN {
            return Err(issuers::Refusal::TooLong.into());
        }
        let digest = token::digest(token.as_bytes());
        if !self.verifier.knows(&digest)
            && let Some(foreign) = self.foreign(token, &digest, audience).await?
        {
            return self.by_foreign(&foreign, audience);
        }
        self.by_own(token, &digest, audience)
    }

    fn by_own(&self, token: &str, digest: &[u8; 32], audience: Audience) -> Result<Caller> {
        let known = self.known();
        let place = token::Place { names: &self.names, tenant: &known.tenant, audience };
        let checked = self.verifier.verify((token, digest), &known.keys, &place, self.clock.now())?;
        let claims = &checked.claims;
        if !known.is_enabled(&claims.oid) {
            return Err(Refusal::NoIdentity.into());
        }
        let Some(from) = &claims.fed else { return Ok(known.caller(claims.oid.clone())) };
        let mut vouched = known.federated(&from.iss, &from.sub).iter();
        match self.issuers.has(&from.iss) && vouched.any(|client| client.identity.oid == claims.oid) {
            true => Ok(known.caller_from(claims.oid.clone(), &from.iss, &from.groups)),
            false => Err(Refusal::NotFederated.into()),
        }
    }

    /// What it says, if it is another issuer's.
    async fn foreign(&self, token: &str, digest: &[u8; 32], audience: Audience) -> Result<Option<Arc<ForeignToken>>> {
        if let Some(seen) = self.issuers.seen_before(digest)? {
            return Ok(Some(seen));
        }
        let Some(provider) = self.issuers.named_by(token) else { return Ok(None) };
        let is_meant = |token: &ForeignToken| self.is_meant(token, audience);
        Ok(Some(self.issuers.check(provider, token, digest, is_meant).await?))
    }

    /// The identity that the issuer's subject is here; else a stranger, who has what their groups have. At the resource manager
    /// nobody counts whom only their issuer knows: it may be an issuer that gives tokens to anybody.
    fn by_foreign(&self, token: &ForeignToken, audience: Audience) -> Result<Caller> {
        if !self.is_meant(token, audience) {
            return Err(issuers::Refusal::Audience.into());
        }
        let (issuer, known) = (&*token.provider.url, self.known());
        let oid = match known.federated(issuer, &token.subject) {
            [] => &token.stranger,
            [client] if client.identity.enabled => &client.identity.oid,
            [_] => return Err(Refusal::NoIdentity.into()),
            [..] => return Err(Refusal::Ambiguous.into()),
        };
        Ok(known.caller_from(oid.clone(), issuer, &token.groups))
    }

    fn is_meant(&self, token: &ForeignToken, audience: Audience) -> bool {
        let configured = &token.provider.trust.audience;
        match audience {
            Audience::ResourceManager => false,
            Audience::Vaults(manner) if configured.is_empty() => {
                token.audiences.iter().any(|audience| self.names.is_resource(manner, audience))
            }
            Audience::Vaults(_) => configured.iter().any(|audience| token.is_for(audience)),
        }
    }
}

impl From<Refusal> for ServiceError {
    fn from(refusal: Refusal) -> Self {
        Self::unauthorized(format!("AKV10032: {refusal}."))
    }
}

impl From<issuers::Refusal> for ServiceError {
    fn from(refusal: issuers::Refusal) -> Self {
        match refusal.retry_after() {
            Some(seconds) => Self { retry_after: Some(seconds), ..Self::unavailable(sentence(&refusal.to_string())) },
            None => Self::unauthorized(format!("AKV10032: {refusal}.")),
        }
    }
}
