//! A vault: the tree of section 1 of `docs/format.md` and of `docs/vault.md`, in a directory or a bucket, written once and never changed.
//!
//! What this crate cannot do is the point of it: it holds no key that opens anything, it links no code that decrypts, and it
//! has no verb that deletes or replaces.
//!
//! | operation | waits for | what makes its answer true after a power cut |
//! |---|---|---|
//! | [`Vault::create`] | nothing | `VOW` gets its name last, when everything else is durable |
//! | [`Vault::join`] | nothing | `host.pub` gets its name last, when the host's folders are durable |
//! | put | nothing | [`vow_base::publish`], in a folder that is durable since the join |
//! | commit | other commits, by the vault's lock | the names of everything new it relies on, the manifest, the receipt: in this order |
//! | everything of [`Retrieve`](vow_base::vault::Retrieve) | nothing | it changes nothing |
//!
//! A receipt in the ledger is what makes a manifest count. A manifest without one is a commit that was cut short; committing it
//! again completes it. After a sync that failed, a vault that is open takes no more writes; reading goes on.

pub mod access;
mod chapters;
pub mod chores;
mod commit;
mod create;
mod deposit;
mod entries;
mod fuse;
mod heads;
mod join;
mod ledger;
mod local;
mod lock;
mod objects;
mod pages;
pub mod proofs;
mod remembered;
pub mod replicate;
pub mod retention;
mod retrieve;
pub mod scrub;
pub mod server;
pub mod state;
pub mod storage;
pub mod sweep;
mod texts;
mod tree;
mod vault;
mod verify;
mod witness;
mod words;

pub use deposit::HostDeposit;
pub use heads::HeadsSeen;
pub use objects::Put;
pub use pages::Page;
pub use texts::{parse_vault_key, vault_key_text};
pub use vault::Vault;
pub use verify::LedgerReport;
pub use witness::Story;
