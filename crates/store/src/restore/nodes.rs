//! Symbolic links, devices and FIFOs.

use super::context::{Context, Outcome};
use super::dirs::{file_type, look, unlink};
use super::handle::Handle;
use super::links::LinkState;
use super::meta::{Known, apply};
use crate::listing::entry::{Entry, Kind};
use crate::monitor::add;
use rustix::fs::{FileType, Mode, Stat, makedev};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use vow_base::ObjectId;

pub(super) struct NodeJob {
    pub(super) entry: Entry<ObjectId>,
    pub(super) place: Vec<u8>,
    pub(super) fresh: bool,
    pub(super) link: Option<Arc<LinkState>>,
}

impl NodeJob {
    pub(super) fn run(&self, ctx: &Context<'_>) {
        if ctx.is_stopped() {
            return;
        }
        let made = self.make(ctx);
        if let Some(link) = &self.link {
            link.settle(made.is_ok());
        }
        match made {
            Ok(outcome) => {
                ctx.count(outcome);
                add(&ctx.tally.others, 1);
            }
            Err(error) => ctx.problem(&self.place, &ctx.words(&self.place, "create it", &error)),
        }
    }

    fn make(&self, ctx: &Context<'_>) -> io::Result<Outcome> {
        if ctx.dry_run && self.fresh {
            return Ok(Outcome::Created);
        }
        let (dir, name) = ctx.dirs.place(&self.place)?;
        let there = if self.fresh { None } else { look(dir.as_fd(), name)? };
        let handle = Handle::Name(dir.as_fd(), name);
        let mut outcome = Outcome::Created;
        let mut keep = false;
        if let Some(stat) = &there {
            outcome = Outcome::Changed;
            keep =
                self.is_same(dir.as_fd(), name, stat)? && (stat.st_nlink == 1 || self.is_ours(ctx, &handle));
            if keep {
                outcome = Outcome::Same;
            } else if file_type(stat).is_dir() {
                return Err(io::Error::other("there is a directory in its place"));
            } else if !ctx.dry_run {
                unlink(dir.as_fd(), name)?;
            }
        }
        if ctx.dry_run && !keep {
            return Ok(outcome);
        }
        if !keep {
            self.create(dir.as_fd(), name)?;
        }
        let known = if self.fresh { Known::New } else { Known::Any };
        let applied = apply(ctx, &handle, &self.entry, known, ctx.dry_run);
        applied.problems.iter().for_each(|text| ctx.problem(&self.place, text));
        if keep && applied.changed {
            outcome = Outcome::Changed;
        }
        Ok(outcome)
    }

    /// Something with several names is left only when nothing about it is to be changed.
    fn is_ours(&self, ctx: &Context<'_>, handle: &Handle<'_>) -> bool {
        self.link.is_some() && !apply(ctx, handle, &self.entry, Known::Any, true).changed
    }

    fn is_same(&self, dir: BorrowedFd<'_>, name: &[u8], stat: &Stat) -> io::Result<bool> {
        let found = file_type(stat);
        Ok(match self.entry.kind {
            Kind::Symlink => {
                found.is_symlink()
                    && rustix::fs::readlinkat(dir, name, Vec::new())?.as_bytes() == self.entry.target
            }
            Kind::Fifo => found.is_fifo(),
            Kind::CharDevice => found.is_char_device() && Some(stat.st_rdev) == self.device(),
            Kind::BlockDevice => found.is_block_device() && Some(stat.st_rdev) == self.device(),
            Kind::File | Kind::Dir => false,
        })
    }

    fn device(&self) -> Option<u64> {
        self.entry.device.map(|(major, minor)| makedev(major, minor))
    }

    fn create(&self, dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        let node = |kind, device| rustix::fs::mknodat(dir, name, kind, Mode::RUSR | Mode::WUSR, device);
        let device =
            || self.device().ok_or_else(|| io::Error::other("the listing does not say which device"));
        let made = match self.entry.kind {
            Kind::Symlink => rustix::fs::symlinkat(&self.entry.target[..], dir, name),
            Kind::Fifo => node(FileType::Fifo, 0),
            Kind::CharDevice => node(FileType::CharacterDevice, device()?),
            Kind::BlockDevice => node(FileType::BlockDevice, device()?),
            Kind::File | Kind::Dir => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(made?)
    }
}
