//! Audits of hosts and tenants: findings, tickets, policy, records, score, reports.

use crate::stand::{NOW, Stand, get, on_both, post, report, run};
use serde_json::json;
use std::collections::BTreeSet;
use vow_base::sign::SigningKey;
use vow_console::auth::Role;
use vow_console::db::hosts::KnownHost;
use vow_console::db::{Scope, audits, hosts, tickets};
use vow_console::records::{Severity, Status, Ticket};
use vow_console::report;
use vow_protocol::report::{Body, KeyProofReport};

/// 2,000 take half a minute twice, without optimisation.
const HOSTS: usize = 300;
const DAY: i64 = 86_400;
const KEY: &str = "0123456789abcdef0123456789abcdef";

async fn open(stand: &Stand, rule: &str) -> Vec<Ticket> {
    let all =
        tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &tickets::Wanted::default(), 1000, 0)
            .await
            .unwrap();
    all.into_iter().filter(|ticket| ticket.key.rule.word() == rule).collect()
}

async fn audited(stand: &Stand, host: &KnownHost, id: u64, made_secs: i64, findings: &[serde_json::Value]) {
    let (waived, open): (Vec<_>, Vec<_>) =
        findings.iter().cloned().partition(|one| one.get("waived").is_some());
    let document = json!({"findings": open, "waived": waived, "ledger": [{"state": "unknown", "what": "folder", "path": "/srv", "bytes": 5}]});
    let mut told = report(host, id, Body::Audit(Box::new(document)));
    told.made_secs = made_secs;
    stand.put(host, told).await.unwrap();
}

fn finding(name: &str, severity: &str) -> serde_json::Value {
    json!({"finding": name, "check": "coverage", "severity": severity, "text": format!("{name} is captured by no source"), "hint": "add it", "offer": "[[source]]"})
}

fn waived(name: &str, until: &str) -> serde_json::Value {
    let mut one = finding(name, "high");
    one["waived"] = json!({"reason": "scratch", "by": "ann", "until": until});
    one
}

/// A host with one backup, sealed to these.
async fn backed_up(stand: &Stand, name: &str, id: u64, recipients: &[&str]) -> KnownHost {
    let host = stand.host("acme", name).await;
    let mut body = run("orders", NOW - 600);
    body.recipients = recipients.iter().map(|one| (*one).to_owned()).collect();
    body.plan = Some("cd".repeat(32));
    stand.put(&host, report(&host, id, Body::Run(Box::new(body)))).await.unwrap();
    host
}

on_both! {
    each_finding_of_a_host_is_a_ticket_until_it_is_gone(stand) {
        let host = stand.host("acme", "web-1").await;
        let all = [finding("folder:/srv", "high"), finding("write-only:far/delete", "critical"), waived("folder:/scratch", "2026-12-31")];
        audited(&stand, &host, 1, NOW - 100, &all).await;
        let found: BTreeSet<_> = open(&stand, "audit").await.into_iter().map(|one| (one.key.subject.to_string(), one.severity)).collect();
        let expected = [("web-1, folder:/srv", Severity::Warning), ("web-1, write-only:far/delete", Severity::Critical)];
        assert_eq!(found, expected.map(|(name, severity)| (name.to_owned(), severity)).into());
        // The same again is the same ticket; an older one says nothing; one that is gone closes.
        audited(&stand, &host, 2, NOW - 50, &all).await;
        audited(&stand, &host, 3, NOW - 70, &[]).await;
        assert_eq!(open(&stand, "audit").await.len(), 2);
        audited(&stand, &host, 4, NOW - 10, &all[1..]).await;
        let left = open(&stand, "audit").await;
        assert_eq!(left.iter().map(|one| one.key.subject.to_string()).collect::<Vec<_>>(), ["web-1, write-only:far/delete"]);
        let of = |closed| audits::Wanted { host_id: Some(host.host_id), closed, since_secs: 0 };
        let mut conn = stand.app.read().await.unwrap();
        let now = audits::findings(&mut conn, Scope::All, of(false), 10).await.unwrap();
        assert_eq!(now.iter().map(|one| (one.name.as_str(), one.waived)).collect::<Vec<_>>(), [("write-only:far/delete", false), ("folder:/scratch", true)]);
        let over = audits::findings(&mut conn, Scope::All, of(true), 10).await.unwrap();
        assert_eq!((over.len(), over[0].name.as_str(), over[0].closed_secs), (1, "folder:/srv", Some(NOW)));
    }

    a_waiver_ends_although_its_host_says_nothing_more(stand) {
        let host = stand.host("acme", "web-1").await;
        audited(&stand, &host, 1, NOW, &[waived("folder:/scratch", "2026-09-30")]).await;
        assert!(open(&stand, "audit").await.is_empty());
        stand.set_time(NOW + 30 * DAY);
        let who = vow_console::admin::at_the_machine();
        vow_console::audit::desk::audit(&stand.app, &who, host.tenant_id).await.unwrap();
        let now = open(&stand, "audit").await;
        assert_eq!(now.len(), 1);
        assert!(now[0].evidence.iter().any(|one| one.label == "its waiver has ended"), "{:?}", now[0].evidence);
    }

    a_recovery_key_that_nobody_approved_is_critical(stand) {
        let host = backed_up(&stand, "web-1", 1, &[KEY]).await;
        let (_, web) = stand.serve();
        let admin = stand.token(Role::Administrator, Some("acme")).await;
        let operator = stand.token(Role::Operator, Some("acme")).await;
        let at = |what: &str| format!("/api/v1/tenants/{}/{what}", host.tenant_id);
        let records = json!({"owner": "Ann", "contact": "ann@example.net", "recipients": [{"fingerprint": KEY, "holder": "safe"}]});
        // Nothing was agreed: nothing is a ticket.
        get(web, &at("audit"), &admin).await.expect(200);
        post(web, &at("audit"), &operator, json!({})).await.expect(200);
        assert!(open(&stand, "policy").await.is_empty());
        assert_eq!(post(web, &at("policy"), &operator, json!({})).await.status, 403);
        assert_eq!(post(web, &at("policy"), &admin, json!({"copys": 3})).await.status, 400);
        post(web, &at("policy"), &admin, json!({"identities": 1})).await.expect(200);
        // Who may open the backups is for administrators.
        assert_eq!(post(web, &at("records"), &operator, records.clone()).await.status, 403);
        post(web, &at("records"), &admin, records).await.expect(200);
        let about = |check: &str, all: &[Ticket]| all.iter().find(|one| one.key.subject.to_string().contains(check)).map(|one| (one.severity, one.status));
        assert_eq!(about("recipients", &open(&stand, "policy").await), None);
        assert!(about("identity", &open(&stand, "policy").await).is_some());
        // Somebody still has the identity.
        let proof = KeyProofReport { recipient: KEY.into(), challenge: "ab".repeat(16), challenged_secs: NOW - 60, proven_secs: NOW };
        stand.put(&host, report(&host, 2, Body::KeyProof(proof))).await.unwrap();
        post(web, &at("audit"), &operator, json!({})).await.expect(200);
        assert_eq!(about("identity", &open(&stand, "policy").await), None);
        // The plan's key is replaced: the next snapshot is sealed to somebody else.
        let mut other = run("orders", NOW - 60);
        other.recipients = vec!["aa".repeat(16)];
        stand.put(&host, report(&host, 3, Body::Run(Box::new(other)))).await.unwrap();
        post(web, &at("audit"), &operator, json!({})).await.expect(200);
        assert_eq!(about("recipients", &open(&stand, "policy").await), Some((Severity::Critical, Status::Open)));
        let page = get(web, &format!("/tenants/{}/audit", host.tenant_id), &operator).await.expect(200);
        assert!(page.body.contains("which nobody approved"));
        stand.stop().await;
    }

    a_host_leaves_with_a_name_and_a_reason_and_takes_its_points_along(stand) {
        let bad = backed_up(&stand, "web-1", 1, &[KEY]).await;
        backed_up(&stand, "web-2", 2, &[KEY]).await;
        audited(&stand, &bad, 3, NOW, &[finding("write-only:far/delete", "critical")]).await;
        let (_, web) = stand.serve();
        let operator = stand.token(Role::Operator, Some("acme")).await;
        let tenant = format!("/api/v1/tenants/{}/audit", bad.tenant_id);
        let score = async || post(web, &tenant, &operator, json!({})).await.expect(200).json()["score"].as_i64().unwrap();
        let before = score().await;
        let host = format!("/api/v1/hosts/{}", bad.host_id);
        post(web, &format!("{host}/close"), &operator, json!({"closed": true, "reason": "a mistake"})).await.expect(200);
        assert!(score().await <= before, "closing a bad host made the score better");
        post(web, &format!("{host}/close"), &operator, json!({"closed": false})).await.expect(200);
        assert_eq!(score().await, before);
        assert_eq!(post(web, &format!("{host}/audit"), &operator, json!({"step": "decommission", "reason": " "})).await.status, 400);
        post(web, &format!("{host}/audit"), &operator, json!({"step": "decommission", "reason": "sold"})).await.expect(200);
        assert!(score().await <= before, "decommissioning a bad host made the score better");
        let record = get(web, &format!("{host}/audit"), &operator).await.expect(200).json()["record"].clone();
        assert_eq!((record["gone_reason"].as_str(), record["gone_by"].as_str()), (Some("sold"), Some("a program")));
        let log = get(web, "/api/v1/audit", &stand.token(Role::Auditor, None).await).await.expect(200);
        assert!(log.body.contains("host.decommission"));
        stand.stop().await;
    }

    a_report_is_signed_and_every_changed_byte_is_noticed(stand) {
        let host = backed_up(&stand, "web-1", 1, &[KEY]).await;
        audited(&stand, &host, 2, NOW, &[finding("folder:/srv", "high")]).await;
        let (_, web) = stand.serve();
        let token = stand.token(Role::Customer, Some("acme")).await;
        let month = report::Month::of(NOW);
        let trusted = SigningKey::from_seed(&stand.key).public();
        let base = format!("/tenants/{}/reports/{month}", host.tenant_id);
        let page = get(web, &format!("{base}.html"), &token).await.expect(200);
        // The month is not over: what ran today belongs to it.
        for text in
            ["web-1", "folder:/srv", "orders", "1 runs: 1 whole", "vow-report-signature", "Ledgers", "Drills"]
        {
            assert!(page.body.contains(text), "the report lacks {text}");
        }
        let file = page.body.into_bytes();
        let signed = report::verify(&file, |key| *key == trusted).unwrap();
        assert!(signed.bytes > 2000);
        for at in (0..file.len()).step_by(97).chain([file.len() - 1]) {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert!(report::verify(&bad, |key| *key == trusted).is_err(), "byte {at}");
        }
        assert_eq!(get(web, &format!("{base}.exe"), &token).await.status, 404);
        let who = vow_console::admin::at_the_machine();
        let pdf = stand.app.report(&who, host.tenant_id, month, report::Format::Pdf).await.unwrap();
        assert!(pdf.starts_with(b"%PDF-1."));
        report::verify(&pdf, |key| *key == trusted).unwrap();
        stand.stop().await;
    }

    many_hosts_are_audited_at_once_and_again_changes_nothing(stand) {
        let mut conn = stand.app.db.write().await.unwrap();
        let tenant_id = hosts::tenant_id(&mut conn, "acme", NOW).await.unwrap();
        let document = json!({"findings": [finding("folder:/srv", "high")]});
        for number in 0..HOSTS {
            let id = hosts::host_id(&mut conn, tenant_id, &format!("h{number:04}"), NOW).await.unwrap();
            hosts::keep_document(&mut conn, id, hosts::Document::Audit, NOW, &document).await.unwrap();
            let source = vow_console::db::sources::source_id(&mut conn, (id, tenant_id), "orders", "files", NOW).await.unwrap();
            conn.run(sqlx_text(source), vec![]).await.unwrap();
        }
        audits::set_policy(&mut conn, tenant_id, Some(&json!({}))).await.unwrap();
        conn.commit().await.unwrap();
        let who = vow_console::admin::at_the_machine();
        let first = vow_console::audit::desk::audit(&stand.app, &who, tenant_id).await.unwrap();
        let again = vow_console::audit::desk::audit(&stand.app, &who, tenant_id).await.unwrap();
        assert!(first.result.checked.len() > 5 * HOSTS);
        assert!(first.tickets.len() > HOSTS);
        assert_eq!(again.tickets.len(), 0, "the same again changed tickets");
    }
}

fn sqlx_text(source: i64) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!("INSERT INTO source_levels (source_id, level) VALUES ({source}, 'local')"))
}
