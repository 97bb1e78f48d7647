//! Ways to a vault that are special, and servers that are slow rather than gone.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use strongroom::backend::azure::session::Session;
use strongroom::config::{AzureCredential, ManagedIdentity, ProxyAddress};

use crate::credentials::token_of;
use crate::faults::{impatient, warm};
use crate::proxy::Fault;
use crate::scene::{Scene, make_key, sign};

#[test]
fn behind_a_socket_no_proxy_is_asked() {
    let scene = Scene::new();
    let key = make_key(&scene.session(), "www");
    let mut config = scene.config();
    config.remote.socket = Some(scene.socket());
    config.remote.proxy = Some(ProxyAddress::parse("http://127.0.0.1:1").unwrap());
    let session = Session::new(&config).unwrap();
    scene.proxy.seen();
    sign(&session, &key).unwrap();
    assert!(scene.proxy.seen().is_empty(), "challenge, token and signature came by the socket");
}

#[test]
fn what_the_server_has_received_is_not_sent_again_while_it_works() {
    let scene = Scene::new();
    let (session, key) = warm(&scene, &impatient(&scene, Duration::from_secs(6)));
    let before = scene.proxy.connections();
    // Longer than a lost request would be waited for.
    scene.proxy.plan(&[Fault::Delay(Duration::from_millis(2500))]);
    sign(&session, &key).unwrap();
    assert_eq!((scene.proxy.seen().len(), scene.proxy.connections()), (1, before));
}

/// A metadata service that gives this token for some seconds, and says nothing more after that.
fn falls_silent(token: String, lives: u32) -> ManagedIdentity {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let body = format!(r#"{{"access_token":"{token}","expires_in":"{lives}"}}"#);
        let (mut first, _) = listener.accept().unwrap();
        let _ = first.read(&mut [0; 4096]);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
        let _ = first.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        drop(first);
        let silent: Vec<_> = listener.incoming().collect();
        drop(silent);
    });
    ManagedIdentity::Imds(base)
}

#[test]
fn who_gives_tokens_and_falls_silent_does_not_take_the_time_of_a_signature() {
    let scene = Scene::new();
    let key = make_key(&scene.session(), "www");
    let from = falls_silent(token_of(&scene), 8);
    let mut config = scene.config_of(AzureCredential::ManagedIdentity { from, client_id: None });
    config.remote.timeout = Duration::from_millis(1500);
    let session = Session::new(&config).unwrap();
    sign(&session, &key).unwrap();
    // Half of the token's life: it is renewed from now on, in vain.
    std::thread::sleep(Duration::from_millis(4100));
    sign(&session, &key).unwrap();
}
