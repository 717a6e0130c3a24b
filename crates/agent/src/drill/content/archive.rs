//! Archives, walked to their end.

use super::{Checked, fill};
use flate2::read::MultiGzDecoder;
use std::io::{self, Cursor, Read};

const BLOCK: usize = 512;

/// All of a gzip file, whose checksum stands at its end; inside it a tar archive, perhaps.
pub(super) fn gzip(data: &mut dyn Read, is_tar: bool) -> Checked {
    let mut plain = MultiGzDecoder::new(data);
    if is_tar {
        tar(&mut plain)?;
    }
    // What stands behind the end of an archive belongs to the checksum as well.
    io::copy(&mut plain, &mut io::sink())
        .map(|_| ())
        .map_err(|error| format!("it cannot be unpacked to its end: {error}"))
}

/// Every header of a tar archive, by its checksum, and the end that it must have.
pub(super) fn tar(data: &mut dyn Read) -> Checked {
    let mut header = [0; BLOCK];
    let mut members = 0u64;
    loop {
        let length =
            fill(data, &mut header).map_err(|error| format!("it cannot be read to its end: {error}"))?;
        if length < BLOCK {
            return Err(format!("it breaks off after {members} members: there is no end mark"));
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        if !has_checksum(&header) {
            return Err(format!("what follows its member {members} is no header of tar"));
        }
        let size =
            size(&header[124..136]).ok_or_else(|| format!("its member {} has no size", members + 1))?;
        // Links and folders have no data, whatever their size says.
        let size = if matches!(header[156], b'1'..=b'6') { 0 } else { size };
        let padded = size.checked_next_multiple_of(BLOCK as u64).ok_or("a member has an absurd size")?;
        let skipped = io::copy(&mut data.take(padded), &mut io::sink());
        if skipped.map_err(|error| format!("it cannot be read to its end: {error}"))? < padded {
            return Err(format!("it breaks off in its member {}", members + 1));
        }
        members += 1;
    }
}

fn has_checksum(header: &[u8; BLOCK]) -> bool {
    let Some(stated) = octal(&header[148..156]) else { return false };
    let byte = |(at, byte): (usize, &u8)| if (148..156).contains(&at) { b' ' } else { *byte };
    let sum: u64 = header.iter().enumerate().map(byte).map(u64::from).sum();
    // Some old programs added up signed bytes.
    let signed: i64 = header.iter().enumerate().map(byte).map(|byte| i64::from(byte.cast_signed())).sum();
    sum == stated || i64::try_from(stated) == Ok(signed)
}

fn size(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 == 0 {
        return octal(field);
    }
    // Large sizes in base 256.
    let (high, low) = field.split_at(4);
    (high[0] == 0x80 && high[1..] == [0, 0, 0])
        .then(|| low.iter().fold(0, |size, byte| size << 8 | u64::from(*byte)))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// Every member of a zip archive, by the table at its end and by their checksums.
pub(super) fn zip(bytes: &[u8]) -> Checked {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| format!("its table of members cannot be read: {error}"))?;
    for number in 0..archive.len() {
        let mut member = match archive.by_index(number) {
            Ok(member) => member,
            // Encrypted, or packed in a way that is not known here: nothing can be said about this member.
            Err(zip::result::ZipError::UnsupportedArchive(_)) => continue,
            Err(error) => return Err(format!("its member {} cannot be opened: {error}", number + 1)),
        };
        let copied = io::copy(&mut member, &mut io::sink());
        copied.map_err(|error| format!("its member {} is damaged: {error}", number + 1))?;
    }
    Ok(())
}

/// The same for one that is too large to be held: member by member, without the table at the end.
pub(super) fn zip_stream(data: &mut dyn Read) -> Checked {
    let mut number = 0;
    let mut data = data;
    loop {
        number += 1;
        match zip::read::read_zipfile_from_stream(&mut data) {
            Ok(None) => return Ok(()),
            Ok(Some(mut member)) => {
                let copied = io::copy(&mut member, &mut io::sink());
                copied.map_err(|error| format!("its member {number} is damaged: {error}"))?;
            }
            Err(zip::result::ZipError::UnsupportedArchive(_)) => return Ok(()),
            Err(error) => return Err(format!("its member {number} cannot be opened: {error}")),
        }
    }
}
