//! Opening vaults to read from them: by the plan, or by a path and a recovery kit alone.

use crate::app::Context;
use crate::config::{Config, VaultPlan};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::identity::{self, Identity};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::sign::PublicKey;
use vow_store::archive::{Archive, ArchiveError, Snapshot, SnapshotInfo};
use vow_vault::Vault;

/// Which vault to read, and what opens it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ReadArgs {
    /// Read this vault only: its name in the configuration, or the path of its folder
    ///
    /// With a path no configuration is needed: an identity file, best a whole recovery kit, is enough.
    #[arg(long, value_name = "NAME|PATH")]
    pub(crate) vault: Option<PathBuf>,
    /// File with the age identity that opens snapshots
    ///
    /// Otherwise $VOW_IDENTITY_FILE names the file, or $VOW_IDENTITY_COMMAND is run and writes the identity to its output.
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
}

/// Whether a command can do without an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It cannot.
    Identity,
    /// It does more with one.
    Optional,
    /// It makes no use of one, apart from the host keys in a kit.
    Nothing,
}

/// A vault that could be opened.
pub(crate) struct Place {
    /// Its name in the plan, or its path.
    pub(crate) name: String,
    /// Its content.
    pub(crate) archive: Archive,
}

/// The vaults to read.
pub(crate) struct Reading {
    /// Those that could be opened, in the order of the plan.
    pub(crate) places: Vec<Place>,
    /// Those that could not.
    pub(crate) unreachable: Vec<(String, Failure)>,
    /// The plan, when there is one.
    pub(crate) config: Option<Config>,
}

/// Opens the folder of a vault and checks that it is the one expected.
pub(crate) fn open_vault(path: &Path, fingerprint: Option<&str>) -> Outcome<Vault> {
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), path)?;
    if let Some(expected) = fingerprint {
        vault.expect_fingerprint(expected)?;
    }
    Ok(vault)
}

impl Reading {
    /// Opens what the arguments and the configuration name.
    pub(crate) fn open(cx: &Context, args: &ReadArgs, need: Need) -> Outcome<Self> {
        let (config, plans) = chosen(cx, args.vault.as_deref())?;
        let flag = args.identity.as_deref();
        let nearby =
            config.as_ref().and_then(|config| config.file.parent()).map(|dir| dir.join("recovery.agekey"));
        let identity = match need {
            Need::Identity => Some(identity::required(flag, nearby.as_deref())?),
            Need::Optional | Need::Nothing => identity::given(flag)?,
        };
        let trusted = trusted(config.as_ref(), identity.as_ref())?;
        let mut reading = Self { places: Vec::new(), unreachable: Vec::new(), config };
        for plan in plans {
            let on_record = identity.as_ref().and_then(|identity| identity.kit.fingerprint_of(&plan.path));
            let fingerprint = plan.fingerprint.as_deref().or(on_record);
            match open_vault(&plan.path, fingerprint) {
                Ok(vault) => {
                    let keys = identity.as_ref().map(|identity| identity.keys.clone());
                    let archive = Archive::new(Arc::new(vault), keys, trusted.clone());
                    reading.places.push(Place { name: plan.name, archive });
                }
                Err(failure) => reading.unreachable.push((plan.name, failure)),
            }
        }
        reading.refuse_none(cx)?;
        Ok(reading)
    }

    fn refuse_none(&mut self, cx: &Context) -> Outcome<()> {
        if self.places.is_empty() {
            let (name, failure) = self.unreachable.remove(0);
            let others = self.unreachable.iter().map(|(name, failure)| format!("{name}: {}", failure.line()));
            let others: Vec<_> = others.collect();
            let mut failure = failure.during(format!("the vault {name} cannot be read"));
            failure.causes.extend(others);
            return Err(failure);
        }
        for (name, failure) in &self.unreachable {
            cx.ui.warn(&format!("the vault {name} cannot be read: {}", failure.line()));
        }
        if self.places.iter().any(|place| place.archive.trusts_the_vault()) {
            cx.ui.note(
                "the host's key is taken from the vault on trust: this identity file names no host (a recovery kit does)",
            );
        }
        Ok(())
    }

    /// The snapshot that `spec` names: the newest where vaults differ, from the first vault that has it and can open it.
    pub(crate) fn snapshot(&self, cx: &Context, spec: &str) -> Outcome<Snapshot> {
        let mut found: Vec<(&Place, SnapshotInfo)> = Vec::new();
        let mut refused: Option<Failure> = None;
        for place in &self.places {
            match place.archive.find(spec) {
                Ok(info) => found.push((place, info)),
                Err(error @ ArchiveError::NoSuchSnapshot { .. }) => {
                    refused.get_or_insert(error.into());
                }
                Err(error) => {
                    let failure = Failure::from(error)
                        .during(format!("the vault {} cannot say which snapshot that is", place.name));
                    if self.places.len() > 1 {
                        cx.ui.warn(&failure.line());
                    }
                    refused = Some(failure);
                }
            }
        }
        let newest = found.iter().max_by_key(|(_, info)| (info.manifest.sequence, info.receipt.received));
        let Some((_, info)) = newest else {
            return Err(
                refused.unwrap_or_else(|| Failure::new(Exit::NotFound, format!("no snapshot is {spec:?}")))
            );
        };
        let having = found.iter().filter(|(_, other)| other.id == info.id).map(|(place, _)| *place);
        open_first(cx, info, &having.collect::<Vec<_>>())
    }
}

/// Opens a snapshot from the first of these vaults that can.
pub(crate) fn open_first(cx: &Context, info: &SnapshotInfo, places: &[&Place]) -> Outcome<Snapshot> {
    let mut first: Option<Failure> = None;
    for place in places {
        match place.archive.open(info) {
            Ok(snapshot) => {
                if let Some(failure) = first {
                    cx.ui.warn(&format!("{}; reading from {} instead", failure.line(), place.name));
                }
                return Ok(snapshot);
            }
            Err(error) => {
                let (id, name) = (info.id.short(), &place.name);
                let what = format!("snapshot {id} cannot be opened from the vault {name}");
                first.get_or_insert(Failure::from(error).during(what));
            }
        }
    }
    Err(first.unwrap_or_else(|| Failure::failed("the snapshot cannot be opened")))
}

/// The plan and those of its vaults that are meant; or a path alone.
fn chosen(cx: &Context, vault: Option<&Path>) -> Outcome<(Option<Config>, Vec<VaultPlan>)> {
    let Some(vault) = vault else {
        let config = Config::load(cx.config.as_deref())?;
        let plans = config.vaults.clone();
        return Ok((Some(config), plans));
    };
    let as_path = || -> Outcome<VaultPlan> {
        let path = std::path::absolute(vault).map_err(|e| Failure::io("find", vault, e))?;
        Ok(VaultPlan { name: vault.display().to_string(), path, fingerprint: None })
    };
    let text = vault.to_string_lossy();
    let is_path = text.contains('/') || text.starts_with('.');
    if is_path && cx.config.is_none() {
        return Ok((None, vec![as_path()?]));
    }
    // A name needs the plan. A configuration given by hand lends its host key to a path as well.
    match Config::load(cx.config.as_deref()) {
        Ok(config) => {
            let plan =
                config.vaults.iter().find(|plan| plan.name == text || is_path && same(&plan.path, vault));
            match plan.cloned() {
                Some(plan) => Ok((Some(config), vec![plan])),
                None if is_path || vault.is_dir() => Ok((Some(config), vec![as_path()?])),
                None => {
                    let names: Vec<_> = config.vaults.iter().map(|plan| plan.name.as_str()).collect();
                    Err(Failure::new(
                        Exit::NotFound,
                        format!("there is no vault {text:?} in {}", config.file.display()),
                    )
                    .hint(format!("name one of these: {}; or give a path", names.join(", "))))
                }
            }
        }
        Err(_) if cx.config.is_none() && vault.is_dir() => Ok((None, vec![as_path()?])),
        Err(failure) => Err(failure),
    }
}

fn same(known: &Path, given: &Path) -> bool {
    std::path::absolute(given).is_ok_and(|given| given == known)
}

/// The keys to believe: this host's own, and those in the recovery kit.
fn trusted(config: Option<&Config>, identity: Option<&Identity>) -> Outcome<Vec<PublicKey>> {
    let mut keys: Vec<_> =
        identity.iter().flat_map(|identity| identity.kit.hosts.iter().map(|(_, key)| *key)).collect();
    if let Some(config) = config {
        match hostkeys::load_public(config) {
            Ok(key) if !keys.contains(&key) => keys.push(key),
            Ok(_) => {}
            // A bare machine has the configuration but not the host's keys: the kit's are as good.
            Err(_) if !keys.is_empty() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(keys)
}
