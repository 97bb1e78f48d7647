//! By what an identity is known at the other end of a connection, without any token: names in certificates of clients, the
//! certificates themselves, users and groups of this machine.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Client, Identity};
use crate::certificate::Alternative;

/// A user or a group of this machine, whose processes are an identity on the Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalPeer {
    /// A user's number.
    Uid(u32),
    /// A group's number.
    Gid(u32),
}

/// The number by which the kernel calls every user and group that this machine's own numbers don't have, such as those of
/// a container: nobody in particular.
pub const NOBODY: u32 = 65534;

/// A name in certificates as identities have it, in one way of writing; none for kinds that name no program or person.
pub fn certificate_name(name: &Alternative) -> Option<String> {
    match name {
        Alternative::Dns(host) => Some(format!("dns:{}", host.to_ascii_lowercase())),
        Alternative::Uri(uri) => Some(format!("uri:{uri}")),
        // Beyond ASCII letters stay as they are: the sign for Kelvin, U+212A, has `k` for its small letter, and whoever may
        // choose a name at an authority would be somebody else by it.
        Alternative::Upn(name) => Some(format!("upn:{}", name.to_ascii_lowercase())),
        // Hosts are compared without case, mailboxes with it (RFC 5280 §7.5).
        Alternative::Email(address) => {
            let (mailbox, host) = address.rsplit_once('@')?;
            Some(format!("email:{mailbox}@{}", host.to_ascii_lowercase()))
        }
        Alternative::Address(_) | Alternative::Other(_) => None,
    }
}

/// Whose a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// No identity's.
    Nobody,
    /// The one with this object id, be it enabled or not.
    One(&'a str),
    /// Several fit; which of them is meant, nothing says.
    Several(&'a str, &'a str),
}

type Owners<K> = HashMap<K, Vec<Box<str>>>;

/// All identities by what they are known by.
#[derive(Debug, Default)]
pub struct Peers {
    certificates: Owners<[u8; 32]>,
    names: Owners<Box<str>>,
    locals: Owners<LocalPeer>,
}

impl Peers {
    /// What is known of these identities.
    pub(super) fn of<'a>(clients: impl Iterator<Item = &'a Client>) -> Self {
        let mut peers = Self::default();
        for Client { identity, certificates } in clients {
            let oid = || Box::from(identity.oid.as_str());
            for certificate in certificates {
                peers.certificates.entry(certificate.sha256).or_default().push(oid());
            }
            for name in &identity.names {
                peers.names.entry(Box::from(name.as_str())).or_default().push(oid());
            }
            for local in &identity.local {
                peers.locals.entry(*local).or_default().push(oid());
            }
        }
        peers
    }

    /// Whose a certificate with this SHA-256 is.
    pub fn with_certificate(&self, sha256: &[u8; 32]) -> Owner<'_> {
        one_of(self.certificates.get(sha256).into_iter())
    }

    /// Whose a certificate with this SHA-256 or one of these names is.
    pub fn with_certificate_or_name(&self, sha256: &[u8; 32], names: &[String]) -> Owner<'_> {
        let named = names.iter().filter_map(|name| self.names.get(name.as_str()));
        one_of(self.certificates.get(sha256).into_iter().chain(named))
    }

    /// Whose a process of this user and these groups is.
    pub fn on_this_machine(&self, uid: u32, groups: impl Iterator<Item = u32>) -> Owner<'_> {
        let locals = [LocalPeer::Uid(uid)].into_iter().chain(groups.map(LocalPeer::Gid));
        let known = locals.filter(|local| !matches!(local, LocalPeer::Uid(NOBODY) | LocalPeer::Gid(NOBODY)));
        one_of(known.filter_map(|local| self.locals.get(&local)))
    }
}

fn one_of<'a>(owners: impl Iterator<Item = &'a Vec<Box<str>>>) -> Owner<'a> {
    let mut owners = owners.flatten().map(|oid| &**oid);
    let Some(first) = owners.next() else { return Owner::Nobody };
    owners.find(|oid| *oid != first).map_or(Owner::One(first), |other| Owner::Several(first, other))
}

/// The other identity that has this name already.
pub fn name_owner<'a>(identities: &'a [Identity], oid: &str, name: &str) -> Option<&'a Identity> {
    identities.iter().find(|other| other.oid != oid && other.names.iter().any(|known| known == name))
}

/// The other identity that has this user or group already.
pub fn local_owner<'a>(identities: &'a [Identity], oid: &str, local: LocalPeer) -> Option<&'a Identity> {
    identities.iter().find(|other| other.oid != oid && other.local.contains(&local))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(identities: &[(&str, &[&str], &[LocalPeer])]) -> Peers {
        let clients: Vec<Client> = identities
            .iter()
            .map(|(oid, names, local)| {
                let names = names.iter().map(|name| (*name).to_owned()).collect();
                let identity = Identity { oid: (*oid).to_owned(), names, local: local.to_vec(), ..Identity::default() };
                Client { identity, certificates: Vec::new() }
            })
            .collect();
        Peers::of(clients.iter())
    }

    #[test]
    fn who_fits_two_identities_is_neither() {
        let peers = peers(&[
            ("one", &["dns:one.test"], &[LocalPeer::Uid(7), LocalPeer::Gid(8)]),
            ("other", &["dns:other.test"], &[LocalPeer::Gid(9)]),
        ]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let named = |given: &[&str]| peers.with_certificate_or_name(&[0; 32], &names(given)) == Owner::One("one");
        assert!(named(&["dns:one.test"]) && named(&["dns:none.test", "dns:one.test"]));
        let both = peers.with_certificate_or_name(&[0; 32], &names(&["dns:other.test", "dns:one.test"]));
        assert_eq!(both, Owner::Several("other", "one"));
        assert_eq!(peers.on_this_machine(7, [8].into_iter()), Owner::One("one"));
        assert_eq!(peers.on_this_machine(7, [9].into_iter()), Owner::Several("one", "other"));
        assert_eq!(peers.on_this_machine(1, [2].into_iter()), Owner::Nobody);
    }

    #[test]
    fn users_and_groups_that_the_machine_does_not_know_are_nobody() {
        let peers = peers(&[("one", &[], &[LocalPeer::Uid(NOBODY), LocalPeer::Gid(NOBODY)])]);
        assert_eq!(peers.on_this_machine(NOBODY, [NOBODY].into_iter()), Owner::Nobody);
    }

    #[test]
    fn a_name_is_written_in_one_way() {
        let name = |text: &str| certificate_name(&Alternative::parse(text).unwrap());
        assert_eq!(name("DNS:Web.Example.com").as_deref(), Some("dns:web.example.com"));
        assert_eq!(name("uri:spiffe://example.org/Web").as_deref(), Some("uri:spiffe://example.org/Web"));
        assert_eq!(name("email:Me@Example.com").as_deref(), Some("email:Me@example.com"));
        assert_eq!(name("IP:192.0.2.1"), None);
        assert_eq!(name("upn:Kim@Example.com").as_deref(), Some("upn:kim@example.com"));
        assert_eq!(name("upn:\u{212A}im@example.com").as_deref(), Some("upn:\u{212A}im@example.com"));
    }
}
