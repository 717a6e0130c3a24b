//! A vault that joins another one, to replicate from it.

use super::at::{At, SETTINGS};
use super::join::{expect, join as join_as};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use serde_json::json;
use std::fs;
use std::path::Path;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};
use vow_protocol::{JoinToken, Role};
use vow_vault::server::Config;

/// What recovery kits call this vault.
const REPLICA: &str = "replica";

/// Joins the vault that the token names as the vault in this folder, and adds it to the vault's settings.
pub(super) fn join(cx: &Context, name: &str, token: &JoinToken, dir: &Path) -> Outcome<Exit> {
    let at = At::from(dir);
    let vault = at.open_to_change()?;
    let settings = at.settings()?;
    if settings.replicate.iter().any(|from| from.name == name) {
        return Err(Failure::new(
            Exit::Usage,
            format!("this vault replicates from one named {name:?} already"),
        )
        .hint("give it another name with --name"));
    }
    let joined = join_as(token, &vault.signing_key()?, None, name, &[])?;
    expect(&joined, Role::Replicate)?;
    let here =
        settings.address.as_ref().map(|here| format!("# vault {REPLICA} {here} {}", vault.fingerprint()));
    let file = dir.join(SETTINGS);
    let added = add(&file, name, token);
    cx.ui.json(&json!({
        "message_type": "summary", "status": if added.is_ok() { "ok" } else { "partial" }, "name": name,
        "url": token.address.to_string(), "fingerprint": token.fingerprint.to_string(), "role": joined.role.word(),
        "kit_line": here,
    }));
    cx.ui.say(&format!("this vault may replicate from the one at {}", token.address));
    match added {
        Ok(()) => {
            cx.ui.say(&format!("it is in {}; `vow vault serve` pulls from it every hour", file.display()))
        }
        Err(failure) => {
            cx.ui.warn(&format!("{} could not be changed: {}", file.display(), failure.line()));
            cx.ui.say(&format!(
                "pull from it with: vow vault replicate --from {}#{}",
                token.address,
                vow_base::id::hex(&token.fingerprint.0)
            ));
        }
    }
    if let Some(line) = here {
        cx.ui.say(&format!(
            "with this line in a host's recovery kit, `vow restore` finds what is copied here when the other vault is gone:\n{line}"
        ));
    }
    Ok(Exit::Done)
}

fn add(file: &Path, name: &str, token: &JoinToken) -> Outcome<()> {
    let text = fs::read_to_string(file).map_err(|e| Failure::io("read", file, e))?;
    let mut document: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| Failure::failed("it is not TOML").because(&e))?;
    let mut table = Table::new();
    table.insert("name", value(name));
    table.insert("url", value(token.address.to_string()));
    table.insert("fingerprint", value(token.fingerprint.to_string()));
    table.decor_mut().set_prefix("\n");
    let all = document.entry("replicate").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let all = all.as_array_of_tables_mut();
    all.ok_or_else(|| Failure::failed("its replicas are not written as [[replicate]]"))?.push(table);
    let text = document.to_string();
    Config::parse(&text).map_err(|e| Failure::failed("it would not be right any more").because(&e))?;
    super::join::replace(file, text.as_bytes()).map_err(|e| Failure::io("write", file, e))
}
