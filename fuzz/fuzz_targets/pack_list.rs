//! Pack lists and their segments. The first byte chooses: segments that are arbitrary bytes, or a tree of well-formed segments
//! whose depths and references come from the input. Segments have their true names, as a vault guarantees.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;
use vow_base::ObjectId;
use vow_base::pack_list::PackList;
use vow_fuzz::{memory, take};

fn segment(depth: u8, ids: &[u8]) -> Vec<u8> {
    let mut bytes = b"VOWLIST1".to_vec();
    let mut e = minicbor::Encoder::new(&mut bytes);
    e.map(2).and_then(|e| e.u8(0)?.u8(depth)?.u8(1)?.bytes(ids)).expect("memory");
    bytes
}

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    let [shape, top_depth, declared] = take(&mut data);
    let mut store = HashMap::new();
    let mut made: Vec<ObjectId> = Vec::new();
    while !data.is_empty() && made.len() < 64 {
        let [depth, items] = take(&mut data);
        let bytes = if shape & 1 == 0 {
            let (part, rest) = data.split_at(usize::from(items).min(data.len()));
            data = rest;
            [b"VOWLIST1", part].concat()
        } else {
            let one = |_| {
                let [which] = take(&mut data);
                made.get(usize::from(which)).map_or([which; 32], |id| id.0)
            };
            segment(depth, &(0..items % 16).flat_map(one).collect::<Vec<_>>())
        };
        let id = ObjectId::of(&bytes);
        made.push(id);
        store.insert(id, bytes);
    }
    let top: Vec<u8> = made.iter().rev().take(usize::from(shape >> 1)).flat_map(|id| id.0).collect();
    let list = PackList { depth: top_depth, count: declared.into(), ids: top.into() };
    let mut fetched = 0;
    let expanded = memory::at_most(16 << 20, || {
        list.expand(|id| {
            fetched += 1;
            store.get(id).cloned().ok_or(())
        })
    });
    // Every level holds at most as many names as there are packs, beyond those at the top.
    assert!(fetched <= 128 + usize::from(top_depth) * 255, "{fetched} segments for {declared} packs");
    if let Ok(expanded) = expanded {
        assert_eq!(expanded.packs.len(), usize::from(declared));
        assert_eq!(expanded.lists.len(), fetched);
        let (again, segments) = PackList::build(&expanded.packs);
        let segments: HashMap<_, _> = segments.into_iter().collect();
        let back = again.expand(|id| segments.get(id).cloned().ok_or(()));
        assert!(back.is_ok_and(|back| back.packs == expanded.packs));
    }
});
