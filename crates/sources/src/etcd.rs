//! etcd: a snapshot by `etcdctl`, proven by restoring it, which checks its hash. A small adapter; `docs/sources.md` says what it does
//! not do.

mod adapter;
mod capture;

pub use adapter::Adapter;
pub use capture::{EtcdOptions, TRUTH_FORMAT, Truth, VERSION};
