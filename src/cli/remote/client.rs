//! Requests to a vault: the challenge first, then the token; what a busy server asks to be repeated is; and a refusal in
//! one sentence that says what the service said.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::http::{self, HeaderValue, Request, header};
use zeroize::Zeroizing;

use super::super::{Error, Result, ask};
use super::address::Address;
use super::authority::Authority;
use super::login::Credential;
use super::wire::Page;
use super::{Access, connection, variable};

/// What every request says; ours and Azure's know it.
const API_VERSION: &str = "7.5";
/// How long a busy server is waited for in all.
const PATIENCE: Duration = Duration::from_secs(30);
/// Advice where no resolver knows a host.
const NAME: &str = "check the name, or add it to /etc/hosts";
/// Longest answer that is read.
const MOST: usize = 4 << 20;
/// Room for a body that holds a secret: it is written without a buffer that grows.
const BODY_ROOM: usize = 256 << 10;
/// Pages of a list: a server that never ends is cut off.
const MOST_PAGES: usize = 100_000;

/// A vault at a server.
pub(super) struct Client {
    pub address: Address,
    agent: Agent,
    credential: Credential,
    token: OnceCell<Zeroizing<String>>,
}

/// What a server answered.
pub(super) struct Answer {
    pub status: u16,
    pub body: Zeroizing<Vec<u8>>,
    challenge: Option<String>,
}

/// The service's error body.
#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    error: Reason,
}

#[derive(Deserialize, Default)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    innererror: Option<Box<Reason>>,
}

impl Client {
    pub(super) fn new(address: Address, access: &Access) -> Result<Self> {
        let credential = Credential::find(access)?;
        Ok(Self { address, agent: connection::agent(access.ca.as_deref())?, credential, token: OnceCell::new() })
    }

    /// A GET of something that must exist.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T> {
        self.find(path)?.ok_or_else(|| Error::refused(format!("There is no {what} at {}.", self.address)))
    }

    /// A GET of something that may not exist.
    pub(super) fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let answer = self.send("GET", &with_version(path), None)?;
        match answer.status {
            404 => Ok(None),
            _ => self.read(&answer).map(Some),
        }
    }

    /// Everything that a list has, page after page.
    pub(super) fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut next = Some(with_version(path));
        for _ in 0..MOST_PAGES {
            let Some(path) = next else { return Ok(all) };
            let page: Page<T> = self.read(&self.send("GET", &path, None)?)?;
            all.extend(page.value);
            next = match page.next_link.filter(|link| !link.is_empty()) {
                None => None,
                Some(link) => Some(self.address.path_of(&link).ok_or_else(|| {
                    Error::refused(format!(
                        "{} continues its list at another host: nothing was sent there.",
                        self.address
                    ))
                })?),
            };
        }
        Err(Error::refused(format!("The list of {} has no end.", self.address)))
    }

    /// A request that changes something, with what it answers.
    pub(super) fn change<T: DeserializeOwned>(&self, method: &str, path: &str, body: &impl Serialize) -> Result<T> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_ROOM));
        serde_json::to_writer(&mut *bytes, body).map_err(|error| Error::refused(format!("{error}.")))?;
        self.read(&self.send(method, &with_version(path), Some(&bytes))?)
    }

    /// The same without a body.
    pub(super) fn act<T: DeserializeOwned>(&self, method: &str, path: &str) -> Result<T> {
        self.read(&self.send(method, &with_version(path), None)?)
    }

    /// The same without an answer.
    pub(super) fn end(&self, method: &str, path: &str) -> Result<()> {
        let answer = self.send(method, &with_version(path), None)?;
        if (200..300).contains(&answer.status) { Ok(()) } else { Err(self.refused(&answer)) }
    }

    fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<Answer> {
        let url = format!("{}{path}", self.address);
        let body = body.map(|body| ("application/json", body));
        exchange(&self.agent, method, &url, Some(self.token()?), body)
    }

    /// The token; the first request asks without one where to get it, as the official SDKs do.
    fn token(&self) -> Result<&str> {
        if let Some(token) = self.token.get() {
            return Ok(token);
        }
        let token = match &self.credential {
            Credential::Token(token) => token.clone(),
            Credential::Secret { .. } => {
                let url = format!("{}{}", self.address, with_version("/keys?maxresults=1"));
                let answer = exchange(&self.agent, "GET", &url, None, None)?;
                let challenge = answer.challenge.as_deref().filter(|_| answer.status == 401).unwrap_or_default();
                let wanted = variable("AZURE_AUTHORITY_HOST");
                let authority = Authority::of(challenge, &self.address, wanted.as_deref())?;
                self.credential.token(&self.agent, &authority)?
            }
        };
        Ok(self.token.get_or_init(|| token))
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T> {
        if !(200..300).contains(&answer.status) {
            return Err(self.refused(answer));
        }
        // What the parser says could hold a piece of a value.
        serde_json::from_slice(&answer.body)
            .map_err(|_| Error::refused(format!("{} answered something that is no Key Vault's answer.", self.address)))
    }

    fn refused(&self, answer: &Answer) -> Error {
        let Refusal { error } = serde_json::from_slice(&answer.body).unwrap_or_default();
        let message = error.message.split_whitespace().collect::<Vec<_>>().join(" ");
        let message = message.trim_end_matches('.');
        let message = if message.is_empty() { format!("it answered {}", answer.status) } else { message.to_owned() };
        let inner = error.innererror.map(|inner| inner.code).unwrap_or(error.code);
        let advice = match (answer.status, inner.as_str()) {
            (401, _) => ": get a new token, or check that the identity is enabled",
            (409, "ObjectIsDeletedButRecoverable") => {
                ": `strongroom deleted recover` brings it back, `strongroom deleted purge` frees its name"
            }
            (429 | 503, _) => ": it is busy, try again later",
            _ => "",
        };
        Error::refused(format!("{} refused: {message}{advice}.", self.address))
    }
}

fn with_version(path: &str) -> String {
    format!("{path}{}api-version={API_VERSION}", if path.contains('?') { '&' } else { '?' })
}

/// One request with its answer; repeated while the server says that it is busy, within [`PATIENCE`].
pub(super) fn exchange(
    agent: &Agent,
    method: &str,
    url: &str,
    token: Option<&str>,
    body: Option<(&str, &[u8])>,
) -> Result<Answer> {
    let begun = Instant::now();
    loop {
        let (answer, retry_after) = once(agent, method, url, token, body)?;
        let wait = Duration::from_secs(retry_after.unwrap_or(1).max(1));
        if !matches!(answer.status, 429 | 503) || wait > PATIENCE.saturating_sub(begun.elapsed()) {
            return Ok(answer);
        }
        std::thread::sleep(wait);
    }
}

fn once(
    agent: &Agent,
    method: &str,
    url: &str,
    token: Option<&str>,
    body: Option<(&str, &[u8])>,
) -> Result<(Answer, Option<u64>)> {
    let mut request = Request::builder().method(method).uri(url);
    if let Some(token) = token {
        let text = Zeroizing::new(format!("Bearer {token}"));
        let mut value =
            HeaderValue::from_str(&text).map_err(|_| Error::refused("The token has characters that none has."))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let built = |error: http::Error| Error::refused(format!("{url}: {error}."));
    let sent = match body {
        Some((kind, bytes)) => agent.run(request.header(header::CONTENT_TYPE, kind).body(bytes).map_err(built)?),
        None => agent.run(request.body(()).map_err(built)?),
    };
    let mut response = sent.map_err(|error| unreachable(url, &error))?;
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (challenge, retry_after) = (text(header::WWW_AUTHENTICATE), text(header::RETRY_AFTER));
    let status = response.status().as_u16();
    let reader = response.body_mut().with_config().limit(MOST as u64 + 1).reader();
    let body = ask::read(reader, 0, MOST).map_err(|error| Error::refused(format!("{}: {error}.", origin(url))))?;
    Ok((Answer { status, body, challenge }, retry_after.and_then(|seconds| seconds.parse().ok())))
}

/// Why there is no answer, and what to look at.
fn unreachable(url: &str, error: &ureq::Error) -> Error {
    let (origin, text) = (origin(url), error.to_string());
    let certificate = matches!(error, ureq::Error::Rustls(_)) || text.contains("certificate");
    let advice = match error {
        _ if text.contains("UnknownIssuer") => {
            return Error::refused(format!(
                "The certificate of {origin} is of an authority that isn't trusted here: name the server's with --ca FILE."
            ));
        }
        _ if certificate => "check the address, this machine's clock and the server's certificate",
        ureq::Error::HostNotFound => NAME,
        _ if text.contains("failed to lookup") => NAME,
        ureq::Error::Timeout(_) => "check that the server runs and that no firewall is between",
        _ => "check the address and that the server runs",
    };
    Error::refused(format!("{origin} can't be reached ({}): {advice}.", text.trim_end_matches('.')))
}

fn origin(url: &str) -> &str {
    let end = url.char_indices().filter(|(_, letter)| *letter == '/').nth(2).map_or(url.len(), |(at, _)| at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Answers one connection after another, each with one of these; gives back what the last one was asked.
    fn server(answers: &'static [&'static str]) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let asked = |mut stream: TcpStream, answer: &str| {
            let mut request = vec![0; 4096];
            let len = stream.read(&mut request).unwrap();
            stream
                .write_all(
                    format!("HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}").as_bytes(),
                )
                .unwrap();
            String::from_utf8_lossy(&request[..len]).into_owned()
        };
        let serve = move || {
            let in_turn = answers.iter();
            in_turn.fold(String::new(), |_, answer| asked(listener.accept().unwrap().0, answer))
        };
        (url, std::thread::spawn(serve))
    }

    fn agent() -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into()
    }

    #[test]
    fn a_busy_server_is_asked_again_with_the_same_request_as_it_says() {
        let (url, asked) = server(&["429 Busy\r\nRetry-After: 1", "503 Busy", "200 OK"]);
        let answer = exchange(&agent(), "PUT", &url, Some("token"), Some(("application/json", b"{\"a\":1}"))).unwrap();
        assert_eq!(answer.status, 200);
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("PUT /keys ") && asked.to_ascii_lowercase().contains("bearer token"), "{asked}");
    }

    #[test]
    fn a_server_that_is_busy_for_longer_than_anybody_waits_is_not_waited_for() {
        for retry_after in ["429 Busy\r\nRetry-After: 31", "503 Busy\r\nRetry-After: 18446744073709551615"] {
            let (url, asked) = server(Box::leak(Box::new([retry_after])));
            assert!(exchange(&agent(), "GET", &url, None, None).unwrap().status > 400);
            asked.join().unwrap();
        }
    }

    #[test]
    fn a_redirection_is_an_answer_and_nothing_is_sent_elsewhere() {
        let (url, asked) = server(&["307 Elsewhere\r\nLocation: http://127.0.0.1:1/"]);
        assert_eq!(exchange(&agent(), "GET", &url, Some("token"), None).unwrap().status, 307);
        asked.join().unwrap();
    }
}
