//! `/etc/hosts`: an address and its names on each line (hosts(5)).

use std::net::IpAddr;

/// The addresses of a name, in the file's order.
pub(super) fn find(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let of_line = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host)).then_some(address)
    };
    let mut found: Vec<IpAddr> = Vec::new();
    for address in text.lines().filter_map(of_line) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}
