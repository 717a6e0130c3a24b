//! Opening vaults to read from them: by the plan, or by a path and a recovery kit alone.

mod chosen;

use crate::app::Context;
use crate::backing;
use crate::evidence::Evidence;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::hostkeys;
use crate::identity::{self, Identity};
use crate::level::{self, HostView};
use crate::sent::Sent;
use crate::ui::{midnight, plural};
pub(crate) use chosen::address_and_pin;
use chosen::chosen;
use std::path::PathBuf;
use std::sync::Arc;
use vow_agent::plan::{self, Config, VaultPlan};
use vow_base::sign::PublicKey;
use vow_base::vault::Retrieve;
use vow_store::archive::{Archive, ArchiveError, Snapshot, SnapshotInfo};
use vow_store::spool::Spool;

/// Which vault to read, and what opens it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ReadArgs {
    /// Read this vault only: its name in the configuration, the path of its folder, its address, or its bucket
    ///
    /// With a path, an address or a bucket no configuration is needed: a recovery kit is enough. An address without a kit needs the
    /// fingerprint behind it: https://HOST:PORT#FINGERPRINT. Of a bucket, s3://BUCKET/PREFIX, the usual AWS_ variables give the credentials; its
    /// server is not needed.
    #[arg(long, value_name = "NAME|PATH|URL")]
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
    /// What waits on this host for vaults that are away: it can be listed, not opened.
    pub(crate) spool: Option<Place>,
    /// The plan, when there is one.
    pub(crate) config: Option<Config>,
    /// What opens snapshots, when it was given.
    pub(crate) identity: Option<Identity>,
}

impl Reading {
    /// Opens what the arguments and the configuration name.
    pub(crate) fn open(cx: &Context, args: &ReadArgs, need: Need) -> Outcome<Self> {
        let flag = args.identity.as_deref();
        let (config, plans) = chosen(cx, args)?;
        let nearby = config.as_ref().and_then(Config::recovery_key);
        let identity = match need {
            Need::Identity => Some(identity::required(flag, nearby.as_deref())?),
            Need::Optional | Need::Nothing => identity::given(flag)?,
        };
        Self::of(cx, (config, plans), identity, args, need)
    }

    /// Opens every vault of this plan, with this identity.
    pub(crate) fn of_plan(cx: &Context, config: Config, identity: Identity) -> Outcome<Self> {
        let plans = config.vaults.clone();
        Self::of(cx, (Some(config), plans), Some(identity), &ReadArgs::default(), Need::Identity)
    }

    fn of(
        cx: &Context,
        (config, plans): (Option<Config>, Vec<VaultPlan>),
        identity: Option<Identity>,
        args: &ReadArgs,
        need: Need,
    ) -> Outcome<Self> {
        let trusted = trusted(config.as_ref(), identity.as_ref())?;
        let spool = if args.vault.is_none() { config.as_ref().and_then(spool) } else { None };
        let mut reading =
            Self { places: Vec::new(), unreachable: Vec::new(), spool, config, identity: identity.clone() };
        for plan in plans {
            match reading.vault(cx, &plan, need, identity.as_ref()) {
                Ok(vault) => {
                    let keys = identity.as_ref().map(|identity| identity.keys.clone());
                    let archive = Archive::new(vault, keys, trusted.clone());
                    reading.places.push(Place { name: plan.name, archive });
                }
                Err(failure) => reading.unreachable.push((plan.name, failure)),
            }
        }
        reading.refuse_none(cx, need)?;
        Ok(reading)
    }

    fn vault(
        &self,
        cx: &Context,
        plan: &VaultPlan,
        need: Need,
        identity: Option<&Identity>,
    ) -> Outcome<Arc<dyn Retrieve>> {
        let on_record = identity.and_then(|identity| identity.kit.fingerprint_of(&plan.place));
        let opened = level::open_to_read(plan, plan.fingerprint.or(on_record), identity);
        if opened.is_err() && need == Need::Nothing && matches!(plan.place, plan::Place::Address(_)) {
            // A host may not read there; what it sent, it can list all the same.
            return self.view(cx, plan).unwrap_or(opened);
        }
        opened
    }

    /// The vault as its host remembers it, with the receipts that it shows now; `None` when this is none of its hosts.
    fn view(&self, cx: &Context, plan: &VaultPlan) -> Option<Outcome<Arc<dyn Retrieve>>> {
        let config = self.config.as_ref()?;
        let keys = hostkeys::load(config).ok()?;
        let view = || -> Outcome<HostView> {
            let level = level::open_as_host(plan, &keys.signing)?;
            let mut evidence = Evidence::load(&config.state, &plan.name, keys.signing.public().host_id())?;
            evidence.compare(&*level.notary, plan.fingerprint.is_some())?;
            let sent = Arc::new(Sent::new(&config.state));
            Ok(HostView::new(keys.signing.public(), evidence.receipts(), sent))
        };
        Some(view().map(|view| {
            if view.unknown > 0 {
                cx.ui.note(&format!(
                    "{}: {} more, of which this host remembers nothing, can be listed with the identity",
                    plan.name,
                    plural(view.unknown, "snapshot")
                ));
            }
            Arc::new(view) as Arc<dyn Retrieve>
        }))
    }

    fn refuse_none(&mut self, cx: &Context, need: Need) -> Outcome<()> {
        let listed = need == Need::Nothing && self.spool.is_some();
        if self.places.is_empty() && !listed {
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
            match place.archive.find_in(spec, &midnight) {
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
        self.warn_of_newer(cx, spec, info);
        let having = found.iter().filter(|(_, other)| other.id == info.id).map(|(place, _)| *place);
        open_first(cx, info, &having.collect::<Vec<_>>())
    }

    /// An older snapshot is never taken for the latest in silence.
    fn warn_of_newer(&self, cx: &Context, spec: &str, found: &SnapshotInfo) {
        let waiting = self.spool.as_ref().and_then(|spool| spool.archive.find_in(spec, &midnight).ok());
        if let Some(newer) = waiting.filter(|waiting| waiting.manifest.sequence > found.manifest.sequence) {
            cx.ui.warn(&format!(
                "snapshot {} is newer, but waits on this host: it can be opened when `vow backup` has brought it to a vault",
                newer.id.short()
            ));
        }
    }
}

/// What waits on this host, when anything does.
fn spool(config: &Config) -> Option<Place> {
    let host = hostkeys::load_public(config).ok()?;
    let spool = Spool::new(&backing::spool_folder(&config.state), host);
    let waits = spool.waiting().is_ok_and(|waiting| !waiting.is_empty());
    let archive = |spool| Archive::new(Arc::new(spool), None, vec![host]);
    waits.then(|| Place { name: backing::SPOOL.to_owned(), archive: archive(spool) })
}

/// Opens a snapshot from the first of these archives that can.
///
/// # Errors
/// What the first of them said.
pub(crate) fn open_archive(info: &SnapshotInfo, archives: &[Archive]) -> Result<Snapshot, ArchiveError> {
    let mut first = None;
    for archive in archives {
        match archive.open(info) {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or(ArchiveError::NoIdentity))
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
