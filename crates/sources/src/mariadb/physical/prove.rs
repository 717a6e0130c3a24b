//! Proving a copy of a server's files: unpacked, prepared, started as a scratch server, checked, and compared with the truth.

use super::super::error::MariaDbError;
use super::super::prove::{Damage, Prover};
use super::super::question::ask;
use super::super::scratch::Scratch;
use super::super::session::Stop;
use super::super::stored::Stored;
use crate::adapter::Proof;
use crate::question::Question;
use crate::stored::StoredError;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

const PLUGINS: &str = "SELECT plugin_name FROM information_schema.plugins WHERE plugin_status = 'ACTIVE'";

/// Starts a scratch server from the files below `place`, and compares it.
pub(crate) fn prove(
    stored: &Stored<'_>,
    place: &Path,
    damage: &mut dyn Damage,
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<Proof, MariaDbError> {
    let mut proof = Proof { bytes: stored.stored_bytes(), ..Proof::default() };
    let began = Instant::now();
    let scratch = match Scratch::of_files(stored, place, stop) {
        Ok(scratch) => scratch,
        Err(error @ MariaDbError::Stored(StoredError::Content { .. })) => {
            proof.problems.push(error.to_string());
            return Ok(proof);
        }
        Err(error @ (MariaDbError::Blocked(_) | MariaDbError::Tools(_))) => {
            proof.blocked.push(error.to_string());
            return Ok(proof);
        }
        Err(error) => return Err(error),
    };
    proof.restore_secs = began.elapsed().as_secs_f64();
    // The stream was whole, its checksums right, and its log could be applied.
    proof.compared += 1;
    proof.notes.extend(scratch.notes.iter().cloned());
    if let Some(physical) = &stored.truth.physical {
        if physical.not_measured > 0 {
            proof.notes.push(format!(
                "{} tables were not counted when they were captured: their structure was checked, and their rows are not compared",
                physical.not_measured
            ));
        }
        if !physical.restless.is_empty() {
            proof.notes.push(format!(
                "{} tables without transactions were written to while they were copied: their rows are not compared",
                physical.restless.len()
            ));
        }
    }
    damage.apply(&stored.truth, &scratch.access, stop)?;
    let mut session = scratch.access.session(stop)?;
    let here = session.query("listing the plugins", PLUGINS, stop)?.into_iter().flatten();
    let here: BTreeSet<_> = here.map(|name| name.to_ascii_lowercase()).collect();
    let lacking = stored.facts.plugins.iter().filter(|name| !here.contains(&name.to_ascii_lowercase()));
    proof.blocked.extend(lacking.map(|name| format!("software is missing here: the plugin {name}")));
    let mut prover = Prover { stored, scratch: &scratch, stop, same_version: true, proof };
    prover.objects(&mut session)?;
    prover.tables(&mut session)?;
    prover.sequences(&mut session)?;
    prover.accounts(&mut session)?;
    drop(session);
    prover.views()?;
    prover.check_structure()?;
    let mut proof = prover.proof;
    ask(&mut proof, &scratch.access, &stored.truth.databases, questions, stop)?;
    Ok(proof)
}
