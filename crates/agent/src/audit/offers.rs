//! Lines for a plan that close a finding: whole, so that they can be put into `vow.toml` as they are, all of them at once.

use super::Finding;
use crate::plan::quoted;
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use vow_sources::adapter::Discovered;

/// Databases before files, as in the plan that `vow up` writes: what files say of a database then has a dump beside it.
const DATABASES_SCHEDULE: &str = "0 1 * * *";
const FILES_SCHEDULE: &str = "30 2 * * *";
/// A name made of a path is cut here.
const NAME_CHARS_MAX: usize = 60;

/// A source that would capture something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    name: String,
    kind: &'static str,
    paths: Vec<PathBuf>,
    /// The key that says where a server is.
    place: Option<String>,
}

impl Offer {
    /// One for these paths, named after the first. Those that are no text cannot be named in a plan; none when that is all of them.
    pub fn files(paths: &[&Path]) -> Option<Self> {
        // What stands for bytes that were no text names nothing that exists.
        let is_text = |path: &&Path| path.to_str().is_some_and(|text| !text.contains('\u{FFFD}'));
        let name = name_of(paths.first()?);
        let paths: Vec<_> = paths.iter().copied().filter(is_text).map(Path::to_owned).collect();
        (!paths.is_empty()).then_some(Self { name, kind: "files", paths, place: None })
    }

    /// One for a server or a database file that was found; none when where it answers is not known.
    pub fn server(found: &Discovered) -> Option<Self> {
        let data = || found.data.as_deref()?.to_str();
        let (mut paths, mut place) = (Vec::new(), None);
        match found.kind {
            "sqlite" => paths.push(PathBuf::from(data()?)),
            "ldap" => place = Some(format!("config = {}", quoted(data()?))),
            _ => place = Some(format!("url = {}", quoted(found.url.as_deref()?))),
        }
        Some(Self { name: found.kind.to_owned(), kind: found.kind, paths, place })
    }

    /// Whether it is a source of files.
    pub fn is_files(&self) -> bool {
        self.kind == "files"
    }

    /// What it captures file by file.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    fn captures_the_same(&self, other: &Self) -> bool {
        (self.kind, &self.paths, &self.place) == (other.kind, &other.paths, &other.place)
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schedule = if self.is_files() { FILES_SCHEDULE } else { DATABASES_SCHEDULE };
        writeln!(f, "[[source]]\nname = {}\ntype = {}", quoted(&self.name), quoted(self.kind))?;
        writeln!(f, "schedule = {}", quoted(schedule))?;
        if let Some(place) = &self.place {
            writeln!(f, "{place}")?;
        }
        if !self.paths.is_empty() {
            let paths: Vec<_> = self.paths.iter().map(|path| quoted(&path.to_string_lossy())).collect();
            writeln!(f, "paths = [{}]", paths.join(", "))?;
        }
        Ok(())
    }
}

impl Serialize for Offer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Makes offers fit beside each other and into a plan with sources of these names: the same lines are offered once, and no name twice.
pub fn settle<'n>(findings: &mut [Finding], names: impl Iterator<Item = &'n str>) {
    let mut taken: BTreeSet<String> = names.map(str::to_owned).collect();
    let mut made: Vec<(Offer, String)> = Vec::new();
    for finding in findings {
        let Some(offer) = &mut finding.offer else { continue };
        if let Some((_, first)) = made.iter().find(|(other, _)| other.captures_the_same(offer)) {
            finding.hint = format!("it is closed together with {first}");
            finding.offer = None;
            continue;
        }
        offer.name = unused(&offer.name, &mut taken);
        made.push((offer.clone(), finding.finding.clone()));
    }
}

fn unused(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut free = name.to_owned();
    let mut number = 1;
    while !taken.insert(free.clone()) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}

/// A name of a source for a path.
fn name_of(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.trim_matches('/').chars().map(plain).take(NAME_CHARS_MAX).collect();
    match name.trim_matches('-') {
        "" => "files".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn finding(name: &str, offer: Option<Offer>) -> Finding {
        let (text, hint) = (String::new(), String::new());
        let severity = Severity::High;
        Finding { finding: name.into(), check: "coverage", severity, text, hint, offer, waived: None }
    }

    fn found(kind: &'static str, url: Option<&str>, data: Option<&str>) -> Discovered {
        Discovered {
            kind,
            name: "it".into(),
            url: url.map(str::to_owned),
            data: data.map(PathBuf::from),
            running: true,
            parts: Vec::new(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn the_same_is_offered_once_and_names_are_never_taken_twice() {
        let files = |path| Offer::files(&[Path::new(path)]);
        let postgres = |url| Offer::server(&found("postgres", Some(url), None));
        let mut findings = [
            finding("folder:/srv/a-b", files("/srv/a-b")),
            finding("folder:/srv/a/b", files("/srv/a/b")),
            finding("service:x", None),
            finding("database:1", postgres("postgres:///?host=/a")),
            finding("database:2", postgres("postgres:///?host=/a")),
            finding("database:3", postgres("postgres:///?host=/b")),
        ];
        settle(&mut findings, ["postgres"].into_iter());
        let names: Vec<_> =
            findings.iter().map(|one| one.offer.as_ref().map(|offer| offer.name.as_str())).collect();
        let expected =
            [Some("srv-a-b"), Some("srv-a-b-2"), None, Some("postgres-2"), None, Some("postgres-3")];
        assert_eq!(names, expected);
        assert_eq!(findings[4].hint, "it is closed together with database:1");
    }

    #[test]
    fn each_type_is_named_by_what_its_source_asks_for() {
        let text = |kind, url, data| Offer::server(&found(kind, url, data)).map(|offer| offer.to_string());
        let sqlite = text("sqlite", None, Some("/srv/\"x\".db")).expect("an offer");
        assert!(sqlite.ends_with("paths = ['/srv/\"x\".db']\n"), "{sqlite}");
        let ldap = text("ldap", Some("ldapi:///"), Some("/etc/ldap/slapd.d")).expect("an offer");
        assert!(ldap.ends_with("config = \"/etc/ldap/slapd.d\"\n"), "{ldap}");
        let redis = text("redis", Some("redis:///run/s"), Some("/var/lib/redis")).expect("an offer");
        assert!(redis.ends_with("url = \"redis:///run/s\"\n"), "{redis}");
        assert_eq!(text("redis", None, Some("/var/lib/redis")), None);
        assert!(Offer::files(&[Path::new("/srv/\u{FFFD}")]).is_none());
    }
}
