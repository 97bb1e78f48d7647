//! What of a harvest is created, and under which names; what is there already.
//!
//! Halves of a pair get one name, two keys of one label two, and an object that the vault has (same class, id, label
//! and value) isn't made again, so that an import can be repeated.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cryptoki_sys::{CKA_APPLICATION, CKA_OBJECT_ID};

use super::super::{Error, Result, cert};
use super::found::{Candidate, What};
use crate::crypto;
use crate::vault::{
    Class, Collection, Content, Draft, Image, KeyAlgorithm, Name, Naming, Object, SecretBytes, VaultAdmin, VaultError,
};

/// See the [module](self).
#[derive(Default)]
pub(super) struct Plan {
    pub candidates: Vec<Candidate>,
    pub present: Vec<What>,
}

impl Plan {
    /// Compares what comes with an unlocked vault.
    pub(super) fn new(vault: &dyn VaultAdmin, candidates: Vec<Candidate>) -> Result<Self> {
        let mut plan = Self::default();
        let mut seen = Seen::default();
        let image = vault.image();
        for mut candidate in candidates {
            if let Some(id) = adopted_id(&image, &candidate)? {
                candidate.draft.content.id = id;
            }
            let draft = &candidate.draft;
            if is_present(vault, &image, draft)? || seen.holds(&plan.candidates, draft) {
                plan.present.push(What::of(draft));
            } else {
                seen.add(plan.candidates.len(), draft);
                plan.candidates.push(candidate);
            }
        }
        plan.name(&image)?;
        Ok(plan)
    }

    /// The drafts for the vault, with their values; what they say stays here for the report.
    pub(super) fn take_drafts(&mut self) -> Vec<Draft> {
        let take = |candidate: &mut Candidate| Draft {
            content: candidate.draft.content.clone(),
            naming: candidate.draft.naming.clone(),
            secret: candidate.draft.secret.take(),
        };
        self.candidates.iter_mut().map(take).collect()
    }

    /// Gives every object that has one its name.
    fn name(&mut self, image: &Image) -> Result<()> {
        let mut names = Names { image, given: HashSet::new() };
        let mut pairs: HashMap<Half, Name> = HashMap::new();
        for Candidate { draft, .. } in &mut self.candidates {
            let Some(collection) = Collection::of(&draft.content).filter(|_| draft.naming == Naming::FromLabel) else {
                continue;
            };
            let name = names.free(collection, &draft.content.label)?;
            if let Some(half) = Half::of(&draft.content, Class::PrivateKey) {
                pairs.entry(half).or_insert_with(|| name.clone());
            }
            draft.naming = Naming::New(name);
        }
        for Candidate { draft, .. } in &mut self.candidates {
            // Each name goes to one public half.
            if let Some(name) = Half::of(&draft.content, Class::PublicKey).and_then(|half| pairs.remove(&half)) {
                draft.naming = Naming::New(name);
            }
        }
        Ok(())
    }
}

/// Refuses a private key beside a public key of the same id that isn't its own: one of the two is damaged.
pub(super) fn check_pairs(candidates: &[Candidate]) -> Result<()> {
    let place = |content: &Content, algorithm| (content.id.clone(), std::mem::discriminant::<KeyAlgorithm>(algorithm));
    let mut publics: HashMap<_, HashSet<&[u8]>> = HashMap::new();
    for content in candidates.iter().map(|candidate| &candidate.draft.content) {
        if let (Class::PublicKey, Some(key)) = (content.class, &content.key) {
            publics.entry(place(content, &key.algorithm)).or_default().insert(&key.public);
        }
    }
    for candidate in candidates {
        let content = &candidate.draft.content;
        let (Class::PrivateKey, Some(key), false) = (content.class, &content.key, content.id.is_empty()) else {
            continue;
        };
        if publics.get(&place(content, &key.algorithm)).is_some_and(|publics| !publics.contains(&*key.public)) {
            return Err(Error::refused(format!(
                "{} doesn't match the public key with its id: the source is damaged, nothing was imported.",
                What::of(&candidate.draft)
            )));
        }
    }
    Ok(())
}

/// What the halves of a pair have in common.
#[derive(PartialEq, Eq, Hash)]
struct Half {
    public: Arc<[u8]>,
    id: Vec<u8>,
}

impl Half {
    fn of(content: &Content, class: Class) -> Option<Self> {
        let key = content.key.as_ref().filter(|_| content.class == class)?;
        Some(Self { public: key.public.clone(), id: content.id.clone() })
    }
}

/// Names that are given out.
struct Names<'a> {
    image: &'a Image,
    given: HashSet<(Collection, String)>,
}

impl Names<'_> {
    /// The label itself if it can be a name and is free, else one that is made of it.
    fn free(&mut self, collection: Collection, label: &[u8]) -> Result<Name> {
        let own = std::str::from_utf8(label).ok().and_then(|label| Name::new(label).ok());
        if let Some(name) = own.filter(|name| !self.is_taken(collection, name)) {
            self.given.insert((collection, name.folded()));
            return Ok(name);
        }
        loop {
            let mut suffix = [0; 16];
            crypto::random(&mut suffix)?;
            let name = Name::derived(label, &suffix);
            if !self.is_taken(collection, &name) {
                self.given.insert((collection, name.folded()));
                return Ok(name);
            }
        }
    }

    fn is_taken(&self, collection: Collection, name: &Name) -> bool {
        self.given.contains(&(collection, name.folded()))
            || self.image.with_name(collection, name.as_str()).next().is_some()
    }
}

/// What was taken in this call: a file may hold one certificate in several chains.
#[derive(Default)]
struct Seen(HashMap<(Class, Vec<u8>, Vec<u8>), Vec<usize>>);

impl Seen {
    fn holds(&self, candidates: &[Candidate], draft: &Draft) -> bool {
        let same = |at: &usize| {
            let other = &candidates[*at].draft;
            says_the_same(&other.content, &draft.content) && other.secret == draft.secret
        };
        self.0.get(&Self::place(draft)).is_some_and(|all| all.iter().any(same))
    }

    fn add(&mut self, at: usize, draft: &Draft) {
        self.0.entry(Self::place(draft)).or_default().push(at);
    }

    fn place(draft: &Draft) -> (Class, Vec<u8>, Vec<u8>) {
        (draft.content.class, draft.content.id.clone(), draft.content.label.clone())
    }
}

/// The id of a certificate's key, if the key was there before.
fn adopted_id(image: &Image, candidate: &Candidate) -> Result<Option<Vec<u8>>> {
    match &candidate.draft.content.value {
        Some(der) if candidate.adopts_id => {
            Ok(cert::key_with(image, &cert::Subject::of(der)?.public_key).map(|(_, id)| id))
        }
        _ => Ok(None),
    }
}

fn is_present(vault: &dyn VaultAdmin, image: &Image, draft: &Draft) -> Result<bool> {
    let content = &draft.content;
    let (by_id, by_label) = (image.count_id(&content.id), image.count_label(&content.label));
    let objects: Box<dyn Iterator<Item = &Arc<Object>>> = if by_id <= by_label {
        Box::new(image.with_id(&content.id))
    } else {
        Box::new(image.with_label(&content.label))
    };
    for object in objects.filter(|object| says_the_same(&object.content, content)) {
        if same_secret(vault, object, draft.secret.as_ref())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn says_the_same(one: &Content, other: &Content) -> bool {
    let public = |content: &Content| {
        let kept = |attribute| content.attributes.get(&attribute).cloned();
        (content.class, content.key.clone(), content.value.clone(), kept(CKA_APPLICATION), kept(CKA_OBJECT_ID))
    };
    one.label == other.label && one.id == other.id && public(one) == public(other)
}

/// A private key is known by its public half; what has none by its value. One that may not be used now isn't looked into:
/// what says the same of itself is the same then.
fn same_secret(vault: &dyn VaultAdmin, object: &Object, secret: Option<&SecretBytes>) -> Result<bool> {
    let (Some(secret), false) = (secret, object.content.class == Class::PrivateKey) else { return Ok(true) };
    match vault.secret(object.number) {
        Ok(own) => Ok(own == *secret),
        Err(VaultError::Disabled | VaultError::NotYetValid(_) | VaultError::Expired(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}
