//! Finding the Redis servers of this machine that run: a server works in its data directory, and says in its title where it listens.

use super::client::Client;
use super::error::RedisError;
use super::facts::Facts;
use super::url::Url;
use crate::adapter::{Discovered, Part};
use crate::proc;

/// Names of servers, as the kernel keeps them.
const PROGRAMS: &[&str] = &["redis-server", "valkey-server", "keydb-server"];

/// Every server of this machine.
pub(crate) fn servers() -> Vec<Discovered> {
    let mut found: Vec<_> = proc::named(PROGRAMS).into_iter().map(describe).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn describe(process: proc::Process) -> Discovered {
    let data = process.folder();
    // The title: `redis-server 127.0.0.1:6379` or `redis-server unixsocket:/run/redis/s`, perhaps with more words.
    let title = process.title();
    let url = title.iter().find_map(|word| match word.strip_prefix("unixsocket:") {
        Some(path) => Some(format!("redis://{path}")),
        None => {
            let (host, port) =
                word.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))?;
            let host = if matches!(host, "*" | "0.0.0.0" | "[::]" | "::" | "") { "127.0.0.1" } else { host };
            Some(format!("redis://{host}:{port}"))
        }
    });
    let place = url.clone().unwrap_or_else(|| format!("process {}", process.id));
    let mut out = Discovered {
        kind: "redis",
        name: format!("Redis at {place}"),
        url,
        data,
        running: true,
        parts: Vec::new(),
        problems: Vec::new(),
    };
    match out.url.as_deref().map(Url::parse) {
        Some(Ok(url)) => match databases(&url) {
            Ok(parts) => out.parts = parts,
            Err(why) => out.problems.push(format!("its databases cannot be listed: {why}")),
        },
        _ => out.problems.push("where it listens is not known".into()),
    }
    if out.parts.is_empty() {
        // What cannot be listed has to be covered all the same.
        out.parts.push(Part { name: "all".into(), bytes: None, problem: None });
    }
    out
}

fn databases(url: &Url) -> Result<Vec<Part>, RedisError> {
    let facts = Facts::ask(&mut Client::connect(url, None)?)?;
    let part = |number: u32| Part { name: number.to_string(), bytes: None, problem: None };
    Ok(facts.keys().into_keys().map(part).collect())
}

/// Whether a source with this URL captures that server.
pub(crate) fn covers(url: &Url, found: &Discovered) -> bool {
    found
        .url
        .as_deref()
        .and_then(|other| Url::parse(other).ok())
        .is_some_and(|other| url.is_same_here(&other))
}
