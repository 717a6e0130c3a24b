//! Sources of type `postgres`.

use super::{Checked, RawSource, absolute, fault, name};
use crate::config::{DEFAULT_EXCLUDE_CACHES, DEFAULT_ONE_FILE_SYSTEM, SourcePlan, schedule};
use std::path::Path;
use toml::Spanned;
use vow_sources::postgres::{AccessOptions, PostgresOptions, Url};

const SECS: std::ops::RangeInclusive<i64> = 1..=604_800;
const PARALLEL: std::ops::RangeInclusive<i64> = 1..=32;

/// A key of databases in a source that has none.
pub(super) fn refuse_keys(source: &RawSource) -> Checked<()> {
    let texts = [
        ("url", &source.url),
        ("run_as", &source.run_as),
        ("password_file", &source.password_file),
        ("tools", &source.tools),
        ("exact_below", &source.exact_below),
    ];
    let numbers = [
        ("lock_wait_secs", &source.lock_wait_secs),
        ("max_lag_secs", &source.max_lag_secs),
        ("parallel", &source.parallel),
    ];
    let refuse = |key| format!("{key} makes no sense for a source of type \"files\"");
    if let Some((key, at)) = texts.iter().find_map(|(key, at)| Some((key, at.as_ref()?))) {
        return Err(fault(at, refuse(key)));
    }
    if let Some((key, at)) = numbers.iter().find_map(|(key, at)| Some((key, at.as_ref()?))) {
        return Err(fault(at, refuse(key)));
    }
    match &source.password_command {
        Some(at) => Err(fault(at, refuse(&"password_command"))),
        None => Ok(()),
    }
}

/// The plan of one server.
pub(super) fn plan(source: &RawSource, folder: &Path) -> Checked<SourcePlan> {
    if let Some(paths) = &source.paths {
        return Err(fault(paths, "paths makes no sense for a source of type \"postgres\": it has a url"));
    }
    if source.one_file_system.is_some() || source.exclude_caches.is_some() {
        let text = "one_file_system and exclude_caches make no sense for a source of type \"postgres\"";
        return Err(fault(&source.kind, text));
    }
    let Some(url) = &source.url else {
        let text = format!(
            "the source {:?} has no url: for example \"postgres:///?host=/run/postgresql\"",
            source.name.get_ref()
        );
        return Err(fault(&source.name, text));
    };
    let mut access = AccessOptions::of(Url::parse(url.get_ref()).map_err(|why| fault(url, why))?);
    access.run_as = source.run_as.as_ref().map(|account| account.get_ref().clone());
    access.password_file = source.password_file.as_ref().map(|path| absolute(path, folder)).transpose()?;
    access.tools = source.tools.as_ref().map(|path| absolute(path, folder)).transpose()?;
    if let Some(command) = &source.password_command {
        if command.get_ref().is_empty() || source.password_file.is_some() {
            return Err(fault(
                command,
                "password_command is a program with its arguments, and excludes password_file",
            ));
        }
        access.password_command = command.get_ref().iter().map(|word| word.get_ref().clone()).collect();
    }
    let mut options = PostgresOptions::new(access);
    options.exclude = source.exclude.iter().map(|name| name.get_ref().clone()).collect();
    if let Some(empty) = source.exclude.iter().find(|name| name.get_ref().is_empty()) {
        return Err(fault(empty, "the name of a database is empty"));
    }
    if let Some(text) = &source.exact_below {
        options.exact_below_bytes = size(text)?;
    }
    options.lock_wait_secs = number(source.lock_wait_secs.as_ref(), options.lock_wait_secs, SECS)?;
    options.max_lag_secs = number(source.max_lag_secs.as_ref(), options.max_lag_secs, SECS)?;
    options.parallel = number(source.parallel.as_ref(), options.parallel, PARALLEL)?;
    if let Some(text) = &source.schedule {
        schedule::check(text.get_ref()).map_err(|why| fault(text, why))?;
    }
    Ok(SourcePlan {
        name: name("source", &source.name)?,
        kind: source.kind.get_ref().clone(),
        paths: Vec::new(),
        exclude: options.exclude.clone(),
        one_file_system: DEFAULT_ONE_FILE_SYSTEM,
        exclude_caches: DEFAULT_EXCLUDE_CACHES,
        schedule: source.schedule.as_ref().map(|text| text.get_ref().clone()),
        postgres: Some(Box::new(options)),
    })
}

fn number<N: TryFrom<i64>>(
    raw: Option<&Spanned<i64>>,
    default: N,
    allowed: std::ops::RangeInclusive<i64>,
) -> Checked<N> {
    let Some(raw) = raw else { return Ok(default) };
    let inside = Some(*raw.get_ref()).filter(|number| allowed.contains(number));
    let number = inside.and_then(|number| N::try_from(number).ok());
    number
        .ok_or_else(|| fault(raw, format!("this is a number from {} to {}", allowed.start(), allowed.end())))
}

/// `64 MiB`, `1 GiB`, `0`.
fn size(raw: &Spanned<String>) -> Checked<u64> {
    let text = raw.get_ref().trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => 0,
    };
    let bytes = digits.parse::<u64>().ok().filter(|_| unit > 0).and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| fault(raw, "a size is a whole number with KiB, MiB, GiB or TiB"))
}
