//! The release binary from the outside: on real file systems, with real faults. Each test fails when its protection is removed.

mod cable;
mod damage;
mod fidelity;
mod full_disk;
mod golden;
mod growth;
mod injected;
mod keyless;
mod killed;
mod levels;
mod limits;
mod local_state;
mod model;
mod mount;
mod other_readers;
mod postgres;
mod power;
mod truth;
mod wounds;
