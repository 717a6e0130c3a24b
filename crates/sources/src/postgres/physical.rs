//! A PostgreSQL cluster as a whole, by base backup, and its log: what can be brought back to any moment.
//!
//! `capture` makes the base backup in a `staging` folder and hands it out as files; `log` receives what the server writes after it;
//! `stored` makes a restored one a data directory again; `scratch` starts a server from it that reaches nobody, and `pour` takes a
//! database out of that.

mod capture;
mod facts;
mod log;
mod pour;
mod reach;
mod scratch;
mod segment;
mod staging;
mod stored;

pub use capture::{BACKUP, Physical, PhysicalOptions};
pub use facts::{Backup, PhysicalDatabase, Tablespace, WalRange};
pub use log::{LOG_KIND, LogOptions};
pub(crate) use scratch::{prove, restore};
pub use segment::{Gap, Segment, gaps};
pub(crate) use stored::{After, settle};
pub use stored::{StoredBackup, is_physical, log_source};
