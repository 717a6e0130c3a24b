//! Taking in what hosts report: checked, stored, judged, ticketed, in one transaction.

mod check;
mod expect;
pub mod judge;
mod look;
mod queue;
mod take;

pub(crate) use check::AMOUNT_MAX;
pub use check::{IngestError, check};
pub use expect::{ActError, act};
pub use judge::Judge;
pub use look::look;
pub use queue::{Arrived, Queue};
pub(crate) use take::held;
pub use take::take;
