//! A report as a PDF: A4, in the fonts that every reader has. These know the letters of western Europe; others are shown as `?`.

use super::sheet::{Block, Sheet, is_short};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};

const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 45.0;
const SIZE: f32 = 9.0;
const LINE: f32 = 12.0;
const GAP: f32 = 8.0;
/// What stays free between two columns.
const BESIDE: f32 = 6.0;
/// What is as wide as its column must not be broken because of how that was added up.
const ROUNDED: f32 = 0.5;
/// Lines of one cell at most: a row must fit on a page.
const CELL_LINES_MAX: usize = 40;
const BODY: Name<'static> = Name(b"F1");
const BOLD: Name<'static> = Name(b"F2");

pub(super) fn draw(sheet: &Sheet) -> Vec<u8> {
    let mut pages = Pages::default();
    pages.paragraph(&sheet.title, BOLD, 17.0);
    pages.skip(GAP);
    for (term, value) in &sheet.facts {
        pages.row(&[(term.clone(), 130.0), (value.clone(), WIDTH - 2.0 * MARGIN - 130.0)], BODY, false);
    }
    for block in &sheet.blocks {
        match block {
            Block::Heading(text) => {
                pages.room(60.0);
                pages.skip(GAP * 1.5);
                pages.paragraph(text, BOLD, 12.0);
                pages.rule();
            }
            Block::Text(text) => pages.paragraph(text, BODY, SIZE),
            Block::Numbers(numbers) => {
                let line: Vec<_> = numbers.iter().map(|(what, value)| format!("{value} {what}")).collect();
                pages.paragraph(&line.join("   ·   "), BOLD, SIZE);
            }
            Block::Table { head, rows, more } => {
                let widths = widths(head, rows);
                let names: Vec<_> =
                    head.iter().zip(&widths).map(|((name, _), width)| ((*name).to_owned(), *width)).collect();
                pages.row(&names, BOLD, true);
                for row in rows {
                    let cells: Vec<_> = row.iter().cloned().zip(widths.iter().copied()).collect();
                    if pages.row(&cells, BODY, true) {
                        // The head again on each page.
                        pages.row(&names, BOLD, true);
                        pages.row(&cells, BODY, true);
                    }
                }
                if *more > 0 {
                    pages.paragraph(&format!("{more} more rows are not shown."), BODY, SIZE);
                }
            }
        }
    }
    pages.finish(&sheet.title)
}

#[derive(Default)]
struct Pages {
    done: Vec<Content>,
    page: Option<Content>,
    /// From the top.
    down: f32,
}

impl Pages {
    fn page(&mut self) -> &mut Content {
        if self.page.is_none() {
            self.down = MARGIN;
        }
        self.page.get_or_insert_with(Content::new)
    }

    /// Begins a new page unless there is so much room left. Whether it did.
    fn room(&mut self, points: f32) -> bool {
        let full = self.page.is_some() && self.down + points > HEIGHT - MARGIN;
        if full {
            self.done.extend(self.page.take());
        }
        full
    }

    fn skip(&mut self, points: f32) {
        self.page();
        self.down += points;
    }

    fn write(&mut self, text: &str, font: Name<'_>, size: f32, left: f32, down: f32) {
        let bytes = win_ansi(text);
        let page = self.page();
        page.begin_text();
        page.set_font(font, size);
        page.next_line(left, HEIGHT - down);
        page.show(Str(&bytes));
        page.end_text();
    }

    fn rule(&mut self) {
        // Below what hangs from the line above it.
        let at = HEIGHT - self.down - 1.5;
        let page = self.page();
        page.set_line_width(0.7);
        page.move_to(MARGIN, at);
        page.line_to(WIDTH - MARGIN, at);
        page.stroke();
        self.down += 6.0;
    }

    fn paragraph(&mut self, text: &str, font: Name<'_>, size: f32) {
        for line in wrap(text, WIDTH - 2.0 * MARGIN, size, font == BOLD, usize::MAX) {
            self.room(size * 1.35);
            self.skip(size * 1.35);
            let down = self.down;
            self.write(&line, font, size, MARGIN, down);
        }
        self.skip(3.0);
    }

    /// A row of cells; with `whole` nothing is written when it does not fit on this page, and a new one is begun: `true`.
    fn row(&mut self, cells: &[(String, f32)], font: Name<'_>, whole: bool) -> bool {
        let lines: Vec<Vec<String>> = cells
            .iter()
            .map(|(text, width)| wrap(text, width - BESIDE, SIZE, font == BOLD, CELL_LINES_MAX))
            .collect();
        let height = lines.iter().map(Vec::len).max().unwrap_or(1).max(1) as f32 * LINE;
        if self.room(height + 4.0) && whole && font == BODY {
            return true;
        }
        self.page();
        let (top, mut left) = (self.down, MARGIN);
        for (lines, (_, width)) in lines.iter().zip(cells) {
            for (number, line) in lines.iter().enumerate() {
                self.write(line, font, SIZE, left, top + (number as f32 + 1.0) * LINE - 2.0);
            }
            left += width;
        }
        self.down = top + height + 2.0;
        false
    }

    fn finish(mut self, title: &str) -> Vec<u8> {
        self.page();
        self.done.extend(self.page.take());
        let (catalog, tree, body, bold, about) =
            (Ref::new(1), Ref::new(2), Ref::new(3), Ref::new(4), Ref::new(5));
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(tree);
        let number = i32::try_from(self.done.len()).unwrap_or(i32::MAX);
        let page = |at: i32| Ref::new(10 + 2 * at);
        let content = |at: i32| Ref::new(11 + 2 * at);
        pdf.pages(tree).kids((0..number).map(page)).count(number);
        for (id, name) in [(body, &b"Helvetica"[..]), (bold, b"Helvetica-Bold")] {
            pdf.type1_font(id).base_font(Name(name)).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        pdf.document_info(about).title(pdf_writer::TextStr(title));
        for (at, mut drawn) in (0..number).zip(self.done) {
            let foot = win_ansi(&format!("{title}  ·  page {} of {number}", at + 1));
            drawn.begin_text();
            drawn.set_font(BODY, 7.0);
            drawn.next_line(MARGIN, 24.0);
            drawn.show(Str(&foot));
            drawn.end_text();
            let mut one = pdf.page(page(at));
            one.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(content(at));
            one.resources().fonts().pair(BODY, body).pair(BOLD, bold);
            one.finish();
            pdf.stream(content(at), &drawn.finish());
        }
        pdf.finish()
    }
}

/// The letters that the fonts have.
fn win_ansi(text: &str) -> Vec<u8> {
    let one = |c: char| match c {
        '\u{20}'..='\u{7e}' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(c)).unwrap_or(b'?'),
        '€' => 0x80,
        '…' => 0x85,
        '\u{2018}' => 0x91,
        '\u{2019}' => 0x92,
        '\u{201c}' => 0x93,
        '\u{201d}' => 0x94,
        '\u{2013}' => 0x96,
        '\u{2014}' => 0x97,
        '\u{202f}' | '\t' | '\n' => b' ',
        _ => b'?',
    };
    text.chars().map(one).collect()
}

/// How wide each column is: as its share says, but names and what is short are not broken as long as others can give way.
fn widths(head: &[(&str, u32)], rows: &[Vec<String>]) -> Vec<f32> {
    let all: u32 = head.iter().map(|(_, share)| *share).sum::<u32>().max(1);
    let wanted: Vec<_> =
        head.iter().map(|(_, share)| (WIDTH - 2.0 * MARGIN) * *share as f32 / all as f32).collect();
    let needed = head.iter().enumerate().map(|(at, (name, _))| {
        let short = rows.iter().filter_map(|row| row.get(at)).filter(|cell| is_short(cell));
        short.map(|cell| length(cell, SIZE, false)).fold(length(name, SIZE, true), f32::max)
            + BESIDE
            + ROUNDED
    });
    let both: Vec<_> = wanted.into_iter().zip(needed).collect();
    let lacking: f32 = both.iter().map(|(wanted, needed)| (needed - wanted).max(0.0)).sum();
    let spare: f32 = both.iter().map(|(wanted, needed)| (wanted - needed).max(0.0)).sum();
    let moved = lacking.min(spare);
    let one = |(wanted, needed): (f32, f32)| match needed > wanted {
        true => wanted + (needed - wanted) * moved / lacking,
        false if spare > 0.0 => wanted - (wanted - needed) * moved / spare,
        false => wanted,
    };
    both.into_iter().map(one).collect()
}

/// How wide a text is.
fn length(text: &str, size: f32, bold: bool) -> f32 {
    text.chars().map(|c| advance(c, bold)).sum::<f32>() * size / 1000.0
}

/// Breaks a text into lines that fit, at blanks where there are some.
fn wrap(text: &str, width: f32, size: f32, bold: bool, most: usize) -> Vec<String> {
    let long = |text: &str| length(text, size, bold);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if long(&joined) <= width {
            line = joined;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        // One that is too long by itself: an id, a path.
        for c in word.chars() {
            if !line.is_empty() && long(&line) + advance(c, bold) * size / 1000.0 > width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            last.push('…');
        }
    }
    lines
}

/// How wide a letter is, in thousandths of its size: Helvetica's own numbers for ASCII, by groups; a little more for the bold one.
fn advance(c: char, bold: bool) -> f32 {
    let plain = match c {
        'i' | 'j' | 'l' => 222.0,
        ' ' | 'f' | 't' | 'I' | '.' | ',' | ':' | ';' | '/' | '\\' | '!' | '[' | ']' => 278.0,
        '(' | ')' | '-' | 'r' | '`' => 333.0,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' => 500.0,
        'F' | 'T' | 'Z' => 611.0,
        'A' | 'B' | 'E' | 'K' | 'P' | 'S' | 'V' | 'X' | 'Y' | '&' => 667.0,
        'C' | 'D' | 'H' | 'N' | 'R' | 'U' | 'w' => 722.0,
        'G' | 'O' | 'Q' => 778.0,
        'm' | 'M' => 833.0,
        '%' | 'W' => 944.0,
        '@' | '—' | '…' => 1015.0,
        _ => 584.0,
    };
    if bold { plain + 55.0 } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_broken_and_long_texts_end() {
        let lines = wrap(&"x".repeat(500), 100.0, SIZE, false, 5);
        assert_eq!(lines.len(), 5);
        assert!(lines[4].ends_with('…'));
        assert_eq!(wrap("one two", 1000.0, SIZE, false, 9), ["one two"]);
        assert_eq!(wrap("", 10.0, SIZE, false, 9), Vec::<String>::new());
        assert_eq!(win_ansi("Größe €\u{4e2d}"), b"Gr\xf6\xdfe \x80?");
    }

    #[test]
    fn names_of_columns_and_short_words_are_whole() {
        let head = [("Opened", 2), ("Severity", 1), ("Accepted", 1), ("What", 5)];
        let rows =
            [vec!["2026-11-28 12:55".into(), "warning".into(), "0".into(), "a long sentence ".repeat(20)]];
        let widths = widths(&head, &rows);
        assert!((widths.iter().sum::<f32>() - (WIDTH - 2.0 * MARGIN)).abs() < 0.1, "{widths:?}");
        for (at, (name, _)) in head.iter().enumerate() {
            assert_eq!(wrap(name, widths[at] - BESIDE, SIZE, true, 9), [*name]);
        }
        assert_eq!(wrap(&rows[0][0], widths[0] - BESIDE, SIZE, false, 9).len(), 1);
        // More than there is room for: every column has its share, and nothing is lost.
        let many = [("A name that is much too long for one of twelve columns", 1); 12];
        assert!(super::widths(&many, &[]).iter().all(|width| *width > 30.0));
    }

    #[test]
    fn a_long_table_goes_over_several_pages() {
        let rows =
            (0..200).map(|n| vec![format!("host {n}"), "a sentence of some length ".repeat(9)]).collect();
        let mut sheet = Sheet { title: "Report".into(), ..Sheet::default() };
        sheet.table(&[("Host", 1), ("What", 3)], rows, "");
        let pdf = draw(&sheet);
        assert!(pdf.starts_with(b"%PDF-1."));
        let pages = pdf.windows(11).filter(|bytes| bytes == b"/Type /Page").count();
        assert!(pages > 10, "{pages}");
    }
}
