//! One database of a scratch server into a running one: dumped there and loaded here, without a copy in between.

use super::super::access::Access;
use super::super::error::PostgresError;
use super::super::measure;
use super::super::restore::{beside, names};
use super::super::session::{Session, Stop};
use super::super::sql::{Name, literal, quoted};
use crate::adapter::{Request, Restored};
use crate::process::ToolError;
use serde::Deserialize;
use std::io::{Read, Write};
use std::process::Stdio;

/// Where a database comes from, and where it goes.
pub(super) struct Pour<'p> {
    pub(super) scratch: &'p Access,
    pub(super) database: &'p str,
    pub(super) access: &'p Access,
    pub(super) short_id: &'p str,
    pub(super) request: &'p Request,
    pub(super) stop: Stop<'p>,
}

#[derive(Deserialize)]
struct Locale {
    encoding: String,
    collate: String,
    ctype: String,
}

const TABLES: &str = "SELECT json_build_array(nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
    WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema' \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

impl Pour<'_> {
    /// Does it. A database of the same name stays, and the other goes beside it.
    pub(super) fn run(&self, out: &mut Restored) -> Result<(), PostgresError> {
        let mut home = self.access.home(self.stop)?;
        let there = names(&mut home, self.stop)?;
        if !there.iter().any(|name| name == self.database) {
            let place = self.access.url.get("dbname").unwrap_or("postgres").to_owned();
            self.copy(&["-C"], &place)?;
            self.count(self.database, out)?;
            out.databases.push((self.database.to_owned(), self.database.to_owned()));
            return Ok(());
        }
        if self.request.replace {
            return Err(PostgresError::Refused(format!(
                "a database of a base backup replaces none: leave --replace out, and {:?} is restored beside the one that is there",
                self.database
            )));
        }
        let name = beside(self.database, self.short_id);
        if there.contains(&name) {
            return Err(PostgresError::Refused(format!(
                "the database {name:?} is there already, from an earlier restore of this snapshot: drop it first"
            )));
        }
        let locale: Locale = self.scratch.session(self.database, self.stop)?.document(
            "asking for the locale",
            "SELECT json_build_object('encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype) \
             FROM pg_database WHERE datname = current_database()",
            self.stop,
        )?;
        let create = format!(
            "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            quoted(&name),
            literal(&locale.encoding),
            literal(&locale.collate),
            literal(&locale.ctype)
        );
        home.query("creating the database", &create, self.stop)?;
        let loaded = self.copy(&["--no-subscriptions", "--no-publications"], &name);
        if loaded.is_err() {
            // Nobody else can have put anything into it.
            let drop = format!("DROP DATABASE {}", quoted(&name));
            let _ = home.query("removing what was begun", &drop, &|| false);
        }
        loaded?;
        self.count(&name, out)?;
        out.notes.push(format!(
            "there is a database {:?} already, so it was restored beside it as {name:?}, without publications, subscriptions and \
             the settings of the database itself",
            self.database
        ));
        out.databases.push((self.database.to_owned(), name));
        Ok(())
    }

    fn copy(&self, more: &[&str], into: &str) -> Result<(), PostgresError> {
        let mut dump = self.scratch.command("pg_dump");
        dump.args(["-Fc", "-Z0", "-C", "--no-password", "-d"]);
        dump.arg(self.scratch.url.with_database(self.database).conninfo()).stdout(Stdio::piped());
        let mut dump = self.scratch.launcher.start(dump)?;
        let mut from = dump.stdout()?;
        let mut load = self.access.command("pg_restore");
        load.args(["--exit-on-error", "--no-password"]).args(more);
        load.arg("-d").arg(self.access.url.with_database(into).conninfo());
        load.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut load = self.access.launcher.start(load)?;
        let mut to = load.input(self.stop)?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = from
                .read(&mut buffer)
                .map_err(|source| ToolError::Pipe { program: "pg_dump".into(), source })?;
            if read == 0 || to.write_all(&buffer[..read]).is_err() {
                break;
            }
            if (self.stop)() {
                return Err(ToolError::Stopped.into());
            }
        }
        drop((from, to));
        // Whoever reads says better why than the broken pipe of the other.
        load.wait(self.stop)?.expect_success()?;
        dump.wait(self.stop)?.expect_success()?;
        Ok(())
    }

    /// Rows on both sides.
    fn count(&self, into: &str, out: &mut Restored) -> Result<(), PostgresError> {
        let mut here: Session = self.scratch.session(self.database, self.stop)?;
        let mut there = self.access.session(into, self.stop)?;
        let tables: Vec<Name> = here.documents("listing the tables", TABLES, self.stop)?;
        for (schema, name) in tables {
            let expected = measure::count(&mut here, &schema, &name, self.stop)?;
            let counted = measure::count(&mut there, &schema, &name, self.stop)?;
            out.rows += counted;
            if counted != expected {
                out.problems
                    .push(format!("table {schema}.{name} has {counted} rows now and is to have {expected}"));
            }
        }
        Ok(())
    }
}
