//! The little of SQL that must be understood: names, and where one statement ends and the next begins.

/// Schema and name.
pub(crate) type Name = (String, String);

/// `schema.name` at the start of a text, with quotes taken off.
pub(crate) fn qualified(text: &str) -> Option<Name> {
    let (schema, rest) = identifier(text)?;
    let (name, _) = identifier(rest.strip_prefix('.')?)?;
    Some((schema, name))
}

/// The name at the start of a text with quotes taken off, and what follows it.
pub(crate) fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(['.', ' ', '(', '\'', ')', ';', ',']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// A name as SQL wants it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema.name` as SQL wants it.
pub(crate) fn quoted_name(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// A text as SQL wants it, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!(" E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}

/// The statements of a script that `pg_dumpall --globals-only` wrote, each with its semicolon. Comments and lines for psql itself are
/// left out.
pub(crate) fn statements(script: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut rest = script;
    while let Some(next) = rest.chars().next() {
        let at_start = statement.trim().is_empty();
        let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let length = match next {
            '-' if rest.starts_with("--") => {
                rest = &rest[line..];
                continue;
            }
            '\\' if at_start => {
                rest = &rest[line..];
                continue;
            }
            '"' => quoted_length(rest, '"', false),
            '\'' => quoted_length(rest, '\'', statement.ends_with(['E', 'e'])),
            _ => next.len_utf8(),
        };
        statement.push_str(&rest[..length]);
        rest = &rest[length..];
        if next == ';' {
            statements.push(std::mem::take(&mut statement).trim().to_owned());
        }
    }
    statements
}

/// Length of a quoted text with its quotes. A doubled quote is two quoted texts one after the other, which comes to the same.
fn quoted_length(text: &str, quote: char, escapes: bool) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if escapes => is_escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_divided() {
        let script = "-- a; comment\n\\restrict abc;\nSET x = 1;\n\nCREATE ROLE \"a;b\";\nCOMMENT ON ROLE x IS 'it''s; -- so\nand on';\n\
            ALTER ROLE x SET y TO E'a\\';b';\n\\unrestrict abc\n";
        let expected = [
            "SET x = 1;",
            "CREATE ROLE \"a;b\";",
            "COMMENT ON ROLE x IS 'it''s; -- so\nand on';",
            "ALTER ROLE x SET y TO E'a\\';b';",
        ];
        assert_eq!(statements(script), expected);
    }

    #[test]
    fn names_are_read_and_written() {
        for name in ["plain", "Two Words", "a\"b", "ü.x"] {
            assert_eq!(identifier(&quoted(name)), Some((name.to_owned(), "")));
        }
        assert_eq!(qualified("\"A b\".c WITH"), Some(("A b".into(), "c".into())));
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
    }
}
