//! The release binary from the outside: on real file systems, with real faults. Each test fails when its protection is removed.

mod bucket;
mod cable;
mod command;
mod damage;
mod etcd;
mod fidelity;
mod full_disk;
mod golden;
mod growth;
mod injected;
mod keyless;
mod killed;
mod ldap;
mod levels;
mod limits;
mod local_state;
mod model;
mod other_readers;
mod postgres;
mod power;
mod redis;
mod sources;
mod sqlite;
mod systemd;
mod truth;
mod wounds;
