//! `strongroom access policy`: classic access policies, each one principal's permissions on the whole vault.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::super::principal::{Principal, put_names, shown_name};
use super::super::{Context, Error, Result};
use crate::config::Manner;
use crate::server::access::{AccessPolicy, Model, PolicyPermission, policies, remove_policy, set_policy};
use crate::vault::{Collection, Image};

/// What is done with policies.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Say what an identity or a group may do while the vault goes by policies; a kind that isn't named stays as it is
    Set(Set),
    /// Take everything away that a policy gives to an identity or a group
    Remove {
        /// The name, object id or client id of an identity, or a group's name or object id
        who: String,
    },
    /// List the policies
    List,
}

/// A policy.
#[derive(Args)]
pub(in super::super) struct Set {
    /// The name, object id or client id of an identity, or a group's name or object id
    who: String,
    /// Permissions for keys, such as get,sign; empty for none
    #[arg(long, value_name = "NAMES")]
    keys: Option<String>,
    /// Permissions for secrets, such as get,list; empty for none
    #[arg(long, value_name = "NAMES")]
    secrets: Option<String>,
    /// Permissions for certificates, such as get,create; empty for none
    #[arg(long, value_name = "NAMES")]
    certificates: Option<String>,
    /// Add to what they have, instead of replacing it
    #[arg(long)]
    add: bool,
    /// Also for an object id that this vault doesn't know: identities and groups lie in the first vault that a server serves
    #[arg(long)]
    force: bool,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Set(set) => make(context, &set),
        Verb::Remove { who } => remove(context, &who),
        Verb::List => list(context),
    }
}

impl Set {
    /// What is said of each kind of objects.
    fn read(&self) -> Result<Vec<(Collection, Vec<PolicyPermission>)>> {
        let given = [
            (Collection::Keys, &self.keys),
            (Collection::Secrets, &self.secrets),
            (Collection::Certificates, &self.certificates),
        ];
        let named = |of: Collection, text: &str| {
            let names = text.split([',', ' ']).filter(|name| !name.is_empty());
            names.map(|name| PolicyPermission::named(of, name)).collect::<std::result::Result<Vec<_>, String>>()
        };
        let said = given.into_iter().filter_map(|(of, text)| Some((of, named(of, text.as_deref()?))));
        let said = said.map(|(of, names)| Ok((of, names.map_err(|error| Error::Usage(format!("{error}.")))?)));
        let said = said.collect::<Result<Vec<_>>>()?;
        match said.is_empty() {
            true => Err(Error::Usage("Say what is given: --keys, --secrets or --certificates.".into())),
            false => Ok(said),
        }
    }
}

fn make(context: &Context, set: &Set) -> Result<()> {
    let said = set.read()?;
    let opened = context.unlocked()?;
    if opened.manner == Manner::ManagedHsm {
        return Err(Error::refused("A Managed HSM goes by roles: access policies are a key vault's."));
    }
    let image = opened.vault.image();
    let who = Principal::find_known(&image, &set.who, set.force)?;
    let made = set_policy(&*opened.vault, who.oid(), &mut |policy| {
        for (of, permissions) in &said {
            let mut all = permissions.clone();
            if set.add {
                let before = policy.names(*of).iter().filter_map(|name| PolicyPermission::named(*of, name).ok());
                all.extend(before.collect::<Vec<_>>());
            }
            policy.set(*of, &all);
        }
    })?;
    if Model::of(&image, opened.manner) != Model::Policies {
        context.output.note("The vault goes by roles: policies count after `strongroom access model policies`.");
    }
    let sentence = match shown(&made) {
        none if none.is_empty() => format!("{} has no access policy.", who.name()),
        all => format!("{} may: {all}.", who.name()),
    };
    context.output.done(&sentence, &policy_json(&image, &made))
}

fn remove(context: &Context, who: &str) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let who = Principal::find(&image, who)?;
    match remove_policy(&*opened.vault, who.oid())? {
        Some(gone) => {
            context.output.done(&format!("{} has no access policy any more.", who.name()), &policy_json(&image, &gone))
        }
        None => Err(Error::refused(format!("{} has no access policy: nothing was done.", who.name()))),
    }
}

fn list(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let mut all = policies(&image);
    all.sort_by_cached_key(|policy| shown_name(&image, &policy.principal));
    let row = |policy: &AccessPolicy| {
        let names = [&policy.keys, &policy.secrets, &policy.certificates].map(|names| names.join(","));
        [vec![shown_name(&image, &policy.principal)], names.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let values = all.iter().map(|policy| policy_json(&image, policy)).collect();
    let headings = ["who", "keys", "secrets", "certificates"];
    context.output.list(&headings, &rows, &Value::Array(values), "There are no access policies.")
}

/// What a policy allows, in words.
fn shown(policy: &AccessPolicy) -> String {
    let kinds = [("keys", &policy.keys), ("secrets", &policy.secrets), ("certificates", &policy.certificates)];
    let kinds = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    kinds.map(|(of, names)| format!("{of} {}", names.join(", "))).collect::<Vec<_>>().join("; ")
}

fn policy_json(image: &Image, policy: &AccessPolicy) -> Value {
    let AccessPolicy { keys, secrets, certificates, .. } = policy;
    let mut value = json!({ "keys": keys, "secrets": secrets, "certificates": certificates });
    put_names(&mut value, image, &policy.principal);
    value
}
