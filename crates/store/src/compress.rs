//! Compression of record contents, and the quick look that tells what is not worth compressing.

use crate::record::CONTENT_LIMIT_BYTES;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// The level that wins the table in `docs/performance.md`.
pub const DEFAULT_LEVEL: i32 = 1;
/// Contents below this are not sampled: trying is cheaper.
const SAMPLE_FROM_BYTES: usize = 16 << 10;
const SAMPLE_BYTES: usize = 4 << 10;
/// Order-0 entropy in bits per byte above which data counts as incompressible. Random samples of 12 KiB measure 7.98 and more.
const INCOMPRESSIBLE_BITS: f32 = 7.9;

/// How a payload is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// As it is.
    Stored = 0,
    /// As one zstd frame.
    Zstd = 1,
}

/// Why a payload could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CodecError {
    /// The codec byte is unknown, or there is none.
    #[error("unknown codec")]
    Unknown,
    /// The frame is damaged or does not have the length expected.
    #[error("the content does not have the length expected")]
    Length,
}

/// Compresses; keeps its working memory between calls.
pub struct Packer {
    level: i32,
    compressor: Compressor<'static>,
    /// For what is cut finely; made when first needed.
    fine: Option<Compressor<'static>>,
    buffer: Vec<u8>,
}

impl Packer {
    /// With this zstd level.
    pub fn new(level: i32) -> std::io::Result<Self> {
        Ok(Self { level, compressor: Compressor::new(level)?, fine: None, buffer: Vec::new() })
    }

    /// The payload to store for `content`: compressed when that saves at least 1/32.
    pub fn pack<'a>(&'a mut self, content: &'a [u8]) -> (Codec, &'a [u8]) {
        pack(&mut self.compressor, &mut self.buffer, content)
    }

    /// The same for database dumps and disk images, whose like parts lie further apart than the lowest levels look.
    pub fn pack_fine<'a>(&'a mut self, content: &'a [u8]) -> (Codec, &'a [u8]) {
        if self.fine.is_none() && self.level <= FINE_LEVEL_MAX {
            self.fine = fine(self.level).ok();
        }
        pack(self.fine.as_mut().unwrap_or(&mut self.compressor), &mut self.buffer, content)
    }
}

/// Up to this level finely cut data is compressed with [`FINE`]; higher ones look far by themselves.
const FINE_LEVEL_MAX: i32 = 2;
/// A window of a whole group, and a table that remembers all of it: what the lowest levels use forgets a group of 1 MiB while it is
/// read. Measured in `docs/performance.md`.
const FINE: [CParameter; 3] = [CParameter::WindowLog(20), CParameter::HashLog(17), CParameter::MinMatch(6)];

fn fine(level: i32) -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(level)?;
    FINE.into_iter().try_for_each(|parameter| compressor.set_parameter(parameter))?;
    Ok(compressor)
}

fn pack<'a>(
    compressor: &mut Compressor<'static>,
    buffer: &'a mut Vec<u8>,
    content: &'a [u8],
) -> (Codec, &'a [u8]) {
    if looks_incompressible(content) {
        return (Codec::Stored, content);
    }
    // Room for what is worth keeping only: zstd gives up early when the output would be larger.
    let room = content.len() - content.len() / 32;
    if buffer.len() < room {
        buffer.resize(room, 0);
    }
    match compressor.compress_to_buffer(content, &mut buffer[..room]) {
        Ok(length) => (Codec::Zstd, &buffer[..length]),
        Err(_) => (Codec::Stored, content),
    }
}

/// Decompresses; keeps its working memory between calls.
pub struct Unpacker {
    decompressor: Decompressor<'static>,
}

impl Unpacker {
    /// A new one.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { decompressor: Decompressor::new()? })
    }

    /// Reads a record's plaintext (codec byte first) whose content has `length` bytes, into `content`.
    ///
    /// The length is the decoder's limit: a bomb runs out of room, it does not run away.
    pub fn unpack(
        &mut self,
        plaintext: &[u8],
        length: usize,
        content: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        if length > CONTENT_LIMIT_BYTES {
            return Err(CodecError::Length);
        }
        self.unpack_up_to(plaintext, length, content)?;
        if content.len() == length { Ok(()) } else { Err(CodecError::Length) }
    }

    /// The same for a content of at most `limit` bytes.
    pub fn unpack_up_to(
        &mut self,
        plaintext: &[u8],
        limit: usize,
        content: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        content.clear();
        let (codec, payload) = plaintext.split_first().ok_or(CodecError::Unknown)?;
        match codec {
            0 => content.extend_from_slice(payload),
            1 => {
                content.reserve_exact(limit);
                self.decompressor.decompress_to_buffer(payload, content).map_err(|_| CodecError::Length)?;
            }
            _ => return Err(CodecError::Unknown),
        }
        if content.len() <= limit { Ok(()) } else { Err(CodecError::Length) }
    }
}

/// Whether three samples of the content look like noise (compressed, encrypted, media).
fn looks_incompressible(content: &[u8]) -> bool {
    if content.len() < SAMPLE_FROM_BYTES {
        return false;
    }
    let mut counts = [0u32; 256];
    let last = content.len() - SAMPLE_BYTES;
    for start in [0, last / 2, last] {
        for byte in &content[start..start + SAMPLE_BYTES] {
            counts[usize::from(*byte)] += 1;
        }
    }
    let total = (3 * SAMPLE_BYTES) as f32;
    let bits = |count: &u32| {
        let share = *count as f32 / total;
        if *count == 0 { 0.0 } else { -share * share.log2() }
    };
    counts.iter().map(bits).sum::<f32>() > INCOMPRESSIBLE_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    fn round_trip(content: &[u8]) -> Codec {
        let mut packer = Packer::new(DEFAULT_LEVEL).expect("zstd");
        let (codec, payload) = packer.pack(content);
        let plaintext = [&[codec as u8], payload].concat();
        let mut back = Vec::new();
        Unpacker::new().expect("zstd").unpack(&plaintext, content.len(), &mut back).expect("unpacks");
        assert_eq!(back, content);
        codec
    }

    proptest! {
        #[test]
        fn contents_come_back(content in proptest::collection::vec(0u8..4, 0..5000)) {
            round_trip(&content);
        }
    }

    #[test]
    fn text_is_compressed_and_noise_is_not() {
        assert_eq!(round_trip(&b"all work and no play ".repeat(5000)), Codec::Zstd);
        assert!(looks_incompressible(&noise(100_000)));
        assert_eq!(round_trip(&noise(100_000)), Codec::Stored);
        assert_eq!(round_trip(&noise(1_000)), Codec::Stored);
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 10 << 20], 3).expect("zstd");
        let plaintext = [&[1][..], &bomb].concat();
        let mut content = Vec::new();
        let mut unpacker = Unpacker::new().expect("zstd");
        assert_eq!(unpacker.unpack(&plaintext, 1000, &mut content), Err(CodecError::Length));
        assert!(content.capacity() < 100_000);
        assert_eq!(unpacker.unpack(&plaintext, usize::MAX, &mut content), Err(CodecError::Length));
    }
}
