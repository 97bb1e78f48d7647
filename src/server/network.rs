//! From where a vault may be reached. Asked before anything else of a request is looked at, its token too: Azure names the
//! caller in its answer, and so has checked the token of somebody whom it doesn't serve.

use super::Served;
use super::error::{Result, ServiceError};
use super::listen::{Origin, Peer};

impl Served {
    /// Refuses who comes from elsewhere. A client of whom nobody knows where it is comes from nowhere that is allowed.
    pub(super) fn check_origin(&self, peer: Option<&Peer>) -> Result<()> {
        let Some(allowed) = &self.allow_from else { return Ok(()) };
        let (is_allowed, from) = match peer.map(|peer| &peer.origin) {
            Some(Origin::Network { address, is_client: true, .. }) => {
                let ip = address.ip();
                (allowed.networks.iter().any(|network| network.contains(ip)), ip.to_canonical().to_string())
            }
            Some(Origin::Machine { .. }) => (allowed.socket, "the Unix socket".to_owned()),
            Some(Origin::Network { is_client: false, .. }) | None => (false, "unknown".to_owned()),
        };
        if is_allowed {
            return Ok(());
        }
        if let Some(times) = self.elsewhere.now() {
            tracing::info!(
                "requests to the vault {} were refused, {times} since this was said last: the newest came from {from}",
                self.name
            );
        }
        let what = format!(
            "Client address is not authorized. Client address: {from}. Vault: {}. Its operator says from where it may be \
             reached: allow_from in the server's configuration.",
            self.name
        );
        Err(ServiceError::forbidden("ForbiddenByFirewall", what))
    }
}
