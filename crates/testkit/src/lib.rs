//! What the tests of Vow share: a disk in memory that fails and loses power on demand, fixtures, a clock, dice; and for the tests
//! of the real binary: hosts, trees that are hard to back up, file systems of their own; a network that cuts, drips and loses.
// Fixtures stop the test that uses them; there is nobody to return an error to.
#![allow(clippy::unwrap_used)]

pub mod cable;
pub mod calendar;
pub mod chaos_proxy;
pub mod clock;
pub mod console_server;
pub mod dice;
pub mod fixture;
pub mod hard_tree;
pub mod held;
pub mod host;
pub mod lab_console;
pub mod loop_disk;
pub mod machine;
pub mod mariadb;
pub mod mem_disk;
pub mod moto;
pub mod postgres;
pub mod redis;
pub mod shell;
pub mod tree;
pub mod vault_server;

pub use cable::Lab;
pub use calendar::Calendar;
pub use chaos_proxy::{ChaosProxy, Fault};
pub use clock::FixedClock;
pub use console_server::ConsoleServer;
pub use dice::Dice;
pub use host::Host;
pub use lab_console::LabConsole;
pub use loop_disk::Volume;
pub use machine::Machine;
pub use mem_disk::MemDisk;
pub use moto::Moto;
pub use tree::Tree;
pub use vault_server::VaultServer;
