//! Who is at the other end of a connection, as the server knows it without any token, over real sockets: clients with
//! certificates and processes of this machine.
#![cfg(feature = "server")]

#[path = "../serving/mod.rs"]
mod serving;

mod authorities;
mod certificates;
mod cross_site;
mod http2;
mod limits;
mod machine;
mod network;
mod scene;
mod taken;
