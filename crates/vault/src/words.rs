//! Numbers and names in sentences for people.

use vow_base::HostId;

/// "1 snapshot", "2 snapshots".
pub(crate) fn plural(number: u64, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// What people call a host, and the beginning of its id: `acme/web-1 (5e4d3bd1c787)`.
pub(crate) fn label(host: &HostId, tenant: &str, name: &str) -> String {
    match (tenant, name) {
        ("", "") => host.short(),
        ("", name) => format!("{name} ({})", host.short()),
        (tenant, name) => format!("{tenant}/{name} ({})", host.short()),
    }
}
