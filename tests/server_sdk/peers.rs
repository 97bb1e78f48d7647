//! Clients without a token: the Python SDK and curl with a certificate, curl on the Unix socket; and the proxies in front of
//! which they may stand, haproxy and nginx.

use std::process::Stdio;

use crate::served::{Served, identity_with};
use crate::stage::{Running, Stage, free_port, is_ours, is_root, succeed, wait_until};

const ROLES: [&str; 2] = ["Key Vault Secrets Officer", "Key Vault Crypto Officer"];

/// OpenSSL's own authority, as its manual has it: a certificate of the client `mesh`, and an empty list.
fn authority(stage: &Stage) {
    let configuration = "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nserial = serial\ncrlnumber = number\n\
                         new_certs_dir = .\ndefault_md = sha256\ndefault_days = 2\ndefault_crl_days = 2\n\
                         policy = any\n[any]\ncommonName = supplied\n[client]\nextendedKeyUsage = clientAuth\n\
                         subjectAltName = DNS:mesh.example.com, URI:spiffe://example.org/mesh\n";
    for (name, contents) in [("ca.cnf", configuration), ("index", ""), ("serial", "1000\n"), ("number", "01\n")] {
        stage.file(name, contents);
    }
    stage.openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Clients -days 2 -keyout clients.key -out \
         clients.pem",
    );
    stage.openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=mesh -keyout mesh.key -out mesh.csr",
    );
    stage.openssl(
        "ca -batch -config ca.cnf -cert clients.pem -keyfile clients.key -extensions client -notext -in mesh.csr -out \
         mesh.pem",
    );
    stage.openssl("ca -config ca.cnf -cert clients.pem -keyfile clients.key -gencrl -out clients.crl");
}

/// curl with the server's authority, and the status that it was answered.
fn status(stage: &Stage, served: &Served, arguments: &[&str]) -> String {
    let mut command = served.bare_client(stage, "curl");
    command.args(["--silent", "--output", "answer", "--write-out", "%{http_code}", "--max-time", "30"]);
    succeed(command.args(["--cacert", "ca.pem"]).args(arguments))
}

fn secrets(served: &Served) -> String {
    format!("{}/secrets?api-version=7.5", served.url())
}

const VALUE: [&str; 6] =
    ["--request", "PUT", "--header", "content-type: application/json", "--data", r#"{"value":"x"}"#];

#[test]
fn the_python_sdk_with_a_client_certificate_sets_a_secret_exactly_once() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    authority(&stage);
    let stranger = identity_with(&stage, "stranger", &[]);
    identity_with(&stage, "mesh", &ROLES);
    stage.strongroom("identity name add mesh uri:spiffe://example.org/mesh");
    let served = Served::with_server(&stage, "client_ca_file = \"clients.pem\"\nclient_crl_file = \"clients.crl\"", "");
    let ca = "openssl ca -config ca.cnf -cert clients.pem -keyfile clients.key";
    let variables = [
        ("STRANGER_ID", stranger.0),
        ("STRANGER_SECRET", stranger.1),
        ("CERTIFICATE", stage.at("mesh.pem")),
        ("KEY", stage.at("mesh.key")),
        ("REVOKE", format!("cd {} && {ca} -revoke mesh.pem && {ca} -gencrl -out clients.crl", stage.at("."))),
        ("SERVER_PID", served.pid().to_string()),
    ];
    let printed = served.python(&stage, "peers.py", &variables);
    assert!(printed.contains("Ran 6 tests") && printed.contains("\nOK\n"), "{printed}");
}

#[test]
fn curl_is_known_by_its_certificate_on_both_versions_of_http_and_by_its_user_on_the_unix_socket() {
    if !is_ours() || !is_root() {
        return;
    }
    let stage = Stage::new();
    authority(&stage);
    identity_with(&stage, "mesh", &ROLES);
    identity_with(&stage, "local", &ROLES);
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=pinned -days 2 -keyout pinned.key -out pinned.pem");
    stage.strongroom("identity certificate add mesh pinned.pem");
    stage.strongroom("identity name add mesh dns:mesh.example.com");
    let socket = stage.at("socket");
    let lines = format!("client_ca_file = \"clients.pem\"\nsocket = {socket:?}");
    let served = Served::with_server(&stage, &lines, "");
    let url = format!("{}/secrets/word?api-version=7.5", served.url());
    for version in ["--http1.1", "--http2", "--tls-max", "--tlsv1.3"] {
        let version: &[&str] = if version == "--tls-max" { &["--tls-max", "1.2"] } else { &[version] };
        for name in ["mesh", "pinned"] {
            let pair = ["--cert".to_owned(), format!("{name}.pem"), "--key".to_owned(), format!("{name}.key")];
            let with: Vec<&str> = version.iter().copied().chain(pair.iter().map(String::as_str)).collect();
            let ask = |more: &[&str]| status(&stage, &served, &[&with[..], more, &[&url]].concat());
            assert_eq!(ask(&["--request", "PUT"]), "401", "{version:?} {name}");
            assert_eq!((ask(&VALUE), ask(&[])), ("200".into(), "200".into()), "{version:?} {name}");
        }
        assert_eq!(status(&stage, &served, &[version, &[&url]].concat()), "401");
    }
    let plain = url.replace("https://", "http://");
    let ask = |more: &[&str]| status(&stage, &served, &[&["--unix-socket", &socket], more, &[&plain]].concat());
    assert_eq!(ask(&[]), "401");
    stage.strongroom("identity local add local --uid root");
    assert_eq!((ask(&["--request", "PUT"]), ask(&VALUE), ask(&[])), ("401".into(), "200".into(), "200".into()));
    stage.strongroom("identity local remove local --uid root");
    assert_eq!(ask(&[]), "401");
}

#[test]
fn who_is_not_asked_for_a_certificate_is_not_known_by_it() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    identity_with(&stage, "pinned", &ROLES);
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=pinned -days 2 -keyout pinned.key -out pinned.pem");
    stage.strongroom("identity certificate add pinned pinned.pem");
    let ask = |served: &Served| {
        let url = secrets(served);
        status(&stage, served, &["--cert", "pinned.pem", "--key", "pinned.key", &url])
    };
    assert_eq!(ask(&Served::vault(&stage)), "401");
    assert_eq!(ask(&Served::with_server(&stage, "client_certificates = true", "")), "200");
}

#[test]
fn a_list_that_is_too_old_is_said_in_the_log_and_one_that_is_exchanged_is_read() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    authority(&stage);
    identity_with(&stage, "mesh", &ROLES);
    stage.strongroom("identity name add mesh dns:mesh.example.com");
    let list = "ca -config ca.cnf -cert clients.pem -keyfile clients.key -gencrl -out clients.crl";
    stage.openssl(&format!("{list} -crl_lastupdate 20190101000000Z -crl_nextupdate 20200101000000Z"));
    let lines = "client_ca_file = \"clients.pem\"\nclient_crl_file = \"clients.crl\"";
    let served = Served::with_server(&stage, lines, "");
    let log = || std::fs::read_to_string(stage.path("server.log")).unwrap();
    wait_until("the log says so", || log().contains("client_crl_file was to be replaced at 2020-01-01"));
    let url = secrets(&served);
    let ask = || status(&stage, &served, &["--cert", "mesh.pem", "--key", "mesh.key", &url]);
    assert_eq!(ask(), "401");
    stage.openssl(list);
    succeed(std::process::Command::new("kill").args(["-s", "HUP", &served.pid().to_string()]));
    wait_until("the new list is read", || ask() == "200");
    stage.file("clients.crl", "nothing");
    succeed(std::process::Command::new("kill").args(["-s", "HUP", &served.pid().to_string()]));
    wait_until("the log says so", || log().contains("clients.crl holds no revocation list"));
    assert_eq!(ask(), "200");
}

/// haproxy, which speaks each version of the PROXY protocol on a port of its own. It comes from another address than its
/// clients do, so that the server can tell it from them.
fn haproxy(stage: &Stage, served: &Served) -> (Running, [u16; 2]) {
    let ports = [free_port(), free_port()];
    let way = |port: u16, option: &str| {
        format!(
            "listen {option}\n  bind 127.0.0.1:{port}\n  server vault 127.0.0.1:{} {option} source 127.0.0.9\n",
            port_of(served)
        )
    };
    let configuration = format!(
        "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 30s\n  timeout server 30s\n{}{}",
        way(ports[0], "send-proxy"),
        way(ports[1], "send-proxy-v2")
    );
    let file = stage.file("haproxy.cfg", configuration);
    let running = Running::start(stage.command("haproxy").args(["-f", &file, "-db"]).stdout(Stdio::null()));
    for port in ports {
        wait_until("haproxy listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }
    (running, ports)
}

fn port_of(served: &Served) -> &str {
    served.url().rsplit(':').next().unwrap()
}

/// Arguments for curl: it comes from this address, and goes to this port, whatever the vault's address says.
fn over(from: &str, served: &Served, port: &str) -> Vec<String> {
    let host = served.url().trim_start_matches("https://").to_owned();
    ["--interface", from, "--connect-to", &format!("{host}:127.0.0.1:{port}")].map(str::to_owned).to_vec()
}

/// The status that curl is answered which comes from this address and goes to this port.
fn status_over(from: &str, port: &str, stage: &Stage, served: &Served, more: &[&str]) -> String {
    let (over, url) = (over(from, served, port), secrets(served));
    let arguments = over.iter().map(String::as_str).chain(more.iter().copied()).chain([url.as_str()]);
    status(stage, served, &arguments.collect::<Vec<_>>())
}

#[test]
fn behind_haproxy_a_client_is_where_it_is_and_has_its_own_certificate() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    authority(&stage);
    identity_with(&stage, "mesh", &ROLES);
    stage.strongroom("identity name add mesh dns:mesh.example.com");
    let lines = "client_ca_file = \"clients.pem\"\ntrusted_proxies = [\"127.0.0.9\"]\nproxy_protocol = true";
    let served = Served::with_server(&stage, lines, "allow_from = [\"127.0.0.3\"]");
    let (_haproxy, ports) = haproxy(&stage, &served);
    let ask = |from: &str, port: &str, more: &[&str]| status_over(from, port, &stage, &served, more);
    let certificate = ["--cert", "mesh.pem", "--key", "mesh.key"];
    for port in ports.map(|port| port.to_string()) {
        assert_eq!(ask("127.0.0.3", &port, &[]), "401");
        assert_eq!(ask("127.0.0.3", &port, &certificate), "200");
        assert_eq!(ask("127.0.0.4", &port, &certificate), "403");
    }
    // Without haproxy, and with a line of their own that haproxy doesn't write.
    assert_eq!(ask("127.0.0.3", port_of(&served), &certificate), "200");
    assert_eq!(ask("127.0.0.4", port_of(&served), &certificate), "403");
    let mut spoofing = served.bare_client(&stage, "curl");
    spoofing.args(["--silent", "--haproxy-protocol", "--cacert", "ca.pem"]).args(over(
        "127.0.0.3",
        &served,
        port_of(&served),
    ));
    assert!(!spoofing.arg(secrets(&served)).output().unwrap().status.success());
}

/// nginx, which ends TLS and speaks HTTP to the server. It adds the address of its client to what that says itself.
fn nginx(stage: &Stage, served: &Served) -> (Running, String) {
    let (port, folder) = (free_port(), stage.at("."));
    stage.openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=front -days 2 -keyout front.key -out front.pem");
    let configuration = format!(
        "daemon off;\nmaster_process off;\npid {folder}/front.pid;\nerror_log {folder}/front.log;\nevents {{}}\nhttp {{\n  access_log off;\n\
         server {{\n    listen 127.0.0.1:{port} ssl;\n    ssl_certificate front.pem;\n    ssl_certificate_key front.key;\n\
         location / {{\n      proxy_pass https://127.0.0.1:{};\n      proxy_bind 127.0.0.9;\n\
         proxy_ssl_certificate mesh.pem;\n      proxy_ssl_certificate_key mesh.key;\n\
         proxy_set_header Host $http_host;\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n    }}\n  }}\n}}\n",
        port_of(served)
    );
    let file = stage.file("front.conf", configuration);
    let mut command = stage.command("nginx");
    let running = Running::start(command.args(["-e", "stderr", "-p", &folder, "-c", &file]));
    wait_until("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (running, port.to_string())
}

#[test]
fn behind_nginx_a_client_is_where_nginx_says_and_not_where_it_says_itself() {
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    authority(&stage);
    // nginx has a certificate that counts; nobody behind it does by that.
    identity_with(&stage, "mesh", &ROLES);
    stage.strongroom("identity name add mesh dns:mesh.example.com");
    let lines = "client_ca_file = \"clients.pem\"\ntrusted_proxies = [\"127.0.0.9\"]\nforwarded = \"x-forwarded-for\"";
    let served = Served::with_server(&stage, lines, "allow_from = [\"127.0.0.3\"]");
    let (_nginx, port) = nginx(&stage, &served);
    // Its certificate is its own.
    let ask = |from: &str, port: &str, more: &[&str]| {
        status_over(from, port, &stage, &served, &[more, &["--insecure"]].concat())
    };
    let spoofed = ["--header", "X-Forwarded-For: 127.0.0.3", "--header", "Forwarded: for=127.0.0.3"];
    assert_eq!((ask("127.0.0.3", &port, &[]), ask("127.0.0.4", &port, &[])), ("401".into(), "403".into()));
    assert_eq!(
        (ask("127.0.0.4", &port, &spoofed), ask("127.0.0.4", port_of(&served), &spoofed)),
        ("403".into(), "403".into())
    );
    assert_eq!(ask("127.0.0.3", port_of(&served), &spoofed), "401");
}
