//! A site: served from what came back, on loopback, asked for its pages, links and pictures, and shown in a picture beside the one of
//! the last drill.
//!
//! The files are written below the scratch place as plain readable copies, without their owners, links and modes. Everything that
//! looks at them runs inside ([`inner`]): as `nobody` and in an empty network when this is root, in a user namespace otherwise.

pub mod inner;
mod page;
mod serve;
mod shot;

use super::content::inspector::Program;
use super::scratch::Place;
use inner::{Asked, Told};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use vow_base::id::{hex, sha256};
use vow_protocol::proof::Screenshot;
use vow_sources::process::{Account, Launcher};
use vow_store::archive::{ArchiveError, Snapshot};
use vow_store::listing::entry::Kind;

/// Pages that are read at most.
const PAGES_MAX: u64 = 5000;
/// All of it may take this long.
const WITHIN: Duration = Duration::from_secs(900);
/// A picture is not longer, in bytes.
const SHOT_MAX_BYTES: u64 = 64 << 20;
/// What is left free beside the files.
const ROOM_BYTES: u64 = 512 << 20;
/// A page that changed by more is worth a look when the plan says nothing.
const CHANGED_PERCENT: u8 = 30;
/// Where browsers are.
const CHROMIUM: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/usr/lib/chromium/chromium",
];
/// Pictures of drills, in the drill's own folder.
const SHOTS: &str = "shots";
/// Brings up loopback in the new network, gives up every right where there are some to give up, and becomes the inner process.
const AS_ROOT: &str = "ip link set lo up && exec setpriv --reuid=\"$1\" --regid=\"$2\" --clear-groups --no-new-privs -- \"$3\" \"$4\"";
const AS_USER: &str = "ip link set lo up && exec \"$3\" \"$4\"";

/// A site of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its folder: an absolute path, as the snapshot has it.
    pub root: String,
    /// Where to begin: `/`.
    pub start: Vec<String>,
    /// Whether pictures are taken.
    pub screenshot: bool,
    /// How much of a picture may change, in percent, before the drill fails.
    pub changed_at_most_percent: Option<u8>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is right: pages, links, pictures.
    pub compared: u64,
    /// What is wrong.
    pub problems: Vec<String>,
    /// Why it could not be tried.
    pub blocked: Vec<String>,
    /// What a person may want to know.
    pub notes: Vec<String>,
    /// The pictures, by hash.
    pub screenshots: Vec<Screenshot>,
}

/// Looks at the site of a snapshot.
///
/// # Errors
/// The snapshot cannot be read. What cannot be done here is said in the result.
pub fn look(
    site: &Site,
    snapshot: &Snapshot,
    program: &Program,
    (scratch, state): (&Path, &Path),
    stop: &dyn Fn() -> bool,
) -> Result<Looked, ArchiveError> {
    let mut looked = Looked::default();
    let place = match Place::create(scratch, state) {
        Ok(place) => place,
        Err(error) => {
            looked.blocked.push(format!("there is no place to put the site: {error}"));
            return Ok(looked);
        }
    };
    let root = place.path().join("site");
    match write_out(site, snapshot, &root, stop)? {
        Written::Files(0) => {
            looked.problems.push(format!("the site {} is not in the snapshot, or empty", site.root))
        }
        Written::Files(_) => {
            if let Err(error) = ask(site, snapshot, program, (place.path(), state), &mut looked, stop) {
                looked.blocked.push(format!("the site could not be looked at here: {error}"));
            }
        }
        Written::Not(why) => looked.blocked.push(why),
    }
    Ok(looked)
}

enum Written {
    Files(u64),
    Not(String),
}

/// Writes the regular files below the site's root, for everybody to read.
fn write_out(
    site: &Site,
    snapshot: &Snapshot,
    to: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<Written, ArchiveError> {
    use std::os::unix::ffi::OsStrExt;
    let root = site.root.trim_matches('/').as_bytes();
    let below = |path: &[u8]| -> Option<PathBuf> {
        let rest = path.strip_prefix(root)?.strip_prefix(b"/")?;
        let clean = rest.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
        clean.then(|| PathBuf::from(std::ffi::OsStr::from_bytes(rest)))
    };
    let mut files = Vec::new();
    for entry in snapshot.entries(None) {
        let entry = entry?;
        if entry.kind == Kind::File
            && let Some(path) = below(&entry.path)
        {
            files.push((entry, path));
        }
    }
    let bytes: u64 = files.iter().map(|(entry, _)| entry.size).fold(0, u64::saturating_add);
    let parent = to.parent().unwrap_or(Path::new("/"));
    let free = rustix::fs::statvfs(parent).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    if free < bytes.saturating_add(ROOM_BYTES) {
        return Ok(Written::Not(format!(
            "the site needs {} MiB in {}, where {} MiB are free; name a roomier place with --scratch",
            (bytes + ROOM_BYTES) >> 20,
            parent.display(),
            free >> 20
        )));
    }
    let made = |path: &Path| fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    let mut reader = snapshot.reader()?;
    let count = files.len() as u64;
    for (entry, path) in files {
        if stop() {
            return Ok(Written::Not("it was asked to stop".into()));
        }
        let path = to.join(path);
        path.parent().map_or(Ok(()), made).map_err(ArchiveError::Write)?;
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let mut file = io::BufWriter::new(file.map_err(ArchiveError::Write)?);
        reader.content(&entry, &mut file)?;
        file.flush().map_err(ArchiveError::Write)?;
    }
    Ok(Written::Files(count))
}

/// Starts the inner process, and makes a result of what it says.
fn ask(
    site: &Site,
    snapshot: &Snapshot,
    program: &Program,
    (place, state): (&Path, &Path),
    looked: &mut Looked,
    stop: &dyn Fn() -> bool,
) -> io::Result<()> {
    let nobody = rustix::process::geteuid().is_root().then(|| Account::named("nobody")).flatten();
    let work = place.join("work");
    fs::DirBuilder::new().mode(0o700).create(&work)?;
    let give = |path: &Path| match &nobody {
        Some(account) => std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    };
    give(&work)?;
    let chromium = CHROMIUM.iter().map(PathBuf::from).find(|path| path.exists()).filter(|_| site.screenshot);
    if site.screenshot && chromium.is_none() {
        looked.notes.push("there is no picture of the site: Chromium is not installed here".into());
    }
    let mut before = Vec::new();
    for (number, start) in site.start.iter().enumerate() {
        let kept = kept(state, snapshot, start);
        let copy = work.join(format!("before-{number}.png"));
        before.push(match fs::copy(&kept, &copy) {
            Ok(_) => {
                give(&copy)?;
                Some(copy)
            }
            Err(_) => None,
        });
    }
    let asked = Asked {
        root: place.join("site"),
        start: site.start.clone(),
        pages_max: PAGES_MAX,
        chromium,
        work: work.clone(),
        before,
    };
    let told = inside(program, nobody.as_ref(), &asked, stop)?;
    looked.compared += told.pages + told.links + told.images;
    looked.problems.extend(told.problems.into_iter().map(|text| format!("site: {}", plain(&text))));
    let more = told.problem_count.saturating_sub(looked.problems.len() as u64);
    if more > 0 {
        looked.problems.push(format!("site: and {more} more"));
    }
    looked.notes.extend(told.notes.iter().map(|text| format!("site: {}", plain(text))));
    looked.notes.push(format!(
        "site: {} pages, {} links and {} pictures were asked for",
        told.pages, told.links, told.images
    ));
    for shot in told.shots.iter().filter(|shot| site.start.contains(&shot.start)) {
        let changed = shot.changed.filter(|share| (0.0..=1.0).contains(share));
        let sha256 = keep(&shot.file, &work, &kept(state, snapshot, &shot.start))?;
        looked.screenshots.push(Screenshot { start: shot.start.clone(), sha256, changed });
        compare(site, &shot.start, changed, &kept(state, snapshot, &shot.start), looked);
    }
    Ok(())
}

/// What a change means.
fn compare(site: &Site, start: &str, changed: Option<f64>, picture: &Path, looked: &mut Looked) {
    let Some(percent) = changed.map(|share| share * 100.0) else { return };
    let most = site.changed_at_most_percent.unwrap_or(CHANGED_PERCENT);
    let text = format!(
        "site: {percent:.1} % of the picture of {start} changed since the last drill ({most} % are usual): look at {} and {}",
        picture.with_extension("before.png").display(),
        picture.display()
    );
    if percent <= f64::from(most) {
        return;
    }
    match site.changed_at_most_percent {
        Some(_) => looked.problems.push(text),
        None => looked.notes.push(text),
    }
}

/// Runs the inner process to its end.
fn inside(
    program: &Program,
    nobody: Option<&Account>,
    asked: &Asked,
    stop: &dyn Fn() -> bool,
) -> io::Result<Told> {
    let launcher = Launcher::default();
    let mut command = launcher.command(Path::new("/usr/bin/unshare"));
    let (uid, gid) = nobody.map_or((0, 0), |account| (account.uid, account.gid));
    match nobody {
        Some(_) => command.args(["--net", "--", "/bin/sh", "-c", AS_ROOT]),
        None => command.args(["--user", "--map-root-user", "--net", "--", "/bin/sh", "-c", AS_USER]),
    };
    command.arg("sh").arg(uid.to_string()).arg(gid.to_string()).arg(&program.path).arg(program.argument);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(&asked.work);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let other = |error: vow_sources::process::ToolError| io::Error::other(error.to_string());
    let mut running = launcher.start(command).map_err(other)?;
    let mut input = running.stdin().map_err(other)?;
    let output = running.stdout().map_err(other)?;
    // One that ended already says why below.
    let _ = input.write_all(&serde_json::to_vec(asked)?);
    drop(input);
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        output.take(16 << 20).read_to_end(&mut text).map(|_| text)
    });
    let began = Instant::now();
    let ended = running.wait(&|| stop() || began.elapsed() > WITHIN).map_err(other)?;
    let text = reader.join().map_err(|_| io::Error::other("its answer was lost"))??;
    ended.expect_success().map_err(other)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Where the picture of the last drill is.
fn kept(state: &Path, snapshot: &Snapshot, start: &str) -> PathBuf {
    let manifest = &snapshot.info().manifest;
    let key = [&manifest.host_key[..], manifest.source.as_bytes(), &[0], start.as_bytes()].concat();
    state.join(SHOTS).join(format!("{}.png", hex(&sha256(&key)[..12])))
}

/// Keeps a picture, and the one before beside it; gives its hash. Only what lies in the inner process's own folder is taken.
fn keep(file: &Path, work: &Path, to: &Path) -> io::Result<String> {
    let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let opened = fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(work.join(name))?;
    let mut bytes = Vec::new();
    opened.take(SHOT_MAX_BYTES).read_to_end(&mut bytes)?;
    let folder = to.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = to.with_extension("new");
    let _ = fs::remove_file(&new);
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    out.write_all(&bytes)?;
    out.sync_all()?;
    match fs::rename(to, to.with_extension("before.png")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, to)?;
    Ok(hex(&sha256(&bytes)))
}

/// What the inner process says may hold what was on a page.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}
