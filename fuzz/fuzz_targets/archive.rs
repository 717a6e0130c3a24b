//! Reading a snapshot from a hostile vault, without touching a disk. The first byte says what the input is: a leaf, a chunk
//! list, or the top node. Everything around it is sound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::io::{Error, Write};
use std::sync::LazyLock;
use vow_base::ObjectId;
use vow_fuzz::archive::{FIXED, INPUT, fixed, open, reference, root};
use vow_fuzz::assert_paths;
use vow_fuzz::sealed::Pack;
use vow_store::archive::Snapshot;
use vow_store::export::export;
use vow_store::listing::tree::{LeafBuilder, read_chunk_list, read_leaf};
use vow_store::listing::{Content, Entry, Kind, Node};
use vow_store::monitor::Monitor;

const FILE_MAX: u64 = 1 << 20;
const ENTRIES_MAX: usize = 10_000;
/// Errors that may come before the end: at most one for every child of every node.
const ERRORS_MAX: usize = 1000;

static FIXED_PACK: LazyLock<Vec<u8>> = LazyLock::new(|| fixed().finish());

fuzz_target!(|data: &[u8]| {
    let Some((mode, data)) = data.split_first() else { return };
    let mut pack = Pack::default();
    let top = match mode % 3 {
        0 => {
            pack.stored(2, data);
            let first = read_leaf(data).ok().and_then(|entries| entries.into_iter().next());
            Node {
                depth: 1,
                children: vec![(first.map_or(Vec::new(), |e| e.path), reference(INPUT, &pack, 0))],
            }
        }
        1 => {
            pack.stored(4, data);
            let size = read_chunk_list(data).map_or(0, |list| list.iter().map(|c| u64::from(c.length)).sum());
            let content = Content::Lists(vec![reference(INPUT, &pack, 0)]);
            let mut leaf = LeafBuilder::default();
            leaf.push(&Entry { size, content, ..vow_fuzz::archive::entry(b"big") });
            pack.stored(2, &leaf.finish().1);
            Node { depth: 1, children: vec![(b"big".to_vec(), reference(INPUT, &pack, 1))] }
        }
        _ => Node::read(data).unwrap_or_default(),
    };
    let packs = vec![(FIXED, FIXED_PACK.clone()), (INPUT, pack.finish())];
    if let Ok(snapshot) = open(&root(top), packs) {
        read(&snapshot);
    }
});

fn read(snapshot: &Snapshot) {
    let all: Vec<_> = snapshot.entries(None).take(ENTRIES_MAX + ERRORS_MAX).collect();
    assert!(all.iter().filter(|entry| entry.is_err()).count() < ERRORS_MAX, "errors without end");
    let whole = all.iter().all(Result::is_ok);
    let entries: Vec<Entry<ObjectId>> = all.into_iter().flatten().collect();
    assert_paths(entries.iter().map(|entry| &entry.path[..]));
    let mut reader = snapshot.reader().expect("zstd");
    for entry in entries.iter().take(64) {
        if entry.kind == Kind::File && entry.size <= FILE_MAX {
            let mut content = Vec::new();
            if let Ok(length) = reader.content(entry, &mut content) {
                assert_eq!((length, content.len() as u64), (entry.size, entry.size));
            }
        }
        if whole {
            assert!(snapshot.entry(&entry.path).is_ok_and(|found| found == *entry));
        }
    }
    let mut out = Bounded(Vec::new());
    if let Ok(report) = export(snapshot, None, &mut out, &Monitor::silent()) {
        assert_eq!(out.0.len() % 10_240, 0);
        assert!(report.files + report.dirs + report.others <= entries.len() as u64);
    }
}

struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if self.0.len() + bytes.len() > 8 * FILE_MAX as usize {
            return Err(Error::other("full"));
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
