//! `vow.toml`, as people and intruders write it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_cli::parsers::config;

fuzz_target!(|text: &str| {
    match config(text) {
        // What is shown of a configuration is that configuration.
        Ok(shown) => assert_eq!(config(&shown).as_deref(), Ok(&*shown)),
        Err(message) => {
            let place = message.strip_prefix("/etc/vow/vow.toml:").expect("the file comes first");
            let mut numbers = place.splitn(3, ':').map(|number| number.parse::<usize>());
            let (line, column) = (numbers.next(), numbers.next());
            let (Some(Ok(line)), Some(Ok(column))) = (line, column) else { panic!("no place: {message}") };
            let there = text.split('\n').nth(line - 1).expect("a line of the text");
            assert!((1..=there.chars().count() + 1).contains(&column), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
});
