//! What the user left out: patterns with the rules of `.gitignore`, anchored at the root of the file system.

use super::FilesError;
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The patterns. Later ones win; a name in an excluded directory cannot be brought back.
pub(crate) struct Excludes {
    matcher: Gitignore,
    patterns: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Excludes {
    /// Reads the patterns.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, FilesError> {
        let mut builder = GitignoreBuilder::new("/");
        // Taken literally, a class that is never closed would silently exclude nothing.
        builder.allow_unclosed_class(false);
        let malformed =
            |pattern: &str, reason: String| FilesError::Pattern { pattern: pattern.to_owned(), reason };
        for pattern in patterns {
            if matches!(pattern.trim_start_matches('!').trim(), "" | "/") {
                return Err(malformed(pattern, "it matches nothing".to_owned()));
            }
            builder.add_line(None, pattern).map_err(|error| malformed(pattern, error.to_string()))?;
        }
        let matcher = builder.build().map_err(|error| malformed(&patterns.join(" "), error.to_string()))?;
        let numbers =
            patterns.iter().enumerate().map(|(at, pattern)| (pattern.trim_end().to_owned(), at)).collect();
        Ok(Self { matcher, patterns: patterns.to_vec(), numbers })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.matcher.is_empty()
    }

    /// The number of the pattern that hides this path of the listing.
    pub(crate) fn hides(&self, path: &[u8], is_dir: bool) -> Option<usize> {
        match self.matcher.matched(Path::new(OsStr::from_bytes(path)), is_dir) {
            Match::Ignore(glob) => Some(self.numbers.get(glob.original()).copied().unwrap_or(0)),
            Match::None | Match::Whitelist(_) => None,
        }
    }

    /// A pattern by its number.
    pub(crate) fn pattern(&self, number: usize) -> &str {
        &self.patterns[number]
    }
}

/// Whether patterns leave out a path, by what each of the folders above it and it itself is called: the pattern that does.
pub struct LeftOut(Excludes);

impl LeftOut {
    /// What these patterns leave out.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn by(patterns: &[String]) -> Result<Self, FilesError> {
        Excludes::new(patterns).map(Self)
    }

    /// The pattern that leaves out this absolute path, or a folder above it.
    pub fn pattern(&self, path: &Path, is_dir: bool) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        let names: Vec<_> = path
            .components()
            .filter_map(|part| match part {
                std::path::Component::Normal(name) => Some(name.as_bytes()),
                _ => None,
            })
            .collect();
        (1..=names.len()).find_map(|length| {
            let hidden = self.0.hides(&names[..length].join(&b'/'), length < names.len() || is_dir)?;
            Some(self.0.pattern(hidden))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hides(patterns: &[&str], path: &str) -> bool {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let (path, is_dir) = path.strip_suffix('/').map_or((path, false), |path| (path, true));
        Excludes::new(&patterns).expect("patterns").hides(path.as_bytes(), is_dir).is_some()
    }

    #[test]
    fn the_rules_are_those_of_gitignore_from_the_root_of_the_file_system() {
        for (patterns, path, hidden) in [
            (&["*.tmp"][..], "home/a/x.tmp", true),
            (&["*.tmp"], "x.tmp", true),
            (&["*.tmp"], "home/a/x.tmp.txt", false),
            (&["/home/*/.cache"], "home/ann/.cache/", true),
            (&["/home/*/.cache"], "srv/home/ann/.cache/", false),
            (&["/home/*/.cache"], "home/ann/x/.cache/", false),
            (&["home/*/.cache"], "srv/home/ann/.cache/", false),
            (&["node_modules/"], "srv/a/node_modules/", true),
            (&["node_modules/"], "srv/a/node_modules", false),
            (&["*.log", "!keep.log"], "var/keep.log", false),
            (&["*.log", "!keep.log"], "var/other.log", true),
            (&["!keep.log", "*.log"], "var/keep.log", true),
            (&["**/build/**"], "a/build/x", true),
            (&["**/build/**"], "a/build/", false),
            (&["/var/[ab]*"], "var/backups/", true),
            (&["/var/[ab]*"], "var/cache/", false),
            (&["\\#x"], "a/#x", true),
            (&["a?c"], "x/abc", true),
            (&["a?c"], "x/a/c", false),
            (&["# a remark"], "a remark", false),
        ] {
            assert_eq!(hides(patterns, path), hidden, "{patterns:?} on {path}");
        }
    }

    #[test]
    fn names_that_are_not_text_are_matched_as_bytes() {
        let excludes = Excludes::new(&["*.tmp".to_owned()]).expect("patterns");
        assert!(excludes.hides(b"a/\xff\xfe.tmp", false).is_some());
        assert!(excludes.hides(b"a/\xff\xfe", false).is_none());
    }

    #[test]
    fn a_malformed_pattern_is_named() {
        for bad in ["a[b", "{a", "", "/", "!"] {
            let error = Excludes::new(&["*.tmp".to_owned(), bad.to_owned()]).err().expect(bad).to_string();
            assert!(error.contains(&format!("\"{bad}\"")), "{error}");
        }
    }

    #[test]
    fn the_pattern_that_decides_is_the_one_reported() {
        let excludes = Excludes::new(&["*.a".to_owned(), "x.*  ".to_owned()]).expect("patterns");
        assert_eq!(excludes.hides(b"x.a", false), Some(1));
        assert_eq!(excludes.hides(b"y.a", false), Some(0));
    }
}
