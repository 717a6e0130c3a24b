//! SQLite in the contract of all adapters. A database is a file: restoring it is restoring that file.

use super::SqliteError;
use super::find;
use super::helper;
use super::truth::{DatabaseTruth, FILES, TRUTH, TRUTH_FORMAT, Truth, VERSION};
use crate::adapter::{self, AdapterError, Discovered, Part, Proof, Request, Restored, Stop, Within};
use crate::process::ToolError;
use crate::stored::{self, StoredError};
use std::path::{Path, PathBuf};
use vow_base::id::hex;
use vow_store::archive::Snapshot;

/// Where databases are looked for when no plan says where.
const PLACES: &[&str] =
    &["/etc", "/home", "/opt", "/root", "/srv", "/usr/local", "/var/lib", "/var/opt", "/var/www"];

/// SQLite, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn discover(&self, within: &Within) -> Vec<Discovered> {
        let roots = match within.roots.is_empty() {
            true => PLACES.iter().map(PathBuf::from).filter(|path| path.is_dir()).collect(),
            false => within.roots.clone(),
        };
        let Ok(nothing) = find::excludes(&[]) else { return Vec::new() };
        let (found, _) = find::databases(&roots, &within.never, &nothing);
        found.into_iter().map(describe).collect()
    }

    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Result<Restored, AdapterError> {
        Err(AdapterError::Unsupported(
            "SQLite has no server: restore SNAPSHOT:/files into a folder with --target DIR, or in place with --target /",
        ))
    }

    fn prove(&self, snapshot: &Snapshot, place: &Path, stop: Stop<'_>) -> Result<Proof, AdapterError> {
        prove(snapshot, place, stop).map_err(|error| match error {
            SqliteError::Tool(ToolError::Stopped) => AdapterError::Stopped,
            SqliteError::Stored(error) if error.is_stopped() => AdapterError::Stopped,
            error => AdapterError::of(error),
        })
    }

    fn instructions(&self) -> &'static [&'static str] {
        &[
            "the databases are below files/, with their whole paths. To put one back in place: stop the program that uses it, remove \
           NAME-wal, NAME-shm and NAME-journal beside it (they belong to the other content and would damage this one), and copy it; \
           `vow restore SNAPSHOT:/files --target /` does the copying",
        ]
    }
}

fn describe(path: PathBuf) -> Discovered {
    let bytes = std::fs::metadata(&path).ok().map(|meta| meta.len());
    let running = is_in_use(&path);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Discovered {
        kind: "sqlite",
        name: format!("SQLite database {}", path.display()),
        url: None,
        data: Some(path),
        running,
        parts: vec![Part { name, bytes, problem: None }],
        problems: Vec::new(),
    }
}

/// Whether a log or a journal beside it has something that is not in the file.
fn is_in_use(path: &Path) -> bool {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        std::fs::metadata(name).is_ok_and(|meta| meta.len() > 0)
    };
    beside("-wal") || beside("-journal")
}

/// Restores each database below `place`, has it checked, and compares it with the truth.
fn prove(snapshot: &Snapshot, place: &Path, stop: Stop<'_>) -> Result<Proof, SqliteError> {
    let truth: Truth = stored::document(snapshot, TRUTH, TRUTH_FORMAT, VERSION)?;
    let mut proof = Proof::default();
    for before in &truth.databases {
        let folder = tempfile::Builder::new().prefix("vow-sqlite-").tempdir_in(place);
        let folder = folder.map_err(SqliteError::io("make a private folder in", place))?;
        let file = folder.path().join("database");
        let path = match &before.path_hex {
            Some(digits) => unhex(digits).ok_or_else(|| bad(before))?,
            None => before.path.as_bytes().to_vec(),
        };
        proof.bytes += stored::write_to(snapshot, &[FILES.as_bytes(), &path].concat(), &file, stop)?;
        let exact = before.tables.iter().any(|table| table.checksum.is_some());
        match helper::checked(&file, if exact { u64::MAX } else { 0 }, stop) {
            Ok(now) => compare(&mut proof, before, &now),
            Err(error @ SqliteError::Tool(ToolError::Failed { .. })) => {
                proof.problems.push(format!("{}: {error}", before.path));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(proof)
}

fn bad(before: &DatabaseTruth) -> StoredError {
    StoredError::Content { what: TRUTH.into(), reason: format!("the path {:?} cannot be read", before.path) }
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>()?;
    (hex(&bytes) == digits).then_some(bytes)
}

fn compare(proof: &mut Proof, before: &DatabaseTruth, now: &DatabaseTruth) {
    let mut same = |same: bool, problem: String| {
        if same {
            proof.compared += 1;
        } else {
            proof.problems.push(format!("{}: {problem}", before.path));
        }
    };
    same(now.damage.is_empty(), format!("it is damaged: {}", now.damage.join("; ")));
    let numbers = |truth: &DatabaseTruth| {
        (
            truth.bytes,
            truth.page_size,
            truth.page_count,
            truth.user_version,
            truth.application_id,
            truth.encoding.clone(),
        )
    };
    same(
        numbers(before) == numbers(now),
        format!("its header says {:?} and said {:?}", numbers(now), numbers(before)),
    );
    let violations = (now.foreign_key_violations, before.foreign_key_violations);
    same(
        violations.0 == violations.1,
        format!("{} rows violate foreign keys, and {} did", violations.0, violations.1),
    );
    for object in &before.objects {
        same(
            now.objects.contains(object),
            format!("{} {} is missing or another one", object.kind, object.name),
        );
    }
    same(now.objects.len() == before.objects.len(), "it has objects that were not there".into());
    for table in &before.tables {
        let found = now.tables.iter().find(|other| other.name == table.name);
        let has = found.map_or("nothing".into(), |found| format!("{} rows", found.rows));
        same(
            found == Some(table),
            format!("table {} has {has}, and had {} rows, or their content differs", table.name, table.rows),
        );
    }
    if before.foreign_key_violations > 0 {
        proof.notes.push(format!(
            "{}: {} rows violated foreign keys when it was captured",
            before.path, before.foreign_key_violations
        ));
    }
}
