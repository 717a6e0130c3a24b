//! A report before it is drawn: plain texts in order. Whatever draws it shows the same.

/// A report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    /// What it is.
    pub title: String,
    /// Whose, when, by whom.
    pub facts: Vec<(String, String)>,
    /// The rest.
    pub blocks: Vec<Block>,
}

/// A part of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// The name of a chapter.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// Numbers that matter: what, and how much.
    Numbers(Vec<(String, String)>),
    /// A table. Shares say how wide its columns are.
    Table {
        /// Names of the columns, and their shares.
        head: Vec<(&'static str, u32)>,
        /// Its rows, each as long as the head.
        rows: Vec<Vec<String>>,
        /// Rows that are not among these.
        more: usize,
    },
}

/// What is so short is not broken: a word, a number, a day with its hour.
const SHORT_CHARS_MAX: usize = 16;

/// Whether a cell is shown on one line.
pub(super) fn is_short(cell: &str) -> bool {
    cell.chars().count() <= SHORT_CHARS_MAX
}

/// Rows of a table at most: a report is read by people.
pub(super) const ROWS_MAX: usize = 1000;

impl Sheet {
    pub(super) fn heading(&mut self, text: &str) {
        self.blocks.push(Block::Heading(text.to_owned()));
    }

    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// A table, or a sentence when there is nothing in it.
    pub(super) fn table(&mut self, head: &[(&'static str, u32)], mut rows: Vec<Vec<String>>, none: &str) {
        if rows.is_empty() {
            return self.text(none);
        }
        let more = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        self.blocks.push(Block::Table { head: head.to_vec(), rows, more });
    }
}
