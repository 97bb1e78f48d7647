//! Every interleaving of a few threads at the locks of the session table, tried one after the other by `loom`: handles and
//! operation states hold in each. `scripts/test` runs it; by hand
//! `cargo rustc --lib --profile test -- --cfg strongroom_loom`, then the program in `target/debug/deps` with `interleavings`.

use std::sync::Arc;

use cryptoki_sys::*;
use loom::thread;

use super::Session;
use super::table::Table;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::{Allowed, Parameter, Request};
use crate::pkcs11::operation::{Kind, Operation};
use crate::pkcs11::slot::Slot;
use crate::vault::VaultInfo;

const STALE: Rv = Rv(CKR_SESSION_HANDLE_INVALID);

/// Runs `model` in every interleaving, over a slot of no vault.
fn in_every_interleaving(model: impl Fn(Arc<Table>, Arc<Slot>) + Sync + Send + 'static) {
    let config = crate::config::Config {
        source: None,
        vaults: vec![crate::config::VaultConfig::local("vault", "/nonexistent/vault")],
        vaults_dir: "/nonexistent".into(),
        log: None,
        server: None,
        discovery: None,
        passed_over: None,
    };
    let vault = crate::backend::open_all(&config).unwrap().remove(0);
    let slot = Arc::new(Slot::new(1, vault, Allowed::default(), &VaultInfo::default()));
    loom::model(move || model(Arc::new(Table::new()), slot.clone()));
}

fn open(table: &Table, slot: &Arc<Slot>) -> CK_SESSION_HANDLE {
    let session = |handle| Session {
        handle,
        slot: slot.clone(),
        read_write: false,
        operation: Operation::Idle,
        ciphering: None,
        results: Vec::new(),
    };
    table.insert(session).unwrap()
}

fn digest(table: &Table, session: CK_SESSION_HANDLE) -> Result<(), Rv> {
    table.get(session)?.digest_init(Request { number: CKM_SHA256, parameter: Parameter::Plain(&[]) })
}

fn update(table: &Table, session: CK_SESSION_HANDLE) -> Result<(), Rv> {
    table.get(session)?.step(Kind::Digest, |session| session.digest_update(b"part"))
}

fn cancel(table: &Table, session: CK_SESSION_HANDLE) -> Result<(), Rv> {
    table.get(session)?.cancel(Kind::Digest)
}

#[test]
fn a_stale_handle_never_names_a_later_session() {
    in_every_interleaving(|table, slot| {
        let first = open(&table, &slot);
        let other = {
            let (table, slot) = (table.clone(), slot.clone());
            thread::spawn(move || {
                table.remove(first).unwrap();
                open(&table, &slot)
            })
        };
        // Before, between or after: the session itself, or none.
        match table.get(first) {
            Ok(session) => assert_eq!(session.handle, first),
            Err(code) => assert_eq!(code, STALE),
        }
        let second = other.join().unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(first).err(), Some(STALE));
        assert_eq!(table.handles(|_| true), [second]);
    });
}

#[test]
fn a_session_is_closed_once() {
    in_every_interleaving(|table, slot| {
        let session = open(&table, &slot);
        let other = {
            let table = table.clone();
            thread::spawn(move || table.remove(session).is_ok())
        };
        let here = table.remove(session).is_ok();
        assert!(here ^ other.join().unwrap());
        // Its place is free once: two that are opened now are two.
        assert_ne!(open(&table, &slot), open(&table, &slot));
        assert_eq!(table.handles(|_| true).len(), 2);
    });
}

#[test]
fn sessions_that_are_opened_at_once_have_a_place_each() {
    in_every_interleaving(|table, slot| {
        let closed = open(&table, &slot);
        let opening = [(); 2].map(|()| {
            let (table, slot) = (table.clone(), slot.clone());
            thread::spawn(move || open(&table, &slot))
        });
        table.remove(closed).unwrap();
        let [one, other] = opening.map(|thread| thread.join().unwrap());
        assert!(one != other && one != closed && other != closed);
        for handle in [one, other] {
            assert_eq!(table.get(handle).unwrap().handle, handle);
        }
    });
}

#[test]
fn who_lists_sessions_sees_all_that_stay_and_none_that_is_stale() {
    in_every_interleaving(|table, slot| {
        let stays = open(&table, &slot);
        let other = {
            let (table, slot) = (table.clone(), slot.clone());
            thread::spawn(move || {
                let passes = open(&table, &slot);
                table.remove(passes).unwrap();
            })
        };
        assert!(table.handles(|_| true).contains(&stays));
        other.join().unwrap();
        assert_eq!(table.handles(|_| true), [stays]);
    });
}

#[test]
fn an_operation_belongs_to_who_began_it() {
    in_every_interleaving(|table, slot| {
        let session = open(&table, &slot);
        let work = move |table: &Table| match digest(table, session) {
            Ok(()) => {
                // Nobody who was refused can have ended or continued it.
                assert_eq!(update(table, session), Ok(()));
                assert_eq!(cancel(table, session), Ok(()));
                true
            }
            Err(code) => {
                assert_eq!(code, Rv(CKR_OPERATION_ACTIVE));
                false
            }
        };
        let other = {
            let table = table.clone();
            thread::spawn(move || work(&table))
        };
        let here = work(&table);
        assert!(here | other.join().unwrap(), "one of them comes first");
        assert_eq!(update(&table, session), Err(Rv(CKR_OPERATION_NOT_INITIALIZED)));
    });
}

#[test]
fn ending_all_operations_or_the_session_under_way_leaves_none() {
    in_every_interleaving(|table, slot| {
        let [session, closed] = [open(&table, &slot), open(&table, &slot)];
        let other = {
            let table = table.clone();
            // What `C_Logout` does to sessions, and `C_CloseSession`.
            thread::spawn(move || {
                for handle in table.handles(|_| true) {
                    table.get(handle).unwrap().end_all();
                }
                table.remove(closed).unwrap();
            })
        };
        digest(&table, session).unwrap();
        let updated = update(&table, session);
        assert!(matches!(updated, Ok(()) | Err(Rv(CKR_OPERATION_NOT_INITIALIZED))), "{updated:?}");
        let begun = digest(&table, closed);
        assert!(matches!(begun, Ok(()) | Err(STALE)), "{begun:?}");
        other.join().unwrap();
        assert_eq!(update(&table, closed), Err(STALE));
    });
}
