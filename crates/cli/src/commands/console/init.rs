//! `vow console init`.

use crate::app::Context;
use crate::commands::init::hostname;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::owner;
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use vow_agent::plan::quoted;
use vow_base::Fingerprint;
use vow_console::server::Folder;
use vow_console::server::config::{Config, HOSTS_PORT};
use vow_console::server::folder::SETTINGS;
use vow_protocol::Address;

/// Make a console in a folder: its key and its settings, console.toml
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where hosts reach it [default: https://HOSTNAME:8444]
    #[arg(long, value_name = "URL")]
    address: Option<Address>,
    /// Where it listens for hosts [default: [::]:8444]
    #[arg(long, value_name = "ADDR:PORT")]
    listen_hosts: Vec<SocketAddr>,
    /// Where it listens for browsers [default: 127.0.0.1:8445]
    #[arg(long, value_name = "ADDR:PORT")]
    listen_web: Vec<SocketAddr>,
    /// What links in notifications begin with
    #[arg(long, value_name = "URL")]
    web_address: Option<String>,
    /// Keep everything in this PostgreSQL database: postgres://…
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Makes one.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let dir = std::path::absolute(&args.dir).map_err(|e| Failure::io("find", &args.dir, e))?;
    let file = dir.join(SETTINGS);
    if fs::symlink_metadata(&file).is_ok() {
        let text = format!("there is a console in {} already; nothing was changed", dir.display());
        return Err(Failure::failed(text)
            .hint("choose another folder, or use what is there: vow console serve --dir DIR"));
    }
    owner::refuse_root(&dir, &format!("vow console init --dir {} …", dir.display()))?;
    let address = match &args.address {
        Some(address) => address.clone(),
        None => {
            let port =
                args.listen_hosts.iter().map(SocketAddr::port).find(|port| *port != 0).unwrap_or(HOSTS_PORT);
            let text = format!("https://{}:{port}", hostname());
            text.parse().map_err(|_| {
                Failure::new(Exit::Usage, format!("{text} is not an address that hosts could reach"))
                    .hint("say where hosts reach this console: --address https://NAME:PORT")
            })?
        }
    };
    let text = settings(args, &address);
    Config::parse(&text)
        .map_err(|bad| Failure::new(Exit::Usage, "these settings make no sense").because(&bad))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|e| Failure::io("create the folder", &dir, e))?;
    let folder = Folder::create(&dir, &text)?;
    let fingerprint = Fingerprint::of(&folder.key()?.public()).to_string();
    cx.ui.json(&json!({
        "message_type": "summary", "status": "ok", "dir": dir.to_string_lossy(), "settings": file.to_string_lossy(),
        "address": address.to_string(), "fingerprint": fingerprint,
    }));
    let dir = dir.display();
    cx.ui.say(&format!("made a console in {dir} ({fingerprint})"));
    cx.ui.say(&format!(
        "hosts will look for it at {address}; when that is wrong, correct it in {}",
        file.display()
    ));
    cx.ui.say(&format!(
        "next steps:\n  vow console user add NAME --role administrator --dir {dir}    # the password comes from the standard input\n  \
         vow console serve --dir {dir}\n  vow console vault add NAME TOKEN --dir {dir}    # with `vow vault join-token --role console` there"
    ));
    Ok(Exit::Done)
}

fn settings(args: &Args, address: &Address) -> String {
    let mut text = format!(
        "# A console for `vow console serve`. docs/console.md, \"Settings\", has everything that can stand here.\n\n\
         # Where hosts reach it: join tokens name it.\naddress = {}\n",
        quoted(&address.to_string())
    );
    let list = |addresses: &[SocketAddr]| {
        addresses.iter().map(|a| quoted(&a.to_string())).collect::<Vec<_>>().join(", ")
    };
    if !args.listen_hosts.is_empty() {
        text.push_str(&format!("listen_hosts = [{}]\n", list(&args.listen_hosts)));
    }
    if !args.listen_web.is_empty() {
        text.push_str(&format!("listen_web = [{}]\n", list(&args.listen_web)));
    }
    if let Some(url) = &args.web_address {
        text.push_str(&format!("web_address = {}\n", quoted(url)));
    }
    if let Some(url) = &args.database {
        text.push_str(&format!("database = {}\n", quoted(url)));
    }
    text
}
