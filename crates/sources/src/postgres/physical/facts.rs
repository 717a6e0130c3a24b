//! What is known of a base backup: the file `backup.json` of a snapshot. `docs/sources.md` describes it. Fields are only ever added;
//! a change of meaning gets a new version.

use super::super::access::Access;
use super::super::error::PostgresError;
use super::super::server::{self, Inside};
use super::super::session::{Session, Stop};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// What the document calls itself.
pub(super) const BACKUP_FORMAT: &str = "vow-postgres-backup";
/// Its version.
pub(super) const BACKUP_VERSION: u32 = 1;

/// `backup.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backup {
    /// [`BACKUP_FORMAT`].
    pub format: String,
    /// [`BACKUP_VERSION`].
    pub version: u32,
    /// Identifies the cluster for as long as it lives.
    pub system_identifier: String,
    /// By the server's clock, before the backup began.
    pub began: String,
    /// By the server's clock, when it had ended: no earlier moment can be gone back to with it.
    pub finished: String,
    /// The log that it needs, all of which it has.
    pub wal: WalRange,
    /// Size of a segment of the log.
    pub wal_segment_bytes: u64,
    /// Every tablespace outside the data directory.
    pub tablespaces: Vec<Tablespace>,
    /// Settings that a server recovering from it must have at least as high.
    pub needs: BTreeMap<String, String>,
    /// What was in it before and after: what came or went meanwhile is not here.
    pub databases: Vec<PhysicalDatabase>,
    /// Replication slots, which a base backup never has.
    pub slots: Vec<String>,
}

/// A stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalRange {
    /// Timeline.
    #[serde(alias = "Timeline")]
    pub timeline: u32,
    /// Where it begins, as `0/2000028`.
    #[serde(alias = "Start-LSN")]
    pub start_lsn: String,
    /// Where it ends.
    #[serde(alias = "End-LSN")]
    pub end_lsn: String,
}

/// A tablespace; in the snapshot it is `tablespaces/OID`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tablespace {
    /// Its object id.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Where it lay.
    pub location: String,
}

/// One database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysicalDatabase {
    /// Its name.
    pub name: String,
    /// Its tables with rows of their own, quoted.
    pub tables: Vec<String>,
    /// Those whose rows do not come back, because they are not in the log.
    pub unlogged: Vec<String>,
    /// Installed extensions and their versions.
    pub extensions: BTreeMap<String, String>,
}

/// What a database has at one time.
#[derive(Deserialize)]
struct Seen {
    oid: u32,
    name: String,
    unlogged: bool,
}

const TABLES: &str = "SELECT json_build_object('oid', c.oid::int8, 'name', format('%I.%I', nspname, relname), 'unlogged', relpersistence = 'u') \
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'm') AND relpersistence <> 't' \
    AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname, relname";
const EXTENSIONS: &str = "SELECT json_build_array(extname, extversion) FROM pg_extension ORDER BY extname";
const TABLESPACES: &str = "SELECT json_build_object('oid', oid::int8, 'name', spcname, 'location', pg_tablespace_location(oid)) \
    FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%' ORDER BY oid";
const SLOTS: &str =
    "SELECT to_json(slot_name) FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name";
const NEEDS: &str = "SELECT json_build_array(name, setting) FROM pg_settings WHERE name IN ('max_connections', 'max_worker_processes', \
    'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction') ORDER BY name";
const SEGMENT: &str = "SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'";

/// The time by the server's clock.
pub(super) fn now(session: &mut Session, stop: Stop<'_>) -> Result<String, PostgresError> {
    session.document("asking for the time", "SELECT to_json(clock_timestamp())", stop)
}

/// Every tablespace that lies outside the data directory.
pub(super) fn tablespaces(session: &mut Session, stop: Stop<'_>) -> Result<Vec<Tablespace>, PostgresError> {
    session.documents("listing the tablespaces", TABLESPACES, stop)
}

/// Replication slots.
pub(super) fn slots(session: &mut Session, stop: Stop<'_>) -> Result<Vec<String>, PostgresError> {
    session.documents("listing replication slots", SLOTS, stop)
}

/// Settings that recovery needs.
pub(super) fn needs(
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<BTreeMap<String, String>, PostgresError> {
    let needs: Vec<(String, String)> = session.documents("reading settings", NEEDS, stop)?;
    Ok(needs.into_iter().collect())
}

/// Size of a segment of the log, in bytes.
pub(crate) fn segment_bytes(session: &mut Session, stop: Stop<'_>) -> Result<u64, PostgresError> {
    session.document("asking for the size of a segment", SEGMENT, stop)
}

/// What there is at one time, by database. A database that lets nobody in is part of the backup, but cannot be looked into.
pub(super) struct Known(Vec<(String, Vec<Seen>, BTreeMap<String, String>)>);

impl Known {
    pub(super) fn look(
        access: &Access,
        session: &mut Session,
        stop: Stop<'_>,
    ) -> Result<Self, PostgresError> {
        let mut all = Vec::new();
        for database in server::databases(session, stop)?.into_iter().filter(|d| d.refuses().is_none()) {
            // What goes away while the base backup is made is no part of what must come back.
            let Inside::Session(mut inside) = server::enter(access, &database, stop)? else { continue };
            let tables = inside.documents("listing the tables", TABLES, stop)?;
            let extensions: Vec<(String, String)> =
                inside.documents("listing the extensions", EXTENSIONS, stop)?;
            all.push((database.name, tables, extensions.into_iter().collect()));
        }
        Ok(Self(all))
    }

    /// What was there all the time until `later`.
    pub(super) fn still(self, later: &Self) -> Vec<PhysicalDatabase> {
        let mut out = Vec::new();
        for (name, before, _) in self.0 {
            let Some((_, after, extensions)) = later.0.iter().find(|(other, ..)| *other == name) else {
                continue;
            };
            let stayed = |seen: &&Seen| {
                after.iter().any(|other| {
                    (other.oid, &other.name, other.unlogged) == (seen.oid, &seen.name, seen.unlogged)
                })
            };
            let names = |unlogged: bool| {
                let kept = before.iter().filter(stayed).filter(|seen| seen.unlogged == unlogged);
                kept.map(|seen| seen.name.clone()).collect::<Vec<_>>()
            };
            let (tables, unlogged) = (names(false), names(true));
            out.push(PhysicalDatabase { name, tables, unlogged, extensions: extensions.clone() });
        }
        out
    }
}

/// Which log a base backup needs, as its manifest says.
pub(super) fn wal_range(manifest: &Path) -> Result<WalRange, PostgresError> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(rename = "WAL-Ranges")]
        ranges: Vec<WalRange>,
    }
    let file = File::open(manifest).map_err(PostgresError::io("open", manifest))?;
    let wrong = |reason: String| PostgresError::Dump { what: "base backup".into(), reason };
    let read: Manifest = serde_json::from_reader(BufReader::new(file))
        .map_err(|e| wrong(format!("its manifest cannot be read: {e}")))?;
    // Several only when a standby changed its timeline meanwhile: the first one is where replay begins.
    let (Some(first), Some(last)) = (read.ranges.first(), read.ranges.last()) else {
        return Err(wrong("its manifest names no log".into()));
    };
    Ok(WalRange { end_lsn: last.end_lsn.clone(), ..first.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_the_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("backup_manifest");
        let text = r#"{"PostgreSQL-Backup-Manifest-Version": 1, "Files": [{"Path": "x", "Size": 1}],
            "WAL-Ranges": [{"Timeline": 3, "Start-LSN": "0/2000028", "End-LSN": "0/2000100"}], "Manifest-Checksum": "x"}"#;
        std::fs::write(&path, text).expect("it is written");
        let range = wal_range(&path).expect("it is read");
        assert_eq!((range.timeline, &*range.start_lsn, &*range.end_lsn), (3, "0/2000028", "0/2000100"));
        std::fs::write(&path, r#"{"WAL-Ranges": []}"#).expect("it is written");
        assert!(wal_range(&path).is_err());
    }

    #[test]
    fn only_what_stayed_is_known() {
        let seen = |oid, name: &str| Seen { oid, name: name.into(), unlogged: name == "u" };
        let known = |tables| Known(vec![("d".to_owned(), tables, BTreeMap::new())]);
        let before = known(vec![seen(1, "a"), seen(2, "b"), seen(3, "c"), seen(5, "u")]);
        let after = known(vec![seen(1, "a"), seen(4, "b"), seen(5, "u")]);
        let still = before.still(&after);
        assert_eq!((&still[0].tables, &still[0].unlogged), (&vec!["a".to_owned()], &vec!["u".to_owned()]));
    }
}
