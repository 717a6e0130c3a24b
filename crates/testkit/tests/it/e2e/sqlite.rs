//! SQLite: databases in use are captured whole at one instant, come back, and nothing that is no database is taken for one.

use super::sources::{back_up, document, fails, host_of, open, prove};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use vow_testkit::{Host, host, shell};

const SCHEMA: &str = "PRAGMA journal_mode = WAL; PRAGMA user_version = 7; PRAGMA application_id = 4711; \
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, face BLOB); \
    CREATE TABLE plain (a PRIMARY KEY, b) WITHOUT ROWID; \
    CREATE INDEX by_name ON people (name); CREATE VIEW names AS SELECT name FROM people; \
    CREATE TRIGGER t AFTER INSERT ON people BEGIN INSERT INTO plain VALUES (new.id, new.name); END; \
    CREATE VIRTUAL TABLE text USING fts5 (words); INSERT INTO text VALUES ('some words'); \
    CREATE TABLE counters (n INTEGER); INSERT INTO counters VALUES (0), (0), (0); \
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) \
    INSERT INTO people SELECT i, 'name ' || i, randomblob(200) FROM n;";

#[track_caller]
fn sql(path: &Path, text: &str) -> String {
    let path = path.display().to_string();
    shell::tool("sqlite3", ["-bail", "-cmd", ".timeout 60000", &path, text]).trim().to_owned()
}

/// Somebody who has the database open and writes without end, always all three counters at once.
struct Writer(Child);

impl Writer {
    fn start(path: &Path) -> Self {
        let text = ".timeout 60000\nPRAGMA wal_autocheckpoint = 0;\n".to_owned()
            + &"UPDATE counters SET n = n + 1;\n".repeat(2_000_000);
        let input = path.with_extension("script");
        fs::write(&input, text).unwrap();
        let mut command = Command::new("sqlite3");
        command.arg(path).stdin(fs::File::open(&input).unwrap()).stdout(Stdio::null()).stderr(Stdio::null());
        let writer = Self(command.spawn().unwrap());
        while sql(path, "SELECT max(n) FROM counters") == "0" {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        fs::remove_file(input).unwrap();
        writer
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A host with a source of the folder that is given, in which a database is.
fn filled() -> (Host, [tempfile::TempDir; 2], PathBuf) {
    let place = host::scratch();
    let folder = place.path().join("srv/app");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("app.db");
    sql(&path, SCHEMA);
    fs::write(folder.join("notes.txt"), "no database").unwrap();
    fs::write(folder.join("empty.db"), "").unwrap();
    let (host, scratch) = host_of("sqlite", &format!("paths = [\"{}\"]", place.path().join("srv").display()));
    (host, [place, scratch], path)
}

fn restored(host: &Host, path: &Path) -> (tempfile::TempDir, PathBuf) {
    let target = host::scratch();
    let place = target.path().display().to_string();
    let done = open(host, &["restore", "db@latest", "--target", &place]).expect(0);
    assert!(done.said().contains("-wal"), "{}", done.story());
    let file = host::below(&target.path().join("files"), path);
    (target, file)
}

#[test]
fn a_database_in_use_comes_back_as_it_was_at_one_instant() {
    let (host, _place, path) = filled();
    let dry = host.run(["backup", "db", "--dry-run"]).expect(0);
    assert!(dry.said().contains("app.db") && !dry.said().contains("empty.db"), "{}", dry.story());
    let writer = Writer::start(&path);
    let wal = |path: &Path| fs::metadata(format!("{}-wal", path.display())).map_or(0, |meta| meta.len());
    assert!(wal(&path) > 0, "the test needs a log beside the database");
    let _ = back_up(&host).expect(0);
    assert!(wal(&path) > 0, "the log is the business of those who write");
    let truth = document(&host, "truth.json");
    let database = &truth["databases"][0];
    assert_eq!((&database["user_version"], &database["application_id"]), (&7.into(), &4711.into()));
    let rows = |name: &str| {
        let tables = database["tables"].as_array().unwrap();
        tables.iter().find(|table| table["name"] == name).unwrap()["rows"].clone()
    };
    assert_eq!((rows("people"), rows("plain"), rows("counters")), (2000.into(), 2000.into(), 3.into()));
    let proof = prove(&host, "sqlite");
    assert!(proof.holds() && proof.compared > 15, "{proof:?}");
    drop(writer);

    let (_target, file) = restored(&host, &path);
    assert_eq!(sql(&file, "PRAGMA integrity_check; SELECT count(DISTINCT n) FROM counters"), "ok\n1");
    assert_ne!(sql(&file, "SELECT n FROM counters LIMIT 1"), "0", "what stood in the log only is there");
    assert_eq!(sql(&file, "SELECT words FROM text WHERE text MATCH 'some'"), "some words");
    let same = "SELECT id, name, hex(face) FROM people ORDER BY id";
    assert_eq!(sql(&file, same), sql(&path, same));
    let (now, before) = (fs::metadata(&file).unwrap(), fs::metadata(&path).unwrap());
    assert_eq!((now.mode(), now.uid(), now.gid()), (before.mode(), before.uid(), before.gid()));
}

#[test]
fn a_database_is_put_back_in_its_place() {
    let (host, [place, _scratch], path) = filled();
    let _ = back_up(&host).expect(0);
    fs::set_permissions(place.path().join("srv"), std::os::unix::fs::PermissionsExt::from_mode(0o750))
        .unwrap();
    sql(&path, "DROP TABLE people");
    let _ = open(&host, &["restore", "db@latest:/files", "--target", "/"]).expect(0);
    assert_eq!(sql(&path, "SELECT count(*) FROM people"), "2000");
    // Folders on the way are nobody's business.
    assert_eq!(fs::metadata(place.path().join("srv")).unwrap().mode() & 0o777, 0o750);

    // What stands in a log beside it belongs to another content, and would be played over this one.
    sql(&path, "DELETE FROM people");
    let log = path.with_file_name(format!("{}-wal", path.file_name().unwrap().to_string_lossy()));
    fs::write(&log, "something that was not written back").unwrap();
    let done = open(&host, &["restore", "db@latest:/files", "--target", "/"]).expect(1);
    assert!(done.stderr.contains("-wal") && done.stderr.contains("stop the program"), "{}", done.story());
    let elsewhere = host.dir().join("elsewhere").display().to_string();
    let _ = open(&host, &["restore", "db@latest:/files", "--target", &elsewhere]).expect(0);
    fs::remove_file(&log).unwrap();
    assert_eq!(sql(&path, "SELECT count(*) FROM people"), "0", "nothing was written");
    let _ = open(&host, &["restore", "db@latest:/files", "--target", "/"]).expect(0);
    assert_eq!(sql(&path, "SELECT count(*) FROM people"), "2000");
}

#[test]
fn what_is_no_database_is_refused_and_nothing_is_made() {
    let place = host::scratch();
    for (name, content, says) in [
        ("missing.db", None, "cannot look at"),
        ("empty.db", Some(&b""[..]), "0 bytes"),
        ("text.db", Some(b"hello"), "not a database"),
        // Encrypted, or damaged: it has no header.
        ("noise.db", Some(&[0xa5; 4096]), "not a database"),
    ] {
        let path = place.path().join(name);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let (host, _folder) = host_of("sqlite", &format!("paths = [\"{}\"]", path.display()));
        let done = back_up(&host).expect(1);
        assert!(done.said().contains(says), "{says}: {}", done.story());
        assert_eq!(fs::read(&path).ok().as_deref(), content, "{name}");
    }
    let folder = place.path().display().to_string();
    let (host, _folder) = host_of("sqlite", &format!("paths = [\"{folder}\"]"));
    fails(&host, &["no SQLite database"]);
}

#[test]
fn a_locked_or_damaged_database_degrades_the_snapshot_and_is_named() {
    let (host, _place, path) = filled();
    let other = path.with_file_name("other.db");
    sql(
        &other,
        "CREATE TABLE t (a); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) INSERT INTO t SELECT randomblob(90) FROM n",
    );
    // A page in the middle is lost.
    let mut bytes = fs::read(&other).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xff);
    fs::write(&other, bytes).unwrap();
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("other.db") && done.said().contains("damaged"), "{}", done.story());
    let proof = prove(&host, "sqlite");
    assert!(proof.problems.iter().any(|problem| problem.contains("other.db")), "{proof:?}");
    assert!(!proof.problems.iter().any(|problem| problem.contains("app.db")), "{proof:?}");
    // One that is gone is said once.
    fs::remove_file(&other).unwrap();
    let done = back_up(&host).expect(3);
    assert!(done.said().contains("not there any more"), "{}", done.story());
    let _ = back_up(&host).expect(0);
    assert!(prove(&host, "sqlite").holds());
}

#[test]
fn databases_are_found_by_how_they_begin() {
    let (host, _place, path) = filled();
    let data = host.dir().parent().unwrap().join("data");
    fs::create_dir_all(&data).unwrap();
    sql(&data.join("strange name"), "CREATE TABLE t (a)");
    let found = host.run(["discover", "--json"]).expect(0).summary();
    let of = |path: &Path| {
        let all = found["servers"].as_array().unwrap();
        let one = all.iter().find(|one| one["data"] == path.display().to_string());
        one.unwrap_or_else(|| panic!("{} is not found: {found}", path.display())).clone()
    };
    assert_eq!((&of(&path)["type"], &of(&path)["source"]), (&"sqlite".into(), &"db".into()));
    let stray = of(&data.join("strange name"));
    assert_eq!((&stray["source"], &stray["in_files_source"]), (&serde_json::Value::Null, &"files".into()));
}
