//! Whom a request is from: one place that looks at every proof that can come with one.
//!
//! A token decides, also one that is wrong. Without any, who is at the other end of the connection does, if that proves
//! it by itself.

mod bearer;
mod peer;

use axum::http::{HeaderMap, header};

use super::Server;
use super::error::{Result, ServiceError};
use super::identity::Caller;
use super::listen::Peer;
use super::token::Audience;
use crate::config::Manner;

/// Somebody, and by what they proved it.
pub(super) struct Authenticated {
    pub(super) caller: Caller,
    /// By the connection, without any token. Clients that have one send their first request without it and without its
    /// body, to be told where tokens are from: that must not be carried out.
    pub(super) by_connection: bool,
}

impl Server {
    /// Whom a request to a vault is from, whose token must be for this; by a first vault that was just looked at. Waits only
    /// for another issuer's keys that aren't known yet.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        peer: Option<&Peer>,
        audience: Audience,
    ) -> Result<Authenticated> {
        if headers.contains_key(header::AUTHORIZATION) {
            let caller = self.authenticate_token(headers, audience).await?;
            return Ok(Authenticated { caller, by_connection: false });
        }
        let caller = self.by_peer(peer)?.ok_or_else(missing)?;
        Ok(Authenticated { caller, by_connection: true })
    }

    /// Whom a token in these headers speaks for at a vault of this manner, if it counts: what every request with one asks.
    pub async fn caller(&self, headers: &HeaderMap, manner: Manner) -> Option<Caller> {
        self.authenticate_token(headers, Audience::Vaults(manner)).await.ok()
    }

    /// Whom a request is from where nothing counts but a token.
    pub(super) async fn authenticate_token(&self, headers: &HeaderMap, audience: Audience) -> Result<Caller> {
        let given = headers.get(header::AUTHORIZATION).ok_or_else(missing)?.to_str().map_err(|_| missing())?;
        let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        self.by_token(token.ok_or_else(missing)?.1.trim(), audience).await
    }
}

/// No proof.
pub(super) fn missing() -> ServiceError {
    ServiceError::unauthorized("AKV10000: Request is missing a Bearer or PoP token.")
}
