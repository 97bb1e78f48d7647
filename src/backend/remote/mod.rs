//! What every vault has in common that is elsewhere: how it is reached, and what becomes of a call when it isn't.
//!
//! A request runs wholly on the thread that asks: no thread is started, no runtime, no signal handler. It has one budget of
//! time over finding the address, connecting, TLS, sending, waiting and repeating. Connections are kept and shared by
//! threads, one request on each at a time. A forked child shares none of them: it makes a [`Client`] of its own from the
//! same configuration, and what the parent had is closed there without a word ([`crate::sys::socket`]).
//!
//! HTTP/1.1 is spoken here, with `httparse` for heads and chunks and `rustls` below, and not by a client library. The one
//! that blocks and starts no runtime, ureq, was tried first (3.5): it resolves the host's name before it looks whether it
//! has a connection, so that each signature would ask the DNS; it can't say whether a connection that failed was a kept
//! one, which decides whether a request may be sent again; it resolves with a thread; and it leaves the token and the
//! bodies, which may be keys, in memory that isn't wiped. Each could be worked around by its connector and resolver, which
//! change with minor versions, and little of it would have remained.
//!
//! Nothing here knows a vault's interface: requests, answers and tokens are bytes.

mod budget;
mod client;
mod connect;
mod error;
mod http;
mod own_text;
mod pool;
mod resolve;
mod retry;
pub mod signer;
mod stream;
mod tcp;
mod tls;
mod token;

pub use budget::Budget;
pub use client::{Client, Endpoint, Repeat, Request};
pub use error::{Failure, Step};
pub use http::Response;
pub use own_text::OwnText;
pub use resolve::Resolver;
pub use tls::Trust;
pub use token::{Token, TokenKeeper};
