//! More than one's share of the storage.

use super::siege::Siege;
use crate::stand::{Stand, snapshot};
use std::time::{Duration, Instant};
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::Object;

#[test]
fn a_race_of_many_uploads_stays_within_the_quota() {
    let stand = Stand::new("[quota]\nhost = \"4 MiB\"\n");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let race = |thread: u64| {
            let host = &host;
            move || {
                let mut dice = Dice::new(thread);
                let put = |_| host.put(&Object::random(Kind::Pack, 200_000, &mut dice)).status;
                (0..6).map(put).collect::<Vec<_>>()
            }
        };
        let racers: Vec<_> = (0..16).map(|thread| scope.spawn(race(thread))).collect();
        racers.into_iter().flat_map(|racer| racer.join().unwrap()).collect()
    });
    let stored = statuses.iter().filter(|status| **status == 201).count();
    assert!(statuses.iter().all(|status| matches!(status, 201 | 507)), "{statuses:?}");
    // 20 of 200,000 bytes fit. Of those that race for the last place nobody may win.
    assert!((17..=20).contains(&stored), "{stored}");
    let findings = stand.admin().status().unwrap().findings;
    let finding = findings.iter().find(|finding| finding.kind == "quota").expect("nobody is told");
    assert_eq!(finding.host.map(|host| host.0), Some(host.id()));
    assert!(
        finding.message.contains("acme/n1") && finding.message.contains("4.0 MiB"),
        "{}",
        finding.message
    );
    let own = host.id().to_string();
    siege.end(|name| name.contains(&own));
}

#[test]
fn a_quota_holds_over_a_restart_and_bytes_that_never_come_cost_nothing() {
    let mut stand = Stand::new("[quota]\ntenant = \"1 MiB\"\n");
    let (host, sister) = (stand.host(1, "acme"), stand.host(2, "acme"));
    let mut dice = Dice::new(1);
    let mut pack = || Object::random(Kind::Pack, 400_000, &mut dice);
    let first = pack();
    assert_eq!(host.put(&first).status, 201);
    // Promised and never sent: free again when the connection is gone.
    for _ in 0..10 {
        let mut wire = host.connect().unwrap();
        let path = host.path(Kind::Pack, &pack().id);
        wire.send(format!("PUT {path} HTTP/1.1\r\nhost: v\r\ncontent-length: 600000\r\n\r\nabc").as_bytes())
            .unwrap();
    }
    let (sisters, begun) = (pack(), std::time::Instant::now());
    while sister.put(&sisters).status != 201 {
        assert!(begun.elapsed() < Duration::from_secs(30), "what was only promised is still held");
        std::thread::sleep(Duration::from_millis(50));
    }
    let over = host.put(&pack());
    assert_eq!((over.status, over.word().as_str()), (507, "full"));
    // So far away that no client waits for it.
    let pause: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!(pause >= 3600 && over.text().contains("customer"), "{pause} {}", over.text());
    // What is there already is acknowledged again, and can be committed.
    assert_eq!(host.put(&first).status, 200);
    stand.crash();
    let (host, sister) = (
        crate::stand::Party { address: stand.address, ..host },
        crate::stand::Party { address: stand.address, ..sister },
    );
    // The count takes a moment.
    let until = Instant::now() + Duration::from_secs(10);
    while stand.admin().status().unwrap().counts.bytes < 800_000 {
        assert!(Instant::now() < until, "nothing was counted");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(host.put(&pack()).status, 507);
    assert_eq!(sister.put(&pack()).status, 507);
    assert_eq!(host.put(&first).status, 200);
}

#[test]
fn a_host_above_its_quota_commits_what_it_has_stored() {
    let stand = Stand::new("[quota]\nhost = \"14 KiB\"\n");
    let host = stand.host(1, "acme");
    let own = snapshot(1, 1);
    assert_eq!(host.commit(&own).status, 200);
    assert_eq!(host.put(&Object::random(Kind::Pack, 4096, &mut Dice::new(1))).status, 507);
    let mut content = own.content.clone();
    content.sequence = 2;
    let again = vow_testkit::fixture::FakeHost::new(1).seal(&content);
    assert!(stand.admin().status().unwrap().findings.iter().any(|finding| finding.kind == "quota"));
    assert_eq!(host.ask("PUT", &host.path(Kind::Manifest, &again.id), Some(&again.bytes)).status, 200);
    assert!(stand.admin().status().unwrap().findings.is_empty(), "a whole snapshot went in");
}
