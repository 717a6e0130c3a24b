//! `vow key rewrap`: other recipients for what is to come.
//!
//! What lies in a vault is immutable and its host cannot open it: nobody there could wrap an old session key anew, and a tool that could
//! would be one that a thief wants. So the plan is changed, and the next backup sends everything once, sealed to the new recipients;
//! earlier snapshots keep theirs until they expire. `docs/audit.md` says why.

use crate::app::Context;
use crate::commands::vault::join::replace;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::ui::plural;
use serde_json::json;
use std::fs;
use toml_edit::DocumentMut;
use vow_agent::plan::{self, Place};
use vow_store::session::Recipient;

/// Seal to other recovery keys from the next backup on
///
/// Changes the recipients in vow.toml, with everything else in it as it is. The next backup of each source sends all of it once: the new
/// keys open whatever it refers to. Earlier snapshots are opened by the keys that they were sealed to, until they expire.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A recipient to seal to as well: age1…
    #[arg(long, value_name = "RECIPIENT")]
    add: Vec<Recipient>,
    /// A recipient to seal to no more: age1…
    #[arg(long, value_name = "RECIPIENT")]
    remove: Vec<Recipient>,
    /// Change vow.toml; without it only what would change is said
    #[arg(long)]
    yes: bool,
}

/// Changes recipients.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let config = cx.load_config()?;
    let before: Vec<String> = config.recipients.iter().map(|one| one.text().to_owned()).collect();
    let removed: Vec<&str> = args.remove.iter().map(Recipient::text).collect();
    if let Some(stranger) = removed.iter().find(|one| !before.iter().any(|known| known == *one)) {
        return Err(Failure::new(Exit::NotFound, format!("the plan has no recipient {stranger}"))
            .hint("`vow key list` shows its recipients"));
    }
    let mut after: Vec<String> =
        before.iter().filter(|one| !removed.contains(&one.as_str())).cloned().collect();
    for one in args.add.iter().map(Recipient::text) {
        if !after.iter().any(|known| known == one) {
            after.push(one.to_owned());
        }
    }
    if after.is_empty() {
        return Err(
            Failure::new(Exit::Usage, "nobody would be left to seal to").hint("add a recipient with --add")
        );
    }
    let changes = before != after;
    if changes && args.yes {
        let file = &config.file;
        let text = fs::read_to_string(file).map_err(|e| Failure::io("read", file, e))?;
        let text = with_recipients(&text, &after)?;
        plan::parse(&text, file, config.origin)?;
        replace(file, text.as_bytes()).map_err(|e| Failure::io("write", file, e))?;
    }
    let status = if changes { "ok" } else { "unchanged" };
    cx.ui.json(&json!({
        "message_type": "summary", "status": status, "written": changes && args.yes, "before": before, "recipients": after,
        "sources": config.sources.iter().map(|source| &source.name).collect::<Vec<_>>(),
    }));
    after.iter().for_each(|one| cx.ui.line(one));
    if !changes {
        cx.ui.say("these are the recipients of the plan already");
        return Ok(Exit::Done);
    }
    let sources = plural(config.sources.len() as u64, "source");
    cx.ui.note(&format!("the next backup sends all of {sources} once, sealed to these; vaults need room for that until old snapshots expire"));
    cx.ui.note("earlier snapshots are opened by the keys that they were sealed to: keep a removed identity until the last of them is gone");
    // Opening and being let in are two things: a vault knows readers by another of a kit's keys.
    if config.vaults.iter().any(|vault| matches!(vault.place, Place::Address(_))) {
        if after.iter().any(|one| !before.contains(one)) {
            cx.ui.note("vaults behind an address do not let a new key read yet: on each, `vow vault join-token --role restore --host ID`; and add its reader key to `readers` for vaults that this host joins later");
        }
        if before.iter().any(|one| !after.contains(one)) {
            cx.ui.note("vaults behind an address still let a removed key read what it opens: when it was stolen, `vow vault revoke` it on each (docs/restoring.md, \"A recovery key was stolen\")");
        }
    }
    if after.len() == 1 {
        cx.ui.warn("only one recovery key is left: when it is lost, nothing opens the backups");
    }
    match args.yes {
        true => cx.ui.say("vow.toml was changed. Next: `vow backup`, then `vow key prove` with each identity; approve the keys on the console, and let the plan be approved again"),
        false => cx.ui.say("nothing was changed: add --yes to write it into vow.toml"),
    }
    Ok(Exit::Done)
}

fn with_recipients(text: &str, recipients: &[String]) -> Outcome<String> {
    let mut document: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| Failure::failed("it is not TOML").because(&e))?;
    let list: toml_edit::Array = recipients.iter().map(String::as_str).collect();
    let host = document.get_mut("host").and_then(toml_edit::Item::as_table_like_mut);
    let host = host.ok_or_else(|| Failure::failed("the plan has no [host]"))?;
    host.insert("recipients", toml_edit::value(list));
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_stays_as_it_is() {
        let before = "# mine\n[host]\nname = 'a' # the name\nrecipients = [\n  \"age1old\", # in the safe\n]\n\n[[vault]]\nname = \"local\"\n";
        let after = with_recipients(before, &["age1new".into(), "age1two".into()]).expect("a plan");
        assert_eq!(
            after,
            "# mine\n[host]\nname = 'a' # the name\nrecipients = [\"age1new\", \"age1two\"]\n\n[[vault]]\nname = \"local\"\n"
        );
        assert!(with_recipients("x = 1", &[]).is_err());
    }
}
