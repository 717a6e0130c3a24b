//! Black-box tests: the real binary, its exit codes and what it prints.

mod agent;
mod audit;
mod bad_config;
mod bad_input;
mod console;
mod damage;
mod documents;
mod happy;
mod host;
mod init;
mod keeper;
mod network;
mod process;
mod receipts;
mod reports;
mod served;
mod spool;
mod up;
mod vaults;
