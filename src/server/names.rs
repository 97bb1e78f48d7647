//! What this server and its vaults are called: `https://{vault}.{domain}`, `https://{hsm}.{hsm domain}`,
//! `https://login.{domain}`, and the resources that tokens are for, `https://{domain}` and `https://{hsm domain}`.
//!
//! Clients send a token to a vault only if the vault's host ends with a dot and the resource's host; some compare the
//! port too, so the resource that is announced has the port at which the client came.

use std::net::SocketAddr;

use axum::http::{Request, header};

use crate::config::Manner;

/// The names under the two domains.
#[derive(Clone, Debug)]
pub struct Names {
    domain: String,
    hsm_domain: String,
    /// Vaults that have an address to themselves.
    addresses: Vec<(SocketAddr, String)>,
}

impl Names {
    /// Key vaults below this domain, Managed HSMs beside it as at Azure: `vault.example.com`, `managedhsm.example.com`.
    pub fn below(domain: &str) -> Self {
        let domain = small(domain);
        let hsm_domain = format!("managedhsm.{}", domain.strip_prefix("vault.").unwrap_or(&domain));
        Self { domain, hsm_domain, addresses: Vec::new() }
    }

    /// With Managed HSMs below this domain.
    pub fn with_hsm_domain(self, domain: &str) -> Self {
        Self { hsm_domain: small(domain), ..self }
    }

    /// At this address a host that names no vault means this one.
    pub fn add_address(&mut self, address: SocketAddr, vault: &str) {
        self.addresses.push((address, vault.to_ascii_lowercase()));
    }

    /// The vault, in small letters, that has this address of ours to itself, or all addresses with this port.
    pub fn at_address(&self, local: SocketAddr) -> Option<&str> {
        let at = |known: &SocketAddr| {
            known.port() == local.port() && (known.ip() == local.ip() || known.ip().is_unspecified())
        };
        self.addresses.iter().find(|(known, _)| at(known)).map(|(_, vault)| vault.as_str())
    }

    /// The domain of the vaults of a manner.
    pub fn domain(&self, manner: Manner) -> &str {
        match manner {
            Manner::KeyVault => &self.domain,
            Manner::ManagedHsm => &self.hsm_domain,
        }
    }

    /// What a host below one of the domains names: a vault of that manner, or `login`.
    pub fn label<'a>(&self, host: &'a str) -> Option<(Manner, &'a str)> {
        let manners = [Manner::KeyVault, Manner::ManagedHsm].into_iter();
        manners.filter_map(|manner| Some((manner, label_below(self.domain(manner), host)?))).next()
    }

    /// Whether a host is this machine or a domain itself: it names no vault, but one may be meant.
    pub fn is_nameless(&self, host: &str) -> bool {
        let (host, _) = split_port(host);
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || [&self.domain, &self.hsm_domain].iter().any(|domain| host.eq_ignore_ascii_case(domain))
            || address.parse::<std::net::IpAddr>().is_ok()
    }

    /// The resource that tokens for vaults of a manner are for, at this port.
    pub fn resource(&self, manner: Manner, port: Option<u16>) -> String {
        format!("https://{}{}", self.domain(manner), shown_port(port))
    }

    /// What the name of a vault's host ends with, at this port.
    pub fn suffix(&self, manner: Manner, port: Option<u16>) -> String {
        format!(".{}{}", self.domain(manner), shown_port(port))
    }

    /// The base of the token endpoint's addresses, at this port; it stands for the resource manager too.
    pub fn authority(&self, port: Option<u16>) -> String {
        format!("https://{LOGIN}.{}{}", self.domain, shown_port(port))
    }

    /// Whether a host is the authority's.
    pub fn is_login(&self, host: &str) -> bool {
        label_below(&self.domain, host).is_some_and(|label| label.eq_ignore_ascii_case(LOGIN))
    }

    /// Who makes tokens, `iss`.
    pub fn issuer(&self, port: Option<u16>, tenant: &str) -> String {
        format!("{}/{tenant}/v2.0", self.authority(port))
    }

    /// Whether this is [`issuer`](Self::issuer) at any port.
    pub fn is_issuer(&self, text: &str, tenant: &str) -> bool {
        self.path_at_login(text).and_then(|path| path.strip_suffix("/v2.0")) == Some(tenant)
    }

    /// Whether this is a token endpoint of the tenant, at any port, under any of its names.
    pub fn is_token_endpoint(&self, text: &str, tenant: &str) -> bool {
        let path = self.path_at_login(text).and_then(|path| path.strip_suffix("/token"));
        let given = path.and_then(|path| path.strip_suffix("/oauth2/v2.0").or_else(|| path.strip_suffix("/oauth2")));
        given.is_some_and(|given| given.eq_ignore_ascii_case(tenant) || given.eq_ignore_ascii_case("adfs"))
    }

    /// What stands behind the authority's host in an address.
    fn path_at_login<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (host, path) = text.strip_prefix("https://")?.split_once('/')?;
        let port = split_port(host).1.is_none_or(|port| port.parse::<u16>().is_ok());
        (port && self.is_login(host)).then_some(path)
    }

    /// Whether a token for this counts at the vaults of a manner: their resource at any port, with or without a slash.
    pub fn is_resource(&self, manner: Manner, text: &str) -> bool {
        host_alone(text).is_some_and(|host| host.eq_ignore_ascii_case(self.domain(manner)))
    }

    /// Whether this is the resource manager, at any port: `az` asks for tokens for it, which count at no vault.
    pub fn is_resource_manager(&self, text: &str) -> bool {
        host_alone(text).is_some_and(|host| self.is_login(host))
    }
}

fn small(domain: &str) -> String {
    domain.trim_matches('.').to_ascii_lowercase()
}

/// The one label before a domain.
fn label_below<'a>(domain: &str, host: &'a str) -> Option<&'a str> {
    let (host, _) = split_port(host);
    let at = host.len().checked_sub(domain.len() + 1)?;
    let (label, rest) = host.split_at_checked(at)?;
    let below = rest.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(domain));
    (below && !label.is_empty() && !label.contains('.')).then_some(label)
}

/// The host of an address that has no path, at any port, with or without a slash.
fn host_alone(text: &str) -> Option<&str> {
    let host = text.strip_prefix("https://")?;
    let (host, port) = split_port(host.strip_suffix('/').unwrap_or(host));
    port.is_none_or(|port| port.parse::<u16>().is_ok()).then_some(host)
}

fn shown_port(port: Option<u16>) -> String {
    port.filter(|port| *port != 443).map_or(String::new(), |port| format!(":{port}"))
}

/// The label of the authority's host, which no vault can have as its name.
pub const LOGIN: &str = "login";

/// The host to which a request was sent, with its port.
pub fn host_of<B>(request: &Request<B>) -> &str {
    let host = request.uri().authority().map(|authority| authority.as_str());
    host.or_else(|| request.headers().get(header::HOST)?.to_str().ok()).unwrap_or_default()
}

/// The port to which a request was sent, if its host names one.
pub fn port_of<B>(request: &Request<B>) -> Option<u16> {
    split_port(host_of(request)).1.and_then(|port| port.parse().ok())
}

/// Host and port of an authority; the brackets of an IPv6 address stay.
pub fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vaults_name_is_the_one_label_before_the_domain() {
        let names = Names::below("vault.example.com");
        assert_eq!(names.label("Web.Vault.example.com:8443"), Some((Manner::KeyVault, "Web")));
        assert_eq!(names.label("web.managedhsm.example.com"), Some((Manner::ManagedHsm, "web")));
        let named = Names::below("kv.test").with_hsm_domain("HSM.test.");
        assert_eq!(named.label("a.hsm.test"), Some((Manner::ManagedHsm, "a")));
        assert_eq!(Names::below("kv.test").domain(Manner::ManagedHsm), "managedhsm.kv.test");
        for other in ["vault.example.com", "a.b.vault.example.com", "web.other.com", ".vault.example.com", "x", ""] {
            assert_eq!(names.label(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_for_the_domain_at_any_port() {
        let names = Names::below("vault.example.com");
        for good in ["https://vault.example.com", "https://vault.example.com/", "https://vault.example.com:8443"] {
            assert!(names.is_resource(Manner::KeyVault, good), "{good}");
            assert!(!names.is_resource(Manner::ManagedHsm, good) && !names.is_resource_manager(good), "{good}");
        }
        for bad in [
            "http://vault.example.com",
            "https://x.vault.example.com",
            "https://vault.example.com:x",
            "vault.example.com",
        ] {
            assert!(!names.is_resource(Manner::KeyVault, bad), "{bad}");
        }
        let hsm = "https://managedhsm.example.com:8443";
        assert!(names.is_resource(Manner::ManagedHsm, hsm) && !names.is_resource(Manner::KeyVault, hsm));
        for manager in ["https://login.vault.example.com", "https://LOGIN.vault.example.com:8443/"] {
            assert!(names.is_resource_manager(manager) && !names.is_resource(Manner::KeyVault, manager), "{manager}");
        }
        assert!(!names.is_resource_manager("https://login.vault.example.com/x"));
    }

    #[test]
    fn the_authoritys_addresses_are_known_at_any_port_and_nowhere_else() {
        let names = Names::below("vault.example.com");
        for good in [
            "https://login.vault.example.com/t-1/oauth2/v2.0/token",
            "https://LOGIN.vault.example.com:8443/T-1/oauth2/v2.0/token",
            "https://login.vault.example.com/adfs/oauth2/v2.0/token",
            "https://login.vault.example.com/t-1/oauth2/token",
        ] {
            assert!(names.is_token_endpoint(good, "t-1"), "{good}");
        }
        for bad in [
            "http://login.vault.example.com/t-1/oauth2/v2.0/token",
            "https://login.vault.example.com:x/t-1/oauth2/v2.0/token",
            "https://login.vault.example.com.evil.example/t-1/oauth2/v2.0/token",
            "https://web.vault.example.com/t-1/oauth2/v2.0/token",
            "https://login.vault.example.com/t-2/oauth2/v2.0/token",
            "https://login.vault.example.com/t-1/x/oauth2/v2.0/token",
            "https://login.vault.example.com/t-1/oauth2/v2.0/token/",
            "https://login.vault.example.com/t-1",
        ] {
            assert!(!names.is_token_endpoint(bad, "t-1"), "{bad}");
        }
        assert!(names.is_issuer(&names.issuer(Some(8443), "t-1"), "t-1"));
        assert!(!names.is_issuer("https://login.other.example/t-1/v2.0", "t-1"));
        assert!(!names.is_issuer("https://login.vault.example.com/t-2/v2.0", "t-1"));
    }
}
