//! What a sweep costs in processor time and memory: `cargo run --release -p vow-testkit --example sweep_scale -- [HOSTS [SNAPSHOTS [PACKS]]]`,
//! snapshots and packs of each host. The storage is in memory; packs are names without bytes.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vow_base::ObjectId;
use vow_base::clock::{Clock, Nanos};
use vow_base::disk::{DiskError, DiskLock};
use vow_base::id::hex;
use vow_base::pack_list::PackList;
use vow_base::publish::{PublishError, Published};
use vow_base::receipt::{Event, Receipt};
use vow_base::sign::SigningKey;
use vow_testkit::Dice;
use vow_testkit::fixture::{FakeHost, Object};
use vow_vault::Vault;
use vow_vault::storage::{Item, Space, Stat, Storage, Upload};
use vow_vault::sweep::SweepOptions;

const HOUR: i64 = 3_600_000_000_000;
const START: i64 = 20_500 * 24 * HOUR;
/// Packs that a snapshot adds, and twice as many as it lets go.
const NEW: usize = 10;

/// Objects with their bytes, and packs without.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    objects: BTreeMap<String, Arc<[u8]>>,
    packs: BTreeMap<String, ()>,
    /// By host folder: sorted ids.
    pack_ids: BTreeMap<String, Vec<ObjectId>>,
    removed: usize,
}

#[derive(Clone)]
struct Hands(Arc<Mutex<Nanos>>);

impl Clock for Hands {
    fn now(&self) -> Nanos {
        *self.0.lock().unwrap()
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let hosts = arguments.next().unwrap_or(10);
    let snapshots = arguments.next().unwrap_or(1_000);
    let packs = arguments.next().unwrap_or(100_000);
    let (memory, key) = (Memory::default(), SigningKey::from_seed(&[9; 32]));
    let clock = Hands(Arc::new(Mutex::new(START + snapshots as i64 * HOUR)));
    Vault::create_on(Arc::new(memory.clone()), Arc::new(clock.clone()), key).unwrap();
    let began = Instant::now();
    fill(&memory, hosts, snapshots, packs);
    let count: usize = memory.0.lock().unwrap().pack_ids.values().map(Vec::len).sum();
    println!(
        "{} snapshots, {count} packs made in {:.0?}; {}",
        hosts * snapshots,
        began.elapsed(),
        resident()
    );
    for pass in 1..=3 {
        let vault = Vault::open_on(
            Arc::new(memory.clone()),
            Arc::new(clock.clone()),
            Some(SigningKey::from_seed(&[9; 32])),
        );
        // Linux: the peak is counted from here.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let (began, cpu) = (Instant::now(), cpu_secs());
        let options = SweepOptions { despite_brake: true, ..SweepOptions::default() };
        let report = vault.unwrap().sweep(&options, &|_| ControlFlow::Continue(())).unwrap();
        print!("pass {pass}: {}", report.summary().lines().last().unwrap());
        println!(" in {:.1?}, {:.1} s of processor time; {}", began.elapsed(), cpu_secs() - cpu, resident());
        // Daily, so that the clock is not in doubt; the last one after the grace.
        for _ in 0..3 {
            *clock.0.lock().unwrap() += 24 * HOUR + 1;
            if pass < 3 {
                let vault = Vault::open_on(
                    Arc::new(memory.clone()),
                    Arc::new(clock.clone()),
                    Some(SigningKey::from_seed(&[9; 32])),
                );
                vault.unwrap().set_rules("", "to have an entry today").unwrap();
            }
        }
    }
    println!("{} objects were removed", memory.0.lock().unwrap().removed);
}

/// Hourly snapshots of every host; each shares nearly all packs with the one before it.
fn fill(memory: &Memory, hosts: usize, snapshots: usize, packs: usize) {
    let mut dice = Dice::new(1);
    let mut made: Vec<(FakeHost, Vec<ObjectId>)> = Vec::new();
    for number in 0..hosts {
        let host = FakeHost::new(number as u8 + 1);
        let ids: Vec<_> = (0..packs).map(|_| ObjectId::of(&dice.roll().to_le_bytes())).collect();
        memory.put(
            &format!("hosts/{}/host.pub", host.id()),
            format!("ed25519 {}\n", hex(&host.public().0)).as_bytes(),
        );
        memory.packs(&host, &ids);
        made.push((host, ids));
    }
    let key = SigningKey::from_seed(&[9; 32]);
    let (mut position, mut previous) = (0, None);
    for hour in 0..snapshots {
        for (host, ids) in &mut made {
            let new: Vec<_> = (0..NEW).map(|_| ObjectId::of(&dice.roll().to_le_bytes())).collect();
            memory.packs(host, &new);
            let at = dice.below(ids.len() - 2 * NEW);
            ids.drain(at..at + 2 * NEW);
            ids.extend(&new);
            let some = Object::random(vow_base::vault::Kind::Pack, 120, &mut dice);
            let mut snapshot = host.snapshot_of(hour as u64 + 1, &[some], &mut dice);
            let (list, segments) = PackList::build(ids);
            snapshot.content.packs = list;
            snapshot.content.root.pack = new[0];
            for (id, bytes) in segments {
                memory.put(&format!("hosts/{}/lists/{id}", host.id()), &bytes);
            }
            let index = snapshot.of_kind(vow_base::vault::Kind::Index)[0];
            memory.put(&format!("hosts/{}/index/{}", host.id(), index.id), &index.bytes);
            let manifest = host.seal(&snapshot.content);
            memory.put(&format!("hosts/{}/manifests/{}", host.id(), manifest.id), &manifest.bytes);
            position += 1;
            let receipt = Receipt {
                version: 1,
                vault_key: key.public().0,
                position,
                previous,
                host: host.id().0,
                manifest: manifest.id,
                sequence: hour as u64 + 1,
                received: START + hour as i64 * HOUR,
                event: Event::Committed,
            };
            let stored = receipt.seal(&key);
            previous = Some(ObjectId::of(&stored));
            memory.put(&format!("ledger/{position:020}"), &stored);
        }
    }
    let mut contents = memory.0.lock().unwrap();
    contents.pack_ids.values_mut().for_each(|ids| ids.sort_unstable());
}

fn cpu_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) / 1024
    };
    format!("{} MB resident, peak {} MB", of("VmRSS:"), of("VmHWM:"))
}

impl Memory {
    fn put(&self, name: &str, bytes: &[u8]) {
        self.0.lock().unwrap().objects.entry(name.to_owned()).or_insert_with(|| bytes.into());
    }

    fn packs(&self, host: &FakeHost, ids: &[ObjectId]) {
        self.0.lock().unwrap().pack_ids.entry(format!("hosts/{}/packs", host.id())).or_default().extend(ids);
    }

    fn stat(length: usize) -> Stat {
        Stat { length: length as u64, stored: START - 100 * 24 * HOUR, version: None }
    }
}

fn absent<T>(name: &str) -> Result<T, DiskError> {
    Err(DiskError::at("read", name.as_ref())(Error::from(ErrorKind::NotFound)))
}

impl Storage for Memory {
    fn place(&self) -> String {
        "memory".into()
    }

    fn begin(&self, name: &str, _: Option<&ObjectId>, _: bool) -> Result<Box<dyn Upload>, PublishError> {
        Ok(Box::new(Writing(self.clone(), name.to_owned(), Vec::new())))
    }

    fn read(&self, name: &str, _: u64) -> Result<Vec<u8>, DiskError> {
        let found = self.0.lock().unwrap().objects.get(name).cloned();
        found.map_or_else(|| absent(name), |bytes| Ok(bytes.to_vec()))
    }

    fn read_range(&self, name: &str, _: u64, _: usize) -> Result<Vec<u8>, DiskError> {
        absent(name)
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, DiskError> {
        Ok(self.0.lock().unwrap().objects.get(name).map(|bytes| Self::stat(bytes.len())))
    }

    fn list(&self, folder: &str) -> Result<Vec<Item>, DiskError> {
        let contents = self.0.lock().unwrap();
        if let Some((packs, first)) = folder.rsplit_once('/')
            && let Some(ids) = contents.pack_ids.get(packs)
        {
            let first = u8::from_str_radix(first, 16).unwrap();
            let start = ids.partition_point(|id| id.0[0] < first);
            let these = ids[start..].iter().take_while(|id| id.0[0] == first);
            let items = these.filter(|id| !contents.packs.contains_key(&format!("{packs}/{first:02x}/{id}")));
            return Ok(items
                .map(|id| Item { name: id.to_string(), stat: Some(Self::stat(16 << 20)) })
                .collect());
        }
        let start = format!("{folder}/");
        let mut items: Vec<Item> = Vec::new();
        for (name, bytes) in
            contents.objects.range(start.clone()..).take_while(|(name, _)| name.starts_with(&start))
        {
            let name = &name[start.len()..];
            match name.split_once('/') {
                None => items.push(Item { name: name.to_owned(), stat: Some(Self::stat(bytes.len())) }),
                Some((below, _)) if items.last().is_none_or(|last| last.name != below) => {
                    items.push(Item { name: below.to_owned(), stat: None });
                }
                Some(_) => {}
            }
        }
        Ok(items)
    }

    fn has_folders(&self) -> bool {
        false
    }

    fn is_folder(&self, _: &str) -> Result<bool, DiskError> {
        Ok(true)
    }

    fn make_folder(&self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn settle(&self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn remove(&self, name: &str, _: &Stat) -> Result<(), DiskError> {
        let mut contents = self.0.lock().unwrap();
        contents.removed += 1;
        if contents.objects.remove(name).is_none() {
            contents.packs.insert(name.to_owned(), ());
        }
        Ok(())
    }

    fn quarantine(&self, _: &str, _: &str) -> Result<(), DiskError> {
        Ok(())
    }

    fn extend_lock(&self, _: &str, _: Nanos) -> Result<(), DiskError> {
        Ok(())
    }

    fn lock(&self, _: Duration) -> Result<Option<DiskLock>, DiskError> {
        Ok(Some(DiskLock::new(())))
    }

    fn clear_unfinished(&self, _: Duration) -> Result<u64, DiskError> {
        Ok(0)
    }

    fn space(&self) -> Result<Option<Space>, DiskError> {
        Ok(None)
    }
}

struct Writing(Memory, String, Vec<u8>);

impl Upload for Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        self.2.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Published, PublishError> {
        if let Some(there) = self.0.0.lock().unwrap().objects.get(&self.1) {
            let reason = "something else".to_owned();
            let occupied = PublishError::Occupied { path: self.1.clone().into(), reason };
            return if **there == *self.2 { Ok(Published::AlreadyThere) } else { Err(occupied) };
        }
        self.0.put(&self.1, &self.2);
        Ok(Published::New)
    }
}
