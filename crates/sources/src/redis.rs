//! Redis and Valkey servers: an RDB by replication, with what no RDB has: ACL users, settings, configuration files.
//!
//! [`RedisOptions`] is the source. `redis-cli --rdb -` dumps, `redis-check-rdb` reads along (`judge`), and `rdb` checks the end. A snapshot is
//! proven, and restored into a running server, through a `scratch` server. `docs/sources.md` describes the files of a snapshot.

mod access;
mod adapter;
mod capture;
mod client;
mod discover;
mod error;
mod facts;
mod judge;
mod prove;
mod rdb;
mod restore;
mod sabotage;
mod scratch;
mod settings;
mod truth;
mod url;
mod values;

pub use access::AccessOptions;
pub use adapter::Adapter;
pub use capture::{DEFAULT_MAX_LAG_SECS, RedisOptions};
pub use error::RedisError;
pub use truth::{DatabaseTruth, TRUTH_FORMAT, Truth, VERSION, ValueTruth};
pub use url::Url;
