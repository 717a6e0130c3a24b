//! Whether files are what their names say: images are decoded, archives walked to their end, documents and code read as their type.
//!
//! What a host's users put into files is hostile, and parsers have faults. So all of it happens in a child process of little privilege
//! ([`child`]), which gets the data through a pipe and answers with a sentence; the [`inspector`] is the other end of the pipe. A file
//! that does not pass was damaged before it was captured: the backup is true, its content is not. That is told apart from a failed
//! drill, and never fails one.

mod archive;
pub mod child;
mod code;
mod document;
mod image;
pub mod inspector;
mod kind;
mod text;

pub use kind::Kind;

use std::io::Read;

/// The largest file that is held in memory for a parser that needs all of it, in bytes.
const WHOLE_MAX_BYTES: u64 = 96 << 20;

/// What a check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is what its name says, as far as that is checked.
    Right,
    /// It is not; a sentence that follows the path.
    Wrong(String),
    /// It was not looked at: too large for this check.
    Unchecked(String),
}

/// Checks a file of this kind, `size` bytes long.
pub fn check(kind: Kind, size: u64, data: &mut dyn Read) -> Finding {
    let mut start = vec![0; 8192.min(usize::try_from(size).unwrap_or(8192))];
    let length = match fill(data, &mut start) {
        Ok(length) => length,
        Err(error) => return Finding::Unchecked(format!("it could not be read: {error}")),
    };
    start.truncate(length);
    if let Some(text) = kind.mismatch(&start) {
        return Finding::Wrong(text);
    }
    let mut all = std::io::Cursor::new(start).chain(data);
    match kind {
        Kind::Tar => archive::tar(&mut all).into(),
        Kind::Gzip => archive::gzip(&mut all, false).into(),
        Kind::TarGzip => archive::gzip(&mut all, true).into(),
        Kind::Zip if size > WHOLE_MAX_BYTES => archive::zip_stream(&mut all).into(),
        kind if size > WHOLE_MAX_BYTES && kind.needs_all() => {
            Finding::Unchecked("it is too large to be looked at whole".into())
        }
        Kind::Zip => whole(&mut all, archive::zip),
        Kind::Image(format) => held(&mut all, |bytes| image::decode(format, bytes)),
        Kind::Svg => whole(&mut all, |bytes| document::xml(bytes, Some("svg"))),
        Kind::Xml => whole(&mut all, |bytes| document::xml(bytes, None)),
        Kind::Pdf => whole(&mut all, document::pdf),
        Kind::Html => whole(&mut all, document::html),
        Kind::Json => text::json(&mut all).into(),
        Kind::Yaml => whole(&mut all, text::yaml),
        Kind::Css => whole(&mut all, code::css),
        Kind::Php => whole(&mut all, code::php),
        Kind::Sql => whole(&mut all, code::sql),
    }
}

/// What a check of one kind gives: a sentence when it is wrong.
type Checked = Result<(), String>;

impl From<Checked> for Finding {
    fn from(checked: Checked) -> Self {
        checked.map_or_else(Self::Wrong, |()| Self::Right)
    }
}

fn whole(data: &mut dyn Read, check: impl FnOnce(&[u8]) -> Checked) -> Finding {
    held(data, |bytes| check(bytes).into())
}

fn held(data: &mut dyn Read, check: impl FnOnce(&[u8]) -> Finding) -> Finding {
    let mut bytes = Vec::new();
    match data.take(WHOLE_MAX_BYTES + 1).read_to_end(&mut bytes) {
        Ok(_) => check(&bytes),
        Err(error) => Finding::Unchecked(format!("it could not be read: {error}")),
    }
}

fn fill(data: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match data.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

#[cfg(test)]
mod tests;
