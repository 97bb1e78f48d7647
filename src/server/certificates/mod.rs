//! Certificates over REST: each with its policy, its key and its secret under one name.
//!
//! A certificate that is made here is an object of the vault beside its key, in one transaction and with one version id, so
//! that PKCS#11 programs find both. Its secret is not stored but made of the two when it is asked for. What waits for an
//! authority elsewhere is a request in the vault and no key yet. Everything X.509 is done in [`crate::certificate`].

mod authority;
mod bundle;
mod chain;
pub mod contacts;
mod create;
mod derived;
mod import;
pub mod issuers;
mod manage;
mod merge;
mod note;
pub mod operation;
mod parts;
mod policy;
pub mod secret;

pub use bundle::Certificates;
pub use create::create;
pub use import::import;
pub use manage::{get, get_policy, list, list_versions, update, update_policy};
pub use merge::merge;
pub use policy::ContentType;

/// Shapes of bodies.
pub mod bodies {
    pub use super::contacts::SetParameters as ContactsSetParameters;
    pub use super::create::CreateParameters;
    pub use super::import::ImportParameters;
    pub use super::issuers::{SetParameters as IssuerSetParameters, UpdateParameters as IssuerUpdateParameters};
    pub use super::manage::UpdateParameters;
    pub use super::merge::MergeParameters;
    pub use super::operation::UpdateParameters as OperationUpdateParameters;
    pub use super::policy::GivenPolicy;
}

use super::error::{Result, ServiceError, sentence};
use crate::certificate::{self, Certificate};

/// A certificate's own errors as a client's to mend, but for those that are the vault's.
fn refused(error: certificate::Error) -> ServiceError {
    match error {
        certificate::Error::Vault(error) => error.into(),
        other => ServiceError::bad_parameter(sentence(&other.to_string())),
    }
}

/// The certificate for this key and those above it: as they came, or from one to the one that issued it.
fn chained(spki: &[u8], certificates: Vec<Certificate>, as_they_came: bool) -> Result<(Certificate, Vec<Certificate>)> {
    if certificates.iter().map(|certificate| certificate.der().len()).sum::<usize>() > chain::MAX_LEN {
        return Err(ServiceError::bad_parameter(format!(
            "A certificate and those above it have at most {} bytes together.",
            chain::MAX_LEN
        )));
    }
    let chain = match as_they_came {
        true => certificate::chain::leaf_first(spki, certificates),
        false => certificate::chain::order(spki, certificates),
    };
    let mut chain = chain.map_err(refused)?.into_iter();
    let leaf = chain.next().ok_or_else(|| refused(certificate::Error::NoLeaf))?;
    Ok((leaf, chain.collect()))
}
