//! Roles and tablespaces of a snapshot, fitted to the server they are restored into.

use super::sql::{identifier, literal, statements};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What the server has already. It is never changed.
#[derive(Debug, Default)]
pub(crate) struct Existing {
    pub(crate) roles: BTreeSet<String>,
    pub(crate) tablespaces: BTreeSet<String>,
}

/// What is done with tablespaces.
pub(crate) enum Tablespaces<'a> {
    /// They keep their places.
    Keep,
    /// They get folders of their own below this one, which the caller makes.
    Below(&'a Path),
}

/// The statements to run, and the folders that must exist before.
pub(crate) fn fitted(
    script: &str,
    existing: &Existing,
    tablespaces: &Tablespaces<'_>,
) -> (Vec<String>, Vec<PathBuf>) {
    let mut folders = Vec::new();
    let mut out = Vec::new();
    for statement in statements(script) {
        let subject = |words: &str| {
            let rest = statement.strip_prefix(words)?;
            identifier(rest.trim_start()).map(|(name, _)| name)
        };
        let role = ["CREATE ROLE ", "ALTER ROLE ", "COMMENT ON ROLE ", "SECURITY LABEL ON ROLE "]
            .iter()
            .find_map(|w| subject(w));
        if role.is_some_and(|role| existing.roles.contains(&role)) {
            continue;
        }
        let place =
            ["CREATE TABLESPACE ", "ALTER TABLESPACE ", "COMMENT ON TABLESPACE ", "GRANT ALL ON TABLESPACE "];
        if place.iter().find_map(|w| subject(w)).is_some_and(|name| existing.tablespaces.contains(&name)) {
            continue;
        }
        if is_old_membership(&statement, existing) {
            continue;
        }
        match (subject("CREATE TABLESPACE "), tablespaces) {
            (Some(_), Tablespaces::Below(folder)) => {
                let place = folder.join(folders.len().to_string());
                out.push(moved(&statement, &place));
                folders.push(place);
            }
            _ => out.push(statement),
        }
    }
    (out, folders)
}

/// `GRANT a TO b …` between two roles that are both there already.
fn is_old_membership(statement: &str, existing: &Existing) -> bool {
    let both = || {
        let (role, rest) = identifier(statement.strip_prefix("GRANT ")?)?;
        let (member, _) = identifier(rest.strip_prefix(" TO ")?)?;
        Some(existing.roles.contains(&role) && existing.roles.contains(&member))
    };
    both().unwrap_or(false)
}

/// The statement with another place behind its last LOCATION.
fn moved(statement: &str, place: &Path) -> String {
    let before = statement.rfind(" LOCATION ").map_or(statement.trim_end_matches(';'), |at| &statement[..at]);
    format!("{before} LOCATION {};", literal(&place.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "SET client_encoding = 'UTF8';\nCREATE ROLE bob;\nALTER ROLE bob WITH PASSWORD 'SCRAM;x';\nCREATE ROLE \"New One\";\n\
        GRANT bob TO old GRANTED BY postgres;\nGRANT bob TO \"New One\";\nCREATE TABLESPACE ts OWNER bob LOCATION '/data/it''s';\n\
        CREATE TABLESPACE t2 OWNER bob LOCATION '/x';\n";

    #[test]
    fn what_is_there_is_left_alone() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let existing = Existing { roles: set(&["bob", "old"]), tablespaces: set(&["t2"]) };
        let (kept, folders) = fitted(SCRIPT, &existing, &Tablespaces::Keep);
        let expected = [
            "SET client_encoding = 'UTF8';",
            "CREATE ROLE \"New One\";",
            "GRANT bob TO \"New One\";",
            "CREATE TABLESPACE ts OWNER bob LOCATION '/data/it''s';",
        ];
        assert_eq!(kept, expected);
        assert!(folders.is_empty());
    }

    #[test]
    fn tablespaces_are_moved() {
        let (kept, folders) = fitted(SCRIPT, &Existing::default(), &Tablespaces::Below(Path::new("/s")));
        assert_eq!(kept[6], "CREATE TABLESPACE ts OWNER bob LOCATION '/s/0';");
        assert_eq!(kept[7], "CREATE TABLESPACE t2 OWNER bob LOCATION '/s/1';");
        assert_eq!(folders, [PathBuf::from("/s/0"), PathBuf::from("/s/1")]);
    }
}
