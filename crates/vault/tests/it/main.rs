//! Tests of the vault from outside.

mod retention;
