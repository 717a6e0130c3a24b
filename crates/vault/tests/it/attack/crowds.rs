//! Many at once: idle connections, strangers, floods of requests.

use super::siege::Siege;
use crate::stand::{Stand, snapshot};
use crate::wire::{Wire, tcp_from};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::Object;

#[test]
fn a_thousand_idle_connections_of_a_host() {
    let stand = Stand::new("[limits]\nidle_time = \"5s\"\n");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let mut open = Vec::new();
    for _ in 0..1000 {
        if let Ok(wire) = host.connect() {
            open.push(wire);
        }
    }
    // However many were opened, only its share stays.
    let begun = std::time::Instant::now();
    while stand.descriptors() >= 64 + 100 && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let alive = open.iter_mut().filter_map(|wire| wire.ask("GET", "/healthz", None).ok()).count();
    assert!(alive <= 64, "{alive}");
    assert!(stand.descriptors() < 64 + 100, "{}", stand.descriptors());
    // And those go when they are silent.
    std::thread::sleep(Duration::from_secs(7));
    assert!(open.iter_mut().all(|wire| wire.is_closed_within(Duration::from_secs(5))));
    assert!(host.connect().unwrap().ask("GET", "/healthz", None).is_ok());
    siege.end(|_| false);
}

#[test]
fn a_thousand_connections_of_strangers() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let from = |n: u16| IpAddr::V4(Ipv4Addr::new(127, 0, 2 + (n >> 8) as u8, (n & 255) as u8 | 1));
    // From many addresses, and many from one; some silent, some with a key that nobody knows.
    let silent: Vec<_> = (0..1000).filter_map(|n| tcp_from(from(n), stand.address).ok()).collect();
    let crowd: Vec<TcpStream> = (0..500).filter_map(|_| tcp_from(from(1), stand.address).ok()).collect();
    let strangers: Vec<_> = (0..100_u8)
        .filter_map(|n| {
            Wire::open(
                tcp_from(from(n.into()), stand.address).ok()?,
                stand.pin,
                Some(&crate::stand::key(n | 128)),
            )
            .ok()
        })
        .collect();
    std::thread::sleep(Duration::from_millis(300));
    assert!(stand.descriptors() < 256 + 200, "{}", stand.descriptors());
    // A host gets in, also from an address that strangers come from.
    assert_eq!(host.commit(&snapshot(1, 1)).status, 200);
    let beside = crate::stand::Party { from: from(1), ..stand.stranger(1) };
    assert_eq!(beside.ask("GET", &format!("/v1/hosts/{}/receipts", host.id()), None).status, 200);
    println!("{} silent, {} more, {} strangers", silent.len(), crowd.len(), strangers.len());
    let own = host.id().to_string();
    siege.end(|name| name.contains(&own) || name.starts_with("ledger/"));
}

#[test]
fn a_flood_of_requests_waits_for_itself() {
    let stand = Stand::new("[limits]\nrequests_per_second = 200\n");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let until = Instant::now() + Duration::from_secs(5);
    let counts: Vec<_> = std::thread::scope(|scope| {
        let flood = || {
            let mut count = 0_u64;
            let mut wire = host.connect().unwrap();
            // A hundred requests in one piece, without waiting for an answer.
            let many = "GET /v1/vault HTTP/1.1\r\nhost: v\r\n\r\n".repeat(100);
            while Instant::now() < until {
                wire.send(many.as_bytes()).unwrap();
                for _ in 0..100 {
                    assert_eq!(wire.answer(false).unwrap().status, 200);
                    count += 1;
                    if Instant::now() > until {
                        break;
                    }
                }
            }
            count
        };
        let floods: Vec<_> = (0..16).map(|_| scope.spawn(flood)).collect();
        floods.into_iter().map(|flood| flood.join().unwrap()).collect()
    });
    let total: u64 = counts.iter().sum();
    println!("{total} answered in five seconds");
    // Two seconds' worth at once, then 200 in a second.
    assert!(total <= 200 * (5 + 2) + 16 * 2, "{total}");
    siege.end(|_| false);
}

#[test]
fn a_flood_of_strangers_waits_longer() {
    let stand = Stand::new("");
    let siege = Siege::begin(&stand);
    let stranger = stand.stranger(9);
    let until = Instant::now() + Duration::from_secs(5);
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let flood = || {
            let mut wire = stranger.connect().unwrap();
            let mut count = 0;
            while Instant::now() < until {
                let status = wire.ask("GET", "/v1/hosts", None).unwrap().status;
                assert!(matches!(status, 404 | 429), "{status}");
                count += usize::from(status == 404);
            }
            count
        };
        let floods: Vec<_> = (0..50).map(|_| scope.spawn(flood)).collect();
        floods.into_iter().map(|flood| flood.join().unwrap()).collect()
    });
    let total: usize = counts.iter().sum();
    println!("{total} answered in five seconds");
    assert!(total <= 20 * (5 + 2 + 3), "{total}");
    siege.end(|_| false);
}

#[test]
fn a_flood_of_uploads_leaves_the_others_their_turns() {
    let stand = Stand::new("");
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let until = Instant::now() + Duration::from_secs(6);
    std::thread::scope(|scope| {
        for thread in 0..48 {
            let host = &host;
            scope.spawn(move || {
                let mut dice = Dice::new(thread);
                let mut wire = host.connect().unwrap();
                while Instant::now() < until {
                    let pack = Object::random(Kind::Pack, 100_000, &mut dice);
                    let reply = wire.ask("PUT", &host.path(Kind::Pack, &pack.id), Some(&pack.bytes)).unwrap();
                    assert!(matches!(reply.status, 201 | 503), "{}", reply.text());
                }
            });
        }
    });
    let own = host.id().to_string();
    siege.end(|name| name.contains(&own));
}
