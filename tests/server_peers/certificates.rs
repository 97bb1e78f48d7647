//! Certificates of clients: whose count, how long, and what a request with one is answered.

use std::io::{Read, Write};

use rcgen::ExtendedKeyUsagePurpose;
use rustls::{ClientConnection, HandshakeKind, StreamOwned};
use strongroom::server::client_certificate::AuthoritiesFiles;

use crate::scene::{Authority, Certified, DAY, Says, Scene};
use crate::serving::{Answer, Client, NOW};

const SECRET: &str = "/secrets/word";
const VALUE: &str = r#"{"value":"sesame"}"#;

fn challenged(answer: &Answer) -> bool {
    answer.status == 401 && answer.header("www-authenticate").is_some_and(|header| header.starts_with("Bearer "))
}

fn says(answer: &Answer, words: &str) -> bool {
    challenged(answer) && answer.body.contains(words)
}

/// A request that the connection's identity may make, and that changes nothing.
fn list(client: &mut Client) -> Answer {
    client.ask("GET", "/secrets", "")
}

#[test]
fn a_client_is_the_identity_that_has_a_name_of_its_certificate() {
    let (authority, stranger) = (Authority::new("Clients"), Authority::new("Clients"));
    let scene = Scene::of(&authority, None);
    let names =
        [("web", "dns:web.example.com"), ("job", "uri:spiffe://example.org/job"), ("me", "email:me@example.org")];
    for (identity, name) in names {
        let identity = scene.somebody(identity);
        scene.change(&identity, |identity| identity.names.push(name.to_owned()));
        let certified = authority.issue(&Says::names(&["dns:unknown.example.com", name]));
        assert_eq!(scene.connect(Some(&certified)).ask("PUT", SECRET, VALUE).status, 200, "{name}");
        // An authority of the same name that isn't ours.
        let forged = stranger.issue(&Says::names(&[name]));
        assert!(challenged(&list(&mut scene.connect(Some(&forged)))), "{name}");
        assert!(challenged(&list(&mut scene.connect(Some(&Certified::by_itself(&Says::names(&[name])))))), "{name}");
    }
    let unknown = authority.issue(&Says::names(&["dns:web.example.org", "email:web.example.com"]));
    assert!(says(&list(&mut scene.connect(Some(&unknown))), "no name that is an identity's"));
    assert!(says(&list(&mut scene.connect(None)), "AKV10000"));
}

#[test]
fn a_certificate_that_is_revoked_stops_counting_on_the_connection_that_it_began() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, Some(authority.list(&[], NOW + DAY)));
    let identity = scene.somebody("web");
    scene.change(&identity, |identity| identity.names = vec!["dns:one.test".into(), "dns:other.test".into()]);
    let one = authority.issue(&Says::names(&["dns:one.test"]));
    let other = authority.issue(&Says::names(&["dns:other.test"]));
    let (mut client, mut beside) = (scene.connect(Some(&one)), scene.connect(Some(&other)));
    assert_eq!((list(&mut client).status, list(&mut beside).status), (200, 200));
    scene.revoke(authority.list(&[&one.serial], NOW + DAY));
    assert!(says(&list(&mut client), "was revoked"));
    assert_eq!(list(&mut beside).status, 200);
    assert!(says(&list(&mut scene.connect(Some(&one))), "was revoked"));
    scene.revoke(authority.list(&[], NOW + DAY));
    assert_eq!(list(&mut client).status, 200);
}

#[test]
fn a_file_that_cannot_be_read_leaves_what_was_read_before() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, Some(authority.list(&[], NOW + DAY)));
    scene.somebody_named("web", "dns:one.test");
    let one = authority.issue(&Says::names(&["dns:one.test"]));
    scene.revoke(authority.list(&[&one.serial], NOW + DAY));
    let files = scene.files.as_ref().unwrap();
    let whole = authority.list(&[], NOW + DAY);
    for damaged in ["", "-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\n", &whole[..whole.len() / 2]] {
        std::fs::write(scene.path("clients.crl"), damaged).unwrap();
        assert!(files.read_again().unwrap_err().to_string().contains("clients.crl"), "{damaged}");
        assert!(says(&list(&mut scene.connect(Some(&one))), "was revoked"));
    }
    std::fs::remove_file(scene.path("clients.pem")).unwrap();
    assert!(files.read_again().unwrap_err().to_string().contains("clients.pem"));
    std::fs::write(scene.path("empty"), "").unwrap();
    assert!(AuthoritiesFiles::read(&scene.path("empty"), None).unwrap_err().to_string().contains("no certificate"));
}

#[test]
fn a_list_that_is_too_old_vouches_for_nobody() {
    let (authority, other) = (Authority::new("Clients"), Authority::new("Others"));
    let scene = Scene::of(&authority, Some(authority.list(&[], NOW + 3600)));
    scene.somebody_named("web", "dns:one.test");
    let mut client = scene.connect(Some(&authority.issue(&Says::names(&["dns:one.test"]))));
    assert_eq!(list(&mut client).status, 200);
    scene.world.clock.set(NOW + 3601);
    assert!(says(&list(&mut client), "too old"));
    scene.revoke(authority.list(&[], NOW + DAY));
    assert_eq!(list(&mut client).status, 200);
    scene.revoke(other.list(&[], NOW + DAY));
    assert!(says(&list(&mut client), "no revocation list"));
}

#[test]
fn a_certificate_counts_from_its_first_moment_to_its_last_on_one_connection() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, None);
    let identity = scene.somebody("web");
    let window = Says { from: NOW + 10, until: NOW + 20, ..Says::names(&["dns:one.test"]) };
    let (issued, own) = (authority.issue(&window), Certified::by_itself(&window));
    scene.change(&identity, |identity| {
        identity.names.push("dns:one.test".into());
        identity.certificates.push(own.kept());
    });
    for certified in [&issued, &own] {
        let mut client = scene.connect(Some(certified));
        let moments =
            [(9, "not valid yet"), (10, ""), (20, ""), (21, "has expired"), (15, ""), (5, "not valid yet"), (12, "")];
        for (moment, refusal) in moments {
            scene.world.clock.set(NOW + moment);
            let answer = list(&mut client);
            match refusal {
                "" => assert_eq!(answer.status, 200, "{moment}: {answer:?}"),
                why => assert!(says(&answer, why), "{moment}: {answer:?}"),
            }
        }
    }
}

#[test]
fn a_certificate_that_an_identity_has_needs_no_authority_and_is_gone_when_it_is_taken() {
    let scene = Scene::new();
    let (one, other) = (scene.somebody("one"), scene.somebody("other"));
    let own = Certified::by_itself(&Says::names(&[]));
    let mut client = scene.connect(Some(&own));
    assert!(says(&list(&mut client), "is no identity's"));
    scene.change(&one, |identity| identity.certificates.push(own.kept()));
    assert_eq!(list(&mut client).status, 200);
    scene.change(&other, |identity| identity.certificates.push(own.kept()));
    assert!(says(&list(&mut client), "fits two identities"));
    scene.change(&other, |identity| identity.certificates.clear());
    assert_eq!(list(&mut client).status, 200);
    scene.set_enabled(&one, false);
    assert!(says(&list(&mut client), "disabled"));
    scene.set_enabled(&one, true);
    scene.change(&one, |identity| identity.certificates.clear());
    assert!(challenged(&list(&mut client)));
}

#[test]
fn a_certificate_that_its_authority_revoked_counts_for_no_identity_that_has_it() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, Some(authority.list(&[], NOW + DAY)));
    let identity = scene.somebody("web");
    // Also one that the authority made for something else.
    let says_server = Says { usage: ExtendedKeyUsagePurpose::ServerAuth, ..Says::names(&[]) };
    for certified in [authority.issue(&Says::names(&[])), authority.issue(&says_server)] {
        scene.change(&identity, |identity| identity.certificates = vec![certified.kept()]);
        let mut client = scene.connect(Some(&certified));
        assert_eq!(list(&mut client).status, 200);
        scene.revoke(authority.list(&[&certified.serial], NOW + DAY));
        assert!(says(&list(&mut client), "was revoked"));
    }
}

#[test]
fn a_certificate_for_servers_or_with_the_names_of_two_identities_is_nobodys() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, None);
    for name in ["one", "other"] {
        let identity = scene.somebody(name);
        scene.change(&identity, |identity| identity.names.push(format!("dns:{name}.test")));
    }
    let server = Says { usage: ExtendedKeyUsagePurpose::ServerAuth, ..Says::names(&["dns:one.test"]) };
    assert!(says(&list(&mut scene.connect(Some(&authority.issue(&server)))), "isn't for TLS clients"));
    let both = authority.issue(&Says::names(&["dns:one.test", "dns:other.test"]));
    assert!(says(&list(&mut scene.connect(Some(&both))), "fits two identities"));
}

#[test]
fn with_a_certificate_and_a_token_the_token_decides() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, None);
    scene.somebody_named("web", "dns:one.test");
    let certified = authority.issue(&Says::names(&["dns:one.test"]));
    let (_, reader) = scene.world.token_with("Key Vault Secrets User");
    let mut client = scene.connect(Some(&certified));
    assert_eq!(client.ask("PUT", SECRET, VALUE).status, 200);
    assert_eq!(client.call(&reader, "PUT", SECRET, VALUE).status, 403);
    assert_eq!(client.call(&reader, "GET", SECRET, "").status, 200);
    for wrong in ["", "x", "a.b.c"] {
        assert!(challenged(&client.call(wrong, "GET", SECRET, "")), "{wrong:?}");
    }
    let basic = [("authorization", "Basic YTpi")];
    let path = format!("{SECRET}?api-version=7.5");
    assert!(challenged(&client.send("GET", crate::serving::VAULT, &path, &basic, "")));
    // Also where the certificate counts for nothing.
    let unknown = Certified::by_itself(&Says::names(&[]));
    assert_eq!(scene.connect(Some(&unknown)).call(&reader, "GET", SECRET, "").status, 200);
    assert_eq!(scene.connect(None).call(&reader, "GET", SECRET, "").status, 200);
}

#[test]
fn a_probe_is_challenged_and_never_carried_out() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, None);
    scene.somebody_named("web", "dns:one.test");
    let stranger = scene.world.somebody("stranger").identity;
    scene.change(&stranger, |identity| identity.names.push("dns:other.test".into()));
    for name in ["dns:one.test", "dns:other.test"] {
        let mut client = scene.connect(Some(&authority.issue(&Says::names(&[name]))));
        assert!(says(&client.ask("PUT", SECRET, ""), "AKV10000"), "{name}");
        assert!(says(&client.ask("POST", "/keys/one/create", ""), "AKV10000"), "{name}");
        // Nothing else of it is looked at.
        let path = format!("{SECRET}?api-version=nonsense");
        let headers = [("content-type", "text/plain")];
        assert!(says(&client.send("PUT", crate::serving::VAULT, &path, &headers, ""), "AKV10000"), "{name}");
        // An empty body that says its length only at its end.
        let chunked = [("transfer-encoding", "chunked")];
        let path = format!("{SECRET}?api-version=7.5");
        assert!(says(&client.send_raw("PUT", &path, &chunked, "0\r\n\r\n"), "AKV10000"), "{name}");
    }
    let mut client = scene.connect(Some(&authority.issue(&Says::names(&["dns:one.test"]))));
    assert_eq!(client.ask("GET", SECRET, "").status, 404);
    assert_eq!(client.ask("PUT", SECRET, VALUE).status, 200);
    let versions = client.ask("GET", &format!("{SECRET}/versions"), "").json();
    assert_eq!(versions["value"].as_array().unwrap().len(), 1);
    // What needs no body is what it seems.
    assert_eq!(client.ask("DELETE", SECRET, "").status, 200);
}

#[test]
fn the_login_host_knows_nobody_by_a_certificate() {
    let scene = Scene::new();
    let identity = scene.somebody("web");
    let own = Certified::by_itself(&Says::names(&[]));
    scene.change(&identity, |identity| identity.certificates.push(own.kept()));
    let mut client = scene.connect(Some(&own));
    let path = format!("/v1.0/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'{}')", identity.appid);
    assert_eq!(client.send("GET", crate::serving::LOGIN, &path, &[], "").status, 401);
}

#[test]
fn a_session_that_is_resumed_goes_by_the_certificate_that_began_it() {
    let authority = Authority::new("Clients");
    let scene = Scene::of(&authority, Some(authority.list(&[], NOW + DAY)));
    scene.somebody_named("web", "dns:one.test");
    let one = authority.issue(&Says::names(&["dns:one.test"]));
    let config = scene.client_config(Some(&one), "http/1.1");
    assert_eq!(list(&mut scene.connect_as(config.clone())).status, 200);
    let mut resumed = resume(&scene, &config);
    assert!(ask_raw(&mut resumed).starts_with("HTTP/1.1 200"));
    scene.revoke(authority.list(&[&one.serial], NOW + DAY));
    assert!(ask_raw(&mut resumed).starts_with("HTTP/1.1 401"));
    assert!(ask_raw(&mut resume(&scene, &config)).starts_with("HTTP/1.1 401"));
}

type Tunnel = StreamOwned<ClientConnection, std::net::TcpStream>;

fn resume(scene: &Scene, config: &std::sync::Arc<rustls::ClientConfig>) -> Tunnel {
    let mut connection = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
    let mut stream = scene.tcp();
    connection.complete_io(&mut stream).unwrap();
    assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Resumed));
    StreamOwned::new(connection, stream)
}

fn ask_raw(tunnel: &mut Tunnel) -> String {
    let host = crate::serving::VAULT;
    write!(tunnel, "GET /secrets?api-version=7.5 HTTP/1.1\r\nhost: {host}\r\n\r\n").unwrap();
    let mut answer = vec![0; 16 << 10];
    let len = tunnel.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

#[test]
fn a_chain_that_is_larger_than_any_real_one_is_refused_in_the_handshake() {
    let scene = Scene::new();
    let mut own = Certified::by_itself(&Says::names(&[]));
    let one = own.chain[0].clone();
    own.chain = vec![one.clone(); 1 + (16 << 10) / one.len()];
    let config = scene.client_config(Some(&own), "http/1.1");
    let connection = ClientConnection::new(config, "localhost".try_into().unwrap()).unwrap();
    let mut tunnel = StreamOwned::new(connection, scene.tcp());
    // The client of TLS 1.3 is done before the server has looked: what it is told comes with the first read.
    let _ = tunnel.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(tunnel.read(&mut [0; 100]).is_err());
    assert_eq!(list(&mut scene.connect(None)).status, 401);
}
