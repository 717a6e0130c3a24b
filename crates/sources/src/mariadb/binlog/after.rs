//! Which files of the binary log go on from a snapshot.

use super::super::error::MariaDbError;
use super::super::stored::Stored;
use super::events::{Ending, ending};
use super::names::{LogName, missing};
use super::receive::binlog_source;
use super::spool::names_in;
use crate::adapter::{AdapterError, LogAfter};
use crate::instant;
use std::fs;
use std::io::BufReader;
use std::path::Path;

/// The log after one snapshot.
pub(crate) struct After {
    source: String,
    earliest: String,
    from: LogName,
    /// When the snapshot is of, in seconds since 1970, when that can be read.
    taken_secs: Option<i64>,
}

/// Clocks are set now and then: a file that was begun so much after the snapshot is still believed to be the one it names.
const SLACK_SECS: i64 = 60;

impl After {
    /// Of this snapshot.
    pub(crate) fn of(stored: &Stored<'_>) -> Result<Self, MariaDbError> {
        let position = stored.facts.position.as_ref().ok_or_else(|| {
            MariaDbError::Refused(
                "the snapshot does not say where it stands in the binary log: the server wrote none then, or the account lacked BINLOG \
                 MONITOR"
                    .into(),
            )
        })?;
        let from = LogName::parse(&position.file).ok_or_else(|| {
            MariaDbError::content(
                "server.json",
                format!("it stands in {:?}, which is no file of a binary log", position.file),
            )
        })?;
        let source = binlog_source(&stored.snapshot().info().manifest.source);
        let earliest = format!("{}Z", stored.truth.taken.replace(' ', "T"));
        Ok(Self {
            source,
            earliest,
            from,
            taken_secs: instant::micros(&stored.truth.taken).map(|micros| micros / instant::MICROS),
        })
    }

    /// Whether it is one of its files.
    pub(super) fn has(&self, name: &LogName) -> bool {
        name.base == self.from.base && name.number >= self.from.number
    }
}

/// What a file says.
fn look_into(folder: &Path, name: &LogName) -> Result<Ending, MariaDbError> {
    let path = folder.join(name.to_string());
    let file = fs::File::open(&path).map_err(MariaDbError::io("open", &path))?;
    let ended = ending(BufReader::with_capacity(256 << 10, file));
    ended.map_err(|why| MariaDbError::content(&name.to_string(), format!("it {why}")))
}

impl LogAfter for After {
    fn source(&self) -> &str {
        &self.source
    }

    fn earliest(&self) -> &str {
        &self.earliest
    }

    fn folder(&self) -> &'static str {
        "binlog"
    }

    fn wants(&self, name: &str) -> bool {
        LogName::parse(name).is_some_and(|name| self.has(&name))
    }

    fn missing(&self, names: &[String]) -> Option<String> {
        let there: Vec<_> = names.iter().filter_map(|name| LogName::parse(name)).collect();
        missing(&self.from, &there)
    }

    fn reaches(&self, folder: &Path) -> Result<Option<i64>, AdapterError> {
        let failed = super::super::adapter::stopped;
        let names = names_in(folder).map_err(failed)?;
        let mut before: Option<(&LogName, Ending)> = None;
        let mut begun = None;
        for name in names.iter().filter(|name| self.has(name)) {
            let now = look_into(folder, name).map_err(failed)?;
            begun = begun.or(Some(now.first_secs));
            if let Some((last, _)) = before.as_ref().filter(|(_, last)| !last.is_followed_by(&now)) {
                return Err(failed(MariaDbError::Refused(format!(
                    "{name} in the vaults does not go on where {last} ends: the server has begun its binary log anew (RESET MASTER); no \
                     moment after {last} can be gone back to from this snapshot"
                ))));
            }
            before = Some((name, now));
        }
        let (Some((_, last)), Some(begun)) = (before, begun) else { return Ok(None) };
        if self.taken_secs.is_some_and(|taken| begun > taken + SLACK_SECS) {
            return Err(failed(MariaDbError::Refused(format!(
                "{} in the vaults was begun after the snapshot, so it is another one than that in which the snapshot stands: the server has \
                 begun its binary log anew (RESET MASTER)",
                self.from
            ))));
        }
        // Events have whole seconds: the last one is told whole.
        let whole = |secs: i64| (secs + 1) * instant::MICROS - 1;
        Ok(Some(whole(last.last_secs)))
    }
}
