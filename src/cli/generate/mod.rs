//! What a package ships beside the command and is made from its own arguments: manual pages and shell completions.

mod configuration;

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Arguments, Context, Error, Result};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell: bash, zsh, fish, …
    #[arg(value_parser = clap::value_parser!(Shell))]
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManualPages {
    /// An existing directory
    directory: PathBuf,
}

/// Prints the completion script of one shell.
pub(super) fn completions(context: &Context, completions: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), "strongroom", &mut script);
    let script = String::from_utf8_lossy(&script);
    let shell = completions.shell.to_possible_value().map(|value| value.get_name().to_owned());
    context.output.text(&script, &serde_json::json!({ "shell": shell, "script": script }))
}

/// Writes a page for the command and one for each of its verbs, `strongroom.1`, `strongroom-key.1`, …, and the
/// configuration's.
pub(super) fn manual_pages(pages: &ManualPages) -> Result<()> {
    let mut command = without_help(Arguments::command());
    command.build();
    page(pages, command)?;
    let path = pages.directory.join(configuration::PAGE);
    std::fs::write(&path, configuration::page()).map_err(|source| Error::File { path, source })
}

fn page(pages: &ManualPages, command: Command) -> Result<()> {
    let verbs: Vec<Command> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let path = pages.directory.join(format!("{name}.1"));
    let mut text = Vec::new();
    let written = clap_mangen::Man::new(command).render(&mut text).and_then(|()| std::fs::write(&path, text));
    written.map_err(|source| Error::File { path, source })?;
    verbs.into_iter().try_for_each(|verb| page(pages, verb))
}

/// `help VERB` has no page of its own.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}
