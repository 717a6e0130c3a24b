//! The sweep: alone, interrupted at every operation, and among others, under a scheduler that a seed repeats.

mod alone;
mod among_others;
mod clocks;
mod directory;
mod interrupted;
mod model;
mod scene;
mod scheduler;
mod store;
