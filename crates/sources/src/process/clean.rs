//! What programs say, without what nobody may see. Pure.

use zeroize::Zeroizing;

/// Takes known secrets out, and what stands behind a word that announces one. Lines longer than a message ever is are cut: they are
/// data.
pub(crate) fn clean(text: &str, secrets: &[Zeroizing<String>]) -> String {
    const LINE_CHARS: usize = 600;
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "***");
    }
    let hidden = text.lines().map(|line| {
        let line = hide_values(line);
        match line.char_indices().nth(LINE_CHARS) {
            Some((at, _)) => format!("{}…", &line[..at]),
            None => line,
        }
    });
    hidden.collect::<Vec<_>>().join("\n")
}

/// `password=x`, `password 'x'` and the like become `password=***`.
fn hide_values(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let (mut out, mut at) = (String::with_capacity(line.len()), 0);
    for (found, word) in lower.match_indices("password") {
        let value = found + word.len();
        if found < at || !lower[value..].starts_with(['=', ' ']) {
            continue;
        }
        let rest = &line[value + 1..];
        let quoted = rest.starts_with('\'');
        // Prose such as "password authentication failed" is no secret.
        if lower[value..].starts_with(' ') && !quoted {
            continue;
        }
        let length = match quoted {
            true => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
            false => rest.find([' ', '\'', '"']).unwrap_or(rest.len()),
        };
        out.push_str(&line[at..=value]);
        out.push_str("***");
        at = value + 1 + length;
    }
    out.push_str(&line[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out() {
        let secrets = [Zeroizing::new("tops3cret".to_owned())];
        let text =
            clean("FATAL: tops3cret\nCONNECTION 'host=x password=abc' y\nPASSWORD 'SCRAM$1' z", &secrets);
        assert_eq!(text, "FATAL: ***\nCONNECTION 'host=x password=***' y\nPASSWORD *** z");
        let prose = "password authentication failed for user \"x\"";
        assert_eq!(clean(prose, &[]), prose);
        assert!(clean(&"x".repeat(100_000), &[]).len() < 1000);
    }
}
