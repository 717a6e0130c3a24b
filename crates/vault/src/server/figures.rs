//! Figures for Prometheus: counted as things happen, and looked up when somebody asks.

use super::app::App;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use vow_base::vault::VaultError;

/// What is counted as it happens.
pub(crate) struct Figures {
    requests: Family<Answered, Counter>,
    received: Counter,
    sent: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) connections: Gauge,
    pub(crate) refused_connections: Counter,
    pub(crate) snapshots: Counter,
    pub(crate) storage_errors: Counter,
    pub(crate) join_failures: Counter,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    verb: &'static str,
    status: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfChore {
    chore: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfHost {
    host: String,
    tenant: String,
    name: String,
}

const NANOS_IN_A_SECOND: i64 = 1_000_000_000;

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            requests: Family::default(),
            received: Counter::default(),
            sent: Counter::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            refused_connections: Counter::default(),
            snapshots: Counter::default(),
            storage_errors: Counter::default(),
            join_failures: Counter::default(),
        }
    }

    /// Counts a request. Status 0: nobody waited for the answer.
    pub(crate) fn request(&self, verb: &'static str, status: u16, received: u64, sent: u64) {
        self.requests.get_or_create(&Answered { verb, status }).inc();
        self.received.inc_by(received);
        self.sent.inc_by(sent);
    }

    /// All of them as text. Looks at the storage.
    pub(crate) fn text(app: &App) -> Result<String, VaultError> {
        let mut registry = Registry::with_prefix("vow_vault");
        app.figures.register(&mut registry);
        looked_up(app, &mut registry)?;
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = encode(&mut text, &registry);
        Ok(text)
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests by verb and status; 0: cut off", self.requests.clone());
        registry.register("received_bytes", "Bytes of bodies received", self.received.clone());
        registry.register("sent_bytes", "Bytes of bodies sent", self.sent.clone());
        registry.register("requests_in_flight", "Requests being answered", self.in_flight.clone());
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register(
            "connections_refused",
            "Connections closed because a limit was reached",
            self.refused_connections.clone(),
        );
        registry.register(
            "snapshots_committed",
            "Snapshots committed since the start",
            self.snapshots.clone(),
        );
        registry.register("storage_errors", "Failures of the storage", self.storage_errors.clone());
        registry.register("join_failures", "Attempts to join that were refused", self.join_failures.clone());
    }
}

/// What the vault itself knows.
fn looked_up(app: &App, registry: &mut Registry) -> Result<(), VaultError> {
    app.book.catch_up()?;
    let state = app.vault.state()?;
    let hosts = app.book.hosts();
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge = <Gauge>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("hosts", "Hosts that have joined", number(hosts.len() as u64));
    gauge("ledger_position", "Position of the newest ledger entry", number(state.position));
    gauge("clock_in_doubt", "1 while the clock is in doubt", i64::from(state.clock_doubt.is_some()));
    gauge(
        "deletions_unfinished",
        "Deletions announced and not finished",
        number(state.deleting.len() as u64),
    );
    gauge("read_only", "1 while nothing can be stored", i64::from(app.trouble().read_only.is_some()));
    let last_pass = state.passes.last().map_or(0, |(_, at)| at / NANOS_IN_A_SECOND);
    gauge("last_pass_timestamp_seconds", "When a sweep last looked at everything", last_pass);
    if let Some(space) = app.vault.space()? {
        gauge("space_free_bytes", "Free space", number(space.free_bytes));
        gauge("space_total_bytes", "Space in all", number(space.total_bytes));
        gauge(
            "space_reserve_bytes",
            "Space kept for manifests and the ledger",
            number(app.room.reserve_bytes()),
        );
    }
    let [good, failing]: [Family<OfChore, Gauge>; 2] = Default::default();
    for chore in app.chores() {
        let labels = OfChore { chore: chore.name };
        good.get_or_create(&labels).set(chore.last_good.map_or(0, |at| at / NANOS_IN_A_SECOND));
        failing.get_or_create(&labels).set(i64::from(matches!(chore.said, Some(Err(_)))));
    }
    registry.register(
        "chore_last_success_timestamp_seconds",
        "When a chore last succeeded; 0: not yet",
        good,
    );
    registry.register("chore_failing", "1 while a chore has failed and not succeeded since", failing);
    let [kept, last, stored]: [Family<OfHost, Gauge>; 3] = Default::default();
    let by_host: BTreeMap<_, _> = hosts.iter().map(|(id, host)| (*id, host.clone())).collect();
    for (id, host) in by_host {
        let labels = OfHost { host: id.short(), tenant: host.tenant.clone(), name: host.name.clone() };
        let known = state.of_host(&id);
        kept.get_or_create(&labels).set(number(known.kept().count() as u64));
        let newest = known.snapshots.last().map_or(0, |newest| newest.receipt.received / NANOS_IN_A_SECOND);
        last.get_or_create(&labels).set(newest);
        stored.get_or_create(&labels).set(number(app.usage.of_host(&id).0.bytes));
    }
    registry.register("host_snapshots", "Snapshots that are kept", kept);
    registry.register("host_last_commit_timestamp_seconds", "When a host last committed; 0: never", last);
    registry.register("host_stored_bytes", "Bytes stored; until counted, at least", stored);
    Ok(())
}
