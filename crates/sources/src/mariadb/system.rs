//! What belongs to the server rather than to a database: users, roles, what they are granted, foreign servers, plugins.

mod fit;

pub(crate) use fit::{fitted, grant_on_objects};

use super::access::Access;
use super::error::MariaDbError;
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
            let problem =
                format!("nobody administers the roles {names}, and this mariadb-dump leaves such out");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_the_program_leaves_out_is_put_in() {
        let sql = "CREATE USER IF NOT EXISTS `a`@`b`;\nSET ROLE mariadb_dump_import_role;\nGRANT `rr` TO `a`@`b`;\nSET ROLE NONE;\n-- Dump completed\n";
        let lost =
            || LostRoles { names: vec!["'rr'".into()], grants: "GRANT SELECT ON *.* TO `rr`;\n".into() };
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
