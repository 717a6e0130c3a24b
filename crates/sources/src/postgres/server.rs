//! What a server is: version, databases, roles, settings.

use super::access::Access;
use super::error::PostgresError;
use super::session::{Session, Stop};
use super::truth::{SERVER_FORMAT, ServerFacts, VERSION};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A database as the enumeration finds it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Database {
    pub(crate) name: String,
    oid: u32,
    allow_connections: bool,
    /// A `DROP DATABASE` of it was interrupted.
    half_dropped: bool,
    /// Its size in bytes, when that may be known.
    pub(crate) bytes: Option<u64>,
}

impl Database {
    /// Why nobody gets into it, when nobody does.
    pub(crate) fn refuses(&self) -> Option<&'static str> {
        match (self.half_dropped, self.allow_connections) {
            (true, _) => Some("a DROP DATABASE of it was interrupted: it can only be dropped"),
            (false, false) => Some("it allows no connections"),
            (false, true) => None,
        }
    }
}

const DATABASES: &str = "SELECT json_build_object('name', datname, 'oid', oid::int8, 'allow_connections', datallowconn, \
    'half_dropped', datconnlimit = -2, \
    'bytes', CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END) \
    FROM pg_database ORDER BY datname";

/// Every database of the server, by name.
pub(crate) fn databases(session: &mut Session, stop: Stop<'_>) -> Result<Vec<Database>, PostgresError> {
    list(session, "listing the databases", DATABASES, stop)
}

/// SQLSTATEs: a database or a tablespace was dropped while it was looked at.
const DROPPED: &[&str] = &["3D000", "42704", "58P01"];
/// Lists are asked for so often, at most.
const ATTEMPTS: u32 = 5;

/// Runs a statement that lists what others may drop meanwhile: then the server refuses all of it.
fn list<T: DeserializeOwned>(
    session: &mut Session,
    doing: &str,
    sql: &str,
    stop: Stop<'_>,
) -> Result<Vec<T>, PostgresError> {
    let mut attempts = 1;
    loop {
        match session.documents(doing, sql, stop) {
            Err(error)
                if attempts < ATTEMPTS && error.state().is_some_and(|state| DROPPED.contains(&state)) =>
            {
                attempts += 1;
            }
            listed => return listed,
        }
    }
}

/// What came of the attempt to get into a database that was listed.
pub(crate) enum Inside {
    /// A session in it: as long as it lives, nobody can drop the database.
    Session(Session),
    /// It was dropped since then.
    Dropped,
    /// It has another name now.
    Renamed(String),
}

/// Gets into a database.
pub(crate) fn enter(access: &Access, database: &Database, stop: Stop<'_>) -> Result<Inside, PostgresError> {
    let why = match access.session(&database.name, stop) {
        Ok(session) => return Ok(Inside::Session(session)),
        Err(why @ PostgresError::Connect { .. }) => why,
        Err(error) => return Err(error),
    };
    // The server's words for it depend on its language.
    let asked = format!("SELECT to_json((SELECT datname FROM pg_database WHERE oid = {}))", database.oid);
    match access.home(stop)?.document::<Option<String>>("looking for the database", &asked, stop)? {
        None => Ok(Inside::Dropped),
        Some(name) if name != database.name => Ok(Inside::Renamed(name)),
        Some(_) => Err(why),
    }
}

#[derive(Deserialize)]
struct Basics {
    identifier: String,
    number: u32,
    text: String,
    in_recovery: bool,
    lag: Option<f64>,
    bootstrap: Option<String>,
}

const BASICS: &str = "SELECT json_build_object('identifier', (SELECT system_identifier::text FROM pg_control_system()), \
    'number', current_setting('server_version_num')::int, 'text', version(), 'in_recovery', pg_is_in_recovery(), \
    'lag', CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() \
        THEN 0 ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8 END, \
    'bootstrap', (SELECT rolname FROM pg_roles WHERE oid = 10))";

const DATABASE_ROWS: &str = "SELECT to_jsonb(d) || jsonb_build_object('owner', pg_get_userbyid(datdba), \
    'encoding_name', pg_encoding_to_char(encoding), 'bytes', \
    CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END) FROM pg_database d ORDER BY datname";
const DATABASE_SETTINGS: &str = "SELECT json_build_object('database', (SELECT datname FROM pg_database WHERE oid = setdatabase), \
    'role', (SELECT rolname FROM pg_roles WHERE oid = setrole), 'settings', setconfig) FROM pg_db_role_setting ORDER BY setdatabase, setrole";
const TABLESPACES: &str = "SELECT json_build_object('name', spcname, 'owner', pg_get_userbyid(spcowner), \
    'location', pg_tablespace_location(oid), 'options', spcoptions) FROM pg_tablespace ORDER BY spcname";
const ROLES: &str = "SELECT to_jsonb(r) - 'rolpassword' || jsonb_build_object('member_of', \
    (SELECT coalesce(jsonb_agg(pg_get_userbyid(roleid) ORDER BY 1), '[]') FROM pg_auth_members WHERE member = r.oid)) \
    FROM pg_roles r WHERE rolname !~ '^pg_' ORDER BY rolname";
/// Values of settings that carry commands or connection strings stay out: they may hold passwords.
const SETTINGS: &str = "SELECT json_build_object('name', name, 'unit', unit, 'source', source, 'value', \
    CASE WHEN name ~ '(conninfo|command|password|passphrase|secret|key)' THEN NULL ELSE setting END) \
    FROM pg_settings WHERE source NOT IN ('default', 'override', 'client', 'session') ORDER BY name";

/// Everything about a server that a restore needs to know.
pub(crate) fn facts(
    access: &Access,
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<ServerFacts, PostgresError> {
    let basics: Basics = session.document("asking what server it is", BASICS, stop)?;
    Ok(ServerFacts {
        format: SERVER_FORMAT.into(),
        version: VERSION,
        system_identifier: basics.identifier,
        server_version_num: basics.number,
        server_version: basics.text,
        tool_version: access.tools.version.clone(),
        in_recovery: basics.in_recovery,
        replay_lag_secs: basics.lag.filter(|_| basics.in_recovery),
        bootstrap_superuser: basics.bootstrap,
        databases: list(session, "listing the databases", DATABASE_ROWS, stop)?,
        database_settings: session.documents("listing settings of databases", DATABASE_SETTINGS, stop)?,
        tablespaces: list(session, "listing the tablespaces", TABLESPACES, stop)?,
        roles: session.documents("listing the roles", ROLES, stop)?,
        settings: session.documents("listing the settings", SETTINGS, stop)?,
    })
}

/// Names of the roles of a server's facts that are still there.
pub(crate) fn roles_still_there(
    facts: &ServerFacts,
    session: &mut Session,
    stop: Stop<'_>,
) -> Result<Vec<String>, PostgresError> {
    let now: Vec<String> =
        session.documents("listing the roles", "SELECT to_json(rolname) FROM pg_roles", stop)?;
    let before = facts.roles.iter().filter_map(|role| role["rolname"].as_str().map(str::to_owned));
    Ok(before.filter(|name| now.contains(name)).collect())
}
