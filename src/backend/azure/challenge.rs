//! The challenge: which authority a vault's tokens come from, and whether a credential may be shown to it.
//!
//! A vault names both in its answer to a request without a token. Its resource must cover the vault's own host, as the
//! official SDKs require, or a server could ask for tokens that count at others. And it can't send a secret to an
//! authority of its choice: that must be the configured one, or lie beside the vault, under its own domain, or be Azure's.
//! Which domains are shared by strangers isn't known here, but that every top level is: whoever keeps a vault under any
//! other such domain configures the authority.
//! A challenge is used, and kept, only after these checks.

use crate::config::{AzureConfig, Origin};

/// Authorities of Azure's clouds, whose vaults lie under another domain.
const AZURE: [&str; 3] = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];

/// Where tokens for a vault come from, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// The authority's origin.
    pub authority: Origin,
    /// The one segment of its path.
    pub tenant: String,
    /// What the token is for, without a slash at its end.
    pub resource: String,
}

impl Challenge {
    /// What a vault says in `WWW-Authenticate`, if its resource covers every address of the configuration. The error is a
    /// sentence that says what to do.
    pub(super) fn checked<'a>(headers: impl Iterator<Item = &'a str>, config: &AzureConfig) -> Result<Self, String> {
        let parameters = parameters(headers);
        let named = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let strange = || "it doesn't say where its tokens come from: check that this is a vault's address".to_owned();
        let authorization = named("authorization").or_else(|| named("authorization_uri")).ok_or_else(strange)?;
        let resource = named("resource").or_else(|| named("scope")).ok_or_else(strange)?;
        let resource = resource.strip_suffix("/.default").unwrap_or(resource).trim_end_matches('/');
        let rest = authorization.strip_prefix("https://").ok_or_else(strange)?;
        let (host, tenant) = rest.trim_end_matches('/').split_once('/').ok_or_else(strange)?;
        if tenant.is_empty() || !tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
            return Err(strange());
        }
        let authority = Origin::parse(&format!("https://{host}"))?;
        if config.verify_challenge_resource {
            check_resource(resource, config)?;
        }
        Ok(Self { authority, tenant: tenant.to_owned(), resource: resource.to_owned() })
    }

    /// Whether the authority lies beside the vault, under its own domain, which is no top level and no part of an address.
    /// Not under the resource's: a vault could name one as wide as `com`. A server of ours has its Managed HSMs below
    /// `managedhsm.DOMAIN`, and its authority at `login.vault.DOMAIN` or `login.DOMAIN`.
    pub(super) fn is_beside(&self, vault: &Origin) -> bool {
        let host = vault.host().trim_end_matches('.');
        let authority = self.authority.host().trim_end_matches('.');
        let domain = host.split_once('.').map_or("", |(_, domain)| domain);
        let is_own = domain.contains('.') && host.parse::<std::net::Ipv4Addr>().is_err();
        let of_hsm = |rest: &str| {
            (rest.contains('.') || rest == "localhost")
                && (authority == format!("login.vault.{rest}") || authority == format!("login.{rest}"))
        };
        is_own && authority.ends_with(&format!(".{domain}")) || domain.strip_prefix("managedhsm.").is_some_and(of_hsm)
    }

    /// Whether a secret, or an assertion made with one, may go to the authority.
    pub(super) fn check_authority(&self, config: &AzureConfig) -> Result<(), String> {
        if let Some(wanted) = &config.authority {
            return match *wanted == self.authority {
                true => Ok(()),
                false => {
                    Err(format!("it takes tokens of {}, and `authority` is {wanted}: nothing was sent", self.authority))
                }
            };
        }
        if AZURE.contains(&self.authority.authority().as_str()) || self.is_beside(&config.remote.origins[0]) {
            return Ok(());
        }
        Err(format!(
            "it takes tokens of {}, which isn't under its own domain: if the credential is of that authority, name it with \
             `authority`",
            self.authority
        ))
    }

    /// The tenant that is asked: `adfs` under that name; any other must be the one that the vault trusts.
    pub(super) fn tenant<'a>(&'a self, configured: Option<&'a str>) -> Result<&'a str, String> {
        match configured {
            None => Ok(&self.tenant),
            Some(tenant) if tenant.eq_ignore_ascii_case("adfs") => Ok(tenant),
            Some(tenant) if tenant.eq_ignore_ascii_case(&self.tenant) => Ok(&self.tenant),
            Some(tenant) => Err(format!("it takes tokens of the tenant {}, and `tenant` is {tenant}", self.tenant)),
        }
    }
}

/// The claims that a vault wants in a token beyond those that it has, in JSON (RFC 9470's form is Entra's).
pub(super) fn wanted_claims<'a>(headers: impl Iterator<Item = &'a str>) -> Option<String> {
    use base64ct::{Base64, Base64Unpadded, Base64UrlUnpadded, Encoding};
    let parameters = parameters(headers);
    let (_, claims) = parameters.iter().find(|(name, _)| name == "claims")?;
    let bare = claims.trim_end_matches('=');
    let decoded = Base64::decode_vec(claims)
        .or_else(|_| Base64Unpadded::decode_vec(bare))
        .or_else(|_| Base64UrlUnpadded::decode_vec(bare));
    String::from_utf8(decoded.ok()?).ok().filter(|text| text.starts_with('{'))
}

fn check_resource(resource: &str, config: &AzureConfig) -> Result<(), String> {
    let covers = |origin: &Origin| {
        let named = Origin::parse(resource);
        named.is_ok_and(|named| origin.authority().ends_with(&format!(".{}", named.authority())))
    };
    match config.remote.origins.iter().find(|origin| !covers(origin)) {
        None => Ok(()),
        Some(origin) => Err(format!(
            "it asks for a token for {resource}, which doesn't cover {origin}: nothing was sent; use the vault's name below \
             that domain as its address"
        )),
    }
}

/// The parameters of every `Bearer` challenge, the names in small letters (RFC 9110 §11.3).
fn parameters<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for header in headers {
        let mut rest = header.trim();
        let mut is_bearer = false;
        while !rest.is_empty() {
            let end =
                rest.find(|letter: char| letter.is_ascii_whitespace() || "=,".contains(letter)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after.trim_start();
            if let Some(value) = rest.strip_prefix('=') {
                let (value, after) = value_of(value.trim_start());
                if is_bearer {
                    found.push((word.to_ascii_lowercase(), value));
                }
                rest = after;
            } else if !word.is_empty() {
                is_bearer = word.eq_ignore_ascii_case("bearer");
            }
            rest = rest.trim_start_matches(|letter: char| letter == ',' || letter.is_ascii_whitespace());
        }
    }
    found
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|letter: char| letter == ',' || letter.is_ascii_whitespace()).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, letter) in quoted.char_indices() {
        match letter {
            '"' if !escaped => return (value, &quoted[at + 1..]),
            '\\' if !escaped => escaped = true,
            _ => {
                value.push(letter);
                escaped = false;
            }
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AzureCredential;

    fn config(vault: &str, authority: Option<&str>) -> AzureConfig {
        let mut config = AzureConfig::at(Origin::parse(vault).unwrap(), AzureCredential::Peer);
        config.authority = authority.map(|authority| Origin::parse(authority).unwrap());
        config
    }

    fn of(vault: &str, authority: &str, resource: &str, wanted: Option<&str>) -> Result<String, String> {
        let challenge = format!(r#"Bearer authorization="{authority}", resource="{resource}""#);
        let config = config(vault, wanted);
        let challenge = Challenge::checked([challenge.as_str()].into_iter(), &config)?;
        challenge.check_authority(&config)?;
        Ok(format!("{} {}", challenge.authority, challenge.tenant))
    }

    #[test]
    fn an_authority_under_the_vaults_own_domain_and_azures_are_taken() {
        let own = of("https://a.v.example:8443", "https://login.v.example:8443/t-1", "https://v.example:8443", None);
        assert_eq!(own.unwrap(), "https://login.v.example:8443 t-1");
        let azure =
            of("https://a.vault.azure.net", "https://login.microsoftonline.com/t", "https://vault.azure.net/", None);
        assert_eq!(azure.unwrap(), "https://login.microsoftonline.com t");
    }

    #[test]
    fn the_authority_beside_a_managed_hsm_of_ours_is_that_of_the_key_vaults() {
        let beside = |authority: &str| {
            of("https://a.managedhsm.v.example", authority, "https://managedhsm.v.example", None).is_ok()
        };
        assert!(beside("https://login.vault.v.example/t") && beside("https://login.v.example/t"));
        for other in ["evil.vault.v.example", "login.evil.v.example", "loginv.example", "login.vault.example"] {
            assert!(!beside(&format!("https://{other}/t")), "{other}");
        }
        let (vault, resource) = ("https://a.managedhsm.com", "https://managedhsm.com");
        assert!(of(vault, "https://login.com/t", resource, None).is_err(), "a top level is nobody's");
    }

    #[test]
    fn a_resource_that_does_not_cover_the_vault_is_refused() {
        for resource in ["https://vault.azure.net", "https://b.v.example", "https://v.example:1", "x"] {
            let refused = of("https://a.v.example", "https://login.v.example/t", resource, None).unwrap_err();
            assert!(refused.contains("nothing was sent"), "{resource}: {refused}");
        }
        of("https://av.example", "https://login.v.example/t", "https://v.example", None).unwrap_err();
    }

    #[test]
    fn each_of_several_addresses_must_be_covered() {
        let mut several = config("https://a.v.example", None);
        several.remote.origins.push(Origin::parse("https://a.w.example").unwrap());
        let challenge = r#"Bearer authorization="https://login.v.example/t", resource="https://v.example""#;
        assert!(Challenge::checked([challenge].into_iter(), &several).unwrap_err().contains("a.w.example"));
        several.verify_challenge_resource = false;
        Challenge::checked([challenge].into_iter(), &several).unwrap();
    }

    #[test]
    fn a_vault_can_not_send_the_secret_elsewhere() {
        let taken = |authority: &str, wanted| of("https://a.v.example", authority, "https://v.example", wanted).is_ok();
        assert!(!taken("https://evil.example/t", None));
        assert!(!taken("https://loginv.example/t", None));
        assert!(!taken("http://login.v.example/t", None));
        assert!(
            of("https://a.v.example", "https://evil.example/t", "https://example", None).is_err(),
            "a wide resource"
        );
        assert!(!taken("https://login.v.example/t", Some("https://login.microsoftonline.com")));
        assert!(taken("https://sso.example/t", Some("https://sso.example/")));
    }

    #[test]
    fn a_top_level_is_no_vaults_own_domain() {
        for (vault, authority, resource) in [
            ("https://vault.com", "https://login.evil.com/t", "https://com"),
            ("https://vault.com.", "https://login.evil.com./t", "https://com."),
            ("https://10.0.0.1", "https://99.0.0.1/t", "https://0.0.1"),
        ] {
            let refused = of(vault, authority, resource, None).unwrap_err();
            assert!(refused.contains("name it with `authority`"), "{refused}");
            let (named, _) = authority.rsplit_once('/').unwrap();
            of(vault, authority, resource, Some(named)).unwrap();
        }
    }

    #[test]
    fn a_tenant_is_one_segment_and_the_one_that_is_configured() {
        for tenant in ["", "a/b", "a?x", "..%2f"] {
            let authority = format!("https://login.v.example/{tenant}");
            assert!(of("https://a.v.example", &authority, "https://v.example", None).is_err(), "{tenant}");
        }
        let challenge = Challenge {
            authority: Origin::parse("https://login.v.example").unwrap(),
            tenant: "t-1".into(),
            resource: "https://v.example".into(),
        };
        assert_eq!(challenge.tenant(None).unwrap(), "t-1");
        assert_eq!(challenge.tenant(Some("T-1")).unwrap(), "t-1");
        assert_eq!(challenge.tenant(Some("adfs")).unwrap(), "adfs");
        assert!(challenge.tenant(Some("t-2")).unwrap_err().contains("t-2"));
    }

    #[test]
    fn claims_are_found_among_several_challenges() {
        let headers = [
            r#"Basic realm="x", claims="no""#,
            r#"Bearer authorization="https://a/t", error="insufficient_claims", claims="eyJhIjp7ImIiOiJjLCJ9fQ==", x="a\"b""#,
        ];
        assert_eq!(wanted_claims(headers.into_iter()).unwrap(), r#"{"a":{"b":"c,"}}"#);
        assert_eq!(parameters(headers.into_iter()).last().unwrap().1, "a\"b");
        assert_eq!(wanted_claims(["Bearer error=x"].into_iter()), None);
    }
}
