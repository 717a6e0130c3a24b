//! Signals, pipes and a full standard output.

use crate::host::{Host, Ran, command, noise};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Starts something that runs until it is told to stop: an identity command that waits for its pipe.
fn waiting(host: &Host) -> (Child, OwnedFd) {
    let fifo = host.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let mut command = command(host.temp.path());
    command.env("VOW_IDENTITY_FILE", &fifo).arg("--config").arg(host.config()).args(["ls", "latest"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // Opening blocks until the binary has opened its side; from then on its handlers are in place.
    let writer = OpenOptions::new().write(true).open(&fifo).expect("the pipe");
    sleep(Duration::from_millis(50));
    (child, writer.into())
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().expect("a process id")).expect("a process id");
    kill_process(pid, signal).expect("the signal is sent");
}

#[test]
fn signals_end_it_with_their_own_code() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let host = Host::backed_up();
        let (child, pipe) = waiting(&host);
        send(&child, signal);
        Ran::of(child.wait_with_output().expect("it ends")).code(code);
        drop(pipe);
    }
}

#[test]
fn usr1_prints_one_line_and_goes_on() {
    let host = Host::backed_up();
    let (child, pipe) = waiting(&host);
    send(&child, Signal::USR1);
    sleep(Duration::from_millis(100));
    let mut pipe =
        File::from(pipe.as_fd().try_clone_to_owned().map(|fd| (fd, drop(pipe)).0).expect("the pipe"));
    pipe.write_all(&std::fs::read(host.identity()).expect("the identity")).expect("written");
    drop(pipe);
    let ran = Ran::of(child.wait_with_output().expect("it ends")).code(0);
    assert_eq!(ran.err.matches("progress: ").count(), 1, "{ran:#?}");
}

#[test]
fn an_interrupted_backup_makes_no_snapshot_and_the_next_one_works() {
    let host = Host::new();
    for number in 0..48 {
        let mut bytes = noise(4 << 20);
        bytes[..8].copy_from_slice(&u64::to_le_bytes(number));
        // Every file is other data: rotated by a number of its own.
        bytes.rotate_left(number as usize * 77_777);
        bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(number as u8));
        host.write(&format!("bulk-{number}"), bytes);
    }
    let mut command = command(host.temp.path());
    command.arg("--config").arg(host.config()).args(["backup", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // The state folder is there as soon as the engine has begun.
    let until = Instant::now() + Duration::from_secs(20);
    while !host.dir().join("state").exists() && Instant::now() < until {
        sleep(Duration::from_micros(200));
    }
    send(&child, Signal::INT);
    let ran = Ran::of(child.wait_with_output().expect("it ends"));
    if ran.code == Some(0) {
        // The machine was faster than the signal.
        return;
    }
    let ran = ran.code(130);
    assert_eq!(ran.json()["status"], "failed");
    assert!(host.ids().is_empty());
    host.run(["backup"]).code(0);
    host.open(["check", "--read-data"]).code(0);
}

#[test]
fn a_reader_that_goes_away_ends_it_in_silence() {
    let host = Host::backed_up();
    let mut command = command(host.temp.path());
    command.arg("--config").arg(host.config()).arg("cat").arg(host.at("latest", "large.bin"));
    command.arg("--identity").arg(host.identity());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    drop(child.stdout.take());
    let ran = Ran::of(child.wait_with_output().expect("it ends")).code(141);
    assert_eq!(ran.err, "");
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let host = Host::backed_up();
    for args in [vec!["snapshots"], vec!["export", "latest", "--identity", "host/recovery.agekey"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let mut command = command(host.temp.path());
        command.arg("--config").arg(host.config()).args(&args).stdout(full);
        let ran = Ran::of(command.stderr(Stdio::piped()).output().expect("the binary starts"));
        assert_eq!(ran.code, Some(1), "{args:?} {ran:#?}");
        assert!(ran.err.contains("error: "), "{ran:#?}");
    }
}
