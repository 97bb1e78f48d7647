//! Where the server listens: sockets with their modes, what lay there before, and addresses that are taken.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use strongroom::server::listen::{Limits, ListenError, Listeners, SOCKET_MODE};

use crate::stage::{Identity, Server};

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    assert!(metadata.file_type().is_socket());
    metadata.permissions().mode() & 0o7777
}

#[test]
fn the_socket_has_the_mode_that_was_asked_for_and_is_gone_with_its_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    for asked in [SOCKET_MODE, 0o600, 0o666] {
        let mut listeners = Listeners::new();
        listeners.machine(&path, asked).unwrap();
        assert_eq!(mode(&path), asked);
        drop(listeners);
        assert!(!path.exists());
    }
}

#[test]
fn a_socket_that_a_dead_server_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    Listeners::new().machine(&path, SOCKET_MODE).unwrap();
}

#[test]
fn a_socket_on_which_somebody_listens_is_left_alone() {
    let server = Server::new(Limits::default());
    let refused = Listeners::new().machine(&server.socket(), SOCKET_MODE).unwrap_err();
    assert!(matches!(refused, ListenError::SocketInUse { .. }), "{refused}");
    // A program that isn't ours holds no lock.
    let foreign = server.folder.path().join("foreign");
    let _listener = UnixListener::bind(&foreign).unwrap();
    let refused = Listeners::new().machine(&foreign, SOCKET_MODE).unwrap_err();
    assert!(matches!(refused, ListenError::SocketInUse { .. }), "{refused}");
    assert!(server.socket().exists() && foreign.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "precious").unwrap();
    let refused = Listeners::new().machine(&path, SOCKET_MODE).unwrap_err();
    assert!(matches!(refused, ListenError::NoSocket { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn an_address_that_is_taken_or_not_ours_is_named() {
    let server = Server::new(Limits::default());
    let tls = Identity::new().tls();
    for address in [server.address, "192.0.2.1:443".parse().unwrap()] {
        let refused = Listeners::new().network(address, tls.clone()).unwrap_err();
        assert!(refused.to_string().starts_with(&format!("can't listen at {address}: ")), "{refused}");
    }
}
