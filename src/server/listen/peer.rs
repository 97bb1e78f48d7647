//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::server::client_certificate::Shown;

/// Found in the extensions of every request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Where the connection comes from.
    pub origin: Origin,
    /// Whether nobody in between can read it.
    pub tls: bool,
    /// The certificate that the client showed in the handshake, and to which it has the key.
    pub certificate: Option<Arc<Shown>>,
}

/// Where a connection comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The network.
    Network {
        /// The client's address, as it is believed.
        address: SocketAddr,
        /// Ours, whose port may tell which vault is meant.
        local: SocketAddr,
        /// Whether that is the client's address. Else it is a proxy's, which didn't say for whom it asks.
        is_client: bool,
    },
    /// A process of this machine, as the kernel names the one that connected.
    Machine {
        /// Its user.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its other groups.
        groups: Arc<[u32]>,
        /// Its number, which may be another's by now.
        pid: Option<i32>,
    },
}
