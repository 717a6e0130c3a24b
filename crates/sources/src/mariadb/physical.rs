//! A MariaDB server as it lies on the disk, by `mariadb-backup`.
//!
//! `capture` streams the copy and takes the truth in the moment that it is of (`moment`, and `known` for what was there before and after); `mbstream` reads the stream along; `unpack`
//! makes a data directory of it again, `settle` one that a person starts a server from. A scratch server that starts from it is in
//! `super::scratch`, what is compared in `prove`, and how a part of it comes into a running server in `super::live`.

mod capture;
mod known;
mod mbstream;
mod moment;
mod prove;
mod settle;
mod tool;
mod unpack;

pub use capture::{DEFAULT_PHYSICAL_EXACT_BELOW_BYTES, Physical, PhysicalOptions};
pub(crate) use prove::prove;
pub(crate) use settle::settle;
pub(crate) use unpack::{settings, unpack};
