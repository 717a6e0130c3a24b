//! Sources of type `command`.

use super::{About, DeKeys, Plan, Settings};
use crate::plan::fault::{Checked, fault};
use crate::plan::keys::{SECS, number, program, size};
use serde::Deserialize;
use std::sync::Arc;
use toml::Spanned;
use vow_base::amount::Bytes;
use vow_sources::command::{CommandOptions, OnStderr};

const EXTENSION_LIMIT_CHARS: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    command: Option<Spanned<Vec<Spanned<String>>>>,
    run_as: Option<String>,
    extension: Option<Spanned<String>>,
    min_size: Option<Spanned<String>>,
    max_secs: Option<Spanned<i64>>,
    ends_with: Option<Spanned<String>>,
    stderr: Option<Spanned<String>>,
    restore_command: Option<Spanned<Vec<Spanned<String>>>>,
    prove_command: Option<Spanned<Vec<Spanned<String>>>>,
}

pub(super) fn plan(keys: DeKeys<'_>, about: &About<'_>) -> Checked<Plan> {
    let keys: Keys = about.read(keys)?;
    let command =
        about.required(keys.command.as_ref(), "command", "[\"/usr/local/bin/dump-it\", \"--all\"]")?;
    let mut options = CommandOptions::new(program(command, "command")?);
    let words = |raw: Option<&Spanned<Vec<Spanned<String>>>>, key| {
        raw.map_or(Ok(Vec::new()), |raw| program(raw, key))
    };
    options.run_as = keys.run_as;
    options.extension = keys.extension.as_ref().map(extension).transpose()?;
    options.min_bytes = keys.min_size.as_ref().map_or(Ok(options.min_bytes), size)?;
    options.max_secs = number(keys.max_secs.as_ref(), options.max_secs, SECS)?;
    options.ends_with = keys.ends_with.as_ref().map(marker).transpose()?;
    options.stderr = keys.stderr.as_ref().map_or(Ok(options.stderr), on_stderr)?;
    options.restore_command = words(keys.restore_command.as_ref(), "restore_command")?;
    options.prove_command = words(keys.prove_command.as_ref(), "prove_command")?;
    let mut settings = Settings::default();
    settings.set("command", options.command.clone()).set_some("run_as", options.run_as.clone());
    settings
        .set_some("extension", options.extension.clone())
        .set("min_size", Bytes(options.min_bytes).to_string());
    settings.set("max_secs", options.max_secs as i64).set_some("ends_with", options.ends_with.clone());
    settings
        .set("stderr", WORDS.iter().find(|(_, on)| *on == options.stderr).map_or("warn", |(word, _)| word));
    settings.set_list("restore_command", &options.restore_command);
    settings.set_list("prove_command", &options.prove_command);
    Ok(Plan { capture: Arc::new(options), settings })
}

const WORDS: [(&str, OnStderr); 3] =
    [("ignore", OnStderr::Ignore), ("warn", OnStderr::Warn), ("fail", OnStderr::Fail)];

fn on_stderr(raw: &Spanned<String>) -> Checked<OnStderr> {
    let found = WORDS.iter().find(|(word, _)| word == raw.get_ref());
    found.map(|(_, on)| *on).ok_or_else(|| fault(raw, "stderr is \"ignore\", \"warn\" or \"fail\""))
}

fn extension(raw: &Spanned<String>) -> Checked<String> {
    let text = raw.get_ref();
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_';
    let is_fine = !text.is_empty()
        && text.len() <= EXTENSION_LIMIT_CHARS
        && text.chars().all(fine)
        && !text.starts_with('.');
    match is_fine {
        true => Ok(text.clone()),
        false => Err(fault(
            raw,
            "an extension has up to 16 letters, digits, '.', '-' and '_', without a dot before them",
        )),
    }
}

fn marker(raw: &Spanned<String>) -> Checked<String> {
    match raw.get_ref().trim().is_empty() {
        true => Err(fault(raw, "the end marker is empty: any output would have it")),
        false => Ok(raw.get_ref().clone()),
    }
}
