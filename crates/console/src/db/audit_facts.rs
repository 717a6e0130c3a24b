//! Everything about a tenant that the checks of an audit see, in few statements however many hosts it has.

use super::value::args;
use super::{Conn, DbError, audits, vaults};
use crate::audit::{CopyFact, HostAudit, HostFact, InventoryFact, SourceFact, TenantFacts, VaultFact};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use vow_protocol::report::{Alive, Expected, RunReport};
use vow_protocol::wire::Status;

/// Reads them. Channels and records are the caller's.
pub(crate) async fn read(conn: &mut Conn, tenant_id: i64, tenant: &str) -> Result<TenantFacts, DbError> {
    let mut hosts = hosts(conn, tenant_id).await?;
    for (id, record) in audits::host_records(conn, tenant_id).await? {
        if let Some(host) = hosts.get_mut(&id) {
            host.record = record;
        }
    }
    let vaults = all_vaults(conn).await?;
    let mut facts = TenantFacts {
        tenant: tenant.to_owned(),
        vaults,
        identities: audits::key_proofs(conn, tenant_id).await?,
        ..TenantFacts::default()
    };
    sources(conn, tenant_id, &mut hosts).await?;
    facts.hosts = hosts.into_values().collect();
    witness(&mut facts);
    Ok(facts)
}

async fn hosts(conn: &mut Conn, tenant_id: i64) -> Result<BTreeMap<i64, HostFact>, DbError> {
    let sql = "SELECT id, name, created_secs, heard_secs, closed_secs, quiet_until_secs, alive FROM hosts WHERE tenant_id = $1 ORDER BY id LIMIT 100000";
    let mut hosts = BTreeMap::new();
    for row in conn.rows(sql, args![tenant_id]).await? {
        let alive: Option<Alive> = row.opt_json("alive")?;
        let host = HostFact {
            id: row.int("id")?,
            name: row.text("name")?,
            since_secs: row.int("created_secs")?,
            heard_secs: row.opt_int("heard_secs")?,
            closed_secs: row.opt_int("closed_secs")?,
            quiet_until_secs: row.opt_int("quiet_until_secs")?,
            plan: alive.and_then(|alive| alive.plan),
            ..HostFact::default()
        };
        hosts.insert(host.id, host);
    }
    let sql = "SELECT d.host_id, d.kind, d.made_secs, d.body FROM host_documents d JOIN hosts h ON h.id = d.host_id WHERE h.tenant_id = $1";
    for row in conn.rows(sql, args![tenant_id]).await? {
        let Some(host) = hosts.get_mut(&row.int("host_id")?) else { continue };
        let (made_secs, document): (i64, Value) = (row.int("made_secs")?, row.json("body")?);
        match row.text("kind")?.as_str() {
            "audit" => {
                host.audit = Some(HostAudit::read(&document));
                host.audited_secs = Some(made_secs);
            }
            _ => host.inventory = Some(inventory(made_secs, &document)),
        }
    }
    let sql = "SELECT k.host_id, MAX(v.last_commit_secs) AS received_secs FROM vault_hosts v JOIN host_keys k ON k.key_id = v.key_id \
        JOIN hosts h ON h.id = k.host_id WHERE h.tenant_id = $1 GROUP BY k.host_id";
    for row in conn.rows(sql, args![tenant_id]).await? {
        if let Some(host) = hosts.get_mut(&row.int("host_id")?) {
            host.received_secs = row.opt_int("received_secs")?;
        }
    }
    Ok(hosts)
}

/// What an inventory says of the network; other people's words, so what makes no sense is left out.
fn inventory(made_secs: i64, document: &Value) -> InventoryFact {
    let inside = document.get("inventory").unwrap_or(document);
    let list = |name: &str| inside.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let peer = |value: &Value| {
        let address = value.get("address")?.as_str()?.parse().ok()?;
        Some((address, port(value.get("port")?)?))
    };
    let ports = list("services").iter().filter_map(|service| service.get("ports")?.as_array());
    InventoryFact {
        made_secs,
        addresses: list("addresses").iter().filter_map(|one| one.as_str()?.parse().ok()).take(1000).collect(),
        listening: ports.flatten().filter_map(port).collect(),
        peers: list("peers").iter().filter_map(peer).take(20_000).collect(),
        whole: list("unseen").is_empty(),
    }
}

async fn sources(
    conn: &mut Conn,
    tenant_id: i64,
    hosts: &mut BTreeMap<i64, HostFact>,
) -> Result<(), DbError> {
    let sql = "SELECT s.id, s.host_id, s.name, s.created_secs, s.expected, s.last_good_secs, d.body FROM sources s \
        LEFT JOIN run_details d ON d.run_id = s.last_run_id WHERE s.tenant_id = $1 AND s.gone_secs IS NULL ORDER BY s.id LIMIT 500000";
    let mut found: BTreeMap<i64, (i64, SourceFact)> = BTreeMap::new();
    for row in conn.rows(sql, args![tenant_id]).await? {
        let expected: Option<Expected> = row.opt_json("expected")?;
        let run: Option<RunReport> = row.opt_json("body")?;
        let run = run.filter(|run| run.snapshot.is_some());
        let host_id = row.int("host_id")?;
        if let (Some(host), Some(plan)) =
            (hosts.get_mut(&host_id), run.as_ref().and_then(|run| run.plan.clone()))
        {
            host.plan.get_or_insert(plan);
        }
        let source = SourceFact {
            name: row.text("name")?,
            since_secs: row.int("created_secs")?,
            recipients: run.map(|run| run.recipients.into_iter().collect::<BTreeSet<_>>()),
            restore_target_secs: expected.and_then(|expected| expected.restore_target_secs),
            good_secs: row.opt_int("last_good_secs")?,
            copies: Vec::new(),
        };
        found.insert(row.int("id")?, (host_id, source));
    }
    let sql = "SELECT l.source_id, v.id AS vault_id, MIN(c.received_secs) AS oldest FROM copies c JOIN snapshots n ON n.id = c.snapshot_id \
        JOIN vaults v ON v.id = c.vault_id JOIN source_levels l ON l.source_id = n.source_id AND l.vault_fingerprint = v.fingerprint \
        WHERE n.tenant_id = $1 AND c.gone_secs IS NULL GROUP BY l.source_id, v.id";
    let mut oldest: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for row in conn.rows(sql, args![tenant_id]).await? {
        oldest.insert((row.int("source_id")?, row.int("vault_id")?), row.int("oldest")?);
    }
    let sql = "SELECT l.source_id, l.level, l.vault_fingerprint, l.received_secs, l.reported_received, l.proven_secs, l.drill_verdict, l.restore_secs, \
        v.id AS vault_id FROM source_levels l JOIN sources s ON s.id = l.source_id LEFT JOIN vaults v ON v.fingerprint = l.vault_fingerprint \
        AND v.removed_secs IS NULL WHERE s.tenant_id = $1 AND s.gone_secs IS NULL AND l.planned = 1 ORDER BY l.source_id, l.level";
    for row in conn.rows(sql, args![tenant_id]).await? {
        let source_id = row.int("source_id")?;
        let Some((_, source)) = found.get_mut(&source_id) else { continue };
        let vault_id = row.opt_int("vault_id")?;
        source.copies.push(CopyFact {
            level: row.text("level")?,
            vault: row.opt_text("vault_fingerprint")?,
            received_secs: row.opt_int("received_secs")?,
            reported: row.opt_flag("reported_received")?,
            oldest_secs: vault_id.and_then(|vault| oldest.get(&(source_id, vault)).copied()),
            proven_secs: row.opt_int("proven_secs")?,
            verdict: row.opt_text("drill_verdict")?,
            restore_secs: row.opt_real("restore_secs")?,
        });
    }
    for (host_id, source) in found.into_values() {
        if let Some(host) = hosts.get_mut(&host_id) {
            host.sources.push(source);
        }
    }
    Ok(())
}

/// Vaults are shared: a tenant's audit sees those that it uses, by their fingerprints.
async fn all_vaults(conn: &mut Conn) -> Result<BTreeMap<String, VaultFact>, DbError> {
    let mut records = audits::vault_records(conn).await?;
    let all = vaults::list(conn, super::Scope::All).await?;
    let one = |vault: vaults::Vault| {
        let fact = VaultFact {
            name: vault.name,
            record: records.remove(&vault.id).unwrap_or_default(),
            answered_secs: vault.answered_secs,
            set_back: vault.set_back,
            head: vault.head.map(|head| (vault.position, head)),
            witnessed: vault.status.as_ref().map(contradicted).unwrap_or_default(),
            probe: vault.status.as_ref().and_then(probe),
        };
        (vault.fingerprint, fact)
    };
    Ok(all.into_iter().map(one).collect())
}

/// What a vault that copies from others says of their ledgers, or they of its own.
fn contradicted(status: &Status) -> Vec<String> {
    let is_about =
        |kind: &str, text: &str| kind == "fork" || kind == "replicate" && text.contains("contradict");
    let found = status.findings.iter().filter(|one| is_about(&one.kind, &one.message));
    found.map(|one| one.message.clone()).collect()
}

fn probe(status: &Status) -> Option<Result<String, String>> {
    let chore = status.chores.iter().find(|chore| chore.name == "probe")?;
    let said = chore.said.clone()?;
    Some(if chore.failing { Err(said) } else { Ok(said) })
}

/// Hosts remember the receipts that vaults gave them: each is a witness.
fn witness(facts: &mut TenantFacts) {
    for host in &facts.hosts {
        let levels: BTreeMap<&str, &str> = host
            .sources
            .iter()
            .flat_map(|source| &source.copies)
            .filter_map(|copy| Some((copy.level.as_str(), copy.vault.as_deref()?)))
            .collect();
        let found = host.audit.iter().flat_map(|audit| &audit.findings);
        for finding in found {
            let level = finding.finding.strip_prefix("contradiction:").and_then(|level| levels.get(level));
            if let Some(vault) = level.and_then(|print| facts.vaults.get_mut(*print)) {
                vault.witnessed.push(format!("{}: {}", host.name, finding.text));
            }
        }
    }
}
