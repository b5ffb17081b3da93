//! Facts under one another and tables, for people.  From: the commands.  To: standard output.

use std::fmt::Write as _;

use crate::summary::Paint;

/// Facts under one another, their names aligned.
#[derive(Default)]
pub(crate) struct Rows {
    rows: Vec<(String, String)>,
}

impl Rows {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.rows.push((name.into(), value.into()));
    }

    pub(crate) fn text(&self, paint: &Paint) -> String {
        let names = self.rows.iter().map(|(name, _)| name.chars().count());
        let width = names.max().unwrap_or(0);
        let mut out = String::new();
        for (name, value) in &self.rows {
            // Padded before it is painted: escape sequences have no width.
            let name = paint.dim(&format!("{name:<width$}"));
            let _ = writeln!(out, "  {name}  {value}");
        }
        out
    }
}

/// Lines of aligned cells under a heading; the last cell of a line takes what room there is.
pub(crate) struct Table<const N: usize> {
    heading: [&'static str; N],
    lines: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(heading: [&'static str; N]) -> Table<N> {
        Table {
            heading,
            lines: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, line: [String; N]) {
        self.lines.push(line);
    }

    /// With its heading.
    pub(crate) fn text(&self, paint: &Paint) -> String {
        let widths = self.widths();
        let heading = padded(&self.heading, &widths);
        format!("{}\n{}", paint.dim(&heading), self.body(&widths))
    }

    /// Without its heading: what follows another page.
    pub(crate) fn text_below(&self) -> String {
        self.body(&self.widths())
    }

    fn body(&self, widths: &[usize; N]) -> String {
        let line = |cells: &[String; N]| padded(&cells.each_ref().map(String::as_str), widths);
        self.lines.iter().map(|cells| line(cells) + "\n").collect()
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.heading.map(|cell| cell.chars().count());
        for line in &self.lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

fn padded<const N: usize>(cells: &[&str; N], widths: &[usize; N]) -> String {
    let mut out = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let _ = write!(out, "{cell:<width$}  ");
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_under_their_heading_and_no_line_ends_in_spaces() {
        let mut table = Table::new(["name", "subject"]);
        table.add(["a".to_owned(), "CN=é".to_owned()]);
        table.add(["longer".to_owned(), String::new()]);
        let text = table.text(&Paint::for_stdout());
        assert_eq!(text, "name    subject\na       CN=é\nlonger\n");
        assert!(text.ends_with(&table.text_below()));
    }
}
