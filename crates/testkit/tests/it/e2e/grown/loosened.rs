//! What stands before a vault and lets a host do what it must not.

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
    child: Child,
}

impl Loosened {
    /// Puts the vault aside, and takes its place, with its key and its objects.
    #[track_caller]
    pub(super) fn before(vault: &mut VaultServer, lab: &Arc<Lab>, machine: u8, host_key: &Path) -> Self {
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
        let mut command = Command::new(python);
        command.arg(script).args([&place, &aside]).arg(vault.store());
        command.arg(vault.store().join("vault.key")).arg(host_key);
        let spawned = lab.command(machine, &command).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|e| panic!("no loosened vault: {e}"));
        let mut line = String::new();
        let read = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        assert_eq!(line.trim(), "ready", "{read:?}");
        Self { child }
    }
}

impl Drop for Loosened {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
