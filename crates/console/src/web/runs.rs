//! One run: what it captured, what it could not, what rules said, and its log.

use super::draw::{ago, bytes, chip, count, duration, outcome, plain, short, stamp};
use super::guard::{Page, Who};
use super::layout;
use crate::auth::Right;
use crate::db::{runs, snapshots};
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, State};
use maud::{Markup, html};
use std::sync::Arc;

pub(super) async fn run(State(app): State<Arc<App>>, who: Who, Path(id): Path<i64>) -> Page {
    who.need(Right::See)?;
    let now = app.now();
    let mut conn = app.read().await?;
    let run = runs::get(&mut conn, who.scope, id).await?.ok_or(Error::Absent)?;
    let details = runs::details(&mut conn, id).await?;
    let siblings = runs::siblings(&mut conn, run.host_id, &run).await?;
    let snapshot = match &run.snapshot {
        Some(manifest) => snapshots::by_manifest(&mut conn, who.scope, run.host_id, manifest).await?,
        None => None,
    };
    let list = |title: &str, texts: &[String]| {
        html! { @if !texts.is_empty() { section.card { h2 { (title) } ul.list { @for text in texts { li { (plain(text)) } } } } } }
    };
    let body = html! {
        (layout::trail(&[
            ("/".into(), "Fleet".into()),
            (format!("/hosts/{}", run.host_id), run.host.clone()),
            (format!("/sources/{}", run.source_id), run.source.clone()),
        ]))
        h1 { "Run of " (stamp(run.started_secs)) " " (outcome(&run.outcome)) }
        @if let Some((report, _)) = &details {
            @if let Some(error) = &report.error {
                section.card { h2 { "Why there is no snapshot" } p { (plain(error)) } @if let Some(hint) = &report.hint { p { b { "Next step: " } (plain(hint)) } } }
            }
        }
        section.card {
            (layout::facts(&[
                ("Tenant, host, source", html! { (plain(&run.tenant)) " / " (plain(&run.host)) " / " (plain(&run.source)) }),
                ("Reported", ago(run.received_secs, now)),
                ("Took", html! { (duration(run.duration_secs)) }),
                ("Files", html! { (count(run.files)) }),
                ("Size", html! { (bytes(run.bytes)) }),
                ("New", html! { (bytes(run.added_bytes)) }),
                ("Could not be captured", html! { (count(run.errors)) }),
                ("Attempt", html! { (run.attempt) }),
                ("Judged", html! { @match run.healthy { Some(true) => (chip("good", "healthy")), Some(false) => (chip("bad", "doubted")), None => "not yet" } }),
                ("Rules that spoke", html! { @if run.spoke.is_empty() { "none" } @else { (run.spoke.replace(' ', ", ")) } }),
                ("Snapshot", html! { @match &run.snapshot { Some(manifest) => code { (short(manifest)) }, None => "none" } }),
                ("Copies", html! { @match &snapshot { Some(found) if found.copies.iter().any(|copy| copy.gone_secs.is_none()) => { @for copy in found.copies.iter().filter(|copy| copy.gone_secs.is_none()) { (super::vaults::link(&who, copy.vault_id, &copy.vault)) " " } } _ => "none yet" } }),
            ]))
            @if let Some(learning) = &run.learning { p.soft { (plain(learning)) } }
        }
        @match &details {
            None => p.none { "The report of this run is no longer kept." },
            Some((report, output)) => {
                (list("What could not be captured", &report.problems))
                (list("Notes", &report.notes))
                (levels(&report.levels))
                @if !report.objects.is_empty() {
                    section.card { h2 { "Objects" } p { @for (kind, number) in &report.objects { span.chip.idle { (number) " " (plain(kind)) } " " } } }
                }
                @if let Some(shape) = &report.shape { (trees(shape)) }
                @if let Some(output) = output { section.card { h2 { "Captured output" } pre { (plain(output)) } } }
                section.card { details { summary { "The report as it came" } pre { (plain(&serde_json::to_string_pretty(report).unwrap_or_default())) } } }
            }
        }
        @if !siblings.is_empty() {
            section.card { h2 { "In the same run" } ul.list { @for other in &siblings { li { a href={ "/runs/" (other.id) } { (plain(&other.source)) } " " (outcome(&other.outcome)) } } } }
        }
    };
    Ok(layout::page(&format!("Run of {} on {}", run.source, run.host), "/", &who, body))
}

fn levels(levels: &[vow_protocol::report::LevelReport]) -> Markup {
    html! {
        @if !levels.is_empty() {
            section.card {
                h2 { "Levels, as the host says" }
                ul.list { @for level in levels {
                    li { (plain(&level.name)) " " @match level.received { Some(true) => (chip("good", "received")), Some(false) => (chip("bad", "not received")), None => (chip("idle", "nothing to receive")) }
                        @if let Some(error) = &level.error { " " span.soft { (plain(error)) } } }
                } }
            }
        }
    }
}

fn trees(shape: &vow_protocol::report::Shape) -> Markup {
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    html! {
        section.card {
            h2 { "Files" small { (count(whole(shape.new_files))) " new, " (count(whole(shape.changed_files))) " changed, " (count(whole(shape.gone_files))) " gone" } }
            div.scroll { table {
                thead { tr { th { "Tree" } th.number { "Files" } th.number { "Size" } } }
                tbody { @for (path, tree) in &shape.trees { tr { td { code { (plain(path)) } } td.number { (count(whole(tree.files))) } td.number { (bytes(whole(tree.bytes))) } } } }
            } }
        }
    }
}
