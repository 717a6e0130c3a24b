//! Why there is no plan, or not what was asked of it.

use std::io;
use std::path::PathBuf;

/// What went wrong with a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// None was named, and none is where they are looked for.
    #[error("no configuration: looked for {}", shown(.looked))]
    NotFound {
        /// The places, in their order.
        looked: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration {}", .file.display())]
    Read {
        /// Its path, as it was given.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says makes no sense.
    #[error("{}:{line}:{column}: {text}", .file.display())]
    Fault {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The character in the line, counted from 1.
        column: usize,
        /// What is wrong; one line.
        text: String,
    },
    /// No vault of the plan has this name.
    #[error("there is no vault {name:?} in {}", .file.display())]
    NoVault {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
        /// The names of those that there are.
        known: Vec<String>,
    },
    /// No source of the plan has this name.
    #[error("there is no source {name:?} in {}", .file.display())]
    NoSource {
        /// The name.
        name: String,
        /// The file.
        file: PathBuf,
        /// The names of those that there are.
        known: Vec<String>,
    },
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
