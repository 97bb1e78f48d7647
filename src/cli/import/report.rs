//! What an import says: what came, what was there, what stayed behind and what to do about it.

use serde_json::{Value, json};

use super::super::{Context, Result};
use super::found::{Candidate, LeftBehind, What};
use super::plan::{Plan, Present};
use crate::vault::{Naming, Object};

/// The outcome of an import, or what it would be.
pub(super) struct Report<'a> {
    pub plan: &'a Plan,
    /// What was made, in the plan's order; empty if nothing was yet.
    pub made: &'a [std::sync::Arc<Object>],
    pub left: &'a [LeftBehind],
    pub remarks: Vec<String>,
    pub dry_run: bool,
}

impl Report<'_> {
    pub(super) fn print(&self, context: &Context) -> Result<()> {
        let headings = ["state", "class", "label", "id", "kind", "remarks"];
        context.output.list(&headings, &self.rows(), &self.json(), "The source holds nothing.")?;
        for remark in &self.remarks {
            context.output.note(remark);
        }
        context.output.note(&self.sentence());
        Ok(())
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |state: &str, what: &What, remarks: String| {
            let kind = what.kind.clone().unwrap_or_default();
            vec![state.to_owned(), what.class_text().to_owned(), what.label_text(), what.id_text(), kind, remarks]
        };
        let state = if self.dry_run { "would come" } else { "imported" };
        let comes = |candidate: &Candidate| row(state, &What::of(&candidate.draft), candidate.remarks.join("; "));
        let stays = |left: &LeftBehind| row("left behind", &left.what, format!("{}: {}", left.reason, left.remedy));
        let candidates = self.plan.candidates.iter().map(comes);
        let present =
            self.plan.present.iter().map(|present| row("already there", &present.what, present.remarks.join("; ")));
        candidates.chain(present).chain(self.left.iter().map(stays)).collect()
    }

    fn json(&self) -> Value {
        let comes = |(at, candidate): (usize, &Candidate)| {
            let mut value = of(&What::of(&candidate.draft));
            value["exportable"] = candidate.draft.content.exportable.into();
            value["remarks"] = candidate.remarks.clone().into();
            value["name"] = match (self.made.get(at).and_then(|object| object.name.as_ref()), &candidate.draft.naming) {
                (Some(name), _) | (None, Naming::New(name)) => name.as_str().into(),
                _ => Value::Null,
            };
            value
        };
        let stays = |left: &LeftBehind| {
            let mut value = of(&left.what);
            value["reason"] = left.reason.clone().into();
            value["remedy"] = left.remedy.clone().into();
            value
        };
        let present = |present: &Present| {
            let mut value = of(&present.what);
            value["remarks"] = present.remarks.clone().into();
            value
        };
        json!({
            "dry_run": self.dry_run,
            "imported": self.plan.candidates.iter().enumerate().map(comes).collect::<Value>(),
            "already_there": self.plan.present.iter().map(present).collect::<Value>(),
            "left_behind": self.left.iter().map(stays).collect::<Value>(),
            "remarks": self.remarks,
        })
    }

    fn sentence(&self) -> String {
        let verb = if self.dry_run { "Would import" } else { "Imported" };
        let mut sentence = format!("{verb} {}", counted(self.plan.candidates.len()));
        if !self.plan.present.is_empty() {
            sentence += &format!("; {} already there", counted(self.plan.present.len()));
        }
        if !self.left.is_empty() {
            sentence += &format!("; {} left behind", counted(self.left.len()));
        }
        sentence + "."
    }
}

fn of(what: &What) -> Value {
    json!({
        "class": what.class_text(),
        "label": what.label_text(),
        "id": what.id_text(),
        "kind": what.kind,
    })
}

fn counted(number: usize) -> String {
    if number == 1 { "1 object".to_owned() } else { format!("{number} objects") }
}
