use super::*;
use crate::record::Place;

fn row(n: u32) -> ChunkRef<ObjectId> {
    let place = Place { pack: ObjectId([(n % 5) as u8; 32]), record: n, offset: n * 2, stored: 3 };
    let id = ChunkId(*blake3::hash(&n.to_le_bytes()).as_bytes());
    match n % 2 {
        0 => ChunkRef::alone(place, n, id),
        _ => ChunkRef { place, start: n * 3, length: n, whole: n * 5, id },
    }
}

fn number(id: &ObjectId) -> Option<u32> {
    Some(u32::from(id.0[0]))
}

fn open(folder: &Path) -> LocalIndex {
    LocalIndex::open(folder, &[1; 32], number).expect("open")
}

fn expect(index: &LocalIndex, present: std::ops::Range<u32>, absent: std::ops::Range<u32>) {
    for n in present {
        let found = index.get(&row(n).id).expect("read").unwrap_or_else(|| panic!("row {n}"));
        assert_eq!(found, row(n).with_pack(n % 5));
    }
    for n in absent {
        assert_eq!(index.get(&row(n).id).expect("read"), None);
    }
}

#[test]
fn rows_are_found_in_memory_in_files_and_after_a_merge() {
    let folder = tempfile::tempdir().expect("folder");
    let index = open(folder.path());
    for part in 0..12u32 {
        let rows: Vec<_> = (part * 1000..part * 1000 + 1000).map(row).collect();
        rows.iter().for_each(|row| index.insert(row.with_pack(u32::from(row.place.pack.0[0]))));
        index.settle(&rows, number).expect("settle");
    }
    index.insert(row(12_000).with_pack(0));
    expect(&index, 0..12_001, 12_001..12_500);
    index.tidy(number).expect("tidy");
    assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1);
    expect(&index, 0..12_000, 12_001..12_500);
    assert_eq!(index.all_rows().expect("rows").len(), 12_000);
    expect(&open(folder.path()), 0..12_000, 12_000..12_500);
}

#[test]
fn a_damaged_page_hides_its_rows_and_never_gives_a_wrong_one() {
    let folder = tempfile::tempdir().expect("folder");
    let rows: Vec<_> = (0..5000).map(row).collect();
    open(folder.path()).settle(&rows, number).expect("settle");
    let path = fs::read_dir(folder.path()).expect("list").next().expect("a file").expect("entry").path();
    let good = fs::read(&path).expect("read");
    for at in (0..good.len()).step_by(997) {
        let mut bad = good.clone();
        bad[at] ^= 8;
        fs::write(&path, &bad).expect("write");
        let index = open(folder.path());
        for n in (0..5000).step_by(7) {
            if let Some(found) = index.get(&row(n).id).expect("read") {
                assert_eq!(found, row(n).with_pack(n % 5), "byte {at}");
            }
        }
    }
}

#[test]
fn the_index_of_another_host_is_ignored() {
    let folder = tempfile::tempdir().expect("folder");
    open(folder.path()).settle(&[row(1)], number).expect("settle");
    let other = LocalIndex::open(folder.path(), &[2; 32], number).expect("open");
    assert_eq!(other.get(&row(1).id).expect("read"), None);
}
