//! What the tests of Vow share: a disk in memory that fails and loses power on demand, fixtures, a clock, dice.

pub mod clock;
pub mod dice;
pub mod fixture;
pub mod mem_disk;

pub use clock::FixedClock;
pub use dice::Dice;
pub use mem_disk::MemDisk;
