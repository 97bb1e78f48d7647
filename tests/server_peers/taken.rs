//! A right that is taken while a body is on its way allows nothing any more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};
use strongroom::config::Manner;
use strongroom::server::access::unassign;
use strongroom::server::identity::Identity;
use strongroom::vault::Collection;

use crate::scene::{Certified, Says, Scene};
use crate::serving::VAULT;

type Tunnel = BufReader<StreamOwned<ClientConnection, TcpStream>>;

const BODY: &str = r#"{"value":"sesame"}"#;

/// A request that was permitted so far: the server has asked for its body.
fn begin(scene: &Scene, certified: Option<&Certified>, headers: &str) -> Tunnel {
    let config = scene.client_config(certified, "http/1.1");
    let connection = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut tunnel = BufReader::new(StreamOwned::new(connection, scene.tcp()));
    let request = format!(
        "PUT /secrets/word?api-version=7.5 HTTP/1.1\r\nhost: {VAULT}\r\ncontent-type: application/json\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n{headers}\r\n",
        BODY.len()
    );
    tunnel.get_mut().write_all(request.as_bytes()).unwrap();
    assert!(line(&mut tunnel).starts_with("HTTP/1.1 100"));
    assert_eq!(line(&mut tunnel).trim(), "");
    tunnel
}

fn line(tunnel: &mut impl BufRead) -> String {
    let mut line = String::new();
    tunnel.read_line(&mut line).unwrap();
    line
}

/// The status, once the body has come.
fn end(mut tunnel: Tunnel) -> String {
    tunnel.get_mut().write_all(BODY.as_bytes()).unwrap();
    let mut status = [0; 12];
    tunnel.read_exact(&mut status).unwrap();
    String::from_utf8_lossy(&status[9..]).into_owned()
}

/// Somebody who is known by a certificate and has a token, and the lines of headers with it.
fn somebody(scene: &Scene) -> (Identity, Certified, String) {
    let somebody = scene.world.somebody("web");
    let own = Certified::by_itself(&Says::names(&[]));
    scene.change(&somebody.identity, |identity| identity.certificates.push(own.kept()));
    let token = scene.world.token_of(&somebody);
    (somebody.identity, own, format!("authorization: Bearer {token}\r\n"))
}

#[test]
fn a_role_that_is_taken_while_the_body_comes_writes_nothing() {
    let scene = Scene::new();
    let (identity, own, bearer) = somebody(&scene);
    for (certified, headers) in [(None, &*bearer), (Some(&own), "")] {
        let role = scene.world.assign(&identity.oid, "Key Vault Secrets Officer", "/");
        let tunnel = begin(&scene, certified, headers);
        unassign(&*scene.world.vault, Manner::KeyVault, &role).unwrap().unwrap();
        assert_eq!(end(tunnel), "403", "{headers}");
    }
    assert!(scene.world.vault.image().with_name(Collection::Secrets, "word").next().is_none());
    let _role = scene.world.assign(&identity.oid, "Key Vault Secrets Officer", "/");
    for (certified, headers) in [(None, &*bearer), (Some(&own), "")] {
        assert_eq!(end(begin(&scene, certified, headers)), "200", "{headers}");
    }
}

#[test]
fn who_is_disabled_while_the_body_comes_writes_nothing() {
    let scene = Scene::new();
    let (identity, own, bearer) = somebody(&scene);
    scene.world.assign(&identity.oid, "Key Vault Secrets Officer", "/");
    for (certified, headers) in [(None, &*bearer), (Some(&own), "")] {
        let tunnel = begin(&scene, certified, headers);
        scene.set_enabled(&identity, false);
        assert_eq!(end(tunnel), "401", "{headers}");
        scene.set_enabled(&identity, true);
    }
    assert!(scene.world.vault.image().with_name(Collection::Secrets, "word").next().is_none());
}
