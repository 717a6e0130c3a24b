//! What rules remember of earlier runs, in few bytes: it is read and written with every report.

use super::DbError;
use crate::records::{Past, RuleName};
use vow_protocol::report::Outcome;

/// The layout below.
const VERSION: u8 = 1;
const RECORD_BYTES: usize = 16 + 8 + 8 + 1 + 8 + 8 + 8 + 4 + 4 + 4 + 8;
const NONE: u32 = u32::MAX;

/// Bits of rules. A rule keeps its bit for ever; a new one is added at the end.
const BITS: [RuleName; 28] = [
    RuleName::Failed,
    RuleName::Partial,
    RuleName::Missing,
    RuleName::ZeroLength,
    RuleName::EndMarker,
    RuleName::Duration,
    RuleName::Size,
    RuleName::NewBytes,
    RuleName::Trees,
    RuleName::Changed,
    RuleName::Types,
    RuleName::Entropy,
    RuleName::Objects,
    RuleName::OutOfStep,
    RuleName::VaultFilling,
    RuleName::VaultSilent,
    RuleName::HostSilent,
    RuleName::ClockSkew,
    RuleName::VersionOld,
    RuleName::DrillFailed,
    RuleName::DrillOverdue,
    RuleName::DrillBroken,
    RuleName::RestoreSlow,
    RuleName::SelfTest,
    RuleName::ChannelDown,
    RuleName::VaultSetBack,
    RuleName::Audit,
    RuleName::Policy,
];

/// All of them, one after the other.
pub(super) fn encode(past: &[Past]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + past.len() * RECORD_BYTES);
    bytes.push(VERSION);
    for run in past {
        // Ids are 32 hexadecimal digits: ingest takes no other.
        bytes.extend(u128::from_str_radix(&run.report, 16).unwrap_or(0).to_be_bytes());
        bytes.extend(run.started_secs.to_be_bytes());
        bytes.extend(run.duration_secs.to_be_bytes());
        bytes.push(match run.outcome {
            Outcome::Ok => 0,
            Outcome::Partial => 1,
            Outcome::Failed => 2,
        });
        for number in [run.files, run.bytes, run.added_bytes] {
            bytes.extend(number.to_be_bytes());
        }
        for share in [run.changed_ppm, run.mistyped_ppm, run.random_ppm] {
            bytes.extend(share.unwrap_or(NONE).to_be_bytes());
        }
        let spoke = BITS.iter().enumerate().filter(|(_, rule)| run.spoke.contains(rule));
        bytes.extend(spoke.fold(0_u64, |bits, (at, _)| bits | 1 << at).to_be_bytes());
    }
    bytes
}

/// Reads them back.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Past>, DbError> {
    let wrong = |reason: &str| DbError::Row { column: "past".to_owned(), reason: reason.to_owned() };
    let Some((version, rest)) = bytes.split_first() else { return Ok(Vec::new()) };
    if *version != VERSION {
        return Err(wrong("it is of a newer version"));
    }
    let (records, surplus) = rest.as_chunks::<RECORD_BYTES>();
    if !surplus.is_empty() {
        return Err(wrong("it is cut"));
    }
    records.iter().map(|record| read(&mut &record[..]).ok_or_else(|| wrong("a run makes no sense"))).collect()
}

fn read(bytes: &mut &[u8]) -> Option<Past> {
    let report = format!("{:032x}", u128::from_be_bytes(take(bytes)?));
    let started_secs = i64::from_be_bytes(take(bytes)?);
    let duration_secs = f64::from_be_bytes(take(bytes)?);
    let [outcome] = take(bytes)?;
    let outcome = match outcome {
        0 => Outcome::Ok,
        1 => Outcome::Partial,
        2 => Outcome::Failed,
        _ => return None,
    };
    let mut number = || take(bytes).map(u64::from_be_bytes);
    let (files, size, added_bytes) = (number()?, number()?, number()?);
    let mut share = || Some(Some(u32::from_be_bytes(take(bytes)?)).filter(|share| *share != NONE));
    let (changed_ppm, mistyped_ppm, random_ppm) = (share()?, share()?, share()?);
    let bits = u64::from_be_bytes(take(bytes)?);
    let spoke =
        BITS.iter().enumerate().filter(|(at, _)| bits & 1 << at != 0).map(|(_, rule)| *rule).collect();
    Some(Past {
        report,
        started_secs,
        duration_secs,
        outcome,
        files,
        bytes: size,
        added_bytes,
        changed_ppm,
        mistyped_ppm,
        random_ppm,
        spoke,
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(seed: u64) -> Past {
        Past {
            report: format!("{:032x}", u128::from(seed) << 64 | 7),
            started_secs: -5 + seed as i64,
            duration_secs: 1.5 * seed as f64,
            outcome: [Outcome::Ok, Outcome::Partial, Outcome::Failed][seed as usize % 3],
            files: seed,
            bytes: u64::MAX - seed,
            added_bytes: seed << 40,
            changed_ppm: seed.is_multiple_of(2).then_some(seed as u32),
            mistyped_ppm: None,
            random_ppm: Some(1_000_000),
            spoke: RuleName::ALL.into_iter().skip(seed as usize % 28).step_by(3).collect(),
        }
    }

    #[test]
    fn the_past_reads_as_it_was_written() {
        let all: Vec<_> = (0..400).map(past).collect();
        let bytes = encode(&all);
        assert!(bytes.len() < 40_000);
        assert_eq!(decode(&bytes).expect("just written"), all);
        assert_eq!(decode(&[]).expect("nothing"), []);
        assert_eq!(decode(&encode(&[])).expect("nothing"), []);
    }

    #[test]
    fn what_is_cut_or_newer_is_no_past() {
        let bytes = encode(&[past(1), past(2)]);
        assert!(
            (2..bytes.len())
                .filter(|end| (end - 1) % RECORD_BYTES != 0)
                .all(|end| decode(&bytes[..end]).is_err())
        );
        assert!(decode(&[2]).is_err());
    }

    #[test]
    fn every_rule_has_a_bit() {
        assert!(RuleName::ALL.iter().all(|rule| BITS.contains(rule)));
        assert!(BITS.len() <= 64);
    }
}
