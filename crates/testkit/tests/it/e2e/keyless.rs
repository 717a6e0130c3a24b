//! What the host keeps opens nothing: neither its keys, its state, its configuration, nor the vault's own key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use vow_base::id::{hex, sha256};
use vow_testkit::host::{files_below, scratch};
use vow_testkit::shell::run;
use vow_testkit::{Dice, Host};

const CONTENT: &str = "marker-of-content-5b1f0c";
const NAME: &str = "marker-of-name-93ae77";

struct Robbed {
    host: Host,
    identity: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Robbed {
    /// A host with snapshots whose recovery key was moved away.
    fn new() -> Self {
        let scratch = scratch();
        let source = scratch.path().join("source");
        fs::create_dir_all(source.join(NAME)).unwrap();
        // Once in a bundle, once as a chunk that is stored without compression.
        fs::write(source.join(NAME).join("small"), CONTENT).unwrap();
        let noise = Dice::new(6).bytes(900_000);
        fs::write(source.join("large"), [CONTENT.as_bytes(), &noise].concat()).unwrap();
        let host = Host::at(&scratch.path().join("host"), &[&source]);
        let identity = scratch.path().join("moved away");
        host.backup();
        fs::write(source.join("more"), CONTENT.repeat(3)).unwrap();
        host.backup();
        fs::rename(host.identity(), &identity).unwrap();
        Self { host, identity, _scratch: scratch }
    }
}

#[test]
fn no_file_of_the_host_or_vault_is_an_identity() {
    let robbed = Robbed::new();
    let target = robbed.host.dir().with_file_name("target");
    let target = target.display().to_string();
    let path = "files@latest:/tmp";
    let commands: [&[&str]; 6] = [
        &["restore", "files@latest", "--target", &target],
        &["ls", "files@latest"],
        &["cat", path],
        &["find", "x"],
        &["export", "files@latest"],
        &["diff", "files@latest", "files@latest"],
    ];
    for command in commands {
        let done = robbed.host.run(command).expect(12);
        assert!(done.stderr.contains("identity"), "{}", done.story());
    }
    for file in files_below(robbed.host.dir()) {
        for command in [&commands[0], &commands[4]] {
            let identity = ["--identity".as_ref(), file.as_os_str()];
            let _ = run(robbed.host.command(*command).args(identity)).expect(12);
        }
    }
    assert!(!Path::new(&target).exists(), "something was restored");
    let mut with = robbed.host.command(commands[0]);
    let _ = run(with.arg("--identity").arg(&robbed.identity)).expect(0);
}

#[test]
fn neither_content_nor_names_stand_in_the_vault() {
    let robbed = Robbed::new();
    for file in files_below(&robbed.host.vault()) {
        let bytes = fs::read(&file).unwrap();
        for marker in [CONTENT, NAME] {
            assert!(!holds(&bytes, marker.as_bytes()), "{marker} in {}", file.display());
        }
    }
    for file in files_below(robbed.host.dir()) {
        let bytes = fs::read(&file).unwrap();
        assert!(!holds(&bytes, CONTENT.as_bytes()), "content in {}", file.display());
        // Nor what would prove a guess of it.
        let digest = sha256(CONTENT.as_bytes());
        assert!(!holds(&bytes, &digest), "a plain hash of content in {}", file.display());
    }
}

#[test]
fn no_session_key_is_on_the_disk() {
    let robbed = Robbed::new();
    let packs = files_below(&robbed.host.objects(&robbed.host.vault()).join("packs"));
    assert!(packs.len() >= 2);
    let host_files: Vec<_> =
        files_below(robbed.host.dir()).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    let mut keys = Vec::new();
    for pack in packs {
        let key = session_key(&fs::read(&pack).unwrap(), &robbed.identity);
        for (bytes, path) in &host_files {
            let found = holds(bytes, &key) || holds(bytes, hex(&key).as_bytes());
            assert!(!found, "the session key of {} is in {}", pack.display(), path.display());
        }
        keys.push(key);
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 2, "each run has a key of its own");
}

/// Section 3 of the format: at offset 10 the length of the key blob, at 76 the blob, an age file.
fn session_key(pack: &[u8], identity: &Path) -> Vec<u8> {
    let length = usize::from(u16::from_le_bytes([pack[10], pack[11]]));
    let blob = tempfile::NamedTempFile::new().unwrap();
    fs::write(blob.path(), &pack[76..76 + length]).unwrap();
    let done = run(Command::new("age").args(["-d", "-i"]).arg(identity).arg(blob.path())).expect(0);
    assert_eq!(done.stdout.len(), 32);
    done.stdout
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
