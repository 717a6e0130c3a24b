//! `vow discover`.

use crate::app::Context;
use crate::config::{Config, SourcePlan};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui;
use serde_json::{Value, json};
use vow_sources::adapter::{ADAPTERS, Discovered, Part, Within};

/// List the database servers of this host, their databases, and which source covers each
///
/// Without a configuration everything counts as not covered.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// What becomes of a database.
enum Cover<'c> {
    By(&'c str),
    Excluded(&'c str),
    Nobody,
}

/// Discovers.
pub(crate) fn run(cx: &Context, _args: &Args) -> Outcome<Exit> {
    let config = match Config::load(cx.config.as_deref()) {
        Ok(config) => Some(config),
        // Asked for by name, it must be there.
        Err(failure) if cx.config.is_some() => return Err(failure),
        Err(_) => None,
    };
    let sources = config.as_ref().map(|config| config.sources.as_slice()).unwrap_or_default();
    let within = Within {
        roots: sources.iter().flat_map(|source| source.capture.roots()).collect(),
        never: config.as_ref().map(Config::own_paths).unwrap_or_default(),
    };
    let found: Vec<Discovered> = ADAPTERS.iter().flat_map(|adapter| adapter.discover(&within)).collect();
    let mut uncovered = 0;
    let mut documents = Vec::new();
    for server in &found {
        let source = sources.iter().find(|source| source.capture.covers(server));
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
        let files = files_source(sources, server);
        if let Some(files) = files {
            cx.ui.line(&format!(
                "  its data directory lies in the source {files} of files, which leaves it out while the server runs"
            ));
        }
        documents.push(document(server, source, files));
    }
    cx.ui.json(
        &json!({"message_type": "summary", "status": "ok", "uncovered": uncovered, "servers": documents}),
    );
    if found.is_empty() {
        cx.ui.say("no database server was found");
    } else if uncovered > 0 {
        cx.ui.warn(&format!("{} covered by no source", ui::plural(uncovered, "database")));
        ui::diagnose(
            "  next step: add a [[source]] with its type (docs/sources.md) and the URL or path above to vow.toml",
        );
    }
    Ok(Exit::Done)
}

fn cover<'c>(source: Option<&'c SourcePlan>, part: &Part) -> Cover<'c> {
    match source {
        Some(source) if source.capture.leaves_out(part) => Cover::Excluded(&source.name),
        Some(source) if part.problem.is_none() => Cover::By(&source.name),
        _ => Cover::Nobody,
    }
}

/// A source of files that the data directory lies in.
fn files_source<'c>(sources: &'c [SourcePlan], server: &Discovered) -> Option<&'c str> {
    let data = server.data.as_ref()?;
    let found =
        sources.iter().find(|source| source.capture.roots().iter().any(|path| data.starts_with(path)));
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

fn document(server: &Discovered, source: Option<&SourcePlan>, files: Option<&str>) -> Value {
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
