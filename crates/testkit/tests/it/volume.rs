//! The tests' own volumes: what is unmounted is gone, also where another test's name space copied the mount.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use vow_testkit::cable::Lab;
use vow_testkit::shell::is_root;
use vow_testkit::{Host, Volume};

#[test]
fn a_copy_of_its_mount_does_not_keep_a_volume_dead() {
    if !is_root("a copy of its mount does not keep a volume dead") {
        return;
    }
    let volume = Volume::ext4(16 << 20, &[]);
    let lab = Lab::new(1);
    // As a server on a machine of a lab: it has its own view of what was mounted when it started.
    let mut server = Command::new("sh");
    server.args(["-c", "echo ready; exec sleep 1000"]).stdin(Stdio::null());
    let mut server = lab.command(1, &server).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", server.id())).unwrap();
    assert!(line == "ready\n" && mounts.contains(&volume.path().display().to_string()), "{line:?} {mounts}");
    volume.cut_power();
    volume.unmount();
    volume.mount();
    let written = fs::write(volume.path().join("file"), "x");
    server.kill().unwrap();
    server.wait().unwrap();
    written.unwrap();
    let host = Host::at(&volume.path().join("host"), &[volume.beside()]);
    host.backup();
}
