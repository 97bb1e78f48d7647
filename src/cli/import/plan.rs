//! What of a harvest is created, and under which names; what is there already.
//!
//! Halves of a pair get one name, two keys of one label two, and an object that the vault has (same class, id, label
//! and value) isn't made again, so that an import can be repeated. A public key that lay alone in the vault comes again
//! beside its private half, so that the two are one key.
//!
//! A key whose label another key of the vault has is refused unless that is asked for: programs name keys by their
//! labels, and one that served with the old key would find two. Equal labels within one source are its own business.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cryptoki_sys::{CKA_APPLICATION, CKA_OBJECT_ID};

use super::super::{Error, Result, cert};
use super::found::{Candidate, What};
use crate::certificate::Certificate;
use crate::crypto;
use crate::pkcs11::object::Guard;
use crate::vault::{
    Class, Collection, Content, Draft, Image, KeyAlgorithm, Name, Naming, Object, ObjectNumber, VaultAdmin,
};

/// See the [module](self).
#[derive(Default)]
pub(super) struct Plan {
    pub candidates: Vec<Candidate>,
    pub present: Vec<Present>,
    /// Public keys that come again, beside their private halves.
    pub replaced: Vec<ObjectNumber>,
}

/// What isn't made again.
pub(super) struct Present {
    pub what: What,
    pub remarks: Vec<String>,
    /// The vault's object, if it isn't one that comes in the same call.
    number: Option<ObjectNumber>,
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
            if let Some(object) = present(vault, &image, draft)? {
                let remarks = difference(&object.content, &draft.content).into_iter().collect();
                plan.present.push(Present { what: What::of(draft), remarks, number: Some(object.number) });
            } else if seen.holds(&plan.candidates, draft) {
                plan.present.push(Present { what: What::of(draft), remarks: Vec::new(), number: None });
            } else {
                seen.add(plan.candidates.len(), draft);
                plan.candidates.push(candidate);
            }
        }
        plan.complete_pairs(&image);
        plan.name(&image)?;
        Ok(plan)
    }

    /// Lets public keys that lie alone in the vault come again beside their private halves.
    fn complete_pairs(&mut self, image: &Image) {
        let half = |class| move |candidate: &Candidate| Half::of(&candidate.draft.content, class);
        let mut complete: HashSet<Half> = self.candidates.iter().filter_map(half(Class::PublicKey)).collect();
        for private in self.candidates.iter().filter_map(half(Class::PrivateKey)).collect::<Vec<_>>() {
            let alone = image.with_id(&private.id).find(|object| {
                Half::of(&object.content, Class::PublicKey).as_ref() == Some(&private) && is_alone(image, object)
            });
            let Some(object) = alone.filter(|_| !complete.contains(&private)) else { continue };
            self.present.retain(|present| present.number != Some(object.number));
            self.replaced.push(object.number);
            self.candidates.push(Candidate {
                draft: Draft { content: object.content.clone(), naming: Naming::None, secret: None },
                remarks: vec!["it was there alone, and becomes one key with its private half".to_owned()],
                adopts_id: false,
            });
            complete.insert(private);
        }
    }

    /// Refuses keys that would share the label of one that the vault has.
    pub(super) fn check_labels(&self, image: &Image) -> Result<()> {
        // A key that the source has, too: there they were two already.
        let is_of_source = |other: &Object| {
            let number = Some(other.number);
            self.replaced.contains(&other.number) || self.present.iter().any(|present| present.number == number)
        };
        let is_shared = |candidate: &&Candidate| {
            let content = &candidate.draft.content;
            let is_key = matches!(content.class, Class::PrivateKey | Class::SecretKey);
            let mut others = image.with_label(&content.label).filter(|other| other.content.class == content.class);
            is_key && !content.label.is_empty() && others.any(|other| !is_of_source(other))
        };
        let shared: Vec<&Candidate> = self.candidates.iter().filter(is_shared).collect();
        let Some(first) = shared.first() else { return Ok(()) };
        let mut labels: Vec<String> =
            shared.iter().map(|candidate| format!("{:?}", What::of(&candidate.draft).label_text())).collect();
        labels.dedup();
        Err(Error::refused(format!(
            "The vault has another {} with the label {}: programs that ask for it by `object=` would find two keys. \
             Nothing was imported: give the new one another label (`--label` for a key in a file), or keep both with \
             --same-labels.",
            What::of(&first.draft).class_text(),
            labels.join(", "),
        )))
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
        let mut names = Names { image, replaced: &self.replaced, given: HashSet::new() };
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
    /// Objects that go in the same transaction, with their names.
    replaced: &'a [ObjectNumber],
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
            || self.image.with_name(collection, name.as_str()).any(|object| !self.replaced.contains(&object.number))
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
            Ok(cert::key_with(image, Certificate::from_der(der)?.spki()).map(|(_, id)| id))
        }
        _ => Ok(None),
    }
}

/// The vault's object that this would be again.
fn present<'i>(vault: &dyn VaultAdmin, image: &'i Image, draft: &Draft) -> Result<Option<&'i Arc<Object>>> {
    let content = &draft.content;
    let (by_id, by_label) = (image.count_id(&content.id), image.count_label(&content.label));
    let objects: Box<dyn Iterator<Item = &Arc<Object>>> = if by_id <= by_label {
        Box::new(image.with_id(&content.id))
    } else {
        Box::new(image.with_label(&content.label))
    };
    for object in objects.filter(|object| says_the_same(&object.content, content)) {
        if same_secret(vault, object, draft)? {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

fn says_the_same(one: &Content, other: &Content) -> bool {
    let public = |content: &Content| {
        let kept = |attribute| content.attributes.get(&attribute).cloned();
        (content.class, content.key.clone(), content.value.clone(), kept(CKA_APPLICATION), kept(CKA_OBJECT_ID))
    };
    one.label == other.label
        && one.id == other.id
        && one.private == other.private
        && public(one) == public(other)
        && (!lies_in_attributes(one) || one.attributes == other.attributes)
}

/// Whether what an object is stands in attributes that only its kind knows: a public DSA key, domain parameters.
fn lies_in_attributes(content: &Content) -> bool {
    match &content.key {
        Some(key) => matches!(key.algorithm, KeyAlgorithm::Other(_)),
        None => matches!(content.class, Class::Other(_)) || content.value.is_none(),
    }
}

/// A private key is known by its public half; what has none by its value, also if it may not be used now.
fn same_secret(vault: &dyn VaultAdmin, object: &Object, draft: &Draft) -> Result<bool> {
    match &draft.secret {
        Some(_) if !object.has_secret => Ok(false),
        Some(_) if object.content.class == Class::PrivateKey => Ok(true),
        Some(secret) => Ok(vault.is_secret_of(object.number, secret)?),
        None => Ok(!object.has_secret),
    }
}

/// What a key may do in the vault stays as it is; who asked for something else, or has something else, is told.
fn difference(own: &Content, other: &Content) -> Option<String> {
    other.key.as_ref()?;
    let (guard, theirs) = (Guard::of(own), Guard::of(other));
    let differences = [
        ("whether it may leave", guard.extractable != theirs.extractable),
        ("whether its value shows", guard.sensitive != theirs.sensitive),
        ("what it may be used for", own.usage != other.usage),
    ];
    let names: Vec<&str> = differences.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| format!("it stays as it is in the vault, which differs in {}", names.join(", ")))
}

/// Whether the private half of this public key isn't in the vault.
fn is_alone(image: &Image, public: &Object) -> bool {
    let (Some(name), Some(collection)) = (&public.name, public.collection()) else { return true };
    !image.with_name(collection, name.as_str()).any(|object| {
        object.content.class == Class::PrivateKey && object.version.map(|it| it.id) == public.version.map(|it| it.id)
    })
}
