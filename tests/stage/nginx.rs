//! nginx as an operator starts it: a root master and workers of `www-data`, keys by PKCS#11 URI through OpenSSL's engine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, time};

use super::{Stage, free_port, module, output, succeed, wait_until};

/// A server block: its port, certificate and key (a URI or a file).
#[derive(Clone)]
pub struct Site {
    /// On 127.0.0.1.
    pub port: u16,
    /// The certificate's file.
    pub certificate: String,
    /// As nginx's `ssl_certificate_key` takes it.
    pub key: String,
}

impl Site {
    /// A site on a free port whose key is addressed by label.
    pub fn labelled(certificate: &str, label: &str) -> Self {
        let uri = format!("engine:pkcs11:pkcs11:token={};object={label};type=private", super::TOKEN);
        Self { port: free_port(), certificate: certificate.to_owned(), key: uri }
    }
}

/// A running nginx; stopped when dropped.
pub struct Nginx<'a> {
    stage: &'a Stage,
    module: PathBuf,
    master: u32,
    workers: usize,
}

impl<'a> Nginx<'a> {
    /// Writes the configuration, starts it, waits until every worker is there.
    pub fn start(stage: &'a Stage, workers: usize, sites: &[Site]) -> Self {
        Self::start_with(stage, &module(), workers, sites)
    }

    /// The same with this module.
    pub fn start_with(stage: &'a Stage, module: &Path, workers: usize, sites: &[Site]) -> Self {
        write_configuration(stage, workers, sites);
        succeed(&mut command(stage, module));
        let pid = stage.path("nginx.pid");
        wait_until("nginx writes its pid", || fs::read_to_string(&pid).is_ok_and(|text| !text.trim().is_empty()));
        let master = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        let nginx = Self { stage, module: module.to_owned(), master, workers };
        wait_until("nginx starts its workers", || nginx.workers().len() == workers);
        nginx
    }

    /// Takes other sites over, as `nginx -s reload` does, and waits until the new workers are there.
    pub fn reload(&self, sites: &[Site]) {
        write_configuration(self.stage, self.workers, sites);
        let before = self.workers();
        succeed(command(self.stage, &self.module).args(["-s", "reload"]));
        wait_until("nginx starts new workers", || {
            let now = self.workers();
            now.iter().filter(|worker| !before.contains(worker)).count() == self.workers
        });
    }

    /// The workers' process ids.
    pub fn workers(&self) -> Vec<u32> {
        let children = format!("/proc/{0}/task/{0}/children", self.master);
        let children = fs::read_to_string(children).unwrap_or_default();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// What it logged at level `warn` and above.
    pub fn log(&self) -> String {
        fs::read_to_string(self.stage.path("nginx.log")).unwrap_or_default()
    }
}

impl Drop for Nginx<'_> {
    fn drop(&mut self) {
        let alive = || fs::metadata(format!("/proc/{}", self.master)).is_ok();
        let _ = output(Command::new("kill").args(["-TERM", &self.master.to_string()]));
        let start = time::Instant::now();
        while alive() && start.elapsed() < time::Duration::from_secs(10) {
            std::thread::sleep(time::Duration::from_millis(20));
        }
        if alive() {
            let _ = output(Command::new("kill").args(["-KILL", &self.master.to_string()]));
        }
    }
}

fn command(stage: &Stage, module: &Path) -> Command {
    let mut command = stage.command("nginx");
    command.env("OPENSSL_CONF", stage.engine_configuration_for(module));
    command.args(["-c", &stage.at("nginx.conf"), "-e", &stage.at("nginx.log")]);
    command
}

fn write_configuration(stage: &Stage, workers: usize, sites: &[Site]) -> PathBuf {
    let mut text = format!(
        "user www-data;\nworker_processes {workers};\npid {pid};\nerror_log {log} warn;\n\
         events {{ worker_connections 512; }}\nhttp {{\naccess_log off;\n\
         ssl_protocols TLSv1.2 TLSv1.3;\nssl_session_tickets off;\nssl_session_cache off;\nkeepalive_timeout 0;\n",
        pid = stage.at("nginx.pid"),
        log = stage.at("nginx.log"),
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        text += &format!("{kind}_temp_path {};\n", stage.at(kind));
    }
    for site in sites {
        text += &format!(
            "server {{ listen 127.0.0.1:{} ssl; ssl_certificate {}; ssl_certificate_key \"{}\"; \
             location / {{ default_type text/plain; return 200 \"served by the vault's key\\n\"; }} }}\n",
            site.port, site.certificate, site.key
        );
    }
    text += "}\n";
    stage.file("nginx.conf", text).into()
}
