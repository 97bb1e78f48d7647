//! The way to a vault, step by step, for who wants to know which step fails: each address of it by a new connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::session::API_VERSION;
use crate::backend::remote::{Budget, Client, Request, Resolver, Step};
use crate::config::AzureConfig;

/// What came of one address.
pub struct Reached {
    /// Its host and port, or the socket.
    pub place: String,
    /// How far it came, and why no further; `None`: it answered as a vault does.
    pub trouble: Option<(Stage, String)>,
    /// How far this machine's clock is from the vault's, if it says its own.
    pub clock: Option<Apart>,
}

/// Where the way ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The host has no address.
    Name,
    /// Nobody takes a connection, or a proxy stands in the way.
    Connection,
    /// It isn't the server that is meant, or can't show it.
    Tls,
    /// What answers is no vault.
    Answer,
}

/// A difference between two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// How much.
    pub by: Duration,
    /// Whether this machine's is the one that is behind.
    pub behind: bool,
}

/// Asks each address where its tokens come from, and nothing else.
pub fn reach(config: &AzureConfig) -> Vec<Reached> {
    let resolver = Arc::new(Resolver::of_system());
    let client = Client::of_vault(&config.remote, &resolver);
    let target = format!("/keys?maxresults=1&api-version={API_VERSION}");
    let request = Request { method: "GET", target: &target, headers: &[], bearer: None, body: None };
    let answers = client.at_each(&request, || Budget::of(config.remote.timeout));
    let told = |(place, answer): (String, _)| match answer {
        Err(failure) => {
            let failure: crate::backend::remote::Failure = failure;
            Reached { place, trouble: Some((stage(failure.step), failure.to_string())), clock: None }
        }
        Ok(response) => {
            let response: crate::backend::remote::Response = response;
            // Without a token it says who gives them, or takes the connection itself for the identity.
            let is_vault = matches!(response.status, 200 | 401 | 403 | 429);
            let problem = || format!("{place} answered {} to a request for its keys", response.status);
            Reached {
                trouble: (!is_vault).then(|| (Stage::Answer, problem())),
                clock: response.header("date").and_then(apart),
                place,
            }
        }
    };
    answers.into_iter().map(told).collect()
}

fn stage(step: Step) -> Stage {
    match step {
        Step::Dns => Stage::Name,
        Step::Tcp | Step::Proxy => Stage::Connection,
        Step::Tls | Step::Certificate | Step::Pin => Stage::Tls,
        Step::Http => Stage::Answer,
    }
}

fn apart(date: &str) -> Option<Apart> {
    let (there, here) = (httpdate::parse_http_date(date).ok()?, SystemTime::now());
    Some(match there.duration_since(here) {
        Ok(by) => Apart { by, behind: true },
        Err(error) => Apart { by: error.duration(), behind: false },
    })
}
