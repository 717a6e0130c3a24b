//! The server is killed again and again while many store: whatever was acknowledged is there, to the byte.

use crate::stand::{Party, Stand};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::receipt::Receipt;
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object};
use vow_testkit::shell::is_soak;

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let mut stand = Stand::new("");
    for seed in 1..=4 {
        stand.host(seed, "acme");
    }
    let rounds = if is_soak() { 200 } else { 8 };
    let mut dice = Dice::new(42);
    let acknowledged = Mutex::new(Vec::<Object>::new());
    let receipts = Mutex::new(Vec::<Receipt>::new());
    let sequence = std::sync::atomic::AtomicU64::new(1);
    for round in 0..rounds {
        let over = AtomicBool::new(false);
        let hosts: Vec<_> = (1..=4).map(|seed| (seed, stand.stranger(seed))).collect();
        std::thread::scope(|scope| {
            for (seed, host) in &hosts {
                for thread in 0..2_u64 {
                    let dice = Dice::new(round << 16 | u64::from(*seed) << 8 | thread);
                    let (over, acknowledged, receipts, sequence) =
                        (&over, &acknowledged, &receipts, &sequence);
                    scope.spawn(move || {
                        while !over.load(Ordering::SeqCst) {
                            // A connection that breaks is what this is about.
                            let _ = store(*seed, host, dice.clone(), acknowledged, receipts, sequence);
                        }
                    });
                }
            }
            std::thread::sleep(Duration::from_millis(50 + dice.below(500) as u64));
            stand.kill();
            over.store(true, Ordering::SeqCst);
        });
        stand.restart();
    }
    let reader = stand.with(9, "restore=all");
    let mut wire = reader.connect().unwrap();
    let (acknowledged, receipts) = (acknowledged.into_inner().unwrap(), receipts.into_inner().unwrap());
    println!(
        "{} objects and {} snapshots acknowledged in {rounds} rounds",
        acknowledged.len(),
        receipts.len()
    );
    assert!(acknowledged.len() > 20 && receipts.len() > 2);
    for object in &acknowledged {
        let found = (1..=4).any(|seed| {
            let path = stand.stranger(seed).path(object.kind, &object.id);
            let reply = wire.ask("GET", &path, None).unwrap();
            reply.status == 200 && reply.body == object.bytes
        });
        assert!(found, "{} {} is gone or damaged", object.kind, object.id);
    }
    for receipt in receipts {
        let stored = std::fs::read(stand.vault.join(format!("ledger/{:020}", receipt.position))).unwrap();
        assert_eq!(Receipt::open(&stored).unwrap(), receipt);
    }
    // And it goes on.
    let host = stand.stranger(1);
    assert_eq!(host.put(&Object::random(Kind::Pack, 5000, &mut dice)).status, 201);
}

/// Stores packs and commits them, until the connection breaks.
fn store(
    seed: u8,
    host: &Party,
    mut dice: Dice,
    acknowledged: &Mutex<Vec<Object>>,
    receipts: &Mutex<Vec<Receipt>>,
    sequence: &std::sync::atomic::AtomicU64,
) -> std::io::Result<()> {
    let mut wire = host.connect()?;
    for _ in 0..dice.below(5) {
        // Threads that begin again meet what they stored before.
        dice.roll();
    }
    loop {
        let packs: Vec<_> = (0..3)
            .map(|_| {
                let length = 1000 + dice.below(400_000);
                Object::random(Kind::Pack, length, &mut dice)
            })
            .collect();
        let number = sequence.fetch_add(1, Ordering::SeqCst);
        let snapshot = FakeHost::new(seed).snapshot_of(number, &packs, &mut dice);
        for object in &snapshot.objects {
            let reply = wire.ask("PUT", &host.path(object.kind, &object.id), Some(&object.bytes))?;
            if !matches!(reply.status, 200 | 201) {
                return Err(std::io::Error::other(reply.text()));
            }
            acknowledged.lock().unwrap().push(object.clone());
        }
        let manifest = &snapshot.manifest;
        let reply = wire.ask("PUT", &host.path(Kind::Manifest, &manifest.id), Some(&manifest.bytes))?;
        if reply.status != 200 {
            return Err(std::io::Error::other(reply.text()));
        }
        let receipt = Receipt::open(&reply.body).unwrap();
        assert_eq!(receipt.manifest, ObjectId::of(&manifest.bytes));
        acknowledged.lock().unwrap().push(manifest.clone());
        receipts.lock().unwrap().push(receipt);
    }
}
