use super::*;
use crate::record::CONTENT_LIMIT_BYTES;

fn noise(length: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

fn cuts(secret: u8, cutter: &Cutter, mut data: &[u8]) -> Vec<usize> {
    let chunker = Chunker::new(&HostSecret::new([secret; 32]));
    let mut lengths = Vec::new();
    while !data.is_empty() {
        let length = chunker.cut(cutter, data);
        lengths.push(length);
        data = &data[length..];
    }
    lengths
}

#[test]
fn the_cut_points_of_version_1_do_not_change() {
    let data = noise(1 << 20, 0);
    let fine = Cutter::new(Grain::Fine, data.len() as u64);
    assert_eq!(cuts(1, &fine, &data)[..4], KNOWN_CUTS);
}

const KNOWN_CUTS: [usize; 4] = [119133, 89075, 72141, 81683];

#[test]
fn another_secret_cuts_elsewhere() {
    let data = noise(1 << 20, 0);
    let fine = Cutter::new(Grain::Fine, data.len() as u64);
    assert_ne!(cuts(1, &fine, &data), cuts(2, &fine, &data));
}

#[test]
fn an_insertion_moves_only_the_cuts_around_it() {
    let data = noise(4 << 20, 0);
    let fine = Cutter::new(Grain::Fine, data.len() as u64);
    let changed = [&data[..1_000_000], b"inserted", &data[1_000_000..]].concat();
    let ends = |data: &[u8]| {
        let mut at = 0;
        cuts(1, &fine, data)
            .into_iter()
            .map(move |l| {
                at += l;
                data.len() - at
            })
            .collect::<Vec<_>>()
    };
    let (before, after) = (ends(&data), ends(&changed));
    let kept = after.iter().filter(|from_end| before.contains(from_end)).count();
    assert!(after.len() - kept <= 20, "{} of {} cuts moved", after.len() - kept, after.len());
}

#[test]
fn no_chunk_is_longer_than_a_record_may_be() {
    for size in [1, 1 << 30, 100 << 30, 1 << 40, u64::MAX] {
        for grain in [Grain::Coarse, Grain::Fine] {
            assert!(Cutter::new(grain, size).max_bytes() <= CONTENT_LIMIT_BYTES);
        }
    }
    let zeros = vec![0; 1 << 20];
    let fine = Cutter::new(Grain::Fine, 1 << 20);
    assert!(cuts(1, &fine, &zeros).iter().all(|length| *length <= fine.max_bytes()));
}

#[test]
fn dumps_and_images_are_cut_finely() {
    assert_eq!(Grain::of(b"notes.txt", b"hello"), Grain::Coarse);
    assert_eq!(Grain::of(b"x", b"PGDMP\x01"), Grain::Fine);
    assert_eq!(Grain::of(b"x", b"--\n-- PostgreSQL database dump\n--"), Grain::Fine);
    assert_eq!(Grain::of(b"BACKUP.SQL", b""), Grain::Fine);
    let mut boot_sector = vec![0; 512];
    boot_sector[510..].copy_from_slice(b"\x55\xaa");
    assert_eq!(Grain::of(b"disk", &boot_sector), Grain::Fine);
}
