//! The limits that both sides keep.

use std::time::Duration;

/// The version of the protocol this program speaks.
pub const PROTOCOL: u32 = 1;

/// At most this many ids in one question about what is missing, and in its answer.
pub const MISSING_MAX: usize = 10_000;
/// At most this many objects in one page of a list.
pub const OBJECTS_PAGE_MAX: usize = 10_000;
/// At most this many ledger entries in one page.
pub const ENTRIES_PAGE_MAX: usize = 1_000;
/// At most this many keys are granted `restore` by a join.
pub const READERS_MAX: usize = 64;
/// At most this many hosts in one list.
pub const HOSTS_MAX: usize = 100_000;
/// Names of tenants and hosts have at most this many characters.
pub const NAME_MAX_CHARS: usize = 63;

/// The longest signed proof that a vault takes, in bytes; those of what was found right have some 1,000.
pub const PROOF_LIMIT_BYTES: usize = 64 << 10;
/// The longest request body in JSON, in bytes: a full question about what is missing takes 670,000.
pub const REQUEST_JSON_LIMIT_BYTES: usize = 1 << 20;
/// The longest answer in JSON, in bytes: a full page of entries of the longest kind takes 5.5 million.
pub const ANSWER_JSON_LIMIT_BYTES: usize = 32 << 20;
/// The longest text of an error that is read or shown, in bytes. Errors that list objects are as long as other answers.
pub const MESSAGE_LIMIT_BYTES: usize = 4 << 10;
/// The longest path and query of a request, in bytes; the longest real one has 268.
pub const TARGET_LIMIT_BYTES: usize = 512;

/// The head of a request arrives whole, in this many bytes.
pub const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// The head of a request arrives whole, within this time.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// Bodies are watched in windows of this length.
pub const PACE_WINDOW: Duration = Duration::from_secs(30);
/// A request body that moves less than this in one window is given up by the vault, in bytes: 16 KiB/s.
pub const PACE_LEAST_BYTES: u64 = 30 * (16 << 10);
/// A connection on which nothing is asked for this long is closed by the vault.
pub const IDLE_TIME: Duration = Duration::from_secs(60);

/// Whether this can be the name of a tenant or host: 1 to 63 characters of `a-z 0-9 . _ -`, starting with a letter or digit.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
    let first = name.bytes().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    first && name.len() <= NAME_MAX_CHARS && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_configuration() {
        assert!(is_name("web-1") && is_name("9.a_b") && is_name(&"a".repeat(63)));
        for bad in ["", "-a", ".", "..", "Web", "a b", "a/b", "ä", "a\0", &"a".repeat(64)] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
