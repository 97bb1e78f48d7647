//! `strongroom identity local`: users and groups of the server's machine, as the kernel names them to the Unix socket.

use clap::{Args, Subcommand};
use serde_json::json;

use super::super::{Context, Error, Result};
use super::named;
use crate::server::identity::{self, LocalPeer, NOBODY, local_owner};
use crate::sys::env::group_number;
use crate::sys::user::{self, User};

/// What is done with users and groups.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Let the processes of a user or a group be an identity on the Unix socket
    Add(Which),
    /// Don't know an identity by this user or group any more, from the next request on
    Remove(Which),
}

/// An identity, and a user or a group.
#[derive(Args)]
pub(in super::super) struct Which {
    /// The identity's name, object id or client id
    identity: String,
    #[command(flatten)]
    peer: Peer,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Peer {
    /// A user's name or number
    #[arg(long, value_name = "USER")]
    uid: Option<String>,
    /// A group's name or number
    #[arg(long, value_name = "GROUP")]
    gid: Option<String>,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add(which) => add(context, &which),
        Verb::Remove(which) => remove(context, &which),
    }
}

fn add(context: &Context, Which { identity, peer }: &Which) -> Result<()> {
    let local = peer.resolved()?;
    if matches!(local, LocalPeer::Uid(NOBODY) | LocalPeer::Gid(NOBODY)) {
        return Err(Error::refused(format!(
            "{NOBODY} stands for every user and group that this machine has no number for, such as a container's: choose a \
             user or a group of its own."
        )));
    }
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let found = named(&image, identity)?;
    if let Some(other) = local_owner(&identity::all(&image), &found.oid, local) {
        return Err(Error::refused(format!(
            "{} is {}'s already, and a process that fits two identities is neither.",
            capital(&shown(local)),
            other.name
        )));
    }
    identity::change(&*opened.vault, &found.oid, &mut |identity| {
        if !identity.local.contains(&local) {
            identity.local.push(local);
        }
    })?;
    context.output.done(
        &format!("On the Unix socket {} is {}.", shown(local), found.name),
        &json!({ "name": found.name, "client_id": found.appid, "local": local }),
    )
}

fn remove(context: &Context, Which { identity, peer }: &Which) -> Result<()> {
    let local = peer.resolved()?;
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), identity)?;
    if !found.local.contains(&local) {
        return Err(Error::refused(format!("{} isn't known by {}.", found.name, shown(local))));
    }
    identity::change(&*opened.vault, &found.oid, &mut |identity| identity.local.retain(|known| *known != local))?;
    context.output.done(
        &format!("On the Unix socket {} isn't {} any more.", shown(local), found.name),
        &json!({ "name": found.name, "client_id": found.appid, "local": local }),
    )
}

/// A user or a group as people read it.
pub(super) fn shown(local: LocalPeer) -> String {
    match local {
        LocalPeer::Uid(uid) => match user::name_of(uid) {
            name if name == uid.to_string() => format!("user {uid}"),
            name => format!("user {name} ({uid})"),
        },
        LocalPeer::Gid(gid) => format!("group {gid}"),
    }
}

fn capital(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

impl Peer {
    fn resolved(&self) -> Result<LocalPeer> {
        let unknown = |what: &str, text: &str| {
            Error::refused(format!(
                "This machine has no {what} {text:?}: give the number of one on the server's machine."
            ))
        };
        match (&self.uid, &self.gid) {
            (Some(text), _) => match text.parse() {
                Ok(uid) => Ok(LocalPeer::Uid(uid)),
                Err(_) => User::named(text).map(|user| LocalPeer::Uid(user.uid)).ok_or_else(|| unknown("user", text)),
            },
            (None, Some(text)) => match text.parse() {
                Ok(gid) => Ok(LocalPeer::Gid(gid)),
                Err(_) => group_number(text).map(LocalPeer::Gid).ok_or_else(|| unknown("group", text)),
            },
            (None, None) => Err(Error::Usage("Give --uid or --gid.".into())),
        }
    }
}
