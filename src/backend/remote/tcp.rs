//! A connection to the first of several addresses that takes one (RFC 8305, without threads: all that are being made are
//! waited for together).

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::error::{Failure, Step};
use crate::sys::socket::{Ready, Socket, wait};

/// After so long the next address is tried beside those before (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to one of them.
pub(super) fn connect(
    addresses: &[IpAddr],
    port: u16,
    endpoint: &str,
    step: Step,
    budget: &Budget,
) -> Result<Socket, Failure> {
    let mut ahead: VecDeque<SocketAddr> = in_turn(addresses).into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
    let mut begun: Vec<(Socket, SocketAddr)> = Vec::new();
    let mut failure = Failure::timed_out(step, endpoint);
    let mut refused = |to: SocketAddr, error: std::io::Error| {
        let failed = Failure::at(step, endpoint, format!("{to}: {error}"));
        let timed_out = error.kind() == std::io::ErrorKind::TimedOut;
        failure = Failure { timed_out, may_pass: !timed_out, ..failed };
    };
    loop {
        if let Some(to) = ahead.pop_front() {
            match Socket::connect(&to) {
                Ok((socket, true)) => return Ok(socket),
                Ok((socket, false)) => begun.push((socket, to)),
                // The next at once: an address of a kind that this machine hasn't.
                Err(error) => {
                    refused(to, error);
                    continue;
                }
            }
        }
        let Some(ready) = first_ready(&begun, ahead.is_empty(), budget) else {
            if begun.is_empty() && ahead.is_empty() || budget.is_spent() {
                return Err(failure);
            }
            continue;
        };
        let (socket, to) = begun.swap_remove(ready);
        match socket.outcome() {
            Ok(()) => return Ok(socket),
            Err(error) => refused(to, error),
        }
    }
}

fn first_ready(begun: &[(Socket, SocketAddr)], is_last: bool, budget: &Budget) -> Option<usize> {
    if begun.is_empty() {
        return None;
    }
    let until = if is_last { budget.end() } else { budget.end().min(Instant::now() + STAGGER) };
    let sockets: Vec<&Socket> = begun.iter().map(|(socket, _)| socket).collect();
    wait(&sockets, Ready::ToWrite, until).ok().flatten()
}

/// The kinds of address in turn, IPv6 first (RFC 8305 §4).
fn in_turn(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (mut newer, mut older): (VecDeque<IpAddr>, VecDeque<IpAddr>) =
        addresses.iter().copied().partition(|address| address.is_ipv6());
    let mut ordered = Vec::with_capacity(addresses.len());
    while !newer.is_empty() || !older.is_empty() {
        ordered.extend(newer.pop_front());
        ordered.extend(older.pop_front());
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_kinds_of_address_are_tried_in_turn() {
        let order = in_turn(&[ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1"), ip("192.0.2.3")]);
        assert_eq!(order, [ip("2001:db8::1"), ip("192.0.2.1"), ip("192.0.2.2"), ip("192.0.2.3")]);
    }

    #[test]
    fn an_address_where_nobody_answers_does_not_stand_in_the_way_of_one_where_somebody_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let budget = Budget::of(Duration::from_secs(20));
        // 192.0.2.1 is nobody's (RFC 5737), and no listener is at this port of 127.0.0.2.
        let addresses = [ip("192.0.2.1"), ip("127.0.0.2"), ip("127.0.0.1")];
        connect(&addresses, port, "here", Step::Tcp, &budget).unwrap();
        assert!(budget.left() > Duration::from_secs(10));
    }

    #[test]
    fn an_address_that_nobody_has_takes_the_budget_and_no_longer() {
        let budget = Budget::of(Duration::from_millis(300));
        let failure = connect(&[ip("192.0.2.1")], 443, "vault:443", Step::Tcp, &budget).err().unwrap();
        assert!(budget.is_spent() || !failure.timed_out, "{failure}");
        assert!(failure.to_string().contains("vault:443") && !failure.sent);
    }
}
