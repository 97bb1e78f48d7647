//! One question to one name server: both kinds of address at once over UDP, and over TCP what didn't fit (RFC 1035 §4.2,
//! RFC 5452 §9: random numbers and ports, and an answer counts only from whom it was asked of and for what was asked).

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE};

use super::super::budget::Budget;
use crate::crypto;
use crate::sys::socket::{Ready, Socket, wait};

/// Once one kind of address is known, the other is waited for so long (RFC 8305 §3 has a shorter time for the order only).
const OTHER_KIND: Duration = Duration::from_millis(200);
/// Longest answer.
const MOST: usize = 65_535;
/// Names that a name may stand for, one by way of the other.
const MOST_ALIASES: usize = 16;

/// A question that was sent.
struct Asked {
    id: u16,
    kind: TYPE,
    packet: Vec<u8>,
    answer: Option<Result<Vec<IpAddr>, String>>,
}

/// What an answer came to.
enum Answer {
    Addresses(Vec<IpAddr>),
    /// It didn't fit.
    Truncated,
}

/// The addresses of a name at this server; empty where it has none. An error is a reason to ask another server.
pub(super) fn addresses(server: &SocketAddr, name: &str, budget: &Budget) -> Result<Vec<IpAddr>, String> {
    let mut asked = [question(name, TYPE::A)?, question(name, TYPE::AAAA)?];
    let socket = Socket::datagram(server).map_err(|error| error.to_string())?;
    for question in &asked {
        socket.send(&question.packet).map_err(|error| error.to_string())?;
    }
    let mut budget = *budget;
    let mut room = vec![0; MOST];
    while asked.iter().any(|question| question.answer.is_none()) {
        if wait(&[&socket], Ready::ToRead, budget.end()).map_err(|error| error.to_string())?.is_none() {
            break;
        }
        let len = match socket.receive(&mut room) {
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.to_string()),
        };
        // What belongs to no question of ours is somebody else's.
        let Some((index, answer)) = understood(&asked, name, &room[..len]) else { continue };
        let answer = answer.and_then(|answer| match answer {
            Answer::Addresses(found) => Ok(found),
            Answer::Truncated => over_tcp(server, name, &asked, index, &budget),
        });
        if answer.as_ref().is_ok_and(|found| !found.is_empty()) {
            budget = budget.at_most(OTHER_KIND);
        }
        asked[index].answer = Some(answer);
    }
    together(asked)
}

/// What both answers come to. What one kind of question fails with, as some servers do for addresses of IPv6, is no reason
/// to throw the other's addresses away.
fn together(asked: [Asked; 2]) -> Result<Vec<IpAddr>, String> {
    if asked.iter().all(|question| question.answer.is_none()) {
        return Err("it didn't answer in time".into());
    }
    let (mut found, mut problem) = (Vec::new(), None);
    for question in asked {
        match question.answer {
            Some(Ok(addresses)) => found.extend(addresses),
            Some(Err(what)) => problem = Some(what),
            None => problem = Some("it answered for one kind of address only, and that the host hasn't".to_owned()),
        }
    }
    match problem {
        Some(problem) if found.is_empty() => Err(problem),
        _ => Ok(found),
    }
}

fn question(name: &str, kind: TYPE) -> Result<Asked, String> {
    let mut id = [0; 2];
    crypto::random(&mut id).map_err(|error| error.to_string())?;
    let id = u16::from_ne_bytes(id);
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).map_err(|_| "this can't be a host's name".to_owned())?;
    packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
    let packet = packet.build_bytes_vec().map_err(|_| "this can't be a host's name".to_owned())?;
    Ok(Asked { id, kind, packet, answer: None })
}

/// Which question this answers, and how; `None` for what answers none.
fn understood(asked: &[Asked], name: &str, bytes: &[u8]) -> Option<(usize, Result<Answer, String>)> {
    let packet = Packet::parse(bytes).ok()?;
    let name = Name::new(name).ok()?;
    let is_asked = |question: &Asked| {
        let same = |asked: &Question<'_>| asked.qtype == QTYPE::TYPE(question.kind) && asked.qname == name;
        question.id == packet.id() && question.answer.is_none() && packet.questions.iter().any(same)
    };
    let index = asked.iter().position(is_asked)?;
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    if packet.has_flags(PacketFlag::TRUNCATION) {
        return Some((index, Ok(Answer::Truncated)));
    }
    let answer = match packet.rcode() {
        RCODE::NoError => Ok(Answer::Addresses(found_in(&packet, &name))),
        RCODE::NameError => Ok(Answer::Addresses(Vec::new())),
        other => Err(format!("it answered {other:?}")),
    };
    Some((index, answer))
}

/// Addresses of the name, and of what it is an alias of (RFC 1034 §3.6.2), in whatever order the records come.
fn found_in(packet: &Packet<'_>, name: &Name<'_>) -> Vec<IpAddr> {
    let mut names = vec![name];
    for _ in 0..MOST_ALIASES {
        let alias_of = |record: &&ResourceRecord<'_>| names.last().is_some_and(|last| record.name == **last);
        let target = packet.answers.iter().filter(alias_of).find_map(|record| match &record.rdata {
            RData::CNAME(target) => Some(&target.0),
            _ => None,
        });
        let Some(target) = target.filter(|target| !names.contains(target)) else { break };
        names.push(target);
    }
    let mut found = Vec::new();
    for record in packet.answers.iter().filter(|record| names.contains(&&record.name)) {
        match &record.rdata {
            RData::A(address) => found.push(IpAddr::from(address.address.to_be_bytes())),
            RData::AAAA(address) => found.push(IpAddr::from(address.address.to_be_bytes())),
            _ => {}
        }
    }
    found
}

/// The same question over a connection: two bytes of length before each message (RFC 7766 §8).
fn over_tcp(
    server: &SocketAddr,
    name: &str,
    asked: &[Asked],
    index: usize,
    budget: &Budget,
) -> Result<Vec<IpAddr>, String> {
    let text = |error: std::io::Error| error.to_string();
    let late = || "it didn't answer in time".to_owned();
    let (socket, made) = Socket::connect(server).map_err(text)?;
    if !made {
        wait(&[&socket], Ready::ToWrite, budget.end()).map_err(text)?.ok_or_else(late)?;
    }
    socket.outcome().map_err(text)?;
    let packet = &asked[index].packet;
    let mut message = (packet.len() as u16).to_be_bytes().to_vec();
    message.extend_from_slice(packet);
    // A question fits into any socket's buffer.
    if socket.send(&message).map_err(text)? != message.len() {
        return Err(late());
    }
    let answer = whole_message(&socket, budget)?;
    match understood(asked, name, &answer) {
        Some((at, Ok(Answer::Addresses(found)))) if at == index => Ok(found),
        Some((_, Err(problem))) => Err(problem),
        _ => Err("it answered something else than was asked".into()),
    }
}

/// A message, without the length before it.
fn whole_message(socket: &Socket, budget: &Budget) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut answer = Vec::new();
    let mut room = [0; 4096];
    loop {
        if let Some((len, rest)) = answer.split_first_chunk::<2>()
            && let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*len)))
        {
            return Ok(message.to_vec());
        }
        wait(&[socket], Ready::ToRead, budget.end()).map_err(text)?.ok_or("it didn't answer in time")?;
        match socket.receive(&mut room) {
            Ok(0) => return Err("it ended the connection".into()),
            Ok(len) => answer.extend_from_slice(&room[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(text(error)),
        }
    }
}
