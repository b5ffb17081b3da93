//! The client matrix: who was asked to refuse what, as tables on the terminal and in docs/interop.md.
//!
//! From: the lines that crates/ocspry/tests/interop/matrix.rs writes while the tests run.  To: the terminal, the document,
//! and a failure when a cell is red or missing, or when the document says something else than was seen.  Versions are in a
//! column of their own that is not compared: they are the machine's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{Steps, root, status_of};

/// What is to become of docs/interop.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// It must say what was seen.
    Compare,
    /// It is written.
    Write,
}

/// Runs the tests of the matrix with every peer there, prints it, and compares or writes the document.
///
/// # Errors
/// When a test fails or a peer is missing, when a cell is red or missing, when the document is not what was seen.
pub(crate) fn run(steps: &mut Steps, document: Document) -> Result<()> {
    let recording = Recording::begin()?;
    let tests = steps.run("interop", || {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--package", "ocspry", "--test", "interop"]);
        status_of(recording.of(&mut cargo).env("CI", "true"))
    });
    // A red cell is worth seeing in its row, beside the failure that made it so; and so is a recording that makes no
    // matrix, which is no reason to keep quiet about a test that failed.
    let matrix = Matrix::read(&recording.path);
    match &matrix {
        Ok(matrix) => print!("\n{}", matrix.for_terminal()),
        Err(error) => eprintln!("no matrix: {error:#}"),
    }
    tests?;
    let matrix = matrix?;
    steps.run("interop: matrix", || {
        matrix.check()?;
        match document {
            Document::Compare => compare(&matrix),
            Document::Write => write(&matrix),
        }
    })
}

/// Checks a recording that was made by a run of all tests.
///
/// # Errors
/// When a cell is red or missing, or when the document is not what was seen.
pub(crate) fn check(recording: &Recording) -> Result<()> {
    let matrix = Matrix::read(&recording.path)?;
    print!("{}", matrix.for_terminal());
    matrix.check()?;
    compare(&matrix)
}

/// The file in which tests leave what they have seen.
pub(crate) struct Recording {
    path: PathBuf,
}

impl Recording {
    /// An empty one.
    ///
    /// # Errors
    /// When the old one cannot be removed or its folder cannot be made.
    pub(crate) fn begin() -> Result<Recording> {
        let path = root().join("target/xtask/matrix.tsv");
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Recording { path })
    }

    /// The command, told where to record.
    pub(crate) fn of<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("OCSPRY_MATRIX", &self.path)
    }
}

/// Every table, in the order in which the plan names them first.
#[derive(Debug, Default, PartialEq, Eq)]
struct Matrix {
    tables: Vec<Table>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Table {
    name: String,
    rows: Vec<String>,
    columns: Vec<String>,
    planned: Vec<(String, String)>,
    seen: BTreeMap<(String, String), Cell>,
    versions: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    verdict: String,
    text: String,
}

impl Matrix {
    fn read(path: &Path) -> Result<Matrix> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Matrix::from_lines(&text)
    }

    fn from_lines(text: &str) -> Result<Matrix> {
        let mut matrix = Matrix::default();
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split('\t').collect())
            .collect();
        for fields in &lines {
            if let ["plan", table, row, column] = fields[..] {
                matrix.table(table).plan(row, column);
            }
        }
        for fields in &lines {
            match fields[..] {
                ["plan", _, _, _] => {}
                ["seen", table, row, column, verdict, text, version] => {
                    let cell = Cell {
                        verdict: verdict.to_owned(),
                        text: text.to_owned(),
                    };
                    let table = matrix.table(table);
                    table.see(row, column, cell)?;
                    table.versions.insert(row.to_owned(), version.to_owned());
                }
                _ => bail!("not a line of the matrix: {fields:?}"),
            }
        }
        Ok(matrix)
    }

    fn table(&mut self, name: &str) -> &mut Table {
        let at = self.tables.iter().position(|table| table.name == name);
        let at = at.unwrap_or_else(|| {
            self.tables.push(Table {
                name: name.to_owned(),
                ..Table::default()
            });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }

    /// Every planned cell is there, none is red, and none was not planned.
    fn check(&self) -> Result<()> {
        let mut wrong = Vec::new();
        if self.tables.is_empty() {
            wrong.push("nothing was recorded".to_owned());
        }
        for table in &self.tables {
            for cell in &table.planned {
                let what = match table.seen.get(cell) {
                    None => "missing",
                    Some(seen) if seen.verdict == RED => "red",
                    Some(_) => continue,
                };
                wrong.push(format!("{}: {}, {}: {what}", table.name, cell.0, cell.1));
            }
            for cell in table.seen.keys() {
                if !table.planned.contains(cell) {
                    wrong.push(format!(
                        "{}: {}, {}: not planned",
                        table.name, cell.0, cell.1
                    ));
                }
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        for line in &wrong {
            eprintln!("{line}");
        }
        bail!("the client matrix: {} cells", wrong.len())
    }

    /// Aligned, for people.
    fn for_terminal(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let _ = writeln!(out, "{}:", table.name);
            let mut lines = aligned(&table.cells());
            if lines[0].chars().count() > TERMINAL_WIDTH_MAX {
                lines = aligned(&table.cell_by_cell());
            }
            for line in &lines {
                let _ = writeln!(out, "{line}");
            }
            for note in table.notes() {
                let _ = writeln!(out, "{note}");
            }
            out.push('\n');
        }
        out
    }

    /// As it stands in the document.
    fn for_document(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            let _ = writeln!(out, "### {}\n", heading(&table.name));
            for (at, line) in table.cells().iter().enumerate() {
                let line: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
                let _ = writeln!(out, "| {} |", line.join(" | "));
                if at == 0 {
                    let _ = writeln!(out, "|{}", "---|".repeat(line.len()));
                }
            }
            out.push('\n');
            let notes = table.notes();
            for note in &notes {
                let _ = writeln!(out, "- {note}");
            }
            if !notes.is_empty() {
                out.push('\n');
            }
        }
        out.trim_end().to_owned()
    }
}

impl Table {
    fn plan(&mut self, row: &str, column: &str) {
        for (list, name) in [(&mut self.rows, row), (&mut self.columns, column)] {
            if !list.iter().any(|known| known == name) {
                list.push(name.to_owned());
            }
        }
        self.planned.push((row.to_owned(), column.to_owned()));
    }

    /// Red stays red, and two tests that fill one cell must have seen the same.
    fn see(&mut self, row: &str, column: &str, cell: Cell) -> Result<()> {
        let key = (row.to_owned(), column.to_owned());
        match self.seen.get(&key) {
            Some(before) if before.verdict != RED && cell.verdict != RED && *before != cell => {
                bail!("{row}, {column}: seen as {before:?} and as {cell:?}")
            }
            Some(before) if before.verdict == RED => {}
            _ => {
                self.seen.insert(key, cell);
            }
        }
        Ok(())
    }

    /// The head and every row; the version is the second column.
    fn cells(&self) -> Vec<Vec<String>> {
        let mut head = vec![String::new(), VERSION.to_owned()];
        head.extend(self.columns.iter().cloned());
        let mut lines = vec![head];
        for row in &self.rows {
            let version = self.versions.get(row).cloned().unwrap_or_default();
            let mut line = vec![row.clone(), version];
            for column in &self.columns {
                let key = (row.clone(), column.clone());
                line.push(match self.seen.get(&key) {
                    None if self.planned.contains(&key) => "missing".to_owned(),
                    None => String::new(),
                    Some(cell) if cell.verdict == SEEN => cell.text.clone(),
                    Some(cell) if cell.text.is_empty() => cell.verdict.clone(),
                    Some(cell) => format!("{}*", cell.verdict),
                });
            }
            lines.push(line);
        }
        lines
    }

    /// One line for each cell, without versions.
    fn cell_by_cell(&self) -> Vec<Vec<String>> {
        let lines = self.cells();
        let (head, rows) = (&lines[0], &lines[1..]);
        rows.iter()
            .flat_map(|row| {
                let cells = head.iter().zip(row).skip(2);
                cells.map(|(column, cell)| vec![row[0].clone(), column.clone(), cell.clone()])
            })
            .collect()
    }

    /// What is to be said of single cells.
    fn notes(&self) -> Vec<String> {
        self.planned
            .iter()
            .filter_map(|key| Some((key, self.seen.get(key)?)))
            .filter(|(_, cell)| cell.verdict != SEEN && !cell.text.is_empty())
            .map(|((row, column), cell)| {
                format!("{row}, {column}: {}: {}", cell.verdict, cell.text)
            })
            .collect()
    }
}

/// Lines of one cell behind the other, each as wide as the widest of its column.
fn aligned(lines: &[Vec<String>]) -> Vec<String> {
    let columns = lines.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let width = |line: &Vec<String>| line[column].chars().count();
            lines.iter().map(width).max().unwrap_or(0)
        })
        .collect();
    lines
        .iter()
        .map(|line| {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(text, "{cell:width$}  ");
            }
            text.trim_end().to_owned()
        })
        .collect()
}

fn heading(name: &str) -> String {
    let mut characters = name.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

fn compare(matrix: &Matrix) -> Result<()> {
    let document = read_document()?;
    let (_, tables, _) = parts(&document)?;
    let (written, seen) = (
        without_versions(tables),
        without_versions(&matrix.for_document()),
    );
    if written == seen {
        println!("{DOCUMENT} says what was seen");
        return Ok(());
    }
    for line in &written {
        if !seen.contains(line) {
            eprintln!("{DOCUMENT}: - {line}");
        }
    }
    for line in &seen {
        if !written.contains(line) {
            eprintln!("{DOCUMENT}: + {line}");
        }
    }
    bail!("{DOCUMENT} is not what was seen; `cargo xtask interop --write` makes it so")
}

fn write(matrix: &Matrix) -> Result<()> {
    let document = read_document()?;
    let (before, _, after) = parts(&document)?;
    let text = format!("{before}\n{}\n\n{after}", matrix.for_document());
    fs::write(root().join(DOCUMENT), text).with_context(|| format!("cannot write {DOCUMENT}"))?;
    println!("{DOCUMENT} is written");
    Ok(())
}

fn read_document() -> Result<String> {
    fs::read_to_string(root().join(DOCUMENT)).with_context(|| format!("cannot read {DOCUMENT}"))
}

/// What stands before the tables, the tables, and what stands behind; the marks belong to the outer parts.
fn parts(document: &str) -> Result<(&str, &str, &str)> {
    let begin = document.find(BEGIN).map(|at| at + BEGIN.len());
    let end = document.find(END);
    match (begin, end) {
        (Some(begin), Some(end)) if begin <= end => {
            Ok((&document[..begin], &document[begin..end], &document[end..]))
        }
        _ => bail!("{DOCUMENT}: lacks `{}` or `{END}`", BEGIN.trim_end()),
    }
}

/// The lines of Markdown without the column of versions.
fn without_versions(tables: &str) -> Vec<String> {
    tables
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| match line.strip_prefix('|') {
            None => line.to_owned(),
            Some(row) => {
                let mut cells = row.splitn(3, '|');
                let (name, _version, rest) = (cells.next(), cells.next(), cells.next());
                format!("|{}|{}", name.unwrap_or_default(), rest.unwrap_or_default())
            }
        })
        .collect()
}

const DOCUMENT: &str = "docs/interop.md";
const BEGIN: &str = "<!-- interop: begin -->\n";
const END: &str = "<!-- interop: end -->";
const RED: &str = "red";
/// The verdict of a cell that holds a text and can be neither right nor wrong.
const SEEN: &str = "seen";
const VERSION: &str = "version seen";
/// A table that is wider is printed cell by cell.
const TERMINAL_WIDTH_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "\
plan\tverdicts\ta\tgood
plan\tverdicts\ta\trevoked
plan\treactions\ta\trefused
seen\tverdicts\ta\tgood\tgreen\t\t1.0
seen\treactions\ta\trefused\tseen\tgives up | exit 1\t1.0
";

    #[test]
    fn a_cell_that_is_missing_red_or_not_planned_fails() {
        let full = format!("{LINES}seen\tverdicts\ta\trevoked\timpossible\tno way\t1.0\n");
        assert!(Matrix::from_lines(&full).unwrap().check().is_ok());
        assert!(Matrix::from_lines(LINES).unwrap().check().is_err());
        let red = format!("{full}seen\tverdicts\ta\tgood\tred\t\t1.0\n");
        assert!(Matrix::from_lines(&red).unwrap().check().is_err());
        let stray = format!("{full}seen\tverdicts\tb\tgood\tgreen\t\t1.0\n");
        assert!(Matrix::from_lines(&stray).unwrap().check().is_err());
        assert!(Matrix::from_lines("").unwrap().check().is_err());
        let other = format!("{full}seen\treactions\ta\trefused\tseen\twaits\t1.0\n");
        assert!(Matrix::from_lines(&other).is_err());
    }

    #[test]
    fn the_document_is_compared_but_for_the_versions() {
        let table =
            |lines: &str| without_versions(&Matrix::from_lines(lines).unwrap().for_document());
        assert_eq!(table(LINES), table(&LINES.replace("1.0", "2.0")));
        assert_ne!(table(LINES), table(&LINES.replace("gives up", "waits")));
        assert_ne!(table(LINES), table(&LINES.replace("green", "red")));
    }
}
