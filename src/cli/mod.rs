//! The `strongroom` command: one file or folder for each family of verbs.
//!
//! A verb opens one vault, does one thing through the vault's traits, and prints a table, a sentence or JSON. Secrets
//! come from a prompt, a file or standard input, never from an argument; what can't be undone is asked first.

#[cfg(feature = "server")]
mod access;
mod ask;
mod backup;
#[cfg(feature = "server")]
mod byok;
mod cert;
mod delete;
mod deleted;
pub mod doctor;
mod error;
mod generate;
#[cfg(feature = "server")]
mod group;
#[cfg(feature = "server")]
mod identity;
mod import;
mod init;
#[cfg(feature = "server")]
mod issuer;
mod key;
mod kind;
mod new_file;
mod open;
mod output;
mod passphrase;
mod pin;
mod pkcs11;
#[cfg(feature = "server")]
mod principal;
mod progress;
mod rekey;
#[cfg(feature = "server")]
mod remote;
mod restore;
#[cfg(feature = "server")]
mod role;
mod secret;
#[cfg(feature = "server")]
mod serve;
mod settings;
mod table;
mod time;
mod versions;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::error::{Error, Result};
use self::output::Output;
use crate::sys;

#[derive(Parser)]
#[command(name = "strongroom", version, about = "A vault for keys, secrets and certificates", long_about = None)]
#[command(arg_required_else_help = true, after_long_help = MORE)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// What no option says.
const MORE: &str = "\
Files:
  /etc/strongroom/config.toml            the configuration; a user's own in ~/.config/strongroom goes before it
  /var/lib/strongroom/vaults             root's vaults; a user's own lie in ~/.local/share/strongroom/vaults
  /usr/share/doc/strongroom              documentation; strongroom-config(5) tells every key of the configuration

Environment:
  STRONGROOM_CONF     another configuration file
  STRONGROOM_VAULT    the directory of one vault, without any configuration
  STRONGROOM_LOG      off, error, warn, info, debug or trace: what the PKCS#11 module writes
  NO_COLOR            no colours

Exit status: 0 if it was done, 1 if it failed, 2 for wrong arguments.";

/// Options that every verb takes.
#[derive(Args)]
struct Global {
    /// The vault: its name in the configuration, its directory, or the https address of a vault at a server
    #[arg(long, global = true, value_name = "NAME_OR_PATH")]
    vault: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Read the PIN from this file
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "pin_stdin")]
    pin_file: Option<PathBuf>,
    /// Read the PIN from the first line of standard input
    #[arg(long, global = true)]
    pin_stdin: bool,
    /// Don't ask before what can't be undone
    #[arg(long, short = 'y', global = true)]
    yes: bool,
    #[cfg(feature = "server")]
    #[command(flatten)]
    access: remote::Access,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a vault
    Init(init::Init),
    /// Keys: create, import, list, show, rotate, enable, disable, delete, public
    #[command(subcommand)]
    Key(key::Verb),
    /// Certificates: create, csr, issue, renew, import, list, show, export, delete
    #[command(subcommand)]
    Cert(cert::Verb),
    /// Take over keys, certificates and data from files or from another token
    Import(import::Import),
    /// Secrets: set, get, list, delete
    #[command(subcommand)]
    Secret(secret::Verb),
    /// What was deleted and can be brought back: list, show, recover, purge
    #[command(subcommand)]
    Deleted(deleted::Verb),
    /// How long what is deleted can be brought back: show, set
    #[command(subcommand)]
    Settings(settings::Verb),
    /// PINs: change, reset
    #[command(subcommand)]
    Pin(pin::Verb),
    /// Replace the root key and seal every record anew
    Rekey(rekey::Rekey),
    /// Overwrite what deleted objects left in the vault's file
    Purge,
    /// Backups: create, verify, show
    #[command(subcommand)]
    Backup(backup::Verb),
    /// Bring a vault, or one thing of it, back from a backup
    Restore(restore::Restore),
    /// Keys for a vault of Azure's API, wrapped so that nobody on the way can read them: wrap
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Byok(byok::Verb),
    /// What other programs need to use the vault: uri, mechanisms
    #[command(subcommand)]
    Pkcs11(pkcs11::Verb),
    /// Look for what is wrong with vault, module, OpenSSL and nginx, and say what mends it
    Doctor(doctor::Doctor),
    /// Serve vaults over Azure Key Vault's REST API
    #[cfg(feature = "server")]
    Serve(serve::Serve),
    /// Who the server knows, in the first vault that it serves: create, list, show, enable, disable, delete, secret,
    /// certificate
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Identity(identity::Verb),
    /// Identities that have roles together: create, list, show, delete, member, foreign
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Group(group::Verb),
    /// Who may do what over the server: list, assign, unassign, assignments, definition
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Role(role::Verb),
    /// Why somebody may do something or may not, and by what a vault goes: explain, list, model, policy
    #[cfg(feature = "server")]
    #[command(subcommand)]
    Access(access::Verb),
    /// Print the completion script for a shell
    Completions(generate::Completions),
    /// Write the manual pages into a directory
    #[command(hide = true)]
    ManualPages(generate::ManualPages),
}

/// What a verb works with: the global options and where its answer goes.
struct Context {
    global: Global,
    output: Output,
}

/// Reads the arguments, does what they say, and returns the exit code: 0, 1 for a failure, 2 for wrong arguments.
pub fn run() -> ExitCode {
    if let Err(error) = sys::hardening::forbid_dumps() {
        eprintln!("strongroom: can't forbid memory dumps: {error}");
        return ExitCode::FAILURE;
    }
    // Exits by itself, with 2, when the arguments are wrong.
    let Arguments { global, verb } = Arguments::parse();
    let output = Output::new(global.json);
    let context = Context { global, output };
    match dispatch(&context, verb) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads our output has seen enough.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("strongroom: {}", table::printable(&error.to_string()));
            if matches!(error, Error::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn dispatch(context: &Context, verb: Verb) -> Result<()> {
    #[cfg(feature = "server")]
    let Some(verb) = remote::run(context, verb)? else { return Ok(()) };
    match verb {
        Verb::Init(init) => init::run(context, init),
        Verb::Key(verb) => key::run(context, verb),
        Verb::Cert(verb) => cert::run(context, verb),
        Verb::Import(import) => import::run(context, import),
        Verb::Secret(verb) => secret::run(context, verb),
        Verb::Deleted(verb) => deleted::run(context, verb),
        Verb::Settings(verb) => settings::run(context, verb),
        Verb::Pin(verb) => pin::run(context, verb),
        Verb::Rekey(rekey) => rekey::run(context, rekey),
        Verb::Purge => rekey::purge(context),
        Verb::Backup(verb) => backup::run(context, verb),
        Verb::Restore(restore) => restore::run(context, restore),
        #[cfg(feature = "server")]
        Verb::Byok(verb) => byok::run(context, verb),
        Verb::Pkcs11(verb) => pkcs11::run(context, verb),
        Verb::Doctor(arguments) => doctor::run(context, &arguments),
        #[cfg(feature = "server")]
        Verb::Serve(serve) => serve::run(context, serve),
        #[cfg(feature = "server")]
        Verb::Identity(verb) => identity::run(context, verb),
        #[cfg(feature = "server")]
        Verb::Group(verb) => group::run(context, verb),
        #[cfg(feature = "server")]
        Verb::Role(verb) => role::run(context, verb),
        #[cfg(feature = "server")]
        Verb::Access(verb) => access::run(context, verb),
        Verb::Completions(completions) => generate::completions(context, &completions),
        Verb::ManualPages(pages) => generate::manual_pages(&pages),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_argument_says_what_it_is() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(
                    argument.get_help().is_some() || argument.get_id() == "version",
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }
}
