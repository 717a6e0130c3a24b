//! `vow config`.

use crate::app::Context;
use crate::backing::check_source;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::level;
use crate::ui::plural;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vow_agent::plan::{Config, GroupPlan, Place, SourcePlan, VaultPlan};
use vow_base::id::hex;
use vow_base::sign::SigningKey;
use vow_sources::coherence::{self, Hook, How};
use vow_store::session::Recipient;

/// Look at the configuration
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Check the configuration, the keys, the vaults and the paths
    Check,
    /// Show the configuration in effect, with every default, and where it came from
    Show,
}

/// Runs one of them.
pub(crate) fn run(cx: &Context, command: &Command) -> Outcome<Exit> {
    let config = cx.load_config()?;
    match command {
        Command::Check => Ok(check(cx, &config)),
        Command::Show => {
            cx.ui.json(&value(&config));
            cx.ui.line(config.shown().trim_end());
            Ok(Exit::Done)
        }
    }
}

fn check(cx: &Context, config: &Config) -> Exit {
    let mut problems: Vec<String> = Vec::new();
    let files = hostkeys::files(&config.keys);
    problems.extend(files.iter().filter_map(|file| hostkeys::permission_problem(file)));
    let host = match hostkeys::load(config) {
        Ok(keys) => Some(keys.signing),
        Err(failure) => {
            // That a file is missing was said above.
            if files.iter().all(|file| file.exists()) {
                problems.push(failure.line());
            }
            None
        }
    };
    problems.extend(config.vaults.iter().filter_map(|vault| vault_problem(vault, host.as_ref())));
    for source in &config.sources {
        problems.extend(check_source(source).err().map(|failure| failure.line()));
        for path in source.capture.roots() {
            if let Err(e) = std::fs::symlink_metadata(&path) {
                problems.push(format!("source {}: cannot look at {}: {e}", source.name, path.display()));
            }
        }
    }
    problems.extend(config.groups.iter().flat_map(|plan| group_problems(config, plan)));
    let status = if problems.is_empty() { "ok" } else { "problems" };
    cx.ui.json(&json!({
        "message_type": "summary",
        "status": status,
        "config": config.file.to_string_lossy(),
        "problems": problems,
    }));
    if !cx.ui.json {
        problems.iter().for_each(|problem| cx.ui.warn(problem));
    }
    match problems.len() {
        0 => cx.ui.say(&format!(
            "{} is in order: {}, {}, {}",
            config.file.display(),
            plural(config.vaults.len() as u64, "vault"),
            plural(config.sources.len() as u64, "source"),
            plural(config.recipients.len() as u64, "recipient"),
        )),
        found => cx.ui.say(&format!("{}: {}", config.file.display(), plural(found as u64, "problem"))),
    }
    if problems.is_empty() { Exit::Done } else { Exit::Problems }
}

/// Hooks that are not there, and paths that cannot be held still.
fn group_problems(config: &Config, plan: &GroupPlan) -> Vec<String> {
    let group = &plan.group;
    let hooks = group.hooks.before.iter().chain(&group.hooks.after).filter_map(|hook| hook.0.first());
    let missing = hooks.filter(|program| program.starts_with('/') && !Path::new(program).exists());
    let mut problems: Vec<_> =
        missing.map(|program| format!("{}: there is no hook {program}", group.name)).collect();
    if let Some(how) = &group.snapshot {
        let sources = config.sources.iter().filter(|source| group.sources.contains(&source.name));
        let reads: Vec<_> =
            sources.filter_map(|source| Some((source.name.as_str(), source.capture.reads()?))).collect();
        match coherence::look(how, &reads) {
            Ok(more) => problems.extend(more.into_iter().map(|text| format!("{}: {text}", group.name))),
            Err(error) => problems.push(format!("{}: {error}", group.name)),
        }
    }
    problems
}

fn vault_problem(plan: &VaultPlan, host: Option<&SigningKey>) -> Option<String> {
    let opened = match (host, plan.folder()) {
        (Some(host), _) => level::open_as_host(plan, host).map(|_| ()).map_err(Failure::from),
        (None, Some(folder)) => level::open_vault(folder, plan.fingerprint).map(|_| ()),
        // Without the host's key nobody answers; that it is missing is said elsewhere.
        (None, None) => Ok(()),
    };
    opened.err().map(|failure| {
        let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("vault {}: {}{hint}", plan.name, failure.line())
    })
}

fn value(config: &Config) -> Value {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let vault = |vault: &VaultPlan| {
        let (path, url) = match &vault.place {
            Place::Folder(path) => (Some(text(path)), None),
            Place::Address(address) => (None, Some(address.to_string())),
            Place::Bucket(url) => (None, Some(url.clone())),
        };
        json!({
            "name": vault.name,
            "path": path,
            "url": url,
            "fingerprint": vault.fingerprint.map(|fingerprint| fingerprint.to_string()),
            "limit_upload": vault.limit_upload,
            "limit_download": vault.limit_download,
            "spool": vault.spool,
        })
    };
    let source = |source: &SourcePlan| {
        // Every source has these two; then come the keys of its type.
        let mut value = json!({
            "name": source.name,
            "type": source.kind,
            "paths": source.capture.roots().iter().map(text).collect::<Vec<_>>(),
            "exclude": source.capture.excludes(),
            "schedule": source.schedule,
        });
        for (key, setting) in source.settings.iter() {
            value[key] = json!(setting);
        }
        value
    };
    let words = |hooks: &[Hook]| hooks.iter().map(|hook| json!(hook.0)).collect::<Vec<_>>();
    let group = |plan: &GroupPlan| {
        let group = &plan.group;
        json!({
            "name": group.name,
            "sources": group.sources,
            "declared": plan.declared,
            "before": words(&group.hooks.before),
            "after": words(&group.hooks.after),
            "before_may_fail": group.hooks.before_may_fail,
            "hook_secs": group.hooks.limit_secs,
            "snapshot": group.snapshot.as_ref().map(How::word),
        })
    };
    json!({
        "message_type": "config",
        "file": text(&config.file),
        "origin": config.origin,
        "host": {
            "tenant": config.tenant,
            "name": config.host,
            "recipients": config.recipients.iter().map(Recipient::text).collect::<Vec<_>>(),
            "readers": config.readers.iter().map(|key| hex(&key.0)).collect::<Vec<_>>(),
            "keys": text(&config.keys),
            "state": text(&config.state),
            "compression": config.compression,
        },
        "vaults": config.vaults.iter().map(vault).collect::<Vec<_>>(),
        "sources": config.sources.iter().map(source).collect::<Vec<_>>(),
        "groups": config.groups.iter().map(group).collect::<Vec<_>>(),
    })
}
