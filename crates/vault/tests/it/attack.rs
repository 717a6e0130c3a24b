//! The server, attacked with a real host's key. In every case: not one stored byte changes but what is expected to be added, memory and
//! descriptors stay bounded, and another host is served all the while.

mod bodies;
mod crowds;
mod foreign;
mod forged;
mod methods;
mod paths;
mod proofs;
mod quota;
mod siege;
mod slow;
