//! What lies between breaks, stalls, lies and comes back: each call ends in its time, with the right error, and the same
//! session goes on afterwards.

use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use strongroom::backend::azure::session::{Repeat, Session};
use strongroom::config::{AzureConfig, Origin, ProxyAddress};
use strongroom::vault::VaultError;

use crate::proxy::{Fault, Proxy};
use crate::scene::{LOGIN, Scene, VAULT, make_key, sign};

/// A session that has a connection and a token, and a key to sign with. What is seen begins anew.
pub fn warm(scene: &Scene, config: &AzureConfig) -> (Session, String) {
    let session = Session::new(config).unwrap();
    let key = make_key(&session, "www");
    sign(&session, &key).unwrap();
    scene.proxy.seen();
    (session, key)
}

pub fn impatient(scene: &Scene, time: Duration) -> AzureConfig {
    let mut config = scene.config();
    config.remote.timeout = time;
    config
}

fn unreachable(outcome: Result<impl Sized, VaultError>) -> String {
    match outcome {
        Err(error @ VaultError::Unreachable { .. }) => error.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was reached"),
    }
}

/// Ends within its budget; what a busy machine adds is no part of the claim.
fn in_time<T>(budget: Duration, act: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let outcome = act();
    assert!(begun.elapsed() < budget * 10, "{:?}", begun.elapsed());
    outcome
}

#[test]
fn a_connection_that_is_reset_costs_one_repetition() {
    let scene = Scene::new();
    let (session, key) = warm(&scene, &scene.config());
    for fault in [Fault::Reset, Fault::ResetAfter, Fault::Truncate] {
        scene.proxy.plan(std::slice::from_ref(&fault));
        sign(&session, &key).unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(scene.proxy.seen().len(), 2, "{fault:?}");
    }
}

#[test]
fn what_may_not_happen_twice_is_not_sent_twice() {
    let scene = Scene::new();
    let (session, _) = warm(&scene, &scene.config());
    let create = |name: &str| {
        let body = br#"{"kty":"EC","crv":"P-256"}"#;
        session.call("POST", &format!("/keys/{name}/create"), Some(body), Repeat::Never)
    };
    for fault in [Fault::ResetAfter, Fault::Truncate, Fault::Answer(502, "Content-Type: text/html\r\n", "x")] {
        scene.proxy.plan(std::slice::from_ref(&fault));
        unreachable(create("twice"));
        assert_eq!(scene.proxy.seen().len(), 1, "{fault:?}");
    }
    // "Too many" means that nothing was done.
    scene.proxy.plan(&[Fault::Answer(429, "Retry-After: 0\r\n", "")]);
    create("busy").unwrap();
    let list = session.call("GET", "/keys/twice/versions", None, Repeat::Safe).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
    assert_eq!(list["value"].as_array().unwrap().len(), 2, "once for each request whose answer was lost");
}

#[test]
fn a_server_that_stalls_is_given_up_in_time_and_the_session_goes_on() {
    let scene = Scene::new();
    let budget = Duration::from_millis(900);
    let (session, key) = warm(&scene, &impatient(&scene, budget));
    for fault in [Fault::Stall, Fault::StallInside] {
        scene.proxy.always(fault.clone());
        let error = unreachable(in_time(budget, || sign(&session, &key)));
        assert!(error.contains("in time"), "{fault:?}: {error}");
        scene.proxy.always(Fault::None);
        sign(&session, &key).unwrap();
    }
}

#[test]
fn a_connection_that_was_forgotten_in_silence_costs_one_repetition_on_a_new_one() {
    let scene = Scene::new();
    let (session, key) = warm(&scene, &impatient(&scene, Duration::from_secs(3)));
    let before = scene.proxy.connections();
    scene.proxy.forget_connections();
    sign(&session, &key).unwrap();
    assert_eq!(scene.proxy.connections(), before + 1);
    assert_eq!(scene.proxy.seen().len(), 1, "the one that was swallowed was seen by nobody");
}

#[test]
fn an_answer_that_is_none_is_refused_and_named() {
    let scene = Scene::new();
    let (session, key) = warm(&scene, &scene.config());
    scene.proxy.plan(&[Fault::Html]);
    let error = sign(&session, &key).err().unwrap();
    assert!(matches!(error, VaultError::AnswerInvalid { .. }), "{error:?}");
    assert!(error.to_string().contains("text/html"), "{error}");
    scene.proxy.plan(&[Fault::Answer(307, "Location: https://elsewhere.example/\r\n", "")]);
    let error = sign(&session, &key).err().unwrap();
    assert!(matches!(error, VaultError::RefusedThere { status: 307, .. }), "{error:?}");
    sign(&session, &key).unwrap();
}

#[test]
fn a_busy_server_is_asked_again_when_it_says_and_not_beyond_the_budget() {
    let scene = Scene::new();
    let (session, key) = warm(&scene, &impatient(&scene, Duration::from_secs(5)));
    scene.proxy.plan(&[
        Fault::Answer(429, "Retry-After: 1\r\n", ""),
        Fault::Answer(429, "", ""),
        Fault::Answer(503, "", ""),
        Fault::Answer(500, "", ""),
    ]);
    let begun = Instant::now();
    sign(&session, &key).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "it said one second");
    assert_eq!(scene.proxy.seen().len(), 5);
    // A date has whole seconds: between one and two from now.
    scene.proxy.plan(&[Fault::Answer(429, after(Duration::from_secs(2)), "")]);
    let begun = Instant::now();
    sign(&session, &key).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "it said a moment after that");
    assert_eq!(scene.proxy.seen().len(), 2);
    scene.proxy.plan(&[Fault::Answer(429, "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "")]);
    sign(&session, &key).unwrap();
    scene.proxy.seen();
    for late in ["Retry-After: 60\r\n", after(Duration::from_secs(60))] {
        scene.proxy.always(Fault::Answer(429, late, ""));
        let error = sign(&session, &key).err().unwrap();
        assert!(matches!(error, VaultError::Throttled { .. }), "{error:?}");
        assert_eq!(scene.proxy.seen().len(), 1, "a minute is longer than the budget");
    }
    scene.proxy.always(Fault::Answer(503, "", ""));
    unreachable(sign(&session, &key));
    scene.proxy.always(Fault::None);
    sign(&session, &key).unwrap();
}

/// The header that says when to come again, as a date.
fn after(time: Duration) -> &'static str {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + time);
    Box::leak(format!("Retry-After: {date}\r\n").into_boxed_str())
}

#[test]
fn a_token_that_is_refused_is_fetched_anew_once() {
    let scene = Scene::new();
    let (session, key) = warm(&scene, &scene.config());
    let challenge = format!(
        "WWW-Authenticate: Bearer authorization=\"https://{LOGIN}:{0}/{1}\", resource=\"https://vault.localhost:{0}\"\r\n",
        scene.proxy.port(),
        scene.tenant
    );
    let refused = Fault::Answer(401, Box::leak(challenge.clone().into_boxed_str()), "");
    scene.proxy.plan(std::slice::from_ref(&refused));
    sign(&session, &key).unwrap();
    let seen: Vec<bool> = scene.proxy.seen().iter().map(|seen| seen.target.contains("/oauth2/")).collect();
    assert_eq!(seen, [false, true, false]);
    // Never for ever.
    scene.proxy.plan(&[refused.clone(), Fault::None, refused.clone()]);
    let error = sign(&session, &key).err().unwrap();
    assert!(matches!(error, VaultError::CredentialRefused { .. }), "{error:?}");
    sign(&session, &key).unwrap();
    // One that must say more.
    let claims =
        challenge.replace("\r\n", ", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"\r\n");
    let wants_claims = Fault::Answer(401, Box::leak(claims.into_boxed_str()), "");
    scene.proxy.plan(std::slice::from_ref(&wants_claims));
    scene.proxy.seen();
    sign(&session, &key).unwrap();
    let seen = scene.proxy.seen();
    let [_, token, again] = &seen[..] else { panic!("a refusal, a token, a signature: {seen:?}") };
    assert!(token.body.contains("&claims=%7B%22access_token%22%3A%7B%7D%7D"), "the authority is told which");
    assert!(again.target.contains("/sign?"), "{again:?}");
    // One that is never satisfied.
    scene.proxy.plan(&[wants_claims.clone(), Fault::None, wants_claims.clone(), Fault::None, wants_claims]);
    let error = sign(&session, &key).err().unwrap();
    assert!(matches!(error, VaultError::CredentialRefused { .. }), "{error:?}");
    assert_eq!(scene.proxy.planned(), 0);
    sign(&session, &key).unwrap();
    // A vault that now names a resource of somebody else's gets nothing more.
    let stranger = challenge.replace("resource=\"https://vault.localhost", "resource=\"https://vault.example");
    scene.proxy.plan(&[Fault::Answer(401, Box::leak(stranger.into_boxed_str()), "")]);
    scene.proxy.seen();
    let error = sign(&session, &key).err().unwrap().to_string();
    assert!(error.contains("doesn't cover"), "{error}");
    assert_eq!(scene.proxy.seen().len(), 1);
}

#[test]
fn a_server_that_is_killed_and_started_again_is_used_by_the_same_session() {
    let mut scene = Scene::new();
    let (session, key) = warm(&scene, &scene.config());
    scene.kill();
    scene.proxy.down(true);
    let error = unreachable(sign(&session, &key));
    assert!(error.contains("check"), "{error}");
    scene.start();
    scene.proxy.down(false);
    // The secret is another one since the start; the token that it had counts.
    sign(&session, &key).unwrap();
}

#[test]
fn a_short_restart_is_waited_for() {
    let scene = Scene::new();
    let (session, key) = warm(&scene, &scene.config());
    scene.proxy.down(true);
    scene.proxy.forget_connections();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            scene.proxy.down(false);
        });
        // Its connection is gone, a new one is refused, and a moment later isn't.
        session.log_out();
        sign(&session, &key).unwrap();
    });
}

#[test]
fn an_address_that_nobody_has_and_one_that_nobody_listens_at_are_told_apart_in_time() {
    let scene = Scene::new();
    let budget = Duration::from_millis(500);
    let at = |origin: &str| {
        let mut config = impatient(&scene, budget);
        config.remote.origins = vec![Origin::parse(origin).unwrap()];
        config.verify_challenge_resource = false;
        let session = Session::new(&config).unwrap();
        unreachable(in_time(budget, || session.call("GET", "/keys", None, Repeat::Safe)))
    };
    // RFC 5737: nobody's.
    let nobody = at("https://192.0.2.1:8443");
    assert!(nobody.contains("192.0.2.1:8443") && nobody.contains("firewall"), "{nobody}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = at(&format!("https://{closed}"));
    assert!(refused.contains("refused") && refused.contains("that the server runs"), "{refused}");
    // Somebody accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let stalled = at(&format!("https://{}", silent.local_addr().unwrap()));
    assert!(stalled.contains("TLS handshake in time"), "{stalled}");
    let unknown = at("https://no-such-host.invalid");
    assert!(unknown.contains("no-such-host.invalid") && unknown.contains("/etc/resolv.conf"), "{unknown}");
}

#[test]
fn a_certificate_of_another_authority_and_another_key_than_the_pinned_one_are_refused() {
    let scene = Scene::new();
    let stranger = Proxy::before(scene.socket(), &[VAULT]);
    let mut config = scene.config();
    config.remote.authorities = Some(stranger.ca().as_bytes().to_vec());
    let error = unreachable(Session::new(&config).unwrap().call("GET", "/keys", None, Repeat::Safe));
    assert!(error.contains("`ca_file`"), "{error}");
    let mut pinned = scene.config();
    let decoded = |pin: &str| {
        use base64ct::Encoding;
        base64ct::Base64::decode_vec(pin).unwrap().try_into().unwrap()
    };
    pinned.remote.pins = vec![decoded(&stranger.pin)];
    let error = unreachable(Session::new(&pinned).unwrap().call("GET", "/keys", None, Repeat::Safe));
    assert!(error.contains("`tls_pins`"), "{error}");
    assert!(scene.proxy.seen().is_empty() && stranger.seen().is_empty(), "nothing was sent");
    pinned.remote.pins.push(decoded(&scene.proxy.pin));
    Session::new(&pinned).unwrap().call("GET", "/keys", None, Repeat::Safe).unwrap();
    // A name that the certificate hasn't.
    let mut other = scene.config();
    let address = format!("https://other.vault.localhost:{}", scene.proxy.port());
    other.remote.origins = vec![Origin::parse(&address).unwrap()];
    let error = unreachable(Session::new(&other).unwrap().call("GET", "/keys", None, Repeat::Safe));
    assert!(error.contains("check the address"), "{error}");
}

#[test]
fn a_proxy_is_used_when_it_is_configured_and_only_then() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // SAFETY of what is shared: each test of nextest is a process of its own.
    for name in ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        set_variable(name, &format!("http://127.0.0.1:{port}"));
    }
    let session = scene.session();
    session.call("GET", "/keys", None, Repeat::Safe).unwrap();
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "the environment's proxy was asked");
    listener.set_nonblocking(false).unwrap();
    let tunnels = tunnel(listener, Some("Basic bWU6c2VzYW1l"));
    let mut config = scene.config();
    config.remote.proxy = Some(ProxyAddress::parse(&format!("http://me:sesame@127.0.0.1:{port}")).unwrap());
    Session::new(&config).unwrap().call("GET", "/keys", None, Repeat::Safe).unwrap();
    let asked = tunnels.lock().unwrap().clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].starts_with(&format!("CONNECT {VAULT}:{} HTTP/1.1", scene.proxy.port())), "{asked:?}");
    config.remote.proxy = Some(ProxyAddress::parse(&format!("http://127.0.0.1:{port}")).unwrap());
    let error = unreachable(Session::new(&config).unwrap().call("GET", "/keys", None, Repeat::Safe));
    assert!(error.contains("USER:PASSWORD"), "{error}");
}

#[allow(unsafe_code, reason = "this test is a process of its own, and has one thread by now")]
fn set_variable(name: &str, value: &str) {
    // SAFETY: nobody reads the environment meanwhile.
    unsafe { std::env::set_var(name, value) };
}

/// A proxy that tunnels for who has these credentials, and remembers what it was asked.
fn tunnel(listener: TcpListener, credentials: Option<&'static str>) -> std::sync::Arc<std::sync::Mutex<Vec<String>>> {
    use std::io::{Read, Write};
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let shared = std::sync::Arc::clone(&asked);
    let one = move |mut client: std::net::TcpStream| -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        shared.lock().unwrap().push(head.clone());
        if credentials.is_some_and(|wanted| !head.contains(wanted)) {
            return client.write_all(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n");
        }
        let port: u16 = head.split([' ', ':']).nth(2).unwrap().parse().unwrap();
        let mut server = std::net::TcpStream::connect(("127.0.0.1", port))?;
        client.write_all(b"HTTP/1.1 200 Go\r\n\r\n")?;
        let (mut back, mut to) = (server.try_clone()?, client.try_clone()?);
        std::thread::spawn(move || std::io::copy(&mut back, &mut to));
        std::io::copy(&mut client, &mut server).map(drop)
    };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let one = one.clone();
            std::thread::spawn(move || one(client.unwrap()));
        }
    });
    asked
}

#[test]
fn no_thread_is_started_and_no_name_server_is_needed_for_a_name_of_this_machine() {
    let scene = Scene::new();
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let (session, key) = warm(&scene, &scene.config());
    let before = threads();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    drop(socket);
    for _ in 0..20 {
        sign(&session, &key).unwrap();
    }
    session.log_out();
    sign(&session, &key).unwrap();
    // The proxy's threads, one for each connection, are the test's own.
    assert!(threads() <= before + 2, "{} and {before}", threads());
}
