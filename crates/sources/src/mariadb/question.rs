//! Questions of the plan, asked of what came back: by a user of our own that may read everything and change nothing.

use super::access::Access;
use super::error::MariaDbError;
use super::session::Stop;
use super::sql::quoted;
use super::tools::Flavour;
use super::url::Url;
use crate::adapter::Proof;
use crate::question::{ANSWER_WITHIN, Answer, Question};

/// Errors of a statement that was cut off: by MariaDB, by MySQL.
const CUT_OFF: [u32; 2] = [1969, 3024];
/// How the client writes a null.
const NULL: &str = "NULL";

/// Asks these questions; `databases` are those of the snapshot.
pub(super) fn ask(
    proof: &mut Proof,
    access: &Access,
    databases: &[String],
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<(), MariaDbError> {
    if questions.is_empty() {
        return Ok(());
    }
    let reader = reader(access, stop)?;
    let databases: Vec<_> = databases.iter().map(String::as_str).collect();
    for question in questions {
        match question.among(&databases) {
            Ok(at) => {
                let answer = answer(&reader, databases[at], &question.sql, stop)?;
                proof.answered(question, databases[at], &answer);
            }
            Err(why) => proof.unasked(question, &why),
        }
    }
    Ok(())
}

fn reader(access: &Access, stop: Stop<'_>) -> Result<Access, MariaDbError> {
    let name = format!("vow_reader_{}", std::process::id());
    let user = format!("'{name}'@'localhost'");
    let mut session = access.session(stop)?;
    session.query("making a reader", &format!("CREATE USER {user}"), stop)?;
    // Views may call functions. What those would change, the transaction forbids.
    session.query("making a reader", &format!("GRANT SELECT, SHOW VIEW, EXECUTE ON *.* TO {user}"), stop)?;
    let socket = access.url.socket().unwrap_or_default();
    Access::trusted(Url::of_socket(&socket, Some(&name)), access.tools.clone(), access.launcher.clone())
}

fn answer(access: &Access, database: &str, sql: &str, stop: Stop<'_>) -> Result<Answer, MariaDbError> {
    let mut session = access.session(stop)?;
    let limit = match access.tools.flavour {
        Flavour::MariaDb => format!("SET SESSION max_statement_time = {}", ANSWER_WITHIN.as_secs()),
        Flavour::MySql => format!("SET SESSION max_execution_time = {}", ANSWER_WITHIN.as_millis()),
    };
    session.query("setting up the session", &limit, stop)?;
    session.query("setting up the session", &format!("USE {}", quoted(database)), stop)?;
    session.query("setting up the session", "START TRANSACTION READ ONLY", stop)?;
    let sql = sql.trim().trim_end_matches(';');
    match session.query("asking what the plan asks", sql, stop) {
        Ok(rows) => {
            let value = |value: String| Some(value).filter(|value| value != NULL);
            Ok(Answer::Rows(rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect()))
        }
        Err(MariaDbError::Sql { code, .. }) if CUT_OFF.contains(&code) => Ok(Answer::Late),
        Err(MariaDbError::Sql { code, message, .. }) => {
            Ok(Answer::Refused(format!("{message} (error {code})")))
        }
        Err(error) => Err(error),
    }
}
