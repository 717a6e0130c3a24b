//! Plain values of the console, without I/O: what a rule sees, what it says, and what becomes of that.
//!
//! `rules` make problems out of runs, history and facts; `tickets` make tickets and notices out of problems; `notify` delivers
//! messages about tickets. The database stores these values, the pages show them. Times are seconds since 1970 by the console's
//! clock unless the name says otherwise.

mod facts;
mod key;
mod message;
mod problem;
mod run;
mod ticket;

pub use facts::{Around, ClockSample, Held, HostFacts, LastRun, LevelFacts, Mark, Proof, Usage, VaultFacts};
pub use key::{Key, KeyError, RuleName, Subject};
pub use message::{Delivery, Message, Outgoing, State};
pub use problem::{Evidence, Judged, Problem, Severity, Verdict};
pub use run::{HISTORY_MAX, History, Past, Reference, Run};
pub use ticket::{Action, Change, Notice, NoticeKind, Status, Ticket, TicketEvent};
