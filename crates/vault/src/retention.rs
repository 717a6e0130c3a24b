//! Retention: which snapshots are kept and which expire, with every reason. Pure functions; nothing is read or removed here.
//!
//! [`plan()`] decides from what the vault knows about its snapshots, the rules and when each version of them came into force, and the
//! time. [`brake()`] says whether carrying the plan out would take too much away at once. `docs/vault.md` describes the rules.

mod brake;
mod explain;
mod healthy;
mod plan;
mod policy;
mod reason;
mod rules;
mod slots;
mod snapshot;
mod term;

pub(crate) use brake::is_within_share;
pub use brake::{Braked, brake};
pub use explain::{Report, Row, Said, expiring_table, table};
pub use healthy::Uncounted;
pub use plan::{Decision, Plan, plan};
pub use policy::{BadPolicy, InForce, Policy, TEXT_LIMIT_BYTES, Version};
pub use reason::{Expire, Keep};
pub use rules::Rules;
pub(crate) use slots::stamp;
pub use slots::{Period, Slot};
pub use snapshot::{Hold, Marks, Snapshot, settle_times};
pub use term::{BadTerm, Term};
