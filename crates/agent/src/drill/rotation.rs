//! Which part of a snapshot a sampled drill reads, so that every byte has its turn within a stated number of drills.
//!
//! Every unit (a small file, or a stretch of a large one) has a place on a circle, by a keyed hash of its path: it does not move when
//! other files come and go, and whoever controls the files cannot choose it. A drill reads what lies on an arc, and the next one goes on
//! where it ended. So any drills whose arcs together are the whole circle have read every unit that was there all the time, however
//! long each of the arcs was; and with equal ones the term is the inverse of their share.

use vow_base::amount::Bytes;
use vow_base::id::sha256;

/// Large files are read in stretches of about this, each with a place of its own.
pub const STRETCH_BYTES: u64 = 64 << 20;
/// No arc is shorter: whatever is asked for, some hundred thousand drills go round.
const WIDTH_MIN: u128 = CIRCLE.div_ceil(100_000);
const CIRCLE: u128 = 1 << 64;

/// How much is read in one drill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// All of it.
    Everything,
    /// About this share of it, in percent, above 0 and at most 100.
    Percent(f64),
    /// About so many bytes.
    Bytes(u64),
}

/// Why a text is not a sample.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a sample: write for example \"10%\", \"500MB\" or \"2GiB\"")]
pub struct BadSample(String);

impl std::str::FromStr for Sample {
    type Err = BadSample;

    fn from_str(text: &str) -> Result<Self, BadSample> {
        let bad = || BadSample(text.to_owned());
        let trimmed = text.trim();
        if let Some(percent) = trimmed.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| bad())?;
            return if percent > 0.0 && percent <= 100.0 { Ok(Self::Percent(percent)) } else { Err(bad()) };
        }
        trimmed
            .parse()
            .ok()
            .filter(|Bytes(bytes)| *bytes > 0)
            .map(|Bytes(bytes)| Self::Bytes(bytes))
            .ok_or_else(bad)
    }
}

/// The arc of one drill.
#[derive(Debug, Clone)]
pub struct Rotation {
    key: [u8; 32],
    from: u64,
    width: u128,
}

impl Rotation {
    /// The whole circle.
    pub fn everything() -> Self {
        Self { key: [0; 32], from: 0, width: CIRCLE }
    }

    /// An arc that begins where the last one ended, long enough for the sample out of `total_bytes`.
    pub fn new(key: [u8; 32], from: u64, sample: Sample, total_bytes: u64) -> Self {
        let width = match sample {
            Sample::Everything => CIRCLE,
            // Of a percentage six digits behind the point count.
            Sample::Percent(percent) => {
                (CIRCLE * (percent.clamp(0.0, 100.0) * 1e6).ceil() as u128).div_ceil(100_000_000)
            }
            Sample::Bytes(bytes) if bytes >= total_bytes => CIRCLE,
            Sample::Bytes(bytes) => (CIRCLE * u128::from(bytes)).div_ceil(u128::from(total_bytes.max(1))),
        };
        Self { key, from, width: width.clamp(WIDTH_MIN, CIRCLE) }
    }

    /// Where this drill begins.
    pub fn begin(&self) -> u64 {
        self.from
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        self.width == CIRCLE
    }

    /// The share of the whole, from 0 to 1.
    pub fn share(&self) -> f64 {
        self.width as f64 / CIRCLE as f64
    }

    /// After how many drills of this size every byte was read.
    pub fn term_drills(&self) -> u64 {
        u64::try_from(CIRCLE.div_ceil(self.width)).unwrap_or(u64::MAX)
    }

    /// Where the next drill begins.
    pub fn next(&self) -> u64 {
        self.from.wrapping_add(self.width as u64)
    }

    /// Whether the unit is read: the stretch with this number of the file at `path`.
    pub fn takes(&self, path: &[u8], stretch: u64) -> bool {
        self.is_everything() || u128::from(self.place(path, stretch).wrapping_sub(self.from)) < self.width
    }

    fn place(&self, path: &[u8], stretch: u64) -> u64 {
        let digest = sha256(&[&self.key[..], &stretch.to_le_bytes(), path].concat());
        let mut place = [0; 8];
        place.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn samples_are_read() {
        for (text, sample) in [
            ("10%", Sample::Percent(10.0)),
            ("0.5 %", Sample::Percent(0.5)),
            ("500MB", Sample::Bytes(500_000_000)),
            ("2 GiB", Sample::Bytes(2 << 30)),
            ("4096", Sample::Bytes(4096)),
        ] {
            assert_eq!(text.parse(), Ok(sample), "{text}");
        }
        for bad in ["", "%", "0%", "101%", "-1%", "NaN%", "0", "1.5GB", "GB", "99999999999999TB", "x"] {
            assert!(bad.parse::<Sample>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_share_is_about_what_was_asked_for() {
        let rotation = Rotation::new([7; 32], 99, Sample::Percent(10.0), 0);
        let taken = (0..20_000u32).filter(|n| rotation.takes(&n.to_le_bytes(), 0)).count();
        assert!((1800..2200).contains(&taken), "{taken}");
        assert_eq!(rotation.term_drills(), 10);
        assert!(Rotation::new([7; 32], 0, Sample::Bytes(5), 4).is_everything());
        assert_eq!(Rotation::new([7; 32], 0, Sample::Bytes(1), u64::MAX).term_drills(), 100_000);
    }

    proptest! {
        /// Whatever sizes the drills have: once their arcs add up to the circle, each unit was read, and no unit more than twice.
        #[test]
        fn every_unit_is_read_within_the_term(
            key in any::<[u8; 32]>(),
            start in any::<u64>(),
            percents in prop::collection::vec(1.0f64..60.0, 1..60),
            paths in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 1..40),
        ) {
            let (mut from, mut covered) = (start, 0u128);
            let mut read = vec![0; paths.len()];
            for percent in percents.iter().cycle() {
                let rotation = Rotation::new(key, from, Sample::Percent(*percent), 0);
                for (path, read) in paths.iter().zip(&mut read) {
                    *read += u32::from(rotation.takes(path, 3));
                }
                from = rotation.next();
                covered += rotation.width;
                if covered >= CIRCLE {
                    break;
                }
            }
            prop_assert!(read.iter().all(|times| (1..=2).contains(times)), "{read:?}");
        }

        /// With drills of one size the term that is stated is kept, from any beginning.
        #[test]
        fn the_stated_term_is_kept(key in any::<[u8; 32]>(), start in any::<u64>(), percent in 0.9f64..100.0, path in any::<[u8; 6]>()) {
            let first = Rotation::new(key, start, Sample::Percent(percent), 0);
            let mut rotation = first.clone();
            let mut read = false;
            for _ in 0..first.term_drills() {
                read |= rotation.takes(&path, 0);
                rotation = Rotation::new(key, rotation.next(), Sample::Percent(percent), 0);
            }
            prop_assert!(read);
        }
    }
}
