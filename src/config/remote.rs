//! Vaults that are elsewhere: where they are, whom is trusted there, and who this process is to them.
//!
//! Like everything of the configuration it is read once: the contents of files, not their names, so that a worker that has
//! changed its user, its root directory or its environment goes on. The one file that is read again is a workload
//! identity's token, which whoever projects it replaces every hour.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::crypto::SecretBytes;

/// The origin of a remote vault, `https://HOST[:PORT]`: a vault is a host, never a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// In small letters; an IPv6 address stands in brackets.
    host: String,
    port: u16,
}

/// What every kind of remote vault has to know.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// Tried in this order; at least one.
    pub origins: Vec<Origin>,
    /// A Unix socket at which all of them are reached, without TLS: the file's owner vouches for who listens there.
    pub socket: Option<PathBuf>,
    /// `ca_file`: certificates in PEM that are trusted in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// `tls_pins`: SHA-256 of the public keys (SubjectPublicKeyInfo) of which the server's must be one; empty: any.
    pub pins: Vec<[u8; 32]>,
    /// `client_certificate` and `client_key`: who we are in TLS.
    pub client: Option<ClientCertificate>,
    /// `proxy`.
    pub proxy: Option<ProxyAddress>,
    /// `timeout`: what one call may take in all.
    pub timeout: Duration,
    /// `refresh`: how old the listing may be.
    pub refresh: Duration,
}

/// A certificate chain and its key, in PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain, its own certificate first.
    pub chain: Vec<u8>,
    /// The key.
    pub key: SecretBytes,
}

/// An HTTP proxy that tunnels (`CONNECT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyAddress {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `Basic` credentials, if its address has some: user and password with a colon between.
    pub user: Option<SecretText>,
    /// Hosts and domains that are reached without it, with commas between: what `NO_PROXY` says.
    pub except: String,
}

/// An address without TLS, `http://HOST[:PORT]/PATH`: of what vouches for this machine's programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainAddress {
    /// Its host; an IPv6 address stands in brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path and query.
    pub path: String,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(zeroize::Zeroizing<String>);

/// `backend = "azure"`.
#[derive(Clone, Debug)]
pub struct AzureConfig {
    /// Where, and by which way.
    pub remote: RemoteConfig,
    /// Who we are.
    pub credential: AzureCredential,
    /// `tenant`: the only one that tokens are asked of; `None`: that of the challenge.
    pub tenant: Option<String>,
    /// `authority`: the only host that a credential is shown to; `None`: one beside the vault, or Azure's.
    pub authority: Option<Origin>,
    /// `managed_hsm = true`: it is one, though its host's name doesn't say so.
    pub managed_hsm: bool,
    /// `secrets = true`: they are objects too.
    pub secrets: bool,
    /// `random = "vault"`.
    pub random_from_vault: bool,
    /// `verify_challenge_resource`: false lets a vault ask for tokens that count elsewhere.
    pub verify_challenge_resource: bool,
}

/// `credential`: what this process shows.
#[derive(Clone, Debug)]
pub enum AzureCredential {
    /// A client's secret; without one here, the PIN of `C_Login` is it.
    ClientSecret {
        /// `client_id`.
        client_id: String,
        /// `client_secret_file`'s contents.
        secret: Option<SecretText>,
    },
    /// A client's certificate, whose key signs an assertion.
    ClientCertificate {
        /// `client_id`.
        client_id: String,
        /// `certificate_file`: the certificate and its key.
        certificate: ClientCertificate,
    },
    /// What the machine or the service vouches for.
    ManagedIdentity {
        /// Who hands out its tokens.
        from: ManagedIdentity,
        /// `client_id` of one of several.
        client_id: Option<String>,
    },
    /// A token of another issuer in a file that is replaced from time to time.
    WorkloadIdentity {
        /// `client_id`.
        client_id: String,
        /// `token_file`, read anew whenever a token is asked for.
        token_file: PathBuf,
    },
    /// A program that prints a token.
    Command {
        /// `token_command`: program and arguments, no shell.
        command: Vec<String>,
        /// This process may start programs.
        allowed: bool,
    },
    /// A token that was got elsewhere and is used as long as it lasts.
    Token(SecretText),
    /// The TLS client certificate alone.
    Tls,
    /// The user at the other end of the Unix socket alone.
    Peer,
}

/// Who hands out a managed identity's tokens.
#[derive(Clone, Debug)]
pub enum ManagedIdentity {
    /// The machine's metadata service, at this address.
    Imds(String),
    /// App Service's endpoint, with the header's value that it wants.
    AppService(String, SecretText),
}

impl Origin {
    /// From `https://HOST[:PORT]`; an error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no vault's address: write https://VAULT.DOMAIN or https://VAULT.DOMAIN:PORT");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        if scheme.eq_ignore_ascii_case("http") {
            return Err("without TLS everybody between here and there could read along: https:// only".into());
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if !scheme.eq_ignore_ascii_case("https") {
            return Err(wrong());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (authority, 443),
        };
        if port == 0 || !is_host(host) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// The host, as it stands in the address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host without an IPv6 address's brackets.
    pub fn bare_host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is a Managed HSM's, below a domain that says so: as Azure's is and, unless it is configured otherwise, a
    /// server's of ours.
    pub fn is_managed_hsm(&self) -> bool {
        // The first label is the vault's own name, which may be any.
        self.host.split('.').skip(1).any(|label| label == "managedhsm")
    }

    /// Host and, where it isn't 443, port: as `Host` has them.
    pub fn authority(&self) -> String {
        if self.port == 443 { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

/// A name of letters, digits, dots, hyphens and underscores, or an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}

impl ProxyAddress {
    /// From `http://[USER:PASSWORD@]HOST[:PORT]`; an error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "it is no proxy's address: write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT".to_owned();
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => return Err(format!("proxies of the kind {scheme}:// aren't known: http:// is")),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(unescaped(user).ok_or_else(wrong)?), place),
            None => (None, rest),
        };
        let origin = Origin::parse(&format!("https://{place}")).map_err(|_| wrong())?;
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port { origin.port() } else { 80 };
        Ok(Self { host: origin.bare_host().to_owned(), port, user, except: String::new() })
    }

    /// Whether a host is reached by it: not where [`except`](Self::except) names the host, or a domain that it lies in.
    pub fn is_for(&self, host: &str) -> bool {
        let parts = self.except.split(',').map(|part| part.trim().trim_start_matches('.').to_ascii_lowercase());
        let lies_in =
            |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        !parts.filter(|part| !part.is_empty()).any(|part| part == "*" || lies_in(&part))
    }
}

impl PlainAddress {
    /// From its text; an error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no endpoint of managed identities: write http://HOST:PORT/PATH");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
        let origin = Origin::parse(&format!("https://{place}")).map_err(|_| wrong())?;
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port { origin.port() } else { 80 };
        match path.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self { host: origin.host().to_owned(), port, path: format!("/{path}") }),
            false => Err(wrong()),
        }
    }
}

/// `%XX` stands for a byte.
fn unescaped(text: &str) -> Option<SecretText> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        if *first == b'%' {
            let digits = std::str::from_utf8(others.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &others[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes.to_vec()).ok().map(SecretText::new)
}

impl RemoteConfig {
    /// The defaults for a vault at this address.
    pub fn at(origin: Origin) -> Self {
        Self {
            origins: vec![origin],
            socket: None,
            authorities: None,
            pins: Vec::new(),
            client: None,
            proxy: None,
            timeout: Duration::from_secs(10),
            refresh: Duration::from_secs(60),
        }
    }
}

impl AzureConfig {
    /// The defaults for a vault at this address.
    pub fn at(origin: Origin, credential: AzureCredential) -> Self {
        Self {
            remote: RemoteConfig::at(origin),
            credential,
            tenant: None,
            authority: None,
            managed_hsm: false,
            secrets: false,
            random_from_vault: false,
            verify_challenge_resource: true,
        }
    }

    /// Whether it is a Managed HSM.
    pub fn is_managed_hsm(&self) -> bool {
        self.managed_hsm || self.remote.origins[0].is_managed_hsm()
    }
}

impl SecretText {
    /// Takes the text.
    pub fn new(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::new)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_an_origin_and_never_a_path() {
        let parsed = |text: &str| Origin::parse(text).map(|origin| origin.to_string()).ok();
        assert_eq!(parsed("https://Web.Vault.example.com:443/").as_deref(), Some("https://web.vault.example.com"));
        assert_eq!(parsed("HTTPS://web.localhost:8443").as_deref(), Some("https://web.localhost:8443"));
        assert_eq!(parsed("https://[::1]:8443").as_deref(), Some("https://[::1]:8443"));
        assert_eq!(parsed("https://[::1]").as_deref(), Some("https://[::1]"));
        for wrong in [
            "https://",
            "https://a/keys",
            "https://a?x",
            "https://user:x@a",
            "https://a b",
            "ftp://a",
            "http://a",
            "a",
            "https://a:0",
            "https://a:99999",
            "https://[x]",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        assert_eq!(Origin::parse("https://[::1]:8443").unwrap().bare_host(), "::1");
    }

    #[test]
    fn a_proxy_has_a_host_and_perhaps_a_user() {
        let proxy = ProxyAddress::parse("http://me:pass%40word@proxy.example:3128/").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        assert_eq!(proxy.user.unwrap().expose(), "me:pass@word");
        assert_eq!(ProxyAddress::parse("proxy.example").unwrap().port, 80);
        assert_eq!(ProxyAddress::parse("http://[::1]:8080").unwrap().host, "::1");
        for wrong in ["https://proxy.example", "socks5://a:1", "http://", "http://a b", "http://u%zz@a"] {
            assert!(ProxyAddress::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_vouches_for_a_machine_has_a_host_and_a_path() {
        let parsed = |text: &str| PlainAddress::parse(text).map(|it| (it.host, it.port, it.path)).ok();
        let of = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(parsed("http://169.254.169.254/metadata?x=y"), of("169.254.169.254", 80, "/metadata?x=y"));
        assert_eq!(parsed("http://[::1]:8480"), of("[::1]", 8480, "/"));
        for wrong in
            ["https://a", "http://", "http://u@a/", "http://a b/", "http://a/b c", "http://a:x/", "169.254.169.254"]
        {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let credential =
            AzureCredential::ClientSecret { client_id: "web".into(), secret: Some(SecretText::new("hush".into())) };
        assert!(!format!("{credential:?}").contains("hush"));
    }
}
