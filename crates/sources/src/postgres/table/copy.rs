//! Tables out of a scratch server into another one, in one transaction.

use super::super::access::Access;
use super::super::error::PostgresError;
use super::super::session::Stop;
use super::super::sql::quoted_name;
use super::Found;
use crate::process::{Input, Running, ToolError};
use std::io::{Read, Write};
use std::process::Stdio;

/// Where a table goes.
pub(super) struct Target<'t> {
    pub(super) access: &'t Access,
    pub(super) database: &'t str,
    pub(super) prelude: &'t str,
    pub(super) postlude: &'t str,
}

/// Dumps the tables from the scratch server into one transaction of the target.
pub(super) fn copy(
    scratch: &Access,
    database: &str,
    tree: &[Found],
    target: &Target<'_>,
    stop: Stop<'_>,
) -> Result<(), PostgresError> {
    let mut dump = scratch.command("pg_dump");
    dump.args(["-Fp", "--no-password", "--strict-names"]);
    for part in tree {
        dump.arg("-t").arg(quoted_name(&part.schema, &part.name));
    }
    dump.arg("-d").arg(scratch.url.with_database(database).conninfo()).stdout(Stdio::piped());
    let mut dump = scratch.launcher.start(dump)?;
    let mut from = dump.stdout()?;
    let mut load = target.access.command("psql");
    load.args([
        "-X",
        "-q",
        "-w",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "VERBOSITY=terse",
        "--single-transaction",
        "-d",
    ]);
    load.arg(target.access.url.with_database(target.database).conninfo());
    load.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut running = target.access.launcher.start(load)?;
    let input = running.input(stop)?;
    let mut load = Load { running, input };
    let mut buffer = vec![0; 256 << 10];
    let mut written = load.input.write_all(target.prelude.as_bytes());
    while written.is_ok() {
        let read =
            from.read(&mut buffer).map_err(|source| ToolError::Pipe { program: "pg_dump".into(), source })?;
        if read == 0 {
            break;
        }
        written = load.input.write_all(&buffer[..read]);
    }
    if stop() {
        return Err(ToolError::Stopped.into());
    }
    if written.is_ok() {
        // It must not commit before the dump is known to be whole.
        dump.wait(stop)?.expect_success()?;
        // When psql has ended already, its status says why.
        let _ = load.input.write_all(target.postlude.as_bytes());
    }
    let Load { running, input } = load;
    drop(input);
    running.wait(stop)?.expect_success()?;
    Ok(())
}

/// A `psql` that commits when its input ends. Let go of before, it is killed first, in the order of these fields, and the server rolls back.
struct Load<'l> {
    running: Running,
    input: Input<'l>,
}
