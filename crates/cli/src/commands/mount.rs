//! `vow mount`.

use super::snapshots;
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, next_step};
use crate::mounted::{Mounted, Tree};
use crate::reading::{Need, ReadArgs, Reading};
use crate::signals;
use crate::ui;
use fuser::{BackgroundSession, Config, MountOption, SessionACL};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use serde_json::json;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

/// How often it is looked whether a signal came, or somebody unmounted it.
const LOOK: Duration = Duration::from_millis(100);
const NO_FUSE: &str =
    "FUSE is needed: /dev/fuse, and for ordinary users the program fusermount3 (package fuse3)";
/// Requests that are answered at the same time.
const THREADS: usize = 4;

/// Show snapshots as folders, read-only, until Ctrl-C or `umount`
///
/// DIR gets HOST/SOURCE/TIME-ID/… for every snapshot, and HOST/SOURCE/latest; with SNAPSHOT, what is in that one. Files are read from
/// the vault when they are opened, and every byte is verified. Snapshots that are made later are not shown.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// An empty folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Only this snapshot
    #[arg(value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    /// Let other users in, each to what its owner, group and mode let them see
    #[arg(long)]
    allow_other: bool,
    #[command(flatten)]
    read: ReadArgs,
}

/// Mounts, and waits.
pub(crate) fn run(cx: &Context, args: &Args) -> Outcome<Exit> {
    let shown = args.folder.display();
    let empty = std::fs::read_dir(&args.folder).map(|mut entries| entries.next().is_none());
    let empty = empty.map_err(|error| match error.kind() {
        ErrorKind::NotFound => unusable(args, &error).hint("make that folder first"),
        _ => unusable(args, &error).hint_of(next_step(&error)),
    });
    if !empty? {
        return Err(Failure::new(Exit::Usage, format!("the folder {shown} is not empty"))
            .hint("name an empty folder: what is in it would be hidden"));
    }
    let reading = Reading::open(cx, &args.read, Need::Identity)?;
    let (tree, snapshots) = match &args.snapshot {
        Some(spec) => (Tree::of_one(reading.snapshot(cx, spec)?), 1),
        None => {
            let (all, problems) = snapshots::all(cx, &reading)?;
            problems.iter().for_each(|problem| cx.ui.warn(problem));
            (Tree::of_all(&all), all.len() as u64)
        }
    };
    let monitor = signals::hold();
    let session = fuser::spawn_mount(Mounted::new(tree), &args.folder, &options(args))
        .map_err(|error| unusable(args, &error).hint(NO_FUSE))?;
    cx.ui.json(&json!({"message_type": "mounted", "path": args.folder, "snapshots": snapshots}));
    cx.ui.say(&format!(
        "{} in {shown}; Ctrl-C or `umount {shown}` ends it",
        ui::plural(snapshots, "snapshot")
    ));
    while !monitor.is_cancelled() && !session.guard.is_finished() {
        std::thread::sleep(LOOK);
    }
    end(cx, args, session).map_err(|error| {
        Failure::failed(format!("{shown} was not unmounted"))
            .because(&error)
            .hint(format!("end what still uses it (`fuser -vm {shown}` lists it), then run `umount {shown}`"))
    })?;
    Ok(Exit::Done)
}

/// Unmounts. What is still in use is waited for: if this process ended first, it would stay mounted with nobody to answer.
fn end(cx: &Context, args: &Args, session: BackgroundSession) -> std::io::Result<()> {
    let mut said = false;
    while !session.guard.is_finished() {
        match unmount(&args.folder, UnmountFlags::empty()) {
            Ok(()) => break,
            Err(Errno::BUSY) => {}
            // An ordinary user unmounts through fusermount3; somebody else may have unmounted it meanwhile.
            Err(_) => return session.umount_and_join(),
        }
        if !std::mem::replace(&mut said, true) {
            cx.ui.note(&format!("{} is in use: it is unmounted when that ends", args.folder.display()));
        }
        std::thread::sleep(LOOK);
    }
    session.join()
}

fn options(args: &Args) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoDev,
        MountOption::NoSuid,
        MountOption::NoAtime,
        MountOption::FSName("vow".into()),
    ];
    if args.allow_other {
        config.acl = SessionACL::All;
        config.mount_options.push(MountOption::DefaultPermissions);
    }
    config.n_threads = Some(THREADS);
    config
}

fn unusable(args: &Args, error: &std::io::Error) -> Failure {
    Failure::failed(format!("nothing can be mounted on {}", args.folder.display())).because(error)
}
