//! JSON by a parser; YAML by what no YAML can have.

use super::Checked;
use std::io::{BufReader, Read};

/// One value and nothing behind it.
pub(super) fn json(data: &mut dyn Read) -> Checked {
    let mut data = BufReader::new(data);
    let mut mark = [0; 3];
    let length = super::fill(&mut data, &mut mark).map_err(|error| error.to_string())?;
    let start = if mark[..length] == *b"\xef\xbb\xbf" { &[][..] } else { &mark[..length] };
    let mut from = serde_json::Deserializer::from_reader(start.chain(data));
    let parsed =
        <serde::de::IgnoredAny as serde::Deserialize>::deserialize(&mut from).and_then(|_| from.end());
    parsed.map_err(|error| match error.is_eof() {
        true => format!("it is cut off: {error}"),
        false => format!("it is not JSON: {error}"),
    })
}

/// Text, and no tab in an indentation. Whether it means anything is not checked.
pub(super) fn yaml(bytes: &[u8]) -> Checked {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    // A block of text may hold anything.
    let has_block = text.lines().any(|line| line.trim_end().ends_with(['|', '>', '-', '+']));
    for (number, line) in text.lines().enumerate() {
        let indent: &str = &line[..line.len() - line.trim_start().len()];
        if indent.contains('\t') && !line.trim().is_empty() && !has_block {
            return Err(format!("line {} is indented with a tab", number + 1));
        }
    }
    Ok(())
}
