//! Percent signs in URLs.

/// The text that a part of a URL stands for.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(crate) fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().unwrap_or(0), rest.next().unwrap_or(0)];
        let value = std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or("a % in the URL is not followed by two hexadecimal digits")?);
    }
    String::from_utf8(bytes).map_err(|_| "the URL is not UTF-8".into())
}
