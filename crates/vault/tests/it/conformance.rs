//! What every storage of a vault does, whatever it is made of.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::time::Duration;
use vow_base::ObjectId;
use vow_base::publish::{PublishError, Published};
use vow_vault::storage::{Item, Storage};

const LIMIT: u64 = 64 * 1024 * 1024;
const MOMENT: Duration = Duration::from_millis(50);

/// Runs it all, in folders of its own. `many` names are put into one folder.
pub(crate) fn conformance(storage: &dyn Storage, many: usize) {
    for folder in ["conform", "conform/many", "conform/sub", "cache", "cache/conform"] {
        storage.make_folder(folder).unwrap();
        assert!(storage.is_folder(folder).unwrap());
    }
    creating(storage);
    grants(storage);
    pieces(storage);
    absent(storage);
    ranges(storage);
    removing(storage);
    quarantine(storage);
    races(storage);
    locks(storage);
    listing(storage, many);
    storage.settle("conform").unwrap();
    assert_eq!(storage.clear_unfinished(Duration::ZERO).unwrap(), 0);
    storage.space().unwrap();
    assert!(!storage.place().is_empty());
}

/// The names of grants have a `=` in them, which a store may have to be told in other words.
fn grants(storage: &dyn Storage) {
    for name in ["conform/revoked=write", "cache/conform/restore=host=ab"] {
        assert!(storage.stat(name).unwrap().is_none(), "{name}");
        assert_eq!(storage.create(name, b"granted", None).unwrap(), Published::New);
        assert_eq!(storage.read(name, LIMIT).unwrap(), b"granted");
        let (folder, last) = name.rsplit_once('/').unwrap();
        assert!(storage.names(folder).unwrap().iter().any(|listed| listed == last), "{name}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
    storage.extend_lock("conform/revoked=write", now + 60_000_000_000).unwrap();
    let name = "cache/conform/restore=host=ab";
    let seen = storage.stat(name).unwrap().unwrap();
    storage.remove(name, &seen).unwrap();
    assert!(storage.stat(name).unwrap().is_none(), "and it is gone");
}

fn creating(storage: &dyn Storage) {
    let bytes = b"some bytes".as_slice();
    let id = ObjectId::of(bytes);
    let name = format!("conform/{id}");
    assert_eq!(storage.create(&name, bytes, Some(&id)).unwrap(), Published::New);
    assert_eq!(storage.create(&name, bytes, Some(&id)).unwrap(), Published::AlreadyThere);
    assert_eq!(storage.create(&name, bytes, None).unwrap(), Published::AlreadyThere);
    let same_length = storage.create(&name, b"same bytes", None).unwrap_err();
    assert!(matches!(same_length, PublishError::Occupied { .. }), "{same_length}");
    let other = storage.create(&name, b"others", None).unwrap_err();
    assert!(matches!(other, PublishError::Occupied { .. }), "{other}");
    assert_eq!(storage.read(&name, LIMIT).unwrap(), bytes);
    assert_eq!(storage.read(&name, bytes.len() as u64).unwrap(), bytes);
    let too_long = storage.read(&name, bytes.len() as u64 - 1).unwrap_err();
    assert!(!too_long.is_absent(), "never a part of it");
    let stat = storage.stat(&name).unwrap().unwrap();
    assert_eq!(stat.length, bytes.len() as u64);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
    assert!((now - stat.stored).abs() < 600_000_000_000, "stored just now");
    assert_eq!(storage.stat(&name).unwrap().unwrap(), stat, "the same version as a moment ago");

    assert_eq!(storage.create("conform/empty", b"", None).unwrap(), Published::New);
    assert_eq!(storage.read("conform/empty", 0).unwrap(), b"");
    assert_eq!(storage.stat("conform/empty").unwrap().unwrap().length, 0);

    let wrong = ObjectId::of(b"other bytes");
    let name = format!("conform/{wrong}");
    let error = storage.create(&name, bytes, Some(&wrong)).unwrap_err();
    assert!(matches!(error, PublishError::WrongHash { found, .. } if found == id), "{error}");
    assert_eq!(storage.stat(&name).unwrap(), None);
}

/// More than fits into one piece of anything, in uneven pieces; and dropped halfway.
fn pieces(storage: &dyn Storage) {
    let bytes: Vec<u8> = (0..3_000_001_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let id = ObjectId::of(&bytes);
    let name = format!("conform/{id}");
    let mut upload = storage.begin(&name, Some(&id), false).unwrap();
    upload.write(&bytes[..1_234_567]).unwrap();
    drop(upload);
    assert_eq!(storage.stat(&name).unwrap(), None);
    let mut upload = storage.begin(&name, Some(&id), false).unwrap();
    let mut rest = bytes.as_slice();
    for length in (1..).map(|n| n * n * 17) {
        let (now, later) = rest.split_at(rest.len().min(length));
        upload.write(now).unwrap();
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(storage.stat(&name).unwrap(), None, "nothing is there before it is whole");
    assert_eq!(upload.finish().unwrap(), Published::New);
    assert!(storage.read(&name, LIMIT).unwrap() == bytes);
    assert!(storage.read_range(&name, 999_999, 1_000_002).unwrap() == bytes[999_999..2_000_001]);
}

fn absent(storage: &dyn Storage) {
    assert!(storage.read("conform/nothing", LIMIT).unwrap_err().is_absent());
    assert!(storage.read_range("conform/nothing", 0, 1).unwrap_err().is_absent());
    assert_eq!(storage.stat("conform/nothing").unwrap(), None);
}

fn ranges(storage: &dyn Storage) {
    let name = "conform/ranges";
    storage.create(name, b"0123456789", None).unwrap();
    for (offset, length, expected) in
        [(0, 10, "0123456789"), (0, 1, "0"), (3, 4, "3456"), (9, 1, "9"), (0, 0, ""), (10, 0, "")]
    {
        let read = storage.read_range(name, offset, length).unwrap();
        assert_eq!(read, expected.as_bytes(), "{length} from {offset}");
    }
    for (offset, length) in [(0, 11), (9, 2), (10, 1), (11, 0), (11, 1), (1 << 40, 1), (u64::MAX, 2)] {
        let error = storage.read_range(name, offset, length).unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::UnexpectedEof, "{length} from {offset}: {error}");
    }
}

/// In the cache's folder, where nothing is locked.
fn removing(storage: &dyn Storage) {
    let name = "cache/conform/removed";
    storage.create(name, b"first", None).unwrap();
    let seen = storage.stat(name).unwrap().unwrap();
    storage.remove(name, &seen).unwrap();
    assert_eq!(storage.stat(name).unwrap(), None);
    assert!(storage.read(name, LIMIT).unwrap_err().is_absent());
    storage.remove(name, &seen).unwrap();
    assert_eq!(storage.create(name, b"again", None).unwrap(), Published::New);
    if seen.version.is_some() {
        storage.remove(name, &seen).unwrap();
        assert_eq!(storage.read(name, LIMIT).unwrap(), b"again", "what came later stays");
    }
    let listed = storage.list("cache/conform").unwrap().into_iter().next().unwrap();
    storage.remove(name, &listed.stat.unwrap()).unwrap();
    assert_eq!(storage.stat(name).unwrap(), None, "what a listing shows can be removed as well");
}

fn quarantine(storage: &dyn Storage) {
    let (name, to) = ("conform/sub/damaged", "quarantine/conform/damaged");
    for n in 0..3 {
        let bytes = format!("damage {n}");
        assert_eq!(storage.create(name, bytes.as_bytes(), None).unwrap(), Published::New);
        storage.quarantine(name, to).unwrap();
        assert_eq!(storage.stat(name).unwrap(), None);
        assert!(storage.list("conform/sub").unwrap().is_empty());
    }
    assert_eq!(storage.read(to, LIMIT).unwrap(), b"damage 0");
    assert_eq!(storage.create(name, b"healed", None).unwrap(), Published::New);
    assert_eq!(storage.read(name, LIMIT).unwrap(), b"healed");
    assert_eq!(storage.list("conform/sub").unwrap().len(), 1);
}

/// One name, many threads: exactly one of them is first.
fn races(storage: &dyn Storage) {
    for round in 0..4 {
        let name = format!("conform/same-{round}");
        let published = all_at_once(|_| storage.create(&name, b"the same bytes", None).unwrap());
        assert_eq!(published.iter().filter(|it| **it == Published::New).count(), 1, "{published:?}");

        let name = format!("conform/other-{round}");
        let created =
            all_at_once(|thread| storage.create(&name, format!("bytes of {thread:02}").as_bytes(), None));
        let winners: Vec<_> =
            (0..created.len()).filter(|n| matches!(created[*n], Ok(Published::New))).collect();
        assert_eq!(winners.len(), 1, "{created:?}");
        let lost = created.iter().filter(|it| matches!(it, Err(PublishError::Occupied { .. }))).count();
        assert_eq!(lost, created.len() - 1, "{created:?}");
        assert_eq!(storage.read(&name, LIMIT).unwrap(), format!("bytes of {:02}", winners[0]).as_bytes());
    }
}

fn all_at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = std::sync::Barrier::new(16);
    let (barrier, work) = (&barrier, &work);
    std::thread::scope(|scope| {
        let spawn = |thread| {
            scope.spawn(move || {
                barrier.wait();
                work(thread)
            })
        };
        let threads: Vec<_> = (0..16).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn locks(storage: &dyn Storage) {
    let lock = storage.lock(MOMENT).unwrap().unwrap();
    assert!(storage.lock(MOMENT).unwrap().is_none(), "it is held");
    drop(lock);
    drop(storage.lock(MOMENT).unwrap().unwrap());
    storage.create("conform/locked", b"x", None).unwrap();
    let in_a_day = std::time::SystemTime::now() + Duration::from_secs(86_400);
    let until = in_a_day.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64;
    storage.extend_lock("conform/locked", until).unwrap();
    storage.extend_lock("conform/locked", 0).unwrap();
}

fn listing(storage: &dyn Storage, many: usize) {
    let names: BTreeSet<String> =
        (0..many).map(|n| format!("{:08x}", (n as u32).wrapping_mul(2_654_435_761))).collect();
    assert_eq!(names.len(), many);
    let all: Vec<_> = names.iter().collect();
    std::thread::scope(|scope| {
        for part in all.chunks(many.div_ceil(8).max(1)) {
            scope.spawn(move || {
                for name in part {
                    storage.create(&format!("conform/many/{name}"), name.as_bytes(), None).unwrap();
                }
            });
        }
    });
    let listed = storage.list("conform/many").unwrap();
    assert_eq!(listed.len(), many);
    for (Item { name, stat }, expected) in listed.iter().zip(&names) {
        assert_eq!(name, expected);
        assert_eq!(stat.as_ref().unwrap().length, 8);
    }
    assert!(storage.names("conform/many").unwrap().iter().eq(&names));
    let middle = all[many / 2];
    let after = storage.names_after("conform/many", middle).unwrap();
    assert!(
        after
            .iter()
            .eq(names.range::<String, _>((std::ops::Bound::Excluded(middle), std::ops::Bound::Unbounded)))
    );
    let last = names.last().unwrap();
    assert!(storage.names_after("conform/many", last).unwrap().is_empty());

    below(storage, &names);

    let top = storage.list("conform").unwrap();
    assert!(top.is_sorted_by(|a, b| a.name < b.name), "sorted, and nothing twice");
    let folders: Vec<_> =
        top.iter().filter(|item| item.stat.is_none()).map(|item| item.name.as_str()).collect();
    assert_eq!(folders, ["many", "sub"]);
    assert!(storage.names("").unwrap().contains(&"conform".to_owned()));
}

/// One listing of everything below a folder: whole, from the middle, and no further than is wanted.
fn below(storage: &dyn Storage, many: &BTreeSet<String>) {
    let all = |after: Option<&str>, most: usize| {
        let mut names = Vec::new();
        storage
            .list_below("conform", after, &mut |item| {
                assert!(item.stat.is_some(), "objects only: {}", item.name);
                names.push(item.name);
                if names.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        names
    };
    let whole = all(None, usize::MAX);
    let listed = |folder: &str| storage.list(&format!("conform{folder}")).unwrap();
    let objects = |folder: &str| listed(folder).iter().filter(|item| item.stat.is_some()).count();
    assert_eq!(whole.len(), objects("") + objects("/many") + objects("/sub"));
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), whole.len(), "nothing twice");
    let inside: Vec<_> = whole.iter().filter_map(|name| name.strip_prefix("many/")).collect();
    assert!(inside.iter().copied().eq(many.iter().map(String::as_str)), "in order");
    let middle = format!("many/{}", many.iter().nth(many.len() / 2).unwrap());
    let after = all(Some(&middle), usize::MAX);
    assert!(after.iter().all(|name| *name > middle) && after.contains(&"sub/damaged".to_owned()));
    assert_eq!(after.len(), whole.iter().filter(|name| **name > middle).count());
    assert_eq!(all(Some(&middle), 3), after[..3]);
}
