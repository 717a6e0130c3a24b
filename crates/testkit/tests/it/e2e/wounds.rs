//! What can happen to a stored file, and how it is undone.

use std::fs;
use std::path::{Path, PathBuf};

/// A change to a stored file behind everybody's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wound {
    /// One bit flips, at this many thousandths of the length.
    Flip(usize),
    /// The last byte is gone.
    Shorter,
    /// The second half is gone.
    Truncated,
    /// A block in the middle is zeros, as after a lost write.
    Zeroed,
    /// Nothing is left of the content.
    Emptied,
    /// The file is gone.
    Deleted,
    /// Something was added at the end.
    Appended,
    /// It changed places with another one.
    Swapped,
}

/// All of them.
pub(super) const WOUNDS: [Wound; 11] = [
    Wound::Flip(0),
    Wound::Flip(150),
    Wound::Flip(500),
    Wound::Flip(999),
    Wound::Shorter,
    Wound::Truncated,
    Wound::Zeroed,
    Wound::Emptied,
    Wound::Deleted,
    Wound::Appended,
    Wound::Swapped,
];

/// A wound that heals when the value goes away.
pub(super) struct Wounded {
    saved: Vec<(PathBuf, Vec<u8>)>,
}

impl Wounded {
    /// Wounds `path`; `other` is what it is swapped with. `None` when that would change nothing.
    pub(super) fn new(path: &Path, other: Option<&Path>, wound: Wound) -> Option<Self> {
        let before = fs::read(path).unwrap();
        let mut saved = vec![(path.to_owned(), before.clone())];
        let mut bytes = before.clone();
        let length = bytes.len();
        match wound {
            Wound::Flip(_) if length == 0 => return None,
            Wound::Flip(thousandths) => bytes[length * thousandths / 1000] ^= 0x10,
            Wound::Shorter => bytes.truncate(length.saturating_sub(1)),
            Wound::Truncated => bytes.truncate(length / 2),
            Wound::Zeroed => bytes[length / 3..(length / 3 + 512).min(length)].fill(0),
            Wound::Emptied => bytes.clear(),
            Wound::Deleted => {}
            Wound::Appended => bytes.extend(b"more"),
            Wound::Swapped => {
                let other = other?;
                bytes = fs::read(other).unwrap();
                saved.push((other.to_owned(), bytes.clone()));
                fs::write(other, &before).unwrap();
            }
        }
        if wound == Wound::Deleted {
            fs::remove_file(path).unwrap();
        } else if bytes == before {
            return None;
        } else {
            fs::write(path, bytes).unwrap();
        }
        Some(Self { saved })
    }
}

impl Drop for Wounded {
    fn drop(&mut self) {
        for (path, bytes) in &self.saved {
            let _ = fs::write(path, bytes);
        }
    }
}
