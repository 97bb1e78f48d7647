//! `strongroom init --administrator`: the identity with which a new vault is administered over the server.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::new_file::NewFile;
use super::super::{Context, Result, time};
use super::check_name;
use super::given::Kind;
use crate::config::Manner;
use crate::server::access::{Scope, assign, full_rights};
use crate::server::identity::{self, Identity};
use crate::vault::{Pin, Role, Unlock, Vault};

/// Who administers the vault over the server.
#[derive(Args)]
pub(in super::super) struct FirstAdministrator {
    /// Make an identity with this name that may do everything over the server, and show its client secret
    #[arg(long, value_name = "NAME")]
    administrator: Option<String>,
    /// Write the administrator's client secret into this new file, instead of showing it
    #[arg(long, value_name = "FILE", requires = "administrator")]
    secret_file: Option<PathBuf>,
}

/// An administrator whose name is one and whose file is there.
pub(in super::super) struct Prepared {
    name: String,
    place: Option<NewFile>,
}

impl FirstAdministrator {
    /// Finds out what is wrong before there is a vault; `None` if nobody was asked for.
    pub(in super::super) fn prepare(self) -> Result<Option<Prepared>> {
        let Some(name) = self.administrator else { return Ok(None) };
        check_name(&name)?;
        Ok(Some(Prepared { name, place: self.secret_file.map(NewFile::create).transpose()? }))
    }
}

impl Prepared {
    /// Makes the administrator in a vault that is locked, and adds to `json` what is known of them.
    pub(in super::super) fn make(self, vault: &dyn Vault, manner: Manner, pin: &Pin, json: &mut Value) -> Result<Made> {
        vault.unlock(&Unlock::Pin(Role::User, pin.clone()))?;
        let made = administrator(vault, manner, &self.name).and_then(|made| {
            let given = Kind::Secret.give(vault, &made, None, self.place)?;
            json["administrator"] = given.json();
            Ok(Made { secret: given.shown, client_id: made.appid.clone() })
        });
        vault.lock();
        made
    }
}

/// An administrator that was just made.
pub(in super::super) struct Made {
    client_id: String,
    secret: Option<Zeroizing<String>>,
}

impl Made {
    /// Shown once, on standard error, as the recovery key is.
    pub(in super::super) fn explain(&self, context: &Context) {
        let id = &self.client_id;
        context.output.note(&match &self.secret {
            Some(secret) => format!(
                "\nAdministrator over the server, whose secret is shown this once:\n\n    client id      {id}\n    client secret  {}",
                **secret
            ),
            None => format!("\nAdministrator over the server: client id {id}."),
        });
    }
}

/// Makes an identity that may do everything in the vault, which is served so.
pub(super) fn administrator(vault: &dyn Vault, manner: Manner, name: &str) -> Result<Identity> {
    let made = identity::create(vault, name, time::now())?;
    for role in full_rights(manner) {
        assign(vault, &made.oid, role, &Scope::Vault)?;
    }
    Ok(made)
}
