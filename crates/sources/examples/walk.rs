//! Walks directories once and says how long it took: `walk THREADS PATH…`; `walk plain PATH` is the walk to compare with, which
//! asks about one name after the other and keeps nothing.

#![expect(clippy::print_stdout, reason = "that is its result")]

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;
use vow_sources::files::{Files, FilesOptions};
use vow_store::source::{Found, Source};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let paths: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let start = Instant::now();
    let (mut entries, mut problems, mut bytes) = (0_u64, 0_u64, 0_u64);
    if mode == "plain" {
        paths.iter().for_each(|path| plain(path, &mut entries, &mut bytes));
    } else {
        let options = FilesOptions { paths, threads: mode.parse().unwrap_or(2), ..FilesOptions::default() };
        let mut files = Files::new(options).expect("options");
        while let Some(batch) = files.next().expect("walk") {
            for found in batch {
                match found {
                    Found::Item(item) => (entries, bytes) = (entries + 1, bytes + item.stat.size),
                    Found::Problem { .. } => problems += 1,
                    Found::Note(_) | Found::Stream(..) => {}
                }
            }
        }
    }
    let took = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{entries} entries, {bytes} bytes, {problems} problems in {took:.3} s; {peak}");
}

fn plain(folder: &Path, entries: &mut u64, bytes: &mut u64) {
    let Ok(names) = std::fs::read_dir(folder) else { return };
    let mut below = Vec::new();
    for entry in names.flatten() {
        let Ok(stat) = entry.metadata() else { continue };
        *entries += 1;
        if stat.is_dir() {
            below.push(entry.path());
        } else {
            *bytes += stat.size();
        }
    }
    below.iter().for_each(|path| plain(path, entries, bytes));
}
