//! One report, within a transaction.

use super::check::{IngestError, check};
use super::judge::{Judge, around};
use crate::audit::{HostAudit, take_host};
use crate::db::hosts::{Document, KnownHost};
use crate::db::tickets::InTransaction;
use crate::db::{Conn, DbError, audits, day_of, hosts, proofs, runs, snapshots, sources};
use crate::records::{ClockSample, Held, Proof, Run};
use crate::rules::{RunCase, judge_run};
use vow_protocol::report::{Body, ProofReport, Report, RunReport};

/// Takes in one report. Nothing is kept unless the transaction is committed; a second time nothing changes.
pub async fn take(
    store: &InTransaction,
    judge: &Judge,
    known: &KnownHost,
    mut report: Report,
    output: Option<&str>,
    now: i64,
) -> Result<(), IngestError> {
    let made_secs = report.made_secs;
    let ahead = check(&mut report, known, now)?;
    {
        let mut conn = store.lock().await;
        hosts::heard(&mut conn, known.host_id, &report.software, now).await?;
        // A sign of life brings its own sample.
        if ahead && !matches!(report.body, Body::Alive(_)) {
            hosts::ahead(&mut conn, known.host_id, ClockSample { made_secs, received_secs: now }).await?;
        }
    }
    match report.body {
        Body::Run(body) => {
            let run = Run {
                report: report.id,
                tenant: known.tenant.clone(),
                host: known.host.clone(),
                received_secs: now,
                body: *body,
            };
            take_run(store, judge, known, run, output, now).await?;
        }
        Body::Proof(body) => take_proof(store, judge, known, report.id, *body, now).await?,
        Body::Alive(alive) => {
            let mut conn = store.lock().await;
            let sample = ClockSample { made_secs, received_secs: now };
            if hosts::alive(&mut conn, known.host_id, &alive, sample).await? {
                sources::plan(&mut conn, (known.host_id, known.tenant_id), &alive.sources, now).await?;
            }
        }
        Body::Inventory(document) => {
            let mut conn = store.lock().await;
            hosts::keep_document(&mut conn, known.host_id, Document::Inventory, report.made_secs, &document)
                .await?;
        }
        Body::Audit(document) => {
            let newest = {
                let mut conn = store.lock().await;
                let of = (known.host_id, Document::Audit);
                hosts::keep_document(&mut conn, of.0, of.1, report.made_secs, &document).await?
            };
            // What an older one found may be over.
            if newest {
                take_host(store, judge, known, &HostAudit::read(&document), now).await?;
            }
        }
        Body::KeyProof(proof) => {
            let mut conn = store.lock().await;
            let of = (known.tenant_id, known.host_id);
            audits::keep_key_proof(&mut conn, of, &proof.recipient, proof.proven_secs, &report.id).await?;
        }
    }
    judge.host(store, known.host_id, now).await?;
    Ok(())
}

async fn take_run(
    store: &InTransaction,
    judge: &Judge,
    known: &KnownHost,
    run: Run,
    output: Option<&str>,
    now: i64,
) -> Result<(), DbError> {
    let (source_id, verdict) = {
        let mut conn = store.lock().await;
        if runs::is_known(&mut conn, known.host_id, &run.report).await? {
            return Ok(());
        }
        let of = (known.host_id, known.tenant_id);
        let source_id =
            sources::source_id(&mut conn, of, &run.body.source, &run.body.source_type, now).await?;
        let of = runs::Of { tenant_id: known.tenant_id, host_id: known.host_id, source_id };
        let Some(run_id) = runs::insert(&mut conn, of, &run, output).await? else { return Ok(()) };
        count(&mut conn, of, run_id, &run.body).await?;
        let snapshot = match &run.body.snapshot {
            Some(manifest) => Some(told(&mut conn, of, run_id, manifest, &run.body).await?),
            None => None,
        };
        let mut history = sources::history(&mut conn, source_id).await?;
        let around = around(&mut conn, known.host_id, source_id).await?;
        let settings = judge.settings(&mut conn, Some(source_id)).await?;
        let verdict = judge_run(&RunCase::new(&run, &history, &around, &settings, now));
        let spoke = verdict.spoke();
        let words: Vec<_> = spoke.iter().map(|rule| rule.word()).collect();
        runs::keep_verdict(&mut conn, run_id, verdict.healthy, &words.join(" "), verdict.learning.as_deref())
            .await?;
        if let Some(id) = snapshot {
            snapshots::judged(&mut conn, id, verdict.healthy).await?;
        }
        history.push(&run, spoke);
        sources::keep_history(&mut conn, source_id, history).await?;
        (source_id, verdict)
    };
    // What an old report says is over, or is said again by a newer one.
    if verdict.newest {
        judge.ticket(store, &verdict.judged, now).await?;
    }
    judge.source(store, source_id, known.host_id, now).await
}

/// Days, levels, and the newest run.
async fn count(conn: &mut Conn, of: runs::Of, run_id: i64, body: &RunReport) -> Result<(), DbError> {
    let newest = runs::note_newest(conn, of.source_id, run_id, body).await?;
    let counts = runs::count_day(conn, of.source_id, body).await?;
    let day = day_of(body.started_secs);
    hosts::count_day(conn, of.host_id, day, "", counts).await?;
    for level in &body.levels {
        sources::reported(conn, of.source_id, level, newest).await?;
        // What a vault of ours has is counted by its own receipts.
        let watched = match &level.vault {
            Some(fingerprint) => snapshots::is_watched(conn, fingerprint).await?,
            None => false,
        };
        match (level.received, watched) {
            (Some(false), _) => hosts::count_day(conn, of.host_id, day, &level.name, [0, 0, 1]).await?,
            (Some(true), false) => hosts::count_day(conn, of.host_id, day, &level.name, [1, 0, 0]).await?,
            _ => {}
        }
    }
    Ok(())
}

/// A snapshot that was reported, and what vaults have told of it before.
async fn told(
    conn: &mut Conn,
    of: runs::Of,
    run_id: i64,
    manifest: &str,
    body: &RunReport,
) -> Result<i64, DbError> {
    let sequence = body.sequence.and_then(|number| i64::try_from(number).ok()).unwrap_or(0);
    let id = snapshots::id_of(conn, (of.host_id, of.tenant_id), manifest, sequence).await?;
    snapshots::reported(conn, id, of.source_id, run_id, body).await?;
    for copy in snapshots::copies_of(conn, id).await? {
        held(conn, of.host_id, of.source_id, &copy).await?;
    }
    Ok(id)
}

/// A vault has a snapshot whose source is known.
pub(crate) async fn held(
    conn: &mut Conn,
    host_id: i64,
    source_id: i64,
    copy: &snapshots::HeldCopy,
) -> Result<(), DbError> {
    let held = Held {
        snapshot: copy.manifest.clone(),
        sequence: u64::try_from(copy.sequence).unwrap_or(0),
        received_secs: copy.received_secs,
    };
    for level in sources::received(conn, source_id, &copy.fingerprint, &held).await? {
        hosts::count_day(conn, host_id, day_of(copy.received_secs), &level, [1, 0, 0]).await?;
    }
    Ok(())
}

async fn take_proof(
    store: &InTransaction,
    judge: &Judge,
    known: &KnownHost,
    report: String,
    body: ProofReport,
    now: i64,
) -> Result<(), DbError> {
    let source_id = {
        let mut conn = store.lock().await;
        let of = (known.host_id, known.tenant_id);
        let source_id = sources::source_id(&mut conn, of, &body.source, &body.source_type, now).await?;
        let of = runs::Of { tenant_id: known.tenant_id, host_id: known.host_id, source_id };
        let proof = Proof { report, received_secs: now, body };
        if !proofs::insert(&mut conn, of, &proof).await? {
            return Ok(());
        }
        sources::drilled(&mut conn, source_id, &proof.body, proofs::verdict_word(proof.body.verdict)).await?;
        source_id
    };
    judge.source(store, source_id, known.host_id, now).await
}
