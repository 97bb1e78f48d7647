//! Ranges of addresses, and who may reach a vault from where.

use std::net::IpAddr;
use std::str::FromStr;

use toml::Spanned;

use super::ConfigError;
use super::file::Source;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// From where a vault may be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowFrom {
    /// From these addresses.
    pub networks: Vec<Network>,
    /// Over the Unix socket.
    pub socket: bool,
}

impl Network {
    /// The addresses of this machine that lead nowhere else.
    const LOOPBACK: [Self; 2] = [
        Self { first: IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 0)), bits: 8 },
        Self { first: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), bits: 128 },
    ];

    /// Whether it is all there are.
    pub(super) fn is_everywhere(&self) -> bool {
        self.bits == 0
    }

    /// Whether the address is one of them. An IPv4 address counts as itself also where it is written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => begins_alike(&first.octets(), &address.octets(), self.bits),
            (IpAddr::V6(first), IpAddr::V6(address)) => begins_alike(&first.octets(), &address.octets(), self.bits),
            _ => false,
        }
    }
}

fn begins_alike(one: &[u8], other: &[u8], bits: u8) -> bool {
    let (whole, rest) = (usize::from(bits / 8), bits % 8);
    one[..whole] == other[..whole] && (rest == 0 || (one[whole] ^ other[whole]) >> (8 - rest) == 0)
}

impl FromStr for Network {
    type Err = String;

    /// `10.0.0.0/8`, or one address. An address with bits behind its prefix is refused: one of both is a slip.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no range of addresses: write \"10.0.0.0/8\", \"2001:db8::/32\" or one address");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &&str| !bits.is_empty() && bits.bytes().all(|digit| digit.is_ascii_digit());
        let bits = match bits {
            None => most,
            Some(bits) => Some(bits).filter(is_number).and_then(|bits| bits.parse().ok()).ok_or_else(wrong)?,
        };
        if bits > most || address.to_canonical() != address {
            return Err(wrong());
        }
        let first = masked(address, bits);
        match first == address {
            true => Ok(Self { first, bits }),
            false => Err(format!("{text:?} is within {first}/{bits}: write that, or a longer prefix")),
        }
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            std::net::Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl Source<'_> {
    /// Ranges of addresses.
    pub(super) fn networks(&self, list: &[Spanned<String>], key: &str) -> Result<Vec<Network>, ConfigError> {
        let parse =
            |text: &Spanned<String>| text.get_ref().parse().map_err(|problem| self.value(text.span(), key, problem));
        list.iter().map(parse).collect()
    }

    /// Whom a vault is for.
    pub(super) fn allow_from(&self, list: &Spanned<Vec<Spanned<String>>>) -> Result<AllowFrom, ConfigError> {
        let mut allowed = AllowFrom::default();
        for text in list.get_ref() {
            match text.get_ref().as_str() {
                "socket" => allowed.socket = true,
                "loopback" => allowed.networks.extend(Network::LOOPBACK),
                _ => allowed.networks.extend(self.networks(std::slice::from_ref(text), "allow_from")?),
            }
        }
        match allowed == AllowFrom::default() {
            true => Err(self.value(list.span(), "allow_from", "it is empty: nobody could reach the vault".into())),
            false => Ok(allowed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_holds_the_addresses_that_begin_as_it_does() {
        for (network, address) in [
            ("10.0.0.0/8", "10.255.0.1"),
            ("192.0.2.128/25", "192.0.2.200"),
            ("192.0.2.1", "192.0.2.1"),
            ("0.0.0.0/0", "8.8.8.8"),
            ("192.0.2.0/24", "::ffff:192.0.2.9"),
            ("2001:db8::/33", "2001:db8:7fff::1"),
            ("::/0", "2001:db8::1"),
            ("::1", "::1"),
        ] {
            assert!(contains(network, address), "{network} {address}");
        }
        for (network, address) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("192.0.2.128/25", "192.0.2.127"),
            ("192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "::1"),
            ("::/0", "192.0.2.1"),
            ("::/0", "::ffff:192.0.2.1"),
            ("2001:db8::/33", "2001:db8:8000::1"),
        ] {
            assert!(!contains(network, address), "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in
            ["", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/8/8", "host", "::/129", "::ffff:1.2.3.4"]
        {
            assert!(text.parse::<Network>().unwrap_err().contains("no range"), "{text}");
        }
        assert!("10.0.0.1/8".parse::<Network>().unwrap_err().contains("10.0.0.0/8"));
    }
}
