//! A vault that is to be served: its folder, its settings.

use super::in_bucket;
use crate::app::Context;
use crate::commands::init::hostname;
use crate::commands::vault::at::SETTINGS;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::owner;
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use vow_agent::plan::quoted;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::publish::publish;
use vow_protocol::Address;
use vow_vault::Vault;

/// The folder of the vault itself, beside the settings.
const STORE: &str = "store";
/// The socket for administration, beside the settings.
const SOCKET: &str = "admin.sock";
const DEFAULT_PORT: u16 = vow_protocol::token::DEFAULT_PORT;

/// What was said about it.
pub(super) struct Plan<'a> {
    pub(super) dir: &'a Path,
    pub(super) address: Option<&'a Address>,
    pub(super) listen: &'a [SocketAddr],
}

/// Makes the vault, and its settings last. One whose making was cut short is completed.
pub(super) fn run(cx: &Context, plan: &Plan<'_>, options: &in_bucket::Options) -> Outcome<Exit> {
    let dir = std::path::absolute(plan.dir).map_err(|e| Failure::io("find", plan.dir, e))?;
    let file = dir.join(SETTINGS);
    if fs::symlink_metadata(&file).is_ok() || dir.join("VOW").exists() {
        return Err(Failure::failed(format!(
            "there is a vault in {} already; nothing was changed",
            dir.display()
        ))
        .hint("choose another folder with --dir, or use what is there: `vow vault status --dir DIR`"));
    }
    owner::refuse_root(&dir, &format!("vow vault init --dir {} …", dir.display()))?;
    let address = match plan.address {
        Some(address) => address.clone(),
        None => guessed(plan.listen)?,
    };
    let mut text = settings(&address, options.storage().unwrap_or(STORE), plan.listen);
    if options.storage().is_some() {
        text.push_str(&options.settings());
    }
    in_bucket::checked(&text)?;
    // Names, sizes and times are nobody's business but the vault's.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|e| Failure::io("create the folder", &dir, e))?;
    let vault = match options.storage() {
        Some(url) => in_bucket::make(cx, &dir, url, options)?,
        None => Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &dir.join(STORE))?,
    };
    publish(&RealDisk, &dir, &file, text.as_bytes(), None, false)
        .map_err(|e| Failure::failed(format!("cannot write {}", file.display())).because(&e))?;
    report(cx, &dir, &file, &vault, &address);
    if options.storage().is_some() {
        cx.ui.say(&format!(
            "keep a copy of {} elsewhere: without it nobody can go on with this vault when this machine is lost",
            dir.join("vault.key").display()
        ));
        cx.ui.say(&format!(
            "with this line in a host's recovery kit, `vow restore` reads the bucket when no server of it is left (docs/restoring.md):\n# vault bucket {} {}",
            vault.place(),
            vault.fingerprint()
        ));
    }
    Ok(Exit::Done)
}

fn report(cx: &Context, dir: &Path, file: &Path, vault: &Vault, address: &Address) {
    let (dir, fingerprint, place) = (dir.display(), vault.fingerprint(), vault.place());
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "dir": dir.to_string(), "settings": file.to_string_lossy(),
        "address": address.to_string(), "fingerprint": fingerprint, "storage": place,
    }));
    cx.ui.say(&format!("made a vault in {place} ({fingerprint})"));
    cx.ui.say(&format!(
        "hosts will look for it at {address}; when that is wrong, correct it in {}",
        file.display()
    ));
    cx.ui.say(&format!("next steps:\n  vow vault serve --dir {dir}\n  vow vault join-token --dir {dir}    # then, on a host: vow vault join TOKEN"));
}

/// The name of this machine, and the port that it listens on.
fn guessed(listen: &[SocketAddr]) -> Outcome<Address> {
    let port = listen.iter().map(SocketAddr::port).find(|port| *port != 0).unwrap_or(DEFAULT_PORT);
    let text = format!("https://{}:{port}", hostname());
    text.parse().map_err(|_| {
        Failure::new(Exit::Usage, format!("{text} is not an address that hosts could reach"))
            .hint("say where hosts reach this vault: --address https://NAME:PORT")
    })
}

fn settings(address: &Address, storage: &str, listen: &[SocketAddr]) -> String {
    let mut text = format!(
        "# A vault for `vow vault serve`. docs/vault.md, \"Serving\", has everything that can stand here.\n\n\
         # Where hosts reach it: join tokens name it.\n\
         address = {}\n\
         storage = {}\n\
         socket = {}\n",
        quoted(&address.to_string()),
        quoted(storage),
        quoted(SOCKET),
    );
    if !listen.is_empty() {
        let listen: Vec<_> = listen.iter().map(|address| quoted(&address.to_string())).collect();
        text.push_str(&format!("listen = [{}]\n", listen.join(", ")));
    }
    text
}
