//! Machines with a cable between them that is pulled.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vow_testkit::host::{below, files_below, scratch, vow};
use vow_testkit::shell::{self, Running, is_root, is_soak, run};
use vow_testkit::{Host, Lab, Tree, VaultServer};

#[test]
fn a_pulled_cable_carries_nothing_until_it_is_plugged_in_again() {
    if !is_root("a_pulled_cable_carries_nothing_until_it_is_plugged_in_again") {
        return;
    }
    let lab = Lab::new(2);
    let reaches = || {
        let script = format!("exec 3<>/dev/tcp/{}/9", lab.address(2));
        let mut command = Command::new("timeout");
        command.args(["1", "bash", "-c", &script]);
        // Refused is an answer: the other machine is there.
        run(&mut lab.command(1, &command)).said().contains("refused")
    };
    assert!(reaches());
    lab.pull(2);
    assert!(!reaches());
    lab.plug(2);
    assert!(reaches());
}

/// Long enough for whoever waits at the other end to give the connection up.
const LONG: Duration = Duration::from_secs(70);
const PATIENCE: Duration = Duration::from_secs(240);

/// The packs in a vault's folder, with their inodes: a pack that is sent again gets another one.
fn packs(vault: &VaultServer) -> Vec<(PathBuf, u64)> {
    packs_in(&vault.store())
}

#[track_caller]
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Pulls the cable under something that brings packs into `into`, once some have come and while more are to come; plugs it in again, either after a
/// long time, or after the server at the other end was killed and started anew, so that no connection survives.
#[track_caller]
fn cut(
    lab: &Lab,
    server: &mut VaultServer,
    machine: u8,
    into: impl Fn() -> Vec<(PathBuf, u64)>,
    work: Running,
) -> shell::Done {
    let mut work = work;
    let before = into().len();
    wait_for("the first pack", || into().len() >= before + 2 || work.has_ended());
    lab.pull(machine);
    assert!(!work.has_ended(), "the machine was faster than the cable\n{}", work.wait().story());
    if is_soak() {
        std::thread::sleep(LONG);
    } else {
        server.kill();
        server.start();
    }
    let there = into();
    lab.plug(machine);
    let done = work.wait();
    let after = into();
    assert!(after.len() > there.len(), "more came after the cut");
    assert!(there.iter().all(|pack| after.contains(pack)), "what was there is not sent again");
    done
}

#[test]
fn a_backup_and_a_replication_go_on_after_their_cable_was_pulled() {
    if !is_root("a_backup_and_a_replication_go_on_after_their_cable_was_pulled") {
        return;
    }
    let (lab, scratch) = (Arc::new(Lab::new(3)), scratch());
    let data = scratch.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mut state = 1_u64;
    for file in 0..24 {
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        });
        std::fs::write(data.join(format!("{file}.bin")), noise.take(4 << 20).collect::<Vec<_>>()).unwrap();
    }
    let expected = Tree::read(&data);
    // So slow that there is a middle to be cut in, both ways.
    let mut near = VaultServer::at(&scratch.path().join("near")).on(&lab, 2);
    let _ = near.init(&[]).expect(0);
    near.add_settings("[limits]\nbytes_per_second = \"12 MiB\"", true);
    near.start();
    let host = joining(&lab, &scratch.path().join("host"), &data, &near);

    let backup = shell::start(&mut lab.command(1, &host.command(["backup", "--json"])));
    let store = near.store();
    let done = cut(&lab, &mut near, 2, || packs_in(&store), backup).expect(0);
    assert_eq!(done.summary()["status"], "ok", "{}", done.story());

    let far = VaultServer::at(&scratch.path().join("far")).on(&lab, 3).made(&[]);
    far.follow(&near);
    let mut replicate = far.command(["vault", "replicate", "--json", "--from", &near.url(), "--dir"]);
    let replicate = shell::start(replicate.arg(far.dir()));
    let done = cut(&lab, &mut near, 3, || packs(&far), replicate).expect(0);
    assert_eq!(
        (&done.summary()["snapshots"], &done.summary()["lacking"]),
        (&1.into(), &0.into()),
        "{}",
        done.story()
    );

    // Both hold all of it, and nothing else.
    let names = |vault: &VaultServer| {
        packs(vault)
            .into_iter()
            .filter_map(|(path, _)| Some(path.file_name()?.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&near), names(&far));
    for vault in [&near, &far] {
        let _ = vault.keep("status --verify-ledger", &[]).expect(0);
        let target = scratch.path().join(vault.dir().file_name().unwrap()).with_extension("back");
        let mut restore = vow();
        restore.args(["restore", "latest", "--json", "--identity"]).arg(host.identity());
        restore.arg("--vault").arg(vault.store()).arg("--target").arg(&target);
        let _ = run(&mut restore).expect(0);
        expected.assert_equals(&Tree::read(&below(&target, &data)), "after the cut");
    }
}

fn packs_in(store: &Path) -> Vec<(PathBuf, u64)> {
    let found = files_below(store).into_iter().filter(|path| path.to_string_lossy().contains("/packs/"));
    found.filter_map(|path| Some((path.clone(), path.metadata().ok()?.ino()))).collect()
}

/// A host on machine 1 that joins the vault.
#[track_caller]
fn joining(lab: &Lab, dir: &Path, data: &Path, vault: &VaultServer) -> Host {
    let mut init = vow();
    init.args([
        "init",
        "--tenant",
        "acme",
        "--name",
        "web-1",
        "--no-local",
        "--join",
        &vault.token(&[]),
        "--dir",
    ]);
    let _ = run(&mut lab.command(1, init.arg(dir).arg("--path").arg(data))).expect(0);
    Host::of(dir)
}
