//! Requests to a vault by its backend's own session, and a refusal in one sentence that says what the service said.

use std::collections::HashSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::super::{Error, Result};
use super::Access;
use super::address::Address;
use super::login;
use super::wire::Page;
use crate::backend::azure::session::{Repeat, Reply, Said, Session, rest_of};
use crate::config::AzureConfig;
use crate::vault::{Pin, VaultError};

/// Room for a body that holds a secret: it is written without a buffer that grows.
const BODY_ROOM: usize = 256 << 10;
/// Pages of a list: a server that never ends is cut off.
const MOST_PAGES: usize = 4_000;

/// What the command calls what the backend knows by the keys of a configuration; longer ones first.
const WORDS: [(&str, &str); 5] = [
    ("`client_id`, what proves it, and `tenant`", "AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID"),
    ("name the vault's authority with `ca_file`", "name the server's with --ca FILE"),
    ("`ca_file`", "whom --ca FILE trusts"),
    ("`authority`", "AZURE_AUTHORITY_HOST"),
    ("`tenant`", "AZURE_TENANT_ID"),
];

/// A vault at a server.
pub(super) struct Client {
    pub address: Address,
    /// Whether it is a Managed HSM, by its address or by what the configuration says.
    pub is_managed_hsm: bool,
    session: Session,
    /// What the command calls what the backend knows by other words.
    words: &'static [(&'static str, &'static str)],
}

impl Client {
    pub(super) fn new(address: Address, access: &Access) -> Result<Self> {
        let config = login::configuration(&address, access)?;
        let is_managed_hsm = config.is_managed_hsm();
        Ok(Self { address, is_managed_hsm, session: Session::new(&config)?, words: &WORDS })
    }

    /// A vault of the configuration; `pin` is asked where that alone doesn't log in.
    pub(super) fn configured(config: &AzureConfig, pin: impl FnOnce() -> Result<Pin>) -> Result<Self> {
        let mut config = config.clone();
        config.remote.timeout = config.remote.timeout.max(login::PATIENCE);
        let session = Session::new(&config)?;
        if !session.needs_no_pin() {
            session.log_in(Some(&pin()?))?;
        }
        let (address, is_managed_hsm) = (Address::of(session.origin()), config.is_managed_hsm());
        Ok(Self { address, is_managed_hsm, session, words: &[] })
    }

    /// A GET of something that must exist.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T> {
        self.find(path)?.ok_or_else(|| Error::refused(format!("There is no {what} at {}.", self.address)))
    }

    /// A GET of something that may not exist.
    pub(super) fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let answer = self.send("GET", path, None)?;
        match answer.status {
            404 => Ok(None),
            _ => self.read(&answer).map(Some),
        }
    }

    /// Everything that a list has, page after page.
    pub(super) fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut followed = HashSet::from([path.to_owned()]);
        let mut next = Some(path.to_owned());
        for _ in 0..MOST_PAGES {
            let Some(path) = next else { return Ok(all) };
            let page: Page<T> = self.read(&self.send("GET", &path, None)?)?;
            all.extend(page.value);
            next = match page.next_link.filter(|link| !link.is_empty()) {
                None => None,
                Some(link) => Some(rest_of(&link).filter(|path| followed.insert(path.clone())).ok_or_else(|| {
                    Error::refused(format!("{} continues its list nowhere, or where it was before.", self.address))
                })?),
            };
        }
        Err(Error::refused(format!("The list of {} has no end.", self.address)))
    }

    /// A request that changes something, with what it answers.
    pub(super) fn change<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_ROOM));
        serde_json::to_writer(&mut *bytes, body).map_err(|error| Error::refused(format!("{error}.")))?;
        self.read(&self.send(method, path, Some(&bytes))?)
    }

    /// The same without a body.
    pub(super) fn act<T: DeserializeOwned>(&self, method: &'static str, path: &str) -> Result<T> {
        self.read(&self.send(method, path, None)?)
    }

    /// The same without an answer.
    pub(super) fn end(&self, method: &'static str, path: &str) -> Result<()> {
        let answer = self.send(method, path, None)?;
        if (200..300).contains(&answer.status) { Ok(()) } else { Err(self.refused(&answer)) }
    }

    fn send(&self, method: &'static str, path: &str, body: Option<&[u8]>) -> Result<Reply> {
        let repeat = if method == "GET" { Repeat::Safe } else { Repeat::Never };
        self.session.exchange(method, path, body, repeat).map_err(|error| self.in_our_words(&error))
    }

    fn read<T: DeserializeOwned>(&self, answer: &Reply) -> Result<T> {
        if !(200..300).contains(&answer.status) {
            return Err(self.refused(answer));
        }
        // What the parser says could hold a piece of a value.
        serde_json::from_slice(&answer.body)
            .map_err(|_| Error::refused(format!("{} answered something that is no Key Vault's answer.", self.address)))
    }

    fn refused(&self, answer: &Reply) -> Error {
        let Said { code, message } = answer.refusal();
        let advice = match (answer.status, code.as_str()) {
            (401, _) => ": get a new token, or check that the identity is enabled",
            (409, "ObjectIsDeletedButRecoverable") => {
                ": `strongroom deleted recover` brings it back, `strongroom deleted purge` frees its name"
            }
            (429 | 503, _) => ": it is busy, try again later",
            _ => "",
        };
        Error::refused(format!("{} refused: {message}{advice}.", self.address))
    }

    /// The backend's sentence, with the command's names for what can be set.
    fn in_our_words(&self, error: &VaultError) -> Error {
        let text = self.words.iter().fold(error.to_string(), |text, (key, word)| text.replace(key, word));
        Error::refused(format!("{}.", text.trim_end_matches('.')))
    }
}
