//! Sources against real directories.

mod attributes;
mod faults;
mod left_out;
mod limits;
mod order;
mod roots;
mod support;
