//! Which files of the binary log go on from a snapshot.

use super::super::error::MariaDbError;
use super::super::stored::Stored;
use super::events::ending;
use super::names::{LogName, missing};
use super::receive::binlog_source;
use super::spool::names_in;
use crate::adapter::{AdapterError, LogAfter};
use std::fs;
use std::io::BufReader;
use std::path::Path;

/// The log after one snapshot.
pub(crate) struct After {
    source: String,
    earliest: String,
    from: LogName,
}

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
        Ok(Self { source, earliest, from })
    }

    /// Whether it is one of its files.
    pub(super) fn has(&self, name: &LogName) -> bool {
        name.base == self.from.base && name.number >= self.from.number
    }
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
        let last = names_in(folder)
            .map_err(super::super::adapter::stopped)?
            .into_iter()
            .filter(|name| self.has(name))
            .max();
        let Some(last) = last else { return Ok(None) };
        let path = folder.join(last.to_string());
        let file = fs::File::open(&path)
            .map_err(MariaDbError::io("open", &path))
            .map_err(super::super::adapter::stopped)?;
        let ended = ending(BufReader::with_capacity(256 << 10, file));
        let ended = ended.map_err(|why| MariaDbError::content(&last.to_string(), format!("it {why}")));
        ended.map(|ended| Some(ended.last_secs)).map_err(super::super::adapter::stopped)
    }
}
