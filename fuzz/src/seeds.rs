//! Not a target: writes the seeds, valid encodings of everything that is fuzzed. It is built like a target so that one build does
//! for all: `cargo fuzz run --sanitizer none seeds -- -runs=0`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::Path;
use vow_base::ObjectId;
use vow_base::manifest::{ENVELOPE, Manifest, Status};
use vow_base::pack_list::PackList;
use vow_fuzz::archive::{
    FIXED, commit, entries, fixed, fixed_node, leaf, manifest, reference, references, root,
};
use vow_fuzz::sealed::{IDENTITY, IDS, Pack, SESSION, header_prefix, trailer};
use vow_fuzz::signing_key;
use vow_store::compress::{DEFAULT_LEVEL, Packer};
use vow_store::listing::Node;
use vow_store::listing::tree::write_chunk_list;
use vow_store::pack::{Held, Part};
use vow_store::record::RecordType;

fn write(target: &str, seeds: &[&[u8]]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus-seeds").join(target);
    fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(number.to_string()), seed).expect("a seed");
    }
}

/// The same CBOR with every number (not lengths) in nine bytes, so that one mutation makes it huge.
fn wide(cbor: &[u8]) -> Vec<u8> {
    let (mut wide, mut rest) = (Vec::new(), cbor);
    while let Some(first) = rest.first() {
        let more = if first & 31 < 24 { 0 } else { 1 << ((first & 31) - 24) };
        let (head, after) = rest.split_at(1 + more);
        let number = head[1..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let number = if more == 0 { u64::from(first & 31) } else { number };
        match first >> 5 {
            0 => wide.extend([&[0x1b][..], &number.to_be_bytes()].concat()),
            _ => wide.extend(head),
        }
        let text = if matches!(first >> 5, 2 | 3) { number as usize } else { 0 };
        wide.extend(&after[..text]);
        rest = &after[text..];
    }
    wide
}

/// A zstd frame behind its codec byte.
fn packed(content: &[u8]) -> Vec<u8> {
    let mut packer = Packer::new(DEFAULT_LEVEL).expect("zstd");
    let (codec, payload) = packer.pack(content);
    [&[codec as u8], payload].concat()
}

fuzz_target!(
    init: {
        packs();
        listing();
        signed();
        texts();
        protocol();
    },
    |_nothing: &[u8]| {}
);

fn packs() {
    write("pack_header", &[&header_prefix(0), &[&header_prefix(9)[..], b"age blob!", b"record"].concat()]);
    let mut pack = Pack::default();
    for kind in 1..=5 {
        pack.stored(kind, &[kind; 40]);
    }
    let three = trailer(&pack.rows[..3]);
    let bent = |wrong: [u8; 3], count: u8, payload: &[u8]| [&wrong[..], &[count, 0], payload].concat();
    let whole = trailer(&pack.rows);
    // The first record taken for two chunks; the fuzzer cannot find their ids.
    let halves = [20, 20].map(|length| Part { length, id: IDS.id(RecordType::Data, &[1; 20]) });
    pack.rows[0].held = Held::Group(halves.into());
    let grouped = trailer(&pack.rows);
    write(
        "pack_trailer",
        &[
            &bent([0; 3], 5, &whole),
            &bent([0; 3], 3, &three),
            &bent([0; 3], 3, &wide(&three)),
            &bent([0, 0, 1], 5, &whole),
            &bent([0; 3], 5, &grouped),
            &bent([0; 3], 5, &wide(&grouped)),
        ],
    );
    let text = b"all work and no play ".repeat(20);
    let (bomb, frame) = (packed(&vec![0; 1 << 20]), packed(&text));
    let record = |kind: u8, length: u32, plaintext: &[u8]| {
        [&[kind, 0], &length.to_le_bytes()[..], &(plaintext.len() as u16).to_le_bytes(), plaintext].concat()
    };
    let sound = record(1, text.len() as u32, &frame);
    let plain = record(0, 4, b"\0text");
    write("pack_records", &[&[&sound[..], &plain, &sound, &plain].concat(), &record(2, 1 << 20, &bomb)]);
    let unpack = |length: u32, plaintext: &[u8]| [&length.to_le_bytes()[..], plaintext].concat();
    let (bomb, frame, plain) = (unpack(1 << 20, &bomb), unpack(420, &frame), unpack(4, b"\0text"));
    write("unpack", &[&bomb, &frame, &plain, &unpack(1000, &bomb[4..])]);
    write("age_blob", &[&[&[0], SESSION.blob].concat(), &[&[7][..], &[1; 32]].concat(), &[7]]);
    let row =
        |seed: u8, numbers: [u32; 7]| [&[seed; 32][..], &numbers.map(u32::to_le_bytes).concat()].concat();
    let (alone, part) = (row(1, [0, 3, 400, 90, 80, 0, 80]), row(2, [0, 4, 490, 90, 80, 20, 300]));
    let segment = [&[1, 0, 0, 0][..], &[9; 32], &alone, &part].concat();
    write("index_segment", &[&[&[0][..], &segment].concat(), &packed(&segment)]);
}

fn listing() {
    let pack = fixed();
    let entries = entries(&pack);
    let (all, one, group) = (leaf(&entries), leaf(&entries[10..11]), leaf(&entries[4..5]));
    write(
        "leaf",
        &[
            &all,
            &leaf(&entries[..2]),
            &one,
            &leaf(&entries[11..]),
            &leaf(&[]),
            &wide(&all),
            &wide(&one),
            &group,
            &wide(&group),
        ],
    );
    let list = write_chunk_list(&[1, 2, 1].map(|record| reference(FIXED, &pack, record)));
    let groups = write_chunk_list(&[references(FIXED, &pack, 3), references(FIXED, &pack, 4)].concat());
    write("chunk_list", &[&list, &wide(&list), &write_chunk_list(&[]), &groups, &wide(&groups)]);
    let low = fixed_node(&pack);
    let high = Node { depth: 2, children: vec![(b"a".to_vec(), reference(FIXED, &pack, 8))] };
    write("node", &[&low.write(), &high.write(), &wide(&low.write())]);
    write(
        "root",
        &[
            &root(high.clone()).write(),
            &root(Node { depth: 1, children: Vec::new() }).write(),
            &wide(&root(low.clone()).write()),
        ],
    );
    let mode = |mode: u8, content: &[u8]| [&[mode], content].concat();
    let nodes = (mode(2, &low.write()), mode(2, &high.write()));
    write(
        "archive",
        &[
            &mode(0, &all),
            &mode(0, &one),
            &mode(0, &wide(&all)),
            &mode(1, &wide(&list)),
            &mode(1, &list),
            &nodes.0,
            &nodes.1,
            &mode(0, &group),
            &mode(0, &wide(&group)),
            &mode(1, &groups),
            &mode(1, &wide(&groups)),
        ],
    );
    write("paths", &[b"etc/hosts\xfeetc", b"a/../b", b"a//b\xfe", b"a.b\xfea/b"]);
}

fn signed() {
    let payload = |manifest: &Manifest| {
        let stored = manifest.seal(&signing_key());
        ENVELOPE.payload(&stored).expect("a manifest just sealed").to_vec()
    };
    let packs: Vec<_> = (0..70u8).map(|n| ObjectId([n; 32])).collect();
    let (packs, _) = PackList::build(&packs);
    let full = Manifest {
        previous: Some(FIXED),
        status: Status::Partial,
        packs,
        index: vec![6; 64].into(),
        ..manifest()
    };
    write("manifest", &[&payload(&manifest()), &payload(&full), &wide(&payload(&full))]);
    let receipts = [1, 2].map(|position| {
        let mut receipt = commit(manifest(), position).receipt;
        receipt.previous = (position == 2).then_some(FIXED);
        let stored = receipt.seal(&signing_key());
        vow_base::receipt::ENVELOPE.payload(&stored).expect("a receipt just sealed").to_vec()
    });
    write("receipt", &[&receipts[0], &receipts[1], &wide(&receipts[1])]);
    // One segment of three packs; then two such segments below a third.
    let flat = [3, 1, 3, 0, 3, 40, 41, 42];
    let deep = [3, 2, 5, 0, 3, 40, 41, 42, 0, 2, 43, 44, 1, 2, 0, 1];
    write(
        "pack_list",
        &[
            &flat,
            &deep,
            &[1, 0, 0],
            b"\x02\x01\x01\x00\x27\xa2\x00\x00\x01\x58\x20 32 bytes that stand for one pack.",
        ],
    );
}

fn texts() {
    let recipient = IDENTITY.parse::<age::x25519::Identity>().expect("an identity").to_public().to_string();
    let file = format!("# created by vow\n# public key: {recipient}\n{IDENTITY}\n");
    let (id, spaced) = (FIXED.to_string(), format!(" {IDENTITY}"));
    write(
        "texts",
        &[recipient.as_bytes(), file.as_bytes(), IDENTITY.as_bytes(), id.as_bytes(), spaced.as_bytes()],
    );
    let specs: [&[u8]; 6] = [
        b"latest",
        b"files@latest",
        b"web-1/files@2026-11-20",
        b"acme/web-1/mail@home@latest",
        b"0123abcd",
        b"files@2000-02-29",
    ];
    write("snapshot_spec", &specs);
    let specs: [&[u8]; 4] =
        [b"files@latest", b"0123abcd:/etc/a:b/", b"web-1/files@2026-11-20:/", b"x:/srv/\xff"];
    write("spec", &specs);
    config(&recipient);
}

fn config(recipient: &str) {
    let least = format!(
        "[host]\ntenant = \"acme\"\nname = \"web-1\"\nrecipients = [\"{recipient}\"]\n\n[[vault]]\nname = \"local\"\npath = \"vault\"\n\n\
         [[source]]\nname = \"files\"\ntype = \"files\"\npaths = [\"/etc\"]\n"
    );
    let whole = format!(
        "# a plan\n[host]\ntenant = 'acme'\nname = \"web-1\"\nrecipients = [\n  \"{recipient}\", # the safe\n]\n\
         keys = \"/etc/vow/keys\"\nstate = \"../state\"\ncompression = 19\n\n\
         [[vault]]\nname = \"usb\"\npath = \"/mnt/\\u00fcsb\"\nfingerprint = \"SHA256:{}\"\n\n\
         [[source]]\nname = \"home\"\ntype = \"files\"\npaths = [\"/home\", \"/srv\"]\nexclude = [\"*.tmp\", \"/home/*/.cache\"]\n\
         one_file_system = true\nexclude_caches = false\nschedule = \"*/15 0-6,22 1 1-12/2 7\"\n",
        "ab".repeat(32)
    );
    let inline = format!(
        "vault = [{{ name = \"a\", path = \"a\" }}]\nsource = [{{ name = \"b\", type = \"files\", paths = [\"/\"] }}]\n\
         host = {{ tenant = \"t\", name = \"h\", recipients = [\"{recipient}\"] }}\n"
    );
    write("config", &[least.as_bytes(), whole.as_bytes(), inline.as_bytes()]);
}

fn protocol() {
    let a = "0a".repeat(32);
    let seeds = [
        "/v1/vault".to_owned(),
        format!("/v1/hosts/{a}/packs/{a}"),
        format!("/v1/hosts/{a}/index/missing"),
        format!("/v1/hosts/{a}/receipts"),
        "after=42".to_owned(),
        format!("after={a}"),
        "bytes=10-4095".to_owned(),
        format!("https://vault.example.net:8443#{a}.{}4", "7".repeat(25)),
        "https://[2001:db8::1]:443".to_owned(),
        format!(r#"{{"vault":"{a}","protocol":1,"software":"vow","time":5,"role":"write","host":"{a}"}}"#),
        format!(r#"{{"secret":"{}","tenant":"acme","name":"web-1","readers":["{a}"]}}"#, "a".repeat(26)),
        r#"{"receipts":["Vk9X"],"more":true}"#.to_owned(),
        format!(r#"{{"objects":[["{a}",7]],"more":false}}"#),
        format!(r#"{{"ids":["{a}"]}}"#),
        format!(r#"{{"error":"missing","message":"no","missing":[["packs","{a}"]],"count":1}}"#),
        format!(r#"{{"hosts":[{{"key":"{a}","tenant":"acme","name":"web-1"}}]}}"#),
        r#"{"software":"vow","time":1,"counts":{"hosts":1},"findings":[{"kind":"clock","message":"x","since":3}]}"#
            .to_owned(),
    ];
    write("protocol", &seeds.each_ref().map(String::as_bytes));
}
