//! Questions of the plan, asked of what came back: as a role of our own that may read everything and change nothing.

use super::access::Access;
use super::error::PostgresError;
use super::session::Stop;
use super::sql::quoted;
use super::url::Url;
use crate::adapter::Proof;
use crate::question::{ANSWER_WITHIN, Answer, Question};
use serde_json::{Map, Value};

/// Since this version there is a role that may read everything.
const READER_SINCE: u32 = 14;
/// The state of a statement that was cut off.
const CUT_OFF: &str = "57014";

/// Asks these questions; `databases` are those of the snapshot that hold anything.
pub(super) fn ask(
    proof: &mut Proof,
    access: &Access,
    databases: &[&str],
    questions: &[Question],
    stop: Stop<'_>,
) -> Result<(), PostgresError> {
    if questions.is_empty() {
        return Ok(());
    }
    let own = reader(access, stop)?;
    if own.is_none() {
        proof.notes.push(
            "this version has no role that may read everything: queries of the plan ran in read-only transactions of the superuser"
                .into(),
        );
    }
    for question in questions {
        match question.among(databases) {
            Ok(at) => {
                let database = databases[at];
                if let Some((_, role)) = &own {
                    // A database may be closed to the public.
                    let grant = format!("GRANT CONNECT ON DATABASE {} TO {}", quoted(database), quoted(role));
                    access.home(stop)?.query("letting the reader in", &grant, stop)?;
                }
                let through = own.as_ref().map_or(access, |(reader, _)| reader);
                let answer = answer(through, database, &question.sql, stop)?;
                proof.answered(question, database, &answer);
            }
            Err(why) => proof.unasked(question, &why),
        }
    }
    Ok(())
}

/// A way in as a role that may read everything, and its name; none where there is no such role.
fn reader(access: &Access, stop: Stop<'_>) -> Result<Option<(Access, String)>, PostgresError> {
    let socket = access.url.socket().filter(|_| access.tools.major >= READER_SINCE);
    let Some(folder) = socket.as_deref().and_then(std::path::Path::parent) else { return Ok(None) };
    let role = format!("vow_reader_{}", std::process::id());
    let mut session = access.home(stop)?;
    // Row security would hide rows without a word.
    let name = quoted(&role);
    session.query("making a reader", &format!("CREATE ROLE {name} LOGIN BYPASSRLS"), stop)?;
    session.query("making a reader", &format!("GRANT pg_read_all_data TO {name}"), stop)?;
    let url = Url::of_socket(folder, access.url.port(), Some(&role));
    Ok(Some((Access::trusted(url, access.tools.clone(), access.launcher.clone()), role)))
}

fn answer(access: &Access, database: &str, sql: &str, stop: Stop<'_>) -> Result<Answer, PostgresError> {
    let mut session = access.session(database, stop)?;
    // As a program of the database would see it.
    session.query("setting up the session", "SET search_path TO DEFAULT", stop)?;
    let limit = format!("SET statement_timeout = {}", ANSWER_WITHIN.as_millis());
    session.query("setting up the session", &limit, stop)?;
    session.query("setting up the session", "BEGIN READ ONLY", stop)?;
    let sql = sql.trim().trim_end_matches(';');
    // In brackets it is one query that gives rows; a comment at its end ends with its line.
    let asked = format!("SELECT row_to_json(q) FROM (\n{sql}\n) AS q");
    match session.documents::<Map<String, Value>>("asking what the plan asks", &asked, stop) {
        Ok(rows) => {
            Ok(Answer::Rows(rows.into_iter().map(|row| row.into_values().map(text).collect()).collect()))
        }
        Err(PostgresError::Sql { state, .. }) if state == CUT_OFF => Ok(Answer::Late),
        Err(PostgresError::Sql { message, .. }) => Ok(Answer::Refused(message)),
        Err(error) => Err(error),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}
