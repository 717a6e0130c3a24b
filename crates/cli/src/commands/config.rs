//! `vow config`.

use crate::app::Context;
use crate::backing::check_source;
use crate::config::{Config, SourcePlan, VaultPlan};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::hostkeys;
use crate::layout::quoted;
use crate::reading::open_vault;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use vow_base::sign::PublicKey;
use vow_sources::postgres::PostgresOptions;
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
    let config = Config::load(cx.config.as_deref())?;
    match command {
        Command::Check => Ok(check(cx, &config)),
        Command::Show => {
            cx.ui.json(&value(&config));
            show(cx, &config);
            Ok(Exit::Done)
        }
    }
}

fn check(cx: &Context, config: &Config) -> Exit {
    let mut problems: Vec<String> = Vec::new();
    let files = hostkeys::files(&config.keys);
    problems.extend(files.iter().filter_map(|file| hostkeys::permission_problem(file)));
    let host = match hostkeys::load(config) {
        Ok(keys) => Some(keys.signing.public()),
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
        problems.extend(check_source(config, source).err().map(|failure| failure.line()));
        for path in &source.paths {
            if let Err(e) = std::fs::symlink_metadata(path) {
                problems.push(format!("source {}: cannot look at {}: {e}", source.name, path.display()));
            }
        }
    }
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
            "{} is in order: {} vaults, {} sources, {} recipients",
            config.file.display(),
            config.vaults.len(),
            config.sources.len(),
            config.recipients.len()
        )),
        found => cx.ui.say(&format!("{}: {found} problems", config.file.display())),
    }
    if problems.is_empty() { Exit::Done } else { Exit::Problems }
}

fn vault_problem(plan: &VaultPlan, host: Option<&PublicKey>) -> Option<String> {
    let opened = open_vault(&plan.path, plan.fingerprint.as_deref());
    let joined = opened.and_then(|vault| match host {
        Some(host) => Ok(vault.deposit(host).map(|_| ())?),
        None => Ok(()),
    });
    joined.err().map(|failure| {
        let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("vault {}: {}{hint}", plan.name, failure.line())
    })
}

fn show(cx: &Context, config: &Config) {
    let line = |text: String| cx.ui.line(&text);
    line(format!("# {} (found by: {})", config.file.display(), config.origin));
    line(format!("[host]\ntenant = {}\nname = {}", quoted(&config.tenant), quoted(&config.host)));
    line(format!("recipients = {}", list(config.recipients.iter().map(Recipient::text))));
    line(format!("keys = {}\nstate = {}", path(&config.keys), path(&config.state)));
    line(format!("compression = {}", config.compression));
    for vault in &config.vaults {
        line(format!("\n[[vault]]\nname = {}\npath = {}", quoted(&vault.name), path(&vault.path)));
        match &vault.fingerprint {
            Some(fingerprint) => line(format!("fingerprint = {}", quoted(fingerprint))),
            None => line("# fingerprint not pinned: any vault at this path is taken".into()),
        }
    }
    for source in &config.sources {
        line(format!("\n[[source]]\nname = {}\ntype = {}", quoted(&source.name), quoted(&source.kind)));
        line(format!("exclude = {}", list(source.exclude.iter().map(String::as_str))));
        match &source.postgres {
            Some(options) => show_postgres(cx, options),
            None => {
                let paths = source.paths.iter().map(|p| path(p)).collect::<Vec<_>>().join(", ");
                line(format!("paths = [{paths}]"));
                let (one, caches) = (source.one_file_system, source.exclude_caches);
                line(format!("one_file_system = {one}\nexclude_caches = {caches}"));
            }
        }
        if let Some(schedule) = &source.schedule {
            line(format!("schedule = {}", quoted(schedule)));
        }
    }
}

fn show_postgres(cx: &Context, options: &PostgresOptions) {
    let line = |text: String| cx.ui.line(&text);
    let access = &options.access;
    line(format!("# connection: {}", access.url.conninfo()));
    if let Some(account) = &access.run_as {
        line(format!("run_as = {}", quoted(account)));
    }
    if let Some(file) = &access.password_file {
        line(format!("password_file = {}", path(file)));
    }
    if let Some(program) = access.password_command.first() {
        line(format!("# the password comes from {}", quoted(program)));
    }
    if let Some(folder) = &access.tools {
        line(format!("tools = {}", path(folder)));
    }
    line(format!("exact_below = \"{}\"", options.exact_below_bytes));
    line(format!("lock_wait_secs = {}\nmax_lag_secs = {}", options.lock_wait_secs, options.max_lag_secs));
    line(format!("parallel = {}", options.parallel));
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    format!("[{}]", texts.map(quoted).collect::<Vec<_>>().join(", "))
}

fn value(config: &Config) -> Value {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    let vault = |vault: &VaultPlan| json!({"name": vault.name, "path": text(&vault.path), "fingerprint": vault.fingerprint});
    let source = |source: &SourcePlan| {
        json!({
            "name": source.name,
            "type": source.kind,
            "paths": source.paths.iter().map(text).collect::<Vec<_>>(),
            "exclude": source.exclude,
            "one_file_system": source.one_file_system,
            "exclude_caches": source.exclude_caches,
            "schedule": source.schedule,
            "connection": source.postgres.as_ref().map(|options| options.access.url.conninfo()),
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
            "keys": text(&config.keys),
            "state": text(&config.state),
            "compression": config.compression,
        },
        "vaults": config.vaults.iter().map(vault).collect::<Vec<_>>(),
        "sources": config.sources.iter().map(source).collect::<Vec<_>>(),
    })
}
