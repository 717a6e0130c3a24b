//! Documents: XML and SVG by a parser; PDF and HTML by what a cut or overwritten one lacks.

use super::Checked;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Well-formed to its end, with one element at the top (named so, where that is asked).
pub(super) fn xml(bytes: &[u8], top: Option<&str>) -> Checked {
    let mut reader = Reader::from_reader(bytes);
    reader.config_mut().check_end_names = true;
    let (mut depth, mut seen) = (0u32, false);
    let mut buffer = Vec::new();
    loop {
        let at = reader.buffer_position();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|error| format!("it is not well-formed at byte {at}: {error}"))?;
        let opens = matches!(event, Event::Start(_));
        match event {
            Event::Start(_) | Event::Empty(_) if depth == 0 && seen => {
                return Err("it has a second element at its top".into());
            }
            Event::Start(element) | Event::Empty(element) if depth == 0 => {
                seen = true;
                let local = element.local_name();
                let name = String::from_utf8_lossy(local.as_ref()).into_owned();
                if top.is_some_and(|top| !name.eq_ignore_ascii_case(top)) {
                    return Err(format!(
                        "its top element is {name:?}, and should be {:?}",
                        top.unwrap_or_default()
                    ));
                }
                depth += u32::from(opens);
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Eof if depth > 0 => return Err("it is cut off: elements are open at its end".into()),
            Event::Eof if !seen => return Err("there is no element in it".into()),
            Event::Eof => return Ok(()),
            _ => {}
        }
        buffer.clear();
    }
}

/// A head, an end mark, and a table of objects where the end says that it is. What is drawn on the pages is not looked at.
pub(super) fn pdf(bytes: &[u8]) -> Checked {
    let start = bytes.len().saturating_sub(2048);
    let tail = &bytes[start..];
    if last(tail, b"%%EOF").is_none() {
        return Err("it is cut off: there is no end mark".into());
    }
    let at = last(tail, b"startxref").ok_or("it does not say where its table of objects is")?;
    let digits: String = tail[at + 9..]
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(|c| c.is_whitespace())
        .take_while(char::is_ascii_digit)
        .collect();
    let offset: usize = digits.parse().map_err(|_| "it does not say where its table of objects is")?;
    // Offsets count from the head, before which other bytes may stand.
    let head = bytes.windows(5).take(1024).position(|window| window == b"%PDF-").unwrap_or(0);
    let is_table = |at: usize| {
        let there = bytes.get(at..).unwrap_or_default().trim_ascii_start();
        let object = there.first().is_some_and(u8::is_ascii_digit)
            && there[..there.len().min(40)].windows(3).any(|w| w == b"obj");
        there.starts_with(b"xref") || object
    };
    // Of a file made for the web, the last table may be named by 0.
    if offset == 0 || is_table(offset) || is_table(offset + head) {
        return Ok(());
    }
    Err("its table of objects is not where its end says".into())
}

/// Nothing left open at the end: no tag, comment, script or style, and no page whose body does not end.
pub(super) fn html(bytes: &[u8]) -> Checked {
    let lower = bytes.to_ascii_lowercase();
    let mut at = 0;
    while let Some(found) = find(&lower[at..], b"<").map(|found| at + found) {
        let rest = &lower[found..];
        let skip = |end: &[u8], what: &str| match find(rest, end) {
            Some(length) => Ok(found + length + end.len()),
            None => Err(format!("it is cut off in a {what}")),
        };
        at = if rest.starts_with(b"<!--") {
            skip(b"-->", "comment")?
        } else if rest.starts_with(b"<script") {
            skip(b"</script", "script")?
        } else if rest.starts_with(b"<style") {
            skip(b"</style", "style sheet")?
        } else if rest.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'/') {
            skip(b">", "tag")?
        } else {
            found + 1
        };
    }
    let has = |text: &[u8]| find(&lower, text).is_some();
    if has(b"<body") && !has(b"</body") && !has(b"</html") {
        return Err("it is cut off: its body has no end".into());
    }
    Ok(())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn last(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}
