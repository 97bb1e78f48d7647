//! The same random calls into SoftHSM and into our module, in one process. Every difference between their return codes is
//! either named in `differences.rs`, with the section of the specification by which ours is right, or the test fails.
//!
//! Calls are drawn in logical numbers, so that both modules are asked the same. Where they differ, what one of them made or
//! began is undone in both, and they go on from equal states.

mod calls;
#[path = "../client/mod.rs"]
mod client;
mod differences;
mod random;
mod side;
#[path = "../stage/mod.rs"]
mod stage;
mod start;

use std::collections::BTreeMap;
use std::path::Path;

use cryptoki_sys::*;

use calls::{Active, Call, Calls, KeyCall, ObjectCall, Operation, What};
use client::attribute;
use differences::{Difference, describe, reason};
use random::Random;
use side::Side;

const SEED: u64 = 0x5EED_2026_1124;
const CALLS: usize = 100_000;
/// Where Debian has it.
const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// More objects than these are ended.
const OBJECTS_MAX: usize = 40;

struct Pair {
    ours: Side,
    theirs: Side,
    calls: Calls,
    /// Sessions in which both answered an error since the last `Init`: whether an operation survived it is one question,
    /// not one for each function.
    after_error: [bool; 3],
    differences: BTreeMap<Difference, (usize, String)>,
    /// What was called in each session since it was opened, for whoever looks into a difference.
    history: [Vec<String>; 3],
    /// How often both succeeded, for each function.
    successes: BTreeMap<&'static str, usize>,
}

#[test]
fn load_the_same_calls_are_answered_by_the_same_codes_as_softhsm_or_better_ones() {
    if !stage::is_ours() {
        return;
    }
    println!("seed {SEED:#x}, {CALLS} calls");
    let mut pair = Pair::new();
    for _ in 0..CALLS {
        pair.call();
    }
    println!("both succeeded: {:?}", pair.successes);
    let mut unknown = Vec::new();
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    for (difference, (count, example)) in &pair.differences {
        match reason(difference) {
            Some(why) => *explained.entry(why).or_default() += count,
            None => unknown.push(format!("{count} × {difference}{example}")),
        }
    }
    for (why, count) in explained {
        println!("{count:6} × ours by {why}");
    }
    assert!(unknown.is_empty(), "{} classes of differences are not explained:\n{}", unknown.len(), unknown.join("\n"));
    assert!(pair.successes.values().sum::<usize>() > CALLS / 4, "the calls make too little sense");
}

impl Pair {
    fn new() -> Self {
        // Each reads its own environment variable when it is initialised.
        let (mut ours, mut theirs) = (Side::new(&stage::module()), Side::new(Path::new(SOFTHSM)));
        let (mut objects, mut halves) = (Vec::new(), Vec::new());
        for (kind, template) in start::objects() {
            objects.push(kind);
            for side in [&mut ours, &mut theirs] {
                let object = side.keeper().create(&template).unwrap();
                side.push(object);
            }
        }
        for pair in start::pairs() {
            objects.extend(pair.kinds);
            let shown = [attribute(CKA_SENSITIVE, false), attribute(CKA_EXTRACTABLE, true)];
            let source = ours.keeper();
            let (public, private) = source.generate_pair(pair.mechanism, &pair.generated, &shown).unwrap();
            for (half, (template, parts)) in [(public, &pair.public), (private, &pair.private)] {
                let value = parts.iter().map(|part| (*part, source.get(half, *part).unwrap()));
                let template: Vec<_> = template.iter().cloned().chain(value).collect();
                let made = [&ours, &theirs].map(|side| side.keeper().create(&template).unwrap());
                halves.push(made);
            }
        }
        for made in halves {
            ours.push(made[0]);
            theirs.push(made[1]);
        }
        assert_eq!(objects.len(), start::COUNT);
        let calls = Calls { random: Random::new(SEED), active: [None; 3], begun: [0; 3], objects };
        Self {
            ours,
            theirs,
            calls,
            after_error: [false; 3],
            differences: BTreeMap::new(),
            history: [const { Vec::new() }; 3],
            successes: BTreeMap::new(),
        }
    }

    fn call(&mut self) {
        let call = self.calls.next();
        let (ours, theirs) = (self.ours.answer(&call), self.theirs.answer(&call));
        if ours.code == CKR_OK && theirs.code == CKR_OK {
            *self.successes.entry(describe(&call, &self.calls).0).or_default() += 1;
        }
        if ours.code == theirs.code {
            if let Some(history) = self.history.get_mut(call.session) {
                history.push(format!("{call:?}: {:#x}", ours.code));
            }
            for (ours, theirs) in ours.made.into_iter().zip(theirs.made) {
                self.ours.push(ours);
                self.theirs.push(theirs);
                self.calls.objects.push(start::Kind::Data);
            }
            if self.calls.objects.len() > OBJECTS_MAX {
                self.calls.objects.truncate(start::COUNT);
                self.ours.truncate(start::COUNT);
                self.theirs.truncate(start::COUNT);
            }
            self.follow(&call, ours.code);
            self.theirs.share_results(&self.ours);
            return;
        }
        self.note(&call, ours.code, theirs.code);
        self.ours.forget_results();
        self.theirs.forget_results();
        for object in ours.made {
            self.ours.destroy(object);
        }
        for object in theirs.made {
            self.theirs.destroy(object);
        }
        self.renew(call.session);
    }

    fn note(&mut self, call: &Call, ours: CK_RV, theirs: CK_RV) {
        let (function, mut situation) = describe(call, &self.calls);
        if self.after_error.get(call.session) == Some(&true) {
            situation = format!("after an error, {situation}");
        }
        let difference = Difference { function, ours, theirs, situation };
        let before = self.history.get(call.session).map_or(String::new(), |calls| calls.join("\n    "));
        let seen = self.differences.entry(difference).or_insert_with(|| (0, format!("\n    {before}\n    {call:?}")));
        seen.0 += 1;
    }

    fn renew(&mut self, session: usize) {
        if session < self.calls.active.len() {
            self.ours.renew(session);
            self.theirs.renew(session);
            self.calls.active[session] = None;
            self.after_error[session] = false;
            self.history[session].clear();
        }
    }

    /// Takes in what both have under way now.
    fn follow(&mut self, call: &Call, code: CK_RV) {
        let Some(active) = self.calls.active.get_mut(call.session) else { return };
        match (&call.what, code) {
            (What::Init(operation, Some(mechanism), _), CKR_OK) => {
                self.calls.begun[call.session] = mechanism.number;
                *active = Some(Active::Operation(*operation));
                self.after_error[call.session] = false;
            }
            (What::Object(ObjectCall::FindInit(_)), CKR_OK) => *active = Some(Active::Find),
            (What::Object(ObjectCall::FindFinal), CKR_OK) => *active = None,
            (What::Once(operation, _, room) | What::Final(operation, _, room), CKR_OK)
                if *room != calls::Room::Question || *operation == Operation::Verify =>
            {
                *active = None;
            }
            (What::Once(..) | What::Update(..) | What::Final(..) | What::Key(KeyCall::Digest(_)), code)
                if code != CKR_OK && code != CKR_BUFFER_TOO_SMALL =>
            {
                *active = None;
                self.after_error[call.session] = true;
            }
            _ => {}
        }
    }
}
