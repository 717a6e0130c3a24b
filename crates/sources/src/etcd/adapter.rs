//! etcd in the contract of all adapters.

use super::capture::{DUMP, Status, TRUTH, TRUTH_FORMAT, Tools, Truth, VERSION};
use crate::adapter::{
    self, AdapterError, Blame, Discovered, Ground, Part, Proof, Request, Restored, Stop, Within,
};
use crate::process::Launcher;
use crate::question::Question;
use crate::{isolation, proc, stored};
use std::path::PathBuf;
use vow_store::archive::Snapshot;

/// etcd, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "etcd"
    }

    fn discover(&self, _: &Within) -> Vec<Discovered> {
        proc::named(&["etcd"]).iter().map(describe).collect()
    }

    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Result<Restored, AdapterError> {
        Err(AdapterError::Unsupported(
            "a running etcd takes no snapshot: restore the file with --target DIR, and begin a new cluster from it with \
             `etcdctl snapshot restore`",
        ))
    }

    fn prove(
        &self,
        snapshot: &Snapshot,
        ground: Ground<'_>,
        _: &[Question],
        stop: Stop<'_>,
    ) -> Result<Proof, AdapterError> {
        let truth: Truth =
            stored::document(snapshot, TRUTH, TRUTH_FORMAT, VERSION).map_err(AdapterError::of)?;
        let mut proof = Proof { bytes: truth.bytes, ..Proof::default() };
        let folder =
            tempfile::Builder::new().prefix("vow-etcd-").tempdir_in(ground.place).map_err(machine)?;
        let file = folder.path().join(DUMP);
        stored::write_to(snapshot, DUMP.as_bytes(), &file, stop).map_err(|error| {
            match error.is_stopped() {
                true => AdapterError::Stopped,
                false => AdapterError::blamed(error.blame(), error),
            }
        })?;
        // By root as somebody who can do no harm: what it reads comes from a strange host.
        let launcher = Launcher::new(isolation::least(&["etcd"]));
        launcher.give(&file).and_then(|()| launcher.give(folder.path())).map_err(machine)?;
        let tools = Tools::started_by(&launcher);
        let data = folder.path().join("data");
        let words =
            ["snapshot", "restore", &file.display().to_string(), "--data-dir", &data.display().to_string()];
        // It compares the hash behind the database with the database.
        match tools.run(true, &words, stop) {
            Ok(_) => proof.compared += 1,
            Err(_) if stop() => return Err(AdapterError::Stopped),
            Err(why) if why.contains("was not found") => proof.blocked.push(why),
            Err(why) => proof.problems.push(format!("the snapshot cannot be restored: {why}")),
        }
        if proof.compared == 0 {
            return Ok(proof);
        }
        let restored = data.join("member/snap/db");
        let then = Status { hash: truth.hash, revision: truth.revision, total_key: truth.total_key };
        match tools.status(&file, stop) {
            Ok(now) if now == then => proof.compared += 3,
            Ok(now) => proof.problems.push(format!("the snapshot is {now:?} and was {then:?}")),
            Err(why) => proof.problems.push(why),
        }
        match restored.exists() {
            true => proof.compared += 1,
            false => proof.problems.push("nothing was restored".into()),
        }
        Ok(proof)
    }

    fn instructions(&self) -> &'static [&'static str] {
        &[
            "stop every member, and begin a new cluster: `etcdctl snapshot restore snapshot.db --data-dir NEW --name … --initial-cluster … \
           --initial-advertise-peer-urls …` for each of them, all from this one file",
        ]
    }
}

fn machine(error: std::io::Error) -> AdapterError {
    AdapterError::blamed(Blame::Machine, error)
}

fn describe(process: &proc::Process) -> Discovered {
    let words = process.title();
    let value = |name: &str| {
        let at =
            words.iter().position(|word| word.trim_start_matches('-').split('=').next() == Some(name))?;
        words[at].split_once('=').map(|(_, value)| value.to_owned()).or_else(|| words.get(at + 1).cloned())
    };
    let url = value("listen-client-urls").or_else(|| value("advertise-client-urls"));
    let url = url
        .and_then(|urls| urls.split(',').next().map(str::to_owned))
        .unwrap_or_else(|| "http://127.0.0.1:2379".into());
    let data =
        value("data-dir").map(PathBuf::from).map(|data| match (data.is_absolute(), process.folder()) {
            (false, Some(folder)) => folder.join(data),
            _ => data,
        });
    Discovered {
        kind: "etcd",
        name: format!("etcd at {url}"),
        url: Some(url),
        data,
        running: true,
        parts: vec![Part { name: "all keys".into(), bytes: None, problem: None }],
        problems: Vec::new(),
    }
}
