//! `strongroom import`: the way in, from files and from other tokens.
//!
//! The source is read and checked as a whole before the vault is touched; then everything comes in one transaction or
//! nothing does. Labels, ids, usages and flags stay, so that a program's configuration changes only the path of the
//! module. What can't come is listed with the reason and with what to do.

mod file;
mod found;
mod judge;
pub(super) mod module;
mod pairs;
mod plan;
mod report;
mod softhsm;

use std::path::PathBuf;

use clap::Args;

use self::found::{Found, Harvest, LeftBehind};
use self::judge::{Verdict, judge};
use self::plan::Plan;
use self::report::Report;
use super::open::Opened;
use super::passphrase::PassphraseSource;
use super::{Context, Error, Result, ask, progress};
use crate::vault::Pin;

/// Options that name a token instead of files.
const TOKENS: [&str; 2] = ["softhsm", "module"];

/// Where from.
#[derive(Args)]
pub(super) struct Import {
    /// Files with keys and certificates: PEM, DER, PKCS#8, PKCS#12; `-` is standard input
    #[arg(value_name = "FILE", conflicts_with_all = TOKENS)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseSource,
    /// Let private keys from files leave the vault again
    #[arg(long, conflicts_with_all = TOKENS)]
    exportable: bool,
    /// What the key of the file is called in the vault, with its certificate (default: as the file calls it, or as the
    /// file is called)
    #[arg(long, value_name = "LABEL", conflicts_with_all = TOKENS)]
    label: Option<String>,
    /// Import keys also if the vault has others with the same labels; a URI with only `object=` doesn't say then which
    /// it means
    #[arg(long)]
    same_labels: bool,
    /// A token of SoftHSM 2, with the keys that its module doesn't let out, from the directory of its tokens or its own
    /// (default: where SoftHSM's configuration says)
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    softhsm: Option<Option<PathBuf>>,
    /// A token of another PKCS#11 module, by the module's path: what it lets out
    #[arg(long, value_name = "PATH", conflicts_with = "softhsm")]
    module: Option<PathBuf>,
    /// The slot of the module's token to read, if there are several
    #[arg(long, value_name = "NUMBER", requires = "module")]
    slot: Option<u64>,
    /// The label of the token to read, if there are several
    #[arg(long, value_name = "LABEL", conflicts_with = "files")]
    token: Option<String>,
    /// Read the user PIN of the token from this file
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    source_pin_file: Option<PathBuf>,
    /// Say what would come, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, import: Import) -> Result<()> {
    import.check(context)?;
    let opened = context.locked()?;
    let mut harvest = import.harvest(context, opened.info.allow_conflicting_usage)?;
    pairs::check(&mut harvest)?;
    opened.vault.unlock(&context.users_way(&opened)?)?;
    let plan = Plan::new(&*opened.vault, std::mem::take(&mut harvest.candidates))?;
    if !import.same_labels {
        plan.check_labels(&opened.vault.image())?;
    }
    carry_out(context, &opened, import.dry_run, plan, harvest)
}

fn carry_out(context: &Context, opened: &Opened, dry_run: bool, mut plan: Plan, harvest: Harvest) -> Result<()> {
    let made = match dry_run {
        true => Vec::new(),
        false => opened.vault.create_in_place_of(plan.take_drafts(), &plan.replaced)?,
    };
    let mut remarks = harvest.remarks;
    remarks.extend(label_remark(&opened.info.label, harvest.token_label.as_deref()));
    let hidden = made.iter().filter(|object| opened.hides(object)).count();
    if hidden > 0 {
        remarks.push(format!("Programs on this machine don't see {hidden} of them: {}.", opened.what_is_shown()));
    }
    Report { plan: &plan, made: &made, left: &harvest.left, remarks, dry_run }.print(context)
}

/// What a token holds, judged one by one.
fn judged(
    label: String,
    found: Vec<Found>,
    left: Vec<LeftBehind>,
    allow_conflicting_usage: bool,
    step: &mut dyn FnMut(usize, usize),
) -> Result<Harvest> {
    let mut harvest = Harvest { left, token_label: Some(label), ..Harvest::default() };
    let all = found.len();
    for (done, found) in found.into_iter().enumerate() {
        match judge(found, allow_conflicting_usage)? {
            Verdict::Comes(candidate) => harvest.candidates.push(*candidate),
            Verdict::Stays(left) => harvest.left.push(left),
        }
        step(done + 1, all);
    }
    Ok(harvest)
}

/// A URI names the token by its label.
fn label_remark(own: &str, source: Option<&str>) -> Option<String> {
    let source = source.filter(|source| *source != own && !source.is_empty())?;
    Some(format!(
        "The source is called {source:?}, this vault {own:?}: in PKCS#11 URIs with `token={source}` write the vault's \
         label, or import into a vault made with `strongroom init --label {source:?}`."
    ))
}

impl Import {
    fn check(&self, context: &Context) -> Result<()> {
        if self.files.is_empty() && self.softhsm.is_none() && self.module.is_none() {
            return Err(Error::Usage("Say what to import: files, --softhsm or --module.".into()));
        }
        if self.label.is_some() && self.files.len() > 1 {
            return Err(Error::Usage("--label names the key of one file: import the others by themselves.".into()));
        }
        if context.global.pin_stdin && self.files.iter().any(|file| file.as_os_str() == "-") {
            return Err(Error::Usage("Standard input can't hold both the PIN and the key.".into()));
        }
        Ok(())
    }

    fn harvest(&self, context: &Context, allow_conflicting_usage: bool) -> Result<Harvest> {
        match (&self.softhsm, &self.module) {
            (Some(directory), _) => {
                let token = self.choose(softhsm::token_directories(directory.as_deref())?)?;
                let pin = self.source_pin(&token.label())?;
                progress::count(&context.output, "Reading", |step| {
                    let (found, left) = token.objects(&pin, step)?;
                    judged(token.label(), found, left, allow_conflicting_usage, step)
                })
            }
            (None, Some(path)) => {
                let which = module::Which { label: self.token.as_deref(), slot: self.slot };
                let module = module::Module::load(path, &which)?;
                // A token of certificates alone asks nobody in.
                let asks = module.asks_for_pin() || self.source_pin_file.is_some();
                let pin = asks.then(|| self.source_pin(module.label())).transpose()?;
                let label = module.label().to_owned();
                progress::count(&context.output, "Reading", |step| {
                    let (found, left) = module.objects(pin.as_ref(), step)?;
                    module.end()?;
                    judged(label, found, left, allow_conflicting_usage, step)
                })
            }
            (None, None) => {
                let wishes = file::Wishes { exportable: self.exportable, label: self.label.as_deref() };
                file::read(&self.files, &self.passphrase.passphrase(), &wishes)
            }
        }
    }

    /// The token that is named, or the only one.
    fn choose(&self, mut directories: Vec<PathBuf>) -> Result<softhsm::Token> {
        // One that is damaged is nobody's choice; if it is the only one, reading it says so.
        let label = |path: &PathBuf| softhsm::label_of(path).unwrap_or_else(|_| format!("damaged: {}", path.display()));
        let labels: Vec<String> = directories.iter().map(|path| format!("{:?}", label(path))).collect();
        if let Some(wanted) = &self.token {
            directories.retain(|path| label(path) == *wanted);
        }
        match (directories.as_slice(), &self.token) {
            ([only], _) => softhsm::Token::read(only),
            ([], _) => Err(Error::refused(format!("There is no such token: there is {}.", labels.join(", ")))),
            (_, Some(label)) => Err(Error::refused(format!(
                "Several tokens are called {label:?}: name the directory of one with --softhsm DIR."
            ))),
            (_, None) => Err(Error::refused(format!(
                "There are several tokens: say which with --token ({}).",
                labels.join(", ")
            ))),
        }
    }

    fn source_pin(&self, label: &str) -> Result<Pin> {
        let source = ask::Source { file: self.source_pin_file.as_deref(), stdin: false, option: "--source-pin-file" };
        ask::pin(source, &format!("User PIN of the token {label}"))
    }
}
