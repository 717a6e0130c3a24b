//! Power cuts: ext4 on a loop file that is shut down without writing its log. What was acknowledged is there afterwards.

use super::killed::churn;
use std::fs;
use std::time::Duration;
use vow_testkit::host::{ids, scratch};
use vow_testkit::shell::{is_root, is_soak};
use vow_testkit::{Dice, Host, Tree, Volume};

const SIZE_BYTES: u64 = 700 << 20;

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    if !is_root("what was acknowledged survives a power cut") {
        return;
    }
    let dice = &mut Dice::new(7);
    let volume = Volume::ext4(SIZE_BYTES, &[]);
    let source = volume.beside().join("source");
    fs::create_dir(&source).unwrap();
    let host = Host::at(&volume.path().join("host"), &[&source]);
    let mut acknowledged = Vec::new();
    for round in 0..if is_soak() { 60 } else { 8 } {
        churn(&source, round, dice);
        let tree = Tree::read(&source);
        let running = host.start(["backup", "--json"]);
        std::thread::sleep(Duration::from_millis(dice.below(400) as u64));
        volume.cut_power();
        let done = running.wait();
        if matches!(done.code, Some(0 | 3)) {
            acknowledged.extend(ids(&done).into_iter().map(|id| (id, tree.clone())));
        }
        volume.unmount();
        volume.mount();
        for (id, tree) in &acknowledged {
            host.assert_restores(id, &source, tree);
        }
        let id = host.backup();
        host.assert_restores(&id, &source, &tree);
        let _ = host.check().expect(0);
        acknowledged.push((id, tree));
        acknowledged.drain(..acknowledged.len().saturating_sub(4));
    }
}

#[test]
fn the_first_backup_survives_with_everything_that_init_made() {
    if !is_root("the first backup survives with everything that init made") {
        return;
    }
    let volume = Volume::ext4(64 << 20, &[]);
    let scratch = scratch();
    let source = scratch.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "the only copy").unwrap();
    let tree = Tree::read(&source);
    let host = Host::at(&volume.path().join("host"), &[&source]);
    let id = host.backup();
    volume.cut_power();
    volume.unmount();
    volume.mount();
    host.assert_restores(&id, &source, &tree);
    host.assert_restores(&host.backup(), &source, &tree);
}
