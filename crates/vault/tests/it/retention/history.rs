//! Recorded histories as text.
//!
//! ```text
//! now 2026-06-30 03:00
//! rules 2026-01-01 00:00 keep_last = 3, lock = "2d"     (the first ones: since ever)
//! host web-1 acme                                        (what follows is this host's)
//! files 2026-01-01 02:00 100 4000 partial                (source, received, files, bytes, marks)
//! files 2026-01-01 02:00 +1d x30 100 4000                (thirty of them, a day apart)
//! ```
//!
//! Marks: `partial`, `gone`, `pinned`, `held`, `released=TIME` (`2026-01-01T02:00`), `proven`, `doubted`.

use super::made::snapshot;
use vow_base::HostId;
use vow_base::id::sha256;
use vow_base::manifest::Status;
use vow_vault::retention::{Hold, Policy, Snapshot, Term, Version};

pub(crate) struct History {
    pub(crate) now: i64,
    pub(crate) versions: Vec<Version>,
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) hosts: Vec<(HostId, String)>,
}

pub(crate) fn parse(text: &str) -> History {
    let mut history = History { now: 0, versions: Vec::new(), snapshots: Vec::new(), hosts: Vec::new() };
    let mut tenant = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[0] {
            "now" => history.now = time(words[1], words[2]),
            "rules" => {
                let rules = words[3..].join(" ").replace(", ", "\n");
                let policy = Policy::parse(&rules).unwrap_or_else(|e| panic!("{line}: {e}"));
                history.versions.push(Version { policy, since: time(words[1], words[2]) });
            }
            "host" => {
                history.hosts.push((HostId(sha256(words[1].as_bytes())), words[1].into()));
                tenant = words[2].into();
            }
            _ => history.add(&words, &tenant),
        }
    }
    if history.versions.is_empty() {
        history.versions.push(Version::first());
    }
    history.snapshots.sort_by_key(|snapshot| snapshot.received);
    for (position, snapshot) in (1..).zip(&mut history.snapshots) {
        (snapshot.position, snapshot.sequence) = (position, position);
    }
    history
}

impl History {
    fn add(&mut self, words: &[&str], tenant: &str) {
        let mut received = time(words[1], words[2]);
        let (mut gap, mut count, mut rest) = (0, 1, &words[3..]);
        if let Some(every) = words[3].strip_prefix('+') {
            gap = every.parse::<Term>().expect("a term").nanos();
            count = words[4].trim_start_matches('x').parse().expect("a count");
            rest = &words[5..];
        }
        for _ in 0..count {
            let mut one = snapshot(self.snapshots.len() as u64 + 1, received);
            one.host = self.hosts.last().expect("a host first").0;
            one.tenant = tenant.into();
            one.source = words[0].into();
            one.files = rest[0].parse().expect("files");
            one.bytes = rest[1].parse().expect("bytes");
            for mark in &rest[2..] {
                match *mark {
                    "partial" => one.status = Status::Partial,
                    "gone" => one.gone = true,
                    "pinned" => one.marks.pin = Hold::On,
                    "held" => one.marks.hold = Hold::On,
                    "proven" => one.marks.proven = Some(received),
                    "doubted" => one.marks.doubted = Some(received),
                    other => {
                        let at = other.strip_prefix("released=").unwrap_or_else(|| panic!("mark {other}"));
                        let (day, hour) = at.split_once('T').expect("a time");
                        one.marks.pin = Hold::Released(time(day, hour));
                    }
                }
            }
            self.snapshots.push(one);
            received += gap;
        }
    }

    pub(crate) fn name(&self, host: &HostId) -> String {
        self.hosts.iter().find(|(id, _)| id == host).map_or_else(|| host.short(), |(_, name)| name.clone())
    }
}

fn time(day: &str, hour: &str) -> i64 {
    let time: jiff::Timestamp = format!("{day}T{hour}:00Z").parse().expect("a time");
    i64::try_from(time.as_nanosecond()).expect("a time of this age")
}
