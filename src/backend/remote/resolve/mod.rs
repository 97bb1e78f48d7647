//! Where a host is, without a thread and inside a budget.
//!
//! `getaddrinfo` can't be told how long it may take, and a thread for it is none of ours to start. So what it does for a
//! name on nearly every machine is done here: an address stands for itself, `localhost` and what is below it is this
//! machine (RFC 6761 §6.3), then `/etc/hosts`, then the name servers of `/etc/resolv.conf` with its search list, `ndots`,
//! `timeout` and `attempts`. What other modules of the name service switch would know (mDNS, LDAP, winbind) isn't found:
//! such a host goes into `/etc/hosts` or into the configuration by its address.
//!
//! Both files are read anew for each new connection, so that a changed address needs no restart; a process that can't
//! read them any more, in another root directory, goes by what they were.

mod ask;
mod hosts;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use resolv_conf::ScopedIp;

use super::budget::Budget;
use super::error::{Failure, Step};

/// Finds addresses.
#[derive(Debug)]
pub struct Resolver {
    hosts: Kept,
    resolv_conf: Kept,
    /// The name server that answered last is asked first: a dead one is waited for once.
    preferred: AtomicUsize,
}

/// A small file of the system's, and what it held at first.
#[derive(Clone, Debug)]
struct Kept {
    path: &'static str,
    first: String,
}

impl Resolver {
    /// Reads both files.
    pub fn new() -> Self {
        Self {
            hosts: Kept::read("/etc/hosts"),
            resolv_conf: Kept::read("/etc/resolv.conf"),
            preferred: AtomicUsize::new(0),
        }
    }

    /// The same for a forked child, whose root directory may be another.
    pub fn in_forked_child(&self) -> Self {
        Self {
            hosts: self.hosts.clone(),
            resolv_conf: self.resolv_conf.clone(),
            preferred: AtomicUsize::new(self.preferred.load(Ordering::Relaxed)),
        }
    }

    /// The addresses of a host, at least one.
    pub fn resolve(&self, host: &str, budget: &Budget) -> Result<Vec<IpAddr>, Failure> {
        if let Some(known) = without_asking(host) {
            return Ok(known);
        }
        let found = hosts::find(&self.hosts.now(), host);
        if !found.is_empty() {
            return Ok(found);
        }
        let servers = Servers::of(&self.resolv_conf.now(), host)?;
        self.ask(&servers, host, budget)
    }

    fn ask(&self, servers: &Servers, host: &str, budget: &Budget) -> Result<Vec<IpAddr>, Failure> {
        let mut failure = None;
        for name in servers.names_of(host) {
            match self.ask_for(servers, &name, host, budget) {
                Ok(found) if !found.is_empty() => return Ok(found),
                // The next of the search list.
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| Failure::at(Step::Dns, host, "no name server knows this host")))
    }

    /// One name, at one server after the other; empty where it has no address.
    fn ask_for(&self, servers: &Servers, name: &str, host: &str, budget: &Budget) -> Result<Vec<IpAddr>, Failure> {
        let count = servers.addresses.len();
        let tries = count * servers.attempts;
        let mut last = None;
        for number in 0..tries {
            if budget.is_spent() {
                break;
            }
            let index = (self.preferred.load(Ordering::Relaxed) + number) % count;
            // One part of what is left stays for the connection.
            let patience = budget.share(tries - number + 1).at_most(servers.timeout);
            match ask::addresses(&servers.addresses[index], name, &patience) {
                Ok(found) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(problem) => last = Some(format!("the name server {}: {problem}", servers.addresses[index])),
            }
        }
        Err(match last {
            Some(problem) => Failure::at(Step::Dns, host, problem),
            None => Failure::timed_out(Step::Dns, host),
        })
    }
}

/// What `/etc/resolv.conf` says.
struct Servers {
    addresses: Vec<std::net::SocketAddr>,
    search: Vec<String>,
    ndots: usize,
    timeout: std::time::Duration,
    attempts: usize,
}

impl Servers {
    fn of(text: &str, host: &str) -> Result<Self, Failure> {
        // A line that it doesn't know is no reason to know none: glibc goes on too.
        let (mut read, _) = resolv_conf::Config::parse_with_errors(text.as_bytes());
        read.glibc_normalize();
        let addresses = read.get_nameservers_or_local();
        let addresses: Vec<_> = addresses.iter().map(with_port).collect();
        if addresses.is_empty() {
            return Err(Failure::at(Step::Dns, host, "/etc/resolv.conf names no name server"));
        }
        Ok(Self {
            addresses,
            search: read.get_last_search_or_domain().map(|domain| domain.trim_matches('.').to_owned()).collect(),
            ndots: read.ndots as usize,
            timeout: std::time::Duration::from_secs(u64::from(read.timeout.clamp(1, 30))),
            attempts: read.attempts.clamp(1, 5) as usize,
        })
    }

    /// What is asked for, in order (resolv.conf(5), `ndots`).
    fn names_of(&self, host: &str) -> Vec<String> {
        if let Some(whole) = host.strip_suffix('.') {
            return vec![whole.to_owned()];
        }
        let searched = self.search.iter().filter(|domain| !domain.is_empty()).map(|domain| format!("{host}.{domain}"));
        let itself = std::iter::once(host.to_owned());
        match host.bytes().filter(|byte| *byte == b'.').count() >= self.ndots {
            true => itself.chain(searched).collect(),
            false => searched.chain(itself).collect(),
        }
    }
}

fn with_port(server: &ScopedIp) -> std::net::SocketAddr {
    const PORT: u16 = 53;
    match server {
        ScopedIp::V4(address) => (*address, PORT).into(),
        ScopedIp::V6(address, scope) => {
            let number = scope.as_deref().and_then(|scope| scope.parse().ok()).unwrap_or(0);
            std::net::SocketAddrV6::new(*address, PORT, 0, number).into()
        }
    }
}

/// An address, or this machine.
fn without_asking(host: &str) -> Option<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Some(vec![address]);
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_here = name == "localhost" || name.ends_with(".localhost");
    is_here.then(|| vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)])
}

impl Kept {
    fn read(path: &'static str) -> Self {
        Self { path, first: read(path).unwrap_or_default() }
    }

    fn now(&self) -> String {
        read(self.path).unwrap_or_else(|| self.first.clone())
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read(Path::new(path)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
