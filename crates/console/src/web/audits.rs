//! The audit of a tenant: what was agreed, whether it is kept, how that went, and what people wrote down.

use super::charts::Chart;
use super::draw::{chip, count, date, maybe_ago, plain, prose, several, stamp};
use super::forms::Posted;
use super::guard::{Done, Page, Who};
use super::layout;
use crate::audit::desk::{self, Seen};
use crate::audit::{Answer, Approved, CHECKS, Checked, Policy};
use crate::auth::Right;
use crate::db::audits::{self, AuditDay};
use crate::db::{Scope, day_of};
use crate::records::Severity;
use crate::server::App;
use crate::server::error::Error;
use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};
use std::sync::Arc;

const TREND_DAYS: i64 = 90;
const SHOWN_MAX: usize = 50;
const CLOSED_MAX: i64 = 50;

pub(super) async fn tenant(State(app): State<Arc<App>>, who: Who, Path(id): Path<i64>) -> Page {
    let now = app.now();
    let mut conn = app.read().await?;
    let seen = desk::see(&mut conn, &who, id).await?;
    let today = day_of(now);
    let days = audits::days(&mut conn, id, today - TREND_DAYS, today).await?;
    let over = audits::Wanted { closed: true, ..audits::Wanted::default() };
    let closed = audits::findings(&mut conn, Scope::Tenant(id), over, CLOSED_MAX).await?;
    let result = seen.kept.result.clone().unwrap_or_default();
    let body = html! {
        (layout::trail(&[("/tenants".into(), "Tenants".into()), (format!("/tenants/{id}"), seen.tenant.name.clone())]))
        h1 { "Audit of " (plain(&seen.tenant.name)) }
        (numbers(&seen, &result.checked))
        @if !seen.agreed {
            section.card { p { "No policy was agreed for this tenant: what is shown is held against 3-2-1-1-0, and nothing becomes a ticket." } }
        }
        (trend(&days))
        section.card {
            h2 { "Reports" small { "signed by this console; " code { "vow report verify" } " checks them" } }
            (super::reports::links(id, now))
        }
        section.card {
            h2 { "Checks" small { "last held against the policy " (maybe_ago(seen.kept.audited_secs, now)) } }
            @if who.role.may(Right::Work) {
                form.inline method="post" { (layout::token(&who)) input type="hidden" name="do" value="audit"; button.second type="submit" { "Audit now" } }
            }
            div.scroll tabindex="0" { table.wrap {
                thead { tr { th { "Check" } th { "What it asks" } th.number { "Passed" } th.number { "Open" } th.number { "Unknown" } th.number { "Accepted" } } }
                tbody { @for (name, asks) in CHECKS {
                    @let of = |answer| result.checked.iter().filter(|one| one.check == name && one.answer == answer).count();
                    tr {
                        td.keep { (name) } td.all { (asks) }
                        td.number data-label="Passed" { (of(Answer::Pass)) } td.number data-label="Open" { (of(Answer::Finding)) }
                        td.number data-label="Unknown" { (of(Answer::Unknown)) } td.number data-label="Accepted" { (of(Answer::Waived)) }
                    }
                } }
            } }
        }
        @for (title, answer) in [("Findings", Answer::Finding), ("Not known", Answer::Unknown), ("Accepted", Answer::Waived)] {
            (answers(&who, title, &result.checked, answer))
        }
        section.card {
            h2 { "Hosts" small { "points, 0 to 100; one that vanished counts as 0" } }
            @if result.points.is_empty() { p.none { "None was judged yet: a host has points after its first audit." } }
            ul.list { @for (host, points) in &result.points { li { (plain(host)) ": " (points) } } }
        }
        section.card {
            h2 { "What is over" }
            @if closed.is_empty() { p.none { "Nothing yet." } }
            ul.list { @for one in &closed {
                li { (plain(&one.name)) ": " (plain(&one.sentence)) " " span.soft { "from " (stamp(one.since_secs)) " to " (stamp(one.closed_secs.unwrap_or(now))) } }
            } }
        }
        (records(&who, &seen))
        (policy(&who, &seen.policy, seen.agreed))
    };
    Ok(layout::page("Audit", "/tenants", &who, body))
}

fn numbers(seen: &Seen, checked: &[Checked]) -> Markup {
    let of = |answer| i64::try_from(checked.iter().filter(|one| one.answer == answer).count()).unwrap_or(0);
    let score = seen.kept.result.as_ref().and_then(|result| result.score);
    let kind = match score {
        Some(90..) => "good",
        Some(60..) => "warn",
        Some(_) => "bad",
        None => "note",
    };
    html! {
        ul.numbers {
            li class=(kind) { b { @match score { Some(score) => (score), None => "—" } } span { "of 100 points" } }
            li.bad { b { (count(of(Answer::Finding))) } span { "findings" } }
            li.warn { b { (count(of(Answer::Unknown))) } span { "not known" } }
            li.note { b { (count(of(Answer::Waived))) } span { "accepted" } }
            li.good { b { (count(of(Answer::Pass))) } span { "checks passed" } }
        }
    }
}

fn trend(days: &[AuditDay]) -> Markup {
    let points: Vec<(i64, f64)> = days.iter().filter_map(|day| Some((day.day, day.score? as f64))).collect();
    let chart = Chart {
        title: "Score",
        points,
        ahead: Vec::new(),
        limit: Some(100.0),
        write: |value| format!("{value:.0}"),
    };
    html! {
        section.card {
            h2 { "Trend" small { (TREND_DAYS) " days" } }
            (chart.draw())
            @if let (Some(first), Some(last)) = (days.first(), days.last()) {
                @let said = |day: &AuditDay| format!("{}: {}, {} critical", date(day.day), several(usize::try_from(day.found).unwrap_or(0), "finding", "findings"), day.critical);
                p { @if first.day < last.day { (said(first)) ". " } (said(last)) "." }
            }
        }
    }
}

fn state(one: &Checked) -> Markup {
    match (one.answer, one.severity) {
        (Answer::Pass, _) => chip("good", "passed"),
        (Answer::Waived, _) => chip("idle", "accepted"),
        (Answer::Unknown, _) => chip("warn", "not known"),
        (Answer::Finding, Severity::Critical) => chip("bad", "critical"),
        (Answer::Finding, Severity::Warning) => chip("warn", "warning"),
        (Answer::Finding, Severity::Notice) => chip("note", "notice"),
    }
}

fn answers(who: &Who, title: &str, checked: &[Checked], answer: Answer) -> Markup {
    let mut ones: Vec<_> = checked.iter().filter(|one| one.answer == answer).collect();
    ones.sort_by_key(|one| (std::cmp::Reverse(one.severity), one.name()));
    html! {
        @if !ones.is_empty() {
            section.card {
                h2 { (title) small { (ones.len()) } }
                ul.list { @for one in ones.iter().take(SHOWN_MAX) {
                    li {
                        (state(one)) " " code { (plain(&one.name())) } " " (plain(&one.sentence))
                        @if let Some(waiver) = &one.waiver { " " span.soft { (plain(waiver)) } }
                        @if !one.next_step.is_empty() { p.soft { "Next step: " (prose(&one.next_step)) } }
                        @if !one.evidence.is_empty() { details { summary { "What it rests on" }
                            ul.list { @for fact in &one.evidence { li { (plain(&fact.label)) ": " (plain(&fact.value)) } } } } }
                        @if who.role.may(Right::Work) && answer != Answer::Pass { details { summary { "Accept it" }
                            form.inline method="post" {
                                (layout::token(who)) input type="hidden" name="do" value="waive"; input type="hidden" name="finding" value=(hidden(&one.name()));
                                label { "Reason" input type="text" name="reason" required maxlength="500"; }
                                label { "Last day" input type="date" name="until" required; }
                                button.second type="submit" { "Accept" }
                            } } }
                    }
                } }
                @if ones.len() > SHOWN_MAX { p.soft { (ones.len() - SHOWN_MAX) " more: see the API." } }
            }
        }
    }
}

fn records(who: &Who, seen: &Seen) -> Markup {
    let records = &seen.records;
    html! {
        section.card {
            h2 { "Records" }
            (layout::facts(&[
                ("Owner", layout::written(&records.owner)),
                ("Contact", layout::written(&records.contact)),
                ("Reviewed", html! { @if records.reviewed.is_empty() { span.none { "never" } } @else { (plain(&records.reviewed)) " by " (plain(&records.reviewed_by)) } }),
            ]))
            @if who.role.may(Right::Work) {
                form.inline method="post" {
                    (layout::token(who)) input type="hidden" name="do" value="review";
                    label { "Owner" input type="text" name="owner" required maxlength="300" value=(plain(&records.owner)); }
                    label { "Contact" input type="text" name="contact" required maxlength="300" value=(plain(&records.contact)); }
                    button.second type="submit" { "Reviewed today" }
                }
            }
            h3 { "Approved recovery keys" }
            @if records.recipients.is_empty() { p.none { "None: whom snapshots may be sealed to is not written down." } }
            ul.list { @for one in &records.recipients {
                li { code { (plain(&one.fingerprint)) } " " (plain(&one.holder))
                    @if who.role.may(Right::Administer) {
                        form.inline method="post" { (layout::token(who)) input type="hidden" name="do" value="withdraw";
                            input type="hidden" name="fingerprint" value=(plain(&one.fingerprint)); button.quiet type="submit" { "Withdraw" } }
                    }
                }
            } }
            @if who.role.may(Right::Administer) {
                form.inline method="post" {
                    (layout::token(who)) input type="hidden" name="do" value="approve";
                    label { "Fingerprint" input type="text" name="fingerprint" required pattern="[0-9a-fA-F]{32}" maxlength="32"; }
                    label { "Who has it, and where" input type="text" name="holder" required maxlength="300"; }
                    button.second type="submit" { "Approve" }
                }
            }
            @if !records.waivers.is_empty() {
                h3 { "Accepted findings" }
                ul.list { @for one in &records.waivers { li {
                    code { (plain(&one.finding)) } " until " (plain(&one.until)) " by " (plain(&one.by)) ": " (plain(&one.reason))
                    @if who.role.may(Right::Work) {
                        form.inline method="post" { (layout::token(who)) input type="hidden" name="do" value="unwaive";
                            input type="hidden" name="finding" value=(hidden(&one.finding)); button.quiet type="submit" { "End it" } }
                    }
                } } }
            }
        }
    }
}

/// The fields of a policy that are numbers: name, what it asks, whether it may be left out.
const NUMBERS: [(&str, &str, bool); 15] = [
    ("copies", "Copies, with the original", false),
    ("media", "Media", false),
    ("offsite", "Copies at another place", false),
    ("immutable", "Copies that cannot be changed", false),
    ("apart_km", "Kilometres to the furthest copy", true),
    ("age_hours", "Hours that the newest copy may be old", true),
    ("lock_days", "Days for which vaults lock", true),
    ("drill_days", "Days within which a source is proven", true),
    ("restore_minutes", "Minutes to restore", true),
    ("keep_days", "Days that copies are kept", true),
    ("identity_days", "Days within which an identity is proven", true),
    ("identities", "Recovery keys", false),
    ("audit_hours", "Hours within which a host is audited", false),
    ("vanished_days", "Days of silence until a host has vanished", false),
    ("review_days", "Days within which records are reviewed", true),
];
const FLAGS: [(&str, &str); 2] =
    [("proven", "No drill may find anything wrong"), ("approved_plans", "Plans must be approved")];

fn policy(who: &Who, policy: &Policy, agreed: bool) -> Markup {
    let values = serde_json::to_value(policy).unwrap_or_default();
    let text = |name: &str| {
        values.get(name).filter(|value| !value.is_null()).map(ToString::to_string).unwrap_or_default()
    };
    let is = |name: &str| values.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
    html! {
        section.card {
            h2 { "Policy" small { @if agreed { "what was agreed" } @else { "nothing was agreed yet; this is 3-2-1-1-0" } } }
            @if who.role.may(Right::Administer) {
                form.stack.whole method="post" {
                    (layout::token(who)) input type="hidden" name="do" value="policy";
                    div.row { @for (name, label, optional) in NUMBERS {
                        label { (label) input type="number" name=(name) min="0" max="100000" required[!optional] value=(text(name)); }
                    } }
                    @for (name, label) in FLAGS { label.tick { input type="checkbox" name=(name) value="yes" checked[is(name)]; (label) } }
                    label { "Channels that must be there, separated by blanks" input type="text" name="told" maxlength="500" value=(plain(&policy.told.join(" "))); }
                    button type="submit" { "Agree on this" }
                }
                @if agreed { form.inline method="post" { (layout::token(who)) input type="hidden" name="do" value="no-policy"; button.quiet type="submit" { "No policy any more" } } }
            } @else {
                ul.list { @for (name, label, _) in NUMBERS { @if !text(name).is_empty() { li { (label) ": " (text(name)) } } } }
            }
        }
    }
}

/// A policy as the form says it.
fn posted_policy(posted: &Posted) -> Result<serde_json::Value, Error> {
    let mut values = serde_json::Map::new();
    for (name, label, _) in NUMBERS {
        let text = posted.field(name);
        let value = match text.is_empty() {
            true => serde_json::Value::Null,
            false => {
                text.parse::<u32>().map_err(|_| Error::Malformed(format!("{label} is a number")))?.into()
            }
        };
        values.insert(name.to_owned(), value);
    }
    for (name, _) in FLAGS {
        values.insert(name.to_owned(), (posted.field(name) == "yes").into());
    }
    let told: Vec<&str> = posted.field("told").split_whitespace().collect();
    values.insert("told".to_owned(), told.into());
    Ok(values.into())
}

pub(super) async fn change(State(app): State<Arc<App>>, Path(id): Path<i64>, posted: Posted) -> Done {
    let who = &posted.who;
    match posted.field("do") {
        "audit" => {
            desk::audit(&app, who, id).await?;
        }
        "policy" => desk::set_policy(&app, who, id, posted_policy(&posted)?).await?,
        "no-policy" => desk::set_policy(&app, who, id, serde_json::Value::Null).await?,
        "review" => {
            let (owner, contact) =
                (posted.needed("owner", "the owner")?, posted.needed("contact", "the contact")?);
            desk::review(&app, who, id, owner, contact).await?;
        }
        what @ ("approve" | "withdraw") => {
            let one = Approved {
                fingerprint: posted.needed("fingerprint", "the fingerprint")?.to_owned(),
                holder: posted.field("holder").to_owned(),
            };
            desk::approve(&app, who, id, one, what == "approve").await?;
        }
        what @ ("waive" | "unwaive") => {
            let finding = percent_decode_str(posted.needed("finding", "the finding")?)
                .decode_utf8()
                .map_err(|_| Error::Malformed("the finding is not text".into()))?;
            let until = if what == "waive" { posted.needed("until", "the last day")? } else { "" };
            desk::waive(&app, who, id, &finding, posted.field("reason"), until).await?;
        }
        _ => return Err(Error::Malformed("what is to be done?".into()).into()),
    }
    Ok(Redirect::to(&format!("/tenants/{id}/audit")))
}

/// The name of a finding in a form: hosts have a say in it, and what turns the direction of a text has no place on a page.
fn hidden(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}
