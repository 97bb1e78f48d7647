//! `strongroom doctor`: looks at everything that stands between a program and its keys, says in plain words what is
//! wrong, and the one command that mends it.
//!
//! It changes nothing but what a login itself does (a wrong PIN in the configuration is counted, once, as in a
//! service), asks nobody, and needs neither a vault nor a sound configuration. [`table`] says what is checked; each
//! other file makes the checks of one thing; [`report`] prints. Whatever an earlier part found out, a later one uses:
//! the module's path, the vaults' contents, what OpenSSL loads.

mod backups;
mod certificate;
mod configuration;
mod file;
mod machine;
mod module;
mod nginx;
mod nginx_certificates;
mod nginx_conf;
mod nginx_keys;
mod nginx_slips;
mod nginx_twins;
mod objects;
mod objects_line;
mod openssl;
mod openssl_conf;
mod openssl_lines;
mod p11_kit;
mod remote;
mod report;
mod service;
mod shell;
pub mod table;
mod uri;
mod vault;

use std::path::PathBuf;

use clap::Args;

use self::module::Module;
use self::openssl::OpenSsl;
use self::report::Report;
use self::vault::Looked;
use super::{Context, Result, open};
use crate::config::{Config, VaultConfig};
use crate::sys::env;
use crate::sys::user::User;

/// What is looked at, beside this machine's usual places.
#[derive(Args)]
pub(super) struct Doctor {
    /// nginx's configuration (default: that of the nginx that is installed)
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "/etc/nginx/nginx.conf")]
    nginx: Option<PathBuf>,
    /// The module (default: the first in the usual places)
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// The user as whom a service runs, or nginx's workers
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only load this module, and say who made it
    #[arg(long, value_name = "FILE", hide = true)]
    load_module: Option<PathBuf>,
}

/// What is known so far.
struct Examination<'a> {
    context: &'a Context,
    arguments: &'a Doctor,
    report: Report,
    user: Option<User>,
    /// The configuration's file.
    source: Option<PathBuf>,
    module: Option<Module>,
    vaults: Vec<Looked>,
    openssl: Option<OpenSsl>,
}

impl Examination<'_> {
    /// The user that `--user` names, if there is one.
    fn service_user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// Who opens the vault, if it is somebody else than this process. nginx's master does it as root, whoever its
    /// workers are.
    fn opener(&self) -> Option<&User> {
        self.user.as_ref().filter(|_| self.arguments.nginx.is_none())
    }

    /// The module; where it is missing, the place where it should be.
    fn module_path(&self) -> PathBuf {
        self.module.as_ref().map_or_else(module::usual_place, |module| module.path.clone())
    }

    /// The PIN that is given with this call, read once.
    fn given_pin(&self) -> Option<crate::vault::Pin> {
        let file = self.context.global.pin_file.as_deref()?;
        crate::config::read_pin_file(file).ok().map(|pin| crate::vault::Pin::new(pin.to_vec()))
    }

    /// Whether a PIN is given with this call.
    fn gives_pin(&self) -> bool {
        self.context.global.pin_file.is_some() || self.context.global.pin_stdin
    }
}

pub(super) fn run(context: &Context, arguments: &Doctor) -> Result<()> {
    if let Some(module) = &arguments.load_module {
        return module::load(module);
    }
    let mut examination = Examination {
        context,
        arguments,
        report: Report::default(),
        user: arguments.user.as_deref().and_then(User::named),
        source: None,
        module: None,
        vaults: Vec::new(),
        openssl: None,
    };
    examination.report.in_name = examination.opener().map(in_name_of).unwrap_or_default();
    let config = configuration::examine(&mut examination).or_else(|| named_vault(context));
    examination.source = config.as_ref().and_then(|config| config.source.clone());
    if let Some(config) = &config {
        let vaults = vault::examine(&mut examination, config);
        for looked in &vaults {
            objects::examine(&mut examination, looked);
        }
        examination.vaults = vaults;
    }
    examination.module = module::examine(&mut examination);
    p11_kit::examine(&mut examination);
    examination.openssl = openssl::examine(&mut examination);
    nginx::examine(&mut examination);
    machine::examine(&mut examination);
    examination.report.print(&context.output)
}

/// What root writes before a command that a service's user is to run: files that it makes are theirs then.
fn in_name_of(user: &User) -> String {
    if user.uid == env::effective_uid() {
        return String::new();
    }
    let variables = ["STRONGROOM_CONF", "STRONGROOM_VAULT"].into_iter().filter_map(|name| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
        Some(format!("{name}={} ", shell::quote(&value)))
    });
    let mut variables: String = variables.collect();
    if variables.is_empty() {
        // `runuser` keeps root's, where the service's configuration isn't looked for.
        let home = env::home_of(user.uid).map(|home| format!("HOME={} ", shell::quote(&home.display().to_string())));
        variables = home.unwrap_or_default();
    }
    format!("runuser -u {} -- env {variables}", shell::quote(&user.name))
}

/// A vault that is named by its directory needs no configuration.
fn named_vault(context: &Context) -> Option<Config> {
    let path = std::path::absolute(context.global.vault.as_deref().filter(|name| name.contains('/'))?).ok()?;
    let vaults_dir = path.parent()?.to_owned();
    let vaults = vec![VaultConfig::local(path.display().to_string(), path)];
    Some(Config { source: None, vaults, vaults_dir, log: None, server: None, discovery: None, passed_over: None })
}
