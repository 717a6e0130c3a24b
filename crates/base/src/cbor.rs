//! CBOR into memory and back, exactly one value.

use minicbor::decode::Error;
use minicbor::{Decode, Encode};

/// The CBOR of `value`, appended to `bytes`.
pub fn encode_onto<T: Encode<()>>(value: &T, bytes: &mut Vec<u8>) {
    minicbor::encode(value, bytes)
        .expect("a vector takes every write, and our encoders raise no errors of their own");
}

/// The CBOR of `value`.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_onto(value, &mut bytes);
    bytes
}

/// Reads one value; bytes left over are an error.
pub fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T, Error> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode()?;
    if decoder.position() != bytes.len() {
        return Err(Error::message("bytes left over after the value"));
    }
    Ok(value)
}
