//! What is captured at one moment: `[[group]]`, and the same keys of a source that stands for itself. They are taken out of the file
//! first, and a group's schedule is given to its sources; what is left is read as before.

use super::fault::{Checked, Fault, fault, read};
use super::file::name;
use super::keys::{SECS, absolute, number, program, size};
use super::quoted;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vow_base::amount::Bytes;
use vow_sources::coherence::{Group, Hook, Hooks, How, Size};

/// Sources that are captured at one moment, or one source with hooks or a snapshot of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// What is done.
    pub group: Group,
    /// Whether it stands below `[[group]]`; else its only source has the keys.
    pub declared: bool,
}

/// The keys that make a moment.
const MOMENT: [&str; 9] = [
    "before",
    "after",
    "before_may_fail",
    "hook_secs",
    "snapshot",
    "snapshot_take",
    "snapshot_drop",
    "snapshot_volumes",
    "snapshot_room",
];
/// The keys that a group gives to its sources.
const GIVEN: [&str; 6] = ["schedule", "time_zone", "window", "jitter", "retries", "catch_up"];
const FILES: &str = "files";
const ROOM: Size = Size::Percent(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Spanned<String>,
    sources: Spanned<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMoment {
    #[serde(default)]
    before_may_fail: bool,
    hook_secs: Option<Spanned<i64>>,
    snapshot: Option<Spanned<String>>,
    snapshot_take: Option<Spanned<Vec<Spanned<String>>>>,
    snapshot_drop: Option<Spanned<Vec<Spanned<String>>>>,
    snapshot_volumes: Option<Spanned<Vec<Spanned<String>>>>,
    snapshot_room: Option<Spanned<String>>,
}

type Table<'t> = DeTable<'t>;

/// Takes what is read here out of the file.
pub(super) fn take(table: &mut Table<'_>, folder: &Path) -> Checked<Vec<GroupPlan>> {
    const LIST: &str = "a group stands below [[group]]";
    let raw = table.remove("group");
    let mut sources: Vec<&mut Spanned<DeValue<'_>>> = match table.get_mut("source").map(Spanned::get_mut) {
        Some(DeValue::Array(sources)) => sources.iter_mut().collect(),
        _ => Vec::new(),
    };
    let (mut groups, mut members) = (Vec::new(), BTreeSet::new());
    if let Some(raw) = raw {
        let span = raw.span();
        let DeValue::Array(list) = raw.into_inner() else {
            return Err(Fault { at: Some(span), text: LIST.into() });
        };
        for value in list.into_iter() {
            let span = value.span();
            let DeValue::Table(value) = value.into_inner() else {
                return Err(Fault { at: Some(span), text: LIST.into() });
            };
            let group = group(Spanned::new(span, value), &mut sources, &mut members, folder)?;
            if groups.iter().any(|other: &(_, GroupPlan)| other.1.group.name == group.1.group.name) {
                return Err(fault(&group.0, format!("there are two groups named {:?}", group.0.get_ref())));
            }
            groups.push(group);
        }
    }
    let mut plans: Vec<_> = groups.into_iter().map(|(_, plan)| plan).collect();
    for source in sources.iter_mut() {
        plans.extend(alone(source, &members, folder)?);
    }
    Ok(plans)
}

/// A text of a table, with its place.
fn text_of(table: &Table<'_>, key: &str) -> Option<String> {
    match table.get(key).map(Spanned::get_ref) {
        Some(DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    }
}

/// Whether a source has this name.
fn is_named(source: &Spanned<DeValue<'_>>, name: &str) -> bool {
    matches!(source.get_ref(), DeValue::Table(table) if text_of(table, "name").as_deref() == Some(name))
}

/// The keys of a table that have these names.
fn part<'t>(table: &mut Table<'t>, keys: &[&str]) -> Table<'t> {
    keys.iter().filter_map(|key| table.remove_entry(*key)).collect()
}

fn group<'t>(
    raw: Spanned<Table<'t>>,
    sources: &mut [&mut Spanned<DeValue<'t>>],
    members: &mut BTreeSet<String>,
    folder: &Path,
) -> Checked<(Spanned<String>, GroupPlan)> {
    let span = raw.span();
    let mut table = raw.into_inner();
    let (moment, given) = (part(&mut table, &MOMENT), part(&mut table, &GIVEN));
    let raw: RawGroup = read(Spanned::new(span.clone(), table))?;
    let own = name("group", &raw.name)?;
    if sources.iter().any(|source| is_named(source, &own)) {
        let text = format!("{own:?} is the name of a source: give the group another one");
        return Err(fault(&raw.name, text));
    }
    if raw.sources.get_ref().is_empty() {
        return Err(fault(&raw.sources, format!("the group {own:?} has no sources")));
    }
    let mut kinds = Vec::new();
    for source in raw.sources.get_ref() {
        let text = source.get_ref();
        let found = sources.iter_mut().find(|source| is_named(source, text)).map(|source| source.get_mut());
        let Some(DeValue::Table(table)) = found else {
            return Err(fault(source, format!("there is no source {text:?}")));
        };
        if !members.insert(text.clone()) {
            return Err(fault(source, format!("the source {text:?} is in a group already")));
        }
        for key in MOMENT.iter().chain(&GIVEN) {
            if let Some(value) = table.get(*key) {
                let why = format!("{text:?} is a source of the group {own:?}: its {key} stands there");
                return Err(Fault { at: Some(value.span()), text: why });
            }
        }
        kinds.extend(text_of(table, "type"));
        for (key, value) in &given {
            table.insert(key.clone(), value.clone());
        }
    }
    let names = raw.sources.get_ref().iter().map(|source| source.get_ref().clone()).collect();
    let plan = moment_of(moment, span, own.clone(), names, &kinds, folder)?;
    let Some(group) = plan else {
        let text =
            format!("the group {own:?} has neither hooks nor a snapshot: nothing would make it one moment");
        return Err(fault(&raw.name, text));
    };
    Ok((raw.name, GroupPlan { group, declared: true }))
}

/// The keys of a source that stands for itself.
fn alone(
    source: &mut Spanned<DeValue<'_>>,
    members: &BTreeSet<String>,
    folder: &Path,
) -> Checked<Option<GroupPlan>> {
    let span = source.span();
    let DeValue::Table(table) = source.get_mut() else { return Ok(None) };
    // What has no name, or no type, is said better where sources are read.
    let (Some(own), Some(kind)) = (text_of(table, "name"), text_of(table, "type")) else { return Ok(None) };
    if members.contains(&own) || super::check_name("source", &own).is_err() {
        return Ok(None);
    }
    let moment = part(table, &MOMENT);
    let group = moment_of(moment, span, own.clone(), vec![own], &[kind], folder)?;
    Ok(group.map(|group| GroupPlan { group, declared: false }))
}

fn moment_of(
    mut table: Table<'_>,
    span: std::ops::Range<usize>,
    name: String,
    sources: Vec<String>,
    kinds: &[String],
    folder: &Path,
) -> Checked<Option<Group>> {
    let hooks_of = |value: Option<Spanned<DeValue<'_>>>, key: &str| {
        value.map_or(Ok(Vec::new()), |value| hooks(&value, key))
    };
    let (before, after) =
        (hooks_of(table.remove("before"), "before")?, hooks_of(table.remove("after"), "after")?);
    let raw: RawMoment = read(Spanned::new(span, table))?;
    let limit_secs = number(raw.hook_secs.as_ref(), Hooks::default().limit_secs, SECS)?;
    let snapshot = how(&raw, limit_secs, kinds, folder)?;
    if before.is_empty() && after.is_empty() && snapshot.is_none() {
        return Ok(None);
    }
    let hooks = Hooks { before, after, limit_secs, before_may_fail: raw.before_may_fail };
    Ok(Some(Group { name, sources, hooks, snapshot }))
}

/// One program with its arguments in a list, or a list of such lists.
fn hooks(value: &Spanned<DeValue<'_>>, key: &str) -> Checked<Vec<Hook>> {
    let wrong = |at: &Spanned<DeValue<'_>>| {
        fault(
            at,
            format!(
                "{key} is a program with its arguments in a list, or a list of such lists; there is no shell"
            ),
        )
    };
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong(value)) };
    let one = |value: &Spanned<DeValue<'_>>| {
        let DeValue::Array(words) = value.get_ref() else { return Err(wrong(value)) };
        let word = |word: &Spanned<DeValue<'_>>| match word.get_ref() {
            DeValue::String(text) => Ok(Spanned::new(word.span(), text.to_string())),
            _ => Err(wrong(word)),
        };
        let words = words.iter().map(word).collect::<Checked<Vec<_>>>()?;
        program(&Spanned::new(value.span(), words), key).map(Hook)
    };
    match list.iter().next().map(Spanned::get_ref) {
        None => Ok(Vec::new()),
        Some(DeValue::String(_)) => Ok(vec![one(value)?]),
        Some(_) => list.iter().map(one).collect(),
    }
}

fn how(raw: &RawMoment, limit_secs: u64, kinds: &[String], folder: &Path) -> Checked<Option<How>> {
    let own = [
        ("snapshot_take", raw.snapshot_take.as_ref()),
        ("snapshot_drop", raw.snapshot_drop.as_ref()),
        ("snapshot_volumes", raw.snapshot_volumes.as_ref()),
    ];
    let word = raw.snapshot.as_ref();
    let is = |kind: &str| word.is_some_and(|word| word.get_ref() == kind);
    if let Some((key, Some(value))) = own.iter().find(|(_, value)| value.is_some() && !is("command")) {
        return Err(fault(value, format!("{key} goes with snapshot = \"command\"")));
    }
    if let Some(room) = raw.snapshot_room.as_ref().filter(|_| !is("lvm") && !is("auto")) {
        return Err(fault(
            room,
            "snapshot_room is for volumes of LVM: it goes with snapshot = \"lvm\" or \"auto\"",
        ));
    }
    let Some(word) = word else { return Ok(None) };
    let room = || raw.snapshot_room.as_ref().map_or(Ok(ROOM), room);
    let how = match word.get_ref().as_str() {
        "auto" => How::Auto(room()?),
        "btrfs" => How::Btrfs,
        "lvm" => How::Lvm(room()?),
        "zfs" => How::Zfs,
        "command" => {
            let list = |at: usize| {
                let (key, value) = own[at];
                let missing = || fault(word, format!("snapshot = \"command\" needs {key}"));
                value.ok_or_else(missing).and_then(|value| Ok((key, value, program(value, key)?)))
            };
            let ((_, _, take), (_, _, drop), (_, volumes, _)) = (list(0)?, list(1)?, list(2)?);
            let volumes =
                volumes.get_ref().iter().map(|path| absolute(path, folder)).collect::<Checked<_>>()?;
            How::Command { take, drop, volumes, limit_secs }
        }
        _ => {
            let text = "snapshot is \"auto\", \"btrfs\", \"lvm\", \"zfs\" or \"command\"";
            return Err(fault(word, text));
        }
    };
    match kinds.iter().any(|kind| kind == FILES) {
        true => Ok(Some(how)),
        false => {
            Err(fault(word, "only sources of type \"files\" are read in a snapshot, and there is none here"))
        }
    }
}

/// `10%`, `5 GiB`.
fn room(raw: &Spanned<String>) -> Checked<Size> {
    let share = raw.get_ref().trim().strip_suffix('%').map(|digits| digits.trim().parse::<u8>().ok());
    match share {
        Some(Some(share @ 1..=100)) => Ok(Size::Percent(share)),
        Some(_) => Err(fault(raw, "a share is from 1% to 100%")),
        None => size(raw).map(Size::Bytes),
    }
}

/// The keys of a moment, as they are shown.
pub(super) fn shown(text: &mut String, group: &Group) {
    let Group { hooks, snapshot, .. } = group;
    let words = |words: &[String]| {
        format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
    };
    let all = |hooks: &[Hook]| {
        format!("[{}]", hooks.iter().map(|hook| words(&hook.0)).collect::<Vec<_>>().join(", "))
    };
    let mut line = |key: &str, value: String| {
        // Writing to a string never fails.
        let _ = writeln!(text, "{key} = {value}");
    };
    line("before", all(&hooks.before));
    line("after", all(&hooks.after));
    line("before_may_fail", hooks.before_may_fail.to_string());
    line("hook_secs", hooks.limit_secs.to_string());
    let Some(how) = snapshot else { return };
    line("snapshot", quoted(how.word()));
    match how {
        How::Auto(room) | How::Lvm(room) => line(
            "snapshot_room",
            match room {
                Size::Percent(share) => format!("\"{share}%\""),
                Size::Bytes(bytes) => format!("\"{}\"", Bytes(*bytes)),
            },
        ),
        How::Command { take, drop, volumes, .. } => {
            line("snapshot_take", words(take));
            line("snapshot_drop", words(drop));
            line(
                "snapshot_volumes",
                words(&volumes.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>()),
            );
        }
        How::Btrfs | How::Zfs => {}
    }
}
