//! What programs that listen mean for backups, and the folders of those that are database servers.

use super::coverage::{ENTRIES_MAX, Host, Server, state_of};
use super::{Entry, Offer, State};
use std::path::Path;
use vow_sources::discover::Service;

/// What is known of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It keeps nothing of its own, or what it keeps is judged as a folder.
    NoData(&'static str),
    /// Sources of these types capture it.
    Adapter(&'static [&'static str]),
    /// What it keeps lies here.
    Folder(&'static str),
    /// Nothing.
    Stranger,
}

/// Places of database servers, and the types of sources that capture them.
const SERVERS: [(&str, &[&str]); 6] = [
    ("PostgreSQL", &["postgres"]),
    ("MariaDB", &["mariadb", "mysql"]),
    ("Redis", &["redis", "valkey"]),
    ("Valkey", &["redis", "valkey"]),
    ("LDAP", &["ldap"]),
    ("etcd", &["etcd"]),
];
const NO_DATA: [&str; 46] = [
    "sshd",
    "systemd",
    "systemd-resolve",
    "systemd-resolved",
    "systemd-network",
    "systemd-timesyncd",
    "systemd-logind",
    "systemd-journald",
    "init",
    "dnsmasq",
    "chronyd",
    "ntpd",
    "rpcbind",
    "rpc.statd",
    "rpc.mountd",
    "cupsd",
    "cups-browsed",
    "avahi-daemon",
    "dockerd",
    "docker-proxy",
    "containerd",
    "kubelet",
    "kube-proxy",
    "conmon",
    "node_exporter",
    "prometheus-node-exporter",
    "zabbix_agentd",
    "zabbix_agent2",
    "telegraf",
    "collectd",
    "nrpe",
    "check_mk_agent",
    "haproxy",
    "varnishd",
    "squid",
    "memcached",
    "stunnel4",
    "tailscaled",
    "sssd_be",
    "rsyslogd",
    "xinetd",
    "inetd",
    "vow",
    "unbound",
    "fail2ban-server",
    "salt-minion",
];
const WEB: [&str; 8] = ["nginx", "apache2", "httpd", "lighttpd", "caddy", "php-fpm", "uwsgi", "gunicorn"];
const MAIL: [&str; 7] = ["master", "exim4", "exim", "sendmail", "dovecot", "imap-login", "pop3-login"];
const FOLDERS: [(&str, &str); 18] = [
    ("mongod", "/var/lib/mongodb"),
    ("ns-slapd", "/var/lib/dirsrv"),
    ("influxd", "/var/lib/influxdb"),
    ("named", "/var/lib/bind"),
    ("smbd", "/var/lib/samba"),
    ("nmbd", "/var/lib/samba"),
    ("grafana", "/var/lib/grafana"),
    ("grafana-server", "/var/lib/grafana"),
    ("prometheus", "/var/lib/prometheus"),
    ("gitea", "/var/lib/gitea"),
    ("forgejo", "/var/lib/forgejo"),
    ("beam.smp", "/var/lib/rabbitmq"),
    ("vault", "/var/lib/vault"),
    ("consul", "/var/lib/consul"),
    ("minio", "/var/lib/minio"),
    ("clickhouse-serv", "/var/lib/clickhouse"),
    ("vsftpd", "/srv/ftp"),
    ("proftpd", "/srv/ftp"),
];

/// What becomes of the folder of a type of server: a source of its type captures it. None when the server does not run and has no
/// source: then its files are files like others.
pub(super) fn server_place(host: &Host<'_>, path: &Path) -> Option<State> {
    let place = host.inventory.places.iter().find(|place| Path::new(&place.path) == path)?;
    let (_, kinds) = SERVERS.iter().find(|(name, _)| *name == place.what)?;
    let is_listening = |service: &Service| {
        service.container.is_none() && matches!(known(&service.process), Known::Adapter(of) if of == *kinds)
    };
    let of_kind = || host.servers.iter().filter(|server| kinds.contains(&server.found.kind));
    let lies_here = |server: &&Server<'_>| {
        server.found.data.as_ref().is_some_and(|data| data.starts_with(path) || path.starts_with(data))
    };
    let here: Vec<_> = of_kind().filter(lies_here).collect();
    let is_free = host.sources.iter().filter(|(kind, _)| kinds.contains(&kind.as_str())).count()
        > of_kind().filter(|server| server.captured).count();
    // A source of the type may be that of another server. One that captures none of those that run may be that of one that does not.
    if !here.is_empty() && !is_free && here.iter().any(|server| !server.captured) {
        let runs = here.iter().any(|server| server.found.running && !server.captured);
        return runs.then(|| unknown(host, kinds));
    }
    let runs =
        of_kind().any(|server| server.found.running) || host.inventory.services.iter().any(is_listening);
    let state = adapter(host, kinds);
    (runs || matches!(state, State::Covered { .. })).then_some(state)
}

/// What listens, and what becomes of what it keeps.
pub(super) fn services(host: &Host<'_>) -> Vec<Entry> {
    let one = |service: &Service| {
        let ports = service.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let inside = service.container.as_ref().map_or_else(String::new, |id| format!("@{id}"));
        let state = match known(&service.process) {
            Known::NoData(why) => State::Spare { why: why.to_owned() },
            Known::Adapter(kinds) => adapter(host, kinds),
            Known::Folder(folder) => state_of(host, Path::new(folder)),
            Known::Stranger => State::Unknown { offer: None, kind: None },
        };
        Entry {
            finding: format!("service:{}{inside}", service.process),
            what: format!("{} listens on {ports}", service.process),
            path: service.program.clone(),
            bytes: None,
            at_least: false,
            state,
        }
    };
    host.inventory.services.iter().take(ENTRIES_MAX).map(one).collect()
}

/// A database server: covered when a source of its type is in the plan; which of its databases are is judged one by one.
fn adapter(host: &Host<'_>, kinds: &[&'static str]) -> State {
    if let Some((_, name)) = host.sources.iter().find(|(kind, _)| kinds.contains(&kind.as_str())) {
        return State::Covered { by: name.clone() };
    }
    unknown(host, kinds)
}

fn unknown(host: &Host<'_>, kinds: &[&'static str]) -> State {
    let is_offered =
        |server: &&Server<'_>| !server.captured && server.found.running && server.found.problems.is_empty();
    let mut found =
        host.servers.iter().filter(is_offered).filter(|server| kinds.contains(&server.found.kind));
    State::Unknown {
        offer: found.next().and_then(|server| Offer::server(server.found)),
        kind: kinds.iter().find(|kind| host.kinds.contains(kind)).copied(),
    }
}

/// What is known of the program of this name.
fn known(process: &str) -> Known {
    // The kernel keeps 15 characters of a name.
    let is = |name: &&str| *name == process || name.len() > 15 && name[..15] == *process;
    if NO_DATA.iter().any(&is) {
        return Known::NoData("it keeps nothing of its own");
    }
    if WEB.iter().any(|name| is(name) || process.starts_with(name)) {
        return Known::NoData("what it shows is judged as folders");
    }
    if MAIL.iter().any(&is) {
        return Known::NoData("what it keeps is judged as folders");
    }
    match process {
        "postgres" | "postmaster" => return Known::Adapter(&["postgres"]),
        "mysqld" | "mariadbd" => return Known::Adapter(&["mariadb", "mysql"]),
        "redis-server" | "valkey-server" => return Known::Adapter(&["redis", "valkey"]),
        "slapd" => return Known::Adapter(&["ldap"]),
        "etcd" => return Known::Adapter(&["etcd"]),
        _ => {}
    }
    FOLDERS.iter().find(|(name, _)| is(name)).map_or(Known::Stranger, |(_, folder)| Known::Folder(folder))
}
