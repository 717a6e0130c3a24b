//! What a server is: version, databases, roles, settings.

use super::access::Access;
use super::error::PostgresError;
use super::session::{Session, Stop};
use super::truth::{SERVER_FORMAT, ServerFacts, VERSION};
use serde::Deserialize;

/// A database as the enumeration finds it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) allow_connections: bool,
    /// Its size in bytes, when that may be known.
    pub(crate) bytes: Option<u64>,
}

const DATABASES: &str = "SELECT json_build_object('name', datname, 'allow_connections', datallowconn, \
    'bytes', CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END) \
    FROM pg_database ORDER BY datname";

/// Every database of the server, by name.
pub(crate) fn databases(session: &mut Session, stop: Stop<'_>) -> Result<Vec<Database>, PostgresError> {
    session.documents("listing the databases", DATABASES, stop)
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
        databases: session.documents("listing the databases", DATABASE_ROWS, stop)?,
        database_settings: session.documents("listing settings of databases", DATABASE_SETTINGS, stop)?,
        tablespaces: session.documents("listing the tablespaces", TABLESPACES, stop)?,
        roles: session.documents("listing the roles", ROLES, stop)?,
        settings: session.documents("listing the settings", SETTINGS, stop)?,
    })
}

/// The roles' names of a server's facts.
pub(crate) fn role_names(facts: &ServerFacts) -> Vec<String> {
    facts.roles.iter().filter_map(|role| role["rolname"].as_str().map(str::to_owned)).collect()
}
