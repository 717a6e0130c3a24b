//! Following a vault's ledger: where it was read to, and whether what it shows now continues that. Pure.

use vow_base::ObjectId;
use vow_protocol::wire::Status;

/// Where a ledger was read to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    /// The newest position.
    pub(super) position: u64,
    /// The id of the entry there.
    pub(super) head: Option<ObjectId>,
}

/// How a vault's own word contradicts what was read of it before.
pub(super) fn contradiction(read: Read, status: &Status) -> Option<String> {
    if status.ledger < read.position {
        return Some(format!(
            "its ledger was read up to entry {}, and ends at {} now",
            read.position, status.ledger
        ));
    }
    let now = status.head.as_ref().map(|head| head.0);
    if status.ledger == read.position && read.position > 0 && now.is_some() && now != read.head {
        return Some(format!("entry {} of its ledger is another one than it was", read.position));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use vow_protocol::wire::Hex;

    #[test]
    fn a_ledger_only_grows() {
        let id = |n: u8| ObjectId([n; 32]);
        let status =
            |ledger, head: Option<u8>| Status { ledger, head: head.map(|n| Hex(id(n))), ..Status::default() };
        let read = |position, head: Option<u8>| Read { position, head: head.map(id) };
        assert_eq!(contradiction(read(0, None), &status(0, None)), None);
        assert_eq!(contradiction(read(0, None), &status(9, Some(9))), None);
        assert_eq!(contradiction(read(9, Some(9)), &status(9, Some(9))), None);
        assert_eq!(contradiction(read(9, Some(9)), &status(10, Some(1))), None);
        assert!(contradiction(read(9, Some(9)), &status(9, Some(8))).is_some());
        assert!(contradiction(read(9, Some(9)), &status(8, Some(8))).is_some());
        assert!(contradiction(read(9, Some(9)), &status(0, None)).is_some());
    }
}
