//! Whether the store holds what it promises, found out by trying: nothing else is evidence. And whether its settings would take something away later,
//! which nobody can try.
//!
//! An object is stored with a short lock, and then everything is tried that must not work ([`tries`]). Then lifecycle rules and policy are
//! read ([`settings`]).

mod settings;
mod tries;

use std::fmt;

/// What a probe has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeReport {
    /// The name of the object that was tried on.
    pub name: String,
    /// Everything worth saying.
    pub findings: Vec<Finding>,
    /// How many old probes were removed.
    pub removed: u64,
}

/// One thing that a probe has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A locked object could neither be deleted nor could its lock be shortened.
    LockHeld,
    /// The bucket locks nothing.
    NoLock,
    /// A lock was accepted and is not there, or was no hindrance.
    LockIgnored(String),
    /// A lock could be made shorter.
    RetentionShortened,
    /// The bucket keeps no versions: who can write can replace.
    VersioningOff,
    /// What was stored under a name could be stored again: two vault processes would not agree.
    CreateOnlyIgnored,
    /// What was stored came back different, or not at all.
    NotKept(String),
    /// A lifecycle rule of the bucket would take away what is kept here.
    Lifecycle(String),
    /// The bucket's policy lets anybody change, hide or remove things.
    OpenToAll(String),
    /// The bucket's policy lets anybody read.
    ReadByAll,
    /// The bucket's policy lets somebody change, hide or remove things.
    PolicyAllows(String),
    /// A setting of the bucket that these credentials may not see, or that is not understood here.
    Unseen(String),
    /// These credentials can put delete markers over objects, which hides them until they are looked for.
    MarkersHide,
    /// The store does not say that a delete marker is why an object is not there: each missing one costs a second question.
    MarkersUntold,
    /// Deleting without naming a version is refused: nothing can be hidden.
    DeletingRefused,
    /// These credentials can put another object over one that is there.
    CoveringPossible,
    /// The store's clock and this machine's differ.
    ClocksDiffer(i64),
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// As it should be.
    Good,
    /// To be known.
    Known,
    /// Less than a vault promises: to be told to a person, unless the vault's settings say that it is known.
    Weak,
    /// What is stored will be lost, or anybody can lose it: to be told to a person, whatever the settings say.
    Harmful,
    /// A vault must not be kept there.
    Unusable,
}

impl Finding {
    /// How much it matters.
    pub fn weight(&self) -> Weight {
        match self {
            Self::LockHeld | Self::DeletingRefused => Weight::Good,
            Self::MarkersHide
            | Self::MarkersUntold
            | Self::CoveringPossible
            | Self::PolicyAllows(_)
            | Self::Unseen(_) => Weight::Known,
            Self::NoLock
            | Self::LockIgnored(_)
            | Self::RetentionShortened
            | Self::VersioningOff
            | Self::ReadByAll
            | Self::ClocksDiffer(_) => Weight::Weak,
            Self::Lifecycle(_) | Self::OpenToAll(_) => Weight::Harmful,
            Self::CreateOnlyIgnored | Self::NotKept(_) => Weight::Unusable,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LockHeld => {
                f.write_str("the lock holds: a locked object could not be deleted, and its lock not be shortened")
            }
            Self::NoLock => f.write_str(
                "the bucket has no object lock: whoever holds its credentials can delete every snapshot",
            ),
            Self::LockIgnored(how) => write!(f, "the store ignores its lock: {how}"),
            Self::RetentionShortened => f.write_str("a lock could be shortened: it protects from nobody"),
            Self::VersioningOff => {
                f.write_str("the bucket keeps no versions: whoever holds its credentials can replace objects")
            }
            Self::CreateOnlyIgnored => f.write_str(
                "the store ignores If-None-Match: objects that are there would be replaced; it is of no use for a vault",
            ),
            Self::NotKept(how) => write!(f, "the store did not keep what it was given: {how}"),
            Self::Lifecycle(what) => write!(
                f,
                "the bucket's lifecycle rules would take away what is kept here: {what}; remove the rule, or leave this vault's prefix out of it"
            ),
            Self::OpenToAll(what) => write!(f, "the bucket's policy lets ANYBODY {what}: take that out of it"),
            Self::ReadByAll => f.write_str(
                "the bucket's policy lets anybody read: contents are sealed, but hosts, times, sizes and the sharing of packs show",
            ),
            Self::PolicyAllows(what) => write!(f, "the bucket's policy lets {what}"),
            Self::Unseen(what) => write!(f, "{what}"),
            Self::MarkersHide => f.write_str(
                "these credentials can hide objects behind delete markers; the vault reads them all the same, and a scrub lists them",
            ),
            Self::MarkersUntold => {
                f.write_str("the store does not say when a delete marker hides an object; the vault asks for versions each time")
            }
            Self::DeletingRefused => f.write_str("these credentials cannot delete or hide anything"),
            Self::CoveringPossible => f.write_str(
                "these credentials can put another object over one that is there; the first one stays, and a scrub lists it",
            ),
            Self::ClocksDiffer(seconds) => {
                write!(f, "the store's clock differs from this machine's by {seconds} s")
            }
        }
    }
}

impl ProbeReport {
    /// The worst of it.
    pub fn weight(&self) -> Weight {
        self.findings.iter().map(Finding::weight).max().unwrap_or(Weight::Good)
    }
}
