//! The bodies that travel as JSON. A name that is absent is left out; unknown names are ignored.

mod text;

pub use text::{Base64, Hex, KindWord, Raw32};

use serde::{Deserialize, Serialize};
use vow_base::clock::Nanos;
use vow_base::sign::PublicKey;
use vow_base::{HostId, ObjectId};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A host: add to its own folder, and see again what is of no use to an intruder.
    Write,
    /// A restorer: read everything of one host or one tenant.
    Restore,
    /// A drill host: add signed proofs of snapshots of one host or one tenant.
    Prove,
    /// Another vault: read everything.
    Replicate,
    /// A console: read receipts and health of everything.
    Console,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Write, Self::Restore, Self::Prove, Self::Replicate, Self::Console];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Restore => "restore",
            Self::Prove => "prove",
            Self::Replicate => "replicate",
            Self::Console => "console",
        }
    }

    /// The role with this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// `GET /v1/vault`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The vault's key.
    pub vault: Hex<PublicKey>,
    /// The version of the protocol it speaks.
    pub protocol: u32,
    /// The program that answers.
    pub software: String,
    /// The vault's clock.
    pub time: Nanos,
    /// What the asking key may do; absent when nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Role `write`: the host's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Hex<HostId>>,
    /// Role `write`: whether the host has said, signed, what vaults that copy from this one are to know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<bool>,
}

/// The body of `POST /v1/join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The secret of the join token.
    pub secret: crate::token::JoinSecret,
    /// The customer; must be that of the token when the token names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The name the host is known by.
    pub name: String,
    /// Keys that may read what this host sends.
    #[serde(default)]
    pub readers: Vec<Hex<PublicKey>>,
    /// The same, signed by the host, for vaults that copy from this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduction: Option<Base64>,
}

/// The answer to `POST /v1/join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The vault's key.
    pub vault: Hex<PublicKey>,
    /// What the key that joined may do from now on.
    pub role: Role,
    /// The customer.
    pub tenant: String,
    /// The name.
    pub name: String,
}

/// Body and answer of `POST …/missing`: at most [`MISSING_MAX`](crate::limits::MISSING_MAX) ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The ids.
    pub ids: Vec<Hex<ObjectId>>,
}

/// A page of ledger entries: of `…/receipts` and `…/snapshots`, where they are receipts, and of `/v1/ledger`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entries {
    /// Stored bytes, in ledger order; at most [`ENTRIES_PAGE_MAX`](crate::limits::ENTRIES_PAGE_MAX).
    #[serde(rename = "receipts")]
    pub entries: Vec<Base64>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// A page of a list of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    /// Id and stored length in bytes, by id; at most [`OBJECTS_PAGE_MAX`](crate::limits::OBJECTS_PAGE_MAX).
    pub objects: Vec<(Hex<ObjectId>, u64)>,
    /// Whether there are more after the last one.
    pub more: bool,
}

/// `GET /v1/hosts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hosts {
    /// Those this key may see; at most [`HOSTS_MAX`](crate::limits::HOSTS_MAX).
    pub hosts: Vec<HostEntry>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Its signing key.
    pub key: Hex<PublicKey>,
    /// The customer it belongs to; empty when it joined without one.
    #[serde(default)]
    pub tenant: String,
    /// Its name; empty when it joined without one.
    #[serde(default)]
    pub name: String,
}

/// `GET /v1/hosts/{host}/introduction`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduced {
    /// What the host said of itself when it joined, signed: stored bytes.
    pub introduction: Base64,
    /// Readers in it that may read no more here, by the SHA-256 of their keys.
    #[serde(default)]
    pub shut_out: Vec<Hex<HostId>>,
}

/// `GET /v1/status`: the health of a vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The program that answers.
    pub software: String,
    /// The vault's clock.
    pub time: Nanos,
    /// When the program that answers was started.
    pub started: Nanos,
    /// Why nothing is stored at present: a sync failed, the disk is read-only, … Absent when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
    /// Why the clock is in doubt, so that nothing expires. Absent when it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_doubt: Option<String>,
    /// Position of the newest ledger entry; 0 when there is none.
    pub ledger: u64,
    /// Id of that entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<Hex<ObjectId>>,
    /// Deletions that were announced and not finished.
    pub deletions_unfinished: u64,
    /// Space, where the storage knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<Space>,
    /// What is kept.
    pub counts: Counts,
    /// The last sweep that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Pass>,
    /// The last scrub that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scrub: Option<Pass>,
    /// What the vault does by itself, and how that stands.
    pub chores: Vec<ChoreHealth>,
    /// What somebody must look at.
    pub findings: Vec<Finding>,
    /// Every host that has joined, by its id.
    pub hosts: Vec<HostHealth>,
}

/// What a vault has of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHealth {
    /// Its id.
    pub host: Hex<HostId>,
    /// The customer it belongs to; empty when it joined without one.
    #[serde(default)]
    pub tenant: String,
    /// Its name; empty when it joined without one.
    #[serde(default)]
    pub name: String,
    /// When its newest snapshot was received; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<Nanos>,
    /// Snapshots that are kept.
    pub snapshots: u64,
    /// Bytes stored; at least this much while they are being counted.
    pub bytes: u64,
    /// Objects that are condemned.
    #[serde(default)]
    pub condemned: u64,
    /// Whether it was shut out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// The space of a vault, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Space {
    /// In all.
    pub total_bytes: u64,
    /// Free.
    pub free_bytes: u64,
    /// Of the free ones, those that only manifests and the ledger may take.
    pub reserve_bytes: u64,
}

/// What a vault keeps, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Hosts that joined.
    pub hosts: u64,
    /// Snapshots that are kept.
    pub snapshots: u64,
    /// Objects of all kinds.
    pub objects: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// Objects that are condemned.
    pub condemned: u64,
}

/// A sweep or a scrub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pass {
    /// When it began.
    pub started: Nanos,
    /// When it ended.
    pub ended: Nanos,
    /// Objects looked at.
    pub objects: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// Why it ended early; absent when it looked at everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
}

/// Something that a vault does by itself again and again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChoreHealth {
    /// Its name: `sweep`, `scrub`, `probe`, `replicate NAME`.
    pub name: String,
    /// How long after the last time it is due, in seconds.
    pub every_secs: u64,
    /// When it was done the last time, well or not; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Nanos>,
    /// When it succeeded the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<Nanos>,
    /// Whether it failed the last time.
    pub failing: bool,
    /// What it said the last time: a sentence, or why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

/// Something that somebody must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about, for programs: `damaged`, `too-much`, `clock`, `space`, `fork`, `unlocked`, …
    pub kind: String,
    /// The sentence for people.
    pub message: String,
    /// When it was first seen.
    pub since: Nanos,
    /// The host it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Hex<HostId>>,
}

#[cfg(test)]
mod tests;
