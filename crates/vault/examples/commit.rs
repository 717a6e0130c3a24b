//! How long a commit takes that names very many packs: the first one, one that adds a pack, and the same after a restart.
//!
//!     cargo run --release -p vow-vault --example commit -- [FOLDER] [PACKS]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use vow_base::ObjectId;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::pack_list::PackList;
use vow_base::vault::{Deposit, Kind};
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object};
use vow_vault::Vault;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let count: u64 = arguments.next().map_or(500_000, |count| count.parse().unwrap());
    let scratch = tempfile::tempdir_in(folder).unwrap();
    let place = scratch.path().join("vault");
    let vault = Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &place).unwrap();
    let host = FakeHost::new(1);
    vault.join(&host.public()).unwrap();
    let began = Instant::now();
    let mut packs: Vec<_> = (0..count).map(|number| ObjectId::of(&number.to_le_bytes())).collect();
    let store = |id: &ObjectId| {
        let name = id.to_string();
        let path = place.join(format!("hosts/{}/packs/{}/{name}", host.id(), &name[..2]));
        std::fs::write(path, [0; 200]).unwrap();
    };
    packs.iter().for_each(store);
    println!("{count} packs made in {:?}", began.elapsed());
    commit(&vault, &host, &packs, 1, "the first, all of it new");
    for sequence in 2..5 {
        let next = ObjectId::of(format!("pack {sequence}").as_bytes());
        store(&next);
        packs.push(next);
        commit(&vault, &host, &packs, sequence, "one more pack");
    }
    let vault = Vault::open(Arc::new(RealDisk), Arc::new(SystemClock), &place).unwrap();
    let next = ObjectId::of(b"pack after");
    store(&next);
    packs.push(next);
    commit(&vault, &host, &packs, 5, "one more pack, after a restart");
    println!("memory at most: {} MiB", peak_bytes(Path::new("/proc/self/status")) >> 20);
}

fn commit(vault: &Vault, host: &FakeHost, packs: &[ObjectId], sequence: u64, what: &str) {
    let deposit = vault.deposit(&host.public()).unwrap();
    let mut dice = Dice::new(sequence);
    let mut content = host.snapshot(sequence, 1, &mut dice).content;
    let (list, segments) = PackList::build(packs);
    (content.packs, content.root.pack) = (list, packs[0]);
    let index = Object::random(Kind::Index, 300, &mut dice);
    content.index = index.id.0.to_vec().into();
    deposit.put(Kind::Index, &index.id, &index.bytes).unwrap();
    let ids: Vec<_> = segments.iter().map(|(id, _)| *id).collect();
    let missing = deposit.missing(Kind::List, &ids).unwrap();
    for (id, bytes) in segments.iter().filter(|(id, _)| missing.contains(id)) {
        deposit.put(Kind::List, id, bytes).unwrap();
    }
    let manifest = host.seal(&content);
    let began = Instant::now();
    let receipt = deposit.commit(&manifest.id, &manifest.bytes).unwrap();
    println!("{:>8.3} s  {what} (position {})", began.elapsed().as_secs_f64(), receipt.position);
}

fn peak_bytes(status: &Path) -> u64 {
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
