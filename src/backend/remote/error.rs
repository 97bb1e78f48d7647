//! Why a remote vault gave no answer: at which step, and what to check.

use std::fmt;

use crate::vault::VaultError;

/// The steps of a request, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Finding the host's address.
    Dns,
    /// Connecting.
    Tcp,
    /// Asking a proxy for a tunnel.
    Proxy,
    /// Shaking hands.
    Tls,
    /// Believing the server's certificate.
    Certificate,
    /// Comparing its key with `tls_pins`.
    Pin,
    /// Sending the request and reading the answer.
    Http,
}

/// A request without an answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {advice}")]
pub struct Failure {
    /// How far it came.
    pub step: Step,
    /// The host and port, or the socket.
    pub endpoint: String,
    /// What happened.
    pub what: String,
    /// What to look at.
    pub advice: String,
    /// The time was over; not an error that the system or the server gave.
    pub timed_out: bool,
    /// The request may have reached the server.
    pub sent: bool,
    /// A server that is starting anew looks so.
    pub may_pass: bool,
}

impl Failure {
    /// At this step of reaching this endpoint.
    pub fn at(step: Step, endpoint: &str, what: impl fmt::Display) -> Self {
        Self {
            step,
            endpoint: endpoint.to_owned(),
            what: format!("{endpoint}: {what}"),
            advice: advice(step).to_owned(),
            timed_out: false,
            sent: false,
            may_pass: matches!(step, Step::Tcp | Step::Http),
        }
    }

    /// The time was over.
    pub fn timed_out(step: Step, endpoint: &str) -> Self {
        let what = match step {
            Step::Dns => "no name server answered in time",
            Step::Tcp => "no connection came about in time",
            Step::Proxy => "the proxy didn't answer in time",
            Step::Tls | Step::Certificate | Step::Pin => "it didn't finish the TLS handshake in time",
            Step::Http => "it didn't answer in time",
        };
        Self { timed_out: true, may_pass: false, ..Self::at(step, endpoint, what) }
    }

    /// With other advice.
    #[must_use]
    pub fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }

    /// After the request, or a part of it, had gone out.
    #[must_use]
    pub fn after_sending(self) -> Self {
        Self { sent: true, ..self }
    }

    /// As the vault at `location` tells it.
    pub fn of_vault(self, location: impl fmt::Display) -> VaultError {
        VaultError::Unreachable { location: location.to_string(), what: format!("{}: {}", self.what, self.advice) }
    }
}

fn advice(step: Step) -> &'static str {
    match step {
        Step::Dns => {
            "check the name, /etc/resolv.conf and that its name servers can be reached, or write it into /etc/hosts"
        }
        Step::Tcp => "check the address, that the server runs, and that no firewall is between",
        Step::Proxy => "check `proxy` in the configuration, and that the proxy lets this host through",
        Step::Tls => "check that this is the vault's address and that it speaks TLS 1.2 or 1.3",
        Step::Certificate => "check the address, this machine's clock and `ca_file`",
        Step::Pin => {
            "if the server has a new key, put its pin into the configuration; if it hasn't, somebody is in between"
        }
        Step::Http => "check the server's log and load, and what lies between",
    }
}
