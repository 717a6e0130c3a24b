//! `vow discover`.

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::looking::Look;
use crate::ui;
use serde_json::{Value, json};
use vow_agent::plan::SourcePlan;
use vow_sources::adapter::{Discovered, Part};

/// List what is on this host, and which source covers each: databases, folders, mounts, services, web roots, homes, volumes
///
/// Without a configuration everything counts as not covered. An ordinary user is shown what it may see, and what it could not see.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// What becomes of a database.
pub(crate) enum Cover<'c> {
    /// This source captures it.
    By(&'c str),
    /// This source leaves it out.
    Excluded(&'c str),
    /// No source does.
    Nobody,
}

/// Discovers.
pub(crate) fn run(cx: &Context, _args: &Args) -> Outcome<Exit> {
    let config = match cx.load_config() {
        Ok(config) => Some(config),
        // Asked for by name, it must be there.
        Err(failure) if cx.config.is_some() => return Err(failure),
        Err(_) => None,
    };
    let look = Look::new(config.as_ref())?;
    let sources = look.sources;
    let mut uncovered = 0;
    for server in &look.servers {
        let source = source_of(sources, server);
        cx.ui.line(&server.name);
        if let Some(url) = &server.url {
            cx.ui.line(&format!("  {url}"));
        }
        for part in &server.parts {
            let cover = cover(source, part);
            uncovered += u64::from(matches!(cover, Cover::Nobody));
            cx.ui.line(&format!("  {}", part_line(part, &cover)));
        }
        for problem in &server.problems {
            cx.ui.warn(&format!("{}: {problem}", server.name));
        }
        if let Some(files) = files_source(sources, server) {
            cx.ui.line(&match server.kind {
                "postgres" | "mariadb" => format!(
                    "  its data directory lies in the source {files} of files, which leaves it out while the server runs"
                ),
                _ => format!(
                    "  its data lies in the source {files} of files: copied while it is written to, that may be worth nothing"
                ),
            });
        }
    }
    cx.ui.json(&look.document(uncovered));
    if look.servers.is_empty() {
        cx.ui.say("no database server was found");
    }
    look.print(cx.ui);
    if uncovered > 0 {
        cx.ui.warn(&format!("{} covered by no source", ui::plural(uncovered, "database")));
        ui::diagnose(
            "  next step: add a [[source]] with its type (docs/sources.md) and the URL or path above to vow.toml",
        );
    }
    Ok(Exit::Done)
}

/// The source of a server.
pub(crate) fn source_of<'c>(sources: &'c [SourcePlan], server: &Discovered) -> Option<&'c SourcePlan> {
    sources.iter().find(|source| source.capture.covers(server))
}

/// What becomes of a part of a server that this source captures.
pub(crate) fn cover<'c>(source: Option<&'c SourcePlan>, part: &Part) -> Cover<'c> {
    match source {
        Some(source) if source.capture.leaves_out(part) => Cover::Excluded(&source.name),
        Some(source) if part.problem.is_none() => Cover::By(&source.name),
        _ => Cover::Nobody,
    }
}

/// A source of files that the data directory lies in.
pub(crate) fn files_source<'c>(sources: &'c [SourcePlan], server: &Discovered) -> Option<&'c str> {
    let data = server.data.as_ref()?;
    let lies_in = |source: &SourcePlan| source.capture.roots().iter().any(|path| data.starts_with(path));
    // Paths of a source of another type are databases.
    let found = sources.iter().filter(|source| source.kind == "files").find(|source| lies_in(source));
    found.map(|source| source.name.as_str())
}

fn part_line(part: &Part, cover: &Cover<'_>) -> String {
    let size = part.bytes.map_or(String::new(), |bytes| format!(", {}", ui::bytes(bytes)));
    let problem = part.problem.as_ref().map_or(String::new(), |problem| format!(" ({problem})"));
    let by = match cover {
        Cover::By(source) => format!("covered by {source}"),
        Cover::Excluded(source) => format!("excluded by {source}"),
        Cover::Nobody => "NOT COVERED".to_owned(),
    };
    format!("database {}{size}: {by}{problem}", ui::plain(&part.name))
}

pub(crate) fn document(server: &Discovered, source: Option<&SourcePlan>, files: Option<&str>) -> Value {
    let part = |part: &Part| {
        let (status, by) = match cover(source, part) {
            Cover::By(source) => ("covered", Some(source)),
            Cover::Excluded(source) => ("excluded", Some(source)),
            Cover::Nobody => ("uncovered", None),
        };
        json!({"name": part.name, "bytes": part.bytes, "status": status, "source": by, "problem": part.problem})
    };
    json!({
        "type": server.kind,
        "name": server.name,
        "url": server.url,
        "data": server.data.as_ref().map(|data| data.to_string_lossy()),
        "running": server.running,
        "databases": server.parts.iter().map(part).collect::<Vec<_>>(),
        "source": source.map(|source| source.name.as_str()),
        "in_files_source": files,
        "problems": server.problems,
    })
}
