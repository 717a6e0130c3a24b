//! Dumps that run, and what is said when all of them have ended: the verdict, and the files that follow from it.

use super::access::Access;
use super::capture::{DATABASES, SERVER, SYSTEM, TRUTH};
use super::dump::Dump;
use super::error::MariaDbError;
use super::inventory::{self, Objects};
use super::measure::Table;
use super::shared::Shared;
use super::truth::{Account, NotDumped, Position, ServerFacts, TRUTH_FORMAT, Truth, VERSION};
use super::verdict::{Accepted, Evidence, kinds};
use crate::stored::text_of;
use crate::synthetic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vow_store::source::Found;

/// The longest statement that a server can be made to take.
const PACKET_MAX_BYTES: u64 = 1 << 30;

fn go_on() -> bool {
    false
}

/// Dumps that run, and what will be said when they have ended.
pub(super) struct Dumping {
    pub(super) access: Arc<Access>,
    pub(super) facts: ServerFacts,
    pub(super) dumps: Vec<(&'static str, Dump)>,
    pub(super) files: Vec<String>,
    pub(super) databases: Vec<String>,
    pub(super) not_dumped: Vec<NotDumped>,
    pub(super) before: Objects,
    pub(super) tables: Vec<Table>,
    pub(super) taken: String,
    pub(super) position: Option<Position>,
    pub(super) history: bool,
    pub(super) coherent: bool,
    pub(super) system: Vec<u8>,
    pub(super) accounts: Vec<Account>,
    pub(super) stop_measuring: Arc<AtomicBool>,
}

impl Drop for Dumping {
    fn drop(&mut self) {
        self.stop_measuring.store(true, Ordering::Relaxed);
    }
}

impl Dumping {
    /// Waits for the dumps, judges them, and gives the files that need all of them.
    pub(super) fn finish(&mut self, shared: &Arc<Shared>) -> Result<Vec<Found>, String> {
        let (contents, measured) = shared.wait(self.files.len())?;
        let not_whole = |reason: String| MariaDbError::Dump(reason).to_string();
        let mut session = self.access.session(&go_on).map_err(|e| e.to_string())?;
        let after = inventory::objects(&mut session, &self.databases, &go_on).map_err(|e| e.to_string())?;
        let place = |position: &Option<Position>| position.as_ref().map(|p| (p.file.clone(), p.offset));
        if let (Some(ours), Some(theirs)) = (place(&self.position), place(&contents.position))
            && ours != theirs
        {
            return Err(not_whole(format!(
                "it is of another moment than the truth: {theirs:?} and {ours:?}"
            )));
        }
        self.facts.position = contents.position.clone();
        let longest_statement_bytes = contents.longest_statement_bytes;
        let evidence = Evidence {
            before: std::mem::take(&mut self.before),
            after,
            tables: std::mem::take(&mut self.tables),
            measured,
            history: self.history,
            contents,
        };
        let Accepted { objects, tables, sequences, notes } = evidence.judge().map_err(not_whole)?;
        let mut found: Vec<_> = notes.into_iter().map(Found::Note).collect();
        if longest_statement_bytes >= PACKET_MAX_BYTES {
            let text = format!(
                "a row makes a statement of {longest_statement_bytes} bytes, and no server takes more than {PACKET_MAX_BYTES}: \
                 it cannot be restored from a dump; capture the server physically as well"
            );
            found.push(Found::Problem { path: DATABASES.into(), text });
        }
        let truth = Truth {
            format: TRUTH_FORMAT.into(),
            version: VERSION,
            system_identifier: self.facts.system_identifier.clone(),
            server_version: self.facts.server_version.clone(),
            taken: self.taken.clone(),
            coherent: self.coherent,
            dumps: std::mem::take(&mut self.files),
            databases: std::mem::take(&mut self.databases),
            not_dumped: std::mem::take(&mut self.not_dumped),
            kinds: kinds(&objects),
            objects,
            tables,
            sequences,
            accounts: std::mem::take(&mut self.accounts),
            longest_statement_bytes,
            physical: None,
        };
        shared.told.objects("database", truth.databases.len() as u64);
        for (kind, count) in &truth.kinds {
            shared.told.objects(kind, *count);
        }
        shared.told.objects("account", truth.accounts.len() as u64);
        let file =
            |path: &str, bytes| Found::Stream(synthetic::file(path.as_bytes()), synthetic::bytes(bytes));
        found.push(file(SERVER, text_of(&self.facts)?));
        found.push(file(SYSTEM, std::mem::take(&mut self.system)));
        found.push(file(TRUTH, text_of(&truth)?));
        Ok(found)
    }
}
