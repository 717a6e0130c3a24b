//! Another opinion on what S3 is: the `moto` server, a program of its own. It lets compliance locks be shortened, as no real store does.

use crate::cable::{Lab, there};
use crate::shell;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A store of its own, with nothing in it. It goes away with the value.
pub struct Moto {
    child: Child,
    on: Option<(Arc<Lab>, u8)>,
    /// Its address.
    pub endpoint: String,
}

const PATIENCE: Duration = Duration::from_secs(120);

impl Moto {
    /// Starts one. Needs `moto[server]`, as tools/requirements.txt has it, in the Python that `VOW_TEST_PYTHON` names.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        // Free now; that somebody takes it in between does not happen.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::begin(None, port)
    }

    /// Starts one that only its own machine of a lab reaches.
    #[track_caller]
    #[must_use]
    pub fn start_on(lab: &Arc<Lab>, machine: u8) -> Self {
        Self::begin(Some((lab.clone(), machine)), 5000)
    }

    #[track_caller]
    fn begin(on: Option<(Arc<Lab>, u8)>, port: u16) -> Self {
        let python = std::env::var_os("VOW_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        let spawned = there(on.as_ref(), command).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = spawned.unwrap_or_else(|e| {
            panic!("python with moto[server], as tools/requirements.txt has it: set VOW_TEST_PYTHON: {e}")
        });
        let mut moto = Self { child, on, endpoint: format!("http://127.0.0.1:{port}") };
        let begun = Instant::now();
        while shell::run(&mut moto.curl(&["-s", &moto.endpoint])).code != Some(0) {
            assert!(begun.elapsed() < PATIENCE, "moto does not come up");
            assert!(moto.child.try_wait().unwrap().is_none(), "moto ended: is moto[server] installed?");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    fn curl(&self, words: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(words);
        there(self.on.as_ref(), command)
    }

    /// The variables that lead there, for the library and for the binary.
    pub fn env(&self) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL_S3", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Makes a bucket: with versions and locks or without both.
    #[track_caller]
    pub fn bucket(&self, name: &str, lock: bool) {
        let header = if lock { "x-amz-bucket-object-lock-enabled: true" } else { "x-nothing: 1" };
        let place = format!("{}/{name}", self.endpoint);
        let _ = shell::run(&mut self.curl(&["-sf", "-X", "PUT", "-H", header, &place])).expect(0);
    }

    /// Sets one of a bucket's settings: `lifecycle`, `policy`.
    #[track_caller]
    pub fn set(&self, bucket: &str, setting: &str, text: &str) {
        let place = format!("{}/{bucket}?{setting}", self.endpoint);
        // Curl would call it a form.
        let kind = "Content-Type: application/octet-stream";
        let _ =
            shell::run(&mut self.curl(&["-sf", "-X", "PUT", "-H", kind, "--data", text, &place])).expect(0);
    }

    /// Everything in every bucket is gone, and the buckets with it.
    #[track_caller]
    pub fn wipe(&self) {
        let place = format!("{}/moto-api/reset", self.endpoint);
        let _ = shell::run(&mut self.curl(&["-sf", "-X", "POST", &place])).expect(0);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
