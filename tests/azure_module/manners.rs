//! What the module leaves in a program that used a vault that is elsewhere: no thread, and after `C_Finalize` no socket.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;

use crate::stage::served::Way;
use crate::stage::{Stage, is_ours, module};

fn sockets() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = links.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// The module in this process, which is this test's alone.
#[test]
fn no_thread_is_started_and_no_socket_is_left_after_finalize() {
    if !is_ours() {
        return;
    }
    let stage = Stage::at_server(Way::Tls, &["Key Vault Administrator"]);
    stage.key_pair("EC:prime256v1", "www", "01");
    // SAFETY: nothing else in this process reads its environment now; nextest runs each test in a process of its own.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("STRONGROOM_CONF", stage.path("module.toml"));
    }
    let before = (sockets(), threads());
    for round in 0..3 {
        let pkcs11 = Pkcs11::new(module()).unwrap();
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let session = pkcs11.open_ro_session(pkcs11.get_slots_with_token().unwrap()[0]).unwrap();
        session.login(UserType::User, Some(&AuthPin::new(stage.pin().to_owned().into()))).unwrap();
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(b"www".to_vec())];
        let key = session.find_objects(&template).unwrap()[0];
        session.sign(&Mechanism::Ecdsa, key, &[7; 32]).unwrap();
        assert!(sockets() > before.0, "a connection is kept for the next signature");
        assert_eq!(threads(), before.1);
        // Some programs end without closing what they opened.
        std::mem::forget(session);
        pkcs11.finalize().unwrap();
        assert_eq!((sockets(), threads()), before, "round {round}");
    }
}
