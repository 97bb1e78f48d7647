//! Tables: drawn on a terminal, aligned columns without any drawing where a program reads.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

/// Who reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A program, or a person through a pipe.
    Program,
    /// A person at a terminal.
    Person {
        /// What needs attention may be coloured.
        colours: bool,
    },
}

/// One line a row; what people call headings is absent where a program reads.
pub(super) fn rows(headings: &[&str], rows: &[Vec<String>], reader: Reader) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let Reader::Person { colours } = reader else { return aligned(rows) };
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    // A cell that is broken can't be copied: the terminal breaks lines that are too long.
    table.set_content_arrangement(ContentArrangement::Disabled);
    if colours {
        // Whoever asks has made sure that it is a terminal.
        table.enforce_styling();
    }
    table.set_header(headings.iter().map(|heading| {
        let cell = Cell::new(heading.to_uppercase());
        if colours { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    for row in rows {
        table.add_row(row.iter().zip(headings).map(|(text, heading)| {
            let cell = Cell::new(printable(text));
            let attention = colours && *heading == "state" && text != "enabled";
            if attention { cell.fg(Color::Yellow) } else { cell }
        }));
    }
    format!("{}\n", table.trim_fmt())
}

/// A heading and its value a line.
pub(super) fn pairs(pairs: &[(&str, String)]) -> String {
    let rows: Vec<Vec<String>> =
        pairs.iter().map(|(heading, value)| vec![format!("{heading}:"), value.clone()]).collect();
    aligned(&rows)
}

/// Text without what a terminal would obey: labels come from whoever may write objects.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() && letter != '\n' { '\u{FFFD}' } else { letter }).collect()
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // A column is never empty, so that a program can count them.
            let cell = if cell.is_empty() { "-" } else { cell };
            line.push_str(&format!("{:width$}  ", printable(cell).replace('\n', " ")));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_never_empty_where_a_program_reads() {
        let rows = [vec!["a".into(), String::new(), "x".into()], vec!["long".into(), "b".into(), "y".into()]];
        assert_eq!(super::rows(&["1", "2", "3"], &rows, Reader::Program), "a     -  x\nlong  b  y\n");
    }

    #[test]
    fn a_label_cannot_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{FFFD}[2Jb");
    }

    #[test]
    fn on_a_terminal_the_columns_have_headings() {
        assert!(rows(&["name"], &[vec!["www".into()]], Reader::Person { colours: false }).contains("NAME"));
    }

    #[test]
    fn what_is_not_enabled_is_coloured_only_where_colours_are_wanted() {
        let keys = [vec!["www".into(), "enabled".into()], vec!["old".into(), "disabled".into()]];
        let shown = |colours| rows(&["name", "state"], &keys, Reader::Person { colours });
        let coloured = |text: &str| text.lines().filter(|line| line.contains("\u{1b}[38;5;11m")).count();
        assert_eq!((coloured(&shown(true)), shown(false).contains('\u{1b}')), (1, false));
    }
}
