//! What the database promises: opened twice, migrated once, leases, tickets, the outbox.

use crate::stand::{NOW, failed, on_both, report};
use vow_console::db::{Db, DbError, Scope, hosts, lease, settings, tickets};
use vow_console::notify::outbox::{Outbox, Settled};
use vow_console::records::{Action, Delivery, State};
use vow_console::tickets::store::TicketStore;
use vow_protocol::report::Body;

on_both! {
    a_database_is_migrated_once_and_a_newer_one_is_refused(stand) {
        let again = Db::open(&stand.place).await.unwrap();
        let mut conn = again.write().await.unwrap();
        settings::set(&mut conn, "a", &1).await.unwrap();
        conn.run("INSERT INTO schema_versions (version) VALUES (999)", vec![]).await.unwrap();
        conn.commit().await.unwrap();
        again.close().await;
        let error = Db::open(&stand.place).await.err().unwrap();
        assert!(matches!(error, DbError::Newer { found: 999, .. }), "{error}");
    }

    what_is_not_committed_never_was(stand) {
        let mut conn = stand.app.db.write().await.unwrap();
        settings::set(&mut conn, "a", &"x").await.unwrap();
        drop(conn);
        let kept: Option<String> = settings::get(&mut stand.app.read().await.unwrap(), "a").await.unwrap();
        assert_eq!(kept, None);
    }

    a_lease_has_one_holder(stand) {
        let other = stand.second().await;
        assert!(lease::take(&stand.app.db, "work", "one", NOW, NOW + 60).await.unwrap());
        assert!(!lease::take(&other.db, "work", "two", NOW + 59, NOW + 120).await.unwrap());
        assert!(lease::take(&stand.app.db, "work", "one", NOW + 30, NOW + 90).await.unwrap());
        assert!(lease::take(&other.db, "work", "two", NOW + 90, NOW + 150).await.unwrap());
        assert!(!lease::take(&stand.app.db, "work", "one", NOW + 91, NOW + 151).await.unwrap());
        lease::give_back(&other.db, "work", "two").await.unwrap();
        assert!(lease::take(&stand.app.db, "work", "one", NOW + 92, NOW + 152).await.unwrap());
    }

    a_ticket_is_changed_over_its_revision_only(stand) {
        let host = stand.host("acme", "web-1").await;
        stand.put(&host, report(&host, 1, Body::Run(Box::new(failed("orders", NOW - 60, "no server"))))).await.unwrap();
        let open = tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &tickets::Wanted::default(), 10, 0).await.unwrap();
        let ticket = open.into_iter().find(|ticket| ticket.key.rule.word() == "failed").unwrap();
        assert_eq!(ticket.key.subject.to_string(), "web-1/orders");
        let fresh = hosts::get(&mut stand.app.read().await.unwrap(), Scope::All, host.host_id).await.unwrap().unwrap();
        assert_eq!(fresh.severity, tickets::rank(ticket.severity));
        let change = |by: &str| vow_console::tickets::plan_action(
            &ticket, &Action::Comment { by: by.into(), text: "seen".into() }, NOW, &Default::default(), &Default::default(),
        ).unwrap().unwrap();
        let (one, two) = (change("one"), change("two"));
        use vow_console::tickets::store::Committed;
        assert_eq!(stand.app.db.commit(&one).await.unwrap(), Committed::Stored);
        assert_eq!(stand.second().await.db.commit(&two).await.unwrap(), Committed::Conflict);
        let events = tickets::events(&mut stand.app.read().await.unwrap(), &ticket.id, 10).await.unwrap();
        assert_eq!(events.iter().filter(|event| matches!(event.action, Action::Comment { .. })).count(), 1);
    }

    messages_of_a_ticket_go_out_in_order_and_once(stand) {
        let host = stand.host("acme", "web-1").await;
        let routes = vow_console::notify::route::Routes { routes: vec![vow_console::notify::route::Route::all("mail")], web_address: None };
        stand.put(&host, report(&host, 1, Body::Run(Box::new(failed("orders", NOW - 60, "no server"))))).await.unwrap();
        let open = tickets::list(&mut stand.app.read().await.unwrap(), Scope::All, &tickets::Wanted::default(), 1, 0).await.unwrap();
        // The stand tells nobody: two notices are put by hand.
        let mut change = vow_console::tickets::plan_action(
            &open[0], &Action::Comment { by: "one".into(), text: "seen".into() }, NOW, &Default::default(), &routes,
        ).unwrap().unwrap();
        for number in [2, 1] {
            let message = vow_console::records::Message {
                ticket: open[0].id.clone(), number, key: open[0].key.clone(), kind: vow_console::records::NoticeKind::Opened,
                severity: open[0].severity, sentence: "s".into(), next_step: "n".into(), evidence: vec![], since_secs: NOW, at_secs: NOW, url: None,
            };
            change.outgoing.push(vow_console::records::Outgoing {
                id: format!("{}.{number}.mail", open[0].id), channel: "mail".into(), message, put_secs: NOW, due_secs: NOW, attempts: 0, error: None, state: State::Waiting,
            });
        }
        stand.app.db.commit(&change).await.unwrap();
        let other = stand.second().await;
        let first = stand.app.db.claim("mail", "a", NOW, NOW + 60, 10).await.unwrap();
        assert_eq!(first.iter().map(|out| out.message.number).collect::<Vec<_>>(), [1]);
        assert!(other.db.claim("mail", "b", NOW, NOW + 60, 10).await.unwrap().is_empty());
        // The lease is over: another one delivers, and the late word of the first counts no more.
        let again = other.db.claim("mail", "b", NOW + 60, NOW + 120, 10).await.unwrap();
        assert_eq!((again.len(), again[0].attempts), (1, 2));
        let delivered = Settled {
            state: State::Delivered { at_secs: NOW + 61, delivery: Delivery { receipt: Some("id".into()), confirmed: true } },
            due_secs: NOW, error: None,
        };
        assert!(!stand.app.db.settle(&first[0].id, "a", &delivered).await.unwrap());
        assert!(other.db.settle(&first[0].id, "b", &delivered).await.unwrap());
        let second = stand.app.db.claim("mail", "c", NOW + 62, NOW + 90, 10).await.unwrap();
        assert_eq!(second.iter().map(|out| out.message.number).collect::<Vec<_>>(), [2]);
        let backlog = stand.app.db.backlog().await.unwrap();
        assert_eq!((backlog.len(), backlog[0].waiting, backlog[0].delivered_secs), (1, 1, Some(NOW + 61)));
    }
}
