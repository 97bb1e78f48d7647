//! Whom a request is from: one place that looks at every proof that can come with one.

use axum::http::{HeaderMap, header};

use super::Server;
use super::error::{Result, ServiceError};
use super::identity::Caller;
use super::token::{self, Audience};

impl Server {
    /// Whom a request is from, whose token must be for this; by a first vault that was just looked at.
    pub(super) fn authenticate(&self, headers: &HeaderMap, audience: Audience) -> Result<Caller> {
        let missing = || ServiceError::unauthorized("AKV10000: Request is missing a Bearer or PoP token.");
        let given = headers.get(header::AUTHORIZATION).ok_or_else(missing)?.to_str().map_err(|_| missing())?;
        let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        self.by_token(token.ok_or_else(missing)?.1.trim(), audience)
    }

    fn by_token(&self, token: &str, audience: Audience) -> Result<Caller> {
        let refused = |refusal: token::Refusal| ServiceError::unauthorized(format!("AKV10032: {refusal}."));
        let known = self.known();
        let place = token::Place { names: &self.names, tenant: &known.tenant, audience };
        let oid = self.verifier.verify(token, &known.keys, &place, self.clock.now()).map_err(refused)?;
        match known.is_enabled(&oid) {
            true => Ok(known.caller(oid)),
            false => Err(refused(token::Refusal::NoIdentity)),
        }
    }
}
