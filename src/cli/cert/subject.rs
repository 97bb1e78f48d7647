//! Distinguished names and alternative names, as they are written on the command line.

use std::net::IpAddr;

use rcgen::string::{Ia5String, PrintableString};
use rcgen::{DistinguishedName, DnType, DnValue, SanType};

/// A subject, in the order in which it is encoded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject(pub Vec<(DnType, String)>);

/// Attribute types by their short names (RFC 4514 §3, and what certificates hold besides).
const TYPES: &[(&str, DnType)] = &[
    ("CN", DnType::CommonName),
    ("C", DnType::CountryName),
    ("L", DnType::LocalityName),
    ("ST", DnType::StateOrProvinceName),
    ("O", DnType::OrganizationName),
    ("OU", DnType::OrganizationalUnitName),
];

/// `CN=www,O=Example` (RFC 4514: the last is encoded first), or OpenSSL's `/O=Example/CN=www` (the first is).
pub(super) fn parse(text: &str) -> Result<Subject, String> {
    let (parts, reversed) = match text.strip_prefix('/') {
        Some(rest) => (split(rest, '/')?, false),
        None => (split(text, ',')?, true),
    };
    let mut attributes: Vec<(DnType, String)> = parts.iter().map(|part| attribute(part)).collect::<Result<_, _>>()?;
    if reversed {
        attributes.reverse();
    }
    for (index, (kind, _)) in attributes.iter().enumerate() {
        if attributes[..index].iter().any(|(other, _)| other == kind) {
            return Err("a subject has each attribute once".to_owned());
        }
    }
    Ok(Subject(attributes))
}

impl Subject {
    /// As `rcgen` takes it.
    pub(super) fn distinguished_name(&self) -> Result<DistinguishedName, rcgen::Error> {
        let mut name = DistinguishedName::new();
        for (kind, value) in &self.0 {
            // RFC 5280 §4.1.2.4: these two are PrintableString, an address IA5String, all else UTF-8.
            let value = match kind {
                DnType::CountryName => DnValue::PrintableString(PrintableString::try_from(value.as_str())?),
                DnType::CustomDnType(oid) if oid.as_slice() == SERIAL_NUMBER => {
                    DnValue::PrintableString(PrintableString::try_from(value.as_str())?)
                }
                DnType::CustomDnType(_) => DnValue::Ia5String(Ia5String::try_from(value.as_str())?),
                _ => DnValue::Utf8String(value.clone()),
            };
            name.push(kind.clone(), value);
        }
        Ok(name)
    }

    /// The CN, if it could be a host's name: browsers look for hosts in the alternative names only.
    pub(super) fn host(&self) -> Option<&str> {
        let (_, name) = self.0.iter().find(|(kind, _)| *kind == DnType::CommonName)?;
        let host = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '*' | ':');
        name.chars().all(host).then_some(name)
    }
}

/// `DNS:…`, `IP:…`, `email:…`, `URI:…`; without a word before it an address or a host.
pub(super) fn parse_alternative(text: &str) -> Result<SanType, String> {
    let ascii = |value: &str| {
        if value.is_empty() {
            return Err("the name is empty".to_owned());
        }
        Ia5String::try_from(value).map_err(|_| format!("{value:?} must be ASCII (write IDNs as xn--…)"))
    };
    let address = |value: &str| value.parse::<IpAddr>().map_err(|_| format!("{value:?} is no IP address"));
    match text.split_once(':') {
        Some(("DNS" | "dns", host)) => Ok(SanType::DnsName(ascii(host)?)),
        Some(("IP" | "ip", value)) => Ok(SanType::IpAddress(address(value)?)),
        Some(("email", value)) => Ok(SanType::Rfc822Name(ascii(value)?)),
        Some(("URI" | "uri", value)) => Ok(SanType::URI(ascii(value)?)),
        _ => match text.parse::<IpAddr>() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) if text.contains([':', '/', '@']) => Err("write DNS:…, IP:…, email:… or URI:…".to_owned()),
            Err(_) => Ok(SanType::DnsName(ascii(text)?)),
        },
    }
}

const SERIAL_NUMBER: &[u64] = &[2, 5, 4, 5];
const EMAIL_ADDRESS: &[u64] = &[1, 2, 840, 113549, 1, 9, 1];
const DOMAIN_COMPONENT: &[u64] = &[0, 9, 2342, 19200300, 100, 1, 25];

fn attribute(text: &str) -> Result<(DnType, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} is no NAME=VALUE, e.g. CN=www.example.org"))?;
    let (name, value) = (name.trim(), value.trim());
    if value.is_empty() {
        return Err(format!("{name} has no value"));
    }
    let upper = name.to_ascii_uppercase();
    let kind =
        match upper.as_str() {
            "SERIALNUMBER" => DnType::CustomDnType(SERIAL_NUMBER.to_vec()),
            "EMAILADDRESS" => DnType::CustomDnType(EMAIL_ADDRESS.to_vec()),
            "DC" => DnType::CustomDnType(DOMAIN_COMPONENT.to_vec()),
            _ => TYPES.iter().find(|(known, _)| *known == upper).map(|(_, kind)| kind.clone()).ok_or_else(|| {
                format!("{name:?} is not known: CN, C, L, ST, O, OU, DC, serialNumber, emailAddress are")
            })?,
        };
    if kind == DnType::CountryName && value.len() != 2 {
        return Err("C is a country's two letters".to_owned());
    }
    Ok((kind, value.to_owned()))
}

/// Splits at the separator, unless a backslash stands before it.
fn split(text: &str, separator: char) -> Result<Vec<String>, String> {
    let mut parts = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                let escaped = letters.next().ok_or("a backslash ends the subject")?;
                parts.last_mut().into_iter().for_each(|part| part.push(escaped));
            }
            _ if letter == separator => parts.push(String::new()),
            _ => parts.last_mut().into_iter().for_each(|part| part.push(letter)),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(parts: &[(DnType, &str)]) -> Subject {
        Subject(parts.iter().map(|(kind, value)| (kind.clone(), (*value).to_owned())).collect())
    }

    #[test]
    fn both_ways_to_write_a_subject_are_encoded_in_the_same_order() {
        let expected = subject(&[(DnType::OrganizationName, "Ex, Inc"), (DnType::CommonName, "www")]);
        assert_eq!(parse("CN=www, O=Ex\\, Inc"), Ok(expected.clone()));
        assert_eq!(parse("/O=Ex, Inc/CN=www"), Ok(expected));
    }

    #[test]
    fn what_is_no_subject_says_why() {
        for wrong in ["www", "CN=", "X=1", "C=Germany", "CN=a,CN=b", "CN=a\\", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn alternative_names_tell_hosts_from_addresses() {
        assert!(matches!(parse_alternative("www.example.org"), Ok(SanType::DnsName(_))));
        assert!(matches!(parse_alternative("::1"), Ok(SanType::IpAddress(_))));
        assert!(matches!(parse_alternative("IP:127.0.0.1"), Ok(SanType::IpAddress(_))));
        assert!(matches!(parse_alternative("URI:spiffe://a/b"), Ok(SanType::URI(_))));
        assert!(parse_alternative("https://www").is_err());
        assert!(parse_alternative("ä.example").is_err());
    }

    #[test]
    fn a_common_name_that_is_a_host_is_offered_as_one() {
        assert_eq!(parse("CN=www.example.org").unwrap().host(), Some("www.example.org"));
        assert_eq!(parse("CN=Some Body").unwrap().host(), None);
    }
}
