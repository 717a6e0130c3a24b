//! Seals what the fuzzer wrote, so that mutations reach the parsers behind the authentication tags. Written from
//! `docs/format.md` alone, not with the product's sealer, which only seals what is well-formed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use std::io::Write;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use vow_base::id::sha256;
use vow_store::keys::IdKeys;
use vow_store::pack::{Held, Part, Row};
use vow_store::session::{Identities, SessionKey};

/// An identity for this folder alone; it protects nothing.
pub const IDENTITY: &str = "AGE-SECRET-KEY-1E5LVMHZLN0PL0ZQ7Y9SQHERSU64NK2H82TPUTGGW46CCJK70L3NSF9S2ZK";
/// The session key of every pack here.
const KEY: [u8; 32] = [11; 32];
const SALT: [u8; 32] = [12; 32];
/// The secret that index segments here are sealed with.
pub const INDEX_SECRET: [u8; 32] = [13; 32];
/// The secret from which chunk ids derive here.
pub const ID_SECRET: [u8; 32] = [5; 32];

/// The session key, wrapped and unwrapped.
pub struct Session {
    pub identities: Arc<Identities>,
    pub key: SessionKey,
    pub blob: &'static [u8],
}

/// The session of every pack here. Its blob is kept, because age files are random in length, and seeds tell offsets.
pub static SESSION: LazyLock<Session> = LazyLock::new(|| {
    let blob = include_bytes!("session.age");
    let identities = Identities::parse(IDENTITY).expect("an identity");
    let key = identities.unwrap(blob).expect("a blob for it");
    Session { identities: Arc::new(identities), key, blob }
});

/// The keys of chunk ids here.
pub static IDS: LazyLock<IdKeys> = LazyLock::new(|| IdKeys::new(&ID_SECRET));

/// An age file with any content, for the identity above.
pub fn wrap(content: &[u8]) -> Vec<u8> {
    let recipient = age::x25519::Identity::from_str(IDENTITY).expect("an identity").to_public();
    let encryptor = age::Encryptor::with_recipients([&recipient as &dyn age::Recipient].into_iter());
    let mut blob = Vec::new();
    let mut writer = encryptor.expect("a recipient").wrap_output(&mut blob).expect("memory");
    writer.write_all(content).expect("memory");
    writer.finish().expect("memory");
    blob
}

/// The first 76 bytes of a header with AES-256-GCM and this length of a blob; key and commitment fit [`SESSION`].
pub fn header_prefix(blob: u16) -> Vec<u8> {
    let okm: [u8; 64] = expand(&KEY, &SALT, &[b"vow v1 pack", &[1]]);
    [b"VOWPACK1", &[1, 0][..], &blob.to_le_bytes(), &SALT, &okm[32..]].concat()
}

/// A pack whose parts may be anything.
pub struct Pack {
    key: LessSafeKey,
    header_hash: [u8; 32],
    pub bytes: Vec<u8>,
    pub rows: Vec<Row>,
}

impl Default for Pack {
    fn default() -> Self {
        let blob = SESSION.blob;
        let header = [&header_prefix(blob.len() as u16)[..], blob].concat();
        let okm: [u8; 64] = expand(&KEY, &SALT, &[b"vow v1 pack", &[1]]);
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &okm[..32]).expect("32 bytes"));
        Self { key, header_hash: sha256(&header), bytes: header, rows: Vec::new() }
    }
}

impl Pack {
    /// Adds a record with this plaintext (codec byte first) and a row that describes it as `content`; says where it lies.
    pub fn record(&mut self, kind: u8, plaintext: &[u8], length: u32, content: &[u8]) -> u32 {
        let offset = self.bytes.len() as u32;
        self.seal(self.rows.len() as u32, kind, plaintext);
        let stored = plaintext.len() as u32 + 16;
        let typed = vow_store::record::RecordType::from_tag(kind).expect("types 1 to 5 only");
        self.rows.push(Row { kind, stored, length, held: Held::Chunk(IDS.id(typed, content)) });
        offset
    }

    /// Adds a group of these chunks, with a plaintext that may be anything (codec byte first).
    pub fn group(&mut self, plaintext: &[u8], chunks: &[&[u8]]) -> u32 {
        let length = chunks.iter().map(|chunk| chunk.len() as u32).sum();
        let offset = self.record(1, plaintext, length, &[]);
        let id = |chunk: &[u8]| IDS.id(vow_store::record::RecordType::Data, chunk);
        let parts = chunks.iter().map(|chunk| Part { length: chunk.len() as u32, id: id(chunk) });
        self.rows.last_mut().expect("just added").held = Held::Group(parts.collect());
        offset
    }

    /// Adds a record that is stored as it is.
    pub fn stored(&mut self, kind: u8, content: &[u8]) -> u32 {
        self.record(kind, &[&[0], content].concat(), content.len() as u32, content)
    }

    /// Adds a trailer with this payload and a tail that is wrong by as much as `wrong` says.
    pub fn close(mut self, count: u32, payload: &[u8], wrong: [u8; 3]) -> Vec<u8> {
        let offset = self.bytes.len() as u64;
        self.seal(count.wrapping_add(1), 7, &[&[0], payload].concat());
        let stored = payload.len() as u32 + 17;
        let offset = offset.wrapping_add_signed(i64::from(wrong[0] as i8));
        let stored = stored.wrapping_add_signed(i32::from(wrong[1] as i8));
        let count = count.wrapping_add_signed(i32::from(wrong[2] as i8));
        let tail = [&offset.to_le_bytes()[..], &stored.to_le_bytes(), &count.to_le_bytes()].concat();
        self.seal(u32::MAX, 8, &tail);
        self.bytes
    }

    /// Adds the trailer that fits the records.
    pub fn finish(self) -> Vec<u8> {
        let payload = trailer(&self.rows);
        let count = self.rows.len() as u32;
        self.close(count, &payload, [0; 3])
    }

    fn seal(&mut self, number: u32, kind: u8, plaintext: &[u8]) {
        let mut nonce = [0; 12];
        nonce[7..11].copy_from_slice(&number.to_be_bytes());
        nonce[11] = u8::from(kind == 8);
        let aad = [&self.header_hash[..], &number.to_le_bytes(), &[kind]].concat();
        self.bytes.extend(seal(&self.key, nonce, &aad, plaintext));
    }
}

/// The CBOR of a trailer.
pub fn trailer(rows: &[Row]) -> Vec<u8> {
    let mut payload = Vec::new();
    let mut e = minicbor::Encoder::new(&mut payload);
    e.map(1).and_then(|e| e.u8(0)?.encode(rows)).expect("memory");
    payload
}

/// An index segment with any plaintext (codec byte first).
pub fn index_segment(plaintext: &[u8]) -> Vec<u8> {
    let head = [b"VOWINDX2", &[1][..], &SALT].concat();
    let key: [u8; 32] = expand(&INDEX_SECRET, &SALT, &[b"vow v1 index"]);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("32 bytes"));
    let sealed = seal(&key, [0; 12], &head, plaintext);
    [head, sealed].concat()
}

fn seal(key: &LessSafeKey, nonce: [u8; 12], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = plaintext.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed)
        .expect("the cipher takes short plaintexts");
    sealed
}

fn expand<const N: usize>(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> [u8; N] {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut output = [0; N];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(ikm);
    prk.expand(info, Length(N)).and_then(|okm| okm.fill(&mut output)).expect("a short output");
    output
}
