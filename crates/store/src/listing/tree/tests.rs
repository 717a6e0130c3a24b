use super::*;
use crate::keys::ChunkId;
use crate::listing::entry::{Content, Kind, Time};
use crate::record::Place;
use proptest::prelude::*;

fn chunk(seed: u8, length: u32) -> ChunkRef<ObjectId> {
    let place =
        Place { pack: ObjectId([seed % 3; 32]), record: u32::from(seed), offset: 100, stored: length + 17 };
    ChunkRef::alone(place, length, ChunkId([seed; 32]))
}

/// A chunk of a group, which is one record whatever its start.
fn part(start: u32, length: u32) -> ChunkRef<ObjectId> {
    let place = Place { pack: ObjectId([1; 32]), record: 9, offset: 5000, stored: 400 };
    ChunkRef { place, start, length, whole: 700, id: ChunkId([start as u8; 32]) }
}

fn entry(path: &[u8]) -> Entry<ObjectId> {
    Entry {
        path: path.to_vec(),
        kind: Kind::File,
        mode: 0o644,
        uid: 1000,
        gid: 0,
        mtime: Time { secs: -5, nanos: 999_999_999 },
        size: 0,
        content: Content::Empty,
        target: Vec::new(),
        device: None,
        xattrs: vec![(b"user.a".to_vec(), vec![0, 255])],
        link: Some((7, u64::MAX)),
        extents: None,
        changed: true,
        ancestor: false,
    }
}

fn with_data(path: &[u8], which: u8) -> Entry<ObjectId> {
    let (size, content) = match which % 6 {
        0 => (0, Content::Empty),
        1 => (40, Content::Slice { chunk: chunk(253, 100), offset: 60, digest: [9; 16] }),
        2 => (100, Content::Chunks(vec![chunk(1, 50), chunk(250, 0), chunk(1, 50)])),
        3 => (1 << 40, Content::Lists(vec![chunk(251, 5), chunk(252, 7)])),
        4 => (50, Content::Chunks(vec![part(100, 20), part(0, 10), chunk(2, 20)])),
        _ => (300, Content::Chunks(vec![chunk(254, 100)])),
    };
    let extents = (which % 6 == 5).then(|| vec![(0, 60), (200, 40)]);
    Entry { size, content, extents, ..entry(path) }
}

fn leaf(entries: &[Entry<ObjectId>]) -> Vec<u8> {
    let mut builder = LeafBuilder::default();
    entries.iter().for_each(|entry| builder.push(entry));
    builder.finish().1
}

proptest! {
    #[test]
    fn leaves_read_as_they_were_written(
        paths in proptest::collection::btree_set("[a-c]{1,3}(/[a-c]{1,2}){0,2}", 0..20),
        which in proptest::collection::vec(any::<u8>(), 20),
    ) {
        let mut paths: Vec<_> = paths.into_iter().map(String::into_bytes).collect();
        paths.sort_by(|a, b| path::compare(a, b));
        let entries: Vec<_> = paths.iter().zip(&which).map(|(path, which)| with_data(path, *which)).collect();
        prop_assert_eq!(read_leaf(&leaf(&entries)), Ok(entries));
    }

    #[test]
    fn mutilated_leaves_are_refused_or_read_but_never_panic(at in 0usize..400, byte: u8) {
        let entries: Vec<_> = (0u8..8).map(|n| with_data(&[b'a', b'a' + n], n)).collect();
        let mut bytes = leaf(&entries);
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = read_leaf(&bytes);
        let _ = read_leaf(&bytes[..at]);
        let _ = Node::read(&bytes);
        let _ = Root::read(&bytes);
        let _ = read_chunk_list(&bytes);
    }
}

#[test]
fn hostile_leaves_are_refused() {
    let out_of_order = leaf(&[entry(b"b"), entry(b"a")]);
    assert_eq!(read_leaf(&out_of_order), Err(ListingError::Malformed("paths out of order")));
    for bad in [&b"../x"[..], b"/x", b"a/../../x", b"a\0"] {
        assert!(read_leaf(&leaf(&[entry(bad)])).is_err(), "{:?}", bad.escape_ascii().to_string());
    }
    let too_short = Entry { size: 101, ..with_data(b"a", 2) };
    assert!(read_leaf(&leaf(&[too_short])).is_err());
    let beyond_the_bundle = Entry { size: 41, ..with_data(b"a", 1) };
    assert!(read_leaf(&leaf(&[beyond_the_bundle])).is_err());
    for which in [1, 3] {
        let absurd = Entry { size: u64::MAX - 50, ..with_data(b"a", which) };
        assert!(read_leaf(&leaf(&[absurd])).is_err(), "size {which}");
    }
    let overlapping = Entry { extents: Some(vec![(0, 60), (50, 40)]), ..with_data(b"a", 5) };
    assert!(read_leaf(&leaf(&[overlapping])).is_err());
}

#[test]
fn references_beyond_their_group_or_at_odds_about_it_are_refused() {
    let good = [part(0, 9), part(9, 691)];
    assert_eq!(read_chunk_list(&write_chunk_list(&good)), Ok(good.to_vec()));
    let bad: [fn(&mut ChunkRef<ObjectId>); 7] = [
        |chunk| chunk.start = 10,
        |chunk| chunk.start = u32::MAX,
        |chunk| chunk.whole = 701,
        |chunk| chunk.whole = (1 << 20) + 1,
        |chunk| chunk.place.stored += 1,
        |chunk| chunk.place.offset += 1,
        // All of the record, which the other says is longer.
        |chunk| (chunk.start, chunk.whole) = (0, chunk.length),
    ];
    for (number, change) in bad.iter().enumerate() {
        let mut chunks = good;
        change(&mut chunks[1]);
        assert!(read_chunk_list(&write_chunk_list(&chunks)).is_err(), "{number}");
        let size = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
        let entry = Entry { size, content: Content::Chunks(chunks.to_vec()), ..entry(b"a") };
        assert!(read_leaf(&leaf(&[entry])).is_err(), "{number}");
    }
    // A row that says where its chunk starts, but not in how much.
    let short = write_chunk_list(&[part(9, 7)]);
    let row = short.iter().position(|byte| *byte == 0x88).expect("a row of eight");
    let mut cut = short[..short.len() - 3].to_vec();
    cut[row] = 0x87;
    assert_eq!(short[short.len() - 3..], [0x19, 2, 188], "the test cuts the last number off");
    assert!(read_chunk_list(&cut).is_err());
}

#[test]
fn a_leaf_that_would_fill_the_memory_is_refused() {
    let mut builder = LeafBuilder::default();
    let long = vec![b'x'; 1 << 19];
    for number in 0..600u32 {
        builder.push(&entry(&[&long[..], format!("{number:04}").as_bytes()].concat()));
    }
    let (_, content) = builder.finish();
    assert!(content.len() < 2 << 20);
    assert_eq!(read_leaf(&content), Err(ListingError::Malformed("a leaf that grows out of bounds")));
}

#[test]
fn a_leaf_cannot_have_its_memory_twice() {
    let long = vec![b'x'; 1 << 19];
    let half = |from: u32| {
        let entries: Vec<_> = (from..from + 300)
            .map(|number| entry(&[&long[..], format!("{number:04}").as_bytes()].concat()))
            .collect();
        leaf(&entries)
    };
    let (first, second) = (half(0), half(300));
    assert!(read_leaf(&first).is_ok());
    // The map of the first gets the array of the second as a further key 2, behind an empty table.
    let head = [0xa3, 0, 0x40, 1, 0x80];
    assert!(first.starts_with(&head) && second.starts_with(&head));
    let both = [&[0xa4, 0, 0x40, 1, 0x80], &first[head.len()..], &second[head.len()..]].concat();
    let read = read_leaf(&both).map(|entries| entries.len());
    assert_eq!(read, Err(ListingError::Malformed("a leaf that grows out of bounds")));
}

#[test]
fn a_leaf_ends_before_it_grows_out_of_bounds() {
    // Many links to one large file: each carries all its references.
    let numbered = |record| ChunkRef { place: Place { record, ..chunk(1, 50).place }, ..chunk(1, 50) };
    let chunks: Vec<_> = (0..2000).map(numbered).collect();
    let link =
        |path: Vec<u8>| Entry { size: 2000 * 50, content: Content::Chunks(chunks.clone()), ..entry(&path) };
    let ends_by_its_path = |path: &Vec<u8>| {
        let mut alone = LeafBuilder::default();
        alone.push(&entry(path));
        alone.is_complete()
    };
    let mut paths =
        (0..2000).map(|number| format!("{number:04}").into_bytes()).filter(|path| !ends_by_its_path(path));
    let mut builder = LeafBuilder::default();
    while !builder.is_complete() {
        builder.push(&link(paths.next().expect("it ends before so many links")));
    }
    assert!(read_leaf(&builder.finish().1).is_ok());
}

#[test]
fn nodes_chunk_lists_and_roots_read_as_they_were_written() {
    let children =
        vec![(b"a".to_vec(), chunk(1, 5)), (b"b/c".to_vec(), chunk(1, 5)), (b"d".to_vec(), chunk(4, 6))];
    let node = Node { depth: 2, children };
    assert_eq!(Node::read(&node.write()), Ok(node.clone()));
    let chunks = vec![chunk(1, 5), part(0, 9), part(9, 7), chunk(1, 5), part(9, 7), chunk(2, 9)];
    assert_eq!(read_chunk_list(&write_chunk_list(&chunks)), Ok(chunks));
    let root = Root {
        id_secret: [1; 32],
        host_key: [2; 32],
        source: "files".into(),
        source_type: "files".into(),
        roots: vec![b"/srv/\xff".to_vec()],
        excludes: vec!["*.tmp".into()],
        top: node,
        problems: vec![(b"srv/x".to_vec(), "permission denied".into())],
        notes: vec!["one socket".into()],
        users: [(0, "root".to_owned())].into(),
        groups: BTreeMap::new(),
    };
    assert_eq!(Root::read(&root.write()), Ok(root));
}
