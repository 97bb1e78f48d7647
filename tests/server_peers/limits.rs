//! How many requests an identity may make, and how often one client may log in.

use std::num::NonZeroU32;
use std::sync::Arc;

use strongroom::config::{Forwarding, Rate, TrustedProxies};
use strongroom::server::Configuration;
use strongroom::server::identity::LocalPeer;
use strongroom::server::listen::{Limits, Proxies};
use strongroom::sys::env::effective_uid;

use crate::scene::Scene;
use crate::serving::{Answer, LOGIN};

/// So few a second that a test sees the burst alone.
fn rate(burst: u32) -> Rate {
    Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(burst).unwrap() }
}

fn seconds_to_wait(answer: &Answer) -> u32 {
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (429, Some("Throttled")), "{answer:?}");
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// How many requests are answered 200 before one is throttled.
fn answered(mut ask: impl FnMut() -> Answer) -> u32 {
    for count in 0..100 {
        let answer = ask();
        if answer.status != 200 {
            assert!((1..=2).contains(&seconds_to_wait(&answer)));
            return count;
        }
    }
    panic!("no request is throttled");
}

#[test]
fn an_identity_that_asks_too_often_waits_over_all_its_connections_and_the_others_go_on() {
    let configuration = Configuration { request_limit: Some(rate(20)), ..Configuration::default() };
    let scene = Scene::behind(None, configuration, Limits::default());
    let (one, reader) = scene.world.token_with("Key Vault Reader");
    let again = scene.world.token_of(&one);
    let (_, other) = scene.world.token_with("Key Vault Secrets Officer");
    let (mut first, mut second) = (scene.connect(None), scene.world.connect());
    let mut at = 0;
    // Ticks of the limit's own clock may come meanwhile.
    let count = answered(|| {
        at += 1;
        let token = if at % 3 == 0 { &again } else { &reader };
        let client = if at % 2 == 0 { &mut first } else { &mut second };
        client.call(token, "GET", "/secrets", "")
    });
    assert!((20..=25).contains(&count), "{count}");
    seconds_to_wait(&first.call(&again, "PUT", "/secrets/word", r#"{"value":"x"}"#));
    assert_eq!(first.call(&other, "PUT", "/secrets/word", r#"{"value":"x"}"#).status, 200);
    // Without a proof nobody is counted.
    assert_eq!(first.ask("GET", "/secrets", "").status, 401);
}

#[test]
fn an_identity_without_a_token_is_counted_too() {
    let configuration = Configuration { request_limit: Some(rate(5)), ..Configuration::default() };
    let scene = Scene::behind(None, configuration, Limits::default());
    let one = scene.somebody("one");
    scene.change(&one, |identity| identity.local.push(LocalPeer::Uid(effective_uid())));
    let count = answered(|| scene.world.connect().ask("GET", "/secrets", ""));
    assert!((5..=8).contains(&count), "{count}");
}

#[test]
fn clients_behind_a_proxy_are_counted_each_by_itself_when_they_log_in() {
    let listed = TrustedProxies { networks: vec!["127.0.0.1".parse().unwrap()], by: Forwarding::Header };
    let few = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(3).unwrap() };
    let proxies = Arc::new(Proxies::from(listed));
    let scene = Scene::behind(
        None,
        Configuration { proxies, login_limit: Some(few), ..Configuration::default() },
        Limits::default(),
    );
    let mut client = scene.connect(None);
    let mut status = |from: &str| {
        let headers = [("x-forwarded-for", from), ("content-type", "application/x-www-form-urlencoded")];
        client.send("POST", LOGIN, "/adfs/oauth2/v2.0/token", &headers, "grant_type=x").status
    };
    let mut limited = |from: &str| (0..20).any(|_| status(from) == 429);
    assert!(limited("198.51.100.1"));
    // What stands before the proxy's own word is the client's, and changes nothing.
    assert_eq!(status("203.0.113.7, 198.51.100.1"), 429);
    assert_eq!(status("198.51.100.2"), 400);
}
