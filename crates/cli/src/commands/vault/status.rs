//! `vow vault status`.

mod in_bucket;
mod served;

use super::at::At;
use super::peer;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::ui::{self, plain};
use in_bucket::BucketFacts;
use serde_json::{Value, json};
use vow_base::vault::Retrieve;
use vow_vault::storage::Space;
use vow_vault::{LedgerReport, Vault};

/// Show how a vault stands; with --verify-ledger, read its whole ledger again and verify every entry
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    at: At,
    /// Verify every signature and link of the ledger, and compare it with what other vaults have seen of it
    #[arg(long)]
    verify_ledger: bool,
    /// With --verify-ledger: another vault, which may have seen heads of this one: its folder, or https://HOST:PORT#FINGERPRINT, where this
    /// vault may replicate; may be given several times
    #[arg(long, value_name = "DIR|URL", requires = "verify_ledger")]
    seen_by: Vec<String>,
    /// Of a vault in a bucket: try now whether the bucket refuses what it must. Its server does this every day
    #[arg(long)]
    probe: bool,
}

/// Shows it. Exit code 4 when somebody has to look.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let vault = args.at.open()?;
    let mut problems = Vec::new();
    let mut verified = None;
    if args.verify_ledger {
        let report = vault.verify_ledger()?;
        problems.extend(report.problems.iter().cloned());
        for other in &args.seen_by {
            problems.extend(contradictions(&vault, other)?);
        }
        verified = Some(report);
    }
    problems.extend(seen_twice(&vault)?);
    let facts = match Facts::of(&vault) {
        Ok(facts) => facts,
        // What is wrong with the ledger was found just now, and is said.
        Err(_) if !problems.is_empty() => Facts::default(),
        Err(failure) => return Err(failure),
    };
    if facts.clock_doubt && !args.verify_ledger {
        let text = "the clock jumped: nothing expires before somebody looks at it (`vow vault sweep --accept-clock`)";
        problems.push(text.into());
    }
    let bucket = args.at.bucket()?.map(|bucket| BucketFacts::of(&bucket, args.probe)).transpose()?;
    problems.extend(bucket.iter().flat_map(|bucket| bucket.problem.clone()));
    let server = served::health(&args.at)?;
    problems.extend(
        server.iter().flat_map(|server| server.findings.iter().map(|finding| finding.message.clone())),
    );
    let exit = if problems.is_empty() { Exit::Done } else { Exit::Problems };
    let mut document = value(&vault, &facts, verified.as_ref(), &problems);
    document["bucket"] = bucket.as_ref().map_or(Value::Null, BucketFacts::value);
    document["server"] = serde_json::to_value(&server).unwrap_or_default();
    cx.ui.json(&document);
    print_human(cx, &vault, &facts, verified.as_ref());
    bucket.iter().for_each(|bucket| bucket.print(cx));
    served::print(cx, server.as_ref());
    problems.iter().for_each(|problem| cx.ui.warn(&plain(problem)));
    Ok(exit)
}

#[derive(Default)]
struct Facts {
    hosts: u64,
    kept: u64,
    expired: u64,
    condemned: u64,
    position: u64,
    last_pass: Option<i64>,
    clock_doubt: bool,
    space: Option<Space>,
}

impl Facts {
    fn of(vault: &Vault) -> Outcome<Self> {
        let state = vault.state()?;
        let snapshots = || state.hosts.values().flat_map(|host| &host.snapshots);
        let expired = snapshots().filter(|snapshot| snapshot.expired.is_some()).count() as u64;
        Ok(Self {
            hosts: vault.hosts()?.len() as u64,
            kept: snapshots().count() as u64 - expired,
            expired,
            condemned: state.hosts.values().map(|host| host.condemned.len() as u64).sum(),
            position: state.position,
            last_pass: state.passes.last().map(|(_, time)| *time),
            clock_doubt: state.clock_doubt.is_some(),
            space: vault.space()?,
        })
    }
}

/// Heads of other vaults that contradict each other.
fn seen_twice(vault: &Vault) -> Outcome<Vec<String>> {
    let seen = vault.heads_seen()?;
    let contradicted = seen.iter().filter(|seen| !seen.contradictions.is_empty());
    Ok(contradicted
        .map(|seen| {
            let at = seen.contradictions.first().map_or(0, |(head, _)| head.position);
            format!(
                "the vault {} tells two stories: entry {at} of its ledger was seen with different content",
                seen.vault
            )
        })
        .collect())
}

/// What another vault has seen of this one's ledger, compared with it.
fn contradictions(vault: &Vault, other: &str) -> Outcome<Option<String>> {
    let seen = peer::open(other, vault)?.heads_of(&vault.public_key())?;
    let story = vault.own_story(&seen)?;
    Ok(story.map(|story| format!("this vault, as {other} has seen it: {story}")))
}

fn print_human(cx: &Context, vault: &Vault, facts: &Facts, verified: Option<&LedgerReport>) {
    let line = |name: &str, text: String| cx.ui.line(&format!("{name:<12}{text}"));
    line("vault", vault.place());
    line("fingerprint", vault.fingerprint());
    line("hosts", ui::count(facts.hosts));
    line("snapshots", format!("{} kept, {} expired", ui::count(facts.kept), ui::count(facts.expired)));
    line("condemned", ui::plural(facts.condemned, "object"));
    line("ledger", entries(facts.position));
    line("last sweep", facts.last_pass.map_or_else(|| "never".into(), ui::local_time));
    if let Some(space) = facts.space {
        line("space", format!("{} free of {}", ui::bytes(space.free_bytes), ui::bytes(space.total_bytes)));
    }
    if let Some(report) = verified {
        let head = report.head.map_or_else(|| "-".into(), |id| id.short());
        line(
            "verified",
            format!(
                "{}, head {head}, {}",
                entries(report.entries),
                ui::plural(report.problems.len() as u64, "problem")
            ),
        );
    }
}

fn entries(number: u64) -> String {
    if number == 1 { "1 entry".into() } else { format!("{} entries", ui::count(number)) }
}

fn value(vault: &Vault, facts: &Facts, verified: Option<&LedgerReport>, problems: &[String]) -> Value {
    json!({
        "message_type": "summary",
        "status": if problems.is_empty() { "ok" } else { "problems" },
        "place": vault.place(),
        "fingerprint": vault.fingerprint(),
        "hosts": facts.hosts,
        "snapshots": facts.kept,
        "expired": facts.expired,
        "condemned": facts.condemned,
        "ledger": facts.position,
        "last_sweep": facts.last_pass.map(ui::rfc3339),
        "verified": verified.map(|report| json!({
            "entries": report.entries,
            "head": report.head.map(|id| id.to_string()),
            "kept": report.kept,
        })),
        "space": facts.space.map(|space| json!({"free_bytes": space.free_bytes, "total_bytes": space.total_bytes})),
        "problems": problems,
    })
}
