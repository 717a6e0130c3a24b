//! Folders of services: what root writes into the folder of another account, that account's server can neither read nor go on with.

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Refuses to let root write into a folder that belongs to another account; `command` is what to run as that account instead.
///
/// A folder that is not there belongs to nobody yet.
pub(crate) fn refuse_root(folder: &Path, command: &str) -> Outcome<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = match fs::metadata(folder) {
        Ok(meta) => meta.uid(),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Failure::io("look at", folder, e)),
    };
    if owner == 0 {
        return Ok(());
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = name_of(&accounts, owner);
    let text = format!(
        "{} belongs to {}: a server that runs as that account could not go on with what root writes there",
        folder.display(),
        name.map_or_else(|| format!("user number {owner}"), str::to_owned)
    );
    let by = name.map_or_else(
        || format!("setpriv --reuid={owner} --clear-groups"),
        |name| format!("runuser -u {name} --"),
    );
    Err(Failure::new(Exit::Usage, text).hint(format!("run it as that account: {by} {command}")))
}

/// The name of an account. Those that are only in a directory service are called by their number.
fn name_of(accounts: &str, number: u32) -> Option<&str> {
    let one =
        |line: &'_ str| -> bool { line.split(':').nth(2).and_then(|uid| uid.parse().ok()) == Some(number) };
    accounts
        .lines()
        .find(|line| one(line))
        .and_then(|line| line.split(':').next())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn accounts_are_found_by_their_number() {
        let accounts = "root:x:0:0::/root:/bin/sh\n\nbroken\nvow-vault:x:997:997::/var/lib/vow-vault:/usr/sbin/nologin\n:x:5:5";
        assert_eq!(name_of(accounts, 997), Some("vow-vault"));
        assert_eq!(name_of(accounts, 0), Some("root"));
        assert_eq!(name_of(accounts, 5), None);
        assert_eq!(name_of(accounts, 1), None);
    }
}
