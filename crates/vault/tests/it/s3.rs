//! The storage in a bucket, against a strict store and against bad ones.

mod conforms;
mod faults;
mod hidden;
mod listings;
mod locks;
mod probes;
mod reading;
mod secrets;
