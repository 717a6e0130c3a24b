//! A snapshot of a base backup, to be restored from or proven.

use super::super::capture::SERVER;
use super::super::error::PostgresError;
use super::super::truth::{SERVER_FORMAT, ServerFacts, VERSION};
use super::capture::{BACKUP, BASE, CONFIG, TABLESPACES};
use super::facts::{BACKUP_FORMAT, BACKUP_VERSION, Backup};
use super::reach;
use super::segment::{Segment, gaps};
use crate::adapter::{AdapterError, LogAfter, Replay};
use crate::instant;
use crate::stored::{content, document};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use vow_store::archive::{ArchiveError, Snapshot};

/// A snapshot and what it says about itself.
pub struct StoredBackup<'s> {
    pub(super) snapshot: &'s Snapshot,
    /// What is known of the base backup.
    pub backup: Backup,
    /// What the server was.
    pub facts: ServerFacts,
}

/// Whether a snapshot of a PostgreSQL server holds a base backup rather than dumps.
pub fn is_physical(snapshot: &Snapshot) -> Result<bool, PostgresError> {
    match snapshot.entry(BACKUP.as_bytes()) {
        Ok(_) => Ok(true),
        Err(ArchiveError::NoEntry { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl<'s> StoredBackup<'s> {
    /// Reads the small files of the snapshot.
    pub fn open(snapshot: &'s Snapshot) -> Result<Self, PostgresError> {
        let backup = document(snapshot, BACKUP, BACKUP_FORMAT, BACKUP_VERSION)?;
        let facts = document(snapshot, SERVER, SERVER_FORMAT, VERSION)?;
        Ok(Self { snapshot, backup, facts })
    }

    /// Bytes of all its files.
    pub(super) fn bytes(&self) -> u64 {
        self.snapshot.info().manifest.counts.bytes
    }

    /// A file of the configuration that lay outside the data directory.
    pub(super) fn config(&self, name: &str) -> Option<String> {
        let bytes = content(self.snapshot, &format!("{CONFIG}/{name}")).ok()?;
        String::from_utf8(bytes).ok()
    }
}

/// The log that goes on from it.
pub(crate) struct After {
    source: String,
    finished: String,
    segment_bytes: u64,
    /// Where the backup ends: before that it has all it needs.
    from: u64,
    /// The server's major version.
    major: u32,
}

impl After {
    /// Of this snapshot.
    pub(crate) fn of(stored: &StoredBackup<'_>) -> Result<Self, PostgresError> {
        let backup = &stored.backup;
        let bytes = backup.wal_segment_bytes;
        let end = Segment::at(backup.wal.timeline, &backup.wal.end_lsn, bytes).ok_or_else(|| {
            let reason = format!("it ends at {:?}, which is no position in a log", backup.wal.end_lsn);
            PostgresError::content(BACKUP, reason)
        })?;
        let source = log_source(&stored.snapshot.info().manifest.source);
        let major = stored.facts.server_version_num / 10_000;
        Ok(Self { source, finished: backup.finished.clone(), segment_bytes: bytes, from: end.number, major })
    }
}

/// The source that the log of a source is captured as.
pub fn log_source(source: &str) -> String {
    format!("{source}.wal")
}

impl LogAfter for After {
    fn source(&self) -> &str {
        &self.source
    }

    fn earliest(&self) -> &str {
        &self.finished
    }

    fn wants(&self, name: &str) -> bool {
        name.ends_with(".history")
            || Segment::parse(name, self.segment_bytes).is_some_and(|segment| segment.number >= self.from)
    }

    fn missing(&self, names: &[String]) -> Option<String> {
        let there: Vec<_> =
            names.iter().filter_map(|name| Segment::parse(name, self.segment_bytes)).collect();
        let Some(newest) = there.iter().max_by_key(|segment| segment.timeline) else {
            return Some("no segment of the log after the base backup is there".into());
        };
        let found = gaps(self.from, &there);
        let gap = found.first()?;
        let name = |number| Segment { timeline: newest.timeline, number }.name(self.segment_bytes);
        Some(format!("the log lacks {gap}, {} to {}", name(gap.first), name(gap.last)))
    }

    fn reaches(&self, folder: &Path) -> Result<Option<i64>, AdapterError> {
        let finished = self.finished.replace('T', " ");
        let finished = instant::micros(finished.trim_end_matches("+00:00"));
        let last = reach::last_end(folder, self.segment_bytes, self.major, finished);
        // What ended in that very moment, others may have done as well.
        last.map(|last| last.map(|last| last - 1)).map_err(super::super::adapter::stopped)
    }
}

/// What a restored data directory is told about its recovery: lines for its configuration. Nothing it does may reach production.
pub(super) fn recovery_settings(replay: &Replay) -> String {
    let mut out = String::from(
        "archive_mode = off\nmax_logical_replication_workers = 0\nprimary_conninfo = ''\nprimary_slot_name = ''\n",
    );
    if let Some(log) = &replay.log {
        // For the shell, for the placeholders of the server, and for its configuration.
        let folder = log.to_string_lossy().replace('\'', "'\\''").replace('%', "%%");
        let command = format!("cp '{folder}'/%f \"%p\"").replace('\'', "''");
        out.push_str(&format!("restore_command = '{command}'\nrecovery_target_timeline = 'latest'\n"));
    }
    if let Some(until) = &replay.until {
        out.push_str(&format!("recovery_target_time = '{until}'\nrecovery_target_action = 'promote'\n"));
    }
    out
}

/// Puts the symbolic links of tablespaces in order in a restored snapshot at `root`.
pub(super) fn link_tablespaces(root: &Path, backup: &Backup) -> Result<(), PostgresError> {
    for tablespace in &backup.tablespaces {
        let oid = tablespace.oid.to_string();
        let link = root.join(BASE).join("pg_tblspc").join(&oid);
        let place = root.join(TABLESPACES).join(&oid);
        match fs::remove_file(&link) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PostgresError::io("replace", &link)(error));
            }
            _ => {}
        }
        std::os::unix::fs::symlink(&place, &link).map_err(PostgresError::io("make", &link))?;
    }
    Ok(())
}

/// Makes a restored snapshot at `root` a data directory that a server can be started from. Gives what a person must know.
pub(crate) fn settle(
    stored: &StoredBackup<'_>,
    root: &Path,
    replay: &Replay,
) -> Result<Vec<String>, PostgresError> {
    let root = &fs::canonicalize(root).map_err(PostgresError::io("look at", root))?;
    let absolute =
        |log: &std::path::PathBuf| fs::canonicalize(log).map_err(PostgresError::io("look at", log));
    let replay = &Replay { log: replay.log.as_ref().map(absolute).transpose()?, until: replay.until.clone() };
    link_tablespaces(root, &stored.backup)?;
    let base = root.join(BASE);
    let mut notes = vec![format!("the data directory is {}", base.display())];
    let config = base.join("postgresql.conf");
    if !config.exists() {
        let mut text = String::from(
            "# The original lay outside the data directory; it is in the folder config beside it.\n",
        );
        for (name, value) in &stored.backup.needs {
            text.push_str(&format!("{name} = {value}\n"));
        }
        write_as(&base, &config, &text, false)?;
        for name in ["pg_hba.conf", "pg_ident.conf"] {
            let text = stored.config(name).unwrap_or_else(|| {
                if name == "pg_hba.conf" { "local all all peer\n".to_owned() } else { String::new() }
            });
            write_as(&base, &base.join(name), &text, false)?;
        }
        notes.push(format!(
            "its configuration lay elsewhere: the original files are in {}, and {} has only what recovery needs",
            root.join(CONFIG).display(),
            config.display()
        ));
    }
    let settings = format!(
        "# Written by vow restore. When this server is to serve again: ALTER SYSTEM RESET archive_mode, max_logical_replication_workers,\n\
         # primary_conninfo, primary_slot_name, restore_command, recovery_target_timeline, recovery_target_time, recovery_target_action\n{}",
        recovery_settings(replay)
    );
    write_as(&base, &base.join("postgresql.auto.conf"), &settings, true)?;
    if let Some(log) = &replay.log {
        give_log(&base, log).map_err(PostgresError::io("give away", log))?;
        write_as(&base, &base.join("recovery.signal"), "", false)?;
    }
    notes.push(
        "archiving and subscriptions are off in postgresql.auto.conf: reset what stands there when it is to serve again".into(),
    );
    Ok(notes)
}

/// The log is read by whoever the data directory belongs to.
fn give_log(base: &Path, log: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(base)?;
    let give = |path: &Path| std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid()));
    for entry in fs::read_dir(log)? {
        give(&entry?.path())?;
    }
    give(log)
}

/// Writes a file that belongs to whom the data directory belongs to.
fn write_as(base: &Path, path: &Path, text: &str, append: bool) -> Result<(), PostgresError> {
    let write = || {
        let owner = fs::metadata(base)?;
        let mut file =
            fs::OpenOptions::new().create(true).append(append).write(true).truncate(!append).open(path)?;
        file.write_all(text.as_bytes())?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.sync_all()
    };
    write().map_err(PostgresError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_reaches_nobody_and_paths_are_quoted() {
        let settings = recovery_settings(&Replay::default());
        assert!(settings.contains("archive_mode = off") && !settings.contains("restore_command"));
        let replay = Replay { log: Some("/it's 100%".into()), until: Some("2026-11-20 10:00:00+00".into()) };
        let settings = recovery_settings(&replay);
        assert!(settings.contains(r#"restore_command = 'cp ''/it''\''''s 100%%''/%f "%p"'"#), "{settings}");
        assert!(settings.contains("recovery_target_time = '2026-11-20 10:00:00+00'"));
    }
}
