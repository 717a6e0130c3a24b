//! Findings of the audit that were accepted: by name, with a reason, until a day.

use jiff::civil::Date;

/// An accepted finding, as the plan has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The finding's name; what lies below its path is accepted with it.
    pub finding: String,
    /// Why.
    pub reason: String,
    /// By whom.
    pub by: String,
    /// The last day on which it holds.
    pub until: Date,
}
