//! CSS, PHP and SQL by lexers of our own: comments, strings and brackets end where they must. That finds what was cut off or
//! overwritten; whether the rest is right only the real interpreter knows.

use super::Checked;

/// Comments, strings, addresses and brackets of a style sheet.
pub(super) fn css(bytes: &[u8]) -> Checked {
    let mut brackets = Brackets::default();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest[0] {
            b'/' if rest.starts_with(b"/*") => until(rest, b"*/", 2).ok_or("it is cut off in a comment")?,
            quote @ (b'"' | b'\'') => string(rest, quote, true).ok_or("it is cut off in a string")?,
            b'u' | b'U' if rest.len() > 4 && rest[..4].eq_ignore_ascii_case(b"url(") => address(rest)?,
            b'\\' => 2,
            byte => {
                brackets.take(byte)?;
                1
            }
        };
    }
    brackets.finish()
}

/// `url(…)` without quotation marks may hold anything but a closing bracket.
fn address(rest: &[u8]) -> Result<usize, String> {
    let inner = &rest[4..];
    let start = inner.len() - inner.trim_ascii_start().len();
    match inner.get(start) {
        Some(quote @ (b'"' | b'\'')) => {
            let length = string(&inner[start..], *quote, true).ok_or("it is cut off in a string")?;
            let end = until(&inner[start + length..], b")", 0).ok_or("it is cut off in an address")?;
            Ok(4 + start + length + end)
        }
        _ => Ok(4 + until(inner, b")", 0).ok_or("it is cut off in an address")?),
    }
}

/// Comments, strings, heredocs and brackets between `<?php` and `?>`.
pub(super) fn php(bytes: &[u8]) -> Checked {
    let mut brackets = Brackets::default();
    let mut at = 0;
    let mut inside = false;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if !inside {
            let Some(open) = opening(rest) else { break };
            (inside, at) = (true, at + open);
            continue;
        }
        at += match rest[0] {
            b'?' if rest.starts_with(b"?>") => {
                inside = false;
                2
            }
            b'/' if rest.starts_with(b"/*") => until(rest, b"*/", 2).ok_or("it is cut off in a comment")?,
            b'/' if rest.starts_with(b"//") => comment(rest),
            b'#' if !rest.starts_with(b"#[") => comment(rest),
            b'<' if rest.starts_with(b"<<<") => heredoc(rest)?,
            b'"' => template(rest).ok_or("it is cut off in a string")?,
            quote @ (b'\'' | b'`') => string(rest, quote, true).ok_or("it is cut off in a string")?,
            b'_' if rest.len() >= 15 && rest[..15].eq_ignore_ascii_case(b"__halt_compiler") => return Ok(()),
            byte => {
                brackets.take(byte)?;
                1
            }
        };
    }
    brackets.finish()
}

/// Where PHP begins, behind `<?php` or `<?=`.
fn opening(rest: &[u8]) -> Option<usize> {
    let places = rest.windows(3).enumerate().filter(|(_, window)| window.starts_with(b"<?"));
    for (at, window) in places {
        if window == b"<?=" {
            return Some(at + 3);
        }
        if rest[at..].len() >= 5 && rest[at..at + 5].eq_ignore_ascii_case(b"<?php") {
            return Some(at + 5);
        }
    }
    None
}

/// A comment to the end of its line, or to where PHP ends.
fn comment(rest: &[u8]) -> usize {
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    rest[..line].windows(2).position(|pair| pair == b"?>").unwrap_or(line)
}

/// `"…"`, in which `{$…}` is code again.
fn template(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            b'{' if rest.get(at + 1) == Some(&b'$') => at += embedded(&rest[at..])?,
            _ => at += 1,
        }
    }
    None
}

fn embedded(rest: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0u32, 0);
    while at < rest.len() {
        match rest[at] {
            b'{' => depth += 1,
            b'}' if depth == 1 => return Some(at + 1),
            b'}' => depth -= 1,
            b'"' => at += template(&rest[at..])? - 1,
            b'\'' => at += string(&rest[at..], b'\'', true)? - 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// `<<<NAME` to a line that begins with the name. Three smaller-than signs without a name are no heredoc.
fn heredoc(rest: &[u8]) -> Result<usize, String> {
    let after = &rest[3..];
    let after = after.trim_ascii_start();
    let quoted = after.first().filter(|byte| matches!(byte, b'"' | b'\''));
    let name: Vec<u8> = after[usize::from(quoted.is_some()).min(after.len())..]
        .iter()
        .copied()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .collect();
    if name.is_empty() {
        return Ok(3);
    }
    let mut at = 0;
    for line in rest.split_inclusive(|byte| *byte == b'\n') {
        let indent = line.len() - line.trim_ascii_start().len();
        let text = &line[indent..];
        let ends = at > 0
            && text.starts_with(&name)
            && !text.get(name.len()).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if ends {
            return Ok(at + indent + name.len());
        }
        at += line.len();
    }
    Err("it is cut off in a heredoc".into())
}

/// Comments, strings and bodies of SQL, and the last line that a dump must have.
pub(super) fn sql(bytes: &[u8]) -> Checked {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2048)]).into_owned();
    let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(2048)..]).into_owned();
    let ends = [
        ("-- PostgreSQL database dump\n", "-- PostgreSQL database dump complete"),
        ("-- PostgreSQL database cluster dump\n", "-- PostgreSQL database cluster dump complete"),
        ("-- MySQL dump", "-- Dump completed"),
        ("-- MariaDB dump", "-- Dump completed"),
    ];
    for (start, end) in ends {
        if head.contains(start) && !tail.contains(end) {
            return Err(format!("it is a dump that was cut off: {end:?} is missing"));
        }
    }
    // Whether a backslash means anything in a string depends on the server: it is right when one of the two readings is.
    statements(bytes, true).or_else(|first| statements(bytes, false).map_err(|_| first))
}

fn statements(bytes: &[u8], escapes: bool) -> Checked {
    let mut at = 0;
    let mut start = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        at += match rest[0] {
            b'-' if rest.starts_with(b"--") => line(rest),
            b'/' if rest.starts_with(b"/*") => until(rest, b"*/", 2).ok_or("it is cut off in a comment")?,
            quote @ (b'\'' | b'"' | b'`') => {
                string(rest, quote, escapes && quote != b'`').ok_or("it is cut off in a string")?
            }
            b'$' => body(rest)?,
            b';' => {
                let statement = bytes[start..at].trim_ascii();
                start = at + 1;
                let is_copy = statement.len() > 5 && statement[..5].eq_ignore_ascii_case(b"copy ");
                if is_copy && statement.to_ascii_lowercase().ends_with(b"from stdin") {
                    1 + until(&rest[1..], b"\n\\.", 0).ok_or("it is cut off in the rows of a table")?
                } else {
                    1
                }
            }
            _ => 1,
        };
    }
    Ok(())
}

/// `$name$ … $name$`; a dollar sign that begins no such thing is one character.
fn body(rest: &[u8]) -> Result<usize, String> {
    let name = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if rest.get(1 + name) != Some(&b'$') || rest.get(1).is_some_and(u8::is_ascii_digit) {
        return Ok(1);
    }
    let mark = &rest[..name + 2];
    Ok(until(rest, mark, mark.len()).ok_or("it is cut off in a function")?)
}

fn line(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

/// The length up to and with `end`, which is looked for from `from` on.
fn until(rest: &[u8], end: &[u8], from: usize) -> Option<usize> {
    let found = rest.get(from..)?.windows(end.len()).position(|window| window == end)?;
    Some(from + found + end.len())
}

/// The length of a string with its quotation marks; a doubled mark is none.
fn string(rest: &[u8], quote: u8, escapes: bool) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Brackets that are open.
#[derive(Default)]
struct Brackets(Vec<u8>);

impl Brackets {
    /// Deeper than code is written, and than memory should be spent on.
    const DEPTH_MAX: usize = 100_000;

    fn take(&mut self, byte: u8) -> Checked {
        let wanted = match byte {
            b'(' | b'[' | b'{' if self.0.len() < Self::DEPTH_MAX => {
                self.0.push(byte);
                return Ok(());
            }
            b')' => b'(',
            b']' => b'[',
            b'}' => b'{',
            _ => return Ok(()),
        };
        match self.0.pop() {
            Some(open) if open == wanted => Ok(()),
            _ => Err(format!("a {:?} closes what was not opened", char::from(byte))),
        }
    }

    fn finish(self) -> Checked {
        match self.0.last() {
            None => Ok(()),
            Some(open) => Err(format!("it is cut off: a {:?} is still open at its end", char::from(*open))),
        }
    }
}
