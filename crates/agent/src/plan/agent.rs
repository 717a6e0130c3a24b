//! What the plan says about when things are done and who is told: `[console]`, `[agent]`, `[[waiver]]`, and the keys of every source
//! that are about time. They are taken out of the file first; what is left is read as before.

use super::fault::{Checked, Fault, fault, read};
use super::keys::{self, number, size};
use super::waiver::Waiver;
use crate::ping::PingUrl;
use crate::schedule::{Calendar, Window};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vow_base::Fingerprint;
use vow_protocol::Address;

/// The console of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePlan {
    /// Where it listens for hosts.
    pub address: Address,
    /// The fingerprint of its key.
    pub fingerprint: Fingerprint,
}

/// How the agent works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPlan {
    /// The time zone of schedules that name none.
    pub time_zone: Option<String>,
    /// How many runs there may be at once.
    pub parallel: usize,
    /// How far runs stand back for other programs' computing: 0 to 19.
    pub nice: u8,
    /// How far they stand back for other programs' reading and writing.
    pub ionice: Ionice,
    /// Runs that were told to stop are killed after this.
    pub stop_within: Duration,
    /// How often the console hears from it.
    pub alive_every: Duration,
    /// When the host is looked over; `None`: when there is a console.
    pub audit: Option<Due>,
    /// When snapshots are restored for a test.
    pub drill: Option<Due>,
    /// Minutes that this may take each time.
    pub drill_minutes: Option<u64>,
    /// Bytes that may be read for it each time.
    pub drill_bytes: Option<u64>,
}

/// Something with a schedule of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// At these times.
    At(String),
    /// Never.
    Never,
}

/// The classes of `ionice`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ionice {
    /// Like everybody.
    None,
    /// Last among those who want something.
    BestEffort,
    /// Only when nobody else wants anything.
    Idle,
}

/// When a source is due, and who is told.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    /// Its schedule.
    pub calendar: Option<Calendar>,
    /// The hours in which it may begin.
    pub window: Option<Window>,
    /// It may be put off by as much as this, so that not all hosts begin at once.
    pub jitter: Duration,
    /// How often it is tried again.
    pub retries: u32,
    /// How late it may still begin; `None` however late.
    pub catch_up: Option<Duration>,
    /// Who hears of its runs.
    pub ping: Option<PingFrom>,
    /// How soon it should be restored.
    pub restore_within: Option<Duration>,
}

/// Where a ping address is.
#[derive(Debug, Clone)]
pub enum PingFrom {
    /// In the plan.
    Plan(PingUrl, String),
    /// In a file: it is a secret of a kind.
    File(PathBuf),
}

/// Everything that this module reads.
pub(super) struct Taken {
    pub(super) console: Option<ConsolePlan>,
    pub(super) agent: AgentPlan,
    pub(super) timings: BTreeMap<String, Timing>,
    pub(super) waivers: Vec<Waiver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConsole {
    url: Spanned<String>,
    fingerprint: Spanned<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawAgent {
    time_zone: Option<Spanned<String>>,
    parallel: Option<Spanned<i64>>,
    nice: Option<Spanned<i64>>,
    ionice: Option<Ionice>,
    stop_within: Option<Spanned<String>>,
    alive_every: Option<Spanned<String>>,
    audit: Option<Spanned<String>>,
    drill: Option<Spanned<String>>,
    drill_minutes: Option<Spanned<i64>>,
    drill_bytes: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWaiver {
    finding: Spanned<String>,
    reason: Spanned<String>,
    by: Spanned<String>,
    until: Spanned<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTiming {
    time_zone: Option<Spanned<String>>,
    window: Option<Spanned<String>>,
    jitter: Option<Spanned<String>>,
    retries: Option<Spanned<i64>>,
    catch_up: Option<Spanned<String>>,
    ping_url: Option<Spanned<String>>,
    ping_url_file: Option<Spanned<String>>,
    restore_within: Option<Spanned<String>>,
}

/// The keys of a source that are read here.
const TIMING: [&str; 8] =
    ["time_zone", "window", "jitter", "retries", "catch_up", "ping_url", "ping_url_file", "restore_within"];
const RETRIES_DEFAULT: u32 = 3;
const RETRIES: std::ops::RangeInclusive<i64> = 0..=100;
const PARALLEL: std::ops::RangeInclusive<i64> = 1..=16;
const NICE: std::ops::RangeInclusive<i64> = 0..=19;
/// Longer than this nothing is put off or waited for.
const LONGEST: Duration = Duration::from_hours(24);
/// A night of drills; a day of them is no night any more.
const DRILL_MINUTES: std::ops::RangeInclusive<i64> = 1..=1440;
const WAIVERS_MAX: usize = 1000;

/// Takes what is read here out of the file.
pub(super) fn take(table: &mut DeTable<'_>, folder: &Path) -> Checked<Taken> {
    let console = table.remove("console").map(console).transpose()?;
    let raw_agent = table.remove("agent").map(|raw| as_table(raw, "[agent]").and_then(read::<RawAgent>));
    let raw_agent = raw_agent.transpose()?.unwrap_or_default();
    let zone = raw_agent.time_zone.as_ref();
    let agent = agent(&raw_agent)?;
    let waivers = table.remove("waiver").map(waivers).transpose()?.unwrap_or_default();
    let mut timings = BTreeMap::new();
    if let Some(DeValue::Array(sources)) = table.get_mut("source").map(Spanned::get_mut) {
        for source in sources.iter_mut() {
            let span = source.span();
            let DeValue::Table(source) = source.get_mut() else { continue };
            let schedule = match source.get("schedule").map(|value| (value.span(), value.get_ref())) {
                Some((span, DeValue::String(text))) => Some(Spanned::new(span, text.to_string())),
                _ => None,
            };
            let own: DeTable<'_> = TIMING.iter().filter_map(|key| source.remove_entry(*key)).collect();
            let raw: RawTiming = read(Spanned::new(span, own))?;
            let timing = timing(&raw, schedule.as_ref(), zone, folder)?;
            if let Some(DeValue::String(name)) = source.get("name").map(Spanned::get_ref) {
                timings.insert(name.to_string(), timing);
            }
        }
    }
    Ok(Taken { console, agent, timings, waivers })
}

fn as_table<'t>(raw: Spanned<DeValue<'t>>, what: &str) -> Checked<Spanned<DeTable<'t>>> {
    let span = raw.span();
    match raw.into_inner() {
        DeValue::Table(table) => Ok(Spanned::new(span, table)),
        _ => Err(Fault { at: Some(span), text: format!("{what} is a table") }),
    }
}

fn console(raw: Spanned<DeValue<'_>>) -> Checked<ConsolePlan> {
    let raw: RawConsole = read(as_table(raw, "[console]")?)?;
    let address = raw
        .url
        .get_ref()
        .parse()
        .map_err(|why| fault(&raw.url, format!("this url cannot be used: {why}")))?;
    let fingerprint = raw.fingerprint.get_ref().parse();
    let fingerprint = fingerprint
        .map_err(|_| fault(&raw.fingerprint, "a fingerprint is SHA256: and 64 hexadecimal digits"))?;
    Ok(ConsolePlan { address, fingerprint })
}

fn agent(raw: &RawAgent) -> Checked<AgentPlan> {
    let zone = raw.time_zone.as_ref();
    if let Some(zone) = zone {
        calendar(&Spanned::new(zone.span(), "0 0 * * *".into()), Some(zone))?;
    }
    let due = |text: Option<&Spanned<String>>| {
        let one = |text: &Spanned<String>| match text.get_ref().as_str() {
            "never" => Ok(Due::Never),
            _ => calendar(text, zone).map(|_| Due::At(text.get_ref().clone())),
        };
        text.map(one).transpose()
    };
    Ok(AgentPlan {
        time_zone: zone.map(|zone| zone.get_ref().clone()),
        parallel: number(raw.parallel.as_ref(), 2, PARALLEL)?,
        nice: number(raw.nice.as_ref(), 10, NICE)?,
        ionice: raw.ionice.unwrap_or(Ionice::BestEffort),
        stop_within: term(raw.stop_within.as_ref())?.unwrap_or(Duration::from_mins(2)),
        alive_every: term(raw.alive_every.as_ref())?.unwrap_or(Duration::from_mins(5)),
        audit: due(raw.audit.as_ref())?,
        drill: due(raw.drill.as_ref())?,
        drill_minutes: raw
            .drill_minutes
            .as_ref()
            .map(|minutes| number(Some(minutes), 0, DRILL_MINUTES))
            .transpose()?,
        drill_bytes: raw.drill_bytes.as_ref().map(size).transpose()?,
    })
}

fn timing(
    raw: &RawTiming,
    schedule: Option<&Spanned<String>>,
    zone: Option<&Spanned<String>>,
    folder: &Path,
) -> Checked<Timing> {
    let zone = raw.time_zone.as_ref().or(zone);
    // What is no schedule at all is said better where schedules are read.
    let schedule = schedule.filter(|text| super::schedule::check(text.get_ref()).is_ok());
    if let (Some(own), None) = (&raw.time_zone, schedule) {
        calendar(&Spanned::new(own.span(), "0 0 * * *".into()), Some(own))?;
    }
    let catch_up = match &raw.catch_up {
        Some(text) if text.get_ref() == "always" => None,
        Some(text) if text.get_ref() == "never" => Some(Duration::ZERO),
        text => term(text.as_ref())?,
    };
    let ping = match (&raw.ping_url, &raw.ping_url_file) {
        (Some(_), Some(file)) => {
            return Err(fault(file, "ping_url_file excludes ping_url: the address is in one place"));
        }
        (Some(text), None) => {
            let url = PingUrl::parse(text.get_ref()).map_err(|why| fault(text, why.to_string()))?;
            Some(PingFrom::Plan(url, text.get_ref().clone()))
        }
        (None, Some(file)) if file.get_ref().is_empty() => return Err(fault(file, "a path is empty")),
        (None, Some(file)) => Some(PingFrom::File(folder.join(file.get_ref()))),
        (None, None) => None,
    };
    Ok(Timing {
        calendar: schedule.map(|text| calendar(text, zone)).transpose()?,
        window: raw
            .window
            .as_ref()
            .map(|text| Window::from_str(text.get_ref()).map_err(|why| fault(text, why.to_string())))
            .transpose()?,
        jitter: match &raw.jitter {
            Some(text) if text.get_ref() == "0" => Duration::ZERO,
            text => term(text.as_ref())?.unwrap_or_default(),
        },
        retries: number(raw.retries.as_ref(), RETRIES_DEFAULT, RETRIES)?,
        catch_up,
        ping,
        restore_within: term(raw.restore_within.as_ref())?,
    })
}

fn calendar(text: &Spanned<String>, zone: Option<&Spanned<String>>) -> Checked<Calendar> {
    let zone_name = zone.map(|zone| zone.get_ref().as_str());
    super::schedule::check(text.get_ref()).map_err(|why| fault(text, why))?;
    Calendar::new(text.get_ref(), zone_name).map_err(|why| match (&why, zone) {
        (crate::schedule::ScheduleError::Zone { .. }, Some(zone)) => fault(zone, why.to_string()),
        _ => fault(text, why.to_string()),
    })
}

fn waivers(raw: Spanned<DeValue<'_>>) -> Checked<Vec<Waiver>> {
    const LIST: &str = "a waiver stands below [[waiver]]";
    let span = raw.span();
    let DeValue::Array(list) = raw.into_inner() else {
        return Err(Fault { at: Some(span), text: LIST.into() });
    };
    if list.len() > WAIVERS_MAX {
        return Err(Fault { at: Some(span), text: format!("there are more than {WAIVERS_MAX} waivers") });
    }
    let text = |value: &Spanned<String>, what: &str| match value.get_ref().trim() {
        "" => Err(fault(value, format!("a waiver without {what} is none"))),
        text => Ok(text.to_owned()),
    };
    let one = |value: Spanned<DeValue<'_>>| {
        let raw: RawWaiver = read(as_table(value, LIST)?)?;
        let until = raw.until.get_ref().parse();
        Ok(Waiver {
            finding: text(&raw.finding, "a finding")?,
            reason: text(&raw.reason, "a reason")?,
            by: text(&raw.by, "a name")?,
            until: until.map_err(|_| fault(&raw.until, "a waiver ends on a day, as in \"2027-03-31\""))?,
        })
    };
    list.into_iter().map(one).collect()
}

fn term(text: Option<&Spanned<String>>) -> Checked<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    let term = keys::term(text)?;
    if term > LONGEST {
        return Err(fault(text, "this is at most 24h"));
    }
    Ok(Some(term))
}

impl Ionice {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::BestEffort => "best-effort",
            Self::Idle => "idle",
        }
    }
}
