//! An LDAP server as a source: its configuration, and the entries of each suffix.

use super::ldif::{Sum, suffixes};
use crate::adapter::{Begun, Capture, Discovered, Memory, Run};
use crate::process::{Account, Ended, Launcher, one_line};
use crate::program::{Judge, Program};
use crate::steps::{Next, Outcomes, Slot, Step, Steps};
use crate::stored::text_of;
use crate::synthetic;
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use vow_store::source::Found;

/// The format of `truth.json`.
pub const TRUTH_FORMAT: &str = "vow-ldap-truth";
/// Its version.
pub const VERSION: u32 = 1;
pub(crate) const CONFIG: &str = "config.ldif";
pub(crate) const TRUTH: &str = "truth.json";
const CONFIG_LIMIT_BYTES: usize = 64 << 20;

/// What to capture.
#[derive(Debug, Clone)]
pub struct LdapOptions {
    /// The server's configuration: the folder `slapd.d`.
    pub config: PathBuf,
    /// Folder of `slapcat`.
    pub tools: Option<PathBuf>,
}

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// Each suffix.
    pub suffixes: Vec<SuffixTruth>,
}

/// The entries below a suffix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuffixTruth {
    /// The suffix.
    pub suffix: String,
    /// The file of the snapshot.
    pub file: String,
    /// How many entries there are.
    pub entries: u64,
    /// The sum over all entries of the first 8 bytes of their SHA-256.
    pub checksum: String,
}

/// One of OpenLDAP's tools, which need the right to read the server's files: as their owner, when this is root.
pub(crate) fn tool(name: &str, folder: Option<&Path>, files: &Path) -> Result<(Launcher, Command), String> {
    let folders = folder.map_or_else(
        || ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from).to_vec(),
        |folder| vec![folder.to_owned()],
    );
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
    let program = found.ok_or_else(|| format!("{name} was not found; install it (on Debian: slapd)"))?;
    let owner =
        std::fs::metadata(files).map_err(|e| format!("cannot look at {}: {e}", files.display()))?.uid();
    let account = Some(owner).filter(|_| rustix::process::geteuid().is_root()).and_then(Account::of_uid);
    let launcher = Launcher::new(account);
    let command = launcher.command(&program);
    Ok((launcher, command))
}

impl Capture for LdapOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let (options, dry_run) = (Arc::new(self.clone()), run.dry_run);
        let source = Steps::new(move || begin(&options, dry_run));
        Ok(Begun { source: Box::new(source), warnings: Vec::new(), remember: Box::new(|| None) })
    }

    fn covers(&self, found: &Discovered) -> bool {
        found.kind == "ldap" && found.data.as_deref() == Some(&*self.config)
    }

    fn memory(&self) -> Memory {
        Memory::None
    }
}

fn begin(options: &Arc<LdapOptions>, dry_run: bool) -> Result<Next, String> {
    let (launcher, mut command) = tool("slapcat", options.tools.as_deref(), &options.config)?;
    command.arg("-F").arg(&options.config).args(["-n", "0"]);
    let (config, ended) =
        launcher.output(command, CONFIG_LIMIT_BYTES, &|| false).map_err(|e| e.to_string())?;
    let ended = ended.expect_success().map_err(|e| e.to_string())?;
    let text = String::from_utf8_lossy(&config).into_owned();
    let suffixes = suffixes(&text);
    if suffixes.is_empty() {
        return Err(format!("the configuration {} names no database with entries", options.config.display()));
    }
    let mut found = Vec::new();
    if dry_run {
        found.extend(
            suffixes.iter().map(|suffix| Found::Note(format!("would dump the entries below {suffix}"))),
        );
        return Ok(Next { found, then: Vec::new() });
    }
    found.extend(
        Some(one_line(&ended.said))
            .filter(|said| !said.is_empty())
            .map(|text| Found::Problem { path: CONFIG.into(), text }),
    );
    found.push(Found::Item(synthetic::folder(b"")));
    found.push(Found::Stream(synthetic::file(CONFIG.as_bytes()), synthetic::bytes(config)));
    let outcomes = Outcomes::new();
    let count = suffixes.len();
    let mut then: Vec<Step> = Vec::new();
    for (at, suffix) in suffixes.into_iter().enumerate() {
        let (options, outcomes) = (Arc::clone(options), outcomes.clone());
        then.push(Box::new(move || {
            outcomes.wait(at)?;
            let file = format!("entries-{at:03}.ldif");
            let item = synthetic::file(file.as_bytes());
            let judge =
                Entries { suffix: suffix.clone(), file, sum: Sum::default(), slot: Some(outcomes.slot()) };
            let program = Program::new(format!("the entries below {suffix}"), Box::new(judge), move |_| {
                let (launcher, mut command) = tool("slapcat", options.tools.as_deref(), &options.config)?;
                command.arg("-F").arg(&options.config).args(["-b", &suffix]).stdout(Stdio::piped());
                let mut running = launcher.start(command).map_err(|e| e.to_string())?;
                let out = running.stdout().map_err(|e| e.to_string())?;
                Ok((running, out))
            });
            Ok(Next { found: vec![Found::Stream(item, Box::new(program))], then: Vec::new() })
        }));
    }
    then.push(Box::new(move || {
        outcomes.wait(count)?;
        let truth = Truth { format: TRUTH_FORMAT.into(), version: VERSION, suffixes: outcomes.take() };
        let file = Found::Stream(synthetic::file(TRUTH.as_bytes()), synthetic::bytes(text_of(&truth)?));
        Ok(Next { found: vec![file], then: Vec::new() })
    }));
    Ok(Next { found, then })
}

/// Counts the entries, and insists on a whole last one.
struct Entries {
    suffix: String,
    file: String,
    sum: Sum,
    slot: Option<Slot<SuffixTruth>>,
}

impl Judge for Entries {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        self.sum.feed(bytes);
        out.extend_from_slice(bytes);
        Ok(())
    }

    fn verdict(mut self: Box<Self>, ended: &Ended, _: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        if !self.sum.is_complete() || self.sum.entries == 0 {
            let why =
                format!("it ends in the middle of an entry or has none, after {} entries", self.sum.entries);
            self.failed(&why);
            return Err(why);
        }
        if let Some(slot) = self.slot.take() {
            let (suffix, file) = (self.suffix, self.file);
            slot.done(SuffixTruth { suffix, file, entries: self.sum.entries, checksum: self.sum.checksum() });
        }
        Ok(Some(one_line(&ended.said)).filter(|said| !said.is_empty()).into_iter().collect())
    }

    fn failed(&mut self, reason: &str) {
        if let Some(slot) = self.slot.take() {
            slot.failed(reason);
        }
    }
}
