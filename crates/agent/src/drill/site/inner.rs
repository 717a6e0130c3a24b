//! The inside: the process that serves the site, asks it, and has it shown. It runs without rights, in a network that has nothing but
//! loopback, because everything it looks at is hostile. It takes an [`Asked`] on its standard input and answers with [`Told`].

use super::page::{self, Page};
use super::serve::{self, Answer};
use super::shot;
use crate::drill::content::{self, Finding, Kind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Address space for everything but the browser, in bytes.
const MEMORY_BYTES: u64 = 2 << 30;
/// Processor time for all of it, in seconds.
const CPU_SECS: u64 = 600;
/// A file that it writes is not longer, in bytes.
const FILE_BYTES: u64 = 256 << 20;
/// Problems that are named.
const NAMED_MAX: usize = 200;

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The folder that is served.
    pub(super) root: PathBuf,
    /// Where to begin.
    pub(super) start: Vec<String>,
    /// So many pages are read at most.
    pub(super) pages_max: u64,
    /// The browser; none when no picture is wanted.
    pub(super) chromium: Option<PathBuf>,
    /// A folder that may be written to.
    pub(super) work: PathBuf,
    /// The picture of the last drill, for each start.
    pub(super) before: Vec<Option<PathBuf>>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// Pages that were read.
    pub(super) pages: u64,
    /// Links within the site that were followed.
    pub(super) links: u64,
    /// Pictures that were decoded.
    pub(super) images: u64,
    /// What is wrong.
    pub(super) problems: Vec<String>,
    /// How much is wrong.
    pub(super) problem_count: u64,
    /// What a person may want to know.
    pub(super) notes: Vec<String>,
    /// A picture for each start, where one was taken.
    pub(super) shots: Vec<Shot>,
}

/// A picture that was taken.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Shot {
    /// Of which start.
    pub(super) start: String,
    /// Where it is.
    pub(super) file: PathBuf,
    /// The share of pixels that differ from the last one.
    pub(super) changed: Option<f64>,
}

/// Runs. Called in a process of its own.
///
/// # Errors
/// The pipe broke, or nothing can be served here.
pub fn run() -> io::Result<()> {
    limit()?;
    let asked: Asked = serde_json::from_reader(io::stdin().lock())?;
    let address = serve::start(&asked.root)?;
    // Without loopback nothing can be said of the site.
    serve::ask(address, "/")?;
    let mut told = Told::default();
    crawl(&asked, address, &mut told)?;
    if let Some(chromium) = &asked.chromium {
        for (number, start) in asked.start.iter().enumerate() {
            let file = asked.work.join(format!("shot-{number}.png"));
            let url = format!("http://{address}{start}");
            match shot::take(chromium, &url, &asked.work, &file) {
                Ok(note) => {
                    told.notes.extend(note.map(str::to_owned).filter(|note| !told.notes.contains(note)));
                    let look = shot::look(&file, asked.before.get(number).and_then(Option::as_deref))?;
                    if look.blank {
                        told.wrong(format!("{start} shows nothing: every pixel of its picture is the same"));
                    }
                    told.shots.push(Shot { start: start.clone(), file, changed: look.changed });
                }
                Err(why) => {
                    told.notes.push(format!("there is no picture of {start}: the browser failed: {why}"))
                }
            }
        }
    }
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &told)?;
    out.flush()
}

/// Memory is bounded softly: the browser needs address space without end.
fn limit() -> io::Result<()> {
    let most = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, most(0))?;
    setrlimit(Resource::Fsize, most(FILE_BYTES))?;
    setrlimit(Resource::Cpu, most(CPU_SECS))?;
    let memory = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY_BYTES), maximum: memory.maximum })?;
    Ok(())
}

/// Follows every link within the site from where it begins.
fn crawl(asked: &Asked, address: SocketAddr, told: &mut Told) -> io::Result<()> {
    let mut waiting: VecDeque<(String, String)> =
        asked.start.iter().map(|start| (start.clone(), "the plan".to_owned())).collect();
    let mut seen: BTreeSet<String> = asked.start.iter().cloned().collect();
    while let Some((path, from)) = waiting.pop_front() {
        let answer = serve::ask(address, &path)?;
        told.links += 1;
        match answer {
            Answer { status: 301, location: Some(to), .. } => {
                if seen.insert(to.clone()) {
                    waiting.push_back((to, from));
                }
            }
            Answer { status: 200, kind, body, .. }
                if kind.ends_with("html") || kind.ends_with("xhtml+xml") =>
            {
                if told.pages == asked.pages_max {
                    told.notes
                        .push(format!("only the first {} pages of the site were read", asked.pages_max));
                    break;
                }
                told.pages += 1;
                let Page { links, images, shows } = page::read(&body, &path);
                if !shows {
                    told.wrong(format!("{path} is an empty page, to which {from} leads"));
                }
                for image in &images {
                    told.image(address, image, &path, &mut seen)?;
                }
                for link in links {
                    if seen.insert(link.clone()) {
                        waiting.push_back((link, path.clone()));
                    }
                }
            }
            Answer { status: 200, .. } => {}
            Answer { status, .. } => {
                told.wrong(format!("{path} is not there ({status}), and {from} leads to it"))
            }
        }
    }
    Ok(())
}

impl Told {
    fn wrong(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < NAMED_MAX {
            self.problems.push(text);
        }
    }

    /// A picture must be one.
    fn image(
        &mut self,
        address: SocketAddr,
        path: &str,
        page: &str,
        seen: &mut BTreeSet<String>,
    ) -> io::Result<()> {
        if !seen.insert(path.to_owned()) {
            return Ok(());
        }
        let Answer { status, body, .. } = serve::ask(address, path)?;
        self.links += 1;
        if status != 200 {
            self.wrong(format!("the picture {path} is not there ({status}), and {page} shows it"));
            return Ok(());
        }
        let Some(kind) = Kind::of_name(path.rsplit('/').next().unwrap_or_default().as_bytes()) else {
            return Ok(());
        };
        match content::check(kind, body.len() as u64, &mut body.as_slice()) {
            Finding::Right => self.images += 1,
            Finding::Wrong(why) => self.wrong(format!("the picture {path} on {page} cannot be shown: {why}")),
            Finding::Unchecked(_) => {}
        }
        Ok(())
    }
}
