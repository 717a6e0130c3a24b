//! What holds during every attack, watched from its beginning to its end.

use crate::stand::{Party, Stand};
use crate::tree;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vow_base::ObjectId;
use vow_base::vault::Kind;
use vow_testkit::Dice;
use vow_testkit::fixture::Object;

/// The server never uses more, whatever is thrown at it.
const MEMORY_MAX_BYTES: u64 = 300 << 20;
/// The other host's request never takes longer: generous, for a machine that builds something else at the same time.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Siege<'s> {
    stand: &'s Stand,
    before: BTreeMap<String, ObjectId>,
    other: String,
    stop: Arc<AtomicBool>,
    served: Option<JoinHandle<(u64, Duration)>>,
}

impl<'s> Siege<'s> {
    /// From now on another host, which joins first, stores something all the time.
    pub(crate) fn begin(stand: &'s Stand) -> Self {
        let other = stand.host(200, "bystander");
        let before = stand.tree();
        let stop = Arc::new(AtomicBool::new(false));
        let id = other.id().to_string();
        let told = stop.clone();
        let served = Some(std::thread::spawn(move || work(&other, &told)));
        Self { stand, before, other: id, stop, served }
    }

    /// The attack is over: nothing changed but what is expected to be added, and the other host was served.
    #[track_caller]
    pub(crate) fn end(mut self, expected: impl Fn(&str) -> bool) {
        self.stop.store(true, Ordering::SeqCst);
        let (served, worst) = self.served.take().unwrap().join().expect("the other host was not served");
        assert!(served > 0 && worst < PATIENCE, "{served} served, the slowest in {worst:?}");
        tree::only_added(&self.before, &self.stand.vault, |name| {
            name.contains(&self.other) || expected(name)
        });
        let (_, most) = self.stand.memory();
        assert!(most < MEMORY_MAX_BYTES, "{} MiB", most >> 20);
        let descriptors = self.stand.descriptors();
        assert!(descriptors < 2048 + 64, "{descriptors} descriptors");
        println!(
            "{served} served meanwhile, the slowest in {worst:?}; {} MiB, {descriptors} descriptors",
            most >> 20
        );
    }
}

/// Stores one object after the other: how many, and how long the slowest took.
fn work(other: &Party, stop: &AtomicBool) -> (u64, Duration) {
    let (mut dice, mut served, mut worst) = (Dice::new(99), 0, Duration::ZERO);
    while !stop.load(Ordering::SeqCst) || served == 0 {
        let pack = Object::random(Kind::Pack, 4096, &mut dice);
        let began = Instant::now();
        let reply = other.put(&pack);
        assert_eq!(reply.status, 201, "{}", reply.text());
        worst = worst.max(began.elapsed());
        served += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    (served, worst)
}
