//! SQL as the server writes it, without its casts and brackets. Pure.
//!
//! The server keeps an expression as it has parsed it, and writes it in its own way. What it writes may be parsed into something that means
//! the same and is written differently: a check of `status IN ('a', 'b')` on a `varchar` is `ANY ((ARRAY['a'::character varying, …])::text[])`,
//! and after it was restored from that `ANY (ARRAY[('a'::character varying)::text, …])`. Only casts and brackets move.

/// Words that belong to the type before them.
const MORE_WORDS: &[&str] = &["varying", "precision", "with", "without", "time", "zone"];

/// The text without casts, brackets and blanks; what stands in quotes stays as it is.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '\'' | '"' => {
                let length = quoted(rest, next);
                out.push_str(&rest[..length]);
                length
            }
            ':' if rest.starts_with("::") => 2 + type_name(&rest[2..]),
            '(' | ')' => 1,
            _ if next.is_whitespace() => next.len_utf8(),
            _ => {
                out.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// Length of a quoted text with its quotes. A doubled quote is two quoted texts one after the other, which comes to the same; the server
/// doubles backslashes where they have a meaning, so none of them hides a quote.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

/// Length of the name of a type: `app."Two Words"`, `character varying(9)`, `timestamp(3) without time zone[]`.
fn type_name(text: &str) -> usize {
    let mut at = 0;
    loop {
        at += match text[at..].chars().next() {
            Some('"') => quoted(&text[at..], '"'),
            _ => word(&text[at..]),
        };
        if !text[at..].starts_with('.') {
            break;
        }
        at += 1;
    }
    loop {
        let rest = &text[at..];
        let more =
            rest.strip_prefix(' ').map(|rest| &rest[..word(rest)]).filter(|word| MORE_WORDS.contains(word));
        at += match (more, rest.as_bytes().first()) {
            (Some(more), _) => more.len() + 1,
            (None, Some(b'(')) => digits(rest).unwrap_or(0),
            (None, Some(b'[')) if rest.starts_with("[]") => 2,
            _ => 0,
        };
        if text[at..].len() == rest.len() {
            return at;
        }
    }
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len())
}

/// Length of `(9)` or `(10,2)`.
fn digits(text: &str) -> Option<usize> {
    let end = text.find(')')?;
    let is_numbers =
        !text[1..end].is_empty() && text[1..end].bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
    is_numbers.then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn casts_and_brackets_go_and_nothing_else() {
        for (text, expected) in [
            (
                "(((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
                "s=ANYARRAY['a','b']",
            ),
            (
                "(s)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])",
                "s=ANYARRAY['a','b']",
            ),
            ("'(::text)' || x", "'(::text)'||x"),
            ("'it''s (' = (\"Odd (\"\"Name\")::app.\"A b\"[]", "'it''s ('=\"Odd (\"\"Name\""),
            ("a::timestamp(3) without time zone[] > b::numeric(10,2) AND c", "a>bANDc"),
            ("(x)::double precision + 1", "x+1"),
            ("a character varying(9)", "acharactervarying9"),
            ("'unfinished", "'unfinished"),
        ] {
            assert_eq!(plain(text), expected, "{text}");
        }
        assert_ne!(plain("a = 'b'"), plain("a = 'c'"));
        assert_ne!(plain("character varying(9)"), plain("character varying(8)"));
    }
}
