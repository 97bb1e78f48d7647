use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::super::tls::Trust;
use super::*;
use crate::config::{Origin, RemoteConfig};

/// A server that says this after the handshake, and no more; and whom it is trusted by.
fn saying(words: &'static [u8]) -> (TcpListener, Trust, impl FnOnce(std::net::TcpStream)) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["v.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut config = RemoteConfig::at(Origin::parse("https://v.example").unwrap());
    config.authorities = Some(certificate.pem().into_bytes());
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let serve = move |stream| {
        let mut client = StreamOwned::new(ServerConnection::new(Arc::new(tls)).unwrap(), stream);
        client.write_all(words).unwrap();
        // Until the client is gone.
        let _ = client.read(&mut [0]);
    };
    (TcpListener::bind("127.0.0.1:0").unwrap(), Trust::of_vault(&config), serve)
}

#[test]
fn what_came_and_was_read_by_nobody_is_not_taken_for_the_next_answer() {
    let (listener, trust, serve) = saying(b"hello!");
    let until = Instant::now() + Duration::from_secs(60);
    let (socket, _) = Socket::connect(&listener.local_addr().unwrap()).unwrap();
    let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
    wait(&[&socket], Ready::ToWrite, until).unwrap();
    let tls = trust.connection("v.example", "v.example").unwrap();
    let mut stream = Stream::plain(socket).shake_hands(tls, until).unwrap();
    let mut three = [0; 3];
    assert_eq!(stream.receive(&mut three, until).unwrap(), 3);
    assert!(!stream.is_quiet(), "\"lo!\" is left");
    let mut two = [0; 2];
    assert_eq!(stream.receive(&mut two, until).unwrap(), 2);
    assert!(stream.is_quiet());
    drop(stream);
    server.join().unwrap();
}
