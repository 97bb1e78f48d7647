//! Clients that are slow, silent or greedy beside others that sign: the others are served as if they were alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::client::Client;
use crate::scene::{Scene, Served};

const DIGEST: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

struct Place {
    client: Client,
    _served: Served,
    _scene: Scene,
}

impl Place {
    fn new() -> Self {
        let (scene, served) = Scene::new();
        let client = scene.client(&served);
        client.ask("POST", "/keys/ec/create", &json!({"kty": "EC"})).with(200);
        Self { client, _served: served, _scene: scene }
    }

    /// Signs on a connection that stays and on new ones, while `others` is held.
    fn serves_while<T>(&self, others: T) -> T {
        let body = json!({"alg": "ES256", "value": DIGEST});
        let mut stays = self.client.connect().unwrap();
        for _ in 0..20 {
            stays.ask(&self.client, "POST", "/keys/ec//sign", &body).unwrap().with(200);
            self.client.ask("POST", "/keys/ec//sign", &body).with(200);
        }
        others
    }

    fn head(&self, length: usize) -> String {
        let (host, token) = (&self.client.host, &self.client.token);
        format!(
            "POST /keys/ec/sign?api-version=7.6 HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\
             content-length: {length}\r\n\r\n"
        )
    }
}

#[test]
fn a_handshake_that_never_ends_holds_nobody_up() {
    let place = Place::new();
    let half = |bytes: &[u8]| {
        let mut stream = place.client.bare().unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let silent: Vec<TcpStream> = (0..100).map(|_| half(b"")).collect();
    let begun: Vec<TcpStream> = (0..100).map(|_| half(&[0x16, 3, 1, 2, 0, 1])).collect();
    drop(place.serves_while((silent, begun)));
}

#[test]
fn requests_that_never_end_hold_nobody_up() {
    let place = Place::new();
    let begun: Vec<_> = (0..150)
        .map(|number| {
            let mut connection = place.client.connect().unwrap();
            let head = place.head(100);
            // A third ends within the header, a third before the body, a third within it.
            let part = [&head[..40], &head, &format!("{head}{{\"alg\"")][number % 3].to_owned();
            connection.send(part.as_bytes()).unwrap();
            connection
        })
        .collect();
    drop(place.serves_while(begun));
}

#[test]
fn clients_that_never_read_hold_nobody_up() {
    let place = Place::new();
    // More answers than the buffers between both ends hold.
    let target = format!("/openapi.json?{}", "x".repeat(100));
    let request = place.client.request("GET", &target, "application/json", b"");
    let stop = AtomicBool::new(false);
    let sent = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut connection = place.client.connect().unwrap();
                connection.0.get_mut().sock.set_nonblocking(true).unwrap();
                let mut stuck = 0;
                while !stop.load(Ordering::Relaxed) {
                    match connection.send(&request) {
                        Ok(()) => _ = sent.fetch_add(1, Ordering::Relaxed),
                        Err(_) => stuck += 1,
                    }
                    if stuck > 0 {
                        thread::sleep(std::time::Duration::from_millis(5));
                    }
                }
                assert!(stuck > 0, "the server took every request of a client that reads no answer");
            });
        }
        while sent.load(Ordering::Relaxed) < 200 {
            thread::yield_now();
        }
        place.serves_while(());
        // Long enough for all of them to get stuck, whatever the buffers hold.
        thread::sleep(std::time::Duration::from_secs(3));
        place.serves_while(());
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_thousand_idle_connections_hold_nobody_up() {
    assert!(strongroom::sys::open_files::raise_limit().unwrap() > 1200, "too few open files are allowed here");
    let place = Place::new();
    // From four addresses: one may have no more than 512.
    let idle: Vec<_> = (0..1000)
        .map(|number: u32| {
            let from = format!("127.0.1.{}:0", 1 + number % 4);
            connect_from(&from, &place.client)
        })
        .collect();
    let idle = place.serves_while(idle);
    // They are still there: none was closed to make room.
    for mut stream in idle {
        stream.set_nonblocking(true).unwrap();
        let error = stream.read(&mut [0]).expect_err("a connection was closed");
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }
}

fn connect_from(from: &str, client: &Client) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&from.parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&client.address.into()).unwrap();
    socket.into()
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_its_answer_holds_nobody_up() {
    let place = Place::new();
    for _ in 0..50 {
        let mut connection = place.client.connect().unwrap();
        connection.send(&place.client.request("GET", "/openapi.json", "application/json", b"")).unwrap();
        let _ = connection.0.get_mut().sock.shutdown(std::net::Shutdown::Both);
    }
    place.serves_while(());
    place.client.ask("GET", "/keys/ec", &Value::Null).with(200);
}
