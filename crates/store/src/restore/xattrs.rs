//! Extended attributes, ACLs and capabilities among them.

use super::context::Context;
use super::handle::Handle;
use super::meta::{Applied, Known};
use crate::listing::entry::Entry;
use rustix::io::Errno;
use std::io;
use vow_base::ObjectId;

/// Labels that the system itself puts on files: never removed, only overwritten by what was recorded.
const SYSTEM_LABELS: [&[u8]; 3] = [b"security.selinux", b"security.ima", b"security.evm"];
/// The longest list of names, and the longest value, that Linux has.
const LIMIT_BYTES: usize = 64 << 10;
const ACL: &[u8] = b"system.posix_acl_access";

/// Makes the attributes right; says whether an access list was touched.
pub(super) fn apply(
    ctx: &Context<'_>,
    handle: &Handle<'_>,
    entry: &Entry<ObjectId>,
    known: Known,
    dry_run: bool,
    applied: &mut Applied,
) -> io::Result<bool> {
    let mut acl = false;
    let there = if known == Known::New { Vec::new() } else { list(handle)? };
    for name in &there {
        let wanted = entry.xattrs.iter().any(|(wanted, _)| wanted == name);
        if wanted || SYSTEM_LABELS.contains(&name.as_slice()) {
            continue;
        }
        applied.changed = true;
        acl |= name == ACL;
        if !dry_run && let Err(error) = handle.remove_xattr(name) {
            let action = format!("remove its attribute {}", name.escape_ascii());
            applied.problems.push(ctx.words(&entry.path, &action, &error));
        }
    }
    for (name, value) in &entry.xattrs {
        if there.contains(name) && get(handle, name)?.as_ref() == Some(value) {
            continue;
        }
        applied.changed = true;
        acl |= name == ACL;
        if !dry_run && let Err(error) = handle.set_xattr(name, value) {
            let action = format!("set its attribute {}", name.escape_ascii());
            applied.problems.push(ctx.words(&entry.path, &action, &error));
        }
    }
    Ok(acl)
}

fn list(handle: &Handle<'_>) -> io::Result<Vec<Vec<u8>>> {
    let mut few = [0; 512];
    let mut many = Vec::new();
    let names = match handle.list_xattrs(&mut few) {
        Ok(length) => few.get(..length),
        Err(error) if unsupported(&error) => return Ok(Vec::new()),
        Err(error) if is(&error, Errno::RANGE) => {
            many.resize(LIMIT_BYTES, 0);
            let length = handle.list_xattrs(&mut many)?;
            many.get(..length)
        }
        Err(error) => return Err(error),
    };
    let names = names.unwrap_or_default().split(|byte| *byte == 0);
    Ok(names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

fn get(handle: &Handle<'_>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; LIMIT_BYTES];
    match handle.get_xattr(name, &mut value) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(error) if is(&error, Errno::NODATA) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unsupported(error: &io::Error) -> bool {
    is(error, Errno::OPNOTSUPP) || is(error, Errno::NOSYS)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    Errno::from_io_error(error) == Some(errno)
}
