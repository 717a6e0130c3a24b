//! The probe: what a store allows that it should not, it says.

use crate::double::{Double, Faults, options};
use std::sync::atomic::Ordering::SeqCst;
use vow_vault::storage::Storage;
use vow_vault::storage::s3::{Finding, Weight};

fn findings(double: &Double) -> Vec<Finding> {
    let report = double.storage("a").probe().unwrap();
    for finding in &report.findings {
        assert!(finding.to_string().len() > 20);
    }
    report.findings
}

#[test]
fn a_good_store() {
    let double = Double::start();
    let report = double.storage("a").probe().unwrap();
    assert!(report.weight() < Weight::Weak, "{:?}", report.findings);
    assert_eq!(report.findings, [Finding::LockHeld, Finding::CoveringPossible, Finding::MarkersHide]);
    double.faults.refuse_deletes.store(true, SeqCst);
    assert_eq!(findings(&double), [Finding::LockHeld, Finding::CoveringPossible, Finding::DeletingRefused]);
}

/// A name, how the store is made bad, and what has to be found.
type Bad = (&'static str, fn(&Faults), fn(&Finding) -> bool);

#[test]
fn bad_stores() {
    let bad: [Bad; 8] = [
        (
            "lock ignored",
            |faults| faults.ignore_lock.store(true, SeqCst),
            |it| matches!(it, Finding::LockIgnored(how) if how.contains("could be deleted")),
        ),
        (
            "lock of many ignored",
            |faults| faults.ignore_lock_of_many.store(true, SeqCst),
            |it| matches!(it, Finding::LockIgnored(how) if how.contains("could be deleted")),
        ),
        (
            "lock weakened",
            |faults| faults.weaken_lock.store(true, SeqCst),
            |it| matches!(it, Finding::LockIgnored(how) if how.contains("taken off")),
        ),
        (
            "lock forgotten",
            |faults| faults.forget_lock.store(true, SeqCst),
            |it| matches!(it, Finding::LockIgnored(how) if how.contains("has none")),
        ),
        (
            "lock shortened",
            |faults| faults.shorten_lock.store(true, SeqCst),
            |it| matches!(it, Finding::RetentionShortened),
        ),
        (
            "create-only ignored",
            |faults| faults.ignore_create_only.store(true, SeqCst),
            |it| matches!(it, Finding::CreateOnlyIgnored),
        ),
        (
            "markers untold",
            |faults| faults.silent_markers.store(true, SeqCst),
            |it| matches!(it, Finding::MarkersUntold),
        ),
        ("garbled", |faults| faults.garble.store(true, SeqCst), |it| matches!(it, Finding::NotKept(_))),
    ];
    for (what, fault, expected) in bad {
        let double = Double::start();
        fault(&double.faults);
        let findings = findings(&double);
        assert!(findings.iter().any(expected), "{what}: {findings:?}");
        let lock_is_bad = what.starts_with("lock");
        // Where somebody has said that the lock is not relied on, such a vault is served all the same.
        assert!(!lock_is_bad || worst(&findings) == Weight::Weak, "{what}: {findings:?}");
        assert!(findings.contains(&Finding::LockHeld) != lock_is_bad, "{what}: {findings:?}");
    }
}

fn worst(findings: &[Finding]) -> Weight {
    findings.iter().map(Finding::weight).max().unwrap_or(Weight::Good)
}

/// What the probe says where it is the settings that would take something away, and nothing can be tried.
#[test]
fn settings_that_would_take_away_what_is_kept() {
    let double = Double::start();
    let rule = |prefix: &str| s3s::dto::LifecycleRule {
        id: Some("tidy".into()),
        status: s3s::dto::ExpirationStatus::from_static("Enabled"),
        filter: Some(s3s::dto::LifecycleRuleFilter { prefix: Some(prefix.into()), ..Default::default() }),
        expiration: Some(s3s::dto::LifecycleExpiration { days: Some(30), ..Default::default() }),
        abort_incomplete_multipart_upload: None,
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        transitions: None,
    };
    double.bucket().lifecycle = Some(vec![rule("logs/"), rule("a/probe/")]);
    assert!(worst(&findings(&double)) < Weight::Weak);
    double.bucket().lifecycle = Some(vec![rule("logs/"), rule("")]);
    let found = findings(&double);
    assert!(
        matches!(&found[..], [.., Finding::Lifecycle(what)] if what.contains("tidy") && what.contains("30 days")),
        "{found:?}"
    );
    assert_eq!(worst(&found), Weight::Harmful);
    double.bucket().lifecycle = None;

    let policy = |principal: &str, action: &str| {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": "{principal}", "Action": "{action}", "Resource": "arn:aws:s3:::vow-test/*"}}}}"#
        )
    };
    for (principal, action, weight) in [
        ("*", "s3:Delete*", Weight::Harmful),
        ("*", "s3:GetObject", Weight::Weak),
        ("arn:aws:iam::1:role/ops", "s3:*", Weight::Known),
    ] {
        double.bucket().policy = Some(policy(principal, action));
        assert_eq!(worst(&findings(&double)), weight, "{principal} {action}");
    }
    // Said, and no reason to be woken at night: whoever made the bucket can look.
    double.bucket().policy = Some("{not JSON".into());
    assert!(
        findings(&double)
            .iter()
            .any(|it| matches!(it, Finding::Unseen(what) if what.contains("not understood")))
    );
    double.faults.hide_settings.store(true, SeqCst);
    let found = findings(&double);
    let unseen =
        found.iter().filter(|it| matches!(it, Finding::Unseen(what) if what.contains("s3:Get"))).count();
    assert_eq!((unseen, worst(&found)), (2, Weight::Known), "{found:?}");
}

#[test]
fn versions_that_are_switched_off_later_are_noticed() {
    let double = Double::with(true, false, 1000);
    let storage = double.storage("a");
    assert!(!storage.probe().unwrap().findings.contains(&Finding::VersioningOff));
    double.bucket().versioning = false;
    assert!(storage.look_at_settings().unwrap().contains(&Finding::VersioningOff));
}

#[test]
fn stores_without_locks_or_versions() {
    let findings_of = |versions| findings(&Double::with(versions, false, 1000));
    assert!(findings_of(true).contains(&Finding::NoLock));
    assert!(!findings_of(true).contains(&Finding::VersioningOff));
    assert!(findings_of(false).contains(&Finding::VersioningOff));
    assert!(findings_of(false).contains(&Finding::NoLock));
    let double = Double::with(false, false, 1000);
    double.faults.ignore_create_only.store(true, SeqCst);
    let report = double.storage("a").probe().unwrap();
    assert_eq!(report.weight(), Weight::Unusable, "{:?}", report.findings);
}

#[test]
fn old_probes_are_removed_when_their_lock_has_ended() {
    for versions in [true, false] {
        let double = Double::with(versions, versions, 1000);
        let storage = double.storage("a");
        let first = storage.probe().unwrap();
        assert_eq!(first.removed, 0);
        assert_eq!(storage.probe().unwrap().removed, 0, "still locked");
        double.bucket().ahead = options().probe_lock * 3;
        // The store's clock is the one that counts, and it comes with every answer.
        storage.stat("VOW").unwrap();
        let report = storage.probe().unwrap();
        assert!(report.removed >= 2, "{report:?}");
        assert!(report.findings.iter().any(|it| matches!(it, Finding::ClocksDiffer(_))), "{report:?}");
        assert!(!versions || report.findings.contains(&Finding::LockHeld), "{report:?}");
        let left = double.bucket().keys.keys().filter(|key| key.starts_with("a/probe/")).count();
        assert_eq!(left, 1);
        assert!(storage.hidden().unwrap().is_empty());
    }
}

#[test]
fn a_store_that_does_not_answer_is_no_finding() {
    let double = Double::start();
    let storage = double.storage("a");
    double.faults.internal_error.store(usize::MAX, SeqCst);
    assert!(storage.probe().is_err());
}
