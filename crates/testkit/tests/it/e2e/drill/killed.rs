//! Drills that are killed in the middle, of the types that have no server that goes on: whatever they leave, the next one removes.

use super::super::sources::{back_up, host_of};
use super::super::{etcd, ldap};
use super::{drill, names, started_below, working_in};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vow_testkit::host::files_below;
use vow_testkit::{Host, shell};

/// A place for what is drilled, which other accounts can reach.
fn place(folder: &Path) -> PathBuf {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let place = folder.join("scratch");
    fs::create_dir(&place).unwrap();
    place
}

/// Kills drills of a source until one was killed while it had something in its place, and insists that the next one removes that.
#[track_caller]
fn is_tidied_up(host: &Host, source: &str, place: &Path, amid: impl Fn() -> bool) {
    let identity = host.identity().display().to_string();
    let at = place.display().to_string();
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(120), "none could be killed in the middle");
        let mut running = host.start(["drill", source, "--scratch", &at, "--identity", &identity]);
        while !amid() && !running.has_ended() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = running.kill();
        // It may have been done in this moment.
        if !names(place).is_empty() {
            break;
        }
    }
    // Another source, and the place is not named again: the record of it is enough.
    let done = drill(host, ["other"]).expect(0);
    assert!(done.said().contains("killed had left"), "{}", done.story());
    assert_eq!((names(place), working_in(place), started_below(place)), (vec![], vec![], vec![]));
    assert_eq!(names(&host.state().join("drill/places")), Vec::<String>::new());
}

/// A source that is quickly drilled.
fn other(host: &Host, folder: &Path) {
    let data = folder.join("other");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a"), "a").unwrap();
    host.add_source("other", &data);
    let _ = host.run(["backup", "other"]).expect(0);
}

#[test]
fn sqlite_leaves_nothing() {
    let (host, folder) = host_of("sqlite", "paths = [\"APP\"]");
    let app = folder.path().join("app");
    fs::create_dir(&app).unwrap();
    shell::tool(
        "sqlite3",
        [&app.join("a.db").display().to_string(), "CREATE TABLE t (a); INSERT INTO t VALUES (1)"],
    );
    super::super::sources::change(&host, "APP", &app.display().to_string());
    // It is answered by no drill that is killed before.
    host.add_to_plan("[[source.expect]]\nsql = \"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n\"");
    let place = place(folder.path());
    let _ = back_up(&host).expect(0);
    other(&host, folder.path());
    is_tidied_up(&host, "db", &place, || !started_below(&place).is_empty());
}

#[test]
fn etcd_leaves_nothing() {
    let server = etcd::Server::start();
    for n in 0..20 {
        let _ = server.ctl(&["put", &format!("key{n}"), &"value ".repeat(1000)]).expect(0);
    }
    let (host, folder) = host_of("etcd", &format!("url = \"{}\"", server.url));
    let place = place(folder.path());
    let _ = back_up(&host).expect(0);
    other(&host, folder.path());
    is_tidied_up(&host, "db", &place, || !started_below(&place).is_empty());
}

#[test]
fn ldap_leaves_nothing() {
    let server = ldap::Server::start();
    server.fill(300);
    let (host, folder) = host_of("ldap", &format!("config = \"{}\"", server.config().display()));
    let place = place(folder.path());
    let _ = back_up(&host).expect(0);
    other(&host, folder.path());
    is_tidied_up(&host, "db", &place, || !started_below(&place).is_empty());
}

#[test]
fn a_served_site_leaves_nothing() {
    if !shell::is_root("a_served_site_leaves_nothing") {
        return;
    }
    let folder = vow_testkit::host::scratch();
    let root = folder.path().join("www");
    fs::create_dir(&root).unwrap();
    let links: String = (0..2000).map(|page| format!("<a href=/{page}.html>x</a>")).collect();
    fs::write(root.join("index.html"), format!("<html><body>{links}</body></html>")).unwrap();
    for page in 0..2000 {
        fs::write(root.join(format!("{page}.html")), "<html><body>a page</body></html>").unwrap();
    }
    let host = Host::at(&folder.path().join("host"), &[&root]);
    let site = format!("type = \"files\"\nsite = {{ root = {:?} }}", root.display().to_string());
    super::super::sources::change(&host, "type = \"files\"", &site);
    let place = place(folder.path());
    let _ = host.run(["backup", "files"]).expect(0);
    other(&host, folder.path());
    // While the site is written out, and while it is asked.
    is_tidied_up(&host, "files", &place, || files_below(&place).len() > 20);
    is_tidied_up(&host, "files", &place, || !working_in(&place).is_empty());
}
