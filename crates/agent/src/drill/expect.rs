//! What the plan expects of the files of a snapshot: that they are there, large, new and many enough, and hold what they must.
//!
//! A pattern names files: `*` and `?` stand for characters of one name, `**` for any number of folders. A rule that no file fits is not
//! met, whatever it asks for.

use std::io::Write;
use vow_base::ObjectId;
use vow_base::clock::Nanos;
use vow_store::archive::{ArchiveError, Snapshot};
use vow_store::listing::entry::{Entry, Kind};

/// Files that fit one pattern and are searched for a text, at most.
const SEARCHED_MAX: usize = 100;

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// Which files: an absolute path or a pattern.
    pub path: String,
    /// Each of them is larger than this, in bytes.
    pub larger_than_bytes: Option<u64>,
    /// The newest of them changed within so many seconds before the snapshot began.
    pub newer_than_secs: Option<u64>,
    /// One of them contains this text.
    pub contains: Option<String>,
    /// There are so many.
    pub count_at_least: Option<u64>,
}

/// What was seen of one rule.
#[derive(Default)]
struct Seen {
    count: u64,
    newest: Option<Nanos>,
    small: Option<(String, u64)>,
    searched: Vec<Entry<ObjectId>>,
}

/// All rules of a source, while its listing goes by.
pub struct Expectations<'r> {
    rules: &'r [Expect],
    seen: Vec<Seen>,
}

impl<'r> Expectations<'r> {
    /// Nothing seen yet.
    pub fn new(rules: &'r [Expect]) -> Self {
        Self { rules, seen: rules.iter().map(|_| Seen::default()).collect() }
    }

    /// Takes the next entry of the listing.
    pub fn see(&mut self, entry: &Entry<ObjectId>) {
        for (rule, seen) in self.rules.iter().zip(&mut self.seen) {
            let pattern = rule.path.strip_prefix('/').unwrap_or(&rule.path).as_bytes();
            if !fits(pattern, &entry.path) {
                continue;
            }
            seen.count += 1;
            let changed =
                Nanos::from(entry.mtime.secs.saturating_mul(1_000_000_000)) + Nanos::from(entry.mtime.nanos);
            seen.newest = seen.newest.max(Some(changed));
            if rule.larger_than_bytes.is_some_and(|least| entry.size <= least) && seen.small.is_none() {
                seen.small = Some((entry.display(), entry.size));
            }
            if rule.contains.is_some() && entry.kind == Kind::File && seen.searched.len() < SEARCHED_MAX {
                seen.searched.push(entry.clone());
            }
        }
    }

    /// What is not as expected, as sentences; reads the files that are to contain something.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn finish(self, snapshot: &Snapshot) -> Result<Vec<String>, ArchiveError> {
        let started = snapshot.info().manifest.started;
        let mut problems = Vec::new();
        for (rule, seen) in self.rules.iter().zip(self.seen) {
            problems.extend(judge(rule, &seen, started));
            let Some(text) = rule.contains.as_ref().filter(|_| seen.count > 0) else { continue };
            let mut found = false;
            for entry in &seen.searched {
                let mut search = Search::new(text.as_bytes());
                snapshot.content(entry, &mut search)?;
                found |= search.found;
                if found {
                    break;
                }
            }
            if !found {
                problems.push(format!("expected: {} does not contain {text:?}", rule.path));
            }
        }
        Ok(problems)
    }
}

/// Everything but contents.
fn judge(rule: &Expect, seen: &Seen, started: Nanos) -> Vec<String> {
    let path = &rule.path;
    if seen.count == 0 {
        return vec![format!("expected: {path} is not in the snapshot")];
    }
    let mut problems = Vec::new();
    if let (Some(least), Some((name, size))) = (rule.larger_than_bytes, &seen.small) {
        problems.push(format!("expected: {name} has {size} bytes, and should have more than {least}"));
    }
    if let Some(secs) = rule.newer_than_secs {
        let age = started.saturating_sub(seen.newest.unwrap_or(Nanos::MIN)) / 1_000_000_000;
        if u64::try_from(age).is_ok_and(|age| age > secs) {
            problems.push(format!(
                "expected: {path} last changed {age} s before the snapshot, and should within {secs} s"
            ));
        }
    }
    if let Some(least) = rule.count_at_least.filter(|least| seen.count < *least) {
        problems
            .push(format!("expected: {path} fits {} entries, and should fit at least {least}", seen.count));
    }
    problems
}

/// Whether a pattern fits a path, both without a slash at the beginning.
pub fn fits(pattern: &[u8], path: &[u8]) -> bool {
    if let Some(rest) = pattern.strip_prefix(b"**/") {
        let mut at = path;
        loop {
            if fits(rest, at) {
                return true;
            }
            match at.iter().position(|byte| *byte == b'/') {
                Some(slash) => at = &at[slash + 1..],
                None => return false,
            }
        }
    }
    if pattern == b"**" {
        return !path.is_empty();
    }
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            let name = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=name).any(|length| fits(rest, &path[length..]))
        }
        (Some((b'?', rest)), Some((byte, after))) => *byte != b'/' && fits(rest, after),
        (Some((wanted, rest)), Some((byte, after))) => wanted == byte && fits(rest, after),
        _ => false,
    }
}

/// Looks for a text in what is written to it, across the borders of pieces.
struct Search<'t> {
    text: &'t [u8],
    kept: Vec<u8>,
    found: bool,
}

impl<'t> Search<'t> {
    fn new(text: &'t [u8]) -> Self {
        Self { text, kept: Vec::new(), found: text.is_empty() }
    }
}

impl Write for Search<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.found {
            self.kept.extend_from_slice(bytes);
            self.found = self.kept.windows(self.text.len()).any(|window| window == self.text);
            let keep = self.kept.len().saturating_sub(self.text.len() - 1);
            self.kept.drain(..keep);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_and_folders() {
        for (pattern, path, expected) in [
            ("srv/www/index.php", "srv/www/index.php", true),
            ("srv/www/*.php", "srv/www/index.php", true),
            ("srv/*.php", "srv/www/index.php", false),
            ("srv/**/*.php", "srv/www/a/b.php", true),
            ("srv/**/*.php", "srv/b.php", true),
            ("**/b.php", "b.php", true),
            ("srv/**", "srv/a/b", true),
            ("srv/**", "srv", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("*", "a/b", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_rule_that_is_not_met_says_so() {
        let second = 1_000_000_000;
        let seen = || Seen {
            count: 2,
            newest: Some(100 * second),
            small: Some(("/a".into(), 5)),
            searched: Vec::new(),
        };
        let rule = Expect {
            path: "/a".into(),
            larger_than_bytes: Some(5),
            newer_than_secs: Some(49),
            count_at_least: Some(3),
            ..Expect::default()
        };
        let problems = judge(&rule, &seen(), 150 * second);
        assert_eq!(problems.len(), 3, "{problems:?}");
        let met = Expect {
            path: "/a".into(),
            newer_than_secs: Some(50),
            count_at_least: Some(2),
            ..Expect::default()
        };
        assert!(judge(&met, &seen(), 150 * second).is_empty());
        assert!(judge(&met, &Seen::default(), 0)[0].contains("not in the snapshot"));
    }

    #[test]
    fn a_text_is_found_across_pieces() {
        let mut search = Search::new(b"needle");
        for piece in ["hay nee", "d", "le stack"] {
            search.write_all(piece.as_bytes()).expect("memory");
        }
        assert!(search.found);
        let mut search = Search::new(b"needle");
        search.write_all(b"needl needl e").expect("memory");
        assert!(!search.found);
    }
}
