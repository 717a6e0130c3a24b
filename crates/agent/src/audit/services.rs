//! What programs that listen mean for backups.

/// What is known of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It keeps nothing of its own, or what it keeps is judged as a folder.
    NoData(&'static str),
    /// Sources of these types capture it.
    Adapter(&'static [&'static str]),
    /// What it keeps lies here.
    Folder(&'static str),
    /// Nothing.
    Stranger,
}

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
const FOLDERS: [(&str, &str); 20] = [
    ("mongod", "/var/lib/mongodb"),
    ("slapd", "/var/lib/ldap"),
    ("ns-slapd", "/var/lib/dirsrv"),
    ("influxd", "/var/lib/influxdb"),
    ("etcd", "/var/lib/etcd"),
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

/// What is known of the program of this name.
pub(super) fn known(process: &str) -> Known {
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
        _ => {}
    }
    FOLDERS.iter().find(|(name, _)| is(name)).map_or(Known::Stranger, |(_, folder)| Known::Folder(folder))
}
