//! The fixed point: what was restored is dumped again, and its definitions must be those of the dump that it was restored from.
//!
//! Only definitions are compared: rows, sequences and large objects are by their counts and checksums. Left out on both sides are
//! subscriptions, which no scratch server gets. `blocks` says what else does not count.

use super::access::Access;
use super::blocks::{Blocks, Differences};
use super::error::PostgresError;
use super::session::Stop;
use super::stored::Stored;
use super::truth::DatabaseTruth;
use crate::adapter::Proof;
use crate::process::ToolError;
use crate::stored::StoredError;

/// Definitions longer than this are not compared.
const LIMIT_BYTES: usize = 256 << 20;
/// Differences named of one database.
const NAMED: usize = 20;
/// How a problem of this begins.
pub(super) const NOT_THE_SAME: &str = "a dump of what was restored is not the dump";

/// Compares the definitions of a database that was restored into a scratch server with those of its dump.
pub(super) fn compare(
    proof: &mut Proof,
    stored: &Stored<'_>,
    access: &Access,
    database: &DatabaseTruth,
    stop: Stop<'_>,
) -> Result<(), PostgresError> {
    let place = &database.name;
    let (before, now) = match (of_dump(stored, access, database, stop), of_server(access, database, stop)) {
        (Ok(before), Ok(now)) => (before, now),
        (Err(error), _) | (_, Err(error)) if is_too_long(&error) => {
            proof.notes.push(format!(
                "{place}: its definitions are longer than {} MiB, and were not compared with a dump of what was restored",
                LIMIT_BYTES >> 20
            ));
            return Ok(());
        }
        (before, now) => (before?, now?),
    };
    let differences = Blocks::of(&before).differences(&Blocks::of(&now));
    judge(proof, place, &differences, access.tools.version == stored.facts.tool_version);
    Ok(())
}

fn is_too_long(error: &PostgresError) -> bool {
    matches!(
        error,
        PostgresError::Tool(ToolError::TooLong { .. })
            | PostgresError::Stored(StoredError::Tool(ToolError::TooLong { .. }))
    )
}

/// With other tools than those that made the dump a difference proves nothing.
fn judge(proof: &mut Proof, place: &str, differences: &Differences, same_tools: bool) {
    let Differences { missing, new, other, reworded, same } = differences;
    proof.compared += same + reworded.len() as u64;
    if !reworded.is_empty() {
        proof.notes.push(format!(
            "{place}: the server writes {} definitions with other casts and brackets than before, and otherwise the same",
            reworded.len()
        ));
    }
    let lists = [(missing, "is missing in it"), (new, "is only in it"), (other, "is another")];
    let found: Vec<_> =
        lists.iter().flat_map(|(labels, how)| labels.iter().map(move |label| (label, how))).collect();
    let list = if same_tools { &mut proof.problems } else { &mut proof.notes };
    list.extend(
        found.iter().take(NAMED).map(|(label, how)| format!("{place}: {NOT_THE_SAME}: {label} {how}")),
    );
    if found.len() > NAMED {
        list.push(format!("{place}: {NOT_THE_SAME} in {} more definitions", found.len() - NAMED));
    }
    if !same_tools && !found.is_empty() {
        proof
            .notes
            .push(format!("{place}: it was dumped again by another version, which may be why that differs"));
    }
}

/// Whether its database is made by the dump: that of a template is there already.
fn makes_database(database: &DatabaseTruth) -> bool {
    database.name != "template1"
}

fn of_dump(
    stored: &Stored<'_>,
    access: &Access,
    database: &DatabaseTruth,
    stop: Stop<'_>,
) -> Result<String, PostgresError> {
    let mut command = access.command("pg_restore");
    command.args(["--schema-only", "--no-subscriptions", "-f", "-"]);
    if makes_database(database) {
        command.arg("-C");
    }
    let script = stored.read_by(database, (&access.launcher, command), LIMIT_BYTES, stop)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

fn of_server(access: &Access, database: &DatabaseTruth, stop: Stop<'_>) -> Result<String, PostgresError> {
    let mut command = access.command("pg_dump");
    command.args(["--schema-only", "--no-subscriptions", "--no-password"]);
    if makes_database(database) {
        command.arg("-C");
    }
    command.arg("-d").arg(access.url.with_database(&database.name).conninfo());
    let (script, ended) = access.launcher.output(command, LIMIT_BYTES, stop)?;
    ended.expect_success()?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(name: &str) -> Blocks {
        Blocks::of(&format!("-- Name: {name}; Type: TABLE; Schema: a; Owner: o\n\nCREATE TABLE x;\n"))
    }

    #[test]
    fn other_tools_prove_nothing() {
        let differences = script("t").differences(&script("u"));
        let mut proof = Proof::default();
        judge(&mut proof, "shop", &differences, true);
        assert_eq!(proof.problems.len(), 2, "{proof:?}");
        assert_eq!(proof.problems[0], format!("shop: {NOT_THE_SAME}: TABLE t in a is missing in it"));
        let mut proof = Proof::default();
        judge(&mut proof, "shop", &differences, false);
        assert!(proof.problems.is_empty() && proof.notes.len() == 3, "{proof:?}");
    }
}
