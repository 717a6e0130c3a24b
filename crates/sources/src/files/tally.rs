//! What is left out many times is said once, with a count and the first names.

use super::exclude::Excludes;
use std::collections::BTreeMap;
use vow_store::listing::entry::display_path;

/// Names told besides the count.
const SOCKETS_NAMED: usize = 3;
const CACHES_NAMED: usize = 10;
const SQLITE_NAMED: usize = 10;

/// How often something was left out, and its first names.
#[derive(Default)]
struct Named {
    count: u64,
    first: Vec<Vec<u8>>,
}

impl Named {
    fn add(&mut self, most: usize, path: impl FnOnce() -> Vec<u8>) {
        self.count += 1;
        if self.first.len() < most {
            self.first.push(path());
        }
    }

    fn merge(&mut self, most: usize, other: Self) {
        self.count += other.count;
        let room = most.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }

    fn names(&self) -> String {
        let names = self.first.iter().map(|path| display_path(path)).collect::<Vec<_>>().join(", ");
        if self.count > self.first.len() as u64 { format!("{names}, …") } else { names }
    }
}

/// What was left out in a part of the tree.
#[derive(Default)]
pub(crate) struct Tally {
    hidden: BTreeMap<usize, u64>,
    sockets: Named,
    caches: Named,
    sqlite: Named,
}

impl Tally {
    /// An entry hidden by the pattern of this number.
    pub(crate) fn hidden(&mut self, pattern: usize) {
        *self.hidden.entry(pattern).or_default() += 1;
    }

    /// A socket.
    pub(crate) fn socket(&mut self, path: impl FnOnce() -> Vec<u8>) {
        self.sockets.add(SOCKETS_NAMED, path);
    }

    /// A directory marked as a cache.
    pub(crate) fn cache(&mut self, path: impl FnOnce() -> Vec<u8>) {
        self.caches.add(CACHES_NAMED, path);
    }

    /// An SQLite database in use.
    pub(crate) fn sqlite(&mut self, path: impl FnOnce() -> Vec<u8>) {
        self.sqlite.add(SQLITE_NAMED, path);
    }

    /// Adds what comes later in the listing.
    pub(crate) fn merge(&mut self, later: Self) {
        for (pattern, count) in later.hidden {
            *self.hidden.entry(pattern).or_default() += count;
        }
        self.sockets.merge(SOCKETS_NAMED, later.sockets);
        self.caches.merge(CACHES_NAMED, later.caches);
        self.sqlite.merge(SQLITE_NAMED, later.sqlite);
    }

    /// The sentences.
    pub(crate) fn notes(&self, excludes: &Excludes) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.hidden.is_empty() {
            let by = |(pattern, count): (&usize, &u64)| {
                format!("{} by \"{}\"", number(*count), excludes.pattern(*pattern))
            };
            let each = self.hidden.iter().map(by).collect::<Vec<_>>().join(", ");
            let entries = counted(self.hidden.values().sum(), "entry", "entries");
            notes.push(format!("excluded {entries}, an excluded directory counting as one: {each}"));
        }
        if self.caches.count > 0 {
            let dirs = counted(self.caches.count, "directory", "directories");
            notes.push(format!(
                "left out the contents of {dirs} marked by CACHEDIR.TAG: {}",
                self.caches.names()
            ));
        }
        if self.sqlite.count > 0 {
            let databases = counted(self.sqlite.count, "SQLite database", "SQLite databases");
            notes.push(format!(
                "left out {databases} in use, not captured as files; use a source of type sqlite: {}",
                self.sqlite.names()
            ));
        }
        if self.sockets.count > 0 {
            let sockets = counted(self.sockets.count, "socket", "sockets");
            notes.push(format!("left out {sockets}, which cannot be restored: {}", self.sockets.names()));
        }
        notes
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A number for people: `12,345`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let grouped: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    grouped.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let grouped = [0, 12, 123, 1234, 12_345, 1_234_567].map(number);
        assert_eq!(grouped, ["0", "12", "123", "1,234", "12,345", "1,234,567"]);
    }

    #[test]
    fn everything_is_told_once_in_order() {
        let excludes = Excludes::new(&["*.tmp".to_owned(), "/x".to_owned()]).expect("patterns");
        let mut tally = Tally::default();
        for part in [&b"a"[..], b"b", b"c", b"d"] {
            let mut later = Tally::default();
            later.socket(|| part.to_vec());
            later.hidden(0);
            tally.merge(later);
        }
        tally.hidden(1);
        tally.cache(|| b"\xff".to_vec());
        assert_eq!(
            tally.notes(&excludes),
            [
                "excluded 5 entries, an excluded directory counting as one: 4 by \"*.tmp\", 1 by \"/x\"",
                "left out the contents of 1 directory marked by CACHEDIR.TAG: /\\xff",
                "left out 4 sockets, which cannot be restored: /a, /b, /c, …",
            ]
        );
    }
}
