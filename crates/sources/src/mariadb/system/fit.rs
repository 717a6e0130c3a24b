//! Users and roles for a server that has some already: which statements it gets, and in which order.

use super::super::access::Access;
use super::super::error::MariaDbError;
use super::super::script::{Kind, Script, Sink, Unit};
use super::super::session::Stop;
use super::ROLES_END;
use std::collections::BTreeSet;

/// The statements of system SQL: those that may fail when software is missing, and the others, without what would change accounts that
/// exist already.
#[derive(Debug, Default)]
pub(crate) struct Fitted {
    /// Each on its own.
    pub(crate) plugins: Vec<String>,
    /// To be run in one session, before the databases come: definers must be there.
    pub(crate) rest: String,
    /// Grants on single tables and routines: each on its own, when those are there.
    pub(crate) on_objects: Vec<String>,
    /// Accounts that are left as they are.
    pub(crate) kept: u64,
}

#[derive(Default)]
struct Statements {
    all: Vec<String>,
    current: Vec<u8>,
}

impl Sink for Statements {
    fn piece(&mut self, bytes: &[u8]) {
        self.current.extend_from_slice(bytes);
    }

    fn end(&mut self, unit: &Unit<'_>) {
        let text = std::mem::take(&mut self.current);
        if unit.kind == Kind::Statement {
            self.all.push(String::from_utf8_lossy(&text).trim().to_owned());
        }
    }
}

/// Fits system SQL to a server that has these accounts.
pub(crate) fn fitted(sql: &str, existing: &[String]) -> Fitted {
    let mut statements = Statements::default();
    Script::default().feed(sql.as_bytes(), &mut statements);
    let mut out = Fitted::default();
    // New roles that nobody is known to administer yet.
    let mut roles = BTreeSet::new();
    for statement in statements.all {
        let plain = statement.replace('`', "'");
        if let Some(role) = made(&plain).filter(|role| !existing.iter().any(|account| account == role)) {
            roles.insert(role.to_owned());
        }
        if let Some(role) = administered(&plain).filter(|role| roles.contains(*role)) {
            roles.remove(role);
            out.rest.push_str(&format!("{statement}\n"));
            continue;
        }
        if plain == ROLES_END.trim_end() {
            for role in std::mem::take(&mut roles) {
                out.rest.push_str(&format!("GRANT {role} TO CURRENT_USER() WITH ADMIN OPTION;\n"));
            }
        }
        let touches = existing.iter().any(|account| {
            ["TO ", "FOR ", "ALTER USER "].iter().any(|word| {
                plain.match_indices(&format!("{word}{account}")).any(|(at, found)| {
                    // 'a' must not be taken for a part of 'a'@'b'.
                    !plain[at + found.len()..].starts_with('@')
                })
            })
        });
        if statement.starts_with("INSTALL ")
            || statement.contains("INSTALL PLUGIN")
            || statement.contains("INSTALL SONAME")
        {
            // The program puts these words where no server understands them; that a plugin is there already is no error to us.
            out.plugins.push(statement.replace("/*M!100401 IF NOT EXISTS */ ", ""));
        } else if touches {
            out.kept += 1;
        } else if is_on_object(&plain) {
            out.on_objects.push(statement);
        } else {
            out.rest.push_str(&statement);
            out.rest.push('\n');
        }
    }
    out
}

/// The role that it makes.
fn made(plain: &str) -> Option<&str> {
    quoted_first(plain.split_once("CREATE ROLE IF NOT EXISTS ")?.1)
}

/// The role that it lets somebody administer. Somebody who exists keeps all of that otherwise; but a role that nobody administers can be
/// granted to nobody any more, and the next dump does not have it.
fn administered(plain: &str) -> Option<&str> {
    let grant = plain.split_once("GRANT ")?.1;
    let role = quoted_first(grant)?;
    (grant[role.len()..].starts_with(" TO ") && grant.contains(" WITH ADMIN OPTION")).then_some(role)
}

/// The quoted name that it begins with, quotes and all.
fn quoted_first(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('\'')?;
    let mut end = inside.find('\'')?;
    while inside[end + 1..].starts_with('\'') {
        end += 2 + inside[end + 2..].find('\'')?;
    }
    text.get(..end + 2)
}

/// Whether it grants something on a single table or routine, which must be there then.
fn is_on_object(plain: &str) -> bool {
    let target = plain.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON ")).map(|(_, rest)| rest);
    let target = target.and_then(|rest| rest.split_once(" TO ")).map(|(target, _)| target);
    target.is_some_and(|target| !target.ends_with(".*") && !target.contains('@'))
}

/// Grants what is to be granted on single tables and routines; gives what could not be, because they are not there.
pub(crate) fn grant_on_objects(
    access: &Access,
    statements: &[String],
    stop: Stop<'_>,
) -> Result<Vec<String>, MariaDbError> {
    let mut failed = Vec::new();
    let mut session = access.session(stop)?;
    for statement in statements {
        let plain = statement.trim_end_matches(';');
        match session.query("granting", plain, stop) {
            Ok(_) => {}
            Err(error) if error.code().is_some() => {
                failed.push(format!("{}: {error}", plain.split(" IDENTIFIED ").next().unwrap_or_default()));
                // A refusal ends the session.
                session = access.session(stop)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_that_exist_are_left_alone() {
        let sql = "CREATE USER IF NOT EXISTS `bob`@`localhost`;\nGRANT USAGE ON *.* TO `bob`@`localhost` IDENTIFIED BY PASSWORD 'x;y';\n\
            GRANT SELECT ON `a`.* TO `new`@`%`;\n/*M!100005 SET DEFAULT ROLE 'r1' FOR 'bob'@'localhost' */;\nGRANT `r1` TO `bob`@`%`;\n\
            INSTALL PLUGIN x /*M!100401 IF NOT EXISTS */ SONAME 'x.so';\nGRANT SELECT (`id`) ON `a`.`t` TO `new`@`%`;\nGRANT EXECUTE ON PROCEDURE `a`.`p` TO `new`@`%`;\n\
            GRANT PROXY ON ``@`%` TO `new`@`%` WITH GRANT OPTION;\n-- Dump completed\n";
        let out = fitted(sql, &["'bob'@'localhost'".to_owned(), "'bob'".to_owned()]);
        assert_eq!((out.kept, out.plugins.len(), out.on_objects.len()), (2, 1, 2));
        assert_eq!(out.plugins, ["INSTALL PLUGIN x SONAME 'x.so';"]);
        assert!(out.rest.contains("PROXY"));
        assert!(
            out.rest.contains("CREATE USER")
                && out.rest.contains("`new`@`%`")
                && out.rest.contains("`bob`@`%`")
        );
        assert!(!out.rest.contains("x;y"));
    }

    #[test]
    fn a_new_role_has_somebody_who_administers_it() {
        let sql = "/*M!100005 CREATE ROLE IF NOT EXISTS 'rr' WITH ADMIN mariadb_dump_import_role */;\n\
            CREATE ROLE IF NOT EXISTS 'al''one';\nCREATE ROLE IF NOT EXISTS 'old';\n\
            /*M!100005 GRANT 'rr' TO 'root'@'localhost' WITH ADMIN OPTION */;\nGRANT `old` TO `root`@`localhost` WITH ADMIN OPTION;\n\
            GRANT `rr` TO `root`@`localhost`;\nGRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION;\nSET ROLE NONE;\n";
        let out = fitted(sql, &["'root'@'localhost'".to_owned(), "'old'".to_owned()]);
        assert_eq!(out.kept, 3);
        assert!(out.rest.contains("GRANT 'rr' TO 'root'@'localhost' WITH ADMIN OPTION"), "{}", out.rest);
        assert!(
            out.rest.ends_with("GRANT 'al''one' TO CURRENT_USER() WITH ADMIN OPTION;\nSET ROLE NONE;\n"),
            "{}",
            out.rest
        );
        assert_eq!(out.rest.matches("ADMIN OPTION").count(), 2);
    }
}
