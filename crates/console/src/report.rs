//! The monthly report of a tenant: evidence for somebody who was not there. Made from the records, drawn as HTML or PDF, signed with the console's key.
//!
//! The signature is the last line of the file and covers every byte before it, so that one file is all that has to be handed on.

mod data;
mod html;
mod month;
mod pdf;
mod sheet;
mod sign;

pub use data::make;
pub use month::{Month, MonthError};
pub use sheet::{Block, Sheet};
pub use sign::{Format, Signed, VerifyError, sign, verify};

/// The file: drawn and signed.
pub fn file(sheet: &Sheet, format: Format, key: &vow_base::sign::SigningKey) -> Vec<u8> {
    let drawn = match format {
        Format::Html => html::draw(sheet).into_bytes(),
        Format::Pdf => pdf::draw(sheet),
    };
    sign(drawn, format, key)
}
