//! What a server is: version, databases, what it replicates, settings; and what we may see of it.

use super::access::Access;
use super::error::MariaDbError;
use super::session::{Session, Stop};
use super::sql::literals;
use super::tools::Flavour;
use super::truth::{DatabaseFacts, SERVER_FORMAT, ServerFacts, VERSION};
use std::collections::{BTreeMap, BTreeSet};

/// Databases of the server's own; users are dumped in another way.
pub(crate) const OWN_DATABASES: &[&str] = &[
    "information_schema",
    "performance_schema",
    "mysql",
    "sys",
    "mysql_innodb_cluster_metadata",
    "lost+found",
];

/// Settings that may matter to a restore. None of them carries a secret.
const SETTINGS: &[&str] = &[
    "binlog_format",
    "character_set_server",
    "collation_server",
    "default_storage_engine",
    "event_scheduler",
    "expire_logs_days",
    "gtid_binlog_pos",
    "gtid_binlog_state",
    "gtid_domain_id",
    "gtid_executed",
    "gtid_slave_pos",
    "innodb_default_row_format",
    "innodb_page_size",
    "innodb_strict_mode",
    "log_bin",
    "log_bin_basename",
    "lower_case_table_names",
    "max_allowed_packet",
    "read_only",
    "server_id",
    "server_uid",
    "server_uuid",
    "sql_mode",
    "system_time_zone",
    "time_zone",
    "version",
    "version_comment",
    "wsrep_on",
];

/// What is asked of a server before it is captured.
pub(crate) struct Server {
    pub(crate) facts: ServerFacts,
    pub(crate) can: Abilities,
    /// How far a replica lies behind, in seconds; none when nobody knows.
    pub(crate) lag_secs: Option<u64>,
    /// Whether it is a replica may not be asked.
    may_not_ask_for_lag: bool,
}

impl Server {
    /// That nobody would notice a replica that lies behind, as a sentence.
    pub(crate) fn unasked(&self) -> Option<&'static str> {
        self.may_not_ask_for_lag.then_some(
            "whether the server is a replica that lies behind is not known: the account lacks SLAVE MONITOR (REPLICATION CLIENT before 10.5)",
        )
    }

    /// That it is a replica which lies behind further than allowed, as a sentence.
    pub(crate) fn behind(&self, max_lag_secs: u32) -> Option<String> {
        let limit = u64::from(max_lag_secs);
        let behind = match self.lag_secs {
            Some(lag) if lag <= limit => return None,
            Some(lag) => format!("{lag} s"),
            None => "nobody knows how far".into(),
        };
        Some(format!(
            "the server is a replica that lies behind ({behind}; {limit} s are allowed): newer rows are missing"
        ))
    }
}

/// What the server has and what the account may.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Abilities {
    /// It writes a binary log, and we may ask where.
    pub(crate) position: bool,
    /// It has `BACKUP STAGE`.
    pub(crate) backup_stage: bool,
}

/// Privileges without which something is missing in silence, and what.
const NEEDED: &[(&str, &str)] = &[
    ("SELECT", "tables and databases"),
    ("SHOW VIEW", "views"),
    ("TRIGGER", "triggers"),
    ("EVENT", "events"),
];

/// Names of the account's privileges on everything, those of its roles included.
pub(crate) fn privileges(session: &mut Session, stop: Stop<'_>) -> Result<BTreeSet<String>, MariaDbError> {
    let rows = session.query("asking for the account's privileges", "SHOW GRANTS", stop)?;
    Ok(rows.iter().flatten().flat_map(|grant| global_privileges(grant)).collect())
}

/// What a grant on everything grants.
fn global_privileges(grant: &str) -> Vec<String> {
    let Some((names, _)) = grant.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON *.* TO "))
    else {
        return Vec::new();
    };
    match names.starts_with("ALL PRIVILEGES") {
        true => NEEDED
            .iter()
            .map(|(name, _)| *name)
            .chain(["RELOAD", "SUPER", "PROCESS", "LOCK TABLES", "BINLOG MONITOR"])
            .map(str::to_owned)
            .collect(),
        false => names.split(',').map(|name| name.trim().to_owned()).collect(),
    }
}

/// What may be missing because of privileges that the account lacks, as sentences.
pub(crate) fn hidden(privileges: &BTreeSet<String>) -> Vec<String> {
    let lacking = NEEDED.iter().filter(|(name, _)| !privileges.contains(*name));
    lacking
        .map(|(name, what)| {
            format!("the account lacks the privilege {name} on *.*: {what} that it may not see are missing, and nothing else says so")
        })
        .collect()
}

/// Everything about a server that a restore needs to know.
pub(crate) fn ask(access: &Access, session: &mut Session, stop: Stop<'_>) -> Result<Server, MariaDbError> {
    let doing = "asking what server it is";
    let privileges = privileges(session, stop)?;
    let settings = settings(session, stop)?;
    let get = |name: &str| settings.get(name).cloned().unwrap_or_default();
    let row = session.row(
        doing,
        "SELECT @@version, @@version_comment, @@hostname, @@datadir, @@server_id, @@port",
        stop,
    )?;
    let [version, comment, hostname, data, id, port] = <[String; 6]>::try_from(row)
        .map_err(|_| MariaDbError::Answer { doing: doing.into(), why: "not six values".into() })?;
    // MySQL numbers its servers. MariaDB's server_uid is made of hardware and port: the place is needed as well.
    let system_identifier = match get("server_uuid") {
        uuid if !uuid.is_empty() => uuid,
        _ => format!("{hostname}:{port}:{}:{id}", data.trim_end_matches('/')),
    };
    let may_ask =
        ["BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"].iter().any(|name| privileges.contains(*name));
    let can = Abilities {
        position: get("log_bin") == "ON" && may_ask,
        backup_stage: access.tools.flavour == Flavour::MariaDb && at_least(&version, (10, 4, 1)),
    };
    let replication = replication(access, stop)?;
    let may_not_ask_for_lag = replication.is_none();
    let (replica_of, lag_secs) = replication.unwrap_or((Vec::new(), Some(0)));
    let plugins = "SELECT plugin_name FROM information_schema.plugins WHERE plugin_library IS NOT NULL AND plugin_status = 'ACTIVE' ORDER BY 1";
    let plugins = session.query("listing the plugins", plugins, stop)?;
    let facts = ServerFacts {
        format: SERVER_FORMAT.into(),
        version: VERSION,
        system_identifier,
        server_version: version,
        version_comment: comment,
        tool_version: access.tools.version.clone(),
        hostname,
        data,
        position: None,
        replica_of,
        databases: databases(session, stop)?,
        plugins: plugins.into_iter().filter_map(|mut row| row.pop()).collect(),
        settings,
    };
    Ok(Server { facts, can, lag_secs, may_not_ask_for_lag })
}

fn settings(session: &mut Session, stop: Stop<'_>) -> Result<BTreeMap<String, String>, MariaDbError> {
    let names = literals(SETTINGS.iter().copied());
    let rows = session.query(
        "reading settings",
        &format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"),
        stop,
    )?;
    let pair = |row: Vec<String>| match <[String; 2]>::try_from(row) {
        Ok([name, value]) => Some((name, value)),
        Err(_) => None,
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// Every database that is not the server's own.
pub(crate) fn databases(session: &mut Session, stop: Stop<'_>) -> Result<Vec<DatabaseFacts>, MariaDbError> {
    let own = literals(OWN_DATABASES.iter().copied());
    let sql = format!(
        "SELECT schema_name, default_character_set_name, default_collation_name, \
         (SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables t WHERE t.table_schema = schema_name) \
         FROM information_schema.schemata WHERE schema_name NOT IN ({own}) ORDER BY schema_name"
    );
    let rows = session.query("listing the databases", &sql, stop)?;
    let facts = |row: Vec<String>| {
        let [name, character_set, collation, bytes] = <[String; 4]>::try_from(row).ok()?;
        Some(DatabaseFacts { name, character_set, collation, bytes: bytes.parse().unwrap_or(0) })
    };
    Ok(rows.into_iter().filter_map(facts).collect())
}

/// Columns of a replica's status that are kept. None of them is a password.
const REPLICA: &[&str] = &[
    "connection_name",
    "channel_name",
    "master_host",
    "source_host",
    "master_port",
    "source_port",
    "master_log_file",
    "relay_master_log_file",
    "exec_master_log_pos",
    "relay_source_log_file",
    "exec_source_log_pos",
    "slave_io_running",
    "replica_io_running",
    "slave_sql_running",
    "replica_sql_running",
    "seconds_behind_master",
    "seconds_behind_source",
    "gtid_io_pos",
];

type Replica = BTreeMap<String, String>;
/// What it is a replica of, and how far behind in seconds, when anybody knows.
type Following = (Vec<Replica>, Option<u64>);

/// What it is a replica of, and how far behind; none when it may not be asked. The status has dozens of columns that differ between versions, so it is read upright.
fn replication(access: &Access, stop: Stop<'_>) -> Result<Option<Following>, MariaDbError> {
    let sql = match access.tools.flavour {
        Flavour::MariaDb => "SHOW ALL SLAVES STATUS",
        Flavour::MySql => "SHOW REPLICA STATUS",
    };
    let mut command = access.command("mariadb")?;
    command.args(["--batch", "--vertical", "--execute", sql]);
    let (out, ended) = access.launcher.output(command, 1 << 20, stop)?;
    // It needs a privilege of its own, which says nothing about whether it is a replica.
    if !ended.status.success() && ended.said.contains("ERROR 1227") {
        return Ok(None);
    }
    ended.expect_success()?;
    let replicas = upright(&String::from_utf8_lossy(&out));
    let behind = |replica: &Replica| {
        let lag = replica.get("seconds_behind_master").or_else(|| replica.get("seconds_behind_source"));
        lag.and_then(|lag| lag.parse::<u64>().ok())
    };
    let lags: Option<Vec<u64>> = replicas.iter().map(behind).collect();
    Ok(Some((replicas, lags.map(|lags| lags.into_iter().max().unwrap_or(0)))))
}

fn upright(text: &str) -> Vec<Replica> {
    let mut out: Vec<Replica> = Vec::new();
    for line in text.lines() {
        if line.starts_with("***") {
            out.push(Replica::new());
        } else if let (Some(last), Some((name, value))) = (out.last_mut(), line.split_once(':')) {
            let name = name.trim().to_ascii_lowercase();
            if REPLICA.contains(&name.as_str()) {
                last.insert(name, value.trim().to_owned());
            }
        }
    }
    out
}

/// Whether a version is at least this one.
pub(crate) fn at_least(version: &str, wanted: (u32, u32, u32)) -> bool {
    numbers(version) >= wanted
}

/// Major, minor and patch of a version.
pub(crate) fn numbers(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared() {
        assert!(at_least("10.11.19-MariaDB-0+deb12u1-log", (10, 4, 1)));
        assert!(at_least("11.4.2-MariaDB", (10, 4, 1)) && !at_least("10.3.39-MariaDB", (10, 4, 1)));
    }

    #[test]
    fn a_status_is_read() {
        let text = "*** 1. row ***\n   Connection_name: \n Master_Host: db-1\n Seconds_Behind_Master: 7\n Master_SSL_Key: x\n";
        let replicas = upright(text);
        assert_eq!(replicas.len(), 1);
        assert_eq!(replicas[0]["seconds_behind_master"], "7");
        assert!(!replicas[0].contains_key("master_ssl_key"));
    }

    #[test]
    fn grants_are_read() {
        assert_eq!(
            global_privileges("GRANT SELECT, LOCK TABLES ON *.* TO `b`@`%` IDENTIFIED BY PASSWORD 'x'"),
            ["SELECT", "LOCK TABLES"]
        );
        assert!(
            global_privileges("GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION")
                .contains(&"EVENT".to_owned())
        );
        assert!(global_privileges("GRANT SELECT ON `shop`.* TO `b`@`%`").is_empty());
    }

    #[test]
    fn what_cannot_be_seen_is_said() {
        let all: BTreeSet<_> = ["SELECT", "SHOW VIEW", "EVENT"].map(str::to_owned).into();
        let said = hidden(&all);
        assert!(said.len() == 1 && said[0].contains("TRIGGER"), "{said:?}");
    }
}
