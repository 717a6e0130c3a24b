//! What a commit costs whose snapshot names many packs: `cargo run --release -p vow-testkit --example commit_scale -- DIR [PACKS]`.
//!
//! The packs are made up: as long as the shortest that a vault takes for one, under names that fit no bytes. A commit looks at names and lengths.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use vow_base::ObjectId;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::pack_list::PackList;
use vow_base::vault::{Deposit, Kind};
use vow_testkit::Dice;
use vow_testkit::fixture::FakeHost;
use vow_vault::Vault;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().expect("a folder that is not there yet"));
    let count: usize = arguments.next().map_or(500_000, |text| text.parse().expect("a number"));
    let (host, mut dice) = (FakeHost::new(1), Dice::new(7));
    let vault = Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &dir).unwrap();
    vault.join(&host.public()).unwrap();
    let deposit = vault.deposit(&host.public()).unwrap();
    let packs = dir.join(format!("hosts/{}/packs", host.id()));
    let mut ids: Vec<_> = (0..count).map(|_| ObjectId::of(&dice.roll().to_le_bytes())).collect();
    for id in &ids {
        let name = id.to_string();
        fs::write(packs.join(&name[..2]).join(&name), [1; 200]).unwrap();
    }
    let extra: Vec<_> =
        (0..3).map(|_| vow_testkit::fixture::Object::random(Kind::Pack, 4096, &mut dice)).collect();
    for (sequence, more) in [(1, &extra[..1]), (2, &extra[1..2]), (3, &extra[2..])] {
        let mut snapshot = host.snapshot_of(sequence, more, &mut dice);
        ids.extend(more.iter().map(|pack| pack.id));
        let (list, segments) = PackList::build(&ids);
        snapshot.put(&deposit).unwrap();
        let began = Instant::now();
        let all: Vec<_> = segments.iter().map(|(id, _)| *id).collect();
        let missing = deposit.missing(Kind::List, &all).unwrap();
        let mut sent = 0;
        for (id, bytes) in segments.iter().filter(|(id, _)| missing.contains(id)) {
            deposit.put(Kind::List, id, bytes).unwrap();
            sent += bytes.len();
        }
        snapshot.content.packs = list;
        snapshot.content.root.pack = more[0].id;
        let manifest = host.seal(&snapshot.content);
        // What real packs had when they were put.
        let _ = std::process::Command::new("sync").status();
        let lists = began.elapsed();
        let began = Instant::now();
        deposit.commit(&manifest.id, &manifest.bytes).unwrap();
        println!(
            "snapshot {sequence}: {} packs, {} list segments sent ({sent} bytes, {lists:.2?}), manifest {} bytes, commit {:.2?}",
            ids.len(),
            missing.len(),
            manifest.bytes.len(),
            began.elapsed()
        );
    }
}
