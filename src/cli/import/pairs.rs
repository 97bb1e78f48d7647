//! Private keys against what the source has of their public halves.
//!
//! A private key on a curve is any number: one with a flipped bit is another key, and nothing in it shows that. So it is
//! held against the public keys and certificates beside it. An RSA key's parts are checked against each other when it is
//! read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::{Error, Result};
use super::found::{Candidate, Harvest, LeftBehind, What};
use crate::certificate::Certificate;
use crate::crypto::PublicKey;
use crate::vault::{Class, Content, KeyAlgorithm};

/// A public key, or the one in a certificate.
struct Witness {
    class: Class,
    algorithm: KeyAlgorithm,
    public: Arc<[u8]>,
    label: Vec<u8>,
    id: Vec<u8>,
}

/// What is to be said of a private key.
enum Verdict {
    Sound,
    Unchecked,
    Contradicted,
    Damaged,
}

/// Refuses a private key beside a public key with its label and id that isn't its own: one of the two is damaged. Where
/// others with its id have another key, nobody can tell whose they are: it is left behind.
pub(super) fn check(harvest: &mut Harvest) -> Result<()> {
    let witnesses = Witnesses::of(&harvest.candidates);
    let mut kept = Vec::with_capacity(harvest.candidates.len());
    for mut candidate in std::mem::take(&mut harvest.candidates) {
        let what = What::of(&candidate.draft);
        match witnesses.verdict(&candidate.draft.content) {
            Verdict::Sound => {}
            Verdict::Unchecked => candidate.remarks.push(
                "nothing to check it against: the source has neither its public key nor its certificate".to_owned(),
            ),
            Verdict::Contradicted => {
                harvest.left.push(contradicted(what));
                continue;
            }
            Verdict::Damaged => {
                return Err(Error::refused(format!(
                    "{what} doesn't match the public key with its label and id: the source is damaged, nothing was \
                     imported."
                )));
            }
        }
        kept.push(candidate);
    }
    harvest.candidates = kept;
    Ok(())
}

fn contradicted(what: What) -> LeftBehind {
    LeftBehind {
        what,
        reason:
            "what has its id in the source, a public key or a certificate, is for another key: this one may be damaged"
                .into(),
        remedy: "give the other an id of its own in the source, or delete the one that is wrong, and import again"
            .into(),
    }
}

/// What speaks for private keys.
struct Witnesses {
    all: HashSet<Arc<[u8]>>,
    /// By id and by label, those that belong to no private key of the source.
    by_id: HashMap<Vec<u8>, Vec<Arc<Witness>>>,
    by_label: HashMap<Vec<u8>, Vec<Arc<Witness>>>,
}

impl Witnesses {
    fn of(candidates: &[Candidate]) -> Self {
        let contents = || candidates.iter().map(|candidate| &candidate.draft.content);
        let owned: HashSet<&[u8]> = contents()
            .filter(|content| content.class == Class::PrivateKey)
            .filter_map(|content| content.key.as_ref().map(|key| &*key.public))
            .collect();
        let mut witnesses = Self { all: HashSet::new(), by_id: HashMap::new(), by_label: HashMap::new() };
        for witness in contents().filter_map(witness) {
            witnesses.all.insert(witness.public.clone());
            if owned.contains(&*witness.public) {
                continue;
            }
            let witness = Arc::new(witness);
            witnesses.by_id.entry(witness.id.clone()).or_default().push(witness.clone());
            witnesses.by_label.entry(witness.label.clone()).or_default().push(witness);
        }
        witnesses
    }

    fn verdict(&self, content: &Content) -> Verdict {
        let (Class::PrivateKey, Some(key)) = (content.class, &content.key) else { return Verdict::Sound };
        if self.all.contains(&key.public) {
            return Verdict::Sound;
        }
        let beside = match (content.id.is_empty(), content.label.is_empty()) {
            (false, _) => self.by_id.get(&content.id),
            (true, false) => self.by_label.get(&content.label),
            (true, true) => None,
        };
        let mut others = beside.into_iter().flatten().filter(|other| other.algorithm == key.algorithm).peekable();
        let contradicted = others.peek().is_some();
        let is_its = |other: &Arc<Witness>| {
            other.class == Class::PublicKey && other.label == content.label && other.id == content.id
        };
        match (others.any(is_its), key.algorithm) {
            (true, _) => Verdict::Damaged,
            (false, KeyAlgorithm::Rsa { .. }) => Verdict::Sound,
            (false, _) if contradicted => Verdict::Contradicted,
            (false, _) => Verdict::Unchecked,
        }
    }
}

fn witness(content: &Content) -> Option<Witness> {
    let (algorithm, public) = match content.class {
        Class::PublicKey => content.key.as_ref().map(|key| (key.algorithm, key.public.clone()))?,
        Class::Certificate => {
            let certificate = Certificate::from_der(content.value.as_deref()?).ok()?;
            let key = PublicKey::from_spki(certificate.spki()).ok()?;
            (key.algorithm(), key.spki().into())
        }
        _ => return None,
    };
    let (label, id) = (content.label.clone(), content.id.clone());
    Some(Witness { class: content.class, algorithm, public, label, id })
}
