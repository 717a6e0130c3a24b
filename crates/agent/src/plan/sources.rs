//! The sources of the plan. Each type is a module here that declares its own keys; what every source has is read in this file.

mod command;
mod drill;
mod etcd;
mod files;
mod ldap;
mod mariadb;
mod postgres;
mod redis;
mod sqlite;

use super::fault::{Checked, Fault, fault, read};
use super::file::name;
use super::{SourcePlan, schedule};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vow_sources::adapter::Capture;
use vow_sources::secret::PasswordFrom;

pub use drill::{DRILL_WITHIN_SECS, DrillPlan};

/// A type of source.
struct Type {
    /// Its name in the plan.
    kind: &'static str,
    /// Reads its own keys.
    read: fn(DeKeys<'_>, &About<'_>) -> Checked<Plan>,
}

/// Every type, as they are named to people.
static TYPES: &[Type] = &[
    Type { kind: "files", read: files::plan },
    Type { kind: "mariadb", read: mariadb::plan },
    Type { kind: "postgres", read: postgres::plan },
    Type { kind: "redis", read: redis::plan },
    Type { kind: "sqlite", read: sqlite::plan },
    Type { kind: "command", read: command::plan },
    Type { kind: "etcd", read: etcd::plan },
    Type { kind: "ldap", read: ldap::plan },
];

/// The keys of every source.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: Spanned<String>,
    schedule: Option<Spanned<String>>,
    #[serde(default)]
    expect: Vec<Spanned<drill::RawExpect>>,
    site: Option<Spanned<drill::RawSite>>,
    restore_target: Option<Spanned<String>>,
    drill_within: Option<Spanned<String>>,
}

/// Their names.
const COMMON: &[&str] = &["name", "type", "schedule", "expect", "site", "restore_target", "drill_within"];

/// The keys of a source besides the common ones.
type DeKeys<'k> = Spanned<DeTable<'k>>;

/// What a type needs to know besides its keys.
struct About<'a> {
    name: &'a Spanned<String>,
    kind: &'a str,
    /// The folder of the configuration.
    folder: &'a Path,
}

/// A source as its type understands it.
struct Plan {
    capture: Arc<dyn Capture>,
    settings: Settings,
}

/// Keys of a source with their values in effect, as `vow config show` shows them.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<(&'static str, toml::Value)>);

impl Settings {
    /// Adds a key.
    fn set(&mut self, key: &'static str, value: impl Into<toml::Value>) -> &mut Self {
        self.0.push((key, value.into()));
        self
    }

    /// Adds a key that has a value.
    fn set_some(&mut self, key: &'static str, value: Option<impl Into<toml::Value>>) -> &mut Self {
        if let Some(value) = value {
            self.set(key, value);
        }
        self
    }

    /// Adds a list that is not empty.
    fn set_list(&mut self, key: &'static str, list: &[String]) -> &mut Self {
        if list.is_empty() { self } else { self.set(key, list.to_vec()) }
    }

    /// How a server is reached.
    fn access(url: &str, run_as: Option<&String>, password: &PasswordFrom, tools: Option<&Path>) -> Self {
        let mut settings = Self::default();
        settings.set("url", url).set_some("run_as", run_as.cloned());
        settings.set_some("password_file", password.file.as_deref().map(shown));
        settings.set_list("password_command", &password.command).set_some("tools", tools.map(shown));
        settings
    }

    /// All of them, in the order to show them in.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &toml::Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }
}

impl About<'_> {
    /// Reads the type's own keys. One that it does not have is said with the type's name.
    fn read<'k, T: Deserialize<'k>>(&self, keys: DeKeys<'k>) -> Checked<T> {
        read(keys).map_err(|Fault { at, text }| {
            let told = text.starts_with("unknown field");
            let text = if told { format!("in a source of type {:?}: {text}", self.kind) } else { text };
            Fault { at, text }
        })
    }

    /// A key that must be there.
    fn required<'v, T>(&self, value: Option<&'v T>, key: &str, example: &str) -> Checked<&'v T> {
        value.ok_or_else(|| {
            fault(
                self.name,
                format!("the source {:?} has no {key}: for example {example}", self.name.get_ref()),
            )
        })
    }

    /// A list that must be there and not be empty.
    fn required_list<'v>(
        &self,
        value: Option<&'v Spanned<Vec<Spanned<String>>>>,
        key: &str,
    ) -> Checked<&'v [Spanned<String>]> {
        let none = || format!("the source {:?} has no {key}", self.name.get_ref());
        match value {
            None => Err(fault(self.name, none())),
            Some(list) if list.get_ref().is_empty() => Err(fault(list, none())),
            Some(list) => Ok(list.get_ref()),
        }
    }
}

/// Reads what stands under `[[source]]`; each with its name, so that a fault of all of them together can be placed.
pub(super) fn sources(
    raw: Spanned<DeValue<'_>>,
    folder: &Path,
) -> Checked<Vec<(Spanned<String>, SourcePlan)>> {
    const LIST: &str = "a source stands below [[source]]";
    let span = raw.span();
    let DeValue::Array(list) = raw.into_inner() else {
        return Err(Fault { at: Some(span), text: LIST.into() });
    };
    let one = |value: Spanned<DeValue<'_>>| {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) => source(Spanned::new(span, table), folder),
            _ => Err(Fault { at: Some(span), text: LIST.into() }),
        }
    };
    list.into_iter().map(one).collect()
}

fn source(raw: DeKeys<'_>, folder: &Path) -> Checked<(Spanned<String>, SourcePlan)> {
    let span = raw.span();
    let (common, own): (Vec<_>, Vec<_>) =
        raw.into_inner().into_iter().partition(|(key, _)| COMMON.contains(&key.get_ref().as_ref()));
    let common: Common = read(Spanned::new(span.clone(), common.into_iter().collect()))?;
    let kind = common.kind.get_ref();
    let Some(of_type) = TYPES.iter().find(|of_type| of_type.kind == kind) else {
        let known =
            TYPES.iter().map(|of_type| format!("\"{}\"", of_type.kind)).collect::<Vec<_>>().join(", ");
        return Err(fault(
            &common.kind,
            format!("there are no sources of type {kind:?} in this version; use one of {known}"),
        ));
    };
    let about = About { name: &common.name, kind, folder };
    let plan = (of_type.read)(Spanned::new(span, own.into_iter().collect()), &about)?;
    if let Some(text) = &common.schedule {
        schedule::check(text.get_ref()).map_err(|why| fault(text, why))?;
    }
    let drill = drill::plan(&common)?;
    let plan = SourcePlan {
        drill,
        name: name("source", &common.name)?,
        kind: kind.clone(),
        schedule: common.schedule.map(Spanned::into_inner),
        capture: plan.capture,
        settings: plan.settings,
    };
    Ok((common.name, plan))
}

/// A path as it is shown.
fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Paths as they are shown.
fn all_shown(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| shown(path)).collect()
}
