//! What a source wanted to be remembered when it was last captured: how many entries its paths had, which server answered.

use crate::failure::{Failure, Outcome};
use crate::ui::Ui;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use vow_agent::plan::{Config, SourcePlan};
use vow_sources::adapter::Memory;

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    /// The type of the source: one of another type understands nothing of it.
    #[serde(rename = "type")]
    kind: String,
    remembered: String,
}

const VERSION: u32 = 1;

/// What is on record for a source; nothing the first time. A record that cannot be read is an error when the source cannot do without.
pub(super) fn load(config: &Config, plan: &SourcePlan, ui: Ui) -> Outcome<Option<String>> {
    let memory = plan.capture.memory();
    if memory == Memory::None {
        return Ok(None);
    }
    let path = file(config, plan);
    let failure = match fs::read(&path) {
        Ok(text) => match serde_json::from_slice::<Record>(&text) {
            Ok(record) if record.version == VERSION => {
                return Ok(Some(record.remembered).filter(|_| record.kind == plan.kind));
            }
            _ => Failure::failed(format!("{} is not what was written there", path.display())),
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => Failure::io("read", &path, e),
    };
    match memory {
        Memory::Needed(sure) => Err(failure.hint(format!("remove it when {sure}"))),
        Memory::Helps(lost) => {
            ui.warn(&format!("{}: {lost}", failure.line()));
            Ok(None)
        }
        Memory::None => Ok(None),
    }
}

/// Records what a snapshot that was accepted wants to be remembered.
pub(super) fn save(config: &Config, plan: &SourcePlan, remembered: String, ui: Ui) {
    let path = file(config, plan);
    let record = Record { version: VERSION, kind: plan.kind.clone(), remembered };
    if let Err(e) = write(&path, &serde_json::to_vec(&record).unwrap_or_default()) {
        // The snapshot is safe; only the next run knows less.
        ui.warn(&Failure::io("write", &path, e).line());
    }
}

fn file(config: &Config, plan: &SourcePlan) -> PathBuf {
    config.state.join("sources").join(format!("{}.json", plan.name))
}

fn write(path: &Path, text: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file = fs::File::create(&temporary)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
