//! Reading `vow.toml`. Whatever is wrong is said with file, line and column.

use super::agent;
use super::fault::{Checked, Fault, fault, position, read};
use super::groups;
use super::keys::{self, absolute};
use super::sources::sources;
use super::{BUCKET_SCHEME, Config, Place, PlanError, SourcePlan, Timing, VaultPlan};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeTable;
use vow_base::Fingerprint;
use vow_base::id::{from_hex, sha256};
use vow_base::sign::PublicKey;
use vow_protocol::limits::READERS_MAX;
use vow_store::compress::DEFAULT_LEVEL;
use vow_store::session::Recipient;

const COMPRESSION: std::ops::RangeInclusive<i64> = 1..=19;
const NAME_LIMIT_CHARS: usize = 64;
const SIZE_LIMIT_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    host: Spanned<RawHost>,
    #[serde(default)]
    vault: Vec<Spanned<RawVault>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHost {
    tenant: Spanned<String>,
    name: Spanned<String>,
    recipients: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    readers: Vec<Spanned<String>>,
    keys: Option<Spanned<String>>,
    state: Option<Spanned<String>>,
    compression: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVault {
    name: Spanned<String>,
    path: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    fingerprint: Option<Spanned<String>>,
    limit_upload: Option<Spanned<String>>,
    limit_download: Option<Spanned<String>>,
    spool: Option<bool>,
}

/// Reads the text of the configuration at `file`, an absolute path.
pub fn parse(text: &str, file: &Path, origin: &'static str) -> Result<Config, PlanError> {
    parse_checked(text, file, origin).map_err(|fault| {
        let (line, column) = position(text, fault.at.map_or(0, |span| span.start));
        PlanError::Fault { file: file.to_owned(), line, column, text: fault.text }
    })
}

fn parse_checked(text: &str, file: &Path, origin: &'static str) -> Checked<Config> {
    if text.len() > SIZE_LIMIT_BYTES {
        return Err(Fault { at: None, text: "the file is longer than 1 MiB".into() });
    }
    let mut table = DeTable::parse(text)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let groups = groups::take(table.get_mut(), folder)?;
    let taken = agent::take(table.get_mut(), folder)?;
    let raw_sources = table.get_mut().remove("source");
    let raw: RawConfig = read(table)?;
    let host = raw.host.get_ref();
    if raw.vault.is_empty() {
        return Err(fault(&raw.host, "there is no [[vault]]: add one, with a name and a path"));
    }
    let sources = raw_sources.map(|raw| sources(raw, folder)).transpose()?.unwrap_or_default();
    if sources.is_empty() {
        return Err(fault(&raw.host, "there is no [[source]]: add one, with a name, a type and paths"));
    }
    let vaults = raw.vault.iter().map(|vault| vault_plan(vault, folder)).collect::<Checked<Vec<_>>>()?;
    unique("vault", raw.vault.iter().map(|vault| &vault.get_ref().name))?;
    refuse_same_vault(&raw.vault, &vaults)?;
    unique("source", sources.iter().map(|(name, _)| name))?;
    let mut sources = sources;
    for (name, source) in &mut sources {
        one_target(name, source, taken.timings.get(&source.name))?;
    }
    Ok(Config {
        file: file.to_owned(),
        origin,
        tenant: name("tenant", &host.tenant)?,
        host: name("host", &host.name)?,
        recipients: recipients(&host.recipients)?,
        readers: readers(&host.readers)?,
        keys: own_folder(host.keys.as_ref(), folder, "keys")?,
        state: own_folder(host.state.as_ref(), folder, "state")?,
        compression: compression(host.compression.as_ref())?,
        vaults,
        sources: sources.into_iter().map(|(_, plan)| plan).collect(),
        groups,
        console: taken.console,
        agent: taken.agent,
        timings: taken.timings,
        waivers: taken.waivers,
        hash: sha256(text.as_bytes()),
    })
}

/// `restore_within` and `restore_target` are two names of one promise: drills, the agent and the console hold the source to the same.
fn one_target(name: &Spanned<String>, source: &mut SourcePlan, timing: Option<&Timing>) -> Checked<()> {
    let within = timing.and_then(|timing| timing.restore_within).map(|within| within.as_secs().max(1));
    match (within, source.drill.restore_target_secs) {
        (Some(within), Some(target)) if within != target => Err(fault(
            name,
            format!(
                "restore_within and restore_target of {:?} differ: they mean the same, keep one",
                name.get_ref()
            ),
        )),
        (within, target) => {
            source.drill.restore_target_secs = target.or(within);
            Ok(())
        }
    }
}

fn vault_plan(raw: &Spanned<RawVault>, folder: &Path) -> Checked<VaultPlan> {
    let vault = raw.get_ref();
    let place = place(vault, folder)?;
    let fingerprint = vault.fingerprint.as_ref().map(|text| {
        text.get_ref()
            .parse::<Fingerprint>()
            .map_err(|_| fault(text, "a fingerprint is SHA256: and 64 hexadecimal digits"))
    });
    let rate = |text: Option<&Spanned<String>>| match (text, &place) {
        (None, _) => Ok(None),
        (Some(text), Place::Folder(_) | Place::Bucket(_)) => {
            Err(fault(text, "a limit is for a vault with a url"))
        }
        (Some(text), Place::Address(_)) => keys::rate(text).map(Some),
    };
    Ok(VaultPlan {
        name: name("vault", &vault.name)?,
        fingerprint: fingerprint.transpose()?,
        limit_upload: rate(vault.limit_upload.as_ref())?,
        limit_download: rate(vault.limit_download.as_ref())?,
        spool: vault.spool.unwrap_or(place.default_spool()),
        place,
    })
}

fn place(vault: &RawVault, folder: &Path) -> Checked<Place> {
    let name = vault.name.get_ref();
    match (&vault.path, &vault.url) {
        (Some(_), Some(url)) => {
            Err(fault(url, format!("the vault {name:?} has a path and a url: it is in one place")))
        }
        (None, None) => Err(fault(&vault.name, format!("the vault {name:?} has neither a path nor a url"))),
        (Some(path), None) => Ok(Place::Folder(absolute(path, folder)?)),
        (None, Some(url)) if url.get_ref().starts_with(BUCKET_SCHEME) => Err(fault(
            url,
            format!(
                "the vault {name:?} is a bucket: hosts send to the server of such a vault, and `--vault {BUCKET_SCHEME}…` reads from it"
            ),
        )),
        (None, Some(url)) => {
            let address =
                url.get_ref().parse().map_err(|why| fault(url, format!("this url cannot be used: {why}")))?;
            if vault.fingerprint.is_none() {
                let text = format!(
                    "the vault {name:?} has a url and no fingerprint: without one nobody can say who answers there; \
                     `vow vault join` writes both"
                );
                return Err(fault(url, text));
            }
            Ok(Place::Address(address))
        }
    }
}

/// Two levels that are one vault would look like two copies.
fn refuse_same_vault(raw: &[Spanned<RawVault>], plans: &[VaultPlan]) -> Checked<()> {
    for (at, plan) in plans.iter().enumerate() {
        let same = |other: &&VaultPlan| {
            other.place == plan.place || plan.fingerprint.is_some() && other.fingerprint == plan.fingerprint
        };
        if let Some(other) = plans[..at].iter().find(same) {
            let text = format!("the vaults {:?} and {:?} are the same one", other.name, plan.name);
            return Err(fault(&raw[at].get_ref().name, text));
        }
    }
    Ok(())
}

fn recipients(raw: &Spanned<Vec<Spanned<String>>>) -> Checked<Vec<Recipient>> {
    if raw.get_ref().is_empty() {
        return Err(fault(raw, "there is no recipient: make one with `vow key new`"));
    }
    let one = |text: &Spanned<String>| text.get_ref().parse().map_err(|e| fault(text, format!("{e}")));
    let recipients: Vec<Recipient> = raw.get_ref().iter().map(one).collect::<Checked<_>>()?;
    for (at, recipient) in recipients.iter().enumerate() {
        if recipients[..at].iter().any(|other| other.text() == recipient.text()) {
            return Err(fault(&raw.get_ref()[at], "this recipient is listed twice"));
        }
    }
    Ok(recipients)
}

fn readers(raw: &[Spanned<String>]) -> Checked<Vec<PublicKey>> {
    let one = |text: &Spanned<String>| {
        let key = from_hex::<32>(text.get_ref()).map(PublicKey);
        key.ok_or_else(|| fault(text, "a reader is a key of 64 hexadecimal digits; `vow key new` prints it"))
    };
    let readers: Vec<_> = raw.iter().map(one).collect::<Checked<_>>()?;
    for (at, reader) in readers.iter().enumerate() {
        if readers[..at].contains(reader) {
            return Err(fault(&raw[at], "this reader is listed twice"));
        }
    }
    if let Some(first) = raw.get(READERS_MAX) {
        return Err(fault(first, format!("there are more than {READERS_MAX} readers")));
    }
    Ok(readers)
}

fn compression(raw: Option<&Spanned<i64>>) -> Checked<i32> {
    let Some(level) = raw else { return Ok(DEFAULT_LEVEL) };
    let allowed = Some(*level.get_ref()).filter(|level| COMPRESSION.contains(level));
    let allowed = allowed.and_then(|level| i32::try_from(level).ok());
    allowed.ok_or_else(|| fault(level, "compression is a level from 1 (fast) to 19 (small)"))
}

fn own_folder(raw: Option<&Spanned<String>>, folder: &Path, default: &str) -> Checked<PathBuf> {
    raw.map_or_else(|| Ok(folder.join(default)), |path| absolute(path, folder))
}

pub(super) fn name(what: &str, raw: &Spanned<String>) -> Checked<String> {
    check_name(what, raw.get_ref()).map_err(|why| fault(raw, why))?;
    Ok(raw.get_ref().clone())
}

/// What is wrong with a name of a tenant, host, vault or source.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let first = name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if first && name.len() <= NAME_LIMIT_CHARS && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "{name:?} cannot be the name of a {what}: use 1 to {NAME_LIMIT_CHARS} characters of a-z, 0-9, '.', '_' and '-', \
         starting with a letter or digit"
    ))
}

fn unique<'n>(what: &str, names: impl Iterator<Item = &'n Spanned<String>>) -> Checked<()> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name.get_ref()) {
            return Err(fault(name, format!("there are two {what}s named {:?}", name.get_ref())));
        }
    }
    Ok(())
}
