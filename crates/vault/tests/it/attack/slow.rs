//! Those who take their time: slow handshakes, heads, bodies and readers.

use super::siege::Siege;
use crate::stand::Stand;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::Object;

const HASTE: &str =
    "[limits]\nhead_time = \"2s\"\nidle_time = \"4s\"\npace_window = \"2s\"\npace_least = \"32 KiB\"\n";

fn closed_after(began: Instant, least: u64, most: u64) {
    let took = began.elapsed();
    assert!(took > Duration::from_millis(least) && took < Duration::from_millis(most), "{took:?}");
}

#[test]
fn whoever_never_shakes_hands_is_left() {
    let stand = Stand::new(HASTE);
    let siege = Siege::begin(&stand);
    let began = Instant::now();
    let mut silent: Vec<_> = (0..20).map(|_| TcpStream::connect(stand.address).unwrap()).collect();
    let mut half = TcpStream::connect(stand.address).unwrap();
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).unwrap();
    silent.push(half);
    for mut tcp in silent {
        tcp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let ended = std::io::Read::read(&mut tcp, &mut [0; 64]);
        assert!(
            matches!(ended, Ok(0)) || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset)
        );
    }
    closed_after(began, 1500, 9500);
    siege.end(|_| false);
}

#[test]
fn heads_that_drip_are_cut_off() {
    let stand = Stand::new(HASTE);
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let mut wires: Vec<_> = (0..10).map(|_| host.connect().unwrap()).collect();
    let began = Instant::now();
    let head = "GET /v1/vault HTTP/1.1\r\nhost: v\r\nx: ";
    'drip: for (at, byte) in head.bytes().chain(std::iter::repeat_n(b'y', 10_000)).enumerate() {
        for wire in &mut wires {
            if wire.send(&[byte]).is_err() {
                break 'drip;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
        assert!(at < 200, "a head that drips for {:?} is still read", began.elapsed());
    }
    closed_after(began, 1500, 9500);
    // One that is too long comes to an end as well.
    let mut wire = host.connect().unwrap();
    let _ = wire
        .send(format!("GET /v1/vault HTTP/1.1\r\nhost: v\r\nx: {}\r\n\r\n", "y".repeat(17 << 10)).as_bytes());
    assert_eq!(wire.answer(false).map_or(431, |reply| reply.status), 431);
    let mut wire = host.connect().unwrap();
    let many: String = (0..200).map(|n| format!("x{n}: y\r\n")).collect();
    let _ = wire.send(format!("GET /v1/vault HTTP/1.1\r\nhost: v\r\n{many}\r\n").as_bytes());
    assert_eq!(wire.answer(false).map_or(431, |reply| reply.status), 431);
    siege.end(|_| false);
}

#[test]
fn bodies_that_drip_are_given_up_and_leave_nothing() {
    let stand = Stand::new(HASTE);
    let host = stand.host(1, "acme");
    let siege = Siege::begin(&stand);
    let pack = Object::random(Kind::Pack, 1 << 20, &mut Dice::new(1));
    let mut wires: Vec<_> = (0..10).map(|_| host.connect().unwrap()).collect();
    let began = Instant::now();
    let path = host.path(Kind::Pack, &pack.id);
    for wire in &mut wires {
        wire.send(format!("PUT {path} HTTP/1.1\r\nhost: v\r\ncontent-length: 1048576\r\n\r\n").as_bytes())
            .unwrap();
    }
    'drip: for (at, piece) in pack.bytes.chunks(100).enumerate() {
        for wire in &mut wires {
            if wire.send(piece).is_err() {
                break 'drip;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
        assert!(at < 1000, "a body that drips for {:?} is still read", began.elapsed());
    }
    closed_after(began, 1500, 15_000);
    // A body that moves, however slowly it seems, is taken.
    let mut wire = host.connect().unwrap();
    wire.send(format!("PUT {path} HTTP/1.1\r\nhost: v\r\ncontent-length: 1048576\r\n\r\n").as_bytes())
        .unwrap();
    for piece in pack.bytes.chunks(100_000) {
        wire.send(piece).unwrap();
        std::thread::sleep(Duration::from_millis(400));
    }
    assert_eq!(wire.answer(false).unwrap().status, 201);
    let name = pack.id.to_string();
    siege.end(|added| added.ends_with(&name));
    assert!(stand.log().contains("the body came too slowly"));
}

#[test]
fn whoever_reads_too_slowly_is_left() {
    let stand = Stand::new(&format!("{HASTE}memory = \"8 MiB\"\n"));
    let (host, reader) = (stand.host(1, "acme"), stand.with(9, "restore=all"));
    let pack = Object::random(Kind::Pack, 60 << 20, &mut Dice::new(1));
    assert_eq!(host.put(&pack).status, 201);
    let siege = Siege::begin(&stand);
    let path = host.path(Kind::Pack, &pack.id);
    let mut wires: Vec<_> = (0..10).map(|_| reader.connect().unwrap()).collect();
    for wire in &mut wires {
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: v\r\n\r\n").as_bytes()).unwrap();
    }
    // They take nothing for longer than the window; then the rest never comes.
    std::thread::sleep(Duration::from_secs(7));
    for wire in &mut wires {
        assert!(wire.answer(false).is_err(), "the whole object came, however slowly it was read");
    }
    // Whoever reads gets it.
    assert_eq!(reader.ask("GET", &path, None).body, pack.bytes);
    siege.end(|_| false);
}
