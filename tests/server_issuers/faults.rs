//! Issuers that are down, slow, broken, hostile or just change their keys: what they can't answer for doesn't count, what is
//! known of them counts for its time, and nobody else waits.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};

use super::bearer::{group_with, refused, scene, with};
use super::federated::login;
use super::issuer::{Issuer, Manner, Signer};
use super::serving::{Answer, Client, NOW, RESOURCE, World};

const HOUR: i64 = 3600;

/// A token at this moment of somebody who may do everything.
fn token(signer: &Signer, issuer: &Issuer, now: i64) -> String {
    let claims = with(with(issuer.claims("ada"), "exp", json!(now + 600)), "groups", json!(["all"]));
    signer.sign(&with(with(claims, "iat", json!(now)), "nbf", json!(now)))
}

fn everything(world: &World, issuer: &Issuer) {
    group_with(world, "all", issuer, "all", "Key Vault Administrator");
}

fn get(client: &mut Client, token: &str) -> Answer {
    client.call(token, "GET", "/keys", "")
}

/// The token can't be checked now: told so, with when to come back, and nothing is done.
fn unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert!(answer.body.contains("can't be reached"), "{answer:?}");
}

#[test]
fn an_issuer_that_was_never_reached_is_asked_again_soon_and_others_are_served() {
    let signer = Signer::new("one");
    let issuer = Issuer::start(&[&signer]);
    // Nobody listens at a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut down = issuer.config();
    down.url = format!("http://127.0.0.1:{port}/x");
    let world = World::with_issuers(vec![issuer.config(), down]);
    everything(&world, &issuer);
    let lost = signer.sign(&with(issuer.claims("ada"), "iss", json!(format!("http://127.0.0.1:{port}/x"))));
    let mut client = world.connect();
    unavailable(&get(&mut client, &lost));
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW)).status, 200);
    unavailable(&get(&mut client, &lost));
    let answer = login(&world, &world.somebody("app").identity.appid, &lost);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
}

#[test]
fn what_is_no_issuers_answer_gives_no_keys_and_the_right_one_later_does() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    // More than are taken, in far less than the bytes that are read. The right one is the first.
    let many: Vec<Value> = (0..300).map(|number| Signer::new(&number.to_string()).jwk()).collect();
    let many = [&[signer.jwk()], &*many].concat();
    assert!(json!({ "keys": many }).to_string().len() < 100_000);
    let json_type = "200 OK\r\ncontent-type: application/json";
    let good = json!({ "keys": [signer.jwk()] }).to_string();
    let own = |keys: &str| json!({ "issuer": issuer.url, "jwks_uri": keys });
    let mut client = world.connect();
    let mut now = NOW;
    for manner in [
        Manner::Keys("200 OK\r\ncontent-type: text/html", good.clone()),
        Manner::Keys("200 OK", good.clone()),
        Manner::Keys(json_type, "<html>Sign in</html>".to_owned()),
        Manner::Keys(json_type, json!({ "keys": many }).to_string()),
        Manner::Keys(json_type, format!("{}{good}", " ".repeat(2 << 20))),
        Manner::Keys(json_type, json!({ "keys": [] }).to_string()),
        Manner::Keys("404 Not Found\r\ncontent-type: application/json", good.clone()),
        Manner::Keys("302 Found\r\ncontent-type: application/json\r\nlocation: /realms/main/certs", good.clone()),
        Manner::Document(
            json!({ "issuer": "https://login.other.example", "jwks_uri": format!("{}/certs", issuer.url) }),
        ),
        Manner::Document(own("http://127.0.0.1:1/certs")),
        Manner::Document(own("file:///etc/passwd")),
        Manner::Document(json!([])),
    ] {
        issuer.be(manner);
        unavailable(&get(&mut client, &token(&signer, &issuer, now)));
        now += 10;
        world.clock.set(now);
    }
    issuer.be(Manner::Good);
    assert_eq!(get(&mut client, &token(&signer, &issuer, now)).status, 200);
}

#[test]
fn who_waits_for_a_slow_issuer_keeps_nobody_else_waiting() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let (_, own) = world.token_with("Key Vault Reader");
    issuer.be(Manner::Silent);
    std::thread::scope(|scope| {
        let waiting: Vec<_> =
            (0..4).map(|_| scope.spawn(|| get(&mut world.connect(), &token(&signer, &issuer, NOW)).status)).collect();
        while issuer.asked() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(get(&mut world.connect(), &own).status, 200);
        assert!(waiting.iter().any(|one| !one.is_finished()), "somebody still waits");
        issuer.be(Manner::Good);
        for one in waiting {
            assert_eq!(one.join().unwrap(), 200);
        }
    });
    assert_eq!(issuer.asked(), 2, "one fetch for all who waited");
}

#[test]
fn a_new_key_is_fetched_for_its_first_token_and_an_unknown_one_asked_for_once_a_minute() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let newer = Signer::new("two");
    let mut client = world.connect();
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW)).status, 200);
    issuer.publish(&[&signer, &newer]);
    // The first fetch was just now.
    refused(&world, &mut client, &token(&newer, &issuer, NOW), "doesn't have");
    assert_eq!(issuer.asked(), 2);
    world.clock.set(NOW + 60);
    assert_eq!(get(&mut client, &token(&newer, &issuer, NOW + 60)).status, 200);
    assert_eq!(issuer.asked(), 4);
    for number in 0..20 {
        let unknown = Signer::new(&format!("unknown-{number}"));
        refused(&world, &mut client, &token(&unknown, &issuer, NOW + 60), "doesn't have");
    }
    assert_eq!(issuer.asked(), 4);
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW + 60)).status, 200, "the older key is still there");
}

#[test]
fn a_key_that_the_issuer_withdraws_counts_no_longer_after_the_next_look() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let newer = Signer::new("two");
    let other_of_the_name = Signer::new("one");
    let lasting = |signer: &Signer| {
        signer.sign(&with(with(issuer.claims("ada"), "exp", json!(NOW + 5 * HOUR)), "groups", json!(["all"])))
    };
    let (kept, mut client) = (lasting(&signer), world.connect());
    assert_eq!(get(&mut client, &kept).status, 200);
    issuer.publish(&[&newer, &other_of_the_name]);
    world.clock.set(NOW + 60);
    assert_eq!(get(&mut client, &kept).status, 200, "nobody has looked yet");
    assert_eq!(get(&mut client, &lasting(&newer)).status, 200);
    refused(&world, &mut client, &kept, "signature");
    assert_eq!(get(&mut client, &lasting(&other_of_the_name)).status, 200);
}

#[test]
fn keys_are_looked_at_again_each_hour_while_those_that_are_known_count() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let mut client = world.connect();
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW)).status, 200);
    world.clock.set(NOW + HOUR);
    assert_eq!((get(&mut client, &token(&signer, &issuer, NOW + HOUR)).status, issuer.asked()), (200, 2));
    world.clock.set(NOW + HOUR + 1);
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW + HOUR + 1)).status, 200);
    while issuer.asked() < 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_issuer_that_can_not_be_reached_any_more_is_served_from_what_is_known_for_the_stated_time() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let mut client = world.connect();
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW)).status, 200);
    issuer.be(Manner::Keys("500 Oops\r\ncontent-type: text/html", String::new()));
    // An hour in which nobody looks, and the twenty-four of `serve_stale`.
    let last = NOW + 25 * HOUR;
    for moment in [NOW + 2 * HOUR, last] {
        world.clock.set(moment);
        assert_eq!(get(&mut client, &token(&signer, &issuer, moment)).status, 200);
    }
    world.clock.set(last + 1);
    unavailable(&get(&mut client, &token(&signer, &issuer, last + 1)));
    issuer.be(Manner::Good);
    world.clock.set(last + 120);
    assert_eq!(get(&mut client, &token(&signer, &issuer, last + 120)).status, 200);
}

#[test]
fn a_clock_that_goes_backward_neither_asks_more_often_nor_forgets_keys() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let mut client = world.connect();
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW)).status, 200);
    world.clock.set(NOW - 10 * HOUR);
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW - 10 * HOUR)).status, 200);
    assert_eq!(issuer.asked(), 2);
}

#[test]
fn a_key_that_can_not_be_looked_for_yet_is_not_said_to_be_missing() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let (newer, mut client) = (Signer::new("two"), world.connect());
    assert_eq!(get(&mut client, &token(&signer, &issuer, NOW)).status, 200);
    issuer.publish(&[&signer, &newer]);
    world.clock.set(NOW + 20);
    let later = |answer: &Answer, seconds: &str| {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some(seconds)), "{answer:?}");
        assert!(answer.body.contains("may have"), "{answer:?}");
    };
    later(&get(&mut client, &token(&newer, &issuer, NOW + 20)), "40");
    let answer = login(&world, &world.somebody("app").identity.appid, &token(&newer, &issuer, NOW + 20));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("40")), "{answer:?}");
    issuer.be(Manner::Keys("500 Oops\r\ncontent-type: text/html", String::new()));
    world.clock.set(NOW + 60);
    later(&get(&mut client, &token(&newer, &issuer, NOW + 60)), "60");
    issuer.be(Manner::Good);
    world.clock.set(NOW + 120);
    refused(&world, &mut client, &token(&Signer::new("nobodys"), &issuer, NOW + 120), "doesn't have");
    assert_eq!(get(&mut client, &token(&newer, &issuer, NOW + 120)).status, 200);
}

#[test]
fn a_withdrawn_key_counts_no_longer_once_the_server_is_told_to_look_again() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let (newer, mut client) = (Signer::new("two"), world.connect());
    let kept = token(&signer, &issuer, NOW);
    assert_eq!(get(&mut client, &kept).status, 200);
    issuer.publish(&[&newer]);
    assert_eq!(get(&mut client, &kept).status, 200, "nobody has looked yet");
    tokio::runtime::Runtime::new().unwrap().block_on(world.server.look_at_issuers_again());
    refused(&world, &mut client, &kept, "doesn't have");
    assert_eq!(get(&mut client, &token(&newer, &issuer, NOW)).status, 200);
}

#[test]
fn a_token_of_more_audiences_or_groups_than_anybody_has_is_refused() {
    let (signer, issuer, world) = scene();
    everything(&world, &issuer);
    let mut client = world.connect();
    let of = |claim: &str, first: &str, count: usize| {
        let texts: Vec<String> = (1..count).map(|number| number.to_string()).collect();
        let claims = with(issuer.claims("ada"), "groups", json!(["all"]));
        signer.sign(&with(claims, claim, json!([&[first.to_owned()], &*texts].concat())))
    };
    for (claim, first, most) in [("aud", RESOURCE, 64), ("groups", "all", 512)] {
        assert_eq!(get(&mut client, &of(claim, first, most)).status, 200, "{claim}");
        refused(&world, &mut client, &of(claim, first, most + 1), "64 audiences or 512 groups");
    }
}
