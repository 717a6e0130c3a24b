//! Which snapshot a person means.

use super::{ArchiveError, SnapshotInfo};
use std::collections::BTreeMap;
use vow_base::HostId;
use vow_base::clock::Nanos;
use vow_base::receipt::Receipt;

/// The fewest digits of an id that are taken for one.
const PREFIX_MIN: usize = 4;
const DAY: Nanos = 86_400_000_000_000;

/// When a snapshot must have been received.
enum When {
    /// At any time.
    Latest,
    /// Before this time.
    Before(Nanos),
}

/// The snapshot named by `spec`; `errors` are the manifests that could not be read.
pub(super) fn find(
    spec: &str,
    snapshots: Vec<SnapshotInfo>,
    errors: Vec<ArchiveError>,
    zone: &dyn Fn(Nanos) -> Nanos,
) -> Result<SnapshotInfo, ArchiveError> {
    if spec == "latest" {
        return newest(spec, snapshots, errors, &When::Latest);
    }
    let Some((name, when)) = spec.rsplit_once('@') else {
        return by_id(spec, snapshots, errors);
    };
    let when = match when {
        "latest" => When::Latest,
        date => When::Before(end_of_day(date).map(zone).ok_or_else(|| absent(spec, &[]))?),
    };
    let (fitting, others): (Vec<_>, Vec<_>) = snapshots.into_iter().partition(|info| fits(info, name));
    if fitting.is_empty() {
        // A manifest that could not be read may be the one that was asked for.
        let unread = errors.into_iter().find(|error| matches!(error, ArchiveError::Manifest { .. }));
        return Err(unread.unwrap_or_else(|| absent(spec, &others)));
    }
    let ids = names(&fitting, |info| format!("{}/{}", info.receipt.host_id(), info.manifest.source));
    if ids.len() > 1 {
        let short = names(&fitting, SnapshotInfo::name);
        let long = names(&fitting, |info| format!("{}/{}", info.manifest.tenant, info.name()));
        let different = ids.len();
        let candidates = [short, long].into_iter().find(|names| names.len() == different).unwrap_or(ids);
        return Err(ArchiveError::Ambiguous { spec: spec.to_owned(), candidates });
    }
    newest(spec, fitting, errors, &when)
}

/// Whether `name` is the source, `HOST/SOURCE` or `TENANT/HOST/SOURCE`; the host by its name or its id.
fn fits(info: &SnapshotInfo, name: &str) -> bool {
    let (tenant, source) = (&info.manifest.tenant, &info.manifest.source);
    let on = |host: &str| {
        let rest = name.strip_suffix(source.as_str()).and_then(|rest| rest.strip_suffix('/'));
        rest.is_some_and(|rest| {
            rest == host || rest.strip_suffix(host).is_some_and(|t| t.strip_suffix('/') == Some(tenant))
        })
    };
    name == source || on(&info.manifest.host) || on(&info.receipt.host_id().to_string())
}

/// The newest; refuses when a manifest that could not be read is newer.
///
/// Of one host the newest is the last by the host's own count, as its signed manifests have it. The time at which a vault took a snapshot says
/// less: its clock may have been wrong for a day, and what it missed it may have been given later.
fn newest(
    spec: &str,
    snapshots: Vec<SnapshotInfo>,
    errors: Vec<ArchiveError>,
    when: &When,
) -> Result<SnapshotInfo, ArchiveError> {
    let in_time = |received: Nanos| match when {
        When::Latest => true,
        When::Before(end) => received < *end,
    };
    let candidates = names(&snapshots, |info| info.id.short());
    let mut last: BTreeMap<HostId, SnapshotInfo> = BTreeMap::new();
    for info in snapshots.into_iter().filter(|info| in_time(info.receipt.received)) {
        let count = |info: &SnapshotInfo| (info.manifest.sequence, info.receipt.position);
        let known = last.entry(info.receipt.host_id()).or_insert_with(|| info.clone());
        if count(&info) > count(known) {
            *known = info;
        }
    }
    // Counts of different hosts say nothing about each other.
    let found = last.into_values().max_by_key(|info| (info.receipt.received, info.receipt.position));
    // Of one without a receipt nobody knows how old it is.
    let newer = |host: &HostId, unread: &Receipt, found: &SnapshotInfo| {
        if found.receipt.host_id() == *host {
            unread.sequence > found.manifest.sequence
        } else {
            spec == "latest" && unread.received >= found.receipt.received
        }
    };
    let hides = |error: &ArchiveError| match (error, &found) {
        (ArchiveError::Manifest { host, receipt: None, .. }, Some(found)) => {
            spec == "latest" || found.receipt.host_id() == *host
        }
        (ArchiveError::Manifest { host, receipt: Some(unread), .. }, Some(found)) => {
            in_time(unread.received) && newer(host, unread, found)
        }
        (ArchiveError::Manifest { receipt: Some(unread), .. }, None) => in_time(unread.received),
        (_, found) => found.is_none(),
    };
    match (errors.into_iter().find(hides), found) {
        (Some(error), _) => Err(error),
        (None, Some(found)) => Ok(found),
        (None, None) => Err(ArchiveError::NoSuchSnapshot { spec: spec.to_owned(), candidates }),
    }
}

fn by_id(
    spec: &str,
    snapshots: Vec<SnapshotInfo>,
    errors: Vec<ArchiveError>,
) -> Result<SnapshotInfo, ArchiveError> {
    let prefix = spec.to_ascii_lowercase();
    let is_id = prefix.len() >= PREFIX_MIN && prefix.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_id {
        return Err(absent(spec, &snapshots));
    }
    let mut fitting: Vec<_> =
        snapshots.iter().filter(|info| info.id.to_string().starts_with(&prefix)).cloned().collect();
    // Several hosts cannot have one manifest, but a ledger may hold two receipts for one.
    fitting.dedup_by_key(|info| info.id);
    match (fitting.len(), fitting.pop()) {
        (1, Some(found)) => Ok(found),
        (0, _) | (_, None) => {
            let named = |error: &ArchiveError| matches!(error, ArchiveError::Manifest { id, .. } if id.to_string().starts_with(&prefix));
            Err(errors.into_iter().find(named).unwrap_or_else(|| absent(spec, &snapshots)))
        }
        (_, Some(last)) => {
            let ids =
                fitting.iter().chain([&last]).map(|info| format!("{} ({})", info.id.short(), info.name()));
            Err(ArchiveError::Ambiguous { spec: spec.to_owned(), candidates: ids.collect() })
        }
    }
}

fn absent(spec: &str, there: &[SnapshotInfo]) -> ArchiveError {
    let candidates = names(there, |info| format!("{}@latest", info.name()));
    ArchiveError::NoSuchSnapshot { spec: spec.to_owned(), candidates }
}

fn names(snapshots: &[SnapshotInfo], name: impl Fn(&SnapshotInfo) -> String) -> Vec<String> {
    let mut names: Vec<_> = snapshots.iter().map(name).collect();
    names.sort();
    names.dedup();
    names
}

/// The first nanosecond after a day written as 2026-11-20, as if it were one of UTC.
fn end_of_day(date: &str) -> Option<Nanos> {
    let mut parts = date.splitn(3, '-');
    let mut number = |digits: usize| {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse::<i64>().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1..=length).contains(&day) || year < 1970 {
        return None;
    }
    let before = |year: i64| year * 365 + year / 4 - year / 100 + year / 400;
    let months = lengths.iter().take(usize::try_from(month - 1).ok()?).sum::<i64>();
    let days = before(year - 1) - before(1969) + months + day;
    days.checked_mul(DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_end_when_the_calendar_says() {
        assert_eq!(end_of_day("1970-01-01"), Some(DAY));
        assert_eq!(end_of_day("2000-02-29"), Some(951_868_800_000_000_000));
        assert_eq!(end_of_day("2026-11-20"), Some(1_795_219_200_000_000_000));
        for bad in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "26-01-01",
            "2026-1-1",
            "2026-01-01-01",
            "",
            "x",
            "1969-01-01",
        ] {
            assert_eq!(end_of_day(bad), None, "{bad}");
        }
    }
}
