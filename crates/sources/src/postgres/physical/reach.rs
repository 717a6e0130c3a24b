//! Up to when segments of the log tell everything: the last transaction in them that ended, as `pg_waldump` shows it.
//!
//! A server that recovers to a moment stops at the first transaction that ended after it, and refuses to start when there is none: so it
//! is looked for before anything is restored.

use super::super::error::PostgresError;
use super::super::tools::Tools;
use super::segment::Segment;
use crate::instant;
use crate::process::{Launcher, Running, ToolError};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

/// How a transaction that ended is described.
const ENDED: &[&str] = &["COMMIT ", "COMMIT_PREPARED ", "ABORT ", "ABORT_PREPARED "];

/// When the last transaction in the segments of this folder ended, in microseconds since 1970, or `earliest` when none did; `None` when
/// the log cannot be read by the programs that are installed here.
pub(super) fn last_end(
    folder: &Path,
    segment_bytes: u64,
    major: u32,
    earliest: Option<i64>,
) -> Result<Option<i64>, PostgresError> {
    let launcher = Launcher::default();
    // The log of a version is read by the program of that version only.
    let tools = Tools::find(&launcher, None, major).ok().filter(|tools| tools.major == major);
    let Some(program) = tools.map(|tools| tools.program("pg_waldump")).filter(|program| program.exists())
    else {
        return Ok(None);
    };
    let names = fs::read_dir(folder).map_err(PostgresError::io("read", folder))?;
    let names = names.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> =
        names.collect::<Result<_, std::io::Error>>().map_err(PostgresError::io("read", folder))?;
    let mut segments: Vec<_> = names.iter().filter_map(|name| Segment::parse(name, segment_bytes)).collect();
    segments.sort_by_key(|segment| (segment.number, segment.timeline));
    while let Some(last) = segments.pop() {
        // What ends a transaction may stand on both sides of a border.
        let before = Segment { number: last.number.saturating_sub(1), ..last };
        let first = if segments.contains(&before) { before } else { last };
        let mut command = launcher.command(&program);
        command.env("TZ", "UTC").arg("--rmgr=Transaction");
        command.args([first, last].map(|segment| folder.join(segment.name(segment_bytes))));
        command.stdout(Stdio::piped());
        if let Some(end) = read_along(launcher.start(command)?)? {
            return Ok(Some(end));
        }
    }
    Ok(earliest)
}

/// The last moment that the program shows. It ends with an error where the log does, so how it ends says nothing.
fn read_along(mut running: Running) -> Result<Option<i64>, PostgresError> {
    let mut last = None;
    for line in BufReader::new(running.stdout()?).split(b'\n') {
        let line = line.map_err(|source| ToolError::Pipe { program: "pg_waldump".into(), source })?;
        last = last.max(end_of(&String::from_utf8_lossy(&line)));
    }
    running.wait(&|| false)?;
    Ok(last)
}

/// When the transaction of a line ended: `rmgr: Transaction … desc: COMMIT 2026-11-20 10:00:00.250000 UTC; rels: …`.
fn end_of(line: &str) -> Option<i64> {
    let (_, description) = line.split_once(" desc: ")?;
    if !ENDED.iter().any(|word| description.starts_with(word)) {
        return None;
    }
    // Behind the number of a prepared one.
    let words: Vec<_> = description.split_whitespace().collect();
    words.windows(2).find_map(|pair| instant::micros(&format!("{} {}", pair[0], pair[1])))
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn ends_of_transactions_are_read() {
        let line = |description: &str| {
            format!(
                "rmgr: Transaction len (rec/tot):     34/    34, tx:        735, lsn: 0/0155CE18, prev 0/0155CDD8, desc: {description}"
            )
        };
        let end = Some(1_795_844_801_250_000);
        for ended in [
            "COMMIT 2026-11-28 05:46:41.250000 UTC",
            "ABORT 2026-11-28 05:46:41.250000 UTC; rels: base/5/16388",
            "COMMIT_PREPARED 735: 2026-11-28 05:46:41.250000 UTC",
        ] {
            assert_eq!(end_of(&line(ended)), end, "{ended}");
        }
        for other in
            ["ASSIGNMENT xtop 735: subxacts: 736", "INVALIDATION ; inval msgs: catcache 80", "PREPARE gid x"]
        {
            assert_eq!(end_of(&line(other)), None, "{other}");
        }
    }
}
