//! The health of a vault, as the console, the local socket and the command line all show it.

use super::app::App;
use super::handlers::about::SOFTWARE;
use crate::chores::Standing;
use crate::chores::duties::SCRUB;
use crate::words::label;
use vow_base::ObjectId;
use vow_base::amount::readable;
use vow_base::clock::Nanos;
use vow_base::vault::{VaultError, Watch};
use vow_protocol::wire::{ChoreHealth, Counts, Finding, Hex, HostHealth, Pass, Space, Status};

const NANOS_IN_AN_HOUR: Nanos = 3600 * 1_000_000_000;
/// A failure of the storage is a finding for so long.
const TROUBLE_LASTS: Nanos = 24 * NANOS_IN_AN_HOUR;

/// The health of the vault now. Looks at the storage, little.
pub(crate) fn status_of(app: &App) -> Result<Status, VaultError> {
    app.book.catch_up()?;
    let state = app.vault.state()?;
    let head = app.vault.head()?.map(|head| Hex(ObjectId::of(&head)));
    let space = app.vault.space()?.map(|space| Space {
        total_bytes: space.total_bytes,
        free_bytes: space.free_bytes,
        reserve_bytes: app.room.reserve_bytes(),
    });
    let clock_doubt = state.clock_doubt.map(|doubt| {
        let hours = doubt.after.saturating_sub(doubt.before) / NANOS_IN_AN_HOUR;
        format!("it jumped by {hours} hours at position {} of the ledger", doubt.position)
    });
    let mut hosts = Vec::new();
    for (id, record) in app.book.hosts().iter() {
        let known = state.of_host(id);
        hosts.push(HostHealth {
            host: Hex(*id),
            tenant: record.tenant.clone(),
            name: record.name.clone(),
            last_commit: known.snapshots.last().map(|newest| newest.receipt.received),
            snapshots: known.kept().count() as u64,
            bytes: app.usage.of_host(id).0.bytes,
            condemned: known.condemned.len() as u64,
            revoked: record.revoked,
        });
    }
    let stored = app.usage.total();
    let counts = Counts {
        hosts: hosts.len() as u64,
        snapshots: hosts.iter().map(|host| host.snapshots).sum(),
        objects: stored.objects,
        bytes: stored.bytes,
        condemned: hosts.iter().map(|host| host.condemned).sum(),
    };
    let trouble = app.trouble();
    let now = app.vault.now();
    let finding =
        |kind: &str, message: String, since| Finding { kind: kind.into(), message, since, host: None };
    let mut findings = Vec::new();
    if let Some(why) = &trouble.read_only {
        findings.push(finding("read-only", format!("nothing can be stored: {why}"), now));
    }
    // What is still wrong is met again, by requests or by the scrub; what was once is over.
    if let Some((at, what)) = trouble.last.filter(|(at, _)| now.saturating_sub(*at) < TROUBLE_LASTS) {
        findings.push(finding("storage", format!("the storage failed: {what}"), at));
    }
    if let Some(doubt) = &clock_doubt {
        let since = state.newest.unwrap_or(now);
        findings.push(finding("clock", format!("the vault's clock is in doubt: {doubt}"), since));
    }
    if let Some(space) = space.filter(|space| space.free_bytes < space.reserve_bytes) {
        let text =
            format!("{} are free, less than the reserve: packs are refused", readable(space.free_bytes));
        findings.push(finding("space", text, now));
    } else if let Some((at, why)) =
        app.room.refused().filter(|(at, _)| now.saturating_sub(*at) < TROUBLE_LASTS)
    {
        findings.push(finding("space", format!("packs were refused for want of room: {why}"), at));
    }
    for (host, at, over) in app.usage.refused() {
        if now.saturating_sub(at) < TROUBLE_LASTS {
            let whose = hosts
                .iter()
                .find(|known| known.host.0 == host)
                .map_or_else(|| host.short(), |known| label(&host, &known.tenant, &known.name));
            let quota = if over.of_tenant { "its customer's quota" } else { "its quota" };
            let text = format!(
                "host {whose} was refused: {} of {quota} of {} are used",
                readable(over.used_bytes),
                readable(over.quota_bytes)
            );
            findings.push(Finding { host: Some(Hex(host)), ..finding("quota", text, at) });
        }
    }
    let chores = app.chores();
    for chore in &chores {
        if let Some(Err(why)) = &chore.said {
            let kind = chore.name.split(' ').next().unwrap_or_default();
            findings.push(finding(
                kind,
                format!("{}: {why}", chore.name),
                chore.failing_since.unwrap_or(now),
            ));
        }
    }
    let scrub = chores.iter().find(|chore| chore.name == SCRUB).and_then(|chore| chore.last_good);
    let sweep = state.passes.last().map(|(_, ended)| Pass { ended: *ended, ..Pass::default() });
    Ok(Status {
        software: SOFTWARE.into(),
        time: now,
        started: app.started,
        read_only: trouble.read_only,
        clock_doubt,
        ledger: state.position,
        head,
        deletions_unfinished: state.deleting.len() as u64,
        space,
        counts,
        sweep,
        scrub: scrub.map(|ended| Pass { ended, ..Pass::default() }),
        chores: chores.into_iter().map(chore_health).collect(),
        findings,
        hosts,
    })
}

fn chore_health(chore: Standing) -> ChoreHealth {
    let failing = matches!(chore.said, Some(Err(_)));
    ChoreHealth {
        name: chore.name,
        every_secs: chore.every_secs,
        last: chore.last,
        last_good: chore.last_good,
        failing,
        said: chore.said.map(|said| said.unwrap_or_else(|why| why)),
    }
}
