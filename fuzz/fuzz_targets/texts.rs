//! Texts that people give: recipients, identity files, ids.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vow_base::ObjectId;
use vow_store::session::{Identities, Recipient};

fuzz_target!(|text: &str| {
    match text.parse::<Recipient>() {
        Ok(recipient) => {
            let again = recipient.text().parse::<Recipient>().expect("its own text");
            assert_eq!((again.text(), again.fingerprint()), (recipient.text(), recipient.fingerprint()));
        }
        Err(error) => {
            // A secret that was given by mistake is not shown.
            let upper = text.to_ascii_uppercase();
            let after = upper.split_once("AGE-SECRET-KEY-").map_or("", |(_, after)| after);
            let end = after.bytes().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(after.len());
            let shown = error.to_string().to_ascii_uppercase();
            assert!(end < 24 || !shown.contains(&after[..end]), "{shown}");
        }
    }
    let _ = Identities::parse(text);
    if let Ok(id) = text.parse::<ObjectId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
});
