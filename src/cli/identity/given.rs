//! What is given to an identity as a text that is shown once, or written into a file: a client secret or a secret header.

use std::path::PathBuf;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::new_file::NewFile;
use super::super::open::Opened;
use super::super::{Context, Error, Result, time};
use super::named;
use crate::server::identity::{self, ClientSecret, Identity, NewSecret};
use crate::vault::Vault;

/// One of the two.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// What proves at the token endpoint who it is.
    Secret,
    /// What a program of the server's machine sends.
    Header,
}

impl Kind {
    /// What it is called in a sentence, and in names of JSON.
    fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Header => "header",
        }
    }

    /// Where an identity keeps them.
    fn of(self, identity: &mut Identity) -> &mut Vec<ClientSecret> {
        match self {
            Self::Secret => &mut identity.secrets,
            Self::Header => &mut identity.headers,
        }
    }

    fn make(self, vault: &dyn Vault, to: &Identity, expires: Option<i64>) -> Result<NewSecret> {
        let made = match self {
            Self::Secret => identity::add_secret(vault, &to.oid, time::now(), expires),
            Self::Header => identity::add_header(vault, &to.oid, time::now(), expires),
        };
        Ok(made?)
    }

    fn forget(self, vault: &dyn Vault, of: &Identity, id: &str) -> Result<()> {
        identity::change(vault, &of.oid, &mut |identity| self.of(identity).retain(|kept| kept.id != id))?;
        Ok(())
    }

    /// Gives an identity one and shows it, or writes it where it shall be.
    pub(super) fn add(
        self,
        context: &Context,
        opened: &Opened,
        to: &Identity,
        expires: Option<i64>,
        place: Option<NewFile>,
    ) -> Result<()> {
        let given = self.give(&*opened.vault, to, expires, place)?;
        let (what, id, shown) = match self {
            Self::Secret => ("secret", "Secret id", "Client secret"),
            Self::Header => ("secret header", "Header id", "IDENTITY_HEADER"),
        };
        let Some(text) = &given.shown else {
            let path = given.path.clone().unwrap_or_default();
            let done = format!("Gave {}, client id {}, a {what}: it is in {}.", to.name, to.appid, path.display());
            return context.output.done(&done, &given.json());
        };
        context.output.note(match self {
            Self::Secret => "The client secret is shown this once.",
            Self::Header => "The secret header is shown this once.",
        });
        let who = [("Name", to.name.clone()), ("Client id", to.appid.clone())];
        let fields = who.into_iter().chain([(id, given.id.clone()), (shown, text.to_string())]);
        context.output.details(&fields.collect::<Vec<_>>(), &given.json())
    }

    /// Makes one, and writes it where it shall be.
    pub(super) fn give(
        self,
        vault: &dyn Vault,
        to: &Identity,
        expires: Option<i64>,
        place: Option<NewFile>,
    ) -> Result<Given> {
        let NewSecret { id, text } = self.make(vault, to, expires)?;
        let mut given = Given { kind: self, to: to.clone(), id, expires, shown: None, path: None };
        let Some(place) = place else { return Ok(Given { shown: Some(text), ..given }) };
        given.path = Some(place.path().to_path_buf());
        if let Err(error) = place.write(Zeroizing::new(format!("{}\n", *text)).as_bytes()) {
            // Nobody could use it.
            self.forget(vault, to, &given.id)?;
            return Err(error);
        }
        Ok(given)
    }

    /// Takes away the one whose id begins so.
    pub(super) fn remove(self, context: &Context, identity: &str, id: &str) -> Result<()> {
        let (opened, word) = (context.unlocked()?, self.word());
        let mut found = named(&opened.vault.image(), identity)?;
        let begins = id.to_ascii_lowercase();
        let mut matching = std::mem::take(self.of(&mut found));
        matching.retain(|kept| kept.id.starts_with(&begins));
        let [ClientSecret { id, .. }] = &matching[..] else {
            let many = if matching.is_empty() { format!("no {word}") } else { format!("several {word}s") };
            return Err(Error::refused(format!("{} has {many} whose id begins with {id:?}.", found.name)));
        };
        let with = match self {
            Self::Secret => "logs in with it",
            Self::Header => "sends it",
        };
        context.confirm(&format!("Remove the {word} {id} of {}? Who {with} is refused.", found.name))?;
        self.forget(&*opened.vault, &found, id)?;
        let mut value = json!({ "name": found.name });
        value[format!("{word}_id")] = json!(id);
        context.output.done(&format!("Removed the {word} {id} of {}.", found.name), &value)
    }
}

/// One that an identity has from now on.
pub(super) struct Given {
    kind: Kind,
    to: Identity,
    id: String,
    expires: Option<i64>,
    /// The text itself, unless it was written into a file.
    pub shown: Option<Zeroizing<String>>,
    path: Option<PathBuf>,
}

impl Given {
    pub(super) fn json(&self) -> Value {
        let word = self.kind.word();
        let mut value = json!({
            "name": self.to.name,
            "client_id": self.to.appid,
            "object_id": self.to.oid,
            "expires": self.expires.map(time::text),
        });
        value[format!("{word}_id")] = json!(self.id);
        if let Some(text) = &self.shown {
            let name = match self.kind {
                Kind::Secret => "client_secret",
                Kind::Header => "header",
            };
            value[name] = json!(**text);
        }
        if let Some(path) = &self.path {
            value[format!("{word}_file")] = json!(path);
        }
        value
    }
}
