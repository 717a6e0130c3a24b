//! Reports: twice, out of order, from the future, for another host, hostile, many at once.

use crate::stand::{NOW, Stand, failed, get, on_both, report, run};
use vow_console::db::{Scope, day_of, hosts, runs, sources, tickets};
use vow_console::ingest::IngestError;
use vow_protocol::report::{Alive, Body, Expected, Outcome, Shape};

async fn source_of(stand: &Stand, host_id: i64, name: &str) -> sources::Source {
    let all = sources::of_host(&mut stand.app.read().await.unwrap(), host_id).await.unwrap();
    all.into_iter().find(|source| source.name == name).unwrap()
}

async fn open(stand: &Stand) -> Vec<String> {
    let found =
        tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &tickets::Wanted::default(), 100, 0)
            .await
            .unwrap();
    let mut words: Vec<_> = found.iter().map(|ticket| ticket.key.rule.word().to_owned()).collect();
    words.sort();
    words
}

on_both! {
    a_report_counts_once(stand) {
        let host = stand.host("acme", "web-1").await;
        for _ in 0..3 {
            stand.put(&host, report(&host, 1, Body::Run(Box::new(run("system", NOW - 60))))).await.unwrap();
        }
        let source = source_of(&stand, host.host_id, "system").await;
        let mut conn = stand.app.read().await.unwrap();
        assert_eq!(runs::of_source(&mut conn, source.id, i64::MAX, 10).await.unwrap().len(), 1);
        let days = runs::days(&mut conn, source.id, 0).await.unwrap();
        assert_eq!((days.len(), days[0].ok, days[0].bytes), (1, 1, 1 << 30));
        let of_host = hosts::days(&mut conn, &[host.host_id], 0).await.unwrap();
        assert_eq!(of_host.iter().map(|day| (&*day.level, day.ok)).collect::<Vec<_>>(), [("", 1), ("local", 1)]);
    }

    the_same_id_of_another_host_is_another_report(stand) {
        let (one, two) = (stand.host("acme", "web-1").await, stand.host("other", "web-1").await);
        for host in [&one, &two] {
            stand.put(host, report(host, 1, Body::Run(Box::new(run("system", NOW - 60))))).await.unwrap();
            source_of(&stand, host.host_id, "system").await;
        }
    }

    what_comes_late_does_not_overtake_what_is_newer(stand) {
        let host = stand.host("acme", "web-1").await;
        stand.put(&host, report(&host, 2, Body::Run(Box::new(run("system", NOW - 60))))).await.unwrap();
        stand.put(&host, report(&host, 1, Body::Run(Box::new(failed("system", NOW - 7200, "the disk was full"))))).await.unwrap();
        let source = source_of(&stand, host.host_id, "system").await;
        assert_eq!((source.last_outcome.as_deref(), source.last_started_secs), (Some("ok"), Some(NOW - 60)));
        assert!(!open(&stand).await.contains(&"failed".to_owned()));
        let mut conn = stand.app.read().await.unwrap();
        let listed = runs::of_source(&mut conn, source.id, i64::MAX, 10).await.unwrap();
        assert_eq!(listed.iter().map(|run| &*run.outcome).collect::<Vec<_>>(), ["ok", "failed"]);
    }

    a_failure_is_a_ticket_until_it_is_over(stand) {
        let host = stand.host("acme", "web-1").await;
        stand.put(&host, report(&host, 1, Body::Run(Box::new(failed("system", NOW - 3600, "the disk was full"))))).await.unwrap();
        stand.put(&host, report(&host, 2, Body::Run(Box::new(failed("system", NOW - 1800, "the disk was full"))))).await.unwrap();
        assert_eq!(open(&stand).await.iter().filter(|word| *word == "failed").count(), 1);
        stand.put(&host, report(&host, 3, Body::Run(Box::new(run("system", NOW - 60))))).await.unwrap();
        assert!(!open(&stand).await.contains(&"failed".to_owned()));
    }

    the_future_is_now_and_the_clock_gets_a_ticket(stand) {
        let host = stand.host("acme", "web-1").await;
        for number in 0..10 {
            let mut late = report(&host, number, Body::Run(Box::new(run("system", NOW + 86_400 + number as i64))));
            late.made_secs = NOW + 86_500 + number as i64;
            stand.set_time(NOW + number as i64 * 60);
            stand.put(&host, late).await.unwrap();
        }
        let source = source_of(&stand, host.host_id, "system").await;
        assert!(source.last_started_secs.unwrap() <= NOW + 540);
        assert!(open(&stand).await.contains(&"clock-skew".to_owned()), "{:?}", open(&stand).await);
        let mut far = report(&host, 99, Body::Run(Box::new(run("system", NOW))));
        far.made_secs = NOW + 30 * 366 * 86_400;
        assert!(matches!(stand.put(&host, far).await, Err(IngestError::Refused(_))));
    }

    a_host_whose_clock_is_ahead_has_a_plan_all_the_same(stand) {
        let host = stand.host("acme", "web-1").await;
        let expected = Expected {
            source: "system".into(), source_type: "files".into(), schedule: Some("0 * * * *".into()), time_zone: None,
            next_secs: Some(NOW + 90_000), levels: vec!["local".into()], restore_target_secs: None, drill_within_secs: None,
        };
        let mut told = report(&host, 1, Body::Alive(Alive { sources: vec![expected], ..Alive::default() }));
        told.made_secs = NOW + 86_400;
        stand.put(&host, told).await.unwrap();
        assert!(source_of(&stand, host.host_id, "system").await.expected.is_some());
        let facts = hosts::facts(&mut stand.app.read().await.unwrap(), host.host_id).await.unwrap();
        assert!(facts.alive.is_some(), "else nobody would notice its silence");
    }

    numbers_that_cannot_be_are_refused_and_stop_nobody(stand) {
        let (host, other) = (stand.host("acme", "web-1").await, stand.host("acme", "web-2").await);
        let huge = vow_protocol::report::Tree { files: u64::MAX, bytes: u64::MAX };
        let trees = |all: &[(&str, vow_protocol::report::Tree)]| Shape {
            trees: all.iter().map(|(path, tree)| ((*path).to_owned(), *tree)).collect(),
            ..Shape::default()
        };
        let mut bad: Vec<vow_protocol::report::RunReport> = Vec::new();
        for change in [
            |run: &mut vow_protocol::report::RunReport| run.bytes = u64::MAX,
            |run: &mut vow_protocol::report::RunReport| run.added_bytes = u64::MAX,
            |run: &mut vow_protocol::report::RunReport| run.files = 1 << 60,
            |run: &mut vow_protocol::report::RunReport| run.errors = u64::MAX,
            |run: &mut vow_protocol::report::RunReport| run.objects = [("table".to_owned(), u64::MAX)].into(),
        ] {
            let mut one = run("system", NOW - 60);
            change(&mut one);
            bad.push(one);
        }
        let mut one = run("system", NOW - 60);
        one.shape = Some(trees(&[("/a", huge), ("/b", huge)]));
        bad.push(one);
        for (id, body) in (10..).zip(bad) {
            let refused = stand.put(&host, report(&host, id, Body::Run(Box::new(body)))).await;
            assert!(matches!(refused, Err(IngestError::Malformed(_))), "{refused:?}");
        }
        // As large as they may be, again and again: days and pages still add up.
        let largest = vow_protocol::report::Tree { files: 1 << 52, bytes: 1 << 52 };
        for number in 0..24_u64 {
            let mut one = run("system", NOW - 3600 + number as i64);
            (one.bytes, one.added_bytes, one.files, one.errors) = (1 << 52, 1 << 52, 1 << 52, 1 << 52);
            (one.sequence, one.attempt, one.next_secs) = (Some(u64::MAX), u32::MAX, Some(i64::MIN));
            one.shape = Some(trees(&[("/a", largest), ("/b", largest), ("/c", largest)]));
            one.objects = [("table".to_owned(), (1 << 52) - number)].into();
            stand.put(&host, report(&host, 100 + number, Body::Run(Box::new(one)))).await.unwrap();
        }
        let mut one = run("system", NOW - 10);
        one.shape = Some(Shape::default());
        stand.put(&host, report(&host, 200, Body::Run(Box::new(one)))).await.unwrap();
        let far = Expected {
            source: "system".into(), source_type: "files".into(), schedule: Some("0 0 29 2 *".into()), time_zone: Some("Nowhere/Atall".into()),
            next_secs: Some(i64::MAX), levels: vec![], restore_target_secs: Some(u64::MAX), drill_within_secs: Some(u64::MAX),
        };
        let alive = Alive { since_secs: i64::MIN, waiting: u64::MAX, spooled_snapshots: u64::MAX, sources: vec![far], ..Alive::default() };
        stand.put(&host, report(&host, 201, Body::Alive(alive))).await.unwrap();
        // Others are taken in as before, and every page is drawn.
        stand.put(&other, report(&other, 1, Body::Run(Box::new(run("system", NOW - 60))))).await.unwrap();
        let source = source_of(&stand, host.host_id, "system").await;
        let (_, web) = stand.serve();
        let token = stand.token(vow_console::auth::Role::Administrator, None).await;
        for target in [
            "/".to_owned(), format!("/hosts/{}", host.host_id), format!("/sources/{}", source.id), "/proofs".to_owned(), "/tickets".to_owned(),
            format!("/tenants/{}/reports/2026-09.html", host.tenant_id), format!("/api/v1/sources/{}/days", source.id),
        ] {
            assert_eq!(get(web, &target, &token).await.status, 200, "{target}");
        }
        stand.stop().await;
    }

    a_report_of_another_host_is_refused(stand) {
        let (one, two) = (stand.host("acme", "web-1").await, stand.host("other", "db-1").await);
        let foreign = report(&two, 1, Body::Run(Box::new(run("system", NOW - 60))));
        let refused = stand.put(&one, foreign).await;
        assert!(matches!(refused, Err(IngestError::Refused(_))), "{refused:?}");
        assert!(sources::of_host(&mut stand.app.read().await.unwrap(), two.host_id).await.unwrap().is_empty());
        assert!(sources::of_host(&mut stand.app.read().await.unwrap(), one.host_id).await.unwrap().is_empty());
    }

    what_is_no_report_is_refused(stand) {
        let host = stand.host("acme", "web-1").await;
        let good = || report(&host, 1, Body::Run(Box::new(run("system", NOW - 60))));
        let with = |change: fn(&mut vow_protocol::report::RunReport)| {
            let mut body = run("system", NOW - 60);
            change(&mut body);
            report(&host, 1, Body::Run(Box::new(body)))
        };
        for bad in [
            vow_protocol::report::Report { id: "1".into(), ..good() },
            vow_protocol::report::Report { id: "G".repeat(32), ..good() },
            vow_protocol::report::Report { version: 2, ..good() },
            vow_protocol::report::Report { format: "x".into(), ..good() },
            with(|run| run.source = String::new()),
            with(|run| run.source = "a\0b".into()),
            with(|run| run.run = "../..".into()),
            with(|run| run.snapshot = Some("x".into())),
            with(|run| run.duration_secs = -1.0),
            with(|run| run.duration_secs = f64::NAN),
        ] {
            let refused = stand.put(&host, bad.clone()).await;
            assert!(matches!(refused, Err(IngestError::Malformed(_))), "{bad:?}: {refused:?}");
        }
        // One bad report among good ones takes none of them with it.
        let mut waiting = Vec::new();
        for number in 0..20 {
            let mut one = report(&host, number, Body::Run(Box::new(run("system", NOW - 100 + number as i64))));
            if number == 7 {
                one.version = 9;
            }
            waiting.push(stand.put(&host, one));
        }
        let mut good = 0;
        for one in futures(waiting).await {
            good += usize::from(one.is_ok());
        }
        assert_eq!(good, 19);
    }

    a_plan_says_what_is_expected_and_what_is_gone(stand) {
        let host = stand.host("acme", "web-1").await;
        let expected = |source: &str| Expected {
            source: source.into(), source_type: "files".into(), schedule: Some("0 * * * *".into()), time_zone: None,
            next_secs: Some(NOW + 60), levels: vec!["local".into()], restore_target_secs: None, drill_within_secs: None,
        };
        let alive = |made_secs: i64, names: &[&str]| {
            let mut told = report(&host, made_secs as u64, Body::Alive(Alive { sources: names.iter().map(|name| expected(name)).collect(), ..Alive::default() }));
            told.made_secs = made_secs;
            told
        };
        stand.put(&host, alive(NOW - 600, &["a", "b"])).await.unwrap();
        stand.put(&host, alive(NOW - 300, &["a"])).await.unwrap();
        // An older word comes late.
        stand.put(&host, alive(NOW - 500, &["a", "b", "c"])).await.unwrap();
        assert_eq!(source_of(&stand, host.host_id, "a").await.gone_secs, None);
        assert!(source_of(&stand, host.host_id, "b").await.gone_secs.is_some());
        assert_eq!(sources::of_host(&mut stand.app.read().await.unwrap(), host.host_id).await.unwrap().len(), 2);
    }

    two_consoles_take_in_the_same_report_once(stand) {
        let host = stand.host("acme", "web-1").await;
        let other = stand.second().await;
        for number in 0..20_u64 {
            let one = report(&host, number, Body::Run(Box::new(failed("system", NOW - 2000 + number as i64 * 60, "no"))));
            let arrived = || vow_console::ingest::Arrived { known: host.clone(), report: one.clone(), output: None };
            let (left, right) = tokio::join!(stand.app.queue.put(arrived()), other.queue.put(arrived()));
            left.unwrap();
            right.unwrap();
        }
        let source = source_of(&stand, host.host_id, "system").await;
        let days = runs::days(&mut stand.app.read().await.unwrap(), source.id, day_of(NOW) - 2).await.unwrap();
        assert_eq!(days.iter().map(|day| day.failed).sum::<i64>(), 20);
        assert_eq!(open(&stand).await.iter().filter(|word| *word == "failed").count(), 1);
    }
}

async fn futures<T>(waiting: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = waiting.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in pinned.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[test]
fn outcomes_have_one_word() {
    assert_eq!(
        [Outcome::Ok, Outcome::Partial, Outcome::Failed].map(runs::outcome_word),
        ["ok", "partial", "failed"]
    );
}
