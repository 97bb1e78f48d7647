//! Reading the lists there, page by page, with what is known of them.
//!
//! A first reading costs one request for 25 objects, one for each object's versions and one for each enabled version, whose
//! public part is in no list. Afterwards an object whose line in the list reads as before keeps its versions without a
//! request, but for every tenth reading: an older version that was disabled shows only in the list of versions, and is
//! refused by the service meanwhile. A secret's value is in nobody's list and not read here.
//!
//! A reading that comes to no end in the time of one call keeps what it has, and the next call goes on there. What a
//! service may make it keep is bounded: a list that goes round, or on for ever, is refused.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use globset::GlobSet;

use super::algorithm::Service;
use super::listing::{Contents, Key, Known, Named};
use super::objects::{self, Shape};
use super::refusal::is_missing;
use super::session::{Repeat, Reply, Session, rest_of};
use super::wire::{CertificateBundle, Item, KeyBundle, Page, invalid, is_of, parts_of, read};
use crate::backend::remote::Budget;
use crate::vault::{Collection, Name, Result, VaultError};

/// Whose list is read.
pub struct Source<'a> {
    pub session: &'a Session,
    pub service: Service,
    pub location: &'a str,
    pub filter: Option<&'a GlobSet>,
    /// What the configuration names whole: whoever has a role on these alone can't read the list they stand in.
    pub names: &'a [Name],
    pub secrets: bool,
    /// The time for all of it; without one each request has its own.
    pub budget: Option<Budget>,
}

/// A reading that is under way, or was left before its end.
pub struct Reading {
    begun: Instant,
    /// Whether lists of versions are read that seem to be as they were.
    everything: bool,
    /// Lists by their paths, read to their end or to where they go on.
    lists: HashMap<String, List>,
    /// The names that are done.
    done: BTreeMap<Key, Named>,
    /// Versions of the name that isn't.
    part: Vec<Known>,
    /// What a reading before this one had done that took too long.
    before: BTreeMap<Key, Named>,
    /// Bytes of all lists.
    bytes: usize,
    /// Requests that were answered.
    answered: usize,
}

/// A list, as far as it was read.
struct List {
    lines: Vec<Arc<str>>,
    /// Path and query of its next page.
    next: Option<String>,
    /// The pages that were read.
    followed: HashSet<String>,
}

/// Objects on a page, which is as many as a service gives.
const PAGE: usize = 25;
/// Pages of a list: a service that never ends is cut off.
const MOST_PAGES: usize = 4_000;
/// Bytes of all lists of one reading, which are some hundreds for each name and each version.
const MOST_BYTES: usize = 128 << 20;
/// How often lists of versions are read that seem to be as they were.
const READINGS: u32 = 10;
/// A list that was left is gone on with for so long. Then it begins anew, and only what it found is kept.
const LIFE: Duration = Duration::from_secs(300);

impl Reading {
    /// One that goes on where another was left, or begins now.
    pub fn of(left: Option<Self>, known: &Contents) -> Self {
        let before = match left {
            Some(left) if !left.is_over() => return left,
            Some(left) => left.before.into_iter().chain(left.done).collect(),
            None => BTreeMap::new(),
        };
        Self {
            begun: Instant::now(),
            everything: known.readings + 1 >= READINGS,
            lists: HashMap::new(),
            done: BTreeMap::new(),
            part: Vec::new(),
            before,
            bytes: 0,
            answered: 0,
        }
    }

    /// Whether it was left for too long.
    pub fn is_over(&self) -> bool {
        self.begun.elapsed() > LIFE
    }

    /// When it began: what changes meanwhile isn't missed.
    pub fn begun(&self) -> Instant {
        self.begun
    }

    /// Names that are done, and requests that were answered.
    pub fn progress(&self) -> (usize, usize) {
        (self.done.len(), self.answered)
    }

    /// Reads the lists, or the rest of them, with what is known of them.
    pub fn finish(&mut self, source: &Source<'_>, known: &Contents) -> Result<Contents> {
        for collection in source.collections() {
            let mut reader = Reader { source, known, reading: self };
            match reader.collection(collection) {
                // A role for keys alone shows no certificates.
                Err(VaultError::NotPermitted { .. }) if collection != Collection::Keys => {}
                outcome => outcome?,
            }
        }
        let readings = if self.everything { 0 } else { known.readings + 1 };
        Ok(Contents { named: std::mem::take(&mut self.done), readings, commit: known.commit + 1 })
    }
}

impl Source<'_> {
    fn collections(&self) -> impl Iterator<Item = Collection> + use<> {
        let certificates = (!self.service.hsm).then_some(Collection::Certificates);
        let secrets = (!self.service.hsm && self.secrets).then_some(Collection::Secrets);
        [Some(Collection::Keys), certificates, secrets].into_iter().flatten()
    }

    /// By its name, or by a label that a tag gives it.
    fn is_wanted(&self, name: &str, item: &Item) -> bool {
        let Some(filter) = self.filter else { return true };
        let mut tags = item.tags.iter().flatten();
        filter.is_match(name)
            || tags.any(|(tag, value)| tag.to_ascii_lowercase().ends_with("label") && filter.is_match(value))
    }

    fn get(&self, path: &str) -> Result<Reply> {
        match &self.budget {
            Some(budget) => self.session.call_within("GET", path, None, Repeat::Safe, budget),
            None => self.session.call("GET", path, None, Repeat::Safe),
        }
    }

    fn is_late(&self) -> bool {
        self.budget.is_some_and(|budget| budget.is_spent())
    }
}

/// One reading at work.
struct Reader<'a> {
    source: &'a Source<'a>,
    known: &'a Contents,
    reading: &'a mut Reading,
}

impl Reader<'_> {
    fn collection(&mut self, collection: Collection) -> Result<()> {
        let lines = match self.lines(&format!("/{}?maxresults={PAGE}", collection.segment())) {
            Err(denied @ VaultError::NotPermitted { .. }) => return self.by_name(collection, denied),
            lines => lines?,
        };
        for line in lines {
            let item: Item = read(self.source.location, line.as_bytes())?;
            let Some((_, name, _)) = parts_of(item.id()) else { continue };
            // A certificate's secret is no object of its own.
            let hidden = collection == Collection::Secrets && item.managed == Some(true);
            if hidden || !self.source.is_wanted(name, &item) {
                continue;
            }
            let key = (collection, name.to_ascii_lowercase().into_boxed_str());
            if self.reading.done.get(&key).is_some_and(|done| done.line == line) {
                continue;
            }
            let same = self.known.named.get(&key).filter(|named| named.line == line && !self.reading.everything);
            let named = match same {
                Some(named) => named.clone(),
                None => Named { versions: self.versions(&key, name)?, line },
            };
            self.reading.done.insert(key, named);
        }
        Ok(())
    }

    /// Without the list: what the configuration names, if that may be read by itself.
    fn by_name(&mut self, collection: Collection, denied: VaultError) -> Result<()> {
        let mut any = false;
        for name in self.source.names {
            let key = (collection, name.folded().into_boxed_str());
            if !self.reading.done.contains_key(&key) {
                let versions = match self.versions(&key, name.as_str()) {
                    Err(VaultError::NotPermitted { .. }) => continue,
                    versions => versions?,
                };
                // Without a line nobody sees whether it changed: it is read each time.
                self.reading.done.insert(key, Named { line: "".into(), versions });
            }
            any = true;
        }
        if any { Ok(()) } else { Err(denied) }
    }

    fn versions(&mut self, key: &Key, name: &str) -> Result<Vec<Known>> {
        let collection = key.0;
        let list = format!("/{}/{name}/versions?maxresults={PAGE}", collection.segment());
        let lines = match self.lines(&list) {
            // It was deleted meanwhile.
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            lines => lines?,
        };
        let mut versions = Vec::with_capacity(lines.len());
        for line in lines {
            let item: Item = read(self.source.location, line.as_bytes())?;
            if item.attributes.enabled == Some(false) {
                continue;
            }
            if !is_of(item.id(), collection.segment(), name, None) {
                return Err(self.another(&list));
            }
            let known = match self.same(key, &line) {
                Some(shape) => Some(Known { line, shape }),
                None => self.version(collection, name, line, &item)?,
            };
            versions.extend(known);
        }
        versions.sort_by_key(|version| version.shape.created);
        self.settle(collection, name, &mut versions)?;
        self.reading.lists.remove(&list);
        self.reading.part.clear();
        Ok(versions)
    }

    /// A version whose line reads as it did when it was read.
    fn same(&self, key: &Key, line: &Arc<str>) -> Option<Arc<Shape>> {
        let named = [self.known.named.get(key), self.reading.before.get(key)];
        let mut known = named.into_iter().flatten().flat_map(|named| &named.versions).chain(&self.reading.part);
        known.find(|known| known.line == *line).map(|known| Arc::clone(&known.shape))
    }

    /// A version that isn't known, or not as it is now.
    fn version(&mut self, collection: Collection, name: &str, line: Arc<str>, item: &Item) -> Result<Option<Known>> {
        let Some((_, _, Some(version))) = parts_of(item.id()) else { return Ok(None) };
        let shape = match collection {
            Collection::Secrets => objects::of_secret(item),
            _ => self.shape(collection, name, Some(version))?,
        };
        let known = shape.map(|shape| Known { line, shape: Arc::new(shape) });
        self.reading.part.extend(known.clone());
        Ok(known)
    }

    /// Of versions that were made in one second, the service knows which is the newest.
    fn settle(&mut self, collection: Collection, name: &str, versions: &mut Vec<Known>) -> Result<()> {
        let [.., before, last] = &versions[..] else { return Ok(()) };
        if before.shape.created != last.shape.created || collection == Collection::Secrets {
            return Ok(());
        }
        let Some(current) = self.shape(collection, name, None)? else { return Ok(()) };
        if let Some(place) = versions.iter().position(|version| version.shape.id == current.id) {
            let newest = versions.remove(place);
            versions.push(newest);
        }
        Ok(())
    }

    /// This version of a key or certificate, or the current one; `None` if it isn't there any more, or nothing that is used.
    fn shape(&mut self, collection: Collection, name: &str, version: Option<&str>) -> Result<Option<Shape>> {
        // The slash is the SDKs': the current version is the one with no name.
        let path = format!("/{}/{name}/{}", collection.segment(), version.unwrap_or_default());
        let reply = match self.source.get(&path) {
            Err(error) if is_missing(&error) => return Ok(None),
            reply => reply?,
        };
        self.reading.answered += 1;
        let (id, shape) = match collection {
            Collection::Certificates => {
                let bundle: CertificateBundle = read(self.source.location, &reply.body)?;
                let shape = objects::of_certificate(&bundle);
                (bundle.id, shape)
            }
            _ => {
                let bundle: KeyBundle = read(self.source.location, &reply.body)?;
                let shape = objects::of_key(&bundle);
                (bundle.key.kid, shape)
            }
        };
        if is_of(&id, collection.segment(), name, version) { Ok(shape) } else { Err(self.another(&path)) }
    }

    fn another(&self, path: &str) -> VaultError {
        invalid(self.source.location, format!("it gave something else for {path}"))
    }

    /// Every line of a list, of which what was read before isn't asked for again.
    fn lines(&mut self, path: &str) -> Result<Vec<Arc<str>>> {
        let mut list = self.reading.lists.remove(path).unwrap_or_else(|| List::at(path));
        let outcome = self.read_on(&mut list);
        let lines = list.lines.clone();
        // Where it ended by the clock it is gone on with; where the vault ended it, that is of no use.
        if outcome.is_ok() || list.next.is_some() && self.source.is_late() {
            self.reading.lists.insert(path.to_owned(), list);
        }
        outcome.map(|()| lines)
    }

    fn read_on(&mut self, list: &mut List) -> Result<()> {
        while let Some(path) = &list.next {
            let reply = self.source.get(path)?;
            self.reading.answered += 1;
            self.reading.bytes += reply.body.len();
            if self.reading.bytes > MOST_BYTES {
                return Err(invalid(self.source.location, "it lists more than can be kept here: use `objects`"));
            }
            let page: Page = read(self.source.location, &reply.body)?;
            list.take(page).map_err(|what| invalid(self.source.location, what))?;
        }
        Ok(())
    }
}

impl List {
    fn at(path: &str) -> Self {
        Self { lines: Vec::new(), next: Some(path.to_owned()), followed: HashSet::new() }
    }

    fn take(&mut self, page: Page) -> std::result::Result<(), &'static str> {
        self.lines.extend(page.value.into_iter().map(|item| item.get().into()));
        self.followed.extend(self.next.take());
        let Some(link) = page.next_link.filter(|link| !link.is_empty()) else { return Ok(()) };
        let next = rest_of(&link).ok_or("the rest of its list is nowhere")?;
        if self.followed.contains(&next) {
            return Err("its list goes round: it goes on where it was before");
        }
        if self.followed.len() >= MOST_PAGES {
            return Err("its list has no end");
        }
        self.next = Some(next);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(link: &str) -> Page {
        read("there", format!(r#"{{"value":[{{}}],"nextLink":"{link}"}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn a_list_that_goes_round_or_on_for_ever_ends() {
        let mut list = List::at("/keys?maxresults=25");
        list.take(page("https://a/keys?$skiptoken=1&api-version=7.6")).unwrap();
        list.take(page("https://a/keys?$skiptoken=2")).unwrap();
        assert_eq!(list.next.as_deref(), Some("/keys?$skiptoken=2"));
        let round = list.take(page("https://elsewhere/keys?api-version=7.6&$skiptoken=1"));
        assert!(round.unwrap_err().contains("goes round"));
        let mut list = List::at("/keys?maxresults=25");
        let end = (0..=MOST_PAGES).find_map(|at| list.take(page(&format!("https://a/keys?{at}"))).err());
        assert_eq!(end, Some("its list has no end"));
        let mut list = List::at("/keys");
        list.take(page("")).unwrap();
        assert!(list.next.is_none() && list.lines.len() == 1);
    }
}
