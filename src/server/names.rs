//! What this server and its vaults are called: `https://{vault}.{domain}`, `https://login.{domain}`, and the resource
//! that tokens are for, `https://{domain}`.
//!
//! Clients send a token to a vault only if the vault's host ends with a dot and the resource's host; some compare the
//! port too, so the resource that is announced has the port at which the client came.

/// The names under one domain.
#[derive(Clone, Debug)]
pub struct Names {
    domain: String,
    /// Vaults that have a port to themselves.
    ports: Vec<(u16, String)>,
}

impl Names {
    /// Below this domain, in small letters.
    pub fn below(domain: &str) -> Self {
        Self { domain: domain.trim_matches('.').to_ascii_lowercase(), ports: Vec::new() }
    }

    /// At this port a host that names no vault means this one.
    pub fn add_port(&mut self, port: u16, vault: &str) {
        self.ports.push((port, vault.to_ascii_lowercase()));
    }

    /// The vault, in small letters, that has this port to itself.
    pub fn at_port(&self, port: u16) -> Option<&str> {
        self.ports.iter().find(|(known, _)| *known == port).map(|(_, vault)| vault.as_str())
    }

    /// The domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The first label of a host below the domain: a vault's name, or `login`.
    pub fn label<'a>(&self, host: &'a str) -> Option<&'a str> {
        let (host, _) = split_port(host);
        let at = host.len().checked_sub(self.domain.len() + 1)?;
        let (label, domain) = host.split_at_checked(at)?;
        let below = domain.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(&self.domain));
        (below && !label.is_empty() && !label.contains('.')).then_some(label)
    }

    /// Whether a host is this machine or the domain itself: it names no vault, but one may be meant.
    pub fn is_nameless(&self, host: &str) -> bool {
        let (host, _) = split_port(host);
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host.eq_ignore_ascii_case(&self.domain)
            || address.parse::<std::net::IpAddr>().is_ok()
    }

    /// The resource that tokens are for, at this port.
    pub fn resource(&self, port: Option<u16>) -> String {
        match port {
            Some(port) if port != 443 => format!("https://{}:{port}", self.domain),
            _ => format!("https://{}", self.domain),
        }
    }

    /// The base of the token endpoint's addresses, at this port.
    pub fn authority(&self, port: Option<u16>) -> String {
        match port {
            Some(port) if port != 443 => format!("https://login.{}:{port}", self.domain),
            _ => format!("https://login.{}", self.domain),
        }
    }

    /// Whether a token for this counts at the vaults: their resource at any port, with or without a slash.
    pub fn is_resource(&self, text: &str) -> bool {
        let Some(host) = text.strip_prefix("https://") else { return false };
        let (host, port) = split_port(host.strip_suffix('/').unwrap_or(host));
        host.eq_ignore_ascii_case(&self.domain) && port.is_none_or(|port| port.parse::<u16>().is_ok())
    }
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
        assert_eq!(names.label("Web.Vault.example.com:8443"), Some("Web"));
        for other in ["vault.example.com", "a.b.vault.example.com", "web.other.com", ".vault.example.com", "x", ""] {
            assert_eq!(names.label(other), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_for_the_domain_at_any_port() {
        let names = Names::below("vault.example.com");
        for good in ["https://vault.example.com", "https://vault.example.com/", "https://vault.example.com:8443"] {
            assert!(names.is_resource(good), "{good}");
        }
        for bad in [
            "http://vault.example.com",
            "https://x.vault.example.com",
            "https://vault.example.com:x",
            "vault.example.com",
        ] {
            assert!(!names.is_resource(bad), "{bad}");
        }
    }
}
