//! Another opinion on what S3 is: the `moto` server, a program of its own.

use crate::conformance::conformance;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vow_vault::storage::Storage;
use vow_vault::storage::s3::{Finding, S3Options, S3Storage};

struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    fn start() -> Self {
        let python = std::env::var_os("VOW_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        // Free now; that somebody takes it in between does not happen.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python with moto[server], as tools/requirements.txt has it: set VOW_TEST_PYTHON");
        let mut moto = Self { child, endpoint: format!("http://127.0.0.1:{port}") };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "moto does not come up");
            assert!(moto.child.try_wait().unwrap().is_none(), "moto ended: is moto[server] installed?");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    fn env(&self) -> Vec<(String, String)> {
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
    fn bucket(&self, name: &str, lock: bool) {
        let header = if lock { "x-amz-bucket-object-lock-enabled: true" } else { "x-nothing: 1" };
        let url = format!("{}/{name}", self.endpoint);
        let made = Command::new("curl").args(["-sf", "-X", "PUT", "-H", header, &url]).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    fn storage(&self, bucket: &str) -> S3Storage {
        let options = S3Options { patience: Duration::from_secs(5), ..S3Options::default() };
        S3Storage::open(&format!("s3://{bucket}/a/vault"), self.env(), options).unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn conforms_with_and_without_versions() {
    let moto = Moto::start();
    moto.bucket("plain", false);
    moto.bucket("locked", true);
    let (plain, locked) = (moto.storage("plain"), moto.storage("locked"));
    assert!(!plain.protection().versions && !plain.protection().locks);
    assert!(locked.protection().versions && locked.protection().locks);
    conformance(&plain, 1100);
    conformance(&locked, 1100);
    assert!(plain.hidden().unwrap().is_empty());

    // It lets compliance retention be shortened; the probe must see that.
    let report = locked.probe().unwrap();
    assert!(report.findings.contains(&Finding::RetentionShortened), "{:?}", report.findings);
    assert!(!report.findings.contains(&Finding::LockHeld), "{:?}", report.findings);
    assert!(!report.findings.contains(&Finding::CreateOnlyIgnored), "{:?}", report.findings);
    let report = plain.probe().unwrap();
    assert!(report.findings.contains(&Finding::VersioningOff), "{:?}", report.findings);
    assert!(plain.read(&report.name, 4096).is_ok());
}
