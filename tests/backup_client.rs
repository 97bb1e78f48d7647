//! A program that uses the module goes on while `strongroom restore` brings its vault back to a backup: its session, its
//! login and its handles stay, a key that is gone is refused at once, one that came back is found.
#![allow(unsafe_code)]

mod stage;

use std::process::Command;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use stage::{PIN, Stage, cli, set_mode, succeed};

fn private_key(session: &Session, label: &str) -> Option<ObjectHandle> {
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(label.into())];
    session.find_objects(&template).unwrap().pop()
}

fn sign(session: &Session, key: ObjectHandle) -> Result<usize, Error> {
    session.sign(&Mechanism::Ecdsa, key, &[7; 32]).map(|signature| signature.len())
}

#[test]
fn a_program_goes_on_signing_while_its_vault_is_restored_in_place() {
    // The token as a program made it: without a recovery key.
    let stage = Stage::new();
    let passphrase = stage.file("passphrase", "a long passphrase");
    set_mode(passphrase.as_ref(), 0o600);
    for label in ["kept", "gone"] {
        stage.strongroom(&format!("key create {label} --kind p-256"));
    }
    stage.strongroom("backup create backup --passphrase-file passphrase");
    stage.strongroom("key delete gone --yes");
    stage.strongroom("key create newer --kind p-256");

    // SAFETY: this is the only test of this program, and no other thread of it looks at the environment.
    unsafe { std::env::set_var("STRONGROOM_VAULT", stage.vault()) };
    let pkcs11 = Pkcs11::new(stage::module()).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let session = pkcs11.open_rw_session(pkcs11.get_all_slots().unwrap()[0]).unwrap();
    session.login(UserType::User, Some(&AuthPin::new(PIN.into()))).unwrap();
    let (kept, newer) = (private_key(&session, "kept").unwrap(), private_key(&session, "newer").unwrap());
    assert!(private_key(&session, "gone").is_none());
    assert_eq!((sign(&session, kept).unwrap(), sign(&session, newer).unwrap()), (64, 64));

    // By somebody who has the backup and its passphrase, and no PIN.
    let mut restore: Command = stage.command(cli());
    succeed(restore.args(["restore", "backup", "--passphrase-file", "passphrase", "--yes"]));

    assert_eq!(sign(&session, kept).unwrap(), 64);
    match sign(&session, newer) {
        Err(Error::Pkcs11(RvError::KeyHandleInvalid, _)) => {}
        other => panic!("{other:?}"),
    }
    let back = private_key(&session, "gone").expect("what was deleted is found again");
    assert_eq!(sign(&session, back).unwrap(), 64);
    assert!(private_key(&session, "newer").is_none());
    let template = [Attribute::Token(true), Attribute::Private(true), Attribute::Label(b"written".to_vec())];
    let class = Attribute::Class(ObjectClass::DATA);
    session.create_object(&[&template[..], &[class, Attribute::Value(b"v".to_vec())]].concat()).unwrap();
    assert!(stage.strongroom("secret list").contains("written"));
    session.logout().unwrap();
}
