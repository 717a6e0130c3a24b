//! Folders in which software keeps what nobody else has, where they usually are.

use super::machine::Machine;
use serde::Serialize;

/// A folder that holds something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What is in it.
    pub what: &'static str,
    /// Where.
    pub path: String,
}

const PLACES: [(&str, &str); 30] = [
    ("mail", "/var/mail"),
    ("mail", "/var/vmail"),
    ("mail", "/var/spool/postfix/maildrop"),
    ("mail", "/var/lib/cyrus"),
    ("mail", "/var/lib/dovecot"),
    ("LDAP", "/var/lib/ldap"),
    ("LDAP", "/etc/ldap/slapd.d"),
    ("LDAP", "/etc/openldap/slapd.d"),
    ("389 Directory Server", "/var/lib/dirsrv"),
    ("MongoDB", "/var/lib/mongodb"),
    ("InfluxDB", "/var/lib/influxdb"),
    ("Elasticsearch", "/var/lib/elasticsearch"),
    ("RabbitMQ", "/var/lib/rabbitmq"),
    ("Grafana", "/var/lib/grafana"),
    ("Prometheus", "/var/lib/prometheus"),
    ("Jenkins", "/var/lib/jenkins"),
    ("GitLab", "/var/opt/gitlab"),
    ("Gitea", "/var/lib/gitea"),
    ("Redis", "/var/lib/redis"),
    ("Valkey", "/var/lib/valkey"),
    ("MariaDB", "/var/lib/mysql"),
    ("PostgreSQL", "/var/lib/postgresql"),
    ("certificates", "/etc/letsencrypt"),
    ("virtual machines", "/var/lib/libvirt/images"),
    ("FTP", "/srv/ftp"),
    ("DNS zones", "/var/lib/bind"),
    ("Samba", "/var/lib/samba"),
    ("Nextcloud", "/var/www/nextcloud/data"),
    ("secrets", "/var/lib/vault"),
    ("etcd", "/var/lib/etcd"),
];

/// Those that are here and not empty.
pub(super) fn look(machine: &Machine) -> Vec<Place> {
    let here = |(what, path): &(&'static str, &'static str)| {
        let place = Place { what, path: (*path).to_owned() };
        // What may not be looked into may hold something.
        let hidden = std::fs::read_dir(machine.path(path))
            .is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
        (hidden || !machine.names(path).is_empty()).then_some(place)
    };
    PLACES.iter().filter_map(here).collect()
}
