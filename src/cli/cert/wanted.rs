//! What a certificate or a request shall say, as it is asked for on the command line.

use clap::Args;
use clap::builder::PossibleValue;
use der::asn1::ObjectIdentifier;

use super::super::kind::Words;
use super::super::time;
use super::{Error, Result};
use crate::certificate::{
    Alternative, Authority, KEY_USAGES, KeyUsages, Name, Profile, Usages, months_after, name, usage_oid,
};
use crate::vault::KeyAlgorithm;

/// Who the certificate is for.
#[derive(Args)]
pub(super) struct Identity {
    /// The subject, e.g. "CN=www.example.org,O=Example" or /O=Example/CN=www.example.org
    #[arg(long, value_name = "NAME", value_parser = name::parse)]
    pub subject: Name,
    #[command(flatten)]
    pub further: Further,
}

/// Who else it is for.
#[derive(Args)]
pub(super) struct Further {
    /// A further name: a host, an IP address, DNS:…, IP:…, email:…, URI:…, UPN:…; may be given several times
    /// (default: the subject's CN, if it is a host's name)
    #[arg(long = "san", value_name = "NAME", value_parser = Alternative::parse, value_delimiter = ',')]
    pub alternatives: Vec<Alternative>,
}

/// What the certificate is for.
#[derive(Args)]
pub(super) struct Purpose {
    /// What its key is for (default: digitalSignature, for RSA keyEncipherment too; for an authority keyCertSign,cRLSign)
    #[arg(long = "key-usage", value_name = "USAGE", value_delimiter = ',', value_parser = key_usage_parser())]
    key_usages: Vec<KeyUsages>,
    /// What it is for: serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning, or an object
    /// identifier (default: serverAuth,clientAuth; for an authority nothing in particular)
    #[arg(long = "extended-key-usage", visible_alias = "eku", value_name = "USAGE", value_delimiter = ',',
        value_parser = usage_oid)]
    extended_usages: Vec<ObjectIdentifier>,
    /// Make it the certificate of an authority, which issues others
    #[arg(long)]
    authority: bool,
    /// How many further authorities may stand between it and what they issue
    #[arg(long, value_name = "N", requires = "authority")]
    path_length: Option<u8>,
}

/// For how long.
#[derive(Args)]
pub(super) struct Duration {
    /// For how many days it is valid (default: 365; for an authority 3650; when it is renewed, as before)
    #[arg(long, conflicts_with = "months", value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: Option<u32>,
    /// For how many months it is valid
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1200))]
    months: Option<u32>,
}

impl Purpose {
    /// A profile that begins and ends now.
    pub(super) fn profile(&self, subject: Name, alternatives: Vec<Alternative>, kind: KeyAlgorithm) -> Profile {
        let now = time::now();
        Profile {
            alternatives: if alternatives.is_empty() && !self.authority { host(&subject) } else { alternatives },
            subject,
            key_usages: self.key_usages(kind),
            extended_usages: self.extended_usages(),
            authority: self.authority.then_some(Authority { path_length: self.path_length }),
            not_before: now,
            not_after: now,
        }
    }

    fn key_usages(&self, kind: KeyAlgorithm) -> Usages {
        match self.key_usages.iter().fold(Usages::default(), |all, usage| all | *usage) {
            none if !none.is_empty() => none,
            _ if self.authority => KeyUsages::KeyCertSign | KeyUsages::CRLSign,
            // TLS 1.2 with RSA key transport; the key decides itself whether it decrypts.
            _ if matches!(kind, KeyAlgorithm::Rsa { .. }) => KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment,
            _ => KeyUsages::DigitalSignature.into(),
        }
    }

    fn extended_usages(&self) -> Vec<ObjectIdentifier> {
        match self.extended_usages.is_empty() && !self.authority {
            // Both are known words.
            true => ["serverAuth", "clientAuth"].iter().filter_map(|usage| usage_oid(usage).ok()).collect(),
            false => self.extended_usages.clone(),
        }
    }
}

impl Duration {
    /// Whether it was said at all.
    pub(super) fn is_given(&self) -> bool {
        self.days.is_some() || self.months.is_some()
    }

    /// Lets a profile go on from its beginning for so long.
    pub(super) fn limit(&self, profile: &mut Profile) -> Result<()> {
        let default = if profile.authority.is_some() { AUTHORITY_DAYS } else { DAYS };
        profile.not_after = match self.months {
            Some(months) => months_after(profile.not_before, months),
            None => profile.not_before + i64::from(self.days.unwrap_or(default)) * DAY,
        };
        // Keeps the sum of wrong clocks and long lives within what a certificate can say.
        if profile.not_before < 0 {
            return Err(Error::refused("This machine's clock is before 1970: set it."));
        }
        Ok(())
    }
}

fn host(subject: &Name) -> Vec<Alternative> {
    name::host(subject).and_then(|host| Alternative::parse(&host).ok()).into_iter().collect()
}

fn key_usage_parser() -> Words<KeyUsages> {
    Words::new(parse_key_usage, KEY_USAGES.iter().map(|(name, _)| PossibleValue::new(*name)).collect())
}

fn parse_key_usage(text: &str) -> std::result::Result<KeyUsages, String> {
    let found = KEY_USAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, usage)| *usage).ok_or_else(|| {
        let names: Vec<&str> = KEY_USAGES.iter().map(|(name, _)| *name).collect();
        format!("usages are {}", names.join(", "))
    })
}

const DAY: i64 = 24 * 60 * 60;
const DAYS: u32 = 365;
const AUTHORITY_DAYS: u32 = 3650;
