//! Another opinion on what S3 is.

use crate::conformance::conformance;
use std::time::Duration;
use vow_testkit::Moto;
use vow_vault::storage::Storage;
use vow_vault::storage::s3::{Finding, S3Options, S3Storage};

fn storage(moto: &Moto, bucket: &str) -> S3Storage {
    let options = S3Options { patience: Duration::from_secs(5), ..S3Options::default() };
    S3Storage::open(&format!("s3://{bucket}/a/vault"), moto.env(), options).unwrap()
}

#[test]
fn conforms_with_and_without_versions() {
    let moto = Moto::start();
    moto.bucket("plain", false);
    moto.bucket("locked", true);
    let (plain, locked) = (storage(&moto, "plain"), storage(&moto, "locked"));
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
