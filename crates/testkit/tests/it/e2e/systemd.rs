//! The units for systemd: read by systemd itself where it is there, and by us; and the one thing they rely on, tried for real.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vow_testkit::host::{binary, scratch};
use vow_testkit::shell::{is_root, run};
use vow_testkit::{Host, VaultServer, postgres};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd")
}

/// Settings by section and name; a name may stand there several times.
fn unit(text: &str) -> BTreeMap<(String, String), Vec<String>> {
    let mut settings: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
            continue;
        }
        let (name, value) =
            line.split_once('=').unwrap_or_else(|| panic!("neither a section nor a setting: {line:?}"));
        assert!(!section.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "{line:?}");
        settings.entry((section.clone(), name.to_owned())).or_default().push(value.to_owned());
    }
    settings
}

#[test]
fn the_units_of_the_vault_are_hardened_and_systemd_takes_them() {
    let names = ["vow-vault.service", "vow-vault.socket"];
    let texts = names.map(|name| std::fs::read_to_string(folder().join(name)).unwrap());
    let [service, socket] = [unit(&texts[0]), unit(&texts[1])];
    let of = |unit: &BTreeMap<_, Vec<String>>, section: &str, name: &str| {
        unit.get(&(section.to_owned(), name.to_owned())).cloned().unwrap_or_default().join(" ")
    };
    for (name, value) in [
        ("Type", "notify"),
        ("User", "vow-vault"),
        ("CapabilityBoundingSet", ""),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("MemoryDenyWriteExecute", "yes"),
        ("UMask", "0077"),
    ] {
        assert!(service.contains_key(&("Service".into(), name.into())), "{name} is not set");
        assert_eq!(of(&service, "Service", name), value, "{name}");
    }
    let dir = of(&service, "Service", "ExecStart");
    let dir = dir.split_once("--dir ").map(|(_, dir)| dir.to_owned()).unwrap_or_default();
    assert_eq!(dir, format!("/var/lib/{}", of(&service, "Service", "StateDirectory")));
    assert_eq!(of(&socket, "Socket", "ListenStream"), "8443");
    assert!(of(&service, "Unit", "Requires").contains("vow-vault.socket"));

    let scratch = scratch();
    for (name, text) in names.iter().zip(&texts) {
        // The one thing that is another here: where the program is.
        let text = text.replace("/usr/local/bin/vow", &binary().display().to_string());
        std::fs::write(scratch.path().join(name), text).unwrap();
    }
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let files = names.map(|name| scratch.path().join(name));
    let verified = run(Command::new("systemd-analyze").arg("verify").args(&files)).expect(0);
    assert!(!verified.said().contains("vow-vault"), "{}", verified.story());
    // On systemd's scale from 0 to 10, times ten.
    let security = ["security", "--offline=yes", "--threshold=20", "--no-pager"];
    let judged = run(Command::new("systemd-analyze").args(security).arg(&files[0]));
    let is_known = !judged.stderr.contains("unrecognized option");
    assert!(!is_known || judged.code == Some(0), "{}", judged.story());
}

#[test]
fn the_units_that_receive_logs_call_what_there_is_and_systemd_takes_them() {
    let scratch = scratch();
    for (name, command) in [("vow-wal@.service", "wal-receive"), ("vow-binlog@.service", "binlog-receive")] {
        let text = std::fs::read_to_string(folder().join(name)).unwrap();
        let start = unit(&text)[&("Service".to_owned(), "ExecStart".to_owned())].join(" ");
        assert!(start.ends_with(&format!("vow.toml {command} %i")), "{start}");
        let _ = run(Command::new(binary()).args([command, "--help"])).expect(0);
        let file = scratch.path().join(name.replace('@', "@db"));
        std::fs::write(&file, text.replace("/usr/local/bin/vow", &binary().display().to_string())).unwrap();
        if Command::new("systemd-analyze").arg("--version").output().is_ok() {
            let verified = run(Command::new("systemd-analyze").arg("verify").arg(&file)).expect(0);
            assert!(!verified.said().contains(name), "{}", verified.story());
        }
    }
}

/// Opens a socket as systemd does, becomes the server, and leaves it to it.
const HAND_OVER: &str = "
import os, socket, sys
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
if listener.fileno() != 3:
    os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='vow-vault.socket')
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn a_vault_serves_the_socket_that_it_was_handed() {
    let scratch = scratch();
    let vault = VaultServer::at(&scratch.path().join("v"));
    // Where it would listen by itself, it cannot.
    let _ = vault.init(&["--listen", "192.0.2.1:8443"]).expect(0);
    let log = std::fs::File::create(scratch.path().join("log")).unwrap();
    let mut serve = Command::new("python3");
    serve.args(["-c", HAND_OVER]).arg(binary()).args(["vault", "serve", "--json", "--dir"]).arg(vault.dir());
    let mut server = serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let port: u16 = lines.next().unwrap().unwrap().parse().unwrap();
    // A connection made before the server is ready waits for it.
    let early = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let ready = lines.next().unwrap().unwrap();
    let answered = run(Command::new("curl")
        .args(["-sk", "-o", "/dev/null", "-w", "%{http_code}", "--http1.1"])
        .arg(format!("https://127.0.0.1:{port}/healthz")));
    drop(early);
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let code = server.wait().unwrap().code();
    assert!(ready.contains(&format!("127.0.0.1:{port}")), "{ready}");
    assert_eq!(answered.text(), "204", "{}", answered.story());
    assert_eq!(code, Some(0));
}

#[test]
fn a_drill_with_the_rights_of_the_agent_has_a_server_that_reaches_nobody() {
    if !is_root("the rights of the agent's unit") {
        return;
    }
    let text = std::fs::read_to_string(folder().join("vow-agent.service")).unwrap();
    let agent = unit(&text);
    let of = |name: &str| {
        agent.get(&("Service".to_owned(), name.to_owned())).cloned().unwrap_or_default().join(" ")
    };
    // What a drill needs beside capabilities: the name spaces of a scratch server, and a place for it.
    assert_eq!(of("RestrictNamespaces"), "user net mnt");
    assert_eq!(of("SystemCallFilter"), "@system-service @mount");
    assert!(of("ReadWritePaths").contains("/var/tmp") && of("CapabilityBoundingSet").contains("CAP_SETUID"));
    let rights: Vec<_> = of("CapabilityBoundingSet")
        .split(' ')
        .map(|right| right.to_lowercase().replace("cap_", "+"))
        .collect();
    let server = postgres::Server::start();
    server.sql("postgres", "CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n");
    let folder = server.folder("host");
    let files = folder.join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("file"), "content").unwrap();
    let host = Host::at(&folder.join("vow"), &[&files]);
    host.add_to_plan(&format!(
        "[[source]]\nname = \"db\"\ntype = \"postgres\"\nurl = \"{}\"\n",
        server.url()
    ));
    let identity = host.identity().display().to_string();
    let bounds = format!("--bounding-set=-all,{}", rights.join(","));
    let limited = |arguments: &[&str]| {
        let words = ["setpriv", "--no-new-privs", &bounds, "--"];
        run(&mut host.wrapped(&words, arguments.iter().copied()))
    };
    let _ = limited(&["backup"]).expect(0);
    let drilled = limited(&["drill", "--json", "--identity", &identity]).expect(0);
    let said = drilled.story();
    assert!(said.contains("\"db\"") && !said.contains("sockets"), "{said}");
}
