//! What belongs to the server rather than to a database: users, roles, what they are granted, foreign servers, plugins.

use super::access::Access;
use super::error::MariaDbError;
use super::script::{Kind, Script, Sink, Unit};
use super::session::{Session, Stop};
use super::sql::literal;
use super::tools::Flavour;
use super::truth::Account;
use crate::process::{Ended, one_line};

/// System SQL larger than this is not read.
const LIMIT_BYTES: usize = 256 << 20;
/// The last line of a whole file.
const END: &str = "-- Dump completed";

/// All of it as SQL, and what it lacks.
pub(crate) fn dump(
    access: &Access,
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<(Vec<u8>, Vec<String>), MariaDbError> {
    if access.tools.flavour == Flavour::MySql || !access.tools.dumps_with("--system") {
        return statements(session, stop).map(|sql| (sql, Vec::new()));
    }
    let (out, ended) = dumped(access, stop)?;
    let said = ended.said.clone();
    if ended.status.code() == Some(2) && is_denied(&said) {
        let problem =
            format!("users, roles and their grants may not be read and are missing: {}", one_line(&said));
        return Ok((b"-- Nothing of this could be read.\n".to_vec(), vec![problem]));
    }
    ended.expect_success()?;
    let whole = String::from_utf8_lossy(&out).lines().last().is_some_and(|line| line.starts_with(END));
    match (whole, said.trim().is_empty()) {
        (false, _) => Err(MariaDbError::Dump("users and roles: the last line is missing".into())),
        (true, false) => {
            Err(MariaDbError::Dump(format!("users and roles: it ended well, but said: {}", one_line(&said))))
        }
        (true, true) => Ok(match lost_roles(&String::from_utf8_lossy(&out), access, stop)? {
            None => (out, Vec::new()),
            Some(lost) => lost.put_into(out),
        }),
    }
}

/// How the program begins to make roles, and how it ends with their grants: it works under a role of its own meanwhile.
const ROLES_BEGIN: &str = "SET ROLE mariadb_dump_import_role;\n";
const ROLES_END: &str = "SET ROLE NONE;\n";
/// That role. A load that was cut short leaves it behind.
const IMPORT_ROLE: &str = "mariadb_dump_import_role";

/// Roles that nobody administers, because who made them is gone: the program grants them to users and does not make them, so that what it
/// writes cannot be loaded.
struct LostRoles {
    names: Vec<String>,
    grants: String,
}

/// Those of the server that this SQL lacks.
fn lost_roles(sql: &str, access: &Access, stop: Stop<'_>) -> Result<Option<LostRoles>, MariaDbError> {
    let look = |session: &mut Session| -> Result<LostRoles, MariaDbError> {
        let mut lost = LostRoles { names: Vec::new(), grants: String::new() };
        for role in names(session, stop)?.iter().filter(|name| name.role && !is_made(sql, &name.quoted())) {
            lost.names.push(role.quoted());
            for grant in definition(session, role, stop)?.into_iter().skip(1) {
                lost.grants.push_str(&format!("{grant};\n"));
            }
        }
        Ok(lost)
    };
    let lost = again_when_dropped(access, look, stop)?;
    Ok((!lost.names.is_empty()).then_some(lost))
}

impl LostRoles {
    /// The SQL with them, and what is wrong with it.
    fn put_into(self, sql: Vec<u8>) -> (Vec<u8>, Vec<String>) {
        let text = String::from_utf8_lossy(&sql);
        let places = text.find(ROLES_BEGIN).zip(text.rfind(ROLES_END)).filter(|(begin, end)| begin < end);
        let Some((begin, end)) = places else {
            let names = self.names.join(", ");
            let problem = format!("nobody administers the roles {names}, and this mariadb-dump leaves such out");
            return (sql, vec![problem]);
        };
        let made: String =
            self.names.iter().map(|name| format!("CREATE ROLE IF NOT EXISTS {name};\n")).collect();
        let parts = [&text[..begin], &made, &text[begin..end], &self.grants, &text[end..]];
        (parts.concat().into_bytes(), Vec::new())
    }
}

/// Whether SQL of the program makes this role.
fn is_made(sql: &str, quoted: &str) -> bool {
    let made = format!("CREATE ROLE IF NOT EXISTS {quoted}");
    sql.match_indices(&made).any(|(at, _)| sql[at + made.len()..].starts_with([' ', ';']))
}

/// Errors about an account that was dropped between its listing and the question about it.
const DROPPED: &[u32] = &[1133, 1141, 1269];
/// All accounts are asked for so often, at most.
const ATTEMPTS: u32 = 5;

/// Runs the program again as long as somebody drops accounts under it.
fn dumped(access: &Access, stop: Stop<'_>) -> Result<(Vec<u8>, Ended), MariaDbError> {
    let mut attempts = 1;
    loop {
        let mut command = access.command("mariadb-dump")?;
        command.args(["--system=users,plugins,udfs,servers", "--insert-ignore", "--skip-dump-date"]);
        let (out, ended) = access.launcher.output(command, LIMIT_BYTES, stop)?;
        let is_dropped =
            !ended.status.success() && DROPPED.iter().any(|code| ended.said.contains(&format!("({code})")));
        if !is_dropped || attempts == ATTEMPTS {
            return Ok((out, ended));
        }
        attempts += 1;
    }
}

/// Every user and role, whoever is dropped meanwhile.
pub(crate) fn accounts_of(access: &Access, stop: Stop<'_>) -> Result<Vec<Account>, MariaDbError> {
    again_when_dropped(access, |session| accounts(session, stop), stop)
}

/// Asks again as long as accounts are dropped under the questions.
fn again_when_dropped<T>(
    access: &Access,
    mut ask: impl FnMut(&mut Session) -> Result<T, MariaDbError>,
    stop: Stop<'_>,
) -> Result<T, MariaDbError> {
    let mut attempts = 1;
    loop {
        // A refusal ends the session.
        match ask(&mut access.session(stop)?) {
            Err(error) if attempts < ATTEMPTS && error.code().is_some_and(|code| DROPPED.contains(&code)) => {
                attempts += 1;
            }
            answer => return answer,
        }
    }
}

fn is_denied(said: &str) -> bool {
    ["(1044)", "(1045)", "(1142)", "(1227)"].iter().any(|code| said.contains(code)) || said.contains("denied")
}

/// The same by statements of our own, for tools that cannot.
fn statements(session: &mut Session, stop: Stop<'_>) -> Result<Vec<u8>, MariaDbError> {
    let mut sql = String::from("-- Users and roles, by SHOW CREATE USER and SHOW GRANTS.\n");
    let mut grants = String::new();
    for account in names(session, stop)? {
        if account.own {
            continue;
        }
        for line in definition(session, &account, stop)? {
            let is_grant = !line.starts_with("CREATE ");
            let line = line.replacen("CREATE USER ", "CREATE USER IF NOT EXISTS ", 1);
            let line = line.replacen("CREATE ROLE ", "CREATE ROLE IF NOT EXISTS ", 1);
            if is_grant { &mut grants } else { &mut sql }.push_str(&format!("{line};\n"));
        }
    }
    sql.push_str(&grants);
    sql.push_str(&format!("{END}\n"));
    Ok(sql.into_bytes())
}

struct Name {
    user: String,
    host: String,
    role: bool,
    /// It belongs to the server itself.
    own: bool,
}

impl Name {
    fn quoted(&self) -> String {
        match self.role {
            true => literal(&self.user),
            false => format!("{}@{}", literal(&self.user), literal(&self.host)),
        }
    }
}

fn names(session: &mut Session, stop: Stop<'_>) -> Result<Vec<Name>, MariaDbError> {
    let doing = "listing users and roles";
    let has_roles = session.value(
        doing,
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = 'mysql' AND table_name = 'user' AND column_name = 'is_role'",
        stop,
    )?;
    let role = if has_roles == "1" { "is_role" } else { "'N'" };
    let rows = session.query(
        doing,
        &format!("SELECT user, host, {role} FROM mysql.user ORDER BY user, host"),
        stop,
    )?;
    let name = |row: Vec<String>| {
        let [user, host, role] = <[String; 3]>::try_from(row).ok()?;
        let own = matches!(user.as_str(), "mariadb.sys" | "mysql.sys" | "mysql.session" | "mysql.infoschema");
        Some(Name { user, host, role: role == "Y", own }).filter(|name| name.user != IMPORT_ROLE)
    };
    Ok(rows.into_iter().filter_map(name).collect())
}

/// How an account is made, and what it is granted.
fn definition(session: &mut Session, name: &Name, stop: Stop<'_>) -> Result<Vec<String>, MariaDbError> {
    let quoted = name.quoted();
    let doing = format!("asking what {quoted} is granted");
    let mut lines = match name.role {
        true => vec![format!("CREATE ROLE {quoted}")],
        false => session
            .query(&doing, &format!("SHOW CREATE USER {quoted}"), stop)?
            .into_iter()
            .flatten()
            .collect(),
    };
    lines.extend(session.query(&doing, &format!("SHOW GRANTS FOR {quoted}"), stop)?.into_iter().flatten());
    Ok(lines)
}

/// Every user and role with a digest of what it is and may.
pub(crate) fn accounts(session: &mut Session, stop: Stop<'_>) -> Result<Vec<Account>, MariaDbError> {
    let mut out = Vec::new();
    for name in names(session, stop)? {
        let mut lines = definition(session, &name, stop)?;
        // The order of grants is that of a hash table.
        lines.sort();
        let text = lines.join("\n");
        let digest = session.value("summing up", &format!("SELECT MD5({})", literal(&text)), stop)?;
        out.push(Account { name: name.quoted(), role: name.role, digest });
    }
    Ok(out)
}

/// What there is of accounts, as they are written in SQL.
pub(crate) fn existing(session: &mut Session, stop: Stop<'_>) -> Result<Vec<String>, MariaDbError> {
    Ok(names(session, stop)?.iter().map(Name::quoted).collect())
}

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
    for statement in statements.all {
        let plain = statement.replace('`', "'");
        if is_admin_of_new(&plain, existing) {
            out.rest.push_str(&statement);
            out.rest.push('\n');
            continue;
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
            out.plugins.push(statement);
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

/// Whether it lets somebody administer a role that is made here. Somebody who exists keeps all of that otherwise; but a role that nobody
/// administers can be granted to nobody any more, and the next dump does not have it.
fn is_admin_of_new(plain: &str, existing: &[String]) -> bool {
    let grant = plain.split_once("GRANT ").map_or("", |(_, grant)| grant);
    let Some((role, _)) = grant.split_once(" TO ") else { return false };
    let is_role = role.len() > 2 && role.starts_with('\'') && role.ends_with('\'') && !role.contains(" ON ");
    is_role && grant.contains(" WITH ADMIN OPTION") && !existing.iter().any(|account| account == role)
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
            INSTALL PLUGIN x SONAME 'x.so';\nGRANT SELECT (`id`) ON `a`.`t` TO `new`@`%`;\nGRANT EXECUTE ON PROCEDURE `a`.`p` TO `new`@`%`;\n\
            GRANT PROXY ON ``@`%` TO `new`@`%` WITH GRANT OPTION;\n-- Dump completed\n";
        let out = fitted(sql, &["'bob'@'localhost'".to_owned(), "'bob'".to_owned()]);
        assert_eq!((out.kept, out.plugins.len(), out.on_objects.len()), (2, 1, 2));
        assert!(out.rest.contains("PROXY"));
        assert!(
            out.rest.contains("CREATE USER")
                && out.rest.contains("`new`@`%`")
                && out.rest.contains("`bob`@`%`")
        );
        assert!(!out.rest.contains("x;y"));
    }

    #[test]
    fn a_new_role_keeps_who_administers_it() {
        let sql = "/*M!100005 CREATE ROLE IF NOT EXISTS 'rr' WITH ADMIN mariadb_dump_import_role */;\n\
            /*M!100005 GRANT 'rr' TO 'root'@'localhost' WITH ADMIN OPTION */;\nGRANT `old` TO `root`@`localhost` WITH ADMIN OPTION;\n\
            GRANT `rr` TO `root`@`localhost`;\nGRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION;\n";
        let out = fitted(sql, &["'root'@'localhost'".to_owned(), "'old'".to_owned()]);
        assert_eq!(out.kept, 3);
        assert!(out.rest.contains("GRANT 'rr' TO 'root'@'localhost' WITH ADMIN OPTION"), "{}", out.rest);
        assert!(!out.rest.contains("old"), "{}", out.rest);
    }

    #[test]
    fn a_role_that_the_program_leaves_out_is_put_in() {
        let sql = "CREATE USER IF NOT EXISTS `a`@`b`;\nSET ROLE mariadb_dump_import_role;\nGRANT `rr` TO `a`@`b`;\nSET ROLE NONE;\n-- Dump completed\n";
        let lost = || LostRoles { names: vec!["'rr'".into()], grants: "GRANT SELECT ON *.* TO `rr`;\n".into() };
        let (whole, problems) = lost().put_into(sql.into());
        let whole = String::from_utf8(whole).expect("text");
        assert!(problems.is_empty());
        let place = |text: &str| whole.find(text).expect(text);
        assert!(place("CREATE ROLE IF NOT EXISTS 'rr';") < place("GRANT `rr` TO"));
        assert!(place("GRANT SELECT ON *.* TO `rr`") < place("SET ROLE NONE"));
        let (same, problems) = lost().put_into(b"-- Dump completed\n".to_vec());
        assert_eq!((same.as_slice(), problems.len()), (&b"-- Dump completed\n"[..], 1));
    }

    #[test]
    fn a_role_that_is_made_is_found() {
        let sql = "/*M!100005 CREATE ROLE IF NOT EXISTS 'rr' WITH ADMIN x */;\n/*!80001 CREATE ROLE IF NOT EXISTS 'r2' */;\n";
        assert!(is_made(sql, "'rr'") && is_made(sql, "'r2'") && !is_made(sql, "'r'"));
    }
}
