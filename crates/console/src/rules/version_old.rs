//! A host runs an old version.

use super::settings::Settings;
use super::{Found, Said};
use crate::records::{HostFacts, Severity};

/// The version of this console.
const OWN: &str = env!("CARGO_PKG_VERSION");

pub(super) fn watch(host: &HostFacts, settings: &Settings, _now_secs: i64) -> Said {
    if host.closed {
        return Some(vec![]);
    }
    let software = host.software.as_deref()?;
    let version = parse(software.strip_prefix("vow ")?)?;
    let least = match &settings.version_min {
        Some(min) => parse(min)?,
        None => parse(OWN).map(|(major, minor, _)| (major, minor.saturating_sub(1), 0))?,
    };
    if version >= least {
        return Some(vec![]);
    }
    let (major, minor, patch) = least;
    Found::new(
        Severity::Notice,
        format!("{} runs {software}; the oldest that is not old is {major}.{minor}.{patch}.", host.host),
        "Install the newer package on it.",
    )
    .with("version", software)
    .said()
}

/// `1.2.3`, and what follows a `-` or `+` does not count.
fn parse(text: &str) -> Option<(u64, u64, u64)> {
    let mut numbers = text.split(['-', '+']).next()?.trim().split('.').map(|part| part.parse().ok());
    let version = (numbers.next()??, numbers.next()??, numbers.next().unwrap_or(Some(0))?);
    numbers.next().is_none().then_some(version)
}
