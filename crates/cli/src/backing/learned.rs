//! Which database server a source met when it was last captured, so that another one in its place is noticed.

use super::remembered::write;
use crate::config::Config;
use crate::failure::{Failure, Outcome};
use crate::ui::Ui;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    system_identifier: String,
}

const VERSION: u32 = 1;

/// What is on record for a source; nothing the first time. A record that cannot be read is an error: without it another server would
/// not be noticed.
pub(super) fn load(config: &Config, source: &str) -> Outcome<Option<String>> {
    let path = file(config, source);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Failure::io("read", &path, e)),
    };
    match serde_json::from_slice::<Record>(&text) {
        Ok(record) if record.version == VERSION => Ok(Some(record.system_identifier)),
        _ => Err(Failure::failed(format!("{} is not what was written there", path.display()))
            .hint("remove it when the server that the source names is the right one")),
    }
}

/// Records the server of a snapshot that was accepted.
pub(super) fn save(config: &Config, source: &str, identifier: &str, ui: Ui) {
    let path = file(config, source);
    let record = Record { version: VERSION, system_identifier: identifier.to_owned() };
    if let Err(e) = write(&path, &serde_json::to_vec(&record).unwrap_or_default()) {
        // The snapshot is safe; only the next run knows less.
        ui.warn(&Failure::io("write", &path, e).line());
    }
}

fn file(config: &Config, source: &str) -> PathBuf {
    config.state.join("servers").join(format!("{source}.json"))
}
