//! OpenSSL: which one, whether its engine or provider for PKCS#11 is installed, and whether the configuration that
//! counts leads it to our module.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::file::Seen;
use super::openssl_conf::{Conf, Setting};
use super::openssl_lines::Bridge;
use super::report::finding;
use super::table::Area;
use super::vault::Looked;
use super::{Examination, certificate, module, objects_line, service, shell, uri};
use crate::sys::env;
use crate::vault::{Class, KeyAlgorithm, Object, Pin};

/// The OpenSSL of this machine.
pub(super) struct OpenSsl {
    /// "3.0.22".
    pub version: String,
    /// The configuration that nginx gets, else the one that this process would.
    pub conf_file: PathBuf,
    pub loads_engine: bool,
    pub loads_provider: bool,
    /// Its PIN, if it says one, so that no other place must.
    pub pin: Option<StatedPin>,
    engines: PathBuf,
    providers: PathBuf,
}

/// A PIN in OpenSSL's configuration, and where it stands.
pub(super) struct StatedPin {
    pub file: PathBuf,
    pub line: usize,
    /// `None` if only OpenSSL can tell what it is.
    pub pin: Option<Pin>,
}

const CONF_CHECKS: &[&str] = &["openssl-conf-missing", "openssl-conf-open"];
const ENGINE_CHECKS: &[&str] = &[
    "openssl-engine-missing",
    "openssl-engine-path",
    "openssl-setting",
    "openssl-module-path",
    "openssl-init",
    "openssl-ed25519",
];
const PROVIDER_CHECKS: &[&str] = &["openssl-provider-missing", "openssl-module-path", "openssl-init"];

/// Until which release libp11 stumbles over Ed25519 keys.
const LIBP11_WITHOUT_ED25519: &str = "0.4.12";

pub(super) fn examine(examination: &mut Examination) -> Option<OpenSsl> {
    let Some(mut openssl) = OpenSsl::of_this_machine() else {
        examination.report.left_out(Area::OpenSsl, "the command `openssl` isn't installed");
        return None;
    };
    let fact = format!("OpenSSL {}, configured by {}", openssl.version, openssl.conf_file.display());
    examination.report.fact(Area::OpenSsl, fact);
    examination.report.looked(CONF_CHECKS);
    let Some(conf) = Conf::read(&openssl.conf_file) else {
        if service::variable("OPENSSL_CONF").is_some() {
            let found = finding("openssl-conf-missing").with("file", openssl.conf_file.display());
            let lines = Bridge::Engine.whole(&examination.module_path());
            examination.report.found(found.with_command("lines", shell::quote_all(lines.iter().map(String::as_str))));
        }
        return Some(openssl);
    };
    if let Some(section) = conf.engine() {
        openssl.loads_engine = true;
        examination.report.looked(ENGINE_CHECKS);
        engine(examination, &mut openssl, &conf, &section);
    }
    if let Some(section) = conf.provider() {
        openssl.loads_provider = true;
        examination.report.looked(PROVIDER_CHECKS);
        provider(examination, &mut openssl, &conf, &section);
    }
    if !openssl.loads_engine && !openssl.loads_provider {
        let why = format!("{} loads neither engine nor provider for PKCS#11", openssl.conf_file.display());
        examination.report.left_out(Area::OpenSsl, why);
    }
    Some(openssl)
}

/// The modules that the configuration names which counts, ours or not.
pub(super) fn module_paths() -> Vec<PathBuf> {
    let conf = service::variable("OPENSSL_CONF").and_then(|file| Conf::read(Path::new(&file)));
    let sections = conf.iter().flat_map(|conf| [conf.engine(), conf.provider()]).flatten();
    let named = sections.flat_map(|section| ["MODULE_PATH", "pkcs11-module-path"].map(|name| (section.clone(), name)));
    let conf = conf.as_ref();
    named.filter_map(|(section, name)| Some(PathBuf::from(conf?.get(&section, name)?.value.as_str()))).collect()
}

impl OpenSsl {
    fn of_this_machine() -> Option<Self> {
        let output = Command::new("openssl")
            .args(["version", "-v", "-d", "-e", "-m"])
            // Its own broken configuration must not keep it from answering.
            .env("OPENSSL_CONF", "/dev/null")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let quoted = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(PathBuf::from(line.trim().trim_start_matches(':').trim().trim_matches('"')))
        };
        let variable = |name| env::variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let directory = quoted("OPENSSLDIR").unwrap_or_else(|| "/usr/lib/ssl".into());
        Some(Self {
            version: text.lines().next()?.split(' ').nth(1)?.to_owned(),
            conf_file: service::variable("OPENSSL_CONF").map_or_else(|| directory.join("openssl.cnf"), PathBuf::from),
            engines: variable(c"OPENSSL_ENGINES").or_else(|| quoted("ENGINESDIR")).unwrap_or_default(),
            providers: variable(c"OPENSSL_MODULES").or_else(|| quoted("MODULESDIR")).unwrap_or_default(),
            loads_engine: false,
            loads_provider: false,
            pin: None,
        })
    }

    /// 3 of "3.0.22".
    pub(super) fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }
}

fn engine(examination: &mut Examination, openssl: &mut OpenSsl, conf: &Conf, section: &str) {
    let installed = openssl.engines.join("pkcs11.so").exists() || openssl.engines.join("libpkcs11.so").exists();
    match conf.get(section, "dynamic_path") {
        Some(path) if !Path::new(path.value.as_str()).exists() => {
            let found = finding("openssl-engine-path").with("line", path.line).with("path", &*path.value);
            // OpenSSL finds it by itself where it is installed.
            examination.report.found(found.with("file", path.file.display()).with("edit", shell::delete(path.line)));
        }
        Some(_) => {}
        None if installed => {}
        None => {
            let found = finding("openssl-engine-missing").with("version", &openssl.version);
            let found = found.with("directory", openssl.engines.display());
            examination.report.found(found.maybe("variable", if_set("OPENSSL_ENGINES")));
        }
    }
    settings(examination, conf, section);
    module_path(examination, conf.get(section, "MODULE_PATH"));
    pin(examination, openssl, conf.get(section, "PIN"));
    // Left out it is as good as 1; 0 leaves it to programs, and nginx doesn't do it.
    if let Some(init) = conf.get(section, "init").filter(|init| init.value.as_str() == "0") {
        lacks(examination, conf, section, Some(init), "init = 1");
    }
    ed25519(examination);
}

/// What OpenSSL itself reads of an engine's section, what it tells every engine, and what libp11's has.
const SETTINGS: &[&str] = &[
    "engine_id",
    "soft_load",
    "dynamic_path",
    "init",
    "default_algorithms",
    "SO_PATH",
    "NO_VCHECK",
    "ID",
    "LIST_ADD",
    "DIR_LOAD",
    "DIR_ADD",
    "LOAD",
    "MODULE_PATH",
    "PIN",
    "VERBOSE",
    "QUIET",
    "LOAD_CERT_CTRL",
    "INIT_ARGS",
    "SET_USER_INTERFACE",
    "SET_CALLBACK_DATA",
    "FORCE_LOGIN",
    "RE_ENUMERATE",
    "DEBUG_LEVEL",
    "VLOG_A",
];

/// One that is unknown, and OpenSSL loads nothing at all.
fn settings(examination: &mut Examination, conf: &Conf, section: &str) {
    for setting in conf.section(section) {
        // What stands before a point only tells settings of one name apart.
        let name = setting.name.split_once('.').map_or(setting.name.as_str(), |(_, name)| name);
        if SETTINGS.contains(&name) {
            continue;
        }
        let same = SETTINGS.iter().copied().find(|known| known.eq_ignore_ascii_case(name));
        let meant = same.or_else(|| uri::slip(name, SETTINGS.iter().copied()));
        let edit = match meant {
            Some(meant) => shell::replace(setting.line, name, meant),
            None => shell::delete(setting.line),
        };
        let found = finding("openssl-setting").with("file", setting.file.display()).with("line", setting.line);
        examination.report.found(found.with("key", name).with("edit", edit));
    }
}

fn provider(examination: &mut Examination, openssl: &mut OpenSsl, conf: &Conf, section: &str) {
    let named = conf.get(section, "module");
    let path = named.map_or_else(|| openssl.providers.join("pkcs11.so"), |path| PathBuf::from(path.value.as_str()));
    let path = if path.is_absolute() { path } else { openssl.providers.join(path) };
    if !path.exists() {
        let installed = openssl.providers.join("pkcs11.so").exists();
        let edit = named.filter(|_| installed).map(|named| shell::delete(named.line));
        let found = finding("openssl-provider-missing").with("version", &openssl.version).with("path", path.display());
        examination.report.found(match (named, edit) {
            (Some(named), Some(edit)) => found.with("edit", edit).with("file", named.file.display()),
            _ => found.maybe("variable", if_set("OPENSSL_MODULES")),
        });
    }
    module_path(examination, conf.get(section, "pkcs11-module-path"));
    pin(examination, openssl, conf.get(section, "pkcs11-module-token-pin"));
    let activate = conf.get(section, "activate");
    if !activate.is_some_and(|activate| matches!(activate.value.as_str(), "1" | "yes" | "true" | "on")) {
        lacks(examination, conf, section, activate, "activate = 1");
    }
}

/// The variable's name, if it is what leads OpenSSL there.
fn if_set(variable: &'static str) -> Option<&'static str> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(|_| variable)
}

/// Without one it is p11-kit's proxy, which is p11-kit's matter.
fn module_path(examination: &mut Examination, setting: Option<&Setting>) {
    let Some(setting) = setting else { return };
    let path = Path::new(setting.value.as_str());
    let proxy = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("p11-kit-proxy"));
    let what = match path.is_file() {
        false => "not there",
        true if proxy || module::is_ours(examination, path) => return,
        true => "another module",
    };
    let Some(ours) = module::path_or(examination, Area::OpenSsl) else { return };
    let line = format!("{} = {}", setting.name, ours.display());
    let found = finding("openssl-module-path")
        .with("file", setting.file.display())
        .with("line", setting.line)
        .with("key", &setting.name)
        .with("path", path.display())
        .with("what", what)
        .with("edit", shell::change(setting.line, &line));
    examination.report.found(found);
}

/// A PIN in the file itself makes the file a secret.
fn pin(examination: &mut Examination, openssl: &mut OpenSsl, setting: Option<&Setting>) {
    let Some(setting) = setting else { return };
    let elsewhere = setting.value.starts_with("file:");
    // Escapes and variables are OpenSSL's to resolve, and a file's name the provider's.
    let plain = !elsewhere && !setting.value.contains(['\\', '$', '\'', '"', '#']) && !setting.value.is_empty();
    let pin = plain.then(|| Pin::new(setting.value.as_bytes().to_vec()));
    openssl.pin = Some(StatedPin { file: setting.file.clone(), line: setting.line, pin });
    if let Some(seen) = Seen::behind(&setting.file).filter(|seen| !elsewhere && seen.mode() & 0o044 != 0) {
        let found = finding("openssl-conf-open").with("file", setting.file.display());
        examination.report.found(found.with("mode", seen.mode_text()));
    }
}

/// A setting that must be there is not, or has another value.
fn lacks(examination: &mut Examination, conf: &Conf, section: &str, wrong: Option<&Setting>, setting: &str) {
    let Some(place) = wrong.or_else(|| conf.last_of(section)) else { return };
    let edit = if wrong.is_some() { shell::change(place.line, setting) } else { shell::append(place.line, setting) };
    let found = finding("openssl-init").with("file", place.file.display()).with("section", section);
    examination.report.found(found.with("setting", setting).with("edit", edit));
}

/// libp11 looks at every private key that it sees, also where a URI names another one.
fn ed25519(examination: &mut Examination) {
    let mut found = Vec::new();
    for vault in &examination.vaults {
        let keys = vault.image.iter().flat_map(|image| image.with_class(Class::PrivateKey));
        let stumbles = |object: &&Arc<Object>| object.content.enabled && vault.shows(object) && is_edwards(object);
        let names: Vec<String> = keys.filter(stumbles).map(|object| certificate::name_of(object)).collect();
        let Some(first) = names.first() else { continue };
        let more = names.len() - 1;
        let key = if more == 0 { first.clone() } else { format!("{first} (and {more} more)") };
        found.push((vault.name.clone(), key, hiding(examination, vault)));
    }
    if found.is_empty() || !has_old_libp11() {
        return;
    }
    let source = examination.source.as_ref().map(|file| file.display().to_string());
    for (vault, key, edit) in found {
        let warning = finding("openssl-ed25519").with("vault", vault).with("key", key).with("new-vault", "ed25519");
        examination.report.found(warning.maybe("edit", edit).maybe("file", source.clone()));
    }
}

fn is_edwards(object: &Object) -> bool {
    let algorithm = object.content.key.as_ref().map(|key| key.algorithm);
    matches!(algorithm, Some(KeyAlgorithm::Ed25519 | KeyAlgorithm::X25519))
}

/// sed's command that makes `objects` the list of everything else that is seen.
fn hiding(examination: &Examination, vault: &Looked) -> Option<String> {
    let image = vault.image.as_ref()?;
    let others = image.objects().filter(|object| vault.shows(object) && !is_edwards(object));
    let mut names: Vec<String> = others.map(|object| certificate::name_of(object)).collect();
    names.sort();
    names.dedup();
    // Many are nobody's to keep in a line.
    if names.is_empty() || names.len() > 20 {
        return None;
    }
    objects_line::listing(examination.source.as_deref()?, vault, &names)
}

/// Where the package manager can't tell, it may be.
fn has_old_libp11() -> bool {
    let query = ["-W", "-f", "${Version}", "libengine-pkcs11-openssl"];
    let output = Command::new("dpkg-query").args(query).stdin(Stdio::null()).output();
    let version = output.ok().filter(|output| output.status.success()).map(|output| output.stdout).unwrap_or_default();
    let numbers = |text: &str| -> Vec<u32> {
        text.split('-').next().unwrap_or_default().split('.').filter_map(|part| part.parse().ok()).collect()
    };
    let version = numbers(&String::from_utf8_lossy(&version));
    version.is_empty() || version <= numbers(LIBP11_WITHOUT_ED25519)
}
