//! How often one client may try to log in: decided before anything else of its request is looked at, so that nobody keeps
//! the server busy with signatures and hashes.
//!
//! Counted by IPv4 address, by IPv6 network of 64 bits, and on the Unix socket by user. A client logs in once an hour; a
//! test suite, whose every program begins with a login, stays far below the default too.

use std::net::IpAddr;
use std::num::NonZeroU32;

use crate::config::Rate;
use crate::server::listen::{Origin, Peer};
use crate::server::throttle::Throttle;

/// How many logins one client may try, if nothing else is said.
const USUAL: Rate = Rate { per_second: NonZeroU32::new(20).unwrap(), burst: NonZeroU32::new(100).unwrap() };

/// Whose attempts are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    Address(u32),
    Network(u64),
    User(u32),
    /// Of whom nobody knows where it is.
    Unknown,
}

impl Client {
    fn of(peer: Option<&Peer>) -> Self {
        match peer.map(|peer| &peer.origin) {
            Some(Origin::Network { address, .. }) => match address.ip().to_canonical() {
                IpAddr::V4(ip) => Self::Address(ip.to_bits()),
                IpAddr::V6(ip) => Self::Network((ip.to_bits() >> 64) as u64),
            },
            Some(Origin::Machine { uid, .. }) => Self::User(*uid),
            None => Self::Unknown,
        }
    }
}

/// Counts attempts.
pub struct Logins(Throttle<Client>);

impl Logins {
    /// Nobody has tried yet.
    pub fn new(limit: Option<Rate>) -> Self {
        Self(Throttle::new(limit.unwrap_or(USUAL)))
    }

    /// Counts one attempt. If it is one too many: after how many seconds the next may be made.
    pub fn attempt(&self, peer: Option<&Peer>) -> Result<(), u32> {
        self.0.count(&Client::of(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        let local = "127.0.0.1:8443".parse().unwrap();
        let origin = Origin::Network { address: address.parse().unwrap(), local, is_client: true };
        Peer { origin, tls: true, certificate: None }
    }

    fn user(uid: u32) -> Peer {
        Peer { origin: Origin::Machine { uid, gid: 0, groups: [].into(), pid: None }, tls: false, certificate: None }
    }

    fn strict() -> Logins {
        Logins::new(Some(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() }))
    }

    #[test]
    fn attempts_beyond_the_burst_are_refused_for_this_client_alone() {
        let logins = strict();
        let (one, other) = (peer("192.0.2.1:1000"), peer("192.0.2.2:1000"));
        assert!(logins.attempt(Some(&one)).is_ok() && logins.attempt(Some(&peer("192.0.2.1:2000"))).is_ok());
        assert_eq!(logins.attempt(Some(&one)), Err(1), "another port is the same client");
        assert!(logins.attempt(Some(&other)).is_ok());
        assert!(logins.attempt(Some(&user(0))).is_ok());
    }

    #[test]
    fn an_ipv6_network_and_a_mapped_address_are_one_client_each() {
        let logins = strict();
        assert!(logins.attempt(Some(&peer("[2001:db8::1]:1"))).is_ok());
        assert!(logins.attempt(Some(&peer("[2001:db8::2]:1"))).is_ok());
        assert!(logins.attempt(Some(&peer("[2001:db8::3]:1"))).is_err());
        assert!(logins.attempt(Some(&peer("[2001:db8:0:1::3]:1"))).is_ok());
        assert_eq!(Client::of(Some(&peer("[::ffff:192.0.2.1]:1"))), Client::of(Some(&peer("192.0.2.1:1"))));
    }
}
