//! How many requests a use of the module makes, counted on the way: a relay of the test's own before the server's socket.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

use crate::program::turn;
use crate::stage::served::{Served, Way};
use crate::stage::{Stage, is_ours, module};

/// Passes connections on and keeps the first line of every request.
pub struct Relay(Arc<Mutex<Vec<String>>>);

impl Relay {
    pub fn start(at: &Path, to: PathBuf) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // Who finds no server is told by the end of their connection.
                let Ok(server) = UnixStream::connect(&to) else { continue };
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
    pub fn requests(&self) -> Vec<String> {
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

/// The module in this process, of which there is one: tests take turns. Its requests pass a relay.
struct Client {
    stage: Stage,
    relay: Relay,
    pkcs11: Pkcs11,
    session: Option<Session>,
    _turn: MutexGuard<'static, ()>,
}

impl Client {
    fn new(refresh: &str, prepare: impl FnOnce(&Stage)) -> Self {
        let turn = turn();
        let mut stage = Stage::at_server(Way::Socket, &["Key Vault Administrator"]);
        prepare(&stage);
        let served: &Served = stage.served.as_ref().unwrap();
        let relay = Relay::start(&stage.path("relay"), served.socket());
        let table = served
            .table_at(Way::Socket, &stage.path("relay"))
            .replace("refresh = 1\n", &format!("refresh = {refresh}\ntimeout = 2\n"));
        stage.configure(&table);
        // SAFETY: only who holds the turn touches the environment.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var("STRONGROOM_CONF", stage.path("module.toml"));
        }
        let pkcs11 = Pkcs11::new(module()).unwrap();
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let slot = pkcs11.get_slots_with_token().unwrap()[0];
        let session = Some(pkcs11.open_rw_session(slot).unwrap());
        Self { stage, relay, pkcs11, session, _turn: turn }
    }

    fn session(&self) -> &Session {
        self.session.as_ref().unwrap()
    }

    fn log_in(&self) {
        let pin = AuthPin::new(self.stage.pin().to_owned().into());
        self.session().login(UserType::User, Some(&pin)).unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.session = None;
        let _ = self.pkcs11.clone().finalize();
    }
}

#[test]
fn one_signature_is_one_request_also_when_its_length_is_asked_first() {
    if !is_ours() {
        return;
    }
    let client = Client::new("3600", |stage| stage.key_pair("EC:prime256v1", "www", "01"));
    let (relay, session) = (&client.relay, client.session());
    assert_eq!(relay.requests(), Vec::<String>::new(), "nothing is asked before it is needed");

    client.log_in();
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

    signs_with_one_request(relay, session, key);
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

/// What only a vault elsewhere has: AES whose key isn't here.
#[test]
fn aes_in_parts_is_one_request_and_keys_are_wrapped_where_the_key_is() {
    if !is_ours() {
        return;
    }
    let client = Client::new("3600", |_| {});
    let (relay, session) = (&client.relay, client.session());
    client.log_in();
    let aes = |usages: [Attribute; 2]| {
        let common = [Attribute::Token(true), Attribute::Private(true), Attribute::ValueLen(32.into())];
        session.generate_key(&Mechanism::AesKeyGen, &[&common[..], &usages].concat()).unwrap()
    };
    let key = aes([Attribute::Encrypt(true), Attribute::Decrypt(true)]);
    let wrapping = aes([Attribute::Wrap(true), Attribute::Unwrap(true)]);
    relay.requests();
    let whole = session.encrypt(&Mechanism::AesCbcPad([7; 16]), key, &[9; 100]).unwrap();
    assert_eq!(whole.len(), 112);
    assert_eq!(relay.requests().len(), 1, "its length was asked for too");
    session.encrypt_init(&Mechanism::AesCbcPad([7; 16]), key).unwrap();
    for part in [9; 100].chunks(33) {
        assert_eq!(session.encrypt_update(part).unwrap(), b"");
    }
    assert_eq!(relay.requests(), Vec::<String>::new(), "parts are collected");
    assert_eq!(session.encrypt_final().unwrap(), whole);
    let asked = relay.requests();
    assert!(asked.len() == 1 && asked[0].contains("/encrypt?"), "{asked:?}");
    assert_eq!(session.decrypt(&Mechanism::AesCbcPad([7; 16]), key, &whole).unwrap(), [9; 100]);
    let mut forged = whole.clone();
    *forged.last_mut().unwrap() ^= 1;
    let refused = session.decrypt(&Mechanism::AesCbcPad([7; 16]), key, &forged);
    assert!(matches!(refused, Err(Error::Pkcs11(RvError::EncryptedDataInvalid, _))), "{refused:?}");

    let value = [Attribute::Value(vec![5; 32]), Attribute::Extractable(true), Attribute::Sensitive(false)];
    let kind = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES), Attribute::Token(false)];
    let brought = session.create_object(&[&kind[..], &value].concat()).unwrap();
    session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap();
    relay.requests();
    let wrapped = session.wrap_key(&Mechanism::AesKeyWrap, wrapping, brought).unwrap();
    assert_eq!(wrapped.len(), 40);
    let asked = relay.requests();
    assert!(asked.len() == 1 && asked[0].contains("/wrapkey?"), "{asked:?}");
    let here = [&kind[..], &[Attribute::Extractable(true), Attribute::Sensitive(false)]].concat();
    let back = session.unwrap_key(&Mechanism::AesKeyWrap, wrapping, &wrapped, &here).unwrap();
    match &session.get_attributes(back, &[AttributeType::Value]).unwrap()[..] {
        [Attribute::Value(value)] => assert_eq!(value, &[5; 32]),
        other => panic!("{other:?}"),
    }
    // What could not be kept there is refused before it is here.
    relay.requests();
    let there = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES), Attribute::Token(true)];
    let refused = session.unwrap_key(&Mechanism::AesKeyWrap, wrapping, &wrapped, &there);
    assert!(matches!(refused, Err(Error::Pkcs11(RvError::TemplateInconsistent, _))), "{refused:?}");
    assert_eq!(relay.requests(), Vec::<String>::new());
    let kept = [&there[..], &[Attribute::Extractable(false), Attribute::Encrypt(true)]].concat();
    session.unwrap_key(&Mechanism::AesKeyWrap, wrapping, &wrapped, &kept).unwrap();
    // An ordinary question about the key there finds no value and no error.
    session.get_attributes(key, &[AttributeType::CheckValue, AttributeType::Id]).unwrap();
}

#[test]
fn without_a_server_the_list_serves_on_and_with_it_the_same_session() {
    if !is_ours() {
        return;
    }
    // A search that comes later than this reads the list anew.
    let mut client = Client::new("\"100ms\"", |stage| stage.key_pair("EC:prime256v1", "www", "01"));
    client.log_in();
    let find = |client: &Client| {
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(b"www".to_vec())];
        client.session().find_objects(&template).unwrap()
    };
    let sign = |client: &Client, key| client.session().sign(&Mechanism::Ecdsa, key, &[7; 32]);
    let key = find(&client)[0];
    sign(&client, key).unwrap();
    client.stage.served.as_mut().unwrap().kill();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let lost = sign(&client, key);
    assert!(matches!(lost, Err(Error::Pkcs11(RvError::DeviceError, _))), "{lost:?}");
    assert_eq!(find(&client), [key]);
    client.stage.served.as_mut().unwrap().run();
    sign(&client, key).unwrap();
    client.stage.served.as_ref().unwrap().strongroom(&["key", "disable", "www"]);
    let disabled = sign(&client, key);
    assert!(matches!(disabled, Err(Error::Pkcs11(RvError::FunctionRejected, _))), "{disabled:?}");
    // What was disabled is not found once the list is read again, which waits a moment after it couldn't be.
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(find(&client), []);
}
