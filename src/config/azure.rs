//! A `[[vault]]` table with `backend = "azure"`: where, by which way, and who this process is there.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use toml::Spanned;

use super::ConfigError;
use super::file::{Source, nearest};
use super::protected::{ProtectedFile, Trusted, read_secret, without_line_end};
use super::remote::{
    AzureConfig, AzureCredential, ClientCertificate, ManagedIdentity, Origin, PlainAddress, ProxyAddress, RemoteConfig,
    SecretText,
};
use super::vault_table::{Seconds, VaultTable};
use crate::crypto::SecretBytes;

/// The kinds of `credential`, and the keys that each has besides `tenant`, `authority` and those of TLS.
const KINDS: &[(&str, &[&str])] = &[
    ("client-secret", &["client_id", "client_secret_file"]),
    ("client-certificate", &["client_id", "certificate_file"]),
    ("managed-identity", &["client_id", "imds_endpoint", "identity_endpoint", "identity_header_file"]),
    ("workload-identity", &["client_id", "token_file"]),
    ("command", &["token_command"]),
    ("tls", &[]),
    ("peer", &[]),
];

/// Where a cloud's machines find their metadata service.
const IMDS: &str = "http://169.254.169.254";

impl Source<'_> {
    pub(super) fn azure(&self, table: &VaultTable, span: Range<usize>) -> Result<AzureConfig, ConfigError> {
        let origins = self.origins(table, span.clone())?;
        let credential = self.credential(table, span)?;
        let random_from_vault = match &table.random {
            None => false,
            Some(text) => match text.get_ref().as_str() {
                "vault" => true,
                "local" => false,
                _ => return Err(self.value(text.span(), "random", "it is `local` or `vault`".into())),
            },
        };
        let authority = table.authority.as_ref().map(|text| {
            let host = text.get_ref();
            let address = if host.contains("://") { host.clone() } else { format!("https://{host}") };
            Origin::parse(&address).map_err(|problem| self.value(text.span(), "authority", problem))
        });
        Ok(AzureConfig {
            remote: self.remote(table, origins)?,
            credential,
            tenant: table.tenant.as_ref().map(|tenant| tenant.get_ref().clone()),
            authority: authority.transpose()?,
            managed_hsm: table.managed_hsm,
            secrets: table.secrets,
            random_from_vault,
            verify_challenge_resource: table.verify_challenge_resource.unwrap_or(true),
        })
    }

    fn origins(&self, table: &VaultTable, span: Range<usize>) -> Result<Vec<Origin>, ConfigError> {
        let (key, given): (&str, Vec<&Spanned<String>>) = match (&table.url, table.urls.as_slice()) {
            (Some(url), []) => ("url", vec![url]),
            (None, [_, ..]) => ("urls", table.urls.iter().collect()),
            (None, []) => return Err(self.value(span, "url", "say where the vault is: https://VAULT.DOMAIN".into())),
            (Some(url), [..]) => {
                return Err(self.value(url.span(), "url", "`urls` is set too: keep one of them".into()));
            }
        };
        let parsed = |url: &Spanned<String>| {
            Origin::parse(url.get_ref()).map_err(|problem| self.value(url.span(), key, problem))
        };
        given.into_iter().map(parsed).collect()
    }

    fn remote(&self, table: &VaultTable, origins: Vec<Origin>) -> Result<RemoteConfig, ConfigError> {
        let defaults = RemoteConfig::at(origins[0].clone());
        let pin = |text: &Spanned<String>| {
            let bare = text.get_ref().strip_prefix("sha256/").unwrap_or(text.get_ref());
            let mut pin = [0; 32];
            match Base64::decode(bare, &mut pin) {
                Ok(bytes) if bytes.len() == 32 => Ok(pin),
                _ => Err(self.value(
                    text.span(),
                    "tls_pins",
                    "it is the SHA-256 of a public key (SubjectPublicKeyInfo) in base64: 44 letters".into(),
                )),
            }
        };
        Ok(RemoteConfig {
            socket: table.socket.as_ref().map(|path| self.absolute(path)),
            authorities: table.ca_file.as_ref().map(|file| self.public_file(file, "ca_file")).transpose()?,
            pins: table.tls_pins.iter().map(pin).collect::<Result<_, _>>()?,
            client: self.client_certificate(table)?,
            proxy: self.proxy(table.proxy.as_ref())?,
            timeout: self.time(table.timeout.as_ref(), "timeout", defaults.timeout)?,
            refresh: self.time(table.refresh.as_ref(), "refresh", defaults.refresh)?,
            origins,
        })
    }

    fn client_certificate(&self, table: &VaultTable) -> Result<Option<ClientCertificate>, ConfigError> {
        match (&table.client_certificate, &table.client_key) {
            (None, None) => Ok(None),
            (Some(chain), None) => {
                Err(self.value(chain.span(), "client_certificate", "name its key too, with `client_key`".into()))
            }
            (None, Some(key)) => {
                Err(self.value(key.span(), "client_key", "name its certificate too, with `client_certificate`".into()))
            }
            (Some(_), Some(_)) if !self.environment.reads_secrets => Ok(None),
            (Some(chain), Some(key)) => Ok(Some(ClientCertificate {
                chain: self.public_file(chain, "client_certificate")?,
                key: SecretBytes::from_slice(&self.secret_file(key, "client_key")?),
            })),
        }
    }

    fn credential(&self, table: &VaultTable, span: Range<usize>) -> Result<AzureCredential, ConfigError> {
        let kinds: Vec<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
        let Some(kind) = &table.credential else {
            let problem = format!("say who this machine's programs are there: {}", quoted(&kinds));
            return Err(self.value(span, "credential", problem));
        };
        let Some((name, keys)) = KINDS.iter().find(|(name, _)| name == kind.get_ref()) else {
            return Err(self.value(kind.span(), "credential", nearest(kind.get_ref(), &kinds)));
        };
        self.check_credential_keys(table, name, keys)?;
        let client_id = || match &table.client_id {
            Some(id) => Ok(id.get_ref().clone()),
            None => self.set_by_service("AZURE_CLIENT_ID", *name == "workload-identity").ok_or_else(|| {
                self.value(kind.span(), "credential", format!("`{name}` needs `client_id`: the application's id"))
            }),
        };
        match *name {
            "client-secret" => Ok(AzureCredential::ClientSecret {
                client_id: client_id()?,
                secret: self.secret_text(table.client_secret_file.as_ref(), "client_secret_file")?,
            }),
            "client-certificate" => self.certificate(table, kind, client_id()?),
            "managed-identity" => self.managed_credential(table),
            "workload-identity" => self.workload_identity(table, kind, client_id()?),
            "command" => self.token_command(table, kind),
            "tls" if table.client_certificate.is_none() => {
                Err(self.value(kind.span(), "credential", "`tls` needs `client_certificate` and `client_key`".into()))
            }
            "tls" => Ok(AzureCredential::Tls),
            _ if table.socket.is_none() => {
                Err(self.value(kind.span(), "credential", "`peer` needs `socket`: only there a peer is known".into()))
            }
            _ => Ok(AzureCredential::Peer),
        }
    }

    fn workload_identity(
        &self,
        table: &VaultTable,
        kind: &Spanned<String>,
        client_id: String,
    ) -> Result<AzureCredential, ConfigError> {
        let named = table.token_file.as_ref().map(|file| self.absolute(file.get_ref()));
        let projected = || self.set_by_service("AZURE_FEDERATED_TOKEN_FILE", true).map(Into::into);
        match named.or_else(projected) {
            Some(token_file) => Ok(AzureCredential::WorkloadIdentity { client_id, token_file }),
            None => Err(self.value(kind.span(), "credential", "`workload-identity` needs `token_file`".into())),
        }
    }

    fn token_command(&self, table: &VaultTable, kind: &Spanned<String>) -> Result<AzureCredential, ConfigError> {
        match table.token_command.as_ref().filter(|command| !command.get_ref().is_empty()) {
            Some(command) => Ok(AzureCredential::Command { command: command.get_ref().clone(), allowed: true }),
            None => Err(self.value(
                kind.span(),
                "credential",
                "`command` needs `token_command`: a program and its arguments, in a list".into(),
            )),
        }
    }

    fn check_credential_keys(&self, table: &VaultTable, kind: &str, keys: &[&str]) -> Result<(), ConfigError> {
        let given = [
            ("client_id", table.client_id.as_ref().map(Spanned::span)),
            ("client_secret_file", table.client_secret_file.as_ref().map(Spanned::span)),
            ("certificate_file", table.certificate_file.as_ref().map(Spanned::span)),
            ("token_file", table.token_file.as_ref().map(Spanned::span)),
            ("token_command", table.token_command.as_ref().map(Spanned::span)),
            ("imds_endpoint", table.imds_endpoint.as_ref().map(Spanned::span)),
            ("identity_endpoint", table.identity_endpoint.as_ref().map(Spanned::span)),
            ("identity_header_file", table.identity_header_file.as_ref().map(Spanned::span)),
        ];
        for (key, span) in given {
            if let Some(span) = span.filter(|_| !keys.contains(&key)) {
                let owners = KINDS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(kind, _)| *kind);
                let owners = quoted(&owners.collect::<Vec<_>>());
                let problem = format!("it is for the credential {owners}, and this one is `{kind}`");
                return Err(self.value(span, key, problem));
            }
        }
        Ok(())
    }

    fn certificate(
        &self,
        table: &VaultTable,
        kind: &Spanned<String>,
        client_id: String,
    ) -> Result<AzureCredential, ConfigError> {
        let Some(file) = &table.certificate_file else {
            let problem = "`client-certificate` needs `certificate_file`: a certificate and its key in PEM".to_owned();
            return Err(self.value(kind.span(), "credential", problem));
        };
        if !self.environment.reads_secrets {
            return Ok(AzureCredential::ClientSecret { client_id, secret: None });
        }
        let contents = self.secret_file(file, "certificate_file")?;
        let certificate =
            ClientCertificate { chain: certificates_in(&contents), key: SecretBytes::from_slice(&contents) };
        let wrong = match (certificate.chain.is_empty(), key_in(&contents)) {
            (true, _) => "certificate",
            (_, None) => "private key",
            (false, Some("ENCRYPTED PRIVATE KEY")) => "private key that isn't encrypted",
            (false, Some(_)) => return Ok(AzureCredential::ClientCertificate { client_id, certificate }),
        };
        let path = self.absolute(file.get_ref());
        Err(self.value(file.span(), "certificate_file", format!("{} holds no {wrong} in PEM", path.display())))
    }

    /// App Service tells its programs where to ask in their environment; elsewhere it is the machine's metadata service.
    fn managed_credential(&self, table: &VaultTable) -> Result<AzureCredential, ConfigError> {
        let client_id = table.client_id.as_ref().map(|id| id.get_ref().clone());
        let endpoint = self.plain_address(table.identity_endpoint.as_ref(), "identity_endpoint", "IDENTITY_ENDPOINT");
        let imds =
            self.plain_address(table.imds_endpoint.as_ref(), "imds_endpoint", "AZURE_POD_IDENTITY_AUTHORITY_HOST");
        // What the configuration names goes before what the environment does.
        let endpoint =
            if table.identity_endpoint.is_none() && table.imds_endpoint.is_some() { None } else { endpoint? };
        let header = self.secret_text(table.identity_header_file.as_ref(), "identity_header_file")?;
        let header = header.or_else(|| self.set_by_service("IDENTITY_HEADER", true).map(SecretText::new));
        let from = match (endpoint, header) {
            (Some(endpoint), Some(header)) => ManagedIdentity::AppService(endpoint, header),
            (Some(_), None) if table.identity_endpoint.is_some() && self.environment.reads_secrets => {
                let span = table.identity_endpoint.as_ref().map(Spanned::span).unwrap_or_default();
                let problem = "name the file with its header's value too, with `identity_header_file`".to_owned();
                return Err(self.value(span, "identity_endpoint", problem));
            }
            _ => ManagedIdentity::Imds(imds?.unwrap_or_else(|| IMDS.to_owned()).trim_end_matches('/').to_owned()),
        };
        Ok(AzureCredential::ManagedIdentity { from, client_id })
    }

    /// What a key names, or else what a platform's variable does.
    fn plain_address(
        &self,
        given: Option<&Spanned<String>>,
        key: &str,
        variable: &'static str,
    ) -> Result<Option<String>, ConfigError> {
        if let Some(given) = given {
            let parsed = PlainAddress::parse(given.get_ref());
            return parsed.map(|_| Some(given.get_ref().clone())).map_err(|what| self.value(given.span(), key, what));
        }
        let Some(text) = self.set_by_service(variable, true) else { return Ok(None) };
        PlainAddress::parse(&text)
            .map_err(|what| ConfigError::Environment { variable, problem: format!("is wrong: {what}") })?;
        Ok(Some(text))
    }

    /// A variable that a platform sets for its programs.
    fn set_by_service(&self, name: &str, counts: bool) -> Option<String> {
        self.environment.variable(name).filter(|_| counts).and_then(|value| value.into_string().ok())
    }

    /// `http://[USER:PASSWORD@]HOST:PORT`, or what the environment says now.
    fn proxy(&self, given: Option<&Spanned<String>>) -> Result<Option<ProxyAddress>, ConfigError> {
        let Some(given) = given else { return Ok(None) };
        if given.get_ref() != "environment" {
            let wrong = |problem: String| self.value(given.span(), "proxy", problem);
            return ProxyAddress::parse(given.get_ref()).map(Some).map_err(wrong);
        }
        let named = |names: [&str; 2]| names.into_iter().find_map(|name| self.set_by_service(name, true));
        let Some(address) = named(["HTTPS_PROXY", "https_proxy"]) else { return Ok(None) };
        let except = named(["NO_PROXY", "no_proxy"]).unwrap_or_default();
        let proxy = ProxyAddress::parse(&address).map(|proxy| Some(ProxyAddress { except, ..proxy }));
        proxy.map_err(|problem| ConfigError::Environment { variable: "HTTPS_PROXY", problem })
    }

    fn time(&self, given: Option<&Spanned<Seconds>>, key: &str, default: Duration) -> Result<Duration, ConfigError> {
        let Some(given) = given else { return Ok(default) };
        let seconds = match given.get_ref() {
            Seconds::Whole(number) => Some(*number as f64),
            Seconds::Part(number) => Some(*number),
            Seconds::Text(text) => in_seconds(text),
        };
        let fits = |seconds: &f64| (0.1..=86_400.0).contains(seconds);
        seconds.filter(fits).map(Duration::from_secs_f64).ok_or_else(|| {
            let problem = "it is a time from 100 ms to a day: 10, \"10s\", \"500ms\", \"2m\"".to_owned();
            self.value(given.span(), key, problem)
        })
    }

    fn secret_text(&self, file: Option<&Spanned<PathBuf>>, key: &str) -> Result<Option<SecretText>, ConfigError> {
        let Some(file) = file.filter(|_| self.environment.reads_secrets) else { return Ok(None) };
        let contents = self.secret_file(file, key)?;
        let contents = without_line_end(contents);
        match std::str::from_utf8(&contents) {
            Ok(text) if !text.is_empty() => Ok(Some(SecretText::new(text.to_owned()))),
            _ => Err(self.value(file.span(), key, "the file holds no text".into())),
        }
    }

    fn secret_file(&self, file: &Spanned<PathBuf>, key: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, ConfigError> {
        read_secret(&self.absolute(file.get_ref()), &self.owners(), &self.hint(key))
    }

    fn public_file(&self, file: &Spanned<PathBuf>, key: &str) -> Result<Vec<u8>, ConfigError> {
        let path = self.absolute(file.get_ref());
        let contents = ProtectedFile::open(&path, &self.owners(), &self.hint(key))?.read(&path)?;
        let certificates = certificates_in(&contents);
        match certificates.is_empty() {
            false => Ok(certificates),
            true => Err(self.value(file.span(), key, format!("{} holds no certificate in PEM", path.display()))),
        }
    }

    fn owners(&self) -> Trusted {
        Trusted { uid: self.environment.uid, ..Trusted::default() }
    }
}

/// The certificates of a file that may hold a key too, which goes nowhere else.
fn certificates_in(contents: &[u8]) -> Vec<u8> {
    let (mut found, mut inside) = (Vec::new(), false);
    for line in contents.split_inclusive(|byte| *byte == b'\n') {
        inside |= line.starts_with(b"-----BEGIN CERTIFICATE-----");
        if inside {
            found.extend_from_slice(line);
        }
        inside &= !line.starts_with(b"-----END CERTIFICATE-----");
    }
    found
}

/// The kind of the first private key of a file, as its first line says it.
fn key_in(contents: &[u8]) -> Option<&str> {
    fn kind(line: &[u8]) -> Option<&[u8]> {
        let line = line.strip_prefix(b"-----BEGIN ")?.trim_ascii_end().strip_suffix(b"-----")?;
        line.ends_with(b"PRIVATE KEY").then_some(line)
    }
    std::str::from_utf8(contents.split(|byte| *byte == b'\n').find_map(kind)?).ok()
}

fn in_seconds(text: &str) -> Option<f64> {
    let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    number.trim().parse::<f64>().ok().map(|number| number * factor)
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[path = "azure_tests.rs"]
mod tests;
