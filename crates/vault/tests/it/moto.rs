//! Another opinion on what S3 is.

use crate::conformance::conformance;
use std::time::Duration;
use vow_testkit::Moto;
use vow_vault::storage::Storage;
use vow_vault::storage::s3::{Finding, S3Options, S3Storage, Weight};

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

#[test]
fn rules_and_policies_that_would_take_away_are_found() {
    let moto = Moto::start();
    moto.bucket("rules", true);
    let storage = storage(&moto, "rules");
    assert_eq!(storage.look_at_settings().unwrap(), []);
    let rule = "<LifecycleConfiguration><Rule><ID>tidy</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
                <Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>";
    moto.set("rules", "lifecycle", rule);
    let found = storage.look_at_settings().unwrap();
    assert!(matches!(&found[..], [Finding::Lifecycle(what)] if what.contains("tidy")), "{found:?}");
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:DeleteObject*",
        "Resource": "arn:aws:s3:::rules/*"}]}"#;
    moto.set("rules", "policy", policy);
    let report = storage.probe().unwrap();
    assert_eq!(report.weight(), Weight::Harmful, "{:?}", report.findings);
    assert!(
        report.findings.iter().any(|it| matches!(it, Finding::OpenToAll(what) if what.contains("delete")))
    );
}
