//! Requests to a vault at Azure's interface: the challenge, the token, retries, and a refusal in the vault's own words.
//!
//! The first request of a process asks without a token where to get one, as the official SDKs do; the answer is checked
//! and kept, and from then on a request is one request. A token that the vault refuses is fetched anew once, also in the
//! middle of a call; one that must say more (`claims`) is asked for with what the vault wants. Where TLS or the Unix
//! socket's peer is the identity there is neither challenge nor token.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::challenge::{Challenge, wanted_claims};
use super::credential::{self, Asking, Denied};
use super::refusal;
pub use super::refusal::Said;
pub use crate::backend::remote::Repeat;
use crate::backend::remote::{
    Budget, Client, Endpoint, OwnText, Request, Resolver, Response, Token, TokenKeeper, Trust,
};
use crate::config::{AzureConfig, AzureCredential, Origin};
use crate::vault::{Pin, Result, VaultError};

/// What every request says; Azure's services and ours know it. Earlier ones have no key wrap with padding.
const API_VERSION: &str = "7.6";

/// A vault at Azure's interface, as one process reaches it.
pub struct Session {
    config: Arc<AzureConfig>,
    client: Client,
    resolver: Arc<Resolver>,
    /// Who gives tokens, once the vault has said so.
    login: ArcSwapOption<Login>,
    tokens: TokenKeeper<Denied>,
    /// The PIN that was given, where it is the client's secret.
    pin: ArcSwapOption<OwnText>,
}

/// A challenge that was checked, and the way to its authority.
struct Login {
    challenge: Challenge,
    authority: Client,
}

/// What the vault answered.
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Reply {
    /// Why the vault refused, in its own words.
    pub fn refusal(&self) -> Said {
        Said::in_reply(self)
    }
}

impl Session {
    /// Sends nothing.
    pub fn new(config: &AzureConfig) -> Result<Self> {
        if config.remote.origins.is_empty() {
            return Err(VaultError::Unsupported("a vault without an address"));
        }
        let resolver = Arc::new(Resolver::of_system());
        let client = Client::of_vault(&config.remote, &resolver);
        Ok(Self::with(Arc::new(config.clone()), client, resolver, None))
    }

    fn with(config: Arc<AzureConfig>, client: Client, resolver: Arc<Resolver>, login: Option<Arc<Login>>) -> Self {
        Self {
            config,
            client,
            resolver,
            login: ArcSwapOption::from(login),
            tokens: TokenKeeper::default(),
            pin: ArcSwapOption::empty(),
        }
    }

    /// The same vault in a child that was forked off, which shares no connection, no token and no lock with this one, and
    /// where nobody has logged in.
    pub fn in_forked_child(&self) -> Self {
        let resolver = Arc::new(self.resolver.in_forked_child());
        let client = self.client.in_forked_child(&resolver);
        let login = self.login.load();
        let login = login.as_ref().map(|login| {
            Arc::new(Login {
                challenge: login.challenge.clone(),
                authority: login.authority.in_forked_child(&resolver),
            })
        });
        Self::with(Arc::clone(&self.config), client, resolver, login)
    }

    /// The vault's first address: what it is called in messages.
    pub fn origin(&self) -> &Origin {
        &self.config.remote.origins[0]
    }

    /// Whether the configuration alone is enough to log in.
    pub fn needs_no_pin(&self) -> bool {
        !matches!(&self.config.credential, AzureCredential::ClientSecret { secret: None, .. })
    }

    /// Whether requests can be made: the credential is complete without a PIN, or a PIN was given.
    pub fn can_ask(&self) -> bool {
        self.needs_no_pin() || self.pin.load().is_some()
    }

    /// Gets a token, with the PIN as the client's secret where the configuration has none.
    ///
    /// [`VaultError::CredentialRefused`] if the authority or the vault refuses it, or if a PIN is given where none is known.
    pub fn log_in(&self, pin: Option<&Pin>) -> Result<()> {
        let budget = Budget::of(self.config.remote.timeout);
        let refused = |what: &str| Denied::Refused(what.to_owned());
        match (&self.config.credential, pin) {
            (AzureCredential::ClientSecret { secret: None, .. }, Some(pin)) => {
                let pin = std::str::from_utf8(pin.expose());
                let pin = pin.map_err(|_| self.tell(refused("the PIN is no text, and so no client secret")))?;
                let token = self.fetch(&budget, Some(pin), None).map_err(|denied| self.tell(denied))?;
                let kept = OwnText::new(pin).map_err(|error| self.tell(error.into()))?;
                self.pin.store(Some(Arc::new(kept)));
                self.tokens.keep(token);
                Ok(())
            }
            (AzureCredential::ClientSecret { secret: None, .. }, None) => Err(VaultError::Locked),
            (AzureCredential::ClientSecret { secret: Some(secret), .. }, Some(pin))
                if !bool::from(secret.expose().as_bytes().ct_eq(pin.expose())) =>
            {
                Err(self
                    .tell(refused("the PIN isn't the client secret that the configuration has: log in without one")))
            }
            (AzureCredential::ClientSecret { .. }, _) | (_, None) => self.prove(&budget),
            (_, Some(_)) => {
                Err(self.tell(refused("its `credential` needs no PIN and can't check one: log in without one")))
            }
        }
    }

    /// Forgets token and PIN and closes connections, those in use when their request is done.
    pub fn log_out(&self) {
        self.pin.store(None);
        self.tokens.forget();
        self.client.close();
        if let Some(login) = self.login.load().as_ref() {
            login.authority.close();
        }
    }

    /// One request and its answer: `target` is path and query without `api-version`, `body` is JSON. A status that isn't one
    /// of success is an error.
    pub fn call(&self, method: &'static str, target: &str, body: Option<&[u8]>, repeat: Repeat) -> Result<Reply> {
        let reply = self.exchange(method, target, body, repeat)?;
        if !(200..300).contains(&reply.status) {
            return Err(refusal::of(&reply, method, target, &self.config));
        }
        Ok(reply)
    }

    /// The same, but any answer of the vault is one, for who tells of refusals in its own words.
    pub fn exchange(&self, method: &'static str, target: &str, body: Option<&[u8]>, repeat: Repeat) -> Result<Reply> {
        let budget = Budget::of(self.config.remote.timeout);
        self.authorized(method, &with_version(target), body, repeat, &budget)
    }

    /// Shows that the vault takes what this process is: by a token, or by an answer that isn't "who are you?".
    fn prove(&self, budget: &Budget) -> Result<()> {
        if self.has_tokens() {
            return self.token(budget).map(drop);
        }
        let target = with_version("/keys?maxresults=1");
        let reply = self.authorized("GET", &target, None, Repeat::Safe, budget)?;
        // Who may not list may still sign.
        match reply.status {
            200..=299 | 403 => Ok(()),
            _ => Err(refusal::of(&reply, "GET", &target, &self.config)),
        }
    }

    fn has_tokens(&self) -> bool {
        !matches!(self.config.credential, AzureCredential::Tls | AzureCredential::Peer)
    }

    /// Sends a request with a token, with a new one where the vault refuses the first.
    fn authorized(
        &self,
        method: &'static str,
        target: &str,
        body: Option<&[u8]>,
        repeat: Repeat,
        budget: &Budget,
    ) -> Result<Reply> {
        let body = body.map(|body| ("application/json", body));
        let mut token = if self.has_tokens() { Some(self.token(budget)?) } else { None };
        let mut tries = 0;
        loop {
            let bearer = token.as_deref().and_then(Token::expose);
            let request = Request { method, target, headers: &[], bearer, body };
            let response =
                self.client.send(&request, repeat, budget).map_err(|failure| failure.of_vault(self.origin()))?;
            match &token {
                // It refused before it looked at anything else.
                Some(used) if response.status == 401 && tries < 2 => {
                    match self.after_refusal(used, &response, tries, budget)? {
                        Some(next) => token = Some(next),
                        None => return self.reply(response),
                    }
                    tries += 1;
                }
                _ => return self.reply(response),
            }
        }
    }

    /// The next token after one that the vault didn't take; `None` where no other would be better.
    fn after_refusal(
        &self,
        used: &Arc<Token>,
        response: &Response,
        tries: u32,
        budget: &Budget,
    ) -> Result<Option<Arc<Token>>> {
        self.tokens.refused(used);
        let headers = || response.headers_named("www-authenticate");
        let claims = wanted_claims(headers());
        if claims.is_none() && tries > 0 || matches!(self.config.credential, AzureCredential::Token(_)) {
            return Ok(None);
        }
        // The vault may have moved to another authority or tenant.
        let challenge = Challenge::checked(headers(), &self.config).map_err(|what| self.tell(Denied::Refused(what)))?;
        let known = self.login.load().as_ref().is_some_and(|login| login.challenge == challenge);
        if !known {
            self.login.store(Some(Arc::new(self.login_at(challenge))));
        }
        match claims {
            None => self.token(budget).map(Some),
            Some(claims) => {
                let pin = self.pin.load_full();
                let pin = pin.as_deref().and_then(OwnText::expose);
                let token = self.fetch(budget, pin, Some(&claims)).map_err(|denied| self.tell(denied))?;
                Ok(Some(self.tokens.keep(token)))
            }
        }
    }

    fn token(&self, budget: &Budget) -> Result<Arc<Token>> {
        let fetch = |budget: &Budget| {
            let pin = self.pin.load_full();
            self.fetch(budget, pin.as_deref().and_then(OwnText::expose), None)
        };
        let late = || Denied::Unreachable("no token came in time: check the authority that gives them".into());
        self.tokens.get(budget, fetch, late).map_err(|denied| self.tell(denied))
    }

    fn fetch(&self, budget: &Budget, pin: Option<&str>, claims: Option<&str>) -> std::result::Result<Token, Denied> {
        if pin.is_none() && !self.needs_no_pin() {
            return Err(Denied::Locked);
        }
        let known = self.login.load_full();
        let login = known.as_ref().map_or_else(|| self.challenged(budget), |login| Ok(Arc::clone(login)))?;
        let ask = |login: &Login, budget: &Budget| {
            credential::token(&Asking {
                config: &self.config,
                challenge: &login.challenge,
                authority: &login.authority,
                resolver: &self.resolver,
                pin,
                claims,
                budget,
            })
        };
        if known.is_none() || self.config.remote.origins.len() == 1 {
            return ask(&login, budget);
        }
        // Each of several servers may name an authority of its own: the one that is known can be down with its server.
        match ask(&login, &budget.share(2)) {
            Err(unreachable @ Denied::Unreachable(_)) => match self.challenged(budget) {
                Ok(other) if other.challenge != login.challenge => ask(&other, budget),
                _ => Err(unreachable),
            },
            outcome => outcome,
        }
    }

    /// What the vault says to a request without a token and without a body, which is known from then on.
    fn challenged(&self, budget: &Budget) -> std::result::Result<Arc<Login>, Denied> {
        let target = with_version("/keys?maxresults=1");
        let request = Request { method: "GET", target: &target, headers: &[], bearer: None, body: None };
        let response = self.client.send(&request, Repeat::Safe, budget)?;
        // Nothing of this is about what it was shown, for that was nothing.
        match response.status {
            401 => {}
            busy @ (429 | 500..=599) => {
                return Err(Denied::Unreachable(format!("it answered {busy}: check its own log and health")));
            }
            status => {
                return Err(Denied::Invalid(format!(
                    "{status} to a request without a token, where a vault says where tokens come from: check its address, \
                     and what lies between"
                )));
            }
        }
        let challenge =
            Challenge::checked(response.headers_named("www-authenticate"), &self.config).map_err(Denied::Refused)?;
        let login = Arc::new(self.login_at(challenge));
        self.login.store(Some(Arc::clone(&login)));
        Ok(login)
    }

    /// The way to an authority: beside the vault it is the vault's own, elsewhere the usual one.
    fn login_at(&self, challenge: Challenge) -> Login {
        let remote = &self.config.remote;
        let beside = challenge.is_beside(self.origin());
        let socket = remote.socket.clone().filter(|_| beside);
        let endpoint = Endpoint::of(&challenge.authority, socket, remote.proxy.clone());
        let trust = Arc::new(Trust::of_authority(remote, !beside));
        let authority = Client::new(vec![endpoint], trust, Arc::clone(&self.resolver), remote.timeout);
        Login { challenge, authority }
    }

    fn reply(&self, response: Response) -> Result<Reply> {
        let kind = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
        if (200..300).contains(&response.status) && !response.body.is_empty() && !kind.contains("json") {
            let kind = if kind.is_empty() { "something without a type".to_owned() } else { kind };
            let what = format!("{kind} and not JSON: check that this is the vault's address, and what lies between");
            return Err(VaultError::AnswerInvalid { location: self.origin().to_string(), what });
        }
        Ok(Reply { status: response.status, body: response.body })
    }

    fn tell(&self, denied: Denied) -> VaultError {
        denied.of_vault(self.origin().to_string())
    }
}

/// Path and query as they are sent; a link to the next part of a list says the version itself.
fn with_version(target: &str) -> String {
    if target.split_once('?').is_some_and(|(_, query)| query.contains("api-version=")) {
        return target.to_owned();
    }
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}api-version={API_VERSION}")
}
