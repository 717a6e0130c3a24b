//! What packs say they hold, remembered within bounds.

use super::findings::Findings;
use super::host::Host;
use crate::pack::Row;
use crate::record::Place;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Rows, and chunks in groups, remembered; each takes some 60 bytes.
const ROWS_MAX: usize = 1 << 20;

pub(super) type Records = Vec<(Place<()>, Row)>;

#[derive(Default)]
pub(super) struct Trailers {
    read: HashMap<u32, Rc<Records>>,
    rows: usize,
    /// Packs whose trailer cannot be read; that was reported.
    bad: HashSet<u32>,
}

impl Trailers {
    /// The pack is not what it should be, and that was reported.
    pub(super) fn give_up(&mut self, number: u32) {
        self.read.remove(&number);
        self.bad.insert(number);
    }

    /// The records of the pack with this number; none when its trailer cannot be read, which is then a finding about the pack.
    pub(super) fn of(
        &mut self,
        host: &Host<'_>,
        number: u32,
        findings: &mut Findings,
    ) -> Option<Rc<Records>> {
        if let Some(records) = self.read.get(&number) {
            return Some(records.clone());
        }
        if self.bad.contains(&number) {
            return None;
        }
        let (pack, length) = host.packs.get(number as usize)?;
        match host.archive.trailer(&host.id, pack, *length) {
            Ok(records) => {
                let rows = records.iter().map(|(_, row)| row.size()).sum::<usize>();
                if self.rows + rows > ROWS_MAX {
                    self.read.clear();
                    self.rows = 0;
                }
                self.rows += rows;
                let records = Rc::new(records);
                self.read.insert(number, records.clone());
                Some(records)
            }
            Err(error) => {
                // A pack of a run that was sealed to somebody else is not damaged; whoever has that identity can tell.
                if !error.is_identity() {
                    findings.blame(*pack, error);
                }
                self.bad.insert(number);
                None
            }
        }
    }
}
