//! `vow.toml`, as people and intruders write it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use vow_agent::plan::{PlanError, parse};

const FILE: &str = "/etc/vow/vow.toml";

/// A configuration as `vow config show` prints it.
fn config(text: &str) -> Result<String, PlanError> {
    parse(text, Path::new(FILE), "fuzzing").map(|config| config.shown())
}

fuzz_target!(|text: &str| {
    match config(text) {
        // What is shown of a configuration is that configuration.
        Ok(shown) => assert_eq!(config(&shown).ok().as_deref(), Some(&*shown)),
        Err(error) => {
            let PlanError::Fault { line, column, text: message, .. } = error else { panic!("no place: {error}") };
            let there = text.split('\n').nth(line - 1).expect("a line of the text");
            assert!((1..=there.chars().count() + 1).contains(&column), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
});
