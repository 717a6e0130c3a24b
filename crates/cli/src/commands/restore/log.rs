//! `--time`: which log goes on from a snapshot, brought out of the vaults into a folder.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Place, Reading, open_first};
use crate::ui;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use vow_sources::adapter::{Adapter, LogAfter, Replay};
use vow_store::archive::{Snapshot, SnapshotInfo};
use vow_store::listing::Kind;

/// Pieces of the log taken beyond the moment at first: the clock of the server and that of the host may differ a little. More are taken
/// when they do not reach it: a receiver that was away captures what is old long after it was written.
const PIECES_BEYOND: usize = 2;

/// What helps when the log does not reach far enough.
const LATER: &str = "let `vow wal-receive` or `vow binlog-receive` send what the server has, or go as far as there is with --time latest";

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// To the end of the log.
    Latest,
    /// To this moment.
    Moment(Timestamp),
}

impl std::str::FromStr for Until {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        text.parse().map(Self::Moment).map_err(|_| {
            "a moment has a date, a time and a zone, such as 2026-11-20 10:00:00Z or 2026-11-20 11:00:00+01; or say latest".to_owned()
        })
    }
}

/// Brings the log that goes on from `snapshot` into a folder in `place`.
pub(super) fn gather(
    cx: &Context,
    reading: &Reading,
    snapshot: &Snapshot,
    adapter: &dyn Adapter,
    until: Until,
    place: &Path,
) -> Outcome<Replay> {
    let after = adapter
        .log_after(snapshot)
        .map_err(|e| Failure::failed("the snapshot cannot be read").because(&e))?;
    let Some(after) = after else {
        return Err(Failure::new(Exit::Usage, "no log goes on from this snapshot: it holds dumps or files")
            .hint("leave --time out, or choose a snapshot of a source with method = \"physical\""));
    };
    let folder = &place.join(after.folder());
    if let (Until::Moment(moment), Ok(earliest)) = (until, after.earliest().parse::<Timestamp>())
        && moment < earliest
    {
        return Err(Failure::new(
            Exit::Usage,
            format!("this snapshot was finished at {earliest}, and {moment} is earlier"),
        )
        .hint("choose an earlier snapshot: `vow snapshots` lists them"));
    }
    let (pieces, at_first) = pieces(reading, snapshot.info(), &*after, until)?;
    let mut gathering =
        Gathering { cx, after: &*after, folder, names: BTreeSet::new(), missed: None, broken: None };
    let made = !place.exists();
    let gathered = gathering.all(&pieces, at_first, until);
    if gathered.is_err() {
        // What does not reach is of no use to anybody.
        let _ = fs::remove_dir_all(folder);
        if made {
            let _ = fs::remove_dir(place);
        }
    }
    gathered?;
    cx.ui.note(&format!("{} of the log go on from it", ui::plural(gathering.names.len() as u64, "file")));
    Ok(Replay {
        log: Some(folder.to_owned()),
        until: match until {
            Until::Latest => None,
            Until::Moment(moment) => Some(in_utc(moment)),
        },
    })
}

/// Files of the log on their way into a folder.
struct Gathering<'g> {
    cx: &'g Context,
    after: &'g dyn LogAfter,
    folder: &'g Path,
    names: BTreeSet<String>,
    /// What a piece lacks.
    missed: Option<String>,
    /// The same, when more of the log comes behind it.
    broken: Option<String>,
}

impl Gathering<'_> {
    /// Takes so many of the pieces at first, and then one after the other until they reach the moment.
    fn all(&mut self, pieces: &[Piece<'_>], at_first: usize, until: Until) -> Outcome<()> {
        let (first, mut rest) = pieces.split_at(at_first.min(pieces.len()));
        self.take(first)?;
        while let Err(failure) = self.reached(until) {
            let Some((next, others)) = rest.split_first() else { return Err(failure) };
            self.take(std::slice::from_ref(next))?;
            rest = others;
        }
        Ok(())
    }

    /// Brings what is new in these pieces; before that, nothing may be missing.
    fn take(&mut self, pieces: &[Piece<'_>]) -> Outcome<()> {
        let mut files = Vec::new();
        for (info, places) in pieces {
            let piece = open_first(self.cx, info, places)?;
            let before = self.names.len();
            let mut wanted = Vec::new();
            for entry in piece.entries(None) {
                let entry = entry?;
                let Ok(name) = String::from_utf8(entry.path.clone()) else { continue };
                let mut is_new =
                    || !name.contains('/') && self.after.wants(&name) && self.names.insert(name.clone());
                if entry.kind == Kind::File && is_new() {
                    wanted.push((name, entry));
                }
            }
            // What is missing before the oldest piece that matters does not matter, nor what is after the newest one.
            if before > 0 && self.missed.is_none() {
                self.missed = piece.root().problems.first().map(|(_, text)| ui::plain(text));
            }
            if self.names.len() > before && self.broken.is_none() {
                self.broken.clone_from(&self.missed);
            }
            files.push((piece, wanted));
        }
        let names: Vec<_> = self.names.iter().cloned().collect();
        if let Some(missing) = self.after.missing(&names).or_else(|| self.broken.clone()) {
            let text = format!("{missing}: that moment cannot be gone back to from this snapshot");
            return Err(Failure::failed(text).hint("choose a later snapshot, or a moment before the gap"));
        }
        let folder = self.folder;
        let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(folder);
        made.map_err(|e| Failure::io("make", folder, e))?;
        for (piece, wanted) in &files {
            for (name, entry) in wanted {
                // Never half a file under a name that the server takes.
                let (path, temporary) = (folder.join(name), folder.join(format!("{name}.new")));
                let mut file =
                    fs::File::create(&temporary).map_err(|e| Failure::io("write", &temporary, e))?;
                piece.content(entry, &mut file)?;
                fs::rename(&temporary, &path).map_err(|e| Failure::io("write", &path, e))?;
            }
        }
        Ok(())
    }

    /// Insists that the log goes on from the snapshot, and tells everything up to the moment.
    fn reached(&self, until: Until) -> Outcome<()> {
        let reaches = self.after.reaches(self.folder);
        let reaches = reaches.map_err(|e| Failure::failed("the log cannot be replayed").because(&e))?;
        let Until::Moment(moment) = until else { return Ok(()) };
        match reaches {
            Some(micros) if micros < moment.as_microsecond() => Err(Failure::failed(format!(
                "the log in the vaults does not reach {moment}: its last event is of {}",
                Timestamp::from_microsecond(micros)
                    .map_or_else(|_| format!("microsecond {micros}"), |last| last.to_string())
            ))
            .hint(LATER)),
            _ => Ok(()),
        }
    }
}

/// As a server understands it before it has read its table of time zones: without letters.
fn in_utc(moment: Timestamp) -> String {
    format!("{}+00", moment.to_string().trim_end_matches('Z').replace('T', " "))
}

type Piece<'r> = (SnapshotInfo, Vec<&'r Place>);

/// The snapshots of the log that may matter, oldest first, and which vaults have each; and how many of them should be enough.
fn pieces<'r>(
    reading: &'r Reading,
    base: &SnapshotInfo,
    after: &dyn LogAfter,
    until: Until,
) -> Outcome<(Vec<Piece<'r>>, usize)> {
    let mut pieces: Vec<Piece<'r>> = Vec::new();
    for place in &reading.places {
        for info in place.archive.snapshots_lenient()?.0 {
            let same =
                info.manifest.host_key == base.manifest.host_key && info.manifest.source == after.source();
            if !same || info.manifest.finished < base.manifest.started {
                continue;
            }
            match pieces.iter_mut().find(|(other, _)| other.id == info.id) {
                Some((_, places)) => places.push(place),
                None => pieces.push((info, vec![place])),
            }
        }
    }
    pieces.sort_by_key(|(info, _)| info.manifest.sequence);
    let Until::Moment(moment) = until else {
        let all = pieces.len();
        return Ok((pieces, all));
    };
    let later = |info: &SnapshotInfo| i128::from(info.manifest.started) > moment.as_nanosecond();
    let Some(first) = pieces.iter().position(|(info, _)| later(info)) else {
        let reaches = pieces.last().map_or_else(
            || format!("there is no snapshot of {}", after.source()),
            |(info, _)| format!("the newest piece is of {}", ui::local_time(info.manifest.finished)),
        );
        return Err(
            Failure::failed(format!("the log in the vaults does not reach {moment}: {reaches}")).hint(LATER)
        );
    };
    Ok((pieces, first + PIECES_BEYOND))
}

#[cfg(test)]
mod tests {
    use super::{Until, in_utc};

    #[test]
    fn moments_have_a_zone() {
        assert_eq!("latest".parse(), Ok(Until::Latest));
        let moment = |text: &str| match text.parse() {
            Ok(Until::Moment(moment)) => moment.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(moment("2026-11-20 10:00:00Z"), "2026-11-20T10:00:00Z");
        assert_eq!(moment("2026-11-20 11:00:00.25+01"), "2026-11-20T10:00:00.25Z");
        let Ok(Until::Moment(fine)) = "2026-11-20 10:00:00.25Z".parse() else { panic!("it is a moment") };
        assert_eq!(in_utc(fine), "2026-11-20 10:00:00.25+00");
        assert!("2026-11-20 10:00:00".parse::<Until>().is_err());
        assert!("yesterday".parse::<Until>().is_err());
    }
}
