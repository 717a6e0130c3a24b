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
            let secret =
                text.to_ascii_uppercase().strip_prefix("AGE-SECRET-KEY-").is_some_and(|key| key.len() > 20);
            assert!(!secret || !error.to_string().contains(&text[15..]));
        }
    }
    let _ = Identities::parse(text);
    if let Ok(id) = text.parse::<ObjectId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
});
