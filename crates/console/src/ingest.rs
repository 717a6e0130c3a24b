//! Taking in what hosts report: checked, stored, judged, ticketed, in one transaction.

mod check;
mod expect;
pub mod judge;
mod queue;
mod take;

pub use check::{IngestError, check};
pub use expect::{ActError, act};
pub use judge::Judge;
pub use queue::{Arrived, Queue};
pub(crate) use take::held;
pub use take::take;
