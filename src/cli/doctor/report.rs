//! What was found, and how it is printed.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::super::table::printable;
use super::super::{Error, Output, Result};
use super::table::{self, Area, Check, Level, Value, Values};

/// Everything that was looked at.
#[derive(Default)]
pub(super) struct Report {
    facts: Vec<(Area, String)>,
    looked: Vec<&'static str>,
    findings: Vec<Finding>,
    told: HashSet<(&'static str, String)>,
    left_out: Vec<(Area, String)>,
    /// What stands before `strongroom` where it is to be run in a service's name, as root.
    pub in_name: String,
}

/// One thing that is wrong. Written with its values; it counts once it is [`found`](Report::found).
pub(super) struct Finding {
    check: &'static Check,
    values: Values,
}

/// The check with this id failed.
pub(super) fn finding(id: &str) -> Finding {
    Finding { check: table::check(id), values: Vec::new() }
}

impl Finding {
    /// A value for the sentence and the command.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.values.push((name, Value::Word(value.to_string())));
        self
    }

    /// Pieces of a command, quoted already.
    pub(super) fn with_command(mut self, name: &'static str, command: impl Into<String>) -> Self {
        self.values.push((name, Value::Command(command.into())));
        self
    }

    /// A value that may not be there; the command is chosen by that.
    pub(super) fn maybe(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Whether it has such a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| *known == name)
    }

    fn sentence(&self, in_name: &str) -> String {
        let sentence = self.check.sentence(&self.values);
        sentence.replace("`strongroom ", &format!("`{in_name}strongroom "))
    }

    fn remedy(&self, in_name: &str) -> Option<String> {
        let remedy = self.check.remedy(&self.values)?.replace("&& strongroom ", &format!("&& {in_name}strongroom "));
        Some(if remedy.starts_with("strongroom ") { format!("{in_name}{remedy}") } else { remedy })
    }
}

impl Report {
    /// What was looked at, so that everybody sees whether it is what they meant.
    pub(super) fn fact(&mut self, area: Area, fact: impl Into<String>) {
        self.facts.push((area, fact.into()));
    }

    /// These checks were made; those that found nothing hold.
    pub(super) fn looked(&mut self, ids: &[&'static str]) {
        for id in ids {
            if !self.looked.contains(id) {
                self.looked.push(id);
            }
        }
    }

    pub(super) fn found(&mut self, finding: Finding) {
        self.looked(&[finding.check.id]);
        if self.told.insert((finding.check.id, finding.sentence(&self.in_name))) {
            self.findings.push(finding);
        }
    }

    /// Whether that was found already.
    pub(super) fn has(&self, id: &str) -> bool {
        self.findings.iter().any(|finding| finding.check.id == id)
    }

    /// Adds a value to what was found of a check with these values, where a later part knows more.
    pub(super) fn complete(&mut self, id: &str, of: &[(&str, &str)], name: &'static str, value: impl ToString) {
        for finding in self.findings.iter_mut().filter(|finding| finding.check.id == id) {
            let says = |(name, text): &(&str, &str)| {
                let mut values = finding.values.iter().filter(|(known, _)| known == name);
                values.any(|(_, value)| matches!(value, Value::Word(word) if word == text))
            };
            if of.iter().all(says) {
                finding.values.push((name, Value::Word(value.to_string())));
            }
        }
    }

    /// Why something wasn't looked at.
    pub(super) fn left_out(&mut self, area: Area, why: impl Into<String>) {
        self.left_out.push((area, why.into()));
    }

    /// Prints it; fails if there is a fault.
    pub(super) fn print(&self, output: &Output) -> Result<()> {
        output.text(&self.text(output.has_colours(), output.width()), &self.json())?;
        // The count is said once: by the error, where there is one.
        match self.count(Level::Fault) {
            0 => Ok(()),
            _ => Err(Error::refused(self.summary())),
        }
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.check.level == level).count()
    }

    fn holding(&self, area: Area) -> impl Iterator<Item = &'static Check> {
        let failed: HashSet<&str> = self.findings.iter().map(|finding| finding.check.id).collect();
        table::all()
            .filter(move |check| check.area == area && self.looked.contains(&check.id) && !failed.contains(check.id))
    }

    fn text(&self, colours: bool, width: Option<usize>) -> String {
        let mut text = String::new();
        for area in Area::ALL {
            let lines = self.lines(area, colours, width);
            if !lines.is_empty() {
                text.push_str(&format!("{}\n{}\n\n", area.name(), lines.join("\n")));
            }
        }
        if self.count(Level::Fault) == 0 {
            text.push_str(&self.summary());
            text.push('\n');
        }
        text
    }

    fn lines(&self, area: Area, colours: bool, width: Option<usize>) -> Vec<String> {
        let line = |word: &str, colour: &str, text: &str| {
            // Padded before it is coloured: escape sequences have no width on a screen.
            let word = format!("{word:7}");
            let word = if colours { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word };
            format!("  {word}  {}", broken(&printable(text), width))
        };
        let facts = self.facts.iter().filter(|(of, _)| *of == area);
        let mut lines: Vec<String> = facts.map(|(_, fact)| line("", PLAIN, fact)).collect();
        lines.extend(self.holding(area).map(|check| line("ok", GREEN, check.holds)));
        let findings: Vec<&Finding> = self.findings.iter().filter(|finding| finding.check.area == area).collect();
        for (index, finding) in findings.iter().enumerate() {
            let colour = if finding.check.level == Level::Fault { RED } else { YELLOW };
            let text = format!("{} [{}]", finding.sentence(&self.in_name), finding.check.id);
            lines.push(line(finding.check.level.name(), colour, &text));
            // A command that mends several things stands once, under the first of them.
            let again = |remedy: &String| {
                findings[..index].iter().any(|earlier| earlier.remedy(&self.in_name).as_ref() == Some(remedy))
            };
            let remedy = finding.remedy(&self.in_name).filter(|remedy| !again(remedy));
            lines.extend(remedy.map(|remedy| format!("{INDENT}{}", printable(&remedy))));
        }
        let left_out = self.left_out.iter().filter(|(of, _)| *of == area);
        lines.extend(left_out.map(|(_, why)| line("-", PLAIN, why)));
        lines
    }

    fn summary(&self) -> String {
        match (self.count(Level::Fault), self.count(Level::Warning)) {
            (0, 0) => "All is well.".to_owned(),
            (0, warnings) => format!("No fault, {}.", counted(warnings, "warning")),
            (faults, 0) => format!("{}.", counted(faults, "fault")),
            (faults, warnings) => format!("{}, {}.", counted(faults, "fault"), counted(warnings, "warning")),
        }
    }

    fn json(&self) -> Json {
        let mut checks = Vec::new();
        for area in Area::ALL {
            checks.extend(self.holding(area).map(|check| {
                json!({ "id": check.id, "area": area.name(), "state": "ok", "text": check.holds, "remedy": null })
            }));
            for finding in self.findings.iter().filter(|finding| finding.check.area == area) {
                checks.push(json!({
                    "id": finding.check.id,
                    "area": area.name(),
                    "state": finding.check.level.name(),
                    "text": finding.sentence(&self.in_name),
                    "remedy": finding.remedy(&self.in_name),
                }));
            }
        }
        let texts = |texts: &[(Area, String)]| -> Vec<Json> {
            texts.iter().map(|(area, text)| json!({ "area": area.name(), "text": text })).collect()
        };
        json!({
            "healthy": self.count(Level::Fault) == 0,
            "faults": self.count(Level::Fault),
            "warnings": self.count(Level::Warning),
            "checks": checks,
            "looked_at": texts(&self.facts),
            "left_out": texts(&self.left_out),
        })
    }
}

/// A sentence in lines that fit the screen, each under the first. Commands are never broken: they are to be copied.
fn broken(text: &str, width: Option<usize>) -> String {
    let Some(room) = width.and_then(|width| width.checked_sub(INDENT.len())).filter(|room| *room >= 20) else {
        return text.to_owned();
    };
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > room {
            lines.push_str(&format!("\n{INDENT}"));
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += letters;
    }
    lines
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A command stands under its sentence.
const INDENT: &str = "           ";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const PLAIN: &str = "0";

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.looked(&["config-typo", "config-open"]);
        report.found(
            finding("config-open")
                .with("file", "/a b")
                .with("mode", "666")
                .with("read-or-write", "write")
                .with("right", "600"),
        );
        report
    }

    #[test]
    fn what_holds_what_doesnt_and_what_mends_it_are_printed() {
        let text = report().text(false, None);
        assert!(text.contains("  ok       every key in the configuration is known\n"), "{text}");
        assert!(
            text.contains("fault    The configuration /a b has mode 666: others may write it. [config-open]\n"),
            "{text}"
        );
        assert!(text.contains("           chmod 600 '/a b'\n"), "{text}");
        // The count is the error's.
        assert!(!text.contains("1 fault") && report().summary() == "1 fault.", "{text}");
        assert!(!text.contains('\u{1b}') && report().text(true, None).contains("\u{1b}[31mfault  \u{1b}[0m"));
    }

    #[test]
    fn a_command_that_mends_several_things_is_printed_once() {
        let mut report = Report::default();
        for file in ["vault.db", "lock"] {
            let found = finding("vault-owner").with("file", file).with("owner", "a");
            report.found(found.with("user", "root").with("directory", "/v"));
        }
        let text = report.text(false, None);
        assert_eq!((text.matches("[vault-owner]").count(), text.matches("chown -R root /v").count()), (2, 1), "{text}");
    }

    #[test]
    fn sentences_keep_to_the_screen_and_commands_stay_whole() {
        let text = report().text(false, Some(40));
        let (command, sentences): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("chmod"));
        assert!(sentences.iter().all(|line| line.chars().count() <= 40), "{text}");
        assert_eq!(command, ["           chmod 600 '/a b'"]);
    }

    #[test]
    fn json_says_the_same() {
        let json = report().json();
        assert_eq!((&json["healthy"], &json["faults"]), (&json!(false), &json!(1)));
        assert_eq!(json["checks"][1]["remedy"], "chmod 600 '/a b'");
    }

    #[test]
    fn a_finding_is_told_once() {
        let mut report = report();
        report.found(
            finding("config-open")
                .with("file", "/a b")
                .with("mode", "666")
                .with("read-or-write", "write")
                .with("right", "600"),
        );
        assert_eq!(report.count(Level::Fault), 1);
    }
}
