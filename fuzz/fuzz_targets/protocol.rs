//! Texts that cross the network before anybody is known: paths, queries, ranges, tokens, addresses, bodies in JSON.
//! What is read is exactly what would be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use vow_fuzz::memory;
use vow_protocol::path::{after_position, parse_after_id, parse_after_position, parse_range};
use vow_protocol::wire::{About, Entries, Hosts, Ids, Join, Joined, Objects, Status};
use vow_protocol::{Address, ErrorBody, JoinToken, Route};

/// A body that reads is written and read again as the same.
fn body<T: Serialize + DeserializeOwned + PartialEq>(text: &str) {
    let Ok(body) = memory::at_most(1 << 20, || serde_json::from_str::<T>(text)) else { return };
    let written = serde_json::to_string(&body).expect("JSON");
    assert!(serde_json::from_str::<T>(&written).is_ok_and(|again| again == body), "{written}");
}

fuzz_target!(|text: &str| {
    if let Some(route) = Route::parse(text) {
        assert_eq!(route.to_string(), text);
    }
    if let Ok(position) = parse_after_position(Some(text)) {
        assert_eq!(after_position(position), text);
    }
    if let Ok(Some(id)) = parse_after_id(Some(text)) {
        assert_eq!(vow_protocol::path::after_id(&id), text);
    }
    if let Some((first, last)) = parse_range(text) {
        assert!(first <= last && text == format!("bytes={first}-{last}"));
    }
    if let Ok(token) = text.parse::<JoinToken>() {
        assert_eq!(token.text().parse::<JoinToken>().as_ref(), Ok(&token));
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse::<Address>().as_ref(), Ok(&address));
    }
    body::<About>(text);
    body::<Entries>(text);
    body::<ErrorBody>(text);
    body::<Hosts>(text);
    body::<Ids>(text);
    body::<Join>(text);
    body::<Joined>(text);
    body::<Objects>(text);
    body::<Status>(text);
});
