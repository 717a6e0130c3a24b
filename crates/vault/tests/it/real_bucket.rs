//! A real bucket, when there is one. `docs/testing.md` says how.

use crate::conformance::conformance;
use vow_vault::storage::Storage;
use vow_vault::storage::s3::{Finding, S3Options, S3Storage, Weight};

fn storage(name: &str) -> Option<S3Storage> {
    let url = std::env::var("VOW_TEST_S3_URL").ok().filter(|url| !url.is_empty())?;
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let minute = std::time::Duration::from_secs(60);
    // Short locks, so that what the test leaves behind can be removed soon.
    let options = S3Options { lock: minute * 2, grace: minute, probe_lock: minute, ..S3Options::default() };
    let url = format!("{}/vow-test-{time}-{name}", url.trim_end_matches('/'));
    Some(S3Storage::open(&url, std::env::vars(), options).unwrap())
}

#[test]
#[ignore = "needs a bucket: VOW_TEST_S3_URL and the AWS_ variables"]
fn conforms() {
    let storage = storage("conformance").expect("VOW_TEST_S3_URL");
    println!("{}: {:?}", storage.place(), storage.protection());
    conformance(&storage, 1100);
}

#[test]
#[ignore = "needs a bucket: VOW_TEST_S3_URL and the AWS_ variables"]
fn keeps_its_promises() {
    let storage = storage("probe").expect("VOW_TEST_S3_URL");
    let report = storage.probe().unwrap();
    for finding in &report.findings {
        println!("{:?}: {finding}", finding.weight());
    }
    assert!(report.weight() < Weight::Weak, "this store does not protect what a vault keeps there");
    assert!(report.findings.contains(&Finding::LockHeld));
}
