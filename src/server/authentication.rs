//! Whom a request is from: one place that looks at every proof that can come with one.

use axum::http::{HeaderMap, header};

use super::Server;
use super::error::{Result, ServiceError};
use super::identity::Caller;
use super::token::Audience;

impl Server {
    /// Whom a request is from, whose token must be for this; by a first vault that was just looked at. Waits only for another
    /// issuer's keys that aren't known yet.
    pub(super) async fn authenticate(&self, headers: &HeaderMap, audience: Audience) -> Result<Caller> {
        let missing = || ServiceError::unauthorized("AKV10000: Request is missing a Bearer or PoP token.");
        let given = headers.get(header::AUTHORIZATION).ok_or_else(missing)?.to_str().map_err(|_| missing())?;
        let token = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        self.by_token(token.ok_or_else(missing)?.1.trim(), audience).await
    }
}
