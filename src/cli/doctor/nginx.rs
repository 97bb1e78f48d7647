//! nginx: its configuration file, what its keys need of OpenSSL, and who its workers are.
//!
//! The keys themselves are `nginx_keys.rs`'s, their certificates `nginx_certificates.rs`'s.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::nginx_conf::{Conf, Directive};
use super::openssl_lines::Bridge;
use super::report::finding;
use super::table::Area;
use super::{Examination, file, nginx_keys, openssl_conf, service, shell, uri};
use crate::sys::env;
use crate::sys::user::{self, Access, User};

/// What is looked at whether or not there are keys of a vault.
const CHECKS: &[&str] =
    &["nginx-config", "nginx-user", "nginx-user-root", "nginx-core-dumps", "nginx-environment", "nginx-pin-in-uri"];

/// The nginx that is installed.
struct Program {
    version: (u32, u32),
    user: String,
    conf_file: PathBuf,
}

/// How a key is named to nginx.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Engine,
    Store,
    /// None: nginx takes the URI for the name of a file.
    File,
}

/// A key of a vault in nginx's configuration.
pub(super) struct Key<'a> {
    pub directive: &'a Directive,
    pub scheme: Scheme,
    /// The engine's name.
    engine: &'a str,
    /// The URI as it stands there; may hold a PIN.
    pub uri: &'a str,
    /// The certificate's file that goes with it; one with variables in its name is known only at a request.
    pub certificate: Option<PathBuf>,
    /// What follows a bare `;` in the URI: nginx takes each piece for a directive.
    pub cut: Vec<&'a Directive>,
}

pub(super) fn examine(examination: &mut Examination) {
    let program = Program::installed();
    let named = examination.arguments.nginx.clone().and_then(|path| std::path::absolute(path).ok());
    if examination.opener().is_some() {
        // The variables of this shell, and the vaults that were looked at, are that program's.
        let why = "nginx wasn't looked at: --user names another program's user, unless --nginx names a configuration";
        return examination.report.left_out(Area::Nginx, why);
    }
    if named.is_none() && env::effective_uid() != 0 {
        // Its master opens root's vaults, not this user's.
        let why =
            "nginx wasn't looked at: it is root's (`sudo strongroom doctor`), unless --nginx names a configuration";
        return examination.report.left_out(Area::Nginx, why);
    }
    let installed = program.as_ref().map(|program| program.conf_file.clone()).filter(|file| file.exists());
    let Some(path) = named.or(installed) else {
        return examination
            .report
            .left_out(Area::Nginx, "no nginx is installed, and no configuration is named (--nginx)");
    };
    examination.report.fact(Area::Nginx, path.display().to_string());
    let conf = match Conf::read(&path) {
        Ok(conf) => conf,
        Err(problem) if problem.is_permission => {
            let why = format!("this user can't read {}: try `sudo strongroom doctor`", problem.file.display());
            return examination.report.left_out(Area::Nginx, why);
        }
        Err(problem) => {
            let found = finding("nginx-config").with("file", problem.file.display()).with("problem", problem.text);
            return examination.report.found(found.with("config", path.display()));
        }
    };
    let keys = keys(&conf);
    if keys.is_empty() {
        return examination.report.left_out(Area::Nginx, format!("{} names no key of a vault", path.display()));
    }
    examination.report.looked(CHECKS);
    loading(examination, program.as_ref(), &keys);
    nginx_keys::open_vaults(examination, &keys);
    for key in &keys {
        nginx_keys::examine(examination, key);
    }
    environment(examination, &conf, &path);
    core_dumps(examination, &conf);
    if let Some(user) = worker(examination, program.as_ref(), &conf, &path) {
        reach(examination, &user);
    }
}

impl Program {
    fn installed() -> Option<Self> {
        // An ordinary user's PATH leads to no services.
        let version = |program| Command::new(program).arg("-V").stdin(Stdio::null()).output().ok();
        let output = version("nginx").or_else(|| version("/usr/sbin/nginx"))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let version = text.lines().find_map(|line| line.split_once("nginx/"))?.1;
        let mut numbers = version.split(['.', ' ']).map_while(|part| part.parse().ok());
        let option = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        Some(Self {
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
            user: option("--user=").unwrap_or_else(|| "nobody".to_owned()),
            conf_file: option("--conf-path=").unwrap_or_else(|| "/etc/nginx/nginx.conf".to_owned()).into(),
        })
    }
}

/// Every key that isn't a file, with the certificate of the same place in its block.
fn keys(conf: &Conf) -> Vec<Key<'_>> {
    // nginx's own keys, and those with which it is a client.
    let kinds = [
        ("ssl_certificate_key", "ssl_certificate"),
        ("proxy_ssl_certificate_key", "proxy_ssl_certificate"),
        ("grpc_ssl_certificate_key", "grpc_ssl_certificate"),
        ("uwsgi_ssl_certificate_key", "uwsgi_ssl_certificate"),
    ];
    kinds.into_iter().flat_map(|(key, certificate)| keys_of(conf, key, certificate)).collect()
}

fn keys_of<'a>(conf: &'a Conf, key: &'a str, certificate: &'a str) -> Vec<Key<'a>> {
    let mut keys = Vec::new();
    let directives: Vec<&Directive> = conf.named(key).collect();
    for directive in &directives {
        let Some((scheme, engine, uri)) = named_key(directive.value()) else { continue };
        let mut siblings = directives.iter().filter(|other| other.block == directive.block);
        let place = siblings.position(|other| std::ptr::eq(*other, *directive)).unwrap_or(0);
        let certificate = conf.in_force(certificate, directive.block).get(place).copied();
        let is_file = |directive: &&Directive| !directive.value().contains(['$', ':']);
        let certificate = certificate.filter(is_file).map(|directive| conf.base.join(directive.value()));
        keys.push(Key { directive, scheme, engine, uri, certificate, cut: cut(conf, directive) });
    }
    keys
}

/// The rest of a URI that a bare `;` ended. No directive of nginx's has a `=` in its name.
fn cut<'a>(conf: &'a Conf, directive: &Directive) -> Vec<&'a Directive> {
    let after = conf.directives.iter().skip_while(|other| !std::ptr::eq(*other, directive)).skip(1);
    let same_line = after.take_while(|other| other.file == directive.file && other.line == directive.line);
    same_line.take_while(|other| other.words.len() == 1 && other.words[0].contains('=')).collect()
}

/// Scheme, engine and URI of a key that isn't a file.
fn named_key(value: &str) -> Option<(Scheme, &str, &str)> {
    if value.starts_with("pkcs11:") {
        return Some((Scheme::File, "pkcs11", value));
    }
    if let Some(uri) = value.strip_prefix("store:").filter(|uri| uri.starts_with("pkcs11:")) {
        return Some((Scheme::Store, "pkcs11", uri));
    }
    let (engine, uri) = value.strip_prefix("engine:")?.split_once(':')?;
    // Other engines have their own names for keys; one with a PKCS#11 URI is a slip of the pen.
    (engine == "pkcs11" || uri.starts_with("pkcs11:")).then_some((Scheme::Engine, engine, uri))
}

/// Whether OpenSSL loads what the keys need, and nginx is new enough.
fn loading(examination: &mut Examination, program: Option<&Program>, keys: &[Key<'_>]) {
    examination.report.looked(&["nginx-engine"]);
    if keys.iter().any(|key| key.scheme == Scheme::Store) {
        examination.report.looked(&["nginx-store"]);
    }
    for key in keys {
        let old = program.is_some_and(|program| program.version < (1, 29));
        let openssl = examination.openssl.as_ref().map(|openssl| (openssl.major(), openssl.version.clone()));
        if key.scheme == Scheme::Store && (old || openssl.as_ref().is_some_and(|(major, _)| *major < 3)) {
            let version = program.map_or((0, 0), |program| program.version);
            let openssl = openssl.map(|(_, version)| version).unwrap_or_default();
            let found = at(finding("nginx-store"), key)
                .with("version", format!("nginx {}.{} with OpenSSL {openssl}", version.0, version.1))
                .with("edit", shell::replace(key.directive.line, "store:pkcs11:", "engine:pkcs11:pkcs11:"));
            examination.report.found(found);
            continue;
        }
        if key.engine != "pkcs11" {
            let edit = shell::replace(key.directive.line, &format!("engine:{}:", key.engine), "engine:pkcs11:");
            let problem = format!("there is no engine {:?} for PKCS#11: it is called pkcs11", key.engine);
            examination.report.found(at(finding("nginx-uri"), key).with("problem", problem).with("edit", edit));
            continue;
        }
        let Some(openssl) = &examination.openssl else { continue };
        match key.scheme {
            Scheme::Engine if !openssl.loads_engine => not_loaded(examination, key, Bridge::Engine),
            Scheme::Store if !openssl.loads_provider => not_loaded(examination, key, Bridge::Provider),
            _ => {}
        }
    }
}

/// OpenSSL's configuration loads nothing for PKCS#11: the one that nginx has gets what is missing, or nginx gets one.
fn not_loaded(examination: &mut Examination, key: &Key<'_>, bridge: Bridge) {
    let Some(openssl) = &examination.openssl else { return };
    let file = openssl.conf_file.clone();
    // One that isn't there is said by itself.
    let Some(conf) = openssl_conf::Conf::read(&file) else { return };
    let module = examination.module_path();
    let lines = |lines: Vec<String>| shell::quote_all(lines.iter().map(String::as_str));
    let found = at(finding("nginx-engine"), key).with("what", bridge.name()).with("conf", file.display());
    // The system's own file is every program's.
    let own = service::variable("OPENSSL_CONF").is_some();
    let addition = if own { bridge.addition(&conf, &file, &module) } else { None };
    if let Some(addition) = addition {
        let found = found.with("edit", addition.edit).with_command("lines", lines(addition.lines));
        return examination.report.found(found);
    }
    // One that loads it is there already, and only nginx doesn't know of it.
    let ready = PLACES
        .iter()
        .map(Path::new)
        .find(|place| openssl_conf::Conf::read(place).is_some_and(|conf| bridge.is_loaded_by(&conf)));
    // Somebody's file is nobody's to overwrite.
    let new = ready.or_else(|| PLACES.iter().map(Path::new).find(|place| !place.exists()));
    let Some(new) = new else { return examination.report.found(found) };
    let environment = format!("Environment=OPENSSL_CONF={}", new.display());
    let found = found
        .with("unit", "/etc/systemd/system/nginx.service.d/strongroom.conf")
        .with_command("service", shell::quote_all(["[Service]", &environment]));
    examination.report.found(match ready {
        Some(_) => found,
        None => found.with_command("lines", lines(bridge.whole(&module))).with("new-conf", new.display()),
    });
}

/// Where an OpenSSL configuration of nginx's own lies, or is put.
const PLACES: &[&str] = &["/etc/nginx/openssl.cnf", "/etc/nginx/strongroom-openssl.cnf"];

/// The finding with the place in nginx's configuration.
pub(super) fn at(finding: super::report::Finding, key: &Key<'_>) -> super::report::Finding {
    finding.with("file", key.directive.file.display()).with("line", key.directive.line)
}

/// nginx's master keeps its environment, but a live upgrade of the program hands on only what `env` names.
fn environment(examination: &mut Examination, conf: &Conf, path: &Path) {
    for variable in ["STRONGROOM_CONF", "STRONGROOM_VAULT", "OPENSSL_CONF"] {
        let names = |directive: &Directive| directive.value().split('=').next() == Some(variable);
        let value = service::of_nginx(variable, examination.arguments.nginx.is_some());
        other_environment(examination, variable, value.as_deref());
        if value.is_some() && !conf.named("env").any(names) {
            let found = finding("nginx-environment").with("variable", variable).with("file", path.display());
            examination.report.found(found.with("edit", shell::insert(1, &format!("env {variable};"))));
        }
    }
}

/// nginx's service has another configuration than this shell: what was looked at isn't what nginx sees.
fn other_environment(examination: &mut Examination, variable: &str, value: Option<&str>) {
    let Some(value) =
        value.filter(|value| variable != "OPENSSL_CONF" && std::env::var(variable).ok().as_deref() != Some(value))
    else {
        return;
    };
    let command = format!("{variable}={} strongroom doctor", shell::quote(value));
    let why = format!("nginx's service has {variable}, this shell has it not: `{command}` looks at what nginx sees");
    examination.report.left_out(Area::Nginx, why);
}

fn core_dumps(examination: &mut Examination, conf: &Conf) {
    for directive in conf.named("worker_rlimit_core").filter(|directive| directive.value() != "0") {
        let found = finding("nginx-core-dumps").with("file", directive.file.display()).with("line", directive.line);
        examination.report.found(found.with("edit", shell::change(directive.line, "worker_rlimit_core 0;")));
    }
}

/// As whom the workers run.
fn worker(examination: &mut Examination, program: Option<&Program>, conf: &Conf, path: &Path) -> Option<User> {
    if let Some(user) = examination.service_user().filter(|_| examination.arguments.nginx.is_some()) {
        return Some(user.clone());
    }
    let directive = conf.named("user").last();
    let fallback = program.map_or("nobody", |program| program.user.as_str());
    let name = directive.map_or(fallback, Directive::value).to_owned();
    let group = directive.and_then(|directive| directive.words.get(2)).and_then(|group| env::group_number(group));
    let user = User::named(&name).map(|user| match group {
        Some(group) => user.in_group(group),
        None => user,
    });
    if let Some(directive) = directive.filter(|_| user.as_ref().is_some_and(|user| user.uid == 0)) {
        let edit = shell::change(directive.line, "user www-data;");
        let found = finding("nginx-user-root").with("file", directive.file.display()).with("line", directive.line);
        examination.report.found(found.with("edit", edit));
    }
    if user.is_none() {
        let known = ["www-data", "nginx", "nobody"];
        let near = uri::nearest(&name, known.into_iter().filter(|known| User::named(known).is_some()));
        let edit = directive.zip(near).map(|(directive, near)| shell::replace(directive.line, &name, near));
        let file = directive.map_or(path, |directive| &directive.file);
        let found = finding("nginx-user").with("user", &name).with("file", file.display());
        examination.report.found(found.maybe("edit", edit));
    }
    user
}

/// What the workers must not reach.
fn reach(examination: &mut Examination, user: &User) {
    // Root reaches everything, which is said already; without vaults there is nothing to reach.
    if user.uid == 0 || examination.vaults.is_empty() {
        return;
    }
    let mut forbidden: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut pins: Vec<PathBuf> = Vec::new();
    for vault in &examination.vaults {
        let directory = vault.directory().to_owned();
        forbidden.extend([directory.clone(), directory.join("vault.db")].map(|path| (path, directory.clone())));
        pins.extend(vault.config.unlock_file.clone());
    }
    let questions: Vec<(&Path, Access)> = forbidden
        .iter()
        .flat_map(|(path, _)| [(path.as_path(), Access::Read), (path.as_path(), Access::Write)])
        .chain(pins.iter().map(|pin| (pin.as_path(), Access::Read)))
        .collect();
    let Ok(answers) = user::may(user, &questions) else {
        let why = format!("what {} may reach wasn't looked at: that needs root", user.name);
        return examination.report.left_out(Area::Nginx, why);
    };
    examination.report.looked(&["nginx-worker-reaches-vault"]);
    if !pins.is_empty() {
        examination.report.looked(&["nginx-worker-reaches-pin"]);
    }
    let (vaults, of_pins) = answers.split_at(forbidden.len() * 2);
    for ((path, directory), answers) in forbidden.iter().zip(vaults.chunks(2)) {
        if answers.contains(&true) {
            let found = finding("nginx-worker-reaches-vault").with("user", &user.name).with("file", path.display());
            let owned = file::Seen::behind(directory).filter(|seen| seen.uid() == user.uid);
            let found = found.with("directory", directory.display());
            examination.report.found(found.maybe("owned", owned.map(|_| directory.display())));
        }
    }
    for (pin, _) in pins.iter().zip(of_pins).filter(|(_, reached)| **reached) {
        let found = finding("nginx-worker-reaches-pin").with("user", &user.name).with("file", pin.display());
        examination.report.found(found);
    }
}
