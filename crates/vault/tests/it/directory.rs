//! A folder on this machine's disk.

use crate::conformance::conformance;
use std::sync::Arc;
use vow_base::disk::RealDisk;
use vow_vault::storage::{DirStorage, Storage};

#[test]
fn conforms() {
    let folder = tempfile::tempdir().unwrap();
    let storage = DirStorage::new(Arc::new(RealDisk), folder.path());
    storage.make_folder("tmp").unwrap();
    storage.create("lock", b"", None).unwrap();
    conformance(&storage, 1200);
}
