use std::net::{TcpListener, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};

use super::*;

fn budget() -> Budget {
    Budget::of(Duration::from_secs(20))
}

/// What a name server of the test's own says to one question.
type Says = fn(&Packet<'_>) -> Vec<u8>;

/// One that answers so many questions over UDP, and over TCP whatever comes.
fn server(questions: usize, udp: Says, tcp: Option<Says>) -> (std::net::SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).unwrap();
    let serve = move || {
        for _ in 0..questions {
            let mut room = [0; 1024];
            let (len, from) = socket.recv_from(&mut room).unwrap();
            socket.send_to(&udp(&Packet::parse(&room[..len]).unwrap()), from).unwrap();
        }
        let Some(tcp) = tcp else { return };
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut len = [0; 2];
        stream.read_exact(&mut len).unwrap();
        let mut packet = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut packet).unwrap();
        let answer = tcp(&Packet::parse(&packet).unwrap());
        stream.write_all(&(answer.len() as u16).to_be_bytes()).unwrap();
        stream.write_all(&answer).unwrap();
    };
    (address, std::thread::spawn(serve))
}

fn reply<'a>(question: &Packet<'a>) -> Packet<'a> {
    let mut reply = Packet::new_reply(question.id());
    reply.questions = question.questions.clone();
    reply
}

fn kind(question: &Packet<'_>) -> QTYPE {
    question.questions[0].qtype
}

fn record<'a>(name: &'a str, data: RData<'a>) -> ResourceRecord<'a> {
    ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, 60, data)
}

fn alias_and_addresses(question: &Packet<'_>) -> Vec<u8> {
    let mut reply = reply(question);
    let data = match kind(question) {
        QTYPE::TYPE(TYPE::A) => RData::A(A { address: 0xC000_0201 }),
        _ => RData::AAAA(AAAA { address: 1 }),
    };
    // The alias stands behind what it is an alias of, and a stranger's address between.
    reply.answers.push(record("there.example", data));
    reply.answers.push(record("elsewhere.example", RData::A(A { address: 0x0A00_0001 })));
    reply.answers.push(record("Vault.Example", RData::CNAME(CNAME(Name::new_unchecked("there.example")))));
    reply.build_bytes_vec().unwrap()
}

#[test]
fn an_alias_is_followed_and_both_kinds_of_address_are_found() {
    let (server, done) = server(2, alias_and_addresses, None);
    let mut found = ask::addresses(&server, "vault.example", &budget()).unwrap();
    found.sort();
    assert_eq!(found, ["192.0.2.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
    done.join().unwrap();
}

/// So many aliases, the last of which has the address, each standing before the one that names it.
fn chain(question: &Packet<'_>, aliases: u8) -> Vec<u8> {
    let names: Vec<String> = (1..=aliases).map(|number| format!("alias-{number}.example")).collect();
    let mut reply = reply(question);
    reply.answers.push(record(&names[names.len() - 1], RData::A(A { address: 0xC000_0201 })));
    for pair in names.windows(2).rev() {
        reply.answers.push(record(&pair[0], RData::CNAME(CNAME(Name::new_unchecked(&pair[1])))));
    }
    reply.answers.push(record("vault.example", RData::CNAME(CNAME(Name::new_unchecked(&names[0])))));
    reply.build_bytes_vec().unwrap()
}

#[test]
fn aliases_are_followed_in_any_order_but_not_without_end() {
    let (server_of_some, done) = server(2, |question| chain(question, 10), None);
    assert_eq!(ask::addresses(&server_of_some, "vault.example", &budget()).unwrap().len(), 2);
    done.join().unwrap();
    let (server_of_many, done) = server(2, |question| chain(question, 17), None);
    assert!(ask::addresses(&server_of_many, "vault.example", &budget()).unwrap().is_empty());
    done.join().unwrap();
}

#[test]
fn a_server_that_fails_for_one_kind_of_address_is_believed_for_the_other() {
    let half = |question: &Packet<'_>| {
        if kind(question) == QTYPE::TYPE(TYPE::A) {
            return alias_and_addresses(question);
        }
        let mut reply = reply(question);
        *reply.rcode_mut() = RCODE::ServerFailure;
        reply.build_bytes_vec().unwrap()
    };
    let (server, done) = server(2, half, None);
    let found = ask::addresses(&server, "vault.example", &budget()).unwrap();
    assert_eq!(found, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    done.join().unwrap();
}

#[test]
fn an_answer_that_does_not_fit_is_fetched_over_a_connection() {
    let truncated = |question: &Packet<'_>| {
        let mut reply = reply(question);
        if kind(question) == QTYPE::TYPE(TYPE::A) {
            reply.set_flags(PacketFlag::TRUNCATION);
        }
        reply.build_bytes_vec().unwrap()
    };
    let whole = |question: &Packet<'_>| {
        let mut reply = reply(question);
        for low in 0..200 {
            reply.answers.push(record("vault.example", RData::A(A { address: 0x0A00_0000 + low })));
        }
        reply.build_bytes_vec().unwrap()
    };
    let (server, done) = server(2, truncated, Some(whole));
    assert_eq!(ask::addresses(&server, "vault.example", &budget()).unwrap().len(), 200);
    done.join().unwrap();
}

#[test]
fn an_answer_to_another_question_is_not_taken() {
    let forged = |question: &Packet<'_>| {
        let mut reply = Packet::new_reply(question.id());
        reply.questions = question.questions.clone();
        reply.questions[0].qname = Name::new_unchecked("evil.example");
        reply.answers.push(record("evil.example", RData::A(A { address: 0x0A00_0001 })));
        reply.build_bytes_vec().unwrap()
    };
    let (server, done) = server(2, forged, None);
    let short = Budget::of(Duration::from_millis(300));
    assert!(ask::addresses(&server, "vault.example", &short).unwrap_err().contains("in time"));
    done.join().unwrap();
}

#[test]
fn a_host_that_is_not_there_is_no_error_and_a_server_that_fails_is() {
    let absent = |question: &Packet<'_>| {
        let mut reply = reply(question);
        *reply.rcode_mut() = RCODE::NameError;
        reply.build_bytes_vec().unwrap()
    };
    let (server_without, done) = server(2, absent, None);
    assert_eq!(ask::addresses(&server_without, "vault.example", &budget()).unwrap(), Vec::<IpAddr>::new());
    done.join().unwrap();
    let failing = |question: &Packet<'_>| {
        let mut reply = reply(question);
        *reply.rcode_mut() = RCODE::ServerFailure;
        reply.build_bytes_vec().unwrap()
    };
    let (failing, done) = server(2, failing, None);
    assert!(ask::addresses(&failing, "vault.example", &budget()).unwrap_err().contains("ServerFailure"));
    done.join().unwrap();
}

#[test]
fn a_dead_server_leaves_time_for_the_next_which_is_asked_first_from_then_on() {
    let (alive, done) = server(4, alias_and_addresses, None);
    let dead = UdpSocket::bind("127.0.0.1:0").unwrap();
    let servers = Servers {
        addresses: vec![dead.local_addr().unwrap(), alive],
        search: Vec::new(),
        ndots: 1,
        timeout: Duration::from_secs(1),
        attempts: 2,
    };
    let resolver = Resolver::of_system();
    let budget = Budget::of(Duration::from_secs(4));
    assert_eq!(resolver.ask(&servers, "vault.example", &budget).unwrap().len(), 2);
    assert!(!budget.is_spent());
    // Only the living one is asked now: the dead one would see a third and a fourth question.
    resolver.ask(&servers, "vault.example", &budget).unwrap();
    done.join().unwrap();
    dead.set_nonblocking(true).unwrap();
    let mut room = [0; 512];
    let seen = std::iter::from_fn(|| dead.recv(&mut room).ok()).count();
    assert_eq!(seen, 2);
}

#[test]
fn a_name_with_dots_is_asked_as_it_is_first_and_a_short_one_in_the_search_list() {
    let servers =
        Servers::of("nameserver 192.0.2.53\nsearch corp.example example.\noptions ndots:2 timeout:3\n", "x").unwrap();
    assert_eq!(servers.names_of("vault"), ["vault.corp.example", "vault.example", "vault"]);
    assert_eq!(servers.names_of("a.b"), ["a.b.corp.example", "a.b.example", "a.b"]);
    assert_eq!(servers.names_of("a.b.c"), ["a.b.c", "a.b.c.corp.example", "a.b.c.example"]);
    assert_eq!(servers.names_of("vault."), ["vault"]);
    assert_eq!((servers.timeout, servers.addresses[0]), (Duration::from_secs(3), "192.0.2.53:53".parse().unwrap()));
}

#[test]
fn hosts_and_this_machine_need_no_server() {
    let text = "# 192.0.2.9 vault.example\n192.0.2.1\tother Vault.Example # vault\n2001:db8::1 vault.example\nx vault.example\n";
    let found = hosts::find(text, "vault.example");
    assert_eq!(found, ["192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]);
    assert!(hosts::find(text, "vault").is_empty());
    let resolver = Resolver::of_system();
    assert!(resolver.resolve("one.localhost", &budget()).unwrap().contains(&IpAddr::from([127, 0, 0, 1])));
    assert_eq!(resolver.resolve("192.0.2.7", &budget()).unwrap(), ["192.0.2.7".parse::<IpAddr>().unwrap()]);
}
