//! OpenLDAP in the contract of all adapters.

use super::capture::{CONFIG, SuffixTruth, TRUTH, TRUTH_FORMAT, Truth, VERSION, tool};
use super::ldif::{Sum, moved};
use crate::adapter::{
    self, AdapterError, Blame, Discovered, Ground, Part, Proof, Request, Restored, Stop, Within,
};
use crate::process::{ToolError, one_line};
use crate::question::Question;
use crate::{isolation, proc, stored};
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;
use vow_store::archive::Snapshot;

const CONFIG_FOLDER: &str = "/etc/ldap/slapd.d";

/// OpenLDAP, as an adapter.
pub struct Adapter;

impl adapter::Adapter for Adapter {
    fn kind(&self) -> &'static str {
        "ldap"
    }

    fn discover(&self, _: &Within) -> Vec<Discovered> {
        proc::named(&["slapd"]).iter().map(describe).collect()
    }

    fn restore(&self, _: &Snapshot, _: &Request, _: Stop<'_>) -> Result<Restored, AdapterError> {
        Err(AdapterError::Unsupported(
            "a running LDAP server is not restored into: restore the files with --target DIR and load them with slapadd",
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
        let mut proof = Proof::default();
        match try_out(&mut proof, &truth, snapshot, ground.place, stop) {
            Ok(()) => Ok(proof),
            Err(_) if stop() => Err(AdapterError::Stopped),
            Err(error) if error.blame() == Blame::Snapshot => {
                proof.problems.push(error.to_string());
                Ok(proof)
            }
            Err(error) => Err(error),
        }
    }

    fn instructions(&self) -> &'static [&'static str] {
        &[
            "with slapd stopped, its slapd.d and data folders empty: `slapadd -n 0 -F /etc/ldap/slapd.d -l config.ldif`, then for each \
           suffix in truth.json `slapadd -q -F /etc/ldap/slapd.d -b SUFFIX -l FILE`, and give the folders to slapd's account",
        ]
    }
}

/// Loads the configuration with its folders moved, loads the entries, and dumps them again.
fn try_out(
    proof: &mut Proof,
    truth: &Truth,
    snapshot: &Snapshot,
    place: &Path,
    stop: Stop<'_>,
) -> Result<(), AdapterError> {
    let folder = tempfile::Builder::new().prefix("vow-ldap-").tempdir_in(place);
    let folder = folder.map_err(|e| AdapterError::blamed(Blame::Machine, e))?;
    let io =
        |what: &str, e: std::io::Error| here(format!("cannot {what} in {}: {e}", folder.path().display()));
    let (original, config) = (folder.path().join(CONFIG), folder.path().join("moved.ldif"));
    let mut bytes = stored::write_to(snapshot, CONFIG.as_bytes(), &original, stop).map_err(unstored)?;
    let text = String::from_utf8(fs::read(&original).map_err(|e| io("read the configuration", e))?)
        .map_err(|_| wrong("the configuration is no text".into()))?;
    // Loaded as it is, it would write where the live server keeps its data.
    let (text, folders) = moved(&text, &folder.path().join("data").display().to_string());
    fs::write(&config, text).map_err(|e| io("write the configuration", e))?;
    let server = folder.path().join("slapd.d");
    for path in folders.iter().map(PathBuf::from).chain([server.clone()]) {
        fs::create_dir_all(path).map_err(|e| io("make folders", e))?;
    }
    for SuffixTruth { file, .. } in &truth.suffixes {
        // A strange host wrote this name: joined to a folder it must stay there.
        if !matches!(Path::new(file).components().collect::<Vec<_>>()[..], [Component::Normal(_)]) {
            return Err(wrong(format!("truth.json names {file:?}, which is no file of the snapshot")));
        }
        bytes +=
            stored::write_to(snapshot, file.as_bytes(), &folder.path().join(file), stop).map_err(unstored)?;
    }
    // The tools run as the owner of the folder: by root somebody who can do no harm, for a configuration may name anything.
    if let Some(account) = isolation::least(&["openldap"]) {
        account.take_tree(folder.path()).map_err(|e| io("prepare the files", e))?;
    }
    let (launcher, mut load) = tool("slapadd", None, folder.path()).map_err(here)?;
    load.args(["-n", "0", "-F"]).arg(&server).arg("-l").arg(&config);
    let (_, ended) = launcher.output(load, 1 << 20, stop).map_err(failed)?;
    if !ended.status.success() && ended.said.contains("module") {
        proof
            .blocked
            .push(format!("a module of the server is not installed here: {}", one_line(&ended.said)));
        return Ok(());
    }
    ended.expect_success().map_err(|e| wrong(format!("the configuration cannot be loaded: {e}")))?;
    proof.compared += 1;
    for SuffixTruth { suffix, file, entries, checksum } in &truth.suffixes {
        let path = folder.path().join(file);
        let (launcher, mut load) = tool("slapadd", None, folder.path()).map_err(here)?;
        load.args(["-q", "-F"]).arg(&server).args(["-b", suffix, "-l"]).arg(&path);
        let (_, ended) = launcher.output(load, 1 << 20, stop).map_err(failed)?;
        ended
            .expect_success()
            .map_err(|e| wrong(format!("the entries below {suffix} cannot be loaded: {e}")))?;
        let sum = dumped(&server, suffix, folder.path(), stop)?;
        match (sum.entries == *entries, sum.checksum() == *checksum) {
            (true, true) => proof.compared += entries,
            (false, _) => proof
                .problems
                .push(format!("{} entries came back below {suffix}, and there were {entries}", sum.entries)),
            (true, false) => {
                proof.problems.push(format!("the entries below {suffix} came back with other content"))
            }
        }
    }
    proof.bytes = bytes;
    Ok(())
}

/// What a scratch directory has below a suffix.
fn dumped(server: &Path, suffix: &str, files: &Path, stop: Stop<'_>) -> Result<Sum, AdapterError> {
    let (launcher, mut dump) = tool("slapcat", None, files).map_err(here)?;
    dump.arg("-F").arg(server).args(["-b", suffix]).stdout(Stdio::piped());
    let mut running = launcher.start(dump).map_err(failed)?;
    let mut out = running.stdout().map_err(failed)?;
    let (mut sum, mut piece) = (Sum::default(), vec![0; 64 << 10]);
    loop {
        if stop() {
            return Err(AdapterError::Stopped);
        }
        match out.read(&mut piece).map_err(AdapterError::of)? {
            0 => break,
            read => sum.feed(&piece[..read]),
        }
    }
    running.wait(stop).and_then(crate::process::Ended::expect_success).map_err(failed)?;
    Ok(sum)
}

/// The snapshot is not what it should be.
fn wrong(why: String) -> AdapterError {
    AdapterError::Failed(why.into())
}

/// This machine is not what it should be.
fn here(why: String) -> AdapterError {
    AdapterError::Elsewhere { blame: Blame::Machine, source: why.into() }
}

fn failed(error: ToolError) -> AdapterError {
    AdapterError::blamed(error.blame(), error)
}

fn unstored(error: stored::StoredError) -> AdapterError {
    AdapterError::blamed(error.blame(), error)
}

fn describe(process: &proc::Process) -> Discovered {
    let words = process.title();
    let after = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let config = after("-F").map_or_else(|| PathBuf::from(CONFIG_FOLDER), PathBuf::from);
    Discovered {
        kind: "ldap",
        name: format!("OpenLDAP with {}", config.display()),
        url: after("-h").cloned(),
        data: Some(config),
        running: true,
        parts: vec![Part { name: "all suffixes".into(), bytes: None, problem: None }],
        problems: Vec::new(),
    }
}
