//! A small strict console: takes what `docs/console.md` says hosts send, and nothing else. It stands in for the real one.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vow_base::Fingerprint;
use vow_base::id::hex;
use vow_base::sign::{PublicKey, SigningKey};
use vow_protocol::report::{Body, FORMAT, REPORT_LIMIT_BYTES, Report, RunReport, VERSION};
use vow_protocol::{JoinSecret, JoinToken, tls};

/// A console behind a port, until it is dropped.
pub(crate) struct Console {
    pub(crate) address: SocketAddr,
    key: SigningKey,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    secret: Mutex<Option<String>>,
    hosts: Mutex<HashMap<PublicKey, (String, String)>>,
    reports: Mutex<Vec<Report>>,
    /// Status and word that every report gets instead.
    instead: Mutex<Option<(u16, &'static str)>>,
    stop: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Console {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate().expect("randomness");
        let mut console = Self { address: ([127, 0, 0, 1], 0).into(), key, shared: Arc::default() };
        console.start();
        console
    }

    /// Listens; after a stop, at the same address.
    pub(crate) fn start(&mut self) {
        let listener = TcpListener::bind(self.address).expect("a port");
        self.address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("told");
        self.shared.stop.store(false, SeqCst);
        let (shared, config) = (self.shared.clone(), tls::server_config(&self.key).expect("TLS"));
        let key = self.key.public();
        std::thread::spawn(move || {
            while !shared.stop.load(SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                stream.set_nonblocking(false).expect("told");
                shared.open.lock().expect("held").push(stream.try_clone().expect("cloned"));
                let (shared, config) = (shared.clone(), config.clone());
                // A connection that breaks is the client's trouble.
                std::thread::spawn(move || serve(&shared, config, key, stream));
            }
        });
    }

    /// Goes away, with everything that is under way.
    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, SeqCst);
        self.shared.open.lock().expect("held").drain(..).for_each(|stream| {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
        // Nobody listens any more when nobody can connect.
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address).is_ok() {
            assert!(Instant::now() < until, "it still listens");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A new join token; the last one is good for nothing any more.
    pub(crate) fn token(&self) -> String {
        let secret = JoinSecret::generate().expect("randomness");
        *self.shared.secret.lock().expect("held") = Some(secret.text().to_owned());
        let address = format!("https://{}", self.address).parse().expect("an address");
        let fingerprint = Fingerprint::of(&self.key.public());
        JoinToken { address, fingerprint, secret }.text().to_string()
    }

    /// What every report is answered from now on.
    pub(crate) fn answer(&self, instead: Option<(u16, &'static str)>) {
        *self.shared.instead.lock().expect("held") = instead;
    }

    /// Every report that was stored.
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.shared.reports.lock().expect("held").clone()
    }

    /// The reports of runs.
    pub(crate) fn runs(&self) -> Vec<RunReport> {
        let run = |report: Report| match report.body {
            Body::Run(run) => Some(*run),
            _ => None,
        };
        self.reports().into_iter().filter_map(run).collect()
    }

    /// Waits until what was stored is as it should be.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, there: impl Fn(&[Report]) -> bool) {
        let until = Instant::now() + Duration::from_secs(90);
        while !there(&self.reports()) {
            assert!(Instant::now() < until, "{what} never came: {:#?}", self.reports());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
    }
}

fn serve(shared: &Shared, config: Arc<ServerConfig>, console: PublicKey, stream: TcpStream) -> Option<()> {
    let connection = ServerConnection::new(config).ok()?;
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let header = |name: &str| {
            let one = |line: &String| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            };
            head.iter().skip(1).find_map(one)
        };
        let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length.min(REPORT_LIMIT_BYTES + 1)];
        stream.read_exact(&mut body).ok()?;
        let key = tls::peer_key(stream.get_ref().conn.peer_certificates());
        let is_json = header("content-type").is_some_and(|kind| kind == "application/json");
        let words: Vec<_> = head.first()?.split(' ').collect();
        let (status, answer) = match words.as_slice() {
            ["POST", _, "HTTP/1.1"] if !is_json || length == 0 => error(400, "malformed"),
            ["POST", "/v1/join", "HTTP/1.1"] => join(shared, key, console, &body),
            ["POST", "/v1/reports", "HTTP/1.1"] => take(shared, key, &body),
            _ => error(404, "absent"),
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
    }
}

fn error(status: u16, word: &str) -> (u16, Value) {
    (status, json!({"error": word, "message": "as the test wants it"}))
}

fn join(shared: &Shared, key: Option<PublicKey>, console: PublicKey, body: &[u8]) -> (u16, Value) {
    let Some(key) = key else { return error(401, "key") };
    let Ok(asked) = serde_json::from_slice::<Value>(body) else { return error(400, "malformed") };
    if asked["secret"].as_str() != shared.secret.lock().expect("held").as_deref() {
        return error(404, "absent");
    }
    let (Some(tenant), Some(name)) = (asked["tenant"].as_str(), asked["name"].as_str()) else {
        return error(400, "malformed");
    };
    shared.hosts.lock().expect("held").insert(key, (tenant.to_owned(), name.to_owned()));
    (200, json!({"console": hex(&console.0), "tenant": tenant, "name": name}))
}

fn take(shared: &Shared, key: Option<PublicKey>, body: &[u8]) -> (u16, Value) {
    let Some(key) = key else { return error(401, "key") };
    let Some(host) = shared.hosts.lock().expect("held").get(&key).cloned() else {
        return error(404, "not-joined");
    };
    if let Some((status, word)) = *shared.instead.lock().expect("held") {
        return error(status, word);
    }
    let Ok(report) = serde_json::from_slice::<Report>(body) else { return error(400, "malformed") };
    let is_one = report.format == FORMAT && report.version == VERSION && report.id.len() == 32;
    if !is_one || (report.tenant.clone(), report.host.clone()) != host {
        return error(409, "refused");
    }
    let mut reports = shared.reports.lock().expect("held");
    if !reports.iter().any(|known| known.id == report.id) {
        reports.push(report);
    }
    (200, json!({"stored": true}))
}
