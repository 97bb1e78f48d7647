//! `strongroom settings`: how long what is deleted can be brought back, and whether anybody may end it before.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Context, Result};
use crate::vault::{RETENTION_DAYS, Retention};

/// What is done with the settings.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Show the vault's settings
    Show,
    /// Change the vault's settings; from then on deleting can be taken back
    Set(Set),
}

/// What becomes otherwise.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct Set {
    /// Days for which what is deleted from now on can be brought back
    #[arg(long, value_name = "DAYS", value_parser = days())]
    retention_days: Option<u32>,
    /// Let nobody end anything before its date; this can't be taken back
    #[arg(long)]
    purge_protection: bool,
}

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(i64::from(*RETENTION_DAYS.start())..=i64::from(*RETENTION_DAYS.end()))
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Show => show(context),
        Verb::Set(set) => change(context, &set),
    }
}

fn show(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let Some(retention) = Retention::of(&opened.vault.image()) else {
        let none = json!({ "retention_days": Value::Null, "purge_protection": false });
        return context.output.done(
            "Deleting is final in this vault. `strongroom settings set --retention-days DAYS`, or serving it, changes that.",
            &none,
        );
    };
    let pairs = [
        ("retention", format!("{} days", retention.days)),
        ("purge protection", if retention.purge_protection { "on" } else { "off" }.to_owned()),
    ];
    context.output.details(&pairs, &fields(retention))
}

fn change(context: &Context, set: &Set) -> Result<()> {
    let opened = context.unlocked()?;
    let protected = Retention::of(&opened.vault.image()).is_some_and(|retention| retention.purge_protection);
    if set.purge_protection && !protected {
        context.confirm(&format!(
            "Let nobody end anything in {} before its date? This can't be taken back.",
            opened.info.label
        ))?;
    }
    let changed = Retention::change(&*opened.vault, &mut |retention| {
        retention.days = set.retention_days.unwrap_or(retention.days);
        retention.purge_protection |= set.purge_protection;
    })?;
    let protection = if changed.purge_protection { "; nothing ends before its date" } else { "" };
    let sentence = format!("What is deleted from now on can be brought back for {} days{protection}.", changed.days);
    context.output.done(&sentence, &fields(changed))
}

fn fields(retention: Retention) -> Value {
    json!({ "retention_days": retention.days, "purge_protection": retention.purge_protection })
}
