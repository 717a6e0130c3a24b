//! What stands before a vault and lets a host do what it must not.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use vow_testkit::{Lab, VaultServer};

/// The port on which the real vault listens meanwhile.
const ASIDE: u16 = 9443;

/// A loosened vault; it ends with the value.
pub(super) struct Loosened {
    lab: Arc<Lab>,
    machine: u8,
    /// What starts it, but for the kinds of objects.
    command: Vec<OsString>,
    child: Child,
}

impl Loosened {
    /// Puts the vault aside, and takes its place, with its key and its objects; those of these kinds can be lost from now on.
    #[track_caller]
    pub(super) fn before(
        vault: &mut VaultServer,
        (lab, machine): (&Arc<Lab>, u8),
        host_key: &Path,
        kinds: &str,
    ) -> Self {
        let place = vault.address.clone();
        let (host, _) = place.rsplit_once(':').unwrap();
        let aside = format!("{host}:{ASIDE}");
        assert_eq!(vault.stop(), Some(0));
        let line = |line: &str| match line.starts_with("listen") {
            true => format!("listen = [\"{aside}\"]"),
            false => line.to_owned(),
        };
        let settings: Vec<_> = vault.settings().lines().map(line).collect();
        fs::write(vault.dir().join("vault.toml"), settings.join("\n")).unwrap();
        vault.start();
        assert_eq!(vault.address, aside);
        let python = std::env::var_os("VOW_TEST_PYTHON")
            .expect("VOW_TEST_PYTHON with tools/requirements.txt: ./test sets it");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/e2e/grown/loosened_vault.py");
        let store = vault.store();
        let key = store.join("vault.key");
        let command = vec![
            python,
            script.into(),
            place.into(),
            aside.into(),
            store.into(),
            key.into(),
            host_key.into(),
        ];
        let child = start(lab, machine, &command, kinds);
        Self { lab: lab.clone(), machine, command, child }
    }

    /// Objects of these kinds can be lost instead.
    #[track_caller]
    pub(super) fn now(&mut self, kinds: &str) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = start(&self.lab, self.machine, &self.command, kinds);
    }
}

#[track_caller]
fn start(lab: &Arc<Lab>, machine: u8, words: &[OsString], kinds: &str) -> Child {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(kinds);
    let spawned = lab.command(machine, &command).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|e| panic!("no loosened vault: {e}"));
    let mut line = String::new();
    let read = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
    assert_eq!(line.trim(), "ready", "{read:?}");
    child
}

impl Drop for Loosened {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
