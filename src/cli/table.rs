//! Tables: drawn on a terminal, aligned columns without any drawing where a program reads.

use comfy_table::{ContentArrangement, Table};

/// One line a row; what people call headings is absent where a program reads.
pub(super) fn rows(headings: &[&str], rows: &[Vec<String>], terminal: bool) -> String {
    if rows.is_empty() {
        return String::new();
    }
    if !terminal {
        return aligned(rows);
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    // A cell that is broken can't be copied: the terminal breaks lines that are too long.
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
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
        assert_eq!(super::rows(&["1", "2", "3"], &rows, false), "a     -  x\nlong  b  y\n");
    }

    #[test]
    fn a_label_cannot_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{FFFD}[2Jb");
    }

    #[test]
    fn on_a_terminal_the_columns_have_headings() {
        assert!(rows(&["name"], &[vec!["www".into()]], true).contains("NAME"));
    }
}
