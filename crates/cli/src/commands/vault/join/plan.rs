//! Adding a vault to what is written down: to vow.toml, and to recovery kits.

use crate::failure::{Failure, Outcome};
use crate::layout::vault_block;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};
use vow_agent::plan::{self, Config, Place};
use vow_protocol::JoinToken;

fn block(name: &str, token: &JoinToken) -> String {
    vault_block(name, &Place::Address(token.address.clone()), &token.fingerprint)
}

/// The vault as it stands in a recovery kit.
pub(super) fn kit_line(name: &str, token: &JoinToken) -> String {
    format!("# vault {name} {} {}", token.address, token.fingerprint)
}

/// Adds it to the configuration; everything else there stays as it is.
pub(super) fn add(config: &Config, name: &str, token: &JoinToken) -> Outcome<()> {
    let paste = |failure: Failure| {
        let block = block(name, token).trim_end().replace('\n', "\n    ");
        failure
            .during(format!("the vault was joined, but {} could not be changed", config.file.display()))
            .hint(format!("put this into it:\n    {block}"))
    };
    let at = |action| move |e| paste(Failure::io(action, &config.file, e));
    let text = fs::read_to_string(&config.file).map_err(at("read"))?;
    let text = added(&text, name, token).map_err(&paste)?;
    plan::parse(&text, &config.file, config.origin).map_err(|error| paste(error.into()))?;
    replace(&config.file, text.as_bytes()).map_err(at("write"))
}

fn added(text: &str, name: &str, token: &JoinToken) -> Outcome<String> {
    let mut document: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| Failure::failed("it is not TOML").because(&e))?;
    let mut table = Table::new();
    table.insert("name", value(name));
    table.insert("url", value(token.address.to_string()));
    table.insert("fingerprint", value(token.fingerprint.to_string()));
    let vaults = document.entry("vault").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let vaults = vaults.as_array_of_tables_mut();
    let vaults = vaults.ok_or_else(|| Failure::failed("its vaults are not written as [[vault]]"))?;
    // Right behind the last of them, wherever in the file that is.
    if let Some(position) = vaults.iter().last().and_then(Table::position) {
        table.set_position(Some(position));
    }
    table.decor_mut().set_prefix("\n");
    vaults.push(table);
    Ok(document.to_string())
}

/// Adds a line to a recovery kit. The secret in it is not touched.
pub(super) fn add_to_kit(kit: &Path, line: &str) -> std::io::Result<()> {
    let mut file = File::options().append(true).open(kit)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}

/// Replaces a file, with the permissions that it had.
pub(crate) fn replace(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let path = fs::canonicalize(path)?;
    let meta = fs::metadata(&path)?;
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::options().create_new(true).write(true).mode(0o600).open(&unfinished)?;
        file.write_all(text)?;
        file.set_permissions(fs::Permissions::from_mode(meta.permissions().mode() & 0o7777))?;
        std::os::unix::fs::fchown(&file, Some(meta.uid()), Some(meta.gid()))?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use vow_base::Fingerprint;
    use vow_protocol::JoinSecret;

    #[test]
    fn everything_else_in_the_file_stays_as_it_is() {
        let token = JoinToken {
            address: "https://vault.example.net:8443".parse().expect("an address"),
            fingerprint: Fingerprint([0xab; 32]),
            secret: JoinSecret::from_bytes(&[7; 16]),
        };
        let before =
            "# mine\n[host]\nname = 'a' # the name\n\n[[vault]]\nname = \"local\"\npath = \"vault\"\n\n";
        let after = "[[source]]\nname = \"x\"\n";
        let text = added(&format!("{before}{after}"), "remote", &token).expect("a plan");
        assert_eq!(text, format!("{before}{}\n{after}", block("remote", &token)));
        let alone = added("[host]\nname = 'a'\n", "remote", &token).expect("a plan");
        assert_eq!(alone, format!("[host]\nname = 'a'\n\n{}", block("remote", &token)));
        assert!(!text.contains(token.secret.text()));
        assert!(added("vault = []\n", "remote", &token).is_err());
    }
}
