//! As what the objects of a deletion were seen when it was announced, so that whoever completes it removes these and nothing that was
//! sent again since.
//!
//! The text of the detail of a *deleting* entry: a line for each of its objects in order, "LENGTH STORED VERSION" or "-" for one that
//! was not there. STORED is in nanoseconds since 1970 by the storage's clock; stores without versions have none.

use crate::storage::Stat;

/// The text for these objects.
pub(crate) fn text<'s>(seen: impl Iterator<Item = Option<&'s Stat>>) -> String {
    let line = |stat: Option<&Stat>| match stat {
        None => "-\n".to_owned(),
        Some(Stat { length, stored, version: None }) => format!("{length} {stored}\n"),
        Some(Stat { length, stored, version: Some(version) }) => format!("{length} {stored} {version}\n"),
    };
    seen.map(line).collect()
}

/// What the text says, in order; then `None` for ever. A line that cannot be read is that of an object that was not there.
pub(crate) fn parse(text: &str) -> impl Iterator<Item = Option<Stat>> {
    text.lines().map(parse_line).chain(std::iter::repeat(None))
}

fn parse_line(line: &str) -> Option<Stat> {
    let mut words = line.splitn(3, ' ');
    let length = words.next()?.parse().ok()?;
    let stored = words.next()?.parse().ok()?;
    Some(Stat { length, stored, version: words.next().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_reads_as_it_was_written() {
        let stat =
            |version: Option<&str>| Some(Stat { length: 7, stored: -3, version: version.map(str::to_owned) });
        let seen = [stat(None), None, stat(Some("v.1_x-y="))];
        let text = text(seen.iter().map(Option::as_ref));
        assert_eq!(parse(&text).take(5).collect::<Vec<_>>(), [&seen[..], &[None, None]].concat());
        assert_eq!(parse("7\nx y\n").take(2).collect::<Vec<_>>(), [None, None]);
    }
}
