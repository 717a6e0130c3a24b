//! etcd, with a real server: a snapshot, its proof, and tools that cut or lie.

use super::sources::{back_up, document, fails, host_of, open, prove, script};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vow_testkit::{host, shell};

pub(super) struct Server {
    folder: tempfile::TempDir,
    child: Child,
    pub(super) url: String,
}

impl Server {
    pub(super) fn start() -> Self {
        // Freed again before the server takes them; nobody else asks for ports of that kind here.
        let ports: Vec<_> = [0; 2]
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .iter()
            .map(|one| one.local_addr().unwrap())
            .collect();
        let [url, peer] = [0, 1].map(|at| format!("http://{}", ports[at]));
        let folder = host::scratch();
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.path().join("data")).args([
            "--listen-client-urls",
            &url,
            "--advertise-client-urls",
            &url,
        ]);
        command.args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster",
            &format!("default={peer}"),
        ]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { folder, child, url };
        let began = Instant::now();
        while server.ctl(&["endpoint", "health"]).code != Some(0) {
            assert!(began.elapsed() < Duration::from_secs(60), "etcd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    pub(super) fn ctl(&self, words: &[&str]) -> shell::Done {
        shell::run(
            Command::new("etcdctl")
                .env("ETCDCTL_API", "3")
                .arg(format!("--endpoints={}", self.url))
                .args(words),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_snapshot_comes_back_and_one_that_is_cut_makes_none() {
    let server = Server::start();
    for n in 0..20 {
        let _ = server.ctl(&["put", &format!("key{n}"), &"value ".repeat(100)]).expect(0);
    }
    let (host, _folder) = host_of("etcd", &format!("url = \"{}\"", server.url));
    let _ = back_up(&host).expect(0);
    assert!(document(&host, "truth.json")["total_key"].as_u64().unwrap() >= 20);
    let proof = prove(&host, "etcd");
    assert!(proof.holds(), "{proof:?}");
    let found = host.run(["discover", "--json"]).expect(0).summary();
    let ours =
        found["servers"].as_array().unwrap().iter().find(|one| one["url"] == server.url).unwrap().clone();
    assert_eq!(ours["source"], "db", "{ours}");
    let refused = open(&host, &["restore", "db@latest", "--into", "http://x/"]).expect(1);
    assert!(refused.said().contains("--target DIR"), "{}", refused.story());

    let tools = server.folder.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    // $last is the file that a real etcdctl saved.
    let saved = "$REAL \"$@\"; code=$?; for last; do :; done; case \"$*\" in *' save '*) ";
    for (damage, says) in [
        ("truncate -s -100 \"$last\";;", "is cut"),
        ("printf XXXX | dd of=\"$last\" bs=1 seek=9000 conv=notrunc status=none;;", "does not have the hash"),
        ("code=1;;", "exit status: 1"),
    ] {
        script(&tools, "etcdctl", "/usr/bin/etcdctl", &format!("{saved}{damage} esac; exit $code"));
        let (host, _folder) =
            host_of("etcd", &format!("url = \"{}\"\ntools = \"{}\"", server.url, tools.display()));
        fails(&host, &[says]);
    }
    let (host, _folder) = host_of("etcd", "url = \"http://127.0.0.1:1\"");
    fails(&host, &["etcdctl failed"]);
}

/// Goes between a client and the server, and kills the server when so much of its answer has passed.
fn killing_proxy(server: &Server, after_bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (target, pid) = (server.url.trim_start_matches("http://").to_owned(), server.child.id());
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(upstream) = TcpStream::connect(&target) else { continue };
            let pass = |mut from: TcpStream, mut to: TcpStream, limit: usize| {
                std::thread::spawn(move || {
                    let (mut buffer, mut passed) = ([0; 16 << 10], 0);
                    while let Ok(read @ 1..) = from.read(&mut buffer) {
                        passed += read;
                        if passed > limit {
                            shell::tool("kill", ["-9", &pid.to_string()]);
                            break;
                        }
                        if to.write_all(&buffer[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
                })
            };
            pass(client.try_clone().unwrap(), upstream.try_clone().unwrap(), usize::MAX);
            pass(upstream, client, after_bytes);
        }
    });
    format!("http://{address}")
}

#[test]
fn a_server_that_is_killed_in_the_middle_makes_no_snapshot() {
    let server = Server::start();
    for n in 0..40 {
        let _ = server.ctl(&["put", &format!("key{n}"), &format!("{n} ").repeat(20_000)]).expect(0);
    }
    let (host, _folder) = host_of("etcd", &format!("url = \"{}\"", killing_proxy(&server, 300_000)));
    fails(&host, &["etcdctl failed"]);
}
