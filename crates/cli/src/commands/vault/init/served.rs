//! A vault that is to be served: its folder, its settings.

use crate::app::Context;
use crate::commands::init::hostname;
use crate::commands::vault::at::SETTINGS;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::layout::quoted;
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use vow_base::clock::SystemClock;
use vow_base::disk::RealDisk;
use vow_base::publish::publish;
use vow_protocol::Address;
use vow_vault::Vault;
use vow_vault::server::Config as Settings;

/// The folder of the vault itself, beside the settings.
const STORE: &str = "store";
/// The socket for administration, beside the settings.
const SOCKET: &str = "admin.sock";
const DEFAULT_PORT: u16 = vow_protocol::token::DEFAULT_PORT;

/// Makes the vault, and its settings last. One whose making was cut short is completed.
pub(super) fn run(
    cx: &Context,
    dir: &Path,
    address: Option<&Address>,
    listen: &[SocketAddr],
) -> Outcome<Exit> {
    let dir = std::path::absolute(dir).map_err(|e| Failure::io("find", dir, e))?;
    let file = dir.join(SETTINGS);
    if fs::symlink_metadata(&file).is_ok() || dir.join("VOW").exists() {
        return Err(Failure::failed(format!(
            "there is a vault in {} already; nothing was changed",
            dir.display()
        ))
        .hint("choose another folder with --dir, or use what is there: `vow vault status --dir DIR`"));
    }
    let address = match address {
        Some(address) => address.clone(),
        None => guessed(listen)?,
    };
    let text = settings(&address, listen);
    Settings::parse(&text).map_err(|bad| Failure::failed("these settings make no sense").because(&bad))?;
    // Names, sizes and times are nobody's business but the vault's.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|e| Failure::io("create the folder", &dir, e))?;
    let vault = Vault::create(Arc::new(RealDisk), Arc::new(SystemClock), &dir.join(STORE))?;
    publish(&RealDisk, &dir, &file, text.as_bytes(), None, false)
        .map_err(|e| Failure::failed(format!("cannot write {}", file.display())).because(&e))?;
    report(cx, &dir, &file, &vault, &address);
    Ok(Exit::Done)
}

fn report(cx: &Context, dir: &Path, file: &Path, vault: &Vault, address: &Address) {
    let (dir, fingerprint) = (dir.display(), vault.fingerprint());
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "dir": dir.to_string(), "settings": file.to_string_lossy(),
        "address": address.to_string(), "fingerprint": fingerprint,
    }));
    cx.ui.say(&format!("made a vault in {dir} ({fingerprint})"));
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

fn settings(address: &Address, listen: &[SocketAddr]) -> String {
    let mut text = format!(
        "# A vault for `vow vault serve`. docs/vault.md, \"Serving\", has everything that can stand here.\n\n\
         # Where hosts reach it: join tokens name it.\n\
         address = {}\n\
         storage = {}\n\
         socket = {}\n",
        quoted(&address.to_string()),
        quoted(STORE),
        quoted(SOCKET),
    );
    if !listen.is_empty() {
        let listen: Vec<_> = listen.iter().map(|address| quoted(&address.to_string())).collect();
        text.push_str(&format!("listen = [{}]\n", listen.join(", ")));
    }
    text
}
