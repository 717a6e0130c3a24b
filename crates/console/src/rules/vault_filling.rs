//! A vault fills up: a line through how full it was says when.

use super::settings::Settings;
use super::words;
use super::{Found, Said};
use crate::records::{Severity, Usage, VaultFacts};

/// How far back the line looks, and how little is too little, seconds.
const WINDOW_SECS: i64 = 60 * 86_400;
const LEAST_SECS: i64 = 5 * 86_400;
const LEAST_POINTS: usize = 6;
/// A line that explains less than this share of the ups and downs is none.
const EXPLAINS: f64 = 0.5;

/// Where the use of a vault goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Growth, bytes a day; negative when it becomes emptier.
    pub bytes_a_day: f64,
    /// Days until it is full; `None` when it does not grow.
    pub days_left: Option<f64>,
}

/// A line through the last sixty days by least squares. `None` when there are fewer than six points in five days, or when they
/// lie on no line.
pub fn forecast(usage: &[Usage]) -> Option<Forecast> {
    let last = usage.last()?;
    let points: Vec<(f64, f64)> = usage
        .iter()
        .filter(|point| last.at_secs - point.at_secs <= WINDOW_SECS)
        .map(|point| ((point.at_secs - last.at_secs) as f64 / 86_400.0, point.used_bytes as f64))
        .collect();
    let first = points.first()?;
    if points.len() < LEAST_POINTS || -first.0 < LEAST_SECS as f64 / 86_400.0 {
        return None;
    }
    let number = points.len() as f64;
    let (mean_x, mean_y) = (
        points.iter().map(|(x, _)| x).sum::<f64>() / number,
        points.iter().map(|(_, y)| y).sum::<f64>() / number,
    );
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|(x, y)| of(x - mean_x, y - mean_y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    if xx <= 0.0 {
        return None;
    }
    let bytes_a_day = xy / xx;
    if yy > 0.0 && xy * xy / (xx * yy) < EXPLAINS {
        return None;
    }
    // From where it is now, not from where the line is: a sweep yesterday counts.
    let free = last.total_bytes.saturating_sub(last.used_bytes) as f64;
    Some(Forecast { bytes_a_day, days_left: (bytes_a_day > 0.0).then(|| free / bytes_a_day) })
}

pub(super) fn watch(vault: &VaultFacts, settings: &Settings, _now_secs: i64) -> Said {
    let last = vault.usage.last()?;
    let forecast = forecast(&vault.usage);
    let share = last.used_bytes as f64 / last.total_bytes.max(1) as f64;
    let days = forecast.and_then(|forecast| forecast.days_left);
    let soon = days.is_some_and(|days| days < settings.vault_days);
    if !soon && share < settings.vault_share {
        return Some(vec![]);
    }
    let very_soon = days.is_some_and(|days| days < settings.vault_days_critical);
    let severity =
        if very_soon || share >= settings.vault_share { Severity::Critical } else { Severity::Warning };
    let (used, total) = (words::bytes(last.used_bytes as f64), words::bytes(last.total_bytes as f64));
    let when = match (forecast, days) {
        (Some(line), Some(days)) => {
            format!("; it grows by {} a day and is full in {}", words::bytes(line.bytes_a_day), about(days))
        }
        _ => String::new(),
    };
    Found::new(
        severity,
        format!("{} is {} full ({used} of {total}){when}.", vault.vault, words::percent(share)),
        "Add space, or tighten the retention on the vault; `vow vault status` shows what takes it, `vow vault sweep` frees what has expired.",
    )
    .with("used", &used)
    .with("of", &total)
    .with("growth a day", forecast.map_or_else(|| "not known".into(), |line| words::bytes(line.bytes_a_day)))
    .with("days left", days.map_or_else(|| "not known".into(), |days| format!("{days:.0}")))
    .said()
}

fn about(days: f64) -> String {
    if days < 1.5 { "a day or less".to_owned() } else { format!("about {days:.0} days") }
}
