//! Words of MariaDB's SQL: quoting and reading names.

/// A name in backticks.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table with its database.
pub(crate) fn quoted_name(database: &str, name: &str) -> String {
    format!("{}.{}", quoted(database), quoted(name))
}

/// A text. Sessions of ours have an `sql_mode` in which the backslash is special.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// A list of texts for `IN`.
pub(crate) fn literals<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(literal).collect::<Vec<_>>().join(", ")
}

/// The name at the start of a text, without its quotes, and what follows it. Backticks and double quotes are both in use: dumps of
/// packages have the latter.
pub(crate) fn leading_name(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let quote = text.chars().next()?;
    if quote != '`' && quote != '"' {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    }
    let mut name = String::new();
    let mut rest = text[1..].chars();
    loop {
        match rest.next()? {
            c if c == quote && rest.as_str().starts_with(quote) => {
                rest.next();
                name.push(c);
            }
            c if c == quote => return Some((name, rest.as_str())),
            c => name.push(c),
        }
    }
}

/// Splits `name` or `database.name`, either of them in backticks when it has odd characters.
pub(crate) fn table_name(text: &str) -> Option<(Option<String>, String)> {
    let part = |text: &str| match text.strip_prefix('`') {
        Some(_) => leading_name(text).map(|(name, rest)| (name, rest.to_owned())),
        None => {
            let end = text.find('.').unwrap_or(text.len());
            (end > 0).then(|| (text[..end].to_owned(), text[end..].to_owned()))
        }
    };
    let (first, rest) = part(text)?;
    match rest.strip_prefix('.') {
        None if rest.is_empty() => Some((None, first)),
        None => None,
        Some(rest) => match part(rest)? {
            (second, rest) if rest.is_empty() => Some((Some(first), second)),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_read() {
        assert_eq!(quoted_name("a`b", "c"), "`a``b`.`c`");
        assert_eq!(leading_name("`a``b` (x"), Some(("a`b".into(), " (x")));
        assert_eq!(leading_name("\"pk\" as"), Some(("pk".into(), " as")));
        assert_eq!(leading_name("tr1 before"), Some(("tr1".into(), " before")));
        assert_eq!(leading_name("`open"), None);
        assert_eq!(literal("a'b\\"), "'a''b\\\\'");
    }

    #[test]
    fn tables_are_named_with_and_without_a_database() {
        assert_eq!(table_name("orders"), Some((None, "orders".into())));
        assert_eq!(table_name("shop.orders"), Some((Some("shop".into()), "orders".into())));
        assert_eq!(table_name("`a.b`.`c``d`"), Some((Some("a.b".into()), "c`d".into())));
        for bad in ["", ".x", "x.", "`open", "a.b.c"] {
            assert_eq!(table_name(bad), None, "{bad}");
        }
    }
}
