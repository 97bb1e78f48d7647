//! Subject alternative names: the hosts, addresses and people that a certificate is for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use der::asn1::{Any, Ia5String, ObjectIdentifier, OctetString, Utf8StringRef};
use der::{Tag, Tagged};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use super::{Error, Result};

/// One alternative name (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alternative {
    /// A host, perhaps with an asterisk for its first label.
    Dns(String),
    /// A mailbox.
    Email(String),
    /// Microsoft's user principal name.
    Upn(String),
    /// A URI, e.g. a SPIFFE id.
    Uri(String),
    /// An address.
    Address(IpAddr),
    /// Any other kind, kept as another certificate has it.
    Other(GeneralName),
}

/// Microsoft's user principal name: an otherName that holds UTF-8.
const UPN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.20.2.3");

impl Alternative {
    /// A host.
    pub fn dns(text: &str) -> Result<Self> {
        ascii(text)?;
        if text.contains(char::is_whitespace) || text.contains(['/', '@', ':']) {
            return Err(Error::Profile(format!("{text:?} is no host's name")));
        }
        Ok(Self::Dns(text.to_owned()))
    }

    /// A mailbox.
    pub fn email(text: &str) -> Result<Self> {
        ascii(text)?;
        match text.split_once('@') {
            Some((user, host)) if !user.is_empty() && !host.is_empty() => Ok(Self::Email(text.to_owned())),
            _ => Err(Error::Profile(format!("{text:?} is no mail address"))),
        }
    }

    /// A user principal name.
    pub fn upn(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::Profile("the name is empty".to_owned()));
        }
        Ok(Self::Upn(text.to_owned()))
    }

    /// A URI.
    pub fn uri(text: &str) -> Result<Self> {
        ascii(text)?;
        match text.split_once(':') {
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Ok(Self::Uri(text.to_owned())),
            _ => Err(Error::Profile(format!("{text:?} is no URI, e.g. spiffe://example.org/web"))),
        }
    }

    /// An address.
    pub fn address(text: &str) -> Result<Self> {
        text.parse().map(Self::Address).map_err(|_| Error::Profile(format!("{text:?} is no IP address")))
    }

    /// `DNS:…`, `IP:…`, `email:…`, `URI:…`, `UPN:…`; without a word before it an address or a host.
    pub fn parse(text: &str) -> Result<Self> {
        let word = text.split_once(':').map(|(word, value)| (word.to_ascii_lowercase(), value));
        match word.as_ref().map(|(word, value)| (word.as_str(), *value)) {
            Some(("dns", value)) => Self::dns(value),
            Some(("ip", value)) => Self::address(value),
            Some(("email", value)) => Self::email(value),
            Some(("uri", value)) => Self::uri(value),
            Some(("upn", value)) => Self::upn(value),
            _ => match text.parse() {
                Ok(address) => Ok(Self::Address(address)),
                Err(_) if text.contains([':', '/', '@']) => {
                    Err(Error::Profile("write DNS:…, IP:…, email:…, URI:… or UPN:…".to_owned()))
                }
                Err(_) => Self::dns(text),
            },
        }
    }

    /// As a certificate holds it.
    pub(super) fn encoded(&self) -> Result<GeneralName> {
        Ok(match self {
            Self::Dns(host) => GeneralName::DnsName(ascii(host)?),
            Self::Email(address) => GeneralName::Rfc822Name(ascii(address)?),
            Self::Uri(uri) => GeneralName::UniformResourceIdentifier(ascii(uri)?),
            Self::Upn(name) => {
                GeneralName::OtherName(OtherName { type_id: UPN, value: Any::new(Tag::Utf8String, name.as_bytes())? })
            }
            Self::Address(IpAddr::V4(address)) => GeneralName::IpAddress(OctetString::new(address.octets())?),
            Self::Address(IpAddr::V6(address)) => GeneralName::IpAddress(OctetString::new(address.octets())?),
            Self::Other(name) => name.clone(),
        })
    }

    /// As a certificate has it.
    pub(super) fn of(name: &GeneralName) -> Self {
        match name {
            GeneralName::DnsName(host) => Self::Dns(host.as_str().to_owned()),
            GeneralName::Rfc822Name(address) => Self::Email(address.as_str().to_owned()),
            GeneralName::UniformResourceIdentifier(uri) => Self::Uri(uri.as_str().to_owned()),
            GeneralName::OtherName(other) => upn_of(other).map_or_else(|| Self::Other(name.clone()), Self::Upn),
            GeneralName::IpAddress(octets) => {
                address_of(octets.as_bytes()).map_or_else(|| Self::Other(name.clone()), Self::Address)
            }
            _ => Self::Other(name.clone()),
        }
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(host) => write!(f, "DNS:{host}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
            Self::Upn(name) => write!(f, "UPN:{name}"),
            Self::Address(address) => write!(f, "IP:{address}"),
            Self::Other(GeneralName::DirectoryName(name)) => write!(f, "directory name {name}"),
            Self::Other(_) => f.write_str("another kind of name"),
        }
    }
}

fn upn_of(other: &OtherName) -> Option<String> {
    let value = Some(&other.value).filter(|value| other.type_id == UPN && value.tag() == Tag::Utf8String)?;
    Utf8StringRef::try_from(value).ok().map(|text| text.as_str().to_owned())
}

fn address_of(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(|octets| Ipv4Addr::from(octets).into()),
        _ => <[u8; 16]>::try_from(octets).ok().map(|octets| Ipv6Addr::from(octets).into()),
    }
}

fn ascii(text: &str) -> Result<Ia5String> {
    if text.is_empty() {
        return Err(Error::Profile("the name is empty".to_owned()));
    }
    if text.contains(|letter: char| letter.is_control()) {
        return Err(Error::Profile(format!("{text:?} holds a control character")));
    }
    Ia5String::new(text).map_err(|_| Error::Profile(format!("{text:?} must be ASCII (write IDNs as xn--…)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternative_names_tell_hosts_from_addresses() {
        assert_eq!(Alternative::parse("www.example.org").unwrap(), Alternative::Dns("www.example.org".into()));
        assert!(matches!(Alternative::parse("::1"), Ok(Alternative::Address(_))));
        assert!(matches!(Alternative::parse("IP:127.0.0.1"), Ok(Alternative::Address(_))));
        assert!(matches!(Alternative::parse("URI:spiffe://a/b"), Ok(Alternative::Uri(_))));
        assert!(matches!(Alternative::parse("UPN:user@example.org"), Ok(Alternative::Upn(_))));
        for wrong in
            ["https://www", "ä.example", "", "DNS:", "email:nobody", "IP:300.0.0.1", "URI:x", "UPN:", "DNS:a b"]
        {
            assert!(Alternative::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_kind_is_read_back_as_it_was() {
        for text in ["DNS:*.example.org", "email:a@b", "URI:spiffe://a/b", "UPN:ü@b", "IP:10.0.0.1", "IP:::1"] {
            let name = Alternative::parse(text).unwrap();
            assert_eq!(Alternative::of(&name.encoded().unwrap()), name);
            assert_eq!(name.to_string(), text);
        }
    }
}
