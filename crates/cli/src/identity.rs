//! The identity: from `--identity`, `$VOW_IDENTITY_FILE` or `$VOW_IDENTITY_COMMAND`; never from the configuration.

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::kit::Kit;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use vow_store::session::Identities;
use zeroize::Zeroizing;

const LIMIT_BYTES: u64 = 1 << 20;
const FILE: &str = "VOW_IDENTITY_FILE";
const COMMAND: &str = "VOW_IDENTITY_COMMAND";

/// What opens snapshots, and what its file says besides.
#[derive(Clone)]
pub(crate) struct Identity {
    /// The secret halves.
    pub(crate) keys: Arc<Identities>,
    /// The comment lines, when it is a recovery kit.
    pub(crate) kit: Arc<Kit>,
}

/// The identity that was given; `None` when none was.
pub(crate) fn given(flag: Option<&Path>) -> Outcome<Option<Identity>> {
    if let Some(path) = flag {
        return parse(&read(path)?, &path.display().to_string()).map(Some);
    }
    if let Some(path) = variable(FILE).map(PathBuf::from) {
        return parse(&read(&path)?, &path.display().to_string()).map(Some);
    }
    if let Some(command) = variable(COMMAND) {
        return parse(&run(&command)?, &format!("the output of ${COMMAND}")).map(Some);
    }
    Ok(None)
}

/// The identity that was given, or what to do. `nearby` is where a new one may still lie.
pub(crate) fn required(flag: Option<&Path>, nearby: Option<&Path>) -> Outcome<Identity> {
    if let Some(identity) = given(flag)? {
        return Ok(identity);
    }
    let failure =
        Failure::new(Exit::Identity, "no identity was given, and without one nothing can be opened");
    let lying = nearby.filter(|path| path.exists()).map_or("FILE".into(), |path| path.display().to_string());
    Err(failure.hint(format!("add --identity {lying}, or set ${FILE} or ${COMMAND}")))
}

/// Reads one identity file.
pub(crate) fn read_file(path: &Path) -> Outcome<Identity> {
    parse(&read(path)?, &path.display().to_string())
}

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn read(path: &Path) -> Outcome<Zeroizing<Vec<u8>>> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Identity, format!("cannot read the identity {}", path.display()))
            .because(&error)
            .hint("bring the file to this machine, and check that you may read it")
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 << 10));
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LIMIT_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The secret passes through a pipe: it stands in no argument list, file or message.
fn run(command: &std::ffi::OsStr) -> Outcome<Zeroizing<Vec<u8>>> {
    let failed = |why: String| {
        Failure::new(Exit::Identity, format!("the command in ${COMMAND} {why}"))
            .hint("run it by hand: it must write an age identity to its standard output and exit with 0")
    };
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("cannot be started: {e}")))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 << 10));
    if let Some(output) = child.stdout.take() {
        output
            .take(LIMIT_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| failed(format!("cannot be read: {e}")))?;
    }
    let status = child.wait().map_err(|e| failed(format!("cannot be waited for: {e}")))?;
    if status.success() { Ok(bytes) } else { Err(failed(format!("failed ({status})"))) }
}

fn parse(bytes: &[u8], place: &str) -> Outcome<Identity> {
    let bad = |why: String| {
        Failure::new(Exit::Identity, format!("{place} is not a usable identity")).hint(format!(
            "{why}; give the file that `vow init` or `vow key new` wrote, or another age identity file"
        ))
    };
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not text".into()))?;
    if text.trim().is_empty() {
        return Err(bad("it is empty".into()));
    }
    // What the parser says is not repeated: it may quote a line, and a line may be a secret.
    let keys = Identities::parse(text).map_err(|_| bad(reason(text).into()))?;
    Ok(Identity { keys: Arc::new(keys), kit: Arc::new(Kit::parse(text)) })
}

/// Why a text is no identity, as far as its first words show.
fn reason(text: &str) -> &'static str {
    let begins =
        |what: &str| text.lines().any(|line| line.trim_start().to_ascii_uppercase().starts_with(what));
    if begins("AGE-SECRET-KEY-") {
        "its line that starts with AGE-SECRET-KEY- is damaged: a character is wrong, or it was not copied whole"
    } else if begins("AGE-PLUGIN-") {
        "it belongs to a plugin of age, such as one for hardware keys: those are not supported in this version"
    } else if begins("-----BEGIN AGE ENCRYPTED FILE") || begins("AGE-ENCRYPTION.ORG/") {
        "it is locked with a passphrase: open it with `age -d`, for example by $VOW_IDENTITY_COMMAND"
    } else {
        "it holds no line that starts with AGE-SECRET-KEY-"
    }
}
