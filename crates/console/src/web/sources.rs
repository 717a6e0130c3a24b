//! One source: how far its newest snapshot has come, its charts, runs, snapshots and proofs.

use super::charts::Chart;
use super::draw::{
    ago, bytes, chip, count, duration, maybe_ago, outcome, plain, several, short, source_state, stamp,
    verdict,
};
use super::forms::Posted;
use super::guard::{Done, Page, Who};
use super::{layout, tickets};
use crate::auth::Right;
use crate::db::proofs::{self, ProofRow};
use crate::db::runs::{self, RunRow, SourceDay};
use crate::db::snapshots::{self, Snapshot};
use crate::db::sources::{self, Level};
use crate::db::{day_of, tickets as rows};
use crate::rules::Settings;
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, Query, State};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is asked of a source.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    days: i64,
    before: i64,
}

impl Default for Asked {
    fn default() -> Self {
        Self { days: 90, before: i64::MAX }
    }
}

pub(super) async fn source(
    State(app): State<Arc<App>>,
    who: Who,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Page {
    who.need(Right::See)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let source = sources::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let levels = sources::levels(&mut conn, &[id]).await?;
    let days = asked.days.clamp(7, 800);
    let drawn = runs::days(&mut conn, id, day_of(now) - days).await?;
    let recent = runs::of_source(&mut conn, id, asked.before, 30).await?;
    let kept = snapshots::of_source(&mut conn, id, 40).await?;
    let proven = proofs::of_source(&mut conn, id, 40).await?;
    let wanted = rows::Wanted { source_id: Some(id), ..rows::Wanted::default() };
    let open = rows::list(&mut conn, who.scope, &wanted, 50, 0).await?;
    let adjusted = sources::adjusted(&mut conn, id).await?;
    let expected = source.expected.as_ref();
    let target = expected.and_then(|expected| expected.restore_target_secs);
    let body = html! {
        (layout::trail(&[
            ("/".into(), "Fleet".into()),
            (format!("/tenants/{}", source.tenant_id), source.tenant.clone()),
            (format!("/hosts/{}", source.host_id), source.host.clone()),
        ]))
        h1 { (plain(&source.name)) " " small { (plain(&source.source_type)) } " "
            (source_state(&source)) }
        @if !open.is_empty() { section.card { h2 { "Open tickets" } (tickets::some(&open, now)) } }
        @if let Some(newest) = kept.first() {
            section.card {
                h2 { "The newest snapshot" small { code { (short(&newest.manifest)) } } }
                (ladder(newest, &levels, now))
            }
        }
        section.card {
            (layout::facts(&[
                ("Last run", html! { (outcome(source.last_outcome.as_deref().unwrap_or(""))) " " (maybe_ago(source.last_started_secs, now)) }),
                ("Last snapshot", maybe_ago(source.last_good_secs, now)),
                ("Due next", html! { @match source.next_secs { Some(next) => (ago(next, now)), None => "—" } }),
                ("Schedule", html! { code { (plain(expected.and_then(|e| e.schedule.as_deref()).unwrap_or("by hand"))) } " " (plain(expected.and_then(|e| e.time_zone.as_deref()).unwrap_or(""))) }),
                ("To be restored within", html! { @match target { Some(secs) => (duration(secs as f64)), None => "—" } }),
            ]))
        }
        (levels_card(&levels, now))
        (charts(&drawn, &proven, target, days))
        (runs_card(&recent, now))
        (snapshots_card(&who, &kept, &levels, now))
        (proofs_card(&proven, now))
        section.card {
            h2 { "What is expected" }
            @if source.marks.is_empty() { p.none { "Nobody has marked anything as expected." } }
            ul.list { @for mark in &source.marks { li { (mark.rule.word()) ": " (plain(&mark.reason)) " " span.soft { "— " (plain(&mark.by)) ", " (stamp(mark.at_secs)) } } }
            }
            @if who.role.may(Right::Work) {
                details {
                    summary { "Adjust rules for this source" }
                    form.stack method="post" {
                        (layout::token(&who))
                        label { "Settings as JSON; what is left out stays as it is for all (docs/rules.md)"
                            textarea name="adjusted" rows="4" spellcheck="false" { (adjusted.map(|value| value.to_string()).unwrap_or_default()) } }
                        button.second type="submit" { "Keep" }
                    }
                }
            }
        }
    };
    Ok(layout::page(&format!("{} on {}", source.name, source.host), "/", &who, body))
}

/// How far a snapshot has come.
fn ladder(snapshot: &Snapshot, levels: &[Level], now: i64) -> Markup {
    // Of a level whose vault is not watched there is no receipt, however good it is.
    let planned: Vec<_> = levels.iter().filter(|level| level.planned && level.watched).collect();
    let unwatched = levels.iter().filter(|level| level.planned && !level.watched).count();
    let there: Vec<_> = snapshot.copies.iter().filter(|copy| copy.gone_secs.is_none()).collect();
    let has = |level: &&&Level| {
        there.iter().any(|copy| level.vault_fingerprint.as_deref() == Some(&copy.fingerprint))
    };
    let copied = planned.iter().filter(has).count();
    let scrubbed = there
        .iter()
        .filter_map(|copy| copy.scrubbed_secs)
        .min()
        .filter(|_| there.iter().all(|copy| copy.scrubbed_secs.is_some()));
    let rung = |done: bool, wrong: bool, word: &str, said: Markup| {
        html! { li class=(if wrong { "wrong" } else if done { "done" } else { "" }) { b { (word) } (said) } }
    };
    html! {
        ol.ladder aria-label="How far it has come" {
            (rung(snapshot.captured_secs.is_some(), false, "captured", maybe_ago(snapshot.captured_secs, now)))
            (rung(snapshot.first_received_secs.is_some(), false, "received", html! { @if snapshot.first_received_secs.is_some() { (maybe_ago(snapshot.first_received_secs, now)) } @else { "no receipt yet" } }))
            (rung(snapshot.healthy == Some(true), snapshot.healthy == Some(false), "judged", html! { @match snapshot.healthy { Some(true) => "healthy", Some(false) => "doubted", None => "not yet" } }))
            (rung(!planned.is_empty() && copied == planned.len(), false, "on every level", html! { (copied) " of " (planned.len()) @if unwatched > 0 { ", " (unwatched) " not watched" } }))
            (rung(scrubbed.is_some(), false, "scrubbed", html! { @match scrubbed { Some(at) => (ago(at, now)), None => "not yet" } }))
            (rung(snapshot.proven.is_some(), false, "proven", html! { @match &snapshot.proven { Some((at, level)) => { (ago(*at, now)) " from " (plain(level)) } None => "not yet" } }))
        }
    }
}

fn levels_card(levels: &[Level], now: i64) -> Markup {
    html! {
        section.card {
            h2 { "Levels" }
            @if levels.is_empty() { p.none { "None is known yet." } }
            div.scroll {
                table.wrap {
                    thead { tr { th { "Level" } th { "Newest copy, by the vault's receipt" } th { "The host says" } th { "Restorability debt" } th { "Last drill" } th.number { "Time to restore" } } }
                    tbody {
                        @for level in levels {
                            tr {
                                td { (plain(&level.name)) @if !level.planned { " " (chip("idle", "not in the plan")) } }
                                td data-label="Newest copy" { (newest_copy(level, now)) @if let Some(snapshot) = &level.snapshot { " " code { (short(snapshot)) } } }
                                td data-label="The host says" {
                                    @match level.reported_received { Some(true) => (chip("good", "received")), Some(false) => (chip("bad", "not received")), None => span.none { "nothing" } }
                                    @if let Some(error) = &level.reported_error { div.soft { (plain(error)) } }
                                }
                                td data-label="Debt" { @match level.proven_secs { Some(at) => { (super::draw::span(now - at)) } None => (chip("warn", "never proven")) } }
                                td data-label="Last drill" { (verdict(level.drill_verdict.as_deref().unwrap_or(""))) " " @if level.drilled_secs.is_some() { (maybe_ago(level.drilled_secs, now)) } }
                                td.number data-label="Time to restore" { @match level.restore_secs { Some(secs) => (duration(secs)), None => "—" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// When the newest copy came, by the vault's receipt.
pub(super) fn newest_copy(level: &Level, now: i64) -> Markup {
    match (level.received_secs, level.watched) {
        (None, false) => html! { span.none { "its vault is not watched" } },
        (received_secs, _) => maybe_ago(received_secs, now),
    }
}

fn charts(days: &[SourceDay], proven: &[ProofRow], target: Option<u64>, span: i64) -> Markup {
    let of = |value: fn(&SourceDay) -> f64| days.iter().map(|day| (day.day, value(day))).collect::<Vec<_>>();
    let made: Vec<_> =
        days.iter().filter(|day| day.ok + day.partial > 0).map(|day| (day.day, day.bytes as f64)).collect();
    let in_bytes = |value: f64| bytes(value as i64);
    // Of a day the slowest: that is what somebody would have waited for.
    let mut restores: BTreeMap<i64, f64> = BTreeMap::new();
    for proof in proven {
        let slowest = restores.entry(day_of(proof.body.started_secs)).or_default();
        *slowest = slowest.max(proof.body.restore_secs);
    }
    let restores: Vec<_> = restores.into_iter().collect();
    let chart = |title, points, write, limit| Chart { title, points, ahead: vec![], limit, write }.draw();
    html! {
        section.card {
            h2 { "Charts" small { @for days in [30, 90, 365] { @if days == span { " " (days) " days " } @else { " " a href={ "?days=" (days) } { (days) " days" } " " } } } }
            div.row.wide {
                (chart("Size", made, in_bytes as fn(f64) -> String, None))
                (chart("New bytes a day", of(|day| day.added_bytes as f64), in_bytes, None))
                (chart("Duration of a run", of(|day| day.duration_secs), duration, None))
                (chart("Time to restore", restores, duration, target.map(|secs| secs as f64)))
            }
        }
    }
}

fn runs_card(recent: &[RunRow], now: i64) -> Markup {
    html! {
        section.card {
            h2 { "Runs" }
            @if recent.is_empty() { p.none { "None that is still kept." } }
            div.scroll {
                table.wrap {
                    thead { tr { th { "Began" } th { "Ended" } th.number { "Took" } th.number { "Files" } th.number { "Size" } th.number { "New" } th { "Rules that spoke" } } }
                    tbody {
                        @for run in recent {
                            tr {
                                td.keep { a href={ "/runs/" (run.id) } { (stamp(run.started_secs)) } " " span.soft { (ago(run.started_secs, now)) } }
                                td data-label="Ended" { (outcome(&run.outcome)) }
                                td.number data-label="Took" { (duration(run.duration_secs)) }
                                td.number data-label="Files" { (count(run.files)) }
                                td.number data-label="Size" { (bytes(run.bytes)) }
                                td.number data-label="New" { (bytes(run.added_bytes)) }
                                td data-label="Rules" { @if run.spoke.is_empty() { span.none { "none" } } @else { (run.spoke.replace(' ', ", ")) } }
                            }
                        }
                    }
                }
            }
            @if let Some(last) = recent.last().filter(|_| recent.len() == 30) { div.pages { a href={ "?before=" (last.started_secs) } { "older →" } } }
        }
    }
}

fn snapshots_card(who: &Who, kept: &[Snapshot], levels: &[Level], now: i64) -> Markup {
    html! {
        section.card {
            h2 { "Snapshots" small { "the newest that are kept" } }
            @if kept.is_empty() { p.none { "None is known." } }
            @for snapshot in kept.iter().take(12) {
                details {
                    summary { code { (short(&snapshot.manifest)) } " " (maybe_ago(snapshot.captured_secs, now)) " · " @match snapshot.bytes { Some(size) => (bytes(size)), None => "?" } " · "
                        (several(snapshot.copies.iter().filter(|copy| copy.gone_secs.is_none()).count(), "copy", "copies"))
                        @if snapshot.proven.is_some() { " · proven" } }
                    (ladder(snapshot, levels, now))
                    ul.list { @for copy in &snapshot.copies { li { (super::vaults::link(who, copy.vault_id, &copy.vault)) ": received " (ago(copy.received_secs, now)) @if let Some(gone) = copy.gone_secs { ", gone " (ago(gone, now)) } } } }
                    p.soft { code { (snapshot.manifest) } }
                }
            }
        }
    }
}

fn proofs_card(proven: &[ProofRow], now: i64) -> Markup {
    html! {
        section.card {
            h2 { "Drills and proofs" }
            @if proven.is_empty() { p.none { "This source was never drilled: nobody knows whether it can be restored." } }
            ul.list { @for proof in proven.iter().take(12) {
                li { (verdict(proofs::verdict_word(proof.body.verdict))) " " a href={ "/proofs/" (proof.id) } { (ago(proof.body.started_secs, now)) } " from " (plain(&proof.body.level)) ", restored in " (duration(proof.body.restore_secs)) ", " (count(i64::try_from(proof.body.compared).unwrap_or(i64::MAX))) " things compared" }
            } }
        }
    }
}

pub(super) async fn change(State(app): State<Arc<App>>, Path(id): Path<i64>, posted: Posted) -> Done {
    let who = &posted.who;
    who.need(Right::Work)?;
    let mut conn = app.db.write().await?;
    let source = sources::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let text = posted.field("adjusted");
    let settings: Option<serde_json::Value> = match text {
        "" => None,
        text => Some(
            serde_json::from_str(text)
                .map_err(|error| Error::Malformed(format!("this is no JSON: {error}")))?,
        ),
    };
    if let Some(settings) = &settings {
        Settings::layered([settings]).map_err(|error| Error::Malformed(error.to_string()))?;
    }
    sources::adjust(&mut conn, id, settings.as_ref()).await?;
    let object = format!("source {}/{}/{}", source.tenant, source.host, source.name);
    who.note(&mut conn, Some(source.tenant_id), "source.adjust", &object, text, app.now()).await?;
    conn.commit().await?;
    Ok(Redirect::to(&format!("/sources/{}", source.id)))
}
