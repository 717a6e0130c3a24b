//! Drills and proofs, and what was not proven for longest.

use super::draw::{ago, chip, count, duration, maybe_ago, plain, short, span, stamp, verdict};
use super::guard::{Page, Who};
use super::layout;
use crate::auth::Right;
use crate::db::{proofs, sources};
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, State};
use maud::html;
use std::sync::Arc;

pub(super) async fn list(State(app): State<Arc<App>>, who: Who) -> Page {
    who.need(Right::See)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let debts = sources::debts(&mut conn, who.scope, 100).await?;
    let newest = proofs::list(&mut conn, who.scope, 60).await?;
    let proven = sources::proven(&mut conn, who.scope, now - super::overview::PROVEN_SECS).await?;
    let body = html! {
        h1 { "Drills and proofs" }
        ul.numbers {
            li.good { b { (count(proven.proven)) } span { "sources proven within 35 days" } }
            li class=(if proven.sources > proven.proven { "warn" } else { "good" }) { b { (count(proven.sources - proven.proven)) } span { "sources not proven" } }
        }
        div.row {
            section.card {
                h2 { "Restorability debt" small { "the longest first" } }
                @if debts.is_empty() { p.none { "No source has a level yet: they come with the first report of a host." } }
                div.scroll { table.wrap {
                    thead { tr { th { "Source" } th { "Level" } th { "Unproven for" } th { "Last drill" } } }
                    tbody { @for debt in &debts {
                        tr {
                            td { a href={ "/sources/" (debt.source_id) } { (plain(&debt.host)) " / " (plain(&debt.name)) } div.soft { (plain(&debt.tenant)) } }
                            td data-label="Level" { (plain(&debt.level)) }
                            td data-label="Unproven for" { @match debt.proven_secs { Some(at) => (span(now - at)), None => (chip("warn", "never proven")) } }
                            td data-label="Last drill" { (verdict(debt.drill_verdict.as_deref().unwrap_or(""))) @if debt.drilled_secs.is_some() { " " (maybe_ago(debt.drilled_secs, now)) } }
                        }
                    } }
                } }
            }
            section.card {
                h2 { "Newest drills" }
                @if newest.is_empty() { p.none { "No drill was reported. `vow drill` on a machine with an identity makes the first." } }
                div.scroll { table.wrap {
                    thead { tr { th { "When" } th { "Source" } th { "Result" } th.number { "Restored in" } } }
                    tbody { @for proof in &newest {
                        tr {
                            td.keep { a href={ "/proofs/" (proof.id) } { (ago(proof.body.started_secs, now)) } }
                            td data-label="Source" { (plain(&proof.host)) " / " (plain(&proof.source)) div.soft { (plain(&proof.tenant)) ", from " (plain(&proof.body.level)) } }
                            td data-label="Result" { (verdict(proofs::verdict_word(proof.body.verdict))) }
                            td.number data-label="Restored in" { (duration(proof.body.restore_secs)) }
                        }
                    } }
                } }
            }
        }
    };
    Ok(layout::page("Drills and proofs", "/proofs", &who, body))
}

pub(super) async fn proof(State(app): State<Arc<App>>, who: Who, Path(id): Path<i64>) -> Page {
    who.need(Right::See)?;
    let proof = proofs::get(&mut app.read().await?, who.scope, id).await?.ok_or(Error::Absent)?;
    let said = &proof.body;
    let whole = |number: u64| count(i64::try_from(number).unwrap_or(i64::MAX));
    let body = html! {
        (layout::trail(&[("/proofs".into(), "Proofs".into()), (format!("/sources/{}", proof.source_id), format!("{} / {}", proof.host, proof.source))]))
        h1 { "Drill of " (stamp(said.started_secs)) " " (verdict(proofs::verdict_word(said.verdict))) }
        section.card {
            (layout::facts(&[
                ("Tenant, host, source", html! { (plain(&proof.tenant)) " / " (plain(&proof.host)) " / " (plain(&proof.source)) }),
                ("Level", html! { (plain(&said.level)) }),
                ("Snapshot", html! { code { (short(&said.snapshot)) } ", received " (stamp(said.received_secs)) }),
                ("Restored in", html! { (duration(said.restore_secs)) @if let Some(target) = said.restore_target_secs { ", to be done within " (duration(target as f64)) } }),
                ("Compared in", html! { (duration(said.compare_secs)) }),
                ("Compared and the same", html! { (whole(said.compared)) }),
                ("Files opened", html! { (whole(said.files_read)) " of " (whole(said.files)) }),
                ("Opened with", html! { code { (plain(&short(&said.recipient))) } }),
            ]))
        }
        @for (title, texts) in [("What is wrong", &said.problems), ("Why it could not be tried", &said.blocked)] {
            @if !texts.is_empty() { section.card { h2 { (title) } ul.list { @for text in texts { li { (plain(text)) } } } } }
        }
    };
    Ok(layout::page("Drill", "/proofs", &who, body))
}
