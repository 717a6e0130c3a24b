//! What a report of a tenant and month says, from the records of the console.

use super::month::Month;
use super::sheet::{Block, ROWS_MAX, Sheet};
use crate::audit::desk::{Seen, see};
use crate::audit::{Answer, CHECKS, Checked, date_of};
use crate::db::audits::{self, AuditDay, Finding};
use crate::db::{Conn, Scope, day_of, proofs, reports, vaults};
use crate::records::{Status, Ticket};
use crate::rules::words;
use crate::server::caller::Caller;
use crate::server::error::Error;
use crate::web::{bytes, stamp};
use vow_base::Fingerprint;
use vow_base::sign::PublicKey;
use vow_protocol::report::Verdict;

/// One more than a table has, so that it is known when there are more.
const READ_MAX: i64 = 20_000;

/// Makes the report of a tenant for a month. What lies outside of the scope of whoever asks is absent.
pub async fn make(
    conn: &mut Conn,
    who: &Caller,
    tenant_id: i64,
    month: Month,
    (key, now): (&PublicKey, i64),
) -> Result<Sheet, Error> {
    let seen = see(conn, who, tenant_id).await?;
    let span = (month.start_secs(), month.end_secs().min(now.max(month.start_secs()) + 1));
    let until =
        if span.1 < month.end_secs() { format!("{month}, until {}", stamp(now)) } else { month.to_string() };
    let mut sheet = Sheet {
        title: format!("Backups of {}, {month}", seen.tenant.name),
        facts: vec![
            ("Customer".into(), seen.tenant.name.clone()),
            ("Month".into(), until),
            (
                "Owner, contact".into(),
                format!("{}, {}", or_dash(&seen.records.owner), or_dash(&seen.records.contact)),
            ),
            ("Made".into(), format!("{} UTC by {}", stamp(now), who.name)),
            ("Signed with".into(), Fingerprint::of(key).to_string()),
        ],
        blocks: Vec::new(),
    };
    summary(conn, &mut sheet, &seen, span).await?;
    coverage(&mut sheet, &seen);
    runs(conn, &mut sheet, tenant_id, span).await?;
    copies(conn, &mut sheet, tenant_id, span).await?;
    drills(conn, &mut sheet, tenant_id, span).await?;
    let tickets = reports::tickets(conn, tenant_id, span, READ_MAX).await?;
    ticket_table(&mut sheet, &tickets, span);
    findings(conn, &mut sheet, tenant_id, span).await?;
    waivers(&mut sheet, &seen);
    ledgers(conn, &mut sheet, tenant_id).await?;
    sheet.heading("How this is checked");
    sheet.text(
        "The last line of this file is a signature over every byte before it, by the key named above. \
         `vow report verify FILE --key FINGERPRINT` checks it, without the console.",
    );
    Ok(sheet)
}

async fn summary(conn: &mut Conn, sheet: &mut Sheet, seen: &Seen, span: (i64, i64)) -> Result<(), Error> {
    sheet.heading("In short");
    let days = audits::days(conn, seen.tenant.id, day_of(span.0), day_of(span.1 - 1)).await?;
    let last = days.last().copied().unwrap_or_default();
    let number = |what: &str, value: String| (what.to_owned(), value);
    sheet.blocks.push(Block::Numbers(vec![
        number("of 100 points", last.score.map_or_else(|| "—".into(), |score| score.to_string())),
        number("hosts", last.hosts.to_string()),
        number("findings", last.found.to_string()),
        number("critical", last.critical.to_string()),
        number("not known", last.unknown.to_string()),
        number("accepted", last.waived.to_string()),
        number("checks passed", last.passed.to_string()),
    ]));
    sheet.text(if seen.agreed {
        "Held against the policy that was agreed."
    } else {
        "No policy was agreed: held against three copies on two media, one at another place, one that cannot be changed, no error in a drill."
    });
    let row = |day: &AuditDay| {
        let score = day.score.map_or_else(|| "—".into(), |score| score.to_string());
        let numbers = [day.found, day.critical, day.unknown, day.waived].map(|number| number.to_string());
        [vec![date_of(day.day * 86_400), score], numbers.to_vec()].concat()
    };
    let head =
        [("Day", 2), ("Score", 1), ("Findings", 1), ("Critical", 1), ("Not known", 1), ("Accepted", 1)];
    sheet.table(&head, days.iter().map(row).collect(), "No audit was made in this month.");
    Ok(())
}

fn checked(seen: &Seen) -> &[Checked] {
    seen.kept.result.as_ref().map_or(&[], |result| &result.checked)
}

fn coverage(sheet: &mut Sheet, seen: &Seen) {
    sheet.heading("Checks, as of the last audit");
    let of = |check: &str, answer| {
        let number = checked(seen).iter().filter(|one| one.check == check && one.answer == answer).count();
        number.to_string()
    };
    let answers = [Answer::Pass, Answer::Finding, Answer::Unknown, Answer::Waived];
    let row = |(name, asks): &(&str, &str)| {
        [vec![(*name).to_owned(), (*asks).to_owned()], answers.map(|answer| of(name, answer)).to_vec()]
            .concat()
    };
    let head =
        [("Check", 2), ("What it asks", 7), ("Passed", 1), ("Open", 1), ("Unknown", 1), ("Accepted", 1)];
    sheet.table(&head, CHECKS.iter().map(row).collect(), "");
    sheet.heading("Coverage, as of the last audit");
    let rows = checked(seen).iter().filter(|one| one.check == "coverage" || one.check == "audited");
    let rows: Vec<_> = rows.map(|one| vec![one.host.clone(), one.sentence.clone()]).collect();
    sheet.table(&[("Host", 1), ("What its audit says", 4)], rows, "No host was audited.");
}

async fn runs(conn: &mut Conn, sheet: &mut Sheet, tenant_id: i64, span: (i64, i64)) -> Result<(), Error> {
    sheet.heading("Runs");
    let all = reports::sources(conn, tenant_id, span, READ_MAX).await?;
    let sum = |at: usize| all.iter().map(|one| one.runs[at]).sum::<i64>();
    sheet.text(format!(
        "{} runs: {} whole, {} with something missing, {} without a snapshot.",
        sum(0) + sum(1) + sum(2),
        sum(0),
        sum(1),
        sum(2)
    ));
    let row = |one: reports::SourceMonth| {
        let [whole, partial, failed] = one.runs.map(|number| number.to_string());
        vec![
            one.host,
            one.source,
            one.source_type,
            whole,
            partial,
            failed,
            bytes(one.bytes),
            bytes(one.added_bytes),
        ]
    };
    let head = [
        ("Host", 3),
        ("Source", 3),
        ("Type", 2),
        ("Whole", 1),
        ("Partial", 1),
        ("Failed", 1),
        ("Size", 2),
        ("New", 2),
    ];
    sheet.table(&head, all.into_iter().map(row).collect(), "No source ran.");
    Ok(())
}

async fn copies(conn: &mut Conn, sheet: &mut Sheet, tenant_id: i64, span: (i64, i64)) -> Result<(), Error> {
    sheet.heading("Copies received");
    let all = reports::copies(conn, tenant_id, span, READ_MAX).await?;
    let rows = all
        .into_iter()
        .map(|(host, level, ok, failed)| vec![host, level, ok.to_string(), failed.to_string()]);
    sheet.table(&[("Host", 3), ("Level", 3), ("Received", 1), ("Not", 1)], rows.collect(), "None.");
    Ok(())
}

async fn drills(conn: &mut Conn, sheet: &mut Sheet, tenant_id: i64, span: (i64, i64)) -> Result<(), Error> {
    sheet.heading("Drills: restored for a test");
    let all = proofs::between(conn, tenant_id, span, READ_MAX).await?;
    let proven: Vec<_> = all.iter().filter(|one| one.body.verdict == Verdict::Proven).collect();
    let longest = proven.iter().map(|one| one.body.restore_secs).fold(0.0, f64::max);
    sheet.text(format!(
        "{} drills, {} proven. The longest restore took {}.",
        all.len(),
        proven.len(),
        if proven.is_empty() { "—".to_owned() } else { words::span(longest) }
    ));
    let row = |one: &proofs::ProofRow| {
        let body = &one.body;
        let target = body.restore_target_secs.map_or_else(|| "—".into(), |secs| words::span(secs as f64));
        vec![
            stamp(body.started_secs),
            format!("{}/{}", one.host, one.source),
            body.level.clone(),
            proofs::verdict_word(body.verdict).to_owned(),
            words::span(body.restore_secs),
            target,
            body.compared.to_string(),
            body.problems.first().or(body.blocked.first()).cloned().unwrap_or_default(),
        ]
    };
    let head = [
        ("When", 2),
        ("Source", 3),
        ("From", 1),
        ("Result", 1),
        ("Restored in", 2),
        ("Target", 2),
        ("Compared", 1),
        ("Problem", 3),
    ];
    sheet.table(&head, all.iter().map(row).collect(), "No drill was made: nothing was proven in this month.");
    Ok(())
}

fn ticket_table(sheet: &mut Sheet, tickets: &[Ticket], (_, to): (i64, i64)) {
    sheet.heading("Tickets");
    // One that was closed after the month was open at its end.
    let closed = |one: &Ticket| one.closed_secs.filter(|at| *at < to && one.status == Status::Closed);
    let still = tickets.iter().filter(|one| closed(one).is_none()).count();
    sheet.text(format!("{} were open in this month; {still} were open at its end.", tickets.len()));
    let row = |one: &Ticket| {
        vec![
            stamp(one.since_secs),
            closed(one).map_or_else(|| "open".to_owned(), stamp),
            words::span((closed(one).unwrap_or(to) - one.since_secs) as f64),
            one.judged.word().to_owned(),
            one.key.subject.to_string(),
            one.sentence.clone(),
        ]
    };
    let head = [("Opened", 2), ("Closed", 2), ("Stood", 2), ("Severity", 1), ("About", 3), ("What", 5)];
    sheet.table(&head, tickets.iter().map(row).collect(), "None.");
}

async fn findings(conn: &mut Conn, sheet: &mut Sheet, tenant_id: i64, span: (i64, i64)) -> Result<(), Error> {
    sheet.heading("Findings");
    let scope = Scope::Tenant(tenant_id);
    let limit = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
    let over = audits::Wanted { closed: true, since_secs: span.0, ..audits::Wanted::default() };
    let mut all = audits::findings(conn, scope, audits::Wanted::default(), limit).await?;
    all.extend(audits::findings(conn, scope, over, limit).await?);
    all.retain(|one| one.since_secs < span.1);
    let word = |one: &Finding| match one.severity {
        3 => "critical",
        2 => "warning",
        _ => "notice",
    };
    let row = |one: &Finding| {
        let closed = one.closed_secs.filter(|at| *at < span.1);
        let state = match (closed, one.waived) {
            (Some(at), _) => format!("closed {}", date_of(at)),
            (None, true) => "accepted".to_owned(),
            (None, false) => "open".to_owned(),
        };
        let about = one.host.clone().unwrap_or_default();
        vec![
            date_of(one.since_secs),
            state,
            word(one).to_owned(),
            about,
            one.name.clone(),
            one.sentence.clone(),
        ]
    };
    let head = [("Since", 2), ("State", 2), ("Severity", 1), ("Host", 2), ("Finding", 3), ("What", 5)];
    sheet.table(&head, all.iter().map(row).collect(), "None.");
    let accepted = |one: &&Finding| one.waived && one.closed_secs.is_none();
    let by_hosts = all.iter().filter(accepted).filter_map(|one| {
        let said = one.body.get("waiver")?.as_str()?;
        Some(vec![one.host.clone().unwrap_or_default(), one.name.clone(), said.to_owned()])
    });
    let by_hosts: Vec<_> = by_hosts.collect();
    if !by_hosts.is_empty() {
        sheet.heading("Accepted findings");
        sheet.table(&[("Host", 1), ("Finding", 2), ("Accepted", 4)], by_hosts, "");
    }
    Ok(())
}

fn waivers(sheet: &mut Sheet, seen: &Seen) {
    sheet.heading("Waivers and approved keys");
    let row = |one: &crate::audit::Waiver| {
        vec![one.finding.clone(), one.until.clone(), one.by.clone(), one.reason.clone()]
    };
    let rows = seen.records.waivers.iter().map(row).collect();
    sheet.table(
        &[("Finding", 3), ("Until", 1), ("By", 1), ("Reason", 4)],
        rows,
        "No finding of the policy was accepted.",
    );
    let rows = seen.records.recipients.iter().map(|one| vec![one.fingerprint.clone(), one.holder.clone()]);
    sheet.table(
        &[("Approved recovery key", 2), ("Who has it", 3)],
        rows.collect(),
        "No recovery key was approved.",
    );
}

async fn ledgers(conn: &mut Conn, sheet: &mut Sheet, tenant_id: i64) -> Result<(), Error> {
    sheet.heading("Ledgers");
    sheet.text("Whoever keeps these heads can tell later whether a vault was set back: its ledger must still have these entries at these positions.");
    let mut rows = Vec::new();
    for vault in vaults::of_tenant(conn, tenant_id).await? {
        rows.push(vec![
            vault.name,
            vault.fingerprint,
            vault.position.to_string(),
            vault.head.unwrap_or_else(|| "—".into()),
            vault.set_back.map_or_else(|| "verified".to_owned(), |how| format!("CONTRADICTS: {how}")),
        ]);
    }
    let head = [("Vault", 1), ("Key", 3), ("Entry", 1), ("Head", 3), ("State", 1)];
    sheet.table(&head, rows, "No vault of this customer is watched.");
    Ok(())
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "—" } else { text }
}
