//! Who is at the other end of a connection: the identity whose certificate the client showed in the TLS handshake, or
//! whose user or group connected to the Unix socket. Both are looked up at every request.

use super::{Result, ServiceError};
use crate::server::Server;
use crate::server::client_certificate::{Refusal, Shown};
use crate::server::identity::{Caller, Known, Owner};
use crate::server::listen::{Origin, Peer};

impl Server {
    /// The identity of a peer; none if it has none and claims none.
    pub(super) fn by_peer(&self, peer: Option<&Peer>) -> Result<Option<Caller>> {
        let Some(peer) = peer else { return Ok(None) };
        let known = self.known();
        let owner = match (&peer.origin, &peer.certificate) {
            (Origin::Machine { uid, gid, groups, .. }, _) => {
                known.peers.on_this_machine(*uid, groups.iter().copied().chain([*gid]))
            }
            (Origin::Network { .. }, Some(shown)) => self.by_certificate(&known, shown).map_err(refused)?,
            (Origin::Network { .. }, None) => Owner::Nobody,
        };
        match owner {
            Owner::Nobody => Ok(None),
            Owner::One(oid) if known.is_enabled(oid) => Ok(Some(known.caller(oid.to_owned()))),
            Owner::One(_) => Err(unauthorized("the identity of this connection is disabled")),
            Owner::Several(one, other) => {
                if let Some(times) = self.ambiguous.now() {
                    tracing::warn!(
                        "clients were refused, {times} since this was said last: {peer:?} is known as two identities, \
                         {one} and {other}; take the name, the user, the group or the certificate from one of them"
                    );
                }
                Err(unauthorized("the connection fits two identities: the server's operator has to make it one"))
            }
        }
    }

    fn by_certificate<'a>(&self, known: &'a Known, shown: &Shown) -> std::result::Result<Owner<'a>, Refusal> {
        let (now, sha256) = (self.clock.now(), shown.fingerprint());
        let authorities = self.client_authorities.as_ref().map(|files| files.current());
        let vouched = match &authorities {
            Some(authorities) => shown.counts_by(authorities, now),
            None => Err(Refusal::Unknown),
        };
        let own = known.peers.with_certificate(sha256);
        if own != Owner::Nobody {
            shown.counts_alone(authorities.as_deref(), now)?;
        }
        match vouched {
            Ok(()) => match known.peers.with_certificate_or_name(sha256, shown.names()) {
                Owner::Nobody => Err(Refusal::NoName),
                owner => Ok(owner),
            },
            Err(why) if own == Owner::Nobody => Err(why),
            Err(_) => Ok(own),
        }
    }
}

fn refused(why: Refusal) -> ServiceError {
    unauthorized(&format!("the client certificate {why}"))
}

/// The challenge goes with it: a client that has a token too can send it.
fn unauthorized(why: &str) -> ServiceError {
    ServiceError::unauthorized(format!("AKV10000: Request is missing a Bearer or PoP token, and {why}."))
}
