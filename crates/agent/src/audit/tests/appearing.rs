//! A machine to which one thing after another is added without telling the plan: each is found at the next look, and closed by the lines offered.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;
use vow_sources::discover::{Machine, look};

/// A machine whose files lie below a folder, and its plan.
struct Grown {
    root: TempDir,
    sockets: String,
    files: Vec<(String, Vec<String>)>,
    sources: Vec<(String, String)>,
    servers: Vec<Discovered>,
}

impl Grown {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let grown = Self {
            root,
            sockets: "head\n".into(),
            files: vec![("system".into(), vec!["/etc".into()])],
            sources: vec![("files".into(), "system".into())],
            servers: Vec::new(),
        };
        grown.write("proc/self/mountinfo", "28 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n");
        grown
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("written");
    }

    /// A process that listens.
    fn listens(&mut self, pid: u32, name: &str, port: u16) {
        self.write(&format!("proc/{pid}/comm"), name);
        for (link, to) in [("fd/3", format!("socket:[{pid}]")), ("ns/net", "net:[1]".into())] {
            let path = self.root.path().join(format!("proc/{pid}/{link}"));
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            symlink(to, path).expect("a link");
        }
        self.sockets += &format!(" 0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {pid} 1\n");
        for entry in fs::read_dir(self.root.path().join("proc")).expect("processes").flatten() {
            if entry.file_name().to_string_lossy().parse::<u32>().is_ok() {
                self.write(&format!("proc/{}/net/tcp", entry.file_name().to_string_lossy()), &self.sockets);
            }
        }
    }

    fn unknown(&self) -> Vec<(String, Option<String>)> {
        let inventory = look(&Machine::below(self.root.path()));
        let files: Vec<_> = self
            .files
            .iter()
            .map(|(name, roots)| {
                let roots: Vec<_> = roots.iter().map(String::as_str).collect();
                super::files(name, &roots, &[])
            })
            .collect();
        let sources: Vec<_> =
            self.sources.iter().map(|(kind, name)| (kind.as_str(), name.as_str())).collect();
        let states = judge_with(&inventory, &files, &sources, &["/etc"], &self.servers, &[]);
        let offer = |(name, state)| match state {
            State::Unknown { offer, .. } => Some((name, offer.map(|offer| offer.to_string()))),
            _ => None,
        };
        states.into_iter().filter_map(offer).collect()
    }

    /// Exactly this is found, and gone when the lines that are offered are in the plan.
    fn finds(&mut self, finding: &str) {
        let found = self.unknown();
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [finding]);
        let offer = found.into_iter().find_map(|(_, offer)| offer).expect("an offer");
        let offer: toml::Table = offer.parse().expect("TOML");
        for source in offer["source"].as_array().expect("sources") {
            let text = |name: &str| source[name].as_str().expect("a text").to_owned();
            if text("type") == "files" {
                let paths = source["paths"].as_array().expect("paths").iter();
                self.files.push((
                    text("name"),
                    paths.map(|path| path.as_str().expect("a path").to_owned()).collect(),
                ));
            }
            self.sources.push((text("type"), text("name")));
        }
        assert_eq!(self.unknown(), [], "the lines offered for {finding} do not close it");
    }
}

#[test]
fn whatever_appears_is_found_at_the_next_look_and_closed_by_what_is_offered() {
    let mut grown = Grown::new();
    assert_eq!(grown.unknown(), []);
    let mounts = "28 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n42 28 0:50 / /srv/customers rw - nfs4 10.0.0.1:/export rw\n";
    grown.write("proc/self/mountinfo", mounts);
    grown.finds("mount:/srv/customers");
    grown.listens(101, "postgres", 5432);
    grown.servers.push(server("postgres", true));
    grown.finds("service:postgres");
    grown.listens(102, "redis-server", 6379);
    grown.servers.push(server("redis", true));
    grown.finds("service:redis-server");
    grown.write("data/shop/index.html", "x");
    grown.write("etc/nginx/sites-enabled/shop", "server { root /data/shop; }\n");
    grown.finds("web-root:/data/shop");
    grown.write("var/lib/docker/volumes/shop/_data/file", "x");
    grown.finds("volume:/var/lib/docker/volumes/shop/_data");
    grown.write("var/spool/cron/crontabs/root", "0 1 * * * /usr/local/bin/export\n");
    grown.finds("crontab:/var/spool/cron/crontabs/root");
}
