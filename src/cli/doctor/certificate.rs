//! Certificates, in the vault and in files: what they say, whether they fit a key, how one gets a new one.

use std::path::{Path, PathBuf};

use super::super::cert::Facts;
use super::super::time;
use super::super::versions::{self, hex};
use super::report::Finding;
use super::shell;
use super::vault::Looked;
use crate::certificate::{Certificate, pem};
use crate::vault::{Collection, Image, Object};

/// Sooner than this is soon.
pub(super) const SOON_IN_SECONDS: i64 = 14 * 24 * 60 * 60;

/// A certificate as the checks need it.
pub(super) struct Parsed {
    pub facts: Facts,
    /// Its SubjectPublicKeyInfo.
    pub public: Vec<u8>,
    pub self_signed: bool,
}

/// Whether it is valid now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    Valid,
    Soon(i64),
    Expired(i64),
    NotYet(i64),
}

impl Parsed {
    pub(super) fn from_der(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        Some(Self {
            public: certificate.spki().to_vec(),
            self_signed: certificate.is_self_issued(),
            facts: Facts::of_certificate(&certificate),
        })
    }

    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.facts.issuer == issuer.facts.subject && !self.self_signed
    }

    pub(super) fn validity(&self) -> Validity {
        let now = time::now();
        match (self.facts.not_before, self.facts.not_after) {
            (Some(start), _) if now < start => Validity::NotYet(start),
            (_, Some(end)) if now >= end => Validity::Expired(end),
            (_, Some(end)) if end - now < SOON_IN_SECONDS => Validity::Soon(end),
            _ => Validity::Valid,
        }
    }
}

/// A PEM block with its place in the file.
pub(super) struct Block {
    pub first_line: usize,
    pub last_line: usize,
    pub parsed: Option<Parsed>,
}

/// The certificates of a PEM file, in its order.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut start = None;
    for (index, line) in text.lines().enumerate() {
        match line.trim() {
            "-----BEGIN CERTIFICATE-----"
            | "-----BEGIN X509 CERTIFICATE-----"
            | "-----BEGIN TRUSTED CERTIFICATE-----" => start = Some(index),
            "-----END CERTIFICATE-----" | "-----END X509 CERTIFICATE-----" | "-----END TRUSTED CERTIFICATE-----" => {
                let Some(first) = start.take() else { continue };
                let lines: Vec<&str> = text.lines().skip(first).take(index - first + 1).collect();
                let pem = pem::blocks(lines.join("\n").as_bytes()).unwrap_or_default();
                let parsed = pem.first().and_then(|(_, der)| Parsed::from_der(der));
                blocks.push(Block { first_line: first + 1, last_line: index + 1, parsed });
            }
            _ => {}
        }
    }
    blocks
}

/// The SubjectPublicKeyInfo of a key object.
pub(super) fn public_of(object: &Object) -> Option<&[u8]> {
    object.content.key.as_ref().map(|key| &*key.public).filter(|public| !public.is_empty())
}

/// A certificate in the vault, by its name and version.
pub(super) struct Kept {
    pub name: String,
    pub version: String,
    parsed: Parsed,
}

impl Kept {
    /// Whether nothing is lost where it takes another one's place: what a CA issued gives way only to what one issued
    /// later.
    fn may_replace(&self, old: &Parsed) -> bool {
        old.self_signed || !self.parsed.self_signed && self.parsed.facts.not_before >= old.facts.not_before
    }

    /// Whether it is for a name that the other is for, too.
    pub(super) fn is_for_names_of(&self, other: &Parsed) -> bool {
        let (own, other) = (&self.parsed.facts, &other.facts);
        own.subject == other.subject || own.alternatives.iter().any(|name| other.alternatives.contains(name))
    }
}

/// A certificate in the vault for this public key that is valid now and may take an old one's place: a CA's before
/// others, then the one that is valid longest.
pub(super) fn fitting(image: &Image, public: &[u8], old: Option<&Parsed>) -> Option<Kept> {
    let mut fitting: Vec<Kept> = Vec::new();
    for named in versions::all(image, Collection::Certificates) {
        for version in &named.versions {
            let parsed = version.main().content.value.as_deref().and_then(Parsed::from_der);
            let fits = parsed.filter(|parsed| {
                parsed.public == public && matches!(parsed.validity(), Validity::Valid | Validity::Soon(_))
            });
            let (name, version) = (&named.name, &version.id);
            fitting.extend(fits.map(|parsed| Kept { name: name.clone(), version: version.clone(), parsed }));
        }
    }
    fitting.retain(|kept| old.is_none_or(|old| kept.may_replace(old)));
    fitting.into_iter().max_by_key(|kept| (!kept.parsed.self_signed, kept.parsed.facts.not_after))
}

/// What a new certificate for a key needs, by what the old one says: values for the remedies.
pub(super) struct Renewal<'a> {
    pub vault: &'a Looked,
    /// The key's name.
    pub key: &'a str,
    /// The one that is to be replaced, if it can be read.
    pub old: Option<&'a Parsed>,
    /// What it is called in the vault, if it lies there.
    pub certificate: Option<&'a str>,
    /// Where its file lies.
    pub file: Option<&'a Path>,
}

impl Renewal<'_> {
    /// Adds them to the finding. A CA's certificate can only be asked for.
    pub(super) fn of(&self, finding: Finding) -> Finding {
        let subject = self.old.map(|old| old.facts.subject.clone()).filter(|subject| !subject.is_empty());
        let names = self.old.map(|old| old.facts.alternatives.join(",")).filter(|names| !names.is_empty());
        let finding = finding
            .with("vault", &self.vault.name)
            .with("key", self.key)
            .with("subject", subject.unwrap_or_else(|| format!("CN={}", self.key)))
            .with_command("san", names.map_or(String::new(), |names| format!("--san {}", shell::quote(&names))))
            .maybe("certificate-file", self.file.map(Path::display));
        if self.old.is_some_and(|old| !old.self_signed) {
            return finding.with("request", self.request().display());
        }
        let exists = |name: &&str| {
            let image = self.vault.image.as_ref();
            image.is_some_and(|image| versions::named(image, Collection::Certificates, name).is_ok())
        };
        match self.certificate.or_else(|| Some(self.key).filter(exists)) {
            Some(name) => finding.with("certificate", name).with_command("renew", "--renew"),
            None => finding.with("certificate", self.key).with_command("renew", ""),
        }
    }

    fn request(&self) -> PathBuf {
        match self.file {
            Some(file) => file.with_extension("csr"),
            None => PathBuf::from(format!("{}.csr", self.key)),
        }
    }
}

/// What a key is called on the command line.
pub(super) fn name_of(object: &Object) -> String {
    match &object.name {
        Some(name) => name.to_string(),
        None => String::from_utf8_lossy(&object.content.label).into_owned(),
    }
}

/// Its version, as `--version` takes it.
pub(super) fn version_of(object: &Object) -> String {
    hex(&object.version.map_or(object.unique_id, |version| version.id))
}
