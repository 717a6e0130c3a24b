//! What a backup costs in space: dumps with scattered changes, data that does not compress, very many tiny files.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use vow_testkit::host::{files_below, scratch};
use vow_testkit::{Dice, Host, Tree};

fn added(host: &Host) -> u64 {
    let summary = host.run(["backup", "--json"]).expect(0).summary();
    summary["snapshots"][0]["added_bytes"].as_u64().unwrap()
}

fn stored(host: &Host) -> u64 {
    files_below(&host.vault()).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

/// Rows with words and numbers, as a dump has them. Compresses about 2:1.
fn dump(rows: usize, changed: &[usize]) -> String {
    let mut text =
        String::from("-- PostgreSQL database dump\n\nCOPY public.orders (id, note, token) FROM stdin;\n");
    for row in 0..rows {
        let mut dice = Dice::new(row as u64 + if changed.contains(&row) { 1 << 40 } else { 0 });
        let words = ["pending", "shipped", "invoice", "customer", "returned"];
        let (word, other) = (dice.pick(&words), dice.pick(&words));
        let _ = writeln!(text, "{row}\t{word} {other} {}\t{:016x}{:016x}", row * 7, dice.roll(), dice.roll());
    }
    text + "\\.\n"
}

#[test]
fn a_second_dump_with_scattered_changes_adds_little() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    let file = source.join("orders.sql");
    let rows = 1_000_000;
    fs::write(&file, dump(rows, &[])).unwrap();
    let size = fs::metadata(&file).unwrap().len();
    assert!(size > 55 << 20, "{size}");
    let host = Host::new(&[&source]);
    let first = added(&host);
    assert!(first < size * 6 / 10, "{first} of {size}");
    // The measured case of 300 rows in 530 MB, in proportion.
    let dice = &mut Dice::new(2);
    let changed: Vec<_> = (0..34).map(|_| dice.below(rows)).collect();
    fs::write(&file, dump(rows, &changed) + &"appended\n".repeat(12_000)).unwrap();
    let second = added(&host);
    assert!(second * 530 < size * 20, "{second} bytes were added to a dump of {size}");
    host.assert_restores("files@latest", &source, &Tree::read(&source));
}

#[test]
fn chunks_of_a_dump_are_compressed_together() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    // A row comes again after about 300 KB: in another chunk, but within the megabyte. Alone they compress to a half.
    let row =
        |n: u64| Dice::new(n).bytes(50).iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let rows: Vec<_> = (0..3000).map(row).collect();
    let dice = &mut Dice::new(1);
    let text: String = (0..80_000).map(|_| rows[dice.below(rows.len())].as_str()).collect();
    fs::write(source.join("orders.sql"), &text).unwrap();
    let host = Host::new(&[&source]);
    let first = added(&host);
    assert!(first < text.len() as u64 * 28 / 100, "{first} of {}", text.len());
    host.assert_restores("files@latest", &source, &Tree::read(&source));
}

#[test]
fn equal_blocks_of_a_disk_image_are_stored_once() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    let (block, other) = (Dice::new(1).bytes(1 << 20), Dice::new(2).bytes(1 << 20));
    let image = |parts: &[&[u8]]| fs::write(source.join("disk.img"), parts.concat()).unwrap();
    let zeros = vec![0; 5 << 20];
    image(&[&block, &zeros, &block, &zeros, &block, &zeros, &block]);
    let host = Host::new(&[&source]);
    let first = added(&host);
    // Where a block starts and ends, chunks differ.
    assert!(first < 3 << 20, "{first} bytes for one block of noise, four times");
    // New chunks between known ones share records; the file is then made of records of both snapshots.
    image(&[
        &block,
        &zeros,
        &other[..90_000],
        &block,
        &other[90_000..200_000],
        &zeros,
        &block,
        &zeros,
        &block,
    ]);
    let second = added(&host);
    assert!(second < 1 << 20, "{second} bytes for 200 KB that are new");
    host.assert_restores("files@latest", &source, &Tree::read(&source));
    let _ = host.check().expect(0);
}

#[test]
fn what_does_not_compress_does_not_grow() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    for number in 0..8 {
        fs::write(source.join(format!("{number}")), Dice::new(number).bytes(5_000_000)).unwrap();
    }
    let host = Host::new(&[&source]);
    let before = stored(&host);
    let reported = added(&host);
    let grown = stored(&host) - before;
    assert!(grown < 41_200_000, "40,000,000 bytes became {grown}");
    assert!(reported <= grown && grown - reported < 100_000, "{reported} were reported, {grown} were added");
}

#[test]
fn twenty_thousand_tiny_files_cost_few_packs() {
    let scratch = scratch();
    let source = scratch.path().join("source");
    let dice = &mut Dice::new(1);
    for number in 0..20_000 {
        let folder = source.join(format!("{:03}", number / 100));
        fs::create_dir_all(&folder).unwrap();
        let length = dice.below(2000);
        fs::write(folder.join(format!("{number}")), dice.bytes(length)).unwrap();
    }
    let host = Host::new(&[&source]);
    let (before, first) = (stored(&host), added(&host));
    assert!(stored(&host) - before < 25_000_000, "20 MB became {}", stored(&host) - before);
    assert!(packs(&host) <= 8, "{} packs", packs(&host));
    change_one(&source);
    let second = added(&host);
    assert!(second * 20 < first, "{second} of {first} bytes for one changed file");
    assert!(packs(&host) <= 12, "{} packs", packs(&host));
    host.assert_restores("files@latest", &source, &Tree::read(&source));
}

fn change_one(source: &Path) {
    fs::write(source.join("100/10042"), "changed").unwrap();
}

fn packs(host: &Host) -> usize {
    files_below(&host.objects(&host.vault()).join("packs")).len()
}
