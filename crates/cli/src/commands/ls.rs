//! `vow ls`.

use crate::app::Context;
use crate::entries::{long_line, shown, snapshot_line, value};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reading::{Need, ReadArgs, Reading};
use serde_json::Value;
use std::ffi::OsString;
use vow_base::ObjectId;
use vow_store::archive::Spec;
use vow_store::listing::entry::{Entry, Kind};
use vow_store::listing::path::parent;

/// List what a snapshot holds
#[derive(clap::Args)]
pub(crate) struct Args {
    /// SNAPSHOT[:PATH]: an id or its beginning, SOURCE@latest or SOURCE@2026-11-20, and an absolute path in it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: OsString,
    /// Show permissions, owner, size and time
    #[arg(long, short)]
    long: bool,
    /// Also what is in the folders below
    #[arg(long, short = 'R')]
    recursive: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// Lists.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let spec = Spec::parse(args.snapshot.as_encoded_bytes())?;
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let snapshot = reading.snapshot(cx, &spec.snapshot)?;
    let folder = spec.path.unwrap_or_default();
    cx.ui.say(&snapshot_line(snapshot.info()));
    let (mut there, mut unread) = (folder.is_empty(), 0_u64);
    for entry in snapshot.entries(Some(&folder)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.is_identity() || error.is_gone() => return Err(error.into()),
            Err(error) => {
                cx.ui.warn(&error.to_string());
                unread += 1;
                continue;
            }
        };
        let itself = entry.path == folder;
        there |= itself;
        let listed =
            if itself { entry.kind != Kind::Dir } else { is_listed(&entry, &folder, args.recursive) };
        if listed {
            let root = snapshot.root();
            cx.ui.line(&if args.long { long_line(&entry, root) } else { entry.display() });
            if cx.ui.json {
                let mut object = value(&entry, root);
                object.insert("message_type".into(), "entry".into());
                cx.ui.json(&Value::Object(object));
            }
        }
    }
    match (there, unread) {
        (_, 1..) => Ok(Exit::Partial),
        (true, 0) => Ok(Exit::Done),
        (false, 0) => Err(Failure::failed(format!("the snapshot has no {}", shown(&folder)))
            .hint("`vow find` looks for a name in all snapshots")),
    }
}

fn is_listed(entry: &Entry<ObjectId>, folder: &[u8], recursive: bool) -> bool {
    recursive || parent(&entry.path) == Some(folder)
}
