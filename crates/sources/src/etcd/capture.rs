//! An etcd server as a source: the tool writes a snapshot into a file, which is streamed and removed.

use crate::adapter::{Begun, Capture, Discovered, Memory, Run};
use crate::process::{Launcher, ToolError};
use crate::steps::{Next, Steps};
use crate::stored::text_of;
use crate::synthetic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use vow_base::id::{Sha256Stream, hex};
use vow_store::source::{Found, Stream};

/// The format of `truth.json`.
pub const TRUTH_FORMAT: &str = "vow-etcd-truth";
/// Its version.
pub const VERSION: u32 = 1;
pub(crate) const DUMP: &str = "snapshot.db";
pub(crate) const TRUTH: &str = "truth.json";
/// What the tool says is not longer.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
/// A hash of everything before it stands behind the database, which is a number of pages.
const HASH_BYTES: usize = 32;
const PAGE_BYTES: u64 = 512;

/// What to capture.
#[derive(Debug, Clone)]
pub struct EtcdOptions {
    /// The member to ask: a URL.
    pub endpoint: String,
    /// The authority that the server's certificate comes from.
    pub cacert: Option<PathBuf>,
    /// The client's certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Folder of etcd's programs.
    pub tools: Option<PathBuf>,
    /// Where the tool writes the snapshot.
    pub scratch: PathBuf,
}

/// What must come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// [`TRUTH_FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u32,
    /// The server's version.
    pub server: String,
    /// The cluster, as etcd writes it.
    pub cluster_id: String,
    /// The member that was asked.
    pub member_id: String,
    /// `snapshot status`: a hash of all keys and revisions.
    pub hash: u64,
    /// The newest revision.
    pub revision: u64,
    /// Keys, all revisions counted.
    pub total_key: u64,
    /// Length of the snapshot.
    pub bytes: u64,
}

/// The programs, and how they are called.
pub(crate) struct Tools {
    launcher: Launcher,
    folder: Option<PathBuf>,
}

impl Tools {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { launcher: Launcher::default().with("ETCDCTL_API", "3"), folder }
    }

    /// For what came out of a snapshot.
    pub(crate) fn started_by(launcher: &Launcher) -> Self {
        Self { launcher: launcher.clone().with("ETCDCTL_API", "3"), folder: None }
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        let folders = self.folder.clone().map_or_else(
            || ["/usr/bin", "/usr/local/bin"].map(PathBuf::from).to_vec(),
            |folder| vec![folder],
        );
        folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists())
    }

    /// Runs `etcdctl`, or for what needs no server `etcdutl` where there is one.
    pub(crate) fn run(
        &self,
        offline: bool,
        arguments: &[&str],
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<u8>, String> {
        let found = offline.then(|| self.find("etcdutl")).flatten().or_else(|| self.find("etcdctl"));
        let program = found.ok_or("etcdctl was not found; install it (on Debian: etcd-client)")?;
        let mut command = self.launcher.command(&program);
        command.args(arguments);
        let ran = self.launcher.output(command, ANSWER_LIMIT_BYTES, stop);
        let (out, ended) = ran.map_err(|error: ToolError| error.to_string())?;
        // It says what went wrong on either output.
        let more = String::from_utf8_lossy(&out[..out.len().min(300)]).trim().to_owned();
        ended
            .expect_success()
            .map_err(|error| if more.is_empty() { error.to_string() } else { format!("{error}; {more}") })?;
        Ok(out)
    }

    /// `snapshot status` of a file.
    pub(crate) fn status(&self, file: &Path, stop: &dyn Fn() -> bool) -> Result<Status, String> {
        let out = self.run(true, &["snapshot", "status", &file.display().to_string(), "-w", "json"], stop)?;
        serde_json::from_slice(&out)
            .map_err(|e| format!("the answer to snapshot status is not understood: {e}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) hash: u64,
    pub(crate) revision: u64,
    pub(crate) total_key: u64,
}

impl Capture for EtcdOptions {
    fn begin(&self, run: &Run) -> Result<Begun, String> {
        let (options, dry_run) = (self.clone(), run.dry_run);
        let source = Steps::new(move || begin(&options, dry_run));
        Ok(Begun { source: Box::new(source), warnings: Vec::new(), remember: Box::new(|| None) })
    }

    fn covers(&self, found: &Discovered) -> bool {
        let place = |url: &str| url.trim_end_matches('/').replace("localhost", "127.0.0.1");
        found.kind == "etcd" && found.url.as_deref().is_some_and(|url| place(url) == place(&self.endpoint))
    }

    fn memory(&self) -> Memory {
        Memory::None
    }
}

fn begin(options: &EtcdOptions, dry_run: bool) -> Result<Next, String> {
    let tools = Tools::new(options.tools.clone());
    let mut remote = vec![format!("--endpoints={}", options.endpoint), "--dial-timeout=10s".into()];
    let files = [("cacert", &options.cacert), ("cert", &options.cert), ("key", &options.key)];
    remote.extend(
        files.iter().filter_map(|(name, path)| Some(format!("--{name}={}", path.as_ref()?.display()))),
    );
    let ask = |words: &[&str]| {
        let all: Vec<_> = remote.iter().map(String::as_str).chain(words.iter().copied()).collect();
        tools.run(false, &all, &|| false)
    };
    let out = ask(&["endpoint", "status", "-w", "json"])?;
    let answer: Value = serde_json::from_slice(&out)
        .map_err(|e| format!("the answer to endpoint status is not understood: {e}"))?;
    let status = &answer[0]["Status"];
    let mut found = Vec::new();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if dry_run {
        let version = text(&status["version"]);
        found.push(Found::Note(format!("would save a snapshot of etcd {version} at {}", options.endpoint)));
        return Ok(Next { found, then: Vec::new() });
    }
    let folder = tempfile::Builder::new().prefix("vow-etcd-").tempdir_in(&options.scratch);
    let folder =
        folder.map_err(|e| format!("cannot make a private folder in {}: {e}", options.scratch.display()))?;
    let file = folder.path().join(DUMP);
    ask(&["snapshot", "save", &file.display().to_string()])?;
    let saved = tools.status(&file, &|| false)?;
    let read = File::open(&file).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (bytes, open) = read.map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    // Nothing is left of it when we are killed from now on.
    folder.close().map_err(|e| format!("cannot remove {}: {e}", file.display()))?;
    let truth = Truth {
        format: TRUTH_FORMAT.into(),
        version: VERSION,
        server: text(&status["version"]),
        cluster_id: text(&status["header"]["cluster_id"]),
        member_id: text(&status["header"]["member_id"]),
        hash: saved.hash,
        revision: saved.revision,
        total_key: saved.total_key,
        bytes,
    };
    let errors = status["errors"].as_array().cloned().unwrap_or_default();
    found.extend(errors.iter().map(|error| Found::Problem {
        path: DUMP.into(),
        text: format!("the server says: {}", text(error)),
    }));
    found.push(Found::Item(synthetic::folder(b"")));
    found.push(Found::Stream(synthetic::file(DUMP.as_bytes()), Box::new(Saved::new(open, bytes))));
    found.push(Found::Stream(synthetic::file(TRUTH.as_bytes()), synthetic::bytes(text_of(&truth)?)));
    Ok(Next { found, then: Vec::new() })
}

/// The saved file, and the hash that it ends with.
struct Saved {
    file: File,
    bytes: u64,
    seen: u64,
    digest: Sha256Stream,
    held: Vec<u8>,
}

impl Saved {
    fn new(file: File, bytes: u64) -> Self {
        Self { file, bytes, seen: 0, digest: Sha256Stream::default(), held: Vec::new() }
    }
}

impl Stream for Saved {
    fn read(&mut self, buffer: &mut [u8], stop: &dyn Fn() -> bool) -> Result<usize, String> {
        if stop() {
            return Err(ToolError::Stopped.to_string());
        }
        let read = self
            .file
            .read(buffer)
            .map_err(|e| format!("the snapshot that etcdctl saved cannot be read: {e}"))?;
        self.seen += read as u64;
        self.held.extend_from_slice(&buffer[..read]);
        let sure = self.held.len().saturating_sub(HASH_BYTES);
        self.digest.update(&self.held[..sure]);
        self.held.drain(..sure);
        Ok(read)
    }

    fn finish(self: Box<Self>, _: &dyn Fn() -> bool) -> Result<Vec<String>, String> {
        if self.seen != self.bytes || self.bytes % PAGE_BYTES != HASH_BYTES as u64 {
            return Err(format!(
                "the snapshot that etcdctl saved is cut: {} bytes, and no hash behind them",
                self.seen
            ));
        }
        match hex(&self.digest.finish()) == hex(&self.held) {
            true => Ok(Vec::new()),
            false => {
                Err("the snapshot that etcdctl saved does not have the hash that stands behind it".into())
            }
        }
    }
}
