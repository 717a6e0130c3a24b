//! `vow find`.

use super::snapshots;
use crate::app::Context;
use crate::entries::{long_line, snapshot_line, value};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading, open_first};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vow_base::ObjectId;
use vow_store::archive::Snapshot;
use vow_store::listing::entry::{Entry, Kind};

/// Look for a name or path in all snapshots, newest first
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Glob: without a slash it is compared with names, with one with whole paths (`*.conf`, `/etc/**/hosts`)
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Look in this snapshot only
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    /// Take upper and lower case as the same
    #[arg(long, short)]
    ignore_case: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// Looks.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let glob = glob(&args.pattern, args.ignore_case)?;
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let mut search = Search { cx, glob, matches: 0, unread: 0 };
    if let Some(spec) = &args.snapshot {
        search.one(&reading.snapshot(cx, spec)?)?;
    } else {
        let (mut all, problems) = snapshots::all(cx, &reading)?;
        search.unread = problems.len() as u64 + reading.unreachable.len() as u64;
        all.reverse();
        let (mut opened, mut refused) = (false, None);
        for (info, places) in &all {
            match open_first(cx, info, places) {
                Ok(snapshot) => {
                    search.one(&snapshot)?;
                    opened = true;
                }
                Err(failure) => {
                    search.unread += 1;
                    if opened {
                        cx.ui.warn(&format!("snapshot {}: {}", info.id.short(), failure.line()));
                    }
                    refused.get_or_insert(failure);
                }
            }
        }
        if let (false, Some(failure)) = (opened, refused) {
            return Err(failure);
        }
    }
    cx.ui.json(&json!({"message_type": "summary", "matches": search.matches, "errors": search.unread}));
    if search.matches == 0 {
        cx.ui.note("nothing fits");
    }
    Ok(if search.unread == 0 { Exit::Done } else { Exit::Partial })
}

struct Search<'c> {
    cx: &'c Context,
    glob: Gitignore,
    matches: u64,
    unread: u64,
}

impl Search<'_> {
    fn one(&mut self, snapshot: &Snapshot) -> Outcome<()> {
        let ui = self.cx.ui;
        let mut headed = false;
        for entry in snapshot.entries(None) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) if error.is_identity() || error.is_gone() => return Err(error.into()),
                Err(error) => {
                    ui.warn(&format!("snapshot {}: {error}", snapshot.info().id.short()));
                    self.unread += 1;
                    continue;
                }
            };
            if entry.path.is_empty() || !self.fits(&entry) {
                continue;
            }
            if !std::mem::replace(&mut headed, true) {
                ui.line(&snapshot_line(snapshot.info()));
            }
            self.matches += 1;
            ui.line(&format!("  {}", long_line(&entry, snapshot.root())));
            if ui.json {
                let mut object = value(&entry, snapshot.root());
                object.insert("message_type".into(), "match".into());
                object.insert("snapshot".into(), snapshot.info().id.to_string().into());
                object.insert("source".into(), snapshot.info().manifest.source.clone().into());
                ui.json(&Value::Object(object));
            }
        }
        Ok(())
    }

    fn fits(&self, entry: &Entry<ObjectId>) -> bool {
        let path = Path::new(OsStr::from_bytes(&entry.path));
        self.glob.matched(path, entry.kind == Kind::Dir).is_ignore()
    }
}

/// The patterns of gitignore files, which exclude rules have as well; here a match is what is wanted.
fn glob(pattern: &str, ignore_case: bool) -> Outcome<Gitignore> {
    let bad = |e: ignore::Error| {
        Failure::new(Exit::Usage, format!("{pattern:?} is not a pattern"))
            .because(&e)
            .hint("quote [ ] { } * ? with a backslash")
    };
    if pattern.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "the pattern is empty").hint("write for example '*.conf'"));
    }
    // These two mean something else at the beginning of a line of a gitignore file.
    let line = if pattern.starts_with(['!', '#']) { format!("\\{pattern}") } else { pattern.to_owned() };
    let mut builder = GitignoreBuilder::new("/");
    // Taken literally, a class that is never closed would fit nothing in silence.
    builder.allow_unclosed_class(false);
    builder.case_insensitive(ignore_case).map_err(bad)?;
    builder.add_line(None, &line).map_err(bad)?;
    builder.build().map_err(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_slash_is_for_names_and_one_with_it_for_paths() {
        let fits = |pattern: &str, path: &str| {
            glob(pattern, false).expect("a pattern").matched(Path::new(path), false).is_ignore()
        };
        assert!(fits("*.conf", "etc/a/b.conf"));
        assert!(fits("/etc/*/b.conf", "etc/a/b.conf"));
        assert!(fits("/etc/**", "etc/a/b.conf"));
        assert!(!fits("/a/b.conf", "etc/a/b.conf"));
        assert!(fits("!x", "etc/!x"));
        assert!(fits("#x", "#x"));
        assert!(!fits("*.conf", "etc/b.config"));
        for bad in ["", " ", "a{", "[", "a[b"] {
            assert!(glob(bad, false).is_err(), "{bad}");
        }
    }
}
