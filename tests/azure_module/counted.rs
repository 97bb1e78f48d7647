//! How many requests a use of the module makes, counted on the way: a relay of the test's own before the server's socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

use crate::stage::served::{Served, Way};
use crate::stage::{Stage, is_ours, module};

/// Passes connections on and keeps the first line of every request.
struct Relay(Arc<Mutex<Vec<String>>>);

impl Relay {
    fn start(at: &Path, to: PathBuf) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), UnixStream::connect(&to).unwrap());
                let (kept, back) = (Arc::clone(&kept), (server.try_clone().unwrap(), client.try_clone().unwrap()));
                thread::spawn(move || pass_on(back.0, back.1, |_| {}));
                thread::spawn(move || {
                    let mut text = Vec::new();
                    pass_on(client, server, |bytes| {
                        text.extend_from_slice(bytes);
                        while let Some(end) = text.windows(2).position(|pair| pair == b"\r\n") {
                            let line: Vec<u8> = text.drain(..end + 2).collect();
                            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                            // A body has no line's end, and what follows it begins the next request.
                            if let Some(place) = line.find(" HTTP/1.1") {
                                let verb = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "];
                                let start = verb.iter().filter_map(|verb| line[..place].rfind(verb)).max().unwrap_or(0);
                                let line = line[start..place].to_owned();
                                kept.lock().unwrap().push(line);
                            }
                        }
                    });
                });
            }
        });
        Self(seen)
    }

    /// What was asked since this was called last.
    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn pass_on(mut from: UnixStream, mut to: UnixStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 << 10];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        see(&buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// The module in this process, before any other test of this program can have changed its environment.
#[test]
fn one_signature_is_one_request_also_when_its_length_is_asked_first() {
    if !is_ours() {
        return;
    }
    let mut stage = Stage::at_server(Way::Socket, &["Key Vault Administrator"]);
    stage.key_pair("EC:prime256v1", "www", "01");
    let served: &Served = stage.served.as_ref().unwrap();
    let relay = Relay::start(&stage.path("relay"), served.socket());
    let table = served.table_at(Way::Socket, &stage.path("relay")).replace("refresh = 1\n", "refresh = 3600\n");
    stage.configure(&table);
    // SAFETY: nothing else in this process reads its environment now; nextest runs each test in a process of its own.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("STRONGROOM_CONF", stage.path("module.toml"));
    }
    let pkcs11 = Pkcs11::new(module()).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = pkcs11.get_slots_with_token().unwrap()[0];
    let session = pkcs11.open_ro_session(slot).unwrap();
    assert_eq!(relay.requests(), Vec::<String>::new(), "nothing is asked before it is needed");

    session.login(UserType::User, Some(&AuthPin::new(stage.pin().to_owned().into()))).unwrap();
    let cold = relay.requests();
    assert_eq!(cold.len(), 2, "a challenge and a token: {cold:?}");
    assert!(cold[0].starts_with("GET /keys?") && cold[1].ends_with("/oauth2/v2.0/token"), "{cold:?}");

    let find = || {
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(b"www".to_vec())];
        session.find_objects(&template).unwrap()[0]
    };
    let key = find();
    // Keys, the one's versions, its public part; certificates and secrets, of which there are none.
    let listing = relay.requests();
    assert_eq!(listing.len(), 5, "{listing:?}");
    assert_eq!(find(), key);
    assert_eq!(relay.requests(), Vec::<String>::new(), "what was found once costs nothing to find again");

    signs_with_one_request(&relay, &session, key);
}

fn signs_with_one_request(relay: &Relay, session: &Session, key: ObjectHandle) {
    for _ in 0..10 {
        // It asks for the length first.
        let signature = session.sign(&Mechanism::Ecdsa, key, &[7; 32]).unwrap();
        assert_eq!(signature.len(), 64);
        let asked = relay.requests();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert!(asked[0].starts_with("POST /keys/www/") && asked[0].contains("/sign?api-version="), "{asked:?}");
    }
    // A hash of ours and no request for it; and verifying needs none.
    let signature = session.sign(&Mechanism::EcdsaSha256, key, b"a message").unwrap();
    assert_eq!(relay.requests().len(), 1);
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Label(b"www".to_vec())];
    let public = session.find_objects(&template).unwrap()[0];
    session.verify(&Mechanism::EcdsaSha256, public, b"a message", &signature).unwrap();
    session.get_attributes(key, &[AttributeType::Id]).unwrap();
    assert_eq!(relay.requests(), Vec::<String>::new());
}
