//! Figures of the process for Prometheus; those of the database are read when they are asked for.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct What {
    pub(crate) what: String,
}

/// What is counted while the process runs.
pub(crate) struct Figures {
    pub(crate) reports: Family<What, Counter>,
    pub(crate) requests: Family<What, Counter>,
    pub(crate) connections: Gauge,
    pub(crate) chores_failed: Counter,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            reports: Family::default(),
            requests: Family::default(),
            connections: Gauge::default(),
            chores_failed: Counter::default(),
        }
    }

    pub(crate) fn report(&self, what: &str) {
        self.reports.get_or_create(&What { what: what.to_owned() }).inc();
    }

    pub(crate) fn request(&self, what: &str) {
        self.requests.get_or_create(&What { what: what.to_owned() }).inc();
    }

    /// Everything in Prometheus' text, with what the database says.
    pub(crate) fn text(&self, stand: &Stand) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("vow_console");
        registry.register("reports", "Reports of hosts, by what became of them", self.reports.clone());
        registry.register("requests", "Requests of browsers and programs, by status", self.requests.clone());
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("chores_failed", "Chores that failed", self.chores_failed.clone());
        let family = |registry: &mut Registry, name: &str, help: &str, values: &[(String, i64)]| {
            let family = Family::<What, Gauge>::default();
            for (what, value) in values {
                family.get_or_create(&What { what: what.clone() }).set(*value);
            }
            registry.register(name, help, family);
        };
        family(&mut registry, "hosts", "Hosts by their worst open ticket", &stand.hosts);
        family(&mut registry, "tickets_open", "Open tickets by severity", &stand.tickets);
        family(&mut registry, "sources", "Sources: all, and proven within 35 days", &stand.sources);
        family(&mut registry, "vault_free_bytes", "Free bytes of each vault", &stand.vault_free);
        family(&mut registry, "vault_total_bytes", "Bytes of each vault", &stand.vault_total);
        family(
            &mut registry,
            "vault_answered_seconds",
            "When each vault last answered, since 1970",
            &stand.vault_answered,
        );
        family(&mut registry, "outbox_waiting", "Messages that wait, by channel", &stand.outbox);
        let seconds = Gauge::<f64, AtomicU64>::default();
        seconds.set(stand.now_secs as f64);
        registry.register("time_seconds", "The console's clock, since 1970", seconds);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// What the database says.
#[derive(Debug, Default)]
pub(crate) struct Stand {
    pub(crate) hosts: Vec<(String, i64)>,
    pub(crate) tickets: Vec<(String, i64)>,
    pub(crate) sources: Vec<(String, i64)>,
    pub(crate) vault_free: Vec<(String, i64)>,
    pub(crate) vault_total: Vec<(String, i64)>,
    pub(crate) vault_answered: Vec<(String, i64)>,
    pub(crate) outbox: Vec<(String, i64)>,
    pub(crate) now_secs: i64,
}
