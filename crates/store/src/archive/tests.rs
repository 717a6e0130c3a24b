use super::testing::{CHUNK, GROUP, Maker, MemVault, Spec, dir, file, noise, symlink};
use super::*;
use crate::listing::path::is_within;
use crate::record::{ChunkRef, RecordType};
use proptest::prelude::*;
use vow_base::vault::Kind as Object;

fn tree() -> Vec<Spec> {
    let mut specs = vec![dir(b"a")];
    for number in 0..40u8 {
        specs.push(file(format!("a/f{number:02}").as_bytes(), &noise(usize::from(number) * 70, number)));
    }
    specs.extend([dir(b"b"), file(b"b/large", &noise(150_000, 1)), symlink(b"b/link", b"../a"), dir(b"b-c")]);
    specs
}

fn made() -> (Arc<MemVault>, Maker) {
    let vault = Arc::new(MemVault::default());
    let mut maker = Maker::new(&vault, 1);
    maker.snapshot("files", &tree());
    (vault, maker)
}

#[test]
fn entries_come_back_in_order_and_with_their_content() {
    let (_, maker) = made();
    let snapshot = maker.newest();
    let entries: Vec<_> = snapshot.entries(None).map(|entry| entry.expect("entry")).collect();
    assert!(snapshot.root().top.depth > 1, "the test needs nodes");
    assert_eq!(entries.len(), tree().len());
    let mut reader = snapshot.reader().expect("reader");
    for (entry, (expected, data)) in entries.iter().zip(tree()) {
        assert_eq!(entry.path, expected.path);
        let mut content = Vec::new();
        assert_eq!(reader.content(entry, &mut content).expect("content"), expected.size);
        assert_eq!(content, data, "{}", entry.display());
    }
}

#[test]
fn part_of_a_tree_is_found_without_reading_the_rest() {
    let (vault, maker) = made();
    let snapshot = maker.newest();
    for under in ["a", "a/f17", "b", "b/large", "b-c", "c", "a/f", "", "a/f17/x"] {
        let found: Vec<_> =
            snapshot.entries(Some(under.as_bytes())).map(|entry| entry.expect("entry").path).collect();
        let expected: Vec<_> = tree()
            .into_iter()
            .map(|(e, _)| e.path)
            .filter(|path| is_within(path, under.as_bytes()))
            .collect();
        assert_eq!(found, expected, "{under:?}");
    }
    vault.reads.lock().expect("lock").clear();
    snapshot.entry(b"b/link").expect("entry");
    assert!(vault.reads.lock().expect("lock").len() <= 4, "one path was expected to be read");
    assert!(matches!(snapshot.entry(b"nothing"), Err(ArchiveError::NoEntry { .. })));
}

#[test]
fn snapshots_are_found_by_what_people_write() {
    let vault = Arc::new(MemVault::default());
    let (mut one, mut two) = (Maker::new(&vault, 1), Maker::new(&vault, 2));
    let first = one.snapshot("files", &tree());
    let second = one.snapshot("files", &tree());
    let other = two.snapshot("files", &tree());
    let third = one.snapshot("db", &tree());
    let archive = one.archive();
    let found = |spec: &str| archive.find(spec).map(|info| info.id);
    assert_eq!(found("host-1/files@latest").ok(), Some(second.id));
    assert_eq!(found("host-1/files@2026-01-01").ok(), Some(first.id));
    assert_eq!(found("host-1/files@2026-01-02").ok(), Some(second.id));
    assert_eq!(found("acme/host-2/files@latest").ok(), Some(other.id));
    assert_eq!(found(&format!("{}/files@latest", two.host())).ok(), Some(other.id));
    assert_eq!(found("db@latest").ok(), Some(third.id));
    assert_eq!(found("latest").ok(), Some(third.id));
    assert_eq!(found(&first.id.to_string()[..12]).ok(), Some(first.id));
    assert_eq!(found(&first.id.to_string().to_uppercase()).ok(), Some(first.id));
    let Err(ArchiveError::Ambiguous { candidates, .. }) = found("files@latest") else { panic!("not unique") };
    assert_eq!(candidates, ["host-1/files", "host-2/files"]);
    for absent in
        ["host-1/files@2025-12-31", "web@latest", "files@yesterday", "0000", "xyz", "", "host-3/db@latest"]
    {
        assert!(matches!(found(absent), Err(ArchiveError::NoSuchSnapshot { .. })), "{absent:?}");
    }
    // Thirteen hours ahead of UTC it is one o'clock in the night of the next day.
    let ahead = |midnight| midnight - 13 * 3_600_000_000_000;
    let there = |spec: &str| archive.find_in(spec, &ahead).map(|info| info.id);
    assert!(matches!(there("host-1/files@2026-01-01"), Err(ArchiveError::NoSuchSnapshot { .. })));
    assert_eq!(there("host-1/files@2026-01-02").ok(), Some(first.id));
    assert_eq!(there("host-1/files@latest").ok(), Some(second.id));
    let order: Vec<_> = archive.snapshots().expect("snapshots").iter().map(|info| info.id).collect();
    assert_eq!(order, [first.id, second.id, third.id, other.id]);
}

#[test]
fn an_older_snapshot_is_not_taken_for_the_latest_when_that_is_damaged() {
    let (vault, mut maker) = made();
    let newest = maker.snapshot("files", &tree());
    let first = maker.archive().snapshots().expect("snapshots")[0].id;
    vault.spoil(Object::Manifest, &newest.id, |bytes| bytes[100] ^= 1);
    let archive = maker.archive();
    for spec in ["files@latest", "latest", &newest.id.to_string()] {
        assert!(matches!(archive.find(spec), Err(ArchiveError::Manifest { .. })), "{spec}");
    }
    assert!(archive.snapshots().is_err());
    assert_eq!(archive.find(&first.to_string()).map(|info| info.id).ok(), Some(first));
    assert_eq!(archive.find("files@2026-01-01").map(|info| info.id).ok(), Some(first));
}

#[test]
fn the_latest_is_the_hosts_last_whatever_the_clocks_of_vaults_say() {
    const YEARS: i64 = 10 * 365 * 86_400 * 1_000_000_000;
    let (vault, mut maker) = made();
    let first = maker.archive().snapshots().expect("snapshots")[0].clone();
    let (second, third) = (maker.snapshot("files", &tree()), maker.snapshot("files", &tree()));
    let latest = || maker.archive().find("files@latest").map(|info| info.id);
    let turn = |number: usize, by: i64| vault.receipts.lock().expect("lock")[number].received += by;
    // The vault's clock was ten years ahead when it took the second.
    turn(1, YEARS);
    assert_eq!(latest().ok(), Some(third.id));
    assert_eq!(maker.archive().find("latest").map(|info| info.id).ok(), Some(third.id));
    assert_eq!(maker.archive().find("files@2026-01-01").map(|info| info.id).ok(), Some(first.id));
    assert_eq!(maker.archive().find("files@2026-01-03").map(|info| info.id).ok(), Some(third.id));
    // The vault missed the second, and was given it after the third.
    turn(1, 5 * 86_400 * 1_000_000_000 - YEARS);
    vault.receipts.lock().expect("lock").swap(1, 2);
    assert_eq!(latest().ok(), Some(third.id));
    // Damaged, the last one is missed though the one before it seems to be younger.
    vault.spoil(Object::Manifest, &third.id, |bytes| bytes[100] ^= 1);
    assert!(matches!(latest(), Err(ArchiveError::Manifest { .. })));
    vault.spoil(Object::Manifest, &third.id, |bytes| bytes[100] ^= 1);
    vault.spoil(Object::Manifest, &second.id, |bytes| bytes[100] ^= 1);
    assert_eq!(latest().ok(), Some(third.id));
}

#[test]
fn manifests_of_others_made_up_or_swapped_are_refused() {
    let (vault, mut maker) = made();
    let second = maker.snapshot("files", &tree());
    let first = maker.archive().snapshots().expect("snapshots")[0].clone();
    // The vault serves the older manifest under the newer name.
    let older = vault.all()[&(maker.host(), Object::Manifest, first.id)].clone();
    let newer = std::mem::replace(
        vault.all().get_mut(&(maker.host(), Object::Manifest, second.id)).expect("manifest"),
        older.clone(),
    );
    assert!(maker.archive().snapshots().is_err());
    vault.spoil(Object::Manifest, &second.id, |bytes| *bytes = newer);
    assert!(maker.archive().snapshots().is_ok());
    // A receipt that says another sequence number than the manifest.
    vault.receipts.lock().expect("lock")[1].manifest = first.id;
    assert!(maker.archive().snapshots().is_err());
    vault.receipts.lock().expect("lock")[1].manifest = second.id;
    // A manifest by a key that is not the host's, under its right name.
    let forged = second.manifest.seal(&SigningKey::from_seed(&[66; 32]));
    let id = ObjectId::of(&forged);
    vault.all().insert((maker.host(), Object::Manifest, id), forged);
    vault.receipts.lock().expect("lock")[1].manifest = id;
    let error = maker.archive().snapshots().expect_err("forged");
    assert!(error.to_string().contains("signature"), "{error}");
}

use vow_base::sign::SigningKey;

#[test]
fn hosts_that_are_not_trusted_are_named_and_not_read() {
    let vault = Arc::new(MemVault::default());
    let (mut one, mut two) = (Maker::new(&vault, 1), Maker::new(&vault, 2));
    one.snapshot("files", &tree());
    two.snapshot("files", &tree());
    let archive = Archive::new(vault.clone(), None, vec![one.signing.public()]);
    assert!(matches!(archive.snapshots(), Err(ArchiveError::Untrusted { .. })));
    let found = archive.find("files@latest").expect("only one host is believed");
    assert_eq!(found.manifest.host, "host-1");
    assert!(matches!(archive.open(&found), Err(ArchiveError::NoIdentity)));
    let stranger = Archive::new(vault, two.archive().inner.openers.identities(), vec![]);
    let error = stranger.open(&found).err().expect("sealed to another");
    assert!(error.is_identity(), "{error}");
}

#[test]
fn a_root_of_another_host_or_a_swapped_pack_is_refused() {
    let (vault, mut maker) = made();
    maker.root_key = Some([7; 32]);
    let lying = maker.snapshot("files", &tree());
    assert!(matches!(maker.archive().open(&lying), Err(ArchiveError::Root { .. })));
    maker.root_key = None;
    let good = maker.snapshot("files", &tree());
    let pack = good.manifest.root.pack;
    let other = vault.all()[&(maker.host(), Object::Pack, lying.manifest.root.pack)].clone();
    vault.spoil(Object::Pack, &pack, |bytes| *bytes = other);
    assert!(maker.archive().open(&good).is_err());
}

#[test]
fn a_damaged_leaf_takes_only_its_own_entries_along() {
    let (vault, maker) = made();
    let all: Vec<_> = tree().into_iter().map(|(entry, _)| entry.path).collect();
    let snapshot = maker.newest();
    let chunk = snapshot.root().top.children[1].1;
    vault.spoil(Object::Pack, &chunk.place.pack, |bytes| bytes[chunk.place.offset as usize + 3] ^= 1);
    let results: Vec<_> = maker.newest().entries(None).collect();
    let errors = results.iter().filter(|result| result.is_err()).count();
    let found: Vec<_> = results.into_iter().flatten().map(|entry| entry.path).collect();
    assert_eq!(errors, 1);
    assert!(found.len() > 10 && found.len() < all.len());
    assert!(found.iter().all(|path| all.contains(path)));
}

#[test]
fn chunks_of_a_group_cost_one_read_of_it() {
    let (vault, mut maker) = made();
    // In the middle of the file groups of two snapshots take turns.
    let mut changed = noise(150_000, 1);
    for at in [4, 7, 8, 10] {
        changed[at * CHUNK] ^= 1;
    }
    maker.snapshot("files", &[file(b"large", &changed)]);
    let snapshot = maker.newest();
    let large = snapshot.entry(b"large").expect("entry");
    let chunks: Vec<_> = snapshot.chunks(&large).map(|chunk| chunk.expect("chunk")).collect();
    let records: std::collections::HashSet<_> = chunks.iter().map(|chunk| chunk.place).collect();
    assert!(
        records.len() < chunks.len() / 2 && chunks.iter().any(ChunkRef::is_part),
        "the test needs groups"
    );
    for chunk in &chunks {
        let mut alone = Vec::new();
        snapshot.read(chunk, RecordType::Data, &mut alone).expect("read");
        assert_eq!(alone.len(), chunk.length as usize);
    }
    vault.reads.lock().expect("lock").clear();
    let mut content = Vec::new();
    snapshot.content(&large, &mut content).expect("content");
    assert!(content == changed);
    let reads = vault.reads.lock().expect("lock").clone();
    for place in &records {
        let times = reads.iter().filter(|read| (read.0, read.1) == (place.pack, place.offset.into())).count();
        assert_eq!(times, 1, "{place:?}");
    }
}

/// A file of one group, and its chunks.
fn group() -> (Snapshot, Vec<ChunkRef<ObjectId>>, Vec<u8>) {
    let mut maker = Maker::new(&Arc::new(MemVault::default()), 1);
    let data = noise(GROUP * CHUNK, 1);
    maker.snapshot("files", &[file(b"large", &data)]);
    let snapshot = maker.newest();
    let large = snapshot.entry(b"large").expect("entry");
    let chunks = snapshot.chunks(&large).map(|chunk| chunk.expect("chunk")).collect();
    (snapshot, chunks, data)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// What a taken-over host could write into a listing: a chunk is read whole and right, or not at all.
    #[test]
    fn references_into_a_group_that_lie_are_refused(
        which in 0..GROUP,
        start in prop_oneof![0..20_000u32, any::<u32>()],
        length in prop_oneof![0..20_000u32, any::<u32>()],
        whole in prop_oneof![0..20_000u32, Just(15_000), any::<u32>()],
        keep in 0u8..8,
    ) {
        let (snapshot, chunks, data) = group();
        let good = chunks[which];
        let kept = |bit: u8, good: u32, bad: u32| if keep & bit == 0 { bad } else { good };
        let start = kept(1, good.start, start);
        let (length, whole) = (kept(2, good.length, length), kept(4, good.whole, whole));
        let chunk = ChunkRef { start, length, whole, ..good };
        let mut content = Vec::new();
        let read = snapshot.read(&chunk, RecordType::Data, &mut content);
        prop_assert_eq!(read.is_ok(), chunk == good);
        if read.is_ok() {
            prop_assert!(content == data[good.range()]);
        }
        // The same when the record is at hand already.
        let size = u64::from(good.length) + u64::from(length);
        let content = crate::listing::Content::Chunks(vec![good, chunk]);
        let entry = crate::listing::Entry { size, content, ..testing::entry(b"large", crate::listing::Kind::File) };
        let read = snapshot.content(&entry, &mut Vec::new());
        prop_assert_eq!(read.is_ok(), chunk == good);
        for kind in [RecordType::Leaf, RecordType::ChunkList] {
            prop_assert!(snapshot.read(&chunk, kind, &mut Vec::new()).is_err());
        }
    }
}

#[test]
fn a_folder_is_listed_without_reading_what_lies_below_its_folders() {
    let vault = Arc::new(MemVault::default());
    let mut maker = Maker::new(&vault, 1);
    let mut specs = vec![dir(b"a"), dir(b"a/deep")];
    specs.extend((0..400u16).map(|number| file(format!("a/deep/f{number:03}").as_bytes(), b"x")));
    specs.extend([dir(b"a/e"), file(b"a/e/one", b"1"), file(b"a/z", b"z"), dir(b"a-b"), file(b"a.c", b"")]);
    maker.snapshot("files", &specs);
    let snapshot = maker.newest();
    let all: Vec<_> = snapshot.entries(None).map(|entry| entry.expect("entry").path).collect();
    for folder in all.iter().map(Vec::as_slice).chain([&b""[..]]) {
        let children: Vec<_> = snapshot.children(folder).map(|entry| entry.expect("entry").path).collect();
        let expected: Vec<_> =
            all.iter().filter(|path| crate::listing::path::parent(path) == Some(folder)).cloned().collect();
        assert_eq!(children, expected, "{}", folder.escape_ascii());
    }
    let reads = || vault.reads.lock().expect("lock").len();
    vault.reads.lock().expect("lock").clear();
    let _ = snapshot.entries(None).count();
    let whole = reads();
    vault.reads.lock().expect("lock").clear();
    assert_eq!(snapshot.children(b"a").count(), 3);
    assert!(reads() * 2 < whole, "{} of {whole}", reads());
}

proptest! {
    #[test]
    fn any_part_of_a_file_is_what_it_is_in_the_whole(
        at in 0usize..170_000, length in 0usize..90_000, again in 0usize..170_000, which in 0usize..3,
    ) {
        let (_, maker) = made();
        let snapshot = maker.newest();
        let path = [&b"b/large"[..], b"a/f39", b"a/f00"][which];
        let entry = snapshot.entry(path).expect("entry");
        let mut whole = Vec::new();
        snapshot.content(&entry, &mut whole).expect("content");
        let mut file = snapshot.file(entry).expect("file");
        for at in [at, again, at] {
            let mut buffer = vec![7; length];
            let read = file.read_at(at as u64, &mut buffer).expect("read");
            let expected = whole.get(at..).unwrap_or_default();
            prop_assert_eq!(read, expected.len().min(length));
            prop_assert!(buffer[..read] == expected[..read]);
        }
    }
}
