//! How many connections there are, in all and by address. One too many is closed at once, and costs no handshake.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limits::Limits;
use crate::server::seldom::Seldom;

/// Counts who is admitted.
pub(super) struct Admission {
    connections: usize,
    per_address: usize,
    local_connections: usize,
    counts: Mutex<Counts>,
    refused: Seldom,
}

#[derive(Default)]
struct Counts {
    network: usize,
    local: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place, given back when dropped.
pub(super) struct Place {
    admission: Arc<Admission>,
    is_local: bool,
    address: Option<IpAddr>,
}

impl Place {
    /// Counts it as a connection of this address. Says whether that may have it.
    pub(super) fn is_of(&mut self, address: IpAddr) -> bool {
        let block = block(address);
        let mut counts = self.admission.counts();
        let of_address = counts.by_address.entry(block).or_default();
        if *of_address >= self.admission.per_address {
            let open = *of_address;
            drop(counts);
            self.admission.warn(format_args!("{address} has {open}, as many as one address may have"));
            return false;
        }
        *of_address += 1;
        drop(counts);
        self.address = Some(block);
        true
    }
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections: limits.connections,
            per_address: limits.connections_per_address,
            local_connections: limits.local_connections,
            counts: Mutex::default(),
            refused: Seldom::default(),
        })
    }

    /// A place for a connection from the network; none if a limit is reached.
    pub(super) fn network(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut place = self.proxy()?;
        place.is_of(address).then_some(place)
    }

    /// A place for a connection from a proxy, which is none of that address's own.
    pub(super) fn proxy(self: &Arc<Self>) -> Option<Place> {
        let mut counts = self.counts();
        if counts.network >= self.connections {
            drop(counts);
            self.warn(format_args!("there are {} from the network, as many as may be", self.connections));
            return None;
        }
        counts.network += 1;
        Some(Place { admission: self.clone(), is_local: false, address: None })
    }

    /// A place for a connection on the Unix socket.
    pub(super) fn local(self: &Arc<Self>) -> Option<Place> {
        let mut counts = self.counts();
        if counts.local >= self.local_connections {
            drop(counts);
            self.warn(format_args!("there are {} on the Unix socket, as many as may be", self.local_connections));
            return None;
        }
        counts.local += 1;
        Some(Place { admission: self.clone(), is_local: true, address: None })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Nothing panics while the counts are held, so a poisoned lock guards good counts.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warn(&self, reason: std::fmt::Arguments<'_>) {
        if let Some(times) = self.refused.now() {
            tracing::warn!("connections were refused, {times} since this was said last: {reason}");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts();
        if self.is_local {
            counts.local -= 1;
            return;
        }
        counts.network -= 1;
        let Some(address) = self.address else { return };
        if let Some(of_address) = counts.by_address.get_mut(&address) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// What one client can change about its address at will counts as one.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(connections: usize, connections_per_address: usize) -> Arc<Admission> {
        Admission::new(&Limits { connections, connections_per_address, local_connections: 1, ..Limits::default() })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let admission = admission(2, 1);
        let first = admission.network(address("192.0.2.1")).unwrap();
        assert!(admission.network(address("192.0.2.1")).is_none());
        let second = admission.network(address("192.0.2.2")).unwrap();
        assert!(admission.network(address("192.0.2.3")).is_none());
        drop((first, second));
        assert!(admission.counts().by_address.is_empty());
        assert!(admission.network(address("192.0.2.1")).is_some());
    }

    #[test]
    fn an_ipv6_network_and_a_mapped_address_count_as_one_client() {
        let admission = admission(9, 1);
        let _places = ["2001:db8::1", "192.0.2.1"].map(|text| admission.network(address(text)).unwrap());
        assert!(admission.network(address("2001:db8::2")).is_none());
        assert!(admission.network(address("::ffff:192.0.2.1")).is_none());
        assert!(admission.network(address("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn a_full_network_leaves_the_unix_socket_its_place() {
        let admission = admission(1, 1);
        let _place = admission.network(address("192.0.2.1")).unwrap();
        let _local = admission.local().unwrap();
        assert!(admission.local().is_none());
    }
}
