//! A host with an agent is not heard of.

use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{HostFacts, Severity};
use jiff::tz::TimeZone;

/// Silence of so many times what is allowed is critical.
const CRITICAL_TIMES: i64 = 4;

pub(super) fn watch(host: &HostFacts, settings: &Settings, now_secs: i64) -> Said {
    if host.closed {
        return Some(vec![]);
    }
    if host.quiet_until_secs.is_some_and(|until| until > now_secs) {
        return None;
    }
    // Without an agent nobody promised signs of life; its sources are watched by themselves.
    host.alive.as_ref()?;
    let heard = host.heard_secs?.max(host.quiet_until_secs.unwrap_or(i64::MIN));
    if now_secs - heard <= settings.host_silent_secs {
        return Some(vec![]);
    }
    // While this console was down nobody could reach it: it listens as long before it says that anybody is silent, or not any more.
    let silent = now_secs - heard.max(settings.listening_since_secs.min(now_secs));
    if silent <= settings.host_silent_secs {
        return None;
    }
    let severity = if silent > settings.host_silent_secs * CRITICAL_TIMES {
        Severity::Critical
    } else {
        Severity::Warning
    };
    Found::new(
        severity,
        format!(
            "Nothing was heard of {} for {}, since {}.",
            host.host,
            words::span((now_secs - heard) as f64),
            words::moment(heard, &TimeZone::UTC)
        ),
        "Look whether the host runs and reaches this console, and `systemctl status vow-agent` on it. Close the host if it is gone for good.",
    )
    .with("last heard", words::moment(heard, &TimeZone::UTC))
    .said()
}
