//! Tokens for programs of this machine, and everything that asks for one on somebody else's behalf.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use strongroom::config::Manner;
use strongroom::server::identity;

use super::serving::{NOW, RESOURCE, Somebody, World};

const IMDS: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=";
const APP_SERVICE: &str = "/msi/token?api-version=2019-08-01&resource=";

struct Place {
    world: World,
    machine: Somebody,
    address: SocketAddr,
}

fn place() -> Place {
    let world = World::with_issuers(Vec::new());
    let machine = world.somebody("machine");
    world.assign(&machine.identity.oid, "Key Vault Reader", "/");
    let address = world.managed_identity();
    Place { world, machine, address }
}

impl Place {
    /// The status and the body of a request with these headers and this host.
    fn ask(&self, method: &str, path: &str, host: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        self.ask("GET", path, &self.address.to_string(), headers)
    }

    fn imds(&self) -> String {
        format!("{IMDS}{RESOURCE}")
    }

    fn app_service(&self) -> String {
        format!("{APP_SERVICE}{RESOURCE}")
    }
}

#[test]
fn both_forms_give_a_token_with_every_member_that_clients_read_as_a_text() {
    let place = place();
    let header = identity::add_header(&*place.world.vault, &place.machine.identity.oid, NOW, None).unwrap();
    for (path, header) in [
        (place.imds(), ("Metadata", "true")),
        (format!("{}/", place.imds()), ("metadata", "True")),
        (format!("{}&client_id={}", place.imds(), place.machine.identity.appid.to_uppercase()), ("Metadata", "true")),
        (format!("{}&object_id={}", place.imds(), place.machine.identity.oid), ("Metadata", "true")),
        (place.app_service(), ("X-IDENTITY-HEADER", &**header.text)),
    ] {
        let (status, answer) = place.get(&path, &[header]);
        assert_eq!(status, 200, "{path} {answer}");
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{name} in {answer}")).to_owned();
        assert_eq!((text("expires_in"), text("expires_on")), ("3600".to_owned(), (NOW + 3600).to_string()));
        assert_eq!(
            (text("token_type"), text("client_id")),
            ("Bearer".to_owned(), place.machine.identity.appid.clone())
        );
        let token = text("access_token");
        assert_eq!(place.world.connect().call(&token, "GET", "/keys", "").status, 200);
    }
}

#[test]
fn what_was_forwarded_comes_from_a_browser_or_lacks_its_header_gets_no_token() {
    let place = place();
    let header = identity::add_header(&*place.world.vault, &place.machine.identity.oid, NOW, None).unwrap();
    let of_form = |path: &str| match path.starts_with("/msi") {
        true => ("X-IDENTITY-HEADER", header.text.to_string()),
        false => ("Metadata", "true".to_owned()),
    };
    let own = place.address.to_string();
    for path in [place.imds(), place.app_service()] {
        let (name, value) = of_form(&path);
        for (forwarding, text) in [
            ("X-Forwarded-For", "192.0.2.1"),
            ("x-forwarded-for", ""),
            ("X-Forwarded-Host", "vault.test"),
            ("X-Forwarded-Proto", "https"),
            ("Forwarded", "for=192.0.2.1"),
            ("Via", "1.1 proxy"),
            ("X-Real-IP", "192.0.2.1"),
            ("Proxy-Connection", "keep-alive"),
            ("CF-Connecting-IP", "192.0.2.1"),
            ("X-Cluster-Client-IP", "192.0.2.1"),
            ("X-Originating-IP", "192.0.2.1"),
            ("X-Envoy-External-Address", "192.0.2.1"),
            ("X-Azure-ClientIP", "192.0.2.1"),
            ("X-Remote-IP", "192.0.2.1"),
            ("Fastly-Client-IP", "192.0.2.1"),
            ("CDN-Loop", "proxy"),
            ("Max-Forwards", "10"),
        ] {
            let (status, answer) = place.get(&path, &[(name, &value), (forwarding, text)]);
            assert_eq!((status, answer["access_token"].is_null()), (403, true), "{path} {forwarding} {answer}");
        }
        for host in [
            "localhost:80@evil.example",
            "evil.example",
            "localhost.evil.example:80",
            "169.254.169.254",
            "10.0.0.1",
            "",
        ] {
            let (status, answer) = place.ask("GET", &path, host, &[(name, &value)]);
            assert!((400..404).contains(&status) && answer["access_token"].is_null(), "{path} {host:?} {answer}");
        }
        // As to a proxy: the address in the request's line counts as the host.
        let (status, _) = place.ask("GET", &format!("http://evil.example{path}"), &own, &[(name, &value)]);
        assert_eq!(status, 403);
        let (status, answer) = place.ask("POST", &path, &own, &[(name, &value), ("content-length", "0")]);
        assert_eq!((status, answer["access_token"].is_null()), (405, true));
    }
    for (path, headers, expected) in [
        (place.imds(), vec![], 400),
        (place.imds(), vec![("Metadata", "false")], 400),
        (place.imds(), vec![("Metadata", "true, true")], 400),
        (place.app_service(), vec![], 401),
        (place.app_service(), vec![("Metadata", "true")], 401),
        (place.app_service(), vec![("X-IDENTITY-HEADER", "")], 401),
        (place.app_service(), vec![("X-IDENTITY-HEADER", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")], 401),
        (place.app_service(), vec![("X-IDENTITY-HEADER", &*place.machine.secret)], 401),
        (format!("{IMDS}https://elsewhere.example"), vec![("Metadata", "true")], 400),
        (IMDS.to_owned(), vec![("Metadata", "true")], 400),
        ("/metadata/identity/oauth2/token".to_owned(), vec![("Metadata", "true")], 400),
        (format!("{}&client_id=00000000-0000-4000-8000-000000000000", place.imds()), vec![("Metadata", "true")], 400),
        (format!("{}&msi_res_id=/subscriptions/x", place.imds()), vec![("Metadata", "true")], 400),
        ("/keys?api-version=7.5".to_owned(), vec![("Metadata", "true")], 404),
        ("/adfs/oauth2/v2.0/token".to_owned(), vec![("Metadata", "true")], 404),
    ] {
        let (status, answer) = place.get(&path, &headers);
        assert_eq!((status, answer["access_token"].is_null()), (expected, true), "{path} {headers:?} {answer}");
    }
}

#[test]
fn a_header_is_refused_when_it_was_removed_expired_or_its_identity_disabled() {
    let place = place();
    let (vault, oid) = (&*place.world.vault, &place.machine.identity.oid);
    let header = identity::add_header(vault, oid, NOW, Some(NOW + 60)).unwrap();
    let kept = identity::add_header(vault, oid, NOW, None).unwrap();
    let status = |text: &str| place.get(&place.app_service(), &[("X-IDENTITY-HEADER", text)]).0;
    assert_eq!((status(&header.text), status(&kept.text)), (200, 200));
    place.world.clock.set(NOW + 60);
    assert_eq!((status(&header.text), status(&kept.text)), (401, 200));
    let set_enabled = |enabled| {
        identity::set_enabled(vault, Manner::KeyVault, oid, enabled).unwrap();
    };
    set_enabled(false);
    assert_eq!(status(&kept.text), 401);
    assert_eq!(place.get(&place.imds(), &[("Metadata", "true")]).0, 400, "nor is it the machine's");
    set_enabled(true);
    assert_eq!(status(&kept.text), 200);
    let clear = &mut |identity: &mut identity::Identity| identity.headers.clear();
    identity::change(vault, oid, clear).unwrap();
    assert_eq!(status(&kept.text), 401);
}
